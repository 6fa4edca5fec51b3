package systemd

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"
)

// setting is one assignment of a unit file.
type setting struct {
	file         string
	line         int
	section, key string
	value        string
}

// problem is something that PID 1 says about a unit file and goes on.
type problem struct {
	file string
	line int // 0 when it is about the whole
	text string
}

func (p problem) String() string {
	if p.line == 0 {
		return p.file + ": " + p.text
	}
	return fmt.Sprintf("%s:%d: %s", p.file, p.line, p.text)
}

// parseUnitFile reads the syntax of systemd.syntax(7). Sections that are not
// among the known ones are told and left out; a broken header is the end
// (EBADMSG).
func parseUnitFile(file string, data []byte, known []string) (settings []setting, problems []problem, err error) {
	section, ignored := "", false
	var pending strings.Builder
	first := 0
	note := func(line int, format string, args ...any) {
		problems = append(problems, problem{file, line, fmt.Sprintf(format, args...)})
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
		if odd := trailingBackslashes(line); odd && n < len(lines) {
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
			settings = append(settings, setting{file, first, section, key, strings.TrimSpace(value)})
		}
	}
	return settings, problems, nil
}

func trailingBackslashes(line string) (odd bool) {
	for i := len(line) - 1; i >= 0 && line[i] == '\\'; i-- {
		odd = !odd
	}
	return odd
}

// splitWords splits as systemd.syntax(7) and systemd.service(5) say: blanks
// part words, quotes keep them together, backslashes escape as in C. ok is
// false for a quote that is not closed or an escape that is unknown.
func splitWords(s string) (words []string, ok bool) {
	var b strings.Builder
	in := false
	quote := byte(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\':
			i++
			if i == len(s) {
				return words, false
			}
			n, r, good := unescape(s[i:])
			if !good {
				return words, false
			}
			b.WriteString(r)
			i += n - 1
			in = true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			b.WriteByte(c)
		case c == '"' || c == '\'':
			// A quote inside of a word is a character of it.
			if in {
				b.WriteByte(c)
				continue
			}
			quote, in = c, true
		case c == ' ' || c == '\t' || c == '\n':
			if in {
				words = append(words, b.String())
				b.Reset()
				in = false
			}
		default:
			b.WriteByte(c)
			in = true
		}
	}
	if quote != 0 {
		return words, false
	}
	if in {
		words = append(words, b.String())
	}
	return words, true
}

// unescape reads one escape without its backslash and returns its length.
func unescape(s string) (n int, r string, ok bool) {
	simple := map[byte]string{'a': "\a", 'b': "\b", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t", 'v': "\v",
		'\\': "\\", '"': "\"", '\'': "'", 's': " ", ' ': " ", ';': ";"}
	if r, ok := simple[s[0]]; ok {
		return 1, r, true
	}
	digits, base, from := 0, 0, 1
	switch {
	case s[0] == 'x':
		digits, base = 2, 16
	case s[0] == 'u':
		digits, base = 4, 16
	case s[0] == 'U':
		digits, base = 8, 16
	case s[0] >= '0' && s[0] <= '3':
		digits, base, from = 3, 8, 0
	default:
		return 0, "", false
	}
	if len(s) < from+digits {
		return 0, "", false
	}
	v := 0
	for _, c := range []byte(s[from : from+digits]) {
		d := strings.IndexByte("0123456789abcdef", c|0x20)
		if c >= '0' && c <= '9' {
			d = int(c - '0')
		}
		if d < 0 || d >= base {
			return 0, "", false
		}
		v = v*base + d
	}
	if v == 0 || v > utf8.MaxRune {
		return 0, "", false
	}
	if s[0] == 'u' || s[0] == 'U' {
		return from + digits, string(rune(v)), true
	}
	return from + digits, string([]byte{byte(v)}), true
}

// parseBool reads the words of parse_boolean.
func parseBool(s string) (bool, bool) {
	switch strings.ToLower(s) {
	case "1", "yes", "y", "true", "t", "on":
		return true, true
	case "0", "no", "n", "false", "f", "off":
		return false, true
	}
	return false, false
}
