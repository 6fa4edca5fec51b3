package timedate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/trace"
	"enshu/sim/wire/getdate"
)

const dateUsage = `Usage: date [OPTION]... [+FORMAT]
  or:  date [-u|--utc|--universal] [MMDDhhmm[[CC]YY][.ss]]
Display date and time in the given FORMAT.
With -s, or with [MMDDhhmm[[CC]YY][.ss]], set the date and time.

  -d, --date=STRING          display time described by STRING, not 'now'
  -I[FMT], --iso-8601[=FMT]  output date/time in ISO 8601 format
                               (date, hours, minutes, seconds, ns)
  -R, --rfc-email            output date and time in RFC 5322 format
      --rfc-3339=FMT         output date/time in RFC 3339 format (date, seconds, ns)
  -r, --reference=FILE       display the last modification time of FILE
  -s, --set=STRING           set time described by STRING
  -u, --utc, --universal     print or set Coordinated Universal Time (UTC)
      --help                 display this help and exit
      --version              output version information and exit
`

var isoFormats = []struct{ name, format string }{
	{"hours", "%Y-%m-%dT%H%:z"}, {"minutes", "%Y-%m-%dT%H:%M%:z"}, {"date", "%Y-%m-%d"},
	{"seconds", "%Y-%m-%dT%H:%M:%S%:z"}, {"ns", "%Y-%m-%dT%H:%M:%S,%N%:z"},
}

var rfc3339Formats = []struct{ name, format string }{
	{"date", "%Y-%m-%d"}, {"seconds", "%Y-%m-%d %H:%M:%S%:z"}, {"ns", "%Y-%m-%d %H:%M:%S.%N%:z"},
}

// Date is /usr/bin/date (date(1)).
func Date(ctx context.Context, p *host.Proc) int {
	l := localeOf(p.Getenv)
	quote := l.quote
	complain := func(format string, args ...any) int {
		fmt.Fprintf(p.Stderr, "date: "+format+"\n", args...)
		return 1
	}
	try := func() int {
		fmt.Fprintln(p.Stderr, "Try 'date --help' for more information.")
		return 1
	}
	found, operands, err := libc.Getopt(p.Args[1:], "d:f:I::r:Rs:u", []libc.LongOption{
		{Name: "date", Arg: libc.RequiredArgument, Short: "d"}, {Name: "reference", Arg: libc.RequiredArgument, Short: "r"},
		{Name: "file", Arg: libc.RequiredArgument, Short: "f"}, {Name: "set", Arg: libc.RequiredArgument, Short: "s"}, {Name: "utc", Short: "u"}, {Name: "universal", Short: "u"}, {Name: "uct", Short: "u"},
		{Name: "iso-8601", Arg: libc.OptionalArgument, Short: "I"}, {Name: "rfc-3339", Arg: libc.RequiredArgument},
		{Name: "rfc-email", Short: "R"}, {Name: "rfc-822", Short: "R"}, {Name: "rfc-2822", Short: "R"}, {Name: "resolution"}, {Name: "help"}, {Name: "version"},
	})
	zone := libc.Zone(p)
	var text, format, set, reference, file string
	var haveText, haveSet, haveFormat, resolution bool
	ways, formats := 0, 0
	for _, o := range found {
		switch o.Name {
		case "help":
			fmt.Fprint(p.Stdout, dateUsage)
			return 0
		case "version":
			fmt.Fprintln(p.Stdout, "date (GNU coreutils) 8.32")
			return 0
		case "u":
			zone = time.UTC
		case "d":
			text, haveText = o.Value, true
			ways++
		case "r":
			reference = o.Value
			ways++
		case "f":
			file = o.Value
			ways++
		case "s":
			set, haveSet = o.Value, true
		case "R":
			format, haveFormat = "%a, %d %b %Y %H:%M:%S %z", true
			formats++
			c := localeOf(func(string) string { return "" })
			l.shortDays, l.short = c.shortDays, c.short
		case "I", "rfc-3339":
			table := isoFormats
			flag := "--iso-8601"
			if o.Name == "rfc-3339" {
				table, flag = rfc3339Formats, "--rfc-3339"
			}
			value := o.Value
			if !o.Given && o.Name == "I" {
				value = "date"
			}
			f, ok := choose(table, value)
			if !ok {
				fmt.Fprintf(p.Stderr, "date: invalid argument %s for %s\nValid arguments are:\n", quote(value), quote(flag))
				for _, e := range table {
					fmt.Fprintf(p.Stderr, "  - %s\n", quote(e.name))
				}
				return try()
			}
			format, haveFormat = f, true
			formats++
		case "resolution":
			resolution = true
			ways++
		}
		if formats > 1 {
			return complain("multiple output formats specified")
		}
	}
	if err != nil {
		complain("%v", err)
		return try()
	}
	if ways > 1 {
		complain("the options to specify dates for printing are mutually exclusive")
		return try()
	}
	if haveSet && ways > 0 {
		complain("the options to print and set the time may not be used together")
		return try()
	}
	if len(operands) > 1 {
		complain("extra operand %s", quote(operands[1]))
		return try()
	}
	if len(operands) == 1 {
		f, isFormat := strings.CutPrefix(operands[0], "+")
		switch {
		case isFormat && haveFormat:
			return complain("multiple output formats specified")
		case isFormat:
			format, haveFormat = f, true
		case haveSet || ways > 0:
			complain("the argument %s lacks a leading '+';\nwhen using an option to specify date(s), any non-option\nargument must be a format string beginning with '+'", quote(operands[0]))
			return try()
		}
		if !isFormat {
			t, ok := parsePosix(operands[0], p.Now().In(zone))
			if !ok {
				return complain("invalid date %s", quote(operands[0]))
			}
			return setAndPrint(p, &l, t, l.full)
		}
	}
	if !haveFormat {
		format = l.full
	}
	now := p.Now().In(zone)
	switch {
	case haveSet:
		t, ok := getdate.Parse(set, now)
		if !ok {
			return complain("invalid date %s", quote(set))
		}
		return setAndPrint(p, &l, t, format)
	case haveText:
		t, ok := getdate.Parse(text, now)
		if !ok {
			return complain("invalid date %s", quote(text))
		}
		now = t
	case reference != "":
		info, err := p.Sys.Stat(libc.Abs(p, reference))
		if err != nil {
			return complain("%s: %s", reference, libc.Strerror(err))
		}
		now = info.ModTime().In(zone)
	case file != "":
		return dateFile(p, &l, file, now, format, complain)
	case resolution:
		// The clock's readings are nanoseconds.
		if format == l.full {
			format = "%s.%N"
		}
		now = time.Unix(0, 1).In(zone)
	}
	fmt.Fprintln(p.Stdout, l.format(now, format))
	return 0
}

// dateFile prints the dates of the lines of a file; "-" is standard input.
func dateFile(p *host.Proc, l *locale, name string, now time.Time, format string, complain func(string, ...any) int) int {
	var data []byte
	var err error
	if name == "-" {
		data, err = io.ReadAll(p.Stdin)
	} else {
		data, err = libc.ReadFile(p, libc.Abs(p, name))
	}
	if err != nil {
		return complain("%s: %s", name, libc.Strerror(err))
	}
	status := 0
	for _, line := range libc.Lines(data) {
		t, ok := getdate.Parse(line, now)
		if !ok {
			status = complain("invalid date %s", l.quote(line))
			continue
		}
		fmt.Fprintln(p.Stdout, l.format(t, format))
	}
	return status
}

// choose finds a name or an unambiguous beginning of it.
func choose(table []struct{ name, format string }, name string) (string, bool) {
	var hit string
	n := 0
	for _, e := range table {
		if e.name == name {
			return e.format, true
		}
		if strings.HasPrefix(e.name, name) {
			hit = e.format
			n++
		}
	}
	return hit, n == 1 && name != ""
}

// setAndPrint sets the clock and prints the new time, also when that was not
// allowed.
func setAndPrint(p *host.Proc, l *locale, t time.Time, format string) int {
	status := 0
	err := setClock(p, t, "date")
	fmt.Fprintln(p.Stdout, l.format(t, format))
	if err != nil {
		fmt.Fprintf(p.Stderr, "date: cannot set date: %v\n", err)
		status = 1
	}
	return status
}

var errPermission = errors.New("Operation not permitted") //nolint:staticcheck // the C library's words

// setClock sets the system clock (settimeofday(2)), which only root may.
func setClock(p *host.Proc, t time.Time, reason string) error {
	if p.UID != 0 {
		return errPermission
	}
	by := t.Sub(p.Now())
	p.Clock.Set(t)
	p.Emit(trace.ClockStepped, trace.Attrs{"by": fmt.Sprintf("%.9f", by.Seconds()), "reason": reason})
	return nil
}

// parsePosix reads MMDDhhmm[[CC]YY][.ss].
func parsePosix(s string, now time.Time) (time.Time, bool) {
	digits, secs, haveSecs := strings.Cut(s, ".")
	for _, c := range digits + secs {
		if c < '0' || c > '9' {
			return time.Time{}, false
		}
	}
	if haveSecs && len(secs) != 2 {
		return time.Time{}, false
	}
	two := func(i int) int { return int(digits[i]-'0')*10 + int(digits[i+1]-'0') }
	year := now.Year()
	switch len(digits) {
	case 8:
	case 10:
		year = 1900 + two(8)
		if two(8) < 69 {
			year += 100
		}
	case 12:
		year = two(8)*100 + two(10)
	default:
		return time.Time{}, false
	}
	sec := 0
	if haveSecs {
		sec = int(secs[0]-'0')*10 + int(secs[1]-'0')
	}
	month, day, hour, minute := two(0), two(2), two(4), two(6)
	if month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || sec > 60 {
		return time.Time{}, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, sec, 0, now.Location())
	return t, t.Day() == day
}
