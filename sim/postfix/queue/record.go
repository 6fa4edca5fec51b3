package queue

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"enshu/sim/postfix/dsn"
)

// The records of a queue file: a type, a length in groups of seven bits, least
// first, and the data. Line ends are not stored, so that the size of a message
// is the same number that Postfix logs.
const (
	RecSize     = 'C' // message_size, data offset, recipients, flags, content size, SMTPUTF8
	RecTime     = 'T' // arrival time
	RecAttr     = 'A' // name=value
	RecFull     = 'F' // sender's full name
	RecSender   = 'S'
	RecOrcpt    = 'O' // original recipient of the record that follows
	RecRcpt     = 'R'
	RecDone     = 'D' // a recipient that has been dealt with
	recDSNOrcpt = 'o'
	RecMessage  = 'M' // start of the content
	RecNormal   = 'N' // a line
	RecCont     = 'L' // part of a line
	RecExtract  = 'X' // end of the content
	recFrom     = 'W' // postdrop: the message needs a fixed header
	RecEnd      = 'E'
	RecClaim    = 'z' // after the content: what the message replaces, see claim
)

// ErrRecord says that a file is no queue file.
var ErrRecord = errors.New("malformed queue file record")

// AppendRecord adds one record to b.
func AppendRecord[T string | []byte](b []byte, kind byte, data T) []byte {
	b = append(b, kind)
	n := len(data)
	for n >= 0x80 {
		b = append(b, byte(n&0x7f)|0x80)
		n >>= 7
	}
	b = append(b, byte(n))
	return append(b, data...)
}

// ReadRecord reads one record; limit bounds its length.
func ReadRecord(r *bufio.Reader, limit int) (kind byte, data []byte, err error) {
	kind, err = r.ReadByte()
	if err != nil {
		return 0, nil, err
	}
	n := 0
	for shift := 0; ; shift += 7 {
		c, err := r.ReadByte()
		if err != nil || shift > 28 {
			return 0, nil, ErrRecord
		}
		n |= int(c&0x7f) << shift
		if c&0x80 == 0 {
			break
		}
	}
	if n > limit {
		return 0, nil, ErrRecord
	}
	data = make([]byte, n, n+1) // a line end may follow
	if _, err := io.ReadFull(r, data); err != nil {
		return 0, nil, ErrRecord
	}
	return kind, data, nil
}

// MaxRecord bounds a record of a queue file: the longest is a line of line_length_limit.
const MaxRecord = 1 << 20

// A Recipient of a message.
type Recipient struct {
	Address     string // internal form
	Original    string // as it was given; "" when unknown
	DSNOriginal string // ORCPT, "rfc822;user@domain" with xtext decoded
	Notify      dsn.Notify
	Offset      int64 // of its record in the queue file
	Done        bool
}

// Envelope is everything of a queue file but the content.
type Envelope struct {
	Arrival    time.Time
	Created    time.Time
	Attrs      []string // name=value
	FullName   string
	Sender     string
	hasSender  bool
	Recipients []Recipient
	Size       int64 // of the content in records
	dataOffset int64
	Flags      int
	UTF8       bool
	Claim      Claim // in what is written; see message.claimed for what is read
}

// Attr returns a named attribute.
func (e *Envelope) Attr(name string) string {
	for _, a := range e.Attrs {
		if n, v, _ := strings.Cut(a, "="); n == name {
			return v
		}
	}
	return ""
}

// SetAttr sets a named attribute.
func (e *Envelope) SetAttr(name, value string) {
	for i, a := range e.Attrs {
		if n, _, _ := strings.Cut(a, "="); n == name {
			e.Attrs[i] = name + "=" + value
			return
		}
	}
	e.Attrs = append(e.Attrs, name+"="+value)
}

// AttrFilter is the attribute of mail that goes to another transport first, which
// gives it back: "transport:destination" (content_filter).
const AttrFilter = "content_filter"

// DSNAttrs are the attributes that hold RET=, FULL or HDRS, and ENVID= of a message
// (RFC 3461 section 4); "" is none.
func DSNAttrs(ret, envelopeID string) []string {
	var attrs []string
	if envelopeID != "" {
		attrs = append(attrs, "envelope_id="+envelopeID)
	}
	switch strings.ToUpper(ret) {
	case "FULL":
		attrs = append(attrs, "ret_flags=1")
	case "HDRS":
		attrs = append(attrs, "ret_flags=2")
	}
	return attrs
}

// Ret returns what a bounce of the message is to return: FULL, HDRS or "".
func (e *Envelope) Ret() string {
	switch e.Attr("ret_flags") {
	case "1":
		return "FULL"
	case "2":
		return "HDRS"
	}
	return ""
}

// EnvelopeID returns the sender's own name of the message (ENVID), "" for none.
func (e *Envelope) EnvelopeID() string { return e.Attr("envelope_id") }

// TimeRecord writes a time with its microseconds.
func TimeRecord(t time.Time) string { return fmt.Sprintf("%d %06d", t.Unix(), t.Nanosecond()/1000) }

// ParseTimeRecord reads what TimeRecord wrote; other text is the epoch.
func ParseTimeRecord(s string) time.Time {
	sec, usec, _ := strings.Cut(s, " ")
	n, _ := strconv.ParseInt(sec, 10, 64)
	u, _ := strconv.ParseInt(usec, 10, 64)
	return time.Unix(n, u*1000)
}

// Encode writes a queue file. content is in records, as appendContent
// makes it. head is the length of the envelope, where the content starts.
func (e *Envelope) Encode(content []byte) []byte {
	var b []byte
	b = AppendRecord(b, RecTime, TimeRecord(e.Arrival))
	b = AppendRecord(b, RecAttr, fmt.Sprintf("create_time=%d", e.Created.Unix()))
	for _, a := range e.Attrs {
		b = AppendRecord(b, RecAttr, a)
	}
	b = AppendRecord(b, RecFull, e.FullName)
	b = AppendRecord(b, RecSender, e.Sender)
	for _, r := range e.Recipients {
		if r.DSNOriginal != "" {
			b = AppendRecord(b, RecAttr, "dsn_orig_rcpt="+r.DSNOriginal)
		}
		if r.Notify != 0 {
			b = AppendRecord(b, RecAttr, fmt.Sprintf("notify_flags=%d", r.Notify))
		}
		b = AppendRecord(b, RecOrcpt, r.Original)
		kind := byte(RecRcpt)
		if r.Done {
			kind = RecDone
		}
		b = AppendRecord(b, kind, r.Address)
	}
	b = AppendRecord(b, RecMessage, "")
	utf8 := 0
	if e.UTF8 {
		utf8 = 1
	}
	const sizeLen = 6*15 + 5
	e.dataOffset = int64(len(b)) + sizeLen + 2
	e.Size = int64(len(content))
	head := AppendRecord(nil, RecSize, fmt.Sprintf("%15d %15d %15d %15d %15d %15d", e.Size, e.dataOffset, len(e.Recipients), e.Flags, e.Size, utf8))
	b = append(head, b...)
	b = append(b, content...)
	b = AppendRecord(b, RecExtract, "")
	if e.Claim != "" {
		b = AppendRecord(b, RecClaim, string(e.Claim))
	}
	return AppendRecord(b, RecEnd, "")
}

// Decode reads the envelope of a queue file up to the content.
func Decode(r *bufio.Reader) (*Envelope, error) {
	e := &Envelope{}
	var next Recipient
	offset := int64(0)
	for {
		kind, data, err := ReadRecord(r, MaxRecord)
		if err != nil {
			return nil, ErrRecord
		}
		at := offset
		offset += recordLen(len(data))
		text := string(data)
		switch kind {
		case RecSize:
			f := strings.Fields(text)
			if len(f) < 6 {
				return nil, ErrRecord
			}
			e.Size, _ = strconv.ParseInt(f[0], 10, 64)
			e.dataOffset, _ = strconv.ParseInt(f[1], 10, 64)
			e.Flags, _ = strconv.Atoi(f[3])
			e.UTF8 = f[5] != "0"
		case RecTime:
			e.Arrival = ParseTimeRecord(text)
		case RecAttr:
			name, value, _ := strings.Cut(text, "=")
			switch name {
			case "create_time":
				e.Created = ParseTimeRecord(value)
			case "dsn_orig_rcpt":
				next.DSNOriginal = value
			case "notify_flags":
				n, _ := strconv.Atoi(value)
				next.Notify = dsn.Notify(n)
			default:
				e.Attrs = append(e.Attrs, text)
			}
		case RecFull:
			e.FullName = text
		case RecSender:
			e.Sender, e.hasSender = text, true
		case RecOrcpt:
			next.Original = text
		case RecRcpt, RecDone:
			next.Address, next.Offset, next.Done = text, at, kind == RecDone
			e.Recipients = append(e.Recipients, next)
			next = Recipient{}
		case RecMessage:
			if e.dataOffset == 0 {
				e.dataOffset = offset
			}
			return e, nil
		default:
			return nil, ErrRecord
		}
	}
}

func recordLen(n int) int64 {
	l := int64(2 + n)
	for n >= 0x80 {
		l++
		n >>= 7
	}
	return l
}

// AppendContent adds text, lines ended by line feeds, to content in records.
func AppendContent(b []byte, text []byte, lineLimit int) []byte {
	b = slices.Grow(b, len(text)+len(text)/16+64) // two bytes a line or three, instead of one
	for len(text) > 0 {
		end := bytes.IndexByte(text, '\n')
		line, rest, ended := text, []byte(nil), false
		if end >= 0 {
			line, rest, ended = text[:end], text[end+1:], true
		}
		b = appendLine(b, line, ended, lineLimit)
		text = rest
	}
	return b
}

// appendLine adds one line in records.
func appendLine(b []byte, line []byte, ended bool, lineLimit int) []byte {
	for len(line) > lineLimit {
		b = AppendRecord(b, RecCont, line[:lineLimit])
		line = line[lineLimit:]
	}
	if !ended {
		// The line goes on, and ends with nothing more.
		b = AppendRecord(b, RecCont, line)
		return AppendRecord(b, RecNormal, "")
	}
	return AppendRecord(b, RecNormal, line)
}

// ContentSize is how long the content of a text is in records.
func ContentSize(text []byte, lineLimit int) int64 {
	n := int64(0)
	for len(text) > 0 {
		line, rest, ended := bytes.Cut(text, []byte("\n"))
		for len(line) > lineLimit {
			n += recordLen(lineLimit)
			line = line[lineLimit:]
		}
		n += recordLen(len(line))
		if !ended {
			n += recordLen(0)
		}
		text = rest
	}
	return n
}

// appendText adds to b the text of the content that records begin with.
func appendText(b, records []byte) ([]byte, error) {
	for len(records) > 0 {
		kind, n, rest := records[0], 0, records[1:]
		for shift := 0; ; shift += 7 {
			if len(rest) == 0 || shift > 28 {
				return nil, ErrRecord
			}
			c := rest[0]
			rest = rest[1:]
			n |= int(c&0x7f) << shift
			if c&0x80 == 0 {
				break
			}
		}
		if n > len(rest) || n > MaxRecord {
			return nil, ErrRecord
		}
		switch kind {
		case RecNormal:
			b = append(append(b, rest[:n]...), '\n')
		case RecCont:
			b = append(b, rest[:n]...)
		case RecExtract, RecEnd:
			return b, nil
		default:
			return nil, ErrRecord
		}
		records = rest[n:]
	}
	return nil, ErrRecord
}
