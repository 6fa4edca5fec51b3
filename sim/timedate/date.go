package timedate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
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

// namedFormat is a format that an option has a name for.
type namedFormat struct{ name, format string }

var isoFormats = []namedFormat{
	{"hours", "%Y-%m-%dT%H%:z"}, {"minutes", "%Y-%m-%dT%H:%M%:z"}, {"date", "%Y-%m-%d"},
	{"seconds", "%Y-%m-%dT%H:%M:%S%:z"}, {"ns", "%Y-%m-%dT%H:%M:%S,%N%:z"},
}

var rfc3339Formats = []namedFormat{
	{"date", "%Y-%m-%d"}, {"seconds", "%Y-%m-%d %H:%M:%S%:z"}, {"ns", "%Y-%m-%d %H:%M:%S.%N%:z"},
}

// dateRun is one run of date.
type dateRun struct {
	p      *host.Proc
	locale locale
	zone   *time.Location
	format string
	// formatted is set when format counts, not the locale's own.
	formatted bool
	// What to print or to set, by the option's letter; "resolution" is one too.
	options  map[string]string
	operands []string
}

// Date is /usr/bin/date (date(1)).
func Date(ctx context.Context, p *host.Proc) int {
	d := &dateRun{p: p, locale: localeOf(p.Getenv), zone: libc.Zone(p), options: map[string]string{}}
	if status, done := d.parse(); done {
		return status
	}
	return d.run()
}

func (d *dateRun) complain(format string, args ...any) int {
	fmt.Fprintf(d.p.Stderr, "date: "+format+"\n", args...)
	return 1
}

// misused complains and points to --help.
func (d *dateRun) misused(format string, args ...any) int {
	d.complain(format, args...)
	fmt.Fprintln(d.p.Stderr, "Try 'date --help' for more information.")
	return 1
}

// parse reads the command line; done is the end of the program, with status.
func (d *dateRun) parse() (status int, done bool) {
	p := d.p
	found, operands, err := libc.Getopt(p.Args[1:], "d:f:I::r:Rs:u", []libc.LongOption{
		{Name: "date", Arg: libc.RequiredArgument, Short: "d"}, {Name: "debug"}, {Name: "reference", Arg: libc.RequiredArgument, Short: "r"},
		{Name: "file", Arg: libc.RequiredArgument, Short: "f"}, {Name: "set", Arg: libc.RequiredArgument, Short: "s"}, {Name: "utc", Short: "u"}, {Name: "universal", Short: "u"}, {Name: "uct", Short: "u"},
		{Name: "iso-8601", Arg: libc.OptionalArgument, Short: "I"}, {Name: "rfc-3339", Arg: libc.RequiredArgument},
		{Name: "rfc-email", Short: "R"}, {Name: "rfc-822", Short: "R"}, {Name: "rfc-2822", Short: "R"}, {Name: "resolution"}, {Name: "help"}, {Name: "version"},
	})
	formats := 0
	for _, o := range found {
		switch o.Name {
		case "help":
			fmt.Fprint(p.Stdout, dateUsage)
			return 0, true
		case "version":
			fmt.Fprintln(p.Stdout, "date (GNU coreutils) 8.32")
			return 0, true
		case "u":
			d.zone = time.UTC
		case "d", "r", "f", "s", "resolution":
			d.options[o.Name] = o.Value
		case "R":
			formats++
			d.format = "%a, %d %b %Y %H:%M:%S %z"
			c := localeOf(func(string) string { return "" })
			d.locale.shortDays, d.locale.short = c.shortDays, c.short
		case "I", "rfc-3339":
			formats++
			table, flag, value := isoFormats, "--iso-8601", o.Value
			if o.Name == "rfc-3339" {
				table, flag = rfc3339Formats, "--rfc-3339"
			} else if !o.Given {
				value = "date"
			}
			var ok bool
			if d.format, ok = choose(table, value); !ok {
				return d.badChoice(table, value, flag), true
			}
		}
		if d.formatted = formats > 0; formats > 1 {
			return d.complain("multiple output formats specified"), true
		}
	}
	if err != nil {
		return d.misused("%v", err), true
	}
	_, set := d.options["s"]
	ways := len(d.options)
	if set {
		ways--
	}
	switch {
	case ways > 1:
		return d.misused("the options to specify dates for printing are mutually exclusive"), true
	case set && ways > 0:
		return d.misused("the options to print and set the time may not be used together"), true
	case len(operands) > 1:
		return d.misused("extra operand %s", d.locale.quote(operands[1])), true
	case len(operands) == 0:
		return 0, false
	}
	format, isFormat := strings.CutPrefix(operands[0], "+")
	switch {
	case isFormat && formats > 0:
		return d.complain("multiple output formats specified"), true
	case isFormat:
		d.format, d.formatted = format, true
	case set || ways > 0:
		return d.misused("the argument %s lacks a leading '+';\nwhen using an option to specify date(s), any non-option\nargument must be a format string beginning with '+'", d.locale.quote(operands[0])), true
	default:
		d.operands = operands
	}
	return 0, false
}

// badChoice complains of the argument of an option that takes one of some names.
func (d *dateRun) badChoice(table []namedFormat, value, flag string) int {
	problem := "invalid"
	if slices.ContainsFunc(table, func(e namedFormat) bool { return strings.HasPrefix(e.name, value) }) {
		problem = "ambiguous" // a name that began only one would have been it
	}
	d.complain("%s argument %s for %s", problem, d.locale.quote(value), d.locale.quote(flag))
	fmt.Fprintln(d.p.Stderr, "Valid arguments are:")
	for _, e := range table {
		fmt.Fprintf(d.p.Stderr, "  - %s\n", d.locale.quote(e.name))
	}
	fmt.Fprintln(d.p.Stderr, "Try 'date --help' for more information.")
	return 1
}

// run prints or sets the time that the command line says.
func (d *dateRun) run() int {
	now := d.p.Now().In(d.zone)
	if len(d.operands) > 0 {
		t, ok := parsePosix(d.operands[0], now)
		if !ok {
			return d.complain("invalid date %s", d.locale.quote(d.operands[0]))
		}
		return d.set(t)
	}
	for option, value := range d.options { // there is one at most
		switch option {
		case "s":
			t, ok := getdate.Parse(value, now)
			if !ok {
				return d.complain("invalid date %s", d.locale.quote(value))
			}
			return d.set(t)
		case "d":
			t, ok := getdate.Parse(value, now)
			if !ok {
				return d.complain("invalid date %s", d.locale.quote(value))
			}
			now = t
		case "r":
			info, err := d.p.Sys.Stat(libc.Abs(d.p, value))
			if err != nil {
				return d.complain("%s: %s", shellQuoted(value), libc.Strerror(err))
			}
			now = info.ModTime().In(d.zone)
		case "f":
			return d.file(value, now)
		case "resolution":
			// The clock's readings are nanoseconds.
			if !d.formatted {
				d.format, d.formatted = "%s.%N", true
			}
			now = time.Unix(0, 1).In(d.zone)
		}
	}
	return d.print(now)
}

// The times whose year the C library can hold (struct tm), in seconds of local
// time since 1970.
const (
	firstLocalSecond = -67768040609740800
	lastLocalSecond  = 67768036191676799
)

// print prints a time in the format that was asked for.
func (d *dateRun) print(t time.Time) int {
	_, east := t.Zone()
	if s := t.Unix() + int64(east); s < firstLocalSecond || s > lastLocalSecond {
		return d.complain("time %s is out of range", d.locale.quote(strconv.FormatInt(t.Unix(), 10)))
	}
	if !d.formatted {
		d.format = d.locale.full
	}
	fmt.Fprintln(d.p.Stdout, d.locale.format(t, d.format))
	return 0
}

// file prints the dates of the lines of a file; "-" is standard input.
func (d *dateRun) file(name string, now time.Time) int {
	var data []byte
	var err error
	if name == "-" {
		data, err = io.ReadAll(d.p.Stdin)
	} else {
		data, err = libc.ReadFile(d.p, libc.Abs(d.p, name))
	}
	if err != nil {
		return d.complain("%s: %s", shellQuoted(name), libc.Strerror(err))
	}
	status := 0
	for _, line := range libc.Lines(data) {
		t, ok := getdate.Parse(line, now)
		if !ok {
			status = d.complain("invalid date %s", d.locale.quote(line))
			continue
		}
		status |= d.print(t)
	}
	return status
}

// set sets the clock and prints the new time, also when that was not allowed.
func (d *dateRun) set(t time.Time) int {
	status := 0
	if err := setClock(d.p, t, "date"); err != nil {
		status = d.complain("cannot set date: %v", err)
	}
	return status | d.print(t)
}

// shellQuoted is a file name as a message shows it: in quotes when a shell would
// need them.
func shellQuoted(name string) string {
	if name != "" && !strings.ContainsAny(name, " \t\n!\"#$&'()*;<=>?[\\]^`{|}~") {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}

// choose finds a name or an unambiguous beginning of it.
func choose(table []namedFormat, name string) (string, bool) {
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
	return hit, n == 1
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
