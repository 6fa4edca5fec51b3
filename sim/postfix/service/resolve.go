package service

import (
	"context"
	"sync"
	"time"

	"enshu/sim/postfix/queue"
)

// rewriteSocket is where trivial-rewrite(8) is asked.
const rewriteSocket = "private/rewrite"

// A RewriteQuestion asks for several addresses at once.
type RewriteQuestion struct {
	Resolve   bool
	Sender    string
	Addresses []string // internal form
}

// A Resolution is what trivial-rewrite(8) says of an address.
type Resolution struct {
	Address   string // the rewritten address
	Transport string
	Nexthop   string
	Recipient string
	Local     bool // the domain is delivered here
	Alias     bool // virtual alias domain
	Relay     bool // relay domain
	Mailbox   bool // virtual mailbox domain
	Failed    bool // a table could not be asked
	Malformed bool // the address cannot be: it goes to error(8)
}

// lastResolved is what trivial-rewrite(8) said last of one address: the clients of
// the real one remember that, too, for resolutionLife.
type lastResolved struct {
	mu              sync.Mutex // guards what follows
	sender, address string
	answer          Resolution
	until           time.Duration // on the monotonic clock; 0 is nothing
}

const resolutionLife = 30 * time.Second

func (l *lastResolved) get(sender, address string, now time.Duration) (Resolution, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.answer, now < l.until && l.sender == sender && l.address == address
}

func (l *lastResolved) set(sender, address string, r Resolution, now time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !r.Failed {
		l.sender, l.address, l.answer, l.until = sender, address, r, now+resolutionLife
	}
}

// ResolveAll asks trivial-rewrite where addresses go, in mail of a sender, which
// the sender_dependent maps look at.
func (d *Daemon) ResolveAll(ctx context.Context, sender string, addresses ...string) ([]Resolution, error) {
	now := d.Proc.Clock.Monotonic()
	if len(addresses) == 1 {
		if r, ok := d.resolved.get(sender, addresses[0], now); ok {
			return []Resolution{r}, nil
		}
	}
	var out []Resolution
	err := d.Peers.Ask(ctx, rewriteSocket, RewriteQuestion{Resolve: true, Sender: sender, Addresses: addresses}, &out)
	if err == nil && len(out) != len(addresses) {
		err = queue.ErrWrite
	}
	if err == nil && len(out) == 1 {
		d.resolved.set(sender, addresses[0], out[0], now)
	}
	return out, err
}
