package input

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"enshu/sim/libc"
	"enshu/sim/rsyslog/config"
	"enshu/sim/rsyslog/message"
	"enshu/sim/wire/syslog"
)

// watchInterval is how often imfile looks at its files.
const watchInterval = 500 * time.Millisecond

// tail is one file that imfile reads.
type tail struct {
	in     *config.FileInput
	name   string
	inode  uint64
	offset int64 // behind the last whole line that was read
	saved  int64
	seen   bool   // the file was there once
	missed bool   // it was told that it is not
	part   string // of a message of several lines that is not complete
	lines  int    // of part
	from   int64  // where it stands in the file
	begins int64  // the offset that is told for it
}

// follow is imfile.
func (s *Set) follow(ctx context.Context) {
	tails := map[string]*tail{}
	for first := true; ; first = false {
		for _, in := range s.conf.Files {
			names := []string{in.Pattern}
			if strings.ContainsAny(in.Pattern, "*?[") {
				names = config.Glob(s.p, in.Pattern)
			}
			for _, name := range names {
				key := in.Pattern + "\x00" + name
				t := tails[key]
				if t == nil {
					t = &tail{in: in, name: libc.Abs(s.p, name)}
					tails[key] = t
					t.start(s, first)
				}
				t.read(s)
			}
		}
		if s.p.Sleep(ctx, watchInterval) != nil {
			break
		}
	}
	for _, t := range tails {
		t.save(s)
	}
}

// stateFile is where the place in a file is kept between runs.
func (t *tail) stateFile(s *Set) string {
	dir := s.conf.Globals.WorkDirectory
	if dir == "" {
		dir = "/"
	}
	return path.Join(libc.Abs(s.p, dir), fmt.Sprintf("imfile-state:%d", t.inode))
}

// start finds the place where an earlier run stopped.
func (t *tail) start(s *Set, first bool) {
	info, err := s.p.Sys.Stat(t.name)
	if err != nil {
		return
	}
	t.inode = inodeOf(info)
	if data, err := libc.ReadFile(s.p, t.stateFile(s)); err == nil {
		name, offset, _ := strings.Cut(strings.TrimSpace(string(data)), "\n")
		if n, err := strconv.ParseInt(offset, 10, 64); err == nil && name == t.name && n <= info.Size() {
			t.offset, t.saved = n, n
			return
		}
	}
	if t.in.FreshTail && first {
		t.offset = info.Size()
	}
}

func inodeOf(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Ino
	}
	return 0
}

// maxRead bounds what is taken from one file at once.
const maxRead = 1 << 20

// read hands on what was added. What ends without a line feed waits, and so does
// a message of several lines until what follows it shows that it is over.
func (t *tail) read(s *Set) {
	info, err := s.p.Sys.Stat(t.name)
	if err != nil {
		if !t.missed && !t.seen {
			t.missed = true
			if !strings.ContainsAny(t.in.Pattern, "*?[") {
				s.sink.Report(syslog.Err, config.CodeNone, fmt.Sprintf("imfile: on startup file '%s' does not exist but is configured in static file monitor - this may indicate a misconfiguration. If the file appears at a later time, it will automatically be processed. Reason: %s", t.name, libc.Strerror(err)))
			}
		}
		return
	}
	if !info.Mode().IsRegular() {
		return
	}
	t.seen = true
	if ino := inodeOf(info); ino != t.inode {
		t.inode, t.offset = ino, 0
		t.restart()
	}
	if info.Size() < t.offset {
		t.offset = 0
		t.restart()
	}
	if info.Size() == t.offset {
		return
	}
	f, err := s.p.Sys.OpenFile(t.name, os.O_RDONLY, 0)
	if err != nil {
		return
	}
	defer f.Close()
	for {
		data, err := io.ReadAll(io.NewSectionReader(f, t.offset, maxRead))
		if err != nil || len(data) == 0 {
			return
		}
		moved := false
		for {
			i := bytes.IndexByte(data, '\n')
			if i < 0 && len(data) == maxRead {
				i = len(data) - 1
			}
			if i < 0 {
				break
			}
			start := t.offset
			t.offset += int64(i) + 1
			t.line(s, string(data[:i]), start)
			data = data[i+1:]
			moved = true
		}
		if t.in.Persist > 0 {
			t.save(s)
		}
		if !moved {
			return
		}
	}
}

// restart forgets the part of a message that waits.
func (t *tail) restart() { t.part, t.lines, t.begins = "", 0, 0 }

// line takes one line of the file, which begins at an offset, and hands on the
// message that it completes.
func (t *tail) line(s *Set, line string, start int64) {
	if n := t.in.TrimOver; n > 0 && len(line) > n {
		line = line[:n] + "\n"
	}
	glue := "\n"
	if t.in.EscapeLF {
		glue = "#012"
		if t.in.Start != nil || t.in.End != nil {
			glue = `\n`
		}
	}
	add := func() {
		if t.lines > 0 {
			t.part += glue
		} else {
			t.from = start
		}
		t.part += line[:min(len(line), max(0, s.conf.Globals.MaxMessage-len(t.part)))]
		t.lines++
	}
	flush := func() {
		if t.lines > 0 {
			if t.lines > 1 && t.in.ReadMode == 2 && !t.in.EscapeLF {
				t.part += "\n" // as the real one does
			}
			t.submit(s, t.part, t.begins)
		}
		t.restart()
	}
	switch in := t.in; {
	case in.Start != nil:
		if t.lines > 0 && in.Start.MatchString(line) {
			flush()
			t.begins = t.offset
		}
		add()
	case in.End != nil:
		if t.lines == 0 {
			t.begins = start
		}
		if add(); in.End.MatchString(line) {
			flush()
		}
	case in.ReadMode == 1:
		if line == "" {
			flush()
			return
		}
		if t.lines == 0 {
			t.begins = start
		}
		add()
	case in.ReadMode == 2:
		if line == "" || line[0] != ' ' && line[0] != '\t' {
			flush()
			t.begins = start
		}
		add()
	default:
		t.submit(s, line, start)
	}
}

func (t *tail) submit(s *Set, text string, start int64) {
	if text == "" {
		return
	}
	text = text[:min(len(text), s.conf.Globals.MaxMessage)]
	now := s.sink.Now()
	if t.in.CEETag {
		text = "@cee:" + text
	}
	m := &message.Message{Input: "imfile", From: s.hostname(), FromIP: "127.0.0.1", Received: now, Ruleset: t.in.Ruleset}
	if t.in.Parse {
		m.Message = parseHostless(s.conf.Globals.Sanitizer.CleanString(text), now)
	} else {
		m.Message = syslog.Message{Raw: text, Facility: syslog.Facility(t.in.Facility), Severity: syslog.Severity(t.in.Severity),
			Time: syslog.TimeOf(now, 6), Tag: t.in.Tag, Text: text, MsgID: "-", Data: "-"}
	}
	if t.in.Metadata {
		m.Tree = &message.Node{}
		m.Tree.Set([]string{"metadata", "filename"}, &message.Node{Leaf: true, Value: t.name})
		m.Tree.Set([]string{"metadata", "fileoffset"}, &message.Node{Leaf: true, Value: strconv.FormatInt(start, 10)})
	}
	s.sink.Submit(m, true)
}

func (t *tail) save(s *Set) {
	place := t.offset
	if t.lines > 0 {
		place = t.from // a message that is not complete is read again
	}
	if t.inode == 0 || place == t.saved || s.killed.Load() {
		return
	}
	t.saved = place
	libc.WriteFile(s.p, t.stateFile(s), fmt.Appendf(nil, "%s\n%d\n", t.name, place), 0o600)
}
