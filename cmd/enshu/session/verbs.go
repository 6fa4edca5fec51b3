package session

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"enshu/grader/report"
	"enshu/sim/kernel"
	"enshu/sim/trace"
)

// Status asks how the lab is.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	var s *Status
	err := c.ask(ctx, &Request{Verb: verbStatus}, nil, func(r *Reply) error {
		if r.Lab != nil {
			s = r.Lab
		}
		return nil
	})
	return s, err
}

// Events calls each with the events after number since, as they happen when
// follow is set.
func (c *Client) Events(ctx context.Context, since uint64, follow bool, each func([]trace.Event) error) error {
	return c.ask(ctx, &Request{Verb: verbEvents, Since: since, Follow: follow}, nil, func(r *Reply) error { return each(r.Events) })
}

// Story hands all events to each once what a story is about ([story.Tell]) is at
// rest, which takes a second at most.
func (c *Client) Story(ctx context.Context, about string, each func([]trace.Event) error) error {
	return c.ask(ctx, &Request{Verb: verbEvents, About: about}, nil, func(r *Reply) error { return each(r.Events) })
}

// Check has tasks graded; none means all.
func (c *Client) Check(ctx context.Context, tasks []string, progress func(report.Progress)) (*report.Report, error) {
	var result *report.Report
	err := c.ask(ctx, &Request{Verb: verbCheck, Args: tasks}, nil, func(r *Reply) error {
		if r.Progress != nil && progress != nil {
			progress(*r.Progress)
		}
		if r.Report != nil {
			result = r.Report
		}
		return nil
	})
	return result, err
}

// Hint asks for the next hint of a task; "" is the first task that has more.
func (c *Client) Hint(ctx context.Context, task string) (*Hint, error) {
	var args []string
	if task != "" {
		args = []string{task}
	}
	var h *Hint
	err := c.ask(ctx, &Request{Verb: verbHint, Args: args}, nil, func(r *Reply) error {
		if r.Hint != nil {
			h = r.Hint
		}
		return nil
	})
	return h, err
}

// Launch returns what the lab was started from.
func (c *Client) Launch(ctx context.Context) (*Launch, error) {
	var l *Launch
	err := c.ask(ctx, &Request{Verb: verbLaunch}, nil, func(r *Reply) error {
		if r.Launch != nil {
			l = r.Launch
		}
		return nil
	})
	return l, err
}

// Advance moves the lab ahead in time.
func (c *Client) Advance(ctx context.Context, d time.Duration) error {
	return c.ask(ctx, &Request{Verb: verbAdvance, Duration: d}, nil, nil)
}

// SetRate lets rate seconds pass in the lab in a second.
func (c *Client) SetRate(ctx context.Context, rate float64) error {
	return c.ask(ctx, &Request{Verb: verbRate, Rate: rate}, nil, nil)
}

// Reset makes a host as it was at the start, or only reboots it; "" is all hosts.
func (c *Client) Reset(ctx context.Context, host string, reboot bool) error {
	return c.ask(ctx, &Request{Verb: verbReset, Host: host, Reboot: reboot}, nil, nil)
}

// Solve runs a solution of the lab, "" the first; each is called after every step.
func (c *Client) Solve(ctx context.Context, name string, each func(Step)) error {
	return c.steps(ctx, &Request{Verb: verbSolve, Solution: name}, each)
}

// Mistake runs a mistake of the lab.
func (c *Client) Mistake(ctx context.Context, name string, each func(Step)) error {
	return c.steps(ctx, &Request{Verb: verbMistake, Solution: name}, each)
}

func (c *Client) steps(ctx context.Context, r *Request, each func(Step)) error {
	return c.ask(ctx, r, nil, func(r *Reply) error {
		if r.Step != nil && each != nil {
			each(*r.Step)
		}
		return nil
	})
}

// Capture borrows a packet socket on an interface of a host; each read of it is
// one Ethernet frame.
func (c *Client) Capture(ctx context.Context, host, iface string) (*os.File, error) {
	if err := c.ask(ctx, &Request{Verb: verbCapture, Host: host, Args: []string{iface}}, nil, nil); err != nil {
		return nil, err
	}
	if len(c.files) != 1 {
		return nil, errors.New("the lab lent no socket")
	}
	return c.files[0], nil
}

// Finish ends the lab and returns when nothing of it is left.
func (c *Client) Finish(ctx context.Context) error {
	log := ""
	var group kernel.Group
	err := c.ask(ctx, &Request{Verb: verbFinish}, nil, func(r *Reply) error {
		log = r.Log
		if r.Group != nil {
			group = *r.Group
		}
		return nil
	})
	if err != nil {
		return err
	}
	defer removeEmpty(log)
	for _, lab := range c.files { // a pidfd (pidfd_open(2)), which is ready once the process has ended
		fds := []unix.PollFd{{Fd: int32(lab.Fd()), Events: unix.POLLIN}}
		for {
			if _, err := unix.Poll(fds, -1); err != unix.EINTR {
				break
			}
		}
		lab.Close()
	}
	group.Remove()
	return nil
}

// Hold makes the lab end when the caller does, however that comes about. It
// returns when the lab has ended or ctx has.
func (c *Client) Hold(ctx context.Context) error {
	return c.ask(ctx, &Request{Verb: verbHold}, nil, nil)
}

// Exec runs a command on a host with the caller's stdio and returns its exit
// status. No args means a login shell. On a terminal the command gets one of
// the host's own, as with ssh -t.
func (c *Client) Exec(ctx context.Context, host, user, lang string, args []string) (int, error) {
	r := &Request{Verb: verbExec, Host: host, User: user, Args: args, Env: []string{langEnv + "=" + lang}}
	if t := os.Getenv("TERM"); t != "" {
		r.Env = append(r.Env, "TERM="+t)
	}
	in, out := int(os.Stdin.Fd()), int(os.Stdout.Fd())
	if term.IsTerminal(in) && term.IsTerminal(out) {
		return c.execTerminal(ctx, r, in, out)
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	go func() {
		for s := range signals {
			c.signal(int(s.(syscall.Signal)))
		}
	}()
	defer func() {
		signal.Stop(signals) // before it is closed: a signal may be on its way
		close(signals)
	}()
	status := 126
	err := c.ask(ctx, r, []*os.File{os.Stdin, os.Stdout, os.Stderr}, func(r *Reply) error {
		if r.Status != nil {
			status = *r.Status
		}
		return nil
	})
	return status, err
}

// execTerminal runs a command on a terminal of the host's and joins it with the
// caller's.
func (c *Client) execTerminal(ctx context.Context, r *Request, in, out int) (int, error) {
	r.Terminal = true
	r.Cols, r.Rows, _ = term.GetSize(out)
	status := 126
	var raw *term.State
	restore := func() {
		if raw != nil {
			term.Restore(in, raw)
		}
	}
	defer restore()
	var joined *joint
	err := c.ask(ctx, r, nil, func(reply *Reply) error {
		if reply.Terminal && len(c.files) > 0 {
			var err error
			if raw, err = term.MakeRaw(in); err != nil {
				return err
			}
			if joined, err = c.join(c.files[0], in, out); err != nil {
				return err
			}
		}
		if reply.Status != nil {
			status = *reply.Status
		}
		return nil
	})
	if joined != nil {
		joined.end() // with the last output
	}
	return status, err
}

// joint is the copying between two terminals.
type joint struct {
	over *os.File // closing it tells that the command has ended
	done chan struct{}
}

// end returns when all has been copied that a command has written that has ended.
func (j *joint) end() {
	j.over.Close()
	<-j.done
}

// join copies between the caller's terminal and the far side of the host's
// until that one is closed, or the command has ended: something that it left
// running may keep the terminal. When the caller's vanishes, the request ends.
func (c *Client) join(far *os.File, in, out int) (*joint, error) {
	fd := int(far.Fd())
	ended, over, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	resize := make(chan os.Signal, 1)
	signal.Notify(resize, syscall.SIGWINCH)
	go func() {
		for range resize {
			if ws, err := unix.IoctlGetWinsize(out, unix.TIOCGWINSZ); err == nil {
				unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, ws)
			}
		}
	}()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer ended.Close()
		defer signal.Stop(resize)
		if !copyTerminal(fd, in, out, int(ended.Fd())) {
			c.Close()
		}
	}()
	return &joint{over, done}, nil
}

// copyTerminal is one loop over both directions, so that nothing reads the
// caller's terminal once the host's is gone or ended is readable. It reports
// whether one of these came first.
func copyTerminal(far, in, out, ended int) bool {
	buf := make([]byte, 32<<10)
	fds := []unix.PollFd{{Fd: int32(far), Events: unix.POLLIN}, {Fd: int32(in), Events: unix.POLLIN}, {Fd: int32(ended), Events: unix.POLLIN}}
	wait := -1
	for {
		n, err := unix.Poll(fds, wait)
		if err != nil {
			if err == unix.EINTR {
				continue
			}
			return false
		}
		if n == 0 {
			return true // the command has ended, and nothing of it is left to read
		}
		if len(fds) > 1 && fds[2].Revents != 0 {
			wait, fds = 0, fds[:1]
		}
		if fds[0].Revents != 0 {
			n, err := unix.Read(far, buf)
			if n > 0 {
				if writeAll(out, buf[:n]) != nil {
					return false
				}
			} else if err != unix.EINTR && err != unix.EAGAIN {
				return true // EIO: every process on the terminal has ended
			}
		}
		if len(fds) > 1 && fds[1].Revents != 0 {
			n, err := unix.Read(in, buf)
			if n > 0 {
				writeAll(far, buf[:n])
			} else if err != unix.EINTR && err != unix.EAGAIN {
				return false // our own terminal has vanished
			}
		}
	}
}

func writeAll(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := unix.Write(fd, b)
		if err == unix.EINTR || err == unix.EAGAIN {
			if err == unix.EAGAIN {
				unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, -1)
			}
			continue
		}
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}
