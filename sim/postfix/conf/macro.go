package conf

import (
	"strconv"
	"strings"
)

// Expand replaces $name, ${name}, $(name), ${name?text}, ${name:text},
// ${name?{text}:{text}}, ${{v1} op {v2} ? {text} : {text}} and $$.
func Expand(s string, lookup func(string) (string, bool)) string {
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
			end := Matching(s, i+1)
			if end < 0 {
				b.WriteString(s[i:])
				return b.String()
			}
			b.WriteString(macroBody(s[i+2:end], lookup))
			i = end
		case IsNameByte(c):
			j := i + 1
			for j < len(s) && IsNameByte(s[j]) {
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

// IsNameByte reports whether a byte may stand in the name of a parameter.
func IsNameByte(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// Matching returns the place of the bracket that closes the one at s[at], or -1.
func Matching(s string, at int) int {
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
	for end < len(body) && (IsNameByte(body[end]) || body[end] == '.' || body[end] == '-') {
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
		return Expand(*yes, lookup)
	case !set && no != nil:
		return Expand(*no, lookup)
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
			if end := Matching(s, 0); end > 0 {
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
			if end := Matching(s, 0); end > 0 {
				s = strings.Trim(s[1:end], " \t")
			}
		}
		no = &s
	}
	return yes, no
}

// macroComparison evaluates {v1} op {v2} ? {yes} : {no}.
func macroComparison(s string, lookup func(string) (string, bool)) string {
	end := Matching(s, 0)
	if end < 0 {
		return ""
	}
	left := Expand(strings.Trim(s[1:end], " \t"), lookup)
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
	end = Matching(s, 0)
	if end < 0 {
		return ""
	}
	right := Expand(strings.Trim(s[1:end], " \t"), lookup)
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
		return Expand(*yes, lookup)
	case !holds && no != nil:
		return Expand(*no, lookup)
	}
	return ""
}
