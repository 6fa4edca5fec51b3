package service

import (
	"context"

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

// ResolveAll asks trivial-rewrite where addresses go, in mail of a sender, which
// the sender_dependent maps look at.
func (d *Daemon) ResolveAll(ctx context.Context, sender string, addresses ...string) ([]Resolution, error) {
	var out []Resolution
	err := d.Peers.Ask(ctx, rewriteSocket, RewriteQuestion{Resolve: true, Sender: sender, Addresses: addresses}, &out)
	if err == nil && len(out) != len(addresses) {
		err = queue.ErrWrite
	}
	return out, err
}
