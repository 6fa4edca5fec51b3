package kernel

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"enshu/sim/host"
	"enshu/sim/nft"
	"enshu/sim/trace"
)

// drops notes the packets that a machine's filter refuses without a word: it
// drops them, or resets their connection, and does not log it. Nothing that the
// machine sends tells of them, and a counter in the rules would be seen by who
// lists them. So what arrives is looked at beside the rules, as tcpdump does,
// and the rules in force say what they do to it.
//
// Two things keep this honest and cheap. The kernel has the last word: a packet
// that the rules refuse and whose connection the kernel has accepted before is
// none that was refused. And nobody looks while the rules have nothing that
// refuses in silence, which is how a host is installed.
type drops struct {
	m *Machine

	mu   sync.Mutex
	ctx  context.Context // nil until somebody wants to know
	host *host.Host
	stop context.CancelFunc // nil while nobody looks
}

// note begins to tell of drops to a host's trace.
func (d *drops) note(ctx context.Context, h *host.Host) {
	d.mu.Lock()
	d.ctx, d.host = ctx, h
	d.mu.Unlock()
}

// follow looks at what arrives from now on, or not, as the rules in force want it.
func (d *drops) follow(silent bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.ctx == nil || silent == (d.stop != nil):
		return nil
	case !silent:
		d.stop()
		d.stop = nil
		return nil
	}
	f, err := d.m.listenPackets("arrivals", arriving)
	if err != nil {
		return err
	}
	var flows, routes *netlink.Conn
	err = d.m.inside.do(func() (err error) {
		if flows, err = netlink.Dial(unix.NETLINK_NETFILTER, nil); err != nil {
			return err
		}
		if routes, err = netlink.Dial(unix.NETLINK_ROUTE, nil); err != nil {
			flows.Close()
		}
		return err
	})
	if err != nil {
		f.Close()
		return err
	}
	var ctx context.Context
	ctx, d.stop = context.WithCancel(d.ctx)
	go d.look(ctx, f, flows, routes)
	return nil
}

// look reads what arrives until ctx ends.
func (d *drops) look(ctx context.Context, f *os.File, flows, routes *netlink.Conn) {
	defer flows.Close()
	defer routes.Close()
	own := d.m.addresses()
	name := d.m.interfaceNames()
	var quota quota
	readPackets(ctx, f, func(b []byte, from *unix.SockaddrLinklayer) {
		if !quota.left() {
			return
		}
		p, ok := header(b)
		if !ok {
			return
		}
		p.In, p.Link = name(uint32(from.Ifindex)), nft.LinkType(from.Pkttype)
		p.HWHeader = make([]byte, 14)
		copy(p.HWHeader[6:], from.Addr[:6])
		was := p // before its destination is rewritten
		chain, action, silent := d.m.rules.arrival(p, own, func(p *nft.Packet) string {
			if out := wayOut(routes, p, uint32(from.Ifindex)); out != 0 {
				return name(out)
			}
			return ""
		})
		if !silent || known(flows, &was) {
			return
		}
		quota.take()
		d.host.Trace.Append(d.host.Name, "kernel", 0, trace.PacketRefused, refusedAttrs(&was, chain, action))
	})
}

// arrival says what the rules do to a packet that opens a connection to this
// machine or through it; silent means that they refuse it, and that nothing but
// this tells. wayOut names the interface by which the machine forwards a packet,
// "" when it forwards none.
func (r *rulesInForce) arrival(p nft.Packet, own func(netip.Addr) bool, wayOut func(*nft.Packet) string) (chain, action string, silent bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.eng == nil {
		return "", "", false
	}
	now := time.Now()
	out := r.eng.Eval(nft.Prerouting, &p, now)
	if out.Verdict != nft.Drop {
		if out.HasNAT {
			p.DNAT = true
			if out.NAT.Addr().IsValid() {
				p.Dst = out.NAT.Addr()
			}
			if out.NAT.Port() != 0 {
				p.DstPort = out.NAT.Port()
			}
		}
		hook := nft.Input
		if p.Link == nft.ToHost && !own(p.Dst) {
			hook = nft.Forward
			if p.Out = wayOut(&p); p.Out == "" {
				return "", "", false // it is not the rules that keep it from going on
			}
		}
		out = r.eng.Eval(hook, &p, now)
	}
	if out.Verdict != nft.Drop {
		return "", "", false
	}
	for _, l := range out.Log {
		if _, ok := refused(l.Text); ok {
			return "", "", false
		}
	}
	switch {
	case out.Reject == nil:
		return out.Chain, "drop", true
	case out.Reject.With == nft.RejectTCPRst:
		return out.Chain, "reject", true
	}
	return "", "", false
}

// refusesInSilence reports whether rules drop packets that are in order, or
// reset connections.
func refusesInSilence(r *nft.Ruleset) bool {
	if r == nil {
		return false
	}
	for _, t := range r.Tables {
		for _, c := range t.Chains {
			if c.Base != nil && c.Base.Drop || slices.ContainsFunc(c.Rules, silent) {
				return true
			}
		}
	}
	return false
}

// silent reports whether a rule refuses without a word. Packets that belong to
// nothing, or come from where they cannot, are no learner's question.
func silent(r nft.Rule) bool {
	ends := false
	for _, e := range r {
		switch e := e.(type) {
		case nft.Verdict:
			ends = ends || e.Kind == nft.Drop
		case nft.Reject:
			ends = ends || e.With == nft.RejectTCPRst
		case nft.CTState:
			if slices.Equal(e.States, []nft.State{nft.Invalid}) {
				return false
			}
		case nft.RPFilter:
			return false
		}
	}
	return ends
}

// Of TCP's and ICMP's headers (RFC 9293 3.1, RFC 792, RFC 4443 4.1).
const (
	tcpFlagsAt     = 13
	tcpSYN, tcpACK = 0x02, 0x10
	icmpEcho       = 8
	icmp6Echo      = 128
)

// arriving is a socket filter for the packets by which others begin to talk to
// this machine: SYN without ACK, UDP, and echo requests.
var arriving = []unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0xfffff000 + 4}, // SKF_AD_OFF + SKF_AD_PKTTYPE
	{Code: unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K, K: unix.PACKET_MULTICAST, Jt: 22},
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 0},
	{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0xf0},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 0x40, Jf: 9},
	{Code: unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH, K: 0}, // length of the header
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 9},  // protocol of IPv4
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.IPPROTO_UDP, Jt: 15},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.IPPROTO_ICMP, Jt: 3},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.IPPROTO_TCP, Jf: 14},
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_IND, K: tcpFlagsAt},
	{Code: unix.BPF_JMP | unix.BPF_JA, K: 9},
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_IND, K: 0},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: icmpEcho, Jt: 9, Jf: 10},
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 6}, // next header of IPv6
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.IPPROTO_UDP, Jt: 7},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.IPPROTO_TCP, Jt: 3},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.IPPROTO_ICMPV6, Jf: 6},
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 40},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: icmp6Echo, Jt: 3, Jf: 4},
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 40 + tcpFlagsAt},
	{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: tcpSYN | tcpACK},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: tcpSYN, Jf: 1},
	{Code: unix.BPF_RET | unix.BPF_K, K: headersOnly},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0},
}

// headersOnly is how much of a packet is read: its headers with all options.
const headersOnly = 128

// addresses returns a function that knows the machine's own addresses, for one
// goroutine at a time. It looks anew when it is asked about one it does not know.
func (m *Machine) addresses() func(netip.Addr) bool {
	own := map[netip.Addr]bool{}
	var looked time.Time
	return func(a netip.Addr) bool {
		if !own[a] && time.Since(looked) > time.Second {
			looked = time.Now()
			m.inside.do(func() error {
				list, err := net.InterfaceAddrs()
				clear(own)
				for _, l := range list {
					if n, ok := l.(*net.IPNet); ok {
						if addr, ok := netip.AddrFromSlice(n.IP); ok {
							own[addr.Unmap()] = true
						}
					}
				}
				return err
			})
		}
		return own[a]
	}
}

// wayOut asks the kernel by which interface it forwards a packet that came in by
// another; 0 is by none.
func wayOut(routes *netlink.Conn, p *nft.Packet, in uint32) uint32 {
	family, bits := byte(unix.AF_INET), byte(32)
	if p.Dst.Is6() {
		family, bits = unix.AF_INET6, 128
	}
	e := netlink.NewAttributeEncoder()
	e.Bytes(unix.RTA_DST, p.Dst.AsSlice())
	e.Bytes(unix.RTA_SRC, p.Src.AsSlice())
	e.Uint32(unix.RTA_IIF, in)
	b, err := e.Encode()
	if err != nil {
		return 0
	}
	answer, err := routes.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.RTM_GETROUTE, Flags: netlink.Request},
		Data:   append([]byte{family, bits, bits, 0, 0, 0, 0, 0, 0, 0, 0, 0}, b...), // struct rtmsg
	})
	if err != nil || len(answer) == 0 || len(answer[0].Data) < unix.SizeofRtMsg {
		return 0
	}
	attrs, err := netlink.NewAttributeDecoder(answer[0].Data[unix.SizeofRtMsg:])
	if err != nil {
		return 0
	}
	for attrs.Next() {
		if attrs.Type() == unix.RTA_OIF {
			return attrs.Uint32()
		}
	}
	return 0
}

// Numbers of linux/netfilter/nfnetlink_conntrack.h.
const (
	nfnlSubsysCTNetlink = 1
	ipctnlMsgGet        = 1

	ctaTupleOrig  = 1
	ctaTupleIP    = 1
	ctaTupleProto = 2

	ctaIPv4Src, ctaIPv4Dst = 1, 2
	ctaIPv6Src, ctaIPv6Dst = 3, 4

	ctaProtoNum                               = 1
	ctaProtoSrcPort, ctaProtoDstPort          = 2, 3
	ctaICMPID, ctaICMPType, ctaICMPCode       = 4, 5, 6
	ctaICMPv6ID, ctaICMPv6Type, ctaICMPv6Code = 7, 8, 9
)

// known reports whether the kernel has let the connection of a packet by, which
// it then keeps; of what it refused it keeps nothing. What it does not tell
// counts as known.
func known(flows *netlink.Conn, p *nft.Packet) bool {
	src, dst, family := uint16(ctaIPv4Src), uint16(ctaIPv4Dst), byte(unix.AF_INET)
	if p.Src.Is6() {
		src, dst, family = ctaIPv6Src, ctaIPv6Dst, unix.AF_INET6
	}
	e := netlink.NewAttributeEncoder()
	e.ByteOrder = binary.BigEndian
	e.Nested(ctaTupleOrig, func(t *netlink.AttributeEncoder) error {
		t.Nested(ctaTupleIP, func(ip *netlink.AttributeEncoder) error {
			ip.Bytes(src, p.Src.AsSlice())
			ip.Bytes(dst, p.Dst.AsSlice())
			return nil
		})
		t.Nested(ctaTupleProto, func(proto *netlink.AttributeEncoder) error {
			proto.Uint8(ctaProtoNum, p.Proto)
			switch p.Proto {
			case nft.ProtoICMP:
				proto.Uint16(ctaICMPID, p.SrcPort)
				proto.Uint8(ctaICMPType, p.ICMPType)
				proto.Uint8(ctaICMPCode, p.ICMPCode)
			case nft.ProtoICMPv6:
				proto.Uint16(ctaICMPv6ID, p.SrcPort)
				proto.Uint8(ctaICMPv6Type, p.ICMPType)
				proto.Uint8(ctaICMPv6Code, p.ICMPCode)
			default:
				proto.Uint16(ctaProtoSrcPort, p.SrcPort)
				proto.Uint16(ctaProtoDstPort, p.DstPort)
			}
			return nil
		})
		return nil
	})
	b, err := e.Encode()
	if err != nil {
		return true
	}
	_, err = flows.Execute(netlink.Message{
		Header: netlink.Header{Type: nfnlSubsysCTNetlink<<8 | ipctnlMsgGet, Flags: netlink.Request},
		Data:   append([]byte{family, netfilterNetlinkV0, 0, 0}, b...),
	})
	return !errors.Is(err, unix.ENOENT)
}
