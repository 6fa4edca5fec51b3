package stub

import (
	"context"
	"sync"
	"syscall"

	"enshu/sim/clock"
)

// gate holds a Program's reads and writes of stdio back while its stub is
// stopped (SIGTSTP, Ctrl-Z): the Program itself runs elsewhere and goes on. A
// SIGSTOP, which no process is told of, stops the stub alone.
type gate struct {
	line *clock.Timeline

	mu      sync.Mutex // guards what follows
	stopped bool
	over    bool // the process ends: nothing is held back any more
	waits   []*clock.Wait
}

// deliver acts on a signal that the stub got.
func (g *gate) deliver(sig syscall.Signal) {
	switch sig {
	case syscall.SIGTSTP:
		g.set(true)
	case syscall.SIGCONT:
		g.set(false)
	}
}

func (g *gate) set(stopped bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stopped = stopped && !g.over
	if !g.stopped {
		for _, w := range g.waits {
			w.Wake()
		}
		g.waits = nil
	}
}

// end lets go of who waits, for good.
func (g *gate) end() {
	g.mu.Lock()
	g.over = true
	g.mu.Unlock()
	g.set(false)
}

// pass returns when the stub is not stopped.
func (g *gate) pass() {
	for {
		g.mu.Lock()
		if !g.stopped {
			g.mu.Unlock()
			return
		}
		w := g.line.NewWait()
		g.waits = append(g.waits, w)
		g.mu.Unlock()
		w.Sleep(context.Background())
	}
}
