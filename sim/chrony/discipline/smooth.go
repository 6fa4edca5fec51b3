package discipline

import (
	"math"
	"time"

	"enshu/sim/chrony/conf"
	"enshu/sim/chrony/measure"
)

// Smoothing hides corrections of the clock from clients (chrony.conf(5),
// smoothtime): what is served runs back to the clock by itself, along a curve
// whose frequency and change of frequency are limited.
type Smoothing struct {
	maxFreq   float64 // seconds a second
	maxWander float64 // seconds a second squared
	LeapOnly  bool    // only leap seconds are smoothed
	enabled   bool
	Active    bool

	at        time.Time // cooked time at which the curve begins
	offset    float64   // served minus clock at that time, seconds
	frequency float64   // and its change, seconds a second
	stages    [3]smoothStage
}

// smoothStage is a part of the curve: the change of its frequency, for how long.
type smoothStage struct{ wander, length float64 }

// NewSmoothing returns the smoothing that a configuration asks for; that of
// leap seconds only is active at once.
func NewSmoothing(c conf.Smooth) Smoothing {
	return Smoothing{
		maxFreq: 1e-6 * c.MaxFreq, maxWander: 1e-6 * c.MaxWander, LeapOnly: c.LeapOnly,
		enabled: c.Enabled && c.MaxFreq > 0 && c.MaxWander > 0, Active: c.Enabled && c.LeapOnly,
	}
}

// Enabled reports whether time is smoothed at all.
func (s *Smoothing) Enabled() bool { return s.enabled }

// skewRatio is how small the skew of the clock must be, against the largest
// wander, before smoothing starts by itself.
const skewRatio = 1e-4

// Ready reports whether the clock is known well enough for the smoothing to start.
func (s *Smoothing) Ready(skew float64) bool {
	return s.enabled && !s.Active && skew*skewRatio < s.maxWander
}

// Activate starts smoothing at a cooked time.
func (s *Smoothing) Activate(now time.Time) { s.Active, s.at = true, now }

// Reset gives up what is left to smooth: clients see it as a step.
func (s *Smoothing) Reset(now time.Time) {
	s.at, s.offset, s.frequency, s.stages = now, 0, 0, [3]smoothStage{}
}

// Slewed follows a change of the clock at a cooked time: from then on it runs
// dfreq slower and reads doffset less.
func (s *Smoothing) Slewed(now time.Time, dfreq, doffset float64) {
	if !s.Active {
		return
	}
	offset, frequency, _ := s.state(now)
	s.at, s.offset, s.frequency = measure.AddSeconds(now, -doffset), offset+doffset, (frequency+dfreq)/(1-dfreq)
	s.plan()
}

// plan lays the curve on which the offset and the frequency become zero soonest.
func (s *Smoothing) plan() {
	s.stages = [3]smoothStage{}
	w := s.maxWander
	// Where the offset would come to rest if only the frequency were taken out
	// says which way it has to be pulled first.
	rest := s.offset + s.frequency*math.Abs(s.frequency)/(2*w)
	if rest < 0 {
		w = -w
	}
	offset, frequency := s.offset, s.frequency
	if w < 0 {
		offset, frequency = -offset, -frequency
	}
	a := math.Abs(w)
	last := math.Sqrt(max(offset/a+frequency*frequency/(2*a*a), 0))
	middle := 0.0
	if most := s.maxFreq / a; last > most {
		// The largest frequency is reached and held.
		middle = a*last*last/s.maxFreq - most
		last = most
	}
	first := max(last+frequency/a, 0)
	s.stages = [3]smoothStage{{-w, first}, {0, middle}, {w, last}}
}

// state returns offset, frequency and wander of the curve at a cooked time.
func (s *Smoothing) state(now time.Time) (offset, frequency, wander float64) {
	if !s.Active {
		return 0, 0, 0
	}
	left := now.Sub(s.at).Seconds()
	offset, frequency = s.offset, s.frequency
	for _, st := range s.stages {
		if st.length <= 0 {
			continue
		}
		t := min(left, st.length)
		offset += t * (frequency + 0.5*st.wander*t)
		frequency += t * st.wander
		if left <= st.length {
			return offset, frequency, st.wander
		}
		left -= st.length
	}
	return 0, 0, 0
}

// Offset returns by how much the served time differs from the cooked time now.
func (s *Smoothing) Offset(now time.Time) float64 {
	offset, _, _ := s.state(now)
	return offset
}

// SmoothReport is the state of the smoothing, for chronyc smoothing.
type SmoothReport struct {
	Offset, Frequency, Wander float64 // seconds, and by the second
	Since, Remaining          float64 // seconds since the last change, and to the end of the curve
}

// Report returns the state at a cooked time.
func (s *Smoothing) Report(now time.Time) SmoothReport {
	var r SmoothReport
	if !s.Active {
		return r
	}
	r.Offset, r.Frequency, r.Wander = s.state(now)
	if !s.at.IsZero() {
		r.Since = max(now.Sub(s.at).Seconds(), 0)
	}
	for _, st := range s.stages {
		r.Remaining += st.length
	}
	r.Remaining = max(r.Remaining-r.Since, 0)
	return r
}
