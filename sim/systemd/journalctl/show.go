package journalctl

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"enshu/sim/libc"
	"enshu/sim/sdjournal"
	"enshu/sim/systemd/screen"
	"enshu/sim/wire/journal"
)

// show prints the entries.
func (j *query) show(r *sdjournal.Reader, out io.Writer) int {
	pr := &Printer{Screen: j.Screen, P: j.p, Mode: j.output, Zone: libc.Zone(j.p), Full: j.full, all: j.all, noHostname: j.noHostname, fields: j.outputFields}
	if j.utc {
		pr.Zone = time.UTC
	}
	if j.catalog || j.Links {
		pr.explained, pr.catalog = j.catalog, readCatalog(j.p)
	}
	if j.grep != nil {
		pr.highlight = func(text string) (int, int) {
			from, to, _, _ := j.grep.Find(text)
			return from, to
		}
	}
	buf := bufio.NewWriterSize(out, 64<<10)
	defer buf.Flush()
	v := &view{j: j, pr: pr, out: buf}
	first, st := v.locate(r)
	if st >= 0 {
		return st
	}
	for e := first; j.lines < 0 || v.shown < j.lines; {
		if e == nil {
			var err error
			if e, err = j.step(r, 1); err != nil {
				break
			}
		}
		if !v.entry(e) {
			break
		}
		e = nil
	}
	if j.follow {
		// What is there already, and what comes. Where nothing was found before the
		// end, the real one begins behind the next entry.
		skip := j.lines == 0 && first == nil
		buf.Flush()
		err := r.Follow(j.ctx, func(e *journal.Entry) error {
			if skip {
				skip = false
				return nil
			}
			v.entry(e)
			return buf.Flush()
		})
		if err != nil && j.ctx.Err() == nil {
			return 1
		}
		return 0
	}
	if v.failed {
		return 1
	}
	if v.shown == 0 && !j.quiet {
		fmt.Fprintln(buf, "-- No entries --")
	}
	if !j.keepCursor(v, buf) || j.patternGiven && v.shown == 0 && (j.lines != 0 || j.showCursor || j.cursorFile != "") {
		return 1
	}
	return 0
}

// step goes n entries on in the direction of the output and returns the last
// one that there was, or an error when there was none.
func (j *query) step(r *sdjournal.Reader, n int) (*journal.Entry, error) {
	if j.reverse {
		return goes(n, r.Previous)
	}
	return goes(n, r.Next)
}

// goes calls move n times, at least once, and returns the last entry it found.
func goes(n int, move func() (*journal.Entry, error)) (last *journal.Entry, err error) {
	for range max(n, 1) {
		e, err := move()
		if err != nil && last != nil {
			return last, nil
		}
		if err != nil {
			return nil, err
		}
		last = e
	}
	return last, nil
}

// view prints one entry after the other.
type view struct {
	j      *query
	pr     *Printer
	out    io.Writer
	shown  int
	failed bool           // the search was given up
	at     *journal.Entry // where the reading is
	boot   *journal.Entry // whose boot was told last
}

// entry prints an entry, if it is in the time that was asked for and the
// pattern is in it; false means that no later one can be.
func (v *view) entry(e *journal.Entry) bool {
	j := v.j
	v.at = e
	if !j.reverse && !j.until.IsZero() && e.Realtime.After(j.until) {
		return false
	}
	if j.reverse && !j.since.IsZero() && e.Realtime.Before(j.since) {
		return false
	}
	if !j.merge && !j.quiet {
		if v.boot != nil && v.boot.BootID != e.BootID {
			fmt.Fprintln(v.out, j.Paint(screen.Bold, "-- Boot "+e.BootID.String()+" --"))
		}
		v.boot = e
	}
	if j.grep != nil {
		message, ok := e.Lookup("MESSAGE")
		if !ok {
			return true
		}
		_, _, ok, err := j.grep.Find(message)
		if err != nil {
			j.Fail("Pattern matching failed: %s", err)
			v.failed = true
			return false
		}
		if !ok {
			return true
		}
	}
	io.WriteString(v.out, v.pr.Format(e))
	v.shown++
	return true
}

// keepCursor shows or stores where the reading ended; false is without a place.
func (j *query) keepCursor(v *view, out io.Writer) bool {
	if !j.showCursor && j.cursorFile == "" {
		return true
	}
	if v.at == nil {
		return false
	}
	c := v.at.Cursor().String()
	if j.showCursor {
		fmt.Fprintln(out, "-- cursor: "+c)
	}
	if j.cursorFile != "" {
		if err := libc.WriteFile(j.p, j.cursorFile, []byte(c+"\n"), 0o644); err != nil {
			j.Fail("Failed to write new cursor to %s: %s", j.cursorFile, libc.Strerror(err))
			return false
		}
	}
	return true
}

// locate goes to where the output begins and returns the entry there, nil when
// the next one on the way is the first. status is -1 when all is well.
func (v *view) locate(r *sdjournal.Reader) (first *journal.Entry, status int) {
	j := v.j
	text, skip, given := j.cursor, 1, j.cursorGiven || j.afterGiven
	if j.afterGiven {
		text, skip = j.afterCursor, 2
	}
	if j.cursorFile != "" {
		if data, err := libc.ReadFile(j.p, j.cursorFile); err == nil && strings.TrimSpace(string(data)) != "" {
			text, skip, given = strings.TrimSpace(string(data)), 2, true
		}
	}
	// last goes back over the last lines and stands on the first of them.
	last := func() *journal.Entry {
		if e, err := goes(j.lines, r.Previous); e == nil || err != nil {
			return nil
		}
		e, _ := r.Next()
		return e
	}
	switch {
	case given:
		c, ok := journal.ParseCursor(text)
		if !ok {
			j.Fail("Failed to seek to cursor: Invalid argument")
			return nil, 1
		}
		if j.reverse {
			r.SeekBehindCursor(c)
		} else {
			r.SeekCursor(c)
		}
		v.at, _ = j.step(r, 1)
		if skip == 1 || v.at == nil {
			return v.at, -1
		}
		// Behind the entry that was seen before.
		next, err := j.step(r, 1)
		switch {
		case err == nil:
			v.at = next
		case !j.follow:
			j.lines = 0
		}
		return next, -1
	case !j.since.IsZero() && !j.reverse:
		r.SeekRealtime(j.since)
	case !j.until.IsZero() && j.reverse:
		r.SeekRealtime(j.until.Add(time.Microsecond))
	case j.reverse:
		r.SeekTail()
	case j.lines >= 0:
		r.SeekTail()
		v.at = last()
		return v.at, -1
	default:
		r.SeekHead()
	}
	v.at, _ = j.step(r, 1)
	return v.at, -1
}
