// Package output writes messages to where they go: files, pipes, other servers,
// programs, terminals. Each output is named after the module of rsyslog that it
// stands for.
package output

import (
	"context"
	"errors"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/rsyslog/config"
	"enshu/sim/rsyslog/message"
	"enshu/sim/trace"
	"enshu/sim/wire/syslog"
)

// Entry is one message on its way into an action.
type Entry struct {
	Text    []byte // what the template made of it; set, and valid, while the batch is written
	File    string // dynamic file name
	Message *message.Message
}

// ErrSuspended is what an output returns when it cannot work now and may later;
// it has said why.
var ErrSuspended = errors.New("suspended")

// Output is what an action writes with. Only the thread of its action calls it.
type Output interface {
	// Begin comes before each message; it fails with errSuspended.
	Begin(t *Thread, a *config.Action) error
	// Resume tries whether the output works again after it was suspended.
	Resume(t *Thread, a *config.Action) error
	// Write writes a batch. It returns errSuspended when the batch is to be
	// tried again; any other error means that it is lost.
	Write(t *Thread, a *config.Action, batch []Entry) error
	// HUP lets go of files and connections that SIGHUP asks to open anew.
	HUP(t *Thread)
	Close(t *Thread)
}

// New makes what an action writes with.
func New(c config.Output) Output {
	switch c := c.(type) {
	case *config.File:
		return &fileOutput{File: c}
	case *config.Pipe:
		return &pipeOutput{Pipe: c}
	case *config.Forward:
		return &forwardOutput{Forward: c}
	case *config.Users:
		return &usersOutput{c}
	case *config.Shell:
		return &shellOutput{c}
	case *config.Program:
		return &programOutput{Program: c}
	}
	return discardOutput{}
}

// Transactional is implemented by outputs that write at the end of a batch
// rather than at each message.
type Transactional interface{ transactional() }

// Thread is what outputs work in: one thread of the daemon.
type Thread struct {
	P      *host.Proc
	Ctx    context.Context // ends when there is no more time to wait
	Report func(severity syslog.Severity, code int, text string)
	Umask  int // of $Umask, -1 for none
}

// Now is the time of the host.
func (t *Thread) Now() time.Time { return t.P.Now() }

// Sleep waits, unless there is no more time to.
func (t *Thread) Sleep(d time.Duration) error { return t.P.Sleep(t.Ctx, d) }

// Ending reports whether the daemon has no more time to wait for anything.
func (t *Thread) Ending() bool { return t.Ctx.Err() != nil }

// written tells the trace that a message reached a file, pipe or terminal.
func (t *Thread) written(a *config.Action, e *Entry, file string) {
	if e.Message.Traced {
		t.P.Emit(trace.MessageWritten, trace.Attrs{"file": file, "text": e.Message.Text, "tag": e.Message.Tag, "rule": a.Pos.String()})
	}
}

// dropped tells the trace that a message did not reach a file or terminal.
func (t *Thread) dropped(a *config.Action, e *Entry, file, why string) {
	if e.Message.Traced {
		t.P.Emit(trace.MessageDropped, trace.Attrs{"reason": why, "text": e.Message.Text, "tag": e.Message.Tag, "rule": a.Pos.String(), "to": file})
	}
}

// lookup resolves the host of an output.
func (t *Thread) lookup(name string) (string, error) {
	addrs, err := libc.LookupHost(t.Ctx, t.P, name)
	if err != nil {
		return "", err
	}
	return addrs[0].String(), nil
}
