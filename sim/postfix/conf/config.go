// Package conf is the configuration of Postfix: main.cf (postconf(5)) with its
// parameters, their defaults and $name forms, master.cf (master(5)), and what
// follows from them about this machine's addresses.
package conf

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// DefaultDir is where Postfix looks for its configuration (MAIL_CONFIG).
const DefaultDir = "/etc/postfix"

// A setting is one logical line of main.cf.
type setting struct {
	Name, Value string
	line        int // of its first physical line
}

// parseMainCf reads main.cf. Its error is the text that every Postfix program
// prints and dies with.
func parseMainCf(path string, data []byte) ([]setting, error) {
	var out []setting
	for _, l := range Lines(data) {
		name, value, err := SplitNameValue(l.Text)
		if err != "" {
			return out, fmt.Errorf("%s, line %d: %s: \"%s\"", path, l.Last, err, l.Text)
		}
		out = append(out, setting{name, value, l.First})
	}
	return out, nil
}

// Config is the configuration of one process: main.cf, overridden by -o options
// of master.cf, over the built-in defaults.
type Config struct {
	Dir      string
	Set      map[string]string // as written
	defaults map[string]string // as written
	Warnings []string

	mu       sync.Mutex        // guards expanded
	expanded map[string]string // cache of Get
	fault    *Fault            // of what was expanded
	services map[string]bool   // names of master.cf, nil when it was not looked at
	Own      []netip.Prefix    // the addresses of inet_interfaces
}

// ErrBad says that the log or standard error has what is wrong.
var ErrBad = errors.New("bad configuration")

// Load reads main.cf for a process. overrides are name=value pairs.
func Load(ctx context.Context, p *host.Proc, overrides []string) (*Config, error) {
	dir := p.Getenv("MAIL_CONFIG")
	if dir == "" {
		dir = DefaultDir
	}
	path := dir + "/main.cf"
	data, err := libc.ReadFile(p, path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %s", path, libc.Strerror(err))
	}
	c, err := New(dir, path, data, overrides)
	if err != nil {
		return nil, err
	}
	c.HostDefaults(ctx, p)
	return c, c.SetNetworkDefaults(ctx, p)
}

// New is Load without the host: pure.
func New(dir, path string, data []byte, overrides []string) (*Config, error) {
	c := &Config{Dir: dir, Set: map[string]string{}, defaults: map[string]string{}, expanded: map[string]string{}}
	settings, err := parseMainCf(path, data)
	if err != nil {
		return nil, err
	}
	for _, s := range settings {
		if old, ok := c.Set[s.Name]; ok && old != s.Value {
			c.Warnings = append(c.Warnings, fmt.Sprintf("%s, line %d: overriding earlier entry: %s=%s", path, s.line, s.Name, old))
		}
		c.Set[s.Name] = s.Value
	}
	for _, o := range overrides {
		name, value, _ := strings.Cut(o, "=")
		c.Set[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	for _, q := range Parameters() {
		c.defaults[q.Name] = q.value
	}
	c.defaults["config_directory"] = dir
	return c, nil
}

// HostDefaults fills in the defaults that depend on the machine.
func (c *Config) HostDefaults(ctx context.Context, p *host.Proc) {
	c.defaults["myhostname"] = hostName(ctx, p)
	c.defaults["mydomain"] = "localdomain"
	if name := c.Get("myhostname"); strings.Contains(name, ".") {
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

// Raw returns a parameter as it is written, and whether it is known.
func (c *Config) Raw(name string) (string, bool) {
	if v, ok := c.Set[name]; ok {
		return v, true
	}
	v, ok := c.defaults[name]
	return v, ok
}

// Get returns a parameter with $name expanded.
func (c *Config) Get(name string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v, ok := c.expanded[name]; ok {
		return v
	}
	v, _ := c.Raw(name)
	v = c.expand(v)
	c.expanded[name] = v
	return v
}

// maxNesting is how deep $name may lead to $name.
const maxNesting = 100

// expand replaces the $name forms in a value (postconf(5)), and notes what is
// wrong with them. A value that leads to itself is empty.
func (c *Config) expand(s string) string {
	endless := ""
	depth := 0
	m := &macros{}
	m.lookup = func(name string) (string, bool) {
		v, ok := c.Raw(name)
		if depth > maxNesting && endless == "" {
			endless = v
		}
		if !ok || endless != "" {
			return "", false
		}
		depth++
		defer func() { depth-- }()
		return m.expand(v), true
	}
	v := m.expand(s)
	if endless != "" {
		c.fault = &Fault{text: fmt.Sprintf("unreasonable macro call nesting: \"%s\"", endless)}
		return ""
	}
	if len(m.problems) > 0 && c.fault == nil {
		c.fault = &Fault{Warnings: m.problems, text: "macro processing error"}
	}
	return v
}

// A Fault is a configuration that no program runs with. Its text is fatal; the
// warnings come before it.
type Fault struct {
	Warnings []string
	text     string
}

func (f *Fault) Error() string { return f.text }

// Fault is what is wrong with the $name forms of the parameters that were asked
// for so far; nil when nothing is.
func (c *Config) Fault() error {
	if c.fault == nil {
		return nil
	}
	return c.fault
}

// List splits a parameter at commas and white space.
func (c *Config) List(name string) []string { return SplitList(c.Get(name)) }

// Bool reports whether a parameter is yes.
func (c *Config) Bool(name string) bool { return strings.EqualFold(c.Get(name), "yes") }

// Int returns a number, 0 when the value is none.
func (c *Config) Int(name string) int {
	n, _ := strconv.Atoi(c.Get(name))
	return n
}

// Int64 returns a number, 0 when the value is none.
func (c *Config) Int64(name string) int64 {
	n, _ := strconv.ParseInt(c.Get(name), 10, 64)
	return n
}

// Time returns a time value; a bare number has the unit of the parameter.
func (c *Config) Time(name string) time.Duration {
	d, _ := ParseTime(c.Get(name), c.unit(name))
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

// Check looks at the values of the named parameters as a program does that
// reads them at its start.
func (c *Config) Check(names ...string) error {
	for name := range c.Set {
		if _, builtin := c.defaults[name]; builtin {
			c.Get(name)
		}
	}
	if c.fault != nil {
		return c.fault
	}
	for _, name := range []string{"myhostname", "mydomain"} {
		if v := c.Get(name); v != "" && hostnameProblem(v) != "" {
			return &Fault{Warnings: []string{"valid_hostname: " + hostnameProblem(v)},
				text: fmt.Sprintf("file %s/main.cf: parameter %s: bad parameter value: %s", c.Dir, name, v)}
		}
	}
	for _, name := range names {
		q, ok := parameterByName(name)
		if !ok {
			continue
		}
		v := c.Get(name)
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
			if _, ok := ParseTime(v, c.unit(name)); !ok {
				return fmt.Errorf("parameter %s: bad time value or unit: %s", name, v)
			}
		}
	}
	return nil
}

// ExpandTemplate replaces the $name forms in a template of bounce(5), where
// $name_hours and its kin are a time in that unit.
func (c *Config) ExpandTemplate(text string) string {
	units := map[string]time.Duration{"seconds": time.Second, "minutes": time.Minute, "hours": time.Hour, "days": 24 * time.Hour, "weeks": 7 * 24 * time.Hour}
	return Expand(text, func(name string) (string, bool) {
		if at := strings.LastIndexByte(name, '_'); at > 0 {
			if unit, ok := units[name[at+1:]]; ok {
				return strconv.FormatInt(int64(c.Time(name[:at])/unit), 10), true
			}
		}
		_, ok := c.Raw(name)
		return c.Get(name), ok
	})
}

// transportSuffixes are those of parameters that each transport of master.cf has
// its own of.
var transportSuffixes = []string{"_destination_concurrency_limit", "_destination_recipient_limit", "_destination_rate_delay", "_time_limit",
	"_initial_destination_concurrency", "_delivery_slot_cost", "_delivery_slot_discount", "_delivery_slot_loan", "_minimum_delivery_slots",
	"_transport_rate_delay", "_extra_recipient_limit", "_recipient_limit", "_recipient_refill_limit", "_recipient_refill_delay",
	"_destination_concurrency_failed_cohort_limit", "_destination_concurrency_negative_feedback", "_destination_concurrency_positive_feedback"}

// Known reports whether a name is a parameter: a built-in one, one of a
// transport of master.cf, or one that a value refers to.
func (c *Config) Known(name string) bool {
	if _, ok := c.defaults[name]; ok {
		return true
	}
	for _, suffix := range transportSuffixes {
		if transport, ok := strings.CutSuffix(name, suffix); ok && (c.services == nil || c.services[transport]) {
			return true
		}
	}
	for _, class := range c.List("smtpd_restriction_classes") {
		if class == name {
			return true
		}
	}
	for _, v := range c.Set {
		if slices.Contains(references(v), name) {
			return true
		}
	}
	return false
}

// Services tells what master.cf has, for Known.
func (c *Config) Services(list []Service) {
	c.services = map[string]bool{}
	for _, e := range list {
		c.services[e.Name] = true
	}
}

// references returns the names of the parameters that a value uses.
func references(value string) []string {
	var names []string
	m := &macros{every: true, lookup: func(name string) (string, bool) {
		names = append(names, name)
		return "", false
	}}
	m.expand(value)
	return names
}

// Undefined returns the names that values refer to and that nothing defines.
func (c *Config) Undefined() []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(c.Set)) {
		for _, n := range references(c.Set[name]) {
			if _, ok := c.Raw(n); !ok && !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	return out
}

// Unused returns the settings of main.cf that no program reads, in the order of
// the file; of several of one name the last counts.
func (c *Config) Unused(data []byte) []setting {
	settings, _ := parseMainCf("", data)
	var out []setting
	for _, s := range settings {
		if !c.Known(s.Name) && c.Set[s.Name] == s.Value {
			out = append(out, s)
		}
	}
	return out
}
