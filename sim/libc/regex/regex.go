// Package regex is regcomp(3) of the C library in terms of Go's regular
// expressions, which know no back-references.
package regex

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strings"
)

// Compile compiles a POSIX extended regular expression with glibc's
// extensions; with fold it matches letters of either case. Its error is a
// regerror(3) text.
func Compile(s string, fold bool) (*regexp.Regexp, error) {
	if danglingReference(s) {
		return nil, errors.New("Invalid back reference")
	}
	pattern, boundaries := fromGlibc(s)
	if !fold && !boundaries {
		re, err := regexp.CompilePOSIX(pattern)
		if err != nil {
			return nil, Error(err)
		}
		return re, nil
	}
	if fold {
		pattern = "(?i)" + pattern
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, Error(err)
	}
	re.Longest()
	return re, nil
}

// danglingReference reports whether a pattern refers to a group that has not ended
// before.
func danglingReference(s string) bool {
	ended := 0
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == ')':
			ended++
		case s[i] == '[':
			end := strings.IndexByte(s[min(i+2, len(s)):], ']')
			if end < 0 {
				return false
			}
			i += 2 + end
		case s[i] == '\\' && i+1 < len(s):
			if i++; s[i] >= '1' && s[i] <= '9' && int(s[i]-'0') > ended {
				return true
			}
		}
	}
	return false
}

// glibcEscapes are the escapes that glibc adds to POSIX, in Go's words.
var glibcEscapes = map[byte]string{'w': "[[:alnum:]_]", 'W': "[^[:alnum:]_]", 's': "[[:space:]]", 'S': "[^[:space:]]",
	'b': `\b`, 'B': `\B`, '<': `\b`, '>': `\b`, '`': `\A`, '\'': `\z`}

// fromGlibc puts a pattern into Go's words: an escape of an ordinary character
// is that character, and in brackets a backslash is one. It tells whether there
// are boundaries in it, which Go knows in its Perl syntax only.
func fromGlibc(s string) (out string, boundaries bool) {
	if !strings.Contains(s, `\`) {
		return s, false
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '[':
			end := strings.IndexByte(s[min(i+2, len(s)):], ']')
			if end < 0 {
				b.WriteString(s[i:])
				return b.String(), boundaries
			}
			end += i + 2
			b.WriteString(strings.ReplaceAll(s[i:end+1], `\`, `\\`))
			i = end
		case s[i] != '\\' || i+1 == len(s):
			b.WriteByte(s[i])
		default:
			i++
			if e, ok := glibcEscapes[s[i]]; ok {
				b.WriteString(e)
				boundaries = boundaries || e[0] == '\\'
			} else {
				b.WriteString(regexp.QuoteMeta(s[i : i+1]))
			}
		}
	}
	return b.String(), boundaries
}

// Error words an error of package regexp as regerror(3) does.
func Error(err error) error {
	text := "Invalid regular expression"
	var fault *syntax.Error
	if !errors.As(err, &fault) {
		return errors.New(text)
	}
	switch fault.Code {
	case syntax.ErrMissingParen:
		text = `Unmatched ( or \(`
	case syntax.ErrUnexpectedParen:
		text = `Unmatched ) or \)`
	case syntax.ErrMissingBracket:
		text = "Unmatched [, [^, [:, [., or [="
	case syntax.ErrInvalidCharRange:
		text = "Invalid range end"
		if strings.HasPrefix(fault.Expr, "[:") {
			text = "Invalid character class name"
		}
	case syntax.ErrTrailingBackslash:
		text = "Trailing backslash"
	case syntax.ErrMissingRepeatArgument, syntax.ErrInvalidRepeatOp:
		text = "Invalid preceding regular expression"
	case syntax.ErrInvalidRepeatSize:
		text = `Invalid content of \{\}`
	}
	return errors.New(text)
}

// Extended turns a POSIX basic regular expression, with glibc's
// extensions, into an extended one.
func Extended(s string) string {
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
				return b.String() + s[i:] // which is wrong in both
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
