package candm

import (
	"encoding/binary"
	"errors"
)

// Version is the protocol version of chrony 4.
const Version = 6

// Lengths of messages.
const (
	requestHeader = 20
	replyHeader   = 28
	minRequest    = 28
	maxRequest    = 860
)

// Packet types.
const (
	typeRequest = 1
	typeReply   = 2
)

// Request is a command sent to chronyd.
type Request struct {
	Version  uint8 // 0 is encoded as Version
	Command  Command
	Attempt  uint16
	Sequence uint32
	Body     Body // nil for a command without data, and when Status is not Success
	Status   Status
}

// ErrIgnore is returned for datagrams that a chronyd or chronyc passes over in
// silence.
var ErrIgnore = errors.New("candm: not a message to be answered")

// Append encodes r after b, padded to the length that the command must have.
func (r *Request) Append(b []byte) []byte {
	be := binary.BigEndian
	start := len(b)
	version := r.Version
	if version == 0 {
		version = Version
	}
	b = append(b, version, typeRequest, 0, 0)
	b = be.AppendUint16(b, uint16(r.Command))
	b = be.AppendUint16(b, r.Attempt)
	b = be.AppendUint32(b, r.Sequence)
	b = append(b, make([]byte, 8)...)
	if r.Body != nil {
		c := codec{write: true}
		r.Body.fields(&c)
		b = append(b, c.b...)
	}
	if n := commands[r.Command].length - (len(b) - start); n > 0 {
		b = append(b, make([]byte, n)...)
	}
	return b
}

// DecodeRequest reads a request as chronyd does. ErrIgnore means that it gets
// no answer. A request that gets a refusal comes with Status set and a nil
// Body: BadVersion, InvalidCommand, BadLength.
func DecodeRequest(b []byte) (Request, error) {
	var r Request
	if len(b) < minRequest || len(b) > maxRequest || b[1] != typeRequest || b[2] != 0 || b[3] != 0 || b[0] < 5 {
		return r, ErrIgnore
	}
	be := binary.BigEndian
	r.Version = b[0]
	r.Command = Command(be.Uint16(b[4:]))
	r.Attempt = be.Uint16(b[6:])
	r.Sequence = be.Uint32(b[8:])
	def, known := commands[r.Command]
	switch {
	case r.Version != Version:
		r.Status = BadVersion
	case !known:
		r.Status = InvalidCommand
	case len(b) < def.length:
		r.Status = BadLength
	case def.body != nil:
		r.Body = def.body()
		c := codec{b: b[requestHeader:]}
		r.Body.fields(&c)
		if c.short {
			r.Body, r.Status = nil, BadLength
		}
	}
	return r, nil
}

// Reply is what chronyd answers.
type Reply struct {
	Version  uint8
	Command  Command
	Type     ReplyType
	Status   Status
	Sequence uint32
	Body     Body // nil for NullReply
}

// Append encodes r after b.
func (r *Reply) Append(b []byte) []byte {
	be := binary.BigEndian
	b = append(b, Version, typeReply, 0, 0)
	b = be.AppendUint16(b, uint16(r.Command))
	b = be.AppendUint16(b, uint16(r.Type))
	b = be.AppendUint16(b, uint16(r.Status))
	b = append(b, make([]byte, 6)...)
	b = be.AppendUint32(b, r.Sequence)
	b = append(b, make([]byte, 8)...)
	if r.Body != nil {
		c := codec{write: true}
		r.Body.fields(&c)
		b = append(b, c.b...)
	}
	return b
}

// ErrShort is returned for a reply that lacks data of its type.
var ErrShort = errors.New("candm: reply is too short")

// DecodeReply reads a reply. ErrIgnore means that it is none; a reply of an
// unknown type has a nil Body.
func DecodeReply(b []byte) (Reply, error) {
	var r Reply
	if len(b) < replyHeader || b[1] != typeReply || b[2] != 0 || b[3] != 0 {
		return r, ErrIgnore
	}
	be := binary.BigEndian
	r.Version = b[0]
	r.Command = Command(be.Uint16(b[4:]))
	r.Type = ReplyType(be.Uint16(b[6:]))
	r.Status = Status(be.Uint16(b[8:]))
	r.Sequence = be.Uint32(b[16:])
	if def, ok := replies[r.Type]; ok && def != nil {
		r.Body = def()
		c := codec{b: b[replyHeader:]}
		r.Body.fields(&c)
		if c.short {
			return r, ErrShort
		}
	}
	return r, nil
}

// Status is the outcome of a request.
type Status uint16

// The outcomes.
const (
	Success         Status = 0
	Failed          Status = 1
	Unauthorised    Status = 2
	InvalidCommand  Status = 3
	NoSuchSource    Status = 4
	InvalidLogon    Status = 5
	NotEnabled      Status = 6
	BadSubnet       Status = 7
	AccessAllowed   Status = 8
	AccessDenied    Status = 9
	NoHostAccess    Status = 10
	SourceExists    Status = 11
	TooManySources  Status = 12
	NoRTC           Status = 13
	BadRTCFile      Status = 14
	Inactive        Status = 15
	BadSample       Status = 16
	InvalidFamily   Status = 17
	BadVersion      Status = 18
	BadLength       Status = 19
	InvalidNameText Status = 21
)

// texts are what chronyc prints for a status.
var texts = map[Status]string{
	Success:         "200 OK",
	Failed:          "500 Failure",
	Unauthorised:    "501 Not authorised",
	InvalidCommand:  "502 Invalid command",
	NoSuchSource:    "503 No such source",
	InvalidLogon:    "504 Duplicate or stale logon detected",
	NotEnabled:      "505 Facility not enabled in daemon",
	BadSubnet:       "507 Bad subnet",
	AccessAllowed:   "208 Access allowed",
	AccessDenied:    "209 Access denied",
	NoHostAccess:    "510 No command access from this host",
	SourceExists:    "511 Source already present",
	TooManySources:  "512 Too many sources present",
	NoRTC:           "513 RTC driver not running",
	BadRTCFile:      "514 Can't write RTC parameters",
	Inactive:        "519 Client logging is not active in the daemon",
	BadSample:       "516 Sample index out of range",
	InvalidFamily:   "515 Invalid address family",
	BadVersion:      "517 Protocol version mismatch",
	BadLength:       "518 Packet length mismatch",
	InvalidNameText: "521 Invalid name",
}

// Text returns the line that chronyc prints for a status.
func (s Status) Text() string {
	if t, ok := texts[s]; ok {
		return t
	}
	return "520 Got unexpected error from daemon"
}

// OK reports whether chronyc counts the status as success.
func (s Status) OK() bool { return s == Success || s == AccessAllowed || s == AccessDenied }
