package journalctl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/sdjournal"
	"enshu/sim/systemd/calendar"
	"enshu/sim/systemd/machine"
	"enshu/sim/systemd/screen"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/wire/journal"
	"enshu/sim/wire/syslog"
)

// query is one run of the tool.
type query struct {
	ctx context.Context
	p   *host.Proc
	*screen.Screen

	open                                                   sdjournal.Options
	lines                                                  int // -1 is all
	follow, reverse, quiet, merge, catalog, all, full, utc bool
	noHostname, noTail, pagerEnd, noPager, showCursor      bool
	boot                                                   bool
	bootID                                                 journal.ID
	bootOffset                                             int
	kernel                                                 bool
	units, userUnits, identifiers                          []string
	priorities, facilities                                 uint32 // bit sets; 0 is any
	since, until                                           time.Time
	grep                                                   *regexp.Regexp
	pattern                                                string
	caseSensitive                                          int // -1 by the pattern, else 0 or 1
	output                                                 string
	outputFields                                           []string
	cursor, afterCursor, cursorFile                        string
	action                                                 string
	argument                                               string
	vacuumSize                                             int64
	vacuumFiles                                            int
	vacuumTime                                             time.Duration
	rotate, vacuum                                         bool
}

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

// Command is /usr/bin/journalctl.
func Command(ctx context.Context, p *host.Proc) int {
	j := &query{ctx: ctx, p: p, Screen: screen.New(p), lines: -2, full: true, output: "short", caseSensitive: -1}
	options, args, err := libc.Getopt(joinWords(p.Args[1:]), journalctlShort, journalctlLong)
	for _, o := range options {
		if done, status := j.option(o); done {
			return status
		}
	}
	if err != nil {
		fmt.Fprintln(j.Err, "journalctl: "+err.Error())
		return 1
	}
	if done, status := j.settle(); done {
		return status
	}
	return j.run(args)
}

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
		n, err := strconv.Atoi(next)
		switch {
		case (last == 'n' || a == "--lines") && (next == "all" || err == nil && n >= 0 && next[0] != '-' && next[0] != '+'):
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
	n, err := strconv.Atoi(s)
	return id, n, false, err == nil
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
			n, err := strconv.Atoi(o.Value)
			if err != nil || n < 0 {
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
		j.boot = true
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
			from, _, _ := strings.Cut(o.Value, "..")
			return bad("Unknown log level %s", from)
		}
		j.priorities = set
	case "facility":
		for _, w := range strings.Split(o.Value, ",") {
			if w == "help" {
				fmt.Fprintln(j.Out, "Available facilities:")
				for f := syslog.Kern; f <= syslog.Local7; f++ {
					fmt.Fprintln(j.Out, facilityWord(f))
				}
				return true, 0
			}
			f, ok := syslog.ParseFacility(w)
			if n, err := strconv.Atoi(w); err == nil && n >= 0 && n < 24 {
				f, ok = syslog.Facility(n), true
			}
			if !ok {
				return bad("Bad --facility= argument \"%s\".", w)
			}
			j.facilities |= 1 << f
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
		j.pattern = o.Value
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
		j.cursor = o.Value
	case "after-cursor":
		j.afterCursor = o.Value
	case "cursor-file":
		j.cursorFile = o.Value
	case "show-cursor":
		j.showCursor = true
	case "D":
		j.open.Dirs = append(j.open.Dirs, o.Value)
	case "root":
		id := machine.ID(j.p)
		j.open.Dirs = append(j.open.Dirs, path.Join(o.Value, sdjournal.PersistentDir, id))
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
		n, err := strconv.Atoi(o.Value)
		if err != nil || n < 0 {
			return bad("Failed to parse vacuum files: %s", o.Value)
		}
		j.vacuumFiles, j.vacuum, j.action = n, true, "vacuum"
	case "vacuum-time":
		d, ok := calendar.ParseSpan(o.Value, time.Second)
		if !ok {
			return bad("Failed to parse vacuum time: %s", o.Value)
		}
		j.vacuumTime, j.vacuum, j.action = d, true, "vacuum"
	case "setup-keys", "verify-key", "M", "namespace":
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

// parsePriorities reads "err", "3" or "crit..err" as the set of severities.
func parsePriorities(s string) (uint32, bool) {
	level := func(w string) (syslog.Severity, bool) {
		if len(w) == 1 && w[0] >= '0' && w[0] <= '7' {
			return syslog.Severity(w[0] - '0'), true
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
	return set, ok
}

// settle checks the options against each other.
func (j *query) settle() (done bool, status int) {
	bad := func(format string, args ...any) (bool, int) {
		j.Fail(format, args...)
		return true, 1
	}
	if j.follow && !j.noTail && j.since.IsZero() && j.lines == -2 && j.cursor == "" && j.afterCursor == "" {
		j.lines = 10
	}
	if j.pagerEnd && !j.boot && j.since.IsZero() && j.until.IsZero() && j.bootID == (journal.ID{}) {
		j.boot = true
	}
	switch {
	case j.follow && j.reverse:
		return bad("Please specify either --reverse= or --follow=, not both.")
	case !j.since.IsZero() && !j.until.IsZero() && j.since.After(j.until):
		return bad("--since= must be before --until=.")
	case j.cursor != "" && j.afterCursor != "":
		return bad("Please specify only one of --since=, --cursor=, and --after-cursor=.")
	}
	if j.pattern != "" {
		expr := j.pattern
		if j.caseSensitive == 0 || j.caseSensitive < 0 && strings.ToLower(expr) == expr {
			expr = "(?i)" + expr
		}
		re, err := regexp.Compile(expr)
		if err != nil {
			return bad("Bad pattern \"%s\": %s", j.pattern, pcreError(err))
		}
		j.grep = re
		if j.lines >= 0 && !j.follow {
			j.reverse = true // the newest hits are looked for, and shown first
		}
	}
	return false, 0
}

// pcreError gives an error of a regular expression PCRE's words, where they
// are known.
func pcreError(err error) string {
	var e *syntaxError
	if errors.As(err, &e) {
		switch e.Code {
		case "missing closing ]":
			return "missing terminating ] for character class"
		case "missing closing )", "unexpected )":
			return "missing closing parenthesis"
		case "missing argument to repetition operator":
			return "quantifier does not follow a repeatable item"
		}
		return string(e.Code)
	}
	return err.Error()
}

// run does what was asked for.
func (j *query) run(args []string) int {
	switch j.action {
	case "flush", "sync", "relinquish-var", "smart-relinquish-var", "rotate":
		words := map[string][]string{"flush": {"flush"}, "sync": {"sync"}, "relinquish-var": {"relinquish"},
			"smart-relinquish-var": nil, "rotate": {"rotate"}}[j.action]
		if j.rotate && j.action != "rotate" {
			words = append(words, "rotate")
		}
		return j.ask(words...)
	case "list-catalog", "dump-catalog":
		return j.showCatalog(args)
	case "update-catalog":
		return 0
	case "new-id128":
		fmt.Fprintln(j.Out, machine.DrawID(j.p, "new", j.p.Now().UnixNano(), j.p.PID))
		return 0
	case "vacuum":
		if j.rotate {
			if st := j.ask("rotate"); st != 0 {
				return st
			}
		}
	}
	r, err := sdjournal.Open(j.p, j.open)
	if err != nil {
		j.Fail("Failed to open %s: %s", strings.Join(j.open.Dirs, " "), libc.Strerror(err))
		return 1
	}
	defer r.Close()
	if st, over := j.access(r); over {
		return st
	}
	switch j.action {
	case "vacuum":
		return j.doVacuum()
	case "disk-usage":
		return j.diskUsage(r)
	case "verify":
		return j.verify(r)
	case "header":
		return j.header(r)
	case "list-boots":
		return j.listBoots(r)
	}
	filter, st := j.filter(r, args)
	if st >= 0 {
		return st
	}
	r.Filter = filter
	switch j.action {
	case "field":
		return j.fieldValues(r)
	case "fields":
		return j.fieldNames(r)
	}
	out, finish := j.page()
	st = j.show(r, out)
	finish()
	return st
}

// page decides about a pager.
func (j *query) page() (out io.Writer, finish func()) {
	if j.noPager || j.Width == 0 || j.follow {
		return j.Out, func() {}
	}
	pg := screen.StartPager(j.ctx, j.p)
	if pg == nil {
		return j.Out, func() {}
	}
	if j.pagerEnd {
		pg.Args = append(pg.Args, "+G")
	}
	return pg, func() { pg.Finish(j.ctx) }
}

// ask has journald do things, one after the other.
func (j *query) ask(words ...string) int {
	conn, err := j.p.Sys.Dial(j.ctx, "unix", sdjournal.ControlSocket)
	if err != nil {
		j.Fail("Failed to connect to %s: %s", sdjournal.ControlSocket, libc.Strerror(err))
		return 1
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	for _, w := range words {
		if _, err := fmt.Fprintln(conn, w); err != nil {
			j.Fail("Failed to execute varlink call: %s", libc.Strerror(err))
			return 1
		}
		if _, err := in.ReadString('\n'); err != nil {
			j.Fail("Failed to execute varlink call: Connection reset by peer")
			return 1
		}
	}
	return 0
}

// access tells what could not be read; over means that nothing was.
func (j *query) access(r *sdjournal.Reader) (status int, over bool) {
	if len(j.open.Files) > 0 {
		for name, err := range r.Denied {
			_ = name
			j.Fail("Failed to open files: %s", libc.Strerror(err))
			return 1, true
		}
		if len(r.Bad) > 0 {
			j.Fail("Failed to open files: Bad message")
			return 1, true
		}
		return 0, false
	}
	denied := len(r.Denied) > 0
	if len(j.open.Dirs) == 0 {
		for _, dir := range []string{sdjournal.VolatileDir, sdjournal.PersistentDir} {
			if _, err := libc.ReadDir(j.p, path.Join(dir, machine.ID(j.p))); errors.Is(err, syscall.EACCES) {
				denied = true
			}
		}
	}
	if denied && !j.quiet && !j.open.UserOnly {
		groups := "'adm', 'systemd-journal'"
		if _, ok := libc.GroupByName(j.p, "wheel"); ok {
			groups += ", 'wheel'"
		}
		j.Note("Hint: You are currently not seeing messages from other users and the system.\n"+
			"      Users in groups %s can see all messages.\n      Pass -q to turn off this notice.", groups)
	}
	switch {
	case len(r.Files()) > 0:
	case denied:
		j.Fail("No journal files were opened due to insufficient permissions.")
		return 1, true
	case !j.quiet:
		j.Note("No journal files were found.")
	}
	return 0, false
}

// filter makes one matcher of the options; status is -1 when all is well.
func (j *query) filter(r *sdjournal.Reader, args []string) (m func(*journal.Entry) bool, status int) {
	var all []Matcher
	if j.boot && !j.merge {
		id, st := j.findBoot(r)
		if st >= 0 {
			return nil, st
		}
		all = append(all, func(e *journal.Entry) bool { return e.BootID == id })
		r.Only = append(r.Only, []journal.Field{{Name: "_BOOT_ID", Value: id.String()}})
	}
	if j.kernel {
		r.Only = append(r.Only, []journal.Field{{Name: "_TRANSPORT", Value: "kernel"}})
		all = append(all, Field("_TRANSPORT", "kernel"))
	}
	var units []Matcher
	var named []journal.Field
	globs := false
	for _, u := range j.units {
		name := unitfile.Mangle(u)
		if unitfile.IsGlob(name) {
			units = append(units, globMatch(name))
			globs = true
		} else {
			units = append(units, UnitMatch(name))
			named = append(named, UnitFields(name)...)
		}
	}
	for _, u := range j.userUnits {
		units = append(units, Field("_SYSTEMD_USER_UNIT", unitfile.Mangle(u)))
		named = append(named, journal.Field{Name: "_SYSTEMD_USER_UNIT", Value: unitfile.Mangle(u)})
	}
	if len(units) > 0 && !globs {
		r.Only = append(r.Only, named)
	}
	if len(units) > 0 {
		all = append(all, AnyOf(units...))
	}
	if len(j.identifiers) > 0 {
		var list []Matcher
		var named []journal.Field
		for _, t := range j.identifiers {
			list = append(list, Field("SYSLOG_IDENTIFIER", t))
			named = append(named, journal.Field{Name: "SYSLOG_IDENTIFIER", Value: t})
		}
		r.Only = append(r.Only, named)
		all = append(all, AnyOf(list...))
	}
	bits := func(name string, set uint32) Matcher {
		return func(e *journal.Entry) bool {
			for _, f := range e.Fields {
				if f.Name == name {
					if n, err := strconv.Atoi(f.Value); err == nil && n >= 0 && n < 32 && set&(1<<n) != 0 {
						return true
					}
				}
			}
			return false
		}
	}
	if j.priorities != 0 {
		all = append(all, bits("PRIORITY", j.priorities))
		var named []journal.Field
		for n := range 8 {
			if j.priorities&(1<<n) != 0 {
				named = append(named, journal.Field{Name: "PRIORITY", Value: strconv.Itoa(n)})
			}
		}
		r.Only = append(r.Only, named)
	}
	if j.facilities != 0 {
		all = append(all, bits("SYSLOG_FACILITY", j.facilities))
	}
	match, bad := parseMatches(args, func(name string) bool { return libc.Exists(j.p, name) })
	if bad != "" {
		if strings.HasPrefix(bad, "+") {
			j.Fail("\"+\" can only be used between terms")
		} else {
			j.Fail("Failed to add match '%s': Invalid argument", bad)
		}
		return nil, 1
	}
	if match != nil {
		all = append(all, match)
		r.Only = append(r.Only, indexedTerms(args)...)
	}
	if len(all) == 0 {
		return nil, -1
	}
	return allOf(all...), -1
}
