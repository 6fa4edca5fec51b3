package libc

import (
	"unicode"

	"golang.org/x/text/width"
)

// RuneColumns returns how many columns of a terminal a character takes: 0 for
// controls and marks that stand on the one before, 2 for the wide ones of East
// Asia, else 1 (wcwidth(3); Unicode Standard Annex #11).
func RuneColumns(r rune) int {
	if unicode.In(r, unicode.Cc, unicode.Mn, unicode.Me) || r == '\u200b' || r == '\ufeff' {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// Columns returns how many columns of a terminal a text takes (wcswidth(3)).
func Columns(s string) int {
	n := 0
	for _, r := range s {
		n += RuneColumns(r)
	}
	return n
}
