package message

import (
	"strings"
	"sync"
)

// mostSpare is how many messages Spare keeps at most, some 2 MiB.
const mostSpare = 4096

// Spare are messages that are done with, for those to come: a flood of messages
// is not one of garbage. Its zero value is empty.
type Spare struct {
	mu   sync.Mutex
	free []*Message
}

// take fills a list with empty messages.
func (s *Spare) take(list []*Message) {
	s.mu.Lock()
	n := copy(list, s.free[max(0, len(s.free)-len(list)):])
	s.free = s.free[:len(s.free)-n]
	s.mu.Unlock()
	if list = list[n:]; len(list) == 0 {
		return
	}
	room := make([]Message, len(list))
	for i := range list {
		list[i] = &room[i]
	}
}

// Give takes the messages back that nobody keeps, and clears the list. Who goes on
// having one of them has said so (Kept).
func (s *Spare) Give(list []*Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, m := range list {
		if m != nil && !m.Kept && len(s.free) < mostSpare {
			*m = Message{}
			s.free = append(s.free, m)
		}
		list[i] = nil
	}
}

// textRoom is how much memory texts share: one that is kept keeps the others.
const textRoom = 2048

// Maker makes messages of what an input reads. One thread uses it.
type Maker struct {
	Spare *Spare
	ready []*Message
	texts strings.Builder
}

// New returns a message of which nothing but the octets, as they were received, is
// set. They are copied.
func (k *Maker) New(octets []byte) *Message {
	if len(k.ready) == 0 {
		k.ready = make([]*Message, 64)
		k.Spare.take(k.ready)
	}
	m := k.ready[0]
	k.ready = k.ready[1:]
	if k.texts.Cap()-k.texts.Len() < len(octets) {
		k.texts = strings.Builder{}
		k.texts.Grow(max(textRoom, len(octets)))
	}
	at := k.texts.Len()
	k.texts.Write(octets)
	m.Raw, m.Unparsed = k.texts.String()[at:], true
	return m
}
