package chrony

import (
	"math"
	"net/netip"
	"time"

	"enshu/sim/wire/ntp"
)

// reference is what the local clock is worth: the state behind chronyc
// tracking and the server's replies. It decides by how much the clock is
// corrected, and how.
type reference struct {
	maxUpdateSkew float64 // seconds a second
	maxClockError float64
	corrTimeRatio float64
	makestep      makestep
	maxchange     maxchange
	local         localReference
	fuzz          func() float64 // uniform in [0, 1)

	synchronised bool
	id           uint32
	ip           netip.Addr
	stratum      int
	leap         ntp.Leap
	at           time.Time // reference time, cooked
	skew         float64
	residual     float64
	rootDelay    float64
	rootDisp     float64

	updated    time.Time // cooked time of the last update
	interval   float64   // between the last two
	lastOffset float64
	squares    float64 // moving average of squared offsets
	moving     bool

	localAt time.Time // reference time of the local reference
}

func newReference() reference {
	return reference{skew: 1, rootDelay: 1, rootDisp: 1, leap: ntp.LeapUnsynchronised}
}

// correction is what an update makes of the clock.
type correction struct {
	refused    bool // maxchange: exit unless ignored
	ignored    bool
	offset     float64 // seconds that the clock is fast
	dfreq      float64 // change of frequency, 0 when the update was too uncertain
	slew, step float64 // how the offset is to be taken off
	rate       float64 // correction rate of the slew
}

// take uses an update at a cooked time now; uncorrected is how much of earlier
// offsets is still being slewed (cooked minus raw time).
func (r *reference) take(u *update, id uint32, ip netip.Addr, now time.Time, uncorrected float64) correction {
	elapsed := now.Sub(u.at).Seconds()
	c := correction{offset: u.offset + elapsed*u.frequency}
	interval := 0.0
	if !r.updated.IsZero() {
		interval = max(now.Sub(r.updated).Seconds(), 0)
	}
	freq, skew, residual := r.weigh(u)
	if c.refused, c.ignored = r.refuses(c.offset); c.refused {
		return c
	}
	r.synchronised = true
	r.id, r.ip, r.stratum, r.leap = id, ip, u.stratum+1, u.leap
	r.at = addSeconds(u.at, -r.fuzz())
	r.rootDelay, r.rootDisp = u.rootDelay, u.rootDispersion
	r.updated, r.interval = now, interval

	// An offset as large as the uncertainty of the offset is to be gone within
	// the interval between updates, times the configured ratio.
	c.rate = r.corrTimeRatio * 0.5 * u.offsetSD * interval
	c.slew = c.offset
	if r.steps(c.offset, uncorrected) {
		// What is still being slewed is cancelled and goes into the step.
		c.slew = uncorrected
		c.step = c.offset - uncorrected
	}
	if u.skew < r.maxUpdateSkew {
		c.dfreq = freq
		r.skew, r.residual = skew, residual
	} else {
		r.residual = u.frequency
	}
	r.lastOffset = c.offset
	square := c.offset * c.offset
	switch {
	case r.moving:
		r.squares += 0.1 * (square - r.squares)
	default:
		r.moving = r.squares > 0 && r.squares < square
		r.squares = square
	}
	return c
}

// weigh combines the frequency of an update with what was known: no change,
// within the skew.
func (r *reference) weigh(u *update) (freq, skew, residual float64) {
	before := 1 / (r.skew * r.skew)
	after := 3 / (u.skew * u.skew)
	sum := before + after
	freq = u.frequency * after / sum
	d1, d2 := freq, u.frequency-freq
	skew = math.Sqrt((d1*d1*before+d2*d2*after)/sum) + (r.skew*before+u.skew*after)/sum
	return freq, skew, u.frequency - freq
}

// refuses reports whether an offset is too large for maxchange, and whether that
// is to be ignored.
func (r *reference) refuses(offset float64) (refused, ignored bool) {
	m := &r.maxchange
	switch {
	case m.delay < 0:
		return false, false
	case m.delay > 0:
		m.delay--
		return false, false
	case math.Abs(offset) <= m.max:
		return false, false
	}
	ignored = m.ignore != 0
	if m.ignore > 0 {
		m.ignore--
	}
	return true, ignored
}

// steps counts an update and reports whether its offset is to be stepped by
// makestep.
func (r *reference) steps(offset, uncorrected float64) bool {
	m := &r.makestep
	switch {
	case m.limit == 0:
		return false
	case m.limit > 0:
		m.limit--
	}
	return math.Abs(offset-uncorrected) > m.threshold
}

// slewed moves the reference time when the clock is adjusted.
func (r *reference) slewed(when time.Time, dfreq, doffset float64) {
	if !r.at.IsZero() {
		r.at, _ = adjusted(r.at, when, dfreq, doffset)
	}
	if !r.updated.IsZero() {
		r.updated, _ = adjusted(r.updated, when, dfreq, doffset)
	}
}

// unsynchronise gives the reference up.
func (r *reference) unsynchronise() {
	r.synchronised = false
	r.leap = ntp.LeapUnsynchronised
	r.stratum = 0
	r.id, r.ip, r.at = 0, netip.Addr{}, time.Time{}
	r.rootDelay, r.rootDisp = 1, 1
}

// dispersion returns the root dispersion at a cooked time.
func (r *reference) dispersion(now time.Time) float64 {
	if !r.synchronised && r.at.IsZero() {
		return r.rootDisp
	}
	return r.rootDisp + math.Abs(now.Sub(r.at).Seconds())*(r.skew+math.Abs(r.residual)+r.maxClockError)
}

// distance returns the root distance at a cooked time.
func (r *reference) distance(now time.Time) float64 { return r.rootDelay/2 + r.dispersion(now) }

// params is the reference as others are told of it.
type params struct {
	synchronised bool
	leap         ntp.Leap
	stratum      int // 0 when unsynchronised
	id           uint32
	ip           netip.Addr
	at           time.Time
	rootDelay    float64
	rootDisp     float64
}

// localInterval is how long a reference time of the local reference is kept.
const localInterval = 64

// params returns the reference at a cooked time: the synchronised one, or the
// local one when that is enabled and better.
func (r *reference) params(now time.Time) params {
	if r.synchronised && !(r.local.enabled && r.distance(now) > r.local.distance) {
		return params{true, r.leap, r.stratum, r.id, r.ip, r.at, r.rootDelay, r.dispersion(now)}
	}
	if r.local.enabled {
		if age := now.Sub(r.localAt).Seconds(); age > localInterval || age < 1 {
			r.localAt = addSeconds(now, -1-r.fuzz())
		}
		return params{leap: ntp.LeapNone, stratum: r.local.stratum, id: ntp.RefIDLocal, at: r.localAt}
	}
	return params{leap: ntp.LeapUnsynchronised, rootDelay: 1, rootDisp: 1}
}
