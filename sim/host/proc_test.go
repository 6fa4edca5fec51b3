package host_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/trace"
)

func newHost() *host.Host {
	line := clock.New(time.Time{})
	local := clock.NewLocal(line, 0, 0)
	return &host.Host{Name: "h", Clock: local, Trace: trace.NewLog(line), Kmsg: host.NewKmsg(local, 4), Seed: 7}
}

func newProc(h *host.Host, path string) *host.Proc {
	return &host.Proc{Host: h, Path: path, PID: 5, Clock: h.Clock, Stdout: io.Discard, Stderr: io.Discard}
}

func TestRun(t *testing.T) {
	term, kill, hup := syscall.SIGTERM, syscall.SIGKILL, syscall.SIGHUP
	for _, c := range []struct {
		name    string
		prog    host.Program
		signals []syscall.Signal // delivered a second apart, from the first second on
		want    host.Status
		after   time.Duration
		ready   bool
	}{
		{name: "returns", prog: func(context.Context, *host.Proc) int { return 3 }, want: host.Status{Code: 3}},
		{name: "status is a byte", prog: func(context.Context, *host.Proc) int { return 256 }},
		{name: "negative status", prog: func(context.Context, *host.Proc) int { return -1 }, want: host.Status{Code: 255}},
		{name: "SIGTERM", prog: func(ctx context.Context, p *host.Proc) int { p.Sleep(ctx, time.Hour); return 0 },
			signals: []syscall.Signal{term}, want: host.Status{Signal: term}, after: time.Second},
		{name: "SIGTERM of a daemon", prog: func(ctx context.Context, p *host.Proc) int { p.Ready(); p.Sleep(ctx, time.Hour); return 4 },
			signals: []syscall.Signal{term}, want: host.Status{Code: 4}, after: time.Second, ready: true},
		{name: "SIGKILL of a daemon", prog: func(ctx context.Context, p *host.Proc) int { p.Ready(); p.Sleep(ctx, time.Hour); return 4 },
			signals: []syscall.Signal{kill}, want: host.Status{Signal: kill}, after: time.Second, ready: true},
		{name: "SIGHUP is caught", prog: func(ctx context.Context, p *host.Proc) int {
			p.Catch(hup, kill)
			for n := 0; ; n++ {
				if sig, err := p.WaitSignal(ctx); err != nil || sig != hup {
					return n
				}
				p.Ready()
			}
		}, signals: []syscall.Signal{hup, hup, syscall.SIGWINCH, term}, want: host.Status{Code: 2}, after: 4 * time.Second, ready: true},
		{name: "SIGKILL is not", prog: func(ctx context.Context, p *host.Proc) int {
			p.Catch(kill)
			p.WaitSignal(ctx)
			return 0
		}, signals: []syscall.Signal{kill}, want: host.Status{Signal: kill}, after: time.Second},
		{name: "stopping does nothing", prog: func(ctx context.Context, p *host.Proc) int { p.Sleep(ctx, time.Minute); return 0 },
			signals: []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT, syscall.SIGCHLD}, after: time.Minute},
		{name: "threads are waited for", prog: func(ctx context.Context, p *host.Proc) int {
			p.Go(func() { p.Sleep(context.Background(), time.Minute) })
			return 1
		}, want: host.Status{Code: 1}, after: time.Minute},
		{name: "threads see the end", prog: func(ctx context.Context, p *host.Proc) int {
			p.Go(func() { p.Sleep(ctx, time.Minute) })
			return 1
		}, want: host.Status{Code: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHost()
				p := newProc(h, "/usr/sbin/prog")
				began := time.Now()
				ready := false
				go func() {
					for _, sig := range c.signals {
						time.Sleep(time.Second)
						p.Deliver(sig)
					}
				}()
				st := p.Run(t.Context(), c.prog, func() { ready = true })
				if st != c.want {
					t.Errorf("status %v, want %v", st, c.want)
				}
				if d := time.Since(began); d != c.after {
					t.Errorf("ended after %v, want %v", d, c.after)
				}
				if ready != c.ready {
					t.Errorf("ready: %v", ready)
				}
				synctest.Wait()
				if n := h.Clock.Timeline().Awake(); n != 0 {
					t.Errorf("%d tokens are out", n)
				}
				p.Deliver(term) // too late, and without harm
				if n := h.Clock.Timeline().Awake(); n != 0 {
					t.Errorf("after a late signal %d tokens are out", n)
				}
			})
		})
	}
}

func TestSignalBeforeRun(t *testing.T) {
	p := newProc(newHost(), "/usr/sbin/prog")
	p.Deliver(syscall.SIGINT)
	st := p.Run(t.Context(), func(context.Context, *host.Proc) int { t.Error("the program ran"); return 0 }, nil)
	if want := (host.Status{Signal: syscall.SIGINT}); st != want {
		t.Errorf("status %v", st)
	}
}

func TestProcessOneIgnoresSignals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProc(newHost(), "/sbin/init")
		p.PID = 1
		go func() {
			time.Sleep(time.Second)
			p.Deliver(syscall.SIGTERM)
			time.Sleep(time.Second)
			p.Deliver(syscall.SIGKILL)
		}()
		began := time.Now()
		st := p.Run(t.Context(), func(ctx context.Context, p *host.Proc) int { p.Sleep(ctx, time.Hour); return 0 }, nil)
		if st.Signal != syscall.SIGKILL || time.Since(began) != 2*time.Second {
			t.Errorf("%v after %v", st, time.Since(began))
		}
	})
}

func TestCrash(t *testing.T) {
	for name, prog := range map[string]host.Program{
		"program": func(context.Context, *host.Proc) int { panic("oops") },
		"thread": func(ctx context.Context, p *host.Proc) int {
			p.Go(func() { panic("oops") })
			p.Sleep(ctx, time.Hour)
			return 0
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost()
			p := newProc(h, "/usr/sbin/prog")
			st := p.Run(t.Context(), prog, nil)
			if st.Signal != syscall.SIGSEGV || st.Shell() != 139 {
				t.Errorf("status %v", st)
			}
			if err := p.Crash(); err == nil || !strings.Contains(err.Error(), "prog on h crashed: oops") {
				t.Errorf("crash: %v", err)
			}
			if n := h.Clock.Timeline().Awake(); n != 0 {
				t.Errorf("%d tokens are out", n)
			}
		})
	}
}

func TestStatus(t *testing.T) {
	for _, c := range []struct {
		st      host.Status
		shell   int
		text    string
		success bool
	}{
		{host.Status{}, 0, "exit status 0", true},
		{host.Status{Code: 2}, 2, "exit status 2", false},
		{host.Status{Signal: syscall.SIGKILL}, 137, "signal killed", false},
	} {
		if c.st.Shell() != c.shell || c.st.String() != c.text || c.st.Success() != c.success {
			t.Errorf("%+v: %d, %q, %v", c.st, c.st.Shell(), c.st, c.st.Success())
		}
	}
}

func TestGetenv(t *testing.T) {
	p := &host.Proc{Env: []string{"A=1", "AB=2", "A=3", "B", "C="}}
	for name, want := range map[string]string{"A": "3", "AB": "2", "B": "", "C": "", "": ""} {
		if got := p.Getenv(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestRandIsDrawnFromTheSeed(t *testing.T) {
	draw := func(seed uint64, path string, pid int) string {
		h := newHost()
		h.Seed = seed
		p := newProc(h, path)
		p.PID = pid
		return fmt.Sprint(p.Rand().Uint64(), p.Rand().Uint64())
	}
	if first := draw(1, "/a", 1); draw(1, "/a", 1) != first {
		t.Error("the same process draws differently")
	}
	seen := map[string]bool{draw(1, "/a", 1): true}
	for _, d := range []string{draw(2, "/a", 1), draw(1, "/b", 1), draw(1, "/a", 2)} {
		if seen[d] {
			t.Error("two processes draw the same")
		}
		seen[d] = true
	}
}

func TestProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := clock.New(time.Time{})
		var got []syscall.Signal
		c := host.NewProcess(line, 9, func(sig syscall.Signal) error { got = append(got, sig); return nil })
		line.AfterFunc(time.Second, c.MarkReady)
		line.AfterFunc(3*time.Second, func() { c.Exited(host.Status{Code: 6}) })
		line.Hold()
		defer line.Release()
		began := time.Now()
		if ready, err := c.WaitReady(t.Context()); !ready || err != nil || time.Since(began) != time.Second {
			t.Errorf("ready: %v, %v after %v", ready, err, time.Since(began))
		}
		if running, _ := c.Running(); !running {
			t.Error("not running")
		}
		if err := c.Signal(syscall.SIGHUP); err != nil || len(got) != 1 {
			t.Errorf("signal: %v, %v", err, got)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("enough")
		cancel(cause)
		if _, err := c.Wait(ctx); !errors.Is(err, cause) {
			t.Errorf("wait of an ended context: %v", err)
		}
		line.Hold()
		go func() { // any number may wait
			defer line.Release()
			if st, err := c.Wait(context.Background()); st.Code != 6 || err != nil {
				t.Errorf("another waiter: %v, %v", st, err)
			}
		}()
		if st, err := c.Wait(t.Context()); st.Code != 6 || err != nil || time.Since(began) != 3*time.Second {
			t.Errorf("wait: %v, %v after %v", st, err, time.Since(began))
		}
		if ready, _ := c.WaitReady(t.Context()); ready {
			t.Error("ready after its end")
		}
		if err := c.Signal(syscall.SIGHUP); err == nil {
			t.Error("an ended process took a signal")
		}
	})
}

func TestKmsg(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost()
		k := h.Kmsg
		time.Sleep(time.Second)
		h.Clock.Step(time.Hour) // does not count for the ring buffer
		k.Append(6, "one")
		if got := k.Since(0); len(got) != 1 || got[0] != (host.KmsgRecord{Seq: 0, Priority: 6, At: time.Second, Text: "one"}) {
			t.Errorf("records: %+v", got)
		}
		line := h.Clock.Timeline()
		line.Hold()
		defer line.Release()
		line.AfterFunc(time.Second, func() { k.AppendAt(5, 3, "two") })
		began := time.Now()
		if err := k.Wait(t.Context(), 1); err != nil || time.Since(began) != time.Second {
			t.Errorf("wait: %v after %v", err, time.Since(began))
		}
		for i := range 5 {
			k.Append(6, fmt.Sprint(i))
		}
		got := k.Since(0)
		if len(got) != 4 || got[0].Seq != 3 || k.Next() != 7 {
			t.Errorf("a full buffer: %+v, next %d", got, k.Next())
		}
		if k.Since(7) != nil || len(k.Since(6)) != 1 {
			t.Error("records after the last one")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := k.Wait(ctx, 7); !errors.Is(err, context.Canceled) {
			t.Errorf("wait of an ended context: %v", err)
		}
	})
}
