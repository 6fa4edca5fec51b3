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

// NoteRefusals notes the packets that the machine's filter rejects without
// logging them, until ctx ends or the machine does. What was refused stands in
// the ICMP error that the machine sends for it; rules that drop a packet, or
// reset its connection, send none.
func (m *Machine) NoteRefusals(ctx context.Context, h *host.Host) error {
	var f *os.File
	err := m.inside.do(func() error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return fmt.Errorf("packet socket: %w", err)
		}
		prog := &unix.SockFprog{Len: uint16(len(unreachable)), Filter: &unreachable[0]}
		if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, prog); err != nil {
			unix.Close(fd)
			return fmt.Errorf("socket filter: %w", err)
		}
		if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: allProtocols}); err != nil {
			unix.Close(fd)
			return fmt.Errorf("packet socket: %w", err)
		}
		f = os.NewFile(uintptr(fd), "refusals")
		return nil
	})
	if err != nil {
		return err
	}
	raw, err := f.SyscallConn()
	if err != nil {
		f.Close()
		return err
	}
	stop := context.AfterFunc(ctx, func() { f.Close() })
	go func() {
		defer stop()
		defer f.Close()
		buf := make([]byte, 2048)
		name := m.interfaceNames()
		var since time.Time
		noted := 0
		for {
			var n, index int
			var failed error
			err := raw.Read(func(fd uintptr) bool {
				var from unix.Sockaddr
				n, from, failed = unix.Recvfrom(int(fd), buf, 0)
				if l, ok := from.(*unix.SockaddrLinklayer); ok {
					index = l.Ifindex
				}
				return failed != unix.EAGAIN
			})
			if err != nil || failed != nil {
				return
			}
			attrs, ok := m.rules.refusedBy(buf[:n], name(uint32(index)))
			if !ok {
				continue
			}
			if now := time.Now(); now.Sub(since) > time.Minute {
				since, noted = now, 0
			}
			if noted++; noted <= refusalsAMinute {
				h.Trace.Append(h.Name, "kernel", 0, trace.PacketRefused, attrs)
			}
		}
	}()
	return nil
}

// refusedBy reads an ICMP error of the machine and finds the rule that sent it.
// iface is where the error went out, which is where the packet came in.
// Not ok is an error that no rule sent, or one about a packet that is logged
// and so noted already.
func (r *rulesInForce) refusedBy(b []byte, iface string) (trace.Attrs, bool) {
	own, code, quoted, ok := quotation(b)
	if !ok {
		return nil, false
	}
	p, ok := header(quoted)
	if !ok {
		return nil, false
	}
	p.In = iface
	v6 := own.Is6()
	switch {
	case !v6 && (code == icmpNetProhibited || code == icmpHostProhib || code == icmpAdminProhib):
	case v6 && (code == icmp6AdminProhib || code == icmp6FailedRule || code == icmp6RejectRoute):
	case p.Proto == nft.ProtoTCP && code == map[bool]byte{false: icmpPort, true: icmp6Port}[v6]:
	default:
		return nil, false
	}
	hook := nft.Input
	if p.Dst != own {
		hook = nft.Forward
	}
	chain, logged := r.refusal(p, hook)
	if logged {
		return nil, false
	}
	port := func(n uint16) string {
		if p.Proto != nft.ProtoTCP && p.Proto != nft.ProtoUDP {
			return ""
		}
		return fmt.Sprint(n)
	}
	return trace.Attrs{
		"from": net.JoinHostPort(p.Src.String(), port(p.SrcPort)), "to": net.JoinHostPort(p.Dst.String(), port(p.DstPort)),
		"protocol": strings.ToLower(nft.ProtocolName(p.Proto)), "chain": chain, "action": "reject", "interface": iface,
	}, true
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

// header reads the beginning of a packet, up to its ports.
func header(b []byte) (nft.Packet, bool) {
	p := nft.Packet{State: nft.New, Link: nft.ToHost}
	at := 0
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
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
	case nft.ProtoTCP, nft.ProtoUDP:
		p.SrcPort, p.DstPort = binary.BigEndian.Uint16(b[at:]), binary.BigEndian.Uint16(b[at+2:])
	case nft.ProtoICMP, nft.ProtoICMPv6:
		p.ICMPType, p.ICMPCode = b[at], b[at+1]
	}
	return p, true
}
