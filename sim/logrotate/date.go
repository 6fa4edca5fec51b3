package logrotate

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"
)

// The default formats of date suffixes.
const (
	dateFormat = "-%Y%m%d"
	hourFormat = "-%Y%m%d%H"
)

// format returns the date format of the set and whether it was configured.
func (s *set) format() (string, bool) {
	switch {
	case s.dateFormat != "":
		return s.dateFormat, true
	case s.by == hourly:
		return hourFormat, false
	}
	return dateFormat, false
}

// suffixTime is the time that the suffix of a log rotated now shows.
func (s *set) suffixTime(now time.Time) time.Time {
	if s.dateYesterday {
		// Noon is there on each day, whatever the summer time does.
		now = time.Date(now.Year(), now.Month(), now.Day()-1, 12, now.Minute(), now.Second(), 0, now.Location())
	}
	if s.dateHour {
		now = now.Add(-time.Hour)
	}
	return now
}

// field is a specifier of a date format.
type field struct {
	digits int
	write  func(t time.Time) string
}

func two(f func(time.Time) int) field {
	return field{2, func(t time.Time) string { return fmt.Sprintf("%02d", f(t)) }}
}

// fields are the specifiers that a date format may have; others stand for themselves.
var fields = map[byte]field{
	'Y': {4, func(t time.Time) string { return strconv.Itoa(t.Year()) }},
	'm': two(func(t time.Time) int { return int(t.Month()) }),
	'd': two(time.Time.Day),
	'H': two(time.Time.Hour),
	'M': two(time.Time.Minute),
	'S': two(time.Time.Second),
	'V': two(func(t time.Time) int { _, week := t.ISOWeek(); return week }),
	's': {10, func(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }},
}

// suffix returns what a date format makes of a time, the pattern of the names
// that it makes, and the format as strftime(3) is given it.
func suffix(format string, t time.Time) (text, pattern, converted string) {
	var b, pat, conv strings.Builder
	for i := 0; i < len(format); i++ {
		c := format[i]
		if c != '%' {
			b.WriteByte(c)
			pat.WriteByte(c)
			conv.WriteByte(c)
			continue
		}
		if i+1 < len(format) {
			if f, ok := fields[format[i+1]]; ok {
				b.WriteString(f.write(t))
				pat.WriteString(strings.Repeat("[0-9]", f.digits))
				conv.WriteString(format[i : i+2])
				i++
				continue
			}
		}
		b.WriteByte('%')
		pat.WriteByte('%')
		conv.WriteString("%%")
	}
	return b.String(), pat.String(), conv.String()
}

// parseSuffix reads a time from the beginning of what suffix made.
func parseSuffix(format, text string, loc *time.Location) (time.Time, bool) {
	year, month, day, hour, minute, second := 1900, 1, 1, 0, 0, 0
	week := 0
	for i := 0; i < len(format); i++ {
		if format[i] == '%' && i+1 < len(format) {
			if f, ok := fields[format[i+1]]; ok {
				if len(text) < f.digits {
					return time.Time{}, false
				}
				n, err := strconv.Atoi(text[:f.digits])
				if err != nil {
					return time.Time{}, false
				}
				switch format[i+1] {
				case 'Y':
					year = n
				case 'm':
					month = n
				case 'd':
					day = n
				case 'H':
					hour = n
				case 'M':
					minute = n
				case 'S':
					second = n
				case 'V':
					week = n
				case 's':
					return time.Unix(int64(n), 0).In(loc), true
				}
				text = text[f.digits:]
				i++
				continue
			}
		}
		if text == "" || text[0] != format[i] {
			return time.Time{}, false
		}
		text = text[1:]
	}
	return time.Date(year, time.Month(month), day+7*week, hour, minute, second, 0, loc), true
}

// sortByDate puts names that begin with a date of the format behind the first
// skip bytes into the order of time, those without one first.
func sortByDate(names []string, skip int, format string, loc *time.Location) {
	at := func(name string) time.Time {
		if len(name) < skip {
			return time.Time{}
		}
		t, _ := parseSuffix(format, name[skip:], loc)
		return t
	}
	sort.SliceStable(names, func(i, j int) bool { return at(names[i]).Before(at(names[j])) })
}
