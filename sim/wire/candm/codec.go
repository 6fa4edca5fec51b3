package candm

import (
	"encoding/binary"
	"math"
	"net/netip"
	"strings"
	"time"
)

// Body is the data of a request or a reply. A codec walks its fields in wire
// order, to read or to write them.
type Body interface{ fields(*codec) }

// codec reads or writes big-endian fields.
type codec struct {
	b     []byte
	write bool
	short bool // a field to read was missing
}

// next returns the n bytes of the next field.
func (c *codec) next(n int) []byte {
	if c.write {
		c.b = append(c.b, make([]byte, n)...)
		return c.b[len(c.b)-n:]
	}
	if len(c.b) < n {
		c.short = true
		c.b = nil
		return make([]byte, n)
	}
	f := c.b[:n]
	c.b = c.b[n:]
	return f
}

func (c *codec) u8(v *uint8) {
	if f := c.next(1); c.write {
		f[0] = *v
	} else {
		*v = f[0]
	}
}

func (c *codec) i8(v *int8) {
	u := uint8(*v)
	c.u8(&u)
	*v = int8(u)
}

func (c *codec) u16(v *uint16) {
	if f := c.next(2); c.write {
		binary.BigEndian.PutUint16(f, *v)
	} else {
		*v = binary.BigEndian.Uint16(f)
	}
}

func (c *codec) i16(v *int16) {
	u := uint16(*v)
	c.u16(&u)
	*v = int16(u)
}

func (c *codec) u32(v *uint32) {
	if f := c.next(4); c.write {
		binary.BigEndian.PutUint32(f, *v)
	} else {
		*v = binary.BigEndian.Uint32(f)
	}
}

func (c *codec) i32(v *int32) {
	u := uint32(*v)
	c.u32(&u)
	*v = int32(u)
}

func (c *codec) float(v *float64) {
	u := EncodeFloat(*v)
	c.u32(&u)
	*v = DecodeFloat(u)
}

func (c *codec) pad(n int) { c.next(n) }

// reserved is for fields of later releases, which chronyd fills with ones.
func (c *codec) reserved(n int) {
	if f := c.next(n); c.write {
		for i := range f {
			f[i] = 0xff
		}
	}
}

// text is a zero-terminated name in a field of 256 bytes.
func (c *codec) text(v *string) {
	f := c.next(256)
	if c.write {
		copy(f[:255], *v)
		return
	}
	s, _, _ := strings.Cut(string(f), "\x00")
	*v = s
}

// noHighSeconds in the high word of a time stands for 0.
const noHighSeconds = 0x7fffffff

// time is a timespec; the zero time.Time is 1970.
func (c *codec) time(v *time.Time) {
	var high, low, nsec uint32
	if c.write && !v.IsZero() {
		sec := v.Unix()
		high, low, nsec = uint32(sec>>32), uint32(sec), uint32(v.Nanosecond())
	}
	c.u32(&high)
	c.u32(&low)
	c.u32(&nsec)
	if !c.write {
		if high == noHighSeconds {
			high = 0
		}
		*v = time.Unix(int64(high)<<32|int64(low), int64(min(nsec, 999999999))).UTC()
	}
}

// Address is an address of the protocol.
type Address struct {
	IP   netip.Addr // not valid: none, or an ID
	ID   uint32     // number of a source whose name was not resolved yet
	IsID bool
}

// IP returns the Address of ip.
func IP(ip netip.Addr) Address { return Address{IP: ip.Unmap()} }

// The address families of the protocol.
const (
	familyNone = iota
	familyIPv4
	familyIPv6
	familyID
)

func (c *codec) addr(v *Address) {
	f := c.next(16)
	var family uint16
	if c.write {
		switch {
		case v.IsID:
			family = familyID
			binary.BigEndian.PutUint32(f, v.ID)
		case v.IP.Is4():
			family = familyIPv4
			a := v.IP.As4()
			copy(f, a[:])
		case v.IP.Is6():
			family = familyIPv6
			a := v.IP.As16()
			copy(f, a[:])
		}
	}
	c.u16(&family)
	c.pad(2)
	if c.write {
		return
	}
	switch *v = (Address{}); family {
	case familyIPv4:
		v.IP = netip.AddrFrom4([4]byte(f[:4]))
	case familyIPv6:
		v.IP = netip.AddrFrom16([16]byte(f))
	case familyID:
		v.IsID, v.ID = true, binary.BigEndian.Uint32(f)
	}
}

// The float format: 7 bits of signed exponent, 25 bits of signed coefficient.
const (
	coefBits = 25
	coefMax  = 1<<(coefBits-1) - 1
	expMin   = -(1 << 6)
	expMax   = 1<<6 - 1
)

// EncodeFloat returns the 32-bit form of x; NaN becomes 0, what is too large
// the largest value.
func EncodeFloat(x float64) uint32 {
	negative := x < 0
	x = math.Abs(x)
	if !(x >= 1e-100) { // NaN too
		return 0
	}
	limit := int64(coefMax)
	if negative {
		limit++
	}
	var exp, coef int64
	if x > 1e100 {
		exp, coef = expMax+1, 0
	} else {
		exp = int64(math.Log(x)/math.Ln2 + 1)
		coef = int64(x*math.Exp2(float64(coefBits-exp)) + 0.5)
		for coef > limit {
			coef >>= 1
			exp++
		}
	}
	switch {
	case exp > expMax:
		exp, coef = expMax, limit
	case exp < expMin-coefBits:
		return 0
	case exp < expMin:
		coef >>= expMin - exp
		exp = expMin
	}
	if negative {
		coef = -coef
	}
	return uint32(exp)<<coefBits | uint32(coef)&(1<<coefBits-1)
}

// DecodeFloat returns the value of a 32-bit float.
func DecodeFloat(v uint32) float64 {
	exp := int32(v) >> coefBits
	coef := int32(v<<(32-coefBits)) >> (32 - coefBits)
	return math.Ldexp(float64(coef), int(exp)-coefBits)
}
