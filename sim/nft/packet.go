package nft

import (
	"encoding/binary"
	"net/netip"

	"enshu/sim/wire/nflog"
)

// Packet is a packet as the rules see it. The zero values of what the rules do
// not ask for are filled with what a Linux sender puts there.
type Packet struct {
	In, Out            string // interfaces; "" where there is none
	Src, Dst           netip.Addr
	Proto              uint8
	SrcPort, DstPort   uint16
	ICMPType, ICMPCode uint8
	TCPFlags           uint8 // as in the header: 0x02 is SYN
	ID                 uint16
	Window             uint16
	DataLen            int // bytes after the transport header
	State              State
	DNAT               bool // the connection's destination was rewritten
	Spoofed            bool // the way back to Src is not the way it came
	Link               LinkType
	HWHeader           []byte // link layer header; nil for a packet made here
	Mark               uint32
}

func (p *Packet) family() uint8 {
	if p.Src.Is6() {
		return IPv6
	}
	return IPv4
}

func (p *Packet) etherSource() (MAC, bool) {
	if len(p.HWHeader) < 12 {
		return MAC{}, false
	}
	return MAC(p.HWHeader[6:12]), true
}

// kernelLine is the kernel message for the packet.
func (p *Packet) kernelLine(h Hook, prefix string) string {
	m := nflog.Message{Family: p.family(), Hook: uint8(h), Prefix: prefix, HWHeader: p.HWHeader, HWType: nflog.Ethernet, Mark: p.Mark, Payload: p.Bytes()}
	return m.Line(p.In, p.Out, 0)
}

// Bytes returns the packet's headers from the network layer on, without its
// data. Checksums are left 0.
func (p *Packet) Bytes() []byte {
	var l4 []byte
	switch p.Proto {
	case ProtoTCP:
		l4 = make([]byte, 20)
		l4[12], l4[13] = 5<<4, p.TCPFlags
		window := p.Window
		if window == 0 {
			window = 64240
		}
		binary.BigEndian.PutUint16(l4[14:], window)
		if p.TCPFlags&0x02 != 0 {
			// A Linux SYN has MSS, SACK, timestamp and window scale.
			l4 = append(l4, make([]byte, 20)...)
			l4[12] = 10 << 4
			copy(l4[20:], []byte{2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, 7})
		}
	case ProtoUDP, ProtoUDPLite:
		l4 = make([]byte, 8)
		binary.BigEndian.PutUint16(l4[4:], uint16(8+p.DataLen))
	case ProtoICMP, ProtoICMPv6:
		l4 = make([]byte, 8)
		l4[0], l4[1] = p.ICMPType, p.ICMPCode
	default:
		l4 = make([]byte, 8)
	}
	if p.Proto == ProtoTCP || p.Proto == ProtoUDP || p.Proto == ProtoUDPLite || p.Proto == ProtoSCTP || p.Proto == ProtoDCCP {
		binary.BigEndian.PutUint16(l4[0:], p.SrcPort)
		binary.BigEndian.PutUint16(l4[2:], p.DstPort)
	}
	total := len(l4) + p.DataLen
	if p.family() == IPv6 {
		h := make([]byte, 40, 40+len(l4))
		h[0] = 6 << 4
		binary.BigEndian.PutUint16(h[4:], uint16(total))
		h[6], h[7] = p.Proto, 64
		copy(h[8:24], p.Src.AsSlice())
		copy(h[24:40], p.Dst.AsSlice())
		return append(h, l4...)
	}
	h := make([]byte, 20, 20+len(l4))
	h[0] = 0x45
	binary.BigEndian.PutUint16(h[2:], uint16(20+total))
	binary.BigEndian.PutUint16(h[4:], p.ID)
	h[6] = 0x40 // DF
	h[8], h[9] = 64, p.Proto
	copy(h[12:16], p.Src.AsSlice())
	copy(h[16:20], p.Dst.AsSlice())
	return append(h, l4...)
}
