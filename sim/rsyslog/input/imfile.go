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
	offset int64 // of what was handed on
	saved  int64
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

// read hands on the lines that were added. What ends without a line feed waits.
func (t *tail) read(s *Set) {
	info, err := s.p.Sys.Stat(t.name)
	if err != nil || !info.Mode().IsRegular() {
		return
	}
	if ino := inodeOf(info); ino != t.inode {
		t.inode, t.offset = ino, 0
	}
	if info.Size() < t.offset {
		t.offset = 0
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
			t.submit(s, bytes.TrimSuffix(data[:i], []byte("\r")))
			t.offset += int64(i) + 1
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

func (t *tail) submit(s *Set, line []byte) {
	if len(line) == 0 {
		return
	}
	line = line[:min(len(line), s.conf.Globals.MaxMessage)]
	now := s.sink.Now()
	text := s.conf.Globals.Sanitizer.Clean(line)
	m := &message.Message{Input: "imfile", From: s.hostname(), FromIP: "127.0.0.1", Received: now, Ruleset: t.in.Ruleset}
	m.Message = syslog.Message{Raw: text, Facility: syslog.Facility(t.in.Facility), Severity: syslog.Severity(t.in.Severity),
		Time: syslog.TimeOf(now, 6), Tag: t.in.Tag, Text: text, MsgID: "-", Data: "-"}
	if t.in.Metadata {
		m.Tree = &message.Node{}
		m.Tree.Set([]string{"metadata", "filename"}, &message.Node{Leaf: true, Value: t.name})
		m.Tree.Set([]string{"metadata", "fileoffset"}, &message.Node{Leaf: true, Value: strconv.FormatInt(t.offset, 10)})
	}
	s.sink.Submit(m, true)
}

func (t *tail) save(s *Set) {
	if t.inode == 0 || t.offset == t.saved || s.killed.Load() {
		return
	}
	t.saved = t.offset
	libc.WriteFile(s.p, t.stateFile(s), fmt.Appendf(nil, "%s\n%d\n", t.name, t.offset), 0o600)
}
