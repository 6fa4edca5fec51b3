package chrony_test

import (
	"context"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/host"
	"enshu/sim/memnet"
)

// pair starts a server of true time and a client with a clock that is off.
func pair(t *testing.T, server, client string, offset time.Duration) (s, c *memnet.Host, d *memnet.Daemon) {
	t.Helper()
	n := memnet.New(t)
	s = n.Host(t, memnet.Config{Name: "s", Addrs: []string{"192.0.2.1/24"}, Programs: programs})
	c = n.Host(t, memnet.Config{Name: "c", Addrs: []string{"192.0.2.2/24"}, Programs: programs, Offset: offset})
	s.WriteFile("/etc/chrony.conf", server)
	c.WriteFile("/etc/chrony.conf", client)
	for _, h := range []*memnet.Host{s, c} {
		h.WriteFile("/etc/passwd", passwd)
		h.MkdirAll("/run", 0o755)
		d = h.Start("/usr/sbin/chronyd", "-d")
	}
	return s, c, d
}

const year = 365 * 24 * time.Hour

// TestFarClocks corrects clocks that stand before 1970, and after 2038 and 2106.
func TestFarClocks(t *testing.T) {
	for _, offset := range []time.Duration{-70 * year, -57 * year, -56 * year, 13 * year, 79 * year, 81 * year, 90 * year} {
		t.Run(offset.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, c, _ := pair(t, "local stratum 1\nallow\n", "server 192.0.2.1 iburst\nmakestep 1 3\nlogdir /var/log/chrony\nlog tracking measurements statistics\n", offset)
				time.Sleep(10 * time.Second)
				if off := c.Clock.Offset().Abs(); off > time.Millisecond {
					t.Errorf("still off by %v", off)
				}
				if out := c.Run("/usr/bin/chronyc", "tracking"); out.Status.Shell() != 0 || !strings.Contains(out.Stdout, "Leap status     : Normal") {
					t.Errorf("tracking: %s%s", out.Stdout, out.Stderr)
				}
			})
		})
	}
}

// TestServerJumpsAYear moves a server's clock by a year: who may always step
// follows, who may not goes on slewing and says so.
func TestServerJumpsAYear(t *testing.T) {
	for _, c := range []struct {
		name, Makestep string
		follows        bool
	}{{"stepping", "makestep 1 -1\n", true}, {"slewing", "makestep 1 3\n", false}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, client, d := pair(t, "local stratum 1\nallow\n", "server 192.0.2.1 iburst minpoll 4 maxpoll 4\n"+c.Makestep, 0)
				time.Sleep(5 * time.Minute)
				s.Clock.Step(year)
				time.Sleep(10 * time.Minute)
				if follows := (client.Clock.Offset() - year).Abs() < time.Second; follows != c.follows {
					t.Errorf("the client is off by %v", client.Clock.Offset())
				}
				if !strings.Contains(d.Stderr.String(), "System clock wrong by 315360") {
					t.Errorf("the log does not tell: %s", d.Stderr)
				}
			})
		})
	}
}

// TestTenYears lets ten years pass.
func TestTenYears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c, _ := pair(t, "local stratum 1\nallow\n", "server 192.0.2.1 iburst minpoll 17 maxpoll 17\nmakestep 1 3\ndriftfile /drift\n", time.Hour)
		c.Clock.SetFrequencyError(20)
		time.Sleep(10 * year)
		if off := c.Clock.Offset().Abs(); off > 10*time.Millisecond {
			t.Errorf("off by %v", off)
		}
	})
}

// TestClocksFight sets the clock against chronyd again and again, and lets two
// servers follow each other: both go on, and the log says what was seen.
func TestClocksFight(t *testing.T) {
	t.Run("someone sets the clock", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, c, d := pair(t, "local stratum 1\nallow\n", "server 192.0.2.1 iburst minpoll 4\nmakestep 1 -1\n", 0)
			for range 200 {
				time.Sleep(7 * time.Second)
				c.Clock.Step(time.Hour)
			}
			time.Sleep(5 * time.Minute)
			if off := c.Clock.Offset().Abs(); off > time.Millisecond {
				t.Errorf("off by %v when left alone", off)
			}
			if !strings.Contains(d.Stderr.String(), "Forward time jump detected!") {
				t.Errorf("the log does not tell: %s", d.Stderr)
			}
		})
	})
	t.Run("two servers of each other", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			const config = "allow\nmakestep 1 -1\nserver 192.0.2."
			s, c, _ := pair(t, config+"2 iburst minpoll 4\nlocal stratum 5\n", config+"1 iburst minpoll 4\nlocal stratum 10\n", time.Minute)
			time.Sleep(2 * time.Hour)
			if apart := (s.Clock.Offset() - c.Clock.Offset()).Abs(); apart > time.Second {
				t.Errorf("%v apart after two hours", apart)
			}
		})
	})
}

// TestAnyPacket sends packets of any bytes to both ports; the daemon goes on.
func TestAnyPacket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c, _ := pair(t, "local stratum 1\nallow\ncmdallow\nbindcmdaddress 0.0.0.0\n", "server 192.0.2.1 iburst\n", 0)
		r := rand.New(rand.NewPCG(1, 2))
		c.Do(nil, func(ctx context.Context, p *host.Proc) {
			conn, err := p.Sys.ListenPacket("udp4", ":0")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			for range 5000 {
				b := make([]byte, r.IntN(1200))
				for i := range b {
					b[i] = byte(r.Uint32())
				}
				port := 123
				if r.IntN(2) == 0 {
					port = 323
					if len(b) > 8 {
						// A plausible head, so that the body is looked at.
						copy(b, []byte{6, 1, 0, 0, 0, byte(r.UintN(80)), 0, 0})
					}
				} else if len(b) > 0 {
					b[0] = 0x23
				}
				conn.WriteTo(b, &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: port})
			}
		})
		time.Sleep(10 * time.Second)
		if out := s.Run("/usr/bin/chronyc", "activity"); out.Status.Shell() != 0 {
			t.Errorf("the server does not answer any more: %s%s", out.Stdout, out.Stderr)
		}
		if out := c.Run("/usr/bin/chronyc", "-c", "tracking"); !strings.HasPrefix(out.Stdout, "C0000201,") {
			t.Errorf("its client is lost: %s", out.Stdout)
		}
	})
}

// TestAnyConfig starts chronyd with files that are no configuration, or nearly one:
// it says what is wrong and ends, or it runs and can be asked.
func TestAnyConfig(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	words := strings.Fields(`server pool peer 192.0.2.1 iburst minpoll maxpoll -7 24 99999999999 1e400 nan -inf key 0 4294967296 xleave nts
		allow deny all 192.0.2.0/33 ::/129 makestep 1 -1 maxchange 0 driftfile /nowhere/x keyfile / logdir /etc/passwd log tracking measurements
		local stratum 16 orphan distance ratelimit interval burst leak smoothtime leaponly refclock SHM PPS /dev/gps0 poll dpoll filter refid ABCDE
		include /etc/chrony.conf confdir /etc sourcedir bindaddress 127.0.0.1 port 70000 cmdport 123 initstepslew 30 tempcomp rtcfile /rtc rtcautotrim
		fallbackdrift 30 2 maxslewrate 0 hwtimestamp * ! # % ; user root chrony nobody`)
	for i := range 300 {
		var b strings.Builder
		switch i % 3 {
		case 0:
			for range r.IntN(2000) {
				b.WriteByte(byte(r.Uint32()))
			}
		default:
			for range r.IntN(12) {
				for range 1 + r.IntN(5) {
					b.WriteString(words[r.IntN(len(words))] + " ")
				}
				b.WriteByte('\n')
			}
		}
		synctest.Test(t, func(t *testing.T) {
			n := memnet.New(t)
			h := n.Host(t, memnet.Config{Name: "h", Addrs: []string{"192.0.2.2/24"}, Programs: programs})
			h.WriteFile("/etc/passwd", passwd)
			h.WriteFile("/etc/hosts", "")
			h.MkdirAll("/run", 0o755)
			h.WriteFile("/etc/chrony.conf", b.String())
			d := h.Spawn(host.Cmd{Path: "/usr/sbin/chronyd", Args: []string{"chronyd", "-d"}, Dir: "/run"})
			time.Sleep(5 * time.Minute)
			if running, _ := d.Running(); running {
				d.Stop()
			} else if !strings.Contains(d.Stderr.String(), "Fatal error : ") && !strings.Contains(d.Stderr.String(), "exiting") {
				t.Errorf("ended with no word about\n%q\n%s", b.String(), d.Stderr)
			}
			if strings.Contains(d.Stderr.String(), "panic") {
				t.Errorf("%q\n%s", b.String(), d.Stderr)
			}
		})
	}
}
