package libc

import (
	"crypto/sha512"
	"crypto/subtle"
	"strconv"
	"strings"

	"enshu/sim/host"
)

// cryptAlphabet are the digits in which crypt(3) writes a hash.
const cryptAlphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// maxPassphrase is the longest key that crypt(3) takes.
const maxPassphrase = 512

// Crypt hashes a key with the settings at the beginning of a hash, as crypt(3)
// does, for SHA-512 ("$6$SALT" and "$6$rounds=N$SALT"; "Unix crypt using
// SHA-256 and SHA-512", Drepper 2008). It reports false for other methods
// and for keys of more than 512 bytes.
func Crypt(key, setting string) (string, bool) {
	body, ok := strings.CutPrefix(setting, "$6$")
	if !ok || len(key) > maxPassphrase {
		return "", false
	}
	rounds, head := 5000, "$6$"
	if number, after, ok := strings.Cut(body, "$"); ok && strings.HasPrefix(number, "rounds=") {
		n, err := strconv.Atoi(number[len("rounds="):])
		if err != nil {
			return "", false
		}
		rounds = min(max(n, 1000), 999999)
		head += "rounds=" + strconv.Itoa(rounds) + "$"
		body = after
	}
	salt, _, _ := strings.Cut(body, "$")
	salt = salt[:min(len(salt), 16)]
	return head + salt + "$" + sha512Crypt([]byte(key), []byte(salt), rounds), true
}

func sha512Crypt(key, salt []byte, rounds int) string {
	sum := func(parts ...[]byte) []byte {
		h := sha512.New()
		for _, p := range parts {
			h.Write(p)
		}
		return h.Sum(nil)
	}
	// stretch repeats a sum to n bytes.
	stretch := func(b []byte, n int) []byte {
		out := make([]byte, 0, n)
		for len(out) < n {
			out = append(out, b[:min(len(b), n-len(out))]...)
		}
		return out
	}
	b := sum(key, salt, key)
	parts := [][]byte{key, salt, stretch(b, len(key))}
	for n := len(key); n > 0; n >>= 1 {
		if n&1 != 0 {
			parts = append(parts, b)
		} else {
			parts = append(parts, key)
		}
	}
	a := sum(parts...)
	var dp [][]byte
	for range key {
		dp = append(dp, key)
	}
	p := stretch(sum(dp...), len(key))
	var ds [][]byte
	for range 16 + int(a[0]) {
		ds = append(ds, salt)
	}
	s := stretch(sum(ds...), len(salt))
	for i := range rounds {
		parts := make([][]byte, 0, 4)
		if i&1 != 0 {
			parts = append(parts, p)
		} else {
			parts = append(parts, a)
		}
		if i%3 != 0 {
			parts = append(parts, s)
		}
		if i%7 != 0 {
			parts = append(parts, p)
		}
		if i&1 != 0 {
			parts = append(parts, a)
		} else {
			parts = append(parts, p)
		}
		a = sum(parts...)
	}
	var out strings.Builder
	digits := func(v uint32, n int) {
		for range n {
			out.WriteByte(cryptAlphabet[v&63])
			v >>= 6
		}
	}
	// Each group takes a byte of each third of the sum; the thirds change places.
	for i := range 21 {
		x, y, z := i, i+21, i+42
		switch i % 3 {
		case 1:
			x, y, z = y, z, x
		case 2:
			x, y, z = z, x, y
		}
		digits(uint32(a[x])<<16|uint32(a[y])<<8|uint32(a[z]), 4)
	}
	digits(uint32(a[63]), 2)
	return out.String()
}

// Shadow is a line of /etc/shadow (shadow(5)).
type Shadow struct {
	Name, Hash string
	Expire     int // day since 1970 on which the account ends, -1 for never
}

// ShadowByName finds the password of an account (getspnam(3)); only root may.
func ShadowByName(p *host.Proc, name string) (Shadow, bool) {
	data, _ := ReadFile(p, "/etc/shadow")
	for _, line := range Lines(data) {
		f := strings.Split(line, ":")
		if len(f) != 9 || f[0] != name {
			continue
		}
		s := Shadow{f[0], f[1], -1}
		if n, err := strconv.Atoi(f[7]); err == nil {
			s.Expire = n
		}
		return s, true
	}
	return Shadow{}, false
}

// Matches reports whether a password is that of the account. A locked account
// has none; an empty hash takes no password.
func (s Shadow) Matches(password string) bool {
	if s.Hash == "" {
		return true
	}
	got, ok := Crypt(password, s.Hash)
	return ok && subtle.ConstantTimeCompare([]byte(got), []byte(s.Hash)) == 1
}
