package nts

import (
	"encoding/binary"
	"errors"
	"io"
)

// Constants of key establishment (RFC 8915 sections 4 and 7).
const (
	Port          = 4460
	ALPN          = "ntske/1"
	exporterLabel = "EXPORTER-network-time-security"
	MaxMessage    = 16384

	aeadSIV256   = 15
	protocolNTP4 = 0
)

// Types of the records of a message of key establishment, without the critical bit.
const (
	recordEnd      = 0
	recordProtocol = 1
	recordError    = 2
	recordWarning  = 3
	recordAEAD     = 4
	recordCookie   = 5
	recordServer   = 6
	recordPort     = 7

	critical = 0x8000
)

// Codes of the error record.
const (
	errUnrecognised = 0
	errBadRequest   = 1
)

var (
	errMessage = errors.New("nts: bad message")
	errRefused = errors.New("nts: refused")
)

// record is one record of a message.
type record struct {
	kind     uint16
	critical bool
	body     []byte
}

func appendRecord(b []byte, kind uint16, body []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, kind)
	b = binary.BigEndian.AppendUint16(b, uint16(len(body)))
	return append(b, body...)
}

func number(v uint16) []byte { return binary.BigEndian.AppendUint16(nil, v) }

// numbers reads a body of 16-bit numbers.
func numbers(b []byte) []uint16 {
	var v []uint16
	for ; len(b) >= 2; b = b[2:] {
		v = append(v, binary.BigEndian.Uint16(b))
	}
	return v
}

// ReadMessage reads the records of one message up to its end record.
func ReadMessage(r io.Reader) ([]byte, error) {
	var msg []byte
	for {
		head := make([]byte, 4)
		if _, err := io.ReadFull(r, head); err != nil {
			return nil, err
		}
		body := make([]byte, binary.BigEndian.Uint16(head[2:]))
		if len(msg)+len(head)+len(body) > MaxMessage {
			return nil, errMessage
		}
		if _, err := io.ReadFull(r, body); err != nil {
			return nil, err
		}
		msg = append(append(msg, head...), body...)
		if binary.BigEndian.Uint16(head)&^critical == recordEnd {
			return msg, nil
		}
	}
}

// parse takes a message apart. The end record is not among the result.
func parse(msg []byte) ([]record, error) {
	var out []record
	for len(msg) >= 4 {
		kind, n := binary.BigEndian.Uint16(msg), int(binary.BigEndian.Uint16(msg[2:]))
		if len(msg) < 4+n {
			return nil, errMessage
		}
		r := record{kind &^ critical, kind&critical != 0, msg[4 : 4+n]}
		msg = msg[4+n:]
		if r.kind == recordEnd {
			if n != 0 || !r.critical || len(msg) != 0 {
				return nil, errMessage
			}
			return out, nil
		}
		out = append(out, r)
	}
	return nil, errMessage
}

// Request returns the message of a client that wants keys for NTPv4.
func Request() []byte {
	b := appendRecord(nil, critical|recordProtocol, number(protocolNTP4))
	b = appendRecord(b, critical|recordAEAD, number(aeadSIV256))
	return appendRecord(b, critical|recordEnd, nil)
}

// Offer is what a server of key establishment gives a client.
type Offer struct {
	Cookies [][]byte
	Server  string // where to ask for the time; "" is the same host
	Port    uint16 // and on which port; 0 is the usual one
}

// ParseResponse reads a server's answer to Request.
func ParseResponse(msg []byte) (Offer, error) {
	var o Offer
	records, err := parse(msg)
	if err != nil {
		return o, err
	}
	protocol, aead := false, false
	for _, r := range records {
		switch r.kind {
		case recordProtocol:
			v := numbers(r.body)
			protocol = len(v) == 1 && v[0] == protocolNTP4
		case recordAEAD:
			v := numbers(r.body)
			aead = len(v) == 1 && v[0] == aeadSIV256
		case recordError, recordWarning:
			return o, errRefused
		case recordCookie:
			// A cookie must fit an extension field, whose length is a multiple of 4.
			if n := len(r.body); n > 0 && n%4 == 0 && n <= maxCookie && len(o.Cookies) < MaxCookies {
				o.Cookies = append(o.Cookies, r.body)
			}
		case recordServer:
			o.Server = string(r.body)
		case recordPort:
			if v := numbers(r.body); len(v) == 1 {
				o.Port = v[0]
			}
		default:
			if r.critical {
				return o, errMessage
			}
		}
	}
	if !protocol || !aead || len(o.Cookies) == 0 {
		return o, errRefused
	}
	return o, nil
}

// Respond answers a client's message: with the records of an offer, whose cookies
// are for the keys of the session, or with an error.
func Respond(msg []byte, offer func() Offer) []byte {
	fail := func(code uint16) []byte {
		return appendRecord(appendRecord(nil, critical|recordError, number(code)), critical|recordEnd, nil)
	}
	records, err := parse(msg)
	if err != nil {
		return fail(errBadRequest)
	}
	var protocols, aeads []uint16
	for _, r := range records {
		switch r.kind {
		case recordProtocol:
			if !r.critical || protocols != nil || len(r.body) < 2 || len(r.body)%2 != 0 {
				return fail(errBadRequest)
			}
			protocols = numbers(r.body)
		case recordAEAD:
			if aeads != nil || len(r.body) < 2 || len(r.body)%2 != 0 {
				return fail(errBadRequest)
			}
			aeads = numbers(r.body)
		case recordError, recordWarning, recordCookie:
			return fail(errBadRequest)
		case recordServer, recordPort:
		default:
			if r.critical {
				return fail(errUnrecognised)
			}
		}
	}
	if protocols == nil {
		return fail(errBadRequest)
	}
	chosen := func(kind uint16, list []uint16, ours uint16) ([]byte, bool) {
		for _, v := range list {
			if v == ours {
				return appendRecord(nil, critical|kind, number(v)), true
			}
		}
		return appendRecord(nil, critical|kind, nil), false
	}
	b, ok := chosen(recordProtocol, protocols, protocolNTP4)
	if !ok {
		return appendRecord(b, critical|recordEnd, nil)
	}
	if aeads == nil {
		return fail(errBadRequest)
	}
	algorithm, ok := chosen(recordAEAD, aeads, aeadSIV256)
	b = append(b, algorithm...)
	if ok {
		o := offer()
		if o.Port != 0 {
			b = appendRecord(b, critical|recordPort, number(o.Port))
		}
		if o.Server != "" {
			b = appendRecord(b, critical|recordServer, []byte(o.Server))
		}
		for _, c := range o.Cookies {
			b = appendRecord(b, recordCookie, c)
		}
	}
	return appendRecord(b, critical|recordEnd, nil)
}

// Keys are those of an association, from client to server and back.
type Keys struct{ ToServer, ToClient []byte }

// Export makes the keys out of a TLS session; export is its
// ExportKeyingMaterial (RFC 8915 section 5.1).
func Export(export func(label string, context []byte, length int) ([]byte, error)) (Keys, error) {
	var k Keys
	for i, key := range []*[]byte{&k.ToServer, &k.ToClient} {
		v, err := export(exporterLabel, []byte{0, protocolNTP4, 0, aeadSIV256, byte(i)}, keyLength)
		if err != nil {
			return k, err
		}
		*key = v
	}
	return k, nil
}
