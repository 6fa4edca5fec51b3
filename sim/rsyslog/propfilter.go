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
}

// parsePropFilter compiles a property filter; the lexer has seen to its shape.
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
	f.value = strings.ReplaceAll(strings.ReplaceAll(quoted, `\"`, `"`), `\\`, `\`)
	if f.op == "regex" || f.op == "ereregex" {
		f.value = strings.ReplaceAll(quoted, `\"`, `"`)
	}
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
		return nil, "error compiling regular expression '" + f.value + "'"
	}
	return f, ""
}

func (f *propFilter) matches(x *scope) bool {
	s := x.get(f.ref)
	var hit bool
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
		hit = f.re.MatchString(s)
	}
	return hit != f.negated
}

// compileRegex compiles a POSIX extended regular expression.
func compileRegex(s string, fold bool) (*regexp.Regexp, bool) {
	if fold {
		re, err := regexp.Compile("(?i)" + s)
		if err == nil {
			re.Longest()
		}
		return re, err == nil
	}
	re, err := regexp.CompilePOSIX(s)
	if err != nil {
		// \d and friends are extensions that glibc has too.
		if re, err = regexp.Compile(s); err == nil {
			re.Longest()
		}
	}
	return re, err == nil
}

// basicToExtended turns a POSIX basic regular expression, with glibc's
// extensions, into an extended one.
func basicToExtended(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			if strings.IndexByte("(){}|+?", s[i]) < 0 {
				b.WriteByte('\\')
			}
			b.WriteByte(s[i])
		case c == '[':
			end := strings.IndexByte(s[min(i+2, len(s)):], ']')
			if end < 0 {
				b.WriteString(`\[`)
				continue
			}
			end += min(i+2, len(s))
			b.WriteString(s[i : end+1])
			i = end
		case strings.IndexByte("(){}|+?", c) >= 0:
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '*' && (i == 0 || i == 1 && s[0] == '^'):
			b.WriteString(`\*`)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
