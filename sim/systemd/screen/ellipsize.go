package screen

import (
	"unicode/utf8"

	"enshu/sim/libc"
)

// Ellipsize shortens text to most columns, the dots at percent of what is kept.
// Where there are characters beyond ASCII, what follows the dots may be a column
// short, and dots are one character.
func Ellipsize(text string, most, percent int, dots string) string {
	if libc.Columns(text) <= most || most <= 0 {
		return text
	}
	if ascii(text) {
		need := utf8.RuneCountInString(dots)
		if need > most {
			return dots[:most]
		}
		before := ((most-need)*percent + 50) / 100
		return text[:before] + dots + text[len(text)-(most-need-before):]
	}
	before := (most - 1) * percent / 100
	head, used := 0, 0
	for {
		r, n := utf8.DecodeRuneInString(text[head:])
		if used+libc.RuneColumns(r) > before {
			break
		}
		used += libc.RuneColumns(r)
		head += n
	}
	tail := len(text)
	for tail > head {
		r, n := utf8.DecodeLastRuneInString(text[:tail])
		if used+libc.RuneColumns(r) > most {
			break
		}
		used += libc.RuneColumns(r)
		tail -= n
	}
	// Room for the dots.
	if tail < len(text) {
		_, n := utf8.DecodeRuneInString(text[tail:])
		tail += n
	} else if head > 0 {
		_, n := utf8.DecodeLastRuneInString(text[:head])
		head -= n
	}
	return text[:head] + "…" + text[tail:]
}

func ascii(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// EllipsizeEnd shortens text to most columns, the dots at the end.
func EllipsizeEnd(text string, most int, dots string) string {
	return Ellipsize(text, most, 100, dots)
}
