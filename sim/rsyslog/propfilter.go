package rsyslog

import (
	"regexp"
	"strings"
)

// propFilter is ":property, [!]operation, "value"".
type propFilter struct {
	ref     property
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

// parsePropFilter compiles a property filter; the lexer has seen to its shape.
// One whose regular expression is wrong matches nothing, and says so when it is
// first used.
func parsePropFilter(s string) (f *propFilter, complaint string) {
	name, rest, _ := strings.Cut(strings.TrimPrefix(s, ":"), ",")
	name = strings.TrimSpace(name)
	ref, ok := parseProperty(name)
	if !ok {
		return nil, "invalid property '" + name + "'"
	}
	f = &propFilter{ref: ref}
	op, quoted, _ := strings.Cut(rest, ",")
	op = strings.TrimSpace(op)
	f.negated = strings.HasPrefix(op, "!")
	f.op = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(op, "!")))
	quoted = strings.TrimSpace(quoted)
	quoted = strings.TrimSuffix(strings.TrimPrefix(quoted, `"`), `"`)
	f.value = withoutBackslashes(quoted)
	switch f.op {
	case "contains", "isequal", "startswith", "isempty":
	case "regex":
		f.re, ok = compileRegex(basicToExtended(f.value), false)
	case "ereregex":
		f.re, ok = compileRegex(f.value, false)
	default:
		return nil, "error: invalid compare operation '" + strings.TrimPrefix(op, "!") + "'"
	}
	if !ok {
		f.fault = "Invalid regular expression"
		if f.op == "ereregex" {
			f.fault = regexFault(f.value)
		}
	}
	return f, ""
}

// matches applies the filter. The complaint is "" but for the first use of a
// regular expression that is wrong.
func (f *propFilter) matches(x *scope) (hit bool, complaint string) {
	s := x.get(f.ref)
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
