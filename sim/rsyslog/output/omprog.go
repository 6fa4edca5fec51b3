package output

import (
	"context"
	"fmt"
	"os"
	"syscall"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/rsyslog/config"
	"enshu/sim/wire/syslog"
)

// shellOutput is omshell: a program that gets each message as its argument.
type shellOutput struct{ *config.Shell }

func (o *shellOutput) Begin(*Thread, *config.Action) error  { return nil }
func (o *shellOutput) Resume(*Thread, *config.Action) error { return nil }
func (o *shellOutput) HUP(*Thread)                          {}
func (o *shellOutput) Close(*Thread)                        {}

func (o *shellOutput) Write(t *Thread, a *config.Action, batch []Entry) error {
	for i := range batch {
		if err := t.start(o.Name, string(batch[i].Text)); err != nil {
			t.Report(syslog.Err, config.CodeNone, fmt.Sprintf("error executing program '%s': %s", o.Name, libc.Strerror(err)))
			return err
		}
		t.written(a, &batch[i], "^"+o.Name)
	}
	return nil
}

// programOutput is omprog: a program that runs on and gets messages on its
// standard input.
type programOutput struct {
	*config.Program
	child *child
}

func (o *programOutput) Begin(t *Thread, a *config.Action) error { return nil }

func (o *programOutput) Resume(t *Thread, a *config.Action) error { return o.start(t) }

func (o *programOutput) start(t *Thread) error {
	if o.child != nil && o.child.running() {
		return nil
	}
	c, err := t.spawn(o.Command, o.File)
	if err != nil {
		t.Report(syslog.Err, config.CodeNone, fmt.Sprintf("failed to execute program '%s': %s", o.Command[0], libc.Strerror(err)))
		return ErrSuspended
	}
	o.child = c
	return nil
}

func (o *programOutput) Write(t *Thread, a *config.Action, batch []Entry) error {
	if len(o.Command) == 0 {
		return ErrSuspended
	}
	for i := range batch {
		if err := o.start(t); err != nil {
			return err
		}
		if err := o.child.write(t.Ctx, string(batch[i].Text)); err != nil {
			t.Report(syslog.Warning, config.CodeNone, fmt.Sprintf("program '%s' (pid %d) terminated; will be restarted", o.Command[0], o.child.pid))
			o.Close(t)
			return ErrSuspended
		}
		t.written(a, &batch[i], "omprog:"+o.Command[0])
	}
	return nil
}

func (o *programOutput) HUP(*Thread) {}

func (o *programOutput) Close(*Thread) {
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
func (t *Thread) spawn(command []string, output string) (*child, error) {
	f := &feed{queue: clock.NewQueue[string](t.P.Clock.Timeline(), 1000)}
	cmd := host.Cmd{Path: command[0], Args: command, Stdin: f}
	if output != "" {
		out, err := t.P.Sys.OpenFile(libc.Abs(t.P, output), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		cmd.Stdout, cmd.Stderr = out, out
	}
	proc, err := t.P.Start(cmd)
	if err != nil {
		return nil, err
	}
	return &child{pid: proc.PID, proc: proc, in: f}, nil
}

// start runs a program once with an argument and does not wait for it.
func (t *Thread) start(name, arg string) error {
	_, err := t.P.Start(host.Cmd{Path: name, Args: []string{name, arg}})
	return err
}
