package memnet

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"enshu/sim/clock"
	"enshu/sim/link"
	"enshu/sim/trace"
)

// Network is hosts and the links between them.
type Network struct {
	Line  *clock.Timeline
	Trace *trace.Log
	Seed  uint64 // of the jitter and the losses of links that are set after it; 1 unless changed

	mu    sync.Mutex // guards all sockets and links
	hosts []*Host
	links map[[2]*Host]*wire
}

// New returns an empty network on a timeline and a trace of its own.
func New(t testing.TB) *Network {
	line := clock.New(time.Time{})
	return &Network{Line: line, Trace: trace.NewLog(line), links: map[[2]*Host]*wire{}, Seed: 1}
}

// Link is what happens to packets from one host to a neighbour.
type Link = link.Link

// wire is one direction of a link.
type wire struct {
	Link
	rand *rand.Rand
	last time.Time // when the newest packet arrives; packets keep their order
}

// pass decides what becomes of a packet that gets to the wire at a time: how
// long it takes, or that it is lost.
func (w *wire) pass(at time.Time) (time.Duration, bool) {
	delay, lost := w.Fate(w.rand)
	if lost {
		return 0, true
	}
	if arrives := at.Add(delay); arrives.After(w.last) {
		w.last = arrives
	}
	return w.last.Sub(at), false
}

// Link sets how packets travel from one host to another, in both directions.
func (n *Network) Link(a, b *Host, l Link) {
	n.OneWay(a, b, l)
	n.OneWay(b, a, l)
}

// OneWay sets how packets travel from one host to another, in that direction only.
func (n *Network) OneWay(from, to *Host, l Link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	key := [2]*Host{from, to}
	if old := n.links[key]; old != nil {
		old.Link = l
		return
	}
	n.links[key] = &wire{Link: l, rand: link.Rand(n.Seed, from.Name, to.Name)}
}

// passage is what becomes of a packet.
type passage struct {
	to     *Host         // where it arrives
	delay  time.Duration // after which it arrives, or errno comes back
	lost   bool
	errno  syscall.Errno // an error that comes back from the way
	atOnce syscall.Errno // an error of the sender's own kernel
}

// neighbourTimeout is how long the kernel asks for a neighbour that does not
// answer before it reports EHOSTUNREACH (mcast_solicit probes of retrans_time).
const neighbourTimeout = 3 * time.Second

// carry decides what becomes of a packet that a host sends now. The caller holds mu.
func (n *Network) carry(from *Host, pk Packet) passage {
	hops, errno := n.path(from, pk.Dst.Addr())
	switch errno {
	case syscall.ENETUNREACH:
		return passage{atOnce: errno}
	case syscall.EHOSTUNREACH:
		return passage{errno: errno, delay: neighbourTimeout}
	}
	out, in := "eth0", "eth0"
	if hops[0] == from {
		out, in = "lo", "lo"
	}
	pk.Hook, pk.Out, pk.In = OutputHook, out, ""
	if v := from.judge(pk); v != Accept {
		if v == Drop {
			return passage{atOnce: syscall.EPERM}
		}
		return passage{errno: v.errno()}
	}
	var p passage
	at := from
	for i, next := range hops {
		if next != at {
			if l := n.links[[2]*Host{at, next}]; l != nil {
				d, lost := l.pass(n.Line.Now().Add(p.delay))
				if lost {
					return passage{lost: true}
				}
				p.delay += d
			}
		}
		pk.Hook, pk.In, pk.Out = InputHook, in, ""
		if i < len(hops)-1 {
			pk.Hook, pk.Out = ForwardHook, "eth0"
		}
		if v := next.judge(pk); v != Accept {
			if v == Drop {
				return passage{lost: true}
			}
			// The refusal travels back over the same way.
			return passage{errno: v.errno(), delay: 2 * p.delay}
		}
		at = next
	}
	p.to = at
	return p
}

// path returns the hosts that a packet passes, the last of which has the
// address. The caller holds mu.
func (n *Network) path(from *Host, dst netip.Addr) ([]*Host, syscall.Errno) {
	if from.owns(dst) {
		return []*Host{from}, 0
	}
	if dst.IsLoopback() {
		return nil, syscall.ENETUNREACH
	}
	var hops []*Host
	for at := from; len(hops) < 16; {
		via, ok := at.nextHop(dst)
		if !ok {
			if at == from {
				return nil, syscall.ENETUNREACH
			}
			return nil, syscall.EHOSTUNREACH
		}
		i := slices.IndexFunc(n.hosts, func(h *Host) bool { return h.owns(via) })
		if i < 0 {
			return nil, syscall.EHOSTUNREACH
		}
		at = n.hosts[i]
		hops = append(hops, at)
		if at.owns(dst) {
			return hops, 0
		}
	}
	return nil, syscall.EHOSTUNREACH
}

// after runs f with mu held once d has passed; at once when d is 0. The caller holds mu.
func (n *Network) after(d time.Duration, f func()) {
	if d <= 0 {
		f()
		return
	}
	n.Line.AfterFunc(d, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		f()
	})
}

// waiters are sleepers that look again when woken.
type waiters struct{ list []*clock.Wait }

func (w *waiters) wake() {
	for _, x := range w.list {
		x.Wake()
	}
	w.list = nil
}

// wait sleeps until w is woken, d passes or ctx ends. The caller holds mu,
// which is let go meanwhile, and a token.
func (n *Network) wait(ctx context.Context, w *waiters, d deadline) error {
	if d.passed() {
		return os.ErrDeadlineExceeded
	}
	x := n.Line.NewWait()
	w.list = append(w.list, x)
	var t *clock.LocalTimer
	if d.set {
		t = d.clock.AfterFunc(d.due-d.clock.Monotonic(), func() { x.Wake() })
	}
	n.mu.Unlock()
	err := x.Sleep(ctx)
	if t != nil {
		t.Stop()
	}
	n.mu.Lock()
	w.list = slices.DeleteFunc(w.list, func(y *clock.Wait) bool { return y == x })
	return err
}

// deadline is a point of time on a host's monotonic clock, which no step moves.
type deadline struct {
	clock *clock.Local
	set   bool
	due   time.Duration
}

func (d *deadline) at(t time.Time) {
	left := t.Sub(d.clock.Now())
	d.set = !t.IsZero() && left < 1<<61
	d.due = d.clock.Monotonic() + left
}

func (d deadline) passed() bool { return d.set && d.clock.Monotonic() >= d.due }
