package journalctl

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"enshu/sim/libc"
	"enshu/sim/pcre"
	"enshu/sim/sdjournal"
	"enshu/sim/systemd/calendar"
	"enshu/sim/systemd/machine"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/wire/journal"
	"enshu/sim/wire/syslog"
)

var journalctlLong = []libc.LongOption{
	{Name: "help", Short: "h"}, {Name: "version"}, {Name: "no-pager"}, {Name: "pager-end", Short: "e"}, {Name: "follow", Short: "f"},
	{Name: "force"}, {Name: "output", Arg: libc.RequiredArgument, Short: "o"}, {Name: "all", Short: "a"}, {Name: "full", Short: "l"}, {Name: "no-full"},
	{Name: "lines", Arg: libc.OptionalArgument, Short: "n"}, {Name: "no-tail"}, {Name: "new-id128"}, {Name: "quiet", Short: "q"}, {Name: "merge", Short: "m"},
	{Name: "boot", Arg: libc.OptionalArgument, Short: "b"}, {Name: "list-boots"}, {Name: "this-boot", Short: "b"}, {Name: "dmesg", Short: "k"},
	{Name: "system"}, {Name: "user"}, {Name: "directory", Arg: libc.RequiredArgument, Short: "D"}, {Name: "file", Arg: libc.RequiredArgument},
	{Name: "root", Arg: libc.RequiredArgument}, {Name: "header"}, {Name: "identifier", Arg: libc.RequiredArgument, Short: "t"},
	{Name: "priority", Arg: libc.RequiredArgument, Short: "p"}, {Name: "facility", Arg: libc.RequiredArgument}, {Name: "grep", Arg: libc.RequiredArgument, Short: "g"},
	{Name: "case-sensitive", Arg: libc.OptionalArgument}, {Name: "verify"}, {Name: "disk-usage"}, {Name: "cursor", Arg: libc.RequiredArgument, Short: "c"},
	{Name: "cursor-file", Arg: libc.RequiredArgument}, {Name: "after-cursor", Arg: libc.RequiredArgument}, {Name: "show-cursor"},
	{Name: "since", Arg: libc.RequiredArgument, Short: "S"}, {Name: "until", Arg: libc.RequiredArgument, Short: "U"}, {Name: "unit", Arg: libc.RequiredArgument, Short: "u"},
	{Name: "user-unit", Arg: libc.RequiredArgument}, {Name: "field", Arg: libc.RequiredArgument, Short: "F"}, {Name: "fields", Short: "N"},
	{Name: "catalog", Short: "x"}, {Name: "list-catalog"}, {Name: "dump-catalog"}, {Name: "update-catalog"}, {Name: "reverse", Short: "r"},
	{Name: "machine", Arg: libc.RequiredArgument, Short: "M"}, {Name: "namespace", Arg: libc.RequiredArgument}, {Name: "utc"}, {Name: "flush"},
	{Name: "relinquish-var"}, {Name: "smart-relinquish-var"}, {Name: "sync"}, {Name: "rotate"}, {Name: "vacuum-size", Arg: libc.RequiredArgument},
	{Name: "vacuum-files", Arg: libc.RequiredArgument}, {Name: "vacuum-time", Arg: libc.RequiredArgument}, {Name: "no-hostname"},
	{Name: "output-fields", Arg: libc.RequiredArgument}, {Name: "interval", Arg: libc.RequiredArgument}, {Name: "setup-keys"}, {Name: "verify-key", Arg: libc.RequiredArgument},
}

const journalctlShort = "hefo:aln::qmb::kD:p:g:c:S:U:t:u:NF:xrM:"

// joinWords puts the optional argument of -n and -b, which may be a word of its
// own, to its option, when it looks like one.
func joinWords(args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		a := args[i]
		out = append(out, a)
		if a == "--" {
			return append(out, args[i+1:]...)
		}
		if i+1 == len(args) {
			break
		}
		next := args[i+1]
		last := byte(0)
		if len(a) > 1 && a[0] == '-' && a[1] != '-' {
			last = lastFlag(a[1:])
		}
		n, number := parseInt(next)
		switch {
		case (last == 'n' || a == "--lines") && (next == "all" || number && n >= 0):
		case (last == 'b' || a == "--boot") && isBoot(next):
		default:
			continue
		}
		if strings.HasPrefix(a, "--") {
			out[len(out)-1] = a + "=" + next
		} else {
			out[len(out)-1] = a + next
		}
		i++
	}
	return out
}

// lastFlag is the last option of a cluster if the ones before take no argument.
func lastFlag(cluster string) byte {
	for i := 0; i < len(cluster); i++ {
		at := strings.IndexByte(journalctlShort, cluster[i])
		if at < 0 {
			return 0
		}
		if strings.HasPrefix(journalctlShort[at+1:], ":") && i < len(cluster)-1 {
			return 0
		}
	}
	return cluster[len(cluster)-1]
}

func isBoot(s string) bool {
	_, _, _, ok := parseBoot(s)
	return ok
}

// parseBoot reads what -b takes: an ID, an offset, both, or "all".
func parseBoot(s string) (id journal.ID, offset int, all, ok bool) {
	if s == "all" {
		return id, 0, true, true
	}
	if len(s) >= 32 {
		if parsed, good := journal.ParseID(s[:32]); good {
			id, s = parsed, s[32:]
			if s == "" {
				return id, 0, false, true
			}
			if s[0] != '+' && s[0] != '-' {
				return id, 0, false, false
			}
		}
	}
	n, ok := parseInt(s)
	return id, n, false, ok
}

// parseInt reads a number as all of systemd does: blanks before it are passed
// over, 0x, 0o, 0b and 0 tell its base.
func parseInt(s string) (int, bool) {
	n, err := strconv.ParseInt(strings.TrimLeft(s, " \t\n\r"), 0, 32)
	return int(n), err == nil && !strings.Contains(s, "_")
}

// option applies one option; done means that nothing else is to do.
func (j *query) option(o libc.Option) (done bool, status int) {
	bad := func(format string, args ...any) (bool, int) {
		j.Fail(format, args...)
		return true, 1
	}
	switch o.Name {
	case "h":
		fmt.Fprint(j.Out, journalctlHelp)
		return true, 0
	case "version":
		fmt.Fprint(j.Out, "systemd "+machine.Version+"\n"+machine.Features+"\n")
		return true, 0
	case "no-pager":
		j.noPager = true
	case "e":
		j.pagerEnd = true
		if j.lines == -2 {
			j.lines = 1000
		}
	case "f":
		j.follow = true
	case "o":
		if o.Value == "help" {
			fmt.Fprintln(j.Out, strings.Join(OutputModes, "\n"))
			return true, 0
		}
		if !slices.Contains(OutputModes, o.Value) {
			return bad("Unknown output format '%s'.", o.Value)
		}
		j.output = o.Value
		if slices.Contains([]string{"export", "json", "json-pretty", "json-sse", "json-seq", "cat"}, o.Value) {
			j.quiet = true
		}
	case "l":
		j.full = true
	case "no-full":
		j.full = false
	case "a":
		j.all = true
	case "n":
		switch {
		case !o.Given:
			j.lines = 10
		case o.Value == "all":
			j.lines = -1
		default:
			n, ok := parseInt(o.Value)
			if !ok || n < 0 {
				return bad("Failed to parse lines '%s'", o.Value)
			}
			j.lines = n
		}
	case "no-tail":
		j.noTail = true
	case "q":
		j.quiet = true
	case "m":
		j.merge = true
	case "b":
		j.boot, j.bootGiven, j.bootID, j.bootOffset = true, true, journal.ID{}, 0
		if o.Given {
			id, n, all, ok := parseBoot(o.Value)
			if !ok {
				return bad("Failed to parse boot descriptor '%s'", o.Value)
			}
			j.bootID, j.bootOffset, j.boot = id, n, !all
		}
	case "k":
		j.kernel, j.boot = true, true
	case "t":
		j.identifiers = append(j.identifiers, o.Value)
	case "u":
		j.units = append(j.units, o.Value)
	case "user-unit":
		j.userUnits = append(j.userUnits, o.Value)
	case "p":
		set, ok := parsePriorities(o.Value)
		if !ok {
			if strings.Contains(o.Value, "..") {
				return bad("Failed to parse log level range %s", o.Value)
			}
			return bad("Unknown log level %s", o.Value)
		}
		j.priorities = set
	case "facility":
		for _, w := range strings.Split(o.Value, ",") {
			if w == "help" {
				if !j.quiet {
					fmt.Fprintln(j.Out, "Available facilities:")
				}
				for f := syslog.Kern; f <= syslog.Local7; f++ {
					fmt.Fprintln(j.Out, facilityWord(f))
				}
				return true, 0
			}
			if w == "" {
				continue
			}
			f, ok := parseFacility(w)
			if !ok {
				return bad("Bad --facility= argument \"%s\".", w)
			}
			j.facilities = append(j.facilities, strconv.Itoa(f))
		}
	case "S", "U":
		now := j.p.Now().In(libc.Zone(j.p))
		t, ok := calendar.ParseTimestamp(o.Value, now, calendar.Zones(now))
		if !ok {
			return bad("Failed to parse timestamp: %s", o.Value)
		}
		if o.Name == "S" {
			j.since = t
		} else {
			j.until = t
		}
	case "g":
		j.pattern, j.patternGiven = o.Value, true
	case "case-sensitive":
		b := true
		if o.Given {
			var ok bool
			if b, ok = unitfile.ParseBool(o.Value); !ok {
				return bad("Bad --case-sensitive= argument \"%s\": Invalid argument", o.Value)
			}
		}
		j.caseSensitive = map[bool]int{false: 0, true: 1}[b]
	case "c":
		j.cursor, j.cursorGiven = o.Value, true
	case "after-cursor":
		j.afterCursor, j.afterGiven = o.Value, true
	case "cursor-file":
		j.cursorFile = o.Value
	case "show-cursor":
		j.showCursor = true
	case "D":
		j.open.Dirs = []string{o.Value}
	case "root":
		j.root = o.Value
	case "file":
		j.open.Files = append(j.open.Files, o.Value)
	case "system":
		j.open.SystemOnly = true
	case "user":
		j.open.UserOnly = true
	case "x":
		j.catalog = true
	case "r":
		j.reverse = true
	case "utc":
		j.utc = true
	case "no-hostname":
		j.noHostname = true
	case "output-fields":
		for _, f := range strings.Split(o.Value, ",") {
			if f != "" {
				j.outputFields = append(j.outputFields, f)
			}
		}
	case "F":
		j.action, j.argument = "field", o.Value
	case "N":
		j.action = "fields"
	case "interval":
		if _, ok := calendar.ParseSpan(o.Value, time.Second); !ok {
			return bad("Failed to parse sealing key change interval: %s", o.Value)
		}
	case "verify-key":
		j.action, j.sealing, j.sealed = "verify", o.Value, true
	case "list-boots", "header", "verify", "disk-usage", "list-catalog", "dump-catalog", "update-catalog", "flush", "sync", "relinquish-var", "smart-relinquish-var", "new-id128":
		j.action = o.Name
	case "rotate":
		j.rotate = true
		if j.action == "" {
			j.action = "rotate"
		}
	case "vacuum-size":
		n, ok := unitfile.ParseSize(o.Value)
		if !ok {
			return bad("Failed to parse vacuum size: %s", o.Value)
		}
		j.vacuumSize, j.vacuum, j.action = n, true, "vacuum"
	case "vacuum-files":
		n, ok := parseInt(o.Value)
		if !ok || n < 0 {
			return bad("Failed to parse vacuum files: %s", o.Value)
		}
		j.vacuumFiles, j.vacuum, j.action = n, true, "vacuum"
	case "vacuum-time":
		d, ok := calendar.ParseSpan(o.Value, time.Second)
		if !ok {
			return bad("Failed to parse vacuum time: %s", o.Value)
		}
		j.vacuumTime, j.vacuum, j.action = d, true, "vacuum"
	case "M":
		j.machine = o.Value
	case "setup-keys", "namespace":
		return bad("--%s: not modelled in this lab.", o.Name)
	}
	return false, 0
}

// facilityWord: systemd's names for facilities end at ftp, then local0.
func facilityWord(f syslog.Facility) string {
	if f >= 12 && f <= 15 {
		return strconv.Itoa(int(f))
	}
	return f.String()
}

// parseFacility reads one of systemd's names or a number.
func parseFacility(w string) (int, bool) {
	for f := syslog.Kern; f <= syslog.Local7; f++ {
		if facilityWord(f) == w {
			return int(f), true
		}
	}
	n, ok := parseInt(w)
	return n, ok && n >= 0 && n <= 127
}

// parsePriorities reads "err", "3" or "crit..err" as the set of severities; all
// of them are no condition, so that what has no priority is shown too.
func parsePriorities(s string) (uint32, bool) {
	level := func(w string) (syslog.Severity, bool) {
		if n, ok := parseInt(w); ok && n >= 0 && n <= 7 {
			return syslog.Severity(n), true
		}
		for l := syslog.Emerg; l <= syslog.Debug; l++ {
			if l.String() == w {
				return l, true
			}
		}
		return 0, false
	}
	a, b, isRange := strings.Cut(s, "..")
	from, ok := level(a)
	to := from
	if !isRange {
		from = syslog.Emerg
	} else {
		var ok2 bool
		to, ok2 = level(b)
		ok = ok && ok2
		if from > to {
			from, to = to, from
		}
	}
	var set uint32
	for l := from; l <= to; l++ {
		set |= 1 << l
	}
	if set == 1<<8-1 {
		set = 0
	}
	return set, ok
}

// settle checks the options against each other.
func (j *query) settle(args []string) (done bool, status int) {
	bad := func(format string, args ...any) (bool, int) {
		j.Fail(format, args...)
		return true, 1
	}
	if j.follow && !j.noTail && j.since.IsZero() && j.lines == -2 && !j.cursorGiven && !j.afterGiven {
		j.lines = 10
	}
	if j.pagerEnd && !j.bootGiven {
		j.boot = true
	}
	if j.noTail {
		j.lines = -1
	}
	places := 0
	for _, given := range []bool{len(j.open.Dirs) > 0, len(j.open.Files) > 0, j.root != "", j.machine != ""} {
		if given {
			places++
		}
	}
	starts := 0
	for _, given := range []bool{j.cursorGiven, j.afterGiven, !j.since.IsZero()} {
		if given {
			starts++
		}
	}
	switch {
	case places > 1:
		return bad("Please specify at most one of -D/--directory=, --file=, -M/--machine=, --root=, --image=.")
	case !j.since.IsZero() && !j.until.IsZero() && j.since.After(j.until):
		return bad("--since= must be before --until=.")
	case starts > 1:
		return bad("Please specify only one of --since=, --cursor=, and --after-cursor=.")
	case j.follow && j.reverse:
		return bad("Please specify either --reverse= or --follow=, not both.")
	case len(args) > 0 && !slices.Contains([]string{"", "list-catalog", "dump-catalog"}, j.action):
		return bad("Extraneous arguments starting with '%s'", args[0])
	case (j.boot || j.action == "list-boots") && j.merge:
		return bad("Using --boot or --list-boots with --merge is not supported.")
	}
	if j.machine != "" {
		return bad("--machine: not modelled in this lab.")
	}
	if j.root != "" {
		j.open.Dirs = append(j.open.Dirs, path.Join(j.root, sdjournal.PersistentDir, machine.ID(j.p)))
	}
	if j.patternGiven {
		caseless := !strings.ContainsFunc(j.pattern, func(r rune) bool { return r >= 'A' && r <= 'Z' })
		if j.caseSensitive >= 0 {
			caseless = j.caseSensitive == 0
		}
		re, err := pcre.Compile(j.pattern, caseless)
		if err != nil {
			return bad("Bad pattern \"%s\": %s", j.pattern, err)
		}
		j.grep = re
		if j.lines >= 0 && !j.follow {
			j.reverse = true // the newest hits are looked for, and shown first
		}
	}
	return false, 0
}
