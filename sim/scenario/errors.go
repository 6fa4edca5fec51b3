package scenario

import (
	"fmt"
	"sort"
	"strings"

	"enshu/sim/lang"
)

// Pos is a place in a lab file; lines and columns count from 1.
type Pos struct {
	Line, Column int
}

// Error is one thing that is wrong in a lab file.
type Error struct {
	File string
	Pos
	Text lang.Text
}

func (e Error) Error() string { return e.In("en") }

// In is the error in a language, "ja" or "en".
func (e Error) In(language string) string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Text.In(language))
}

// Errors is everything that is wrong in a lab file, in the order of the file.
type Errors []Error

func (e Errors) Error() string { return e.In("en") }

// In is a line for each error in a language, "ja" or "en".
func (e Errors) In(language string) string {
	lines := make([]string, len(e))
	for i := range e {
		lines[i] = e[i].In(language)
	}
	return strings.Join(lines, "\n")
}

// sorted returns the errors by position, each once.
func (e Errors) sorted() Errors {
	sort.SliceStable(e, func(i, j int) bool {
		a, b := e[i], e[j]
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		return a.Column < b.Column
	})
	var out Errors
	seen := map[Error]bool{}
	for _, x := range e {
		if !seen[x] {
			seen[x] = true
			out = append(out, x)
		}
	}
	return out
}

// Nearest returns the known name that name was likely to be, or "".
func Nearest(name string, known []string) string {
	best, at := "", min(len(name)/3+1, len(name)-1, 3)
	for _, k := range known {
		if d := distance(name, k); d <= at && (best == "" || d < at) {
			best, at = k, d
		}
	}
	return best
}

// meant returns "; did you mean X?" for the known name nearest to name, or
// "; known are …" when there are few, or nothing.
func meant(name string, known []string) lang.Text {
	if best := Nearest(name, known); best != "" {
		return lang.Errorf("。%q のことですか", "; did you mean %q?", best).Text
	}
	if len(known) == 0 || len(known) > 16 {
		return lang.Text{}
	}
	sorted := append([]string(nil), known...)
	sort.Strings(sorted)
	return lang.Errorf("。使えるのは %s です", "; known: %s", strings.Join(sorted, ", ")).Text
}

// distance is the number of letters to insert, delete, change or swap with
// their neighbour that turn a into b.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	if len(x)-len(y) > 3 || len(y)-len(x) > 3 {
		return 4
	}
	var before, last []int
	for i := 0; i <= len(x); i++ {
		row := make([]int, len(y)+1)
		row[0] = i
		for j := 1; j <= len(y); j++ {
			if i == 0 {
				row[j] = j
				continue
			}
			change := 1
			if x[i-1] == y[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(y)]
}
