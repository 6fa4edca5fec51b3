package postfix

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// The records of a queue file: a type, a length in groups of seven bits, least
// first, and the data. Line ends are not stored, so that the size of a message
// is the same number that Postfix logs.
const (
	recSize     = 'C' // message_size, data offset, recipients, flags, content size, SMTPUTF8
	recTime     = 'T' // arrival time
	recAttr     = 'A' // name=value
	recFull     = 'F' // sender's full name
	recSender   = 'S'
	recOrcpt    = 'O' // original recipient of the record that follows
	recRcpt     = 'R'
	recDone     = 'D' // a recipient that has been dealt with
	recDSNOrcpt = 'o'
	recMessage  = 'M' // start of the content
	recNormal   = 'N' // a line
	recCont     = 'L' // part of a line
	recExtract  = 'X' // end of the content
	recFrom     = 'W' // postdrop: the message needs a fixed header
	recEnd      = 'E'
	recClaim    = 'z' // after the content: what the message replaces, see claim
)

var errRecord = errors.New("malformed queue file record")

// appendRecord adds one record to b.
func appendRecord(b []byte, kind byte, data string) []byte {
	b = append(b, kind)
	n := len(data)
	for n >= 0x80 {
		b = append(b, byte(n&0x7f)|0x80)
		n >>= 7
	}
	b = append(b, byte(n))
	return append(b, data...)
}

// readRecord reads one record; limit bounds its length.
func readRecord(r *bufio.Reader, limit int) (kind byte, data []byte, err error) {
	kind, err = r.ReadByte()
	if err != nil {
		return 0, nil, err
	}
	n := 0
	for shift := 0; ; shift += 7 {
		c, err := r.ReadByte()
		if err != nil || shift > 28 {
			return 0, nil, errRecord
		}
		n |= int(c&0x7f) << shift
		if c&0x80 == 0 {
			break
		}
	}
	if n > limit {
		return 0, nil, errRecord
	}
	data = make([]byte, n)
	if _, err := io.ReadFull(r, data); err != nil {
		return 0, nil, errRecord
	}
	return kind, data, nil
}

// maxRecord bounds a record of a queue file: the longest is a line of line_length_limit.
const maxRecord = 1 << 20

// A recipient of a message.
type recipient struct {
	Address     string // internal form
	Original    string // as it was given; "" when unknown
	DSNOriginal string // ORCPT, "rfc822;user@domain" with xtext decoded
	Notify      dsnNotify
	Offset      int64 // of its record in the queue file
	Done        bool
}

// dsnNotify is when the sender wants to hear of a recipient (RFC 3461); 0 is the default.
type dsnNotify int

// The flags of dsnNotify.
const (
	notifyNever dsnNotify = 1 << iota
	notifySuccess
	notifyFailure
	notifyDelay
)

// envelope is everything of a queue file but the content.
type envelope struct {
	arrival    time.Time
	created    time.Time
	attrs      []string // name=value
	fullName   string
	sender     string
	hasSender  bool
	recipients []recipient
	size       int64 // of the content in records
	dataOffset int64
	qmgrFlags  int
	utf8       bool
	claim      claim // in what is written; see message.claimed for what is read
}

// attr returns a named attribute.
func (e *envelope) attr(name string) string {
	for _, a := range e.attrs {
		if n, v, _ := strings.Cut(a, "="); n == name {
			return v
		}
	}
	return ""
}

func (e *envelope) setAttr(name, value string) {
	for i, a := range e.attrs {
		if n, _, _ := strings.Cut(a, "="); n == name {
			e.attrs[i] = name + "=" + value
			return
		}
	}
	e.attrs = append(e.attrs, name+"="+value)
}

func timeRecord(t time.Time) string { return fmt.Sprintf("%d %06d", t.Unix(), t.Nanosecond()/1000) }

func parseTimeRecord(s string) time.Time {
	sec, usec, _ := strings.Cut(s, " ")
	n, _ := strconv.ParseInt(sec, 10, 64)
	u, _ := strconv.ParseInt(usec, 10, 64)
	return time.Unix(n, u*1000)
}

// encode writes a queue file. content is in records, as appendContent
// makes it. head is the length of the envelope, where the content starts.
func (e *envelope) encode(content []byte) []byte {
	var b []byte
	b = appendRecord(b, recTime, timeRecord(e.arrival))
	b = appendRecord(b, recAttr, fmt.Sprintf("create_time=%d", e.created.Unix()))
	for _, a := range e.attrs {
		b = appendRecord(b, recAttr, a)
	}
	b = appendRecord(b, recFull, e.fullName)
	b = appendRecord(b, recSender, e.sender)
	for _, r := range e.recipients {
		if r.DSNOriginal != "" {
			b = appendRecord(b, recAttr, "dsn_orig_rcpt="+r.DSNOriginal)
		}
		if r.Notify != 0 {
			b = appendRecord(b, recAttr, fmt.Sprintf("notify_flags=%d", r.Notify))
		}
		b = appendRecord(b, recOrcpt, r.Original)
		kind := byte(recRcpt)
		if r.Done {
			kind = recDone
		}
		b = appendRecord(b, kind, r.Address)
	}
	b = appendRecord(b, recMessage, "")
	utf8 := 0
	if e.utf8 {
		utf8 = 1
	}
	const sizeLen = 6*15 + 5
	e.dataOffset = int64(len(b)) + sizeLen + 2
	e.size = int64(len(content))
	head := appendRecord(nil, recSize, fmt.Sprintf("%15d %15d %15d %15d %15d %15d", e.size, e.dataOffset, len(e.recipients), e.qmgrFlags, e.size, utf8))
	b = append(head, b...)
	b = append(b, content...)
	b = appendRecord(b, recExtract, "")
	if e.claim != "" {
		b = appendRecord(b, recClaim, string(e.claim))
	}
	return appendRecord(b, recEnd, "")
}

// decodeEnvelope reads the envelope of a queue file up to the content.
func decodeEnvelope(r *bufio.Reader) (*envelope, error) {
	e := &envelope{}
	var next recipient
	offset := int64(0)
	for {
		kind, data, err := readRecord(r, maxRecord)
		if err != nil {
			return nil, errRecord
		}
		at := offset
		offset += recordLen(len(data))
		text := string(data)
		switch kind {
		case recSize:
			f := strings.Fields(text)
			if len(f) < 6 {
				return nil, errRecord
			}
			e.size, _ = strconv.ParseInt(f[0], 10, 64)
			e.dataOffset, _ = strconv.ParseInt(f[1], 10, 64)
			e.qmgrFlags, _ = strconv.Atoi(f[3])
			e.utf8 = f[5] != "0"
		case recTime:
			e.arrival = parseTimeRecord(text)
		case recAttr:
			name, value, _ := strings.Cut(text, "=")
			switch name {
			case "create_time":
				e.created = parseTimeRecord(value)
			case "dsn_orig_rcpt":
				next.DSNOriginal = value
			case "notify_flags":
				n, _ := strconv.Atoi(value)
				next.Notify = dsnNotify(n)
			default:
				e.attrs = append(e.attrs, text)
			}
		case recFull:
			e.fullName = text
		case recSender:
			e.sender, e.hasSender = text, true
		case recOrcpt:
			next.Original = text
		case recRcpt, recDone:
			next.Address, next.Offset, next.Done = text, at, kind == recDone
			e.recipients = append(e.recipients, next)
			next = recipient{}
		case recMessage:
			if e.dataOffset == 0 {
				e.dataOffset = offset
			}
			return e, nil
		default:
			return nil, errRecord
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

// appendContent adds text, lines ended by line feeds, to content in records.
func appendContent(b []byte, text []byte, lineLimit int) []byte {
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
		b = appendRecord(b, recCont, string(line[:lineLimit]))
		line = line[lineLimit:]
	}
	if !ended {
		// The line goes on, and ends with nothing more.
		b = appendRecord(b, recCont, string(line))
		return appendRecord(b, recNormal, "")
	}
	return appendRecord(b, recNormal, string(line))
}

// contentReader turns the records of a message's content back into text.
type contentReader struct {
	r    *bufio.Reader
	rest []byte
	err  error
}

func (c *contentReader) Read(p []byte) (int, error) {
	for len(c.rest) == 0 {
		if c.err != nil {
			return 0, c.err
		}
		kind, data, err := readRecord(c.r, maxRecord)
		switch {
		case err != nil:
			c.err = errRecord
		case kind == recNormal:
			c.rest = append(data, '\n')
		case kind == recCont:
			c.rest = data
		case kind == recExtract, kind == recEnd:
			c.err = io.EOF
		default:
			c.err = errRecord
		}
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}
