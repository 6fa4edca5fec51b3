package calendar

import (
	"os"
	"strings"
	"testing"
	"time"
)

// TestEvents compares with what the real systemd-analyze calendar said.
func TestEvents(t *testing.T) {
	data, err := os.ReadFile("testdata/events.txt")
	if err != nil {
		t.Fatal(err)
	}
	base := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		if strings.HasPrefix(line, "# ") {
			continue
		}
		want := strings.Split(line, "\t")
		e, ok := ParseEvent(want[0])
		got := []string{want[0], "invalid"}
		if ok {
			got[1] = e.String()
			at := base
			for range 4 {
				if at, ok = e.Next(at); !ok {
					if len(got) == 2 {
						got = append(got, "never")
					}
					break
				}
				got = append(got, at.In(time.UTC).Format("Mon 2006-01-02 15:04:05 MST"))
			}
		}
		if g := strings.Join(got, "\t"); g != line {
			t.Errorf("got  %s\nwant %s", g, line)
		}
	}
}

// TestEventInZone: a time that the clocks leave out does not elapse, and a day
// is one of the zone.
func TestEventInZone(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("needs the time zones of the machine")
	}
	e, _ := ParseEvent("02:30")
	at, ok := e.Next(time.Date(2026, 3, 28, 12, 0, 0, 0, berlin))
	if want := time.Date(2026, 3, 30, 2, 30, 0, 0, berlin); !ok || !at.Equal(want) {
		t.Errorf("elapses at %s, want %s", at, want)
	}
}
