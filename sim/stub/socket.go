package stub

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"enshu/sim/clock"
)

// socket is a socket that was opened in a stub. Goroutines block on it with wake
// tokens and with deadlines on the host's clock.
type socket struct {
	sys           *sys
	network       string
	file          *os.File
	raw           syscall.RawConn
	wait          *clock.Socket
	local, remote net.Addr

	mu    sync.Mutex           // guards what follows
	held  int                  // the stub's descriptor, 0 for none
	timer [2]*clock.LocalTimer // of the read and the write deadline
	done  bool                 // closed
}

const (
	reading = 0
	writing = 1
)

// socket takes a descriptor that a stub sent; held is the stub's own.
func (s *sys) socket(fd int, network string, held int) (*socket, error) {
	// The Go runtime does not wait for it: the timeline does.
	f, err := opened(fd, network, false)
	if err != nil {
		return nil, err
	}
	return s.newSocket(f, network, held)
}

func (s *sys) newSocket(f *os.File, network string, held int) (*socket, error) {
	k := &socket{sys: s, network: network, file: f, held: held}
	var err error
	if k.raw, err = f.SyscallConn(); err == nil {
		k.wait, err = s.proc.Clock.Timeline().Socket(k.raw)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	if k.datagrams() && k.away() {
		k.raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) })
		if err != nil {
			k.close()
			return nil, os.NewSyscallError("setsockopt", err)
		}
	}
	k.findAddrs()
	return k, nil
}

// datagrams reports whether the socket keeps the bounds of what is written.
func (k *socket) datagrams() bool {
	return k.network == "udp4" || k.network == "udp6" || k.network == "unixgram"
}

// away reports whether the socket leads to other hosts.
func (k *socket) away() bool { return k.network != "unix" && k.network != "unixgram" }

// findAddrs asks the kernel for the addresses of both ends.
func (k *socket) findAddrs() {
	k.raw.Control(func(fd uintptr) {
		if sa, err := unix.Getsockname(int(fd)); err == nil {
			k.local = k.addr(sa)
		}
		if sa, err := unix.Getpeername(int(fd)); err == nil {
			k.remote = k.addr(sa)
		}
	})
}

// addr gives an address of the kernel's the net package's form.
func (k *socket) addr(sa unix.Sockaddr) net.Addr {
	var ip net.IP
	var port int
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		ip, port = net.IP(sa.Addr[:]), sa.Port
	case *unix.SockaddrInet6:
		ip, port = net.IP(sa.Addr[:]), sa.Port
	case *unix.SockaddrUnix:
		return &net.UnixAddr{Name: sa.Name, Net: k.network}
	default:
		return nil
	}
	if k.datagrams() {
		return &net.UDPAddr{IP: ip, Port: port}
	}
	return &net.TCPAddr{IP: ip, Port: port}
}

// connecting waits until a connection is made or refused.
func (k *socket) connecting(ctx context.Context) error {
	line := k.sys.proc.Clock.Timeline()
	line.Departed()
	defer line.Arrived()
	stop := context.AfterFunc(ctx, func() { k.wait.Interrupt(unix.POLLOUT, context.Cause(ctx)) })
	var serr error
	err := k.wait.Block(unix.POLLOUT, func(fd uintptr) bool {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		if n, err := unix.Poll(fds, 0); n == 0 || err != nil {
			return false
		}
		code, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		switch {
		case err != nil:
			serr = err
		case code != 0:
			serr = syscall.Errno(code)
		}
		return true
	})
	if !stop() {
		return context.Cause(ctx)
	}
	return errors.Join(err, serr)
}

// deadline sets one of the two deadlines.
func (k *socket) deadline(which int, t time.Time) error {
	events := int16(unix.POLLIN)
	if which == writing {
		events = unix.POLLOUT
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.done {
		return k.fail("set", os.ErrClosed)
	}
	if k.timer[which] != nil {
		k.timer[which].Stop()
		k.timer[which] = nil
	}
	past := func() { k.wait.Interrupt(events, os.ErrDeadlineExceeded) }
	clock := k.sys.proc.Clock
	switch d := t.Sub(clock.Now()); {
	case t.IsZero():
		k.wait.Interrupt(events, nil)
	case d <= 0:
		past()
	default:
		k.wait.Interrupt(events, nil)
		k.timer[which] = clock.AfterFunc(d, past)
	}
	return nil
}

// close closes the descriptor here and in the stub. It reports false when that
// was done before.
func (k *socket) close() bool {
	k.mu.Lock()
	held, done := k.held, k.done
	k.held, k.done = 0, true
	for _, t := range k.timer {
		if t != nil {
			t.Stop()
		}
	}
	k.mu.Unlock()
	if done {
		return false
	}
	if held != 0 {
		k.sys.drop(held)
	}
	k.wait.Close()
	k.file.Close()
	return true
}

// fail gives an error the shape that the net package's have.
func (k *socket) fail(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = os.ErrDeadlineExceeded
	case errors.Is(err, os.ErrClosed):
		err = net.ErrClosed
	}
	return &net.OpError{Op: op, Net: k.network, Source: k.local, Addr: k.remote, Err: err}
}

// call performs a system call that waits for events. try's error EAGAIN means
// that it has to wait.
func (k *socket) call(op string, events int16, try func(fd int) error) error {
	line := k.sys.proc.Clock.Timeline()
	if events == unix.POLLOUT && k.away() {
		line.Departed() // before the receiver can have it
	}
	var cerr error
	err := k.wait.Block(events, func(fd uintptr) bool {
		cerr = try(int(fd))
		return cerr != unix.EAGAIN && cerr != unix.EINTR
	})
	if err == nil {
		err = cerr
	}
	if k.away() && (err == nil) == (events == unix.POLLIN) {
		line.Arrived()
	}
	return k.fail(op, err)
}

// conn is what both kinds of connections have in common.
type conn struct{ *socket }

func (c *conn) SyscallConn() (syscall.RawConn, error) { return c.raw, nil }
func (c *conn) LocalAddr() net.Addr                   { return c.local }
func (c *conn) RemoteAddr() net.Addr                  { return c.remote }
func (c *conn) SetReadDeadline(t time.Time) error     { return c.deadline(reading, t) }
func (c *conn) SetWriteDeadline(t time.Time) error    { return c.deadline(writing, t) }
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *conn) end(self interface{ Close() error }) error {
	c.sys.forget(self)
	if !c.close() {
		return c.fail("close", os.ErrClosed)
	}
	return nil
}
