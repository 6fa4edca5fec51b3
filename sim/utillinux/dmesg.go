package utillinux

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// timeFormat is how dmesg shows the time of a record.
type timeFormat int

const (
	secondsTime timeFormat = iota // [    1.000000]
	ctimeTime                     // -T
	noTime                        // -t
	deltaTime                     // --time-format=delta
	relTime                       // -e, -H
	isoTime
)

var timeFormats = []struct {
	name   string
	format timeFormat
}{{"delta", deltaTime}, {"reltime", relTime}, {"ctime", ctimeTime}, {"notime", noTime}, {"iso", isoTime}}

// facilities and levels that dmesg knows; a record of another facility has no
// names.
var (
	facilityNames = []string{"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"}
	levelNames    = []string{"emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"}
)

// levelColors are the colours of the text of a record.
var levelColors = map[int]string{
	1: "\x1b[7m\x1b[31m", 2: "\x1b[1m\x1b[31m", 3: "\x1b[31m", 4: "\x1b[1m",
}

const (
	timeColor      = "\x1b[32m"
	breakColor     = "\x1b[32m\x1b[1m"
	subsystemColor = "\x1b[33m"
	segfaultColor  = "\x1b[2m\x1b[31m"
	noColor        = "\x1b[0m"
)

// dmesg is one run of dmesg(1).
type dmesg struct {
	format     timeFormat
	delta      bool // -d
	decode     bool
	raw        bool
	color      bool
	noescape   bool
	json       bool
	prefixAll  bool // -p
	levels     map[int]bool
	facilities map[int]bool
	boot       time.Time // when the time of records began, in the host's zone
	since      time.Time
	until      time.Time

	last     time.Duration // of the record before
	lastAt   time.Time
	printed  bool
	jsonOpen bool
}

var dmesgLong = []libc.LongOption{
	{Name: "clear", Short: "C"}, {Name: "read-clear", Short: "c"}, {Name: "console-off", Short: "D"}, {Name: "console-on", Short: "E"},
	{Name: "file", Short: "F", Arg: libc.RequiredArgument}, {Name: "facility", Short: "f", Arg: libc.RequiredArgument},
	{Name: "human", Short: "H"}, {Name: "json", Short: "J"}, {Name: "kernel", Short: "k"},
	{Name: "color", Short: "L", Arg: libc.OptionalArgument}, {Name: "level", Short: "l", Arg: libc.RequiredArgument},
	{Name: "console-level", Short: "n", Arg: libc.RequiredArgument}, {Name: "nopager", Short: "P"}, {Name: "force-prefix", Short: "p"},
	{Name: "raw", Short: "r"}, {Name: "noescape"}, {Name: "syslog", Short: "S"}, {Name: "buffer-size", Short: "s", Arg: libc.RequiredArgument},
	{Name: "userspace", Short: "u"}, {Name: "follow", Short: "w"}, {Name: "follow-new", Short: "W"}, {Name: "decode", Short: "x"},
	{Name: "show-delta", Short: "d"}, {Name: "reltime", Short: "e"}, {Name: "ctime", Short: "T"}, {Name: "notime", Short: "t"},
	{Name: "time-format", Arg: libc.RequiredArgument}, {Name: "since", Arg: libc.RequiredArgument}, {Name: "until", Arg: libc.RequiredArgument},
	{Name: "help", Short: "h"}, {Name: "version", Short: "V"},
}

// dmesgExclusive are options that do not go together.
var dmesgExclusive = [][]string{
	{"C", "D", "E", "c", "n", "r"}, {"H", "r"}, {"L", "r"}, {"S", "w", "W"}, {"T", "r"}, {"d", "r"}, {"e", "r"}, {"r", "x"}, {"r", "t"},
}

// Dmesg is /usr/bin/dmesg: it shows and controls the kernel's ring buffer.
func Dmesg(ctx context.Context, p *host.Proc) int {
	fail := func(format string, args ...any) int {
		fmt.Fprintf(p.Stderr, "dmesg: "+format+"\n", args...)
		return 1
	}
	given, operands, err := libc.Getopt(p.Args[1:], "CcDdEeF:f:HhJkL::l:n:iPprSs:TtuVWwx", dmesgLong)
	if err != nil {
		fail("%s", err)
		fmt.Fprintln(p.Stderr, "Try 'dmesg --help' for more information.")
		return 1
	}
	if row := exclusive(given, dmesgExclusive, dmesgLong); row != "" {
		return fail("mutually exclusive arguments:%s", row)
	}
	d := &dmesg{}
	var file, console string
	var action, follow byte
	human, nopager := false, false
	_, terminal := libc.Terminal(p.Stdout)
	d.color = terminal
	for _, o := range given {
		switch o.Name {
		case "C", "c", "D", "E":
			action = o.Name[0]
		case "n":
			action, console = 'n', o.Value
		case "d":
			d.delta = true
		case "e":
			d.format = relTime
		case "T":
			d.format = ctimeTime
		case "t":
			d.format = noTime
		case "H":
			d.format, human = relTime, true
		case "F":
			file = o.Value
		case "f":
			if bad := choose(&d.facilities, o.Value, facilityNames); bad != "" {
				return fail("unknown facility '%s'", bad)
			}
		case "l":
			if bad := choose(&d.levels, o.Value, levelNames); bad != "" {
				return fail("unknown level '%s'", bad)
			}
		case "k":
			choose(&d.facilities, "kern", facilityNames)
		case "u":
			choose(&d.facilities, strings.Join(facilityNames[1:], ","), facilityNames)
		case "J":
			d.json = true
		case "L":
			switch strings.TrimPrefix(o.Value, "=") {
			case "", "always":
				d.color = true
			case "never":
				d.color = false
			case "auto":
				d.color = terminal
			default:
				return fail("unsupported color mode: '%s'", o.Value)
			}
		case "P":
			nopager = true
		case "p":
			d.prefixAll = true
		case "r":
			d.raw = true
		case "noescape":
			d.noescape = true
		case "s":
			if n, err := strconv.Atoi(o.Value); err != nil || n < 0 {
				return fail("invalid buffer size argument: '%s'", o.Value)
			}
		case "w", "W":
			follow = o.Name[0]
		case "x":
			d.decode = true
		case "time-format":
			i := slices.IndexFunc(timeFormats, func(f struct {
				name   string
				format timeFormat
			}) bool {
				return f.name == o.Value
			})
			if i < 0 {
				return fail("unknown time format: %s", o.Value)
			}
			d.format = timeFormats[i].format
		case "since", "until":
			t, ok := parseTime(o.Value, libc.LocalTime(p))
			if !ok {
				return fail("invalid time value \"%s\"", o.Value)
			}
			if o.Name == "since" {
				d.since = t
			} else {
				d.until = t
			}
		case "h":
			io.WriteString(p.Stdout, dmesgHelp)
			return 0
		case "V":
			fmt.Fprintln(p.Stdout, "dmesg from util-linux 2.38.1")
			return 0
		}
	}
	if len(operands) > 0 {
		fmt.Fprintln(p.Stderr, "dmesg: bad usage\nTry 'dmesg --help' for more information.")
		return 1
	}
	if d.json {
		d.color = false
	}
	k := p.Host.Kmsg
	d.boot = p.Now().Add(-k.Uptime()).Truncate(time.Second).In(libc.Zone(p))
	if file != "" {
		text, err := libc.ReadFile(p, libc.Abs(p, file))
		if err != nil {
			return fail("cannot open %s: %s", file, libc.Strerror(err))
		}
		return d.page(ctx, p, human && terminal && !nopager, func(w io.Writer) { d.file(w, string(text)) })
	}
	if p.UID != 0 {
		// The ring buffer is for root (kernel.dmesg_restrict).
		if action == 'n' || action == 'D' || action == 'E' || action == 'C' {
			return fail("klogctl failed: Operation not permitted")
		}
		return fail("read kernel buffer failed: Operation not permitted")
	}
	switch action {
	case 'C':
		k.Clear()
		return 0
	case 'D', 'E':
		return 0 // there is no console
	case 'n':
		if !slices.Contains(levelNames, console) {
			if n, err := strconv.Atoi(console); err != nil || n < 1 || n > 8 {
				return fail("unknown level '%s'", console)
			}
		}
		return 0
	}
	if follow != 0 {
		return d.follow(ctx, p, follow == 'W')
	}
	records := k.Since(k.Cleared())
	status := d.page(ctx, p, human && terminal && !nopager, func(w io.Writer) { d.ring(w, records) })
	if action == 'c' {
		k.Clear()
	}
	return status
}

// exclusive returns the long names of a row of options of which two were given.
func exclusive(given []libc.Option, rows [][]string, long []libc.LongOption) string {
	for _, row := range rows {
		seen := ""
		for _, o := range given {
			if !slices.Contains(row, o.Name) || o.Name == seen {
				continue
			}
			if seen == "" {
				seen = o.Name
				continue
			}
			names := ""
			for _, short := range row {
				for _, l := range long {
					if l.Short == short {
						names += " --" + l.Name
					}
				}
			}
			return names
		}
	}
	return ""
}

// choose adds the named values of a list to a set; it returns a name that is unknown.
func choose(set *map[int]bool, list string, names []string) (bad string) {
	if *set == nil {
		*set = map[int]bool{}
	}
	for _, name := range strings.Split(list, ",") {
		i := slices.Index(names, name)
		if i < 0 {
			return name
		}
		(*set)[i] = true
	}
	return ""
}

// page writes output, through the pager on a terminal.
func (d *dmesg) page(ctx context.Context, p *host.Proc, pager bool, write func(io.Writer)) int {
	var out bytes.Buffer
	write(&out)
	if pager {
		command := p.Getenv("PAGER")
		if command == "" {
			command = "less -FRSX"
		}
		child, err := p.Start(host.Cmd{Path: "/bin/sh", Args: []string{"sh", "-c", command}, Stdin: bytes.NewReader(out.Bytes()), Stdout: p.Stdout, Stderr: p.Stderr})
		if err == nil {
			// However the pager ended, dmesg itself did its work.
			_, _ = child.Wait(ctx)
			return 0
		}
	}
	if _, err := p.Stdout.Write(out.Bytes()); err != nil {
		fmt.Fprintf(p.Stderr, "dmesg: write failed: %s\n", libc.Strerror(err))
		return 1
	}
	return 0
}

// follow shows what the buffer has, unless onlyNew, and then what comes.
func (d *dmesg) follow(ctx context.Context, p *host.Proc, onlyNew bool) int {
	k := p.Host.Kmsg
	next := k.Cleared()
	if onlyNew {
		next = k.Next()
	}
	for {
		records := k.Since(next)
		var out bytes.Buffer
		for _, r := range records {
			d.record(&out, recordOf(r))
			next = r.Seq + 1
		}
		if _, err := p.Stdout.Write(out.Bytes()); err != nil {
			return 1
		}
		if k.Wait(ctx, next) != nil {
			return 0
		}
	}
}

func (d *dmesg) ring(w io.Writer, records []host.KmsgRecord) {
	for _, r := range records {
		d.record(w, recordOf(r))
	}
	d.closeJSON(w)
}

// message is a record as dmesg sees it.
type message struct {
	priority int // -1: the line had none
	at       time.Duration
	text     string
	rest     string // of a file, from the text on
}

func recordOf(r host.KmsgRecord) message { return message{r.Priority, r.At, r.Text, r.Text} }

// file shows the records of a file as /dev/kmsg's older sister writes them.
func (d *dmesg) file(w io.Writer, text string) {
	if d.raw && d.levels == nil && d.facilities == nil {
		io.WriteString(w, text)
		return
	}
	d.prefixAll = false // it is for the buffer only
	for _, m := range parseRing(text) {
		d.record(w, m)
	}
	d.closeJSON(w)
}

// parseRing splits "<6>[    1.000000] text" lines; lines without the priority
// belong to the record before (syslog(2)).
func parseRing(text string) []message {
	var all []message
	at := 0
	for _, line := range libc.Lines([]byte(text)) {
		next := min(at+len(line)+1, len(text))
		start := at
		at = next
		priority, rest, ok := cutPriority(line)
		if !ok {
			if n := len(all); n > 0 {
				all[n-1].text += "\n" + line
			} else {
				all = append(all, message{-1, 0, line, text[start:]})
			}
			continue
		}
		m := message{priority: priority, text: rest}
		if at, rest, ok := cutTime(rest); ok {
			m.at, m.text = at, rest
		}
		m.rest = text[min(start+len(line)-len(m.text), len(text)):]
		all = append(all, m)
	}
	return all
}

func cutPriority(line string) (int, string, bool) {
	body, ok := strings.CutPrefix(line, "<")
	if !ok {
		return 0, line, false
	}
	number, rest, ok := strings.Cut(body, ">")
	n, err := strconv.Atoi(number)
	return n, rest, ok && err == nil && n >= 0
}

// cutTime reads "[    1.000000] "; what stands behind the point are
// microseconds, however many digits there are.
func cutTime(s string) (time.Duration, string, bool) {
	body, ok := strings.CutPrefix(s, "[")
	if !ok {
		return 0, s, false
	}
	stamp, rest, ok := strings.Cut(body, "]")
	if !ok {
		return 0, s, false
	}
	sec, usec, ok := strings.Cut(strings.TrimLeft(stamp, " "), ".")
	s1, err1 := strconv.ParseUint(sec, 10, 32)
	s2, err2 := strconv.ParseUint(usec, 10, 32)
	if !ok || err1 != nil || err2 != nil {
		return 0, s, false
	}
	return time.Duration(s1)*time.Second + time.Duration(s2)*time.Microsecond, strings.TrimPrefix(rest, " "), true
}

// wanted applies the filters.
func (d *dmesg) wanted(m message) bool {
	if d.facilities != nil && (m.priority < 0 || !d.facilities[m.priority>>3]) {
		return false
	}
	if d.levels != nil && (m.priority < 0 || !d.levels[m.priority&7] || m.priority>>3 >= len(facilityNames)) {
		return false
	}
	at := d.boot.Add(m.at)
	return (d.since.IsZero() || !at.Before(d.since)) && (d.until.IsZero() || !at.After(d.until))
}

// record shows one record.
func (d *dmesg) record(w io.Writer, m message) {
	if !d.wanted(m) {
		return
	}
	if d.json {
		d.jsonRecord(w, m)
		return
	}
	if d.raw {
		// The facility is not shifted; so does the original.
		fmt.Fprintf(w, "<%d>%s%s\n", m.priority>>3|m.priority&7, seconds(m.at), m.text)
		return
	}
	var head strings.Builder
	if f := m.priority >> 3; d.decode && m.priority >= 0 && f < len(facilityNames) {
		fmt.Fprintf(&head, "%-6s:%-6s: ", facilityNames[f], levelNames[m.priority&7])
	}
	stamp, isBreak := d.stamp(m)
	plain := head.Len() + len(stamp)
	if stamp != "" && d.color {
		color := timeColor
		if isBreak {
			color = breakColor
		}
		stamp = color + stamp + noColor
	}
	head.WriteString(stamp)
	text := m.text
	if !d.noescape {
		text = printable(text)
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		prefix := head.String()
		if i > 0 && !d.prefixAll {
			prefix = strings.Repeat(" ", plain)
		}
		if d.color && i == 0 {
			line = colored(m, line)
		}
		io.WriteString(w, prefix+line+"\n")
	}
}

func seconds(at time.Duration) string {
	us := at.Microseconds()
	return fmt.Sprintf("[%5d.%06d] ", us/1e6, us%1e6)
}

// stamp returns the time of a record as it is shown.
func (d *dmesg) stamp(m message) (text string, isBreak bool) {
	at := d.boot.Add(m.at)
	var delta time.Duration
	if d.printed && d.last != 0 {
		delta = m.at - d.last
	}
	was := d.lastAt
	first := !d.printed
	d.last, d.lastAt, d.printed = m.at, at, true
	change := ""
	if d.delta {
		change = fmt.Sprintf(" <%12.6f>", delta.Seconds())
	}
	switch d.format {
	case noTime:
		if d.delta {
			return "[" + strings.TrimPrefix(change, " ") + "] ", false
		}
		return "", false
	case ctimeTime:
		return "[" + at.Format(time.ANSIC) + change + "] ", false
	case deltaTime:
		return fmt.Sprintf("[<%12.6f>] ", delta.Seconds()), false
	case isoTime:
		return at.Format("2006-01-02T15:04:05,000000-07:00") + " ", false
	case relTime:
		if first || at.Minute() != was.Minute() || at.Hour() != was.Hour() || at.YearDay() != was.YearDay() {
			return at.Format("[Jan_2 15:04] "), true
		}
		return fmt.Sprintf("[%+11.6f] ", delta.Seconds()), false
	}
	return strings.TrimSuffix(seconds(m.at), "] ") + change + "] ", false
}

// colored colours the part of a text that names its subsystem, and the text by
// its level.
func colored(m message, text string) string {
	var b strings.Builder
	if i := strings.Index(text, ": "); i >= 0 {
		b.WriteString(subsystemColor + text[:i+2] + noColor)
		text = text[i+2:]
	}
	color := levelColors[m.priority&7]
	if m.priority < 0 {
		color = ""
	}
	if strings.Contains(text, "segfault at") {
		color = segfaultColor
	}
	if color == "" {
		return b.String() + text
	}
	return b.String() + color + text + noColor
}

// printable shows control characters as \xNN.
func printable(s string) string {
	clean := func(c byte) bool { return c >= ' ' && c != 0x7f || c == '\n' || c == '\t' }
	if strings.IndexFunc(s, func(r rune) bool { return r < 0x80 && !clean(byte(r)) }) < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if clean(s[i]) {
			b.WriteByte(s[i])
		} else {
			fmt.Fprintf(&b, `\x%02x`, s[i])
		}
	}
	return b.String()
}

// parseTime reads the times that --since and --until take.
func parseTime(s string, now time.Time) (time.Time, bool) {
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	switch s {
	case "now":
		return now, true
	case "today":
		return midnight, true
	case "yesterday":
		return midnight.AddDate(0, 0, -1), true
	case "tomorrow":
		return midnight.AddDate(0, 0, 1), true
	}
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02", "20060102150405"} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, true
		}
	}
	for _, layout := range []string{"15:04:05", "15:04"} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return midnight.Add(time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second), true
		}
	}
	if words := strings.TrimSuffix(s, " ago"); words != s || strings.HasPrefix(s, "-") {
		words = strings.TrimPrefix(words, "-")
		if d, err := time.ParseDuration(strings.ReplaceAll(strings.ReplaceAll(words, " ", ""), "min", "m")); err == nil {
			return now.Add(-d), true
		}
	}
	return time.Time{}, false
}
