package systemctl

import (
	"enshu/sim/systemd/screen"
	"fmt"
	"strings"
	"unicode/utf8"
)

// cell is one field of a table.
type cell struct {
	text  string
	color string
}

// table prints rows in columns as wide as their widest cell. The header is
// underlined where there are colours. On a terminal that is too narrow the last
// column, and shrink, give way.
func (s *systemctl) table(header []string, rows [][]cell, legend bool, indent bool) {
	widths := make([]int, len(header))
	if legend {
		for i, h := range header {
			widths[i] = utf8.RuneCountInString(h)
		}
	}
	for _, r := range rows {
		for i, c := range r {
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	if s.Width > 0 {
		total := len(widths) - 1
		for _, w := range widths {
			total += w
		}
		// What is too wide is taken from the columns in proportion.
		if over := total - s.Width; over > 0 && len(widths) > 1 {
			last := len(widths) - 1
			cut := min(over, max(0, widths[last]-11))
			widths[last] -= cut
			over -= cut
			if first := 1; over > 0 && len(widths) > first {
				widths[first] = max(8, widths[first]-over)
			}
		}
	}
	put := func(cells []cell, underline bool) {
		var b strings.Builder
		for i, c := range cells {
			text := screen.EllipsizeEnd(c.text, widths[i], s.Glyph("ellipsis"))
			pad := widths[i] - utf8.RuneCountInString(text)
			last := i == len(cells)-1
			switch {
			case underline && s.Colors:
				if i > 0 {
					text = " " + text
				}
				b.WriteString(screen.Normal + screen.Under + text + strings.Repeat(" ", max(pad, 0)) + screen.Normal)
				continue
			case i > 0:
				b.WriteString(s.Paint(cells[i-1].color, " "))
			}
			if !last || c.color != "" {
				text += strings.Repeat(" ", max(pad, 0))
			}
			b.WriteString(s.Paint(c.color, text))
		}
		line := b.String()
		if !s.Colors {
			line = strings.TrimRight(line, " ")
		}
		fmt.Fprintln(s.Out, line)
	}
	if legend {
		cells := make([]cell, len(header))
		for i, h := range header {
			cells[i].text = h
		}
		put(cells, true)
	}
	for _, r := range rows {
		put(r, false)
	}
}
