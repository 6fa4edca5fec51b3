package conf

import (
	"net"
	"net/netip"
	"strings"

	"enshu/sim/nft"
)

// Source is what a zone's source or a rich rule's address means.
type Source struct {
	Prefix netip.Prefix
	Mac    nft.MAC
	IsMAC  bool
	Ipset  string
}

// ParseAddress reads an address, with a length or a dotted mask behind a slash.
func ParseAddress(s string) (netip.Prefix, bool) {
	addr, mask, masked := strings.Cut(s, "/")
	a, err := netip.ParseAddr(addr)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, false
	}
	if !masked {
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	if m, err := netip.ParseAddr(mask); err == nil && m.Is4() && a.Is4() {
		b := m.As4()
		ones, size := net.IPMask(b[:]).Size()
		return netip.PrefixFrom(a, ones).Masked(), size != 0
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), err == nil
}

func ParseMAC(s string) (nft.MAC, bool) {
	m, err := net.ParseMAC(s)
	if err != nil || len(m) != 6 || strings.Count(s, ":") != 5 {
		return nft.MAC{}, false
	}
	return nft.MAC(m), true
}

// ParseSource reads an address, a MAC address or "ipset:NAME".
func ParseSource(s string) (Source, error) {
	if name, ok := strings.CutPrefix(s, "ipset:"); ok {
		return Source{Ipset: name}, nil
	}
	if m, ok := ParseMAC(s); ok {
		return Source{Mac: m, IsMAC: true}, nil
	}
	if p, ok := ParseAddress(s); ok {
		return Source{Prefix: p}, nil
	}
	return Source{}, Fail("INVALID_ADDR", s)
}

// CheckInterface refuses names that no interface can have.
func CheckInterface(name string) error {
	if name == "" || len(name) > 15 || strings.ContainsAny(name, " !/*") {
		return Fail("INVALID_INTERFACE", name)
	}
	return nil
}
