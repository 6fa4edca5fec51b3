package page

import (
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"

	"enshu/grader/report"
	"enshu/sim/libc"
)

// gap is what stands between the columns of a table.
const gap = 2

// rows are the cells of a paragraph that is a table, nil of any other: its second
// line is the rule below the heads. (goldmark's own extension costs every start
// of the program more than all else that is needed here.)
func (p *printer) rows(n ast.Node) [][]string {
	lines := n.Lines()
	if lines.Len() < 2 || !isRule(string(at(p, lines, 1))) {
		return nil
	}
	var rows [][]string
	for i := range lines.Len() {
		if i == 1 {
			continue
		}
		var cells []string
		for _, cell := range split(string(at(p, lines, i))) {
			cells = append(cells, p.cell(cell))
		}
		// Every row has as many cells as there are heads.
		if len(rows) > 0 {
			cells = append(cells, make([]string, len(rows[0]))...)[:len(rows[0])]
		}
		rows = append(rows, cells)
	}
	return rows
}

func at(p *printer, lines *text.Segments, i int) []byte {
	line := lines.At(i)
	return line.Value(p.source)
}

// isRule reports whether a line is the one below the heads of a table.
func isRule(line string) bool {
	return strings.Contains(line, "|") && strings.Contains(line, "-") && strings.Trim(line, "|-: \t\n") == ""
}

// split cuts a row into its cells, at each bar but those behind a backslash.
func split(row string) []string {
	row = strings.TrimSpace(row)
	row = strings.TrimPrefix(row, "|")
	const bar = "\x00"
	row = strings.ReplaceAll(row, `\|`, bar)
	row = strings.TrimSuffix(row, "|")
	cells := strings.Split(row, "|")
	for i, c := range cells {
		cells[i] = strings.ReplaceAll(strings.TrimSpace(c), bar, "|")
	}
	return cells
}

// cell is the running text of a cell, with marks.
func (p *printer) cell(source string) string {
	of := &printer{parser: p.parser, source: []byte(source), color: p.color}
	if n := p.parser.Parse(text.NewReader(of.source)).FirstChild(); n != nil && n.Type() == ast.TypeBlock {
		return of.inline(n)
	}
	return source
}

// table writes a table as wide as its cells need, or as the terminal allows: then
// the widest columns give way and their cells are broken into lines.
func (p *printer) table(rows [][]string) {
	widths := p.widths(rows)
	for i, cells := range rows {
		base := rune(0)
		if i == 0 {
			base = markStrong
		}
		p.row(cells, widths, base)
		if i == 0 {
			var rules []string
			for _, w := range widths {
				rules = append(rules, strings.Repeat("─", w))
			}
			p.line(strings.Join(rules, strings.Repeat(" ", gap)))
		}
	}
}

// widths are those of the columns of a table.
func (p *printer) widths(rows [][]string) []int {
	widths := make([]int, len(rows[0]))
	for _, cells := range rows {
		for i, c := range cells {
			widths[i] = max(widths[i], libc.Columns(c), 1)
		}
	}
	room := p.room() - gap*(len(widths)-1)
	for {
		total, widest := 0, 0
		for i, w := range widths {
			total += w
			if w > widths[widest] {
				widest = i
			}
		}
		if total <= room || widths[widest] <= 8 {
			return widths
		}
		widths[widest]--
	}
}

// row writes the cells of a row beside each other.
func (p *printer) row(cells []string, widths []int, base rune) {
	var columns [][]string
	height := 0
	for i, c := range cells {
		lines := report.Wrap(c, widths[i])
		for j, painted := range p.painted(lines, base) {
			if i < len(cells)-1 {
				painted += strings.Repeat(" ", max(widths[i]-libc.Columns(lines[j]), 0)+gap)
			}
			lines[j] = painted
		}
		columns = append(columns, lines)
		height = max(height, len(lines))
	}
	for j := range height {
		var b strings.Builder
		for i, lines := range columns {
			switch {
			case j < len(lines):
				b.WriteString(lines[j])
			case i < len(columns)-1:
				b.WriteString(strings.Repeat(" ", widths[i]+gap))
			}
		}
		p.line(b.String())
	}
}
