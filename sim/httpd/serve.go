package httpd

import (
	"bufio"
	"context"
	"fmt"
	"html"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"enshu/sim/libc"
	"enshu/sim/trace"
)

const (
	serverToken   = "Apache/2.4.57 (AlmaLinux)"
	keepAliveTime = 5 * time.Second
	requestTime   = 60 * time.Second
	maxKeepAlive  = 100
)

// accept takes connections of a listener until it is closed.
func (d *daemon) accept(ctx context.Context, l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		if !d.note(conn, true) {
			conn.Close()
			return
		}
		d.p.Go(func() {
			defer d.note(conn, false)
			defer conn.Close()
			d.connection(conn)
		})
	}
}

// note keeps the list of connections. It reports false when the daemon is over.
func (d *daemon) note(conn net.Conn, open bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.conns == nil {
		return false
	}
	if open {
		d.conns[conn] = true
	} else {
		delete(d.conns, conn)
	}
	return true
}

// connection serves the requests of one connection.
func (d *daemon) connection(conn net.Conn) {
	r := bufio.NewReaderSize(conn, maxLine)
	wait := requestTime
	for n := 0; n < maxKeepAlive; n++ {
		conn.SetReadDeadline(d.p.Now().Add(wait))
		q, err := readRequest(r)
		bad, isBad := err.(badRequest)
		if err != nil && !isBad {
			return
		}
		length, understood := q.bodyLength()
		stays := q.stays() && !isBad && understood && n+1 < maxKeepAlive
		a := d.answer(q, conn, int(bad), n)
		if err := a.send(conn, stays); err != nil {
			stays = false
		}
		d.account(a, conn)
		if !stays {
			return
		}
		if _, err := io.CopyN(io.Discard, r, length); err != nil {
			return
		}
		wait = keepAliveTime
	}
}

// answer is a response.
type answer struct {
	entry
	body   []byte
	names  []string // of the headers, in their order
	values []string
}

func (a *answer) set(name, value string) {
	a.names, a.values = append(a.names, name), append(a.values, value)
	a.headers[strings.ToLower(name)] = value
}

// send writes the response; a HEAD has no body.
func (a *answer) send(w io.Writer, stays bool) error {
	var b strings.Builder
	if a.req.proto != "HTTP/0.9" {
		fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", a.status, statusTexts[a.status])
		for i, name := range a.names {
			fmt.Fprintf(&b, "%s: %s\r\n", name, a.values[i])
		}
		if !stays {
			b.WriteString("Connection: close\r\n")
		} else if a.req.proto == "HTTP/1.0" {
			b.WriteString("Keep-Alive: timeout=5, max=100\r\nConnection: Keep-Alive\r\n")
		}
		b.WriteString("\r\n")
	}
	head := b.Len()
	if a.req.method != "HEAD" && a.status != 304 {
		b.Write(a.body)
	}
	n, err := io.WriteString(w, b.String())
	a.total, a.bytes = n, max(n-head, 0)
	return err
}

// host finds the site that a request is for.
func (c *config) host(q *request, local netip.AddrPort) *site {
	name := strings.ToLower(q.header["host"])
	if i := strings.LastIndexByte(name, ':'); i > 0 && !strings.HasSuffix(name, "]") {
		name = name[:i]
	}
	var first *site
	for _, v := range c.hosts {
		addr, port := v.addr, ""
		if i := strings.LastIndexByte(addr, ':'); i >= 0 && !strings.HasSuffix(addr, "]") {
			addr, port = addr[:i], addr[i+1:]
		}
		addr = strings.Trim(addr, "[]")
		if port != "" && port != "*" && port != strconv.Itoa(int(local.Port())) || addr != "*" && addr != "_default_" && addr != local.Addr().String() {
			continue
		}
		if first == nil {
			first = v
		}
		for _, n := range append([]string{v.name}, v.aliases...) {
			n, _, _ = strings.Cut(strings.ToLower(n), ":")
			if ok, _ := path.Match(n, name); ok || n == name {
				return v
			}
		}
	}
	if first != nil {
		return first
	}
	return c.main
}

func addrPort(a net.Addr) netip.AddrPort {
	ap, _ := netip.ParseAddrPort(a.String())
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// answer makes the response to a request; status is what is wrong with it, or 0.
func (d *daemon) answer(q *request, conn net.Conn, status, earlier int) *answer {
	d.mu.Lock()
	c := d.conf
	d.mu.Unlock()
	local, remote := addrPort(conn.LocalAddr()), addrPort(conn.RemoteAddr())
	a := &answer{entry: entry{req: q, start: libc.LocalTime(d.p), site: c.host(q, local), headers: map[string]string{}, received: q.size,
		local: local.Addr().String(), port: strconv.Itoa(int(local.Port())), remote: remote.Addr().String(), rport: strconv.Itoa(int(remote.Port())),
		pid: d.p.PID, keep: earlier}}
	a.set("Date", d.p.Now().Format("Mon, 02 Jan 2006 15:04:05")+" GMT")
	a.set("Server", serverToken)
	client := remote.String()
	if status != 0 {
		d.refuse(a, c, status, "")
		return a
	}
	switch q.method {
	case "GET", "HEAD", "POST":
	case "OPTIONS":
		a.status = 200
		a.set("Allow", "GET,POST,OPTIONS,HEAD")
		a.set("Content-Length", "0")
		return a
	default:
		d.refuse(a, c, map[bool]int{true: 405, false: 501}[q.method == "PUT" || q.method == "DELETE" || q.method == "TRACE"], q.method)
		return a
	}
	for _, r := range a.site.redirect {
		if rest, ok := strings.CutPrefix(q.path, r.from); ok && (rest == "" || rest[0] == '/' || strings.HasSuffix(r.from, "/")) {
			a.set("Location", r.to+rest)
			d.refuse(a, c, r.status, r.to+rest)
			return a
		}
	}
	d.file(a, c, a.site.path(q.path), client)
	return a
}

// path maps a URL path to a file.
func (s *site) path(url string) string {
	for _, m := range s.alias {
		if rest, ok := strings.CutPrefix(url, m.from); ok && (rest == "" || rest[0] == '/' || strings.HasSuffix(m.from, "/")) {
			return path.Join(m.to, rest) + slashOf(rest)
		}
	}
	root := s.docRoot
	if root == "" {
		root = "/etc/httpd/htdocs"
	}
	return path.Join(root, url) + slashOf(url)
}

func slashOf(s string) string {
	if strings.HasSuffix(s, "/") {
		return "/"
	}
	return ""
}

// applies reports whether a section is about a file or URL.
func (s *section) applies(file, url string) bool {
	switch s.kind {
	case "directory":
		if s.match != nil {
			return s.match.MatchString(path.Dir(file))
		}
		dir := strings.TrimSuffix(s.pattern, "/")
		return dir == "" || file == dir || strings.HasPrefix(file, dir+"/")
	case "location":
		if s.match != nil {
			return s.match.MatchString(url)
		}
		loc := strings.TrimSuffix(s.pattern, "/")
		return loc == "" || url == loc || strings.HasPrefix(url, loc+"/")
	}
	base := path.Base(file)
	if s.match != nil {
		return s.match.MatchString(base)
	}
	ok, _ := path.Match(s.pattern, base)
	return ok
}

// allowed applies the Require lines of the sections, the last that has any.
func (s *site) allowed(file, url string, client netip.Addr) bool {
	ok := true
	for i := range s.sections {
		sec := &s.sections[i]
		if len(sec.require) > 0 && sec.applies(file, url) {
			ok = requires(sec.require, client)
		}
	}
	return ok
}

// requires reports whether any of the lines lets the client in (RequireAny),
// and none with "not" keeps it out.
func requires(lines []string, client netip.Addr) bool {
	ok := false
	for _, line := range lines {
		w := strings.Fields(line)
		not := w[0] == "not"
		if not {
			w = w[1:]
		}
		hit := false
		switch {
		case len(w) == 0:
		case w[0] == "all":
			hit = len(w) > 1 && w[1] == "granted"
		case w[0] == "local":
			hit = client.IsLoopback()
		case w[0] == "ip":
			for _, a := range w[1:] {
				hit = hit || inAddress(a, client)
			}
		}
		if not && hit {
			return false
		}
		ok = ok || hit || not && len(lines) == 1
	}
	return ok
}

// inAddress matches an address, a prefix or the beginning of an IPv4 address.
func inAddress(a string, client netip.Addr) bool {
	if p, err := netip.ParsePrefix(a); err == nil {
		return p.Contains(client)
	}
	if x, err := netip.ParseAddr(a); err == nil {
		return x == client
	}
	return strings.HasPrefix(client.String()+".", strings.TrimSuffix(a, ".")+".")
}

// file answers with a file.
func (d *daemon) file(a *answer, c *config, name, client string) {
	a.file = strings.TrimSuffix(name, "/")
	target := a.req.path
	remote, _ := netip.ParseAddr(a.remote)
	if !a.site.allowed(a.file, target, remote) {
		d.errorLog(a.site, levelError, "authz_core", client, "AH01630: client denied by server configuration: "+a.file)
		d.refuse(a, c, 403, "")
		return
	}
	info, err := d.p.Sys.Stat(a.file)
	if err == nil && info.IsDir() {
		if !strings.HasSuffix(target, "/") {
			moved := "http://" + dash(a.req.header["host"]) + target + "/"
			a.set("Location", moved)
			d.refuse(a, c, 301, moved)
			return
		}
		index, listing := a.site.index, false
		for i := range a.site.sections {
			s := &a.site.sections[i]
			if !s.applies(a.file, target) {
				continue
			}
			if s.index != nil {
				index = s.index
			}
			if s.listing != nil {
				listing = *s.listing
			}
		}
		dir := a.file
		err = os.ErrNotExist
		for _, n := range index {
			if info, err = d.p.Sys.Stat(path.Join(dir, n)); err == nil {
				a.file = path.Join(dir, n)
				break
			}
		}
		if err != nil && listing && d.list(a, dir) {
			return
		}
		if err != nil {
			d.errorLog(a.site, levelError, "autoindex", client, fmt.Sprintf("AH01276: Cannot serve directory %s/: No matching DirectoryIndex (%s) found, and server-generated directory index forbidden by Options directive",
				dir, strings.Join(index, ",")))
			d.refuse(a, c, 403, "")
			return
		}
	}
	if err != nil || !info.Mode().IsRegular() {
		d.errorLog(a.site, levelInfo, "core", client, "AH00128: File does not exist: "+a.file)
		d.refuse(a, c, 404, "")
		return
	}
	data, err := libc.ReadFile(d.p, a.file)
	if err != nil || !d.readable(a.file, info) {
		d.errorLog(a.site, levelError, "core", client, "(13)Permission denied: AH00132: file permissions deny server access: "+a.file)
		d.refuse(a, c, 403, "")
		return
	}
	if a.req.method == "POST" {
		a.set("Allow", "GET,POST,OPTIONS,HEAD")
		d.refuse(a, c, 405, "POST")
		return
	}
	modified := info.ModTime().UTC().Truncate(time.Second)
	a.status, a.body = 200, data
	a.set("Last-Modified", modified.Format("Mon, 02 Jan 2006 15:04:05")+" GMT")
	a.set("ETag", fmt.Sprintf("\"%x-%x\"", len(data), modified.UnixMicro()))
	a.set("Accept-Ranges", "bytes")
	if since, err := time.Parse("Mon, 02 Jan 2006 15:04:05 GMT", a.req.header["if-modified-since"]); err == nil && !modified.After(since) {
		a.status, a.body = 304, nil
		return
	}
	a.set("Content-Length", strconv.Itoa(len(data)))
	if t := c.mimeType(a.file, a.site.charset); t != "" {
		a.set("Content-Type", t)
	}
}

// list answers with the names in a directory (mod_autoindex without
// FancyIndexing).
func (d *daemon) list(a *answer, dir string) bool {
	names, err := libc.ReadDir(d.p, dir)
	if err != nil {
		return false
	}
	var b strings.Builder
	title := html.EscapeString(strings.TrimSuffix(a.req.path, "/"))
	if title == "" {
		title = "/"
	}
	fmt.Fprintf(&b, "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 3.2 Final//EN\">\n<html>\n <head>\n  <title>Index of %s</title>\n </head>\n <body>\n<h1>Index of %s</h1>\n<ul>", title, title)
	if a.req.path != "/" {
		fmt.Fprintf(&b, "<li><a href=\"%s\"> Parent Directory</a></li>\n", (&url.URL{Path: path.Dir(strings.TrimSuffix(a.req.path, "/"))}).EscapedPath())
	}
	for _, n := range names {
		if strings.HasPrefix(n, ".") {
			continue
		}
		if info, err := d.p.Sys.Stat(path.Join(dir, n)); err == nil && info.IsDir() {
			n += "/"
		}
		fmt.Fprintf(&b, "<li><a href=\"%s\"> %s</a></li>\n", (&url.URL{Path: n}).EscapedPath(), html.EscapeString(n))
	}
	b.WriteString("</ul>\n</body></html>\n")
	a.status, a.body = 200, []byte(b.String())
	a.set("Content-Length", strconv.Itoa(b.Len()))
	a.set("Content-Type", "text/html;charset=UTF-8")
	return true
}

func (c *config) mimeType(file, charset string) string {
	ext := strings.TrimPrefix(path.Ext(file), ".")
	t := c.types[ext]
	if t == "" {
		t = mimeTypes[ext]
	}
	if charset != "" && (t == "text/html" || t == "text/plain") {
		t += "; charset=" + charset
	}
	return t
}

// readable reports whether User and Group may read a file, by its mode. What a
// directory on the way says counts too.
func (d *daemon) readable(name string, info fs.FileInfo) bool {
	bits := func(info fs.FileInfo, want fs.FileMode) bool {
		uid, gid := libc.Owner(info)
		switch {
		case uid == d.uid:
			return info.Mode()&(want<<6) != 0
		case gid == d.gid:
			return info.Mode()&(want<<3) != 0
		}
		return info.Mode()&want != 0
	}
	if !bits(info, 4) {
		return false
	}
	for dir := path.Dir(name); dir != "/"; dir = path.Dir(dir) {
		if info, err := d.p.Sys.Stat(dir); err != nil || !bits(info, 1) {
			return false
		}
	}
	return true
}

// refuse answers with a status and its page, or the ErrorDocument.
func (d *daemon) refuse(a *answer, c *config, status int, detail string) {
	a.status = status
	a.body = []byte(errorPage(status, detail))
	doc := a.site.errDocs[status]
	for i := range a.site.sections {
		s := &a.site.sections[i]
		if t := s.errDocs[status]; t != "" && s.applies(a.file, a.req.path) {
			doc = t
		}
	}
	kind := "text/html; charset=iso-8859-1"
	if strings.HasPrefix(doc, "/") {
		file := a.site.path(doc)
		if info, err := d.p.Sys.Stat(file); err == nil && d.readable(file, info) {
			if data, err := libc.ReadFile(d.p, file); err == nil {
				a.body, kind = data, c.mimeType(file, a.site.charset)
			}
		}
	} else if doc != "" {
		a.body = []byte(doc)
	}
	a.set("Content-Length", strconv.Itoa(len(a.body)))
	a.set("Content-Type", kind)
}

// account writes the access log and the trace.
func (d *daemon) account(a *answer, conn net.Conn) {
	a.took = libc.LocalTime(d.p).Sub(a.start)
	logs := a.site.logs
	if len(logs) == 0 {
		d.mu.Lock()
		logs = d.conf.main.logs
		d.mu.Unlock()
	}
	for _, l := range logs {
		d.write(l.file, a.format(l.format)+"\n")
	}
	d.p.Emit(trace.QueryAnswered, trace.Attrs{"protocol": "http", "from": conn.RemoteAddr().String(), "question": a.req.line, "answer": strconv.Itoa(a.status)})
}
