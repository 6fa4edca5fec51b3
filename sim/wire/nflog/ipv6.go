package nflog

import (
	"encoding/binary"
	"net/netip"
)

func addr6(b []byte) string { return netip.AddrFrom16([16]byte(b)).StringExpanded() }

// ipv6 writes an IPv6 packet; one inside an ICMP error is not outer.
func (l *line) ipv6(b []byte, outer bool) {
	if len(b) < 40 {
		l.add("TRUNCATED")
		return
	}
	first := binary.BigEndian.Uint32(b)
	l.add("SRC=%s DST=%s LEN=%d TC=%d HOPLIMIT=%d FLOWLBL=%d ", addr6(b[8:24]), addr6(b[24:40]),
		int(binary.BigEndian.Uint16(b[4:]))+40, first>>20&0xff, b[7], first&0xfffff)
	proto, rest, fragment, ok := l.extensions(b[6], b[40:])
	if !ok {
		return
	}
	switch proto {
	case protoTCP:
		l.tcp(rest, fragment)
	case protoUDP, protoUDPLite:
		l.udp(rest, proto, fragment)
	case protoICMPv6:
		l.icmpv6(rest, fragment, outer)
	default:
		l.add("PROTO=%d ", proto)
	}
	if outer {
		l.socket()
	}
}

// extensions writes the extension headers and returns what follows them; not
// ok means that the line ends with them.
func (l *line) extensions(proto uint8, b []byte) (next uint8, rest []byte, fragment, ok bool) {
	options := l.flags&IPOptions != 0
	show := func(format string, args ...any) {
		if options {
			l.add(format, args...)
		}
	}
	for {
		switch proto {
		case protoHopByHop, protoRouting, protoFragment, protoESP, protoAH, protoDestOpts:
		default:
			return proto, b, fragment, true
		}
		if len(b) < 2 {
			l.add("TRUNCATED")
			return 0, nil, false, false
		}
		show("OPT ( ")
		size := (int(b[1]) + 1) * 8
		switch proto {
		case protoFragment:
			size = 8
			if len(b) < 8 {
				l.add("TRUNCATED ")
				return 0, nil, false, false
			}
			offset := binary.BigEndian.Uint16(b[2:])
			l.add("FRAG:%d ", offset&0xfff8)
			if offset&1 != 0 {
				l.add("INCOMPLETE ")
			}
			l.add("ID:%08x ", binary.BigEndian.Uint32(b[4:]))
			fragment = fragment || offset&0xfff8 != 0
		case protoAH:
			size = (int(b[1]) + 2) * 4
			if !options {
				break
			}
			l.add("AH ")
			if fragment {
				l.add(")")
				return 0, nil, false, false
			}
			if len(b) < 12 {
				l.add("INCOMPLETE [%d bytes] )", len(b))
				return 0, nil, false, false
			}
			l.add("SPI=0x%x ", binary.BigEndian.Uint32(b[4:]))
		case protoESP:
			if !options {
				return 0, nil, false, false
			}
			l.add("ESP ")
			switch {
			case fragment:
				l.add(")")
			case len(b) < 8:
				l.add("INCOMPLETE [%d bytes] )", len(b))
			default:
				l.add("SPI=0x%x )", binary.BigEndian.Uint32(b))
			}
			return 0, nil, false, false
		default:
			if fragment {
				show(")")
				return 0, nil, false, false
			}
		}
		show(") ")
		proto, b = b[0], b[min(size, len(b)):]
	}
}

func (l *line) icmpv6(b []byte, fragment, outer bool) {
	l.add("PROTO=ICMPv6 ")
	if fragment {
		return
	}
	if len(b) < 8 {
		l.incomplete(b)
		return
	}
	kind := b[0]
	l.add("TYPE=%d CODE=%d ", kind, b[1])
	switch kind {
	case 128, 129:
		l.add("ID=%d SEQ=%d ", binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:]))
	case 1, 2, 3, 4:
		if kind == 4 {
			l.add("POINTER=%08x ", binary.BigEndian.Uint32(b[4:]))
		}
		if outer {
			l.add("[")
			l.ipv6(b[8:], false)
			l.add("] ")
		}
		if kind == 2 {
			l.add("MTU=%d ", binary.BigEndian.Uint32(b[4:]))
		}
	}
}
