package sdjournal

import (
	"errors"
	"os"

	"enshu/sim/host"
	"enshu/sim/wire/journal"
)

// step is by how much a journal file is extended beforehand.
const step = 8 << 20

// hashTables is what the tables at the beginning of a real file take, whatever
// is in it. A file that is archived keeps as much, as a hole: so sizes, and
// what vacuuming by size removes, are those of the real journal.
const hashTables = 233016*16 + 333*16

// Writer appends to one journal file. It is for one thread.
type Writer struct {
	p    *host.Proc
	f    *os.File
	head journal.Header
	tail int64
	size int64
	last *journal.Entry // nil when the file is empty
	buf  []byte
	seg  journal.Segment // of the entries behind the last index record
}

// Create makes a new journal file with mode 0640; it must not exist.
func Create(p *host.Proc, name string, head journal.Header) (*Writer, error) {
	f, err := p.Sys.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return nil, err
	}
	w, err := create(p, f, head)
	if err != nil {
		f.Close()
	}
	return w, err
}

func create(p *host.Proc, f *os.File, head journal.Header) (*Writer, error) {
	head.Tail = journal.HeaderSize
	w := &Writer{p: p, f: f, head: head, tail: journal.HeaderSize, size: step}
	_, err := f.WriteAt(head.Encode(), 0)
	return w, errors.Join(err, f.Truncate(step))
}

// OpenWriter opens a file to append to it. What a writer that was killed left
// unfinished is overwritten. It fails with journal.ErrNotJournal for a file
// that is not one or that was archived.
func OpenWriter(p *host.Proc, name string) (*Writer, error) {
	f, err := p.Sys.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	w, err := resume(p, f)
	if err != nil {
		f.Close()
	}
	return w, err
}

func resume(p *host.Proc, f *os.File) (*Writer, error) {
	s, err := openFile(f, f.Name())
	if err == nil && s.head.Archived {
		err = journal.ErrNotJournal
	}
	if err != nil {
		return nil, err
	}
	w := &Writer{p: p, f: f, head: s.head, tail: s.end()}
	w.last, _ = s.before(w.tail)
	off := int64(journal.HeaderSize)
	w.head.Index = 0
	if x, end := s.index(s.head.Index); x != nil {
		w.head.Index, off = s.head.Index, end
	}
	for off < w.tail {
		e, size := s.record(off, false)
		if size == 0 {
			break
		}
		if e != nil {
			w.seg.Add(e, off)
		} else {
			w.head.Index, w.seg = off, journal.Segment{}
		}
		off += int64(size)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	w.size = (info.Size() + step - 1) / step * step
	// Zeros behind the last record: nothing of an unfinished one stays.
	return w, errors.Join(f.Truncate(w.tail), f.Truncate(w.size))
}

// Header returns the head of the file.
func (w *Writer) Header() journal.Header { return w.head }

// Last returns the newest entry, nil when there is none.
func (w *Writer) Last() *journal.Entry { return w.last }

// Size returns the size of the file.
func (w *Writer) Size() int64 { return w.size }

// Used returns how many bytes of the file are in use.
func (w *Writer) Used() int64 { return w.tail }

// Append writes entries with one call. Their SeqnumID is the file's.
func (w *Writer) Append(entries ...*journal.Entry) error {
	w.buf = w.buf[:0]
	for _, e := range entries {
		b, err := w.head.AppendRecord(w.buf, e)
		if err != nil {
			return err
		}
		w.buf = b
	}
	if err := w.grow(); err != nil {
		return err
	}
	if _, err := w.f.WriteAt(w.buf, w.tail); err != nil {
		return err
	}
	w.note(entries)
	w.tail += int64(len(w.buf))
	if len(entries) > 0 {
		w.last = entries[len(entries)-1]
	}
	return errors.Join(w.index(), w.hint())
}

// note indexes the entries whose records w.buf has, before they count as written.
func (w *Writer) note(entries []*journal.Entry) {
	b, off := w.buf, w.tail
	for _, e := range entries {
		size, err := w.head.RecordHead(b)
		if err != nil {
			return
		}
		w.seg.Add(e, off)
		b, off = b[size:], off+int64(size)
	}
}

// index writes the index of a segment that is full.
func (w *Writer) index() error {
	if w.seg.N < journal.SegmentSize {
		return nil
	}
	w.buf = w.head.AppendIndex(w.buf[:0], &w.seg, w.head.Index)
	if err := w.grow(); err != nil {
		return err
	}
	if _, err := w.f.WriteAt(w.buf, w.tail); err != nil {
		return err
	}
	w.head.Index, w.seg = w.tail, journal.Segment{}
	w.tail += int64(len(w.buf))
	return nil
}

// grow makes the file large enough for what w.buf has.
func (w *Writer) grow() error {
	if need := w.tail + int64(len(w.buf)); need > w.size {
		size := (need + step - 1) / step * step
		if err := w.f.Truncate(size); err != nil {
			return err
		}
		w.size = size
	}
	return nil
}

// hint writes the hints of the header.
func (w *Writer) hint() error {
	w.head.Tail = w.tail
	_, err := w.f.WriteAt(w.head.Encode()[journal.TailOffset:journal.TailOffset+16], journal.TailOffset)
	return err
}

// Archive marks the file as complete, cuts off what is not used, and closes it.
func (w *Writer) Archive() error {
	w.head.Archived, w.head.Tail = true, w.tail
	_, err := w.f.WriteAt(w.head.Encode(), 0)
	return errors.Join(err, w.f.Truncate(w.tail+hashTables), w.Close())
}

// Close closes the file, which stays the one to append to.
func (w *Writer) Close() error {
	w.p.Stamp(w.f)
	return w.f.Close()
}
