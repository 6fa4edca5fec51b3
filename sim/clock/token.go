package clock

import (
	"context"
	"sync"
	"time"
)

// tokens counts what is awake and what is under way between hosts.
type tokens struct {
	tmu     sync.Mutex
	awake   int
	changes uint64        // counts every Hold; an unchanged count means nothing woke meanwhile
	idle    chan struct{} // closed when awake becomes 0; nil when nobody waits for it
	flying  int           // packets that were sent and not received yet; see Departed
}

// Hold takes a token: something is awake until the matching Release.
func (k *tokens) Hold() {
	k.tmu.Lock()
	k.awake++
	k.changes++
	k.tmu.Unlock()
}

// Release gives a token back.
func (k *tokens) Release() {
	k.tmu.Lock()
	k.awake--
	if k.awake < 0 {
		k.tmu.Unlock()
		panic("clock: a token was released twice")
	}
	if k.awake == 0 && k.idle != nil {
		close(k.idle)
		k.idle = nil
	}
	k.tmu.Unlock()
}

// Awake returns how many tokens are out.
func (k *tokens) Awake() int {
	k.tmu.Lock()
	defer k.tmu.Unlock()
	return k.awake
}

// still reports whether nothing has woken since calm returned seen.
func (k *tokens) still(seen uint64) bool {
	k.tmu.Lock()
	defer k.tmu.Unlock()
	return k.awake == 0 && k.changes == seen
}

// Departed notes that something is sent to another host over the machine's
// network, which [Timeline.Advance] then waits for a moment: the kernel hands
// packets over before send(2) returns, unless it is busy. What cannot be on its
// way, as over unix sockets, need not be noted.
//
// While true time is warped it stands, and a packet would take none. The paths
// of a real network are never that even; software that measures them, such as
// chronyd, must not find one that is. So true time passes by what a packet
// takes on a quiet network.
func (l *Timeline) Departed() {
	l.tmu.Lock()
	l.flying++
	l.tmu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.frozen {
		l.base = l.base.Add(transit/2 + time.Duration(l.dice.Int64N(int64(transit))))
	}
}

// Spent notes that something takes d which takes no true time while that is
// warped, such as the start of a process: whoever does it again and again without
// a pause would keep time from ever going on.
func (l *Timeline) Spent(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.frozen {
		l.base = l.base.Add(d)
	}
}

// transit is how long a packet of a quiet network is on its way, on average.
const transit = 40 * time.Microsecond

// Arrived notes that something was received that Departed had noted, or that
// somebody else sent.
func (k *tokens) Arrived() {
	k.tmu.Lock()
	k.flying = max(0, k.flying-1)
	k.tmu.Unlock()
}

// grace is how long a packet that departed is waited for in real time.
const grace = 2 * time.Millisecond

// patience is how long true time stands for whoever is awake while it is
// warped. A real process that takes longer takes its time on the lab's clock too.
const patience = 100 * time.Millisecond

// calm returns when nothing is awake, no socket that a goroutine waits for is
// ready, and no packet is under way; one that no socket gets was dropped. What
// it returns is for still.
func (l *Timeline) calm(ctx context.Context) (uint64, error) {
	k := &l.tokens
	for {
		k.tmu.Lock()
		if k.awake > 0 {
			if k.idle == nil {
				k.idle = make(chan struct{})
			}
			idle := k.idle
			k.tmu.Unlock()
			if err := l.await(ctx, idle); err != nil {
				return 0, err
			}
			continue
		}
		seen, flying := k.changes, k.flying > 0
		k.tmu.Unlock()
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		woke := l.poller.collect(l, 0)
		if !woke && flying {
			woke = l.poller.collect(l, grace)
		}
		if woke || !k.still(seen) {
			continue
		}
		k.tmu.Lock()
		k.flying = 0
		k.tmu.Unlock()
		return seen, nil
	}
}

// await waits until nobody is awake. Beyond patience, true time passes meanwhile.
func (l *Timeline) await(ctx context.Context, idle <-chan struct{}) error {
	slow := time.NewTimer(patience)
	defer slow.Stop()
	for {
		select {
		case <-idle:
			l.freeze()
			return nil
		case <-slow.C:
			l.thaw()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Wait is one sleep of one goroutine, ended by whoever wakes it first.
type Wait struct {
	line *Timeline
	mu   sync.Mutex
	done bool
	ch   chan struct{}
}

// NewWait returns a Wait that nobody has woken yet.
func (l *Timeline) NewWait() *Wait { return &Wait{line: l, ch: make(chan struct{})} }

// Wake ends the sleep and hands the sleeper a token. It reports false when the
// sleep was already over.
func (w *Wait) Wake() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done {
		return false
	}
	w.done = true
	w.line.Hold()
	close(w.ch)
	return true
}

// Sleep gives the caller's token back until Wake or the end of ctx, whose
// cause it returns. It must be called once.
func (w *Wait) Sleep(ctx context.Context) error {
	w.line.Release()
	select {
	case <-w.ch:
		return nil
	case <-ctx.Done():
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done {
		return nil // woken at the same moment: the token is ours
	}
	w.done = true
	w.line.Hold()
	return context.Cause(ctx)
}

// Sleep blocks for d of true time or until ctx ends.
func (l *Timeline) Sleep(ctx context.Context, d time.Duration) error {
	w := l.NewWait()
	t := l.AfterFunc(d, func() { w.Wake() })
	defer t.Stop()
	return w.Sleep(ctx)
}
