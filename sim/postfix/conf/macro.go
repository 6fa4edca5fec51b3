package conf

import (
	"fmt"
	"strconv"
	"strings"
)

// Expand replaces $name, ${name}, $(name), ${name?text}, ${name:text},
// ${name?{text}:{text}}, ${{v1} op {v2} ? {text} : {text}} and $$. What is none of
// these stays as it is.
func Expand(s string, lookup func(string) (string, bool)) string {
	m := macros{lookup: lookup}
	return m.expand(s)
}

// macros expands text and notes what is wrong with it.
type macros struct {
	lookup   func(string) (string, bool)
	every    bool     // look at both sides of a choice
	problems []string // as the real programs warn of them
}

func (m *macros) expand(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '$' {
			b.WriteByte(s[i])
			continue
		}
		var c byte
		if i+1 < len(s) {
			c = s[i+1]
		}
		switch {
		case c == '$':
			b.WriteByte('$')
			i++
		case c == '{' || c == '(':
			end := Matching(s, i+1)
			if end < 0 {
				m.problem("truncated macro reference", s)
				b.WriteString(s[i:])
				return b.String()
			}
			b.WriteString(m.body(s[i+2:end], s))
			i = end
		case IsNameByte(c):
			j := i + 1
			for j < len(s) && IsNameByte(s[j]) {
				j++
			}
			v, _ := m.lookup(s[i+1 : j])
			b.WriteString(v)
			i = j - 1
		default:
			m.problem("empty macro name", s)
			b.WriteByte('$')
		}
	}
	return b.String()
}

func (m *macros) problem(what, text string) {
	m.problems = append(m.problems, fmt.Sprintf("%s: \"%s\"", what, text))
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

// body evaluates what stands in ${...}.
func (m *macros) body(body, whole string) string {
	body = strings.TrimLeft(body, " \t")
	if strings.HasPrefix(body, "{") {
		return m.comparison(body, whole)
	}
	end := 0
	for end < len(body) && (IsNameByte(body[end]) || body[end] == '.' || body[end] == '-') {
		end++
	}
	name, rest := body[:end], strings.TrimLeft(body[end:], " \t")
	if name == "" {
		m.problem("empty macro name", whole)
		return ""
	}
	value, known := m.lookup(name)
	set := known && value != ""
	if rest == "" {
		return value
	}
	yes, no := macroBranches(rest)
	return m.choose(set, yes, no)
}

// choose expands one of two texts that may be missing.
func (m *macros) choose(first bool, yes, no *string) string {
	if m.every && yes != nil {
		m.expand(*yes)
	}
	if m.every && no != nil {
		m.expand(*no)
	}
	switch {
	case first && yes != nil:
		return m.expand(*yes)
	case !first && no != nil:
		return m.expand(*no)
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

// comparison evaluates {v1} op {v2} ? {yes} : {no}.
func (m *macros) comparison(s, whole string) string {
	end := Matching(s, 0)
	if end < 0 {
		return ""
	}
	left := m.expand(strings.Trim(s[1:end], " \t"))
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
	right := m.expand(strings.Trim(s[1:end], " \t"))
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
	rest := strings.TrimLeft(s[end+1:], " \t")
	if rest == "" && holds {
		return "true"
	}
	yes, no := macroBranches(rest)
	return m.choose(holds, yes, no)
}
