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
	midnight := func(t time.Time, days int) time.Time {
		return time.Date(t.Year(), t.Month(), t.Day()+days, 0, 0, 0, 0, t.Location())
	}
	if span, ok := strings.CutSuffix(s, " ago"); ok {
		d, ok := ParseSpan(span, time.Second)
		return after(now, -d, ok)
	}
	if span, ok := strings.CutSuffix(s, " left"); ok {
		d, ok := ParseSpan(span, time.Second)
		return after(now, d, ok)
	}
	switch {
	case s == "":
		return time.Time{}, false
	case s == "now":
		return now, true
	case s[0] == '+' || s[0] == '-':
		d, ok := ParseSpan(s[1:], time.Second)
		if s[0] == '-' {
			d = -d
		}
		return after(now, d, ok)
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
			s = s[:i]
		}
	}
	switch s {
	case "today":
		return midnight(now, 0), true
	case "yesterday":
		return midnight(now, -1), true
	case "tomorrow":
		return midnight(now, 1), true
	}
	// Blanks may stand before a date and between its parts, not behind it.
	if s = strings.TrimLeft(s, " "); strings.HasSuffix(s, " ") {
		return time.Time{}, false
	}
	weekday := -1
	if word, rest, ok := strings.Cut(s, " "); ok {
		rest = strings.TrimLeft(rest, " ")
		for i := range 7 {
			name := time.Weekday(i).String()
			if strings.EqualFold(word, name) || strings.EqualFold(word, name[:3]) {
				weekday, s = i, rest
			}
		}
	}
	for _, layout := range layouts {
		t, ok := parseLayout(layout, s, now)
		if !ok {
			continue
		}
		if weekday >= 0 && int(t.Weekday()) != weekday {
			return time.Time{}, false
		}
		return t, true
	}
	return time.Time{}, false
}

// after is the time that long after now, unless that is before 1970.
func after(now time.Time, d time.Duration, ok bool) (time.Time, bool) {
	t := now.Add(d)
	return t, ok && t.Unix() >= 0
}

// layouts are the forms of a point of time, as strptime(3) has them; to a
// second that ends the text a fraction may follow.
var layouts = []string{
	"%y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S", "%b %d %H:%M:%S",
	"%y-%m-%d %H:%M", "%Y-%m-%d %H:%M", "%y-%m-%d", "%Y-%m-%d", "%H:%M:%S", "%H:%M",
}

// parseLayout reads a text that has one of the layouts, as strptime(3) and
// mktime(3) do: numbers may be shorter than usual, and the 30th of February is
// the second of March. What the layout lacks is of now's date, or zero.
func parseLayout(layout, s string, now time.Time) (time.Time, bool) {
	year, month, day := now.Year(), int(now.Month()), now.Day()
	var hour, minute, second, nanos int
	for i := 0; i < len(layout); i++ {
		if layout[i] == ' ' {
			s = strings.TrimLeft(s, " \t\n")
			continue
		}
		if layout[i] != '%' {
			if s == "" || s[0] != layout[i] {
				return time.Time{}, false
			}
			s = s[1:]
			continue
		}
		i++
		ok := false
		switch layout[i] {
		case 'Y':
			year, s, ok = number(s, 0, 9999, 4)
		case 'y':
			if year, s, ok = number(s, 0, 99, 2); year < 69 {
				year += 100
			}
			year += 1900
		case 'm':
			month, s, ok = number(s, 1, 12, 2)
		case 'b':
			month, s, ok = monthName(s)
		case 'd':
			day, s, ok = number(s, 1, 31, 2)
		case 'H':
			hour, s, ok = number(s, 0, 23, 2)
		case 'M':
			minute, s, ok = number(s, 0, 59, 2)
		case 'S':
			second, s, ok = number(s, 0, 61, 2)
		}
		if !ok {
			return time.Time{}, false
		}
	}
	if frac, ok := strings.CutPrefix(s, "."); ok && strings.HasSuffix(layout, "%S") {
		s = strings.TrimLeft(frac, "0123456789")
		if frac = frac[:len(frac)-len(s)]; frac == "" {
			return time.Time{}, false
		}
		us, _ := strconv.Atoi((frac + "000000")[:6])
		nanos = us * 1000
	}
	if s != "" {
		return time.Time{}, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, nanos, now.Location())
	return t, t.Unix() >= 0
}

// number cuts a number of at most so many digits, which blanks may precede.
func number(s string, least, most, digits int) (n int, rest string, ok bool) {
	s = strings.TrimLeft(s, " ")
	i := 0
	for i < len(s) && i < digits && s[i] >= '0' && s[i] <= '9' && n*10+int(s[i]-'0') <= most {
		n = n*10 + int(s[i]-'0')
		i++
	}
	return n, s[i:], i > 0 && n >= least
}

// monthName cuts the name of a month, whole or its first three letters.
func monthName(s string) (month int, rest string, ok bool) {
	for m := time.January; m <= time.December; m++ {
		for _, name := range []string{m.String(), m.String()[:3]} {
			if len(s) >= len(name) && strings.EqualFold(s[:len(name)], name) {
				return int(m), s[len(name):], true
			}
		}
	}
	return 0, s, false
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
		if name == "" || name[0] < 'A' || name[0] > 'Z' || name == "Local" {
			return nil, false
		}
		zone, err := time.LoadLocation(name)
		return zone, err == nil
	}
}
