package chrony_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/clock"
	"enshu/sim/memnet"
)

// withRefclock is a host whose clock is wrong and whose receiver has an error.
func withRefclock(t *testing.T, conf string, wrong, receiver time.Duration) *memnet.Host {
	n := memnet.New(t)
	h := n.Host(t, memnet.Config{Name: "gps", Addrs: []string{"192.0.2.1/24"}, Programs: programs, Offset: wrong, PPM: 12})
	h.Refclocks = map[string]*clock.Local{}
	for _, d := range []string{"/dev/gps0", "/dev/pps0", "/dev/ptp0"} {
		h.Refclocks[d] = clock.NewLocal(n.Line, receiver, 0)
		h.WriteFile(d, "")
	}
	h.WriteFile("/etc/passwd", passwd)
	h.WriteFile("/etc/chrony.conf", conf)
	h.MkdirAll("/run", 0o755)
	h.Start("/usr/sbin/chronyd", "-d")
	return h
}

func TestRefclocks(t *testing.T) {
	for _, c := range []struct {
		name, conf      string
		wrong, receiver time.Duration
		within          time.Duration // of what the clock must end at
		selected        string
	}{
		{"a receiver", "refclock SHM 0 refid GPS\nmakestep 1 3\n", 3 * time.Second, 0, time.Millisecond, "#* GPS"},
		{"a receiver that is wrong", "refclock SHM 0 refid GPS\nmakestep 1 3\n", 0, -20 * time.Second, time.Millisecond, "#* GPS"},
		{"no refid", "refclock SHM 0\nmakestep 1 3\n", 0, 0, time.Millisecond, "#* SHM0"},
		{"a pulse locked to a receiver", "refclock SHM 0 refid NMEA noselect offset 0.1\nrefclock PPS /dev/pps0 lock NMEA refid PPS\nmakestep 1 3\n",
			-90 * time.Second, 0, 50 * time.Microsecond, "#* PPS"},
		{"a pulse that tells no second", "refclock PPS /dev/pps0 refid PPS\nmakestep 1 3\n", 3 * time.Second, 0, -1, "#? PPS"},
		{"a pulse of this host's second", "refclock PPS /dev/pps0 refid PPS local\nmakestep 1 3\n", 100 * time.Millisecond, 0, 50 * time.Microsecond, "#* PPS"},
		{"a network card", "refclock PHC /dev/ptp0 poll 2\nmakestep 1 3\n", 3 * time.Second, 0, 10 * time.Microsecond, "#* PHC0"},
		{"no such receiver", "refclock SHM 1 refid GPS\nmakestep 1 3\n", 3 * time.Second, 0, -1, "#? GPS"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := withRefclock(t, c.conf, c.wrong, c.receiver)
				time.Sleep(10 * time.Minute)
				sources := h.Run("/usr/bin/chronyc", "sources").Stdout
				if !strings.Contains(sources, c.selected) {
					t.Errorf("no %q in\n%s", c.selected, sources)
				}
				off := h.Clock.Offset() - c.receiver
				if c.within < 0 {
					if (off - c.wrong).Abs() > 100*time.Millisecond {
						t.Errorf("the clock was set by %v", off-c.wrong)
					}
				} else if off.Abs() > c.within {
					t.Errorf("the clock is off by %v", off)
				}
				wantStratum := "Stratum         : 1"
				if c.within < 0 {
					wantStratum = "Stratum         : 0"
				}
				if tracking := h.Run("/usr/bin/chronyc", "tracking").Stdout; !strings.Contains(tracking, wantStratum) {
					t.Errorf("no %q in\n%s", wantStratum, tracking)
				}
			})
		})
	}
}

// TestRefclockPulledOut: a receiver whose device is gone is not reached any more.
func TestRefclockPulledOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := withRefclock(t, "refclock SHM 0 refid GPS\n", 0, 0)
		time.Sleep(10 * time.Minute)
		if err := h.Sys().Remove("/dev/gps0"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		out := h.Run("/usr/bin/chronyc", "-c", "sources").Stdout
		if f := strings.Split(out, ","); len(f) < 6 || f[2] != "GPS" || f[5] != "0" {
			t.Errorf("sources: %s", out)
		}
	})
}
