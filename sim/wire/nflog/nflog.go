package nflog

import (
	"encoding/binary"
	"errors"
	"strings"
)

// Ethernet is the HWType of Ethernet devices (ARPHRD_ETHER).
const Ethernet = 1

// Message is one logged packet.
type Message struct {
	Family   uint8  // NFPROTO_*: 2 is IPv4, 3 ARP, 5 netdev, 7 bridge, 10 IPv6
	Group    uint16 // NFLOG group
	Protocol uint16 // ethertype, 0 when not told
	Hook     uint8
	Prefix   string
	InDev    uint32 // interface index, 0 for none
	OutDev   uint32
	HWType   uint16
	HWHeader []byte // link layer header; nil for packets made here
	Payload  []byte // from the network header on
	Mark     uint32
	UID, GID uint32 // of the socket that sent it
	HasUID   bool
}

// The attributes of a message (enum nfulnl_attr_type).
const (
	attrPacketHeader = 1
	attrMark         = 2
	attrInDev        = 4
	attrOutDev       = 5
	attrPayload      = 9
	attrPrefix       = 10
	attrUID          = 11
	attrGID          = 14
	attrHWType       = 15
	attrHWHeader     = 16
)

// ErrShort is a message that ends too early.
var ErrShort = errors.New("nflog: short message")

// Decode reads the data of a netlink message of type
// NFNL_SUBSYS_ULOG<<8|NFULNL_MSG_PACKET, without its netlink header. The
// message keeps parts of data.
func Decode(data []byte) (*Message, error) {
	if len(data) < 4 {
		return nil, ErrShort
	}
	m := &Message{Family: data[0], Group: binary.BigEndian.Uint16(data[2:])}
	for data = data[4:]; len(data) >= 4; {
		n := int(binary.NativeEndian.Uint16(data))
		kind := binary.NativeEndian.Uint16(data[2:]) & 0x3fff
		if n < 4 || n > len(data) {
			return nil, ErrShort
		}
		if err := m.attribute(kind, data[4:n]); err != nil {
			return nil, err
		}
		data = data[min((n+3)&^3, len(data)):]
	}
	return m, nil
}

func (m *Message) attribute(kind uint16, v []byte) error {
	need := map[uint16]int{attrPacketHeader: 3, attrMark: 4, attrInDev: 4, attrOutDev: 4, attrUID: 4, attrGID: 4, attrHWType: 2}
	if len(v) < need[kind] {
		return ErrShort
	}
	switch kind {
	case attrPacketHeader:
		m.Protocol, m.Hook = binary.BigEndian.Uint16(v), v[2]
	case attrMark:
		m.Mark = binary.BigEndian.Uint32(v)
	case attrInDev:
		m.InDev = binary.BigEndian.Uint32(v)
	case attrOutDev:
		m.OutDev = binary.BigEndian.Uint32(v)
	case attrPayload:
		m.Payload = v
	case attrPrefix:
		m.Prefix, _, _ = strings.Cut(string(v), "\x00")
	case attrUID:
		m.UID, m.HasUID = binary.BigEndian.Uint32(v), true
	case attrGID:
		m.GID = binary.BigEndian.Uint32(v)
	case attrHWType:
		m.HWType = binary.BigEndian.Uint16(v)
	case attrHWHeader:
		m.HWHeader = v
	}
	return nil
}

// Line decodes the data of a netlink message and returns the group it was sent
// to and the kernel's line for it. name tells the name of an interface by its
// index; it is not asked for index 0.
func Line(data []byte, name func(index uint32) string) (group uint16, line string, err error) {
	m, err := Decode(data)
	if err != nil {
		return 0, "", err
	}
	var in, out string
	if m.InDev != 0 {
		in = name(m.InDev)
	}
	if m.OutDev != 0 {
		out = name(m.OutDev)
	}
	return m.Group, m.Line(in, out, 0), nil
}
