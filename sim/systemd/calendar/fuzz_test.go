package calendar

import (
	"testing"
	"time"
)

func FuzzTimestamp(f *testing.F) {
	now := time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)
	for _, s := range []string{"2024-03-05 09:31:00.5", "10 min ago", "-1h30min", "@1709631060.5", "Tue 2024-03-05", "yesterday", "1month 2w"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ParseTimestamp(s, now, func(string) (*time.Location, bool) { return nil, false })
		if d, ok := ParseSpan(s, time.Second); ok {
			FormatSpan(d, time.Microsecond)
			FormatAgo(d)
		}
		if c, ok := ParseEvent(s); ok && len(s) < 30 {
			c.Next(now)
		}
	})
}
