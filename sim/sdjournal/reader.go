package sdjournal

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/wire/journal"
)

// Where journals are kept; each machine's files are in a directory named by
// its machine ID.
const (
	VolatileDir   = "/run/log/journal"
	PersistentDir = "/var/log/journal"
	// NotifySocket tells readers that entries were appended.
	NotifySocket = "/run/systemd/journal/notify"
)

// Options say which files a Reader reads. The zero value reads every journal
// of this machine that the process may read.
type Options struct {
	Files       []string // these files, patterns of path.Match allowed; nothing else is read then
	Dirs        []string // the files in these directories; nothing else is read then
	SystemOnly  bool     // system.journal and its predecessors
	UserOnly    bool     // user-UID.journal of this process's user
	RuntimeOnly bool     // what /run/log/journal has
}

// Reader reads the entries of several files in order.
type Reader struct {
	// Filter, when set, says which entries Next and Previous return.
	Filter func(*journal.Entry) bool
	// Only, when set, leaves entries out that cannot pass the filter: those that
	// have none of the fields of one of the lists. It is what indexes know; an
	// entry that it lets through is still the filter's.
	Only [][]journal.Field
	// Denied are the files that the process may not read, Bad those that are no
	// journal, each with its error.
	Denied, Bad map[string]error

	p       *host.Proc
	o       Options
	sources []*source
	gap     gap
}

// source is a file with the place of the gap in it.
type source struct {
	*file
	at        int64 // records before it are before the gap
	ahead     *journal.Entry
	aheadEnd  int64
	behind    *journal.Entry
	behindBeg int64
	dry       bool // nothing was ahead when Next last looked; cleared once all are
	segments  segments
}

// gap says where files that turn up later are entered.
type gap int

const (
	atHead gap = iota
	atTail
	between
)

// Open returns a reader at the head of the journal. Having no file to read is
// no error. Who opened it closes it.
func Open(p *host.Proc, o Options) (*Reader, error) {
	r := &Reader{p: p, o: o, Denied: map[string]error{}, Bad: map[string]error{}}
	if err := r.look(); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Close closes the files.
func (r *Reader) Close() {
	for _, s := range r.sources {
		s.f.Close()
	}
	r.sources = nil
}

// Files returns the names under which the files that are read were found.
func (r *Reader) Files() []string {
	var names []string
	for _, s := range r.sources {
		names = append(names, s.name)
	}
	return names
}

// Head returns the head of a file that is read, by its name, and its size.
func (r *Reader) Head(name string) (head journal.Header, size int64) {
	for _, s := range r.sources {
		if s.name == name {
			if info, err := s.f.Stat(); err == nil {
				size = info.Size()
			}
			return s.head, size
		}
	}
	return head, 0
}

// look opens files that are not open yet.
func (r *Reader) look() error {
	names, err := r.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		f, err := r.p.Sys.OpenFile(name, os.O_RDONLY, 0)
		if errors.Is(err, os.ErrNotExist) && len(r.o.Files) == 0 {
			continue // rotated away meanwhile
		}
		if err != nil {
			r.Denied[name] = err
			continue
		}
		delete(r.Denied, name)
		s, err := openFile(f, name)
		if err != nil {
			r.Bad[name] = err
			f.Close()
			continue
		}
		if known := r.source(s.head.FileID); known != nil {
			known.name = name
			f.Close()
			continue
		}
		src := &source{file: s, at: journal.HeaderSize}
		if r.gap == atTail {
			src.at = src.end()
		}
		r.sources = append(r.sources, src)
	}
	return nil
}

func (r *Reader) source(id journal.ID) *source {
	for _, s := range r.sources {
		if s.head.FileID == id {
			return s
		}
	}
	return nil
}

// names lists the files that the options mean.
func (r *Reader) names() ([]string, error) {
	if len(r.o.Files) > 0 {
		var names []string
		for _, pattern := range r.o.Files {
			pattern = libc.Abs(r.p, pattern)
			if !strings.ContainsAny(pattern, "*?[") {
				names = append(names, pattern)
				continue
			}
			dir, base := path.Split(pattern)
			in, _ := libc.ReadDir(r.p, dir)
			for _, n := range in {
				if ok, _ := path.Match(base, n); ok {
					names = append(names, dir+n)
				}
			}
		}
		return names, nil
	}
	dirs := r.o.Dirs
	if len(dirs) == 0 {
		id := MachineID(r.p)
		dirs = []string{path.Join(VolatileDir, id), path.Join(PersistentDir, id)}
		if r.o.RuntimeOnly {
			dirs = dirs[:1]
		}
	}
	var names []string
	for _, dir := range dirs {
		dir = libc.Abs(r.p, dir)
		in, err := libc.ReadDir(r.p, dir)
		if err != nil && len(r.o.Dirs) > 0 {
			return nil, err
		}
		for _, n := range in {
			if !strings.HasSuffix(n, ".journal") {
				continue
			}
			user := "user-" + strconv.Itoa(r.p.UID)
			switch {
			case r.o.SystemOnly && r.o.UserOnly:
			case r.o.SystemOnly && !strings.HasPrefix(n, "system.") && !strings.HasPrefix(n, "system@"):
				continue
			case r.o.UserOnly && !strings.HasPrefix(n, user+".") && !strings.HasPrefix(n, user+"@"):
				continue
			}
			names = append(names, path.Join(dir, n))
		}
	}
	return names, nil
}

// Next returns the first entry after the gap that passes the filter, or io.EOF.
func (r *Reader) Next() (*journal.Entry, error) {
	for {
		var first *source
		for _, s := range r.sources {
			if s.ahead == nil && !s.dry {
				s.ahead, s.aheadEnd = s.next(r.Only)
				s.dry = s.ahead == nil
			}
			if s.ahead != nil && (first == nil || journal.Compare(s.ahead, first.ahead) < 0) {
				first = s
			}
		}
		if first == nil {
			for _, s := range r.sources {
				s.dry = false
			}
			return nil, io.EOF
		}
		e := first.ahead
		for _, s := range r.sources {
			// An entry that two files have is one entry.
			if s == first || s.ahead != nil && same(s.ahead, e) {
				s.move(s.aheadEnd)
			}
		}
		r.gap = between
		if r.Filter == nil || r.Filter(e) {
			return e, nil
		}
	}
}

// Previous returns the last entry before the gap that passes the filter, or io.EOF.
func (r *Reader) Previous() (*journal.Entry, error) {
	for {
		var last *source
		for _, s := range r.sources {
			if s.behind == nil {
				s.behind, s.behindBeg = s.previous(r.Only)
			}
			if s.behind != nil && (last == nil || journal.Compare(s.behind, last.behind) > 0) {
				last = s
			}
		}
		if last == nil {
			return nil, io.EOF
		}
		e := last.behind
		for _, s := range r.sources {
			if s == last || s.behind != nil && same(s.behind, e) {
				s.move(s.behindBeg)
			}
		}
		r.gap = between
		if r.Filter == nil || r.Filter(e) {
			return e, nil
		}
	}
}

func same(a, b *journal.Entry) bool { return a.SeqnumID == b.SeqnumID && a.Seqnum == b.Seqnum }

func (s *source) move(at int64) { s.at, s.ahead, s.behind, s.dry = at, nil, nil, false }

// SeekHead moves the gap before the first entry.
func (r *Reader) SeekHead() {
	r.seek(func(s *source) int64 { return journal.HeaderSize })
	r.gap = atHead
}

// SeekTail moves the gap behind the last entry.
func (r *Reader) SeekTail() {
	r.seek(func(s *source) int64 { return s.end() })
	r.gap = atTail
}

// SeekRealtime moves the gap before the first entry of time t or later.
func (r *Reader) SeekRealtime(t time.Time) {
	t = t.Truncate(time.Microsecond)
	r.seek(func(s *source) int64 {
		return s.search(func(e *journal.Entry) bool { return !e.Realtime.Before(t) })
	})
}

// SeekCursor moves the gap before the entry that a cursor names, or where it
// would be; SeekBehindCursor behind it.
func (r *Reader) SeekCursor(c journal.Cursor) {
	r.seek(func(s *source) int64 {
		return s.search(func(e *journal.Entry) bool { return compareCursor(e, c) >= 0 })
	})
}

// SeekBehindCursor: see SeekCursor.
func (r *Reader) SeekBehindCursor(c journal.Cursor) {
	r.seek(func(s *source) int64 {
		return s.search(func(e *journal.Entry) bool { return compareCursor(e, c) > 0 })
	})
}

// compareCursor orders an entry and a cursor by what both have.
func compareCursor(e *journal.Entry, c journal.Cursor) int {
	switch {
	case c.HasSeqnum && e.SeqnumID == c.SeqnumID:
		return cmp.Compare(e.Seqnum, c.Seqnum)
	case c.HasBoot && e.BootID == c.BootID:
		return cmp.Compare(e.Monotonic, c.Monotonic)
	}
	return e.Realtime.Compare(c.Realtime)
}

func (r *Reader) seek(place func(*source) int64) {
	r.gap = between
	for _, s := range r.sources {
		s.drop()
		s.move(place(s))
	}
}

// Matches reports whether a cursor names this entry (sd_journal_test_cursor(3)).
func Matches(c journal.Cursor, e *journal.Entry) bool {
	switch {
	case c.HasSeqnum && (c.SeqnumID != e.SeqnumID || c.Seqnum != e.Seqnum):
	case c.HasBoot && (c.BootID != e.BootID || c.Monotonic != e.Monotonic):
	case c.HasRealtime && !c.Realtime.Equal(e.Realtime):
	case c.HasHash && c.Hash != e.Cursor().Hash:
	default:
		return true
	}
	return false
}

// MachineID returns what /etc/machine-id says, "" when it says nothing.
func MachineID(p *host.Proc) string {
	data, _ := libc.ReadFile(p, "/etc/machine-id")
	id, ok := journal.ParseID(strings.TrimSpace(string(data)))
	if !ok {
		return ""
	}
	return id.String()
}

// Follow calls each for every entry after the gap, waiting for more, until
// each returns an error or ctx ends, and returns that error.
func (r *Reader) Follow(ctx context.Context, each func(*journal.Entry) error) error {
	w := r.watch(ctx)
	defer w.close()
	for {
		e, err := r.Next()
		if err == io.EOF {
			if err := w.wait(ctx); err != nil {
				return err
			}
			// A rotation may have happened between the last entry and now.
			if err := r.look(); err != nil {
				return err
			}
			continue
		}
		if err := each(e); err != nil {
			return err
		}
	}
}
