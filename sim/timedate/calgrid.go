package timedate

import (
	"fmt"
	"strings"

	"enshu/sim/libc"
)

// calendar is how cal draws months.
type calendar struct {
	locale   locale
	reform   reform
	monday   bool // weeks begin with it
	julian   bool // days are numbered through the year
	weeks    bool // with their numbers
	vertical bool // a week is a column
	bare     bool // months are without their year
	gutter   int  // between two months
	// day of dayMonth, which is in months since the year 0, is marked.
	mark          bool
	day, dayMonth int
}

func newCalendar(l locale) *calendar { return &calendar{locale: l, reform: britishReform, gutter: 2} }

// cell is the width of a day's number.
func (c *calendar) cell() int {
	if c.julian {
		return 3
	}
	return 2
}

// width is that of a month in rows.
func (c *calendar) width() int {
	w := 7*(c.cell()+1) - 1
	if c.weeks {
		w += 3
	}
	return w
}

// rowWidth is that of the title of a year.
func (c *calendar) rowWidth(perRow int) int {
	if c.vertical {
		return perRow*c.width() + perRow - 1
	}
	return perRow*c.width() + (perRow-1)*c.gutter
}

// columnWidth is that of a month whose weeks are columns.
func (c *calendar) columnWidth() int { return 6 * (c.cell() + 1) }

// month is a month as it is drawn: six weeks of days, 0 where there is none.
type month struct {
	title string
	days  [6][7]string
	weeks [6]int
}

// month draws one; at is in months since the year 0.
func (c *calendar) month(at int) month {
	y, m := at/12, at%12+1
	out := month{title: c.locale.months[m-1]}
	if !c.bare {
		out.title += fmt.Sprintf(" %04d", y)
	}
	start := 0
	if c.monday {
		start = 1
	}
	n, last := 1-(c.reform.weekday(y, m, 1)-start+7)%7, c.reform.daysIn(y, m)
	for week := range out.days {
		for i := range out.days[week] {
			out.days[week][i] = strings.Repeat(" ", c.cell())
			if n >= 1 && n <= last {
				out.days[week][i] = c.dayCell(at, n)
				if out.weeks[week] == 0 {
					out.weeks[week] = c.reform.week(y, m, n, c.monday)
				}
			}
			n++
		}
	}
	return out
}

// dayCell is the n-th day of a month.
func (c *calendar) dayCell(at, n int) string {
	y, m := at/12, at%12+1
	d := c.reform.day(y, m, n)
	text := fmt.Sprintf("%2d", d)
	if c.julian {
		text = fmt.Sprintf("%3d", c.reform.yearDay(y, m, n))
	}
	if c.mark && at == c.dayMonth && d == c.day {
		return "\x1b[7m" + text + "\x1b[27m"
	}
	return text
}

// weekCell is the number of a week, or as much room.
func (c *calendar) weekCell(week int) string {
	if week == 0 {
		return "  "
	}
	return fmt.Sprintf("%2d", week)
}

// weekdays are the names of the days of the week, as wide as a day's number.
func (c *calendar) weekdays() []string {
	names := make([]string, 7)
	for i := range names {
		name := c.locale.shortDays[i]
		if !c.julian && len(name) == 3 && name[0] < 0x80 {
			name = name[:2]
		}
		if c.monday {
			i += 6
		}
		names[i%7] = strings.Repeat(" ", max(c.cell()-libc.Columns(name), 0)) + name
	}
	return names
}

// grid draws n months in rows of perRow.
func (c *calendar) grid(first, n, perRow int) string {
	var b strings.Builder
	for at := 0; at < n; at += perRow {
		row := make([]month, 0, perRow)
		for i := at; i < min(at+perRow, n); i++ {
			row = append(row, c.month(first+i))
		}
		if !c.vertical {
			c.lines(&b, row)
			continue
		}
		if at > 0 {
			b.WriteByte('\n')
		}
		c.columns(&b, row)
	}
	return b.String()
}

// lines draws months side by side, a week a line.
func (c *calendar) lines(b *strings.Builder, row []month) {
	gutter := strings.Repeat(" ", c.gutter)
	join := func(of func(m *month) string) {
		for i := range row {
			if i > 0 {
				b.WriteString(gutter)
			}
			b.WriteString(of(&row[i]))
		}
		b.WriteByte('\n')
	}
	number := func(text string) string {
		if !c.weeks {
			return ""
		}
		return text + " "
	}
	names := strings.Join(c.weekdays(), " ")
	join(func(m *month) string { return c.centre(m.title, c.width()) })
	join(func(*month) string { return number("  ") + names })
	for week := range 6 {
		join(func(m *month) string {
			return number(c.weekCell(m.weeks[week])) + strings.Join(m.days[week][:], " ")
		})
	}
}

// columns draws months side by side, a day of the week a line.
func (c *calendar) columns(b *strings.Builder, row []month) {
	b.WriteString(strings.Repeat(" ", c.cell()+2))
	for _, m := range row {
		b.WriteString(m.title + strings.Repeat(" ", max(c.columnWidth()+1-libc.Columns(m.title), 0)))
	}
	b.WriteByte('\n')
	line := func(head string, of func(m *month, week int) string) {
		b.WriteString(head)
		for i := range row {
			if i > 0 {
				b.WriteByte(' ')
			}
			for week := range 6 {
				b.WriteString(" " + of(&row[i], week))
			}
		}
		b.WriteByte('\n')
	}
	for i, name := range c.weekdays() {
		line(strings.TrimLeft(name, " "), func(m *month, week int) string { return m.days[week][i] })
	}
	if c.weeks {
		line(strings.Repeat(" ", c.cell()), func(m *month, week int) string {
			return strings.Repeat(" ", c.cell()-2) + c.weekCell(m.weeks[week])
		})
	}
}

// monthOfWeek returns the first month of a year that has days of a week, 0 when
// none has.
func (c *calendar) monthOfWeek(y, week int) int {
	for m := 1; m <= 12; m++ {
		for n := 1; n <= c.reform.daysIn(y, m); n++ {
			if c.reform.week(y, m, n, c.monday) == week && (m > 1 || week < 50) {
				return m
			}
		}
	}
	return 0
}

func (c *calendar) centre(s string, width int) string {
	free := max(width-libc.Columns(s), 0)
	return strings.Repeat(" ", (free+1)/2) + s + strings.Repeat(" ", free/2)
}
