package clients

import "enshu/sim/wire/ntp"

// interleaver remembers when answers were really sent, so that the next answer
// to the same client can tell (chrony.conf(5), xleave): in the interleaved mode
// a request names the receive time stamp of the answer before it.
//
// Only clients whose requests name one are remembered: others would not ask.
type interleaver struct {
	most int // answers kept; 0 is none
	sent map[ntp.Time]ntp.Time
	ring []ntp.Time // receive time stamps; next is the oldest once it is full
	next int
}

func newInterleaver(most int) interleaver {
	return interleaver{most: most, sent: map[ntp.Time]ntp.Time{}}
}

// Answer turns a basic answer into an interleaved one when the request asks for
// it and its predecessor is known, and reports whether it did.
func (v *interleaver) Answer(req, reply *ntp.Packet) bool {
	if v.most == 0 || req.Mode != ntp.Client || req.Origin == 0 {
		return false
	}
	before, known := v.sent[req.Origin]
	known = known && req.Receive != req.Transmit
	v.keep(reply.Receive, reply.Transmit)
	if known {
		reply.Origin, reply.Transmit = req.Receive, before
	}
	return known
}

// keep notes an answer.
func (v *interleaver) keep(received, sent ntp.Time) {
	if len(v.ring) < v.most {
		v.ring = append(v.ring, received)
	} else {
		delete(v.sent, v.ring[v.next])
		v.ring[v.next] = received
		v.next = (v.next + 1) % v.most
	}
	v.sent[received] = sent
}

// forget drops everything, when the clock was stepped.
func (v *interleaver) forget() {
	clear(v.sent)
	v.ring, v.next = v.ring[:0], 0
}

// held returns how many answers are remembered and the seconds between the
// first and the last of them.
func (v *interleaver) held() (n, span uint32) {
	if len(v.ring) == 0 {
		return 0, 0
	}
	oldest, newest := v.ring[0], v.ring[len(v.ring)-1]
	if len(v.ring) == v.most {
		oldest, newest = v.ring[v.next], v.ring[(v.next+v.most-1)%v.most]
	}
	return uint32(len(v.ring)), uint32((newest - oldest) >> 32)
}
