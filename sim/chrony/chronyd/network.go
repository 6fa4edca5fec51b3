package chronyd

import (
	"errors"
	"math"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"enshu/sim/chrony/conf"
	"enshu/sim/chrony/polling"
	"enshu/sim/host"
	"enshu/sim/trace"
	"enshu/sim/wire/ntp"
)

// serverSocket is an open UDP port of the NTP service.
type serverSocket struct {
	conn  serverConn
	local netip.Addr // not valid when bound to all addresses
}

// serverConn is what the host gives for a UDP port.
type serverConn interface {
	net.PacketConn
	host.BatchConn
}

// network names a protocol over IPv4 or IPv6.
func network(protocol string, fam int) string { return protocol + [2]string{"4", "6"}[fam] }

// bindTo returns the address to bind to, "" for all.
func bindTo(a netip.Addr, port int) string {
	host := ""
	if a.IsValid() {
		host = a.String()
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// updateServerSockets opens the NTP port while some client is allowed or a
// peer is configured, and closes it otherwise.
func (d *daemon) updateServerSockets() {
	for fam := range d.ntpConns {
		want := d.conf.Port > 0 && d.conf.Port < 1<<16 && !d.once() && (d.access.Any(fam) || d.hasPeer(fam))
		if d.opts.ipv4 && fam == 1 || d.opts.ipv6 && fam == 0 {
			want = false
		}
		have := d.ntpConns[fam]
		switch {
		case want && have == nil:
			d.ntpConns[fam] = d.openServer(fam, d.conf.BindNTP[fam], d.conf.Port)
		case !want && have != nil:
			have.conn.Close()
			d.ntpConns[fam] = nil
		}
	}
}

func (d *daemon) hasPeer(fam int) bool {
	for _, s := range d.sources {
		if s.assoc != nil && s.cfg.Kind == conf.Peer && conf.Family(s.ip()) == fam {
			return true
		}
	}
	return false
}

// openAcquisition opens the port from which all servers are asked
// (acquisitionport), unless that is the one of our own service.
func (d *daemon) openAcquisition() {
	for fam := range d.acqConns {
		if d.conf.AcqPort < 0 || d.conf.AcqPort >= 1<<16 || d.conf.AcqPort == d.conf.Port && d.ntpConns[fam] != nil ||
			d.opts.ipv4 && fam == 1 || d.opts.ipv6 && fam == 0 {
			continue
		}
		d.acqConns[fam] = d.openServer(fam, d.conf.BindAcq[fam], d.conf.AcqPort)
	}
}

// openServer opens a port; it returns nil when the host has no such address.
func (d *daemon) openServer(fam int, bind netip.Addr, port int) *serverSocket {
	conn, err := d.p.Sys.ListenPacket(network("udp", fam), bindTo(bind, port))
	if err != nil {
		if fam == 0 && !errors.Is(err, syscall.EADDRNOTAVAIL) {
			d.log.error("Could not bind IPv4 NTP socket on port " + strconv.Itoa(port))
		}
		return nil
	}
	sock := &serverSocket{conn.(serverConn), bind}
	d.closers = append(d.closers, conn)
	d.p.Go(func() { d.readServer(sock) })
	return sock
}

// gulp is how many packets are read at once. Those of one gulp are answered
// together: the last of many would leave long after the time that it tells.
const gulp = 8

// readServer reads a port until it is closed.
func (d *daemon) readServer(sock *serverSocket) {
	var read, answers [gulp]host.Datagram
	for i := range read {
		read[i].Buf = make([]byte, ntp.MaxLength)
	}
	room := make([]byte, 0, gulp*ntp.MaxLength)
	for {
		n, err := sock.conn.ReadBatch(read[:], 0)
		if err != nil {
			if errors.Is(err, net.ErrClosed) || d.ctx.Err() != nil {
				return
			}
			continue // an ICMP error of an earlier answer
		}
		room = room[:0]
		out := answers[:0]
		for _, in := range read[:n] {
			u, ok := in.From.(*net.UDPAddr)
			if !ok {
				continue
			}
			peer := u.AddrPort()
			peer = netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())
			start := len(room)
			var done bool
			if room, done = d.request(room, in.Buf[:in.N], peer, in.At); !done {
				b := append([]byte(nil), in.Buf[:in.N]...)
				d.post(func() { d.packet(sock, b, peer, in.At) })
			} else if reply := room[start:]; len(reply) > 0 {
				out = append(out, host.Datagram{Buf: reply, N: len(reply), From: in.From})
			}
		}
		sock.conn.Reply(out)
	}
}

// request answers what is a request of a client: it appends the answer to room.
// It is not done when the packet is the business of the daemon's own thread.
func (d *daemon) request(room, b []byte, from netip.AddrPort, raw time.Time) (_ []byte, done bool) {
	if len(b) == 0 || ntp.Mode(b[0]&7) != ntp.Client {
		return room, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if math.Abs(d.jump(raw, d.p.Clock.Monotonic())) > jumpThreshold {
		return room, false
	}
	return d.serve(room, b, from, raw), true
}

// packet takes what came to the NTP port: requests, and what peers and
// servers asked from that port send.
func (d *daemon) packet(sock *serverSocket, b []byte, from netip.AddrPort, raw time.Time) {
	if s := d.find(from.Addr()); s != nil && s.assoc.Addr.Port() == from.Port() && len(b) > 0 {
		mode := ntp.Mode(b[0] & 7)
		if mode == ntp.Server || s.cfg.Kind == conf.Peer && (mode == ntp.SymmetricActive || mode == ntp.SymmetricPassive) {
			d.received(s, b, raw, sock.local)
			return
		}
	}
	if reply := d.serve(nil, b, from, raw); len(reply) > 0 {
		sock.conn.WriteTo(reply, net.UDPAddrFromAddrPort(from))
	}
}

// sendRequest sends a request from a port of its own, or from the port that
// the configuration says.
func (d *daemon) sendRequest(s *source, b []byte) bool {
	a := s.assoc
	fam := conf.Family(a.Addr.Addr())
	if a.Config.Kind == conf.Peer {
		d.updateServerSockets()
		return d.sendFrom(d.ntpConns[fam], a, b)
	}
	if d.conf.AcqPort >= 0 && d.conf.AcqPort < 1<<16 {
		if d.conf.AcqPort == d.conf.Port && d.ntpConns[fam] != nil {
			return d.sendFrom(d.ntpConns[fam], a, b)
		}
		return d.sendFrom(d.acqConns[fam], a, b)
	}
	s.closeConn(d)
	conn, err := d.p.Sys.Dial(d.ctx, network("udp", fam), a.Addr.String())
	if err != nil {
		d.p.Emit(trace.ConnectFailed, trace.Attrs{"to": a.Addr.String(), "over": "udp", "error": err.Error()})
		return false
	}
	s.conn = conn
	a.LocalTx = d.cooked() // opening the socket may have taken a while
	if _, err := conn.Write(b); err != nil {
		s.closeConn(d)
		return false
	}
	local := localOf(conn)
	d.p.Go(func() { d.readAnswers(s, conn, local) })
	// After the longest delay that a good answer may have, nobody listens any more.
	s.closing = d.after(a.Config.MaxDelay+polling.MaxServerTime, func() { s.closeConn(d) })
	return true
}

func localOf(conn net.Conn) netip.Addr {
	if u, ok := conn.LocalAddr().(*net.UDPAddr); ok {
		return u.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

func (d *daemon) sendFrom(sock *serverSocket, a *polling.Association, b []byte) bool {
	if sock == nil {
		return false
	}
	if !a.Local.IsValid() {
		a.Local = sock.local
		if conn, err := d.p.Sys.Dial(d.ctx, network("udp", conf.Family(a.Addr.Addr())), a.Addr.String()); err == nil && !a.Local.IsValid() {
			a.Local = localOf(conn)
			conn.Close()
		}
	}
	a.LocalTx = d.cooked()
	_, err := sock.conn.WriteTo(b, net.UDPAddrFromAddrPort(a.Addr))
	return err == nil
}

// readAnswers reads the answers to one request.
func (d *daemon) readAnswers(s *source, conn net.Conn, local netip.Addr) {
	buf := make([]byte, ntp.MaxLength)
	for refused := 0; refused < 2; {
		n, _, raw, err := conn.(host.StampConn).ReadFromAt(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) || d.ctx.Err() != nil {
				return
			}
			refused++ // an ICMP error, as from a closed port
			continue
		}
		b := append([]byte(nil), buf[:n]...)
		d.post(func() {
			if s.conn == conn {
				d.received(s, b, raw, local)
			}
		})
	}
}
