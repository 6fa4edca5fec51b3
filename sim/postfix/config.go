package postfix

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// configDir is where Postfix looks for its configuration (MAIL_CONFIG).
const configDir = "/etc/postfix"

// A setting is one logical line of main.cf.
type setting struct {
	name, value string
	line        int // of its first physical line
}

// logicalLine is a line with its continuation lines joined.
type logicalLine struct {
	text        string
	first, last int
}

// logicalLines joins the lines of a Postfix file (postconf(5)): lines that
// start with white space continue the line before; empty lines and lines whose
// first other character is '#' are left out wherever they stand. White space at
// the start of a continuation becomes one blank.
func logicalLines(data []byte) []logicalLine {
	var out []logicalLine
	for i, line := range libc.Lines(data) {
		trimmed := strings.TrimRight(line, " \t\r\n\v\f")
		body := strings.TrimLeft(trimmed, " \t\r\n\v\f")
		if body == "" || body[0] == '#' {
			continue
		}
		if body != trimmed && len(out) > 0 {
			l := &out[len(out)-1]
			l.text += " " + body
			l.last = i + 1
			continue
		}
		out = append(out, logicalLine{trimmed, i + 1, i + 1})
	}
	return out
}

// parseMainCf reads main.cf. Its error is the text that every Postfix program
// prints and dies with.
func parseMainCf(path string, data []byte) ([]setting, error) {
	var out []setting
	for _, l := range logicalLines(data) {
		name, value, err := splitNameValue(l.text)
		if err != "" {
			return out, fmt.Errorf("%s, line %d: %s: \"%s\"", path, l.last, err, l.text)
		}
		out = append(out, setting{name, value, l.first})
	}
	return out, nil
}

// splitNameValue splits "name = value" (split_nameval(3)).
func splitNameValue(text string) (name, value, problem string) {
	trimmed := strings.TrimLeft(text, " \t")
	if strings.HasPrefix(trimmed, "=") || trimmed == "" {
		return "", "", "missing attribute name"
	}
	end := strings.IndexAny(trimmed, "= \t")
	if end < 0 {
		return "", "", "missing '=' after attribute name"
	}
	rest := strings.TrimLeft(trimmed[end:], " \t")
	if !strings.HasPrefix(rest, "=") {
		return "", "", "missing '=' after attribute name"
	}
	return trimmed[:end], strings.Trim(rest[1:], " \t"), ""
}

// Config is the configuration of one process: main.cf, overridden by -o options
// of master.cf, over the built-in defaults.
type Config struct {
	dir      string
	set      map[string]string // as written
	defaults map[string]string // as written
	warnings []string

	mu       sync.Mutex        // guards expanded
	expanded map[string]string // cache of get
	own      []netip.Prefix    // the addresses of inet_interfaces
}

var errBadConfig = errors.New("bad configuration")

// loadConfig reads main.cf for a process. overrides are name=value pairs.
func loadConfig(ctx context.Context, p *host.Proc, overrides []string) (*Config, error) {
	dir := p.Getenv("MAIL_CONFIG")
	if dir == "" {
		dir = configDir
	}
	path := dir + "/main.cf"
	data, err := libc.ReadFile(p, path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %s", path, libc.Strerror(err))
	}
	c, err := newConfig(dir, path, data, overrides)
	if err != nil {
		return nil, err
	}
	c.hostDefaults(ctx, p)
	return c, c.setNetworkDefaults(ctx, p)
}

// newConfig is loadConfig without the host: pure.
func newConfig(dir, path string, data []byte, overrides []string) (*Config, error) {
	c := &Config{dir: dir, set: map[string]string{}, defaults: map[string]string{}, expanded: map[string]string{}}
	settings, err := parseMainCf(path, data)
	if err != nil {
		return nil, err
	}
	for _, s := range settings {
		if old, ok := c.set[s.name]; ok && old != s.value {
			c.warnings = append(c.warnings, fmt.Sprintf("%s, line %d: overriding earlier entry: %s=%s", path, s.line, s.name, old))
		}
		c.set[s.name] = s.value
	}
	for _, o := range overrides {
		name, value, _ := strings.Cut(o, "=")
		c.set[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	for _, q := range parameters() {
		c.defaults[q.name] = q.value
	}
	c.defaults["config_directory"] = dir
	return c, nil
}

// hostDefaults fills in the defaults that depend on the machine.
func (c *Config) hostDefaults(ctx context.Context, p *host.Proc) {
	c.defaults["myhostname"] = hostName(ctx, p)
	c.defaults["mydomain"] = "localdomain"
	if name := c.get("myhostname"); strings.Contains(name, ".") {
		c.defaults["mydomain"] = name[strings.IndexByte(name, '.')+1:]
	}
	c.defaults["process_name"] = p.Name()
	c.defaults["process_id"] = strconv.Itoa(p.PID)
	c.expanded = map[string]string{}
}

// hostName returns the node name with its domain.
func hostName(ctx context.Context, p *host.Proc) string {
	name := "localhost"
	for _, file := range []string{"/proc/sys/kernel/hostname", "/etc/hostname"} {
		if data, err := libc.ReadFile(p, file); err == nil && len(strings.TrimSpace(string(data))) > 0 {
			name = strings.TrimSpace(string(data))
			break
		}
	}
	if !strings.Contains(name, ".") {
		name += ".localdomain"
	}
	return name
}

// raw returns a parameter as it is written, and whether it is known.
func (c *Config) raw(name string) (string, bool) {
	if v, ok := c.set[name]; ok {
		return v, true
	}
	v, ok := c.defaults[name]
	return v, ok
}

// get returns a parameter with $name expanded.
func (c *Config) get(name string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v, ok := c.expanded[name]; ok {
		return v
	}
	v, _ := c.raw(name)
	v = c.expand(v)
	c.expanded[name] = v
	return v
}

// maxNesting is how deep $name may lead to $name (the real programs die of
// "unreasonable macro call nesting" there).
const maxNesting = 100

// expand replaces the $name forms in a value (postconf(5)). A value that leads to
// itself is empty.
func (c *Config) expand(s string) string {
	endless := false
	var level func(s string, depth int) string
	level = func(s string, depth int) string {
		return macroExpand(s, func(name string) (string, bool) {
			v, ok := c.raw(name)
			endless = endless || depth > maxNesting
			if !ok || endless {
				return "", false
			}
			return level(v, depth+1), true
		})
	}
	if v := level(s, 0); !endless {
		return v
	}
	return ""
}

// list splits a parameter at commas and white space.
func (c *Config) list(name string) []string { return splitList(c.get(name)) }

func splitList(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' })
}

func (c *Config) bool(name string) bool { return strings.EqualFold(c.get(name), "yes") }

func (c *Config) int(name string) int {
	n, _ := strconv.Atoi(c.get(name))
	return n
}

func (c *Config) int64(name string) int64 {
	n, _ := strconv.ParseInt(c.get(name), 10, 64)
	return n
}

// time returns a time value; a bare number has the unit of the parameter.
func (c *Config) time(name string) time.Duration {
	d, _ := parseTime(c.get(name), c.unit(name))
	return d
}

func (c *Config) unit(name string) byte {
	if v := c.defaults[name]; v != "" {
		if last := v[len(v)-1]; last < '0' || last > '9' {
			return last
		}
	}
	return 's'
}

// parseTime reads a number with a unit of s, m, h, d or w.
func parseTime(s string, unit byte) (time.Duration, bool) {
	if s == "" {
		return 0, false
	}
	if last := s[len(s)-1]; last < '0' || last > '9' {
		unit, s = last, s[:len(s)-1]
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < 0 {
		return 0, false
	}
	switch unit {
	case 's', 'S':
		return time.Duration(n) * time.Second, true
	case 'm', 'M':
		return time.Duration(n) * time.Minute, true
	case 'h', 'H':
		return time.Duration(n) * time.Hour, true
	case 'd', 'D':
		return time.Duration(n) * 24 * time.Hour, true
	case 'w', 'W':
		return time.Duration(n) * 7 * 24 * time.Hour, true
	}
	return 0, false
}

// check looks at the values of the named parameters as a program does that
// reads them at its start.
func (c *Config) check(names ...string) error {
	for _, name := range names {
		q, ok := parameterByName(name)
		if !ok {
			continue
		}
		v := c.get(name)
		switch q.kind {
		case 'S':
			if v == "" {
				return fmt.Errorf("bad string length 0 < 1: %s = %s", name, v)
			}
		case 'n':
			if _, err := strconv.ParseInt(v, 10, 64); err != nil {
				return fmt.Errorf("bad numerical configuration: %s = %s", name, v)
			}
		case 'b':
			if !strings.EqualFold(v, "yes") && !strings.EqualFold(v, "no") {
				return fmt.Errorf("bad boolean configuration: %s = %s", name, v)
			}
		case 't':
			if _, ok := parseTime(v, c.unit(name)); !ok {
				return fmt.Errorf("%s: bad time value or unit: %s", name, v)
			}
		}
	}
	return nil
}

// macroExpand replaces $name, ${name}, $(name), ${name?text}, ${name:text},
// ${name?{text}:{text}}, ${{v1} op {v2} ? {text} : {text}} and $$.
func macroExpand(s string, lookup func(string) (string, bool)) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '$' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		switch c := s[i+1]; {
		case c == '$':
			b.WriteByte('$')
			i++
		case c == '{' || c == '(':
			end := matching(s, i+1)
			if end < 0 {
				b.WriteString(s[i:])
				return b.String()
			}
			b.WriteString(macroBody(s[i+2:end], lookup))
			i = end
		case isNameByte(c):
			j := i + 1
			for j < len(s) && isNameByte(s[j]) {
				j++
			}
			v, _ := lookup(s[i+1 : j])
			b.WriteString(v)
			i = j - 1
		default:
			b.WriteByte('$')
		}
	}
	return b.String()
}

func isNameByte(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// matching returns the place of the bracket that closes the one at s[at], or -1.
func matching(s string, at int) int {
	open, close := s[at], byte('}')
	if open == '(' {
		close = ')'
	}
	depth := 0
	for i := at; i < len(s); i++ {
		switch s[i] {
		case open:
			depth++
		case close:
			depth--
			if depth == 0 {
				return i
			}
		}
	}
	return -1
}

// macroBody evaluates what stands in ${...}.
func macroBody(body string, lookup func(string) (string, bool)) string {
	body = strings.TrimLeft(body, " \t")
	if strings.HasPrefix(body, "{") {
		return macroComparison(body, lookup)
	}
	end := 0
	for end < len(body) && (isNameByte(body[end]) || body[end] == '.' || body[end] == '-') {
		end++
	}
	name, rest := body[:end], strings.TrimLeft(body[end:], " \t")
	value, known := lookup(name)
	set := known && value != ""
	if rest == "" {
		return value
	}
	yes, no := macroBranches(rest)
	switch {
	case set && yes != nil:
		return macroExpand(*yes, lookup)
	case !set && no != nil:
		return macroExpand(*no, lookup)
	case set && yes == nil:
		return value
	}
	return ""
}

// macroBranches splits "?{yes}:{no}", "?yes" and ":no".
func macroBranches(s string) (yes, no *string) {
	if strings.HasPrefix(s, "?") {
		s = strings.TrimLeft(s[1:], " \t")
		if strings.HasPrefix(s, "{") {
			if end := matching(s, 0); end > 0 {
				v := strings.Trim(s[1:end], " \t")
				yes = &v
				s = strings.TrimLeft(s[end+1:], " \t")
				if !strings.HasPrefix(s, ":") {
					return yes, nil
				}
			}
		}
		if yes == nil {
			return &s, nil
		}
	}
	if strings.HasPrefix(s, ":") {
		s = strings.TrimLeft(s[1:], " \t")
		if strings.HasPrefix(s, "{") {
			if end := matching(s, 0); end > 0 {
				s = strings.Trim(s[1:end], " \t")
			}
		}
		no = &s
	}
	return yes, no
}

// macroComparison evaluates {v1} op {v2} ? {yes} : {no}.
func macroComparison(s string, lookup func(string) (string, bool)) string {
	end := matching(s, 0)
	if end < 0 {
		return ""
	}
	left := macroExpand(strings.Trim(s[1:end], " \t"), lookup)
	s = strings.TrimLeft(s[end+1:], " \t")
	var op string
	for _, o := range []string{"==", "!=", "<=", ">=", "<", ">"} {
		if strings.HasPrefix(s, o) {
			op = o
			break
		}
	}
	s = strings.TrimLeft(strings.TrimPrefix(s, op), " \t")
	if op == "" || !strings.HasPrefix(s, "{") {
		return ""
	}
	end = matching(s, 0)
	if end < 0 {
		return ""
	}
	right := macroExpand(strings.Trim(s[1:end], " \t"), lookup)
	order := strings.Compare(left, right)
	if a, err := strconv.ParseInt(left, 10, 64); err == nil {
		if b, err := strconv.ParseInt(right, 10, 64); err == nil {
			order = int(max(-1, min(1, a-b)))
		}
	}
	holds := false
	switch op {
	case "==":
		holds = order == 0
	case "!=":
		holds = order != 0
	case "<":
		holds = order < 0
	case "<=":
		holds = order <= 0
	case ">":
		holds = order > 0
	case ">=":
		holds = order >= 0
	}
	yes, no := macroBranches(strings.TrimLeft(s[end+1:], " \t"))
	switch {
	case holds && yes != nil:
		return macroExpand(*yes, lookup)
	case !holds && no != nil:
		return macroExpand(*no, lookup)
	}
	return ""
}
