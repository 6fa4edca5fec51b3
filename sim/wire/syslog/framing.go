package syslog

import (
	"bytes"
	"cmp"
)

// FrameFault is something wrong with the framing of a stream.
type FrameFault struct {
	Kind FaultKind
	N    int // the octet count, or the octet in place of the blank
}

// FaultKind says what is wrong.
type FaultKind int

// The faults that rsyslog's imtcp reports.
const (
	BadDelimiter  FaultKind = iota // no blank after the octet count; N is what stood there
	ZeroCount                      // an octet count of 0
	Oversize                       // a count above the message limit; the message is split
	TooLarge                       // a count above the frame limit; read up to a line feed instead
	IncompleteEnd                  // the stream ended within a counted frame
)

// maxFrame is the default of imtcp's maxFrameSize.
const maxFrame = 200000

// Framer cuts a TCP stream into messages: frames that begin with a digit are
// octet-counted, others end at a line feed (RFC 6587), and both may alternate.
type Framer struct {
	Max        int  // octets a message may have; longer ones are split
	MaxFrame   int  // octets a counted frame may have; 0 is imtcp's default
	NoCounting bool // supportOctetCountedFraming="off"
	NoLF       bool // a line feed does not end a line (disableLFDelimiter)
	NoRest     bool // of a message that is too long only the first part counts (discardTruncatedMsg)
	Delimiter  int  // a further end of a line, 1..255; others are none

	state   frameState
	counted bool
	remain  int
	buf     []byte
}

type frameState int

const (
	atStart frameState = iota
	inCount
	inMessage
	inRest // of a message that was too long, up to the end of the line
)

// Push takes octets in. Each message, which is only valid during the call and
// may be empty, goes to message, each fault to fault.
func (f *Framer) Push(data []byte, message func([]byte), fault func(FrameFault)) {
	for len(data) > 0 {
		switch f.state {
		case atStart:
			switch {
			case data[0] >= '0' && data[0] <= '9' && !f.NoCounting:
				f.state, f.counted, f.remain = inCount, true, 0
			default:
				f.state, f.counted = inMessage, false
			}
		case inCount:
			f.count(data[0], fault)
			data = data[1:]
		case inMessage:
			if f.counted {
				n := min(f.remain, len(data))
				f.fill(data[:n], message)
				f.remain, data = f.remain-n, data[n:]
				if f.remain == 0 {
					if f.state == inMessage {
						f.emit(message)
					}
					f.state = atStart
				}
				continue
			}
			data = f.line(data, message)
		case inRest:
			if f.counted {
				n := min(f.remain, len(data))
				f.remain, data = f.remain-n, data[n:]
				if f.remain == 0 {
					f.state = atStart
				}
				continue
			}
			if i := f.end(data); i >= 0 {
				f.state, data = atStart, data[i+1:]
			} else {
				data = nil
			}
		}
	}
}

// count handles one octet of an octet count.
func (f *Framer) count(c byte, fault func(FrameFault)) {
	if c >= '0' && c <= '9' {
		if f.remain <= 200000000 {
			f.remain = f.remain*10 + int(c-'0')
		}
		if len(f.buf) < f.Max {
			f.buf = append(f.buf, c)
		}
		return
	}
	if c != ' ' {
		fault(FrameFault{BadDelimiter, int(c)})
	}
	if f.remain < 1 {
		fault(FrameFault{ZeroCount, f.remain})
		f.counted = false
	} else if f.remain > f.Max {
		fault(FrameFault{Oversize, f.remain})
	}
	if f.remain > cmp.Or(f.MaxFrame, maxFrame) {
		fault(FrameFault{TooLarge, f.remain})
		f.counted = false
	} else {
		f.buf = f.buf[:0]
	}
	f.state = inMessage
}

// end returns where a line ends, or a negative number.
func (f *Framer) end(data []byte) int {
	i := -1
	if !f.NoLF {
		i = bytes.IndexByte(data, '\n')
	}
	if f.Delimiter > 0 && f.Delimiter < 256 {
		if j := bytes.IndexByte(data, byte(f.Delimiter)); j >= 0 && (i < 0 || j < i) {
			i = j
		}
	}
	return i
}

// line takes octets up to the end of a line.
func (f *Framer) line(data []byte, message func([]byte)) []byte {
	i := f.end(data)
	switch {
	case i < 0:
		f.fill(data, message)
		return nil
	case len(f.buf) == 0 && i <= f.Max:
		message(data[:i])
	default:
		if f.fill(data[:i], message); f.state == inMessage {
			f.emit(message)
		}
	}
	f.state = atStart
	return data[i+1:]
}

// fill adds a part of a message, splitting it at the limit.
// The octet at which a message is split is lost, as it is in the real daemon.
func (f *Framer) fill(part []byte, message func([]byte)) {
	for {
		n := min(len(part), max(0, f.Max-len(f.buf)))
		f.buf = append(f.buf, part[:n]...)
		if part = part[n:]; len(part) == 0 {
			return
		}
		f.emit(message)
		if f.NoRest {
			f.state = inRest
			return
		}
		part = part[1:]
	}
}

func (f *Framer) emit(message func([]byte)) {
	message(f.buf)
	f.buf = f.buf[:0]
}

// End tells that the stream is over: a line without its line feed is a message,
// a part of a counted frame is not.
func (f *Framer) End(message func([]byte), fault func(FrameFault)) {
	switch {
	case f.state == atStart, f.state == inRest:
	case f.counted:
		fault(FrameFault{Kind: IncompleteEnd})
	default:
		f.emit(message)
	}
	f.state, f.buf = atStart, nil
}
