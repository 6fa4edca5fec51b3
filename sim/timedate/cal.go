package timedate

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/wire/getdate"
)

const calUsage = `
Usage:
 cal [options] [[[day] month] year]
 cal [options] <timestamp|monthname>

Display a calendar, or some part of it.
Without any arguments, display the current month.

Options:
 -1, --one             show only a single month (default)
 -3, --three           show three months spanning the date
 -n, --months <num>    show num months starting with date's month
 -S, --span            span the date when displaying multiple months
 -s, --sunday          Sunday as first day of week
 -m, --monday          Monday as first day of week
 -j, --julian          output Julian dates
 -y, --year            show the whole year
 -Y, --twelve          show the next twelve months

 -h, --help            display this help
 -V, --version         display version

For more details see cal(1).
`

// calendar is what cal prints.
type calendar struct {
	monday, julian bool
	today          time.Time
	mark           bool // highlight today
}

// Cal is /usr/bin/cal (cal(1)).
func Cal(ctx context.Context, p *host.Proc) int {
	found, args, err := libc.Getopt(p.Args[1:], "13n:SsmjyYhV", []libc.LongOption{
		{Name: "one", Short: "1"}, {Name: "three", Short: "3"}, {Name: "months", Arg: libc.RequiredArgument, Short: "n"},
		{Name: "span", Short: "S"}, {Name: "sunday", Short: "s"}, {Name: "monday", Short: "m"}, {Name: "julian", Short: "j"},
		{Name: "year", Short: "y"}, {Name: "twelve", Short: "Y"}, {Name: "help", Short: "h"}, {Name: "version", Short: "V"},
	})
	fail := func(format string, args ...any) int {
		fmt.Fprintf(p.Stderr, "cal: "+format+"\n", args...)
		return 1
	}
	if err != nil {
		fail("%v", err)
		fmt.Fprintln(p.Stderr, "Try 'cal --help' for more information.")
		return 1
	}
	_, tty := libc.Terminal(p.Stdout)
	c := &calendar{today: libc.LocalTime(p), mark: tty}
	months, span, year := 1, false, false
	for _, o := range found {
		switch o.Name {
		case "1":
			months = 1
		case "3":
			months, span = 3, true
		case "n":
			n, err := strconv.Atoi(o.Value)
			if err != nil || n < 1 || n > 12000 {
				return fail("invalid month argument: '%s'", o.Value)
			}
			months = n
		case "S":
			span = true
		case "s":
			c.monday = false
		case "m":
			c.monday = true
		case "j":
			c.julian = true
		case "y":
			year = true
		case "Y":
			months = 12
		case "h":
			fmt.Fprint(p.Stdout, calUsage)
			return 0
		case "V":
			fmt.Fprintln(p.Stdout, "cal from util-linux 2.37.4")
			return 0
		}
	}
	y, m := c.today.Year(), int(c.today.Month())
	switch len(args) {
	case 0:
	case 1:
		if mm, ok := getdate.Month(strings.ToLower(args[0])); ok {
			m = mm
			break
		}
		v, err := strconv.Atoi(args[0])
		if err != nil {
			return fail("failed to parse timestamp or unknown month name: %s", args[0])
		}
		y, year = v, true
	case 2, 3:
		if len(args) == 3 {
			day, err := strconv.Atoi(args[0])
			if err != nil || day < 1 || day > 31 {
				return fail("illegal day value: use 1-%d", 31)
			}
			args = args[1:]
		}
		v, err := strconv.Atoi(args[0])
		if err != nil {
			var ok bool
			if v, ok = getdate.Month(strings.ToLower(args[0])); !ok {
				return fail("unknown month name: %s", args[0])
			}
		}
		if v < 1 || v > 12 {
			return fail("illegal month value: use 1-12")
		}
		m = v
		if y, err = strconv.Atoi(args[1]); err != nil {
			return fail("invalid year argument: '%s'", args[1])
		}
	default:
		fmt.Fprintln(p.Stderr, "cal: bad usage\nTry 'cal --help' for more information.")
		return 1
	}
	if y < 1 || y > 1<<31-1 {
		return fail("illegal year value: use positive integer")
	}
	if year {
		fmt.Fprint(p.Stdout, c.year(y))
		return 0
	}
	first := y*12 + m - 1
	if span {
		first -= months / 2
	}
	fmt.Fprint(p.Stdout, c.rows(first, months, true))
	return 0
}

// dayWidth is the width of a day's number.
func (c *calendar) dayWidth() int {
	if c.julian {
		return 3
	}
	return 2
}

func (c *calendar) width() int { return 7*(c.dayWidth()+1) - 1 }

// year prints a year, three months a row, two with day numbers of the year.
func (c *calendar) year(y int) string {
	perRow := 3
	if c.julian {
		perRow = 2
	}
	title := centre(strconv.Itoa(y), perRow*c.width()+(perRow-1)*2)
	return strings.TrimRight(title, " ") + "\n\n" + c.grid(y*12, 12, perRow, false)
}

// rows prints months in rows of three.
func (c *calendar) rows(first, n int, withYear bool) string {
	return c.grid(first, n, min(n, 3), withYear)
}

func (c *calendar) grid(first, n, perRow int, withYear bool) string {
	var b strings.Builder
	for at := 0; at < n; at += perRow {
		var blocks [][]string
		for i := at; i < min(at+perRow, n); i++ {
			blocks = append(blocks, c.month((first+i)/12, (first+i)%12+1, withYear))
		}
		for line := range blocks[0] {
			for i, bl := range blocks {
				if i > 0 {
					b.WriteString("  ")
				}
				b.WriteString(bl[line])
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// month returns the eight lines of a month, each as wide as the others.
func (c *calendar) month(y, m int, withYear bool) []string {
	w := c.dayWidth()
	title := time.Month(m).String()
	if withYear {
		title += " " + strconv.Itoa(y)
	}
	lines := []string{centre(title, c.width())}
	var names []string
	start := 0
	if c.monday {
		start = 1
	}
	for i := range 7 {
		names = append(names, fmt.Sprintf("%*s", w, time.Weekday((i + start) % 7).String()[:2]))
	}
	lines = append(lines, strings.Join(names, " "))
	day := 1 - (weekdayOf(y, m, 1)-start+7)%7
	last := daysIn(y, m)
	for range 6 {
		var cells []string
		for range 7 {
			cell := strings.Repeat(" ", w)
			if d := realDay(y, m, day); day >= 1 && day <= last && d > 0 {
				n := d
				if c.julian {
					n = yearDay(y, m, d)
				}
				cell = fmt.Sprintf("%*d", w, n)
				if c.mark && y == c.today.Year() && m == int(c.today.Month()) && d == c.today.Day() {
					cell = "\x1b[7m" + cell + "\x1b[27m"
				}
			}
			cells = append(cells, cell)
			day++
		}
		lines = append(lines, strings.Join(cells, " "))
	}
	return lines
}

// September 1752 has no days 3 to 13: cal follows the British Empire.
const (
	reformYear, reformMonth = 1752, 9
	reformFirst, reformGap  = 3, 11
)

// daysIn returns how many days a month shows.
func daysIn(y, m int) int {
	switch {
	case y == reformYear && m == reformMonth:
		return 30 - reformGap
	case m == 2 && leapYear(y):
		return 29
	case m == 2:
		return 28
	case m == 4 || m == 6 || m == 9 || m == 11:
		return 30
	}
	return 31
}

func leapYear(y int) bool {
	if y <= reformYear {
		return y%4 == 0
	}
	return y%4 == 0 && (y%100 != 0 || y%400 == 0)
}

// realDay returns the number of the n-th day that a month has.
func realDay(y, m, n int) int {
	if y == reformYear && m == reformMonth && n >= reformFirst {
		return n + reformGap
	}
	return n
}

func yearDay(y, m, d int) int {
	n := 0
	for i := 1; i < m; i++ {
		n += daysIn(y, i)
	}
	if y == reformYear && m == reformMonth && d >= reformFirst+reformGap {
		d -= reformGap
	}
	return n + d
}

// weekdayOf returns the day of the week, Sunday 0, in the calendar in use.
func weekdayOf(y, m, d int) int {
	a := (14 - m) / 12
	yy, mm := y+4800-a, m+12*a-3
	jdn := d + (153*mm+2)/5 + 365*yy + yy/4
	if y > reformYear || y == reformYear && (m > reformMonth || m == reformMonth && d >= reformFirst) {
		jdn += -yy/100 + yy/400 - 32045
	} else {
		jdn -= 32083
	}
	return (jdn + 1) % 7
}

func centre(s string, width int) string {
	left := (width - len(s)) / 2
	return fmt.Sprintf("%-*s", width, strings.Repeat(" ", max(left, 0))+s)
}
