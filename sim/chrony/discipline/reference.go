package discipline

import (
	"math"
	"net/netip"
	"time"

	"enshu/sim/chrony/conf"
	"enshu/sim/chrony/measure"
	"enshu/sim/wire/ntp"
)

// Reference is what the local clock is worth: the state behind chronyc
// tracking and the server's replies. It decides by how much the clock is
// corrected, and how.
type Reference struct {
	MaxUpdateSkew float64 // seconds a second
	MaxClockError float64
	CorrTimeRatio float64
	Makestep      conf.Makestep
	MaxChange     conf.MaxChange
	Local         conf.Local
	Fuzz          func() float64 // uniform in [0, 1)

	Synchronised   bool
	ID             uint32
	IP             netip.Addr
	Stratum        int
	Leap           ntp.Leap
	at             time.Time // reference time, cooked
	Skew           float64
	Residual       float64
	RootDelay      float64
	RootDispersion float64

	updated    time.Time // cooked time of the last update
	Interval   float64   // between the last two
	LastOffset float64
	Squares    float64 // moving average of squared offsets
	moving     bool

	localAt time.Time // reference time of the local reference
}

// NewReference returns the reference of a clock that follows nothing.
func NewReference() Reference {
	return Reference{Skew: 1, RootDelay: 1, RootDispersion: 1, Leap: ntp.LeapUnsynchronised}
}

// Correction is what an update makes of the clock.
type Correction struct {
	Refused    bool // maxchange: exit unless ignored
	Ignored    bool
	Offset     float64 // seconds that the clock is fast
	DFreq      float64 // change of frequency, 0 when the update was too uncertain
	Slew, Step float64 // how the offset is to be taken off
	Rate       float64 // correction rate of the slew
}

// Take uses an update at a cooked time now; uncorrected is how much of earlier
// offsets is still being slewed (cooked minus raw time).
func (r *Reference) Take(u *measure.Update, id uint32, ip netip.Addr, now time.Time, uncorrected float64) Correction {
	elapsed := now.Sub(u.At).Seconds()
	c := Correction{Offset: u.Offset + elapsed*u.Frequency}
	freq, skew, residual := r.weigh(u)
	if c.Refused, c.Ignored = r.refuses(c.Offset); c.Refused {
		return c
	}
	r.Synchronised = true
	r.ID, r.IP, r.Stratum, r.Leap = id, ip, u.Stratum+1, u.Leap
	r.at = measure.AddSeconds(u.At, -r.Fuzz())
	r.RootDelay, r.RootDispersion = u.RootDelay, u.RootDispersion
	r.remember(now, c.Offset)

	// An offset as large as the uncertainty of the offset is to be gone within
	// the interval between updates, times the configured ratio.
	c.Rate = r.CorrTimeRatio * 0.5 * u.OffsetSD * r.Interval
	c.Slew = c.Offset
	if r.steps(c.Offset, uncorrected) {
		// What is still being slewed is cancelled and goes into the step.
		c.Slew = uncorrected
		c.Step = c.Offset - uncorrected
	}
	if u.Skew < r.MaxUpdateSkew {
		c.DFreq = freq
		r.Skew, r.Residual = skew, residual
	} else {
		r.Residual = u.Frequency
	}
	return c
}

// TakeManual uses a time that was typed in: at a cooked time now the clock was
// offset seconds fast and gained frequency seconds a second. That is no source:
// what others are told of the clock stays as it is.
func (r *Reference) TakeManual(now time.Time, offset, frequency float64) Correction {
	c := Correction{Offset: offset}
	if c.Refused, c.Ignored = r.refuses(offset); c.Refused {
		return c
	}
	r.remember(now, offset)
	c.Slew, c.DFreq = offset, frequency
	return c
}

// remember keeps what chronyc tracking says of the last update.
func (r *Reference) remember(now time.Time, offset float64) {
	r.Interval = 0
	if !r.updated.IsZero() {
		r.Interval = max(now.Sub(r.updated).Seconds(), 0)
	}
	r.updated, r.LastOffset = now, offset
	square := offset * offset
	switch {
	case r.moving:
		r.Squares += 0.1 * (square - r.Squares)
	default:
		r.moving = r.Squares > 0 && r.Squares < square
		r.Squares = square
	}
}

// weigh combines the frequency of an update with what was known: no change,
// within the skew.
func (r *Reference) weigh(u *measure.Update) (freq, skew, residual float64) {
	before := 1 / (r.Skew * r.Skew)
	after := 3 / (u.Skew * u.Skew)
	sum := before + after
	freq = u.Frequency * after / sum
	d1, d2 := freq, u.Frequency-freq
	skew = math.Sqrt((d1*d1*before+d2*d2*after)/sum) + (r.Skew*before+u.Skew*after)/sum
	return freq, skew, u.Frequency - freq
}

// refuses reports whether an offset is too large for maxchange, and whether that
// is to be ignored.
func (r *Reference) refuses(offset float64) (refused, ignored bool) {
	m := &r.MaxChange
	switch {
	case m.Delay < 0:
		return false, false
	case m.Delay > 0:
		m.Delay--
		return false, false
	case math.Abs(offset) <= m.Max:
		return false, false
	}
	ignored = m.Ignore != 0
	if m.Ignore > 0 {
		m.Ignore--
	}
	return true, ignored
}

// steps counts an update and reports whether its offset is to be stepped by
// makestep.
func (r *Reference) steps(offset, uncorrected float64) bool {
	m := &r.Makestep
	switch {
	case m.Limit == 0:
		return false
	case m.Limit > 0:
		m.Limit--
	}
	return math.Abs(offset-uncorrected) > m.Threshold
}

// Slewed moves the reference time when the clock is adjusted.
func (r *Reference) Slewed(when time.Time, dfreq, doffset float64) {
	if !r.at.IsZero() {
		r.at, _ = measure.Adjusted(r.at, when, dfreq, doffset)
	}
	if !r.updated.IsZero() {
		r.updated, _ = measure.Adjusted(r.updated, when, dfreq, doffset)
	}
}

// Forget gives the reference up, and when it was updated: the clock is another.
func (r *Reference) Forget() {
	r.Unsynchronise()
	r.updated = time.Time{}
}

// Unsynchronise gives the reference up.
func (r *Reference) Unsynchronise() {
	r.Synchronised = false
	r.Leap = ntp.LeapUnsynchronised
	r.Stratum = 0
	r.ID, r.IP, r.at = 0, netip.Addr{}, time.Time{}
	r.RootDelay, r.RootDispersion = 1, 1
}

// Dispersion returns the root dispersion at a cooked time.
func (r *Reference) Dispersion(now time.Time) float64 {
	if !r.Synchronised && r.at.IsZero() {
		return r.RootDispersion
	}
	return r.RootDispersion + math.Abs(now.Sub(r.at).Seconds())*(r.Skew+math.Abs(r.Residual)+r.MaxClockError)
}

// Distance returns the root distance at a cooked time.
func (r *Reference) Distance(now time.Time) float64 { return r.RootDelay/2 + r.Dispersion(now) }

// Params is the reference as others are told of it.
type Params struct {
	Synchronised   bool
	Leap           ntp.Leap
	Stratum        int // 0 when unsynchronised
	ID             uint32
	IP             netip.Addr
	At             time.Time
	RootDelay      float64
	RootDispersion float64
}

// localInterval is how long a reference time of the local reference is kept.
const localInterval = 64

// Params returns the reference at a cooked time: the synchronised one, or the
// local one when that is enabled and better.
func (r *Reference) Params(now time.Time) Params {
	if r.Synchronised && !(r.Local.Enabled && r.Distance(now) > r.Local.Distance) {
		return Params{true, r.Leap, r.Stratum, r.ID, r.IP, r.at, r.RootDelay, r.Dispersion(now)}
	}
	if r.Local.Enabled {
		if age := now.Sub(r.localAt).Seconds(); age > localInterval || age < 1 {
			r.localAt = measure.AddSeconds(now, -1-r.Fuzz())
		}
		return Params{Leap: ntp.LeapNone, Stratum: r.Local.Stratum, ID: ntp.RefIDLocal, At: r.localAt}
	}
	return Params{Leap: ntp.LeapUnsynchronised, RootDelay: 1, RootDispersion: 1}
}
