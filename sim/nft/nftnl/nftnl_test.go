package nftnl

import (
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"

	"enshu/sim/nft"
)

// inNamespace marks the copy of this test binary that runs in a network
// namespace of its own.
const inNamespace = "ENSHU_TEST_NAMESPACE"

// namespaced runs the calling test again in a user and network namespace of its
// own, and reports true in the copy. Root is not needed.
func namespaced(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inNamespace) != "" {
		return true
	}
	if _, err := exec.LookPath("nft"); err != nil {
		t.Fatal("the tool nft, which this test compares with, is not here: run tools/peers (make test does)")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if err != nil && len(out) == 0 {
		t.Skipf("no user namespaces here: %v", err)
	}
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
	return false
}

func prefixes(list ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// every is a ruleset with every expression of the model.
func every() *nft.Ruleset {
	accept, drop := nft.Verdict{Kind: nft.Accept}, nft.Verdict{Kind: nft.Drop}
	one := nft.Addr{Prefixes: prefixes("192.0.2.20/32")}
	return &nft.Ruleset{Tables: []*nft.Table{{
		Family: "inet", Name: "firewalld",
		Sets: []*nft.Set{
			{Name: "bl", Type: "ipv4_addr", Interval: true, Prefixes: prefixes("198.51.100.20/32", "203.0.113.0/24", "224.0.0.0/3")},
			{Name: "b6", Type: "ipv6_addr", Interval: true, Prefixes: prefixes("2001:db8::/32")},
			{Name: "hm", Type: "ether_addr", MACs: []nft.MAC{{0, 0x11, 0x22, 0x33, 0x44, 0x55}}},
		},
		Chains: []*nft.Chain{
			{Name: "in", Base: &nft.Base{Type: "filter", Hook: nft.Input, Priority: 10}, Rules: []nft.Rule{
				{nft.ICMPType{V6: true, Types: []uint8{134, 135}}, accept},
				{nft.ICMPType{Types: []uint8{8}}, accept},
				{nft.ICMPType{Types: []uint8{3}, HasCode: true, Code: 10}, nft.Reject{With: nft.RejectICMPX, Code: nft.ICMPXAdminProhibited}},
				{nft.CTState{States: []nft.State{nft.Established, nft.Related}}, accept},
				{nft.CTStatusDNAT{}, accept},
				{nft.IfName{Name: "lo"}, accept},
				{nft.IfName{Name: "eth*", Not: true}, accept},
				{nft.CTState{States: []nft.State{nft.Invalid}}, nft.PktType{Type: nft.Multicast}, nft.Log{Prefix: "STATE_INVALID_DROP: ", Level: nft.LogWarning}},
				{nft.Addr{Dst: true, Prefixes: prefixes("::/96", "::ffff:0.0.0.0/96", "2002:e000::/19")}, nft.Log{Prefix: "R: ", Level: nft.LogWarning}, nft.Reject{With: nft.RejectICMPv6, Code: 3}},
				{nft.L4Proto{Protos: []uint8{nft.ProtoICMP, nft.ProtoICMPv6}}, accept},
				{nft.L4Proto{Protos: []uint8{50}}, accept},
				{nft.NFProto{Family: nft.IPv4}, nft.Port{Proto: nft.ProtoTCP, Lo: 5000, Hi: 5000}, nft.Reject{With: nft.RejectTCPRst}},
				{nft.NFProto{Family: nft.IPv4}, nft.Port{Proto: nft.ProtoTCP, Lo: 5000, Hi: 5000}, accept},
				{nft.NFProto{Family: nft.IPv4}, nft.Port{Proto: nft.ProtoSCTP, Lo: 5000, Hi: 5010}, nft.Reject{Code: 10}},
				{nft.Addr{Prefixes: prefixes("198.51.100.0/24")}, nft.Port{Proto: nft.ProtoTCP, Lo: 514, Hi: 514}, nft.Limit{Rate: 1, Unit: "minute"}, nft.Log{Prefix: "HTTP: ", Level: nft.LogInfo}},
				{nft.Addr{Not: true, Prefixes: prefixes("10.0.0.0/9")}, nft.Port{Proto: nft.ProtoUDP, Source: true, Lo: 53, Hi: 53}, accept},
				{nft.Addr{Set: "bl"}, nft.Verdict{Kind: nft.Goto, Chain: "out"}},
				{nft.Addr{Set: "b6", V6: true, Not: true}, nft.Verdict{Kind: nft.Jump, Chain: "empty"}},
				{nft.EtherSource{Addr: nft.MAC{2, 0, 0, 0, 0, 1}}, drop},
				{nft.EtherSource{Set: "hm"}, drop},
				{nft.Port{Proto: nft.ProtoTCP, Lo: 22, Hi: 22}, nft.Reject{With: nft.RejectICMPX, Code: nft.ICMPXPortUnreachable}},
				{one, nft.Reject{Code: 3}},
				{nft.Addr{Prefixes: prefixes("::1/128")}, nft.Reject{With: nft.RejectICMPv6, Code: 4}},
				{one, nft.SetMark{Mark: 16}},
				{one, nft.SetMark{Mark: 16, Keep: 0xff}},
				{one, nft.NFLog{Group: 3}},
				{one, nft.NFLog{Prefix: "p", Group: 5, Threshold: 10}},
				{nft.Port{Proto: nft.ProtoDCCP, Lo: 5, Hi: 5}, nft.Verdict{Kind: nft.Return}},
			}},
			{Name: "empty"},
			{Name: "out"},
			{Name: "fwd", Base: &nft.Base{Type: "filter", Hook: nft.Forward, Priority: 10}, Rules: []nft.Rule{
				{nft.ClampMSS{Size: 1400}},
				{one, nft.ClampMSS{}},
			}},
			{Name: "pre", Base: &nft.Base{Type: "filter", Hook: nft.Prerouting, Priority: -140}, Rules: []nft.Rule{
				{nft.NFProto{Family: nft.IPv6}, nft.RPFilter{}, nft.Log{Prefix: "rpfilter_DROP: ", Level: nft.LogWarning}, drop},
			}},
			{Name: "dnat", Base: &nft.Base{Type: "nat", Hook: nft.Prerouting, Priority: -90}, Rules: []nft.Rule{
				{nft.NFProto{Family: nft.IPv4}, nft.Port{Proto: nft.ProtoTCP, Lo: 8514, Hi: 8514}, nft.Redirect{Port: 514}},
				{nft.NFProto{Family: nft.IPv4}, nft.Port{Proto: nft.ProtoTCP, Lo: 8080, Hi: 8080}, nft.DNAT{Addr: netip.MustParseAddr("192.0.2.50"), Port: 80}},
				{nft.NFProto{Family: nft.IPv4}, nft.Port{Proto: nft.ProtoTCP, Lo: 8081, Hi: 8081}, nft.DNAT{Addr: netip.MustParseAddr("192.0.2.50")}},
				{nft.NFProto{Family: nft.IPv4}, nft.Port{Proto: nft.ProtoTCP, Lo: 81, Hi: 90}, nft.Redirect{Port: 1081, Last: 1090}},
				{nft.NFProto{Family: nft.IPv4}, nft.Port{Proto: nft.ProtoUDP, Lo: 81, Hi: 90}, nft.DNAT{Addr: netip.MustParseAddr("192.0.2.50"), Port: 1081, Last: 1090}},
				{nft.NFProto{Family: nft.IPv6}, nft.Port{Proto: nft.ProtoUDP, Lo: 8082, Hi: 8082}, nft.DNAT{Addr: netip.MustParseAddr("2001:db8::1"), Port: 80}},
			}},
			{Name: "nato", Base: &nft.Base{Type: "nat", Hook: nft.Output, Priority: -90}},
			{Name: "snat", Base: &nft.Base{Type: "nat", Hook: nft.Postrouting, Priority: 110}, Rules: []nft.Rule{
				{nft.NFProto{Family: nft.IPv4}, nft.IfName{Out: true, Not: true, Name: "lo"}, nft.Masquerade{}},
			}},
			{Name: "panic", Base: &nft.Base{Type: "filter", Hook: nft.Output, Priority: -291, Drop: true}},
		},
	}}}
}

func open(t *testing.T) *nftables.Conn {
	t.Helper()
	conn, err := nftables.New(nftables.WithSockOptions(func(c *netlink.Conn) error {
		c.SetReadBuffer(8 << 20)
		return c.SetWriteBuffer(8 << 20)
	}))
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

var group = regexp.MustCompile(` group ([0-9]+)`)

// listing is what the nft tool says is in force, with the NFLOG groups written
// as the levels that they stand for.
func listing(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("nft", "list", "ruleset").CombinedOutput()
	if err != nil {
		t.Fatalf("nft: %v: %s", err, out)
	}
	return group.ReplaceAllStringFunc(string(out), func(s string) string {
		n, _ := strconv.Atoi(strings.Fields(s)[1])
		level, ok := nft.LevelOfGroup(uint16(n))
		if !ok {
			return s // a learner's own
		}
		return strings.TrimPrefix(nft.Log{Level: level}.String(), "log")
	})
}

func TestApply(t *testing.T) {
	if !namespaced(t) {
		return
	}
	conn := open(t)
	for range 2 { // the second replaces the first
		r := every()
		if err := Apply(conn, r); err != nil {
			t.Fatal(err)
		}
		if got, want := listing(t), r.String(); got != want {
			t.Errorf("the kernel has\n%s\nwant\n%s", got, want)
		}
	}
	// What cannot be translated leaves the rules in force alone.
	bad := &nft.Ruleset{Tables: []*nft.Table{{Family: "inet", Name: "x", Chains: []*nft.Chain{{Name: "c", Rules: []nft.Rule{{nft.Addr{Set: "nosuch"}}}}}}}}
	if err := Apply(open(t), bad); err == nil {
		t.Error("a rule with a missing set was accepted")
	}
	if got := listing(t); got != every().String() {
		t.Errorf("a failed Apply changed the rules to\n%s", got)
	}
	if err := Apply(conn, nil); err != nil {
		t.Fatal(err)
	}
	if got := listing(t); got != "" {
		t.Errorf("rules are left:\n%s", got)
	}
}

// TestApplySmallBuffers applies a ruleset whose acknowledgements do not fit in
// the default socket buffer.
func TestApplySmallBuffers(t *testing.T) {
	if !namespaced(t) {
		return
	}
	conn, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	r := every()
	chain := r.Tables[0].Chains[0]
	for port := range uint16(3000) {
		chain.Rules = append(chain.Rules, nft.Rule{nft.Port{Proto: nft.ProtoTCP, Lo: 1 + port, Hi: 1 + port}, nft.Verdict{Kind: nft.Accept}})
	}
	if err := Apply(conn, r); err != nil {
		t.Fatal(err)
	}
	if got := listing(t); got != r.String() {
		t.Error("the kernel does not have the whole ruleset")
	}
}
