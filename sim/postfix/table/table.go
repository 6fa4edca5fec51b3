// Package table is the lookup tables of DATABASE_README(5): opening them,
// searching them, lists of names and networks, and the sources that postmap(1)
// and postalias(1) build them of.
package table

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/postfix/conf"
	"enshu/sim/postfix/mailaddr"
	"enshu/sim/postfix/maillog"
)

// dbMagic begins the files that postalias(1) and postmap(1) write. The format
// is our own: the entries in order, each a key and a value with their lengths.
const dbMagic = "enshu-db 1\n"

var errDB = errors.New("Inappropriate file type or format") //nolint:staticcheck // the text of Berkeley DB

// EncodeDB writes a table.
func EncodeDB(entries []Entry) []byte {
	b := []byte(dbMagic)
	for _, e := range entries {
		b = binary.AppendUvarint(b, uint64(len(e.Key)))
		b = append(b, e.Key...)
		b = binary.AppendUvarint(b, uint64(len(e.Value)))
		b = append(b, e.Value...)
	}
	return b
}

// DecodeDB reads a table.
func DecodeDB(data []byte) ([]Entry, error) {
	rest, ok := bytes.CutPrefix(data, []byte(dbMagic))
	if !ok {
		return nil, errDB
	}
	text := func() (string, bool) {
		n, k := binary.Uvarint(rest)
		if k <= 0 || n > uint64(len(rest)-k) {
			return "", false
		}
		s := string(rest[k : k+int(n)])
		rest = rest[k+int(n):]
		return s, true
	}
	var out []Entry
	for len(rest) > 0 {
		key, ok1 := text()
		value, ok2 := text()
		if !ok1 || !ok2 {
			return nil, errDB
		}
		out = append(out, Entry{key, value})
	}
	return out, nil
}

// lookupError says that a table could not be asked; its text is for the log.
type lookupError struct{ text string }

func (e *lookupError) Error() string { return e.text }

// Dict is an open table.
type Dict struct {
	Spec   string // hash:/etc/aliases
	File   string // what is watched for changes, "" when nothing
	Stamp  fileStamp
	Flags  string // as postfix logs them
	Broken string // why it could not be opened
	// what is wrong with single lines, which are left out
	Problems []string
	Find     func(key string) (string, bool, error)
}

type fileStamp struct {
	ModTime time.Time
	size    int64
	inode   uint64
}

func stampOf(p *host.Proc, file string) fileStamp {
	info, err := p.Sys.Stat(file)
	if err != nil {
		return fileStamp{}
	}
	s := fileStamp{ModTime: info.ModTime(), size: info.Size()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		s.inode = st.Ino
	}
	return s
}

// The flags of tables as the log shows them.
const (
	FlagsLookup = "lock|fold_fix|utf8_request"
	FlagsRoute  = "lock|no_regsub|fold_fix|utf8_request"
	FlagsAlias  = "lock|no_regsub|no_proxy|no_unauth|fold_fix|utf8_request"
)

// SplitSpec splits "type:name"; a bare name has the default type.
func SplitSpec(c *conf.Config, spec string) (kind, name string) {
	spec = strings.TrimPrefix(spec, "proxy:")
	if i := strings.IndexByte(spec, ':'); i > 0 && !strings.ContainsAny(spec[:i], "/{") {
		return spec[:i], spec[i+1:]
	}
	return c.Get("default_database_type"), spec
}

// Open opens a table. A table that cannot be opened is returned with its
// reason: lookups in it fail.
func Open(p *host.Proc, c *conf.Config, spec, flags string) *Dict {
	return OpenWith(p, c, spec, flags, func(file string) ([]byte, error) { return libc.ReadFile(p, file) })
}

// OpenWith is openDict where read gives the text of files.
func OpenWith(p *host.Proc, c *conf.Config, spec, flags string, read func(file string) ([]byte, error)) *Dict {
	kind, name := SplitSpec(c, spec)
	d := &Dict{Spec: spec, Flags: flags}
	fail := func(format string, args ...any) *Dict {
		d.Broken = fmt.Sprintf(format, args...)
		return d
	}
	switch kind {
	case "hash", "btree", "lmdb", "dbm", "cdb":
		d.File = name + ".db"
		data, err := read(d.File)
		if err != nil {
			return fail("open database %s: %s", d.File, libc.Strerror(err))
		}
		entries, err := DecodeDB(data)
		if err != nil {
			return fail("open database %s: %s", d.File, err)
		}
		d.Stamp = stampOf(p, d.File)
		d.Find = mapFinder(entries)
	case "texthash":
		d.File = name
		data, err := read(name)
		if err != nil {
			return fail("open database %s: %s", name, libc.Strerror(err))
		}
		d.Stamp = stampOf(p, name)
		entries, problems := ParseMap(name, data, "")
		for _, w := range problems {
			d.Problems = append(d.Problems, w+" -- ignoring this line")
		}
		d.Find = mapFinder(entries)
	case "inline":
		entries, problem := parseInline(spec, name)
		if problem != "" {
			return fail("%s", problem)
		}
		d.Find = mapFinder(entries)
	case "static":
		value := name
		if strings.HasPrefix(value, "{") && strings.HasSuffix(value, "}") {
			value = strings.Trim(value[1:len(value)-1], " \t")
		}
		d.Find = func(string) (string, bool, error) { return value, true, nil }
	case "fail":
		d.Find = func(string) (string, bool, error) { return "", false, errFail }
	case "unionmap", "pipemap":
		tables, problem := memberTables(p, c, spec, kind, name, flags, read)
		if problem != "" {
			return fail("%s", problem)
		}
		for _, m := range tables {
			d.Problems = append(d.Problems, m.Problems...)
		}
		d.Find = unionFinder(tables)
		if kind == "pipemap" {
			d.Find = pipeFinder(tables)
		}
	case "randmap":
		items, problem := bracedItems(spec, kind, name, "result...")
		if problem != "" {
			return fail("%s", problem)
		}
		d.Find = func(string) (string, bool, error) { return items[p.Rand().IntN(len(items))], true, nil }
	case "environ":
		d.Find = func(key string) (string, bool, error) { v := p.Getenv(key); return v, v != "", nil }
	case "unix":
		d.Find = unixFinder(p, name)
		if d.Find == nil {
			return fail("unknown unix map: %s", name)
		}
	case "cidr", "regexp":
		d.File = name
		data, err := read(name)
		if err != nil {
			return fail("open %s: %s", name, libc.Strerror(err))
		}
		d.Stamp = stampOf(p, name)
		if kind == "cidr" {
			d.Find, d.Problems = cidrTable(name, data)
		} else {
			d.Find, d.Problems = regexpTable(name, data, strings.Contains(flags, "no_regsub"))
		}
	default:
		return fail("unsupported dictionary type: %s", kind)
	}
	return d
}

// Complain logs what is wrong with a table that was opened.
func (d *Dict) Complain(l *maillog.Logger) {
	for _, w := range d.Problems {
		l.Warning("%s", w)
	}
	if d.Broken != "" {
		l.Error("%s", d.Broken)
	}
}

// Lookup asks the table; a broken one logs that it is.
func (d *Dict) Lookup(l *maillog.Logger, key string) (string, bool, error) {
	if d.Broken != "" {
		l.Warning("%s is unavailable. %s", d.Spec, d.Broken)
		return "", false, &lookupError{d.Broken}
	}
	return d.Find(key)
}

func (d *Dict) changed(p *host.Proc) bool {
	return d.Broken == "" && d.File != "" && stampOf(p, d.File) != d.Stamp
}

func mapFinder(entries []Entry) func(string) (string, bool, error) {
	m := make(map[string]string, len(entries))
	for _, e := range entries {
		if _, ok := m[e.Key]; !ok {
			m[e.Key] = e.Value
		}
	}
	return func(key string) (string, bool, error) {
		v, ok := m[strings.ToLower(key)]
		return v, ok, nil
	}
}

func unixFinder(p *host.Proc, name string) func(string) (string, bool, error) {
	switch name {
	case "passwd.byname":
		return func(key string) (string, bool, error) {
			if strings.ContainsAny(key, "@:") {
				return "", false, nil // no account, and not worth reading the file
			}
			u, ok := libc.UserByName(p, strings.ToLower(key))
			return fmt.Sprintf("%s:x:%d:%d:%s:%s:%s", u.Name, u.UID, u.GID, u.FullName, u.Dir, u.Shell), ok, nil
		}
	case "group.byname":
		return func(key string) (string, bool, error) {
			g, ok := libc.GroupByName(p, key)
			return fmt.Sprintf("%s:x:%d:%s", g.Name, g.GID, strings.Join(g.Members, ",")), ok, nil
		}
	}
	return nil
}

// parseNetwork reads "192.0.2.0/24", "192.0.2.1", "[::1]/128". problem is what
// Postfix logs about a network with host bits.
func parseNetwork(s string) (n netip.Prefix, problem string) {
	text := strings.NewReplacer("[", "", "]", "").Replace(s)
	addr, bits, ok := strings.Cut(text, "/")
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return n, fmt.Sprintf("bad net/mask pattern: \"%s\"", s)
	}
	size := a.BitLen()
	if ok {
		size, err = strconv.Atoi(bits)
		if err != nil || size < 0 || size > a.BitLen() {
			return n, fmt.Sprintf("bad net/mask pattern: \"%s\"", s)
		}
	}
	n = netip.PrefixFrom(a, size)
	if n.Masked() != n {
		fixed := n.Masked().String()
		if a.Is6() {
			fixed = "[" + n.Masked().Addr().String() + "]/" + bits
		}
		return n, fmt.Sprintf("non-null host address bits in \"%s\", perhaps you should use \"%s\" instead", s, fixed)
	}
	return n, ""
}

// Maps is a list of tables that are searched in order.
type Maps []*Dict

// OpenMaps opens the tables that a parameter names. Tables that cannot be
// opened are reported once.
func OpenMaps(p *host.Proc, c *conf.Config, l *maillog.Logger, value, flags string) Maps {
	var m Maps
	for _, spec := range conf.SplitBraced(value) {
		d := Open(p, c, spec, flags)
		d.Complain(l)
		m = append(m, d)
	}
	return m
}

// Lookup searches the tables for one key.
func (m Maps) Lookup(l *maillog.Logger, key string) (string, bool, error) {
	for _, d := range m {
		v, ok, err := d.Lookup(l, key)
		if err != nil {
			l.Warning("%s lookup error for \"%s\"", d.Spec, key)
			return "", false, err
		}
		if ok {
			return v, true, nil
		}
	}
	return "", false, nil
}

// Unbuilt looks for names in the sources of tables that were edited after the
// tables were built: newaliases(1) was forgotten. It returns the first that is
// there and where; line is 0 when none is.
func (m Maps) Unbuilt(p *host.Proc, names []string) (name, file string, line int) {
	for _, d := range m {
		file, built := strings.CutSuffix(d.File, ".db")
		if !built {
			continue
		}
		info, err := p.Sys.Stat(file)
		if err != nil || !info.ModTime().After(d.Stamp.ModTime) {
			continue
		}
		data, err := libc.ReadFile(p, file)
		if err != nil {
			continue
		}
		for _, n := range names {
			if line := AliasLine(data, n); line > 0 {
				return n, file, line
			}
		}
	}
	return "", "", 0
}

// Address searches for an address as canonical(5) and virtual(5) say:
// user@domain, without its extension, user when the domain is local, @domain.
func (m Maps) Address(l *maillog.Logger, address, delimiter string, localDomain func(string) bool, whole bool) (value, extension string, found bool, err error) {
	local, domain, has := mailaddr.Split(address)
	keys := []string{address}
	extensions := []string{""}
	user, ext, split := mailaddr.SplitExtension(local, delimiter)
	if split && has {
		keys, extensions = append(keys, user+"@"+domain), append(extensions, delimiter[:1]+ext)
	}
	if has && localDomain(domain) {
		keys, extensions = append(keys, local), append(extensions, "")
		if split {
			keys, extensions = append(keys, user), append(extensions, delimiter[:1]+ext)
		}
	}
	if has && whole {
		keys, extensions = append(keys, "@"+domain), append(extensions, "")
	}
	for i, k := range keys {
		if v, ok, err := m.Lookup(l, k); err != nil || ok {
			return v, extensions[i], ok, err
		}
	}
	return "", "", false, nil
}

// Restarted reports the first table whose file has changed.
func (m Maps) Restarted(p *host.Proc) *Dict {
	for _, d := range m {
		if d.changed(p) {
			return d
		}
	}
	return nil
}

// List is a list of names or networks: mydestination, mynetworks …
type List struct {
	param   string
	items   []string
	tables  map[string]*Dict
	parents bool // a name matches its subdomains
	nets    bool // items are networks
}

// OpenList opens the list that a parameter has; nets says that its items may be networks.
func OpenList(p *host.Proc, c *conf.Config, l *maillog.Logger, param string, nets bool) *List {
	m := &List{param: param, tables: map[string]*Dict{}, nets: nets}
	for _, name := range c.List("parent_domain_matches_subdomains") {
		m.parents = m.parents || name == param
	}
	m.items = expandItems(p, c.List(param))
	for _, item := range m.items {
		item = strings.TrimPrefix(item, "!")
		if strings.Contains(item, ":") && !strings.HasPrefix(item, "[") && item[0] != '/' {
			d := Open(p, c, item, FlagsLookup)
			d.Complain(l)
			m.tables[item] = d
		}
	}
	return m
}

// expandItems replaces /file/name items by the lines of the file.
func expandItems(p *host.Proc, items []string) []string {
	var out []string
	for _, item := range items {
		if strings.HasPrefix(item, "/") {
			if f, err := p.Sys.OpenFile(item, os.O_RDONLY, 0); err == nil {
				f.Close()
				data, _ := libc.ReadFile(p, item)
				for _, l := range conf.Lines(data) {
					out = append(out, conf.SplitList(l.Text)...)
				}
				continue
			}
		}
		out = append(out, item)
	}
	return out
}

// Match looks a name and an address up. An error has been logged.
func (m *List) Match(l *maillog.Logger, name, addr string) (bool, error) {
	for _, item := range m.items {
		want := true
		if strings.HasPrefix(item, "!") {
			want, item = false, item[1:]
		}
		hit, err := m.matchItem(l, item, name, addr)
		if err != nil {
			return false, err
		}
		if hit {
			return want, nil
		}
	}
	return false, nil
}

func (m *List) matchItem(l *maillog.Logger, item, name, addr string) (bool, error) {
	if d, ok := m.tables[item]; ok {
		keys := []string{name, addr}
		if m.parents {
			for rest := name; ; {
				dot := strings.IndexByte(rest, '.')
				if dot < 0 {
					break
				}
				rest = rest[dot+1:]
				keys = append(keys, rest)
			}
		}
		for _, k := range keys {
			if k == "" {
				continue
			}
			_, found, err := d.Lookup(l, k)
			if err != nil {
				l.Warning("%s: %s: table lookup problem", m.param, item)
				return false, err
			}
			if found {
				return true, nil
			}
		}
		return false, nil
	}
	if name != "" && strings.EqualFold(item, name) {
		return true, nil
	}
	lower := strings.ToLower(name)
	if name != "" && m.parents && strings.HasSuffix(lower, "."+strings.ToLower(strings.TrimPrefix(item, "."))) {
		return true, nil
	}
	if strings.HasPrefix(item, ".") && strings.HasSuffix(lower, strings.ToLower(item)) {
		return true, nil
	}
	if !m.nets || addr == "" || !strings.ContainsAny(item, ".:") || strings.ContainsAny(item, "ghijklmnopqrstuvwxyz_") {
		return false, nil
	}
	n, problem := parseNetwork(item)
	if problem != "" {
		l.Warning("%s: %s", m.param, problem)
		return false, &lookupError{problem}
	}
	a, err := netip.ParseAddr(addr)
	return err == nil && n.Contains(a), nil
}
