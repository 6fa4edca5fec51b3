package rsyslog

import (
	"context"
	"net"
	"os"
	"syscall"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/libc"
)

// credReader is the part of host.CredConn that imuxsock uses.
type credReader interface {
	ReadFromCred(b []byte) (n int, from net.Addr, cred host.SenderCred, err error)
}

func readCred(c credReader, b []byte) (n, pid int, err error) {
	n, _, cred, err := c.ReadFromCred(b)
	return n, cred.PID, err
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
func (d *daemon) spawn(command []string, output string) (*child, error) {
	f := &feed{queue: clock.NewQueue[string](d.p.Clock.Timeline(), 1000)}
	cmd := host.Cmd{Path: command[0], Args: command, Stdin: f}
	if output != "" {
		out, err := d.p.Sys.OpenFile(libc.Abs(d.p, output), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		cmd.Stdout, cmd.Stderr = out, out
	}
	proc, err := d.p.Start(cmd)
	if err != nil {
		return nil, err
	}
	return &child{pid: proc.PID, proc: proc, in: f}, nil
}

// start runs a program once with an argument and does not wait for it.
func (d *daemon) start(name, arg string) error {
	_, err := d.p.Start(host.Cmd{Path: name, Args: []string{name, arg}})
	return err
}
