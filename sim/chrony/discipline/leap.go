package discipline

import (
	"encoding/binary"
	"time"

	"enshu/sim/wire/ntp"
)

// LeapSeconds are the leap seconds of a time zone such as right/UTC, oldest
// first.
type LeapSeconds []LeapSecond

// LeapSecond is one: what happened at the end of a day of UTC.
type LeapSecond struct {
	At   time.Time // the midnight after it
	Leap ntp.Leap
	TAI  int // TAI minus UTC from then on, seconds
}

// ParseLeapSeconds reads the leap seconds in a time zone file (RFC 8536); there
// are none in those of civil time.
func ParseLeapSeconds(tzif []byte) LeapSeconds {
	const header = 44
	if len(tzif) < header || string(tzif[:4]) != "TZif" {
		return nil
	}
	count := func(b []byte, i int) int { return int(binary.BigEndian.Uint32(b[20+4*i:])) }
	// Of the counts (isutc, isstd, leap, time, type, char) the body follows; from
	// version 2 on it comes again with times of eight bytes.
	size := func(b []byte, wide int) (leaps, end int) {
		leaps = header + count(b, 3)*(wide+1) + count(b, 4)*6 + count(b, 5)
		return leaps, leaps + count(b, 2)*(wide+4) + count(b, 1) + count(b, 0)
	}
	wide := 4
	if tzif[4] >= '2' {
		_, end := size(tzif, wide)
		if end < 0 || end+header > len(tzif) || string(tzif[end:end+4]) != "TZif" {
			return nil
		}
		tzif, wide = tzif[end:], 8
	}
	at, end := size(tzif, wide)
	if at < 0 || end < at || end > len(tzif) {
		return nil
	}
	var list LeapSeconds
	before := 0
	for range count(tzif, 2) {
		var when int64
		if wide == 8 {
			when = int64(binary.BigEndian.Uint64(tzif[at:]))
		} else {
			when = int64(int32(binary.BigEndian.Uint32(tzif[at:])))
		}
		sum := int(int32(binary.BigEndian.Uint32(tzif[at+wide:])))
		l := LeapSecond{At: time.Unix(when-int64(before), 0).UTC(), Leap: ntp.LeapInsert, TAI: firstTAI + sum}
		if sum < before {
			l.Leap = ntp.LeapDelete
			l.At = l.At.Add(time.Second)
		}
		list, before = append(list, l), sum
		at += wide + 4
	}
	return list
}

// firstTAI is what TAI was ahead of UTC when leap seconds began, in 1972.
const firstTAI = 10

// Next returns the leap second at the end of the day of UTC in which t lies.
func (l LeapSeconds) Next(t time.Time) ntp.Leap {
	end := Midnight(t)
	for i := len(l) - 1; i >= 0; i-- {
		if l[i].At.Equal(end) {
			return l[i].Leap
		}
	}
	return ntp.LeapNone
}

// TAI returns by how many seconds TAI is ahead of UTC at t.
func (l LeapSeconds) TAI(t time.Time) int {
	tai := firstTAI
	for _, s := range l {
		if t.Before(s.At) {
			break
		}
		tai = s.TAI
	}
	return tai
}

// Midnight returns the end of the day of UTC in which t lies.
func Midnight(t time.Time) time.Time {
	y, m, d := t.UTC().Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, time.UTC)
}

// LeapDay reports whether the day of t may end with a leap second: the last of
// June and of December (ITU-R TF.460; others are possible and never were).
func LeapDay(t time.Time) bool {
	_, m, d := t.UTC().Date()
	return m == time.June && d == 30 || m == time.December && d == 31
}
