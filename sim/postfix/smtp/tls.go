package smtp

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"time"

	"enshu/sim/postfix/maillog"
	"enshu/sim/postfix/service"
)

// startTLS encrypts the session (RFC 3207).
func (s *session) startTLS(level string) error {
	if err := s.send("STARTTLS"); err != nil {
		return s.broken(err, "performing the STARTTLS handshake")
	}
	rep, err := s.read("performing the STARTTLS handshake")
	if err != nil {
		return err
	}
	if rep.code/100 != 2 {
		if level == "may" {
			return nil
		}
		return talkError{f: s.refused(rep, "STARTTLS")}
	}
	config := &tls.Config{ServerName: s.host.name, InsecureSkipVerify: true, Time: s.Proc.Now}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.roots)
	if level == "verify" || level == "secure" {
		config.InsecureSkipVerify, config.RootCAs = false, pool
	}
	conn := tls.Client(s.conn, config)
	if err := conn.Handshake(); err != nil {
		s.Log.Info("SSL_connect error to %s:%d: -1", s.name(), s.port)
		return talkError{f: service.Fate{Status: "4.7.5", Text: "Cannot start TLS: handshake failure"}}
	}
	if s.Conf.Int("smtp_tls_loglevel") > 0 {
		state, trust := conn.ConnectionState(), "Verified"
		if config.InsecureSkipVerify {
			trust = trusted(state.PeerCertificates, pool, s.Proc.Now())
		}
		s.Log.Info("%s TLS connection established to %s:%d: %s", trust, s.name(), s.port, maillog.TLSSession(state, state.PeerCertificates[0]))
	}
	s.conn, s.r, s.tls = conn, bufio.NewReaderSize(conn, 4096), true
	return s.hello()
}

// trusted says whether a chain of certificates leads to one of the roots, as the
// log has it.
func trusted(chain []*x509.Certificate, roots *x509.CertPool, now time.Time) string {
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	if _, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now}); err != nil {
		return "Untrusted"
	}
	return "Trusted"
}
