package service

import (
	"context"
	"fmt"

	"enshu/sim/postfix/queue"
)

// A Submission is a message on its way to cleanup(8). The client first says
// where it is from; cleanup answers with the queue id; then the message follows.
type Submission struct {
	Sender     string
	FullName   string
	Recipients []queue.Recipient
	Attrs      []string
	Received   []string    // lines of the Received header; %s in them is the queue id
	Content    []byte      // lines ended by line feeds
	Local      bool        // headers are completed, addresses rewritten
	Internal   bool        // made by Postfix itself: no canonical or virtual mapping, no limit
	Abort      bool        // the client broke off: nothing is queued
	Claim      queue.Claim // what the message replaces
	Flags      int         // qmgr flags: reports wanted
	UTF8       bool
	External   bool     // from outside of the mail system: its content is checked, copies are made
	Prepend    []string // header fields above all others
	Hold       bool
	Redirect   string   // to this address only
	Filter     string   // by this "transport:destination" first
	BCC        []string // and to these
}

// The qmgr flags of a queue file.
const (
	FlagVerify = 1 << iota // sendmail -bv: do not deliver, report
	FlagRecord             // sendmail -v: deliver and report
)

// What cleanup answers.
const (
	CleanOK = iota
	CleanTooBig
	CleanDefer
	CleanBadHops
	CleanRejected // by a table: Reason is the reply after the code
)

// A CleanupAnswer is what cleanup(8) says, first the queue id and then what became of the message.
type CleanupAnswer struct {
	ID     string
	Status int
	Reason string
}

// cleanupSocket is where mail enters the queue.
const cleanupSocket = "public/cleanup"

// Enqueueing is a client's side of one message on its way to cleanup(8).
type Enqueueing struct {
	w  *WireConn
	ID string
}

// Enqueue opens a queue file; the id is known from then on.
func (d *Daemon) Enqueue(ctx context.Context) (*Enqueueing, error) {
	w, err := d.Peers.Open(ctx, cleanupSocket, NewMail{})
	if err != nil {
		return nil, err
	}
	var a CleanupAnswer
	if err := w.Dec.Decode(&a); err != nil || a.Status != CleanOK {
		w.Close()
		return nil, queue.ErrWrite
	}
	return &Enqueueing{w, a.ID}, nil
}

// NewMail asks cleanup(8) for a queue file.
type NewMail struct{ Version int }

// Finish sends the message and waits until it is safe. An error leaves open
// whether it is; the claim of the message tells later.
func (e *Enqueueing) Finish(s *Submission) (CleanupAnswer, error) {
	var a CleanupAnswer
	if err := e.w.Send(s); err != nil {
		return a, queue.ErrWrite
	}
	if err := e.w.Dec.Decode(&a); err != nil {
		return a, queue.ErrWrite
	}
	e.w.Done()
	e.w = nil
	return a, nil
}

// Close breaks the submission off unless it was finished.
func (e *Enqueueing) Close() {
	if e.w != nil {
		e.w.Close()
	}
}

// Forward queues a message that the mail system makes.
func (d *Daemon) Forward(ctx context.Context, s *Submission) (id string, err error) {
	e, err := d.Enqueue(ctx)
	if err != nil {
		return "", err
	}
	defer e.Close()
	a, err := e.Finish(s)
	if err != nil {
		return "", err
	}
	if a.Status != CleanOK {
		return "", fmt.Errorf("%s", a.Reason)
	}
	return e.ID, nil
}
