package stub

import (
	"errors"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"enshu/sim/host"
)

// streamConn is tcp or unix.
type streamConn struct{ *conn }

func (c *streamConn) Close() error { return c.end(c) }

func (c *streamConn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n := 0
	err := c.call("read", unix.POLLIN, func(fd int) (err error) {
		n, _, err = unix.Recvfrom(fd, b, unix.MSG_DONTWAIT)
		return err
	})
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (c *streamConn) Write(b []byte) (int, error) {
	done := 0
	for done < len(b) {
		n := 0
		err := c.call("write", unix.POLLOUT, func(fd int) (err error) {
			n, err = unix.SendmsgN(fd, b[done:], nil, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
			return err
		})
		if err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}

// lend returns the socket as the stdio of a child, which expects reads and
// writes to block; ours ask the kernel not to, call by call.
func (c *streamConn) lend() (*os.File, error) {
	var f *os.File
	var err error
	cerr := c.raw.Control(func(fd uintptr) {
		var nfd int
		if nfd, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); err == nil {
			err = unix.SetNonblock(nfd, false)
			f = os.NewFile(uintptr(nfd), "lent")
		}
	})
	return f, errors.Join(err, cerr)
}

// CloseWrite shuts the writing side down.
func (c *streamConn) CloseWrite() error {
	var err error
	if cerr := c.raw.Control(func(fd uintptr) { err = unix.Shutdown(int(fd), unix.SHUT_WR) }); cerr != nil {
		err = cerr
	}
	return c.fail("close", err)
}

// PeerCred tells who is at the other end (SO_PEERCRED).
func (c *streamConn) PeerCred() (host.SenderCred, error) {
	var cred *unix.Ucred
	var cerr error
	err := c.raw.Control(func(fd uintptr) {
		cred, cerr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = errors.Join(err, cerr); err != nil {
		return host.SenderCred{}, err
	}
	return c.sys.server.cred(cred), nil
}

// listener is a listening socket that was opened in a stub.
type listener struct{ *socket }

func (l *listener) Addr() net.Addr { return l.local }

func (l *listener) Accept() (net.Conn, error) {
	var nfd int
	var aerr error
	err := l.wait.Block(unix.POLLIN, func(fd uintptr) bool {
		nfd, _, aerr = unix.Accept4(int(fd), unix.SOCK_CLOEXEC)
		return aerr != unix.EAGAIN && aerr != unix.EINTR && aerr != unix.ECONNABORTED
	})
	if err == nil {
		err = aerr
	}
	if err != nil {
		return nil, l.fail("accept", err)
	}
	if l.network != "unix" {
		unix.SetsockoptInt(nfd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	k, err := l.sys.newSocket(os.NewFile(uintptr(nfd), l.network), l.network, 0)
	if err != nil {
		return nil, l.fail("accept", err)
	}
	c := &streamConn{&conn{k}}
	l.sys.track(c)
	return c, nil
}

// SetDeadline sets the deadline of Accept.
func (l *listener) SetDeadline(t time.Time) error { return l.deadline(reading, t) }

func (l *listener) Close() error {
	l.sys.forget(l)
	if !l.close() {
		return l.fail("close", os.ErrClosed)
	}
	return nil
}
