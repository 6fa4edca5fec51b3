package clients

import (
	"net/netip"

	"enshu/sim/chrony/conf"
)

// Access says which addresses may use a Service: a tree of subnets for
// each family, in which the smallest subnet that says something counts.
type Access struct{ root [2]accessNode }

type accessNode struct {
	state accessState
	child [2]*accessNode
}

type accessState int8

const (
	accessInherit accessState = iota
	accessAllow
	accessDeny
)

// Add applies a rule. It reports false when the rule's subnet is longer than
// the address.
func (t *Access) Add(r conf.AccessRule) bool {
	state := accessDeny
	if r.Allow {
		state = accessAllow
	}
	if !r.Addr.IsValid() {
		if r.Bits != 0 {
			return false
		}
		for i := range t.root {
			t.root[i].set(state, r.All)
		}
		return true
	}
	if r.Bits < 0 || r.Bits > r.Addr.BitLen() {
		return false
	}
	n := &t.root[conf.Family(r.Addr)]
	b := r.Addr.AsSlice()
	for i := range r.Bits {
		bit := b[i/8] >> (7 - i%8) & 1
		if n.child[bit] == nil {
			n.child[bit] = new(accessNode)
		}
		n = n.child[bit]
	}
	n.set(state, r.All)
	return true
}

func (n *accessNode) set(s accessState, all bool) {
	n.state = s
	if all {
		n.child = [2]*accessNode{}
	}
}

// Allows reports whether an address may use the Service.
func (t *Access) Allows(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsValid() {
		return false
	}
	n := &t.root[conf.Family(a)]
	raw := a.As16()
	start := 0
	if a.Is4() {
		start = 96
	}
	state := accessDeny
	for i := start; ; i++ {
		if n.state != accessInherit {
			state = n.state
		}
		if i == 128 {
			break
		}
		if n = n.child[raw[i/8]>>(7-i%8)&1]; n == nil {
			break
		}
	}
	return state == accessAllow
}

// Any reports whether some address of a family (0 for IPv4, 1 for IPv6) is allowed.
func (t *Access) Any(fam int) bool { return t.root[fam].any() }

func (n *accessNode) any() bool {
	if n == nil {
		return false
	}
	return n.state == accessAllow || n.child[0].any() || n.child[1].any()
}
