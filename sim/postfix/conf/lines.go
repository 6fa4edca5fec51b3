package conf

import (
	"strconv"
	"strings"
	"time"

	"enshu/sim/libc"
)

// Line is a line with its continuation lines joined.
type Line struct {
	Text        string
	First, Last int
}

// Lines joins the lines of a Postfix file (postconf(5)): lines that
// start with white space continue the line before; empty lines and lines whose
// first other character is '#' are left out wherever they stand. White space at
// the start of a continuation becomes one blank.
func Lines(data []byte) []Line {
	var out []Line
	for i, line := range libc.Lines(data) {
		trimmed := strings.TrimRight(line, " \t\r\n\v\f")
		body := strings.TrimLeft(trimmed, " \t\r\n\v\f")
		if body == "" || body[0] == '#' {
			continue
		}
		if body != trimmed && len(out) > 0 {
			l := &out[len(out)-1]
			l.Text += " " + body
			l.Last = i + 1
			continue
		}
		out = append(out, Line{trimmed, i + 1, i + 1})
	}
	return out
}

// SplitNameValue splits "name = value" (split_nameval(3)).
func SplitNameValue(text string) (name, value, problem string) {
	trimmed := strings.TrimLeft(text, " \t")
	if strings.HasPrefix(trimmed, "=") || trimmed == "" {
		return "", "", "missing attribute name"
	}
	end := strings.IndexAny(trimmed, "= \t")
	if end < 0 {
		return "", "", "missing '=' after attribute name"
	}
	rest := strings.TrimLeft(trimmed[end:], " \t")
	if !strings.HasPrefix(rest, "=") {
		return "", "", "missing '=' after attribute name"
	}
	return trimmed[:end], strings.Trim(rest[1:], " \t"), ""
}

// SplitList splits at commas and white space.
func SplitList(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' })
}

// SplitBraced splits at commas and white space, but not within braces.
func SplitBraced(s string) []string {
	var out []string
	depth, from := 0, -1
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case depth == 0 && strings.IndexByte(", \t\r\n", c) >= 0:
			if from >= 0 {
				out = append(out, s[from:i])
			}
			from = -1
			continue
		case c == '{':
			depth++
		case c == '}':
			depth--
		}
		if from < 0 {
			from = i
		}
	}
	if from >= 0 {
		out = append(out, s[from:])
	}
	return out
}

// ParseTime reads a number with a unit of s, m, h, d or w.
func ParseTime(s string, unit byte) (time.Duration, bool) {
	if s == "" {
		return 0, false
	}
	if last := s[len(s)-1]; last < '0' || last > '9' {
		unit, s = last, s[:len(s)-1]
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < 0 {
		return 0, false
	}
	switch unit {
	case 's', 'S':
		return time.Duration(n) * time.Second, true
	case 'm', 'M':
		return time.Duration(n) * time.Minute, true
	case 'h', 'H':
		return time.Duration(n) * time.Hour, true
	case 'd', 'D':
		return time.Duration(n) * 24 * time.Hour, true
	case 'w', 'W':
		return time.Duration(n) * 7 * 24 * time.Hour, true
	}
	return 0, false
}
