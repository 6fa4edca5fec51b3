package report

import (
	"fmt"
	"io"
	"strings"

	"enshu/sim/lang"
	"enshu/sim/libc"
	"enshu/sim/scenario"
)

// Style says how a report is written for a person.
type Style struct {
	Lang    string // "ja" or "en"
	Color   bool
	Columns int  // of the terminal; 0 is 80
	Verbose bool // the path and evidence of checks that hold, too
}

// words of the report itself.
var words = map[string]scenario.Text{
	"expected": lang.Both("期待", "expected"),
	"seen":     lang.Both("実際", "seen"),
	"look":     lang.Both("確認", "look"),
	"slip":     lang.Both("ヒント", "tip"),
	"evidence": lang.Both("記録", "record"),
	"needs":    lang.Both("先に「%s」を済ませてください", "first: %s"),
	"unknown":  lang.Both("判定できませんでした: %s", "could not be tried: %s"),
	"points":   lang.Both("%d / %d 点", "%d of %d points"),
	"passed":   lang.Both("すべて合格です。おつかれさまでした！", "Everything holds. Well done!"),
	"begun":    lang.Both("これからです。上の「確認」のコマンドから見ていきましょう。", "Not yet. Start with the command at “look”."),
	"near":     lang.Both("あと少しです。残りも「確認」のコマンドから見ていきましょう。", "Nearly there. Go on with the command at “look”."),
	"blocked":  lang.Both("判定できない項目があります。", "Something could not be tried."),
}

// Line is the progress in one line of a terminal so many columns wide (80 if that
// is 0), for a person who waits. What does not fit is cut off: a line that runs on in a second
// one could not be written over.
func (p Progress) Line(lang string, columns int) string {
	s := fmt.Sprintf("%s %d/%d: %s", p.Task, p.Check, p.Of, p.Title.In(lang))
	if p.Waiting > 0 {
		s += fmt.Sprintf(waiting.In(lang), p.Waiting.Seconds())
	}
	if columns <= 0 {
		columns = 80
	}
	if libc.Columns(s) < columns {
		return s
	}
	used := 0
	for i, r := range s {
		if used += libc.RuneColumns(r); used > columns-2 {
			return s[:i] + "…"
		}
	}
	return s
}

// waiting goes behind the progress of a check that waits.
var waiting = lang.Both(" (ラボの時刻であと最大 %.0f 秒、時計を速めて待ちます)", " (at most %.0f s more of the lab's time, which runs faster meanwhile)")

// WriteText writes a report for a person at a terminal.
func WriteText(w io.Writer, r *Report, s Style) error {
	if s.Columns <= 0 {
		s.Columns = 80
	}
	p := &printer{style: s}
	p.wrapped(0, "", s.Columns, r.Title.In(s.Lang)+" ("+r.Lab+")", "1")
	p.line(0, "")
	titles := map[string]string{}
	for _, t := range r.Tasks {
		titles[t.ID] = t.Title.In(s.Lang)
	}
	for i := range r.Tasks {
		p.task(&r.Tasks[i], titles)
	}
	p.line(0, "")
	p.line(1, p.paint("1", fmt.Sprintf(p.word("points"), r.Points, r.Of)))
	switch last := r.Outcome(); {
	case last == Pass:
		p.wrapped(1, "", s.Columns, p.word("passed"), "32")
	case last != Fail:
		p.wrapped(1, "", s.Columns, p.word("blocked"), "")
	case 2*r.Points >= r.Of:
		p.wrapped(1, "", s.Columns, p.word("near"), "")
	default:
		p.wrapped(1, "", s.Columns, p.word("begun"), "")
	}
	_, err := io.WriteString(w, p.out.String())
	return err
}

type printer struct {
	style Style
	out   strings.Builder
}

func (p *printer) word(name string) string { return words[name].In(p.style.Lang) }

// paint puts a colour around a text, when there are colours.
func (p *printer) paint(color, s string) string {
	if !p.style.Color {
		return s
	}
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}

func (p *printer) line(indent int, s string) {
	p.out.WriteString(strings.TrimRight(strings.Repeat(" ", indent)+s, " ") + "\n")
}

func (p *printer) mark(o Outcome) string {
	switch o {
	case Pass:
		return p.paint("32", "✓")
	case Fail:
		return p.paint("31", "✗")
	}
	return p.paint("33", "?")
}

func (p *printer) task(t *Task, titles map[string]string) {
	points := fmt.Sprintf("%d/%d", t.Points, t.Of)
	room := min(p.style.Columns, 100) - 4 - len(points)
	for i, l := range Wrap(t.Title.In(p.style.Lang), room-1) {
		if i == 0 {
			p.line(1, p.mark(t.Outcome)+" "+l+strings.Repeat(" ", max(room-libc.Columns(l), 1))+points)
		} else {
			p.line(3, l)
		}
	}
	if len(t.Needs) > 0 {
		var names []string
		for _, id := range t.Needs {
			names = append(names, titles[id])
		}
		p.wrapped(5, "", p.style.Columns, fmt.Sprintf(p.word("needs"), strings.Join(names, p.list())), "2")
		return
	}
	for i := range t.Checks {
		c := &t.Checks[i]
		if c.Outcome != Pass || p.style.Verbose {
			p.check(c)
		}
	}
}

// list is what stands between the items of a list.
func (p *printer) list() string {
	if p.style.Lang == "ja" {
		return "」「"
	}
	return ", "
}

func (p *printer) check(c *Result) {
	p.wrapped(5, p.mark(c.Outcome)+" ", p.style.Columns, c.Title.In(p.style.Lang), "")
	if len(c.Path) > 1 {
		p.path(c.Path)
	}
	switch c.Outcome {
	case Unknown:
		p.wrapped(7, "", p.style.Columns, fmt.Sprintf(p.word("unknown"), c.Reason), "33")
		return
	case Fail:
		p.field("expected", c.Expected.In(p.style.Lang), "")
		p.field("seen", c.Seen.In(p.style.Lang), "1")
		if c.Command != "" {
			p.field("look", c.Host+"# "+c.Command, "36")
		}
		p.field("slip", c.Slip.In(p.style.Lang), "")
	}
	for _, l := range c.Lines {
		if p.style.Verbose {
			p.field("evidence", l, "2")
		}
	}
}

// path writes the links with what became of each.
func (p *printer) path(links []Link) {
	line, used := "", 0
	for i, l := range links {
		label, mark := l.Label.In(p.style.Lang), p.paint("32", "✓")
		if !l.Holds {
			mark = p.paint("31", "✗")
		}
		w := libc.Columns(label) + 2
		if i > 0 {
			if used+w+3 > p.style.Columns-7 {
				p.line(7, line+" →")
				line, used = "", 0
			} else {
				line += " → "
				used += 3
			}
		}
		line += label + " " + mark
		used += w
	}
	p.line(7, line)
}

// field writes a name and what belongs to it, wrapped behind the name.
func (p *printer) field(name, s, color string) {
	label := p.word(name)
	column := 8
	if p.style.Lang == "en" {
		column = 10
	}
	p.wrapped(7, p.paint("2", label)+strings.Repeat(" ", max(column-libc.Columns(label), 1)), p.style.Columns, s, color)
}

// wrapped writes a text behind a lead, with the lines after the first indented
// as far.
func (p *printer) wrapped(indent int, lead string, cols int, s, color string) {
	at := indent + libc.Columns(unpainted(lead))
	for i, l := range Wrap(s, max(cols-at, 20)) {
		if color != "" {
			l = p.paint(color, l)
		}
		if i == 0 {
			p.line(indent, lead+l)
		} else {
			p.line(at, l)
		}
	}
}

// unpainted takes the colours out of a text.
func unpainted(s string) string {
	for {
		from := strings.Index(s, "\x1b[")
		if from < 0 {
			return s
		}
		to := strings.IndexByte(s[from:], 'm')
		if to < 0 {
			return s
		}
		s = s[:from] + s[from+to+1:]
	}
}
