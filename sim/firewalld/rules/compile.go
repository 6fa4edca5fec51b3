package rules

import (
	"net/netip"
	"slices"
	"strings"

	"enshu/sim/firewalld/conf"
	"enshu/sim/nft"
)

// State is what the packet filter is made of: the runtime configuration.
type State struct {
	Default string
	Zones   map[string]*conf.Zone
	Applied []string // zones that have chains, in the order in which they got them
	// BeforePolicies is how many of these had them when the policies got theirs.
	BeforePolicies int
	IPSets         map[string]*conf.IPSet
	Used           []string // ipsets in the packet filter, in their order
	Direct         conf.Direct
	Denied         string // LogDenied
	RPFilter       bool   // IPv6_rpfilter
	RFC3964        bool   // RFC3964_IPv4
	Panic          bool
	Bound          []string // interfaces in the order of their binding, the newest last
	Policies       map[string]*conf.Policy
	Met            []string                        // policies that packets can meet, in the order in which they became so
	Service        func(name string) *conf.Service // nil for none, as is each that follows
	Helper         func(name string) *conf.Helper
	ICMPType       func(name string) conf.ICMPType // with the messages of its families
}

// ZoneOf returns the zone that has an interface or source, "" when none has.
func (s *State) ZoneOf(kind, value string) string {
	for name, z := range s.Zones {
		if z.Has(kind, value) {
			return name
		}
	}
	return ""
}

// compiler makes the table of firewalld.
type compiler struct {
	*State
	t      *nft.Table
	chains map[string]*nft.Chain
	made   map[string]bool // "chain rule"
}

var (
	accept       = nft.Verdict{Kind: nft.Accept}
	drop         = nft.Verdict{Kind: nft.Drop}
	adminReject  = nft.Reject{With: nft.RejectICMPX, Code: nft.ICMPXAdminProhibited}
	mappedRanges = []string{"::/96", "::ffff:0.0.0.0/96", "2002::/24", "2002:a00::/24", "2002:7f00::/24", "2002:a9fe::/32", "2002:ac10::/28", "2002:c0a8::/32", "2002:e000::/19"}
)

func jump(chain string) nft.Rule { return nft.Rule{nft.Verdict{Kind: nft.Jump, Chain: chain}} }

// Compile makes the ruleset of the state.
func (s *State) Compile() *nft.Ruleset {
	s.meet()
	c := &compiler{State: s, t: &nft.Table{Family: "inet", Name: "firewalld"}, chains: map[string]*nft.Chain{}, made: map[string]bool{}}
	for _, name := range s.Used {
		if set := s.IPSets[name]; set != nil && len(set.Parts()) == 1 {
			c.t.Sets = append(c.t.Sets, compileSet(set))
		}
	}
	c.base()
	for _, z := range s.Applied[:s.BeforePolicies] {
		c.zone(s.Zones[z])
	}
	c.policies()
	for _, z := range s.Applied[s.BeforePolicies:] {
		c.zone(s.Zones[z])
	}
	c.dispatch()
	r := &nft.Ruleset{Tables: []*nft.Table{c.t}}
	if d := s.compileDirect(); d != nil {
		r.Tables = append(d, r.Tables...)
	}
	if s.Panic {
		var chains []*nft.Chain
		for _, h := range []nft.Hook{nft.Prerouting, nft.Output} {
			chains = append(chains, &nft.Chain{Name: "raw_" + h.String(), Base: &nft.Base{Type: "filter", Hook: h, Priority: -291, Drop: true}})
		}
		r.Tables = append(r.Tables, &nft.Table{Family: "inet", Name: "firewalld_policy_drop", Chains: chains})
	}
	return r
}

func (c *compiler) chain(name string, base *nft.Base, rules ...nft.Rule) {
	ch := &nft.Chain{Name: name, Base: base, Rules: rules}
	c.t.Chains = append(c.t.Chains, ch)
	c.chains[name] = ch
}

// add appends a rule, once: two things that come to the same rule share it. A
// chain that is not there takes none.
func (c *compiler) add(chain string, rule ...nft.Expr) { c.addApart("", chain, rule...) }

// addApart is add for rules that share none with those of another whose.
func (c *compiler) addApart(whose, chain string, rule ...nft.Expr) {
	key := whose + " " + chain + " " + nft.Rule(rule).String()
	if ch := c.chains[chain]; ch != nil && !c.made[key] {
		ch.Rules = append(ch.Rules, nft.Rule(rule))
		c.made[key] = true
	}
}

// denied returns the statements that log what is about to be refused, and false
// when nothing is to be logged. Packets to one host, to all and to groups are
// told apart by how the link addressed them.
func (c *compiler) denied(prefix string) (nft.Rule, bool) {
	log := nft.Log{Prefix: prefix + ": ", Level: nft.LogWarning}
	kinds := map[string]nft.LinkType{"unicast": nft.ToHost, "broadcast": nft.Broadcast, "multicast": nft.Multicast}
	if kind, ok := kinds[c.Denied]; ok {
		return nft.Rule{nft.PktType{Type: kind}, log}, true
	}
	return nft.Rule{log}, c.Denied == "all"
}

// base makes the chains at the hooks.
func (c *compiler) base() {
	stages := func(table, hook string) {
		c.chain(table+"_"+hook+"_POLICIES_pre", nil)
		c.chain(table+"_"+hook+"_ZONES", nil)
		c.chain(table+"_"+hook+"_POLICIES_post", nil)
	}
	c.chain("mangle_PREROUTING", &nft.Base{Type: "filter", Hook: nft.Prerouting, Priority: -140}, jump("mangle_PREROUTING_ZONES"))
	stages("mangle", "PREROUTING")
	c.chain("nat_PREROUTING", &nft.Base{Type: "nat", Hook: nft.Prerouting, Priority: -90}, jump("nat_PREROUTING_ZONES"))
	stages("nat", "PREROUTING")
	c.chain("nat_POSTROUTING", &nft.Base{Type: "nat", Hook: nft.Postrouting, Priority: 110}, jump("nat_POSTROUTING_ZONES"))
	stages("nat", "POSTROUTING")
	c.chain("nat_OUTPUT", &nft.Base{Type: "nat", Hook: nft.Output, Priority: -90}, jump("nat_OUTPUT_POLICIES_pre"), jump("nat_OUTPUT_POLICIES_post"))
	c.chain("nat_OUTPUT_POLICIES_pre", nil)
	c.chain("nat_OUTPUT_POLICIES_post", nil)

	c.chain("filter_PREROUTING", &nft.Base{Type: "filter", Hook: nft.Prerouting, Priority: 10})
	if c.RPFilter {
		c.add("filter_PREROUTING", nft.ICMPType{V6: true, Types: []uint8{134, 135}}, accept)
		rule := nft.Rule{nft.NFProto{Family: nft.IPv6}, nft.RPFilter{}}
		if c.Denied != "off" {
			rule = append(rule, nft.Log{Prefix: "rpfilter_DROP: ", Level: nft.LogWarning})
		}
		c.add("filter_PREROUTING", append(rule, drop)...)
	}
	filter := func(name string, hook nft.Hook) { c.chain(name, &nft.Base{Type: "filter", Hook: hook, Priority: 10}) }
	filter("filter_INPUT", nft.Input)
	filter("filter_FORWARD", nft.Forward)
	filter("filter_OUTPUT", nft.Output)
	for _, name := range []string{"filter_INPUT", "filter_FORWARD"} {
		c.add(name, nft.CTState{States: []nft.State{nft.Established, nft.Related}}, accept)
		c.add(name, nft.CTStatusDNAT{}, accept)
		c.add(name, nft.IfName{Name: "lo"}, accept)
		invalid := nft.CTState{States: []nft.State{nft.Invalid}}
		if log, ok := c.denied("STATE_INVALID_DROP"); ok {
			c.add(name, append(nft.Rule{invalid}, log...)...)
		}
		c.add(name, invalid, drop)
		if name == "filter_FORWARD" {
			c.mapped(name)
		}
		c.chains[name].Rules = append(c.chains[name].Rules, jump(name+"_ZONES"))
		if log, ok := c.denied("FINAL_REJECT"); ok {
			c.add(name, log...)
		}
		c.add(name, adminReject)
	}
	c.add("filter_OUTPUT", nft.CTState{States: []nft.State{nft.Established, nft.Related}}, accept)
	c.add("filter_OUTPUT", nft.IfName{Out: true, Name: "lo"}, accept)
	c.mapped("filter_OUTPUT")
	out := c.chains["filter_OUTPUT"]
	out.Rules = append(out.Rules, jump("filter_OUTPUT_POLICIES_pre"), jump("filter_OUTPUT_POLICIES_post"))
	stages("filter", "INPUT")
	stages("filter", "FORWARD")
	c.chain("filter_OUTPUT_POLICIES_pre", nil)
	c.chain("filter_OUTPUT_POLICIES_post", nil)
}

// mapped refuses IPv6 addresses that stand for IPv4 ones of no public host (RFC 3964).
func (c *compiler) mapped(chain string) {
	if !c.RFC3964 {
		return
	}
	var list []netip.Prefix
	for _, s := range mappedRanges {
		list = append(list, netip.MustParsePrefix(s))
	}
	rule := nft.Rule{nft.Addr{Dst: true, Prefixes: list}}
	if c.Denied == "all" || c.Denied == "unicast" {
		rule = append(rule, nft.Log{Prefix: "RFC3964_IPv4_REJECT: ", Level: nft.LogWarning})
	}
	c.add(chain, append(rule, nft.Reject{With: nft.RejectICMPv6, Code: 3})...)
}

// sections are the parts of a zone's or policy's chain, in their order.
var sections = []string{"pre", "log", "deny", "allow", "post"}

// chainSet makes the chain of a zone or policy and those of its sections.
// policies is the hook whose policies run around it; "" is none.
func (c *compiler) chainSet(name, policies string, end ...nft.Rule) {
	var rules []nft.Rule
	if policies != "" {
		rules = append(rules, jump(policies+"_POLICIES_pre"))
	}
	for _, s := range sections {
		rules = append(rules, jump(name+"_"+s))
	}
	if policies != "" {
		rules = append(rules, jump(policies+"_POLICIES_post"))
	}
	c.chain(name, nil, append(rules, end...)...)
	for _, s := range sections {
		c.chain(name+"_"+s, nil)
	}
}

// dispatch sends packets to the chains of their zone: first by source, by the
// names of the zones, then by interface, the newest first, then to the default.
func (c *compiler) dispatch() {
	kinds := []struct {
		chain, zone string
		out         bool
	}{
		{"mangle_PREROUTING_ZONES", "mangle_PRE_", false}, {"nat_PREROUTING_ZONES", "nat_PRE_", false},
		{"nat_POSTROUTING_ZONES", "nat_POST_", true},
		{"filter_INPUT_ZONES", "filter_IN_", false}, {"filter_FORWARD_ZONES", "filter_FWD_", false},
	}
	names := slices.Sorted(slices.Values(c.Applied))
	for _, k := range kinds {
		for _, z := range names {
			sources := c.Zones[z].Values(conf.KindSource)
			slices.Sort(sources)
			for _, s := range sources {
				if m, ok := c.sourceMatch(s, k.out); ok {
					c.add(k.chain, m, nft.Verdict{Kind: nft.Goto, Chain: k.zone + z})
				}
			}
		}
		for i := len(c.Bound) - 1; i >= 0; i-- {
			for _, z := range names {
				if c.Zones[z].Has(conf.KindInterface, c.Bound[i]) {
					c.add(k.chain, ifName(c.Bound[i], k.out), nft.Verdict{Kind: nft.Goto, Chain: k.zone + z})
				}
			}
		}
		c.add(k.chain, nft.Verdict{Kind: nft.Goto, Chain: k.zone + c.Default})
	}
}

// ifName matches an interface; a "+" at its end stands for any.
func ifName(name string, out bool) nft.Expr {
	return nft.IfName{Out: out, Name: strings.Replace(name, "+", "*", 1)}
}

// sourceMatch matches a zone's source; as a destination when out is set. A MAC
// address cannot be matched on the way out.
func (c *compiler) sourceMatch(s string, out bool) (nft.Expr, bool) {
	src, err := conf.ParseSource(s)
	switch {
	case err != nil:
		return nil, false
	case src.IsMAC:
		return nft.EtherSource{Addr: src.Mac}, !out
	case src.Ipset != "":
		return c.setMatch(src.Ipset, out, false)
	}
	return addrMatch(out, false, src.Prefix), true
}

func (c *compiler) setMatch(name string, dst, not bool) (nft.Expr, bool) {
	set := c.IPSets[name]
	switch {
	case set == nil || len(set.Parts()) > 1:
		return nil, false
	case set.Type == "hash:mac":
		return nft.EtherSource{Set: name, Not: not}, !dst
	}
	return nft.Addr{Dst: dst, Not: not, Set: name, V6: set.Family() == "inet6"}, true
}

func addrMatch(dst, not bool, p netip.Prefix) nft.Expr {
	return nft.Addr{Dst: dst, Not: not, Prefixes: []netip.Prefix{p}}
}

func portMatch(p conf.Port, source bool) nft.Expr {
	return nft.Port{Proto: conf.PortProtocols[p.Proto], Source: source, Lo: p.Lo, Hi: p.Hi}
}

// compileSet makes the set of an ipset.
func compileSet(s *conf.IPSet) *nft.Set {
	k := &nft.Set{Name: s.Name, Type: "ipv4_addr", Interval: true}
	if s.Family() == "inet6" {
		k.Type = "ipv6_addr"
	}
	if s.Type == "hash:mac" {
		k.Type, k.Interval = "ether_addr", false
	}
	for _, e := range s.Entries {
		if m, ok := conf.ParseMAC(e); ok {
			k.MACs = append(k.MACs, m)
		} else if p, ok := conf.ParseAddress(e); ok {
			k.Prefixes = append(k.Prefixes, p)
		}
	}
	return k
}

// icmpMatch returns the expressions that match the type, one a family that has it;
// family 0 is both.
func icmpMatch(t conf.ICMPType, family uint8) []nft.Expr {
	var list []nft.Expr
	for _, f := range []struct {
		family uint8
		m      *conf.ICMPMessage
	}{{nft.IPv4, t.V4}, {nft.IPv6, t.V6}} {
		if f.m != nil && (family == 0 || family == f.family) {
			list = append(list, nft.ICMPType{V6: f.family == nft.IPv6, Types: []uint8{f.m.Kind}, HasCode: f.m.HasCode, Code: f.m.Code})
		}
	}
	return list
}
