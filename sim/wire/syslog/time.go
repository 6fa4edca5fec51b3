package syslog

import (
	"strconv"
	"time"
)

// Time is a time as a message states it: its fields, its precision and its
// zone are kept, so that a relay writes what it read.
type Time struct {
	Year, Month, Day     int
	Hour, Minute, Second int
	Fraction, Digits     int  // the fraction of the second and how many digits it had
	Zone                 byte // '+', '-', or 'Z' for UTC in its short form
	ZoneHour, ZoneMinute int
}

// TimeOf returns t in its own location, with a fraction of digits digits.
func TimeOf(t time.Time, digits int) Time {
	_, offset := t.Zone()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	at := Time{Year: year, Month: int(month), Day: day, Hour: hour, Minute: minute, Second: second, Digits: digits, Zone: '+'}
	if offset < 0 {
		at.Zone, offset = '-', -offset
	}
	at.ZoneHour, at.ZoneMinute = offset/3600, offset/60%60
	if digits > 0 {
		at.Fraction = t.Nanosecond()
		for i := digits; i < 9; i++ {
			at.Fraction /= 10
		}
	}
	return at
}

// Time returns the instant.
func (t Time) Time() time.Time {
	ns := t.Fraction
	for i := t.Digits; i < 9; i++ {
		ns *= 10
	}
	offset := t.ZoneHour*3600 + t.ZoneMinute*60
	if t.Zone == '-' {
		offset = -offset
	}
	loc := time.UTC
	if offset != 0 {
		loc = time.FixedZone("", offset)
	}
	return time.Date(t.Year, time.Month(t.Month), t.Day, t.Hour, t.Minute, t.Second, ns, loc)
}

const months = "JanFebMarAprMayJunJulAugSepOctNovDec"

// AppendRFC3164 appends the 15 octets of RFC 3164 section 4.1.2; buggyDay
// writes a day below ten with a zero in place of the blank.
func (t Time) AppendRFC3164(b []byte, buggyDay bool) []byte {
	b = append(b, months[t.Month*3-3:t.Month*3]...)
	b = append(b, ' ')
	if t.Day < 10 && !buggyDay {
		b = append(b, ' ', byte('0'+t.Day))
	} else {
		b = two(b, t.Day)
	}
	b = append(b, ' ')
	return t.appendClock(b)
}

func (t Time) appendClock(b []byte) []byte {
	b = append(two(b, t.Hour), ':')
	b = append(two(b, t.Minute), ':')
	return two(b, t.Second)
}

// AppendRFC3339 appends the form of RFC 3339, with the fraction and the zone
// as they were received.
func (t Time) AppendRFC3339(b []byte) []byte {
	b = append(digits(b, t.Year, 4), '-')
	b = append(two(b, t.Month), '-')
	b = append(two(b, t.Day), 'T')
	b = t.appendClock(b)
	if t.Digits > 0 {
		b = digits(append(b, '.'), t.Fraction, t.Digits)
	}
	if t.Zone == 'Z' {
		return append(b, 'Z')
	}
	b = append(two(append(b, t.Zone), t.ZoneHour), ':')
	return two(b, t.ZoneMinute)
}

func two(b []byte, n int) []byte { return append(b, byte('0'+n/10%10), byte('0'+n%10)) }

// digits appends n with at least width digits.
func digits(b []byte, n, width int) []byte {
	s := strconv.Itoa(n)
	for i := len(s); i < width; i++ {
		b = append(b, '0')
	}
	return append(b, s...)
}

// reader takes numbers and single characters from the front of a string.
type reader struct{ s string }

// number reads decimal digits; without any it is 0, and a long one is cut to
// something out of every range.
func (r *reader) number() (n, width int) {
	for len(r.s) > 0 && r.s[0] >= '0' && r.s[0] <= '9' {
		if n < 1e9 {
			n = n*10 + int(r.s[0]-'0')
		}
		width++
		r.s = r.s[1:]
	}
	return n, width
}

// fraction reads the digits of a fraction. Of more than six, which the real
// daemon has no room for, it shows the last one to six, and so do we.
func (r *reader) fraction() (n, width int) {
	n, width = r.number()
	if width > 6 {
		width = (width-1)%6 + 1
	}
	for limit, i := 1, 0; i < width; i++ {
		if limit *= 10; i == width-1 {
			n %= limit
		}
	}
	return n, width
}

func (r *reader) skip(c byte) bool {
	if len(r.s) == 0 || r.s[0] != c {
		return false
	}
	r.s = r.s[1:]
	return true
}

// ParseRFC3339 reads a time in the form of RFC 3339 and the blank after it. It
// reports false, and returns s, when there is none.
func ParseRFC3339(s string) (t Time, rest string, ok bool) {
	if len(s) < 20 || s[0] < '0' || s[0] > '9' {
		return t, s, false
	}
	r := reader{s}
	t.Year, _ = r.number()
	if t.Year > 9999 || !r.skip('-') {
		return t, s, false
	}
	t.Month, _ = r.number()
	if t.Month < 1 || t.Month > 12 || !r.skip('-') {
		return t, s, false
	}
	t.Day, _ = r.number()
	if t.Day < 1 || t.Day > 31 || !r.skip('T') {
		return t, s, false
	}
	if !r.clock(&t) {
		return t, s, false
	}
	if r.skip('.') {
		t.Fraction, t.Digits = r.fraction()
	}
	switch {
	case r.skip('Z'):
		t.Zone = 'Z'
	case len(r.s) > 0 && (r.s[0] == '+' || r.s[0] == '-'):
		t.Zone = r.s[0]
		r.s = r.s[1:]
		t.ZoneHour, _ = r.number()
		if t.ZoneHour > 23 || !r.skip(':') {
			return t, s, false
		}
		t.ZoneMinute, _ = r.number()
		if t.ZoneMinute > 59 {
			return t, s, false
		}
	default:
		return t, s, false
	}
	if len(r.s) > 0 && !r.skip(' ') {
		return t, s, false
	}
	return t, r.s, true
}

// clock reads hh:mm:ss.
func (r *reader) clock(t *Time) bool {
	t.Hour, _ = r.number()
	if t.Hour > 23 || !r.skip(':') {
		return false
	}
	t.Minute, _ = r.number()
	if t.Minute > 59 || !r.skip(':') {
		return false
	}
	t.Second, _ = r.number()
	return t.Second <= 60
}

// monthOf returns the month whose three letters, large or small, a text of at least
// three begins with; 0 is none.
func monthOf(s string) int {
	const small = 0x20
	a, b, c := s[0]|small, s[1]|small, s[2]|small
	for m := 0; m < len(months); m += 3 {
		if months[m]|small == a && months[m+1] == b && months[m+2] == c {
			return m/3 + 1
		}
	}
	return 0
}

// ParseRFC3164 reads "Mmm dd hh:mm:ss" and the blank after it, with the
// deviations that rsyslog bears: a day of one digit, a year before the month or
// before the time, a fraction, a colon at the end, a mark of Cisco's in front.
// The year, where none is told, is the one of now that puts the month at most
// one ahead; the zone is that of now.
func ParseRFC3164(s string, now Time) (t Time, rest string, ok bool) {
	t = now
	t.Fraction, t.Digits = 0, 0
	r := reader{s}
	year := 0
	if len(r.s) > 4 && r.s[0] >= '0' && r.s[0] <= '9' {
		year, _ = r.number()
		if year < 1970 || year >= 2100 || !r.skip(' ') {
			return t, s, false
		}
	}
	if len(r.s) < 3 {
		return t, s, false
	}
	month := monthOf(r.s)
	r.s = r.s[3:]
	if month == 0 || !r.skip(' ') {
		return t, s, false
	}
	r.skip(' ')
	day, _ := r.number()
	if day < 1 || day > 31 || !r.skip(' ') {
		return t, s, false
	}
	if mark := r; true {
		if y, _ := mark.number(); y > 1970 && y < 2100 && mark.skip(' ') {
			year, r = y, mark
		}
	}
	if !r.clock(&t) {
		return t, s, false
	}
	if r.skip('.') {
		t.Fraction, t.Digits = r.fraction()
	}
	r.skip(':')
	if len(r.s) > 0 && !r.skip(' ') {
		return t, s, false
	}
	switch {
	case year != 0:
		t.Year = year
	case month-t.Month > 1:
		t.Year--
	case t.Month == 12 && month == 1:
		t.Year++
	}
	t.Month, t.Day = month, day
	return t, r.s, true
}
