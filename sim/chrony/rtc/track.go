// Package rtc follows a host's real-time clock: what is measured of it becomes an
// estimate of how far it is off and how fast it runs away, which rtcfile keeps over
// a restart. Values and times in, values out; the daemon reads the clock.
//
// Source: chrony.conf(5), rtcfile and log rtc, and recorded runs of chronyd with a
// played clock.
package rtc

import (
	"fmt"
	"math"
	"time"

	"enshu/sim/chrony/measure"
	"enshu/sim/wire/candm"
)

const (
	maxSamples = 64
	shortest   = 15 // seconds between two measurements, at first
	longest    = 480
	// settling is how many seconds of a clock that was just set are looked at
	// before measuring begins anew.
	settling = 8
)

// Track is what is known of a real-time clock.
type Track struct {
	samples []sample
	newest  sample  // whether or not it is still one of samples
	waited  float64 // the period before it
	settle  int     // seconds left to look at, none of which is a measurement
	period  float64
	runs    int // of residuals of one sign

	Valid bool // there is an estimate
	Estimate
}

// Estimate is a straight line: at Ref, a time of the system's clock, the real-time
// clock was Fast seconds ahead, and gains Rate seconds a second.
type Estimate struct {
	Ref        time.Time
	Fast, Rate float64
}

type sample struct {
	at   time.Time // on the system's clock
	fast float64   // seconds that the real-time clock was ahead
}

// NewTrack returns the track of a clock of which nothing is known; set says that
// it was just read to set the system's clock.
func NewTrack(set bool) Track {
	t := Track{period: shortest}
	if set {
		t.settle = settling
	}
	return t
}

// Settling reports whether the next second is wanted, instead of one after Period.
func (t *Track) Settling() bool { return t.settle > 0 }

// Period is the time until the next measurement, in seconds.
func (t *Track) Period() float64 { return t.period }

// Add takes a second of the real-time clock that began when the system's clock
// said at.
func (t *Track) Add(at, second time.Time) {
	if len(t.samples) == maxSamples {
		t.samples = t.samples[1:]
	}
	t.newest, t.waited = sample{at, second.Sub(at).Seconds()}, t.period
	t.samples = append(t.samples, t.newest)
	if t.settle == 0 {
		t.regress()
	}
}

// Next is called after a sample was logged: it sets the period to the next. It
// reports whether a clock that was set has settled now.
func (t *Track) Next() (settled bool) {
	switch n := len(t.samples); {
	case n < 4:
		t.period = shortest
	case n < 6:
		t.period = 2 * shortest
	case n < 11:
		t.period = 4 * shortest
	default:
		t.period = min(8*shortest*math.Pow(2, float64((n-11)/16)), longest)
	}
	if t.settle == 0 {
		return false
	}
	t.settle--
	return t.settle == 0
}

// Restart forgets the samples when a clock has settled, and returns the estimate
// that the last of them makes with the old rate.
func (t *Track) Restart() Estimate {
	e := Estimate{t.newest.at, t.newest.fast, t.Rate}
	t.Forget()
	return e
}

// Forget drops all samples.
func (t *Track) Forget() {
	t.samples = t.samples[:0]
	t.Valid = false
	t.period, t.waited = shortest, shortest
}

// Set notes that the real-time clock was set to a second when the system's said
// now.
func (t *Track) Set(now, second time.Time) {
	t.samples = t.samples[:0]
	// A clock that is set begins a second anew, or goes on within the one that it
	// is in: half a second is the best guess.
	t.Ref, t.Fast = now, second.Sub(now).Seconds()+0.5
	t.settle, t.period, t.waited = settling, shortest, shortest
}

// regress makes an estimate from the samples, of which those are dropped that no
// straight line joins with the newer ones.
func (t *Track) regress() {
	if len(t.samples) < 2 {
		return
	}
	last := t.samples[len(t.samples)-1]
	x, y := make([]float64, len(t.samples)), make([]float64, len(t.samples))
	for i, s := range t.samples {
		x[i], y[i] = s.at.Sub(last.at).Seconds(), s.fast
	}
	fast, rate, start, runs, ok := measure.BestRobustLine(x, y)
	if !ok {
		return
	}
	t.samples = t.samples[start:]
	t.Valid, t.runs = true, runs
	t.Ref, t.Fast, t.Rate = last.at, fast, rate
}

// Slewed follows a correction of the system's clock.
func (t *Track) Slewed(when time.Time, dfreq, doffset float64) {
	for i := range t.samples {
		s := &t.samples[i]
		var delta float64
		s.at, delta = measure.Adjusted(s.at, when, dfreq, doffset)
		s.fast -= delta
	}
	if t.Valid {
		var delta float64
		t.Ref, delta = measure.Adjusted(t.Ref, when, dfreq, doffset)
		t.Fast -= delta
		t.Rate += dfreq
	}
}

// At is how far the real-time clock is ahead at a time.
func (e Estimate) At(now time.Time) float64 { return e.Fast + e.Rate*now.Sub(e.Ref).Seconds() }

// Line is what rtc.log says of the newest sample, after what it led to.
func (t *Track) Line() string {
	valid := 0
	if t.Valid {
		valid = 1
	}
	return fmt.Sprintf("%s %14.6f %d  %14.6f  %12.3f  %2d  %2d %4.0f",
		t.newest.at.UTC().Format("2006-01-02 15:04:05"), t.newest.fast, valid, t.Fast, t.Rate*1e6, len(t.samples), t.runs, t.waited)
}

// Report is what chronyc rtcdata shows.
func (t *Track) Report() *candm.RTC {
	r := &candm.RTC{RefTime: time.Unix(0, 0), Samples: uint16(len(t.samples)), Runs: uint16(t.runs), SecondsFast: t.Fast, GainPPM: t.Rate * 1e6}
	if !t.Ref.IsZero() {
		r.RefTime = t.Ref
	}
	if n := len(t.samples); n > 1 {
		r.Span = uint32(t.samples[n-1].at.Sub(t.samples[0].at).Seconds() + 0.5)
	}
	return r
}

// Text is the contents of rtcfile.
func (e Estimate) Text() string {
	return fmt.Sprintf("1 %d %.6f %.3f\n", e.Ref.Unix(), e.Fast, e.Rate*1e6)
}

// Parse reads rtcfile. It reports false when the text is none; valid is the
// file's own word for it.
func Parse(text string) (e Estimate, valid, ok bool) {
	var flag int
	var ref int64
	if n, _ := fmt.Sscanf(text, "%d %d %g %g", &flag, &ref, &e.Fast, &e.Rate); n != 4 || math.IsNaN(e.Fast) || math.IsNaN(e.Rate) {
		return Estimate{}, false, false
	}
	e.Ref, e.Rate = time.Unix(ref, 0), e.Rate*1e-6
	return e, flag != 0, true
}
