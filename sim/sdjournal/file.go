package sdjournal

import (
	"io"
	"os"
	"sort"

	"enshu/sim/wire/journal"
)

// chunk is how much of a file is read at once.
const chunk = 64 << 10

// file reads one journal file at any offset.
type file struct {
	f    *os.File
	name string
	head journal.Header
	buf  []byte // the bytes at off
	off  int64
	side []byte // of an index record
}

func openFile(f *os.File, name string) (*file, error) {
	b := make([]byte, journal.HeaderSize)
	if _, err := f.ReadAt(b, 0); err != nil {
		if err == io.EOF {
			err = journal.ErrNotJournal
		}
		return nil, err
	}
	head, err := journal.DecodeHeader(b)
	if err != nil {
		return nil, err
	}
	return &file{f: f, name: name, head: head}, nil
}

// window returns up to n bytes at off, fewer at the end of the file.
func (s *file) window(off int64, n int, back bool) []byte {
	if off >= s.off && off+int64(n) <= s.off+int64(len(s.buf)) {
		return s.buf[off-s.off:][:n]
	}
	from, size := off, max(n, chunk)
	if back {
		from = max(0, off+int64(n)-int64(size))
		size = int(off-from) + n
	}
	if cap(s.buf) < size {
		s.buf = make([]byte, size)
	}
	s.buf = s.buf[:size]
	got, _ := s.f.ReadAt(s.buf, from)
	s.buf, s.off = s.buf[:got], from
	if off-from > int64(got) {
		return nil
	}
	b := s.buf[off-from:]
	return b[:min(n, len(b))]
}

// drop forgets what was read: the file may have grown since.
func (s *file) drop() { s.buf = s.buf[:0] }

// record decodes the record at off: an entry, or nil of an index. size is 0
// where no record stands.
func (s *file) record(off int64, back bool) (e *journal.Entry, size int) {
	for _, fresh := range []bool{false, true} {
		if fresh {
			s.drop()
		}
		size, err := s.head.RecordHead(s.window(off, journal.RecordHeadSize, back))
		if err != nil {
			continue
		}
		e, err := s.head.DecodeRecord(s.window(off, size, back))
		if err == nil || err == journal.ErrIndex {
			return e, size
		}
	}
	return nil, 0
}

// at decodes the first entry at off or behind index records there, and returns
// where the next record begins; no entry is nil.
func (s *file) at(off int64, back bool) (*journal.Entry, int64) {
	for {
		e, size := s.record(off, back)
		off += int64(size)
		if e != nil || size == 0 {
			return e, off
		}
	}
}

// before decodes the last entry that ends at off or before index records there,
// and returns where it begins.
func (s *file) before(off int64) (*journal.Entry, int64) {
	for off >= journal.HeaderSize+journal.RecordHeadSize {
		size, err := s.head.SizeBefore(s.window(off-4, 4, true))
		start := off - int64(size)
		if err != nil || start < journal.HeaderSize {
			break
		}
		e, n := s.record(start, true)
		if n != size {
			break
		}
		if e != nil {
			return e, start
		}
		off = start
	}
	return nil, off
}

// end returns where the last record ends.
func (s *file) end() int64 {
	b := make([]byte, 16)
	if _, err := s.f.ReadAt(b, journal.TailOffset); err == nil {
		head := s.head.Encode()
		copy(head[journal.TailOffset:], b)
		if h, err := journal.DecodeHeader(head); err == nil {
			s.head.Tail, s.head.Index = h.Tail, h.Index
		}
	}
	off := s.head.Tail
	if off > journal.HeaderSize {
		if e, _ := s.before(off); e == nil {
			off = journal.HeaderSize // a hint that leads nowhere
		}
	}
	for {
		e, next := s.at(off, false)
		off = next
		if e == nil {
			return off
		}
	}
}

// resync returns the first record that begins at off or later, before limit.
func (s *file) resync(off, limit int64) (*journal.Entry, int64, int64) {
	off = max(off, journal.HeaderSize)
	for off < limit {
		b := s.window(off, int(min(chunk, limit-off)), false)
		i := s.head.FindMark(b, 0)
		if i < 0 {
			if len(b) < journal.RecordHeadSize {
				break
			}
			off += int64(len(b)) - 3 // a mark may lie across the edge
			continue
		}
		off += int64(i)
		e, size := s.record(off, false)
		if e != nil {
			return e, off, off + int64(size)
		}
		off += int64(max(size, 1))
	}
	return nil, limit, limit
}

// search returns where the first record for which is(entry) holds begins; is
// must be false for a beginning of the file and true for the rest.
func (s *file) search(is func(*journal.Entry) bool) int64 {
	end := s.end()
	const step = 4 << 10
	n := int((end-journal.HeaderSize)/step) + 1
	// The last block whose first record is still too early; what is looked for
	// begins in it or right behind it.
	i := sort.Search(n, func(i int) bool {
		e, _, _ := s.resync(journal.HeaderSize+int64(i)*step, end)
		return e == nil || is(e)
	})
	off := int64(journal.HeaderSize)
	if i > 0 {
		_, off, _ = s.resync(journal.HeaderSize+int64(i-1)*step, end)
	}
	for {
		e, size := s.record(off, false)
		if e != nil && is(e) || size == 0 {
			return off
		}
		off += int64(size)
	}
}
