// Package clock holds the two notions of time of a lab: true time, which is
// the [Timeline], and what a host believes, which is a [Local] clock that is
// wrong on purpose.
//
// The Timeline is the lab's only queue of future events. It is paced by the
// std time package, so it is real in the product, faster with [Timeline.SetRate],
// virtual inside a testing/synctest bubble, and it can be warped ahead with
// [Timeline.Advance].
//
// # Wake tokens
//
// Time may jump only when nothing is awake. Whoever wakes a goroutine hands it
// a token: a timer that fires, a [Wait] that is woken, a [Queue] that is filled.
// A goroutine gives its token back while it blocks. A goroutine that blocks on
// anything but a Wait, a Queue or a [Socket] keeps its token and so holds the
// warp up; that is right for a real child process and wrong for everything else.
package clock

import (
	"container/heap"
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Timeline is true time: one ordered queue of future events. The zero value is
// not usable; call [New].
type Timeline struct {
	mu     sync.Mutex
	base   time.Time // true time at anchor
	from   time.Time // what the std clock read then
	rate   float64   // true seconds a real second
	frozen bool      // true time stands at base: it is being warped
	dice   *rand.Rand
	queue  timers
	seq    uint64
	alarm  *time.Timer // the std timer of queue[0]

	tokens
	poller poller
}

// New returns a Timeline whose true time is start now and passes at the rate
// of real time. The zero start means the machine's own clock.
func New(start time.Time) *Timeline {
	now := time.Now()
	if start.IsZero() {
		start = now
	}
	return &Timeline{base: start.Round(0), from: now, rate: 1, dice: rand.New(rand.NewPCG(1, 2))}
}

// Now returns true time.
func (l *Timeline) Now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now()
}

func (l *Timeline) now() time.Time {
	if l.frozen {
		return l.base
	}
	passed := time.Since(l.from)
	if l.rate != 1 {
		passed = time.Duration(float64(passed) * l.rate)
	}
	return l.base.Add(passed)
}

// Passed returns how much of true time the real time d until now was.
func (l *Timeline) Passed(d time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.frozen {
		return 0
	}
	return time.Duration(float64(min(d, time.Since(l.from))) * l.rate)
}

// Rate returns how many true seconds pass in a real one.
func (l *Timeline) Rate() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rate
}

// SetRate lets r true seconds pass in a real one; r must be positive.
func (l *Timeline) SetRate(r float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.base, l.from = l.now(), time.Now()
	l.rate = r
	l.arm()
}

// Timer is one future event.
type Timer struct {
	line *Timeline
	at   time.Time
	seq  uint64
	f    func()
	slot int // place in the queue; -1 when it fired or was stopped
}

// AfterFunc calls f, which must not block, once d of true time has passed. f
// runs with a token held; it hands one on to any goroutine that it wakes
// through Wait or Queue.
func (l *Timeline) AfterFunc(d time.Duration, f func()) *Timer {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	t := &Timer{line: l, at: l.now().Add(d), seq: l.seq, f: f}
	heap.Push(&l.queue, t)
	if t.slot == 0 {
		l.arm()
	}
	return t
}

// Stop keeps the timer from firing. It reports whether it did.
func (t *Timer) Stop() bool {
	l := t.line
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.slot < 0 {
		return false
	}
	first := t.slot == 0
	heap.Remove(&l.queue, t.slot)
	if first {
		l.arm()
	}
	return true
}

// arm sets the std timer for the earliest event. The caller holds mu.
func (l *Timeline) arm() {
	if l.alarm != nil {
		l.alarm.Stop()
		l.alarm = nil
	}
	if len(l.queue) == 0 || l.frozen {
		return
	}
	wait := l.queue[0].at.Sub(l.now())
	if l.rate != 1 {
		// Rounded up: an alarm that rings early finds nothing due and rings again.
		wait = time.Duration(float64(wait)/l.rate) + 1
	}
	l.alarm = time.AfterFunc(wait, l.fire)
}

// fire runs every event that is due, in order.
func (l *Timeline) fire() {
	l.Hold()
	defer l.Release()
	l.mu.Lock()
	for len(l.queue) > 0 && !l.queue[0].at.After(l.now()) {
		t := heap.Pop(&l.queue).(*Timer)
		l.mu.Unlock()
		t.f()
		l.mu.Lock()
	}
	l.arm()
	l.mu.Unlock()
}

// freeze makes true time stand, thaw lets it go on from there.
func (l *Timeline) freeze() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.base, l.frozen = l.now(), true
	l.arm()
}

func (l *Timeline) thaw() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.frozen {
		l.from, l.frozen = time.Now(), false
		l.arm()
	}
}

// Advance moves true time d ahead, from event to event; after each it waits
// until nothing is awake. Meanwhile real time does not count, so that an event
// happens at its time however long the machine took for those before. It returns
// early with the error of ctx, and true time then goes on from where it got to.
// The caller must hold no token; one call at a time.
func (l *Timeline) Advance(ctx context.Context, d time.Duration) error {
	l.freeze()
	defer l.thaw()
	end := l.Now().Add(d)
	for {
		seen, err := l.calm(ctx)
		if err != nil {
			return err
		}
		l.mu.Lock()
		if !l.still(seen) {
			l.mu.Unlock()
			continue
		}
		next := end
		if len(l.queue) > 0 && l.queue[0].at.Before(end) {
			next = l.queue[0].at
		}
		if next.After(l.base) {
			l.base = next
		}
		l.mu.Unlock()
		l.fire()
		if !next.Before(end) {
			_, err := l.calm(ctx)
			return err
		}
	}
}

// timers is a heap ordered by time, then by age.
type timers []*Timer

func (q timers) Len() int { return len(q) }
func (q timers) Less(i, j int) bool {
	if !q[i].at.Equal(q[j].at) {
		return q[i].at.Before(q[j].at)
	}
	return q[i].seq < q[j].seq
}
func (q timers) Swap(i, j int) { q[i], q[j] = q[j], q[i]; q[i].slot, q[j].slot = i, j }
func (q *timers) Push(x any)   { t := x.(*Timer); t.slot = len(*q); *q = append(*q, t) }
func (q *timers) Pop() any {
	old := *q
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	t.slot = -1
	return t
}
