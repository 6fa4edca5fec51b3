package timedate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
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
 -j, --julian          use day-of-year for all calendars
     --reform <val>    Gregorian reform date (1752|gregorian|iso|julian)
     --iso             alias for --reform=iso
 -y, --year            show the whole year
 -Y, --twelve          show the next twelve months
 -w, --week[=<num>]    show US or ISO-8601 week numbers
 -v, --vertical        show day vertically instead of line
     --color[=<when>]  colorize messages (auto, always or never)
                         colors are enabled by default

 -h, --help            display this help
 -V, --version         display version

For more details see cal(1).
`

// calRun is one run of cal.
type calRun struct {
	p        *host.Proc
	calendar *calendar
	months   int // how many; 0 is not said
	span     bool
	// year and twelve are -y and -Y: the months stand further apart, and those of
	// a year stand under its number.
	year, twelve bool
	week         int // the week that was asked for; 0 is none
}

// Cal is /usr/bin/cal (cal(1)).
func Cal(ctx context.Context, p *host.Proc) int {
	c := &calRun{p: p, calendar: newCalendar(localeOf(p.Getenv))}
	_, c.calendar.mark = libc.Terminal(p.Stdout)
	args, status, done := c.parse()
	if done {
		return status
	}
	if len(args) > 3 {
		return c.misused("bad usage")
	}
	first, problem := c.date(args, libc.LocalTime(p))
	if problem != "" {
		return c.fail("%s", problem)
	}
	fmt.Fprint(p.Stdout, c.page(first))
	return 0
}

func (c *calRun) fail(format string, args ...any) int {
	fmt.Fprintf(c.p.Stderr, "cal: "+format+"\n", args...)
	return 1
}

func (c *calRun) misused(format string, args ...any) int {
	c.fail(format, args...)
	fmt.Fprintln(c.p.Stderr, "Try 'cal --help' for more information.")
	return 1
}

// parse reads the options; done is the end of the program, with status.
func (c *calRun) parse() (args []string, status int, done bool) {
	found, args, err := libc.Getopt(c.p.Args[1:], "13mjn:sSywYvVh", []libc.LongOption{
		{Name: "one", Short: "1"}, {Name: "three", Short: "3"}, {Name: "sunday", Short: "s"}, {Name: "monday", Short: "m"},
		{Name: "julian", Short: "j"}, {Name: "months", Arg: libc.RequiredArgument, Short: "n"}, {Name: "span", Short: "S"},
		{Name: "year", Short: "y"}, {Name: "week", Arg: libc.OptionalArgument}, {Name: "color", Arg: libc.OptionalArgument},
		{Name: "reform", Arg: libc.RequiredArgument}, {Name: "iso"}, {Name: "version", Short: "V"}, {Name: "twelve", Short: "Y"},
		{Name: "help", Short: "h"}, {Name: "vertical", Short: "v"},
	})
	cal, exclusive := c.calendar, ""
	for _, o := range found {
		if strings.Contains("nyY", o.Name) {
			if exclusive != "" && exclusive != o.Name {
				return nil, c.fail("mutually exclusive arguments: --twelve --months --year"), true
			}
			exclusive = o.Name
		}
		switch o.Name {
		case "1":
			c.months = 1
		case "3":
			c.months, c.span = 3, true
		case "n":
			n, err := strconv.ParseUint(strings.TrimPrefix(o.Value, "-"), 10, 32)
			if err != nil && !errors.Is(err, strconv.ErrRange) {
				return nil, c.fail("invalid month argument: '%s'", o.Value), true
			} else if err != nil || strings.HasPrefix(o.Value, "-") {
				return nil, c.fail("invalid month argument: '%s': Numerical result out of range", o.Value), true
			}
			c.months = int(n)
		case "S":
			c.span = true
		case "s":
			cal.monday = false
		case "m":
			cal.monday = true
		case "j":
			cal.julian = true
		case "y":
			c.year = true
		case "Y":
			c.twelve = true
		case "v":
			cal.vertical = true
		case "w", "week":
			cal.weeks = true
			if !o.Given {
				break
			}
			n, err := strconv.Atoi(o.Value)
			if err != nil {
				return nil, c.fail("invalid week argument: '%s'", o.Value), true
			} else if n < 1 || n > 54 {
				return nil, c.fail("illegal week value: use 1-54"), true
			}
			c.week = n
		case "color":
			switch o.Value {
			case "never":
				cal.mark = false
			case "always":
				cal.mark = true
			case "auto", "":
			default:
				return nil, c.fail("unsupported color mode: '%s'", o.Value), true
			}
		case "iso":
			cal.reform = alwaysNew
		case "reform":
			switch o.Value {
			case "1752":
				cal.reform = britishReform
			case "gregorian", "iso":
				cal.reform = alwaysNew
			case "julian":
				cal.reform = alwaysOld
			default:
				return nil, c.fail("invalid --reform value: '%s'", o.Value), true
			}
		case "h":
			fmt.Fprint(c.p.Stdout, calUsage)
			return nil, 0, true
		case "V":
			fmt.Fprintln(c.p.Stdout, "cal from util-linux 2.37.4")
			return nil, 0, true
		}
	}
	if err != nil {
		return nil, c.misused("%v", err), true
	}
	return args, 0, false
}

// date returns the first month that the operands ask for, in months since the
// year 0. The day that is marked is today or the day that they name.
func (c *calRun) date(args []string, now time.Time) (first int, problem string) {
	cal := c.calendar
	cal.day, cal.dayMonth = now.Day(), now.Year()*12+int(now.Month())-1
	first = cal.dayMonth
	switch len(args) {
	case 1:
		if m, ok := cal.locale.month(args[0]); ok {
			return now.Year()*12 + m - 1, ""
		} else if args[0] == "" || strings.Trim(args[0], "0123456789") != "" {
			t, ok := parseTimestamp(args[0], now)
			// Unlike those of systemd, a span has units and seconds since 1970 mean nothing.
			if last := args[0][max(len(args[0])-1, 0):]; !ok || args[0][0] == '@' || strings.IndexByte("+-", args[0][0]) >= 0 && strings.Contains("0123456789", last) {
				return 0, "failed to parse timestamp or unknown month name: " + args[0]
			}
			cal.day, cal.dayMonth = t.Day(), t.Year()*12+int(t.Month())-1
			return cal.dayMonth, ""
		}
		y, problem := yearOperand(args[0])
		if problem != "" {
			return 0, problem
		}
		if c.week > 0 {
			return y*12 + cal.monthOfWeek(y, c.week) - 1, ""
		}
		c.year = c.year || c.months == 0
		return y*12 + int(now.Month()) - 1, ""
	case 2, 3:
		return c.dayMonthYear(args)
	}
	return first, ""
}

// dayMonthYear reads [day] month year.
func (c *calRun) dayMonthYear(args []string) (first int, problem string) {
	cal, day := c.calendar, 0
	if len(args) == 3 {
		var err error
		if day, err = strconv.Atoi(args[0]); err != nil {
			return 0, fmt.Sprintf("illegal day value: '%s'", args[0])
		} else if day < 1 || day > 31 {
			return 0, "illegal day value: use 1-31"
		}
		args = args[1:]
	}
	m, ok := cal.locale.month(args[0])
	if !ok {
		var err error
		if args[0] == "" || args[0][0] < '0' || args[0][0] > '9' {
			return 0, "unknown month name: " + args[0]
		} else if m, err = strconv.Atoi(args[0]); err != nil {
			return 0, fmt.Sprintf("illegal month value: use 1-12: '%s'", args[0])
		} else if m < 1 || m > 12 {
			return 0, "illegal month value: use 1-12"
		}
	}
	y, problem := yearOperand(args[1])
	if problem != "" {
		return 0, problem
	}
	if first = y*12 + m - 1; day > 0 {
		if n := monthDays(y, m); day > n {
			return 0, fmt.Sprintf("illegal day value: use 1-%d", n)
		}
		cal.day, cal.dayMonth = day, first
	}
	if c.week > 0 && cal.monthOfWeek(y, c.week) == 0 {
		return 0, fmt.Sprintf("illegal week value: year %d doesn't have week %d", y, c.week)
	}
	return first, ""
}

// monthDays are the days that a month may have, the missing ones of the reform
// included.
func monthDays(y, m int) int {
	if y == britishReform.year && m == britishReform.month {
		return 30
	}
	return britishReform.daysIn(y, m)
}

func yearOperand(text string) (year int, problem string) {
	y, err := strconv.ParseInt(strings.TrimLeft(text, " "), 10, 32)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, fmt.Sprintf("illegal year value: '%s': Numerical result out of range", text)
	case err != nil:
		return 0, fmt.Sprintf("illegal year value: '%s'", text)
	case y < 1:
		return 0, "illegal year value: use positive integer"
	case y == math.MaxInt32:
		return 0, "illegal year value"
	}
	return int(y), ""
}

// month finds a month by its name in the locale or a short form of it.
func (l *locale) month(name string) (int, bool) {
	for i := range l.months {
		if strings.EqualFold(name, l.months[i]) || strings.EqualFold(name, l.short[i]) {
			return i + 1, true
		}
	}
	return 0, false
}

// page lays out the months from first on.
func (c *calRun) page(first int) string {
	cal, n, title := c.calendar, c.months, ""
	if c.year || c.twelve {
		cal.gutter = 3
		if n == 0 {
			n = 12
		}
	}
	if c.year {
		first -= first % 12
		cal.bare = true
		title = fmt.Sprintf("%04d", first/12)
	}
	n = min(max(n, 1), maxMonths)
	if c.span {
		first -= n / 2
	}
	perRow := 3
	if term, tty := libc.Terminal(c.p.Stdout); tty {
		if _, columns := term.Size(); columns > 0 {
			perRow = min(max((columns-cal.width())/(cal.width()+cal.gutter)+1, 1), 3)
		}
	}
	if perRow = min(perRow, n); c.year {
		title = cal.centre(title, cal.rowWidth(perRow)) + "\n\n"
	}
	return title + cal.grid(first, n, perRow)
}

// maxMonths keeps what -n asks for printable.
const maxMonths = 120000
