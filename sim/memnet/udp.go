package memnet

import (
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"enshu/sim/host"
)

// udpSocket is a udp socket. The network's mu guards it.
type udpSocket struct {
	h       *Host
	network string
	bound   *bound
	owner   *sys // who opened it
	refs    int

	in      []datagram
	held    int           // bytes of in, with what the kernel adds to each
	err     syscall.Errno // told once
	readers waiters
}

type datagram struct {
	data []byte
	from netip.AddrPort
	at   time.Time // when it came, on the receiver's clock
}

// A socket holds this many bytes (net.core.rmem_default), a datagram counting
// for its data and the kernel's own structures.
const (
	udpBuffer   = 212992
	udpOverhead = 768
	udpMax4     = 65507
	udpMax6     = 65527
)

// udpConn is a descriptor of a udp socket, connected or not.
type udpConn struct {
	s      *udpSocket
	sys    *sys
	closed bool
	rd     deadline
}

var (
	_ net.Conn       = (*udpConn)(nil)
	_ net.PacketConn = (*udpConn)(nil)
	_ host.StampConn = (*udpConn)(nil)
	_ host.BatchConn = (*udpConn)(nil)
)

func (s *udpSocket) descriptor(p *sys) *udpConn {
	s.refs++
	c := &udpConn{s: s, sys: p, rd: deadline{clock: p.h.Clock}}
	p.hold(c)
	return c
}

func (c *udpConn) dup(p *sys) *udpConn {
	n := c.s.h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.closed {
		return c
	}
	return c.s.descriptor(p)
}

func (s *sys) listenUDP(network, addr string) (*udpConn, error) {
	a, err := parseAddr(network, addr)
	if err != nil {
		return nil, err
	}
	return s.openUDP(network, &bound{local: a})
}

func (s *sys) dialUDP(network, addr string) (*udpConn, error) {
	dst, err := parseAddr(network, addr)
	if err != nil {
		return nil, err
	}
	dst = loopbackFor(dst)
	src, errno := s.h.source(dst.Addr())
	if errno != 0 {
		return nil, errno
	}
	return s.openUDP(network, &bound{local: netip.AddrPortFrom(src, 0), remote: dst})
}

func (s *sys) openUDP(network string, b *bound) (*udpConn, error) {
	if errno := s.alive(); errno != 0 {
		return nil, errno
	}
	n := s.h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	u := &udpSocket{h: s.h, network: network, bound: b, owner: s}
	b.who = u
	if errno := s.bind(network, b, false); errno != 0 {
		return nil, errno
	}
	return u.descriptor(s), nil
}

func (c *udpConn) fail(op string, to netip.AddrPort, err error) error {
	return opError(op, c.s.network, c.LocalAddr(), netAddr(c.s.network, to), err)
}

func (c *udpConn) WriteTo(b []byte, addr net.Addr) (int, error) {
	if c.s.bound.remote.IsValid() {
		return 0, c.fail("write", c.s.bound.remote, net.ErrWriteToConnected)
	}
	var to netip.AddrPort
	if a, ok := addr.(*net.UDPAddr); ok && a != nil {
		to = a.AddrPort()
		to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	} else if addr != nil {
		to, _ = netip.ParseAddrPort(addr.String())
	}
	if !to.IsValid() {
		return 0, c.fail("write", to, syscall.EDESTADDRREQ)
	}
	return c.send(b, to)
}

func (c *udpConn) Write(b []byte) (int, error) {
	if !c.s.bound.remote.IsValid() {
		return 0, c.fail("write", netip.AddrPort{}, syscall.EDESTADDRREQ)
	}
	return c.send(b, c.s.bound.remote)
}

func (c *udpConn) send(b []byte, to netip.AddrPort) (int, error) {
	s, n := c.s, c.s.h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.closed {
		return 0, c.fail("write", to, net.ErrClosed)
	}
	if s.err != 0 {
		errno := s.err
		s.err = 0
		return 0, c.fail("write", to, os.NewSyscallError("write", errno))
	}
	if limit := map[bool]int{true: udpMax4, false: udpMax6}[s.bound.local.Addr().Is4()]; len(b) > limit {
		return 0, c.fail("write", to, syscall.EMSGSIZE)
	}
	to = loopbackFor(to)
	src := s.bound.local
	if to.Addr().Is4() != src.Addr().Is4() {
		return 0, c.fail("write", to, syscall.EAFNOSUPPORT)
	}
	if src.Addr().IsUnspecified() {
		a, errno := s.h.source(to.Addr())
		if errno != 0 {
			return 0, c.fail("write", to, errno)
		}
		src = netip.AddrPortFrom(a, src.Port())
	} else if src.Addr().IsLoopback() && !s.h.owns(to.Addr()) {
		return 0, c.fail("write", to, syscall.EINVAL)
	}
	data := append([]byte(nil), b...)
	p := n.carry(s.h, Packet{Proto: "udp", Src: src, Dst: to, Payload: data})
	switch {
	case p.atOnce != 0:
		return 0, c.fail("write", to, p.atOnce)
	case p.errno != 0:
		n.after(p.delay, func() { s.refuse(to, p.errno) })
	case p.to != nil:
		n.after(p.delay, func() {
			if u, ok := p.to.lookup(s.network, src, to).(*udpSocket); ok {
				u.receive(data, src)
				return
			}
			back := n.carry(p.to, Packet{Proto: "icmp", Src: to, Dst: src})
			if back.to != nil {
				n.after(back.delay, func() { s.refuse(to, syscall.ECONNREFUSED) })
			}
		})
	}
	return len(b), nil
}

// refuse notes an error that came back; only a connected socket hears of it (udp(7)).
func (s *udpSocket) refuse(to netip.AddrPort, errno syscall.Errno) {
	if s.refs > 0 && s.bound.remote == to {
		s.err = errno
		s.readers.wake()
	}
}

func (s *udpSocket) receive(data []byte, from netip.AddrPort) {
	if s.held+len(data)+udpOverhead > udpBuffer {
		return
	}
	s.held += len(data) + udpOverhead
	s.in = append(s.in, datagram{data, from, s.h.Clock.Now()})
	s.readers.wake()
}

func (c *udpConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, _, err := c.ReadFromAt(b)
	return n, from, err
}

func (c *udpConn) ReadFromAt(b []byte) (int, net.Addr, time.Time, error) {
	n, d, err := c.recv(b)
	if err != nil {
		return 0, nil, time.Time{}, err
	}
	return n, net.UDPAddrFromAddrPort(d.from), d.at, nil
}

// ReadBatch is host.BatchConn's.
func (c *udpConn) ReadBatch(list []host.Datagram, _ time.Duration) (n int, err error) {
	for n < len(list) {
		d := &list[n]
		if d.N, d.From, d.At, err = c.ReadFromAt(d.Buf); err != nil {
			return 0, err
		}
		n++
		c.s.h.net.mu.Lock()
		more := len(c.s.in) > 0 && !c.closed
		c.s.h.net.mu.Unlock()
		if !more {
			break
		}
	}
	return n, nil
}

// Reply is host.BatchConn's.
func (c *udpConn) Reply(list []host.Datagram) {
	for _, d := range list {
		c.WriteTo(d.Buf[:d.N], d.From)
	}
}

func (c *udpConn) Read(b []byte) (int, error) {
	n, _, err := c.recv(b)
	return n, err
}

func (c *udpConn) recv(b []byte) (int, datagram, error) {
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
		case s.err != 0:
			err = os.NewSyscallError("read", s.err)
			s.err = 0
		case len(s.in) > 0:
			d := s.in[0]
			s.in = s.in[1:]
			s.held -= len(d.data) + udpOverhead
			return copy(b, d.data), d, nil
		default:
			err = n.wait(c.sys.ctx, &s.readers, c.rd)
			if err == nil || err == os.ErrDeadlineExceeded {
				continue
			}
			err = net.ErrClosed
		}
		return 0, datagram{}, c.fail("read", s.bound.remote, err)
	}
}

func (c *udpConn) Close() error {
	n := c.s.h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.closed {
		return c.fail("close", c.s.bound.remote, net.ErrClosed)
	}
	c.release()
	return nil
}

func (c *udpConn) release() {
	c.closed = true
	delete(c.sys.open, c)
	c.s.readers.wake()
	if c.s.refs--; c.s.refs == 0 {
		c.s.h.unbind(c.s.network, c.s.bound)
	}
}

func (c *udpConn) LocalAddr() net.Addr  { return netAddr(c.s.network, c.s.bound.local) }
func (c *udpConn) RemoteAddr() net.Addr { return netAddr(c.s.network, c.s.bound.remote) }

func (c *udpConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

func (c *udpConn) SetReadDeadline(t time.Time) error {
	n := c.s.h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.closed {
		return c.fail("set", c.s.bound.remote, net.ErrClosed)
	}
	c.rd.at(t)
	c.s.readers.wake()
	return nil
}

// SetWriteDeadline has no effect: a write never blocks.
func (c *udpConn) SetWriteDeadline(time.Time) error { return nil }
