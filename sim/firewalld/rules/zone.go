package rules

import (
	"net/netip"
	"slices"
	"strconv"

	"enshu/sim/firewalld/conf"
	"enshu/sim/nft"
)

// part is what elements come to rules for: a zone or a policy, with the chains
// that its rules go to. A chain that it does not have takes none.
type part struct {
	*conf.Zone
	filter  string // what is let by and refused
	clamped string // sizes of TCP segments
	forward string // what is let by between the interfaces of a zone
	pre     string // forwarded ports
	post    string // masquerading
	mangle  string // marks
	blocked string // prefix under which blocked ICMP messages are logged
}

// sectionOf is the chain of a section of one of the part's chains.
func sectionOf(chain, section string) string { return chain + "_" + section }

// ending are the rules at the end of a chain that do what a target says, and log
// it when it refuses.
func (c *compiler) ending(chain, target string) []nft.Rule {
	word, verdict := "REJECT", nft.Expr(adminReject)
	switch target {
	case "ACCEPT":
		return []nft.Rule{{accept}}
	case "CONTINUE":
		return nil
	case "DROP":
		word, verdict = "DROP", drop
	}
	var rules []nft.Rule
	if log, ok := c.denied(chain + "_" + word); ok {
		rules = append(rules, log)
	}
	return append(rules, nft.Rule{verdict})
}

// zone makes the chains of a zone and its rules.
func (c *compiler) zone(z *conf.Zone) {
	var end []nft.Rule
	p := part{Zone: z, filter: "filter_IN_" + z.Name, clamped: "filter_FWD_" + z.Name, forward: "filter_FWD_" + z.Name,
		pre: "nat_PRE_" + z.Name, post: "nat_POST_" + z.Name, mangle: "mangle_PRE_" + z.Name,
		blocked: "filter_zone_" + z.Name + "_HOST_ICMP_BLOCK"}
	icmp := nft.L4Proto{Protos: []uint8{nft.ProtoICMP, nft.ProtoICMPv6}}
	if z.Target == "default" {
		// Everything about ICMP is let by, or nothing when the blocks are inverted.
		if z.Has(conf.KindInversion, "") {
			if log, ok := c.denied(p.blocked); ok {
				end = append(end, append(nft.Rule{icmp}, log...))
			}
			end = append(end, nft.Rule{icmp, adminReject})
		} else {
			end = append(end, nft.Rule{icmp, accept})
		}
	}
	c.chainSet(p.filter, "filter_INPUT", append(end, c.ending(p.filter, z.Target)...)...)
	c.chainSet(p.post, "nat_POSTROUTING")
	c.chainSet(p.forward, "filter_FORWARD", c.ending(p.forward, z.Target)...)
	c.chainSet(p.pre, "nat_PREROUTING")
	c.chainSet(p.mangle, "mangle_PREROUTING")
	c.elements(p)
}

// elements makes the rules of a part's elements: rich rules with a priority
// last, for they have chains of their own.
func (c *compiler) elements(p part) {
	for _, e := range p.Elements {
		c.element(p, e)
	}
	for _, r := range p.Rules() {
		if r.Priority != 0 {
			c.rich(p, r)
		}
	}
}

// element makes the rules of one element.
func (c *compiler) element(p part, e conf.Element) {
	allow := sectionOf(p.filter, "allow")
	switch e.Kind {
	case conf.KindService:
		c.service(allow, nil, 0, e.Value, func(match nft.Rule) { c.add(allow, append(match, accept)...) })
	case conf.KindPort, conf.KindSourcePort:
		if port, err := conf.ParsePort(e.Value); err == nil {
			c.add(allow, portMatch(port, e.Kind == conf.KindSourcePort), accept)
		}
	case conf.KindProtocol:
		if n, ok := nft.ProtocolNumber(e.Value); ok {
			c.add(allow, nft.L4Proto{Protos: []uint8{n}}, accept)
		}
	case conf.KindICMPBlock:
		c.icmpBlock(p, nil, 0, e.Value, false)
	case conf.KindMasquerade:
		c.masquerade(p, nft.IPv4, nil, false)
	case conf.KindForwarding:
		if f, err := conf.ParseForwardPort(e.Value); err == nil {
			c.forwardPort(p, nil, f)
		}
	case conf.KindInterface:
		if p.Has(conf.KindForward, "") {
			c.add(sectionOf(p.forward, "allow"), ifName(e.Value, true), accept)
		}
	case conf.KindRule:
		if r, err := conf.ParseRule(e.Value); err == nil && r.Priority == 0 {
			c.rich(p, r)
		}
	case conf.KindSource:
		if m, ok := c.sourceMatch(e.Value, true); ok && p.Has(conf.KindForward, "") {
			c.add(sectionOf(p.forward, "allow"), m, accept)
		}
	}
}

// service calls rule with the match of every port of a service, included ones
// first, and attaches the service's helpers in the chain helped. Family 0 is both.
func (c *compiler) service(helped string, match nft.Rule, family uint8, name string, rule func(nft.Rule)) {
	c.serviceOnce(helped, match, family, name, rule, map[string]bool{})
}

func (c *compiler) serviceOnce(helped string, match nft.Rule, family uint8, name string, rule func(nft.Rule), seen map[string]bool) {
	s := c.State.Service(name)
	if s == nil || seen[name] {
		return
	}
	seen[name] = true
	for _, i := range s.Includes {
		c.serviceOnce(helped, match, family, i, rule, seen)
	}
	bases := []nft.Rule{slices.Clone(match)}
	if len(s.Destination) > 0 {
		bases = nil
		for _, f := range []string{"ipv4", "ipv6"} {
			if p, ok := conf.ParseAddress(s.Destination[f]); ok && (family == 0 || family == familyNumbers[f]) {
				bases = append(bases, append(slices.Clone(match), addrMatch(true, false, p)))
			}
		}
	}
	for _, h := range s.Helpers {
		c.helper(helped, match, h, s)
	}
	each := func(m nft.Expr) {
		for _, b := range bases {
			rule(append(slices.Clone(b), m))
		}
	}
	for _, p := range s.Ports {
		each(portMatch(p, false))
	}
	for _, p := range s.Protocols {
		if n, ok := nft.ProtocolNumber(p); ok {
			each(nft.L4Proto{Protos: []uint8{n}})
		}
	}
	for _, p := range s.SourcePorts {
		each(portMatch(p, true))
	}
}

// helper attaches a connection tracking helper to the ports of a service.
func (c *compiler) helper(chain string, match nft.Rule, name string, s *conf.Service) {
	h := c.Helper(name)
	for _, p := range s.Ports {
		if h == nil || c.chains[chain] == nil || !slices.ContainsFunc(h.Ports, func(q conf.Port) bool { return q.Proto == p.Proto }) {
			continue
		}
		object := "helper-" + name + "-" + p.Proto
		if !slices.ContainsFunc(c.t.Helpers, func(o nft.Helper) bool { return o.Name == object }) {
			l3 := "inet"
			if h.Family == "ipv4" {
				l3 = "ip"
			}
			c.t.Helpers = append(c.t.Helpers, nft.Helper{Name: object, Type: h.Type(), Protocol: p.Proto, L3: l3})
		}
		c.add(chain, append(slices.Clone(match), portMatch(p, false), nft.SetHelper{Name: object})...)
	}
}

// icmpBlock refuses a type of ICMP messages, or lets it by when the zone's
// blocks are inverted. What a rich rule refuses is not logged as denied.
func (c *compiler) icmpBlock(p part, match nft.Rule, family uint8, name string, rich bool) {
	for _, m := range icmpMatch(c.ICMPType(name), family) {
		rule := append(slices.Clone(match), m)
		if p.Has(conf.KindInversion, "") {
			c.add(sectionOf(p.filter, "allow"), append(rule, accept)...)
			continue
		}
		deny := sectionOf(p.filter, "deny")
		if log, ok := c.denied(p.blocked); ok && !rich {
			c.add(deny, append(slices.Clone(rule), log...)...)
		}
		c.add(deny, append(rule, adminReject)...)
	}
}

// masquerade rewrites sources of a family, of both if it is 0. That of a rich
// rule shares no rule with that of the zone.
func (c *compiler) masquerade(p part, family uint8, match nft.Rule, rich bool) {
	rule := slices.Clone(match)
	if family != 0 {
		rule = append(nft.Rule{nft.NFProto{Family: family}}, match...)
	}
	rule = append(rule, nft.IfName{Out: true, Not: true, Name: "lo"}, nft.Masquerade{})
	if !rich {
		c.add(sectionOf(p.post, "allow"), rule...)
		return
	}
	c.addApart("rich", sectionOf(p.post, "allow"), rule...)
}

func (c *compiler) forwardPort(p part, match nft.Rule, f conf.ForwardPort) {
	lo, hi, _, _ := conf.PortRange(f.ToPort)
	if hi == lo {
		hi = 0
	}
	to := nft.Expr(nft.Redirect{Port: lo, Last: hi})
	family := uint8(nft.IPv4)
	if a, err := netip.ParseAddr(f.ToAddr); err == nil {
		to = nft.DNAT{Addr: a, Port: lo, Last: hi}
		if a.Is6() {
			family = nft.IPv6
		}
	}
	rule := append(nft.Rule{nft.NFProto{Family: family}}, match...)
	c.add(sectionOf(p.pre, "allow"), append(rule, portMatch(f.Port, false), to)...)
}

var familyNumbers = map[string]uint8{"ipv4": nft.IPv4, "ipv6": nft.IPv6}

// ruleFamily is the family of a rich rule, 0 for both.
func ruleFamily(r *conf.Rule) uint8 { return familyNumbers[r.Family] }

// match is what a rich rule asks of addresses; not ok means that it can match
// nothing.
func (c *compiler) match(r *conf.Rule) (rule nft.Rule, ok bool) {
	addressed := false
	for _, a := range []struct {
		addr *conf.RuleAddr
		dst  bool
	}{{r.Source, false}, {r.Destination, true}} {
		if a.addr == nil {
			continue
		}
		switch {
		case a.addr.Addr != "":
			p, ok := conf.ParseAddress(a.addr.Addr)
			if !ok {
				return nil, false
			}
			rule, addressed = append(rule, addrMatch(a.dst, a.addr.Not, p)), true
		case a.addr.MAC != "":
			m, _ := conf.ParseMAC(a.addr.MAC)
			rule = append(rule, nft.EtherSource{Addr: m, Not: a.addr.Not})
		default:
			e, ok := c.setMatch(a.addr.IPSet, a.dst, a.addr.Not)
			if !ok {
				return nil, false
			}
			rule = append(rule, e)
		}
	}
	if f := ruleFamily(r); f != 0 && !addressed {
		rule = append(nft.Rule{nft.NFProto{Family: f}}, rule...)
	}
	return rule, true
}

// rich makes the rules of a rich rule.
func (c *compiler) rich(p part, r *conf.Rule) {
	match, ok := c.match(r)
	if !ok {
		return
	}
	var matches []nft.Rule
	with := func(e nft.Expr) { matches = append(matches, append(slices.Clone(match), e)) }
	if e := r.Element; e == nil {
		matches = append(matches, match)
	} else {
		switch e.Kind {
		case "service":
			helped := sectionOf(p.filter, section(r, "allow"))
			if r.Action == nil || r.Action.Kind != "accept" {
				helped = "" // a chain that is not there
			}
			c.service(helped, match, ruleFamily(r), e.Attrs.Get("name"), func(m nft.Rule) { matches = append(matches, m) })
		case "port", "source-port":
			if port, err := conf.ParsePort(e.Attrs.Get("port") + "/" + e.Attrs.Get("protocol")); err == nil {
				with(portMatch(port, e.Kind == "source-port"))
			}
		case "protocol":
			if n, ok := nft.ProtocolNumber(e.Attrs.Get("value")); ok {
				with(nft.L4Proto{Protos: []uint8{n}})
			}
		case "icmp-type":
			for _, m := range icmpMatch(c.ICMPType(e.Attrs.Get("name")), ruleFamily(r)) {
				with(m)
			}
		case "icmp-block":
			c.icmpBlock(p, match, ruleFamily(r), e.Attrs.Get("name"), true)
		case "tcp-mss-clamp":
			size, _ := strconv.ParseUint(e.Attrs.Get("value"), 10, 16) // 0 of "pmtu"
			c.add(sectionOf(p.clamped, section(r, "allow")), append(slices.Clone(match), nft.ClampMSS{Size: uint16(size)})...)
		case "masquerade":
			c.masquerade(p, ruleFamily(r), withoutFamily(match), true)
		case "forward-port":
			if f, err := e.ForwardPort(); err == nil {
				c.forwardPort(p, withoutFamily(match), f)
			}
		}
	}
	for _, m := range matches {
		c.richLog(p, r, m)
	}
	for _, m := range matches {
		c.richAction(p, r, m)
	}
}

func withoutFamily(match nft.Rule) nft.Rule {
	return slices.DeleteFunc(slices.Clone(match), func(e nft.Expr) bool { _, ok := e.(nft.NFProto); return ok })
}

// section is where a part of the rule goes: rules with a priority have places
// of their own before and after all others.
func section(r *conf.Rule, normal string) string {
	switch {
	case r.Priority < 0:
		return "pre"
	case r.Priority > 0:
		return "post"
	}
	return normal
}

func limited(rule nft.Rule, limit string) nft.Rule {
	m := conf.LimitText.FindStringSubmatch(limit)
	if m == nil {
		return rule
	}
	n, _ := strconv.ParseUint(m[1], 10, 32)
	unit := map[byte]string{'s': "second", 'm': "minute", 'h': "hour", 'd': "day"}[m[2][0]]
	return append(rule, nft.Limit{Rate: n, Unit: unit})
}

func (c *compiler) richLog(p part, r *conf.Rule, match nft.Rule) {
	chain := sectionOf(p.filter, section(r, "log"))
	if l := r.Log; l != nil {
		level := nft.LogWarning
		if i := slices.Index(conf.LogLevels, l.Level); i >= 0 {
			level = nft.LogLevel(i)
		}
		c.add(chain, append(limited(slices.Clone(match), l.Limit), nft.Log{Prefix: l.Prefix, Level: level})...)
	}
	if l := r.NFLog; l != nil {
		group, _ := strconv.ParseUint(l.Group, 10, 16)
		threshold, _ := strconv.ParseUint(l.QueueSize, 10, 16)
		c.add(chain, append(limited(slices.Clone(match), l.Limit), nft.NFLog{Prefix: l.Prefix, Group: uint16(group), Threshold: uint16(threshold)})...)
	}
	if r.Audit != nil {
		c.add(chain, append(limited(slices.Clone(match), r.Audit.Limit), nft.Log{Level: nft.LogAudit})...)
	}
}

// rejectCodes are the reject types of the rich language.
var rejectCodes = map[string]uint8{
	"icmp-net-unreachable": 0, "net-unreach": 0, "icmp-host-unreachable": 1, "host-unreach": 1, "icmp-proto-unreachable": 2, "proto-unreach": 2,
	"icmp-port-unreachable": 3, "port-unreach": 3, "icmp-net-prohibited": 9, "net-prohib": 9, "icmp-host-prohibited": 10, "host-prohib": 10,
	"icmp-admin-prohibited": 13, "admin-prohib": 13,
}

var rejectCodes6 = map[string]uint8{
	"icmp6-no-route": 0, "no-route": 0, "icmp6-adm-prohibited": 1, "adm-prohibited": 1, "icmp6-addr-unreachable": 3, "addr-unreach": 3,
	"icmp6-port-unreachable": 4, "port-unreach": 4,
}

// defaultReject is "reject" without a type.
func defaultReject(family string) nft.Expr {
	switch family {
	case "ipv4":
		return nft.Reject{With: nft.RejectICMP, Code: 3}
	case "ipv6":
		return nft.Reject{With: nft.RejectICMPv6, Code: 4}
	}
	return nft.Reject{With: nft.RejectICMPX, Code: nft.ICMPXPortUnreachable}
}

func reject(r *conf.Rule) nft.Expr {
	kind := r.Action.Value
	switch {
	case kind == "":
		return defaultReject(r.Family)
	case kind == "tcp-reset" || kind == "tcp-rst":
		return nft.Reject{With: nft.RejectTCPRst}
	case r.Family == "ipv6":
		return nft.Reject{With: nft.RejectICMPv6, Code: rejectCodes6[kind]}
	}
	return nft.Reject{With: nft.RejectICMP, Code: rejectCodes[kind]}
}

// onlyTCP reports whether an expression matches TCP alone.
func onlyTCP(e nft.Expr) bool {
	switch e := e.(type) {
	case nft.L4Proto:
		return slices.Equal(e.Protos, []uint8{nft.ProtoTCP})
	case nft.Port:
		return e.Proto == nft.ProtoTCP
	}
	return false
}

func (c *compiler) richAction(p part, r *conf.Rule, match nft.Rule) {
	if r.Action == nil {
		return
	}
	rule := limited(slices.Clone(match), r.Action.Limit)
	switch r.Action.Kind {
	case "accept":
		c.add(sectionOf(p.filter, section(r, "allow")), append(rule, accept)...)
	case "drop":
		c.add(sectionOf(p.filter, section(r, "deny")), append(rule, drop)...)
	case "reject":
		with := reject(r)
		if with == (nft.Reject{With: nft.RejectTCPRst}) && !slices.ContainsFunc(rule, onlyTCP) {
			rule = append(nft.Rule{nft.L4Proto{Protos: []uint8{nft.ProtoTCP}}}, rule...) // as nft(8) adds it
		}
		c.add(sectionOf(p.filter, section(r, "deny")), append(rule, with)...)
	case "mark":
		value, mask, _ := conf.ParseMark(r.Action.Value)
		if mask == 1<<32-1 {
			mask = 0
		}
		c.add(sectionOf(p.mangle, section(r, "allow")), append(rule, nft.SetMark{Mark: value, Keep: mask})...)
	}
}
