package mailx

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"enshu/sim/libc"
)

// source obeys a resource file. A file that is not there is told of when
// somebody asked for it, or with -v.
func (m *program) source(ctx context.Context, name string, asked bool) {
	data, err := libc.ReadFile(m.p, name)
	if err != nil {
		if errors.Is(err, syscall.ENOENT) && !asked {
			if m.verbose > 0 {
				m.complain("No such file to load: %s", name)
			}
			return
		}
		m.complain("%s: %s", name, strerror(err))
		return
	}
	m.script(ctx, strings.Split(strings.ReplaceAll(string(data), "\\\n", " "), "\n"))
}

// blockEnd is the line that ends what a line begins: a condition, a macro or an
// account. It is empty for other lines.
func blockEnd(line string) string {
	line = strings.TrimSpace(line)
	verb, _, _ := strings.Cut(line, " ")
	switch {
	case verb == "if":
		return "endif"
	case (verb == "define" || verb == "account") && strings.HasSuffix(line, "{"):
		return "}"
	}
	return ""
}

// block reads the lines up to the end of what first begins.
func (s *session) block(ctx context.Context, first string) []string {
	lines := []string{first}
	for ends := []string{blockEnd(first)}; len(ends) > 0; {
		e := s.in.next(ctx)
		if !e.ok {
			if last := ends[len(ends)-1]; last == "}" {
				s.complain("Unterminated macro definition: %s", strings.Fields(first)[1])
				return nil
			}
			return lines
		}
		lines = append(lines, e.line)
		if end := blockEnd(e.line); end != "" {
			ends = append(ends, end)
		} else if strings.TrimSpace(e.line) == ends[len(ends)-1] {
			ends = ends[:len(ends)-1]
		}
	}
	return lines
}

// branch is an `if' that is open.
type branch struct {
	active bool // its lines are obeyed
	taken  bool // one of its branches was
	outer  bool // what is around it is obeyed
}

// script obeys the lines of a file, of a macro or of an account.
func (m *program) script(ctx context.Context, lines []string) {
	var open []branch
	s := m.session
	if s == nil {
		s = &session{program: m, batch: true}
	}
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		verb, arg, _ := strings.Cut(line, " ")
		active := len(open) == 0 || open[len(open)-1].active
		switch {
		case line == "" || line[0] == '#':
		case verb == "if":
			yes := active && m.condition(m.words(arg))
			open = append(open, branch{active: yes, taken: yes, outer: active})
		case (verb == "elif" || verb == "else") && len(open) > 0:
			b := &open[len(open)-1]
			b.active = b.outer && !b.taken && (verb == "else" || m.condition(m.words(arg)))
			b.taken = b.taken || b.active
		case verb == "endif" && len(open) > 0:
			open = open[:len(open)-1]
		case (verb == "define" || verb == "account") && strings.HasSuffix(line, "{"):
			name := strings.TrimSpace(strings.TrimSuffix(arg, "{"))
			var body []string
			for i++; i < len(lines) && strings.TrimSpace(lines[i]) != "}"; i++ {
				body = append(body, lines[i])
			}
			if !active {
				break
			}
			if verb == "define" {
				m.macros[name] = body
			} else {
				m.accounts[name] = body
			}
		case !active:
		default:
			if stop, _ := s.command(ctx, line); stop {
				return
			}
		}
	}
	if len(open) > 0 {
		m.complain("Unbalanced conditional")
	}
}

// condition is what `if' asks: the mode, a boolean, or a variable that is
// compared (s-nail(1), "if").
func (m *program) condition(words []string) bool {
	if len(words) > 1 && words[0] == "!" {
		return !m.condition(words[1:])
	}
	switch len(words) {
	case 1:
		switch w := strings.ToLower(words[0]); w {
		case "r", "receive":
			return !m.sending
		case "s", "send":
			return m.sending
		case "t", "terminal":
			return m.tty
		case "0", "no", "n", "off", "false", "":
			return false
		default:
			return true
		}
	case 2:
		_, set := m.vars[words[1]]
		return words[0] == "-N" && set || words[0] == "-Z" && !set || words[0] == "-n" && words[1] != "" || words[0] == "-z" && words[1] == ""
	case 3:
		a, b := words[0], words[2]
		switch words[1] {
		case "==":
			return a == b
		case "!=":
			return a != b
		case "=%":
			return strings.Contains(a, b)
		case "!%":
			return !strings.Contains(a, b)
		case "-eq":
			return number(a) == number(b)
		case "-ne":
			return number(a) != number(b)
		case "-lt":
			return number(a) < number(b)
		case "-le":
			return number(a) <= number(b)
		case "-gt":
			return number(a) > number(b)
		case "-ge":
			return number(a) >= number(b)
		}
	}
	m.complain("if: not modelled: %s", strings.Join(words, " "))
	return false
}

// maxCalls bounds macros that call each other.
const maxCalls = 50

// call obeys a macro with its arguments.
func (m *program) call(ctx context.Context, words []string) {
	if len(words) == 0 {
		return
	}
	body, ok := m.macros[words[0]]
	switch {
	case !ok:
		m.complain("Undefined macro called: %s", words[0])
		return
	case m.calls == maxCalls:
		m.complain("call: macros are nested too deep: %s", words[0])
		return
	}
	outer := m.params
	m.params = words[1:]
	m.calls++
	m.script(ctx, body)
	m.calls--
	m.params = outer
}

// useAccount obeys the block of an account.
func (m *program) useAccount(ctx context.Context, name string) bool {
	lines, ok := m.accounts[name]
	if !ok {
		m.complain("account: account does not exist: %s", name)
		return false
	}
	m.script(ctx, lines)
	return true
}

// parameter is what the parameter $c stands for: those of a macro by number.
func (m *program) parameter(c byte) string {
	switch {
	case c >= '1' && c <= '9':
		if n := int(c - '1'); n < len(m.params) {
			return m.params[n]
		}
	case c == '#':
		return fmt.Sprint(len(m.params))
	case c == '*' || c == '@':
		return strings.Join(m.params, " ")
	case c == '?':
		return fmt.Sprint(m.status)
	case c == '!':
		return "0"
	}
	return ""
}
