package nts

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"errors"

	"enshu/sim/wire/ntp"
)

const (
	keyLength = 32 // of AEAD_AES_SIV_CMAC_256
	block     = aes.BlockSize
)

// errForged is the outcome of opening what was not sealed with the key.
var errForged = errors.New("nts: authentication failed")

// seal encrypts text by AES-SIV-CMAC-256 (RFC 5297 section 2.6) and appends the
// tag and the ciphertext to dst. What data and nonce say is authenticated too.
func seal(key, dst, nonce, text, data []byte) []byte {
	v := s2v(key[:keyLength/2], data, nonce, text)
	return stream(key[keyLength/2:], v, append(dst, v...), text)
}

// open is the reverse of seal (section 2.7).
func open(key, nonce, sealed, data []byte) ([]byte, error) {
	if len(sealed) < block {
		return nil, errForged
	}
	v := sealed[:block]
	text := stream(key[keyLength/2:], v, nil, sealed[block:])
	if subtle.ConstantTimeCompare(v, s2v(key[:keyLength/2], data, nonce, text)) != 1 {
		return nil, errForged
	}
	return text, nil
}

// stream appends text, encrypted or decrypted in counter mode from v on, to dst.
func stream(key, v, dst, text []byte) []byte {
	b, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // the length of keys is checked where they come from
	}
	q := [block]byte(v)
	q[8] &= 0x7f
	q[12] &= 0x7f
	n := len(dst)
	dst = append(dst, text...)
	cipher.NewCTR(b, q[:]).XORKeyStream(dst[n:], text)
	return dst
}

// s2v makes the synthetic initialisation vector of data, nonce and text (RFC 5297
// section 2.4).
func s2v(key, data, nonce, text []byte) []byte {
	cmac := ntp.Key{Type: ntp.AES128, Value: key}
	d := [block]byte(cmac.Digest(make([]byte, block)))
	for _, s := range [][]byte{data, nonce} {
		double(&d)
		subtle.XORBytes(d[:], d[:], cmac.Digest(s))
	}
	if len(text) < block {
		double(&d)
		var padded [block]byte
		padded[copy(padded[:], text)] = 0x80
		subtle.XORBytes(d[:], d[:], padded[:])
		return cmac.Digest(d[:])
	}
	last := append([]byte(nil), text...)
	end := last[len(last)-block:]
	subtle.XORBytes(end, end, d[:])
	return cmac.Digest(last)
}

// double multiplies by x in GF(2^128).
func double(b *[block]byte) {
	carry := b[0] >> 7
	for i := range block - 1 {
		b[i] = b[i]<<1 | b[i+1]>>7
	}
	b[block-1] = b[block-1]<<1 ^ carry*0x87
}
