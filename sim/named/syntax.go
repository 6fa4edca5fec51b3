package named

import (
	"fmt"
	"strings"
)

// statement is one statement of named.conf: words, perhaps a block, perhaps
// words after it, and the semicolon.
type statement struct {
	file   string
	line   int
	words  []string // quotes taken off
	block  []statement
	braces bool // has a block, even if it is empty
}

func (s *statement) keyword() string { return s.word(0) }

func (s *statement) word(i int) string {
	if i < len(s.words) {
		return s.words[i]
	}
	return ""
}

// confError is an error of the configuration at a place.
type confError struct {
	file string
	line int
	text string
}

func (e *confError) Error() string { return fmt.Sprintf("%s:%d: %s", e.file, e.line, e.text) }

func (s *statement) errorf(format string, args ...any) error {
	return &confError{s.file, s.line, fmt.Sprintf(format, args...)}
}

// maxDepth is how deep blocks may nest.
const maxDepth = 16

type token struct {
	text   string
	line   int
	quoted bool
}

// is reports whether the token is the given mark.
func (t token) is(mark string) bool { return !t.quoted && t.text == mark }

// scan splits a file into words and the marks { } ;. Comments are those of C,
// C++ and the shell.
func scan(file, text string) ([]token, error) {
	var tokens []token
	line := 1
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == '\n':
			line++
			i++
		case c == ' ' || c == '\t' || c == '\r':
			i++
		case c == '#' || strings.HasPrefix(text[i:], "//"):
			for i < len(text) && text[i] != '\n' {
				i++
			}
		case strings.HasPrefix(text[i:], "/*"):
			end := strings.Index(text[i+2:], "*/")
			if end < 0 {
				return nil, &confError{file, line, "unexpected end of input"}
			}
			line += strings.Count(text[i:i+2+end], "\n")
			i += end + 4
		case c == '"':
			end := strings.IndexAny(text[i+1:], "\"\n")
			if end < 0 || text[i+1+end] == '\n' {
				return nil, &confError{file, line, "unbalanced quotes"}
			}
			tokens = append(tokens, token{text[i+1 : i+1+end], line, true})
			i += end + 2
		case c == '{' || c == '}' || c == ';' || c == '!':
			tokens = append(tokens, token{text[i : i+1], line, false})
			i++
		default:
			end := strings.IndexAny(text[i:], " \t\r\n{};\"")
			if end < 0 {
				end = len(text) - i
			}
			tokens = append(tokens, token{text[i : i+end], line, false})
			i += end
		}
	}
	return tokens, nil
}

// parse reads the statements of a file.
func parse(file, text string) ([]statement, error) {
	tokens, err := scan(file, text)
	if err != nil {
		return nil, err
	}
	last := strings.Count(text, "\n") + 1
	list, rest, err := statements(file, tokens, last, 0)
	if err == nil && len(rest) > 0 {
		err = &confError{file, rest[0].line, "unexpected token near '}'"}
	}
	return list, err
}

// statements reads up to the end or a closing brace, which it leaves.
func statements(file string, tokens []token, last, depth int) (list []statement, rest []token, err error) {
	if depth > maxDepth {
		return nil, nil, &confError{file, last, "blocks nest too deep"}
	}
	for len(tokens) > 0 && !tokens[0].is("}") {
		s := statement{file: file, line: tokens[0].line}
		for {
			if len(tokens) == 0 {
				return nil, nil, &confError{file, last, "unexpected end of input"}
			}
			t := tokens[0]
			switch {
			case t.is("}"):
				return nil, nil, &confError{file, t.line, "missing ';' before '}'"}
			case t.is(";"):
				if len(s.words) == 0 && !s.braces {
					return nil, nil, &confError{file, t.line, "unexpected token near ';'"}
				}
			case t.is("{"):
				if s.braces {
					return nil, nil, &confError{file, t.line, "missing ';' before '{'"}
				}
				s.braces = true
				s.block, tokens, err = statements(file, tokens[1:], last, depth+1)
				if err != nil {
					return nil, nil, err
				}
				if len(tokens) == 0 {
					return nil, nil, &confError{file, last, "unexpected end of input"}
				}
			case s.braces:
				return nil, nil, &confError{file, t.line, "missing ';' before '" + t.text + "'"}
			default:
				s.words = append(s.words, t.text)
			}
			tokens = tokens[1:]
			if t.is(";") {
				break
			}
		}
		list = append(list, s)
	}
	return list, tokens, nil
}
