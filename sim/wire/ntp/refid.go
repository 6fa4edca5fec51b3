package ntp

import "net/netip"

// RefIDOf returns the reference identifier that stands for an address
// (RFC 5905 section 7.3): an IPv4 address itself, the start of the MD5 sum of
// an IPv6 address.
func RefIDOf(a netip.Addr) uint32 {
	if a.Is4() {
		b := a.As4()
		return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	}
	b := a.As16()
	d := Key{Type: MD5, Value: b[:]}.Digest(nil)
	return uint32(d[0])<<24 | uint32(d[1])<<16 | uint32(d[2])<<8 | uint32(d[3])
}

// RefIDText returns the printable characters of a reference identifier.
func RefIDText(id uint32) string {
	var b []byte
	for shift := 24; shift >= 0; shift -= 8 {
		if ch := byte(id >> shift); ch >= ' ' && ch < 0x7f {
			b = append(b, ch)
		}
	}
	return string(b)
}
