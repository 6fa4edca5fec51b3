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

// inherited returns the tcp connection that a process was started with as its
// standard input, as inetd does; nil when that is something else.
func (s *sys) inherited(f *os.File) *streamConn {
	network := ""
	control(f, func(fd int) {
		if kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err != nil || kind != unix.SOCK_STREAM {
			return
		}
		sa, err := unix.Getpeername(fd)
		if err != nil {
			return
		}
		switch sa.(type) {
		case *unix.SockaddrInet4:
			network = "tcp4"
		case *unix.SockaddrInet6:
			network = "tcp6"
		}
	})
	if network == "" {
		return nil
	}
	k, err := s.newSocket(f, network, 0)
	if err != nil {
		return nil
	}
	c := &streamConn{&conn{k}}
	s.track(c)
	return c
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

// SendConn gives the other end a connection (SCM_RIGHTS), with a byte to carry it.
func (c *streamConn) SendConn(other net.Conn) error {
	o, ok := other.(*streamConn)
	if !ok {
		return c.fail("write", unix.EBADF)
	}
	var err error
	cerr := o.raw.Control(func(given uintptr) {
		rights := unix.UnixRights(int(given))
		err = c.call("write", unix.POLLOUT, func(fd int) error {
			_, err := unix.SendmsgN(fd, []byte{0}, rights, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
			return err
		})
	})
	return errors.Join(err, c.fail("write", cerr))
}

// ReceiveConn waits for a connection that the other end gives.
func (c *streamConn) ReceiveConn() (net.Conn, error) {
	var fds []int
	n, b, rights := 0, make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	err := c.call("read", unix.POLLIN, func(fd int) error {
		got, oobn, _, _, err := unix.Recvmsg(fd, b, rights, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
		if err != nil {
			return err
		}
		n, fds = got, received(rights[:oobn])
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case n == 0:
		return nil, io.EOF
	case len(fds) != 1:
		closeAll(fds)
		return nil, c.fail("read", unix.EBADMSG)
	}
	network := "tcp4"
	if sa, err := unix.Getsockname(fds[0]); err == nil {
		if _, six := sa.(*unix.SockaddrInet6); six {
			network = "tcp6"
		}
	}
	k, err := c.sys.newSocket(os.NewFile(uintptr(fds[0]), network), network, 0)
	if err != nil {
		return nil, c.fail("read", err)
	}
	t := &streamConn{&conn{k}}
	c.sys.track(t)
	return t, nil
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
