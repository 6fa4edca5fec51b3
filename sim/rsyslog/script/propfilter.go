package script

import (
	"regexp"
	"strings"

	"enshu/sim/libc/regex"
	"enshu/sim/rsyslog/message"
)

// PropertyFilter is ":property, [!]operation, "value"".
type PropertyFilter struct {
	ref     message.Property
	negated bool
	op      string
	value   string
	re      *regexp.Regexp
	fault   string // what is wrong with the regular expression, until it was told
}

// withoutBackslashes makes any character behind a backslash stand for itself.
func withoutBackslashes(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// ParsePropertyFilter compiles a property filter; the lexer has seen to its shape.
// One whose regular expression is wrong matches nothing, and says so when it is
// first used.
func ParsePropertyFilter(s string) (f *PropertyFilter, complaint string) {
	name, rest, _ := strings.Cut(strings.TrimPrefix(s, ":"), ",")
	name = strings.TrimSpace(name)
	ref, ok := message.ParseProperty(name)
	if !ok {
		return nil, "invalid property '" + name + "'"
	}
	f = &PropertyFilter{ref: ref}
	op, quoted, _ := strings.Cut(rest, ",")
	op = strings.TrimSpace(op)
	f.negated = strings.HasPrefix(op, "!")
	f.op = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(op, "!")))
	quoted = strings.TrimSpace(quoted)
	quoted = strings.TrimSuffix(strings.TrimPrefix(quoted, `"`), `"`)
	f.value = withoutBackslashes(quoted)
	var err error
	switch f.op {
	case "contains", "isequal", "startswith", "isempty":
	case "regex":
		f.re, err = regex.Compile(regex.Extended(f.value), false)
	case "ereregex":
		f.re, err = regex.Compile(f.value, false)
	default:
		return nil, "error: invalid compare operation '" + op + "'"
	}
	if err != nil {
		f.fault = "Invalid regular expression"
		if f.op == "ereregex" {
			f.fault = err.Error()
		}
	}
	return f, ""
}

// Matches applies the filter. The complaint is "" but for the first use of a
// regular expression that is wrong.
func (f *PropertyFilter) Matches(x *message.Scope) (hit bool, complaint string) {
	s := x.Get(f.ref)
	switch f.op {
	case "contains":
		hit = strings.Contains(s, f.value)
	case "isequal":
		hit = s == f.value
	case "startswith":
		hit = strings.HasPrefix(s, f.value)
	case "isempty":
		hit = s == ""
	default:
		if f.fault != "" {
			complaint, f.fault = "Error in regular expression: "+f.fault+" ", ""
		}
		hit = f.re != nil && f.re.MatchString(s)
	}
	return hit != f.negated, complaint
}
