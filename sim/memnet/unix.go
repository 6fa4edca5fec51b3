package memnet

import (
	"context"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"enshu/sim/host"
)

func (s *sys) sender() host.SenderCred {
	return host.SenderCred{PID: s.pid, UID: s.cred.UID, GID: s.cred.GID}
}

// sunPath is the longest path of a unix socket (unix(7)).
const sunPath = 107

// bindUnix makes the file of a socket, or takes an abstract name ("@name").
// The caller holds the network's mu.
func (s *sys) bindUnix(name string, who any) (inode, syscall.Errno) {
	h := s.h
	if name == "" || len(name) > sunPath {
		return inode{}, syscall.EINVAL
	}
	if strings.HasPrefix(name, "@") {
		if h.abstract[name] != nil {
			return inode{}, syscall.EADDRINUSE
		}
		h.abstract[name] = who
		return inode{}, 0
	}
	nd, errno := s.create(name)
	if errno == syscall.EEXIST {
		errno = syscall.EADDRINUSE
	}
	if errno != 0 {
		return inode{}, errno
	}
	if err := syscall.Mknod(h.disk.at(nd.name), syscall.S_IFSOCK|0o600, 0); err != nil {
		return inode{}, errnoOf(err)
	}
	if err := s.adopt(&nd, 0o777&^s.umask); err != nil {
		return inode{}, errnoOf(err)
	}
	st, errno := h.disk.lstat(nd.name)
	if errno == 0 {
		h.unix[inodeOf(&st)] = who
	}
	return inodeOf(&st), errno
}

// unbindUnix forgets a socket; its file stays, as the kernel leaves it.
func (h *Host) unbindUnix(ino inode, name string, who any) {
	if name != "" && h.abstract[name] == who {
		delete(h.abstract, name)
	}
	if h.unix[ino] == who {
		delete(h.unix, ino)
	}
}

// findUnix returns the socket behind a name. The caller holds the network's mu.
func (s *sys) findUnix(name string) (any, syscall.Errno) {
	if name == "" || len(name) > sunPath {
		return nil, syscall.EINVAL
	}
	if errno := s.alive(); errno != 0 {
		return nil, errno
	}
	if strings.HasPrefix(name, "@") {
		if who := s.h.abstract[name]; who != nil {
			return who, 0
		}
		return nil, syscall.ECONNREFUSED
	}
	nd, errno := s.find(name, true)
	if errno != 0 {
		return nil, errno
	}
	if !may(&s.cred, &nd.st, mayWrite) {
		return nil, syscall.EACCES
	}
	who := s.h.unix[inodeOf(&nd.st)]
	if who == nil {
		return nil, syscall.ECONNREFUSED
	}
	return who, 0
}

func abstractName(name string) string {
	if strings.HasPrefix(name, "@") {
		return name
	}
	return ""
}

func (s *sys) listenUnix(name string) (*listener, error) {
	n := s.h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	l := &listener{sys: s, network: "unix", addr: &net.UnixAddr{Net: "unix", Name: name},
		name: abstractName(name), cred: s.sender(), rd: deadline{clock: s.h.Clock}}
	var errno syscall.Errno
	if l.inode, errno = s.bindUnix(name, l); errno != 0 {
		return nil, errno
	}
	s.hold(l)
	return l, nil
}

func (s *sys) dialUnix(ctx context.Context, name string) (*streamConn, error) {
	n := s.h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	who, errno := s.findUnix(name)
	if errno != 0 {
		return nil, errno
	}
	l, ok := who.(*listener)
	if !ok {
		return nil, syscall.EPROTOTYPE
	}
	ctx, stop := s.either(ctx)
	defer stop()
	for !l.closed && len(l.queue) >= backlog {
		if err := n.wait(ctx, &l.callers, deadline{}); err != nil {
			return nil, err
		}
	}
	if l.closed {
		return nil, syscall.ECONNREFUSED
	}
	unnamed := &net.UnixAddr{Net: "unix"}
	a := &stream{h: s.h, network: "unix", local: unnamed, remote: l.addr, cred: s.sender(), other: l.cred}
	b := &stream{h: s.h, network: "unix", local: l.addr, remote: unnamed, cred: l.cred, other: s.sender()}
	a.peer, b.peer = b, a
	l.enqueue(b)
	return a.descriptor(s), nil
}

// gramSocket is a unix datagram socket. The network's mu guards it.
type gramSocket struct {
	h     *Host
	name  string // "" when unnamed
	inode inode
	peer  *gramSocket // it is connected to
	to    string      // the name of peer
	refs  int

	in      []gram
	readers waiters
	writers waiters // wait for room in this socket
}

type gram struct {
	data []byte
	from string
	cred host.SenderCred
}

// gramQueue is how many datagrams a socket holds before senders wait
// (net.unix.max_dgram_qlen, as systemd sets it); gramMax is the largest.
const (
	gramQueue = 512
	gramMax   = 212960
)

// gramConn is a descriptor of a unix datagram socket.
type gramConn struct {
	s      *gramSocket
	sys    *sys
	closed bool
	rd, wd deadline
}

var (
	_ net.Conn      = (*gramConn)(nil)
	_ host.CredConn = (*gramConn)(nil)
)

func (s *gramSocket) descriptor(p *sys) *gramConn {
	s.refs++
	c := &gramConn{s: s, sys: p, rd: deadline{clock: p.h.Clock}, wd: deadline{clock: p.h.Clock}}
	p.hold(c)
	return c
}

func (c *gramConn) dup(p *sys) *gramConn {
	n := c.s.h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.closed {
		return c
	}
	return c.s.descriptor(p)
}

func (s *sys) listenGram(name string) (*gramConn, error) {
	n := s.h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	g := &gramSocket{h: s.h, name: name}
	var errno syscall.Errno
	if g.inode, errno = s.bindUnix(name, g); errno != 0 {
		return nil, errno
	}
	return g.descriptor(s), nil
}

func (s *sys) dialGram(name string) (*gramConn, error) {
	n := s.h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	peer, errno := s.findGram(name)
	if errno != 0 {
		return nil, errno
	}
	g := &gramSocket{h: s.h, peer: peer, to: name}
	return g.descriptor(s), nil
}

func (s *sys) findGram(name string) (*gramSocket, syscall.Errno) {
	who, errno := s.findUnix(name)
	if errno != 0 {
		return nil, errno
	}
	g, ok := who.(*gramSocket)
	if !ok {
		return nil, syscall.EPROTOTYPE
	}
	return g, 0
}

func (c *gramConn) fail(op, to string, err error) error {
	var remote net.Addr
	if to != "" {
		remote = gramAddr(to)
	}
	return opError(op, "unixgram", c.LocalAddr(), remote, err)
}

func gramAddr(name string) *net.UnixAddr { return &net.UnixAddr{Net: "unixgram", Name: name} }

func (c *gramConn) Write(b []byte) (int, error) {
	n := c.s.h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.s.peer == nil {
		return 0, c.fail("write", "", syscall.ENOTCONN)
	}
	return c.send(b, c.s.peer, c.s.to)
}

func (c *gramConn) WriteTo(b []byte, addr net.Addr) (int, error) {
	n := c.s.h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.s.peer != nil {
		return 0, c.fail("write", c.s.to, net.ErrWriteToConnected)
	}
	a, ok := addr.(*net.UnixAddr)
	if !ok || a == nil {
		return 0, c.fail("write", "", syscall.EINVAL)
	}
	to, errno := c.sys.findGram(a.Name)
	if errno != 0 {
		return 0, c.fail("write", a.Name, os.NewSyscallError("sendto", errno))
	}
	return c.send(b, to, a.Name)
}

// send hands a datagram over, waiting for room. The caller holds mu.
func (c *gramConn) send(b []byte, to *gramSocket, name string) (int, error) {
	n := c.s.h.net
	if len(b) > gramMax {
		return 0, c.fail("write", name, syscall.EMSGSIZE)
	}
	for {
		var err error
		switch {
		case c.closed:
			err = net.ErrClosed
		case to.refs == 0:
			err = syscall.ECONNREFUSED
		case to.peer != nil && to.peer != c.s:
			err = syscall.EPERM
		case c.wd.passed():
			err = os.ErrDeadlineExceeded
		case len(to.in) < gramQueue:
			to.in = append(to.in, gram{append([]byte(nil), b...), c.s.name, c.sys.sender()})
			to.readers.wake()
			return len(b), nil
		default:
			err = n.wait(c.sys.ctx, &to.writers, c.wd)
			if err == nil || err == os.ErrDeadlineExceeded {
				continue
			}
			err = net.ErrClosed
		}
		return 0, c.fail("write", name, err)
	}
}

func (c *gramConn) recv(b []byte) (int, gram, error) {
	s, n := c.s, c.s.h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	for {
		var err error
		switch {
		case c.closed:
			err = net.ErrClosed
		case c.rd.passed():
			err = os.ErrDeadlineExceeded
		case len(s.in) > 0:
			g := s.in[0]
			s.in = s.in[1:]
			s.writers.wake()
			return copy(b, g.data), g, nil
		default:
			err = n.wait(c.sys.ctx, &s.readers, c.rd)
			if err == nil || err == os.ErrDeadlineExceeded {
				continue
			}
			err = net.ErrClosed
		}
		return 0, gram{}, c.fail("read", s.to, err)
	}
}

func (c *gramConn) Read(b []byte) (int, error) {
	k, _, err := c.recv(b)
	return k, err
}

func (c *gramConn) ReadFrom(b []byte) (int, net.Addr, error) {
	k, from, _, err := c.ReadFromCred(b)
	return k, from, err
}

// ReadFromCred is ReadFrom that tells who sent; from is nil when the sender's
// socket has no name.
func (c *gramConn) ReadFromCred(b []byte) (int, net.Addr, host.SenderCred, error) {
	k, g, err := c.recv(b)
	if err != nil || g.from == "" {
		return k, nil, g.cred, err
	}
	return k, gramAddr(g.from), g.cred, nil
}

func (c *gramConn) Close() error {
	n := c.s.h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.closed {
		return c.fail("close", c.s.to, net.ErrClosed)
	}
	c.release()
	return nil
}

func (c *gramConn) release() {
	s := c.s
	c.closed = true
	delete(c.sys.open, c)
	s.readers.wake()
	if s.peer != nil {
		s.peer.writers.wake()
	}
	if s.refs--; s.refs == 0 {
		s.in = nil
		s.writers.wake()
		s.h.unbindUnix(s.inode, abstractName(s.name), s)
	}
}

func (c *gramConn) LocalAddr() net.Addr { return gramAddr(c.s.name) }

func (c *gramConn) RemoteAddr() net.Addr {
	if c.s.peer == nil {
		return nil
	}
	return gramAddr(c.s.to)
}

func (c *gramConn) SetDeadline(t time.Time) error      { return c.setDeadlines(t, &c.rd, &c.wd) }
func (c *gramConn) SetReadDeadline(t time.Time) error  { return c.setDeadlines(t, &c.rd) }
func (c *gramConn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, &c.wd) }

func (c *gramConn) setDeadlines(t time.Time, list ...*deadline) error {
	n := c.s.h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.closed {
		return c.fail("set", c.s.to, net.ErrClosed)
	}
	for _, d := range list {
		d.at(t)
	}
	c.s.readers.wake()
	if c.s.peer != nil {
		c.s.peer.writers.wake()
	}
	return nil
}
