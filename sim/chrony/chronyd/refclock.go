package chronyd

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"

	"enshu/sim/chrony/conf"
	"enshu/sim/chrony/measure"
	"enshu/sim/libc"
	"enshu/sim/trace"
	"enshu/sim/wire/ntp"
)

// A reference clock is a device that has a time of its own (host.Refclocks).
//
// The drivers are those of chrony.conf(5), refclock. A clock delivers while its
// device exists on the host: PHC and PPS name it, SHM N stands for a receiver
// /dev/gpsN whose driver fills the shared memory segment.

// refclock is a refclock directive at work.
type refclock struct {
	cfg    conf.Refclock
	refID  uint32
	device string
	noise  float64 // standard deviation of one reading, seconds
	pulse  bool    // it tells when a second begins, not which
	cand   *measure.Candidate
}

// Standard deviations of what the drivers read: a receiver's sentence over a
// serial line, the interrupt of a pulse, the clock of a network card.
const (
	shmNoise = 100e-6
	ppsNoise = 1e-6
	phcNoise = 100e-9
)

func (d *daemon) openRefclocks() error {
	for i, cfg := range d.conf.Refclocks {
		if err := d.checkRefclock(cfg); err != nil {
			return err
		}
		c := &refclock{cfg: cfg, noise: shmNoise, pulse: cfg.PPS}
		switch driver := strings.ToUpper(cfg.Driver); driver {
		case "PHC", "PPS":
			c.noise = phcNoise
			if driver == "PPS" {
				c.noise, c.pulse = ppsNoise, true
			}
			c.device, _, _ = strings.Cut(cfg.Parameter, ":")
			if !libc.Exists(d.p, c.device) {
				if driver == "PHC" {
					d.log.error("Could not open " + c.device + " : No such file or directory")
					return errNoPHC
				}
				return conf.Errorf("Could not open %s : No such file or directory", c.device)
			}
		case "SHM":
			n, _, _ := conf.ScanInt(cfg.Parameter)
			c.device = fmt.Sprintf("/dev/gps%d", n)
		case "SOCK":
			c.device = cfg.Parameter
		}
		text := cfg.RefID
		if text == "" {
			text = strings.ToUpper(cfg.Driver)[:3] + fmt.Sprint(i%10)
		}
		for k := range 4 {
			c.refID <<= 8
			if k < len(text) {
				c.refID |= uint32(text[k])
			}
		}
		c.shortenFilter(d)
		lo, hi := cfg.MinSamples, cfg.MaxSamples
		if lo < 0 {
			lo = d.conf.MinSamples
		}
		if hi < 0 {
			hi = d.conf.MaxSamples
		}
		c.cand = &measure.Candidate{
			Stats: measure.NewStats(lo, hi, 0, 0), Options: cfg.Options, Stratum: cfg.Stratum, Refclock: true,
			Status: measure.StatusFewSamples, Score: 1,
		}
		d.sources = append(d.sources, &source{name: c.name(), clock: c, cand: c.cand})
	}
	d.listCandidates()
	d.checkLocks()
	return nil
}

// shortenFilter limits the filter to the readings between two polls.
func (c *refclock) shortenFilter(d *daemon) {
	if strings.EqualFold(c.cfg.Driver, "SOCK") {
		return
	}
	readings := 1
	if c.cfg.Poll > c.cfg.Dpoll {
		readings = 1 << min(c.cfg.Poll-c.cfg.Dpoll, 20)
	}
	if readings < c.cfg.Filter {
		c.cfg.Filter = readings
		if readings < fewReadings {
			d.log.warn(fmt.Sprintf("Setting filter length for %s to %d", c.name(), readings))
		}
	}
}

// fewReadings are too few to pick the good ones from.
const fewReadings = 4

// checkLocks tells of clocks that are locked to one that is not there.
func (d *daemon) checkLocks() {
	for _, s := range d.sources {
		c := s.clock
		if c == nil || c.cfg.Lock == "" {
			continue
		}
		other := d.refclockNamed(c.cfg.Lock)
		if other == nil || other == c {
			d.log.warn("Invalid lock refid " + c.cfg.Lock)
			continue
		}
		if float64(c.cfg.MaxLockAge)/float64(max(c.cfg.Rate, 1)) < math.Ldexp(1, other.cfg.Dpoll) {
			d.log.warn(fmt.Sprintf("%s maxlockage too small for %s", c.name(), other.name()))
		}
	}
}

// name is the text of the reference id.
func (c *refclock) name() string { return ntp.RefIDText(c.refID) }

// refIDAddr is the address field in which the protocol carries a reference id.
func refIDAddr(id uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(id >> 24), byte(id >> 16), byte(id >> 8), byte(id)})
}

func (c *refclock) slewed(when time.Time, dfreq, doffset float64) {
	c.cand.Stats.Slew(when, dfreq, doffset)
}

// start polls the clock for ever.
func (c *refclock) start(d *daemon, s *source) {
	interval := math.Ldexp(1, min(max(c.cfg.Poll, c.cfg.Dpoll), 20))
	var poll func()
	poll = func() {
		c.poll(d, s)
		s.timer = d.after(interval, poll)
	}
	s.timer = d.after(interval, poll)
}

// read returns what the device says now, in seconds after the local time; ok is
// false while there is none.
func (c *refclock) read(d *daemon, now time.Time) (offset float64, ok bool) {
	clock := d.p.Host.Refclocks[c.device]
	if clock == nil || !libc.Exists(d.p, c.device) {
		return 0, false
	}
	return clock.Now().Sub(now).Seconds(), true
}

// measure returns the sample of a poll, in seconds after the local time. The
// driver reads every 2^dpoll seconds and the filter combines the readings; that
// they are all made at once changes only how often the lab has to wake.
func (c *refclock) measure(d *daemon, now time.Time) (offset float64, ok bool) {
	offset, ok = c.read(d, now)
	if !ok {
		return 0, false
	}
	readings := min(max(c.cfg.Filter, 1), 1<<min(max(c.cfg.Poll-c.cfg.Dpoll, 0), 20))
	offset += c.cfg.Offset + c.noise/math.Sqrt(float64(readings))*d.rand.NormFloat64()
	if !c.pulse {
		return offset, true
	}
	period := 1 / float64(max(c.cfg.Rate, 1))
	offset = math.Remainder(offset, period)
	if c.cfg.Lock != "" {
		// Which second it is says the other clock.
		other := d.refclockNamed(c.cfg.Lock)
		if other == nil || other == c || other.pulse {
			return 0, false
		}
		coarse, ok := other.read(d, now)
		if !ok {
			return 0, false
		}
		coarse += other.cfg.Offset
		offset += math.Round((coarse-offset)/period) * period
		return offset, math.Abs(coarse-offset) < 0.2*period
	}
	// The local clock must be right enough to tell.
	known := d.ref.Synchronised && math.Abs(offset)+d.ref.Distance(now) < 0.2*period
	return offset, c.cfg.Local || known
}

// refclockNamed returns the clock of a reference id.
func (d *daemon) refclockNamed(id string) *refclock {
	for _, s := range d.sources {
		if s.clock != nil && s.clock.name() == id {
			return s.clock
		}
	}
	return nil
}

// poll takes a sample.
func (c *refclock) poll(d *daemon, s *source) {
	now := d.cooked()
	offset, ok := c.measure(d, now)
	if !ok {
		c.cand.Reached(false)
		d.unreached(s)
		return
	}
	precision := max(c.cfg.Precision, d.quantum)
	smp := measure.Sample{
		At: now, Offset: offset, PeerDelay: c.cfg.Delay, PeerDispersion: precision,
		RootDelay: c.cfg.Delay, RootDispersion: precision,
	}
	c.cand.Reached(true)
	c.cand.Leap = ntp.LeapNone
	c.cand.Stats.Add(smp)
	c.cand.Stats.Regress()
	d.p.Emit(trace.SampleTaken, trace.Attrs{
		"source": s.addrText(), "offset": formatSeconds(-smp.Offset), "delay": formatSeconds(smp.PeerDelay),
		"stratum": fmt.Sprint(c.cand.Stratum),
	})
	d.files.statistics(d, s)
	d.files.write(d, "refclocks", fmt.Sprintf("%s.%06d %-4s %3d N 0 %14.6e %14.6e %10.3e",
		logTime(now), now.Nanosecond()/1000, s.addrText(), 0, smp.Offset, smp.Offset, smp.PeerDispersion))
	d.choose(c.cand)
}
