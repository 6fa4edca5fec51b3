package unitfile

import (
	"strings"
	"unicode/utf8"
)

// SplitWords splits as systemd.syntax(7) and systemd.service(5) say: blanks
// part words, quotes keep them together, backslashes escape as in C. ok is
// false for a quote that is not closed or an escape that is unknown.
func SplitWords(s string) (words []string, ok bool) {
	words, unknown, ok := split(s, false)
	return words, ok && unknown == 0
}

// splitCommand is SplitWords for command lines, in which an escape that is
// unknown stays as it stands; unknown is how many words have one.
func splitCommand(s string) (words []string, unknown int, ok bool) { return split(s, true) }

func split(s string, relaxed bool) (words []string, unknown int, ok bool) {
	odd := false // this word has an unknown escape
	var b strings.Builder
	in := false
	quote := byte(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\':
			i++
			if i == len(s) {
				return words, unknown, false
			}
			n, r, good := unescape(s[i:])
			if !good && !relaxed {
				return words, unknown, false
			}
			if !good {
				n, r, odd = 1, s[i-1:i+1], true
			}
			if relaxed && s[i] == ';' {
				r = "\\;" // a word of its own is no end of the command
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
				if odd {
					unknown, odd = unknown+1, false
				}
			}
		default:
			b.WriteByte(c)
			in = true
		}
	}
	if quote != 0 {
		return words, unknown, false
	}
	if in {
		words = append(words, b.String())
	}
	if odd {
		unknown++
	}
	return words, unknown, true
}

// Unescape resolves the escapes of a text as C has them; ok is false for one that
// is unknown.
func Unescape(s string) (text string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 == len(s) {
			return b.String(), false
		}
		n, r, good := unescape(s[i+1:])
		if !good {
			return b.String(), false
		}
		b.WriteString(r)
		i += n
	}
	return b.String(), true
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
