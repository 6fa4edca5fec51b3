package rsyslog

import (
	"context"
	"errors"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/trace"
	"enshu/sim/wire/syslog"
)

// entry is one message on its way into an action.
type entry struct {
	text string // what the template made of it; set when the batch is written
	file string // dynamic file name
	m    *message
}

// errSuspended is what an output returns when it cannot work now and may later;
// it has said why.
var errSuspended = errors.New("suspended")

// output is what an action writes with. Only the thread of its action calls it.
type output interface {
	// begin comes before each message; it fails with errSuspended.
	begin(t *thread, a *actionConfig) error
	// resume tries whether the output works again after it was suspended.
	resume(t *thread, a *actionConfig) error
	// write writes a batch. It returns errSuspended when the batch is to be
	// tried again; any other error means that it is lost.
	write(t *thread, a *actionConfig, batch []entry) error
	// hup lets go of files and connections that SIGHUP asks to open anew.
	hup(t *thread)
	close(t *thread)
}

// newOutput makes what an action writes with.
func newOutput(c outputConfig) output {
	switch c := c.(type) {
	case *fileConfig:
		return &fileOutput{fileConfig: c}
	case *pipeConfig:
		return &pipeOutput{pipeConfig: c}
	case *forwardConfig:
		return &forwardOutput{forwardConfig: c}
	case *usersConfig:
		return &usersOutput{c}
	case *shellConfig:
		return &shellOutput{c}
	case *programConfig:
		return &programOutput{programConfig: c}
	}
	return discardOutput{}
}

// transactional is implemented by outputs that write at the end of a batch
// rather than at each message.
type transactional interface{ transactional() }

// thread is what outputs work in: one thread of the daemon.
type thread struct {
	p      *host.Proc
	ctx    context.Context // ends when there is no more time to wait
	report func(severity syslog.Severity, code int, text string)
	umask  int // of $Umask, -1 for none
}

func (t *thread) now() time.Time { return t.p.Now() }

func (t *thread) sleep(d time.Duration) error { return t.p.Sleep(t.ctx, d) }

func (t *thread) ending() bool { return t.ctx.Err() != nil }

// written tells the trace that a message reached a file, pipe or terminal.
func (t *thread) written(a *actionConfig, e *entry, file string) {
	if e.m.traced {
		t.p.Emit(trace.MessageWritten, trace.Attrs{"file": file, "text": e.m.Text, "tag": e.m.Tag, "rule": a.pos.String()})
	}
}

// lookup resolves the host of an output.
func (t *thread) lookup(name string) (string, error) {
	addrs, err := libc.LookupHost(t.ctx, t.p, name)
	if err != nil {
		return "", err
	}
	return addrs[0].String(), nil
}
