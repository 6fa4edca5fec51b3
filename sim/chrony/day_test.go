package chrony_test

import (
	"bytes"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/memnet"
	"enshu/sim/trace"
)

// day runs ten hosts in three strata for a virtual day, which pass lets go by, and
// returns the trace.
func day(t testing.TB, pass func(*memnet.Network, time.Duration)) []byte {
	n := memnet.New(t)
	var hosts []*memnet.Host
	add := func(i int, conf string) {
		h := n.Host(t, memnet.Config{
			Name: fmt.Sprintf("h%d", i), Addrs: []string{fmt.Sprintf("192.0.2.%d/24", i)}, Programs: programs,
			Offset: time.Duration(i-1) * 300 * time.Millisecond, PPM: float64(7 * (i - 1)), Seed: uint64(i),
		})
		h.WriteFile("/etc/passwd", passwd)
		h.WriteFile("/etc/chrony.conf", conf)
		h.MkdirAll("/run", 0o755)
		hosts = append(hosts, h)
	}
	add(1, "local stratum 1\nallow\n")
	for i := 2; i <= 4; i++ {
		add(i, "server 192.0.2.1 iburst\nmakestep 1.0 3\nallow\n")
	}
	for i := 5; i <= 10; i++ {
		add(i, "server 192.0.2.2 iburst\nserver 192.0.2.3 iburst\nserver 192.0.2.4 iburst\nmakestep 1.0 3\n")
	}
	for i, a := range hosts {
		for _, b := range hosts[i+1:] {
			n.Link(a, b, memnet.Link{Delay: time.Millisecond, Jitter: 50 * time.Microsecond})
		}
	}
	var daemons []*memnet.Daemon
	for _, h := range hosts {
		daemons = append(daemons, h.Start("/usr/sbin/chronyd", "-d"))
	}
	pass(n, 24*time.Hour)
	for i, h := range hosts[1:] {
		if off := h.Clock.Offset(); off.Abs() > time.Millisecond {
			t.Errorf("host %d is off by %v after a day", i+2, off)
		}
	}
	for _, d := range daemons {
		d.Stop()
	}
	var b bytes.Buffer
	if err := trace.Write(&b, n.Trace.Since(0)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestDay runs the day twice: the trace must be the same.
func TestDay(t *testing.T) {
	var traces [2][]byte
	for i := range traces {
		synctest.Test(t, func(t *testing.T) {
			traces[i] = day(t, func(_ *memnet.Network, d time.Duration) { time.Sleep(d) })
		})
	}
	if !bytes.Equal(traces[0], traces[1]) {
		a, b := bytes.Split(traces[0], []byte("\n")), bytes.Split(traces[1], []byte("\n"))
		for i := range a {
			if i >= len(b) || !bytes.Equal(a[i], b[i]) {
				t.Fatalf("event %d differs:\n%s\n%s", i+1, a[i], b[min(i, len(b)-1)])
			}
		}
		t.Fatal("the second trace is longer")
	}
}

// BenchmarkDay is the day outside of a bubble, warped as a lab is.
func BenchmarkDay(b *testing.B) {
	n := 0
	began := time.Now()
	for b.Loop() {
		n++
		day(b, func(n *memnet.Network, d time.Duration) {
			if err := n.Line.Advance(b.Context(), d); err != nil {
				b.Fatal(err)
			}
		})
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(time.Since(began).Seconds()/float64(n), "s-day(limit:0.5)")
}
