package systest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"enshu/sim/host"
)

// report prints what the process is.
func report(ctx context.Context, p *host.Proc) int {
	fmt.Fprintf(p.Stdout, "args=%s dir=%s uid=%d gid=%d groups=%d x=%s\n", strings.Join(p.Args, ","), p.Dir, p.UID, p.GID, len(p.Groups), p.Getenv("X"))
	return 0
}

// cat copies its input to its output.
func cat(ctx context.Context, p *host.Proc) int {
	if _, err := io.Copy(p.Stdout, p.Stdin); err != nil {
		fmt.Fprintln(p.Stderr, err)
		return 1
	}
	return 0
}

// wait is ready and waits; it catches SIGHUP and says so. With an argument it
// listens there.
func wait(ctx context.Context, p *host.Proc) int {
	p.Catch(syscall.SIGHUP)
	if len(p.Args) > 1 {
		l, err := p.Sys.Listen("tcp4", p.Args[1])
		if err != nil {
			return 1
		}
		p.Go(func() {
			for {
				if _, err := l.Accept(); err != nil {
					return
				}
			}
		})
	}
	p.Ready()
	for {
		sig, err := p.WaitSignal(ctx)
		if err != nil {
			return 7
		}
		fmt.Fprintln(p.Stdout, sig)
	}
}

// exit ends with the status of its argument.
func exit(ctx context.Context, p *host.Proc) int {
	n, _ := strconv.Atoi(p.Args[1])
	return n
}

// leave returns while a thread of it waits for input.
func leave(ctx context.Context, p *host.Proc) int {
	p.Go(func() { p.Stdin.Read(make([]byte, 1)) })
	return 5
}

// start starts a child as a shell would and reports what keeps it from it.
func start(t *testing.T, p *host.Proc, c host.Cmd) *host.Process {
	t.Helper()
	child, err := p.Start(c)
	if err != nil {
		t.Errorf("start %v: %v", c.Args, err)
		return nil
	}
	return child
}

// end waits for a child and compares its status.
func end(t *testing.T, ctx context.Context, child *host.Process, want host.Status) {
	t.Helper()
	if child == nil {
		return
	}
	st, err := child.Wait(ctx)
	wantErrno(t, "wait", err, 0)
	wantEqual(t, "status", st, want)
}

var processes = []check{
	{"start", func(t *testing.T, w *World) {
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			var out bytes.Buffer
			child := start(t, p, host.Cmd{Path: "/usr/bin/systest-report", Args: []string{"me", "x y"}, Dir: "/tmp", Env: []string{"X=1", "X=2"},
				Cred: usera, Stdout: &out})
			end(t, ctx, child, host.Status{})
			wantEqual(t, "child", out.String(), "args=me,x y dir=/tmp uid=1000 gid=1000 groups=2 x=2\n")
			if child != nil && child.PID == p.PID {
				t.Error("the child has its parent's pid")
			}
			end(t, ctx, start(t, p, host.Cmd{Args: []string{"/usr/bin/systest-exit", "3"}}), host.Status{Code: 3})
			end(t, ctx, start(t, p, host.Cmd{Args: []string{"/usr/bin/systest-exit", "256"}}), host.Status{})
			end(t, ctx, start(t, p, host.Cmd{Args: []string{"/usr/bin/systest-crash"}}), host.Status{Signal: syscall.SIGSEGV})
		})
	}},
	{"start-errors", func(t *testing.T, w *World) {
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			put(t, p, "/tmp/data", "x", 0o644)
			for _, c := range []struct {
				cmd  host.Cmd
				want syscall.Errno
			}{
				{host.Cmd{Args: []string{"/usr/bin/systest-none"}}, syscall.ENOENT},
				{host.Cmd{Args: []string{"systest-none"}}, syscall.ENOENT},
				{host.Cmd{Args: []string{"/tmp/data"}}, syscall.EACCES},
				{host.Cmd{Args: []string{"/tmp"}}, syscall.EACCES},
				{host.Cmd{Args: []string{"/tmp/data/x"}}, syscall.ENOTDIR},
				{host.Cmd{Args: []string{"/usr/bin/systest-exit", "0"}, Dir: "/none"}, syscall.ENOENT},
			} {
				_, err := p.Start(c.cmd)
				wantErrno(t, fmt.Sprint("start ", c.cmd.Args), err, c.want)
			}
			p.Sys.Symlink("/usr/bin/systest-exit", "/tmp/link")
			end(t, ctx, start(t, p, host.Cmd{Args: []string{"/tmp/link", "4"}}), host.Status{Code: 4})
		})
		w.A.Do(usera, func(ctx context.Context, p *host.Proc) {
			_, err := p.Start(host.Cmd{Args: []string{"/usr/bin/systest-exit", "0"}, Cred: &host.Cred{}})
			wantErrno(t, "a user starts as root", err, syscall.EPERM)
		})
	}},
	{"umask", func(t *testing.T, w *World) {
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			f, err := p.Sys.OpenFile("/tmp/out", os.O_RDWR|os.O_CREATE, 0o644)
			wantErrno(t, "open", err, 0)
			defer f.Close()
			end(t, ctx, start(t, p, host.Cmd{Args: []string{"/usr/bin/systest-cat"}, Umask: 0o077, Stdin: strings.NewReader("x"), Stdout: f}), host.Status{})
			wantEqual(t, "through a file", get(t, p, "/tmp/out"), "x")
		})
	}},
	{"stdio", func(t *testing.T, w *World) {
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			var out, errs bytes.Buffer
			end(t, ctx, start(t, p, host.Cmd{Args: []string{"/usr/bin/systest-cat"}, Stdin: strings.NewReader("some\ntext"), Stdout: &out, Stderr: &errs}), host.Status{})
			wantEqual(t, "output", out.String(), "some\ntext")
			wantEqual(t, "errors", errs.String(), "")
			end(t, ctx, start(t, p, host.Cmd{Args: []string{"/usr/bin/systest-cat"}}), host.Status{})
		})
	}},
	{"stdio-is-inherited", func(t *testing.T, w *World) {
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			l, err := p.Sys.Listen("unix", "/run/out.sock")
			wantErrno(t, "listen", err, 0)
			c, err := p.Sys.Dial(ctx, "unix", "/run/out.sock")
			wantErrno(t, "dial", err, 0)
			in, err := l.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			put(t, p, "/tmp/in", "text", 0o600)
			f, err := p.Sys.OpenFile("/tmp/in", os.O_RDONLY, 0)
			wantErrno(t, "open", err, 0)
			child := start(t, p, host.Cmd{Args: []string{"/usr/bin/systest-cat"}, Stdin: f, Stdout: c})
			// The child has descriptors of its own.
			f.Close()
			c.Close()
			got, err := io.ReadAll(in)
			wantErrno(t, "read", err, 0)
			wantEqual(t, "what the child wrote", string(got), "text")
			end(t, ctx, child, host.Status{})
		})
	}},
	{"a read of standard input ends with the process", func(t *testing.T, w *World) {
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			wantErrno(t, "mkfifo", p.Sys.Mkfifo("/tmp/silent", 0o600), 0)
			f, err := p.Sys.OpenFile("/tmp/silent", os.O_RDWR, 0) // an end to write to, so that it never is at its end
			wantErrno(t, "open", err, 0)
			defer f.Close()
			end(t, ctx, start(t, p, host.Cmd{Args: []string{"/usr/bin/systest-leave"}, Stdin: f}), host.Status{Code: 5})
		})
	}},
	{"signals", func(t *testing.T, w *World) {
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			l, err := p.Sys.Listen("unix", "/run/out.sock")
			wantErrno(t, "listen", err, 0)
			c, err := p.Sys.Dial(ctx, "unix", "/run/out.sock")
			wantErrno(t, "dial", err, 0)
			in, err := l.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			child := start(t, p, host.Cmd{Args: []string{"/usr/bin/systest-wait"}, Stdout: c})
			if child == nil {
				return
			}
			c.Close()
			ready, err := child.WaitReady(ctx)
			wantErrno(t, "ready", err, 0)
			wantEqual(t, "ready", ready, true)
			wantErrno(t, "kill 0", p.Sys.Kill(child.PID, 0), 0)
			wantErrno(t, "kill -HUP", p.Sys.Kill(child.PID, syscall.SIGHUP), 0)
			b := make([]byte, 100)
			n, err := in.Read(b)
			wantErrno(t, "read", err, 0)
			wantEqual(t, "caught", string(b[:n]), "hangup\n")
			wantErrno(t, "kill -CHLD", p.Sys.Kill(child.PID, syscall.SIGCHLD), 0)
			wantErrno(t, "kill -TERM", child.Signal(syscall.SIGTERM), 0)
			end(t, ctx, child, host.Status{Code: 7}) // a daemon's own status counts
			wantErr(t, "signal after the end", child.Signal(syscall.SIGTERM), os.ErrProcessDone)
			wantErrno(t, "kill after the end", p.Sys.Kill(child.PID, syscall.SIGTERM), syscall.ESRCH)
			wantErrno(t, "a bad signal", p.Sys.Kill(p.PID, 65), syscall.EINVAL)
		})
	}},
	{"kill-at-once", func(t *testing.T, w *World) {
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			child := start(t, p, host.Cmd{Args: []string{"/usr/bin/systest-wait"}})
			if child == nil {
				return
			}
			wantErrno(t, "kill", child.Signal(syscall.SIGKILL), 0)
			end(t, ctx, child, host.Status{Signal: syscall.SIGKILL})
		})
	}},
	{"kill-by-another", func(t *testing.T, w *World) {
		daemon := w.A.Start(nil, func(ctx context.Context, p *host.Proc) int {
			p.Ready()
			p.WaitSignal(ctx)
			return 0
		})
		w.A.Do(usera, func(ctx context.Context, p *host.Proc) {
			daemon.WaitReady(ctx)
			wantErrno(t, "kill of another's process", p.Sys.Kill(daemon.PID, syscall.SIGTERM), syscall.EPERM)
			wantErrno(t, "kill 0 of another's process", p.Sys.Kill(daemon.PID, 0), syscall.EPERM)
			own := start(t, p, host.Cmd{Args: []string{"/usr/bin/systest-wait"}})
			if own == nil {
				return
			}
			own.WaitReady(ctx)
			wantErrno(t, "kill of an own process", p.Sys.Kill(own.PID, syscall.SIGKILL), 0)
			end(t, ctx, own, host.Status{Signal: syscall.SIGKILL})
		})
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			wantErrno(t, "kill by root", p.Sys.Kill(daemon.PID, syscall.SIGTERM), 0)
		})
		wantEqual(t, "status", w.A.Wait(daemon), host.Status{})
	}},
	{"killed-process-holds-nothing", func(t *testing.T, w *World) {
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			for range 2 { // the port is free again
				child := start(t, p, host.Cmd{Args: []string{"/usr/bin/systest-wait", "127.0.0.1:515"}})
				if child == nil {
					return
				}
				ready, _ := child.WaitReady(ctx)
				wantEqual(t, "ready", ready, true)
				c, err := p.Sys.Dial(ctx, "tcp4", "127.0.0.1:515")
				if err != nil {
					t.Error(err)
					return
				}
				wantErrno(t, "kill", child.Signal(syscall.SIGKILL), 0)
				end(t, ctx, child, host.Status{Signal: syscall.SIGKILL})
				c.SetDeadline(p.Now().Add(5 * time.Second))
				if _, err := c.Read(make([]byte, 1)); err != io.EOF && !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("read from a killed process: %v", err)
				}
				c.Close()
				_, err = p.Sys.Dial(ctx, "tcp4", "127.0.0.1:515")
				wantErrno(t, "dial of a killed process", err, syscall.ECONNREFUSED)
			}
		})
	}},
	{"threads-end-with-the-process", func(t *testing.T, w *World) {
		st := w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			l, err := p.Sys.Listen("tcp4", "127.0.0.1:515")
			if err != nil {
				t.Error(err)
				return
			}
			p.Go(func() {
				_, err := l.Accept()
				if err == nil {
					t.Error("Accept returned a connection")
				}
			})
			p.Go(func() { p.Sleep(ctx, time.Hour) })
			p.Sleep(ctx, time.Millisecond)
		})
		wantEqual(t, "status", st, host.Status{})
	}},
	{"child-outlives-its-parent", func(t *testing.T, w *World) {
		var child *host.Process
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			child = start(t, p, host.Cmd{Args: []string{"/usr/bin/systest-wait"}, Session: true})
			if child != nil {
				child.WaitReady(ctx)
			}
		})
		if child == nil {
			return
		}
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			wantErrno(t, "kill", p.Sys.Kill(child.PID, syscall.SIGKILL), 0)
		})
		wantEqual(t, "status", w.A.Wait(child), host.Status{Signal: syscall.SIGKILL})
	}},
}
