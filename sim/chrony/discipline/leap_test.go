package discipline

import (
	"encoding/binary"
	"testing"
	"time"

	"enshu/sim/wire/ntp"
)

// leapFile is a time zone file of version 2 with two leap seconds inserted and
// one deleted.
func leapFile() []byte {
	header := func(leaps uint32) []byte {
		b := append([]byte("TZif2"), make([]byte, 15)...)
		for _, n := range []uint32{0, 0, leaps, 0, 1, 4} {
			b = binary.BigEndian.AppendUint32(b, n)
		}
		return b
	}
	b := append(header(0), make([]byte, 6+4)...)
	b = append(b, header(3)...)
	b = append(b, make([]byte, 6+4)...)
	for _, l := range []struct {
		when time.Time
		skip int64
		sum  uint32
	}{
		{time.Date(1972, 7, 1, 0, 0, 0, 0, time.UTC), 0, 1},
		{time.Date(1973, 1, 1, 0, 0, 0, 0, time.UTC), 1, 2},
		{time.Date(2030, 6, 30, 23, 59, 59, 0, time.UTC), 2, 1},
	} {
		b = binary.BigEndian.AppendUint64(b, uint64(l.when.Unix()+l.skip))
		b = binary.BigEndian.AppendUint32(b, l.sum)
	}
	return append(b, "\nUTC0\n"...)
}

func TestLeapSeconds(t *testing.T) {
	l := ParseLeapSeconds(leapFile())
	if len(l) != 3 {
		t.Fatalf("%d leap seconds", len(l))
	}
	for _, c := range []struct {
		at   time.Time
		next ntp.Leap
		tai  int
	}{
		{time.Date(1972, 6, 30, 12, 0, 0, 0, time.UTC), ntp.LeapInsert, 10},
		{time.Date(1972, 7, 1, 0, 0, 0, 0, time.UTC), ntp.LeapNone, 11},
		{time.Date(1972, 12, 31, 23, 59, 59, 0, time.UTC), ntp.LeapInsert, 11},
		{time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), ntp.LeapNone, 12},
		{time.Date(2030, 6, 30, 1, 0, 0, 0, time.UTC), ntp.LeapDelete, 12},
		{time.Date(2030, 7, 1, 0, 0, 0, 0, time.UTC), ntp.LeapNone, 11},
	} {
		if next, tai := l.Next(c.at), l.TAI(c.at); next != c.next || tai != c.tai {
			t.Errorf("%v: leap %v and TAI-UTC %d, want %v and %d", c.at, next, tai, c.next, c.tai)
		}
	}
	for cut := range leapFile() {
		ParseLeapSeconds(leapFile()[:cut])
	}
}
