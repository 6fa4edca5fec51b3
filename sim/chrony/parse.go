package chrony

import (
	"cmp"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	"enshu/sim/libc"
	"enshu/sim/trace"
)

// maxInclude is how deep include directives may be nested.
const maxInclude = 10

// configSource is where a parser finds files and names: a host, or nothing in
// tests of the grammar.
type configSource interface {
	readFile(name string) ([]byte, error)
	readDir(name string) ([]string, error)
	resolve(name string) (netip.Addr, bool)
}

// parser reads chrony.conf.
type parser struct {
	src    configSource
	conf   *config
	print  func(line string) // each line that is read (option -p); may be nil
	warn   func(text string) // what is not fatal, as it is met
	file   string            // being read, "" for the command line
	line   int
	level  int
	nowCmd string // the directive as it is written
	table  map[string]directive
	loaded []loadedFile // in the order in which they were read
}

// loadedFile is a file that a parser has read.
type loadedFile struct{ name, digest string }

func newParser(src configSource, print, warn func(string)) *parser {
	return &parser{src: src, conf: defaultConfig(), print: print, warn: warn, table: directives()}
}

// parseError is a fatal error of the configuration.
type parseError struct{ text string }

func (e *parseError) Error() string { return e.text }

func fail(format string, args ...any) error { return &parseError{fmt.Sprintf(format, args...)} }

// at says where the parser stands.
func (p *parser) at() string {
	if p.file == "" {
		return fmt.Sprintf("at line %d", p.line)
	}
	return fmt.Sprintf("at line %d in file %s", p.line, p.file)
}

func (p *parser) unparsable() error {
	return fail("Could not parse %s directive %s", p.nowCmd, p.at())
}

func (p *parser) missing() error {
	return fail("Missing arguments for %s directive %s", p.nowCmd, p.at())
}

func (p *parser) tooMany() error {
	return fail("Too many arguments for %s directive %s", p.nowCmd, p.at())
}

// readFile reads a file of directives.
func (p *parser) readFile(name string) error {
	if p.level >= maxInclude {
		return fail("Maximum include level reached")
	}
	data, err := p.src.readFile(name)
	if err != nil {
		return fail("Could not open %s : %s", name, libc.Strerror(err))
	}
	p.loaded = append(p.loaded, loadedFile{name, trace.Digest(data)})
	file, line := p.file, p.line
	p.file, p.level = name, p.level+1
	for i, l := range libc.Lines(data) {
		p.line = i + 1
		if err := p.readLine(l); err != nil {
			return err
		}
	}
	p.file, p.line, p.level = file, line, p.level-1
	return nil
}

// readLine reads one directive.
func (p *parser) readLine(line string) error {
	line = normalize(line)
	if line == "" {
		return nil
	}
	name, args := word(line)
	p.nowCmd = name
	lower := strings.ToLower(name)
	if p.print != nil && lower != "include" && lower != "confdir" {
		p.print(line)
	}
	d, ok := p.table[lower]
	if !ok {
		return fail("Invalid directive %s", p.at())
	}
	if d.args >= 0 {
		switch n := len(words(args)); {
		case n < d.args:
			return p.missing()
		case n > d.args:
			return p.tooMany()
		}
	}
	return d.read(p, args)
}

// directive is one word of chrony.conf(5).
type directive struct {
	args int // how many arguments it must have; -1 leaves that to read
	read func(p *parser, args string) error
}

func stringField(field func(*config) *string) directive {
	return directive{1, func(p *parser, args string) error {
		*field(p.conf) = args
		return nil
	}}
}

func intField(field func(*config) *int) directive {
	return directive{1, func(p *parser, args string) error {
		v, _, ok := scanInt(args)
		if !ok {
			return p.unparsable()
		}
		*field(p.conf) = v
		return nil
	}}
}

func floatField(field func(*config) *float64) directive {
	return directive{1, func(p *parser, args string) error {
		v, _, ok := scanFloat(args)
		if !ok {
			return p.unparsable()
		}
		*field(p.conf) = v
		return nil
	}}
}

func flagField(field func(*config) *bool) directive {
	return directive{0, func(p *parser, args string) error {
		*field(p.conf) = true
		return nil
	}}
}

// unused is a directive whose argument is checked and has no effect here.
func unused(check func(string) bool) directive {
	return directive{1, func(p *parser, args string) error {
		if !check(args) {
			return p.unparsable()
		}
		return nil
	}}
}

func isText(string) bool { return true }

func isInt(s string) bool { _, _, ok := scanInt(s); return ok }

func wordField(field func(*config) *string, values ...string) directive {
	return directive{-1, func(p *parser, args string) error {
		v := strings.ToLower(args)
		if !slices.Contains(values, v) {
			return p.unparsable()
		}
		*field(p.conf) = v
		return nil
	}}
}

func sourceDirective(kind sourceKind) directive {
	return directive{-1, func(p *parser, args string) error {
		s, ok := parseSource(kind, args)
		if !ok {
			return p.unparsable()
		}
		p.conf.sources = append(p.conf.sources, s)
		return nil
	}}
}

func accessDirective(field func(*config) *[]accessRule, allow bool) directive {
	return directive{-1, func(p *parser, args string) error {
		r, ok := parseAccess(args, p.src.resolve)
		if !ok {
			return p.unparsable()
		}
		r.allow = allow
		*field(p.conf) = append(*field(p.conf), r)
		return nil
	}}
}

// parseAccess reads the arguments of allow and deny, in chrony.conf and
// chronyc: [all] [ADDRESS[/BITS] | A[.B[.C]][/BITS] | NAME].
func parseAccess(args string, resolve func(string) (netip.Addr, bool)) (accessRule, bool) {
	var r accessRule
	w := words(args)
	if len(w) > 0 && w[0] == "all" {
		r.all, w = true, w[1:]
	}
	if len(w) > 1 {
		return r, false
	}
	if len(w) == 0 {
		return r, true
	}
	text, bits, subnet := strings.Cut(w[0], "/")
	if subnet {
		n, rest, ok := scanInt(bits)
		if !ok || rest != "" || n < 0 {
			return r, false
		}
		r.bits = n
	}
	if a, ok := parseIP(text); ok {
		r.addr = a
		if !subnet {
			r.bits = a.BitLen()
		}
		return r, true
	}
	if a, n, short := shortAddress(text); short {
		r.addr = a
		if !subnet {
			r.bits = n
		}
		return r, a.IsValid()
	}
	if !subnet {
		if a, ok := resolve(text); ok {
			r.addr, r.bits = a, a.BitLen()
			return r, true
		}
	}
	return r, false
}

func parseIP(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, false
	}
	return a, true
}

// shortAddress reads the first one, two or three octets of an IPv4 address.
// The address is not valid when the numbers are no octets.
func shortAddress(s string) (a netip.Addr, bits int, short bool) {
	var octets [4]byte
	parts := strings.Split(s, ".")
	if len(parts) > 3 {
		return netip.Addr{}, 0, false
	}
	fit := true
	for i, part := range parts {
		v, rest, ok := scanInt(part)
		if !ok || rest != "" {
			return netip.Addr{}, 0, false
		}
		fit = fit && v >= 0 && v <= 255
		octets[i] = byte(v)
	}
	if !fit {
		return netip.Addr{}, 0, true
	}
	return netip.AddrFrom4(octets), 8 * len(parts), true
}

func bindDirective(field func(*config) *[2]netip.Addr) directive {
	return directive{1, func(p *parser, args string) error {
		a, ok := parseIP(args)
		if !ok {
			return p.unparsable()
		}
		(*field(p.conf))[family(a)] = a
		return nil
	}}
}

func ratelimitDirective(field func(*config) *ratelimitConfig) directive {
	return directive{-1, func(p *parser, args string) error {
		r := field(p.conf)
		r.enabled = true
		for args != "" {
			var name string
			name, args = word(args)
			v, rest, ok := scanInt(args)
			if !ok {
				return p.unparsable()
			}
			switch strings.ToLower(name) {
			case "interval":
				r.interval = v
			case "burst":
				r.burst = v
			case "leak":
				r.leak = v
			default:
				return p.unparsable()
			}
			args = skip(rest)
		}
		return nil
	}}
}

// parseLocal reads the arguments of local.
func parseLocal(args string) (localReference, bool) {
	l := localReference{enabled: true, stratum: 10, distance: 1}
	for args != "" {
		var name string
		name, args = word(args)
		ok := true
		switch strings.ToLower(name) {
		case "stratum":
			l.stratum, args, ok = scanInt(args)
			ok = ok && l.stratum >= 1 && l.stratum <= 15
		case "distance":
			l.distance, args, ok = scanFloat(args)
		case "orphan":
			l.orphan = true
		default:
			ok = false
		}
		if !ok {
			return l, false
		}
		args = skip(args)
	}
	return l, true
}

func obsolete(p *parser, args string) error {
	p.warn(p.nowCmd + " directive is no longer supported")
	return nil
}

// readDirs reads the files *.conf of directories, by name; of files with one
// name in several directories, the first counts.
func (p *parser) readDirs(args string) error {
	if args == "" || len(words(args)) > 10 {
		return p.unparsable()
	}
	for _, name := range listFiles(p.src, words(args), ".conf") {
		if err := p.readFile(name); err != nil {
			return err
		}
	}
	return nil
}

// listFiles returns the files with a suffix in directories, ordered by name,
// one for each name.
func listFiles(src configSource, dirs []string, suffix string) []string {
	found := map[string]string{}
	for _, dir := range dirs {
		names, _ := src.readDir(dir)
		for _, n := range names {
			if _, ok := found[n]; !ok && strings.HasSuffix(n, suffix) && len(n) > len(suffix) {
				found[n] = dir + "/" + n
			}
		}
	}
	var names []string
	for n := range found {
		names = append(names, n)
	}
	slices.Sort(names)
	for i, n := range names {
		names[i] = found[n]
	}
	return names
}

// include reads the files that match a pattern. A directory that cannot be
// searched is an error; one without a match is not.
func (p *parser) include(pattern string) error {
	matches, ok := glob(p.src, pattern)
	if !ok {
		return fail("Could not search for files matching %s", pattern)
	}
	for _, m := range matches {
		if err := p.readFile(m); err != nil {
			return err
		}
	}
	return nil
}

// glob returns the files that match a pattern, sorted, and the pattern itself
// when it has no wildcards; false when a directory cannot be read (glob(3)
// with GLOB_ERR and GLOB_NOMAGIC).
func glob(src configSource, pattern string) ([]string, bool) {
	const wild = "*?["
	if !strings.ContainsAny(pattern, wild) {
		return []string{pattern}, true
	}
	dirs := []string{""}
	if strings.HasPrefix(pattern, "/") {
		dirs = []string{"/"}
	}
	for _, part := range strings.FieldsFunc(pattern, func(r rune) bool { return r == '/' }) {
		var next []string
		for _, d := range dirs {
			if !strings.ContainsAny(part, wild) {
				next = append(next, path.Join(d, part))
				continue
			}
			names, err := src.readDir(cmp.Or(d, "."))
			if err != nil {
				return nil, false
			}
			for _, n := range names {
				if ok, err := path.Match(part, n); err == nil && ok && (n[0] != '.' || part[0] == '.') {
					next = append(next, path.Join(d, n))
				}
			}
		}
		dirs = next
	}
	slices.Sort(dirs)
	return dirs, true
}
