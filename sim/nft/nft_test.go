package nft

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// small is a host firewall: ssh open, port 514 logged at most five at once and
// refused, 198.51.100.0/24 dropped.
func small() *Ruleset {
	return &Ruleset{Tables: []*Table{{
		Family: "inet", Name: "t",
		Sets: []*Set{{Name: "bl", Type: "ipv4_addr", Interval: true, Prefixes: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}}},
		Chains: []*Chain{
			{Name: "late", Base: &Base{Type: "filter", Hook: Input, Priority: 10}, Rules: []Rule{
				{CTState{States: []State{Established, Related}}, Verdict{Kind: Accept}},
				{IfName{Name: "lo"}, Verdict{Kind: Accept}},
				{Verdict{Kind: Jump, Chain: "zone"}},
				{Reject{With: RejectICMPX, Code: ICMPXAdminProhibited}},
			}},
			{Name: "early", Base: &Base{Type: "filter", Hook: Input, Priority: -10}, Rules: []Rule{{Addr{Set: "bl"}, Verdict{Kind: Drop}}}},
			{Name: "zone", Rules: []Rule{
				{Port{Proto: ProtoTCP, Lo: 22, Hi: 22}, Verdict{Kind: Accept}},
				{Port{Proto: ProtoTCP, Lo: 514, Hi: 514}, Limit{Rate: 1, Unit: "minute"}, Log{Prefix: "no: ", Level: LogInfo}},
				{IfName{Name: "eth*"}, ICMPType{Types: []uint8{8}}, Verdict{Kind: Goto, Chain: "ping"}},
				{L4Proto{Protos: []uint8{ProtoICMP}}, Verdict{Kind: Accept}},
			}},
			{Name: "ping", Rules: []Rule{{Verdict{Kind: Return}}, {Verdict{Kind: Accept}}}},
			{Name: "loop", Base: &Base{Type: "filter", Hook: Output}, Rules: []Rule{{Verdict{Kind: Jump, Chain: "loop"}}}},
			{Name: "nat", Base: &Base{Type: "nat", Hook: Prerouting}, Rules: []Rule{{Port{Proto: ProtoTCP, Lo: 80, Hi: 80}, DNAT{Addr: netip.MustParseAddr("192.0.2.9"), Port: 8080}}}},
			{Name: "closed", Base: &Base{Type: "filter", Hook: Forward, Drop: true}},
		},
	}}}
}

func syn(port uint16) Packet {
	return Packet{In: "eth0", Src: netip.MustParseAddr("192.0.2.20"), Dst: netip.MustParseAddr("192.0.2.10"),
		Proto: ProtoTCP, SrcPort: 40000, DstPort: port, TCPFlags: 0x02, State: New,
		HWHeader: []byte("\x52\x54\x00\x00\x00\x0a\x52\x54\x00\x00\x00\x14\x08\x00")}
}

func TestEval(t *testing.T) {
	with := func(p Packet, f func(*Packet)) Packet { f(&p); return p }
	cases := []struct {
		name   string
		hook   Hook
		packet Packet
		want   VerdictKind
		chain  string
		reject bool
	}{
		{"open port", Input, syn(22), Accept, "", false},
		{"closed port", Input, syn(80), Drop, "late", true},
		{"reply", Input, with(syn(80), func(p *Packet) { p.State = Established }), Accept, "", false},
		{"loopback", Input, with(syn(80), func(p *Packet) { p.In = "lo" }), Accept, "", false},
		{"listed source, earlier chain", Input, with(syn(22), func(p *Packet) { p.Src = netip.MustParseAddr("198.51.100.7") }), Drop, "early", false},
		{"goto does not come back to the caller's next rule", Input, Packet{In: "eth0", Src: netip.MustParseAddr("192.0.2.20"), Dst: netip.MustParseAddr("192.0.2.10"), Proto: ProtoICMP, ICMPType: 8}, Drop, "late", true},
		{"goto only on eth*", Input, Packet{In: "br0", Src: netip.MustParseAddr("192.0.2.20"), Dst: netip.MustParseAddr("192.0.2.10"), Proto: ProtoICMP, ICMPType: 8}, Accept, "", false},
		{"endless jumps end", Output, syn(1), Accept, "", false},
		{"policy", Forward, syn(1), Drop, "closed", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			out := NewEngine(small()).Eval(c.hook, &c.packet, time.Time{})
			if out.Verdict != c.want || out.Chain != c.chain || (out.Reject != nil) != c.reject {
				t.Errorf("%+v", out)
			}
		})
	}
	p := syn(80)
	if out := NewEngine(small()).Eval(Prerouting, &p, time.Time{}); !out.HasNAT || out.NAT.String() != "192.0.2.9:8080" {
		t.Errorf("nat: %+v", out)
	}
	if out := NewEngine(nil).Eval(Input, &p, time.Time{}); out.Verdict != Accept {
		t.Errorf("without rules: %+v", out)
	}
}

func TestLogAndLimit(t *testing.T) {
	e := NewEngine(small())
	start := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	lines := func(at time.Time) []LogLine { p := syn(514); return e.Eval(Input, &p, at).Log }
	want := "no: IN=eth0 OUT= MAC=52:54:00:00:00:0a:52:54:00:00:00:14:08:00 SRC=192.0.2.20 DST=192.0.2.10 LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=0 DF PROTO=TCP SPT=40000 DPT=514 WINDOW=64240 RES=0x00 SYN URGP=0 "
	for i := range 5 {
		if got := lines(start); len(got) != 1 || got[0] != (LogLine{LogInfo, want}) {
			t.Fatalf("packet %d: %q", i, got)
		}
	}
	if got := lines(start); len(got) != 0 {
		t.Errorf("the sixth at once was logged: %q", got)
	}
	if got := lines(start.Add(time.Minute)); len(got) != 1 {
		t.Errorf("a minute later: %q", got)
	}
}

// TestText covers what the listings recorded from firewalld do not have; those
// are tested with sim/firewalld, which makes them, and against the nft tool in
// nftnl.
func TestText(t *testing.T) {
	for _, c := range []struct {
		expr Expr
		want string
	}{
		{Verdict{Kind: Return}, "return"},
		{Reject{With: RejectICMPX, Code: ICMPXPortUnreachable}, "reject"},
		{Log{Level: LogAudit}, "log level audit"},
		{L4Proto{Protos: []uint8{99}}, "meta l4proto 99"},
		{Redirect{}, "redirect"},
		{Redirect{Port: 1080, Last: 1090}, "redirect to :1080-1090"},
		{DNAT{Addr: netip.MustParseAddr("2001:db8::1"), Port: 80, Last: 90}, "dnat ip6 to [2001:db8::1]:80-90"},
		{ICMPType{Types: []uint8{200}}, "icmp type 200"},
	} {
		if got := c.expr.String(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	var some []string
	for _, base := range []Base{{Priority: -291}, {Priority: 300}, {Hook: Output, Priority: -90}, {Hook: Prerouting, Priority: -90}, {Priority: 0}} {
		base.Type = "filter"
		some = append(some, strings.Fields(base.String())[5])
	}
	if want := []string{"raw", "300;", "-90;", "dstnat", "filter;"}; !slices.Equal(some, want) {
		t.Errorf("%q, want %q", some, want)
	}
}
