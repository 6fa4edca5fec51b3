package journal

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ID is a 128-bit identifier (sd-id128(3)).
type ID [16]byte

// String returns 32 lower-case hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ParseID reads 32 hexadecimal digits, or the form of a UUID.
func ParseID(s string) (ID, bool) {
	var id ID
	if len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-' {
		s = strings.ReplaceAll(s, "-", "")
	}
	if len(s) != 32 {
		return id, false
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return ID{}, false
	}
	return id, true
}

// Field is one field of an entry. Its value may hold any bytes.
type Field struct{ Name, Value string }

// Entry is one entry of a journal.
type Entry struct {
	SeqnumID  ID     // of the run of sequence numbers that Seqnum belongs to
	Seqnum    uint64 // rises from entry to entry
	Realtime  time.Time
	Monotonic time.Duration // since boot
	BootID    ID
	Fields    []Field // in the order they were written; a name may occur more than once
}

// Get returns the first value of a field, "" when there is none.
func (e *Entry) Get(name string) string {
	v, _ := e.Lookup(name)
	return v
}

// Lookup returns the first value of a field and whether there is one.
func (e *Entry) Lookup(name string) (string, bool) {
	for i := range e.Fields {
		if e.Fields[i].Name == name {
			return e.Fields[i].Value, true
		}
	}
	return "", false
}

// Has reports whether one of the values of a field is value.
func (e *Entry) Has(name, value string) bool {
	for i := range e.Fields {
		if e.Fields[i].Value == value && e.Fields[i].Name == name {
			return true
		}
	}
	return false
}

// Cursor returns the place of an entry (sd_journal_get_cursor(3)).
func (e *Entry) Cursor() Cursor {
	var x uint64
	for _, f := range e.Fields {
		x ^= hash(f.Name + "=" + f.Value)
	}
	return Cursor{
		SeqnumID: e.SeqnumID, Seqnum: e.Seqnum, HasSeqnum: true,
		BootID: e.BootID, Monotonic: e.Monotonic, HasBoot: true,
		Realtime: e.Realtime, HasRealtime: true,
		Hash: x, HasHash: true,
	}
}

// Compare orders two entries as readers that interleave files do: by sequence
// number where both count together, by the time since boot where they are of
// one boot, else by the clock.
func Compare(a, b *Entry) int {
	switch {
	case a.SeqnumID == b.SeqnumID:
		return order(a.Seqnum, b.Seqnum)
	case a.BootID == b.BootID && a.Monotonic != b.Monotonic:
		return order(a.Monotonic, b.Monotonic)
	}
	return a.Realtime.Compare(b.Realtime)
}

func order[T uint64 | time.Duration](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Cursor is a place in a journal, in the text form
// "s=SEQNUMID;i=SEQNUM;b=BOOTID;m=MONOTONIC;t=REALTIME;x=HASH".
type Cursor struct {
	SeqnumID    ID
	Seqnum      uint64
	HasSeqnum   bool
	BootID      ID
	Monotonic   time.Duration
	HasBoot     bool
	Realtime    time.Time
	HasRealtime bool
	Hash        uint64
	HasHash     bool
}

func (c Cursor) String() string {
	return fmt.Sprintf("s=%s;i=%x;b=%s;m=%x;t=%x;x=%x",
		c.SeqnumID, c.Seqnum, c.BootID, c.Monotonic.Microseconds(), c.Realtime.UnixMicro(), c.Hash)
}

// ParseCursor reads the text form. Parts it does not know are passed over; a
// cursor without a place in it is refused.
func ParseCursor(s string) (Cursor, bool) {
	var c Cursor
	var s1, i1, b1, m1 bool
	for _, part := range strings.Split(s, ";") {
		if len(part) < 2 || part[1] != '=' {
			return Cursor{}, false
		}
		v := part[2:]
		n, err := strconv.ParseUint(v, 16, 64)
		number := err == nil
		id, isID := ParseID(v)
		ok := true
		switch part[0] {
		case 's':
			c.SeqnumID, s1, ok = id, true, isID
		case 'i':
			c.Seqnum, i1, ok = n, true, number
		case 'b':
			c.BootID, b1, ok = id, true, isID
		case 'm':
			c.Monotonic, m1, ok = micro(n), true, number
		case 't':
			c.Realtime, c.HasRealtime, ok = time.UnixMicro(int64(n)).UTC(), true, number
		case 'x':
			c.Hash, c.HasHash, ok = n, true, number
		}
		if !ok {
			return Cursor{}, false
		}
	}
	c.HasSeqnum = s1 && i1
	c.HasBoot = b1 && m1
	return c, c.HasSeqnum || c.HasBoot || c.HasRealtime
}

// micro makes a duration of microseconds, capped at what one can hold.
func micro(us uint64) time.Duration {
	const most = uint64(1<<63-1) / 1000
	return time.Duration(min(us, most)) * time.Microsecond
}
