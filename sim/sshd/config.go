package sshd

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"enshu/sim/libc"
	"enshu/sim/wire/syslog"
)

// configFile is what sshd reads by default; relative names of Include are beside it.
const configFile = "/etc/ssh/sshd_config"

// config is sshd_config as it was read.
type config struct {
	lines []line
}

// line is one directive.
type line struct {
	keyword string // in lower case
	args    []string
	match   *matcher // the block it stands in; nil for all
}

// matcher is a Match line: all conditions must hold.
type matcher struct{ user, group, address string }

// peer is whom a Match line is about.
type peer struct {
	user   string
	groups []string
	addr   netip.Addr
}

// settings are what holds for one peer: keyword to arguments.
type settings map[string][]string

// badConfig is what keeps sshd from starting, in its words.
type badConfig struct{ lines []string }

func (b *badConfig) Error() string { return strings.Join(b.lines, "\n") }

// reader reads a configuration with the files that it includes.
type reader struct {
	read  func(name string) ([]byte, error)
	glob  func(pattern string) []string
	conf  *config
	match *matcher
	bad   []string
	notes []string // of deprecated keywords
	depth int
}

// maxInclude is how deep files may include each other.
const maxInclude = 16

// load reads the configuration. The notes are for the log.
func load(name string, read func(string) ([]byte, error), glob func(string) []string) (c *config, notes []string, err error) {
	r := &reader{read: read, glob: glob, conf: &config{}}
	if err := r.file(name); err != nil {
		return nil, nil, err
	}
	if len(r.bad) > 0 {
		return nil, nil, &badConfig{append(r.bad, fmt.Sprintf("%s: terminating, %d bad configuration options", name, len(r.bad)))}
	}
	return r.conf, r.notes, nil
}

func (r *reader) file(name string) error {
	if r.depth++; r.depth > maxInclude {
		return &badConfig{[]string{"Too many recursive configuration includes"}}
	}
	defer func() { r.depth-- }()
	data, err := r.read(name)
	if err != nil {
		return err
	}
	for i, text := range libc.Lines(data) {
		if err := r.line(name, i+1, text); err != nil {
			return &badConfig{append(r.bad, err.Error())}
		}
	}
	return nil
}

// line reads a line. Its error is one that sshd does not go on after.
func (r *reader) line(file string, n int, text string) error {
	keyword, rest := cutKeyword(strings.TrimSpace(text))
	if keyword == "" || keyword[0] == '#' {
		return nil
	}
	fatal := func(format string, args ...any) error {
		return fmt.Errorf("%s line %d: %s", file, n, fmt.Sprintf(format, args...))
	}
	args, ok := splitArgs(rest)
	if !ok {
		return fatal("invalid quotes")
	}
	key := strings.ToLower(keyword)
	switch key {
	case "include":
		if len(args) == 0 {
			return fatal("missing filename")
		}
		for _, pattern := range args {
			if !strings.HasPrefix(pattern, "/") {
				pattern = path.Join(path.Dir(configFile), pattern)
			}
			for _, name := range r.glob(pattern) {
				outer := r.match
				err := r.file(name)
				r.match = outer
				var bad *badConfig
				switch {
				case errors.As(err, &bad):
					return errors.New(bad.lines[len(bad.lines)-1])
				case err != nil && !errors.Is(err, fs.ErrNotExist):
					return fatal("could not open %s: %s", name, libc.Strerror(err))
				}
			}
		}
		return nil
	case "match":
		m, problem := readMatch(args)
		if problem != "" {
			r.bad = append(r.bad, problem)
			return fatal("Bad Match condition")
		}
		r.match = m
		return nil
	}
	if why, old := obsolete[key]; old {
		r.notes = append(r.notes, fmt.Sprintf("%s line %d: %s option %s", file, n, why, keyword))
		return nil
	}
	d, known := directives[key]
	if !known {
		r.bad = append(r.bad, fmt.Sprintf("%s: line %d: Bad configuration option: %s", file, n, keyword))
		return nil
	}
	if r.match != nil && !d.match {
		return fatal("Directive '%s' is not allowed within a Match block", keyword)
	}
	if d.kind == words && key == "forcecommand" && len(args) > 0 {
		args = []string{strings.TrimSpace(rest)} // as it stands
	}
	if problem := d.check(key, args); problem != "" {
		return fatal("%s", problem)
	}
	if len(args) > 1 && (d.kind == flag || d.kind == word || d.kind == count || d.kind == span || d.kind == port) {
		return fatal("keyword %s extra arguments at end of line", keyword)
	}
	r.conf.lines = append(r.conf.lines, line{key, args, r.match})
	return nil
}

// cutKeyword splits a line behind its keyword; an equals sign may stand there.
func cutKeyword(s string) (keyword, rest string) {
	i := strings.IndexAny(s, " \t=")
	if i < 0 {
		return s, ""
	}
	rest = strings.TrimLeft(s[i:], " \t")
	rest = strings.TrimLeft(strings.TrimPrefix(rest, "="), " \t")
	return s[:i], rest
}

// splitArgs splits arguments at blanks, with quotes; a # begins a comment.
func splitArgs(s string) (args []string, ok bool) {
	var cur strings.Builder
	open, quote := false, byte(0)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0 && c == '\\' && i+1 < len(s) && (s[i+1] == quote || s[i+1] == '\\'):
			i++
			cur.WriteByte(s[i])
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			cur.WriteByte(c)
		case c == '"' || c == '\'':
			quote, open = c, true
		case c == ' ' || c == '\t':
			if open {
				args = append(args, cur.String())
				cur.Reset()
				open = false
			}
		case c == '#' && !open:
			return args, true
		default:
			cur.WriteByte(c)
			open = true
		}
	}
	if open {
		args = append(args, cur.String())
	}
	return args, quote == 0
}

// check says what is wrong with a directive's arguments, "" for nothing.
func (d directive) check(key string, args []string) string {
	first := ""
	if len(args) > 0 {
		first = args[0]
	}
	switch d.kind {
	case flag:
		switch {
		case first == "":
			return "missing argument."
		case !slices.Contains(append([]string{"yes", "no", "true", "false"}, d.values...), strings.ToLower(first)):
			return fmt.Sprintf("unsupported option \"%s\".", first)
		}
	case count:
		n, err := strconv.ParseInt(first, 10, 64)
		switch {
		case first == "":
			return "integer value missing."
		case errors.Is(err, strconv.ErrRange), err == nil && n > 1<<31-1:
			return "integer value too large."
		case err != nil:
			return "integer value invalid."
		case n < 0:
			return "integer value too small."
		}
	case span:
		if first == "" {
			return "missing time value."
		}
		if _, ok := parseSpan(first); !ok {
			return "invalid time value."
		}
	case port:
		if first == "" {
			return "missing port number."
		}
		if n, err := strconv.Atoi(first); err != nil || n < 1 || n > 65535 {
			return "Badly formatted port number."
		}
	default:
		if first == "" {
			return "missing argument."
		}
	}
	switch key {
	case "loglevel":
		if !slices.Contains(logLevels, strings.ToUpper(first)) {
			return fmt.Sprintf("unsupported log level '%s'", first)
		}
	case "syslogfacility":
		if _, ok := syslog.ParseFacility(strings.ToLower(first)); !ok {
			return fmt.Sprintf("unsupported log facility '%s'", first)
		}
	case "addressfamily":
		if !slices.Contains([]string{"any", "inet", "inet6"}, strings.ToLower(first)) {
			return fmt.Sprintf("unsupported option \"%s\".", first)
		}
	case "listenaddress":
		if _, _, ok := splitListen(first); !ok {
			return "bad address"
		}
	case "maxstartups":
		if _, ok := startups(first); !ok {
			return "Illegal MaxStartups spec."
		}
	case "subsystem":
		if len(args) < 2 {
			return "Missing subsystem command."
		}
	}
	return ""
}

// parseSpan reads a time (sshd_config(5), TIME FORMATS) in seconds.
func parseSpan(s string) (time.Duration, bool) {
	total := time.Duration(0)
	for s != "" {
		i := 0
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		n, err := strconv.ParseInt(s[:i], 10, 32)
		if err != nil {
			return 0, false
		}
		unit := time.Second
		if s = s[i:]; s != "" {
			u, ok := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}[s[0]|0x20]
			if !ok {
				return 0, false
			}
			unit, s = u, s[1:]
		}
		total += time.Duration(n) * unit
		if total > 1<<31*time.Second {
			return 0, false
		}
	}
	return total, true
}

// splitListen reads ListenAddress: host, host:port, [host]:port.
func splitListen(s string) (addr netip.Addr, port uint16, ok bool) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a, 0, true
	}
	ap, err := netip.ParseAddrPort(s)
	return ap.Addr(), ap.Port(), err == nil
}

// startups reads MaxStartups, of which the last number is the limit.
func startups(s string) (limit int, ok bool) {
	parts := strings.Split(s, ":")
	if len(parts) != 1 && len(parts) != 3 {
		return 0, false
	}
	for _, p := range parts {
		n, err := strconv.Atoi(p)
		if err != nil || n < 1 {
			return 0, false
		}
		limit = n
	}
	return limit, true
}

// readMatch reads the conditions of a Match line, or says what is wrong.
func readMatch(args []string) (*matcher, string) {
	m := &matcher{}
	if len(args) == 0 {
		return nil, "One or more attributes required for Match"
	}
	if strings.EqualFold(args[0], "all") {
		if len(args) > 1 {
			return nil, "'all' cannot be combined with other Match attributes"
		}
		return m, ""
	}
	for ; len(args) > 0; args = args[2:] {
		if len(args) < 2 {
			return nil, "Missing Match criteria for " + args[0]
		}
		switch strings.ToLower(args[0]) {
		case "user":
			m.user = args[1]
		case "group":
			m.group = args[1]
		case "address":
			m.address = args[1]
		case "host", "localaddress", "localport", "rdomain":
			m.user = "!*" // not modelled: it never holds
		default:
			return nil, "Unsupported Match attribute " + args[0]
		}
	}
	return m, ""
}

func (m *matcher) holds(p peer) bool {
	if m.user != "" && !matchList(p.user, m.user) {
		return false
	}
	if m.group != "" && !slices.ContainsFunc(p.groups, func(g string) bool { return matchList(g, m.group) }) {
		return false
	}
	return m.address == "" || matchAddress(p.addr, m.address)
}

// matchList reports whether a pattern list has a name (ssh_config(5), PATTERNS):
// a negated pattern that matches excludes it.
func matchList(name, list string) bool {
	found := false
	for _, pattern := range strings.Split(list, ",") {
		pattern, not := strings.CutPrefix(pattern, "!")
		if matchPattern(name, pattern) {
			if not {
				return false
			}
			found = true
		}
	}
	return found
}

// matchPattern knows * and ?.
func matchPattern(s, pattern string) bool {
	for pattern != "" {
		switch {
		case pattern[0] == '*':
			for i := 0; i <= len(s); i++ {
				if matchPattern(s[i:], pattern[1:]) {
					return true
				}
			}
			return false
		case s == "" || pattern[0] != '?' && pattern[0] != s[0]:
			return false
		}
		s, pattern = s[1:], pattern[1:]
	}
	return s == ""
}

// matchAddress is matchList for addresses, with prefixes.
func matchAddress(a netip.Addr, list string) bool {
	found := false
	for _, pattern := range strings.Split(list, ",") {
		pattern, not := strings.CutPrefix(pattern, "!")
		prefix, err := netip.ParsePrefix(pattern)
		if err == nil && prefix.Contains(a) || err != nil && matchPattern(a.String(), pattern) {
			if not {
				return false
			}
			found = true
		}
	}
	return found
}

// settings returns what holds for a peer: of each keyword the first line of the
// Match blocks that hold for it, else the first line outside.
func (c *config) settings(p *peer) settings {
	s, local := settings{}, settings{}
	for _, l := range c.lines {
		to := s
		if l.match != nil {
			if p == nil || !l.match.holds(*p) {
				continue
			}
			to = local
		}
		if _, set := to[l.keyword]; !set || directives[l.keyword].kind == list || l.keyword == "port" {
			to[l.keyword] = append(to[l.keyword], l.args...)
		}
	}
	for k, v := range local {
		s[k] = v
	}
	return s
}

// all returns the arguments of a keyword, or its defaults.
func (s settings) all(keyword string) []string {
	if v, ok := s[keyword]; ok {
		return v
	}
	return strings.Fields(directives[keyword].initial)
}

// one returns the argument of a keyword, "" when there is none.
func (s settings) one(keyword string) string {
	if v := s.all(keyword); len(v) > 0 {
		return v[0]
	}
	return ""
}

func (s settings) yes(keyword string) bool {
	v := strings.ToLower(s.one(keyword))
	return v == "yes" || v == "true"
}

func (s settings) number(keyword string) int {
	n, _ := strconv.Atoi(s.one(keyword)) // it was checked when it was read
	return n
}

func (s settings) span(keyword string) time.Duration {
	d, _ := parseSpan(s.one(keyword))
	return d
}
