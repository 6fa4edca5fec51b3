package chrony

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"enshu/sim/libc"
	"enshu/sim/trace"
	"enshu/sim/wire/ntp"
)

// A reference clock is a device that knows true time: this file is the only
// one of the suite that may look at the lab's timeline.
//
// The drivers are those of chrony.conf(5), refclock. A clock delivers while its
// device exists on the host: PHC and PPS name it, SHM N stands for a receiver
// /dev/gpsN whose driver fills the shared memory segment.

// refclock is a refclock directive at work.
type refclock struct {
	cfg    refclockConfig
	refID  uint32
	device string
	cand   *candidate
}

func (d *daemon) openRefclocks() error {
	for i, cfg := range d.conf.refclocks {
		c := &refclock{cfg: cfg}
		switch strings.ToUpper(cfg.driver) {
		case "PHC", "PPS":
			c.device, _, _ = strings.Cut(cfg.parameter, ":")
			if !libc.Exists(d.p, c.device) {
				return fail("Could not open %s : No such file or directory", c.device)
			}
		case "SHM":
			n, _, _ := scanInt(cfg.parameter)
			c.device = fmt.Sprintf("/dev/gps%d", n)
		case "SOCK":
			c.device = cfg.parameter
		default:
			return fail("unknown refclock driver %s", cfg.driver)
		}
		text := cfg.refid
		if text == "" {
			text = strings.ToUpper(cfg.driver)[:3] + fmt.Sprint(i%10)
		}
		for k := range 4 {
			c.refID <<= 8
			if k < len(text) {
				c.refID |= uint32(text[k])
			}
		}
		lo, hi := cfg.minSamples, cfg.maxSamples
		if lo < 0 {
			lo = d.conf.minSamples
		}
		if hi < 0 {
			hi = d.conf.maxSamples
		}
		c.cand = &candidate{
			stats: newStats(lo, hi, 0, 0), options: cfg.options, stratum: cfg.stratum, refclock: true,
			status: statusFewSamples, score: 1,
		}
		d.sources = append(d.sources, &source{name: c.name(), clock: c, cand: c.cand})
	}
	d.listCandidates()
	return nil
}

// name is the text of the reference id.
func (c *refclock) name() string { return refIDText(c.refID) }

func refIDText(id uint32) string {
	var b []byte
	for shift := 24; shift >= 0; shift -= 8 {
		if ch := byte(id >> shift); ch >= ' ' && ch < 0x7f {
			b = append(b, ch)
		}
	}
	return string(b)
}

// refIDAddr is the address field in which the protocol carries a reference id.
func refIDAddr(id uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(id >> 24), byte(id >> 16), byte(id >> 8), byte(id)})
}

func (c *refclock) slewed(when time.Time, dfreq, doffset float64) {
	c.cand.stats.slew(when, dfreq, doffset)
}

// start polls the clock for ever.
func (c *refclock) start(d *daemon, s *source) {
	interval := float64(int(1) << min(max(c.cfg.poll, 0), 20))
	var poll func()
	poll = func() {
		c.poll(d, s)
		s.timer = d.after(interval, poll)
	}
	s.timer = d.after(min(interval, 2), poll)
}

// poll reads the clock.
func (c *refclock) poll(d *daemon, s *source) {
	if !libc.Exists(d.p, c.device) {
		c.cand.reached(false)
		d.unreached(s)
		return
	}
	now := d.cooked()
	truth := d.p.Clock.Timeline().Now()
	precision := max(c.cfg.precision, d.quantum)
	smp := sample{
		at: now, offset: truth.Sub(now).Seconds() + c.cfg.offset, peerDelay: c.cfg.delay, peerDispersion: precision,
		rootDelay: c.cfg.delay, rootDispersion: precision,
	}
	c.cand.reached(true)
	c.cand.leap = ntp.LeapNone
	c.cand.stats.add(smp)
	c.cand.stats.regress()
	d.p.Emit(trace.SampleTaken, trace.Attrs{
		"source": s.addrText(), "offset": formatSeconds(-smp.offset), "delay": formatSeconds(smp.peerDelay),
		"stratum": fmt.Sprint(c.cand.stratum),
	})
	d.files.statistics(d, s)
	d.files.write(d, "refclocks", fmt.Sprintf("%s.%06d %-4s %3d N 0 %14.6e %14.6e %10.3e",
		logTime(now), now.Nanosecond()/1000, s.addrText(), 0, smp.offset, smp.offset, smp.peerDispersion))
	d.choose(c.cand)
}
