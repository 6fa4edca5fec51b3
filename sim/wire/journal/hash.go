package journal

import "encoding/binary"

// hash is Bob Jenkins' lookup3 hashlittle2 (public domain), the two words
// joined as cursors have it.
func hash(data string) uint64 {
	a := 0xdeadbeef + uint32(len(data))
	b, c := a, a
	for len(data) > 12 {
		a += word(data)
		b += word(data[4:])
		c += word(data[8:])
		a -= c
		a ^= c<<4 | c>>28
		c += b
		b -= a
		b ^= a<<6 | a>>26
		a += c
		c -= b
		c ^= b<<8 | b>>24
		b += a
		a -= c
		a ^= c<<16 | c>>16
		c += b
		b -= a
		b ^= a<<19 | a>>13
		a += c
		c -= b
		c ^= b<<4 | b>>28
		b += a
		data = data[12:]
	}
	if len(data) > 0 {
		var last [12]byte
		copy(last[:], data)
		a += binary.LittleEndian.Uint32(last[0:])
		b += binary.LittleEndian.Uint32(last[4:])
		c += binary.LittleEndian.Uint32(last[8:])
		c ^= b
		c -= b<<14 | b>>18
		a ^= c
		a -= c<<11 | c>>21
		b ^= a
		b -= a<<25 | a>>7
		c ^= b
		c -= b<<16 | b>>16
		a ^= c
		a -= c<<4 | c>>28
		b ^= a
		b -= a<<14 | a>>18
		c ^= b
		c -= b<<24 | b>>8
	}
	return uint64(c)<<32 | uint64(b)
}

func word(s string) uint32 {
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}
