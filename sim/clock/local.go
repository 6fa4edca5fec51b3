package clock

import (
	"context"
	"math"
	"os"
	"sync"
	"time"
)

// Local is a host's clock: the Timeline with an offset and a frequency error,
// steered by the host's software as adjtimex(2) and settimeofday(2) would.
//
// A timer that is started on a Local follows its rate but, like
// CLOCK_MONOTONIC, not its steps.
type Local struct {
	line *Timeline
	mu   sync.Mutex
	at   time.Time     // true time of the last adjustment
	read time.Time     // what this clock read then
	mono time.Duration // the monotonic reading then
	err  float64       // natural frequency error, seconds a second; positive is fast
	adj  float64       // correction by software, seconds a second
	sync bool          // the kernel's STA_UNSYNC is clear
	tai  int           // TAI minus UTC, seconds
	live map[*LocalTimer]struct{}
}

// NewLocal returns a clock that reads offset ahead of true time and gains ppm
// microseconds a second.
func NewLocal(l *Timeline, offset time.Duration, ppm float64) *Local {
	now := l.Now()
	return &Local{line: l, at: now, read: now.Add(offset), err: ppm * 1e-6, live: map[*LocalTimer]struct{}{}}
}

// Timeline returns the true time that this clock is a reading of.
func (c *Local) Timeline() *Timeline { return c.line }

// Now returns what the host believes, in UTC.
func (c *Local) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, _ := c.now(c.line.Now())
	return now
}

// Offset returns how far the clock is ahead of true time.
func (c *Local) Offset() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.line.Now()
	local, _ := c.now(now)
	return local.Sub(now)
}

// now returns the reading and the monotonic reading at a true time.
func (c *Local) now(t time.Time) (time.Time, time.Duration) {
	d := t.Sub(c.at)
	d += time.Duration(math.Round(float64(d) * c.gain()))
	return c.read.Add(d).UTC(), c.mono + d
}

// gain is what the clock gains, seconds a second: the correction counts on top of
// what the oscillator does.
func (c *Local) gain() float64 { return c.err + c.adj + c.err*c.adj }

// mark moves the last adjustment to now. The caller holds mu.
func (c *Local) mark() {
	t := c.line.Now()
	c.read, c.mono = c.now(t)
	c.at = t
}

// Monotonic returns the time since the clock was made, which no step changes.
func (c *Local) Monotonic() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, mono := c.now(c.line.Now())
	return mono
}

// due returns the monotonic reading at which the clock, as it goes now, reads t.
func (c *Local) due(t time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, mono := c.now(c.line.Now())
	return mono + min(t.Sub(now), math.MaxInt64-mono)
}

// Step adds d to the clock at once (settimeofday(2)).
func (c *Local) Step(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mark()
	c.read = c.read.Add(d)
	c.sync = false
}

// Set makes the clock read t.
func (c *Local) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mark()
	c.read = t.UTC().Round(0)
	c.sync = false
}

// Synchronised reports whether software says that the clock is right (the
// kernel's flag STA_UNSYNC is clear). Setting or stepping the clock withdraws it.
func (c *Local) Synchronised() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sync
}

// SetSynchronised changes that flag (adjtimex(2)).
func (c *Local) SetSynchronised(ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sync = ok
}

// TAI returns what software said TAI is ahead of UTC, seconds; 0 until then.
func (c *Local) TAI() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tai
}

// SetTAI changes that (adjtimex(2), ADJ_TAI).
func (c *Local) SetTAI(seconds int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tai = seconds
}

// FrequencyError returns the natural error of the clock in ppm, positive when
// it gains. No software of the host may look at it.
func (c *Local) FrequencyError() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err * 1e6
}

// SetFrequencyError changes the natural error; scenario events use it.
func (c *Local) SetFrequencyError(ppm float64) { c.retune(func() { c.err = ppm * 1e-6 }) }

// Adjustment returns the correction that software applies, in ppm.
func (c *Local) Adjustment() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.adj * 1e6
}

// Adjust sets the correction in ppm that software adds to the clock's rate
// (adjtimex(2)): frequency correction and the slew under way together.
func (c *Local) Adjust(ppm float64) { c.retune(func() { c.adj = ppm * 1e-6 }) }

// retune changes the rate and moves the timers that run on it.
func (c *Local) retune(change func()) {
	c.mu.Lock()
	c.mark()
	change()
	live := make([]*LocalTimer, 0, len(c.live))
	for t := range c.live {
		live = append(live, t)
	}
	c.mu.Unlock()
	for _, t := range live {
		t.rearm()
	}
}

// LocalTimer is a timer on a Local clock.
type LocalTimer struct {
	c    *Local
	due  time.Duration // monotonic
	f    func()
	mu   sync.Mutex
	t    *Timer
	over bool
}

// AfterFunc calls f, which must not block, after d on this clock.
func (c *Local) AfterFunc(d time.Duration, f func()) *LocalTimer {
	t := &LocalTimer{c: c, due: c.Monotonic() + d, f: f}
	c.mu.Lock()
	c.live[t] = struct{}{}
	c.mu.Unlock()
	t.rearm()
	return t
}

func (t *LocalTimer) rearm() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return
	}
	if t.t != nil {
		t.t.Stop()
	}
	t.c.mu.Lock()
	_, mono := t.c.now(t.c.line.Now())
	rate := 1 + t.c.gain()
	t.c.mu.Unlock()
	t.t = t.c.line.AfterFunc(time.Duration(math.Ceil(float64(t.due-mono)/rate)), t.ring)
}

func (t *LocalTimer) ring() {
	if t.end() {
		t.f()
	}
}

func (t *LocalTimer) end() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return false
	}
	t.over = true
	t.c.mu.Lock()
	delete(t.c.live, t)
	t.c.mu.Unlock()
	return true
}

// Stop keeps the timer from firing. It reports whether it did.
func (t *LocalTimer) Stop() bool {
	if !t.end() {
		return false
	}
	return t.t.Stop()
}

// Sleep blocks for d on this clock or until ctx ends, whose cause it returns.
// The caller must hold a token.
func (c *Local) Sleep(ctx context.Context, d time.Duration) error {
	w := c.line.NewWait()
	t := c.AfterFunc(d, func() { w.Wake() })
	defer t.Stop()
	return w.Sleep(ctx)
}

// Timeout returns a context that ends with os.ErrDeadlineExceeded after d on
// this clock. Whoever it wakes must call stop once it has noticed: until then
// the timeout itself holds a token, so that time cannot jump in between.
func (c *Local) Timeout(ctx context.Context, d time.Duration) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	var mu sync.Mutex
	held, over := false, false
	t := c.AfterFunc(d, func() {
		mu.Lock()
		defer mu.Unlock()
		if over {
			return
		}
		held = true
		c.line.Hold()
		cancel(os.ErrDeadlineExceeded)
	})
	return ctx, func() {
		t.Stop()
		mu.Lock()
		defer mu.Unlock()
		over = true
		if held {
			held = false
			c.line.Release()
		}
		cancel(context.Canceled)
	}
}
