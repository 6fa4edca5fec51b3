package rsyslog

import (
	"context"
	"fmt"
	"os"
	"syscall"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/wire/syslog"
)

// shellOutput is omshell: a program that gets each message as its argument.
type shellOutput struct{ *shellConfig }

func (o *shellOutput) begin(*thread, *actionConfig) error  { return nil }
func (o *shellOutput) resume(*thread, *actionConfig) error { return nil }
func (o *shellOutput) hup(*thread)                         {}
func (o *shellOutput) close(*thread)                       {}

func (o *shellOutput) write(t *thread, a *actionConfig, batch []entry) error {
	for i := range batch {
		if err := t.start(o.name, batch[i].text); err != nil {
			t.report(syslog.Err, codeNone, fmt.Sprintf("error executing program '%s': %s", o.name, libc.Strerror(err)))
			return err
		}
		t.written(a, &batch[i], "^"+o.name)
	}
	return nil
}

// programOutput is omprog: a program that runs on and gets messages on its
// standard input.
type programOutput struct {
	*programConfig
	child *child
}

func (o *programOutput) begin(t *thread, a *actionConfig) error { return nil }

func (o *programOutput) resume(t *thread, a *actionConfig) error { return o.start(t) }

func (o *programOutput) start(t *thread) error {
	if o.child != nil && o.child.running() {
		return nil
	}
	c, err := t.spawn(o.command, o.file)
	if err != nil {
		t.report(syslog.Err, codeNone, fmt.Sprintf("failed to execute program '%s': %s", o.command[0], libc.Strerror(err)))
		return errSuspended
	}
	o.child = c
	return nil
}

func (o *programOutput) write(t *thread, a *actionConfig, batch []entry) error {
	if len(o.command) == 0 {
		return errSuspended
	}
	for i := range batch {
		if err := o.start(t); err != nil {
			return err
		}
		if err := o.child.write(t.ctx, batch[i].text); err != nil {
			t.report(syslog.Warning, codeNone, fmt.Sprintf("program '%s' (pid %d) terminated; will be restarted", o.command[0], o.child.pid))
			o.close(t)
			return errSuspended
		}
		t.written(a, &batch[i], "omprog:"+o.command[0])
	}
	return nil
}

func (o *programOutput) hup(*thread) {}

func (o *programOutput) close(*thread) {
	if o.child != nil {
		o.child.stop()
		o.child = nil
	}
}

// child is a program that omprog runs.
type child struct {
	pid  int
	proc *host.Process
	in   *feed
}

// feed is a standard input that another thread fills.
type feed struct {
	queue *clock.Queue[string]
	rest  string
}

// Read returns what was written, waiting for it.
func (f *feed) Read(b []byte) (int, error) {
	if f.rest == "" {
		s, err := f.queue.Get(context.Background())
		if err != nil {
			return 0, os.ErrClosed
		}
		f.rest = s
	}
	n := copy(b, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}

func (c *child) running() bool { ok, _ := c.proc.Running(); return ok }

func (c *child) write(ctx context.Context, s string) error {
	if !c.running() {
		return os.ErrProcessDone
	}
	return c.in.queue.Put(ctx, s)
}

// stop ends the program: its standard input is over.
func (c *child) stop() {
	c.in.queue.Close()
	if c.running() {
		c.proc.Signal(syscall.SIGTERM)
	}
}

// spawn starts a program that reads messages.
func (t *thread) spawn(command []string, output string) (*child, error) {
	f := &feed{queue: clock.NewQueue[string](t.p.Clock.Timeline(), 1000)}
	cmd := host.Cmd{Path: command[0], Args: command, Stdin: f}
	if output != "" {
		out, err := t.p.Sys.OpenFile(libc.Abs(t.p, output), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		cmd.Stdout, cmd.Stderr = out, out
	}
	proc, err := t.p.Start(cmd)
	if err != nil {
		return nil, err
	}
	return &child{pid: proc.PID, proc: proc, in: f}, nil
}

// start runs a program once with an argument and does not wait for it.
func (t *thread) start(name, arg string) error {
	_, err := t.p.Start(host.Cmd{Path: name, Args: []string{name, arg}})
	return err
}
