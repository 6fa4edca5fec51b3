package timedate

import (
	"strconv"
	"strings"
	"time"
)

// parseTimestamp reads a time specification of systemd.time(7).
func parseTimestamp(s string, now time.Time) (time.Time, bool) {
	switch {
	case s == "":
		return now, false
	case s == "now":
		return now, true
	case s[0] == '@':
		n, err := strconv.ParseInt(s[1:], 10, 64)
		return time.Unix(n, 0), err == nil && n >= 0 && n < 1<<40
	case s[0] == '+':
		d, ok := parseSpan(s[1:])
		return now.Add(d), ok
	case s[0] == '-':
		d, ok := parseSpan(s[1:])
		return now.Add(-d), ok
	}
	if span, ok := strings.CutSuffix(s, " ago"); ok {
		d, ok := parseSpan(span)
		return now.Add(-d), ok
	}
	if span, ok := strings.CutSuffix(s, " left"); ok {
		d, ok := parseSpan(span)
		return now.Add(d), ok
	}
	loc := now.Location()
	if rest, ok := strings.CutSuffix(s, " UTC"); ok {
		s, loc = rest, time.UTC
	} else if rest, ok := strings.CutSuffix(s, " "+zoneName(now)); ok {
		s = rest
	}
	y, m, d := now.In(loc).Date()
	day := func(days int) time.Time { return time.Date(y, m, d+days, 0, 0, 0, 0, loc) }
	switch s {
	case "today":
		return day(0), true
	case "yesterday":
		return day(-1), true
	case "tomorrow":
		return day(1), true
	}
	for i := range 7 {
		name := time.Weekday(i).String()
		for _, n := range []string{name, name[:3]} {
			if len(s) > len(n) && strings.EqualFold(s[:len(n)], n) && s[len(n)] == ' ' {
				t, ok := parseTimestamp(s[len(n)+1:], now)
				return t, ok && int(t.Weekday()) == i
			}
		}
	}
	date, clock, both := strings.Cut(s, " ")
	if !both && strings.Contains(s, ":") {
		date, clock = "", s
	}
	year, month, mday := y, int(m), d
	if date != "" {
		var ok bool
		if year, month, mday, ok = parseDay(date); !ok {
			return now, false
		}
	}
	var h, min, sec, nsec int
	if clock != "" {
		var ok bool
		if h, min, sec, nsec, ok = parseClock(clock); !ok {
			return now, false
		}
	}
	// A day that the month does not have becomes one of the next, as mktime(3) has it.
	return time.Date(year, time.Month(month), mday, h, min, sec, nsec, loc), true
}

// parseDay reads YYYY-MM-DD or YY-MM-DD.
func parseDay(s string) (year, month, day int, ok bool) {
	f := strings.Split(s, "-")
	if len(f) != 3 {
		return 0, 0, 0, false
	}
	var v [3]int
	for i := range f {
		n, err := strconv.Atoi(f[i])
		if err != nil || n < 0 || len(f[i]) > 4 || f[i][0] == '+' {
			return 0, 0, 0, false
		}
		v[i] = n
	}
	if len(f[0]) <= 2 {
		v[0] += 1900
		if v[0] < 1969 {
			v[0] += 100
		}
	}
	return v[0], v[1], v[2], v[0] >= 1970 && v[1] >= 1 && v[1] <= 12 && v[2] >= 1 && v[2] <= 31
}

// parseClock reads HH:MM[:SS[.fraction]].
func parseClock(s string) (h, m, sec, nsec int, ok bool) {
	s, frac, _ := strings.Cut(s, ".")
	f := strings.Split(s, ":")
	if len(f) < 2 || len(f) > 3 || len(frac) > 9 {
		return 0, 0, 0, 0, false
	}
	var v [3]int
	for i := range f {
		n, err := strconv.Atoi(f[i])
		if err != nil || n < 0 || len(f[i]) > 2 || f[i][0] == '+' {
			return 0, 0, 0, 0, false
		}
		v[i] = n
	}
	if frac != "" {
		n, err := strconv.Atoi(frac)
		if err != nil || n < 0 {
			return 0, 0, 0, 0, false
		}
		nsec = n
		for range 9 - len(frac) {
			nsec *= 10
		}
	}
	return v[0], v[1], v[2], nsec, v[0] < 24 && v[1] < 60 && v[2] <= 60
}

var spans = map[string]time.Duration{
	"usec": time.Microsecond, "us": time.Microsecond, "msec": time.Millisecond, "ms": time.Millisecond,
	"seconds": time.Second, "second": time.Second, "sec": time.Second, "s": time.Second, "": time.Second,
	"minutes": time.Minute, "minute": time.Minute, "min": time.Minute, "m": time.Minute,
	"hours": time.Hour, "hour": time.Hour, "hr": time.Hour, "h": time.Hour,
	"days": 24 * time.Hour, "day": 24 * time.Hour, "d": 24 * time.Hour,
	"weeks": 7 * 24 * time.Hour, "week": 7 * 24 * time.Hour, "w": 7 * 24 * time.Hour,
	"months": 2629800 * time.Second, "month": 2629800 * time.Second, "M": 2629800 * time.Second,
	"years": 31557600 * time.Second, "year": 31557600 * time.Second, "y": 31557600 * time.Second,
}

// parseSpan reads a time span of systemd.time(7).
func parseSpan(s string) (time.Duration, bool) {
	var total time.Duration
	some := false
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		i := strings.IndexFunc(s, func(r rune) bool { return !(r >= '0' && r <= '9' || r == '.') })
		if i < 0 {
			i = len(s)
		}
		n, err := strconv.ParseFloat(s[:i], 64)
		if err != nil || n > 1e6*86400 {
			return 0, false
		}
		s = strings.TrimLeft(s[i:], " ")
		j := strings.IndexFunc(s, func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') })
		if j < 0 {
			j = len(s)
		}
		unit, ok := spans[s[:j]]
		if !ok || n*float64(unit) > 1e18 {
			return 0, false
		}
		total += time.Duration(n * float64(unit))
		some = true
		s = s[j:]
	}
	return total, some
}
