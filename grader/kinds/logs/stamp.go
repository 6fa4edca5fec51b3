package logs

import (
	"regexp"
	"time"
)

var (
	bsdStamp = regexp.MustCompile(`^[A-Z][a-z]{2} [ 0-9][0-9] \d\d:\d\d:\d\d`)
	isoStamp = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\S+`)
)

// stampDifference returns how far the stamp at the start of a line is from now.
func stampDifference(line string, now time.Time) (time.Duration, bool) {
	if m := isoStamp.FindString(line); m != "" {
		t, err := time.Parse(time.RFC3339Nano, m)
		return t.Sub(now), err == nil
	}
	m := bsdStamp.FindString(line)
	if m == "" {
		return 0, false
	}
	t, err := time.ParseInLocation("2006 Jan _2 15:04:05", now.Format("2006 ")+m, now.Location())
	if err != nil {
		return 0, false
	}
	d := t.Sub(now)
	// The stamp has no year: around the new year the nearest counts.
	switch {
	case d > 183*24*time.Hour:
		d = t.AddDate(-1, 0, 0).Sub(now)
	case d < -183*24*time.Hour:
		d = t.AddDate(1, 0, 0).Sub(now)
	}
	return d, true
}
