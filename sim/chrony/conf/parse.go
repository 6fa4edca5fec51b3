package conf

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

// System is where a parser finds files and names: a host, or nothing in
// tests of the grammar.
type System interface {
	ReadFile(name string) ([]byte, error)
	ReadDir(name string) ([]string, error)
	Resolve(name string) (netip.Addr, bool)
}

// Parser reads chrony.conf. What was read is in Conf, also after an error.
type Parser struct {
	src    System
	Conf   *Config
	print  func(line string) // each line that is read (option -p); may be nil
	warn   func(text string) // what is not fatal, as it is met
	file   string            // being read, "" for the command line
	Line   int
	level  int
	nowCmd string // the directive as it is written
	table  map[string]directive
	Loaded []LoadedFile // in the order in which they were read
}

// LoadedFile is a file that a parser has read.
type LoadedFile struct{ Name, Digest string }

// NewParser returns a parser with the defaults in Conf; print, which may be nil,
// gets the lines that are read, and warn what is wrong but not fatal.
func NewParser(src System, print, warn func(string)) *Parser {
	return &Parser{src: src, Conf: defaultConfig(), print: print, warn: warn, table: directives()}
}

// ParseError is a fatal error of the configuration.
type ParseError struct{ text string }

// Error returns the words of chronyd.
func (e *ParseError) Error() string { return e.text }

// Errorf returns a fatal error in the words of chronyd.
func Errorf(format string, args ...any) error { return &ParseError{fmt.Sprintf(format, args...)} }

// at says where the parser stands.
func (p *Parser) at() string {
	if p.file == "" {
		return fmt.Sprintf("at line %d", p.Line)
	}
	return fmt.Sprintf("at line %d in file %s", p.Line, p.file)
}

func (p *Parser) unparsable() error {
	return Errorf("Could not parse %s directive %s", p.nowCmd, p.at())
}

func (p *Parser) missing() error {
	return Errorf("Missing arguments for %s directive %s", p.nowCmd, p.at())
}

func (p *Parser) tooMany() error {
	return Errorf("Too many arguments for %s directive %s", p.nowCmd, p.at())
}

// ReadFile reads a file of directives.
func (p *Parser) ReadFile(name string) error {
	if p.level >= maxInclude {
		return Errorf("Maximum include level reached")
	}
	data, err := p.src.ReadFile(name)
	if err != nil {
		return Errorf("Could not open %s : %s", name, libc.Strerror(err))
	}
	p.Loaded = append(p.Loaded, LoadedFile{name, trace.Digest(data)})
	file, line := p.file, p.Line
	p.file, p.level = name, p.level+1
	for i, l := range libc.Lines(data) {
		p.Line = i + 1
		if err := p.ReadLine(l); err != nil {
			return err
		}
	}
	p.file, p.Line, p.level = file, line, p.level-1
	return nil
}

// ReadLine reads one directive.
func (p *Parser) ReadLine(line string) error {
	line = Normalize(line)
	if line == "" {
		return nil
	}
	name, args := Word(line)
	p.nowCmd = name
	lower := strings.ToLower(name)
	if p.print != nil && lower != "include" && lower != "confdir" {
		p.print(line)
	}
	d, ok := p.table[lower]
	if !ok {
		return Errorf("Invalid directive %s", p.at())
	}
	if d.args >= 0 {
		switch n := len(Words(args)); {
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
	read func(p *Parser, args string) error
}

func stringField(field func(*Config) *string) directive {
	return directive{1, func(p *Parser, args string) error {
		*field(p.Conf) = args
		return nil
	}}
}

func intField(field func(*Config) *int) directive {
	return directive{1, func(p *Parser, args string) error {
		v, _, ok := ScanInt(args)
		if !ok {
			return p.unparsable()
		}
		*field(p.Conf) = v
		return nil
	}}
}

func floatField(field func(*Config) *float64) directive {
	return directive{1, func(p *Parser, args string) error {
		v, _, ok := ScanFloat(args)
		if !ok {
			return p.unparsable()
		}
		*field(p.Conf) = v
		return nil
	}}
}

func flagField(field func(*Config) *bool) directive {
	return directive{0, func(p *Parser, args string) error {
		*field(p.Conf) = true
		return nil
	}}
}

// unused is a directive whose argument is checked and has no effect here.
func unused(check func(string) bool) directive {
	return directive{1, func(p *Parser, args string) error {
		if !check(args) {
			return p.unparsable()
		}
		return nil
	}}
}

func isText(string) bool { return true }

func isInt(s string) bool { _, _, ok := ScanInt(s); return ok }

func wordField(field func(*Config) *string, values ...string) directive {
	return directive{-1, func(p *Parser, args string) error {
		v := strings.ToLower(args)
		if !slices.Contains(values, v) {
			return p.unparsable()
		}
		*field(p.Conf) = v
		return nil
	}}
}

func sourceDirective(kind SourceKind) directive {
	return directive{-1, func(p *Parser, args string) error {
		s, ok := ParseSource(kind, args)
		if !ok {
			return p.unparsable()
		}
		p.Conf.Sources = append(p.Conf.Sources, s)
		return nil
	}}
}

func accessDirective(field func(*Config) *[]AccessRule, allow bool) directive {
	return directive{-1, func(p *Parser, args string) error {
		r, ok := ParseAccess(args, p.src.Resolve)
		if !ok {
			return p.unparsable()
		}
		r.Allow = allow
		*field(p.Conf) = append(*field(p.Conf), r)
		return nil
	}}
}

// ParseAccess reads the arguments of allow and deny, in chrony.conf and
// chronyc: [all] [ADDRESS[/BITS] | A[.B[.C]][/BITS] | NAME].
func ParseAccess(args string, resolve func(string) (netip.Addr, bool)) (AccessRule, bool) {
	var r AccessRule
	w := Words(args)
	if len(w) > 0 && w[0] == "all" {
		r.All, w = true, w[1:]
	}
	if len(w) > 1 {
		return r, false
	}
	if len(w) == 0 {
		return r, true
	}
	text, bits, subnet := strings.Cut(w[0], "/")
	if subnet {
		n, rest, ok := ScanInt(bits)
		if !ok || rest != "" || n < 0 {
			return r, false
		}
		r.Bits = n
	}
	if a, ok := ParseIP(text); ok {
		r.Addr = a
		if !subnet {
			r.Bits = a.BitLen()
		}
		return r, true
	}
	if a, n, short := shortAddress(text); short {
		r.Addr = a
		if !subnet {
			r.Bits = n
		}
		return r, a.IsValid()
	}
	if !subnet {
		if a, ok := resolve(text); ok {
			r.Addr, r.Bits = a, a.BitLen()
			return r, true
		}
	}
	return r, false
}

// ParseIP reads a numeric address without a zone.
func ParseIP(s string) (netip.Addr, bool) {
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
		v, rest, ok := ScanInt(part)
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

func bindDirective(field func(*Config) *[2]netip.Addr) directive {
	return directive{1, func(p *Parser, args string) error {
		a, ok := ParseIP(args)
		if !ok {
			return p.unparsable()
		}
		(*field(p.Conf))[Family(a)] = a
		return nil
	}}
}

func ratelimitDirective(field func(*Config) *RateLimit) directive {
	return directive{-1, func(p *Parser, args string) error {
		r := field(p.Conf)
		r.Enabled = true
		for args != "" {
			var name string
			name, args = Word(args)
			v, rest, ok := ScanInt(args)
			if !ok {
				return p.unparsable()
			}
			switch strings.ToLower(name) {
			case "interval":
				r.Interval = v
			case "burst":
				r.Burst = v
			case "leak":
				r.Leak = v
			default:
				return p.unparsable()
			}
			args = skip(rest)
		}
		return nil
	}}
}

// ParseLocal reads the arguments of local.
func ParseLocal(args string) (Local, bool) {
	l := Local{Enabled: true, Stratum: 10, Distance: 1}
	for args != "" {
		var name string
		name, args = Word(args)
		ok := true
		switch strings.ToLower(name) {
		case "stratum":
			l.Stratum, args, ok = ScanInt(args)
			ok = ok && l.Stratum >= 1 && l.Stratum <= 15
		case "distance":
			l.Distance, args, ok = ScanFloat(args)
		case "orphan":
			l.Orphan = true
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

func obsolete(p *Parser, args string) error {
	p.warn(p.nowCmd + " directive is no longer supported")
	return nil
}

// readDirs reads the files *.conf of directories, by name; of files with one
// name in several directories, the first counts.
func (p *Parser) readDirs(args string) error {
	if args == "" || len(Words(args)) > 10 {
		return p.unparsable()
	}
	for _, name := range ListFiles(p.src, Words(args), ".conf") {
		if err := p.ReadFile(name); err != nil {
			return err
		}
	}
	return nil
}

// ListFiles returns the files with a suffix in directories, ordered by name,
// one for each name.
func ListFiles(src System, dirs []string, suffix string) []string {
	found := map[string]string{}
	for _, dir := range dirs {
		names, _ := src.ReadDir(dir)
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
func (p *Parser) include(pattern string) error {
	matches, ok := glob(p.src, pattern)
	if !ok {
		return Errorf("Could not search for files matching %s", pattern)
	}
	for _, m := range matches {
		if err := p.ReadFile(m); err != nil {
			return err
		}
	}
	return nil
}

// glob returns the files that match a pattern, sorted, and the pattern itself
// when it has no wildcards; false when a directory cannot be read (glob(3)
// with GLOB_ERR and GLOB_NOMAGIC).
func glob(src System, pattern string) ([]string, bool) {
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
			names, err := src.ReadDir(cmp.Or(d, "."))
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
