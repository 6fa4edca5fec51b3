package rules

import (
	"cmp"
	"maps"
	"slices"

	"enshu/sim/firewalld/conf"
	"enshu/sim/nft"
)

// policyHook is where packets meet a policy: one of its chains, and the chain
// with which zones begin and end.
type policyHook struct{ chain, around string }

var (
	inHook      = policyHook{"filter_IN", "filter_INPUT"}
	forwardHook = policyHook{"filter_FWD", "filter_FORWARD"}
	outHook     = policyHook{"filter_OUT", "filter_OUTPUT"}
	natIn       = policyHook{"nat_PRE", "nat_PREROUTING"}
	natOut      = policyHook{"nat_OUT", "nat_OUTPUT"}
	natPost     = policyHook{"nat_POST", "nat_POSTROUTING"}
	mangleIn    = policyHook{"mangle_PRE", "mangle_PREROUTING"}
)

// hooks are those that packets from some zones to others go through, in the
// order in which the policy gets its chains. Before routing, where a packet goes
// out is not known: then only sources tell the zone it goes to.
func (s *State) hooks(p *conf.Policy) []policyHook {
	in, out := p.Values(conf.KindIngress), p.Values(conf.KindEgress)
	switch {
	case slices.Contains(out, conf.HostZone) && slices.Contains(in, conf.AnyZone):
		return []policyHook{inHook, natIn, mangleIn}
	case slices.Contains(out, conf.HostZone):
		return []policyHook{inHook}
	case slices.Contains(in, conf.HostZone):
		return []policyHook{outHook, natOut}
	case slices.Contains(in, conf.AnyZone) && slices.Contains(out, conf.AnyZone):
		return []policyHook{forwardHook, natIn, natPost, mangleIn}
	case slices.Contains(out, conf.AnyZone):
		return []policyHook{forwardHook, natIn, mangleIn, natPost}
	}
	for _, z := range out {
		if zone := s.Zones[z]; zone != nil && len(zone.Values(conf.KindInterface)) > 0 {
			return []policyHook{forwardHook, natPost}
		}
	}
	return []policyHook{forwardHook, natPost, natIn, mangleIn}
}

// Active reports whether packets can meet a policy: something is bound to a zone
// on each of its sides.
func (s *State) Active(p *conf.Policy) bool {
	bound := func(name string) bool {
		z := s.Zones[name]
		return name == conf.AnyZone || name == conf.HostZone ||
			z != nil && len(z.Values(conf.KindInterface))+len(z.Values(conf.KindSource)) > 0
	}
	return slices.ContainsFunc(p.Values(conf.KindIngress), bound) && slices.ContainsFunc(p.Values(conf.KindEgress), bound)
}

// policies makes the chains of the policies that are active, and sends packets to
// them: by priority, and by name when that is equal.
func (c *compiler) policies() {
	list := slices.Collect(maps.Values(c.Policies))
	slices.SortFunc(list, func(a, b *conf.Policy) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.Name, b.Name))
	})
	for _, p := range list {
		if c.Active(p) {
			c.policy(p)
		}
	}
}

func (c *compiler) policy(p *conf.Policy) {
	name := "_policy_" + p.Name
	rules := part{Zone: &p.Zone, pre: "nat_PRE" + name, post: "nat_POST" + name, mangle: "mangle_PRE" + name, blocked: "filter_" + p.Name + "_ICMP_BLOCK"}
	for _, h := range c.hooks(p) {
		chain := h.chain + name
		switch h {
		case inHook, forwardHook, outHook:
			rules.filter, rules.clamped = chain, chain
			c.chainSet(chain, "", c.ending(chain, p.Target)...)
		case natOut:
			rules.pre = chain
			c.chainSet(chain, "")
		default:
			c.chainSet(chain, "")
		}
		when := "pre"
		if p.Priority > 0 {
			when = "post"
		}
		for _, match := range c.between(p) {
			c.add(h.around+"_POLICIES_"+when, append(match, nft.Verdict{Kind: nft.Jump, Chain: chain})...)
		}
	}
	c.elements(rules)
}

// between are the matches of packets that go from the policy's zones to its
// others: each way in with each way out.
func (c *compiler) between(p *conf.Policy) []nft.Rule {
	var list []nft.Rule
	for _, in := range c.side(p.Values(conf.KindIngress), false) {
		for _, out := range c.side(p.Values(conf.KindEgress), true) {
			list = append(list, append(slices.Clone(in), out...))
		}
	}
	return list
}

// side are the matches of what is bound to zones: interfaces, then sources. That
// of a zone that is everything is empty.
func (c *compiler) side(zones []string, out bool) []nft.Rule {
	var interfaces, sources []nft.Rule
	for _, name := range zones {
		if name == conf.AnyZone || name == conf.HostZone {
			return []nft.Rule{{}}
		}
		z := c.Zones[name]
		if z == nil {
			continue
		}
		for _, i := range z.Values(conf.KindInterface) {
			interfaces = append(interfaces, nft.Rule{ifName(i, out)})
		}
		for _, s := range z.Values(conf.KindSource) {
			if m, ok := c.sourceMatch(s, out); ok {
				sources = append(sources, nft.Rule{m})
			}
		}
	}
	return append(interfaces, sources...)
}
