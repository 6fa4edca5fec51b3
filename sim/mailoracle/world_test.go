package mailoracle

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net/netip"
	"os"
	"os/exec"
	"path"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"gopkg.in/yaml.v3"
	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"

	"enshu/sim/clock"
	"enshu/sim/distro"
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/memnet"
)

// base is BASE.yaml.
var base = func() (b struct {
	Files map[string]string `yaml:"files"`
	TLS   string            `yaml:"tls_lines_of_el9_main_cf (only in cases with tls:)"`
}) {
	data, err := os.ReadFile("testdata/BASE.yaml")
	if err != nil {
		panic(err)
	}
	if err := yaml.Unmarshal(data, &b); err != nil {
		panic(err)
	}
	return b
}()

// programs are those of the two packages, and of the machine around them.
func programs() map[string]host.Program {
	all := map[string]host.Program{}
	d := distro.New()
	for _, name := range []string{"postfix", "s-nail", "cyrus-sasl"} {
		p, _ := d.Find(name)
		for file, prog := range p.Programs {
			all[file] = prog
		}
	}
	all["/usr/bin/bash"] = shell
	all["/usr/bin/nohup"] = silent
	all["/usr/bin/sh"] = shell
	for _, name := range []string{"grep", "sed", "awk", "cut", "sort", "head", "tail", "wc", "tr", "cat", "seq", "printf", "egrep"} {
		all["/usr/bin/"+name] = filter
	}
	for _, name := range []string{"ls", "chmod", "chown", "rm", "rmdir", "mkdir", "mv", "touch", "find", "id", "env", "sleep", "file"} {
		all["/usr/bin/"+name] = tool
	}
	return all
}

// world is the hosts of one case.
type world struct {
	t     *testing.T
	c     *oracleCase
	net   *memnet.Network
	hosts map[string]*memnet.Host
	logAt map[string]int
	ips   map[string]string

	mayCrash bool // a Program that panics does not fail the test
}

func (c *oracleCase) spec(name string) (hostname, ip string) {
	var m map[string]struct{ Hostname, IP string }
	c.Hosts.Decode(&m)
	return m[name].Hostname, m[name].IP
}

func newWorld(t *testing.T, c *oracleCase) *world { return newWorldOf(t, c, false) }

func newWorldOf(t *testing.T, c *oracleCase, mayCrash bool) *world {
	w := &world{t: t, mayCrash: mayCrash, c: c, net: memnet.New(t), hosts: map[string]*memnet.Host{}, logAt: map[string]int{}, ips: map[string]string{}}
	time.Sleep(time.Until(time.Date(2026, 11, 22, 0, 51, 13, 123456000, time.UTC)))
	if c.DNS != nil {
		ns := w.net.Host(t, memnet.Config{Name: "dns", Addrs: []string{"192.0.2.53/24"}, Programs: map[string]host.Program{"/usr/sbin/named": c.nameServer}})
		ns.Start("/usr/sbin/named")
	}
	for _, name := range c.hostNames {
		w.build(name)
	}
	return w
}

func (w *world) build(name string) {
	t, c := w.t, w.c
	hostname, ip := c.spec(name)
	w.ips[name] = ip
	h := w.net.Host(t, memnet.Config{Name: name, Addrs: []string{ip + "/24"}, Programs: programs(), Seed: 7, MayCrash: w.mayCrash})
	w.hosts[name] = h
	users := []string{"root:x:0:0:root:/root:/bin/bash", "bin:x:1:1:bin:/bin:/sbin/nologin", "daemon:x:2:2:daemon:/sbin:/sbin/nologin",
		"mail:x:8:12:mail:/var/spool/mail:/sbin/nologin", "nobody:x:65534:65534:Kernel Overflow User:/:/sbin/nologin",
		"postfix:x:89:89::/var/spool/postfix:/sbin/nologin"}
	groups := []string{"root:x:0:", "mail:x:12:postfix", "nobody:x:65534:", "postdrop:x:90:", "postfix:x:89:"}
	type account struct {
		name, gecos string
		uid         int
	}
	accounts := []account{{"usera", "", 1001}, {"userb", "", 1002}, {"userc", "User Carol", 1003}}
	if c.Users != nil {
		accounts = nil
		for n, spec := range c.Users {
			var s struct {
				UID   int
				Gecos string
			}
			spec.Decode(&s)
			accounts = append(accounts, account{n, s.Gecos, s.UID})
		}
		sort.Slice(accounts, func(i, j int) bool { return accounts[i].uid < accounts[j].uid })
	}
	h.MkdirAll("/var/spool/mail", 0o775)
	h.Chown("/var/spool/mail", 0, 12)
	h.Chmod("/var/spool/mail", 0o775)
	h.Symlink("spool/mail", "/var/mail")
	h.Chmod("/root", 0o550)
	for _, a := range accounts {
		users = append(users, fmt.Sprintf("%s:x:%d:%d:%s:/home/%s:/bin/bash", a.name, a.uid, a.uid, a.gecos, a.name))
		groups = append(groups, fmt.Sprintf("%s:x:%d:", a.name, a.uid))
		h.MkdirAll("/home/"+a.name, 0o700)
		h.Chown("/home/"+a.name, a.uid, a.uid)
		box := "/var/spool/mail/" + a.name
		h.WriteFile(box, "")
		h.Chown(box, a.uid, 12)
		h.Chmod(box, 0o660)
	}
	h.WriteFile("/etc/passwd", strings.Join(users, "\n")+"\n")
	h.WriteFile("/etc/group", strings.Join(groups, "\n")+"\n")
	h.WriteFile("/etc/hostname", hostname+"\n")
	hosts := "127.0.0.1   localhost localhost.localdomain localhost4 localhost4.localdomain4\n::1         localhost localhost.localdomain localhost6 localhost6.localdomain6\n"
	if c.EtcHosts == "" {
		for _, n := range c.hostNames {
			hn, hip := c.spec(n)
			short, _, _ := strings.Cut(hn, ".")
			hosts += fmt.Sprintf("%s %s %s\n", hip, hn, short)
		}
	}
	h.WriteFile("/etc/hosts", hosts)
	if c.DNS != nil {
		h.WriteFile("/etc/resolv.conf", "nameserver 192.0.2.53\n")
	} else {
		h.WriteFile("/etc/resolv.conf", "")
	}
	zone, err := os.ReadFile("/usr/share/zoneinfo/Asia/Tokyo")
	if err == nil {
		h.MkdirAll("/usr/share/zoneinfo/Asia", 0o755)
		h.WriteFile("/usr/share/zoneinfo/Asia/Tokyo", string(zone))
	}
	h.Symlink("../usr/share/zoneinfo/Asia/Tokyo", "/etc/localtime")
	h.MkdirAll("/proc/net", 0o755)
	h.WriteFile("/proc/net/fib_trie", fmt.Sprintf("Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 127.0.0.0\n        /8 host LOCAL\n     |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 192.0.2.0\n        /24 link UNICAST\n     |-- %s\n        /32 host LOCAL\n", ip))
	h.WriteFile("/proc/net/if_inet6", "00000000000000000000000000000001 01 80 10 80       lo\n")
	h.MkdirAll("/srv", 0o755)
	d := distro.New()
	for _, pkg := range []string{"postfix", "s-nail", "cyrus-sasl"} {
		p, _ := d.Find(pkg)
		for _, name := range sortedKeys(p.Files) {
			f := p.Files[name]
			switch {
			case f.Link != "":
				h.MkdirAll(path.Dir(name), 0o755)
				h.Symlink(f.Link, name)
			case f.Mode&fs.ModeDir != 0:
				h.MkdirAll(name, f.Mode.Perm())
			}
			if f.Link != "" {
				continue
			}
			uid, gid, err := d.Owner(f.User, f.Group)
			if err != nil {
				t.Fatal(err)
			}
			h.Chown(name, uid, gid)
			h.Chmod(name, f.Mode&^fs.ModeDir)
		}
	}
	h.MkdirAll("/usr/local/bin", 0o755)
	h.Chmod("/home/", 0o755)
	mainCf := strings.Replace(base.Files["/etc/postfix/main.cf"], "compatibility_level = 3.6", "compatibility_level = 2", 1)
	if c.TLS != "" {
		mainCf += "smtpd_tls_cert_file = /etc/pki/tls/certs/postfix.pem\nsmtpd_tls_key_file = /etc/pki/tls/private/postfix.key\nsmtpd_tls_security_level = may\nsmtp_tls_CApath = /etc/pki/tls/certs\nsmtp_tls_security_level = may\n"
		cert, key := selfSigned(t, hostname)
		h.MkdirAll("/etc/pki/tls/certs", 0o755)
		h.MkdirAll("/etc/pki/tls/private", 0o755)
		h.WriteFile("/etc/pki/tls/certs/postfix.pem", cert)
		h.WriteFile("/etc/pki/tls/private/postfix.key", key)
	}
	h.WriteFile("/etc/postfix/main.cf", editMain(mainCf, perHost[yaml.Node](c, c.MainCf, name)))
	h.WriteFile("/etc/postfix/master.cf", base.Files["/etc/postfix/master.cf"])
	h.WriteFile("/etc/aliases", base.Files["/etc/aliases"])
	rc, err := os.ReadFile("../distro/files/s-nail/etc/s-nail.rc")
	if err != nil {
		t.Fatal(err)
	}
	h.WriteFile("/etc/s-nail.rc", string(rc))
	for file, spec := range perHost[map[string]fileSpec](c, c.Files, name) {
		w.put(h, file, spec)
	}
	for _, s := range []string{"/etc", "/etc/postfix"} {
		h.Chmod(s, 0o755)
	}
	h.Spawn(host.Cmd{Args: []string{"/usr/bin/bash", "--syslogd"}, Session: true})
	time.Sleep(time.Second)
	if !w.said(name, "newaliases has NOT been run") {
		h.Run("/usr/bin/newaliases")
	}
	for _, b := range c.Before {
		text, ok := strings.CutPrefix(b, name+": root ran: ")
		if !ok {
			text, ok = strings.CutPrefix(b, "root ran: ")
		}
		if ok {
			w.sh(h, step{Run: text}, nil)
		}
	}
	if !w.said(name, "postfix is not running") {
		h.Run("/usr/sbin/postfix", "start")
	}
	time.Sleep(2 * time.Second)
}

func sortedKeys[T any](m map[string]T) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// said reports whether before: has a note for a host.
func (w *world) said(name, text string) bool {
	for _, b := range w.c.Before {
		if b == name+": "+text || b == text || strings.HasPrefix(b, text) {
			return true
		}
	}
	return false
}

func (w *world) put(h *memnet.Host, file string, s fileSpec) {
	owner := 0
	gid := 0
	if s.Owner != "" && s.Owner != "root" {
		for _, line := range strings.Split(h.ReadFile("/etc/passwd"), "\n") {
			if f := strings.Split(line, ":"); f[0] == s.Owner {
				owner, _ = strconv.Atoi(f[2])
				gid = owner
			}
		}
	}
	if s.Group == "mail" {
		gid = 12
	}
	mode := fs.FileMode(0o644)
	if s.Mode != "" {
		n, _ := strconv.ParseUint(s.Mode, 8, 32)
		mode = fs.FileMode(n)
	}
	switch s.Type {
	case "dir":
		h.MkdirAll(file, mode)
	case "symlink":
		h.Symlink(s.Target, file)
		return
	default:
		h.MkdirAll(path.Dir(file), 0o755)
		text := ""
		if s.Append != nil {
			text = h.ReadFile(file) + *s.Append
		}
		if s.Content != nil {
			text = *s.Content
		}
		if strings.HasPrefix(file, "/var/spool/mail/") {
			info, err := h.Sys().Stat(file)
			if err == nil {
				if st, ok := info.Sys().(*syscall.Stat_t); ok && s.Owner == "" {
					owner, gid = int(st.Uid), int(st.Gid)
				}
				if s.Mode == "" {
					mode = info.Mode().Perm()
				}
			}
			if s.Group == "" {
				gid = 12
			}
		}
		h.WriteFile(file, rawBytes(text))
	}
	h.Chown(file, owner, gid)
	h.Chmod(file, mode)
}

// editMain replaces settings in place and appends new ones.
func editMain(text string, n yaml.Node) string {
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i].Value, n.Content[i+1].Value
		null := n.Content[i+1].Tag == "!!null"
		lines := strings.SplitAfter(text, "\n")
		done := false
		for j, l := range lines {
			if strings.HasPrefix(l, name+" =") {
				lines[j] = name + " = " + value + "\n"
				if null {
					lines[j] = ""
				}
				done = true
			}
		}
		if !done && !null {
			lines = append(lines, name+" = "+value+"\n")
		}
		text = strings.Join(lines, "")
	}
	return text
}

func selfSigned(t *testing.T, name string) (cert, key string) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	kb, _ := x509.MarshalECPrivateKey(k)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: kb}))
}

// nameServer answers as dns: says.
func (c *oracleCase) nameServer(ctx context.Context, p *host.Proc) int {
	conn, err := p.Sys.ListenPacket("udp4", ":53")
	if err != nil {
		return 1
	}
	p.Go(func() {
		w := p.Clock.Timeline().NewWait()
		w.Sleep(ctx)
		conn.Close()
	})
	p.Ready()
	buf := make([]byte, 4096)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return 0
		}
		q := new(dns.Msg)
		if q.Unpack(buf[:n]) != nil || len(q.Question) != 1 {
			continue
		}
		r := new(dns.Msg)
		r.SetReply(q)
		name := strings.ToLower(strings.TrimSuffix(q.Question[0].Name, "."))
		n2, ok := c.DNS[name]
		var rec map[string]yaml.Node
		n2.Decode(&rec)
		switch rc := rec["rcode"]; {
		case !ok:
			r.Rcode = dns.RcodeNameError
		case rc.Kind != 0:
			r.Rcode, _ = strconv.Atoi(rc.Value)
		default:
			kind := dns.TypeToString[q.Question[0].Qtype]
			values := rec[kind]
			for _, v := range values.Content {
				text := v.Value
				switch kind {
				case "MX":
					target := v.Content[1].Value
					text = v.Content[0].Value + " " + target + "."
				case "PTR":
					text += "."
				}
				if rr, err := dns.NewRR(fmt.Sprintf("%s 60 IN %s %s", q.Question[0].Name, kind, text)); err == nil {
					r.Answer = append(r.Answer, rr)
				}
			}
		}
		if out, err := r.Pack(); err == nil {
			conn.WriteTo(out, from)
		}
	}
}

// silent takes connections on the SMTP port and says nothing.
func silent(ctx context.Context, p *host.Proc) int {
	ln, err := p.Sys.Listen("tcp4", ":25")
	if err != nil {
		return 1
	}
	defer ln.Close()
	p.Sleep(ctx, 300*time.Second)
	return 0
}

// syslogd writes mail.* to /var/log/maillog, in the traditional format.
func syslogd(ctx context.Context, p *host.Proc) int {
	conn, err := p.Sys.ListenPacket("unixgram", "/dev/log")
	if err != nil {
		return 1
	}
	p.Sys.Chmod("/dev/log", 0o666)
	p.Go(func() {
		w := p.Clock.Timeline().NewWait()
		w.Sleep(ctx)
		conn.Close()
	})
	buf := make([]byte, 65536)
	for {
		n, _, err := conn.ReadFrom(buf)
		if err != nil {
			return 0
		}
		_, text, _ := strings.Cut(string(buf[:n]), ">")
		if len(text) > 16 {
			text = text[:16] + "<HOST> " + text[16:]
		}
		libc.AppendFile(p, "/var/log/maillog", []byte(text+"\n"), 0o600)
	}
}

// shell is bash -c, and what the test needs of a host beside.
func shell(ctx context.Context, p *host.Proc) int {
	if len(p.Args) > 1 && p.Args[1] == "--syslogd" {
		return syslogd(ctx, p)
	}
	var script string
	var params []string
	switch {
	case len(p.Args) > 2 && p.Args[1] == "-c":
		script, params = p.Args[2], p.Args[3:]
	case len(p.Args) > 1 && !strings.HasPrefix(p.Args[1], "-"):
		data, err := libc.ReadFile(p, libc.Abs(p, p.Args[1]))
		if err != nil {
			return 127
		}
		script, params = string(data), p.Args[2:]
	default:
		return 2
	}
	if script == "kill -9 $$" {
		p.Sys.Kill(p.PID, syscall.SIGKILL)
		p.Sleep(ctx, time.Second)
		return 1
	}
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(script), "")
	if err != nil {
		fmt.Fprintf(p.Stderr, "bash: %v\n", err)
		return 2
	}
	line := p.Clock.Timeline()
	umask := 0o022
	if p.Getenv("MAIL_CONFIG") != "" {
		umask = 0o077
	}
	// A terminal goes to the programs themselves: the interpreter would read
	// ahead, and take what is typed for them.
	var terminal io.Reader
	if _, ok := p.Stdin.(host.Terminal); ok {
		terminal = p.Stdin
	}
	run := func(ctx context.Context, args []string) error {
		line.Hold()
		defer line.Release()
		hc := interp.HandlerCtx(ctx)
		if args[0] == "/usr/bin/umask" {
			fmt.Fprintf(hc.Stdout, "%04o\n", umask)
			return nil
		}
		var env []string
		hc.Env.Each(func(name string, vr expand.Variable) bool {
			if vr.Exported {
				env = append(env, name+"="+vr.String())
			}
			return true
		})
		env = append(env, "PWD="+hc.Dir)
		q := &host.Proc{Host: p.Host, Env: env, Dir: hc.Dir, Sys: p.Sys, Clock: p.Clock, UID: p.UID, GID: p.GID, Groups: p.Groups}
		in := hc.Stdin
		if in == nil {
			in = terminal
		}
		child, err := q.Start(host.Cmd{Args: args, Env: env, Dir: hc.Dir, Stdin: in, Stdout: hc.Stdout, Stderr: hc.Stderr})
		if err != nil {
			fmt.Fprintf(hc.Stderr, "bash: line 1: %s: command not found\n", args[0])
			return interp.ExitStatus(127)
		}
		st, _ := child.Wait(context.Background())
		if st.Success() {
			return nil
		}
		return interp.ExitStatus(uint8(st.Shell()))
	}
	var env []string
	env = append(env, p.Env...)
	var stdin io.Reader
	if terminal == nil {
		stdin = &awake{p.Clock.Timeline(), p.Stdin}
	}
	r, err := interp.New(interp.Env(expand.ListEnviron(env...)), interp.StdIO(stdin, p.Stdout, p.Stderr), interp.Params(append([]string{"--"}, params...)...),
		interp.CallHandler(func(ctx context.Context, args []string) ([]string, error) {
			if args[0] == "umask" {
				args = []string{"/usr/bin/umask"}
			}
			return args, nil
		}),
		interp.ExecHandlers(func(interp.ExecHandlerFunc) interp.ExecHandlerFunc { return run }),
		interp.OpenHandler(func(ctx context.Context, name string, flag int, perm os.FileMode) (io.ReadWriteCloser, error) {
			hc := interp.HandlerCtx(ctx)
			if name == "/dev/null" {
				return os.OpenFile(name, flag, perm)
			}
			if !strings.HasPrefix(name, "/") {
				name = hc.Dir + "/" + name
			}
			return p.Sys.OpenFile(name, flag, perm)
		}),
		interp.StatHandler(func(ctx context.Context, name string, follow bool) (fs.FileInfo, error) {
			if follow {
				return p.Sys.Stat(name)
			}
			return p.Sys.Lstat(name)
		}),
		interp.AccessHandler(func(ctx context.Context, name string, mode interp.AccessMode) error {
			_, err := p.Sys.Stat(name)
			return err
		}),
		interp.ReadDirHandler2(func(ctx context.Context, dir string) ([]fs.DirEntry, error) {
			names, err := libc.ReadDir(p, dir)
			var out []fs.DirEntry
			for _, n := range names {
				if info, err := p.Sys.Lstat(dir + "/" + n); err == nil {
					out = append(out, fs.FileInfoToDirEntry(info))
				}
			}
			return out, err
		}))
	if err != nil {
		fmt.Fprintf(p.Stderr, "bash: %v\n", err)
		return 2
	}
	r.Dir = p.Dir
	err = r.Run(context.Background(), file)
	var status interp.ExitStatus
	if errors.As(err, &status) {
		return int(status)
	}
	if err != nil {
		return 1
	}
	return 0
}

// filter runs one of the machine's own text tools; files are read as the host's.
func filter(ctx context.Context, p *host.Proc) int {
	name := path.Base(p.Args[0])
	args := p.Args[1:]
	inPlace := false
	var kept []string
	var files []string
	operands := 0
	for i, a := range args {
		switch {
		case name == "sed" && a == "-i":
			inPlace = true
			continue
		case strings.HasPrefix(a, "/") && operands > 0 || name == "cat" && !strings.HasPrefix(a, "-") || strings.HasPrefix(a, "/") && (name == "tail" || name == "head" || name == "wc" || name == "sort" || name == "cut"):
			if !strings.HasPrefix(a, "/^") && !(name == "sed" && operands == 0) {
				files = append(files, libc.Abs(p, a))
				continue
			}
		}
		if !strings.HasPrefix(a, "-") && !(i > 0 && (args[i-1] == "-n" && name != "sed" && name != "grep")) {
			operands++
		}
		kept = append(kept, a)
	}
	var in []byte
	status := 0
	for _, f := range files {
		data, err := libc.ReadFile(p, f)
		if err != nil {
			fmt.Fprintf(p.Stderr, "%s: %s: %s\n", name, f, libc.Strerror(err))
			status = 1
			continue
		}
		in = append(in, data...)
	}
	if len(files) == 0 && name != "seq" && name != "printf" {
		in, _ = io.ReadAll(p.Stdin)
	}
	cmd := exec.Command(name, kept...)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8"}
	cmd.Stdin = bytes.NewReader(in)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	p.Stderr.Write(errs.Bytes())
	if inPlace && len(files) == 1 {
		libc.WriteFile(p, files[0], out.Bytes(), 0o644)
	} else {
		p.Stdout.Write(out.Bytes())
	}
	var ee *exec.ExitError
	if errors.As(err, &ee) {
		return ee.ExitCode()
	}
	return status
}

// tool is the little of coreutils that looks at files' owners and modes.
func tool(ctx context.Context, p *host.Proc) int {
	name := path.Base(p.Args[0])
	var options string
	var args []string
	for _, a := range p.Args[1:] {
		if strings.HasPrefix(a, "-") && len(a) > 1 && name != "find" {
			options += a[1:]
		} else {
			args = append(args, a)
		}
	}
	fail := func(text, file string, err error) int {
		fmt.Fprintf(p.Stderr, "%s: %s '%s': %s\n", name, text, file, libc.Strerror(err))
		return 1
	}
	switch name {
	case "sleep":
		d, _ := strconv.ParseFloat(args[0], 64)
		p.Sleep(ctx, time.Duration(d*float64(time.Second)))
	case "id":
		fmt.Fprintln(p.Stdout, libc.UserName(p, p.UID))
	case "env":
		for _, e := range p.Env {
			fmt.Fprintln(p.Stdout, e)
		}
	case "touch":
		for _, a := range args {
			libc.AppendFile(p, libc.Abs(p, a), nil, 0o644)
		}
	case "mkdir":
		mode := fs.FileMode(0o755)
		for i, a := range args {
			if n, err := strconv.ParseUint(a, 8, 32); err == nil && i == 0 && strings.Contains(options, "m") {
				mode = fs.FileMode(n & 0o777)
				if n&0o1000 != 0 {
					mode |= fs.ModeSticky
				}
				continue
			}
			libc.MkdirAll(p, libc.Abs(p, a), mode)
			p.Sys.Chmod(libc.Abs(p, a), mode)
		}
	case "rm", "rmdir":
		for _, a := range args {
			if err := p.Sys.Remove(libc.Abs(p, a)); err != nil && !strings.Contains(options, "f") {
				return fail("cannot remove", a, err)
			}
		}
	case "mv":
		if err := p.Sys.Rename(libc.Abs(p, args[0]), libc.Abs(p, args[1])); err != nil {
			return fail("cannot move", args[0], err)
		}
	case "chmod":
		for _, a := range args[1:] {
			a = libc.Abs(p, a)
			info, err := p.Sys.Stat(a)
			if err != nil {
				return fail("cannot access", a, err)
			}
			mode := info.Mode()
			switch m := args[0]; m {
			case "g+w":
				mode |= 0o020
			case "o+w":
				mode |= 0o002
			case "g-s":
				mode &^= fs.ModeSetgid
			default:
				n, _ := strconv.ParseUint(m, 8, 32)
				mode = fs.FileMode(n)
			}
			p.Sys.Chmod(a, mode&(fs.ModePerm|fs.ModeSetgid|fs.ModeSetuid|fs.ModeSticky))
		}
	case "chown":
		user, group, _ := strings.Cut(args[0], ":")
		u, _ := libc.UserByName(p, user)
		gid := -1
		if g, ok := libc.GroupByName(p, group); ok {
			gid = g.GID
		}
		for _, a := range args[1:] {
			p.Sys.Chown(libc.Abs(p, a), u.UID, gid)
		}
	case "ls":
		return list(p, options, args)
	case "find":
		walk(p, args)
	}
	return 0
}

func list(p *host.Proc, options string, args []string) int {
	status := 0
	if len(args) == 0 {
		args = []string{"."}
	}
	for _, a := range args {
		info, err := p.Sys.Lstat(libc.Abs(p, a))
		if err != nil {
			fmt.Fprintf(p.Stderr, "ls: cannot access '%s': %s\n", a, libc.Strerror(err))
			status = 2
			continue
		}
		if info.IsDir() && !strings.Contains(options, "d") {
			names, _ := libc.ReadDir(p, libc.Abs(p, a))
			for _, n := range names {
				fmt.Fprintln(p.Stdout, n)
			}
			continue
		}
		if strings.Contains(options, "l") {
			st := info.Sys().(*syscall.Stat_t)
			kind := "-"
			if info.IsDir() {
				kind = "d"
			}
			fmt.Fprintf(p.Stdout, "%s%s 1 %s %s %d Nov 22 09:51 %s\n", kind, info.Mode().Perm().String()[1:], libc.UserName(p, int(st.Uid)), groupName(p, int(st.Gid)), info.Size(), a)
			continue
		}
		fmt.Fprintln(p.Stdout, a)
	}
	return status
}

func groupName(p *host.Proc, gid int) string {
	for _, g := range libc.Groups(p) {
		if g.GID == gid {
			return g.Name
		}
	}
	return strconv.Itoa(gid)
}

func walk(p *host.Proc, args []string) {
	onlyDirs := len(args) > 2 && args[1] == "-type" && args[2] == "d"
	var visit func(name string)
	visit = func(name string) {
		info, err := p.Sys.Lstat(libc.Abs(p, name))
		if err != nil {
			return
		}
		if !onlyDirs || info.IsDir() {
			fmt.Fprintln(p.Stdout, name)
		}
		if info.IsDir() {
			names, _ := libc.ReadDir(p, libc.Abs(p, name))
			for _, n := range names {
				visit(name + "/" + n)
			}
		}
	}
	visit(args[0])
}

// sh runs a step's command as its user.
func (w *world) sh(h *memnet.Host, s step, term *memnet.Terminal) memnet.Result {
	user := s.User
	if user == "" {
		user = "root"
	}
	home, uid := "/root", 0
	if user != "root" {
		home = "/home/" + user
		for _, line := range strings.Split(h.ReadFile("/etc/passwd"), "\n") {
			if f := strings.Split(line, ":"); f[0] == user {
				uid, _ = strconv.Atoi(f[2])
			}
		}
	}
	env := map[string]string{"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "HOME": home, "USER": user, "LOGNAME": user,
		"SHELL": "/bin/bash", "LANG": "C.UTF-8", "TERM": "xterm-256color", "MAIL": "/var/spool/mail/" + user}
	for k, v := range s.Env {
		env[k] = v
	}
	var list []string
	for _, k := range sortedKeys(env) {
		list = append(list, k+"="+env[k])
	}
	c := host.Cmd{Path: "/usr/bin/bash", Args: []string{"bash", "-c", s.Run}, Env: list, Dir: home, Cred: &host.Cred{UID: uid, GID: uid, Groups: []int{uid}}}
	if s.Stdin != "" {
		c.Stdin = strings.NewReader(s.Stdin)
	}
	if term != nil {
		// The terminal goes to the program itself: the shell would stand between.
		file, err := syntax.NewParser().Parse(strings.NewReader(s.Run), "")
		if err == nil && len(file.Stmts) == 1 {
			var words []string
			if call, ok := file.Stmts[0].Cmd.(*syntax.CallExpr); ok {
				for _, a := range call.Args {
					word, err := expand.Literal(nil, a)
					if err == nil {
						words = append(words, word)
					}
				}
				c.Path, c.Args = "", words
			}
		}
		c.Stdin, c.Stdout, c.Stderr, c.Session = term, term, term, true
	}
	return h.RunCmd(c)
}

// dialogue plays an SMTP client and returns the transcript.
func (w *world) dialogue(h *memnet.Host, s step) []string {
	var out []string
	to := s.SMTPTo
	network := "tcp4"
	if strings.HasPrefix(to, "[") {
		network = "tcp6"
	}
	if ap, err := netip.ParseAddrPort(to); err == nil && ap.Addr().Is6() {
		network = "tcp6"
	}
	h.Do(nil, func(ctx context.Context, p *host.Proc) {
		conn, err := p.Sys.Dial(ctx, network, to)
		if err != nil {
			out = append(out, "X: connect: "+libc.Strerror(err))
			return
		}
		defer conn.Close()
		r := bufio.NewReader(conn)
		closed := false
		read := func() bool {
			for !closed {
				conn.SetReadDeadline(p.Now().Add(60 * time.Second))
				line, err := r.ReadString('\n')
				if err != nil {
					if !errors.Is(err, os.ErrDeadlineExceeded) {
						closed = true
						out = append(out, "S: <connection closed>")
					}
					return false
				}
				line = strings.TrimRight(line, "\r\n")
				out = append(out, "S: "+line)
				if len(line) < 4 || line[3] != '-' {
					return true
				}
			}
			return false
		}
		greeted := false
		for i, n := range s.Dialogue {
			var item struct {
				Lines    []string
				Pipeline []string
				Raw      *string
				Replies  *int
				Close    int
				Wait     int `yaml:"wait_close"`
				Sleep    float64
			}
			if n.Kind == yaml.MappingNode {
				n.Decode(&item)
			}
			if !greeted && !(i == 0 && item.Raw != nil && w.c.Case == "smtp-early-talker") {
				read()
				greeted = true
			}
			switch {
			case n.Kind == yaml.ScalarNode:
				out = append(out, "C: "+n.Value)
				conn.Write([]byte(n.Value + "\r\n"))
				read()
			case item.Lines != nil:
				var b strings.Builder
				for _, l := range item.Lines {
					out = append(out, "C: "+l)
					b.WriteString(l + "\r\n")
				}
				out = append(out, "C: .")
				conn.Write([]byte(b.String() + ".\r\n"))
				read()
			case item.Pipeline != nil:
				for _, l := range item.Pipeline {
					out = append(out, "C: "+l)
				}
				conn.Write([]byte(strings.Join(item.Pipeline, "\r\n") + "\r\n"))
				for range item.Pipeline {
					read()
				}
			case item.Raw != nil:
				out = append(out, "R: "+*item.Raw)
				conn.Write([]byte(strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\\`, `\`).Replace(*item.Raw)))
				greeted = true
				replies := 1
				if item.Replies != nil {
					replies = *item.Replies
				}
				for range replies {
					read()
				}
			case item.Close != 0:
				out = append(out, "C: <close>")
				conn.Close()
				return
			case item.Wait != 0:
				for read() {
				}
			case item.Sleep != 0:
				p.Sleep(ctx, time.Duration(item.Sleep*float64(time.Second)))
			}
		}
		if !closed {
			conn.SetReadDeadline(p.Now().Add(3 * time.Second))
			if _, err := r.ReadByte(); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				out = append(out, "S: <connection closed>")
			}
		}
	})
	return out
}

// awake reads a stream of a Proc on a goroutine that is none of its threads, as
// the shell's interpreter does: it takes a wake token for each read.
type awake struct {
	line *clock.Timeline
	in   io.Reader
}

func (a *awake) Read(b []byte) (int, error) {
	a.line.Hold()
	defer a.line.Release()
	return a.in.Read(b)
}
