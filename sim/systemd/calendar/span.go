// Package calendar is systemd.time(7): time spans, timestamps and calendar events,
// read and written. Time is an argument.
package calendar

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Forever is how "infinity" is kept.
const Forever = time.Duration(math.MaxInt64)

// spanUnits are the words of systemd.time(7).
var spanUnits = map[string]time.Duration{
	"seconds": time.Second, "second": time.Second, "sec": time.Second, "s": time.Second,
	"minutes": time.Minute, "minute": time.Minute, "min": time.Minute, "m": time.Minute,
	"months": 2629800 * time.Second, "month": 2629800 * time.Second, "M": 2629800 * time.Second,
	"msec": time.Millisecond, "ms": time.Millisecond,
	"hours": time.Hour, "hour": time.Hour, "hr": time.Hour, "h": time.Hour,
	"days": 24 * time.Hour, "day": 24 * time.Hour, "d": 24 * time.Hour,
	"weeks": 7 * 24 * time.Hour, "week": 7 * 24 * time.Hour, "w": 7 * 24 * time.Hour,
	"years": 31557600 * time.Second, "year": 31557600 * time.Second, "y": 31557600 * time.Second,
	"usec": time.Microsecond, "us": time.Microsecond, "µs": time.Microsecond, "μs": time.Microsecond,
	"nsec": time.Nanosecond, "ns": time.Nanosecond,
}

// ParseSpan reads a time span of systemd.time(7): "90", "1min 30s", "infinity".
// A number without a unit counts unit.
func ParseSpan(s string, unit time.Duration) (time.Duration, bool) {
	s = strings.TrimSpace(s)
	if s == "infinity" {
		return Forever, true
	}
	if s == "" {
		return 0, false
	}
	var total float64
	for s != "" {
		n := 0
		for n < len(s) && (s[n] >= '0' && s[n] <= '9' || s[n] == '.') {
			n++
		}
		v, err := strconv.ParseFloat(s[:n], 64)
		if err != nil {
			return 0, false
		}
		s = strings.TrimLeft(s[n:], " \t")
		n = 0
		for n < len(s) && s[n] != ' ' && s[n] != '\t' && s[n] != '.' && (s[n] < '0' || s[n] > '9') {
			n++
		}
		u := unit
		if n > 0 {
			var ok bool
			if u, ok = spanUnits[s[:n]]; !ok {
				return 0, false
			}
		}
		total += v * float64(u)
		s = strings.TrimLeft(s[n:], " \t")
	}
	if total >= float64(Forever) {
		return Forever, true
	}
	return time.Duration(math.Round(total)), true
}

var spanWords = []struct {
	unit time.Duration
	word string
}{
	{31557600 * time.Second, "y"}, {2629800 * time.Second, "month"}, {7 * 24 * time.Hour, "w"}, {24 * time.Hour, "d"},
	{time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "us"},
}

// FormatSpan writes a span as systemd does, leaving out what is smaller than
// accuracy: "1min 30s", "713ms", "6.230ms".
func FormatSpan(d, accuracy time.Duration) string {
	if d == Forever {
		return "infinity"
	}
	d = d.Truncate(time.Microsecond)
	if d <= 0 {
		return "0"
	}
	var parts []string
	for _, w := range spanWords {
		if d <= 0 || d < accuracy && len(parts) > 0 {
			break
		}
		if d < w.unit {
			continue
		}
		rest := d % w.unit
		text := strconv.FormatInt(int64(d/w.unit), 10)
		if d < time.Minute && rest > 0 {
			// What is left is written as a fraction, as far as accuracy goes.
			digits, unit := 0, w.unit
			for unit > accuracy && unit > time.Microsecond {
				unit /= 10
				digits++
			}
			if digits > 0 {
				text += "." + zeros(int64(rest/unit), digits)
			}
			rest = 0
		}
		parts = append(parts, text+w.word)
		d = rest
	}
	return strings.Join(parts, " ")
}

func zeros(n int64, digits int) string {
	s := strconv.FormatInt(n, 10)
	return strings.Repeat("0", max(0, digits-len(s))) + s
}

// FormatAgo writes how long ago, or in how much time, something is: "3s ago",
// "1h 22min ago", "21h left".
func FormatAgo(d time.Duration) string {
	suffix := " ago"
	if d < 0 {
		d, suffix = -d, " left"
	}
	const day, month, year = 24 * time.Hour, 2629800 * time.Second, 31557600 * time.Second
	n := func(unit time.Duration) string { return strconv.FormatInt(int64(d/unit), 10) }
	plural := func(unit time.Duration, word string) string {
		if d/unit == 1 {
			return "1 " + word
		}
		return n(unit) + " " + word + "s"
	}
	switch {
	case d >= year:
		years, months := d/year, d%year/month
		d = years * year
		s := plural(year, "year")
		d = months * month
		return s + " " + plural(month, "month") + suffix
	case d >= month:
		months, days := d/month, d%month/day
		d = months * month
		s := plural(month, "month")
		d = days * day
		return s + " " + plural(day, "day") + suffix
	case d >= 7*day:
		weeks, days := d/(7*day), d%(7*day)/day
		d = weeks * 7 * day
		s := plural(7*day, "week")
		d = days * day
		return s + " " + plural(day, "day") + suffix
	case d >= 2*day:
		return n(day) + " days" + suffix
	case d >= 25*time.Hour:
		h := (d - day) / time.Hour
		return "1 day " + strconv.FormatInt(int64(h), 10) + "h" + suffix
	case d >= 6*time.Hour:
		return n(time.Hour) + "h" + suffix
	case d >= time.Hour:
		return n(time.Hour) + "h " + strconv.FormatInt(int64(d%time.Hour/time.Minute), 10) + "min" + suffix
	case d >= 5*time.Minute:
		return n(time.Minute) + "min" + suffix
	case d >= time.Minute:
		return n(time.Minute) + "min " + strconv.FormatInt(int64(d%time.Minute/time.Second), 10) + "s" + suffix
	case d >= time.Second:
		return n(time.Second) + "s" + suffix
	case d >= time.Millisecond:
		return n(time.Millisecond) + "ms" + suffix
	case d > 0:
		return n(time.Microsecond) + "us" + suffix
	}
	return "now"
}
