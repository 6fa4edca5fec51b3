package config

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"

	"enshu/sim/libc"
)

// directiveKind is how the argument of a $directive is read.
type directiveKind int

const (
	dWord  directiveKind = iota // up to a blank
	dRest                       // the rest of the line, which the directive reads itself
	dGone                       // read no more
	dInt                        // a number with thousands separators and a unit, of 32 bits
	dSize                       // the same, of 64 bits
	dBool                       // on or off, in lower case
	dMode                       // a zero and three octal digits
	dUser                       // an account; without it the daemon does not start
	dGroup                      // a group; the same
)

// find returns the description of a directive, by its name in lower case.
func find(name string) (directive, bool) {
	if d, ok := directives[name]; ok {
		return d, true
	}
	for _, w := range withoutEffect {
		if slices.Contains(strings.Fields(w.names), name) {
			return directive{w.module, w.kind, nil}, true
		}
	}
	return directive{}, false
}

// Directive acts on a $directive.
func (c *loader) Directive(line string) {
	name, rest, _ := strings.Cut(strings.Replace(line[1:], "\t", " ", 1), " ")
	lower := strings.ToLower(name)
	d, known := find(lower)
	if m := c.conf.module(d.module); !known || d.module != "" && m == nil {
		c.errorf(CodeUnknownCommand, "invalid or yet-unknown config file command '%s' - have you forgotten to load a module?", name)
		return
	} else if m != nil && !m.legacy && slices.Contains(moduleWide, lower) {
		c.errorf(codeNotPermitted, "command '%s' is currently not permitted - did you already set it via a RainerScript command (v6+ config)?", name)
		return
	}
	switch lower {
	case "template":
		c.extra(c.legacyTemplate(strings.TrimLeft(rest, " \t")))
		return
	case "allowedsender":
		c.allowedSenders(strings.TrimLeft(rest, " \t"))
		return
	case "resetconfigvariables":
		c.set = newLegacySettings()
		c.extra(rest)
		return
	}
	text, n, rest, ok := c.argument(d.kind, rest)
	if !ok {
		return
	}
	c.refused = false
	if d.set != nil {
		d.set(c, text, n)
	}
	if !c.refused {
		c.extra(rest)
	}
}

// argument reads the argument of a directive. What is wrong with it is told, and
// then what follows it is not looked at.
func (c *loader) argument(kind directiveKind, line string) (text string, n int, rest string, ok bool) {
	rest = line
	if kind != dUser && kind != dGroup { // the real daemon takes a name from the first blank
		rest = strings.TrimLeft(line, blanks)
	}
	switch kind {
	case dRest:
		return rest, 0, "", true
	case dInt, dSize:
		value, rest, ok := measure(rest)
		switch {
		case !ok:
			c.errorf(codeNoNumber, "invalid number")
		case kind == dInt && value > math.MaxInt32:
			c.errorf(codeBadNumber, "value %d too large for integer argument.", value)
			ok = false
		}
		return "", int(value), rest, ok
	case dMode:
		if len(rest) < 4 || rest[0] != '0' || strings.Trim(rest[:4], "01234567") != "" {
			c.errorf(codeBadNumber, "value must be octal (e.g 0644).")
			return "", 0, "", false
		}
		for _, digit := range rest[1:4] {
			n = n<<3 | int(digit-'0')
		}
		return "", n, rest[4:], true
	}
	text = rest
	if i := strings.IndexAny(rest, blanks); i >= 0 {
		text = rest[:i]
	}
	rest = rest[len(text):]
	switch kind {
	case dGone:
		rest = ""
	case dBool:
		if text != "on" && text != "off" {
			c.errorf(CodeNone, "Option value must be on or off, but is '%s'", line)
			return "", 0, "", false
		}
		if text == "on" {
			n = 1
		}
	case dUser:
		u, ok := libc.UserByName(c.p, text)
		if !ok {
			c.abort(fmt.Sprintf("ID for user '%s' could not be found or error", text))
			return "", 0, "", false
		}
		n = u.UID
	case dGroup:
		g, ok := libc.GroupByName(c.p, text)
		if !ok {
			c.errorf(CodeUnknownCommand, "ID for group '%s' could not be found", text)
			c.abort(fmt.Sprintf("ID for group '%s' could not be found or error", text))
			return "", 0, "", false
		}
		n = g.GID
	}
	return text, n, rest, true
}

// blanks are what isspace(3) takes for one.
const blanks = " \t\n\v\f\r"

// measure reads a number as directives have it: points and commas among the digits
// count for nothing, k m g t p e are powers of 1024, K M G T P E of 1000. A number
// that is too large overflows.
func measure(s string) (n int64, rest string, ok bool) {
	digits, negative := strings.CutPrefix(s, "-")
	if digits == "" || digits[0] < '0' || digits[0] > '9' {
		return 0, s, false
	}
	i := 0
	for ; i < len(digits) && strings.IndexByte("0123456789.,", digits[i]) >= 0; i++ {
		if d := digits[i]; d >= '0' && d <= '9' {
			n = n*10 + int64(d-'0')
		}
	}
	if i < len(digits) {
		base, power := int64(1024), strings.IndexByte("kmgtpe", digits[i])
		if power < 0 {
			base, power = 1000, strings.IndexByte("KMGTPE", digits[i])
		}
		if power >= 0 {
			i++
		}
		for ; power >= 0; power-- {
			n *= base
		}
	}
	if negative {
		n = -n
	}
	return n, digits[i:], true
}

// extra complains about what follows the argument of a directive.
func (c *loader) extra(rest string) {
	if rest = strings.TrimSpace(rest); rest != "" && rest[0] != '#' {
		c.errorf(CodeNone, "error: extra characters in config line ignored: '%s'", rest)
	}
}

// AllowedSender is one entry of $AllowedSender.
type AllowedSender struct {
	Protocol string // UDP or TCP
	Prefix   netip.Prefix
	Name     string // a host name, * and ? allowed
}

func (c *loader) allowedSenders(rest string) {
	fields := strings.Split(rest, ",")
	protocol := strings.ToUpper(strings.TrimSpace(fields[0]))
	if protocol != "UDP" && protocol != "TCP" && protocol != "GSS" {
		c.errorf(CodeNone, "Invalid protocol '%s' in allowed sender list, ignoring whole line", strings.TrimSpace(fields[0]))
		return
	}
	for _, f := range fields[1:] {
		f = strings.TrimSpace(f)
		s := AllowedSender{Protocol: protocol}
		if p, err := netip.ParsePrefix(strings.NewReplacer("[", "", "]", "").Replace(f)); err == nil {
			s.Prefix = p.Masked()
		} else if a, err := netip.ParseAddr(strings.Trim(f, "[]")); err == nil {
			s.Prefix = netip.PrefixFrom(a, a.BitLen())
		} else {
			s.Name = f
		}
		if f != "" {
			c.conf.Senders = append(c.conf.Senders, s)
		}
	}
}
