package polling

import (
	"math/rand/v2"
	"time"
)

// Scheduler holds the timers of a daemon, on the monotonic clock: timers
// follow slews of the clock, and its steps only by Advance. Requests to servers are
// one class and those to peers another, which are kept apart from each other.
type Scheduler struct {
	timers []*Timer // unordered: there are few
	last   [classes]struct {
		at   time.Duration
		sent bool
	}
}

// Class is a kind of calls that are spaced.
type Class int

// The classes; calls of none are not spaced.
const (
	none Class = iota
	ToServer
	ToPeer
	classes
)

// Timer is one future call.
type Timer struct {
	At      time.Duration // monotonic
	F       func()
	class   Class
	stopped bool
}

const samplingRandomness = 0.02

// After calls f after a delay.
func (s *Scheduler) After(now, delay time.Duration, f func()) *Timer {
	t := &Timer{At: now + max(delay, 0), F: f}
	s.timers = append(s.timers, t)
	return t
}

// Spaced calls f after a delay that is lengthened by up to 2 % and so far that
// no other call of the class is nearer than separation.
func (s *Scheduler) Spaced(c Class, now, delay, separation time.Duration, r *rand.Rand, f func()) *Timer {
	factor := 1 + r.Float64()*samplingRandomness
	delay = time.Duration(float64(delay) * factor)
	separation = time.Duration(float64(separation) * factor)
	if since := now - s.last[c].at; s.last[c].sent && since < separation {
		delay = max(delay, separation-since)
	}
	for moved := true; moved; {
		moved = false
		for _, t := range s.timers {
			if t.class != c {
				continue
			}
			other := t.At - now
			if d := delay - other; -separation < d && d < separation {
				delay = other + separation
				moved = true
			}
		}
	}
	t := s.After(now, delay, f)
	t.class = c
	return t
}

// Stop keeps a timer from running; t may be nil.
func (s *Scheduler) Stop(t *Timer) {
	if t == nil || t.stopped {
		return
	}
	t.stopped = true
	for i, o := range s.timers {
		if o == t {
			s.timers = append(s.timers[:i], s.timers[i+1:]...)
			return
		}
	}
}

// Advance makes every timer due sooner, or later when by is negative.
func (s *Scheduler) Advance(by time.Duration) {
	for _, t := range s.timers {
		t.At -= by
	}
	for c := range s.last {
		s.last[c].at -= by
	}
}

// Next returns the earliest timer, nil when there is none.
func (s *Scheduler) Next() *Timer {
	var first *Timer
	for _, t := range s.timers {
		if first == nil || t.At < first.At {
			first = t
		}
	}
	return first
}

// Due takes out and returns the earliest timer that is due.
func (s *Scheduler) Due(now time.Duration) *Timer {
	t := s.Next()
	if t == nil || t.At > now {
		return nil
	}
	s.Stop(t)
	s.last[t.class].at, s.last[t.class].sent = now, true
	return t
}
