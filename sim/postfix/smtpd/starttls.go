package smtpd

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"

	"enshu/sim/postfix/maillog"
)

func (c *session) cmdSTARTTLS(ctx context.Context, arg string) bool {
	if c.cert == nil {
		c.reply(ctx, "502 5.5.1 Error: command not implemented")
		return false
	}
	switch {
	case arg != "":
		c.reply(ctx, "501 5.5.4 Syntax: STARTTLS")
		return false
	case c.tls:
		c.reply(ctx, "554 5.5.1 Error: TLS already active")
		return false
	}
	c.reply(ctx, "220 2.0.0 Ready to start TLS")
	if !c.secure() {
		return false
	}
	c.reset()
	c.helo, c.esmtp, c.user, c.mechanism = "", false, "", ""
	return true
}

// secure does the TLS handshake. false means that the session is over.
func (c *session) secure() bool {
	c.conn.SetDeadline(c.Proc.Now().Add(c.Conf.Time("smtpd_starttls_timeout")))
	under := net.Conn(c.conn)
	if c.Conf.Bool("smtpd_tls_wrappermode") {
		under = &bufferedConn{c.conn, c.r}
	} else {
		// What was sent in clear after STARTTLS is thrown away (CVE-2011-0411).
		c.r.Discard(c.r.Buffered())
	}
	conn := tls.Server(under, &tls.Config{Certificates: []tls.Certificate{*c.cert}, Time: c.Proc.Now})
	if err := conn.Handshake(); err != nil {
		c.Log.Info("SSL_accept error from %s: -1", c.namaddr())
		if !c.Conf.Bool("smtpd_tls_wrappermode") {
			c.Log.Info("lost connection after STARTTLS from %s", c.namaddr())
		}
		c.fatal = errLost
		return false
	}
	if c.Conf.Int("smtpd_tls_loglevel") > 0 {
		c.Log.Info("Anonymous TLS connection established from %s: %s", c.namaddr(), maillog.TLSSession(conn.ConnectionState(), c.cert.Leaf))
	}
	c.conn, c.r, c.tls = conn, bufio.NewReaderSize(conn, 4096), true
	return true
}

// bufferedConn is a connection of which something has been read already.
type bufferedConn struct {
	net.Conn
	r *bufio.Reader
}

func (b *bufferedConn) Read(p []byte) (int, error) { return b.r.Read(p) }
