package logrotate

import (
	"fmt"
	"strings"
)

// scanner walks over a configuration file. It knows the shape of the language
// only: words, the rest of a line, names up to a brace, scripts.
type scanner struct {
	text string
	pos  int
	line int // names of files may span lines, which do not count
}

func newScanner(text string) *scanner { return &scanner{text: text, line: 1} }

// token is what comes next in a file.
type token int

const (
	endOfFile  token = iota
	keyword          // a word; the scanner stands behind it
	badKeyword       // a word with something odd, or nothing, behind it
	nameStart        // the scanner stands before a name
	closeBrace       // the scanner stands behind it
	garbage          // the scanner stands before it
)

// next passes blanks, comments and empty lines.
func (s *scanner) next() (token, string) {
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; {
		case isBlank(c):
			s.pos++
		case c == '\n':
			s.pos++
			s.line++
		case c == '#':
			s.endOfLine()
		case c == '}':
			s.pos++
			return closeBrace, ""
		case c == '/' || c == '"' || c == '\'' || c == '~':
			return nameStart, ""
		case isLetter(c):
			word := s.word()
			if s.pos == len(s.text) || !isSpace(s.text[s.pos]) && s.text[s.pos] != '=' {
				return badKeyword, word
			}
			return keyword, word
		default:
			return garbage, ""
		}
	}
	return endOfFile, ""
}

// word takes letters.
func (s *scanner) word() string {
	from := s.pos
	for s.pos < len(s.text) && isLetter(s.text[s.pos]) {
		s.pos++
	}
	return s.text[from:s.pos]
}

// found is the character behind a bad keyword as messages show it; the end of
// the file is a NUL.
func (s *scanner) found() string {
	if s.pos == len(s.text) || s.text[s.pos] == 0 {
		return "0"
	}
	return fmt.Sprintf("%#x", s.text[s.pos])
}

// separator passes what may stand between a keyword without a value and the rest
// of its line: "=", or a space that is no blank, such as a carriage return.
func (s *scanner) separator() {
	if s.pos < len(s.text) && s.text[s.pos] != '\n' && !isBlank(s.text[s.pos]) {
		s.pos++
	}
}

func (s *scanner) blanks() {
	for s.pos < len(s.text) && isBlank(s.text[s.pos]) {
		s.pos++
	}
}

// endOfLine moves to the line feed or the end of the file.
func (s *scanner) endOfLine() {
	if i := strings.IndexByte(s.text[s.pos:], '\n'); i >= 0 {
		s.pos += i
	} else {
		s.pos = len(s.text)
	}
}

// rest takes what is left of the line, without the blanks around it.
func (s *scanner) rest() string {
	from := s.pos
	s.endOfLine()
	return strings.TrimFunc(s.text[from:s.pos], isSpaceRune)
}

// value takes the rest of the line behind an optional "=".
func (s *scanner) value() string {
	s.blanks()
	if s.pos < len(s.text) && s.text[s.pos] == '=' {
		s.pos++
	}
	return s.rest()
}

// names takes the names of log files up to and with the brace; lines that begin
// with # are left out. bad is what stands there instead of the brace, 0 at the
// end of the file.
func (s *scanner) names() (names string, bad byte, ok bool) {
	var b strings.Builder
	atStart, comment := true, false
	for ; s.pos < len(s.text); s.pos++ {
		c := s.text[s.pos]
		switch {
		case c == '\n':
			atStart, comment = true, false
		case atStart && c == '#':
			atStart, comment = false, true
		case atStart && !isSpace(c):
			atStart = false
		}
		switch {
		case comment:
			continue
		case c == '{':
			s.pos++
			return b.String(), 0, true
		case c == '}':
			return "", c, false
		}
		b.WriteByte(c)
	}
	return "", 0, false
}

// script takes the lines up to the one that begins with endscript; the scanner
// then stands behind that word. It reports false at the end of the file.
func (s *scanner) script() (string, bool) {
	from := s.pos
	for s.pos < len(s.text) {
		start := s.pos
		s.blanks()
		if s.word() == "endscript" {
			return s.text[from:start], true
		}
		s.endOfLine()
		if s.pos < len(s.text) {
			s.pos++
			s.line++
		}
	}
	return "", false
}

// skipBlock passes the rest of a block that has an error, with its brace, which
// must stand here or at the very beginning of a line and not within a script. It
// reports false when the file ended before.
func (s *scanner) skipBlock() bool {
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; {
		case c == '}':
			s.pos++
			return true
		case c == '\n':
			s.pos++
			s.line++
		default:
			s.blanks()
			switch s.word() {
			case "prerotate", "postrotate", "firstaction", "lastaction", "preremove":
				s.script()
			default:
				s.endOfLine()
			}
		}
	}
	return false
}

// step passes one character.
func (s *scanner) step() {
	if s.pos < len(s.text) {
		if s.text[s.pos] == '\n' {
			s.line++
		}
		s.pos++
	}
}

func isBlank(c byte) bool     { return c == ' ' || c == '\t' }
func isSpace(c byte) bool     { return c == ' ' || c >= '\t' && c <= '\r' }
func isSpaceRune(r rune) bool { return r < 0x80 && isSpace(byte(r)) }

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// words splits a line as popt does: blanks separate, quotes and backslashes keep
// them, and a quote that is left open ends with the line. It reports false when
// a backslash does.
func words(line string) ([]string, bool) {
	var all []string
	var b strings.Builder
	var quote byte
	in := false
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote == c && quote != 0:
			quote = 0
		case quote != 0:
			if c == '\\' && i+1 < len(line) {
				i++
				if line[i] != quote {
					b.WriteByte('\\')
				}
				c = line[i]
			}
			b.WriteByte(c)
		case isSpace(c):
			if in {
				all = append(all, b.String())
				b.Reset()
				in = false
			}
		case c == '"' || c == '\'':
			quote, in = c, true
		case c == '\\':
			in = true
			if i++; i == len(line) {
				return nil, false
			}
			b.WriteByte(line[i])
		default:
			in = true
			b.WriteByte(c)
		}
	}
	if in {
		all = append(all, b.String())
	}
	return all, true
}
