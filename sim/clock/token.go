package clock

import (
	"context"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// tokens counts what is awake and knows the sockets that a blocked goroutine
// waits for, so that the kernel can be asked whether a packet is under way.
type tokens struct {
	tmu     sync.Mutex
	awake   int
	changes uint64        // counts every Hold; an unchanged count means nothing woke meanwhile
	idle    chan struct{} // closed when awake becomes 0; nil when nobody waits for it
	waiting map[*Socket]int16
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

// calm returns when nothing is awake and no socket that a goroutine waits for
// is ready. A packet that no socket holds any more was dropped. What it returns
// is for still.
func (k *tokens) calm(ctx context.Context) (uint64, error) {
	quiet := 0
	for {
		k.tmu.Lock()
		if k.awake > 0 {
			if k.idle == nil {
				k.idle = make(chan struct{})
			}
			idle := k.idle
			k.tmu.Unlock()
			select {
			case <-idle:
			case <-ctx.Done():
				return 0, context.Cause(ctx)
			}
			quiet = 0
			continue
		}
		seen := k.changes
		fds := make([]unix.PollFd, 0, len(k.waiting))
		for s, events := range k.waiting {
			fds = append(fds, unix.PollFd{Fd: int32(s.fd), Events: events})
		}
		k.tmu.Unlock()

		ready := false
		if len(fds) > 0 {
			// The kernel may still be handing a packet over on the other processor:
			// the second look waits, in poll(2) itself, for what is about to arrive.
			wait := 0
			if quiet > 0 {
				wait = 1
			}
			n, err := unix.Poll(fds, wait)
			ready = n > 0 || err != nil
		}
		same := k.still(seen)
		switch {
		case ctx.Err() != nil:
			return 0, context.Cause(ctx)
		case ready || !same:
			quiet = 0
			runtime.Gosched()
		case len(fds) == 0 || quiet > 0:
			return seen, nil
		default:
			quiet++
		}
	}
}

// Socket is a descriptor on which goroutines of the lab block. The owner tells
// the Timeline around each blocking call; see [Socket.Block].
type Socket struct {
	line *Timeline
	fd   int

	mu      sync.Mutex
	blocked map[*block]struct{}
}

// block is one blocking call that is under way.
type block struct {
	events int16
	held   bool // the caller has its token, or one waits for it
}

// Socket registers a non-blocking descriptor; fd stays the caller's.
func (l *Timeline) Socket(fd int) *Socket {
	return &Socket{line: l, fd: fd, blocked: map[*block]struct{}{}}
}

// Block gives the caller's token back while it waits for events (POLLIN,
// POLLOUT) on the socket. try is called with a token held, at first and
// whenever the socket became ready, and reports whether the call was done;
// wait must call try again each time the descriptor is ready until it is done
// or the descriptor is closed (syscall.RawConn's Read and Write do). After
// Block the caller has its token, whatever happened.
func (s *Socket) Block(events int16, wait func(try func(uintptr) bool) error, try func(fd uintptr) bool) error {
	b := &block{events: events, held: true}
	err := wait(func(fd uintptr) bool {
		s.mu.Lock()
		s.hold(b)
		s.mu.Unlock()
		if try(fd) {
			return true
		}
		s.mu.Lock()
		b.held = false
		s.blocked[b] = struct{}{}
		s.note()
		s.mu.Unlock()
		s.line.Release()
		return false
	})
	s.mu.Lock()
	s.hold(b)
	s.mu.Unlock()
	return err
}

// Interrupt calls f, which must end the blocking calls for events (a deadline
// in the past, a close), and hands their callers tokens.
func (s *Socket) Interrupt(events int16, f func()) {
	s.mu.Lock()
	for b := range s.blocked {
		if b.events&events != 0 {
			s.hold(b)
		}
	}
	s.mu.Unlock()
	f()
}

// hold gives a blocked call its token. The caller holds mu.
func (s *Socket) hold(b *block) {
	if b.held {
		return
	}
	b.held = true
	s.line.Hold()
	delete(s.blocked, b)
	s.note()
}

// note tells the Timeline which events the blocked calls wait for. The caller
// holds mu.
func (s *Socket) note() {
	var events int16
	for b := range s.blocked {
		events |= b.events
	}
	k := &s.line.tokens
	k.tmu.Lock()
	defer k.tmu.Unlock()
	if k.waiting == nil {
		k.waiting = map[*Socket]int16{}
	}
	if events == 0 {
		delete(k.waiting, s)
	} else {
		k.waiting[s] = events
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
