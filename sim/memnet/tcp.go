package memnet

import (
	"context"
	"net/netip"
	"syscall"
	"time"

	"enshu/sim/clock"
)

// tcp is what a stream over tcp has besides: what it sent and the way there.
type tcp struct {
	src, dst netip.AddrPort
	out      []segment // not yet sent
	flight   []segment // sent, not yet arrived; each timer of pump brings the first
	unacked  int       // bytes written that have not arrived
	last     time.Time // when the newest segment arrives; segments keep their order
	tries    int       // that the first of out was sent in vain
	retry    *clock.Timer
	bound    *bound // the client's port
	network  string
}

// segment is data, or the end of the data.
type segment struct {
	data []byte
	fin  bool
}

// Times of Linux's TCP (tcp(7)).
const (
	synRTO     = time.Second            // TCP_TIMEOUT_INIT
	synRetries = 6                      // tcp_syn_retries: gives up after 127 s
	dataRTO    = 200 * time.Millisecond // TCP_RTO_MIN
	maxRTO     = 120 * time.Second      // TCP_RTO_MAX
	retries2   = 15                     // tcp_retries2: gives up after 924.6 s
)

func (t *tcp) packet(data []byte) Packet {
	return Packet{Proto: "tcp", Src: t.src, Dst: t.dst, Payload: data}
}

// push queues a segment and sends what can be sent. The caller holds mu.
func (s *stream) push(g segment) {
	s.tcp.unacked += len(g.data)
	s.tcp.out = append(s.tcp.out, g)
	if s.tcp.retry == nil {
		s.pump()
	}
}

// pump sends the queued segments until one is lost. The caller holds mu.
func (s *stream) pump() {
	t, n := s.tcp, s.h.net
	for len(t.out) > 0 && !s.dead {
		g := t.out[0]
		p := n.carry(s.h, t.packet(g.data))
		if p.to == nil {
			// Lost or refused: an established connection tries again (RFC 1122
			// section 4.2.3.9 has it ignore soft errors).
			if t.tries == retries2 {
				s.reset(syscall.ETIMEDOUT)
				return
			}
			wait := min(dataRTO<<t.tries, maxRTO)
			t.tries++
			t.retry = n.Line.AfterFunc(wait, func() {
				n.mu.Lock()
				defer n.mu.Unlock()
				t.retry = nil
				s.pump()
			})
			return
		}
		t.tries = 0
		t.out = t.out[1:]
		now := n.Line.Now()
		at := now.Add(p.delay)
		if at.Before(t.last) {
			at = t.last
		}
		t.last = at
		t.flight = append(t.flight, g)
		n.after(at.Sub(now), s.arrived)
	}
	if t.done(s) {
		t.stop(s)
	}
}

// arrived hands the oldest segment under way to the peer. The caller holds mu.
func (s *stream) arrived() {
	p := s.peer
	g := s.tcp.flight[0]
	s.tcp.flight = s.tcp.flight[1:]
	s.tcp.unacked -= len(g.data)
	switch {
	case p.dead:
		// The peer was reset; it says so to whoever still sends.
		if len(g.data) > 0 {
			p.sendReset()
		}
	case g.fin:
		p.eof = true
		p.readers.wake()
		if p.shut {
			p.tcp.stopIfDone(p)
		}
	case p.refs == 0:
		p.abort()
	default:
		p.receive(g.data)
	}
}

func (t *tcp) done(s *stream) bool { return len(t.out) == 0 && s.shut && s.refs == 0 && s.eof }

func (t *tcp) stopIfDone(s *stream) {
	if t.done(s) {
		t.stop(s)
	}
}

// stop frees what a connection holds of its host.
func (t *tcp) stop(s *stream) {
	t.out = nil
	if t.retry != nil {
		t.retry.Stop()
		t.retry = nil
	}
	if t.bound != nil {
		s.h.unbind(t.network, t.bound)
		t.bound = nil
	}
}

// abort ends the connection with a reset to the peer. The caller holds mu.
func (s *stream) abort() {
	s.dead = true
	s.tcp.stop(s)
	s.sendReset()
}

// sendReset sends a reset, which may be lost. The caller holds mu.
func (s *stream) sendReset() {
	n := s.h.net
	p := n.carry(s.h, s.tcp.packet(nil))
	if p.to == nil {
		return
	}
	n.after(p.delay, func() {
		errno := syscall.ECONNRESET
		if s.peer.eof {
			errno = syscall.EPIPE
		}
		s.peer.reset(errno)
	})
}

func (s *sys) listenTCP(network, addr string) (*listener, error) {
	a, err := parseAddr(network, addr)
	if err != nil {
		return nil, err
	}
	if errno := s.alive(); errno != 0 {
		return nil, errno
	}
	n := s.h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	l := &listener{sys: s, network: network, rd: deadline{clock: s.h.Clock}}
	l.bound = &bound{local: a, who: l}
	if errno := s.bind(network, l.bound, true); errno != 0 {
		return nil, errno
	}
	l.addr = netAddr(network, l.bound.local)
	s.hold(l)
	return l, nil
}

// call is a connection being made.
type call struct {
	s     *sys
	b     *bound
	dst   netip.AddrPort
	tries int
	retry *clock.Timer
	over  bool
	got   *stream
	errno syscall.Errno
	done  waiters
}

func (s *sys) dialTCP(ctx context.Context, network, addr string) (*streamConn, error) {
	dst, err := parseAddr(network, addr)
	if err != nil {
		return nil, err
	}
	if errno := s.alive(); errno != 0 {
		return nil, errno
	}
	n := s.h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	dst = loopbackFor(dst)
	src, errno := s.h.source(dst.Addr())
	if errno != 0 {
		return nil, errno
	}
	c := &call{s: s, dst: dst, b: &bound{local: netip.AddrPortFrom(src, 0), remote: dst}}
	if errno := s.bind(network, c.b, false); errno != 0 {
		if errno == syscall.EADDRINUSE {
			errno = syscall.EADDRNOTAVAIL // connect(2): all ephemeral ports are in use
		}
		return nil, errno
	}
	c.syn(network)
	ctx, stop := s.either(ctx)
	defer stop()
	for !c.over {
		if err := n.wait(ctx, &c.done, deadline{}); err != nil && !c.over {
			c.end(syscall.ECANCELED)
			s.h.unbind(network, c.b)
			return nil, err
		}
	}
	if c.errno != 0 {
		s.h.unbind(network, c.b)
		return nil, c.errno
	}
	conn := c.got.descriptor(s)
	c.got.refs-- // the call's
	return conn, nil
}

// loopbackFor: a connection to the wildcard is one to the host itself.
func loopbackFor(a netip.AddrPort) netip.AddrPort {
	switch a.Addr() {
	case netip.IPv4Unspecified():
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), a.Port())
	case netip.IPv6Unspecified():
		return netip.AddrPortFrom(netip.IPv6Loopback(), a.Port())
	}
	return a
}

// end settles the call. The caller holds mu.
func (c *call) end(errno syscall.Errno) {
	if c.over {
		return
	}
	c.over, c.errno = true, errno
	if c.retry != nil {
		c.retry.Stop()
	}
	c.done.wake()
}

// again sends the SYN again later, or gives up. The caller holds mu.
func (c *call) again(network string) {
	n := c.s.h.net
	wait := synRTO << c.tries
	c.tries++
	c.retry = n.Line.AfterFunc(wait, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		switch {
		case c.over:
		case c.tries > synRetries:
			c.end(syscall.ETIMEDOUT)
		default:
			c.syn(network)
		}
	})
}

// syn sends the SYN. The caller holds mu.
func (c *call) syn(network string) {
	n, h := c.s.h.net, c.s.h
	p := n.carry(h, Packet{Proto: "tcp", Src: c.b.local, Dst: c.dst, SYN: true})
	switch {
	case p.atOnce == syscall.ENETUNREACH:
		c.end(p.atOnce)
		return
	case p.errno != 0:
		n.after(p.delay, func() { c.end(p.errno) })
		return
	case p.to == nil:
		c.again(network)
		return
	}
	c.again(network)
	n.after(p.delay, func() {
		if c.over {
			return
		}
		l, ok := p.to.lookup(network, c.b.local, c.dst).(*listener)
		back := n.carry(p.to, Packet{Proto: "tcp", Src: c.dst, Dst: c.b.local})
		switch {
		case back.to == nil: // the client's timer rings
		case !ok:
			n.after(back.delay, func() { c.end(syscall.ECONNREFUSED) })
		case len(l.queue) >= backlog:
		default:
			n.after(back.delay, func() { c.established(network, p, l) })
		}
	})
}

// established makes both ends once the SYN-ACK is back. The caller holds mu.
func (c *call) established(network string, there passage, l *listener) {
	if c.over {
		return
	}
	n := c.s.h.net
	if l.closed {
		c.end(syscall.ECONNREFUSED)
		return
	}
	local, remote := netAddr(network, c.b.local), netAddr(network, c.dst)
	a := &stream{h: c.s.h, network: network, local: local, remote: remote,
		tcp: &tcp{src: c.b.local, dst: c.dst, bound: c.b, network: network}}
	b := &stream{h: there.to, network: network, local: remote, remote: local,
		tcp: &tcp{src: c.dst, dst: c.b.local, network: network}}
	a.peer, b.peer = b, a
	c.b.who = a
	c.got = a
	a.refs++ // the call's, until the dialler has its descriptor
	c.end(0)
	// The ACK takes as long as the SYN did; data that follow keep behind it.
	a.tcp.last = n.Line.Now().Add(there.delay)
	n.after(there.delay, func() {
		if l.closed {
			b.abort()
			return
		}
		l.enqueue(b)
	})
}
