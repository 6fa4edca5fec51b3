// Package trace is the ordered record of what happened in a lab, in true time.
//
// Programs and the kernel of the lab append; the grader, `enshu events`,
// `enshu why` and recorders read. Nobody is ever called back: a reader asks for
// what came after the last event it saw, and may wait for more.
package trace

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"enshu/sim/clock"
)

// Event is one thing that happened.
type Event struct {
	Seq     uint64            `json:"seq"` // 1 for the first
	At      time.Time         `json:"at"`  // true time
	Host    string            `json:"host,omitempty"`
	Program string            `json:"program,omitempty"` // name of the program that did it
	PID     int               `json:"pid,omitempty"`     // in its host
	Kind    Kind              `json:"kind"`
	Attrs   map[string]string `json:"attrs,omitempty"` // named in Kinds
}

// Attrs are the details of an event; [Kinds] says which a kind has.
type Attrs map[string]string

// Log is the trace of one lab: append-only, safe for concurrent use.
type Log struct {
	line   *clock.Timeline
	mu     sync.Mutex
	events []Event
	grown  chan struct{} // what waits is told of the next event by its closing; nil while nobody does
}

// NewLog returns an empty trace on a timeline.
func NewLog(l *clock.Timeline) *Log { return &Log{line: l} }

// Append records an event and returns its number. The kind must be in [Kinds].
func (l *Log) Append(host, program string, pid int, kind Kind, attrs Attrs) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.line.Now().UTC() // under the lock, so that later events have later times
	seq := uint64(len(l.events)) + 1
	l.events = append(l.events, Event{seq, at, host, program, pid, kind, attrs})
	if l.grown != nil {
		close(l.grown)
		l.grown = nil
	}
	return seq
}

// Since returns the events after number seq, oldest first. The result is
// shared and must not be changed.
func (l *Log) Since(seq uint64) []Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	if seq >= uint64(len(l.events)) {
		return nil
	}
	return l.events[seq:len(l.events):len(l.events)]
}

// Last returns the number of the newest event, 0 when there is none.
func (l *Log) Last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return uint64(len(l.events))
}

// Wait returns once there is an event after number seq, or the cause of ctx.
// It is for readers outside of the lab's Programs: it holds no wake token.
func (l *Log) Wait(ctx context.Context, seq uint64) error {
	for {
		l.mu.Lock()
		if uint64(len(l.events)) > seq {
			l.mu.Unlock()
			return nil
		}
		if l.grown == nil {
			l.grown = make(chan struct{})
		}
		grown := l.grown
		l.mu.Unlock()
		select {
		case <-grown:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Digest is a short fingerprint of a configuration file, by which a reader of
// the trace sees whether a daemon has read what the file holds now. Times would
// not do: the clock of a host can be wrong, and the lab's can be warped.
func Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// Write writes events as JSON lines.
func Write(w io.Writer, events []Event) error {
	enc := json.NewEncoder(w)
	for _, e := range events {
		if err := enc.Encode(e); err != nil {
			return err
		}
	}
	return nil
}

// Read reads events written by [Write]. It refuses a kind that is not in
// [Kinds] and numbers that do not rise.
func Read(r io.Reader) ([]Event, error) {
	dec := json.NewDecoder(r)
	var events []Event
	for {
		var e Event
		err := dec.Decode(&e)
		if err == io.EOF {
			return events, nil
		}
		if err != nil {
			return nil, fmt.Errorf("trace: event %d: %w", len(events)+1, err)
		}
		if _, ok := Kinds[e.Kind]; !ok {
			return nil, fmt.Errorf("trace: event %d: unknown kind %q", len(events)+1, e.Kind)
		}
		if n := len(events); n > 0 && e.Seq <= events[n-1].Seq {
			return nil, fmt.Errorf("trace: event %d: number %d does not follow %d", n+1, e.Seq, events[n-1].Seq)
		}
		events = append(events, e)
	}
}
