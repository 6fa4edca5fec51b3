package ntp

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
)

// HeaderLength is the length of a packet without extension fields and MAC.
const HeaderLength = 48

// MaxLength is the longest packet that Decode accepts.
const MaxLength = 1500

// Lengths of a MAC: the key identifier and the digest.
const (
	minMAC   = 4 + 16 // MD5 or AES-CMAC
	maxMAC4  = 4 + 20 // NTPv4, where more would look like an extension field
	maxMAC3  = 4 + 64 // older versions, which have no extension fields
	minField = 16
	lastEF   = 28 // shortest last extension field of a packet without MAC (RFC 7822 section 7.5.1.4)
)

// Mode is the association mode of a packet (RFC 5905 figure 10).
type Mode uint8

// The modes.
const (
	Reserved Mode = iota
	SymmetricActive
	SymmetricPassive
	Client
	Server
	Broadcast
	Control
	Private
)

// Leap is the leap indicator (RFC 5905 figure 9).
type Leap uint8

// The leap indicators.
const (
	LeapNone   Leap = iota
	LeapInsert      // the last minute of the day has 61 seconds
	LeapDelete      // the last minute of the day has 59 seconds
	LeapUnsynchronised
)

// MaxStratum is the stratum that stands for "not synchronised".
const MaxStratum = 16

// Reference identifiers that are not addresses (RFC 5905 section 7.3 and 7.4).
const (
	RefIDLocal  uint32 = 0x7F7F0101 // chrony's local reference
	RefIDSmooth uint32 = 0x7F7F01FF // and its smoothed time
	KissRate    uint32 = 'R'<<24 | 'A'<<16 | 'T'<<8 | 'E'
	KissDeny    uint32 = 'D'<<24 | 'E'<<16 | 'N'<<8 | 'Y'
	KissRstr    uint32 = 'R'<<24 | 'S'<<16 | 'T'<<8 | 'R'
)

// Packet is one NTP packet of version 1 to 4.
type Packet struct {
	Leap           Leap
	Version        uint8
	Mode           Mode
	Stratum        uint8 // 0 is unspecified, or a kiss code in RefID
	Poll           int8  // log2 seconds
	Precision      int8  // log2 seconds
	RootDelay      Short
	RootDispersion Short
	RefID          uint32
	Reference      Time
	Origin         Time
	Receive        Time
	Transmit       Time

	Extensions []Extension

	// Authenticated reports that a MAC follows: KeyID and Digest.
	Authenticated bool
	KeyID         uint32
	Digest        []byte
}

// Extension is an extension field (RFC 7822).
type Extension struct {
	Type uint16
	Body []byte // a multiple of 4 long, at least 12
}

// Errors of Decode.
var (
	ErrLength    = errors.New("ntp: bad length")
	ErrVersion   = errors.New("ntp: bad version")
	ErrExtension = errors.New("ntp: bad extension field")
)

// Decode reads a packet. The slices of the result share b's memory.
func Decode(b []byte) (Packet, error) {
	var p Packet
	if len(b) < HeaderLength || len(b)%4 != 0 || len(b) > MaxLength {
		return p, ErrLength
	}
	p.Leap = Leap(b[0] >> 6)
	p.Version = b[0] >> 3 & 7
	p.Mode = Mode(b[0] & 7)
	if p.Version < 1 || p.Version > 4 {
		return p, ErrVersion
	}
	p.Stratum = b[1]
	p.Poll = int8(b[2])
	p.Precision = int8(b[3])
	be := binary.BigEndian
	p.RootDelay = Short(be.Uint32(b[4:]))
	p.RootDispersion = Short(be.Uint32(b[8:]))
	p.RefID = be.Uint32(b[12:])
	p.Reference = Time(be.Uint64(b[16:]))
	p.Origin = Time(be.Uint64(b[24:]))
	p.Receive = Time(be.Uint64(b[32:]))
	p.Transmit = Time(be.Uint64(b[40:]))

	rest := b[HeaderLength:]
	switch {
	case len(rest) == 0:
		return p, nil
	case p.Version < 4:
		if len(rest) < minMAC || len(rest) > maxMAC3 {
			return p, ErrLength
		}
	case len(rest) == 4: // crypto-NAK
	default:
		for len(rest) > 0 && (len(rest) < minMAC || len(rest) > maxMAC4) {
			if len(rest) < minField {
				return p, ErrExtension
			}
			n := int(be.Uint16(rest[2:]))
			if n < minField || n%4 != 0 || n > len(rest) || n == len(rest) && n < lastEF {
				return p, ErrExtension
			}
			p.Extensions = append(p.Extensions, Extension{be.Uint16(rest), rest[4:n]})
			rest = rest[n:]
		}
	}
	if len(rest) > 0 {
		p.Authenticated = true
		p.KeyID = be.Uint32(rest)
		p.Digest = rest[4:]
	}
	return p, nil
}

// Append encodes p after b. A MAC is appended when p has one; see [Packet.Sign].
func (p *Packet) Append(b []byte) []byte {
	be := binary.BigEndian
	b = append(b, byte(p.Leap)<<6|p.Version<<3|byte(p.Mode), p.Stratum, byte(p.Poll), byte(p.Precision))
	b = be.AppendUint32(b, uint32(p.RootDelay))
	b = be.AppendUint32(b, uint32(p.RootDispersion))
	b = be.AppendUint32(b, p.RefID)
	b = be.AppendUint64(b, uint64(p.Reference))
	b = be.AppendUint64(b, uint64(p.Origin))
	b = be.AppendUint64(b, uint64(p.Receive))
	b = be.AppendUint64(b, uint64(p.Transmit))
	for _, e := range p.Extensions {
		b = be.AppendUint16(b, e.Type)
		b = be.AppendUint16(b, uint16(4+len(e.Body)))
		b = append(b, e.Body...)
	}
	if p.Authenticated {
		b = be.AppendUint32(b, p.KeyID)
		b = append(b, p.Digest...)
	}
	return b
}

// Time is a 64-bit NTP timestamp: seconds since 1900 in the era that the
// reader has to know, and a fraction. 0 means "not set".
type Time uint64

// epoch is the difference between 1900 and 1970 in seconds.
const epoch = 2208988800

// FromTime returns the timestamp of t, the era left out.
func FromTime(t time.Time) Time {
	sec := uint64(t.Unix()+epoch) & math.MaxUint32
	frac := uint64(t.Nanosecond()) << 32 / 1e9
	return Time(sec<<32 | frac)
}

// Near returns the time that t stands for, in the era that puts it within 68
// years of near.
func (t Time) Near(near time.Time) time.Time {
	low := int32(uint32(t>>32) - uint32(near.Unix()+epoch))
	nsec := (uint64(uint32(t))*1e9 + 1<<31) >> 32
	return time.Unix(near.Unix()+int64(low), int64(nsec)).UTC()
}

// Short is an unsigned interval of 16.16 seconds.
type Short uint32

// FromSeconds returns an interval, clamped to what the format can say.
func FromSeconds(s float64) Short {
	switch v := s * 65536; {
	case !(v > 0):
		return 0
	case v >= math.MaxUint32:
		return math.MaxUint32
	default:
		// Rounded up: a distance must not look smaller than it is.
		return Short(math.Ceil(v))
	}
}

// Seconds returns the interval in seconds.
func (s Short) Seconds() float64 { return float64(s) / 65536 }
