package dnf

import (
	"fmt"
	"slices"
	"strings"
)

// defaultWidth is the width of output that goes to no terminal.
const defaultWidth = 80

// columns lays columns out over a line: from their least widths, room is given
// to whichever column then fits the most of its values, the last column least
// willingly; what is left is shared, with the odd rest to column rest.
func columns(values [][]string, least []int, total, rest int) []int {
	n := len(values)
	wide := slices.Clone(least)
	if wide == nil {
		wide = make([]int, n)
		for i := range n - 1 {
			wide[i] = 1
		}
	}
	lengths := make([][]int, n) // of the values not yet fitting, ascending
	for i, v := range values {
		for _, s := range v {
			lengths[i] = append(lengths[i], len(s))
		}
		slices.Sort(lengths[i])
	}
	left := total - (n - 1)
	for _, w := range wide {
		left -= w
	}
	if wide[n-1] == 0 {
		left++
	}
	for left > 0 {
		best, at := 0.0, -1
		for i := range n {
			helps := 0.0
			for _, l := range lengths[i] {
				if left < l-wide[i] {
					break
				}
				helps++
			}
			if helps == 0 {
				continue
			}
			if at >= 0 && i == n-1 {
				helps /= 2
			}
			if helps >= best {
				best, at = helps, i
			}
		}
		if at < 0 {
			break
		}
		next := lengths[at][0]
		for len(lengths[at]) > 0 && lengths[at][0] == next {
			lengths[at] = lengths[at][1:]
		}
		if wide[at] == 0 && at == n-1 {
			left--
		}
		if grow := next - wide[at]; grow > 0 {
			left -= grow
			wide[at] = next
		}
	}
	if left > 0 {
		var over []int
		for i := range n {
			if len(lengths[i]) > 0 {
				over = append(over, i)
			}
		}
		if len(over) > 0 {
			share := left / len(over)
			for _, i := range over {
				wide[i] += share
				left -= share
			}
		}
		share := left / (n - 1)
		for i := range n - 1 {
			wide[i] += share
		}
		wide[rest] += left - (n-1)*share
	}
	return wide
}

// row writes a line: columns to the left, but for those of a negative width.
func row(wide []int, values ...string) string {
	var b strings.Builder
	for i, v := range values {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%*s", -wide[i], v)
	}
	return b.String()
}

// inColumns lays names out in as many columns as fit, for the lists at the end
// of a transaction.
func inColumns(names []string, width int) string {
	var wide []int
fit:
	for n := min(8, len(names)); n >= 2; n-- {
		left := width - (n - 1 + 2)
		wide = make([]int, n)
		for i, name := range names {
			if d := len(name) - wide[i%n]; d > 0 {
				wide[i%n] += d
				left -= d
			}
		}
		if left < 0 {
			wide = nil
			continue fit
		}
		for i := range wide {
			wide[i] += left / n
		}
		break
	}
	if wide == nil {
		wide = []int{width - 2}
	}
	var b strings.Builder
	for len(names) > 0 {
		k := min(len(wide), len(names))
		b.WriteString("  " + row(wide, names[:k]...) + "\n")
		names = names[k:]
	}
	return b.String()
}

// human writes a number of bytes as dnf's tables do.
func human(n int64) string {
	symbols := []string{"", "k", "M", "G", "T"}
	v, depth := float64(n), 0
	for v > 999 && depth < len(symbols)-1 {
		v /= 1024
		depth++
	}
	switch {
	case depth == 0:
		return fmt.Sprintf("%d %s", n, symbols[0])
	case v < 9.95:
		return fmt.Sprintf("%.1f %s", v, symbols[depth])
	}
	return fmt.Sprintf("%.0f %s", v, symbols[depth])
}

// rate is human with the unit at the end, as the lines of downloads have it.
func rate(n int64) string {
	s := human(n)
	if strings.HasSuffix(s, " ") {
		return s + " B"
	}
	return s + "B"
}

// download is the line of something fetched.
func download(what string, size, speed int64, width int) string {
	room := max(width-33, 10)
	return fmt.Sprintf("%-*.*s %6s/s | %6s     00:00    \n", room, room, what, rate(speed), rate(size))
}
