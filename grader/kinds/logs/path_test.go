package logs

import (
	"testing"
	"time"
)

func TestActionTarget(t *testing.T) {
	for action, want := range map[string]string{
		"@192.168.0.10":                              "192.168.0.10:514/udp",
		"@@192.168.0.10:10514":                       "192.168.0.10:10514/tcp",
		"@@(o)server:514;RSYSLOG_Template":           "server:514/tcp",
		"@[2001:db8::1]:515":                         "2001:db8::1:515/udp",
		`omfwd target="h" port="515" protocol="tcp"`: "h:515/tcp",
		`action(type="omfwd" target="h")`:            "h:514/udp",
	} {
		got, ok := actionTarget(action)
		if s := got.host + ":" + got.port.String(); !ok || s != want {
			t.Errorf("%s goes to %s (%v), want %s", action, s, ok, want)
		}
	}
	if _, ok := actionTarget("/var/log/messages"); ok {
		t.Error("a file is a target")
	}
}

func TestStampDifference(t *testing.T) {
	tokyo := time.FixedZone("JST", 9*3600)
	for _, tt := range []struct {
		line string
		now  time.Time
		want time.Duration
		ok   bool
	}{
		{"Nov 22 10:00:00 client x: y", time.Date(2026, 11, 22, 10, 0, 3, 0, tokyo), -3 * time.Second, true},
		{"Nov  2 10:10:00 client x: y", time.Date(2026, 11, 2, 10, 0, 0, 0, tokyo), 10 * time.Minute, true},
		{"Dec 31 23:59:59 client x: y", time.Date(2027, 1, 1, 0, 0, 1, 0, tokyo), -2 * time.Second, true},
		{"Jan  1 00:00:01 client x: y", time.Date(2026, 12, 31, 23, 59, 59, 0, tokyo), 2 * time.Second, true},
		{"2026-11-22T01:00:00.5+00:00 client x: y", time.Date(2026, 11, 22, 10, 0, 0, 0, tokyo), 500 * time.Millisecond, true},
		{"client x: y", time.Date(2026, 11, 22, 10, 0, 0, 0, tokyo), 0, false},
	} {
		if got, ok := stampDifference(tt.line, tt.now); got != tt.want || ok != tt.ok {
			t.Errorf("%q: %v, %v", tt.line, got, ok)
		}
	}
}

func FuzzTarget(f *testing.F) {
	f.Add("@@(o)server:514;RSYSLOG_Template")
	f.Add("Feb 29 10:00:00 \xff")
	f.Fuzz(func(t *testing.T, s string) {
		actionTarget(s)
		stampDifference(s, time.Unix(0, 0))
	})
}
