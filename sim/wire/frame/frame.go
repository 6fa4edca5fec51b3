// Package frame reads Ethernet frames as a capture shows them: who to whom, and
// what. It also writes captures in the format of tcpdump(8) (pcap-savefile(5)).
package frame

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"unicode/utf8"
)

// Summary is a frame in a few words. A frame that is cut short is told as far as
// it goes.
func Summary(b []byte) string {
	var s summary
	s.ethernet(b)
	line := fmt.Sprintf("%s > %s: %s, length %d", s.from, s.to, s.what, len(b))
	if text := printable(s.payload); text != "" {
		line += fmt.Sprintf(" %.60q", text)
	}
	return line
}

type summary struct {
	from, to string
	what     string
	payload  []byte
}

// Ethernet types and protocol numbers (IANA).
const (
	typeIPv4 = 0x0800
	typeARP  = 0x0806
	typeIPv6 = 0x86dd

	protoICMP     = 1
	protoTCP      = 6
	protoUDP      = 17
	protoICMPv6   = 58
	protoHopByHop = 0
)

func (s *summary) ethernet(b []byte) {
	s.from, s.to, s.what = "?", "?", "Ethernet"
	if len(b) < 14 {
		return
	}
	s.to, s.from = net.HardwareAddr(b[:6]).String(), net.HardwareAddr(b[6:12]).String()
	switch kind := binary.BigEndian.Uint16(b[12:]); kind {
	case typeIPv4:
		s.ipv4(b[14:])
	case typeIPv6:
		s.ipv6(b[14:])
	case typeARP:
		s.arp(b[14:])
	default:
		s.what = fmt.Sprintf("Ethernet type 0x%04x", kind)
	}
}

// arp is RFC 826 for Ethernet and IPv4.
func (s *summary) arp(b []byte) {
	s.what = "ARP"
	if len(b) < 28 {
		return
	}
	sender, target := netip.AddrFrom4([4]byte(b[14:])), netip.AddrFrom4([4]byte(b[24:]))
	switch binary.BigEndian.Uint16(b[6:]) {
	case 1:
		s.what = fmt.Sprintf("ARP who has %s? tell %s", target, sender)
	case 2:
		s.what = fmt.Sprintf("ARP %s is at %s", sender, net.HardwareAddr(b[8:14]))
	}
}

func (s *summary) ipv4(b []byte) {
	s.what = "IPv4"
	if len(b) < 20 {
		return
	}
	s.from, s.to = netip.AddrFrom4([4]byte(b[12:])).String(), netip.AddrFrom4([4]byte(b[16:])).String()
	head, total := int(b[0]&0xf)*4, int(binary.BigEndian.Uint16(b[2:]))
	if head < 20 || head > len(b) {
		return
	}
	if total >= head && total < len(b) {
		b = b[:total] // what is behind it only fills the frame
	}
	if binary.BigEndian.Uint16(b[6:])&0x1fff != 0 {
		s.what = "IPv4 fragment"
		return
	}
	s.transport(b[9], b[head:])
}

func (s *summary) ipv6(b []byte) {
	s.what = "IPv6"
	if len(b) < 40 {
		return
	}
	s.from, s.to = netip.AddrFrom16([16]byte(b[8:])).String(), netip.AddrFrom16([16]byte(b[24:])).String()
	next, rest := b[6], b[40:]
	if n := int(binary.BigEndian.Uint16(b[4:])); n < len(rest) {
		rest = rest[:n]
	}
	if next == protoHopByHop && len(rest) >= 8 { // before reports of multicast listeners
		n := 8 * (int(rest[1]) + 1)
		next, rest = rest[0], rest[min(n, len(rest)):]
	}
	s.transport(next, rest)
}

func (s *summary) transport(proto byte, b []byte) {
	switch {
	case proto == protoTCP && len(b) >= 20:
		s.ports(b)
		s.what = "TCP " + tcpFlags(b[13])
		if head := int(b[12]>>4) * 4; head >= 20 && head <= len(b) {
			s.payload = b[head:]
		}
	case proto == protoUDP && len(b) >= 8:
		s.ports(b)
		s.what, s.payload = "UDP", b[8:]
	case proto == protoICMP && len(b) >= 2:
		s.what = named("ICMP", int(b[0]), icmpTypes)
	case proto == protoICMPv6 && len(b) >= 2:
		s.what = named("ICMPv6", int(b[0]), icmp6Types)
	default:
		s.what = fmt.Sprintf("IP protocol %d", proto)
	}
}

func (s *summary) ports(b []byte) {
	s.from = fmt.Sprintf("%s.%d", s.from, binary.BigEndian.Uint16(b))
	s.to = fmt.Sprintf("%s.%d", s.to, binary.BigEndian.Uint16(b[2:]))
}

// tcpFlags are the flags of a segment as tcpdump(8) writes them.
func tcpFlags(bits byte) string {
	var b strings.Builder
	for _, f := range []struct {
		bit  byte
		mark string
	}{{0x02, "S"}, {0x01, "F"}, {0x04, "R"}, {0x08, "P"}, {0x10, "."}} {
		if bits&f.bit != 0 {
			b.WriteString(f.mark)
		}
	}
	return "[" + b.String() + "]"
}

// The types of messages that a learner meets (RFC 792, RFC 4443, RFC 4861, RFC 3810).
var (
	icmpTypes = map[int]string{0: "echo reply", 3: "destination unreachable", 5: "redirect", 8: "echo request", 11: "time exceeded"}

	icmp6Types = map[int]string{1: "destination unreachable", 2: "packet too big", 3: "time exceeded", 128: "echo request", 129: "echo reply",
		133: "router solicitation", 134: "router advertisement", 135: "neighbor solicitation", 136: "neighbor advertisement", 143: "multicast listener report"}
)

func named(proto string, kind int, names map[int]string) string {
	if name, ok := names[kind]; ok {
		return proto + " " + name
	}
	return fmt.Sprintf("%s type %d", proto, kind)
}

// printable returns a payload that is text; of anything else, such as NTP or
// DNS, a line would not tell anything.
func printable(b []byte) string {
	b = bytes.TrimSuffix(b, []byte{0}) // some senders of syslog
	text := string(b[:min(len(b), 200)])
	for i, r := range text {
		switch {
		case r == utf8.RuneError && len(text)-i < utf8.UTFMax: // cut in a character
			return text[:i]
		case r == utf8.RuneError, r < ' ' && r != '\n' && r != '\r' && r != '\t', r == 0x7f:
			return ""
		}
	}
	return text
}
