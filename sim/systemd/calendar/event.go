package calendar

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Event is a calendar event of systemd.time(7): the moments at which a timer with
// OnCalendar= elapses.
type Event struct {
	weekdays [7]bool // Monday first; all false is every day
	years    field   // no field is every value
	months   field
	days     field
	fromEnd  bool // days count from the end of the month ("~")
	hours    field
	minutes  field
	seconds  field // in microseconds
	zone     *time.Location
	zoneName string
}

// field is the allowed values of one part.
type field []span

// span is one element of a list: a value, with a stop a range of them, with a
// repeat one after the other up to the stop or the end.
type span struct{ start, stop, repeat int }

const none = -1 // no stop

// limits of the parts: the least and the greatest value, and what it counts in.
type limits struct{ least, most, unit int }

var (
	yearLimits   = limits{1970, 2199, 1}
	monthLimits  = limits{1, 12, 1}
	dayLimits    = limits{1, 31, 1}
	hourLimits   = limits{0, 23, 1}
	minuteLimits = limits{0, 59, 1}
	secondLimits = limits{0, 59*1e6 + 999999, 1e6}
)

var eventWords = map[string]string{
	"minutely": "*-*-* *:*:00", "hourly": "*-*-* *:00:00", "daily": "*-*-* 00:00:00", "weekly": "Mon *-*-* 00:00:00",
	"monthly": "*-*-01 00:00:00", "yearly": "*-01-01 00:00:00", "annually": "*-01-01 00:00:00", "anually": "*-01-01 00:00:00",
	"quarterly": "*-01,04,07,10-01 00:00:00", "semiannually": "*-01,07-01 00:00:00", "semi-annually": "*-01,07-01 00:00:00",
	"biannually": "*-01,07-01 00:00:00", "bi-annually": "*-01,07-01 00:00:00",
}

// ParseEvent reads an OnCalendar= value.
func ParseEvent(s string) (e Event, ok bool) {
	words := strings.Fields(s)
	if s != strings.TrimSpace(s) {
		return e, false
	}
	if n := len(words); n > 1 {
		if zone, found := zoneNamed(words[n-1]); found {
			e.zone, e.zoneName, words = zone, words[n-1], words[:n-1]
		}
	}
	if len(words) == 1 {
		if w, found := eventWords[strings.ToLower(words[0])]; found {
			words = strings.Fields(w)
		}
	}
	if len(words) == 0 {
		return e, false
	}
	if len(words) == 1 && words[0][0] == '@' {
		return e.unix(words[0][1:])
	}
	if c := words[0][0] | 0x20; c >= 'a' && c <= 'z' {
		if e.weekdays, ok = parseWeekdays(words[0]); !ok {
			return e, false
		}
		words = words[1:]
		if len(words) > 0 && words[0] == "," {
			return e, false
		}
	}
	date, clock := "", ""
	switch {
	case len(words) == 0:
	case len(words) == 1 && strings.Contains(words[0], ":"):
		clock = words[0]
	case len(words) == 1:
		date = words[0]
	case len(words) == 2:
		date, clock = words[0], words[1]
	default:
		return e, false
	}
	if date == "" && clock == "" && e.weekdays == [7]bool{} {
		return e, false
	}
	if !e.parseDate(date) || !e.parseClock(clock) {
		return e, false
	}
	if all := [7]bool{true, true, true, true, true, true, true}; e.weekdays == all {
		e.weekdays = [7]bool{}
	}
	return e, true
}

// unix is an event at one moment, given in seconds.
func (e Event) unix(s string) (Event, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || e.zone != nil {
		return e, false
	}
	t := time.Unix(n, 0).UTC()
	at := func(n int) field { return field{{n, none, 0}} }
	return Event{years: at(t.Year()), months: at(int(t.Month())), days: at(t.Day()), hours: at(t.Hour()), minutes: at(t.Minute()),
		seconds: at(t.Second() * 1e6), zone: time.UTC, zoneName: "UTC"}, true
}

func (e *Event) parseDate(s string) bool {
	if s == "" {
		return true
	}
	if i := strings.LastIndexByte(s, '~'); i >= 0 {
		e.fromEnd = true
		s = s[:i] + "-" + s[i+1:]
		if strings.ContainsRune(s, '~') {
			return false
		}
	}
	parts := strings.Split(s, "-")
	var ok bool
	switch len(parts) {
	case 3:
		if e.years, ok = parseField(parts[0], yearLimits); !ok {
			return false
		}
		parts = parts[1:]
	case 2:
	default:
		return false
	}
	if e.months, ok = parseField(parts[0], monthLimits); !ok {
		return false
	}
	days := dayLimits
	if e.fromEnd {
		days.most = 28
	}
	e.days, ok = parseField(parts[1], days)
	e.fromEnd = e.fromEnd && e.days != nil
	return ok
}

func (e *Event) parseClock(s string) bool {
	midnight := field{{0, none, 0}}
	if s == "" {
		e.hours, e.minutes, e.seconds = midnight, midnight, midnight
		return true
	}
	parts := strings.Split(s, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return false
	}
	var ok bool
	if e.hours, ok = parseField(parts[0], hourLimits); !ok {
		return false
	}
	if e.minutes, ok = parseField(parts[1], minuteLimits); !ok {
		return false
	}
	e.seconds = midnight
	if len(parts) == 3 {
		e.seconds, ok = parseField(parts[2], secondLimits)
	}
	return ok
}

// weekdayNames begin with Monday.
var weekdayNames = []string{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}

func parseWeekdays(s string) (days [7]bool, ok bool) {
	day := func(s string) int {
		return slices.IndexFunc(weekdayNames, func(name string) bool { return strings.EqualFold(s, name) || strings.EqualFold(s, name[:3]) })
	}
	s = strings.TrimSuffix(s, ",")
	for _, part := range strings.Split(s, ",") {
		from, to, isRange := strings.Cut(part, "..")
		if !isRange {
			from, to, isRange = strings.Cut(part, "-")
		}
		a := day(from)
		b := a
		if isRange {
			b = day(to)
		}
		if a < 0 || b < a {
			return days, false
		}
		for i := a; i <= b; i++ {
			days[i] = true
		}
	}
	return days, true
}

// parseField reads a list of values of a part; "*" is no restriction.
func parseField(s string, l limits) (f field, ok bool) {
	if s == "*" {
		return nil, true
	}
	for _, part := range strings.Split(s, ",") {
		value, repeat, repeats := strings.Cut(part, "/")
		sp := span{stop: none}
		from, to, ranged := strings.Cut(value, "..")
		if sp.start, ok = parseValue(from, l); !ok {
			return nil, false
		}
		if ranged {
			if sp.stop, ok = parseValue(to, l); !ok || sp.stop < sp.start {
				return nil, false
			}
		}
		if repeats {
			if sp.repeat, ok = parseNumber(repeat, l.unit); !ok || sp.repeat == 0 {
				return nil, false
			}
		} else if sp.stop != none {
			sp.repeat = l.unit
		}
		if sp, ok = sp.tidy(l); !ok {
			return nil, false
		}
		f = append(f, sp)
	}
	slices.SortFunc(f, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.stop, b.stop), cmp.Compare(a.repeat, b.repeat))
	})
	return slices.Compact(f), true
}

// tidy brings an element into its normal form.
func (s span) tidy(l limits) (span, bool) {
	if s.start < l.least || s.start > l.most || s.stop > l.most || s.stop == none && s.repeat > 0 && s.start+s.repeat > l.most {
		return s, false
	}
	if s.stop != none && s.repeat > 0 {
		s.stop -= (s.stop - s.start) % s.repeat
	}
	if s.stop == s.start {
		s.stop, s.repeat = none, 0
	}
	return s, true
}

// parseValue reads a value of a part; years may have two digits.
func parseValue(s string, l limits) (int, bool) {
	n, ok := parseNumber(s, l.unit)
	if l == yearLimits && ok && len(s) <= 2 {
		if n += 1900; n < 1970 {
			n += 100
		}
	}
	return n, ok
}

// parseNumber reads a number, with a fraction where units are of a million parts.
func parseNumber(s string, unit int) (int, bool) {
	whole, fraction, hasFraction := strings.Cut(s, ".")
	if hasFraction && unit == 1 {
		return 0, false
	}
	n, err := strconv.ParseUint(whole, 10, 31)
	if err != nil || n > 1e6 {
		return 0, false
	}
	micro := 0
	if hasFraction {
		if len(fraction) == 0 || strings.Trim(fraction, "0123456789") != "" {
			return 0, false
		}
		micro, _ = strconv.Atoi((fraction + "000000")[:6])
		if len(fraction) > 6 && fraction[6] >= '5' {
			micro++
		}
	}
	return int(n)*unit + micro, true
}

// String is the event in its normal form.
func (e Event) String() string {
	var b strings.Builder
	if w := e.weekdayText(); w != "" {
		b.WriteString(w + " ")
	}
	before := "-"
	if e.fromEnd {
		before = "~"
	}
	b.WriteString(e.years.text(4, 1) + "-" + e.months.text(2, 1) + before + e.days.text(2, 1) + " ")
	b.WriteString(e.hours.text(2, 1) + ":" + e.minutes.text(2, 1) + ":" + e.seconds.text(2, 1e6))
	if e.zoneName != "" {
		b.WriteString(" " + e.zoneName)
	}
	return b.String()
}

func (e Event) weekdayText() string {
	var parts []string
	for i := 0; i < 7; i++ {
		if !e.weekdays[i] {
			continue
		}
		last := i
		for last < 6 && e.weekdays[last+1] {
			last++
		}
		switch short := func(i int) string { return weekdayNames[i][:3] }; {
		case last > i+1:
			parts = append(parts, short(i)+".."+short(last))
		case last > i:
			parts = append(parts, short(i), short(last))
		default:
			parts = append(parts, short(i))
		}
		i = last
	}
	return strings.Join(parts, ",")
}

func (f field) text(digits, unit int) string {
	if f == nil {
		return "*"
	}
	number := func(n, digits int) string {
		s := fmt.Sprintf("%0*d", digits, n/unit)
		if n%unit != 0 {
			s += fmt.Sprintf(".%06d", n%unit)
		}
		return s
	}
	var parts []string
	for _, s := range f {
		text := number(s.start, digits)
		if s.stop != none {
			text += ".." + number(s.stop, digits)
		}
		if s.repeat > 0 && !(s.stop != none && s.repeat == unit) {
			text += "/" + number(s.repeat, 1)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ",")
}

// next is the first allowed value that is not below n.
func (f field) next(n int) (int, bool) {
	if f == nil {
		return n, true
	}
	best := none
	for _, s := range f {
		v := none
		switch {
		case s.start >= n:
			v = s.start
		case s.repeat > 0:
			v = s.start + (n-s.start+s.repeat-1)/s.repeat*s.repeat
			if s.stop != none && v > s.stop {
				v = none
			}
		}
		if v != none && (best == none || v < best) {
			best = v
		}
	}
	return best, best != none
}

// Next returns the first moment after t.
func (e Event) Next(t time.Time) (time.Time, bool) {
	zone := t.Location()
	if e.zone != nil {
		zone = e.zone
	}
	t = t.In(zone).Truncate(time.Microsecond).Add(time.Microsecond)
	year, month, day := t.Date()
	from := [3]int{t.Hour(), t.Minute(), t.Second()*1e6 + t.Nanosecond()/1000}
	for y := year; ; y++ {
		y, ok := e.years.next(y)
		if !ok || y > yearLimits.most {
			return time.Time{}, false
		}
		if y > year {
			year, month, day, from = y, 1, 1, [3]int{}
		}
		for m := int(month); m <= 12; m++ {
			n, ok := e.months.next(m)
			if !ok || n > 12 {
				break
			}
			if n > m {
				m, day, from = n, 1, [3]int{}
			}
			if at, ok := e.inMonth(y, time.Month(m), day, from, zone); ok {
				return at, true
			}
			day, from = 1, [3]int{}
		}
		month, day, from = 1, 1, [3]int{}
	}
}

// inMonth looks for a moment from a day and a time of it on.
func (e Event) inMonth(year int, month time.Month, day int, from [3]int, zone *time.Location) (time.Time, bool) {
	length := time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
	for d := day; d <= length; d, from = d+1, [3]int{} {
		if !e.dayAllowed(d, length) || !e.weekdayAllowed(time.Date(year, month, d, 0, 0, 0, 0, time.UTC).Weekday()) {
			continue
		}
		for {
			h, m, s, ok := e.clock(from)
			if !ok {
				break
			}
			at := time.Date(year, month, d, h, m, s/1e6, s%1e6*1000, zone)
			if at.Hour() == h && at.Minute() == m {
				return at, true
			}
			from = [3]int{h, m, s + 1} // a time that the clocks leave out
		}
	}
	return time.Time{}, false
}

func (e Event) dayAllowed(day, length int) bool {
	if e.fromEnd {
		// "~3" is the third last day; what repeats goes on from there to the end.
		for _, s := range e.days {
			first, last := length-s.start+1, length
			if s.stop != none {
				first, last = length-s.stop+1, first
			}
			if day == first || s.repeat > 0 && day > first && day <= last && (day-first)%s.repeat == 0 {
				return true
			}
		}
		return false
	}
	n, ok := e.days.next(day)
	return ok && n == day
}

func (e Event) weekdayAllowed(w time.Weekday) bool {
	return e.weekdays == [7]bool{} || e.weekdays[(int(w)+6)%7]
}

// clock is the first allowed time of a day that is not before one.
func (e Event) clock(from [3]int) (hour, minute, micro int, ok bool) {
	for h := from[0]; ; h++ {
		n, ok := e.hours.next(h)
		if !ok || n > hourLimits.most {
			return 0, 0, 0, false
		}
		if n > h {
			h, from = n, [3]int{n, 0, 0}
		}
		for m := from[1]; ; m++ {
			n, ok := e.minutes.next(m)
			if !ok || n > minuteLimits.most {
				break
			}
			if n > m {
				m, from[2] = n, 0
			}
			s, ok := e.seconds.next(from[2])
			if e.seconds == nil {
				s = (s + 999999) / 1e6 * 1e6 // whole ones
			}
			if ok && s <= secondLimits.most {
				return h, m, s, true
			}
			from[2] = 0
		}
		from = [3]int{}
	}
}

// zoneNamed finds the zone that an event may end with.
func zoneNamed(name string) (*time.Location, bool) {
	if name == "UTC" {
		return time.UTC, true
	}
	if !strings.Contains(name, "/") {
		return nil, false
	}
	zone, err := time.LoadLocation(name)
	return zone, err == nil
}
