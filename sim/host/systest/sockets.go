package systest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"enshu/sim/host"
)

// at makes "address:port".
func at(a netip.Addr, port uint16) string { return netip.AddrPortFrom(a, port).String() }

// port is the port of an address.
func port(a net.Addr) uint16 {
	ap, _ := netip.ParseAddrPort(a.String())
	return ap.Port()
}

// echoUDP answers each datagram with itself.
func echoUDP(network, addr string) host.Program {
	return func(ctx context.Context, p *host.Proc) int {
		c, err := p.Sys.ListenPacket(network, addr)
		if err != nil {
			return 1
		}
		p.Go(func() {
			b := make([]byte, 65536)
			for {
				n, from, err := c.ReadFrom(b)
				if err != nil {
					return
				}
				c.WriteTo(b[:n], from)
			}
		})
		p.Ready()
		p.WaitSignal(ctx)
		return 0
	}
}

// serveTCP calls serve with each connection.
func serveTCP(network, addr string, serve func(p *host.Proc, c net.Conn)) host.Program {
	return func(ctx context.Context, p *host.Proc) int {
		l, err := p.Sys.Listen(network, addr)
		if err != nil {
			return 1
		}
		p.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				p.Go(func() { serve(p, c) })
			}
		})
		p.Ready()
		p.WaitSignal(ctx)
		return 0
	}
}

// with runs client on host A while server serves on host B.
func with(t *testing.T, w *World, server host.Program, client func(ctx context.Context, p *host.Proc)) {
	t.Helper()
	d := w.B.Start(nil, server)
	w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
		if ready, _ := d.WaitReady(ctx); !ready {
			t.Error("the server is not ready")
			return
		}
		client(ctx, p)
		d.Signal(syscall.SIGTERM)
	})
	w.B.Wait(d)
}

// dial connects, and gives the connection a deadline against a lost answer.
func dial(t *testing.T, ctx context.Context, p *host.Proc, network, addr string) net.Conn {
	t.Helper()
	c, err := p.Sys.Dial(ctx, network, addr)
	if err != nil {
		t.Errorf("dial: %v", err)
		return nil
	}
	c.SetDeadline(p.Now().Add(10 * time.Second))
	return c
}

var sockets = []check{
	{"udp", func(t *testing.T, w *World) {
		for _, network := range []string{"udp4", "udp6"} {
			to, from := w.B.Addr4, w.A.Addr4
			if network == "udp6" {
				to, from = w.B.Addr6, w.A.Addr6
			}
			with(t, w, echoUDP(network, ":514"), func(ctx context.Context, p *host.Proc) {
				c := dial(t, ctx, p, network, at(to, 514))
				if c == nil {
					return
				}
				defer c.Close()
				if _, ok := c.(net.PacketConn); !ok {
					t.Error("a dialled udp connection is no net.PacketConn")
				}
				wantEqual(t, "remote address", c.RemoteAddr().String(), at(to, 514))
				wantEqual(t, "local address", c.LocalAddr().String(), at(from, port(c.LocalAddr())))
				c.Write([]byte("one"))
				c.Write(nil)
				c.Write([]byte("three"))
				b := make([]byte, 100)
				for _, want := range []string{"one", "", "three"} {
					n, err := c.Read(b)
					wantErrno(t, "read", err, 0)
					wantEqual(t, "datagram", string(b[:n]), want)
				}
				c.Write([]byte("a long one"))
				n, err := c.Read(b[:3])
				wantErrno(t, "read of a part", err, 0)
				wantEqual(t, "the part", string(b[:n]), "a l")

				l, err := p.Sys.ListenPacket(network, ":0")
				if err != nil {
					t.Error(err)
					return
				}
				defer l.Close()
				l.SetDeadline(p.Now().Add(10 * time.Second))
				_, err = l.WriteTo([]byte("x"), net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, 514)))
				wantErrno(t, "write to", err, 0)
				n, sender, err := l.ReadFrom(b)
				if err != nil {
					t.Error(err)
					return
				}
				wantEqual(t, "sender", sender.String(), at(to, 514))
				wantEqual(t, "datagram", string(b[:n]), "x")
				_, err = l.WriteTo([]byte("y"), sender)
				wantErrno(t, "write to", err, 0)
				p.Sleep(ctx, 200*time.Millisecond)
				read := p.Now()
				n, _, came, err := l.(host.StampConn).ReadFromAt(b)
				wantErrno(t, "read", err, 0)
				wantEqual(t, "datagram", string(b[:n]), "y")
				if waited := read.Sub(came); waited < 100*time.Millisecond || waited > time.Minute {
					t.Errorf("a datagram that waited to be read came %v before", waited)
				}
				_, err = l.WriteTo(make([]byte, 65536), sender)
				wantErrno(t, "a datagram that is too long", err, syscall.EMSGSIZE)
			})
		}
	}},
	{"udp-refused", func(t *testing.T, w *World) {
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			for _, to := range []netip.Addr{w.B.Addr4, w.A.Addr4, netip.MustParseAddr("127.0.0.1")} {
				c := dial(t, ctx, p, "udp4", at(to, 9))
				if c == nil {
					return
				}
				_, err := c.Write([]byte("x"))
				wantErrno(t, "first write", err, 0)
				_, err = c.Read(make([]byte, 10))
				wantErrno(t, "read", err, syscall.ECONNREFUSED)
				_, err = c.Write([]byte("x"))
				wantErrno(t, "a write after the error was told", err, 0)
				c.Close()
			}
		})
	}},
	{"bind-errors", func(t *testing.T, w *World) {
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			bind := func(network, addr string) (io.Closer, error) {
				if network[:3] == "udp" {
					return p.Sys.ListenPacket(network, addr)
				}
				return p.Sys.Listen(network, addr)
			}
			for _, network := range []string{"udp4", "tcp4"} {
				first, err := bind(network, "127.0.0.1:514")
				wantErrno(t, "first", err, 0)
				_, err = bind(network, "127.0.0.1:514")
				wantErrno(t, network+" the same address", err, syscall.EADDRINUSE)
				_, err = bind(network, ":514")
				wantErrno(t, network+" the wildcard over it", err, syscall.EADDRINUSE)
				other, err := bind(network, at(w.A.Addr4, 514))
				wantErrno(t, network+" another address", err, 0)
				six, err := bind(network[:3]+"6", ":514")
				wantErrno(t, network+" the other family", err, 0)
				first.Close()
				again, err := bind(network, "127.0.0.1:514")
				wantErrno(t, network+" after close", err, 0)
				for _, c := range []io.Closer{again, other, six} {
					c.Close()
				}
				_, err = bind(network, at(w.B.Addr4, 514))
				wantErrno(t, network+" another host's address", err, syscall.EADDRNOTAVAIL)
				for _, bad := range []string{"nonsense", "127.0.0.1", "127.0.0.1:99999", "[::1]:514", "name:514"} {
					if _, err = bind(network, bad); err == nil {
						t.Errorf("%s: bind to %q succeeded", network, bad)
					}
				}
			}
			_, err := p.Sys.Listen("tcp9", ":514")
			wantErr(t, "an unknown network", err, net.UnknownNetworkError("tcp9"))
		})
		w.A.Do(usera, func(ctx context.Context, p *host.Proc) {
			_, err := p.Sys.Listen("tcp4", ":25")
			wantErrno(t, "tcp port of root", err, syscall.EACCES)
			_, err = p.Sys.ListenPacket("udp4", ":514")
			wantErrno(t, "udp port of root", err, syscall.EACCES)
			l, err := p.Sys.Listen("tcp4", ":2525")
			wantErrno(t, "a user's port", err, 0)
			if err == nil {
				l.Close()
			}
		})
	}},
	{"tcp", func(t *testing.T, w *World) {
		for _, network := range []string{"tcp4", "tcp6"} {
			to, from := w.B.Addr4, w.A.Addr4
			if network == "tcp6" {
				to, from = w.B.Addr6, w.A.Addr6
			}
			with(t, w, serveTCP(network, ":25", func(p *host.Proc, c net.Conn) {
				c.Write([]byte("220 from " + c.RemoteAddr().(*net.TCPAddr).IP.String() + "\n"))
				io.Copy(c, c)
				c.Close()
			}), func(ctx context.Context, p *host.Proc) {
				c := dial(t, ctx, p, network, at(to, 25))
				if c == nil {
					return
				}
				defer c.Close()
				if _, ok := c.(net.PacketConn); ok {
					t.Error("a tcp connection is a net.PacketConn")
				}
				wantEqual(t, "remote address", c.RemoteAddr().String(), at(to, 25))
				wantEqual(t, "local address", c.LocalAddr().String(), at(from, port(c.LocalAddr())))
				c.Write([]byte("hi\n"))
				wantErrno(t, "half close", c.(interface{ CloseWrite() error }).CloseWrite(), 0)
				got, err := io.ReadAll(c)
				wantErrno(t, "read to the end", err, 0)
				wantEqual(t, "answer", string(got), "220 from "+from.String()+"\nhi\n")
				_, err = c.Write([]byte("x"))
				wantErrno(t, "write after half close", err, syscall.EPIPE)
			})
		}
	}},
	{"tcp-much-data", func(t *testing.T, w *World) {
		with(t, w, serveTCP("tcp4", ":25", func(p *host.Proc, c net.Conn) { io.Copy(c, c); c.Close() }), func(ctx context.Context, p *host.Proc) {
			c := dial(t, ctx, p, "tcp4", at(w.B.Addr4, 25))
			if c == nil {
				return
			}
			defer c.Close()
			sent := make([]byte, 8<<20) // more than all buffers hold
			for i := range sent {
				sent[i] = byte(i >> 8)
			}
			p.Go(func() {
				c.Write(sent)
				c.(interface{ CloseWrite() error }).CloseWrite()
			})
			got, err := io.ReadAll(c)
			wantErrno(t, "read", err, 0)
			if !bytes.Equal(got, sent) {
				t.Errorf("%d bytes came back changed, of %d", len(got), len(sent))
			}
		})
	}},
	{"tcp-errors", func(t *testing.T, w *World) {
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			_, err := p.Sys.Dial(ctx, "tcp4", at(w.B.Addr4, 25))
			wantErrno(t, "closed port", err, syscall.ECONNREFUSED)
			var op *net.OpError
			if !errors.As(err, &op) || op.Op != "dial" || op.Addr == nil || op.Addr.String() != at(w.B.Addr4, 25) {
				t.Errorf("%v does not say who refused", err)
			}
			_, err = p.Sys.Dial(ctx, "tcp4", "127.0.0.1:25")
			wantErrno(t, "own closed port", err, syscall.ECONNREFUSED)
			_, err = p.Sys.Dial(ctx, "tcp4", "203.0.113.1:25")
			wantErrno(t, "no route", err, syscall.ENETUNREACH)
			_, err = p.Sys.Dial(ctx, "udp4", "203.0.113.1:25")
			wantErrno(t, "udp without route", err, syscall.ENETUNREACH)
			_, err = p.Sys.Dial(ctx, "tcp4", at(w.A.Unused4, 25))
			wantErrno(t, "nobody there", err, syscall.EHOSTUNREACH)
		})
	}},
	{"tcp-close-unread", func(t *testing.T, w *World) {
		with(t, w, serveTCP("tcp4", ":25", func(p *host.Proc, c net.Conn) {
			c.Read(make([]byte, 1)) // and leaves the rest
			c.Close()
		}), func(ctx context.Context, p *host.Proc) {
			c := dial(t, ctx, p, "tcp4", at(w.B.Addr4, 25))
			if c == nil {
				return
			}
			defer c.Close()
			c.Write([]byte("hello"))
			_, err := c.Read(make([]byte, 10))
			wantErrno(t, "read", err, syscall.ECONNRESET)
			_, err = c.Write([]byte("x"))
			wantErrno(t, "write", err, syscall.EPIPE)
		})
	}},
	{"tcp-write-after-close", func(t *testing.T, w *World) {
		with(t, w, serveTCP("tcp4", ":25", func(p *host.Proc, c net.Conn) { c.Close() }), func(ctx context.Context, p *host.Proc) {
			c := dial(t, ctx, p, "tcp4", at(w.B.Addr4, 25))
			if c == nil {
				return
			}
			defer c.Close()
			_, err := c.Read(make([]byte, 10))
			wantErr(t, "read", err, io.EOF)
			_, err = c.Write([]byte("x")) // answered by a reset
			wantErrno(t, "first write", err, 0)
			p.Sleep(ctx, 100*time.Millisecond)
			_, err = c.Write([]byte("x"))
			wantErrno(t, "second write", err, syscall.EPIPE)
		})
	}},
	{"close-ends-waits", func(t *testing.T, w *World) {
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			l, err := p.Sys.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				t.Error(err)
				return
			}
			u, err := p.Sys.ListenPacket("udp4", "127.0.0.1:0")
			if err != nil {
				t.Error(err)
				return
			}
			c := dial(t, ctx, p, "tcp4", l.Addr().String())
			if c == nil {
				return
			}
			p.Go(func() {
				p.Sleep(ctx, 10*time.Millisecond)
				c.Close()
				u.Close()
				l.Close()
			})
			_, err = c.Read(make([]byte, 1))
			wantErr(t, "read", err, net.ErrClosed)
			_, _, err = u.ReadFrom(make([]byte, 1))
			wantErr(t, "read from", err, net.ErrClosed)
			for err = nil; err == nil; { // the connection made above may come first
				_, err = l.Accept()
			}
			wantErr(t, "accept", err, net.ErrClosed)
			wantErr(t, "close again", l.Close(), net.ErrClosed)
		})
	}},
	{"deadlines", func(t *testing.T, w *World) {
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			u, err := p.Sys.ListenPacket("udp4", "127.0.0.1:0")
			if err != nil {
				t.Error(err)
				return
			}
			defer u.Close()
			expect := func(what string) {
				t.Helper()
				_, _, err := u.ReadFrom(make([]byte, 1))
				wantErr(t, what, err, os.ErrDeadlineExceeded)
				var ne net.Error
				if !errors.As(err, &ne) || !ne.Timeout() {
					t.Errorf("%s: %v is no timeout", what, err)
				}
			}
			u.SetReadDeadline(p.Now().Add(-time.Hour))
			expect("past")
			began := p.Clock.Monotonic()
			u.SetReadDeadline(p.Now().Add(30 * time.Millisecond))
			// Read on the host's clock when it is set: a later step does not move it.
			p.Clock.Step(-time.Hour)
			expect("future")
			if d := p.Clock.Monotonic() - began; d < 30*time.Millisecond || d > 10*time.Second {
				t.Errorf("the deadline passed after %v", d)
			}
			expect("passed")
			u.SetReadDeadline(p.Now().Add(time.Hour))
			p.Go(func() {
				p.Sleep(ctx, 10*time.Millisecond)
				u.SetReadDeadline(p.Now())
			})
			expect("moved")
			u.SetReadDeadline(time.Time{})
			u.WriteTo([]byte("x"), u.LocalAddr())
			_, _, err = u.ReadFrom(make([]byte, 1))
			wantErrno(t, "without a deadline", err, 0)
		})
	}},
}

var unixSockets = []check{
	{"stream", func(t *testing.T, w *World) {
		server := w.A.Start(nil, func(ctx context.Context, p *host.Proc) int {
			l, err := p.Sys.Listen("unix", "/run/s.sock")
			if err != nil {
				t.Error(err)
				return 1
			}
			p.Ready()
			c, err := l.Accept()
			if err != nil {
				t.Error(err)
				return 1
			}
			cred, err := c.(host.PeerCred).PeerCred()
			wantErrno(t, "credentials", err, 0)
			wantEqual(t, "peer's uid", cred.UID, 0)
			if cred.PID == p.PID || cred.PID == 0 {
				t.Errorf("peer's pid %d", cred.PID)
			}
			io.Copy(c, c)
			c.Close()
			return 0
		})
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			server.WaitReady(ctx)
			wantEqual(t, "socket file", mode(p, "/run/s.sock"), "Srwxr-xr-x 0:0")
			c := dial(t, ctx, p, "unix", "/run/s.sock")
			if c == nil {
				return
			}
			cred, err := c.(host.PeerCred).PeerCred()
			wantErrno(t, "credentials", err, 0)
			wantEqual(t, "peer's pid", cred.PID, server.PID)
			c.Write([]byte("hello"))
			c.(interface{ CloseWrite() error }).CloseWrite()
			got, err := io.ReadAll(c)
			wantErrno(t, "read", err, 0)
			wantEqual(t, "echo", string(got), "hello")
			_, err = c.Write([]byte("x"))
			wantErrno(t, "write after the end", err, syscall.EPIPE)
		})
		w.A.Wait(server)
	}},
	{"carried-connection", func(t *testing.T, w *World) {
		// One process accepts and another one serves, as long as it likes.
		worker := w.A.Start(nil, func(ctx context.Context, p *host.Proc) int {
			l, err := p.Sys.Listen("unix", "/run/worker")
			wantErrno(t, "listen", err, 0)
			p.Ready()
			line, err := l.Accept()
			if err != nil {
				t.Error(err)
				return 1
			}
			carrier := line.(host.ConnCarrier)
			for range 2 {
				c, err := carrier.ReceiveConn()
				if err != nil {
					t.Errorf("receive: %v", err)
					return 1
				}
				line.Write([]byte("."))
				wantEqual(t, "address of the client", c.RemoteAddr().(*net.TCPAddr).IP.String(), w.B.Addr4.String())
				io.Copy(c, c)
				c.Close()
			}
			_, err = carrier.ReceiveConn()
			wantEqual(t, "after the last", err, io.EOF)
			return 0
		})
		port := w.A.Start(nil, func(ctx context.Context, p *host.Proc) int {
			worker.WaitReady(ctx)
			line := dial(t, ctx, p, "unix", "/run/worker")
			l, err := p.Sys.Listen("tcp4", ":2525")
			wantErrno(t, "listen", err, 0)
			p.Ready()
			for range 2 {
				c, err := l.Accept()
				if err != nil {
					t.Error(err)
					return 1
				}
				wantErrno(t, "send", line.(host.ConnCarrier).SendConn(c), 0)
				line.Read(make([]byte, 1))
				c.Close()
			}
			return 0
		})
		w.B.Do(nil, func(ctx context.Context, p *host.Proc) {
			port.WaitReady(ctx)
			for _, text := range []string{"hello", "again"} {
				c := dial(t, ctx, p, "tcp4", at(w.A.Addr4, 2525))
				if c == nil {
					return
				}
				c.Write([]byte(text))
				c.(interface{ CloseWrite() error }).CloseWrite()
				got, err := io.ReadAll(c)
				wantErrno(t, "read", err, 0)
				wantEqual(t, "echo", string(got), text)
				c.Close()
			}
		})
		w.A.Wait(port)
		w.A.Wait(worker)
	}},
	{"stream-errors", func(t *testing.T, w *World) {
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			sys := p.Sys
			_, err := sys.Dial(ctx, "unix", "/run/none")
			wantErrno(t, "no file", err, syscall.ENOENT)
			put(t, p, "/run/file", "x", 0o666)
			_, err = sys.Dial(ctx, "unix", "/run/file")
			wantErrno(t, "no socket", err, syscall.ECONNREFUSED)
			l, err := sys.Listen("unix", "/run/l")
			wantErrno(t, "listen", err, 0)
			_, err = sys.Listen("unix", "/run/l")
			wantErrno(t, "listen again", err, syscall.EADDRINUSE)
			_, err = sys.Listen("unix", "/none/l")
			wantErrno(t, "listen in nowhere", err, syscall.ENOENT)
			_, err = sys.Dial(ctx, "unixgram", "/run/l")
			wantErrno(t, "datagrams to a stream", err, syscall.EPROTOTYPE)
			_, err = sys.OpenFile("/run/l", os.O_RDWR, 0)
			wantErrno(t, "open of a socket", err, syscall.ENXIO)
			l.Close()
			_, err = sys.Dial(ctx, "unix", "/run/l")
			wantErrno(t, "nobody listens", err, syscall.ECONNREFUSED)
			_, err = sys.Listen("unix", "/run/l")
			wantErrno(t, "the file stays", err, syscall.EADDRINUSE)
			wantErrno(t, "remove", sys.Remove("/run/l"), 0)
			l, err = sys.Listen("unix", "/run/l")
			wantErrno(t, "listen after remove", err, 0)
			sys.Rename("/run/l", "/run/m")
			sys.Symlink("/run/m", "/run/n")
			c, err := sys.Dial(ctx, "unix", "/run/n")
			wantErrno(t, "dial through a link to a new name", err, 0)
			if err == nil {
				c.Close()
			}
			l.Close()
		})
	}},
	{"rights", func(t *testing.T, w *World) {
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			l, err := p.Sys.ListenPacket("unixgram", "/run/log")
			if err != nil {
				t.Error(err)
				return
			}
			defer l.Close()
			try := func(what string, want syscall.Errno) {
				st := w.A.Start(usera, func(ctx context.Context, p *host.Proc) int {
					_, err := p.Sys.Dial(ctx, "unixgram", "/run/log")
					wantErrno(t, what, err, want)
					return 0
				})
				st.Wait(ctx)
			}
			try("mode 0755", syscall.EACCES)
			wantErrno(t, "chmod", p.Sys.Chmod("/run/log", 0o666), 0)
			try("mode 0666", 0)
		})
		w.A.Do(usera, func(ctx context.Context, p *host.Proc) {
			_, err := p.Sys.Listen("unix", "/run/mine")
			wantErrno(t, "a socket in root's directory", err, syscall.EACCES)
		})
	}},
	{"datagram", func(t *testing.T, w *World) {
		w.A.Do(nil, func(ctx context.Context, p *host.Proc) {
			l, err := p.Sys.ListenPacket("unixgram", "/run/log")
			if err != nil {
				t.Error(err)
				return
			}
			wantErrno(t, "chmod", p.Sys.Chmod("/run/log", 0o666), 0)
			sender := w.A.Start(usera, func(ctx context.Context, p *host.Proc) int {
				c := dial(t, ctx, p, "unixgram", "/run/log")
				if c == nil {
					return 1
				}
				c.Write([]byte("one"))
				c.Write([]byte("two"))
				return 0
			})
			b := make([]byte, 100)
			for _, want := range []string{"one", "two"} {
				n, from, cred, err := l.(host.CredConn).ReadFromCred(b)
				wantErrno(t, "read", err, 0)
				wantEqual(t, "datagram", string(b[:n]), want)
				wantEqual(t, "credentials", cred, host.SenderCred{PID: sender.PID, UID: 1000, GID: 1000})
				if from != nil {
					t.Errorf("an unnamed socket is called %v", from)
				}
			}
			sender.Wait(ctx)

			brief := w.A.Start(usera, func(ctx context.Context, p *host.Proc) int {
				if c := dial(t, ctx, p, "unixgram", "/run/log"); c != nil {
					c.Write([]byte("last words"))
				}
				return 0
			})
			brief.Wait(ctx)
			n, _, cred, err := l.(host.CredConn).ReadFromCred(b)
			wantErrno(t, "read", err, 0)
			wantEqual(t, "datagram", string(b[:n]), "last words")
			wantEqual(t, "credentials of a sender that has ended", cred, host.SenderCred{PID: brief.PID, UID: 1000, GID: 1000})

			named, err := p.Sys.ListenPacket("unixgram", "/run/me")
			wantErrno(t, "a named sender", err, 0)
			_, err = named.WriteTo([]byte("named"), l.LocalAddr())
			wantErrno(t, "write to", err, 0)
			n, from, err := l.ReadFrom(b)
			wantErrno(t, "read", err, 0)
			wantEqual(t, "datagram", string(b[:n]), "named")
			if from == nil || from.String() != "/run/me" {
				t.Errorf("sender %v", from)
			} else {
				_, err = l.WriteTo([]byte("answer"), from)
				wantErrno(t, "answer", err, 0)
				n, _ := named.(net.Conn).Read(b)
				wantEqual(t, "answer", string(b[:n]), "answer")
			}
			c := dial(t, ctx, p, "unixgram", "/run/log")
			if c == nil {
				return
			}
			for range 100000 { // the receiver's queue fills, and the sender waits
				c.SetWriteDeadline(p.Now().Add(20 * time.Millisecond))
				if _, err = c.Write([]byte("x")); err != nil {
					break
				}
			}
			wantErr(t, "write to a full queue", err, os.ErrDeadlineExceeded)
			c.SetWriteDeadline(time.Time{})
			l.Close()
			_, err = c.Write([]byte("x"))
			wantErrno(t, "write to a closed socket", err, syscall.ECONNREFUSED)
			_, err = p.Sys.Dial(ctx, "unixgram", "/run/log")
			wantErrno(t, "nobody there", err, syscall.ECONNREFUSED)
			_, err = p.Sys.Dial(ctx, "unixgram", "/run/none")
			wantErrno(t, "no file", err, syscall.ENOENT)
			_, err = p.Sys.ListenPacket("unixgram", "/run/log")
			wantErrno(t, "the file stays", err, syscall.EADDRINUSE)
			_, err = p.Sys.Dial(ctx, "unix", "/run/me")
			wantErrno(t, "a stream to datagrams", err, syscall.EPROTOTYPE)
		})
	}},
}
