package screen

import (
	"unicode/utf8"
)

// Ellipsize shortens text to width, the dots at percent of what is kept.
func Ellipsize(text string, width, percent int, dots string) string {
	r := []rune(text)
	if len(r) <= width {
		return text
	}
	n := utf8.RuneCountInString(dots)
	keep := max(width-n, 0)
	x := min((keep*percent+50)/100, keep)
	return string(r[:x]) + dots + string(r[len(r)-(keep-x):])
}

// EllipsizeEnd shortens text to width, the dots at the end.
func EllipsizeEnd(text string, width int, dots string) string {
	return Ellipsize(text, width, 100, dots)
}
