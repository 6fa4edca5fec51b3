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

// meet brings Met up to date.
func (s *State) meet() {
	s.Met = slices.DeleteFunc(s.Met, func(name string) bool { return s.Policies[name] == nil || !s.Active(s.Policies[name]) })
	for _, name := range slices.Sorted(maps.Keys(s.Policies)) {
		if s.Active(s.Policies[name]) && !slices.Contains(s.Met, name) {
			s.Met = append(s.Met, name)
		}
	}
}

// Fits refuses a policy with rules for which its packets pass no chain.
func (s *State) Fits(p *conf.Policy) error {
	hooks := s.hooks(p)
	natted := slices.Contains(hooks, natIn) || slices.Contains(hooks, natOut)
	for _, e := range p.Elements {
		marks, forwards := false, e.Kind == conf.KindForwarding
		if r, err := conf.ParseRule(e.Value); e.Kind == conf.KindRule && err == nil {
			marks = r.Action != nil && r.Action.Kind == "mark"
			forwards = r.Element != nil && r.Element.Kind == conf.KindForwarding
		}
		missing := ""
		switch {
		case marks && slices.Contains(hooks, outHook):
			return conf.Fail("INVALID_POLICY", "Can't convert policy to chain name: "+p.Name+", mangle, False")
		case marks && !slices.Contains(hooks, mangleIn):
			missing = mangleIn.chain
		case forwards && !natted:
			missing = natIn.chain
		}
		if missing != "" && s.Active(p) {
			return conf.Fail("COMMAND_FAILED", "'python-nftables' failed: internal:0:0-0: Error: No such file or directory: chain '"+missing+"_policy_"+p.Name+"_allow'")
		}
	}
	return nil
}

// policies makes the chains of the policies that are met, and sends packets to
// them by priority.
func (c *compiler) policies() {
	for _, name := range c.Met {
		c.policy(c.Policies[name])
	}
	met := slices.Clone(c.Met)
	slices.SortStableFunc(met, func(a, b string) int { return cmp.Compare(c.Policies[a].Priority, c.Policies[b].Priority) })
	for _, name := range met {
		p := c.Policies[name]
		when := "pre"
		if p.Priority > 0 {
			when = "post"
		}
		for _, h := range c.hooks(p) {
			for _, match := range c.between(p) {
				c.add(h.around+"_POLICIES_"+when, append(match, nft.Verdict{Kind: nft.Jump, Chain: h.chain + "_policy_" + name})...)
			}
		}
	}
}

// policy makes the chains of a policy and its rules.
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
