package nflog

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
)

// Flags are the "log flags" of a rule (NF_LOG_*).
type Flags uint8

// The flags: tcp sequence, tcp options, ip options, skuid, ether.
const (
	TCPSequence Flags = 0x01
	TCPOptions  Flags = 0x02
	IPOptions   Flags = 0x04
	SocketUID   Flags = 0x08
	Ether       Flags = 0x20
	AllFlags          = TCPSequence | TCPOptions | IPOptions | SocketUID | Ether
)

// Protocol numbers that have a line of their own.
const (
	protoHopByHop = 0
	protoICMP     = 1
	protoTCP      = 6
	protoUDP      = 17
	protoRouting  = 43
	protoFragment = 44
	protoESP      = 50
	protoAH       = 51
	protoICMPv6   = 58
	protoDestOpts = 60
	protoUDPLite  = 136
)

// line is a kernel line under construction.
type line struct {
	strings.Builder
	m     *Message
	flags Flags
}

func (l *line) add(format string, args ...any) { fmt.Fprintf(l, format, args...) }

// incomplete tells that only the bytes of b are there.
func (l *line) incomplete(b []byte) { l.add("INCOMPLETE [%d bytes] ", len(b)) }

// Line returns the kernel's text for the packet, with its trailing blank. in
// and out are the names of the interfaces, "" where there is none.
func (m *Message) Line(in, out string, flags Flags) string {
	l := &line{m: m, flags: flags}
	l.add("%sIN=%s OUT=%s ", m.Prefix, in, out)
	proto := m.Protocol
	switch m.Family {
	case 2:
		proto = 0x0800
	case 3:
		proto = 0x0806
	case 10:
		proto = 0x86dd
	}
	if in != "" && proto != 0x0806 {
		l.mac()
	}
	switch proto {
	case 0x0800:
		l.ipv4(m.Payload, true)
	case 0x0806:
		l.arp(m.Payload)
	case 0x86dd:
		l.ipv6(m.Payload, true)
	}
	return l.String()
}

func colons(b []byte) string {
	return strings.ReplaceAll(strings.TrimSpace(fmt.Sprintf("% x", b)), " ", ":")
}

func (l *line) mac() {
	h := l.m.HWHeader
	if l.flags&Ether != 0 && l.m.HWType == Ethernet && len(h) >= 14 {
		l.add("MACSRC=%s MACDST=%s MACPROTO=%04x ", colons(h[6:12]), colons(h[:6]), binary.BigEndian.Uint16(h[12:]))
		return
	}
	l.add("MAC=%s ", colons(h))
}

// socket ends the line of the outermost packet.
func (l *line) socket() {
	if l.flags&SocketUID != 0 && l.m.HasUID {
		l.add("UID=%d GID=%d ", l.m.UID, l.m.GID)
	}
	if l.m.Mark != 0 {
		l.add("MARK=0x%x ", l.m.Mark)
	}
}

func addr4(b []byte) netip.Addr { return netip.AddrFrom4([4]byte(b)) }

// icmpNeeds is how long an ICMP message of a type must be at least.
var icmpNeeds = map[uint8]int{0: 4, 3: 28, 4: 28, 5: 28, 8: 4, 11: 28, 12: 28, 13: 20, 14: 20, 17: 12, 18: 12}

// ipv4 writes an IPv4 packet; one inside an ICMP error is not outer.
func (l *line) ipv4(b []byte, outer bool) {
	if len(b) < 20 {
		l.add("TRUNCATED")
		return
	}
	l.add("SRC=%s DST=%s LEN=%d TOS=0x%02X PREC=0x%02X TTL=%d ID=%d ", addr4(b[12:16]), addr4(b[16:20]),
		binary.BigEndian.Uint16(b[2:]), b[1]&0x1e, b[1]&0xe0, b[8], binary.BigEndian.Uint16(b[4:]))
	frag := binary.BigEndian.Uint16(b[6:])
	for bit, word := range []string{"CE ", "DF ", "MF "} {
		if frag&(0x8000>>bit) != 0 {
			l.add("%s", word)
		}
	}
	offset := frag & 0x1fff
	if offset != 0 {
		l.add("FRAG:%d ", offset)
	}
	head := int(b[0]&15) * 4
	if l.flags&IPOptions != 0 && head > 20 {
		if len(b) < head {
			l.add("TRUNCATED")
			return
		}
		l.add("OPT (%X) ", b[20:head])
	}
	proto, rest := b[9], b[min(max(head, 20), len(b)):]
	switch proto {
	case protoTCP:
		l.tcp(rest, offset != 0)
	case protoUDP, protoUDPLite:
		l.udp(rest, proto, offset != 0)
	case protoICMP:
		l.icmp(rest, offset != 0, outer)
	case protoAH:
		l.spi("PROTO=AH ", rest, 4, 12, offset != 0)
	case protoESP:
		l.spi("PROTO=ESP ", rest, 0, 8, offset != 0)
	default:
		l.add("PROTO=%d ", proto)
	}
	if outer {
		l.socket()
	}
}

// spi writes the security parameters index of an IPsec header, which must have
// need bytes, at the place at.
func (l *line) spi(name string, b []byte, at, need int, fragment bool) {
	l.add("%s", name)
	switch {
	case fragment:
	case len(b) < need:
		l.incomplete(b)
	default:
		l.add("SPI=0x%x ", binary.BigEndian.Uint32(b[at:]))
	}
}

func (l *line) tcp(b []byte, fragment bool) {
	l.add("PROTO=TCP ")
	if fragment {
		return
	}
	if len(b) < 20 {
		l.incomplete(b)
		return
	}
	l.add("SPT=%d DPT=%d ", binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]))
	if l.flags&TCPSequence != 0 {
		l.add("SEQ=%d ACK=%d ", binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:]))
	}
	l.add("WINDOW=%d RES=0x%02x ", binary.BigEndian.Uint16(b[14:]), b[12]&0x0f<<2)
	for bit, word := range []string{"CWR ", "ECE ", "URG ", "ACK ", "PSH ", "RST ", "SYN ", "FIN "} {
		if b[13]&(0x80>>bit) != 0 {
			l.add("%s", word)
		}
	}
	l.add("URGP=%d ", binary.BigEndian.Uint16(b[18:]))
	if head := int(b[12]>>4) * 4; l.flags&TCPOptions != 0 && head > 20 {
		if len(b) < head {
			l.add("OPT (TRUNCATED)")
			return
		}
		l.add("OPT (%X) ", b[20:head])
	}
}

func (l *line) udp(b []byte, proto uint8, fragment bool) {
	if proto == protoUDP {
		l.add("PROTO=UDP ")
	} else {
		l.add("PROTO=UDPLITE ")
	}
	switch {
	case fragment:
	case len(b) < 8:
		l.incomplete(b)
	default:
		l.add("SPT=%d DPT=%d LEN=%d ", binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint16(b[4:]))
	}
}

func (l *line) icmp(b []byte, fragment, outer bool) {
	l.add("PROTO=ICMP ")
	if fragment {
		return
	}
	if len(b) < 8 {
		l.incomplete(b)
		return
	}
	kind, code := b[0], b[1]
	l.add("TYPE=%d CODE=%d ", kind, code)
	if len(b) < icmpNeeds[kind] {
		l.incomplete(b)
		return
	}
	switch kind {
	case 0, 8:
		l.add("ID=%d SEQ=%d ", binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:]))
	case 12:
		l.add("PARAMETER=%d ", b[4])
	case 3, 4, 5, 11:
		if kind == 5 {
			l.add("GATEWAY=%s ", addr4(b[4:8]))
		}
		if outer {
			l.add("[")
			l.ipv4(b[8:], false)
			l.add("] ")
		}
		if kind == 3 && code == 4 {
			l.add("MTU=%d ", binary.BigEndian.Uint16(b[6:]))
		}
	}
}

func (l *line) arp(b []byte) {
	if len(b) < 8 {
		l.add("TRUNCATED")
		return
	}
	hardware, protocol := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	l.add("ARP HTYPE=%d PTYPE=0x%04x OPCODE=%d", hardware, protocol, binary.BigEndian.Uint16(b[6:]))
	if hardware != Ethernet || b[4] != 6 || b[5] != 4 {
		return
	}
	if len(b) < 28 {
		l.add(" INCOMPLETE [%d bytes]", len(b)-8)
		return
	}
	l.add(" MACSRC=%s IPSRC=%s MACDST=%s IPDST=%s", colons(b[8:14]), addr4(b[14:18]), colons(b[18:24]), addr4(b[24:28]))
}
