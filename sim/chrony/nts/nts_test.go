package nts

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"testing"
	"time"

	"enshu/sim/wire/ntp"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func random() func([]byte) {
	r := rand.New(rand.NewPCG(1, 2))
	return func(b []byte) {
		for i := range b {
			b[i] = byte(r.Uint32())
		}
	}
}

// TestSIV is the example of RFC 5297 appendix A.1, which has one string of data:
// its first half comes before the text as ours come.
func TestSIV(t *testing.T) {
	key := unhex(t, "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")
	v := s2v1(key[:16], unhex(t, "101112131415161718191a1b1c1d1e1f2021222324252627"), unhex(t, "112233445566778899aabbccddee"))
	if want := unhex(t, "85632d07c6e8f37f950acd320a2ecc93"); !bytes.Equal(v, want) {
		t.Fatalf("vector %x, want %x", v, want)
	}
	got := stream(key[16:], v, nil, unhex(t, "112233445566778899aabbccddee"))
	if want := unhex(t, "40c02b9690c4dc04daef7f6afe5c"); !bytes.Equal(got, want) {
		t.Errorf("ciphertext %x, want %x", got, want)
	}
}

// s2v1 is s2v with one string beside the text, as the RFC's example has.
func s2v1(key, data, text []byte) []byte {
	cmac := ntp.Key{Type: ntp.AES128, Value: key}
	d := [block]byte(cmac.Digest(make([]byte, block)))
	double(&d)
	for i, b := range cmac.Digest(data) {
		d[i] ^= b
	}
	double(&d)
	var padded [block]byte
	padded[copy(padded[:], text)] = 0x80
	for i, b := range padded {
		d[i] ^= b
	}
	return cmac.Digest(d[:])
}

// pair returns an association between a client and a server.
func pair() (*Client, *Server, func([]byte)) {
	r := random()
	s := NewServer(time.Unix(0, 0), r)
	k := Keys{make([]byte, keyLength), make([]byte, keyLength)}
	r(k.ToServer)
	r(k.ToClient)
	msg := Respond(Request(), func() Offer {
		var o Offer
		for range MaxCookies {
			o.Cookies = append(o.Cookies, s.Cookie(k, r))
		}
		return o
	})
	o, err := ParseResponse(msg)
	if err != nil {
		panic(err)
	}
	return &Client{Keys: k, Cookies: o.Cookies}, s, r
}

func ask(t *testing.T, c *Client, r func([]byte)) []byte {
	t.Helper()
	p := ntp.Packet{Version: 4, Mode: ntp.Client, Transmit: 7}
	if !c.Authenticate(&p, r) {
		t.Fatal("no cookie left")
	}
	return p.Append(nil)
}

func answer(t *testing.T, s *Server, b []byte, r func([]byte)) ([]byte, error) {
	t.Helper()
	p, err := ntp.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	reply := ntp.Packet{Version: 4, Mode: ntp.Server, Origin: 7}
	a, err := s.Check(&p, b)
	if err != nil {
		Refuse(a, &reply)
	} else {
		s.Answer(a, &reply, r)
	}
	return reply.Append(nil), err
}

func check(t *testing.T, c *Client, b []byte) (ok, refused bool) {
	t.Helper()
	p, err := ntp.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	return c.Check(&p, b)
}

func TestExchange(t *testing.T) {
	c, s, r := pair()
	for range 3 {
		lost := ask(t, c, r) // and with it a cookie
		reply, err := answer(t, s, ask(t, c, r), r)
		if err != nil {
			t.Fatal(err)
		}
		if ok, _ := check(t, c, reply); !ok || len(c.Cookies) != MaxCookies {
			t.Fatalf("answer good: %v; %d cookies", ok, len(c.Cookies))
		}
		if ok, _ := check(t, c, reply); ok {
			t.Fatal("an answer counts twice")
		}
		_ = lost
		s.Rotate(time.Unix(0, 0), r)
	}
	request := ask(t, c, r)
	for i := range request {
		bad := append([]byte(nil), request...)
		bad[i] ^= 1
		if p, err := ntp.Decode(bad); err == nil {
			if _, err := s.Check(&p, bad); err == nil {
				t.Errorf("byte %d may be changed", i)
			}
		}
	}
	reply, _ := answer(t, s, request, r)
	for i := range reply {
		bad := append([]byte(nil), reply...)
		bad[i] ^= 1
		if p, err := ntp.Decode(bad); err == nil {
			if ok, _ := c.Check(&p, bad); ok {
				t.Errorf("byte %d of the answer may be changed", i)
			}
		}
	}
}

// TestForgotten asks with cookies whose key is gone.
func TestForgotten(t *testing.T) {
	c, s, r := pair()
	request := ask(t, c, r)
	other := NewServer(time.Unix(0, 0), r)
	reply, err := answer(t, other, request, r)
	if ok, refused := check(t, c, reply); err == nil || ok || !refused || len(c.Cookies) != 0 {
		t.Errorf("answered %v; good %v, refused %v, %d cookies left", err, ok, refused, len(c.Cookies))
	}
	if !other.Load(s.Dump(time.Unix(100, 0)), time.Unix(200, 0)) || !other.Rotated.Equal(time.Unix(100, 0)) {
		t.Fatal("the keys cannot be taken over")
	}
	if _, err := answer(t, other, request, r); err != nil {
		t.Errorf("with the keys of the first: %v", err)
	}
	if other.current != s.current || other.ring[s.current].id != s.ring[s.current].id {
		t.Error("another key is in use")
	}
}

// The file of a real chronyd.
func TestRecordedKeys(t *testing.T) {
	const text = "NKS0\n15 23.5\n2F51B8C9 946B700CDD30F0238C0829EC5EBD8373C0DEB83F9C7789234F58D2C8D921AD81\n" +
		"78CC6A4A 45CF64C5E9372A774A5B5A5C00082C032D54769EA914043FD6FF8566E9EE3D8A\n" +
		"CCC9BC8F 70E03C9449768DCCB869114848683A13154A06BE2E8F34A70A7DC0AF5E957BAF\n" +
		"8C12B510 A2578F982047EA05A75EE05EB50BEC953BC461F4CDE39528F24569978BC357F7\n"
	_, s, _ := pair()
	now := time.Unix(1000, 0)
	if !s.Load(text, now) || s.Dump(now) != text {
		t.Errorf("written again:\n%s", s.Dump(now))
	}
	for cut := range len(text) - 1 {
		s.Load(text[:cut], now)
	}
}

func FuzzMessage(f *testing.F) {
	f.Add(Request())
	f.Add(Respond(Request(), func() Offer { return Offer{Cookies: [][]byte{make([]byte, CookieLength)}, Server: "a", Port: 124} }))
	f.Fuzz(func(t *testing.T, b []byte) {
		ParseResponse(b)
		reply := Respond(b, func() Offer { return Offer{Cookies: [][]byte{make([]byte, CookieLength)}} })
		if _, err := parse(reply); err != nil {
			t.Errorf("our own answer %x: %v", reply, err)
		}
	})
}

func FuzzPacket(f *testing.F) {
	c, s, r := pair()
	p := ntp.Packet{Version: 4, Mode: ntp.Client}
	c.Authenticate(&p, r)
	f.Add(p.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ntp.Decode(b)
		if err != nil {
			return
		}
		s.Check(&p, b)
		c.Check(&p, b)
	})
}
