package journalctl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/pcre"
	"enshu/sim/sdjournal"
	"enshu/sim/systemd/machine"
	"enshu/sim/systemd/screen"
	"enshu/sim/wire/journal"
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
	boot, bootGiven                                        bool
	bootID                                                 journal.ID
	bootOffset                                             int
	kernel                                                 bool
	units, userUnits, identifiers                          []string
	priorities                                             uint32 // a bit set; 0 is any
	facilities                                             []string
	since, until                                           time.Time
	grep                                                   *pcre.Regexp
	pattern                                                string
	caseSensitive                                          int // -1 by the pattern, else 0 or 1
	output                                                 string
	outputFields                                           []string
	cursor, afterCursor, cursorFile                        string
	cursorGiven, afterGiven, patternGiven                  bool
	sealing                                                string // of --verify-key
	sealed                                                 bool
	action, root, machine                                  string
	argument                                               string
	vacuumSize                                             int64
	vacuumFiles                                            int
	vacuumTime                                             time.Duration
	rotate, vacuum                                         bool
}

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
	if done, status := j.settle(args); done {
		return status
	}
	status := j.run(args)
	// As with grep(1), a pattern that nothing was found with is a failure, also where
	// entries are not what was asked for.
	if status == 0 && j.patternGiven && !slices.Contains([]string{"", "field", "fields", "flush", "sync", "rotate", "relinquish-var", "smart-relinquish-var"}, j.action) {
		return 1
	}
	return status
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
		j.newID()
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
	if j.action == "fields" {
		return j.fieldNames(r)
	}
	filter, st := j.filter(r, args)
	if st >= 0 {
		return st
	}
	r.Filter = filter
	if j.action == "field" {
		return j.fieldValues(r)
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
		j.Notice("Hint: You are currently not seeing messages from other users and the system.\n"+
			"      Users in groups %s can see all messages.\n      Pass -q to turn off this notice.", groups)
	}
	switch {
	case len(r.Files()) > 0:
	case denied:
		j.Fail("No journal files were opened due to insufficient permissions.")
		return 1, true
	case !j.quiet:
		j.Notice("No journal files were found.")
	}
	return 0, false
}
