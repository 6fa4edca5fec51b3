package calendar

import (
	"strconv"
	"strings"
	"time"
)

// Event is a calendar event of systemd.time(7).
type Event struct {
	weekdays                               [7]bool
	years, months, days, hours, mins, secs timeField
	utc                                    bool
}

// timeField is the allowed values of one part; nil allows every one.
type timeField []span

type span struct{ from, to, step int }

func (f timeField) has(n int) bool {
	if f == nil {
		return true
	}
	for _, s := range f {
		if n >= s.from && n <= s.to && (n-s.from)%s.step == 0 {
			return true
		}
	}
	return false
}

var calendarWords = map[string]string{
	"minutely": "*-*-* *:*:00", "hourly": "*-*-* *:00:00", "daily": "*-*-* 00:00:00", "weekly": "Mon *-*-* 00:00:00",
	"monthly": "*-*-01 00:00:00", "yearly": "*-01-01 00:00:00", "annually": "*-01-01 00:00:00",
	"quarterly": "*-01,04,07,10-01 00:00:00", "semiannually": "*-01,07-01 00:00:00",
}

// ParseEvent reads an OnCalendar= value.
func ParseEvent(s string) (c Event, ok bool) {
	if w, found := calendarWords[strings.ToLower(strings.TrimSpace(s))]; found {
		s = w
	}
	words := strings.Fields(s)
	if n := len(words); n > 1 && words[n-1] == "UTC" {
		c.utc, words = true, words[:n-1]
	}
	for i := range c.weekdays {
		c.weekdays[i] = true
	}
	if len(words) > 0 && (words[0][0] >= 'A' && words[0][0] <= 'Z' || words[0][0] >= 'a' && words[0][0] <= 'z') {
		if c.weekdays, ok = parseWeekdays(words[0]); !ok {
			return c, false
		}
		words = words[1:]
	}
	date, clock := "*-*-*", "00:00:00"
	switch {
	case len(words) == 0:
	case len(words) == 1 && strings.Contains(words[0], ":"):
		clock = words[0]
	case len(words) == 1:
		date = words[0]
	case len(words) == 2:
		date, clock = words[0], words[1]
	default:
		return c, false
	}
	d := strings.Split(date, "-")
	if len(d) == 2 {
		d = append([]string{"*"}, d...)
	}
	h := strings.Split(clock, ":")
	if len(h) == 2 {
		h = append(h, "00")
	}
	if len(d) != 3 || len(h) != 3 {
		return c, false
	}
	for i, into := range []*timeField{&c.years, &c.months, &c.days} {
		if *into, ok = parseField(d[i], []int{9999, 12, 31}[i]); !ok {
			return c, false
		}
	}
	for i, into := range []*timeField{&c.hours, &c.mins, &c.secs} {
		if *into, ok = parseField(h[i], []int{23, 59, 59}[i]); !ok {
			return c, false
		}
	}
	return c, true
}

func parseWeekdays(s string) (days [7]bool, ok bool) {
	day := func(s string) int {
		for i := range 7 {
			name := strings.ToLower(time.Weekday(i).String())
			if l := strings.ToLower(s); len(l) >= 3 && strings.HasPrefix(name, l) {
				return i
			}
		}
		return -1
	}
	for _, part := range strings.Split(strings.TrimSuffix(s, ","), ",") {
		from, to, isRange := strings.Cut(part, "..")
		a := day(from)
		b := a
		if isRange {
			b = day(to)
		}
		if a < 0 || b < 0 {
			return days, false
		}
		for i := a; ; i = (i + 1) % 7 {
			days[i] = true
			if i == b {
				break
			}
		}
	}
	return days, true
}

func parseField(s string, most int) (timeField, bool) {
	if s == "*" {
		return nil, true
	}
	var f timeField
	for _, part := range strings.Split(s, ",") {
		value, step, stepped := strings.Cut(part, "/")
		from, to, ranged := strings.Cut(value, "..")
		sp := span{0, most, 1}
		var err error
		if from != "*" {
			if sp.from, err = strconv.Atoi(from); err != nil || sp.from < 0 {
				return nil, false
			}
			if !stepped {
				sp.to = sp.from
			}
		}
		if ranged {
			if sp.to, err = strconv.Atoi(to); err != nil {
				return nil, false
			}
		}
		if stepped {
			if sp.step, err = strconv.Atoi(step); err != nil || sp.step < 1 {
				return nil, false
			}
		}
		f = append(f, sp)
	}
	return f, true
}

// Next returns the first moment after t.
func (c Event) Next(t time.Time) (time.Time, bool) {
	loc := t.Location()
	if c.utc {
		loc = time.UTC
	}
	t = t.In(loc)
	day := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, loc)
	for range 366 * 8 {
		if c.weekdays[day.Weekday()] && c.years.has(day.Year()) && c.months.has(int(day.Month())) && c.days.has(day.Day()) {
			for h := range 24 {
				if !c.hours.has(h) {
					continue
				}
				for m := range 60 {
					if !c.mins.has(m) {
						continue
					}
					for s := range 60 {
						at := time.Date(day.Year(), day.Month(), day.Day(), h, m, s, 0, loc)
						if c.secs.has(s) && at.After(t) {
							return at, true
						}
					}
				}
			}
		}
		day = time.Date(day.Year(), day.Month(), day.Day()+1, 0, 0, 0, 0, loc)
	}
	return time.Time{}, false
}
