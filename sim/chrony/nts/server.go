package nts

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"enshu/sim/wire/ntp"
)

// ringSize is how many keys a server has: the one in use, the next one, which is
// known to all who share the file, and those before, whose cookies are still good.
const ringSize = 4

// CookieLength is that of a server's cookies: number of the key, nonce, and both
// keys of the association, sealed.
const CookieLength = 4 + nonceSize + block + 2*keyLength

// masterKey is a key that cookies are sealed with. The low bits of its number are
// its place in the ring.
type masterKey struct {
	id  uint32
	key []byte
}

// Server makes cookies and reads them. It keeps nothing of a client: what it needs
// stands in the cookie.
type Server struct {
	ring    [ringSize]masterKey
	current int
	Rotated time.Time // when the current key was taken into use
}

// NewServer returns a server with new keys.
func NewServer(now time.Time, random func([]byte)) *Server {
	s := &Server{Rotated: now}
	for i := range s.ring {
		s.renew(i, random)
	}
	return s
}

func (s *Server) renew(i int, random func([]byte)) {
	var id [4]byte
	random(id[:])
	k := masterKey{id: binary.BigEndian.Uint32(id[:])&^(ringSize-1) | uint32(i), key: make([]byte, keyLength)}
	random(k.key)
	s.ring[i] = k
}

// Rotate takes the next key into use; the oldest is forgotten.
func (s *Server) Rotate(now time.Time, random func([]byte)) {
	s.current = (s.current + 1) % ringSize
	s.renew((s.current+1)%ringSize, random)
	s.Rotated = now
}

// keysMagic begins the file ntskeys of chronyd 4.3.
const keysMagic = "NKS0"

// Dump returns the keys as the file ntskeys has them: the age of the current key,
// and the keys from the oldest to the next one.
func (s *Server) Dump(now time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%d %.1f\n", keysMagic, aeadSIV256, now.Sub(s.Rotated).Seconds())
	for i := range ringSize {
		k := s.ring[(s.current+2+i)%ringSize]
		fmt.Fprintf(&b, "%08X %X\n", k.id, k.key)
	}
	return b.String()
}

// Load replaces the keys by those of a dump. It reports false, and changes
// nothing, when that is no dump.
func (s *Server) Load(text string, now time.Time) bool {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) != 2+ringSize || lines[0] != keysMagic {
		return false
	}
	algorithm, age, _ := strings.Cut(lines[1], " ")
	seconds, err := strconv.ParseFloat(age, 64)
	if err != nil || algorithm != strconv.Itoa(aeadSIV256) || !(seconds >= 0 && seconds < 1e9) {
		return false
	}
	n := *s
	for i, line := range lines[2:] {
		number, text, _ := strings.Cut(line, " ")
		id, err := strconv.ParseUint(number, 16, 32)
		key, err2 := hex.DecodeString(text)
		if err != nil || err2 != nil || len(key) != keyLength {
			return false
		}
		place := int(id) % ringSize
		n.ring[place] = masterKey{uint32(id), key}
		if i == ringSize-2 {
			n.current = place
		}
	}
	n.Rotated = now.Add(-time.Duration(seconds * 1e9))
	*s = n
	return true
}

// Cookie makes a cookie of an association's keys.
func (s *Server) Cookie(k Keys, random func([]byte)) []byte {
	master := s.ring[s.current]
	c := binary.BigEndian.AppendUint32(nil, master.id)
	nonce := make([]byte, nonceSize)
	random(nonce)
	c = append(c, nonce...)
	return seal(master.key, c, nonce, append(append([]byte(nil), k.ToServer...), k.ToClient...), nil)
}

// keysOf reads a cookie.
func (s *Server) keysOf(cookie []byte) (Keys, error) {
	if len(cookie) != CookieLength {
		return Keys{}, errForged
	}
	id := binary.BigEndian.Uint32(cookie)
	master := s.ring[id%ringSize]
	if master.id != id {
		return Keys{}, errForged
	}
	text, err := open(master.key, cookie[4:4+nonceSize], cookie[4+nonceSize:], nil)
	if err != nil || len(text) != 2*keyLength {
		return Keys{}, errForged
	}
	return Keys{text[:keyLength], text[keyLength:]}, nil
}

// Asked is an authenticated request.
type Asked struct {
	keys    Keys
	unique  []byte
	cookies int
}

// Check judges a request; b is the packet as it came. The error is ErrNone for one
// without NTS. With another, the client is to be refused (Refuse), if the request
// had what that needs.
func (s *Server) Check(p *ntp.Packet, b []byte) (Asked, error) {
	f, err := find(p, b)
	if err != nil {
		return Asked{}, err
	}
	a := Asked{unique: f.unique, cookies: min(1+f.placeholders, MaxCookies)}
	if f.cookie == nil || f.nonce == nil {
		return a, errField
	}
	if a.keys, err = s.keysOf(f.cookie); err != nil {
		return a, err
	}
	text, err := open(a.keys.ToServer, f.nonce, f.sealed, f.head)
	if err == nil && len(text) > 0 && len(text) < 4 {
		err = errField
	}
	return a, err
}

// Refuse makes of an answer one that tells a client to get new cookies. It reports
// false when the request did not say how the answer would be known as one to it.
func Refuse(a Asked, reply *ntp.Packet) bool {
	if a.unique == nil {
		return false
	}
	reply.Leap, reply.Stratum, reply.RefID = ntp.LeapUnsynchronised, 0, Kiss
	reply.Extensions = []ntp.Extension{{Type: fieldUnique, Body: a.unique}}
	return true
}

// Answer seals an answer, with new cookies in it.
func (s *Server) Answer(a Asked, reply *ntp.Packet, random func([]byte)) {
	reply.Extensions = []ntp.Extension{{Type: fieldUnique, Body: a.unique}}
	var text []byte
	for range a.cookies {
		c := s.Cookie(a.keys, random)
		text = binary.BigEndian.AppendUint16(text, fieldCookie)
		text = binary.BigEndian.AppendUint16(text, uint16(4+len(c)))
		text = append(text, c...)
	}
	nonce := make([]byte, nonceSize)
	random(nonce)
	sealPacket(reply, a.keys.ToClient, nonce, text)
}
