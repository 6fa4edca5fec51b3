// Package smtp is the SMTP client, smtp(8): delivery to other hosts.
package smtp

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/postfix/conf"
	"enshu/sim/postfix/dsn"
	"enshu/sim/postfix/mailaddr"
	"enshu/sim/postfix/maillog"
	"enshu/sim/postfix/queue"
	"enshu/sim/postfix/service"
	"enshu/sim/postfix/table"
	"enshu/sim/trace"
)

// SMTP is /usr/libexec/postfix/smtp (smtp(8)): delivery to other hosts.
func SMTP(ctx context.Context, p *host.Proc) int {
	a := service.ParseArgs(p.Args[1:])
	d, err := service.New(ctx, p, "smtp", a, "smtp_connect_timeout", "smtp_helo_timeout", "smtp_mail_timeout", "smtp_rcpt_timeout",
		"smtp_data_init_timeout", "smtp_data_xfer_timeout", "smtp_data_done_timeout", "smtp_quit_timeout", "smtp_rset_timeout")
	if err != nil {
		return 1
	}
	var roots []byte
	if p.Stdin != nil {
		roots, _ = io.ReadAll(p.Stdin)
	}
	roots, tables := service.SplitCredentials(roots)
	passwords := passwordTables(p, d.Conf, d.Log, tables)
	idle := &kept{p: p, idle: map[string][]*session{}}
	return d.ServeDeliveries(ctx, a.Socket, func(ctx context.Context, x *service.Delivery) {
		c := &client{Delivery: x, roots: roots, passwords: passwords, kept: idle, left: x.Req.Recipients}
		c.deliver(ctx)
	})
}

// client is one request of smtp(8).
type client struct {
	*service.Delivery
	roots     []byte
	passwords table.Maps
	kept      *kept
	keeps     bool              // the connection is kept
	left      []queue.Recipient // not dealt with yet
	last      service.Fate      // why the last host did not do
	unreached bool              // and that was not about this message
	relay     string            // shown for the recipients that are left at the end
}

// mxHost is one address to try.
type mxHost struct {
	name string
	addr netip.Addr
	pref int
}

// parseNexthop splits "[host]:port", "host:port", "domain".
func parseNexthop(s, defaultPort string) (name string, port int, noMX bool) {
	portText := defaultPort
	if strings.HasPrefix(s, "[") {
		noMX = true
		end := strings.IndexByte(s, ']')
		if end < 0 {
			end = len(s)
		}
		if rest := s[min(end+1, len(s)):]; strings.HasPrefix(rest, ":") {
			portText = rest[1:]
		}
		name = s[1:end]
	} else if at := strings.LastIndexByte(s, ':'); at >= 0 {
		name, portText = s[:at], s[at+1:]
	} else {
		name = s
	}
	if p, ok := conf.Ports[portText]; ok {
		return name, p, noMX
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		port = 25
	}
	return name, port, noMX
}

func (c *client) deliver(ctx context.Context) {
	c.relay = "none"
	name, port, noMX := parseNexthop(c.Req.Nexthop, c.Conf.Get("smtp_tcp_port"))
	if c.Req.Reuse && c.deliverOverKept(ctx) {
		return
	}
	hosts, f := c.lookup(ctx, name, noMX)
	if f.Status != "" {
		// A relayhost that is not found is this host's mistake, not the sender's:
		// the mail waits until it is mended.
		if f.Status[0] == '5' && c.Req.Nexthop == c.Conf.Get("relayhost") {
			c.Log.Warning("relayhost configuration problem")
			f.Status = "4.3.5"
		}
		c.unreached = true
		c.giveUp(f)
		return
	}
	sessions := 0
	for i, h := range hosts {
		if i >= c.Conf.Int("smtp_mx_address_limit") || sessions >= c.Conf.Int("smtp_mx_session_limit") || len(c.left) == 0 || ctx.Err() != nil {
			break
		}
		conn, err := c.connect(ctx, h, port)
		if err != nil {
			text := fmt.Sprintf("connect to %s[%s]:%d: %s", h.name, h.addr, port, connectError(err))
			c.Log.Info("%s", text)
			c.Log.Emit(trace.ConnectFailed, trace.Attrs{"to": netip.AddrPortFrom(h.addr, uint16(port)).String(), "over": "tcp", "error": connectError(err)})
			c.last, c.relay, c.unreached = service.Fate{Status: "4.4.1", Text: text}, "none", true
			continue
		}
		sessions++
		c.Settled = c.Proc.Now()
		s := &session{client: c, conn: conn, r: bufio.NewReaderSize(conn, 4096), host: h, port: port, domain: name}
		s.run(ctx, s.greet)
	}
	if ctx.Err() == nil && len(c.left) > 0 {
		c.giveUp(c.last)
	}
}

// deliverOverKept delivers over a connection that was kept. When the server has
// closed it meanwhile, nothing is said of that, and false says that it needs a new
// one.
func (c *client) deliverOverKept(ctx context.Context) bool {
	s := c.kept.take(c.Req.Nexthop)
	if s == nil {
		return false
	}
	s.client, c.Settled = c, c.Proc.Now()
	before := len(c.left)
	s.run(ctx, func() error { return nil })
	gone := len(c.left) == before && c.last.Status == "4.4.2"
	if !gone && len(c.left) > 0 && ctx.Err() == nil {
		c.giveUp(c.last)
	}
	c.Uses = 0
	return !gone
}

func connectError(err error) string {
	if errors.Is(err, context.Canceled) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, errConnectTimeout) {
		return "Connection timed out"
	}
	return libc.Strerror(err)
}

var errConnectTimeout = errors.New("connect timeout")

// connect dials with smtp_connect_timeout.
func (c *client) connect(ctx context.Context, h mxHost, port int) (net.Conn, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if limit := c.Conf.Time("smtp_connect_timeout"); limit > 0 {
		t := c.Proc.Clock.AfterFunc(limit, func() { cancel(errConnectTimeout) })
		defer t.Stop()
	}
	network := "tcp4"
	if h.addr.Is6() {
		network = "tcp6"
	}
	conn, err := c.Proc.Sys.Dial(ctx, network, netip.AddrPortFrom(h.addr, uint16(port)).String())
	if err != nil && ctx.Err() != nil && context.Cause(ctx) == errConnectTimeout {
		return nil, errConnectTimeout
	}
	return conn, err
}

// giveUp gives all recipients that are left the same fate.
func (c *client) giveUp(f service.Fate) {
	if f.Status == "" {
		f = service.Fate{Status: "4.3.0", Text: "no host could be tried"}
	}
	if c.unreached && f.Status[0] == '4' {
		c.Answer.Unreached = f
	}
	for _, r := range c.left {
		c.Failed(r, c.relay, f)
		if f.Status[0] == '5' {
			c.Done(r)
		}
	}
	c.left = nil
}

// dnsFate is the fate of mail whose domain cannot be resolved.
func dnsFate(name, kind string, err error) service.Fate {
	dsn, what := "4.4.3", "Host not found, try again"
	switch {
	case errors.Is(err, libc.ErrNoName):
		dsn, what = "5.4.4", "Host not found"
	case errors.Is(err, libc.ErrNoData):
		dsn, what = "5.4.4", "Host found but no data record of requested type"
	}
	return service.Fate{Status: dsn, Text: fmt.Sprintf("Host or domain name not found. Name service error for name=%s type=%s: %s", name, kind, what)}
}

// lookup finds the addresses for a next hop.
func (c *client) lookup(ctx context.Context, name string, noMX bool) ([]mxHost, service.Fate) {
	if a, err := netip.ParseAddr(strings.TrimPrefix(name, "IPv6:")); err == nil {
		return []mxHost{{name: a.String(), addr: a}}, service.Fate{}
	}
	if noMX || c.Conf.Get("smtp_host_lookup") == "native" {
		return c.addresses(ctx, name, 0)
	}
	answer, err := libc.Query(ctx, c.Proc, name+".", dns.TypeMX)
	if err != nil {
		if errors.Is(err, libc.ErrAgain) {
			return nil, dnsFate(name, "MX", err)
		}
		hosts, f := c.addresses(ctx, name, 0)
		return c.withoutSelf(name, hosts, f)
	}
	var records []*dns.MX
	for _, rr := range answer {
		if mx, ok := rr.(*dns.MX); ok {
			records = append(records, mx)
		}
	}
	if len(records) == 1 && records[0].Mx == "." {
		return nil, service.Fate{Status: "5.1.0", Text: fmt.Sprintf("Domain %s does not accept mail (nullMX)", name)}
	}
	var hosts []mxHost
	var f service.Fate
	for _, mx := range records {
		found, why := c.addresses(ctx, strings.TrimSuffix(mx.Mx, "."), int(mx.Preference))
		if len(found) == 0 && (f.Status == "" || why.Status[0] == '4') {
			f = why
		}
		hosts = append(hosts, found...)
	}
	if len(hosts) == 0 {
		if f.Status == "" {
			return c.addresses(ctx, name, 0)
		}
		c.Log.Warning("no MX host for %s has a valid address record", name)
		return nil, f
	}
	sort.SliceStable(hosts, func(i, j int) bool { return hosts[i].pref < hosts[j].pref })
	return c.withoutSelf(name, hosts, service.Fate{})
}

// withoutSelf drops this machine and everything less preferred.
func (c *client) withoutSelf(domain string, hosts []mxHost, f service.Fate) ([]mxHost, service.Fate) {
	for _, h := range hosts {
		if !c.Conf.IsOwn(h.addr) {
			continue
		}
		var better []mxHost
		for _, o := range hosts {
			if o.pref < h.pref {
				better = append(better, o)
			}
		}
		if len(better) == 0 {
			return nil, service.Fate{Status: "5.4.6", Text: fmt.Sprintf("mail for %s loops back to myself", domain)}
		}
		return better, service.Fate{}
	}
	return hosts, f
}

// addresses resolves a host name.
func (c *client) addresses(ctx context.Context, name string, pref int) ([]mxHost, service.Fate) {
	v4, v6, _ := c.Conf.Protocols()
	var out []mxHost
	if strings.Contains(c.Conf.Get("smtp_host_lookup"), "native") {
		addrs, err := libc.LookupHost(ctx, c.Proc, name)
		for _, a := range addrs {
			if a.Is4() && v4 || a.Is6() && v6 {
				out = append(out, mxHost{name, a, pref})
			}
		}
		if len(out) == 0 {
			if err == nil {
				err = libc.ErrNoData
			}
			dsn := "5.4.4"
			if errors.Is(err, libc.ErrAgain) {
				dsn = "4.4.3"
			}
			return nil, service.Fate{Status: dsn, Text: fmt.Sprintf("unable to look up host %s: %s", name, err)}
		}
		return out, service.Fate{}
	}
	var f service.Fate
	for _, q := range []struct {
		want  bool
		qtype uint16
		text  string
	}{{v4, dns.TypeA, "A"}, {v6, dns.TypeAAAA, "AAAA"}} {
		if !q.want {
			continue
		}
		answer, err := libc.Query(ctx, c.Proc, name+".", q.qtype)
		if err != nil {
			f = dnsFate(name, q.text, err)
			continue
		}
		n := len(out)
		for _, rr := range answer {
			switch rr := rr.(type) {
			case *dns.A:
				if a, ok := netip.AddrFromSlice(rr.A.To4()); ok {
					out = append(out, mxHost{name, a, pref})
				}
			case *dns.AAAA:
				if a, ok := netip.AddrFromSlice(rr.AAAA); ok {
					out = append(out, mxHost{name, a, pref})
				}
			}
		}
		if n == len(out) {
			f = dnsFate(name, q.text, libc.ErrNoData)
		}
	}
	if len(out) > 0 {
		return out, service.Fate{}
	}
	return nil, f
}

// session is one connection.
type session struct {
	*client
	conn   net.Conn
	r      *bufio.Reader
	host   mxHost
	port   int
	domain string
	offers map[string]string // EHLO keywords
	tls    bool
	uses   int // mails that it has carried
	timer  *clock.LocalTimer
}

// reply is a server's answer.
type reply struct {
	code int
	dsn  string // "" when the server sent none
	text string // lines joined by blanks, with the code
	rest []string
}

func (s *session) name() string { return fmt.Sprintf("%s[%s]", s.host.name, s.host.addr) }

// talkError ends a session: the connection is of no use any more.
type talkError struct {
	f       service.Fate
	message bool // it is about this message, not the host
}

func (e talkError) Error() string { return e.f.Text }

func (s *session) deadline(param string) {
	s.conn.SetDeadline(s.Proc.Now().Add(s.Conf.Time(param)))
}

// broken is the fate after an I/O error while doing something.
func (s *session) broken(err error, doing string) error {
	text := fmt.Sprintf("lost connection with %s while %s", s.name(), doing)
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.ETIMEDOUT) {
		text = fmt.Sprintf("conversation with %s timed out while %s", s.name(), doing)
	}
	return talkError{f: service.Fate{Status: "4.4.2", Text: text}}
}

// maxReply bounds what a server may say in one reply.
const maxReply = 100

func (s *session) read(doing string) (reply, error) {
	var rep reply
	for n := 0; ; n++ {
		line, err := s.r.ReadSlice('\n')
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = s.r.ReadSlice('\n')
		}
		if err != nil {
			return rep, s.broken(err, doing)
		}
		text := maillog.Printable(strings.TrimRight(string(line), "\r\n"))
		if len(text) < 3 || n > maxReply {
			return rep, s.broken(io.EOF, doing)
		}
		code, err := strconv.Atoi(text[:3])
		if err != nil || code < 200 || code > 599 {
			return rep, talkError{f: service.Fate{Status: "5.5.0", Text: fmt.Sprintf("host %s said: %s", s.name(), text)}}
		}
		rep.rest = append(rep.rest, strings.TrimPrefix(text[3:], "-"))
		if rep.text == "" {
			rep.text = text
			if len(text) > 3 {
				rep.text = text[:3] + " " + text[4:]
			}
		} else if len(text) > 4 {
			rep.text += " " + text[4:]
		}
		rep.code = code
		if len(text) == 3 || text[3] != '-' {
			break
		}
	}
	if f := strings.Fields(rep.text); len(f) > 1 && len(f[1]) >= 5 && f[1][1] == '.' && f[1][0] == rep.text[0] {
		rep.dsn = f[1]
	}
	return rep, nil
}

// refused is the fate that a negative reply means.
func (s *session) refused(rep reply, command string) service.Fate {
	dsn := rep.dsn
	if dsn == "" {
		dsn = fmt.Sprintf("%d.0.0", rep.code/100)
	}
	return service.Fate{Status: dsn, Text: fmt.Sprintf("host %s said: %s (in reply to %s command)", s.name(), rep.text, command),
		DiagType: "smtp", DiagText: rep.text, MTA: s.host.name}
}

func (s *session) send(line string) error {
	_, err := s.conn.Write([]byte(line + "\r\n"))
	return err
}

// run delivers over a connection, after begin, and closes or keeps it.
func (s *session) run(ctx context.Context, begin func() error) {
	s.relay = fmt.Sprintf("%s:%d", s.name(), s.port)
	c := s.client
	err := begin()
	if err == nil {
		s.uses++
		c.Uses = s.uses
		err = s.transact(ctx)
	}
	if c.keeps {
		return // somebody else may have the connection already
	}
	s.conn.Close()
	var te talkError
	if errors.As(err, &te) {
		s.last, s.unreached = te.f, !te.message
		if te.f.Status[0] == '5' && ctx.Err() == nil {
			s.giveUp(te.f)
		}
	}
}

// greet takes the greeting and says hello, with TLS when both want it.
func (s *session) greet() error {
	s.deadline("smtp_helo_timeout")
	doing := "receiving the initial server greeting"
	rep, err := s.read(doing)
	if err != nil {
		return err
	}
	if rep.code/100 != 2 {
		f := s.refused(rep, "")
		f.Text = fmt.Sprintf("host %s refused to talk to me: %s", s.name(), rep.text)
		if s.Conf.Bool("smtp_skip_5xx_greeting") {
			f.Status = "4" + f.Status[1:]
		}
		return talkError{f: f}
	}
	if f := strings.Fields(rep.text); len(f) > 1 && strings.EqualFold(f[1], s.Conf.Get("myhostname")) && s.port == 25 {
		s.Log.Warning("host %s:%d greeted me with my own hostname %s", s.name(), s.port, s.Conf.Get("myhostname"))
	}
	if err := s.hello(); err != nil {
		return err
	}
	level := s.Conf.Get("smtp_tls_security_level")
	if level == "" && s.Conf.Bool("smtp_use_tls") {
		level = "may"
	}
	if level == "" || level == "none" {
		return s.login(s.Req.Nexthop)
	}
	if _, offered := s.offers["STARTTLS"]; !offered {
		if level == "may" {
			return s.login(s.Req.Nexthop)
		}
		return talkError{f: service.Fate{Status: "4.7.4", Text: fmt.Sprintf("TLS is required, but was not offered by host %s", s.name())}}
	}
	if err := s.startTLS(level); err != nil {
		return err
	}
	return s.login(s.Req.Nexthop)
}

func (s *session) hello() error {
	s.deadline("smtp_helo_timeout")
	if err := s.send("EHLO " + s.Conf.Get("smtp_helo_name")); err != nil {
		return s.broken(err, "performing the EHLO handshake")
	}
	rep, err := s.read("performing the EHLO handshake")
	if err != nil {
		return err
	}
	s.offers = map[string]string{}
	if rep.code/100 != 2 {
		if err := s.send("HELO " + s.Conf.Get("smtp_helo_name")); err != nil {
			return s.broken(err, "performing the HELO handshake")
		}
		rep, err = s.read("performing the HELO handshake")
		if err != nil {
			return err
		}
		if rep.code/100 != 2 {
			return talkError{f: s.refused(rep, "HELO")}
		}
		return nil
	}
	for i, line := range rep.rest {
		word, arg, _ := strings.Cut(strings.TrimSpace(line), " ")
		if i == 0 {
			if strings.EqualFold(word, s.Conf.Get("myhostname")) && s.port == 25 {
				s.Log.Warning("host %s:%d replied to HELO/EHLO with my own hostname %s", s.name(), s.port, s.Conf.Get("myhostname"))
				s.send("QUIT")
				return talkError{f: service.Fate{Status: "5.4.6", Text: fmt.Sprintf("mail for %s loops back to myself", s.domain)}}
			}
			continue
		}
		s.offers[strings.ToUpper(word)] = arg
	}
	return nil
}

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
	if level == "verify" || level == "secure" {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(s.roots)
		config.InsecureSkipVerify, config.RootCAs = false, pool
	}
	conn := tls.Client(s.conn, config)
	if err := conn.Handshake(); err != nil {
		s.Log.Info("SSL_connect error to %s:%d: -1", s.name(), s.port)
		return talkError{f: service.Fate{Status: "4.7.5", Text: "Cannot start TLS: handshake failure"}}
	}
	s.conn, s.r, s.tls = conn, bufio.NewReaderSize(conn, 4096), true
	return s.hello()
}

// transact sends the message to the recipients that are left.
func (s *session) transact(ctx context.Context) error {
	if limit, err := strconv.ParseInt(s.offers["SIZE"], 10, 64); err == nil && limit > 0 && s.Req.Size > limit {
		return talkError{f: service.Fate{Status: "5.3.4", Text: fmt.Sprintf("message size %d exceeds size limit %d of server %s", s.Req.Size, limit, s.name())}}
	}
	text, err := s.Msg.Text()
	if err != nil {
		return talkError{f: service.Fate{Status: "4.3.0", Text: "malformed queue file"}, message: true}
	}
	lines := []string{s.mailCommand(text)}
	for _, r := range s.left {
		lines = append(lines, s.rcptCommand(r))
	}
	_, pipelining := s.offers["PIPELINING"]
	if pipelining {
		s.deadline("smtp_mail_timeout")
		if err := s.send(strings.Join(append(append([]string(nil), lines...), "DATA"), "\r\n")); err != nil {
			return s.broken(err, "sending MAIL FROM")
		}
	}
	next := func(param, line, doing string) (reply, error) {
		s.deadline(param)
		if !pipelining {
			if err := s.send(line); err != nil {
				return reply{}, s.broken(err, doing)
			}
		}
		return s.read(doing)
	}
	rep, err := next("smtp_mail_timeout", lines[0], "sending MAIL FROM")
	if err != nil {
		return err
	}
	var accepted []queue.Recipient
	if rep.code/100 != 2 {
		f := s.refused(rep, "MAIL FROM")
		for _, r := range s.left {
			s.settle(r, f)
		}
		if pipelining {
			for range lines {
				if _, err := s.read("sending RCPT TO"); err != nil {
					return nil
				}
			}
		}
		s.left = nil
		s.quit(true)
		return nil
	}
	rcpts := s.left
	for i, r := range rcpts {
		rep, err := next("smtp_rcpt_timeout", lines[i+1], "sending RCPT TO")
		if err != nil {
			return err
		}
		if rep.code/100 == 2 {
			accepted = append(accepted, r)
			continue
		}
		s.settle(r, s.refused(rep, "RCPT TO"))
		s.drop(r)
	}
	if len(accepted) == 0 {
		if pipelining {
			rep, err := s.read("sending DATA command")
			if err != nil {
				return nil
			}
			if rep.code == 354 { // an empty message ends what we should not have begun
				s.send(".")
				s.read("sending end of data")
			}
		}
		s.quit(true)
		return nil
	}
	rep, err = next("smtp_data_init_timeout", "DATA", "sending DATA command")
	if err != nil {
		return err
	}
	if rep.code/100 != 3 {
		return talkError{f: s.refused(rep, "DATA"), message: true}
	}
	s.deadline("smtp_data_xfer_timeout")
	if _, err := s.conn.Write(s.stuff(text)); err != nil {
		return s.broken(err, "sending message body")
	}
	s.deadline("smtp_data_done_timeout")
	rep, err = s.read("sending end of data -- message may be sent more than once")
	if err != nil {
		return err
	}
	for _, r := range accepted {
		if rep.code/100 == 2 {
			dsn := rep.dsn
			if dsn == "" {
				dsn = "2.0.0"
			}
			s.Sent(r, s.relay, service.Fate{Status: dsn, Text: rep.text, MTA: s.host.name})
			s.Done(r)
			s.Log.Emit(trace.MailSent, trace.Attrs{"id": s.Req.ID, "to": r.Address, "relay": s.relay, "reply": rep.text})
		} else {
			s.settle(r, s.refused(rep, "end of DATA"))
		}
		s.drop(r)
	}
	s.quit(false)
	return nil
}

// settle bounces or defers one recipient.
func (s *session) settle(r queue.Recipient, f service.Fate) {
	s.Failed(r, s.relay, f)
	if f.Status[0] == '5' {
		s.Done(r)
	}
}

func (s *session) drop(r queue.Recipient) {
	for i := range s.left {
		if s.left[i].Offset == r.Offset {
			s.left = append(append([]queue.Recipient(nil), s.left[:i]...), s.left[i+1:]...)
			return
		}
	}
}

// quit ends a session, or keeps the connection.
func (s *session) quit(reset bool) {
	if reset {
		s.deadline("smtp_rset_timeout")
		if s.send("RSET") != nil {
			return
		}
		if _, err := s.read("sending RSET"); err != nil {
			return
		}
	}
	if limit := s.Conf.Time("smtp_connection_cache_time_limit"); s.Req.Keep && limit > 0 && s.Conf.Bool("smtp_connection_cache_on_demand") {
		s.conn.SetDeadline(time.Time{})
		s.keeps = true
		s.kept.put(s.Req.Nexthop, s, limit)
		return
	}
	s.deadline("smtp_quit_timeout")
	s.send("QUIT")
}

func (s *session) mailCommand(text []byte) string {
	line := "MAIL FROM:<" + mailaddr.External(s.Req.Sender) + ">"
	if _, ok := s.offers["SIZE"]; ok {
		line += fmt.Sprintf(" SIZE=%d", s.Req.Size)
	}
	if _, ok := s.offers["8BITMIME"]; ok && slices.ContainsFunc(text, func(c byte) bool { return c > 127 }) {
		line += " BODY=8BITMIME"
	}
	if _, ok := s.offers["DSN"]; ok {
		if ret := s.Msg.Ret(); ret != "" {
			line += " RET=" + ret
		}
		if id := s.Msg.EnvelopeID(); id != "" {
			line += " ENVID=" + dsn.EncodeXtext(id)
		}
	}
	if _, ok := s.offers["SMTPUTF8"]; ok && s.Req.UTF8 {
		line += " SMTPUTF8"
	}
	return line
}

func (s *session) rcptCommand(r queue.Recipient) string {
	line := "RCPT TO:<" + mailaddr.External(r.Address) + ">"
	if _, ok := s.offers["DSN"]; ok {
		if r.Notify != 0 {
			var words []string
			for _, n := range []struct {
				flag dsn.Notify
				word string
			}{{dsn.Never, "NEVER"}, {dsn.Success, "SUCCESS"}, {dsn.Failure, "FAILURE"}, {dsn.Delay, "DELAY"}} {
				if r.Notify&n.flag != 0 {
					words = append(words, n.word)
				}
			}
			line += " NOTIFY=" + strings.Join(words, ",")
		}
		if r.DSNOriginal != "" {
			kind, address, _ := strings.Cut(r.DSNOriginal, ";")
			line += " ORCPT=" + kind + ";" + dsn.EncodeXtext(address)
		}
	}
	return line
}

// stuff makes text ready for the wire: CRLF line ends, doubled dots, long lines
// broken, the final dot.
func (s *session) stuff(text []byte) []byte {
	limit := s.Conf.Int("smtp_line_length_limit")
	var b bytes.Buffer
	told := false
	for len(text) > 0 {
		line, rest := text, []byte(nil)
		if end := bytes.IndexByte(text, '\n'); end >= 0 {
			line, rest = text[:end], text[end+1:]
		}
		text = rest
		if bytes.HasPrefix(line, []byte(".")) {
			b.WriteByte('.')
		}
		for limit > 0 && len(line) > limit {
			if !told {
				s.Log.Info("%s: breaking line > %d bytes with <CR><LF>SPACE", s.Req.ID, limit)
				told = true
			}
			b.Write(line[:limit])
			b.WriteString("\r\n ")
			line = line[limit:]
		}
		b.Write(line)
		b.WriteString("\r\n")
	}
	b.WriteString(".\r\n")
	return b.Bytes()
}
