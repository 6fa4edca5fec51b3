package nftnl

import (
	"fmt"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"enshu/sim/nft"
)

// expr translates one expression of a rule.
func (c *compiler) expr(e nft.Expr) error {
	switch e := e.(type) {
	case nft.IfName:
		return c.ifName(e)
	case nft.NFProto:
		c.needFamily(e.Family)
	case nft.L4Proto:
		return c.l4Proto(e)
	case nft.Addr:
		return c.addr(e)
	case nft.EtherSource:
		return c.etherSource(e)
	case nft.Port:
		c.port(e)
	case nft.ICMPType:
		return c.icmpType(e)
	case nft.CTState:
		return c.ctState(e)
	case nft.CTStatusDNAT:
		c.add(&expr.Ct{Key: expr.CtKeySTATUS, Register: 1})
		c.hasBit(ctStatusDNAT)
	case nft.RPFilter:
		c.add(&expr.Fib{Register: 1, FlagSADDR: true, FlagMARK: true, FlagIIF: true, ResultOIF: true, FlagPRESENT: true})
		c.compare(false, make([]byte, 4))
	case nft.PktType:
		c.meta(expr.MetaKeyPKTTYPE)
		c.compare(false, []byte{uint8(e.Type)})
	case nft.Limit:
		unit := map[string]expr.LimitTime{"second": expr.LimitTimeSecond, "minute": expr.LimitTimeMinute, "hour": expr.LimitTimeHour, "day": expr.LimitTimeDay}[e.Unit]
		c.add(&expr.Limit{Type: expr.LimitTypePkts, Rate: e.Rate, Unit: unit, Burst: 5})
	default:
		return c.statement(e)
	}
	return nil
}

func (c *compiler) statement(e nft.Expr) error {
	switch e := e.(type) {
	case nft.Log:
		// An audit record would be the machine's, not the host's.
		if e.Level != nft.LogAudit {
			c.add(&expr.Log{Key: 1<<unix.NFTA_LOG_GROUP | 1<<unix.NFTA_LOG_PREFIX, Group: nft.LogGroup(e.Level), Data: []byte(e.Prefix)})
		}
	case nft.NFLog:
		l := &expr.Log{Key: 1 << unix.NFTA_LOG_GROUP, Group: e.Group}
		if e.Prefix != "" {
			l.Key, l.Data = l.Key|1<<unix.NFTA_LOG_PREFIX, []byte(e.Prefix)
		}
		if e.Threshold != 0 {
			l.Key, l.QThreshold = l.Key|1<<unix.NFTA_LOG_QTHRESHOLD, e.Threshold
		}
		c.add(l)
	case nft.ClampMSS:
		c.clampMSS(e)
	case nft.SetMark:
		if e.Keep == 0 {
			c.add(&expr.Immediate{Register: 1, Data: binaryutil.NativeEndian.PutUint32(e.Mark)})
		} else {
			c.meta(expr.MetaKeyMARK)
			c.add(&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(e.Keep), Xor: binaryutil.NativeEndian.PutUint32(e.Mark)})
		}
		c.add(&expr.Meta{Key: expr.MetaKeyMARK, SourceRegister: true, Register: 1})
	case nft.Masquerade:
		c.add(&expr.Masq{})
	case nft.Redirect:
		r := &expr.Redir{}
		if e.Port != 0 {
			c.add(&expr.Immediate{Register: 1, Data: binaryutil.BigEndian.PutUint16(e.Port)})
			r.RegisterProtoMin, r.Flags = 1, expr.NF_NAT_RANGE_PROTO_SPECIFIED
			if e.Last > e.Port {
				c.add(&expr.Immediate{Register: 2, Data: binaryutil.BigEndian.PutUint16(e.Last)})
				r.RegisterProtoMax = 2
			}
		}
		c.add(r)
	case nft.DNAT:
		n := &expr.NAT{Type: expr.NATTypeDestNAT, Family: nft.IPv4, RegAddrMin: 1}
		if e.Addr.Is6() {
			n.Family = nft.IPv6
		}
		c.needFamily(uint8(n.Family))
		c.add(&expr.Immediate{Register: 1, Data: e.Addr.AsSlice()})
		if e.Port != 0 {
			c.add(&expr.Immediate{Register: 2, Data: binaryutil.BigEndian.PutUint16(e.Port)})
			n.RegProtoMin, n.Specified = 2, true
			if e.Last > e.Port {
				c.add(&expr.Immediate{Register: 3, Data: binaryutil.BigEndian.PutUint16(e.Last)})
				n.RegProtoMax = 3
			}
		}
		c.add(n)
	case nft.Reject:
		c.reject(e)
	case nft.Verdict:
		kinds := map[nft.VerdictKind]expr.VerdictKind{nft.Accept: expr.VerdictAccept, nft.Drop: expr.VerdictDrop,
			nft.Return: expr.VerdictReturn, nft.Jump: expr.VerdictJump, nft.Goto: expr.VerdictGoto}
		c.add(&expr.Verdict{Kind: kinds[e.Kind], Chain: e.Chain})
	default:
		return fmt.Errorf("no translation of %T", e)
	}
	return nil
}

// ctStatusDNAT is IPS_DST_NAT of linux/netfilter/nf_conntrack_common.h.
const ctStatusDNAT = 0x20

// ifNameSize is IFNAMSIZ: the kernel compares names with their padding.
const ifNameSize = 16

func (c *compiler) ifName(e nft.IfName) error {
	key := expr.MetaKeyIIFNAME
	if e.Out {
		key = expr.MetaKeyOIFNAME
	}
	name, wild := strings.CutSuffix(e.Name, "*")
	if len(name) >= ifNameSize {
		return fmt.Errorf("interface name %q is too long", e.Name)
	}
	data := make([]byte, ifNameSize)
	copy(data, name)
	if wild {
		data = data[:len(name)]
	}
	if len(data) > 0 {
		c.meta(key)
		c.compare(e.Not, data)
	}
	return nil
}

func (c *compiler) l4Proto(e nft.L4Proto) error {
	if len(e.Protos) == 1 {
		c.needProtocol(e.Protos[0])
		return nil
	}
	c.meta(expr.MetaKeyL4PROTO)
	return c.anonymous(nftables.TypeInetProto, false, nil, byteElements(e.Protos))
}

func byteElements(values []uint8) []nftables.SetElement {
	var list []nftables.SetElement
	for _, v := range values {
		list = append(list, nftables.SetElement{Key: []byte{v}})
	}
	return list
}

func (c *compiler) addr(e nft.Addr) error {
	v6 := e.V6
	if len(e.Prefixes) > 0 {
		v6 = e.Prefixes[0].Addr().Is6()
	}
	kind, size, offset := nftables.TypeIPAddr, uint32(4), uint32(12)
	c.needFamily(map[bool]uint8{false: nft.IPv4, true: nft.IPv6}[v6])
	if v6 {
		kind, size, offset = nftables.TypeIP6Addr, 16, 8
	}
	if e.Dst {
		offset += size
	}
	c.payload(expr.PayloadBaseNetworkHeader, offset, size)
	switch {
	case e.Set != "":
		return c.lookup(e.Set, e.Not)
	case len(e.Prefixes) > 1:
		return c.anonymous(kind, true, nil, prefixElements(e.Prefixes, true))
	case len(e.Prefixes) == 0:
		return fmt.Errorf("no address")
	}
	p := e.Prefixes[0].Masked()
	if !p.IsSingleIP() {
		mask := make([]byte, size)
		for i := range p.Bits() {
			mask[i/8] |= 0x80 >> (i % 8)
		}
		c.add(&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: size, Mask: mask, Xor: make([]byte, size)})
	}
	c.compare(e.Not, p.Addr().AsSlice())
	return nil
}

func (c *compiler) lookup(name string, not bool) error {
	s := c.sets[name]
	if s == nil {
		return fmt.Errorf("no set %q", name)
	}
	c.add(&expr.Lookup{SourceRegister: 1, SetName: s.Name, SetID: s.ID, Invert: not})
	return nil
}

func (c *compiler) etherSource(e nft.EtherSource) error {
	c.meta(expr.MetaKeyIIFTYPE)
	c.compare(false, binaryutil.NativeEndian.PutUint16(unix.ARPHRD_ETHER))
	c.payload(expr.PayloadBaseLLHeader, 6, 6)
	if e.Set != "" {
		return c.lookup(e.Set, e.Not)
	}
	c.compare(e.Not, e.Addr[:])
	return nil
}

func (c *compiler) port(e nft.Port) {
	c.needProtocol(e.Proto)
	offset := uint32(2)
	if e.Source {
		offset = 0
	}
	c.payload(expr.PayloadBaseTransportHeader, offset, 2)
	lo, hi := binaryutil.BigEndian.PutUint16(e.Lo), binaryutil.BigEndian.PutUint16(e.Hi)
	if e.Lo == e.Hi {
		c.compare(false, lo)
		return
	}
	c.add(&expr.Cmp{Op: expr.CmpOpGte, Register: 1, Data: lo}, &expr.Cmp{Op: expr.CmpOpLte, Register: 1, Data: hi})
}

func (c *compiler) icmpType(e nft.ICMPType) error {
	kind := nftables.TypeICMPType
	if e.V6 {
		kind = nftables.TypeICMP6Type
		c.needFamily(nft.IPv6)
		c.needProtocol(nft.ProtoICMPv6)
	} else {
		c.needFamily(nft.IPv4)
		c.needProtocol(nft.ProtoICMP)
	}
	c.payload(expr.PayloadBaseTransportHeader, 0, 1)
	if len(e.Types) > 1 {
		return c.anonymous(kind, false, nil, byteElements(e.Types))
	}
	c.compare(false, e.Types)
	if e.HasCode {
		c.payload(expr.PayloadBaseTransportHeader, 1, 1)
		c.compare(false, []byte{e.Code})
	}
	return nil
}

func (c *compiler) hasBit(bit uint32) {
	c.add(&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(bit), Xor: make([]byte, 4)})
	c.compare(true, make([]byte, 4))
}

func (c *compiler) ctState(e nft.CTState) error {
	c.add(&expr.Ct{Key: expr.CtKeySTATE, Register: 1})
	if len(e.States) == 1 {
		c.hasBit(uint32(e.States[0]))
		return nil
	}
	var list []nftables.SetElement
	for _, s := range e.States {
		list = append(list, nftables.SetElement{Key: binaryutil.NativeEndian.PutUint32(uint32(s))})
	}
	return c.anonymous(nftables.TypeCTState, false, binaryutil.NativeEndian, list)
}

// Where the flags of a TCP header are, the bit of SYN, and the option for the
// largest segment with the offset and length of its value (RFC 9293).
const (
	tcpFlagsOffset          = 13
	tcpSYN                  = 2
	tcpOptMSS               = 2
	tcpMSSOffset, tcpMSSLen = 2, 2
)

func (c *compiler) clampMSS(e nft.ClampMSS) {
	c.needProtocol(nft.ProtoTCP)
	c.add(&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: tcpFlagsOffset, Len: 1})
	c.add(&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{tcpSYN}, Xor: []byte{0}})
	c.compare(true, []byte{0})
	if e.Size == 0 {
		c.add(&expr.Rt{Register: 1, Key: expr.RtTCPMSS})
		c.add(&expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: tcpMSSLen, Size: tcpMSSLen})
	} else {
		c.add(&expr.Immediate{Register: 1, Data: binaryutil.BigEndian.PutUint16(e.Size)})
	}
	c.add(&expr.Exthdr{SourceRegister: 1, Type: tcpOptMSS, Offset: tcpMSSOffset, Len: tcpMSSLen, Op: expr.ExthdrOpTcpopt})
}

func (c *compiler) reject(e nft.Reject) {
	r := &expr.Reject{Code: e.Code}
	switch e.With {
	case nft.RejectICMP:
		c.needFamily(nft.IPv4)
		r.Type = unix.NFT_REJECT_ICMP_UNREACH
	case nft.RejectICMPv6:
		c.needFamily(nft.IPv6)
		r.Type = unix.NFT_REJECT_ICMP_UNREACH
	case nft.RejectTCPRst:
		c.needProtocol(nft.ProtoTCP)
		r.Type = unix.NFT_REJECT_TCP_RST
	case nft.RejectICMPX:
		r.Type = unix.NFT_REJECT_ICMPX_UNREACH
	}
	c.add(r)
}
