package nts

import (
	"bytes"
	"encoding/binary"
	"errors"

	"enshu/sim/wire/ntp"
)

// Types of the extension fields (RFC 8915 section 7.5).
const (
	fieldUnique      = 0x0104
	fieldCookie      = 0x0204
	fieldPlaceholder = 0x0304
	fieldSealed      = 0x0404
)

const (
	MaxCookies = 8
	maxCookie  = 256
	uniqueSize = 32
	nonceSize  = 16
)

// Kiss is the reference id of an answer that refuses a request whose cookie or
// seal is not valid: "NTSN".
const Kiss uint32 = 'N'<<24 | 'T'<<16 | 'S'<<8 | 'N'

// Errors of what is in a packet.
var (
	ErrNone  = errors.New("nts: not an authenticated packet")
	errField = errors.New("nts: bad extension field")
)

// fields are the NTS extension fields of a packet.
type fields struct {
	unique, cookie []byte
	placeholders   int
	nonce, sealed  []byte
	head           []byte // of the packet, up to the sealed field: what that authenticates
}

// find looks for the fields of a packet; b is the packet as it came.
func find(p *ntp.Packet, b []byte) (fields, error) {
	var f fields
	at := ntp.HeaderLength
	for _, e := range p.Extensions {
		if f.nonce != nil {
			break // what comes after the seal is not authenticated
		}
		switch e.Type {
		case fieldUnique:
			f.unique = e.Body
		case fieldCookie:
			if f.cookie != nil {
				return f, errField
			}
			f.cookie = e.Body
		case fieldPlaceholder:
			if f.cookie != nil && len(e.Body) == len(f.cookie) {
				f.placeholders++
			}
		case fieldSealed:
			if len(e.Body) < 4 {
				return f, errField
			}
			n, c := int(binary.BigEndian.Uint16(e.Body)), int(binary.BigEndian.Uint16(e.Body[2:]))
			rest := e.Body[4:]
			if n == 0 || len(rest) < padded(n)+padded(c) {
				return f, errField
			}
			f.nonce, f.sealed, f.head = rest[:n], rest[padded(n):][:c], b[:at]
		}
		at += 4 + len(e.Body)
	}
	switch {
	case f.unique == nil && f.cookie == nil && f.nonce == nil:
		return f, ErrNone
	case len(f.unique) < uniqueSize:
		return f, errField
	}
	return f, nil
}

func padded(n int) int { return (n + 3) &^ 3 }

// sealPacket adds the last field, which seals the packet so far and hides text.
func sealPacket(p *ntp.Packet, key, nonce, text []byte) {
	sealed := seal(key, nil, nonce, text, p.Append(nil))
	body := binary.BigEndian.AppendUint16(nil, uint16(len(nonce)))
	body = binary.BigEndian.AppendUint16(body, uint16(len(sealed)))
	body = append(append(body, nonce...), sealed...)
	body = append(body, make([]byte, padded(len(sealed))-len(sealed))...)
	p.Extensions = append(p.Extensions, ntp.Extension{Type: fieldSealed, Body: body})
}

// Client is the association of a client with a server: its keys, and the cookies
// that it has left. Random fills a slice with unpredictable bytes.
type Client struct {
	Keys    Keys
	Cookies [][]byte
	unique  []byte
}

// CookieLength returns how long the next cookie is, 0 when there is none.
func (c *Client) CookieLength() int {
	if len(c.Cookies) == 0 {
		return 0
	}
	return len(c.Cookies[0])
}

// Authenticate takes a cookie and seals a request with it. It reports false when
// there is none left.
func (c *Client) Authenticate(p *ntp.Packet, random func([]byte)) bool {
	if len(c.Cookies) == 0 {
		return false
	}
	cookie := c.Cookies[0]
	c.Cookies = c.Cookies[1:]
	c.unique = make([]byte, uniqueSize)
	random(c.unique)
	p.Extensions = append(p.Extensions, ntp.Extension{Type: fieldUnique, Body: c.unique}, ntp.Extension{Type: fieldCookie, Body: cookie})
	// As many new cookies are asked for as were lost on the way.
	for range MaxCookies - 1 - len(c.Cookies) {
		p.Extensions = append(p.Extensions, ntp.Extension{Type: fieldPlaceholder, Body: make([]byte, len(cookie))})
	}
	nonce := make([]byte, nonceSize)
	random(nonce)
	sealPacket(p, c.Keys.ToServer, nonce, nil)
	return true
}

// Check judges an answer to the last request and keeps the cookies in it. refused
// is a server's word that it does not know the cookie: new ones must be got.
func (c *Client) Check(p *ntp.Packet, b []byte) (ok, refused bool) {
	f, err := find(p, b)
	if err != nil || c.unique == nil || !bytes.Equal(f.unique, c.unique) {
		return false, false
	}
	if p.Leap == ntp.LeapUnsynchronised && p.Stratum == 0 && p.RefID == Kiss {
		c.Cookies = nil
		return false, true
	}
	if f.nonce == nil {
		return false, false
	}
	text, err := open(c.Keys.ToClient, f.nonce, f.sealed, f.head)
	if err != nil {
		return false, false
	}
	c.unique = nil // an answer counts once
	for len(text) >= 4 {
		kind, n := binary.BigEndian.Uint16(text), int(binary.BigEndian.Uint16(text[2:]))
		if n < 4 || n > len(text) {
			break
		}
		if kind == fieldCookie && n-4 <= maxCookie && len(c.Cookies) < MaxCookies {
			c.Cookies = append(c.Cookies, append([]byte(nil), text[4:n]...))
		}
		text = text[n:]
	}
	return true, false
}
