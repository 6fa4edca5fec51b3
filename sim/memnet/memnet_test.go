package memnet_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/host"
	"enshu/sim/memnet"
)

// echod answers each datagram and each line with itself until it is ended.
func echod(ctx context.Context, p *host.Proc) int {
	u, err := p.Sys.ListenPacket("udp4", ":7")
	if err != nil {
		fmt.Fprintln(p.Stderr, err)
		return 1
	}
	l, err := p.Sys.Listen("tcp4", ":7")
	if err != nil {
		fmt.Fprintln(p.Stderr, err)
		return 1
	}
	p.Go(func() {
		b := make([]byte, 2048)
		for {
			n, from, err := u.ReadFrom(b)
			if err != nil {
				return
			}
			u.WriteTo(b[:n], from)
		}
	})
	p.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.Go(func() { defer c.Close(); io.Copy(c, c) })
		}
	})
	p.Ready()
	for {
		sig, err := p.WaitSignal(ctx)
		if err != nil {
			return 0
		}
		fmt.Fprintln(p.Stdout, sig)
	}
}

// echo says its second argument to the host of its first, over tcp or udp, and
// prints the answer and how long it took.
func echo(ctx context.Context, p *host.Proc) int {
	began := p.Clock.Monotonic()
	c, err := p.Sys.Dial(ctx, p.Args[1], p.Args[2])
	if err != nil {
		fmt.Fprintln(p.Stderr, err)
		return 1
	}
	defer c.Close()
	c.SetDeadline(p.Now().Add(5 * time.Second))
	fmt.Fprintln(c, p.Args[3])
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		fmt.Fprintln(p.Stderr, err)
		return 1
	}
	fmt.Fprintf(p.Stdout, "%s in %v\n", line[:len(line)-1], p.Clock.Monotonic()-began)
	return 0
}

var programs = map[string]host.Program{"/usr/sbin/echod": echod, "/usr/bin/echo": echo}

func pair(t *testing.T) (n *memnet.Network, server, client *memnet.Host) {
	n = memnet.New(t)
	server = n.Host(t, memnet.Config{Name: "server", Addrs: []string{"192.0.2.10/24"}, Programs: programs, Offset: -time.Minute})
	client = n.Host(t, memnet.Config{Name: "client", Addrs: []string{"192.0.2.20/24"}, Programs: programs, PPM: 100})
	return n, server, client
}

func TestEcho(t *testing.T) {
	for _, network := range []string{"tcp4", "udp4"} {
		t.Run(network, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, server, client := pair(t)
				n.Link(server, client, memnet.Link{Delay: 10 * time.Millisecond})
				d := server.Start("echod")
				want := map[string]string{"tcp4": "hi in 40.004ms\n", "udp4": "hi in 20.002ms\n"}[network]
				if r := client.Run("echo", network, "192.0.2.10:7", "hi"); r.Stdout != want || r.Stderr != "" {
					t.Errorf("got %q, %q", r.Stdout, r.Stderr)
				}
				if r := server.Run("echo", network, "127.0.0.1:7", "hi"); r.Stdout != "hi in 0s\n" {
					t.Errorf("local: %q, %q", r.Stdout, r.Stderr)
				}
				if st := d.Stop(); !st.Success() {
					t.Errorf("daemon: %v", st)
				}
				if r := client.Run("echo", network, "192.0.2.10:7", "hi"); r.Status.Success() {
					t.Errorf("closed port: %q, %q", r.Stdout, r.Stderr)
				}
			})
		})
	}
}

func TestKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, server, client := pair(t)
		d := server.Start("echod")
		server.Do(nil, func(ctx context.Context, p *host.Proc) {
			if err := p.Sys.Kill(d.PID, syscall.SIGKILL); err != nil {
				t.Error(err)
			}
		})
		if st := d.End(); st.Signal != syscall.SIGKILL {
			t.Errorf("status %v", st)
		}
		client.Do(nil, func(ctx context.Context, p *host.Proc) {
			_, err := p.Sys.Dial(ctx, "tcp4", "192.0.2.10:7")
			if !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("dial: %v", err)
			}
		})
	})
}

func TestFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, h, _ := pair(t)
		h.WriteFile("/run/systemd/x", "hello\n")
		h.Symlink("/run/systemd/x", "/dev/x")
		if got := h.ReadFile("/dev/x"); got != "hello\n" {
			t.Errorf("through a link: %q", got)
		}
		h.Chmod("/run/systemd/x", 0o600)
		h.Do(&host.Cred{UID: 1000, GID: 1000}, func(ctx context.Context, p *host.Proc) {
			if _, err := p.Sys.OpenFile("/dev/x", os.O_RDONLY, 0); !errors.Is(err, syscall.EACCES) {
				t.Errorf("open of another's file: %v", err)
			}
			if err := p.Sys.Mkdir("/tmp/d", 0o777); err != nil {
				t.Error(err)
			}
			info, err := p.Sys.Stat("/tmp/d")
			if err != nil || info.Mode() != os.ModeDir|0o755 || info.Sys().(*syscall.Stat_t).Uid != 1000 {
				t.Errorf("new directory: %v %v", info, err)
			}
		})
	})
}

func TestAdvance(t *testing.T) {
	n, server, client := pair(t)
	n.Link(server, client, memnet.Link{Delay: 10 * time.Millisecond})
	server.Start("echod")
	polls := 0
	client.Go(nil, func(ctx context.Context, p *host.Proc) int {
		c, err := p.Sys.Dial(ctx, "udp4", "192.0.2.10:7")
		if err != nil {
			t.Error(err)
			return 1
		}
		b := make([]byte, 100)
		for p.Sleep(ctx, time.Minute) == nil {
			c.Write([]byte("poll"))
			c.SetReadDeadline(p.Now().Add(time.Second))
			if _, err := c.Read(b); err == nil {
				polls++
			}
		}
		return 0
	})
	if err := n.Line.Advance(t.Context(), 24*time.Hour+time.Minute); err != nil {
		t.Fatal(err)
	}
	if polls != 1440 {
		t.Errorf("%d polls in a day", polls)
	}
}
