package input

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"time"

	"enshu/sim/libc"
	"enshu/sim/rsyslog/config"
	"enshu/sim/rsyslog/message"
	"enshu/sim/sdjournal"
	"enshu/sim/wire/journal"
	"enshu/sim/wire/syslog"
)

// journal is imjournal: it reads the journal from where an earlier run stopped,
// which its state file tells, and follows it.
func (s *Set) journal(ctx context.Context) {
	r, err := sdjournal.Open(s.p, sdjournal.Options{})
	if err != nil {
		s.sink.Report(syslog.Err, config.CodeNone, "imjournal: sd_journal_open() failed: "+libc.Strerror(err))
		return
	}
	defer r.Close()
	j := &journalReader{set: s, conf: s.conf.Journal, limit: &limiter{RateLimit: s.conf.Journal.Limit}}
	if j.conf.StateFile != "" {
		dir := s.conf.Globals.WorkDirectory
		j.state = j.conf.StateFile
		if !strings.HasPrefix(j.state, "/") {
			j.state = path.Join(libc.Abs(s.p, dir), j.state)
		}
	}
	j.seek(r)
	err = j.backlog(r)
	if err == nil {
		s.sink.Report(syslog.Notice, config.CodeOK, "imjournal: journal files changed, reloading... ")
		err = r.Follow(ctx, func(e *journal.Entry) error {
			if age := s.p.Now().Sub(e.Realtime); age >= 0 && age < journalLag {
				s.p.Sleep(ctx, journalLag-age)
			}
			return j.take(e)
		})
	}
	j.save()
	if ctx.Err() == nil && err != nil {
		s.sink.Report(syslog.Err, config.CodeNone, "imjournal: "+libc.Strerror(err))
	}
}

// journalLag is how long after its time an entry is seen: journald tells
// readers of its files four times a second. What it forwards by datagram or
// writes to terminals is there before.
const journalLag = 250 * time.Millisecond

// journalReader is the state of imjournal.
type journalReader struct {
	set     *Set
	conf    config.Journal
	state   string // path of the state file, "" for none
	after   journal.Cursor
	skip    bool // the entry that after names was handled before
	last    *journal.Entry
	unsaved int
	limit   *limiter
}

// seek goes to where the state file says.
func (j *journalReader) seek(r *sdjournal.Reader) {
	saved, err := "", error(nil)
	if j.state != "" {
		var data []byte
		data, err = libc.ReadFile(j.set.p, j.state)
		saved = strings.TrimSpace(string(data))
	}
	if err != nil {
		j.set.sink.Report(syslog.Notice, config.CodeNotFound, fmt.Sprintf("imjournal: No statefile exists, %s will be created (ignore if this is first run): %s", j.state, libc.Strerror(err)))
	}
	if c, ok := journal.ParseCursor(saved); ok {
		r.SeekCursor(c)
		j.after, j.skip = c, true
		return
	}
	if saved != "" {
		j.set.sink.Report(syslog.Err, config.CodeNone, fmt.Sprintf("imjournal: loaded invalid cursor '%s'", saved))
	}
	if j.conf.IgnorePrevious {
		r.SeekTail()
	} else {
		r.SeekHead()
	}
}

// backlog takes what is there already.
func (j *journalReader) backlog(r *sdjournal.Reader) error {
	for !j.set.closing.Load() {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		j.take(e)
	}
	return context.Canceled
}

// take makes a message of an entry.
func (j *journalReader) take(e *journal.Entry) error {
	if j.skip {
		j.skip = false
		if sdjournal.Matches(j.after, e) {
			return nil
		}
	}
	now := j.set.sink.Now()
	m := entryMessage(e, j.conf, now, j.set.conf.Globals.Sanitizer)
	m.From = j.set.hostname()
	if !j.set.allow(j.limit, "imjournal", now, m.Severity, func() string { return m.Text }) {
		return nil
	}
	j.set.sink.Submit(m, true)
	j.last = e
	if j.unsaved++; j.conf.PersistInterval > 0 && j.unsaved >= j.conf.PersistInterval {
		j.save()
	}
	return nil
}

// save writes the state file.
func (j *journalReader) save() {
	if j.state == "" || j.last == nil || j.unsaved == 0 || j.set.killed.Load() {
		return
	}
	j.unsaved = 0
	tmp := j.state + ".tmp"
	err := libc.WriteFile(j.set.p, tmp, []byte(j.last.Cursor().String()), 0o644)
	if err == nil {
		err = j.set.p.Sys.Rename(tmp, j.state)
	}
	if err != nil {
		j.set.sink.Report(syslog.Err, config.CodeNone, fmt.Sprintf("imjournal: fopen() failed for path: '%s': %s", tmp, libc.Strerror(err)))
	}
}

// entryMessage makes a message of a journal entry as imjournal does.
func entryMessage(e *journal.Entry, conf config.Journal, now time.Time, clean syslog.Sanitizer) *message.Message {
	field := e.Lookup
	m := &message.Message{Input: "imjournal", FromIP: "127.0.0.1", Received: now}
	text, _ := field("MESSAGE")
	m.Text = clean.Clean([]byte(text))
	m.Severity, m.Facility = syslog.Severity(conf.Severity), syslog.Facility(conf.Facility)
	if s, ok := field("PRIORITY"); ok {
		if n, err := strconv.Atoi(s); err == nil && n >= 0 && n <= 7 {
			m.Severity = syslog.Severity(n)
		}
	}
	if s, ok := field("SYSLOG_FACILITY"); ok {
		if n, err := strconv.Atoi(s); err == nil && n >= 0 && n <= int(syslog.Local7) {
			m.Facility = syslog.Facility(n)
		}
	}
	ident, ok := field("SYSLOG_IDENTIFIER")
	if !ok {
		if ident, ok = field("_COMM"); !ok {
			ident = conf.Tag
		}
	}
	pid := ""
	if conf.UsePID != "system" {
		pid, _ = field("SYSLOG_PID")
	}
	if pid == "" && conf.UsePID != "syslog" {
		pid, _ = field("_PID")
	}
	m.Tag = clean.Clean([]byte(ident))
	if pid != "" {
		m.Tag += "[" + pid + "]"
	}
	m.Tag += ":"
	at := e.Realtime
	if s, ok := field("_SOURCE_REALTIME_TIMESTAMP"); ok {
		if us, err := strconv.ParseInt(s, 10, 64); err == nil {
			at = time.UnixMicro(us)
		}
	}
	m.Time = syslog.TimeOf(at.In(now.Location()), 6)
	m.MsgID, m.Data, m.Raw = "-", "-", m.Text
	m.Tree = &message.Node{}
	for _, f := range e.Fields {
		if f.Name != "MESSAGE" && len(m.Tree.Names) < 100 {
			m.Tree.Set([]string{f.Name}, &message.Node{Leaf: true, Value: f.Value})
		}
	}
	return m
}
