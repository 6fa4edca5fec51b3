package kernel

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"enshu/sim/nft"
)

// firewall is the shape of firewalld's rules: what is established, what a zone
// lets by, and how the zone ends.
func firewall(end ...nft.Expr) *nft.Ruleset {
	return &nft.Ruleset{Tables: []*nft.Table{{Family: "inet", Name: "firewalld", Chains: []*nft.Chain{
		{Name: "nat_PREROUTING", Base: &nft.Base{Type: "nat", Hook: nft.Prerouting, Priority: -90}, Rules: []nft.Rule{
			{nft.Port{Proto: nft.ProtoTCP, Lo: 8080, Hi: 8080}, nft.Redirect{Port: 80}},
			{nft.Port{Proto: nft.ProtoTCP, Lo: 8081, Hi: 8081}, nft.DNAT{Addr: netip.MustParseAddr("198.51.100.7"), Port: 80}},
		}},
		{Name: "filter_INPUT", Base: &nft.Base{Type: "filter", Hook: nft.Input}, Rules: []nft.Rule{
			{nft.CTState{States: []nft.State{nft.Established, nft.Related}}, nft.Verdict{Kind: nft.Accept}},
			{nft.CTStatusDNAT{}, nft.Verdict{Kind: nft.Accept}},
			{nft.CTState{States: []nft.State{nft.Invalid}}, nft.Verdict{Kind: nft.Drop}},
			{nft.Verdict{Kind: nft.Goto, Chain: "filter_IN_drop"}},
		}},
		{Name: "filter_IN_drop", Rules: []nft.Rule{
			{nft.Port{Proto: nft.ProtoTCP, Lo: 22, Hi: 22}, nft.Verdict{Kind: nft.Accept}},
			end,
		}},
		{Name: "filter_FORWARD", Base: &nft.Base{Type: "filter", Hook: nft.Forward}, Rules: []nft.Rule{
			{nft.CTStatusDNAT{}, nft.Verdict{Kind: nft.Accept}},
			{nft.IfName{Out: true, Name: "eth2"}, nft.Verdict{Kind: nft.Goto, Chain: "filter_FWD_drop"}},
			{nft.Reject{With: nft.RejectICMPX}},
		}},
		{Name: "filter_FWD_drop", Rules: []nft.Rule{
			{nft.Port{Proto: nft.ProtoTCP, Lo: 22, Hi: 22}, nft.Verdict{Kind: nft.Accept}},
			end,
		}},
	}}}}
}

func TestArrival(t *testing.T) {
	own := netip.MustParseAddr("192.0.2.10")
	drop, reset := nft.Verdict{Kind: nft.Drop}, nft.Reject{With: nft.RejectTCPRst}
	for _, c := range []struct {
		name          string
		rules         *nft.Ruleset
		proto         uint8
		to            string
		port          uint16
		chain, action string // "" is no event
	}{
		{"dropped", firewall(drop), nft.ProtoTCP, "192.0.2.10", 514, "filter_IN_drop", "drop"},
		{"dropped udp", firewall(drop), nft.ProtoUDP, "192.0.2.10", 514, "filter_IN_drop", "drop"},
		{"reset", firewall(reset), nft.ProtoTCP, "192.0.2.10", 514, "filter_IN_drop", "reject"},
		{"let by", firewall(drop), nft.ProtoTCP, "192.0.2.10", 22, "", ""},
		{"forwarded to a port that is open", firewall(drop), nft.ProtoTCP, "192.0.2.10", 8080, "", ""},
		{"forwarded to another host", firewall(drop), nft.ProtoTCP, "192.0.2.10", 8081, "", ""},
		{"for another host", firewall(drop), nft.ProtoTCP, "198.51.100.7", 514, "filter_FWD_drop", "drop"},
		{"let by to another host", firewall(drop), nft.ProtoTCP, "198.51.100.7", 22, "", ""},
		{"rejected on its way by another interface", firewall(drop), nft.ProtoTCP, "203.0.113.7", 514, "", ""},
		{"for a host that no route leads to", firewall(drop), nft.ProtoTCP, "198.51.100.99", 514, "", ""},
		{"rejected: noted by its error", firewall(nft.Reject{With: nft.RejectICMPX}), nft.ProtoTCP, "192.0.2.10", 514, "", ""},
		{"logged: noted by its line", firewall(nft.Log{Prefix: "filter_IN_drop_DROP: ", Level: nft.LogWarning}, drop), nft.ProtoTCP, "192.0.2.10", 514, "", ""},
		{"logged by a rule of the learner's", firewall(nft.Log{Prefix: "seen: ", Level: nft.LogWarning}, drop), nft.ProtoTCP, "192.0.2.10", 514, "filter_IN_drop", "drop"},
		{"panic", &nft.Ruleset{Tables: []*nft.Table{{Family: "inet", Name: "p", Chains: []*nft.Chain{{Name: "raw_PREROUTING", Base: &nft.Base{Hook: nft.Prerouting, Drop: true}}}}}},
			nft.ProtoTCP, "192.0.2.10", 22, "raw_PREROUTING", "drop"},
		{"no rules", nil, nft.ProtoTCP, "192.0.2.10", 22, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r rulesInForce
			r.set(c.rules)
			p, ok := header((&nft.Packet{Proto: c.proto, TCPFlags: tcpSYN, Src: netip.MustParseAddr("192.0.2.20"), Dst: netip.MustParseAddr(c.to), SrcPort: 40000, DstPort: c.port}).Bytes())
			if !ok {
				t.Fatal("no header")
			}
			p.In = "eth0"
			chain, action, silent := r.arrival(p, func(a netip.Addr) bool { return a == own }, func(p *nft.Packet) string {
				return map[string]string{"198.51.100.7": "eth2", "203.0.113.7": "eth3"}[p.Dst.String()]
			})
			if chain != c.chain || action != c.action || silent != (c.chain != "") {
				t.Errorf("%q %q %v, want %q %q", chain, action, silent, c.chain, c.action)
			}
		})
	}
}

// As installed, nothing is refused in silence but what belongs to nothing.
func TestRefusesInSilence(t *testing.T) {
	for _, c := range []struct {
		name  string
		rules *nft.Ruleset
		want  bool
	}{
		{"rejects", firewall(nft.Reject{With: nft.RejectICMPX}), false},
		{"drops", firewall(nft.Verdict{Kind: nft.Drop}), true},
		{"resets", firewall(nft.Port{Proto: nft.ProtoTCP, Lo: 1, Hi: 2}, nft.Reject{With: nft.RejectTCPRst}), true},
		{"spoofed", firewall(nft.RPFilter{}, nft.Verdict{Kind: nft.Drop}), false},
		{"policy", &nft.Ruleset{Tables: []*nft.Table{{Chains: []*nft.Chain{{Base: &nft.Base{Drop: true}}}}}}, true},
		{"none", nil, false},
	} {
		if got := refusesInSilence(c.rules); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// taken runs a socket filter as the kernel does and reports whether it takes a
// packet of a type (PACKET_*).
func taken(t *testing.T, prog []unix.SockFilter, kind uint32, b []byte) bool {
	t.Helper()
	var a, x uint32
	at := func(i uint32) uint32 {
		if int(i) >= len(b) {
			return 0
		}
		return uint32(b[i])
	}
	for pc := 0; pc < len(prog); pc++ {
		jump := func(yes bool) {
			if yes {
				pc += int(prog[pc].Jt)
			} else {
				pc += int(prog[pc].Jf)
			}
		}
		switch in := prog[pc]; in.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			a = kind
		case unix.BPF_LD | unix.BPF_B | unix.BPF_ABS:
			a = at(in.K)
		case unix.BPF_LD | unix.BPF_B | unix.BPF_IND:
			a = at(x + in.K)
		case unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH:
			x = at(in.K) & 0xf * 4
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			a &= in.K
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			jump(a == in.K)
		case unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K:
			jump(a > in.K)
		case unix.BPF_JMP | unix.BPF_JA:
			pc += int(in.K)
		case unix.BPF_RET | unix.BPF_K:
			return in.K != 0
		default:
			t.Fatalf("instruction %d: code %#x", pc, in.Code)
		}
	}
	t.Fatal("the filter does not end")
	return false
}

func TestSocketFilters(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("2001:db8::10")
	packet := func(a netip.Addr, p nft.Packet) []byte {
		p.Src, p.Dst = a, a
		return p.Bytes()
	}
	for _, c := range []struct {
		name                  string
		p                     nft.Packet
		kind                  uint32
		arriving, unreachable bool
	}{
		{"syn", nft.Packet{Proto: nft.ProtoTCP, TCPFlags: tcpSYN}, unix.PACKET_HOST, true, false},
		{"its answer", nft.Packet{Proto: nft.ProtoTCP, TCPFlags: tcpSYN | tcpACK}, unix.PACKET_HOST, false, false},
		{"data", nft.Packet{Proto: nft.ProtoTCP, TCPFlags: tcpACK}, unix.PACKET_HOST, false, false},
		{"syn sent", nft.Packet{Proto: nft.ProtoTCP, TCPFlags: tcpSYN}, unix.PACKET_OUTGOING, false, false},
		{"of others", nft.Packet{Proto: nft.ProtoUDP}, unix.PACKET_OTHERHOST, false, false},
		{"udp", nft.Packet{Proto: nft.ProtoUDP}, unix.PACKET_HOST, true, false},
		{"udp to all", nft.Packet{Proto: nft.ProtoUDP}, unix.PACKET_BROADCAST, true, false},
		{"sctp", nft.Packet{Proto: nft.ProtoSCTP}, unix.PACKET_HOST, false, false},
	} {
		for _, a := range []netip.Addr{v4, v6} {
			if got := taken(t, arriving, c.kind, packet(a, c.p)); got != c.arriving {
				t.Errorf("%s at %v: taken as arriving: %v", c.name, a, got)
			}
			if got := taken(t, unreachable, c.kind, packet(a, c.p)); got != c.unreachable {
				t.Errorf("%s at %v: taken as an error: %v", c.name, a, got)
			}
		}
	}
	for _, c := range []struct {
		addr                  netip.Addr
		proto, icmp           uint8
		kind                  uint32
		arriving, unreachable bool
	}{
		{v4, nft.ProtoICMP, icmpEcho, unix.PACKET_HOST, true, false},
		{v4, nft.ProtoICMP, 0, unix.PACKET_HOST, false, false},
		{v4, nft.ProtoICMP, icmpUnreachable, unix.PACKET_OUTGOING, false, true},
		{v4, nft.ProtoICMP, icmpUnreachable, unix.PACKET_HOST, false, false},
		{v6, nft.ProtoICMPv6, icmp6Echo, unix.PACKET_HOST, true, false},
		{v6, nft.ProtoICMPv6, icmp6Unreachable, unix.PACKET_OUTGOING, false, true},
		{v6, nft.ProtoICMPv6, icmp6Echo + 1, unix.PACKET_HOST, false, false},
	} {
		b := packet(c.addr, nft.Packet{Proto: c.proto, ICMPType: c.icmp})
		if got := taken(t, arriving, c.kind, b); got != c.arriving {
			t.Errorf("icmp %d at %v: taken as arriving: %v", c.icmp, c.addr, got)
		}
		if got := taken(t, unreachable, c.kind, b); got != c.unreachable {
			t.Errorf("icmp %d at %v: taken as an error: %v", c.icmp, c.addr, got)
		}
	}
}
