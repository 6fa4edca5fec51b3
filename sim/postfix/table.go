package postfix

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
)

// dbMagic begins the files that postalias(1) and postmap(1) write. The format
// is our own: the entries in order, each a key and a value with their lengths.
const dbMagic = "enshu-db 1\n"

var errDB = errors.New("Inappropriate file type or format") //nolint:staticcheck // the text of Berkeley DB

// dbEntry is one key of a table.
type dbEntry struct{ key, value string }

// encodeDB writes a table.
func encodeDB(entries []dbEntry) []byte {
	b := []byte(dbMagic)
	for _, e := range entries {
		b = binary.AppendUvarint(b, uint64(len(e.key)))
		b = append(b, e.key...)
		b = binary.AppendUvarint(b, uint64(len(e.value)))
		b = append(b, e.value...)
	}
	return b
}

// decodeDB reads a table.
func decodeDB(data []byte) ([]dbEntry, error) {
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
	var out []dbEntry
	for len(rest) > 0 {
		key, ok1 := text()
		value, ok2 := text()
		if !ok1 || !ok2 {
			return nil, errDB
		}
		out = append(out, dbEntry{key, value})
	}
	return out, nil
}

// lookupError says that a table could not be asked; its text is for the log.
type lookupError struct{ text string }

func (e *lookupError) Error() string { return e.text }

// dict is an open table.
type dict struct {
	spec   string // hash:/etc/aliases
	file   string // what is watched for changes, "" when nothing
	stamp  fileStamp
	flags  string // as postfix logs them
	broken string // why it could not be opened
	// what is wrong with single lines, which are left out
	problems []string
	find     func(key string) (string, bool, error)
}

type fileStamp struct {
	mtime time.Time
	size  int64
	inode uint64
}

func stampOf(p *host.Proc, file string) fileStamp {
	info, err := p.Sys.Stat(file)
	if err != nil {
		return fileStamp{}
	}
	s := fileStamp{mtime: info.ModTime(), size: info.Size()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		s.inode = st.Ino
	}
	return s
}

// The flags of tables as the log shows them.
const (
	flagsLookup = "lock|fold_fix|utf8_request"
	flagsAlias  = "lock|no_regsub|no_proxy|no_unauth|fold_fix|utf8_request"
)

// splitSpec splits "type:name"; a bare name has the default type.
func splitSpec(c *Config, spec string) (kind, name string) {
	spec = strings.TrimPrefix(spec, "proxy:")
	if i := strings.IndexByte(spec, ':'); i > 0 && !strings.ContainsAny(spec[:i], "/{") {
		return spec[:i], spec[i+1:]
	}
	return c.get("default_database_type"), spec
}

// openDict opens a table. A table that cannot be opened is returned with its
// reason: lookups in it fail.
func openDict(p *host.Proc, c *Config, spec, flags string) *dict {
	return openDictData(p, c, spec, flags, func(file string) ([]byte, error) { return libc.ReadFile(p, file) })
}

// openDictData is openDict where read gives the text of files.
func openDictData(p *host.Proc, c *Config, spec, flags string, read func(file string) ([]byte, error)) *dict {
	kind, name := splitSpec(c, spec)
	d := &dict{spec: spec, flags: flags}
	fail := func(format string, args ...any) *dict {
		d.broken = fmt.Sprintf(format, args...)
		return d
	}
	switch kind {
	case "hash", "btree", "lmdb", "dbm", "cdb":
		d.file = name + ".db"
		data, err := read(d.file)
		if err != nil {
			return fail("open database %s: %s", d.file, libc.Strerror(err))
		}
		entries, err := decodeDB(data)
		if err != nil {
			return fail("open database %s: %s", d.file, err)
		}
		d.stamp = stampOf(p, d.file)
		d.find = mapFinder(entries)
	case "texthash":
		d.file = name
		data, err := read(name)
		if err != nil {
			return fail("open database %s: %s", name, libc.Strerror(err))
		}
		d.stamp = stampOf(p, name)
		entries, problems := parseMapSource(name, data, "")
		for _, w := range problems {
			d.problems = append(d.problems, w+" -- ignoring this line")
		}
		d.find = mapFinder(entries)
	case "inline":
		entries, problem := parseInline(spec, name)
		if problem != "" {
			return fail("%s", problem)
		}
		d.find = mapFinder(entries)
	case "static":
		value := name
		if strings.HasPrefix(value, "{") && strings.HasSuffix(value, "}") {
			value = strings.Trim(value[1:len(value)-1], " \t")
		}
		d.find = func(string) (string, bool, error) { return value, true, nil }
	case "fail":
		d.find = func(string) (string, bool, error) { return "", false, errFail }
	case "unionmap", "pipemap":
		tables, problem := memberTables(p, c, spec, kind, name, flags, read)
		if problem != "" {
			return fail("%s", problem)
		}
		for _, m := range tables {
			d.problems = append(d.problems, m.problems...)
		}
		d.find = unionFinder(tables)
		if kind == "pipemap" {
			d.find = pipeFinder(tables)
		}
	case "randmap":
		items, problem := bracedItems(spec, kind, name, "result...")
		if problem != "" {
			return fail("%s", problem)
		}
		d.find = func(string) (string, bool, error) { return items[p.Rand().IntN(len(items))], true, nil }
	case "environ":
		d.find = func(key string) (string, bool, error) { v := p.Getenv(key); return v, v != "", nil }
	case "unix":
		d.find = unixFinder(p, name)
		if d.find == nil {
			return fail("unknown unix map: %s", name)
		}
	case "cidr", "regexp":
		d.file = name
		data, err := read(name)
		if err != nil {
			return fail("open %s: %s", name, libc.Strerror(err))
		}
		d.stamp = stampOf(p, name)
		if kind == "cidr" {
			d.find, d.problems = cidrTable(name, data)
		} else {
			d.find, d.problems = regexpTable(name, data)
		}
	default:
		return fail("unsupported dictionary type: %s", kind)
	}
	return d
}

// complain logs what is wrong with a table that was opened.
func (d *dict) complain(l *logger) {
	for _, w := range d.problems {
		l.warning("%s", w)
	}
	if d.broken != "" {
		l.error("%s", d.broken)
	}
}

// lookup asks the table; a broken one logs that it is.
func (d *dict) lookup(l *logger, key string) (string, bool, error) {
	if d.broken != "" {
		l.warning("%s is unavailable. %s", d.spec, d.broken)
		return "", false, &lookupError{d.broken}
	}
	return d.find(key)
}

func (d *dict) changed(p *host.Proc) bool {
	return d.broken == "" && d.file != "" && stampOf(p, d.file) != d.stamp
}

func mapFinder(entries []dbEntry) func(string) (string, bool, error) {
	m := make(map[string]string, len(entries))
	for _, e := range entries {
		if _, ok := m[e.key]; !ok {
			m[e.key] = e.value
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

// maps is a list of tables that are searched in order.
type maps []*dict

// openMaps opens the tables that a parameter names. Tables that cannot be
// opened are reported once.
func openMaps(p *host.Proc, c *Config, l *logger, value, flags string) maps {
	var m maps
	for _, spec := range splitBraced(value) {
		d := openDict(p, c, spec, flags)
		d.complain(l)
		m = append(m, d)
	}
	return m
}

// lookup searches the tables for one key.
func (m maps) lookup(l *logger, key string) (string, bool, error) {
	for _, d := range m {
		v, ok, err := d.lookup(l, key)
		if err != nil {
			l.warning("%s lookup error for \"%s\"", d.spec, key)
			return "", false, err
		}
		if ok {
			return v, true, nil
		}
	}
	return "", false, nil
}

// address searches for an address as canonical(5) and virtual(5) say:
// user@domain, without its extension, user when the domain is local, @domain.
func (m maps) address(l *logger, address, delimiter string, localDomain func(string) bool, whole bool) (value, extension string, found bool, err error) {
	local, domain, has := splitAddress(address)
	keys := []string{address}
	extensions := []string{""}
	user, ext, split := splitExtension(local, delimiter)
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
		if v, ok, err := m.lookup(l, k); err != nil || ok {
			return v, extensions[i], ok, err
		}
	}
	return "", "", false, nil
}

// restarted reports the first table whose file has changed.
func (m maps) restarted(p *host.Proc) *dict {
	for _, d := range m {
		if d.changed(p) {
			return d
		}
	}
	return nil
}

// matchList is a list of names or networks: mydestination, mynetworks …
type matchList struct {
	param   string
	items   []string
	tables  map[string]*dict
	parents bool // a name matches its subdomains
	nets    bool // items are networks
}

func openMatchList(p *host.Proc, c *Config, l *logger, param string, nets bool) *matchList {
	m := &matchList{param: param, tables: map[string]*dict{}, nets: nets}
	for _, name := range c.list("parent_domain_matches_subdomains") {
		m.parents = m.parents || name == param
	}
	m.items = expandItems(p, c.list(param))
	for _, item := range m.items {
		item = strings.TrimPrefix(item, "!")
		if strings.Contains(item, ":") && !strings.HasPrefix(item, "[") && item[0] != '/' {
			d := openDict(p, c, item, flagsLookup)
			d.complain(l)
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
				for _, l := range logicalLines(data) {
					out = append(out, splitList(l.text)...)
				}
				continue
			}
		}
		out = append(out, item)
	}
	return out
}

// match looks a name and an address up. An error has been logged.
func (m *matchList) match(l *logger, name, addr string) (bool, error) {
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

func (m *matchList) matchItem(l *logger, item, name, addr string) (bool, error) {
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
			_, found, err := d.lookup(l, k)
			if err != nil {
				l.warning("%s: %s: table lookup problem", m.param, item)
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
		l.warning("%s: %s", m.param, problem)
		return false, &lookupError{problem}
	}
	a, err := netip.ParseAddr(addr)
	return err == nil && n.Contains(a), nil
}
