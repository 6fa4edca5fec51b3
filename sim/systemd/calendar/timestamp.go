package calendar

import (
	"strconv"
	"strings"
	"time"
)

// ParseTimestamp reads a point of time of systemd.time(7), as of now, which is
// in the user's zone: "2024-03-05 09:31", "yesterday", "10 min ago", "-1h",
// "@1709631060".
func ParseTimestamp(s string, now time.Time, zones func(string) (*time.Location, bool)) (time.Time, bool) {
	s = strings.TrimSpace(s)
	midnight := func(t time.Time, days int) time.Time {
		return time.Date(t.Year(), t.Month(), t.Day()+days, 0, 0, 0, 0, t.Location())
	}
	if span, ok := strings.CutSuffix(s, " ago"); ok {
		d, ok := ParseSpan(span, time.Second)
		return now.Add(-d), ok
	}
	if span, ok := strings.CutSuffix(s, " left"); ok {
		d, ok := ParseSpan(span, time.Second)
		return now.Add(d), ok
	}
	switch {
	case s == "":
		return time.Time{}, false
	case s[0] == '+' || s[0] == '-':
		d, ok := ParseSpan(s[1:], time.Second)
		if s[0] == '-' {
			d = -d
		}
		return now.Add(d), ok
	case s[0] == '@':
		v, err := strconv.ParseFloat(s[1:], 64)
		if err != nil || v < 0 || v > 1<<52 {
			return time.Time{}, false
		}
		sec, frac, _ := strings.Cut(s[1:], ".")
		n, _ := strconv.ParseInt(sec, 10, 64)
		for len(frac) < 6 {
			frac += "0"
		}
		us, _ := strconv.ParseInt(frac[:6], 10, 64)
		return time.Unix(n, us*1000).In(now.Location()), true
	}
	// A zone may stand at the end, a weekday at the beginning.
	if i := strings.LastIndexByte(s, ' '); i > 0 {
		if zone, ok := zones(s[i+1:]); ok {
			now = now.In(zone)
			s = strings.TrimSpace(s[:i])
		}
	} else if t, ok := strings.CutSuffix(s, "Z"); ok && strings.ContainsRune(t, 'T') {
		now, s = now.UTC(), t
	}
	switch s {
	case "now":
		return now, true
	case "today":
		return midnight(now, 0), true
	case "yesterday":
		return midnight(now, -1), true
	case "tomorrow":
		return midnight(now, 1), true
	}
	weekday := -1
	if word, rest, ok := strings.Cut(s, " "); ok && word[0] >= 'A' {
		if days, ok := parseWeekdays(word); ok && !strings.ContainsAny(word, ",.") {
			for i, on := range days {
				if on {
					weekday = (i + 1) % 7
				}
			}
			s = strings.TrimSpace(rest)
		}
	}
	for _, layout := range []string{
		"2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02",
		"06-01-02 15:04:05", "06-01-02 15:04", "06-01-02", "15:04:05", "15:04",
	} {
		t, err := time.ParseInLocation(layout, s, now.Location())
		if err != nil {
			continue
		}
		if strings.HasPrefix(layout, "15") {
			t = time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), now.Location())
		}
		if weekday >= 0 && int(t.Weekday()) != weekday {
			return time.Time{}, false
		}
		return t, true
	}
	return time.Time{}, false
}

// Zones finds time zones by the names that timestamps may end with: that of
// now has its abbreviation, others are called as in the data base.
func Zones(now time.Time) func(string) (*time.Location, bool) {
	return func(name string) (*time.Location, bool) {
		if name == "UTC" {
			return time.UTC, true
		}
		if abbreviation, _ := now.Zone(); name == abbreviation {
			return now.Location(), true
		}
		if !strings.Contains(name, "/") {
			return nil, false
		}
		zone, err := time.LoadLocation(name)
		return zone, err == nil
	}
}
