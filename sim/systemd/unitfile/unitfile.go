// Package unitfile is the grammar of systemd's configuration (systemd.syntax(7),
// systemd.unit(5)): files of sections and settings, words, values, and the names
// of units. Pure: text in, values and problems out.
package unitfile

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"
)

// Setting is one assignment of a unit file.
type Setting struct {
	file         string
	line         int
	Section, Key string
	Value        string
}

// Wrong makes a problem of what is wrong with a setting.
func (s Setting) Wrong(why string) Problem { return Problem{s.file, s.line, why, s.Section} }

// After reports whether a problem is of what follows a setting in its file.
func (p Problem) After(s Setting) bool { return p.File == s.file && p.line > s.line }

// Order puts the problems of a file in the order of its lines.
func Order(list []Problem) {
	slices.SortStableFunc(list, func(a, b Problem) int { return a.line - b.line })
}

// Problem is something that PID 1 says about a unit file and goes on.
type Problem struct {
	File string
	line int // 0 when it is about the whole
	Text string

	section string
}

// OfInstall reports whether somebody who reads the [Install] section alone finds
// the problem: it is in there, or in a line that is in no known section.
func (p Problem) OfInstall() bool { return p.line > 0 && (p.section == "" || p.section == "Install") }

func (p Problem) String() string {
	if p.line == 0 {
		return p.File + ": " + p.Text
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.line, p.Text)
}

// Parse reads the syntax of systemd.syntax(7). Sections that are not
// among the known ones are told and left out; a broken header is the end
// (EBADMSG).
func Parse(file string, data []byte, known []string) (settings []Setting, problems []Problem, err error) {
	section, ignored := "", false
	var pending strings.Builder
	first := 0
	note := func(line int, format string, args ...any) {
		where := section
		if ignored {
			where = ""
		}
		problems = append(problems, Problem{file, line, fmt.Sprintf(format, args...), where})
	}
	lines := strings.Split(string(data), "\n")
	for i, line := range lines {
		n := i + 1
		line = strings.TrimSuffix(line, "\r")
		trimmed := strings.TrimLeft(line, " \t")
		if pending.Len() > 0 && (strings.HasPrefix(trimmed, "#") || strings.HasPrefix(trimmed, ";")) {
			continue // a comment does not end a continued line
		}
		if pending.Len() == 0 {
			if trimmed == "" || trimmed[0] == '#' || trimmed[0] == ';' {
				continue
			}
			first = n
		}
		if odd := TrailingBackslashes(line); odd && n < len(lines) {
			pending.WriteString(line[:len(line)-1] + " ")
			continue
		}
		pending.WriteString(line)
		text := strings.TrimSpace(pending.String())
		pending.Reset()
		switch {
		case text == "":
		case !utf8.ValidString(text):
			note(first, "Invalid UTF-8 in line, ignoring.")
		case text[0] == '[':
			if text[len(text)-1] != ']' || len(text) < 2 {
				note(first, "Invalid section header '%s'", text)
				return nil, problems, syscall.EBADMSG
			}
			section = text[1 : len(text)-1]
			ignored = !slices.Contains(known, section)
			if ignored && !strings.HasPrefix(section, "X-") {
				note(first, "Unknown section '%s'. Ignoring.", section)
			}
		case section == "":
			note(first, "Assignment outside of section. Ignoring.")
		case ignored:
		default:
			key, value, ok := strings.Cut(text, "=")
			if !ok {
				note(first, "Missing '=', ignoring line.")
				continue
			}
			key = strings.TrimSpace(key)
			if key == "" {
				note(first, "Missing key name before '=', ignoring line.")
				continue
			}
			settings = append(settings, Setting{file, first, section, key, strings.TrimSpace(value)})
		}
	}
	return settings, problems, nil
}

func TrailingBackslashes(line string) (odd bool) {
	for i := len(line) - 1; i >= 0 && line[i] == '\\'; i-- {
		odd = !odd
	}
	return odd
}
