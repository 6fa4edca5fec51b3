package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
	"time"
)

// Sizes of the parts of a journal file, in bytes.
const (
	HeaderSize = 256
	recordHead = 12
	recordTail = 4
	bodyFixed  = 40
	// MaxBody bounds the body of a record. Larger entries cannot be written.
	MaxBody = 64 << 20
	// TailOffset is where the hints stand in the header, which have 16 bytes: the
	// tail, and the last index record.
	TailOffset = 64
)

const (
	magic    = "ENSHUJNL"
	version  = 2
	archived = 1
)

// What decoding may find.
var (
	ErrNotJournal = errors.New("journal: not a journal file")
	// ErrNoRecord means that no whole record stands at a place.
	ErrNoRecord = errors.New("journal: no record here")
)

// Header is the head of a journal file.
type Header struct {
	Archived                    bool
	FileID, MachineID, SeqnumID ID
	Tail                        int64 // hint: records end here, or further on
	Index                       int64 // hint: the last index record, 0 for none
}

// Encode returns the HeaderSize bytes of a header.
func (h *Header) Encode() []byte {
	b := make([]byte, HeaderSize)
	copy(b, magic)
	binary.LittleEndian.PutUint32(b[8:], version)
	if h.Archived {
		b[12] = archived
	}
	copy(b[16:], h.FileID[:])
	copy(b[32:], h.MachineID[:])
	copy(b[48:], h.SeqnumID[:])
	binary.LittleEndian.PutUint64(b[TailOffset:], uint64(h.Tail))
	binary.LittleEndian.PutUint64(b[TailOffset+8:], uint64(h.Index))
	return b
}

// DecodeHeader reads a header.
func DecodeHeader(b []byte) (Header, error) {
	if len(b) < HeaderSize || string(b[:8]) != magic || binary.LittleEndian.Uint32(b[8:]) != version {
		return Header{}, ErrNotJournal
	}
	h := Header{Archived: b[12]&archived != 0, Tail: int64(binary.LittleEndian.Uint64(b[TailOffset:])), Index: int64(binary.LittleEndian.Uint64(b[TailOffset+8:]))}
	copy(h.FileID[:], b[16:])
	copy(h.MachineID[:], b[32:])
	copy(h.SeqnumID[:], b[48:])
	if h.Tail < HeaderSize {
		h.Tail = HeaderSize
	}
	return h, nil
}

var table = crc32.MakeTable(crc32.Castagnoli)

// mark returns the sync mark of a file; it holds no zero byte, so that it is
// never found in the zeros at the end.
func (h *Header) mark() uint32 { return crc32.Checksum(h.FileID[:], table) | 0x01010101 }

func (h *Header) sum(body []byte) uint32 {
	return crc32.Update(crc32.Update(0, table, h.FileID[:]), table, body)
}

// AppendRecord appends the record of an entry to b. The SeqnumID is the
// file's. It fails for an entry that is too large.
func (h *Header) AppendRecord(b []byte, e *Entry) ([]byte, error) {
	start := len(b)
	b = append(b, make([]byte, recordHead)...)
	b = binary.LittleEndian.AppendUint64(b, e.Seqnum)
	b = binary.LittleEndian.AppendUint64(b, uint64(e.Realtime.UnixMicro()))
	b = binary.LittleEndian.AppendUint64(b, uint64(e.Monotonic.Microseconds()))
	b = append(b, e.BootID[:]...)
	b = binary.AppendUvarint(b, uint64(len(e.Fields)))
	for _, f := range e.Fields {
		b = binary.AppendUvarint(b, uint64(len(f.Name)+1+len(f.Value)))
		b = append(b, f.Name...)
		b = append(b, '=')
		b = append(b, f.Value...)
	}
	if len(b)-start-recordHead > MaxBody {
		return b[:start], errors.New("journal: entry too large")
	}
	return h.frame(b, start), nil
}

// frame fills in the head of the record whose body ends b, and appends the tail.
func (h *Header) frame(b []byte, start int) []byte {
	head, body := b[start:], b[start+recordHead:]
	binary.LittleEndian.PutUint32(head, h.mark())
	binary.LittleEndian.PutUint32(head[4:], uint32(len(body)))
	binary.LittleEndian.PutUint32(head[8:], h.sum(body))
	return binary.LittleEndian.AppendUint32(b, uint32(len(body)))
}

// RecordHead reads the first bytes of a record and returns the size of the
// whole, or ErrNoRecord.
func (h *Header) RecordHead(b []byte) (size int, err error) {
	if len(b) < recordHead || binary.LittleEndian.Uint32(b) != h.mark() {
		return 0, ErrNoRecord
	}
	n := binary.LittleEndian.Uint32(b[4:])
	if n < bodyFixed || n > MaxBody {
		return 0, ErrNoRecord
	}
	return recordHead + int(n) + recordTail, nil
}

// RecordHeadSize is how many bytes RecordHead wants.
const RecordHeadSize = recordHead

// SizeBefore reads the last four bytes of a record and returns the size of the
// whole, or ErrNoRecord.
func (h *Header) SizeBefore(tail []byte) (size int, err error) {
	if len(tail) < recordTail {
		return 0, ErrNoRecord
	}
	n := binary.LittleEndian.Uint32(tail[len(tail)-recordTail:])
	if n < bodyFixed || n > MaxBody {
		return 0, ErrNoRecord
	}
	return recordHead + int(n) + recordTail, nil
}

// FindMark returns where in b a record may begin, at from or later, or -1.
func (h *Header) FindMark(b []byte, from int) int {
	var m [4]byte
	binary.LittleEndian.PutUint32(m[:], h.mark())
	i := bytes.Index(b[min(from, len(b)):], m[:])
	if i < 0 {
		return -1
	}
	return from + i
}

// body returns the body of the whole record at the beginning of b.
func (h *Header) body(b []byte) ([]byte, error) {
	size, err := h.RecordHead(b)
	if err != nil {
		return nil, err
	}
	if len(b) < size {
		return nil, ErrNoRecord
	}
	body := b[recordHead : size-recordTail]
	if binary.LittleEndian.Uint32(b[size-recordTail:]) != uint32(len(body)) ||
		binary.LittleEndian.Uint32(b[8:]) != h.sum(body) {
		return nil, ErrNoRecord
	}
	return body, nil
}

// DecodeRecord reads the record at the beginning of b, whose size RecordHead
// told. The entry shares nothing with b. Of an index record it is ErrIndex.
func (h *Header) DecodeRecord(b []byte) (*Entry, error) {
	body, err := h.body(b)
	if err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint64(body) == 0 {
		return nil, ErrIndex
	}
	e := &Entry{
		SeqnumID:  h.SeqnumID,
		Seqnum:    binary.LittleEndian.Uint64(body),
		Realtime:  time.UnixMicro(int64(binary.LittleEndian.Uint64(body[8:]))).UTC(),
		Monotonic: micro(binary.LittleEndian.Uint64(body[16:])),
	}
	copy(e.BootID[:], body[24:])
	rest := body[bodyFixed:]
	count, n := binary.Uvarint(rest)
	if n <= 0 || count > uint64(len(rest)) {
		return nil, ErrNoRecord
	}
	rest = rest[n:]
	text := string(rest)
	e.Fields = make([]Field, 0, count)
	at := 0
	for range count {
		size, n := binary.Uvarint(rest[at:])
		if n <= 0 || size > uint64(len(rest)-at-n) {
			return nil, ErrNoRecord
		}
		at += n
		name, value, ok := strings.Cut(text[at:at+int(size)], "=")
		if !ok {
			return nil, ErrNoRecord
		}
		e.Fields = append(e.Fields, Field{name, value})
		at += int(size)
	}
	return e, nil
}
