package kernel

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"enshu/sim/host"
	"enshu/sim/nft"
	"enshu/sim/trace"
)

// rulesInForce is what the packet filter of a machine has, for those who ask
// what it does to a packet.
type rulesInForce struct {
	mu  sync.Mutex // guards eng, and is held while it decides
	eng *nft.Engine
}

func (r *rulesInForce) set(rules *nft.Ruleset) {
	r.mu.Lock()
	r.eng = nft.NewEngine(rules)
	r.mu.Unlock()
}

// refusal finds the rule that refused a packet which came to this machine.
// logged reports that the rules log it too before they refuse it.
func (r *rulesInForce) refusal(p nft.Packet, hook nft.Hook) (chain string, logged bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.eng == nil {
		return "", false
	}
	out := r.eng.Eval(hook, &p, time.Time{})
	for _, l := range out.Log {
		_, ok := refused(l.Text)
		logged = logged || ok
	}
	return out.Chain, logged
}

// Types and codes of ICMP errors by which a filter refuses (RFC 792, RFC 1812
// 5.2.7.1, RFC 4443 3.1). No closed port is answered so: that of TCP answers
// with a reset, and that of UDP with icmpPort, which then tells nothing.
const (
	icmpUnreachable   = 3
	icmpPort          = 3
	icmpNetProhibited = 9
	icmpHostProhib    = 10
	icmpAdminProhib   = 13

	icmp6Unreachable = 1
	icmp6AdminProhib = 1
	icmp6Port        = 4
	icmp6FailedRule  = 5
	icmp6RejectRoute = 6
)

// unreachable is a socket filter (BPF over a packet without its link header)
// for the errors "destination unreachable" that the machine itself sends.
var unreachable = []unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0xfffff000 + 4}, // SKF_AD_OFF + SKF_AD_PKTTYPE
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.PACKET_OUTGOING, Jf: 13},
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 0},
	{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0xf0},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 0x40, Jf: 5},
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 9}, // protocol of IPv4
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.IPPROTO_ICMP, Jf: 8},
	{Code: unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH, K: 0}, // length of the header
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_IND, K: 0},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: icmpUnreachable, Jt: 4, Jf: 5},
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 6}, // next header of IPv6
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.IPPROTO_ICMPV6, Jf: 3},
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 40},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: icmp6Unreachable, Jf: 1},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0xffff},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0},
}

// refusalsAMinute bounds the events of a flood: what a learner or a grader asks
// about is among the first.
const refusalsAMinute = 600

// quota counts the events of a minute.
type quota struct {
	since time.Time
	noted int
}

// left reports whether another event may be told.
func (q *quota) left() bool {
	if now := time.Now(); now.Sub(q.since) > time.Minute {
		q.since, q.noted = now, 0
	}
	return q.noted < refusalsAMinute
}

func (q *quota) take() { q.noted++ }

// NoteRefusals notes the packets that the machine's filter refuses without
// logging them, until ctx ends or the machine does. What was rejected stands in
// the ICMP error that the machine sends for it; for what is dropped see [drops].
func (m *Machine) NoteRefusals(ctx context.Context, h *host.Host) error {
	m.drops.note(ctx, h)
	f, err := m.listenPackets("refusals", unreachable)
	if err != nil {
		return err
	}
	name, own := m.interfaceNames(), m.addresses()
	var quota quota
	go readPackets(ctx, f, func(b []byte, from *unix.SockaddrLinklayer) {
		if !quota.left() {
			return
		}
		if attrs, ok := m.rules.refusedBy(b, name(uint32(from.Ifindex)), own); ok {
			quota.take()
			h.Trace.Append(h.Name, "kernel", 0, trace.PacketRefused, attrs)
		}
	})
	return nil
}

// listenPackets opens a socket for the packets of all interfaces, from their
// network headers on, that a filter takes.
func (m *Machine) listenPackets(name string, filter []unix.SockFilter) (*os.File, error) {
	var f *os.File
	err := m.inside.do(func() error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return fmt.Errorf("packet socket: %w", err)
		}
		prog := &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
		if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, prog); err != nil {
			unix.Close(fd)
			return fmt.Errorf("socket filter: %w", err)
		}
		if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: allProtocols}); err != nil {
			unix.Close(fd)
			return fmt.Errorf("packet socket: %w", err)
		}
		f = os.NewFile(uintptr(fd), name)
		return nil
	})
	return f, err
}

// readPackets calls each with what a socket of listenPackets reads, until ctx
// ends, and closes it. The bytes are each's until it returns.
func readPackets(ctx context.Context, f *os.File, each func(b []byte, from *unix.SockaddrLinklayer)) {
	defer f.Close()
	raw, err := f.SyscallConn()
	if err != nil {
		return
	}
	stop := context.AfterFunc(ctx, func() { f.Close() })
	defer stop()
	buf := make([]byte, 2048)
	for {
		var n int
		var link *unix.SockaddrLinklayer
		var failed error
		err := raw.Read(func(fd uintptr) bool {
			var from unix.Sockaddr
			n, from, failed = unix.Recvfrom(int(fd), buf, 0)
			link, _ = from.(*unix.SockaddrLinklayer)
			return failed != unix.EAGAIN
		})
		if err != nil || failed != nil || link == nil {
			return
		}
		each(buf[:n], link)
	}
}

// refusedBy reads an ICMP error of the machine and finds the rule that sent it.
// iface is where the error went out, which is where the packet came in.
// Not ok is an error that no rule sent, one of another machine that passes through
// this one, or one about a packet that is logged and so noted already.
func (r *rulesInForce) refusedBy(b []byte, iface string, own func(netip.Addr) bool) (trace.Attrs, bool) {
	sender, code, quoted, ok := quotation(b)
	if !ok || !own(sender) {
		return nil, false
	}
	p, ok := header(quoted)
	if !ok {
		return nil, false
	}
	p.In = iface
	v6 := sender.Is6()
	switch {
	case !v6 && (code == icmpNetProhibited || code == icmpHostProhib || code == icmpAdminProhib):
	case v6 && (code == icmp6AdminProhib || code == icmp6FailedRule || code == icmp6RejectRoute):
	case p.Proto == nft.ProtoTCP && code == map[bool]byte{false: icmpPort, true: icmp6Port}[v6]:
	default:
		return nil, false
	}
	hook := nft.Input
	if p.Dst != sender {
		hook = nft.Forward
	}
	chain, logged := r.refusal(p, hook)
	if logged {
		return nil, false
	}
	return refusedAttrs(&p, chain, "reject"), true
}

// refusedAttrs are the attributes of the event about a packet.
func refusedAttrs(p *nft.Packet, chain, action string) trace.Attrs {
	port := func(n uint16) string {
		if p.Proto != nft.ProtoTCP && p.Proto != nft.ProtoUDP {
			return ""
		}
		return fmt.Sprint(n)
	}
	return trace.Attrs{
		"from": net.JoinHostPort(p.Src.String(), port(p.SrcPort)), "to": net.JoinHostPort(p.Dst.String(), port(p.DstPort)),
		"protocol": strings.ToLower(nft.ProtocolName(p.Proto)), "chain": chain, "action": action, "interface": p.In,
	}
}

// quotation takes an ICMP error "destination unreachable" apart: who sent it,
// its code, and the beginning of the packet that it is about.
func quotation(b []byte) (from netip.Addr, code byte, quoted []byte, ok bool) {
	const v4Header, v6Header, icmpHeader = 20, 40, 8
	if len(b) < v4Header {
		return from, 0, nil, false
	}
	at := int(b[0]&0xf) * 4
	if b[0]>>4 == 6 {
		at = v6Header
	}
	if at < v4Header || len(b) < at+icmpHeader {
		return from, 0, nil, false
	}
	if b[0]>>4 == 6 {
		from = netip.AddrFrom16([16]byte(b[8:24]))
	} else {
		from = netip.AddrFrom4([4]byte(b[12:16]))
	}
	return from, b[at+1], b[at+icmpHeader:], true
}

// fragmentOffset are the bits of an IPv4 header that say where in its packet a
// fragment belongs.
const fragmentOffset = 0x1fff

// header reads the beginning of a packet that opens a connection, up to its ports.
func header(b []byte) (nft.Packet, bool) {
	p := nft.Packet{State: nft.New, Link: nft.ToHost}
	at := 0
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		if binary.BigEndian.Uint16(b[6:])&fragmentOffset != 0 {
			return p, false // the ports stand in the first fragment
		}
		at, p.Proto = int(b[0]&0xf)*4, b[9]
		p.Src, p.Dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	case len(b) >= 40 && b[0]>>4 == 6:
		at, p.Proto = 40, b[6]
		p.Src, p.Dst = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	default:
		return p, false
	}
	if len(b) < at+4 {
		return p, false
	}
	switch p.Proto {
	case nft.ProtoTCP:
		p.TCPFlags = tcpSYN
		fallthrough
	case nft.ProtoUDP:
		p.SrcPort, p.DstPort = binary.BigEndian.Uint16(b[at:]), binary.BigEndian.Uint16(b[at+2:])
	case nft.ProtoICMP, nft.ProtoICMPv6:
		p.ICMPType, p.ICMPCode = b[at], b[at+1]
		if len(b) >= at+6 {
			p.SrcPort = binary.BigEndian.Uint16(b[at+4:]) // the identifier, which tells its connections apart
		}
	}
	return p, true
}
