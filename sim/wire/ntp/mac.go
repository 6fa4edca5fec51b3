package ntp

import (
	"crypto/aes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"crypto/subtle"
)

// KeyType is the algorithm of a symmetric key, with the numbers that chrony's
// command protocol reports.
type KeyType uint16

// The algorithms: hashes over key and packet (RFC 5905 section 7.3) and
// AES-CMAC (RFC 8573).
const (
	MD5     KeyType = 1
	SHA1    KeyType = 2
	SHA256  KeyType = 3
	SHA384  KeyType = 4
	SHA512  KeyType = 5
	SHA3224 KeyType = 6
	SHA3256 KeyType = 7
	SHA3384 KeyType = 8
	SHA3512 KeyType = 9
	AES128  KeyType = 13
	AES256  KeyType = 14
)

var keyTypes = map[string]KeyType{
	"MD5": MD5, "SHA1": SHA1, "SHA256": SHA256, "SHA384": SHA384, "SHA512": SHA512,
	"SHA3-224": SHA3224, "SHA3-256": SHA3256, "SHA3-384": SHA3384, "SHA3-512": SHA3512,
	"AES128": AES128, "AES256": AES256,
}

// ParseKeyType reads the name of an algorithm as key files have it, in capitals.
func ParseKeyType(name string) (KeyType, bool) {
	t, ok := keyTypes[name]
	return t, ok
}

func (t KeyType) String() string {
	for name, v := range keyTypes {
		if v == t {
			return name
		}
	}
	return "unknown"
}

// KeyLength returns how many bytes a key must have, 0 when it may have any
// number.
func (t KeyType) KeyLength() int {
	switch t {
	case AES128:
		return 16
	case AES256:
		return 32
	}
	return 0
}

// Key is a symmetric key.
type Key struct {
	Type  KeyType
	Value []byte
}

// Digest returns the full digest of data.
func (k Key) Digest(data []byte) []byte {
	if k.Type == AES128 || k.Type == AES256 {
		return cmac(k.Value, data)
	}
	in := append(append(make([]byte, 0, len(k.Value)+len(data)), k.Value...), data...)
	switch k.Type {
	case MD5:
		s := md5.Sum(in)
		return s[:]
	case SHA1:
		s := sha1.Sum(in)
		return s[:]
	case SHA256:
		s := sha256.Sum256(in)
		return s[:]
	case SHA384:
		s := sha512.Sum384(in)
		return s[:]
	case SHA512:
		s := sha512.Sum512(in)
		return s[:]
	case SHA3224:
		s := sha3.Sum224(in)
		return s[:]
	case SHA3256:
		s := sha3.Sum256(in)
		return s[:]
	case SHA3384:
		s := sha3.Sum384(in)
		return s[:]
	case SHA3512:
		s := sha3.Sum512(in)
		return s[:]
	}
	return nil
}

// Sign gives the packet a MAC of key number id. NTPv4 has room for 20 bytes
// of digest; older versions carry all of it.
func (p *Packet) Sign(id uint32, k Key) {
	p.Authenticated = false
	d := k.Digest(p.Append(nil))
	if p.Version >= 4 {
		d = d[:min(len(d), maxMAC4-4)]
	}
	p.Authenticated, p.KeyID, p.Digest = true, id, d
}

// Verify reports whether the MAC at the end of the encoded packet b is one of
// key k. A digest may be shortened to no less than 16 bytes.
func (p *Packet) Verify(b []byte, k Key) bool {
	n := len(p.Digest)
	if !p.Authenticated || n < minMAC-4 || len(b) < HeaderLength+4+n {
		return false
	}
	d := k.Digest(b[:len(b)-n-4])
	want := len(d)
	if p.Version >= 4 {
		want = min(want, maxMAC4-4)
	}
	return n == want && subtle.ConstantTimeCompare(d[:n], p.Digest) == 1
}

// cmac is AES-CMAC (RFC 4493). It returns nil for a key of the wrong length.
func cmac(key, data []byte) []byte {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil
	}
	var k1, k2, x [16]byte
	block.Encrypt(k1[:], k1[:])
	double(&k1)
	k2 = k1
	double(&k2)
	for len(data) > 16 {
		subtle.XORBytes(x[:], x[:], data[:16])
		block.Encrypt(x[:], x[:])
		data = data[16:]
	}
	last := k2
	if len(data) == 16 {
		last = k1
	} else {
		last[len(data)] ^= 0x80
	}
	subtle.XORBytes(last[:], last[:], append(data[:len(data):len(data)], make([]byte, 16-len(data))...))
	subtle.XORBytes(x[:], x[:], last[:])
	block.Encrypt(x[:], x[:])
	return x[:]
}

// double multiplies by x in GF(2^128).
func double(b *[16]byte) {
	carry := b[0] >> 7
	for i := range 15 {
		b[i] = b[i]<<1 | b[i+1]>>7
	}
	b[15] = b[15]<<1 ^ carry*0x87
}
