// Package nftnl puts a ruleset of sim/nft into a kernel: it translates the
// model to netlink messages. It is apart from sim/nft so that what only
// describes rules stays light.
//
// Sources: the netlink messages that nft(8) makes of the same text
// (`nft --debug=netlink`), linux/netfilter/nf_tables.h.
package nftnl

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"enshu/sim/nft"
)

// Apply replaces every table of the network namespace that conn was opened in
// by those of r, in one transaction; nil or an empty ruleset leaves none. The
// read and write buffers of conn should be as large as the machine allows.
func Apply(conn *nftables.Conn, r *nft.Ruleset) error {
	conn.FlushRuleset()
	if r != nil {
		for _, t := range r.Tables {
			if err := addTable(conn, t); err != nil {
				return fmt.Errorf("nft: table %s %s: %w", t.Family, t.Name, err)
			}
		}
	}
	err := conn.Flush()
	if errors.Is(err, unix.ENOBUFS) {
		// The acknowledgements did not fit in the socket, which happens only after
		// the transaction was committed; see whether it was.
		return verify(conn, r)
	}
	if err != nil {
		return fmt.Errorf("nft: %w", err)
	}
	return nil
}

// verify reports an error unless the kernel has all chains of r.
func verify(conn *nftables.Conn, r *nft.Ruleset) error {
	chains, err := conn.ListChains()
	if err != nil {
		return fmt.Errorf("nft: %w", err)
	}
	want := 0
	if r != nil {
		for _, t := range r.Tables {
			want += len(t.Chains)
		}
	}
	if len(chains) != want {
		return fmt.Errorf("nft: %d chains are in force instead of %d", len(chains), want)
	}
	return nil
}

var families = map[string]nftables.TableFamily{"inet": nftables.TableFamilyINet, "ip": nftables.TableFamilyIPv4, "ip6": nftables.TableFamilyIPv6}

func addTable(conn *nftables.Conn, t *nft.Table) error {
	family, ok := families[t.Family]
	if !ok {
		return fmt.Errorf("unknown family %q", t.Family)
	}
	table := conn.AddTable(&nftables.Table{Family: family, Name: t.Name})
	c := compiler{conn: conn, table: table, family: family, sets: map[string]*nftables.Set{}}
	for _, s := range t.Sets {
		if err := c.addSet(s); err != nil {
			return fmt.Errorf("set %s: %w", s.Name, err)
		}
	}
	// A rule may name any chain, so all are made before the first rule.
	chains := make([]*nftables.Chain, len(t.Chains))
	for i, ch := range t.Chains {
		chains[i] = conn.AddChain(c.chain(ch))
	}
	for i, ch := range t.Chains {
		for _, rule := range ch.Rules {
			if attachesHelper(rule) {
				continue
			}
			exprs, err := c.rule(rule)
			if err != nil {
				return fmt.Errorf("chain %s: %s: %w", ch.Name, rule, err)
			}
			conn.AddRule(&nftables.Rule{Table: table, Chain: chains[i], Exprs: exprs})
		}
	}
	return nil
}

// attachesHelper reports whether a rule is there for a connection tracking
// helper, which no host has.
func attachesHelper(rule nft.Rule) bool {
	for _, e := range rule {
		if _, ok := e.(nft.SetHelper); ok {
			return true
		}
	}
	return false
}

// compiler translates the parts of one table.
type compiler struct {
	conn   *nftables.Conn
	table  *nftables.Table
	family nftables.TableFamily
	sets   map[string]*nftables.Set

	// of the rule at hand
	out     []expr.Any
	nfproto uint8 // the family that was asked for
	l4proto uint8 // the transport protocol that was asked for
}

func (c *compiler) chain(ch *nft.Chain) *nftables.Chain {
	k := &nftables.Chain{Name: ch.Name, Table: c.table}
	if b := ch.Base; b != nil {
		policy := nftables.ChainPolicyAccept
		if b.Drop {
			policy = nftables.ChainPolicyDrop
		}
		k.Type, k.Policy = nftables.ChainType(b.Type), &policy
		k.Hooknum = nftables.ChainHookRef(nftables.ChainHook(b.Hook))
		k.Priority = nftables.ChainPriorityRef(nftables.ChainPriority(b.Priority))
	}
	return k
}

var setTypes = map[string]nftables.SetDatatype{"ipv4_addr": nftables.TypeIPAddr, "ipv6_addr": nftables.TypeIP6Addr, "ether_addr": nftables.TypeEtherAddr}

func (c *compiler) addSet(s *nft.Set) error {
	kind, ok := setTypes[s.Type]
	if !ok {
		return fmt.Errorf("unknown type %q", s.Type)
	}
	k := &nftables.Set{Table: c.table, Name: s.Name, KeyType: kind, Interval: s.Interval}
	elements := prefixElements(s.Prefixes, s.Interval)
	for _, m := range s.MACs {
		elements = append(elements, nftables.SetElement{Key: m[:]})
	}
	c.sets[s.Name] = k
	return c.conn.AddSet(k, elements)
}

// prefixElements are the elements of a set of prefixes: each as its first
// address and, in a set of intervals, the first one after it.
func prefixElements(prefixes []netip.Prefix, interval bool) []nftables.SetElement {
	var list []nftables.SetElement
	for _, p := range prefixes {
		p = p.Masked()
		list = append(list, nftables.SetElement{Key: p.Addr().AsSlice()})
		if !interval {
			continue
		}
		// A prefix that reaches to the last address has no end.
		if end := after(p); end.IsValid() {
			list = append(list, nftables.SetElement{Key: end.AsSlice(), IntervalEnd: true})
		}
	}
	return list
}

// after returns the first address after a prefix, the zero Addr when there is none.
func after(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	last, _ := netip.AddrFromSlice(b)
	return last.Next()
}

// anonymous makes a set for one rule and returns the lookup in it.
func (c *compiler) anonymous(kind nftables.SetDatatype, interval bool, order binaryutil.ByteOrder, elements []nftables.SetElement) error {
	s := &nftables.Set{Table: c.table, Anonymous: true, Constant: true, Interval: interval, KeyType: kind, KeyByteOrder: order}
	if err := c.conn.AddSet(s, elements); err != nil {
		return err
	}
	c.add(&expr.Lookup{SourceRegister: 1, SetName: s.Name, SetID: s.ID})
	return nil
}

func (c *compiler) add(e ...expr.Any) { c.out = append(c.out, e...) }

func (c *compiler) meta(key expr.MetaKey) { c.add(&expr.Meta{Key: key, Register: 1}) }

func (c *compiler) payload(base expr.PayloadBase, offset, length uint32) {
	c.add(&expr.Payload{DestRegister: 1, Base: base, Offset: offset, Len: length})
}

func (c *compiler) compare(not bool, data []byte) {
	op := expr.CmpOpEq
	if not {
		op = expr.CmpOpNeq
	}
	c.add(&expr.Cmp{Op: op, Register: 1, Data: data})
}

// needFamily asks for an IP family, unless the table or the rule did.
func (c *compiler) needFamily(family uint8) {
	if c.family == nftables.TableFamilyINet && c.nfproto != family {
		c.meta(expr.MetaKeyNFPROTO)
		c.compare(false, []byte{family})
		c.nfproto = family
	}
}

// needProtocol asks for a transport protocol, unless the rule did.
func (c *compiler) needProtocol(proto uint8) {
	if c.l4proto != proto {
		c.meta(expr.MetaKeyL4PROTO)
		c.compare(false, []byte{proto})
		c.l4proto = proto
	}
}

func (c *compiler) rule(r nft.Rule) ([]expr.Any, error) {
	c.out, c.nfproto, c.l4proto = nil, 0, 0
	for _, e := range r {
		if err := c.expr(e); err != nil {
			return nil, err
		}
	}
	return c.out, nil
}
