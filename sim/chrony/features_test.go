package chrony_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/memnet"
)

// chronyHost is a host of a test with chronyd running on it.
type chronyHost struct {
	*memnet.Host
	daemon *memnet.Daemon
}

// chronyAt starts a host with a configuration; what it sends as mail goes to
// mails.
func chronyAt(t *testing.T, n *memnet.Network, addr, conf string, wrong time.Duration, files map[string]string) chronyHost {
	t.Helper()
	h := n.Host(t, memnet.Config{Name: "h" + addr, Addrs: []string{addr + "/24"}, Offset: wrong, Programs: programs})
	h.WriteFile("/etc/passwd", passwd)
	h.WriteFile("/etc/hosts", "")
	for _, dir := range []string{"/run", "/var/lib/chrony", "/var/log/chrony", "/usr/share/zoneinfo/right"} {
		h.MkdirAll(dir, 0o755)
	}
	h.WriteFile("/usr/share/zoneinfo/right/UTC", rightUTC)
	for name, text := range files {
		h.WriteFile(name, text)
	}
	h.WriteFile("/etc/chrony.conf", conf)
	return chronyHost{h, h.Start("/usr/sbin/chronyd", "-d")}
}

// ask runs chronyc -c and returns the fields of the first line.
func (h chronyHost) ask(args ...string) []string {
	out := h.Run(append([]string{"/usr/bin/chronyc", "-n", "-c"}, args...)...).Stdout
	line, _, _ := strings.Cut(out, "\n")
	return strings.Split(line, ",")
}

func (h chronyHost) number(field int, args ...string) float64 {
	f := h.ask(args...)
	if field >= len(f) {
		return math.NaN()
	}
	v, err := strconv.ParseFloat(f[field], 64)
	if err != nil {
		return math.NaN()
	}
	return v
}

func near(a, b, tolerance float64) bool { return math.Abs(a-b) <= tolerance }

// The numbers are those of the real chronyd with the same commands.
func TestSmoothTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(t)
		h := chronyAt(t, n, "192.0.2.1", "smoothtime 400 0.01\nlocal\nallow\nmaxslewrate 1000\n", 0, nil)
		if got := h.ask("smoothing")[0]; got != "No" {
			t.Errorf("active at the start: %s", got)
		}
		h.Run("/usr/bin/chronyc", "smoothtime", "activate")
		h.Run("/usr/bin/chronyc", "doffset", "0.01")
		for _, c := range []struct {
			field       int
			want, about float64
			what        string
		}{{2, 0.01, 1e-6, "offset"}, {4, -0.01, 1e-9, "wander"}, {6, 2000, 1, "remaining time"}} {
			if got := h.number(c.field, "smoothing"); !near(got, c.want, c.about) {
				t.Errorf("%s %v, want %v", c.what, got, c.want)
			}
		}
		time.Sleep(1000 * time.Second)
		if got := h.number(2, "smoothing"); !near(got, 0.005, 1e-4) {
			t.Errorf("half way the offset is %v, want 0.005", got)
		}
		h.Run("/usr/bin/chronyc", "smoothtime", "reset")
		h.Run("/usr/bin/chronyc", "dfreq", "10")
		if got := h.number(6, "smoothing"); !near(got, 2414.2, 1) {
			t.Errorf("after a change of frequency %v s remain, want 2414.2", got)
		}
		time.Sleep(3000 * time.Second)
		if got := h.ask("smoothing"); got[2] != "0.000000000" || got[3] != "0.000000" {
			t.Errorf("at the end %v", got)
		}
	})
}

// TestTempcomp follows a temperature by a polynomial and by points; the log is
// the real one's.
func TestTempcomp(t *testing.T) {
	for _, c := range []struct{ directive, want string }{
		{"tempcomp /sensor 1 26000 0.0 0.000183 0.0", "  3.0500e+01 -4.7524e+00"},
		{"tempcomp /sensor 1 /points", "  3.0500e+01  4.1000e+00"},
	} {
		synctest.Test(t, func(t *testing.T) {
			n := memnet.New(t)
			h := chronyAt(t, n, "192.0.2.1", c.directive+"\nlogdir /var/log/chrony\nlog tempcomp\n", 0,
				map[string]string{"/sensor": "30.5\n", "/points": "0 1.0\n20 2.0\n40 6.0\n"})
			time.Sleep(2500 * time.Millisecond)
			log := strings.Split(h.ReadFile("/var/log/chrony/tempcomp.log"), "\n")
			if len(log) < 4 || !strings.HasSuffix(log[3], c.want) {
				t.Errorf("%s logged\n%s", c.directive, strings.Join(log, "\n"))
			}
			ppm, err := strconv.ParseFloat(strings.Fields(c.want)[1], 64)
			if err != nil {
				t.Fatal(err)
			}
			before := h.Clock.Offset()
			time.Sleep(1000 * time.Second)
			if gained := float64(h.Clock.Offset()-before) / 1e6; !near(gained, ppm, 0.01) {
				t.Errorf("%s: the clock gained %v ms in 1000 s", c.directive, gained)
			}
			h.WriteFile("/sensor", "300000\n")
			time.Sleep(2 * time.Second)
			if text := h.daemon.Stderr.String(); !strings.Contains(text, "ppm exceeds sanity limit of 10.0\n") {
				t.Error("an impossible temperature is believed")
			}
		})
	}
}

// TestLeapSecond lets a second be inserted at the end of 2016 in each way.
func TestLeapSecond(t *testing.T) {
	for _, c := range []struct{ mode, log string }{
		{"system", "System clock status reset after leap second"},
		{"step", "System clock was stepped for leap second"},
		{"slew", "Adjusting system clock for leap second"},
		{"ignore", "Ignoring leap second"},
	} {
		t.Run(c.mode, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := memnet.New(t)
				n.Line = clock.New(time.Date(2016, 12, 31, 23, 50, 0, 0, time.UTC))
				right := map[string]string{"/usr/share/zoneinfo/right/UTC": leaps2016}
				server := chronyAt(t, n, "192.0.2.1", "local stratum 1\nallow\n", 0, nil)
				h := chronyAt(t, n, "192.0.2.2", "server 192.0.2.1 iburst minpoll 4\nleapsectz right/UTC\nmakestep 0.1 -1\nleapsecmode "+c.mode+"\n", 0, right)
				time.Sleep(time.Minute)
				want := "Insert second"
				if c.mode == "ignore" {
					want = "Normal"
				}
				if got := h.ask("tracking"); got[len(got)-1] != want {
					t.Errorf("leap status %q before it, want %q", got[len(got)-1], want)
				}
				server.Clock.Step(-time.Second) // UTC has one second more than this timeline
				server.daemon.Stop()
				time.Sleep(11 * time.Minute)
				log := h.daemon.Stderr.String()
				for _, text := range []string{c.log, "System clock TAI offset set to 36 seconds"} {
					if strings.Count(log, text+"\n") != 1 {
						t.Errorf("not logged once: %s\n%s", text, log)
					}
				}
				if offset := h.Clock.Offset().Seconds(); (c.mode != "ignore") != near(offset, -1, 0.1) {
					t.Errorf("the clock is off by %v s", offset)
				}
			})
		})
	}
}

// leaps2016 is a time zone with the last leap second so far.
var leaps2016 = leapZone(time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC), 27)

// leapZone is a time zone file whose last leap second comes before a midnight,
// as the nth one of as many, the others in 1972 and after it.
func leapZone(last time.Time, nth int) string {
	header := func(leaps int) string {
		b := "TZif2" + strings.Repeat("\x00", 15)
		for _, v := range []int{0, 0, leaps, 0, 1, 4} {
			b += string([]byte{0, 0, 0, byte(v)})
		}
		return b
	}
	body := header(0) + strings.Repeat("\x00", 10) + header(nth) + strings.Repeat("\x00", 10)
	for i := 1; i <= nth; i++ {
		at := time.Date(1972+i, 1, 1, 0, 0, 0, 0, time.UTC)
		if i == nth {
			at = last
		}
		v := uint64(at.Unix() + int64(i-1))
		for shift := 56; shift >= 0; shift -= 8 {
			body += string([]byte{byte(v >> shift)})
		}
		body += string([]byte{0, 0, 0, byte(i)})
	}
	return body
}

// TestMailOnChange looks at the mail of a large correction.
func TestMailOnChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(t)
		chronyAt(t, n, "192.0.2.1", "local stratum 1\nallow\n", 0, nil)
		var mails []string
		mailer := maps.Clone(programs)
		mailer["/usr/lib/sendmail"] = func(_ context.Context, p *host.Proc) int {
			text, err := io.ReadAll(p.Stdin)
			mails = append(mails, fmt.Sprint(p.Args, err, "\n", string(text)))
			return 0
		}
		h := n.Host(t, memnet.Config{Name: "client", Addrs: []string{"192.0.2.2/24"}, Offset: -2 * time.Second, Programs: mailer})
		h.WriteFile("/etc/passwd", passwd)
		h.MkdirAll("/run", 0o755)
		h.WriteFile("/etc/chrony.conf", "server 192.0.2.1 iburst\nmakestep 1 3\nmailonchange root@localhost 0.5\n")
		h.Start("/usr/sbin/chronyd", "-d")
		time.Sleep(10 * time.Second)
		if len(mails) != 1 {
			t.Fatalf("%d mails", len(mails))
		}
		for _, text := range []string{
			"[/usr/lib/sendmail -t]", "To: root@localhost\nSubject: chronyd reports change to system clock on node [client]\n\nOn ",
			"chronyd started to apply an adjustment of 2.000 seconds to it,\n  which exceeded the reporting threshold of 0.500 seconds\n",
		} {
			if !strings.Contains(mails[0], text) {
				t.Errorf("not in the mail: %q\n%s", text, mails[0])
			}
		}
	})
}

// TestOrphans lets three servers without a source agree on one of them, as the
// real ones do, and on another one when that ends.
func TestOrphans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(t)
		var hosts []chronyHost
		for i := 1; i <= 3; i++ {
			conf := "local stratum 8 orphan distance 0.1\nallow\nmaxclockerror 100\n"
			for k := 1; k <= 3; k++ {
				if k != i {
					conf += fmt.Sprintf("server 192.0.2.%d minpoll 0 maxpoll 1 iburst\n", k)
				}
			}
			hosts = append(hosts, chronyAt(t, n, fmt.Sprintf("192.0.2.%d", i), conf, time.Duration(i-2)*300*time.Millisecond, nil))
		}
		time.Sleep(5 * time.Minute)
		for i, h := range hosts {
			id, stratum := "C0000201", "9"
			if i == 0 {
				id, stratum = "7F7F0101", "8"
			}
			if got := h.ask("tracking"); got[0] != id || got[2] != stratum {
				t.Errorf("host %d follows %s at stratum %s, want %s at %s", i+1, got[0], got[2], id, stratum)
			}
		}
		if got := hosts[1].ask("selectdata"); got[0] != "*" {
			t.Errorf("state of the first: %v", got)
		}
		if apart := hosts[2].Clock.Offset() - hosts[0].Clock.Offset(); apart.Abs() > 5*time.Millisecond {
			t.Errorf("the clocks are %v apart", apart)
		}
		hosts[0].daemon.Stop()
		time.Sleep(time.Hour)
		if got := hosts[1].ask("tracking"); got[0] != "7F7F0101" {
			t.Errorf("when the first is gone, the second follows %s", got[0])
		}
		if got := hosts[2].ask("tracking"); got[0] != "C0000202" {
			t.Errorf("when the first is gone, the third follows %s", got[0])
		}
	})
}

// TestManualTime types times in; the words are the real ones.
func TestManualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(t)
		h := chronyAt(t, n, "192.0.2.1", "manual\n", 0, nil)
		say := func(args ...string) string { return h.Run(append([]string{"/usr/bin/chronyc"}, args...)...).Stdout }
		if got := say("settime", "now"); !strings.HasPrefix(got, "200 OK\nClock was 0.0") {
			t.Errorf("settime now: %s", got)
		}
		if got := say("settime", "now"); got != "500 Failure\n" {
			t.Errorf("too soon: %s", got)
		}
		time.Sleep(90 * time.Second)
		h.Run("/usr/bin/chronyc", "settime", "10 seconds")
		for _, text := range []string{"Making a slew of ", "Making a frequency change of -", "System clock wrong by "} {
			if !strings.Contains(h.daemon.Stderr.String(), text) {
				t.Errorf("not logged: %s\n%s", text, h.daemon.Stderr.String())
			}
		}
		if got := say("manual", "list"); !strings.HasPrefix(got, "210 n_samples = 2\n") {
			t.Errorf("list: %s", got)
		}
		if got := say("manual", "delete", "9"); got != "516 Sample index out of range\n" {
			t.Errorf("delete 9: %s", got)
		}
		if got := say("manual", "delete", "1"); got != "200 OK\n" {
			t.Errorf("delete 1: %s", got)
		}
		if got := h.ask("tracking"); got[len(got)-1] != "Not synchronised" {
			t.Errorf("typed times are a source: %v", got)
		}
		say("manual", "off")
		if got := say("settime", "now"); got != "505 Facility not enabled in daemon\n" {
			t.Errorf("off: %s", got)
		}
	})
}

// TestFallbackDrift loses the source while the frequency is far from what it was
// for long.
func TestFallbackDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(t)
		s := chronyAt(t, n, "192.0.2.1", "local stratum 1\nallow\n", 0, nil)
		h := chronyAt(t, n, "192.0.2.2", "server 192.0.2.1 iburst minpoll 4 maxpoll 4\nfallbackdrift 10 11\n", 0, nil)
		h.Clock.SetFrequencyError(20)
		time.Sleep(3 * time.Hour)
		h.Clock.SetFrequencyError(60)
		time.Sleep(4 * time.Minute)
		before := h.number(7, "tracking")
		s.daemon.Stop()
		time.Sleep(2000 * time.Second)
		after := h.number(7, "tracking")
		if !(math.Abs(before) > 40 && math.Abs(after) < 40) {
			t.Errorf("frequency %v ppm, and without a source %v; want it back near 20", before, after)
		}
		if got := h.ask("tracking"); got[len(got)-1] != "Not synchronised" {
			t.Errorf("status %v", got)
		}
	})
}
