package chronyd

import (
	"crypto/tls"
	"net"
	"net/netip"
	"path"
	"time"

	"enshu/sim/chrony/clients"
	"enshu/sim/chrony/conf"
	"enshu/sim/chrony/nts"
	"enshu/sim/libc"
)

// ntsServer is the server's half of NTS: keys is nil when there is none.
type ntsServer struct {
	keys        *nts.Server
	certs       []tls.Certificate
	connections int
}

// ntsServerTimeout is how long a client may take for its session, seconds.
const ntsServerTimeout = 2

// ntsKeysFile is the file of ntsdumpdir that has the server's keys.
const ntsKeysFile = "ntskeys"

// openNTS begins to serve keys where the configuration has a certificate.
func (d *daemon) openNTS() {
	c := &d.conf.NTS
	if len(c.Certs) == 0 || d.once() {
		return
	}
	for i := range c.Certs {
		cert, err := libc.ReadFile(d.p, c.Certs[i])
		key, err2 := libc.ReadFile(d.p, c.Keys[i])
		var pair tls.Certificate
		if err == nil && err2 == nil {
			pair, err = tls.X509KeyPair(cert, key)
		}
		if err != nil || err2 != nil {
			d.log.error("Could not set credentials : Error while reading file.")
			return
		}
		d.nts.certs = append(d.nts.certs, pair)
	}
	now := d.p.Now()
	d.nts.keys = nts.NewServer(now, d.random)
	if c.DumpDir != "" {
		if text, err := libc.ReadFile(d.p, path.Join(c.DumpDir, ntsKeysFile)); err == nil {
			d.nts.keys.Load(string(text), now)
		}
	}
	d.saveNTS()
	d.rotateLater()
	for fam := range d.ntpConns {
		if d.opts.ipv4 && fam == 1 || d.opts.ipv6 && fam == 0 {
			continue
		}
		ln, err := d.p.Sys.Listen(network("tcp", fam), bindTo(d.conf.BindNTP[fam], c.Port))
		if err != nil {
			continue
		}
		d.closers = append(d.closers, ln)
		d.p.Go(func() { d.acceptNTS(ln) })
	}
}

// rotateLater takes the next key into use when the current one has had its time.
func (d *daemon) rotateLater() {
	rotate := d.conf.NTS.Rotate
	if rotate <= 0 {
		return
	}
	left := float64(rotate) - d.p.Now().Sub(d.nts.keys.Rotated).Seconds()
	d.after(max(left, 0), func() {
		d.nts.keys.Rotate(d.p.Now(), d.random)
		d.saveNTS()
		d.rotateLater()
	})
}

// saveNTS writes the keys where the next chronyd finds them.
func (d *daemon) saveNTS() {
	dir := d.conf.NTS.DumpDir
	if dir == "" {
		return
	}
	name := path.Join(dir, ntsKeysFile)
	if err := d.savedAs(name, []byte(d.nts.keys.Dump(d.p.Now())), 0o600); err != nil {
		d.log.error("Could not open " + name + ".tmp : " + libc.Strerror(err))
	}
}

// acceptNTS takes the connections of a port until it is closed.
func (d *daemon) acceptNTS(ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		from, ok := conn.RemoteAddr().(*net.TCPAddr)
		if !ok || !d.admit(from.AddrPort().Addr().Unmap()) {
			conn.Close()
			continue
		}
		d.p.Go(func() {
			d.giveKeys(conn)
			conn.Close()
			d.mu.Lock()
			d.nts.connections--
			d.mu.Unlock()
		})
	}
}

// admit decides whether an address gets a session.
func (d *daemon) admit(from netip.Addr) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.access.Allows(from) {
		return false
	}
	if _, drop := d.clients.Hit(clients.NTS, from, d.cooked(), d.rand); drop || d.nts.connections >= d.conf.NTS.MaxConnections {
		return false
	}
	d.nts.connections++
	return true
}

// giveKeys is a session with one client.
func (d *daemon) giveKeys(conn net.Conn) {
	conn.SetDeadline(d.p.Now().Add(ntsServerTimeout * time.Second))
	c := tls.Server(conn, &tls.Config{
		Certificates: d.nts.certs, MinVersion: tls.VersionTLS13, NextProtos: []string{nts.ALPN}, Time: d.p.Now,
	})
	if c.Handshake() != nil || c.ConnectionState().NegotiatedProtocol != nts.ALPN {
		return
	}
	msg, err := nts.ReadMessage(c)
	if err != nil {
		return
	}
	state := c.ConnectionState()
	keys, err := nts.Export(state.ExportKeyingMaterial)
	if err != nil {
		return
	}
	c.Write(nts.Respond(msg, func() nts.Offer { return d.offer(keys) }))
	c.Close()
}

// offer is what a client with these keys gets.
func (d *daemon) offer(keys nts.Keys) nts.Offer {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := nts.Offer{Server: d.conf.NTS.NTPServer}
	if d.conf.Port != conf.DefaultSource().Port {
		o.Port = uint16(d.conf.Port)
	}
	for range nts.MaxCookies {
		o.Cookies = append(o.Cookies, d.nts.keys.Cookie(keys, d.random))
	}
	return o
}
