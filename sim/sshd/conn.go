package sshd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/ssh"

	"enshu/sim/clock"
	"enshu/sim/libc"
	"enshu/sim/wire/syslog"
)

// wire is the connection as the library's goroutines use it, which know nothing
// of wake tokens: the one that reads holds a token from its first call on, but
// while it waits, and each that writes holds one meanwhile.
type wire struct {
	net.Conn
	line *clock.Timeline

	mu    sync.Mutex // guards what follows
	held  bool
	over  bool
	first []byte // how the peer began
}

// maxFirst is as much of the peer's first line as is kept.
const maxFirst = 255

// errNotSSH means that the peer began with something else than its version.
var errNotSSH = errors.New("sshd: the peer speaks another protocol")

func (w *wire) Read(b []byte) (int, error) {
	w.mu.Lock()
	if w.over {
		w.mu.Unlock()
		return 0, net.ErrClosed
	}
	if !w.held {
		w.held = true
		w.line.Hold()
	}
	w.mu.Unlock()
	n, err := w.Conn.Read(b)
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.first) < maxFirst {
		w.first = append(w.first, b[:min(n, maxFirst-len(w.first))]...)
	}
	if k := min(len(w.first), 4); err == nil && string(w.first[:k]) != "SSH-"[:k] {
		err = errNotSSH
	}
	if err != nil {
		w.settle()
	}
	return n, err
}

func (w *wire) Write(b []byte) (int, error) {
	w.line.Hold()
	defer w.line.Release()
	return w.Conn.Write(b)
}

// settle gives the reader's token back. The caller holds mu.
func (w *wire) settle() {
	if w.held {
		w.held = false
		w.line.Release()
	}
}

// end closes the connection: nobody reads after it.
func (w *wire) end() {
	w.mu.Lock()
	w.over = true
	w.settle()
	w.mu.Unlock()
	w.Conn.Close()
}

// line1 is the peer's first line.
func (w *wire) line1() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	text, _, _ := bytes.Cut(w.first, []byte("\n"))
	return strings.TrimSuffix(string(text), "\r")
}

// client is one connection and who is at its other end.
type client struct {
	*server
	wire *wire
	addr netip.Addr
	port uint16
	here netip.AddrPort

	// Of the authentication, which is one thread's.
	set      settings // what holds for the user
	user     string   // as the peer says; "" before it has
	account  libc.User
	valid    bool // the account exists and may log in
	failures int

	forced string // what is run whatever is asked for
	noPty  bool

	late     atomic.Bool  // LoginGraceTime is over
	sessions atomic.Int64 // that are open
}

// away waits for something of the library's, whose goroutines wake us without
// tokens.
func (c *client) away(wait func()) {
	line := c.p.Clock.Timeline()
	line.Release()
	defer line.Hold()
	wait()
}

// from is the peer as the log names it.
func (c *client) from() string { return fmt.Sprintf("%s port %d", c.addr, c.port) }

// connection is the process of one connection (-R): its Stdin is the socket.
func (s *server) connection(ctx context.Context) int {
	conn, ok := s.p.Stdin.(net.Conn)
	if !ok {
		fmt.Fprintln(s.p.Stderr, "sshd: -R is for sshd itself: standard input is no connection")
		return 255
	}
	all := s.conf.settings(nil)
	c := &client{server: s, wire: &wire{Conn: conn, line: s.p.Clock.Timeline()}, set: all}
	remote, _ := netip.ParseAddrPort(conn.RemoteAddr().String())
	c.here, _ = netip.ParseAddrPort(conn.LocalAddr().String())
	c.addr, c.port = remote.Addr().Unmap(), remote.Port()
	stop := context.AfterFunc(ctx, c.wire.end)
	defer stop()
	defer c.wire.end()
	t := s.p.Clock.AfterFunc(all.span("logingracetime"), func() {
		if c.late.CompareAndSwap(false, true) {
			conn.Close()
		}
	})
	defer t.Stop()
	if all.span("logingracetime") == 0 {
		t.Stop() // no limit
	}
	return c.serve(ctx, t.Stop)
}

// serve speaks SSH until the peer is gone. inside is called when it is let in.
func (c *client) serve(ctx context.Context, inside func() bool) int {
	keys, _ := loadHostKeys(c.p, c.set)
	conf := c.authentication(ctx)
	for _, k := range keys {
		conf.AddHostKey(k)
	}
	line := c.p.Clock.Timeline()
	line.Release()
	conn, channels, requests, err := ssh.NewServerConn(c.wire, conf)
	line.Hold()
	if err != nil {
		if c.late.Load() {
			c.log(syslog.Crit, "fatal: Timeout before authentication for %s", c.from())
		} else {
			c.refused(err)
		}
		return 255
	}
	inside()
	if !c.admit(conn.Permissions) {
		return 255
	}
	c.p.Go(func() { c.away(func() { ssh.DiscardRequests(requests) }) })
	line.Release()
	for n := range channels { // closed when the connection ends
		line.Hold()
		c.channel(ctx, n)
		line.Release()
	}
	line.Hold()
	c.away(func() { err = conn.Wait() })
	if text := fmt.Sprint(err); strings.HasPrefix(text, "ssh: disconnect, reason ") {
		reason, why, _ := strings.Cut(strings.TrimPrefix(text, "ssh: disconnect, reason "), ": ")
		c.log(syslog.Info, "Received disconnect from %s:%s: %s", c.from(), reason, strings.Trim(why, `"`))
		c.log(syslog.Info, "Disconnected from user %s %s", c.user, c.from())
	} else {
		c.log(syslog.Info, "Connection closed by %s", c.from())
	}
	c.closed()
	return 255
}

// refused logs how a connection ended before anybody was let in.
func (c *client) refused(err error) {
	switch hello := c.wire.line1(); {
	case hello != "" && !strings.HasPrefix(hello, "SSH-"):
		c.wire.Conn.Write([]byte("Invalid SSH identification string.\r\n"))
		c.log(syslog.Err, "error: kex_exchange_identification: client sent invalid protocol identifier \"%s\"", hello)
		c.log(syslog.Info, "banner exchange: Connection from %s: invalid format", c.from())
		return
	case hello == "":
		c.log(syslog.Err, "error: kex_exchange_identification: Connection closed by remote host")
		c.log(syslog.Info, "Connection closed by %s", c.from())
		return
	}
	c.moreFailures()
	who := ""
	if c.user != "" {
		who = "authenticating user " + c.user + " "
		if !c.valid {
			who = "invalid user " + c.user + " "
		}
	}
	switch {
	case strings.Contains(err.Error(), "too many authentication failures"):
		c.log(syslog.Err, "error: maximum authentication attempts exceeded for %s from %s ssh2 [preauth]", c.userText(), c.from())
		c.log(syslog.Info, "Disconnecting %s%s: Too many authentication failures [preauth]", who, c.from())
	case strings.Contains(err.Error(), "no common algorithm"):
		c.log(syslog.Info, "Unable to negotiate with %s: no matching key exchange method found. [preauth]", c.from())
	default:
		c.log(syslog.Info, "Connection closed by %s%s [preauth]", who, c.from())
	}
}
