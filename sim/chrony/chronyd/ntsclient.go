package chronyd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"enshu/sim/chrony/conf"
	"enshu/sim/chrony/nts"
	"enshu/sim/libc"
	"enshu/sim/trace"
	"enshu/sim/wire/candm"
	"enshu/sim/wire/ntp"
)

// ntsClient is the NTS association of a source.
type ntsClient struct {
	nts.Client
	session  uint32 // successful key establishments so far
	attempts int    // since the last one
	nak      bool   // the server did not know the last cookie
	busy     bool
	got      time.Duration // monotonic times of the last success
	next     time.Duration // and from when on the next attempt may be
}

// Seconds that a client waits for a server of keys, and before it tries again:
// twice as long each time, and longer when the fault was in the TLS session.
const (
	ntsTimeout    = 16
	ntsRetry      = 16
	ntsRetryTLS   = 1024
	ntsRetryLimit = 524288
)

// systemCerts are where distributions keep the authorities that a system trusts.
var systemCerts = []string{"/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/certs/ca-certificates.crt"}

// random fills b; the seed of the daemon decides with what.
func (d *daemon) random(b []byte) {
	for i := range b {
		b[i] = byte(d.rand.Uint32())
	}
}

// secured reports whether a request to the source can be authenticated, and gets
// keys and cookies where they are wanting.
func (d *daemon) secured(s *source) bool {
	n, now := &s.nts, d.p.Clock.Monotonic()
	expired := n.session > 0 && now-n.got > time.Duration(d.conf.NTS.Refresh)*time.Second
	if len(n.Cookies) > 0 && !expired {
		return true
	}
	if n.busy || now < n.next {
		return false
	}
	n.Cookies = nil
	n.attempts++
	n.retry(now, ntsRetry)
	roots, err := d.trusted(s.cfg.CertSet)
	if err != nil {
		d.log.error("Could not set credentials : Error while reading file.")
		n.retry(now, ntsRetryTLS)
		return false
	}
	ke := keyExchange{d: d, name: s.name, roots: roots, addr: netip.AddrPortFrom(s.ip(), uint16(s.cfg.NTSPort))}
	// A clock that was never set may be far from the dates of certificates.
	ke.undated = d.updates < d.conf.NTS.NoCertTimeCheck
	n.busy = true
	a := s.assoc
	d.p.Go(func() {
		keys, offer, err := ke.run(d.ctx)
		d.post(func() {
			n.busy = false
			if s.assoc == a && d.ctx.Err() == nil {
				d.established(s, &ke, keys, offer, err)
			}
		})
	})
	return false
}

// retry sets when keys may be asked for again.
func (n *ntsClient) retry(now time.Duration, base float64) {
	seconds := min(base*float64(uint64(1)<<min(max(n.attempts-1, 0), 20)), ntsRetryLimit)
	n.next = now + time.Duration(seconds*1e9)
}

// established takes what a server of keys gave.
func (d *daemon) established(s *source, ke *keyExchange, keys nts.Keys, offer nts.Offer, err error) {
	n, now := &s.nts, d.p.Clock.Monotonic()
	if err != nil {
		if ke.connected {
			n.retry(now, ntsRetryTLS)
		}
		if text := ke.explain(err); text != "" {
			d.log.error(text)
		}
		return
	}
	*n = ntsClient{Client: nts.Client{Keys: keys, Cookies: offer.Cookies}, session: n.session + 1, got: now, next: now}
	addr := s.assoc.Addr
	if ip, ok := conf.ParseIP(offer.Server); ok {
		addr = netip.AddrPortFrom(ip, addr.Port())
	}
	if offer.Port != 0 {
		addr = netip.AddrPortFrom(addr.Addr(), offer.Port)
	}
	if addr != s.assoc.Addr && (addr.Addr() == s.ip() || d.find(addr.Addr()) == nil) {
		s.assoc.Addr = addr
	}
}

// check judges an answer.
func (n *ntsClient) check(p *ntp.Packet, b []byte) bool {
	ok, refused := n.Check(p, b)
	n.nak = n.nak && !ok || refused
	return ok
}

// report fills in what chronyc authdata shows.
func (n *ntsClient) report(r *candm.AuthData, now time.Duration) {
	r.Attempts, r.Cookies, r.CookieLength = uint16(n.attempts), uint16(len(n.Cookies)), uint16(n.CookieLength())
	if n.nak {
		r.NAK = 1
	}
	if n.session == 0 {
		return
	}
	r.KeyID, r.KeyType, r.KeyLength = n.session, nts.Algorithm, 8*nts.KeyLength
	r.LastAttempt = uint32((now - n.got) / time.Second)
}

// trusted returns the authorities that a set of the configuration believes.
func (d *daemon) trusted(set uint32) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !d.conf.NTS.NoSystemCert && set == 0 {
		for _, name := range systemCerts {
			if text, err := libc.ReadFile(d.p, name); err == nil {
				pool.AppendCertsFromPEM(text)
			}
		}
	}
	for _, c := range d.conf.NTS.Trusted {
		if c.Set != set {
			continue
		}
		files := []string{c.Path}
		if st, err := d.p.Sys.Stat(c.Path); err == nil && st.IsDir() {
			names, err := libc.ReadDir(d.p, c.Path)
			if err != nil {
				return nil, err
			}
			files = files[:0]
			for _, n := range names {
				files = append(files, path.Join(c.Path, n))
			}
		}
		for _, f := range files {
			text, err := libc.ReadFile(d.p, f)
			if err != nil {
				return nil, err
			}
			pool.AppendCertsFromPEM(text)
		}
	}
	return pool, nil
}

// keyExchange is one session with a server of keys, in a thread of its own.
type keyExchange struct {
	d         *daemon
	name      string // as configured, which the certificate must have
	addr      netip.AddrPort
	roots     *x509.CertPool
	undated   bool // whatever the dates of certificates
	connected bool
}

var errNotNTS = errors.New("no NTS-KE")

func (k *keyExchange) run(ctx context.Context) (keys nts.Keys, o nts.Offer, err error) {
	p := k.d.p
	conn, err := p.Sys.Dial(ctx, network("tcp", conf.Family(k.addr.Addr())), k.addr.String())
	if err != nil {
		p.Emit(trace.ConnectFailed, trace.Attrs{"to": k.addr.String(), "over": "tcp", "error": err.Error()})
		return keys, o, err
	}
	defer conn.Close()
	k.connected = true
	conn.SetDeadline(p.Now().Add(ntsTimeout * time.Second))
	c := tls.Client(conn, &tls.Config{
		ServerName: k.name, MinVersion: tls.VersionTLS13, NextProtos: []string{nts.ALPN}, Time: p.Now,
		// Verified in VerifyConnection, by what the host trusts and at its time.
		InsecureSkipVerify: true, VerifyConnection: k.verify,
	})
	if err := c.Handshake(); err != nil {
		return keys, o, err
	}
	state := c.ConnectionState()
	if state.NegotiatedProtocol != nts.ALPN {
		return keys, o, errNotNTS
	}
	if _, err := c.Write(nts.Request()); err != nil {
		return keys, o, err
	}
	msg, err := nts.ReadMessage(c)
	if err != nil {
		return keys, o, err
	}
	if o, err = nts.ParseResponse(msg); err != nil {
		return keys, o, err
	}
	keys, err = nts.Export(state.ExportKeyingMaterial)
	return keys, o, err
}

func (k *keyExchange) verify(state tls.ConnectionState) error {
	leaf := state.PeerCertificates[0]
	o := x509.VerifyOptions{Roots: k.roots, DNSName: k.name, CurrentTime: k.d.p.Now(), Intermediates: x509.NewCertPool()}
	if k.undated {
		o.CurrentTime = leaf.NotBefore.Add(time.Second)
	}
	for _, c := range state.PeerCertificates[1:] {
		o.Intermediates.AddCert(c)
	}
	_, err := leaf.Verify(o)
	return err
}

// explain returns what chronyd, which uses GnuTLS, logs of a failure; "" is
// nothing.
func (k *keyExchange) explain(err error) string {
	label := fmt.Sprintf("%s (%s)", net.JoinHostPort(k.addr.Addr().String(), strconv.Itoa(int(k.addr.Port()))), k.name)
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
		timeout net.Error
	)
	untrusted := func(why string) string {
		return "TLS handshake with " + label + " failed : Error in the certificate verification. The certificate is NOT trusted. " + why + " "
	}
	switch {
	case !k.connected:
		return "Could not connect to " + label + " : " + libc.Strerror(err)
	case errors.Is(err, errNotNTS):
		return "NTS-KE not supported by " + label
	case errors.As(err, &unknown):
		return untrusted("The certificate issuer is unknown.")
	case errors.As(err, &name):
		return untrusted("The name in the certificate does not match the expected.")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && k.d.p.Now().Before(invalid.Cert.NotBefore):
		return untrusted("The certificate chain uses not yet valid certificate.")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return untrusted("The certificate chain uses expired certificate.")
	case errors.As(err, &invalid):
		return untrusted("The certificate chain violates the signer's constraints.")
	case errors.As(err, &record):
		return "TLS handshake with " + label + " failed : An unexpected TLS packet was received."
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "TLS handshake with " + label + " failed : The TLS connection was non-properly terminated."
	case errors.As(err, &timeout) && timeout.Timeout():
		return "NTS-KE session with " + label + " timed out"
	case strings.HasPrefix(err.Error(), "nts: "), errors.Is(err, fs.ErrClosed), errors.Is(err, net.ErrClosed):
		return ""
	}
	return "TLS handshake with " + label + " failed : A TLS fatal alert has been received."
}
