// Package page writes Markdown for a terminal: lessons, help and the texts of
// labs, as their readers see them.
package page

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"

	"enshu/grader/report"
	"enshu/sim/libc"
)

// Style is what a terminal can show.
type Style struct {
	Columns int // 0 is 80; lines are broken at this width, or at 100 when that is less
	Color   bool
}

// widest is the longest line that is good to read, in columns.
const widest = 100

// Write writes a Markdown text (CommonMark, and tables as GitHub has them).
// HTML in it is left out. Control characters of the text do not reach the terminal.
func Write(w io.Writer, markdown string, s Style) error {
	source := []byte(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, markdown))
	if s.Columns <= 0 {
		s.Columns = 80
	}
	p := &printer{parser: goldmark.DefaultParser(), source: source, color: s.Color, columns: max(min(s.Columns, widest), 20)}
	p.blocks(p.parser.Parse(text.NewReader(source)))
	_, err := io.WriteString(w, p.out.String())
	return err
}

// Marks in a text that is not yet broken into lines: they take no column.
const (
	markCode   = '\x01'
	markStrong = '\x02'
	markOff    = '\x03'
)

type printer struct {
	parser  parser.Parser
	source  []byte
	color   bool
	columns int
	out     strings.Builder
	lead    string // what every line begins with
	first   string // what the next line begins with instead, if that is something
	begun   bool   // something has been written: the next block stands apart
	tight   bool   // blocks do not stand apart
}

// line writes one line.
func (p *printer) line(s string) {
	lead := p.lead
	if p.first != "" {
		lead, p.first = p.first, ""
	}
	p.out.WriteString(strings.TrimRight(lead+s, " ") + "\n")
	p.begun = true
}

// apart puts an empty line before a block that follows another.
func (p *printer) apart() {
	if p.begun && !p.tight && p.first == "" {
		p.line("")
	}
}

// room is how many columns a line has.
func (p *printer) room() int { return max(p.columns-libc.Columns(p.lead), 20) }

// sgr has the colours of marks (console_codes(4)).
var sgr = map[rune]string{markCode: "\x1b[36m", markStrong: "\x1b[1m"}

const plain = "\x1b[0m"

// flow writes running text: broken into lines, and painted. base is the mark
// that holds for all of it, or 0.
func (p *printer) flow(s string, base rune) {
	var lines []string
	for part := range strings.SplitSeq(s, "\n") {
		lines = append(lines, report.Wrap(part, p.room())...)
	}
	for _, l := range p.painted(lines, base) {
		p.line(l)
	}
}

// painted turns the marks of lines into colours, or leaves them out. A mark holds
// beyond the end of its line; the colour begins anew on the next.
func (p *printer) painted(lines []string, base rune) []string {
	now := base
	out := make([]string, len(lines))
	for i, l := range lines {
		var b strings.Builder
		if p.color && now != 0 {
			b.WriteString(sgr[now])
		}
		for _, r := range l {
			switch r {
			case markCode, markStrong, markOff:
				if r == markOff {
					r = base
				}
				if p.color && now != 0 {
					b.WriteString(plain)
				}
				if now = r; p.color {
					b.WriteString(sgr[now])
				}
			default:
				b.WriteRune(r)
			}
		}
		if p.color && now != 0 {
			b.WriteString(plain)
		}
		out[i] = b.String()
	}
	return out
}

// blocks writes what is in a block that holds others.
func (p *printer) blocks(n ast.Node) {
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		p.block(c)
	}
}

func (p *printer) block(n ast.Node) {
	switch n := n.(type) {
	case *ast.Heading:
		p.apart()
		title := p.inline(n)
		if !p.color {
			title = strings.Repeat("#", n.Level) + " " + title
		}
		p.flow(title, markStrong)
	case *ast.Paragraph, *ast.TextBlock:
		p.apart()
		if rows := p.rows(n); rows != nil {
			p.table(rows)
			return
		}
		p.flow(p.inline(n), 0)
	case *ast.FencedCodeBlock, *ast.CodeBlock:
		p.apart()
		p.within("    ", "", func() {
			for i := range n.Lines().Len() {
				at := n.Lines().At(i)
				p.line(strings.TrimRight(string(at.Value(p.source)), "\n"))
			}
		})
	case *ast.Blockquote:
		p.apart()
		p.within("│ ", "", func() {
			p.begun = false
			p.blocks(n)
		})
	case *ast.List:
		p.list(n)
	case *ast.ThematicBreak:
		p.apart()
		p.line(strings.Repeat("─", p.room()))
	}
}

// within writes lines that begin with a lead behind those of the blocks around;
// the first of them with another one, if first is something.
func (p *printer) within(lead, first string, write func()) {
	before := p.lead
	if first != "" {
		begin := before
		if p.first != "" {
			begin = p.first
		}
		p.first = begin + first
	}
	p.lead += lead
	write()
	p.lead = before
}

func (p *printer) list(n *ast.List) {
	p.apart()
	tight := p.tight
	number := n.Start
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		bullet := "• "
		if n.IsOrdered() {
			bullet = fmt.Sprintf("%d. ", number)
			number++
		}
		if c != n.FirstChild() && !n.IsTight {
			p.tight = tight
			p.apart()
		}
		p.tight = n.IsTight
		p.within(strings.Repeat(" ", libc.Columns(bullet)), bullet, func() { p.blocks(c) })
	}
	p.tight = tight
}

// inline is the running text of a block, with marks.
func (p *printer) inline(n ast.Node) string {
	var b strings.Builder
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		switch c := c.(type) {
		case *ast.Text:
			b.Write(c.Value(p.source))
			switch {
			case c.HardLineBreak():
				b.WriteByte('\n')
			case c.SoftLineBreak():
				b.WriteString(joint(b.String(), p.after(c)))
			}
		case *ast.String:
			b.Write(c.Value)
		case *ast.CodeSpan:
			if p.color {
				b.WriteString(string(markCode) + p.inline(c) + string(markOff))
			} else {
				b.WriteString("`" + p.inline(c) + "`")
			}
		case *ast.Emphasis:
			b.WriteString(string(markStrong) + p.inline(c) + string(markOff))
		case *ast.Link:
			label, to := p.inline(c), string(c.Destination)
			b.WriteString(label)
			if to != label {
				b.WriteString(" (" + to + ")")
			}
		case *ast.AutoLink:
			b.Write(c.URL(p.source))
		case *ast.RawHTML:
		default:
			b.WriteString(p.inline(c))
		}
	}
	return b.String()
}

// after is the text that follows a node.
func (p *printer) after(n ast.Node) string {
	for n = n.NextSibling(); n != nil; n = n.FirstChild() {
		if t, ok := n.(*ast.Text); ok {
			return string(t.Value(p.source))
		}
	}
	return ""
}

// joint is what the end of a line of the source becomes: nothing between two
// Japanese characters or behind Japanese punctuation, else a blank.
func joint(before, after string) string {
	before = strings.TrimRight(before, string([]rune{markCode, markStrong, markOff}))
	last, _ := utf8.DecodeLastRuneInString(before)
	next, _ := utf8.DecodeRuneInString(after)
	if libc.RuneColumns(last) == 2 && (libc.RuneColumns(next) == 2 || unicode.IsPunct(last)) {
		return ""
	}
	return " "
}
