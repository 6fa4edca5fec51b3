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
	if j.catalog {
		pr.catalog = readCatalog(j.p)
	}
	if j.grep != nil {
		pr.highlight = func(text string) (int, int) {
			if at := j.grep.FindStringIndex(text); at != nil {
				return at[0], at[1]
			}
			return 0, 0
		}
	}
	forward, skip, st := j.seek(r)
	if st >= 0 {
		return st
	}
	buf := bufio.NewWriterSize(out, 64<<10)
	defer buf.Flush()
	v := &view{j: j, pr: pr, out: buf, limit: j.lines}
	if j.lines < 0 || forward && !j.follow && (j.cursor != "" || j.afterCursor != "" || !j.since.IsZero()) && !j.reverse {
		v.limit = j.lines
	}
	if j.lines == 0 && !j.follow {
		v.limit = 0
	} else if j.follow {
		v.limit = -1
	}
	for v.limit < 0 || v.shown < v.limit {
		e, err := j.step(r, forward)
		if err != nil {
			break
		}
		if skip != nil && sdjournal.Matches(*skip, e) {
			skip = nil
			continue
		}
		skip = nil
		if !v.entry(e) {
			break
		}
	}
	if !j.follow {
		if v.shown == 0 && !j.quiet {
			fmt.Fprintln(buf, "-- No entries --")
		}
		j.keepCursor(v, buf)
		if j.grep != nil && v.shown == 0 {
			return 1
		}
		return 0
	}
	buf.Flush()
	err := r.Follow(j.ctx, func(e *journal.Entry) error {
		v.entry(e)
		return buf.Flush()
	})
	if err != nil && j.ctx.Err() == nil {
		return 1
	}
	return 0
}

func (j *query) step(r *sdjournal.Reader, forward bool) (*journal.Entry, error) {
	if forward {
		return r.Next()
	}
	return r.Previous()
}

// view prints one entry after the other.
type view struct {
	j     *query
	pr    *Printer
	out   io.Writer
	limit int
	shown int
	last  *journal.Entry
}

// entry prints an entry, if it is in the time that was asked for and the
// pattern is in it; false means that no later one can be.
func (v *view) entry(e *journal.Entry) bool {
	j := v.j
	if !j.reverse && !j.until.IsZero() && e.Realtime.After(j.until) {
		return false
	}
	if j.reverse && !j.since.IsZero() && e.Realtime.Before(j.since) {
		return false
	}
	if !j.merge && !j.quiet && v.last != nil && v.last.BootID != e.BootID {
		fmt.Fprintln(v.out, j.Paint(screen.Bold, "-- Boot "+e.BootID.String()+" --"))
	}
	v.last = e
	if j.grep != nil {
		message, ok := e.Lookup("MESSAGE")
		if !ok || !j.grep.MatchString(message) {
			return true
		}
	}
	io.WriteString(v.out, v.pr.Format(e))
	v.shown++
	return true
}

// keepCursor shows or stores where the reading ended.
func (j *query) keepCursor(v *view, out io.Writer) {
	if v.last == nil || !j.showCursor && j.cursorFile == "" {
		return
	}
	c := v.last.Cursor().String()
	if j.showCursor {
		fmt.Fprintln(out, "-- cursor: "+c)
	}
	if j.cursorFile != "" {
		libc.WriteFile(j.p, j.cursorFile, []byte(c+"\n"), 0o644)
	}
}

// seek goes to where the output begins. skip is an entry that was seen before.
func (j *query) seek(r *sdjournal.Reader) (forward bool, skip *journal.Cursor, status int) {
	text, after := j.cursor, false
	if j.afterCursor != "" {
		text, after = j.afterCursor, true
	}
	if j.cursorFile != "" {
		if data, err := libc.ReadFile(j.p, j.cursorFile); err == nil {
			text, after = strings.TrimSpace(string(data)), true
		}
	}
	switch {
	case text != "":
		c, ok := journal.ParseCursor(text)
		if !ok {
			j.Fail("Failed to seek to cursor: Invalid argument")
			return false, nil, 1
		}
		r.SeekCursor(c)
		if after {
			skip = &c
		}
		return !j.reverse, skip, -1
	case !j.since.IsZero() && !j.reverse:
		r.SeekRealtime(j.since)
		if j.lines >= 0 && !j.follow {
			return true, nil, -1
		}
		return true, nil, -1
	case !j.until.IsZero() && (j.reverse || j.lines >= 0):
		r.SeekRealtime(j.until.Add(time.Microsecond))
		if j.reverse {
			return false, nil, -1
		}
	case j.reverse:
		r.SeekTail()
		return false, nil, -1
	case j.lines >= 0:
		r.SeekTail()
	case j.boot && j.bootOffset == 0 && j.bootID == (journal.ID{}):
		j.seekBoot(r)
		return true, nil, -1
	default:
		r.SeekHead()
		return true, nil, -1
	}
	// Back to the first of the last lines, then on from there.
	for n := 0; n < j.lines; n++ {
		if _, err := r.Previous(); err != nil {
			break
		}
	}
	return true, nil, -1
}

// seekBoot goes to the head; a bisection by boot is not worth its trouble,
// since only the files of a persistent journal hold other boots.
func (j *query) seekBoot(r *sdjournal.Reader) { r.SeekHead() }
