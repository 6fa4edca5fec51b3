package httpd

import (
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// config is a configuration that was read.
type config struct {
	root    string // ServerRoot
	listens []netip.AddrPort
	pidFile string
	user    string
	group   string
	main    *site
	hosts   []*site // virtual hosts
	formats map[string]string
	types   map[string]string // by extension, without dot
}

// site is the main server or a virtual host.
type site struct {
	addr     string // of <VirtualHost>
	name     string
	aliases  []string
	admin    string
	docRoot  string
	index    []string
	errorLog string
	level    logLevel
	logs     []customLog
	alias    []mapping
	redirect []redirect
	sections []section
	errDocs  map[int]string
	charset  string
}

type customLog struct{ file, format string }

type mapping struct{ from, to string }

type redirect struct {
	from, to string
	status   int
}

// section is a <Directory>, <Location> or <Files> with what it says about access.
type section struct {
	kind    string // "directory", "location", "files"
	pattern string
	match   *regexp.Regexp // of the …Match forms and "~"
	require []string       // arguments of Require, "" when there is none
	errDocs map[int]string
	index   []string
	listing *bool // what Options says of Indexes, nil when nothing
}

// confError is a configuration error with its place.
type confError struct {
	file string
	line int
	text string
}

func (e *confError) Error() string {
	return fmt.Sprintf("AH00526: Syntax error on line %d of %s:\n%s", e.line, e.file, e.text)
}

// files is what the parser needs of the host's files.
type files interface {
	ReadFile(name string) ([]byte, error)
	ReadDir(name string) ([]string, error)
	IsDir(name string) bool
}

// parser reads configuration files.
type parser struct {
	fs      files
	c       *config
	site    *site
	section *section
	defines map[string]bool
	depth   int
	files   int
}

// maxIncludes is how deep files may include each other, as in httpd; maxFiles
// is how many may be read, so that files that include each other twice end too.
const (
	maxIncludes = 16
	maxFiles    = 500
)

// parseConfig reads a configuration file and those it includes. extra are
// directives of the command line, defines the names of -D.
func parseConfig(fs files, file, root string, extra, defines []string) (*config, error) {
	main := &site{index: []string{"index.html"}, level: levelWarn, errorLog: "logs/error_log", errDocs: map[int]string{}}
	p := &parser{fs: fs, site: main, defines: map[string]bool{}, c: &config{root: root, main: main, pidFile: "/run/httpd/httpd.pid",
		user: "apache", group: "apache", types: map[string]string{},
		formats: map[string]string{"common": commonFormat, "combined": combinedFormat}}}
	for _, d := range defines {
		p.defines[d] = true
	}
	if err := p.file(file); err != nil {
		return nil, err
	}
	for i, e := range extra {
		if err := p.lines("-C/-c", []string{e}, i); err != nil {
			return nil, err
		}
	}
	if len(p.c.listens) == 0 {
		return nil, fmt.Errorf("AH00014: no listening sockets available, shutting down")
	}
	return p.c, nil
}

// abs makes a path of the configuration absolute.
func (c *config) abs(name string) string {
	if strings.HasPrefix(name, "/") {
		return path.Clean(name)
	}
	return path.Join(c.root, name)
}

func (p *parser) file(name string) error {
	data, err := p.fs.ReadFile(name)
	if err != nil {
		return fmt.Errorf("httpd: Could not open configuration file %s: %w", name, err)
	}
	p.depth++
	p.files++
	if p.depth > maxIncludes || p.files > maxFiles {
		return &confError{name, 1, fmt.Sprintf("Exceeded maximum include depth of %d, There appears to be a recursion.", maxIncludes)}
	}
	defer func() { p.depth-- }()
	return p.lines(name, strings.Split(string(data), "\n"), 0)
}

// container is an open section of a file.
type container struct {
	name   string
	line   int
	skip   bool // its contents do not count
	site   *site
	within *section
}

func (p *parser) lines(file string, lines []string, from int) error {
	var open []container
	for i := 0; i < len(lines); i++ {
		at := i + 1 + from
		line := strings.TrimSpace(lines[i])
		for strings.HasSuffix(line, "\\") && i+1 < len(lines) {
			i++
			line = strings.TrimSuffix(line, "\\") + strings.TrimSpace(lines[i])
		}
		if line == "" || line[0] == '#' {
			continue
		}
		bad := func(format string, args ...any) error { return &confError{file, at, fmt.Sprintf(format, args...)} }
		skip := len(open) > 0 && open[len(open)-1].skip
		words, ok := splitWords(line)
		switch {
		case strings.HasPrefix(line, "</"):
			name := strings.TrimSuffix(strings.TrimPrefix(line, "</"), ">")
			if len(open) == 0 {
				return bad("</%s> without matching <%s> section", name, name)
			}
			top := open[len(open)-1]
			if !strings.EqualFold(name, top.name) {
				return bad("Expected </%s> but saw </%s>", top.name, name)
			}
			open = open[:len(open)-1]
			p.site, p.section = top.site, top.within
		case line[0] == '<':
			if !strings.HasSuffix(line, ">") {
				return bad("%s> directive missing closing '>'", words[0])
			}
			words, _ = splitWords(line[1 : len(line)-1])
			if len(words) == 0 {
				return bad("Invalid command '<>', perhaps misspelled or defined by a module not included in the server configuration")
			}
			top := container{name: words[0], line: at, skip: skip, site: p.site, within: p.section}
			if !skip {
				s, err := p.enter(words[0], words[1:])
				if err != "" {
					return bad("%s", err)
				}
				top.skip = s
			}
			open = append(open, top)
		case skip:
		case !ok:
			return bad("Missing closing quotation mark")
		default:
			if err := p.directive(words[0], words[1:]); err != nil {
				if e, ok := err.(*confError); ok {
					return e
				}
				return bad("%s", err)
			}
		}
	}
	if len(open) > 0 {
		top := open[len(open)-1]
		return &confError{file, top.line, fmt.Sprintf("<%s> was not closed.", top.name)}
	}
	return nil
}

// splitWords cuts a line into words; "…" and '…' keep blanks, and \" stands for
// a quotation mark.
func splitWords(line string) ([]string, bool) {
	var words []string
	for i := 0; i < len(line); {
		if line[i] == ' ' || line[i] == '\t' {
			i++
			continue
		}
		var b strings.Builder
		quote := byte(0)
		if line[i] == '"' || line[i] == '\'' {
			quote = line[i]
			i++
		}
		closed := quote == 0
		for i < len(line) {
			c := line[i]
			if quote != 0 && c == '\\' && i+1 < len(line) && (line[i+1] == quote || line[i+1] == '\\') {
				b.WriteByte(line[i+1])
				i += 2
				continue
			}
			i++
			if quote != 0 && c == quote {
				closed = true
				break
			}
			if quote == 0 && (c == ' ' || c == '\t') {
				break
			}
			b.WriteByte(c)
		}
		if !closed {
			return words, false
		}
		words = append(words, b.String())
	}
	return words, true
}

// enter opens a section. skip tells that what is in it does not count.
func (p *parser) enter(name string, args []string) (skip bool, problem string) {
	first := ""
	if len(args) > 0 {
		first = args[0]
	}
	negated := strings.HasPrefix(first, "!")
	first = strings.TrimPrefix(first, "!")
	pattern := func(kind string, regex bool) string {
		if len(args) == 0 {
			return "<" + name + "> directive requires additional arguments"
		}
		s := section{kind: kind, pattern: args[0], errDocs: map[int]string{}}
		if args[0] == "~" && len(args) > 1 {
			regex, s.pattern = true, args[1]
		}
		if regex {
			re, err := regexp.Compile(s.pattern)
			if err != nil {
				return "Regex could not be compiled"
			}
			s.match = re
		}
		p.site.sections = append(p.site.sections, s)
		p.section = &p.site.sections[len(p.site.sections)-1]
		return ""
	}
	switch strings.ToLower(name) {
	case "ifmodule":
		return modules[strings.TrimPrefix(first, "mod_")] == negated, ""
	case "ifdefine":
		return p.defines[first] == negated, ""
	case "ifversion", "if", "else", "elseif", "limit", "limitexcept", "requireall", "requireany", "requirenone", "proxy":
		return strings.EqualFold(name, "proxy"), ""
	case "directory":
		return false, pattern("directory", false)
	case "directorymatch":
		return false, pattern("directory", true)
	case "location":
		return false, pattern("location", false)
	case "locationmatch":
		return false, pattern("location", true)
	case "files":
		return false, pattern("files", false)
	case "filesmatch":
		return false, pattern("files", true)
	case "virtualhost":
		if len(args) == 0 {
			return false, "<VirtualHost> directive requires additional arguments"
		}
		m := p.c.main
		v := &site{addr: args[0], docRoot: m.docRoot, index: m.index, errorLog: m.errorLog, level: m.level, admin: m.admin,
			alias: slices.Clone(m.alias), sections: slices.Clone(m.sections), errDocs: map[int]string{}, charset: m.charset}
		for k, d := range m.errDocs {
			v.errDocs[k] = d
		}
		p.c.hosts = append(p.c.hosts, v)
		p.site = v
		return false, ""
	}
	return false, "Invalid command '<" + name + "', perhaps misspelled or defined by a module not included in the server configuration"
}

// directive obeys one line.
func (p *parser) directive(name string, args []string) error {
	d, ok := directives[strings.ToLower(name)]
	if !ok {
		return fmt.Errorf("Invalid command '%s', perhaps misspelled or defined by a module not included in the server configuration", name)
	}
	if len(args) < d.min || d.max >= 0 && len(args) > d.max {
		if d.usage != "" {
			return fmt.Errorf("%s takes %s", name, d.usage)
		}
		return fmt.Errorf("%s takes %s", name, argumentCount(d.min, d.max))
	}
	switch strings.ToLower(name) {
	case "include":
		return p.include(args[0], false)
	case "includeoptional":
		return p.include(args[0], true)
	}
	if d.do == nil {
		return nil
	}
	return d.do(p, args)
}

func argumentCount(least, most int) string {
	words := []string{"no arguments", "one argument", "two arguments", "three arguments"}
	switch {
	case least == most && least < len(words):
		return words[least]
	case least == 1 && most == 2:
		return "1-2 arguments"
	}
	return "at least " + words[min(least, 3)]
}

// include reads the files of a pattern in their order.
func (p *parser) include(pattern string, optional bool) error {
	full := p.c.abs(pattern)
	dir, base := path.Split(full)
	if p.fs.IsDir(full) {
		dir, base = full+"/", "*"
	}
	if !strings.ContainsAny(base, "*?[") {
		if _, err := p.fs.ReadFile(full); err != nil && optional {
			return nil
		}
		return p.file(full)
	}
	names, err := p.fs.ReadDir(strings.TrimSuffix(dir, "/"))
	found := false
	sort.Strings(names)
	for _, n := range names {
		if ok, _ := path.Match(base, n); ok && err == nil && !p.fs.IsDir(dir+n) {
			found = true
			if err := p.file(dir + n); err != nil {
				return err
			}
		}
	}
	if !found && !optional && err != nil {
		return fmt.Errorf("Could not open config directory %s", strings.TrimSuffix(dir, "/"))
	}
	return nil
}

// listen reads the argument of Listen.
func (p *parser) listen(arg string) error {
	host, port := "", arg
	if i := strings.LastIndexByte(arg, ':'); i >= 0 {
		host, port = strings.Trim(arg[:i], "[]"), arg[i+1:]
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		if strings.Trim(port, "0123456789") == "" && port != "" {
			return fmt.Errorf("Port must be between 1 and 65535")
		}
		return fmt.Errorf("Port must be specified")
	}
	addr := netip.Addr{} // all
	if host != "" && host != "*" {
		if addr, err = netip.ParseAddr(host); err != nil {
			return fmt.Errorf("Listen setup failed")
		}
	}
	l := netip.AddrPortFrom(addr, uint16(n))
	if slices.Contains(p.c.listens, l) {
		return fmt.Errorf("Cannot define multiple Listeners on the same IP:port")
	}
	p.c.listens = append(p.c.listens, l)
	return nil
}
