package kernel

import (
	"net/netip"
	"testing"

	"enshu/sim/nft"
)

// icmpError is the IPv4 error of a type and code that from sends about a packet.
func icmpError(from netip.Addr, kind, code byte, about nft.Packet) []byte {
	p := nft.Packet{Proto: nft.ProtoICMP, ICMPType: kind, ICMPCode: code, Src: from, Dst: about.Src}
	return append(p.Bytes(), about.Bytes()...)
}

func TestRefusedBy(t *testing.T) {
	client, server, other := netip.MustParseAddr("192.0.2.20"), netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("198.51.100.7")
	admin := nft.Reject{With: nft.RejectICMPX, Code: nft.ICMPXAdminProhibited}
	rules := func(log bool) *nft.Ruleset {
		in := []nft.Rule{{nft.IfName{Name: "eth1"}, nft.Verdict{Kind: nft.Goto, Chain: "filter_IN_home"}}, {nft.Verdict{Kind: nft.Goto, Chain: "filter_IN_public"}}}
		public := []nft.Rule{{nft.Port{Proto: nft.ProtoTCP, Lo: 22, Hi: 22}, nft.Verdict{Kind: nft.Accept}}}
		if log {
			public = append(public, nft.Rule{nft.Log{Prefix: "filter_IN_public_REJECT: ", Level: nft.LogWarning}})
		}
		return &nft.Ruleset{Tables: []*nft.Table{{Family: "inet", Name: "firewalld", Chains: []*nft.Chain{
			{Name: "filter_INPUT", Base: &nft.Base{Type: "filter", Hook: nft.Input}, Rules: in},
			{Name: "filter_FORWARD", Base: &nft.Base{Type: "filter", Hook: nft.Forward}, Rules: []nft.Rule{{admin}}},
			{Name: "filter_IN_home", Rules: []nft.Rule{{admin}}},
			{Name: "filter_IN_public", Rules: append(public, nft.Rule{admin})},
		}}}}
	}
	tcp := nft.Packet{Proto: nft.ProtoTCP, TCPFlags: 2, Src: client, Dst: server, SrcPort: 40000, DstPort: 514}
	udp := nft.Packet{Proto: nft.ProtoUDP, Src: client, Dst: server, SrcPort: 40001, DstPort: 514}
	echo := nft.Packet{Proto: nft.ProtoICMP, ICMPType: 8, Src: client, Dst: server}
	through := nft.Packet{Proto: nft.ProtoTCP, TCPFlags: 2, Src: client, Dst: other, SrcPort: 40002, DstPort: 80}
	for _, c := range []struct {
		name, iface string
		log         bool
		frame       []byte
		to, chain   string // "" is no event
	}{
		{"tcp", "eth0", false, icmpError(server, 3, 13, tcp), "192.0.2.10:514", "filter_IN_public"},
		{"by the zone of the interface", "eth1", false, icmpError(server, 3, 13, tcp), "192.0.2.10:514", "filter_IN_home"},
		{"udp", "eth0", false, icmpError(server, 3, 13, udp), "192.0.2.10:514", "filter_IN_public"},
		{"icmp", "eth0", false, icmpError(server, 3, 13, echo), "192.0.2.10:", "filter_IN_public"},
		{"forwarded", "eth0", false, icmpError(server, 3, 13, through), "198.51.100.7:80", "filter_FORWARD"},
		{"another machine's, which passes through", "eth0", false, icmpError(other, 3, 13, through), "", ""},
		{"tcp by a rich rule without a type", "eth0", false, icmpError(server, 3, 3, tcp), "192.0.2.10:514", "filter_IN_public"},
		{"a closed port of udp", "eth0", false, icmpError(server, 3, 3, udp), "", ""},
		{"no route", "eth0", false, icmpError(server, 3, 0, tcp), "", ""},
		{"logged: noted by its line", "eth0", true, icmpError(server, 3, 13, tcp), "", ""},
		{"cut short", "eth0", false, icmpError(server, 3, 13, tcp)[:30], "", ""},
		{"nothing", "eth0", false, nil, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r rulesInForce
			r.set(rules(c.log))
			attrs, ok := r.refusedBy(c.frame, c.iface, func(a netip.Addr) bool { return a == server })
			if ok != (c.to != "") || attrs["to"] != c.to || attrs["chain"] != c.chain {
				t.Errorf("%v %v, want to %q by %q", ok, attrs, c.to, c.chain)
			}
		})
	}
}

func FuzzRefusedBy(f *testing.F) {
	a := netip.MustParseAddr("192.0.2.10")
	f.Add(icmpError(a, 3, 13, nft.Packet{Proto: nft.ProtoTCP, Src: a, Dst: a, DstPort: 1}))
	f.Add([]byte{0x60, 47: 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var r rulesInForce
		r.set(nil)
		r.refusedBy(b, "eth0", func(netip.Addr) bool { return true })
	})
}
