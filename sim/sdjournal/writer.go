package sdjournal

import (
	"errors"
	"os"

	"enshu/sim/host"
	"enshu/sim/wire/journal"
)

// step is by how much a journal file is extended beforehand.
const step = 8 << 20

// Writer appends to one journal file. It is for one thread.
type Writer struct {
	p    *host.Proc
	f    *os.File
	head journal.Header
	tail int64
	size int64
	last *journal.Entry // nil when the file is empty
	buf  []byte
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
	if need := w.tail + int64(len(w.buf)); need > w.size {
		size := (need + step - 1) / step * step
		if err := w.f.Truncate(size); err != nil {
			return err
		}
		w.size = size
	}
	if _, err := w.f.WriteAt(w.buf, w.tail); err != nil {
		return err
	}
	w.tail += int64(len(w.buf))
	if len(entries) > 0 {
		w.last = entries[len(entries)-1]
	}
	return w.hint()
}

// hint writes the tail hint.
func (w *Writer) hint() error {
	w.head.Tail = w.tail
	_, err := w.f.WriteAt(w.head.Encode()[journal.TailOffset:journal.TailOffset+8], journal.TailOffset)
	return err
}

// Archive marks the file as complete, cuts off what is not used, and closes it.
func (w *Writer) Archive() error {
	w.head.Archived, w.head.Tail = true, w.tail
	_, err := w.f.WriteAt(w.head.Encode(), 0)
	return errors.Join(err, w.f.Truncate(w.tail), w.Close())
}

// Close closes the file, which stays the one to append to.
func (w *Writer) Close() error {
	w.p.Stamp(w.f)
	return w.f.Close()
}
