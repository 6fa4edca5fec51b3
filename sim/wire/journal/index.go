package journal

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
)

// ErrIndex means that a record is an index, not an entry.
var ErrIndex = errors.New("journal: an index record")

// Indexed are the fields whose values an index knows.
var Indexed = []string{"_SYSTEMD_UNIT", "UNIT", "OBJECT_SYSTEMD_UNIT", "COREDUMP_UNIT", "_SYSTEMD_USER_UNIT", "_SYSTEMD_SLICE",
	"SYSLOG_IDENTIFIER", "PRIORITY", "_BOOT_ID", "_TRANSPORT", "_PID", "_UID", "_COMM", "MESSAGE_ID"}

// SegmentSize is how many entries an index record is about.
const SegmentSize = 1024

// Segment collects the index of a run of records.
type Segment struct {
	Start int64 // where the run begins
	N     int   // entries in it
	lists map[uint32][]int64
}

// key stands for a field's value in an index. Different values may have one
// key: what an index finds is to be looked at.
func key(f Field) uint32 {
	sum := crc32.Update(crc32.Checksum([]byte(f.Name), table), table, []byte{'='})
	return crc32.Update(sum, table, []byte(f.Value))
}

// Add notes the entry whose record stands at off.
func (s *Segment) Add(e *Entry, off int64) {
	if s.lists == nil {
		s.lists = map[uint32][]int64{}
	}
	if s.N == 0 {
		s.Start = off
	}
	s.N++
	add := func(k uint32) {
		if l := s.lists[k]; len(l) == 0 || l[len(l)-1] != off {
			s.lists[k] = append(l, off)
		}
	}
	for _, f := range e.Fields {
		if slices.Contains(Indexed, f.Name) {
			add(key(f))
		}
	}
	add(key(Field{"_BOOT_ID", e.BootID.String()}))
}

// Sizes of an index record's body: 0 zero (8, where an entry has its sequence
// number) · start of the run (8) · the index record before, 0 for none (8) ·
// number of entries (8) · number of keys (8), then the keys in order, each 12
// bytes: key · place of its list · length of its list; then the lists, of
// offsets from the start, each the difference to the one before (uvarint). The
// list of a key that every entry has is left out.
const (
	indexFixed = 40
	indexKey   = 12
)

// AppendIndex appends the index record of a segment, whose predecessor stands at prev.
func (h *Header) AppendIndex(b []byte, s *Segment, prev int64) []byte {
	start := len(b)
	b = append(b, make([]byte, recordHead)...)
	for _, n := range []int64{0, s.Start, prev, int64(s.N), int64(len(s.lists))} {
		b = binary.LittleEndian.AppendUint64(b, uint64(n))
	}
	keys := make([]uint32, 0, len(s.lists))
	for k := range s.lists {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var lists []byte
	for _, k := range keys {
		l := s.lists[k]
		b = binary.LittleEndian.AppendUint32(b, k)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(lists)))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(l)))
		if len(l) == s.N {
			continue
		}
		at := s.Start
		for _, off := range l {
			lists = binary.AppendUvarint(lists, uint64(off-at))
			at = off
		}
	}
	return h.frame(append(b, lists...), start)
}

// Index is an index record that was read.
type Index struct {
	Start, Prev int64
	N           int
	keys, lists []byte
}

// DecodeIndex reads the index record at the beginning of b and shares its bytes.
func (h *Header) DecodeIndex(b []byte) (*Index, error) {
	body, err := h.body(b)
	if err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint64(body) != 0 {
		return nil, ErrNoRecord
	}
	x := &Index{
		Start: int64(binary.LittleEndian.Uint64(body[8:])), Prev: int64(binary.LittleEndian.Uint64(body[16:])),
		N: int(binary.LittleEndian.Uint64(body[24:])),
	}
	n := binary.LittleEndian.Uint64(body[32:])
	if n > uint64(len(body)-indexFixed)/indexKey || x.Start < HeaderSize || x.Prev < 0 || x.N < 0 {
		return nil, ErrNoRecord
	}
	x.keys = body[indexFixed:][:n*indexKey]
	x.lists = body[indexFixed+int(n)*indexKey:]
	return x, nil
}

// Find appends to list where the entries stand that may have a field, in their
// order. all means every entry of the segment, which are not listed.
func (x *Index) Find(list []int64, f Field) (found []int64, all bool) {
	k := key(f)
	n := len(x.keys) / indexKey
	at := func(i int) uint32 { return binary.LittleEndian.Uint32(x.keys[i*indexKey:]) }
	lo, hi := 0, n
	for lo < hi {
		if mid := (lo + hi) / 2; at(mid) < k {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == n || at(lo) != k {
		return list, false
	}
	from := binary.LittleEndian.Uint32(x.keys[lo*indexKey+4:])
	count := int(binary.LittleEndian.Uint32(x.keys[lo*indexKey+8:]))
	if count == x.N {
		return list, true
	}
	if int(from) > len(x.lists) {
		return list, true // not to be trusted: look at every one
	}
	rest, off := x.lists[from:], x.Start
	for range count {
		d, n := binary.Uvarint(rest)
		if n <= 0 {
			return list, true
		}
		rest = rest[n:]
		off += int64(d)
		list = append(list, off)
	}
	return list, false
}
