package chrony_test

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/clock"
	"enshu/sim/memnet"
)

// withRTC starts chronyd on a host whose real-time clock is fast and gains.
func withRTC(t *testing.T, conf string, fast time.Duration, ppm float64, files map[string]string, options ...string) chronyHost {
	t.Helper()
	n := memnet.New(t)
	n.Line = clock.New(time.Date(2026, 11, 22, 17, 10, 21, 200e6, time.UTC))
	h := n.Host(t, memnet.Config{Name: "h", Addrs: []string{"192.0.2.1/24"}, Programs: programs})
	h.RTC = clock.NewLocal(n.Line, fast, ppm)
	h.WriteFile("/etc/passwd", passwd)
	for _, dir := range []string{"/run", "/var/lib/chrony", "/var/log/chrony"} {
		h.MkdirAll(dir, 0o755)
	}
	for name, text := range files {
		h.WriteFile(name, text)
	}
	h.WriteFile("/etc/chrony.conf", conf+"rtcfile /var/lib/chrony/rtc\nlog rtc\nlogdir /var/log/chrony\nlogbanner 0\nlocal\n")
	return chronyHost{h, h.Start(append([]string{"/usr/sbin/chronyd", "-d"}, options...)...)}
}

// The lines of rtc.log are those of the real chronyd with a clock played as this
// one: when it measures, how it counts, what it does when the clock is set.
func TestRTCLog(t *testing.T) {
	for _, c := range []struct {
		name, conf string
		fast       time.Duration
		ppm        float64
		options    []string
		seconds    int
		want       string
	}{
		{"measured", "rtconutc\n", 5300 * time.Millisecond, 0, nil, 20, `
17:10:22       5.300000 0        0.000000         0.000   1   0   15
17:10:39       5.300000 1        5.300000         0.000   2   0   15
`},
		{"set from it", "rtconutc\n", 300 * time.Millisecond, 0, []string{"-s"}, 4, `
17:10:23       0.000000 0        0.000000         0.000   1   0   15
17:10:24       0.000000 0        0.000000         0.000   2   0   15
17:10:25       0.000000 0        0.000000         0.000   3   0   15
`},
		{"trimmed", "rtconutc\nrtcautotrim 10\n", 25300 * time.Millisecond, 0, nil, 50, `
17:10:22      25.300000 0        0.000000         0.000   1   0   15
17:10:39      25.300000 1       -0.200000         0.000   0   0   15
17:10:41      -0.700000 1       -0.200000         0.000   1   0   15
17:10:42      -0.700000 1       -0.200000         0.000   2   0   15
17:10:43      -0.700000 1       -0.200000         0.000   3   0   15
17:10:44      -0.700000 1       -0.200000         0.000   4   0   15
17:10:45      -0.700000 1       -0.200000         0.000   5   0   30
17:10:46      -0.700000 1       -0.200000         0.000   6   0   30
17:10:47      -0.700000 1       -0.200000         0.000   7   0   60
17:10:48      -0.700000 0       -0.200000         0.000   0   0   15
17:11:05      -0.700000 0       -0.200000         0.000   1   0   15
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := withRTC(t, c.conf, c.fast, c.ppm, nil, c.options...)
				time.Sleep(time.Duration(c.seconds) * time.Second)
				got := strings.ReplaceAll("\n"+h.ReadFile("/var/log/chrony/rtc.log"), "2026-11-22 ", "")
				if got != c.want {
					t.Errorf("logged%s", difference(got, c.want))
				}
			})
		})
	}
}

// A clock that gains is measured for hours, asked for, saved and set.
func TestRTC(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := withRTC(t, "rtconutc\n", 5300*time.Millisecond, 40, nil)
		say := func(args ...string) string {
			return h.Run(append([]string{"/usr/bin/chronyc", "-n"}, args...)...).Stdout
		}
		if got := say("writertc"); got != "200 OK\n" {
			t.Errorf("nothing is known, and writertc says %s", got)
		}
		if _, err := os.Stat(h.Dir() + "/var/lib/chrony/rtc"); err == nil {
			t.Error("nothing is known, and writertc writes it")
		}
		if got := say("rtcdata"); !strings.HasPrefix(got, "RTC ref time (UTC) : Thu Jan 01 00:00:00 1970\nNumber of samples  : 0\n") {
			t.Errorf("nothing is known, and rtcdata says %s", got)
		}
		time.Sleep(2 * time.Hour)
		if fast, gain := h.number(4, "rtcdata"), h.number(5, "rtcdata"); !near(fast, 5.3+7200*40e-6, 0.02) || !near(gain, 40, 0.5) {
			t.Errorf("rtcdata: %v s fast, gains %v ppm", fast, gain)
		}
		say("writertc")
		if got := h.ReadFile("/var/lib/chrony/rtc"); !regexp.MustCompile(`^1 17953[67]\d+ 5\.5\d+ (39|40)\.\d+\n$`).MatchString(got) {
			t.Errorf("rtcfile: %s", got)
		}
		say("trimrtc")
		time.Sleep(time.Minute)
		if off := h.RTC.Offset(); off.Abs() > time.Second {
			t.Errorf("the clock is %v off after trimrtc", off)
		}
		if log := h.daemon.Stderr.String(); !strings.Contains(log, "RTC wrong by 5.5") {
			t.Errorf("log: %s", log)
		}
	})
}

// At the start the clock is set from the real-time clock, from what was known of
// it, or from the drift file.
func TestSetFromRTC(t *testing.T) {
	const epoch = 1795367421 // of the start
	for _, c := range []struct {
		name, conf string
		fast       time.Duration
		rtcfile    string
		drift      time.Duration // since the drift file was written; 0 is none
		options    string
		want       float64 // where the clock is then, seconds from where it was
		says       string
	}{
		{"nothing known", "rtconutc\n", 300500 * time.Millisecond, "", 0, "-s", 300.3, "System time set from RTC"},
		{"known", "rtconutc\n", 5300 * time.Millisecond, fmt.Sprintf("1 %d 4.000000 100.000\n", epoch-3600), 0, "-s", 0.94, "System time set from RTC"},
		{"of no use", "rtconutc\n", 300500 * time.Millisecond, "hello\n", 0, "-s", 300.3, "Could not read coefficients from /var/lib/chrony/rtc"},
		{"known to be unknown", "rtconutc\n", 300500 * time.Millisecond, fmt.Sprintf("0 %d 4.000000 100.000\n", epoch-3600), 0, "-s", 300.3, "System time set from RTC"},
		{"before the drift file", "rtconutc\ndriftfile /drift\n", -time.Hour, "", -time.Hour, "-s", 3600, "System time restored from driftfile"},
		{"after the drift file", "rtconutc\ndriftfile /drift\n", 2 * time.Hour, "", -time.Hour, "-s", 7200.3, "System time set from RTC"},
		{"local time", "", 9 * time.Hour, "", 0, "-s", 0.3, "System time set from RTC"},
		{"as hwclock says", "hwclockfile /etc/local\n", 9 * time.Hour, "", 0, "-s", 0.3, "System time set from RTC"},
		{"not to be touched", "rtconutc\n", 300 * time.Second, "", 0, "-s -x", 0, "Could not step system clock"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				files := map[string]string{"/etc/local": "0.0 0 0.0\n0\nLOCAL\n"}
				if c.rtcfile != "" {
					files["/var/lib/chrony/rtc"] = c.rtcfile
				}
				if c.drift != 0 {
					files["/drift"] = "1.5 0.2\n"
				}
				n := memnet.New(t)
				n.Line = clock.New(time.Unix(epoch, 200e6))
				h := n.Host(t, memnet.Config{Name: "h", Addrs: []string{"192.0.2.1/24"}, Programs: programs})
				h.RTC = clock.NewLocal(n.Line, c.fast, 0)
				h.WriteFile("/etc/passwd", passwd)
				h.MkdirAll("/run", 0o755)
				h.MkdirAll("/var/lib/chrony", 0o755)
				h.MkdirAll("/etc", 0o755)
				tokyo, err := os.ReadFile("testdata/zoneinfo/Asia/Tokyo")
				if err != nil {
					t.Fatal(err)
				}
				h.WriteFile("/etc/localtime", string(tokyo))
				for name, text := range files {
					h.WriteFile(name, text)
				}
				if c.drift != 0 {
					at := n.Line.Now().Add(-c.drift)
					os.Chtimes(h.Dir()+"/drift", at, at)
				}
				h.WriteFile("/etc/chrony.conf", c.conf+"rtcfile /var/lib/chrony/rtc\n")
				d := h.Start(append([]string{"/usr/sbin/chronyd", "-d"}, strings.Fields(c.options)...)...)
				time.Sleep(100 * time.Millisecond)
				if off := h.Clock.Offset().Seconds(); math.Abs(off-c.want) > 0.01 {
					t.Errorf("the clock was moved by %v s, want %v; the log:\n%s", off, c.want, d.Stderr.String())
				}
				if !strings.Contains(d.Stderr.String(), c.says) {
					t.Errorf("log: %s", d.Stderr.String())
				}
			})
		})
	}
}
