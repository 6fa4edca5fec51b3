package memnet

import (
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"enshu/sim/host"
)

// streamBuffer is how many bytes may be under way or unread in one direction
// (net.core.wmem_default).
const streamBuffer = 212992

// stream is one end of a tcp or unix connection. The network's mu guards it.
type stream struct {
	h             *Host
	network       string
	peer          *stream
	local, remote net.Addr
	cred, other   host.SenderCred // of this end and of the peer

	in       []byte
	carried  []*stream     // connections that the peer gave and nobody has taken (SCM_RIGHTS)
	eof      bool          // the peer sends no more
	shut     bool          // this end sends no more
	shutRead bool          // this end reads no more
	err      syscall.Errno // told once, then forgotten, as the kernel's sk_err
	dead     bool          // reset or timed out
	refs     int           // descriptors; 0 is closed
	readers  waiters
	writers  waiters // wait for room in the peer's buffer

	tcp *tcp // nil for unix
}

// streamConn is a descriptor of a stream.
type streamConn struct {
	s      *stream
	sys    *sys
	closed bool
	rd, wd deadline
}

var (
	_ net.Conn      = (*streamConn)(nil)
	_ host.PeerCred = (*streamConn)(nil)

	_ host.ConnCarrier = (*streamConn)(nil)
)

// descriptor makes a descriptor of s for a process. The caller holds mu.
func (s *stream) descriptor(p *sys) *streamConn {
	s.refs++
	c := &streamConn{s: s, sys: p, rd: deadline{clock: p.h.Clock}, wd: deadline{clock: p.h.Clock}}
	p.hold(c)
	return c
}

func (c *streamConn) dup(p *sys) *streamConn {
	n := c.s.h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.closed {
		return c
	}
	return c.s.descriptor(p)
}

func (c *streamConn) fail(op string, err error) error {
	if err == io.EOF {
		return err
	}
	return opError(op, c.s.network, c.s.local, c.s.remote, err)
}

// takeError returns the pending error, once.
func (s *stream) takeError() (err error) {
	if s.err != 0 {
		err, s.err = s.err, 0
	}
	return err
}

func (c *streamConn) Read(b []byte) (int, error) {
	s, n := c.s, c.s.h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	for {
		if c.closed {
			return 0, c.fail("read", net.ErrClosed)
		}
		if c.rd.passed() {
			return 0, c.fail("read", os.ErrDeadlineExceeded)
		}
		if len(b) == 0 {
			return 0, nil
		}
		if len(s.in) > 0 {
			k := copy(b, s.in)
			if s.in = s.in[k:]; len(s.in) == 0 {
				s.in = nil
			}
			s.peer.writers.wake()
			return k, nil
		}
		if err := s.takeError(); err != nil {
			return 0, c.fail("read", err)
		}
		if s.eof || s.dead || s.shutRead {
			return 0, io.EOF
		}
		if err := n.wait(c.sys.ctx, &s.readers, c.rd); err != nil && err != os.ErrDeadlineExceeded {
			return 0, c.fail("read", net.ErrClosed)
		}
	}
}

func (c *streamConn) Write(b []byte) (int, error) {
	s, n := c.s, c.s.h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	done := 0
	for {
		if c.closed {
			return done, c.fail("write", net.ErrClosed)
		}
		if c.wd.passed() {
			return done, c.fail("write", os.ErrDeadlineExceeded)
		}
		if err := s.takeError(); err != nil {
			return done, c.fail("write", err)
		}
		if s.shut || s.dead || s.tcp == nil && (s.peer.refs == 0 || s.peer.shutRead) {
			return done, c.fail("write", syscall.EPIPE)
		}
		if done == len(b) {
			return done, nil
		}
		room := streamBuffer - len(s.peer.in)
		if s.tcp != nil {
			room -= s.tcp.unacked
		}
		if room > 0 {
			chunk := b[done:min(len(b), done+room)]
			s.send(append([]byte(nil), chunk...))
			done += len(chunk)
			if done == len(b) {
				return done, nil
			}
			continue
		}
		if err := n.wait(c.sys.ctx, &s.writers, c.wd); err != nil && err != os.ErrDeadlineExceeded {
			return done, c.fail("write", net.ErrClosed)
		}
	}
}

// SendConn gives the other end a connection, which the queue holds open.
func (c *streamConn) SendConn(other net.Conn) error {
	s, n := c.s, c.s.h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	o, ok := other.(*streamConn)
	switch {
	case c.closed:
		return c.fail("write", net.ErrClosed)
	case !ok || o.closed || s.network != "unix":
		return c.fail("write", syscall.EBADF)
	case s.shut || s.dead || s.peer.refs == 0 || s.peer.shutRead:
		return c.fail("write", syscall.EPIPE)
	}
	o.s.refs++
	s.peer.carried = append(s.peer.carried, o.s)
	s.peer.readers.wake()
	return nil
}

// ReceiveConn waits for a connection that the other end gives.
func (c *streamConn) ReceiveConn() (net.Conn, error) {
	s, n := c.s, c.s.h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	for {
		switch {
		case c.closed:
			return nil, c.fail("read", net.ErrClosed)
		case c.rd.passed():
			return nil, c.fail("read", os.ErrDeadlineExceeded)
		case len(s.carried) > 0:
			o := s.carried[0]
			s.carried = s.carried[1:]
			t := o.descriptor(c.sys)
			o.refs-- // the queue's
			return t, nil
		case s.eof || s.dead || s.shutRead:
			return nil, io.EOF
		}
		if err := n.wait(c.sys.ctx, &s.readers, c.rd); err != nil && err != os.ErrDeadlineExceeded {
			return nil, c.fail("read", net.ErrClosed)
		}
	}
}

// send hands data to the peer.
func (s *stream) send(data []byte) {
	if s.tcp != nil {
		s.push(segment{data: data})
		return
	}
	s.peer.receive(data)
}

// receive takes data that has arrived.
func (s *stream) receive(data []byte) {
	if s.shutRead {
		s.peer.writers.wake()
		return
	}
	s.in = append(s.in, data...)
	s.readers.wake()
}

// finish tells the peer that this end sends no more.
func (s *stream) finish() {
	if s.shut || s.dead {
		return
	}
	s.shut = true
	s.writers.wake()
	if s.tcp != nil {
		s.push(segment{fin: true})
		return
	}
	s.peer.eof = true
	s.peer.readers.wake()
}

// reset ends this end with an error.
func (s *stream) reset(errno syscall.Errno) {
	if s.dead {
		return
	}
	s.dead, s.err = true, errno
	if s.tcp != nil {
		s.tcp.stop(s)
	}
	s.readers.wake()
	s.writers.wake()
}

func (c *streamConn) CloseWrite() error {
	n := c.s.h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.closed {
		return c.fail("close", net.ErrClosed)
	}
	if c.s.dead {
		return c.fail("close", os.NewSyscallError("shutdown", syscall.ENOTCONN))
	}
	c.s.finish()
	return nil
}

func (c *streamConn) CloseRead() error {
	n := c.s.h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.closed {
		return c.fail("close", net.ErrClosed)
	}
	c.s.shutRead = true
	c.s.in = nil
	c.s.readers.wake()
	c.s.peer.writers.wake()
	return nil
}

func (c *streamConn) Close() error {
	n := c.s.h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.closed {
		return c.fail("close", net.ErrClosed)
	}
	c.release()
	return nil
}

func (c *streamConn) release() {
	s := c.s
	c.closed = true
	delete(c.sys.open, c)
	s.readers.wake()
	s.writers.wake()
	s.unref()
}

// unref ends the stream with its last descriptor.
func (s *stream) unref() {
	if s.refs--; s.refs > 0 {
		return
	}
	for _, o := range s.carried {
		o.unref()
	}
	unread := len(s.in) > 0
	s.in, s.carried = nil, nil
	switch {
	case s.dead:
	case s.tcp != nil && unread: // RFC 2525 section 2.17
		s.abort()
	case s.tcp != nil:
		s.finish()
	default:
		s.finish()
		if unread {
			s.peer.err = syscall.ECONNRESET
			s.peer.readers.wake()
		}
		s.peer.writers.wake()
	}
}

func (c *streamConn) LocalAddr() net.Addr  { return c.s.local }
func (c *streamConn) RemoteAddr() net.Addr { return c.s.remote }

// PeerCred returns who opened the other end, or listened there.
func (c *streamConn) PeerCred() (host.SenderCred, error) {
	if c.s.network != "unix" {
		return host.SenderCred{}, c.fail("getsockopt", syscall.EOPNOTSUPP)
	}
	return c.s.other, nil
}

func (c *streamConn) SetDeadline(t time.Time) error      { return c.setDeadlines(t, &c.rd, &c.wd) }
func (c *streamConn) SetReadDeadline(t time.Time) error  { return c.setDeadlines(t, &c.rd) }
func (c *streamConn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, &c.wd) }

func (c *streamConn) setDeadlines(t time.Time, list ...*deadline) error {
	n := c.s.h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.closed {
		return c.fail("set", net.ErrClosed)
	}
	for _, d := range list {
		d.at(t)
	}
	c.s.readers.wake()
	c.s.writers.wake()
	return nil
}

// listener is a listening tcp or unix socket.
type listener struct {
	sys     *sys
	network string
	addr    net.Addr
	cred    host.SenderCred
	bound   *bound // tcp
	inode   inode  // unix
	name    string // abstract unix

	queue   []*stream // connections that nobody has accepted
	closed  bool
	waiters waiters
	callers waiters // dials that wait for room in the queue
	rd      deadline
}

// backlog is how many connections wait to be accepted (net.core.somaxconn).
const backlog = 4096

func (l *listener) Accept() (net.Conn, error) {
	n := l.sys.h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	for {
		if l.closed {
			return nil, opError("accept", l.network, nil, l.addr, net.ErrClosed)
		}
		if l.rd.passed() {
			return nil, opError("accept", l.network, nil, l.addr, os.ErrDeadlineExceeded)
		}
		if len(l.queue) > 0 {
			s := l.queue[0]
			l.queue = l.queue[1:]
			l.callers.wake()
			c := s.descriptor(l.sys)
			s.refs-- // the queue's
			return c, nil
		}
		if err := n.wait(l.sys.ctx, &l.waiters, l.rd); err != nil && err != os.ErrDeadlineExceeded {
			return nil, opError("accept", l.network, nil, l.addr, net.ErrClosed)
		}
	}
}

// enqueue adds a connection; the queue holds it open. The caller holds mu.
func (l *listener) enqueue(s *stream) {
	s.refs++
	l.queue = append(l.queue, s)
	l.waiters.wake()
}

func (l *listener) Close() error {
	n := l.sys.h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if l.closed {
		return opError("close", l.network, nil, l.addr, net.ErrClosed)
	}
	l.release()
	return nil
}

func (l *listener) release() {
	l.closed = true
	delete(l.sys.open, l)
	l.waiters.wake()
	l.callers.wake()
	for _, s := range l.queue {
		s.refs--
		if s.tcp != nil {
			s.abort()
		} else {
			s.finish()
			s.peer.err = syscall.ECONNRESET
			s.peer.readers.wake()
			s.peer.writers.wake()
		}
	}
	l.queue = nil
	if l.bound != nil {
		l.sys.h.unbind(l.network, l.bound)
	} else {
		l.sys.h.unbindUnix(l.inode, l.name, l)
	}
}

func (l *listener) Addr() net.Addr { return l.addr }

// SetDeadline sets when Accept gives up, on the host's clock.
func (l *listener) SetDeadline(t time.Time) error {
	n := l.sys.h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	l.rd.at(t)
	l.waiters.wake()
	return nil
}
