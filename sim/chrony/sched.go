package chrony

import (
	"math/rand/v2"
	"time"
)

// scheduler holds the timers of a daemon, on the monotonic clock: timers
// follow slews of the clock and not its steps. Requests to sources are one
// class, which keeps them apart from each other.
type scheduler struct {
	timers []*timer // unordered: there are few
	lastTx time.Duration
	sent   bool
}

// timer is one future call.
type timer struct {
	at      time.Duration // monotonic
	f       func()
	spaced  bool
	stopped bool
}

const samplingRandomness = 0.02

// after calls f after a delay.
func (s *scheduler) after(now, delay time.Duration, f func()) *timer {
	t := &timer{at: now + max(delay, 0), f: f}
	s.timers = append(s.timers, t)
	return t
}

// spaced calls f after a delay that is lengthened by up to 2 % and so far that
// no other spaced call is nearer than separation.
func (s *scheduler) spaced(now, delay, separation time.Duration, r *rand.Rand, f func()) *timer {
	factor := 1 + r.Float64()*samplingRandomness
	delay = time.Duration(float64(delay) * factor)
	separation = time.Duration(float64(separation) * factor)
	if since := now - s.lastTx; s.sent && since < separation {
		delay = max(delay, separation-since)
	}
	for moved := true; moved; {
		moved = false
		for _, t := range s.timers {
			if !t.spaced {
				continue
			}
			other := t.at - now
			if d := delay - other; -separation < d && d < separation {
				delay = other + separation
				moved = true
			}
		}
	}
	t := s.after(now, delay, f)
	t.spaced = true
	return t
}

// stop keeps a timer from running; t may be nil.
func (s *scheduler) stop(t *timer) {
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

// next returns the earliest timer, nil when there is none.
func (s *scheduler) next() *timer {
	var first *timer
	for _, t := range s.timers {
		if first == nil || t.at < first.at {
			first = t
		}
	}
	return first
}

// due takes out and returns the earliest timer that is due.
func (s *scheduler) due(now time.Duration) *timer {
	t := s.next()
	if t == nil || t.at > now {
		return nil
	}
	s.stop(t)
	if t.spaced {
		s.lastTx, s.sent = now, true
	}
	return t
}
