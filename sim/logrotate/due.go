package logrotate

import (
	"fmt"
	"time"
)

const day = 24 * time.Hour

// fact is what a log file looks like.
type fact struct {
	size  int64
	mtime time.Time
}

// verdict says whether a log is to be rotated.
type verdict struct {
	due    bool
	why    []string // what speaks against it, for -v
	future bool     // the state says it was rotated in the future
}

// due decides. last and now are in the host's zone.
func (s *set) due(f fact, last, now time.Time, force bool) verdict {
	v := s.dueByTime(f, last, now, force)
	if v.due && !s.ifEmpty && f.size == 0 {
		v.due = false
		v.why = append(v.why, "log is empty")
	}
	return v
}

func (s *set) dueByTime(f fact, last, now time.Time, force bool) (v verdict) {
	against := func(why string) { v.due, v.why = false, append(v.why, why) }
	switch {
	case force:
		v.due = true
		return v
	case s.maxSize > 0 && f.size > s.maxSize:
		v.due = true
		return v
	case s.by == bySize:
		if v.due = f.size >= s.threshold; !v.due {
			against("log size is below the 'size' threshold")
		}
		return v
	case last.Sub(now) > 25*time.Hour:
		// An hour more than a day: summer time, and hosts that travel.
		v.due, v.future = true, true
		return v
	case sameHour(last, now):
		against("log has already been rotated")
		return v
	}
	sameYear := last.Year() == now.Year()
	sameMonth := sameYear && last.Month() == now.Month()
	var less string
	switch s.by {
	case hourly:
		v.due, less = !sameHour(last, now), "an hour"
	case daily:
		v.due, less = !sameMonth || last.Day() != now.Day(), "a day"
	case weekly:
		days := daysBetween(last, now)
		v.due = days >= 7 || days >= 1 && (s.weekday == int(now.Weekday()))
		less = "a week"
	case monthly:
		v.due, less = !sameMonth, "a month"
	case yearly:
		v.due, less = !sameYear, "a year"
	}
	if !v.due {
		against(fmt.Sprintf("log has been rotated at %s, which is less than %s ago", minute(last), less))
	}
	if s.minSize > 0 && f.size < s.minSize {
		against("'minsize' directive is used and the log size is smaller than the minsize value")
	}
	if s.minAge > 0 && now.Sub(f.mtime) <= time.Duration(s.minAge)*day {
		against("'minage' directive is used and the log age is smaller than the minage days")
	}
	return v
}

func sameHour(a, b time.Time) bool {
	return a.Year() == b.Year() && a.YearDay() == b.YearDay() && a.Hour() == b.Hour()
}

// daysBetween counts midnights from a to b, whatever the hour.
func daysBetween(a, b time.Time) int {
	midnight := func(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC) }
	return int(midnight(b).Sub(midnight(a)) / day)
}

func minute(t time.Time) string { return t.Format("2006-01-02 15:04") }
