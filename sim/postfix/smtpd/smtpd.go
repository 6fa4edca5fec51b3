// Package smtpd is the SMTP server, smtpd(8), with its access restrictions and
// AUTH, and anvil(8), which counts its clients.
package smtpd

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/postfix/conf"
	"enshu/sim/postfix/header"
	"enshu/sim/postfix/maillog"
	"enshu/sim/postfix/queue"
	"enshu/sim/postfix/service"
	"enshu/sim/postfix/table"
)

// SMTPD is /usr/libexec/postfix/smtpd (smtpd(8)). With -S it speaks SMTP on its
// standard input for sendmail -bs, and submits what it gets through maildrop.
func SMTPD(ctx context.Context, p *host.Proc) int {
	for _, arg := range p.Args[1:] {
		if arg == "-S" {
			return standAlone(ctx, p)
		}
	}
	a := service.ParseArgs(p.Args[1:])
	d, err := service.New(ctx, p, "smtpd", a, "smtpd_timeout", "smtpd_hard_error_limit", "smtpd_soft_error_limit", "smtpd_error_sleep_time",
		"smtpd_recipient_limit", "smtpd_helo_required", "smtpd_delay_reject", "disable_vrfy_command")
	if err != nil {
		return 1
	}
	var pem []byte
	if p.Stdin != nil {
		pem, _ = io.ReadAll(p.Stdin)
	}
	s := &server{Daemon: d}
	s.open()
	if level := s.tlsLevel(); level != "" && level != "none" {
		cert, err := tls.X509KeyPair(pem, pem)
		if err != nil {
			d.Log.Warning("cannot get RSA certificate from file \"%s\": disabling TLS support", d.Conf.Get("smtpd_tls_cert_file"))
		} else {
			s.cert = &cert
		}
	}
	return d.ServeSessions(ctx, a.Socket, func(ctx context.Context, conn net.Conn) {
		client, err := netip.ParseAddrPort(conn.RemoteAddr().String())
		if err != nil {
			return
		}
		if t := s.tables().Restarted(p); t != nil {
			d.Log.Info("table %s(0,%s) has changed -- restarting", t.Spec, t.Flags)
			s.open()
		}
		c := &session{server: s, conn: conn, r: bufio.NewReader(conn), addr: client.Addr().Unmap()}
		c.run(ctx)
	})
}

func standAlone(ctx context.Context, p *host.Proc) int {
	d, err := service.New(ctx, p, "smtpd", service.Args{Name: "smtpd"})
	if err != nil {
		return 75
	}
	s := &server{Daemon: d}
	s.open()
	c := &session{server: s, r: bufio.NewReader(p.Stdin), out: p.Stdout, addr: netip.MustParseAddr("127.0.0.1"), alone: true}
	c.run(ctx)
	return 0
}

// server is what the sessions of one smtpd process share.
type server struct {
	*service.Daemon
	cert                                 *tls.Certificate
	localRecipients, relayRecipients     table.Maps
	virtual, canonical                   table.Maps
	senderLogins, mailboxes              table.Maps
	networks, bareLF, eventless, flushed *table.List
	noAuth                               *table.List
	access                               map[string]*table.Dict
}

func (s *server) open() {
	open := func(name string) table.Maps {
		return table.OpenMaps(s.Proc, s.Conf, s.Log, s.Conf.Get(name), table.FlagsLookup)
	}
	s.localRecipients, s.relayRecipients = open("local_recipient_maps"), open("relay_recipient_maps")
	s.virtual, s.canonical = open("virtual_alias_maps"), open("canonical_maps")
	s.mailboxes = open("virtual_mailbox_maps")
	list := func(name string) *table.List { return table.OpenList(s.Proc, s.Conf, s.Log, name, true) }
	s.networks, s.bareLF, s.eventless = list("mynetworks"), list("smtpd_forbid_bare_newline_exclusions"), list("smtpd_client_event_limit_exceptions")
	s.noAuth = list("smtpd_sasl_exceptions_networks")
	s.senderLogins = open("smtpd_sender_login_maps")
	s.flushed = table.OpenList(s.Proc, s.Conf, s.Log, "fast_flush_domains", false)
	s.access = map[string]*table.Dict{}
	for _, param := range []string{"client", "helo", "sender", "relay", "recipient", "data", "end_of_data", "etrn"} {
		for _, w := range conf.SplitBraced(s.Conf.Get("smtpd_" + param + "_restrictions")) {
			if strings.Contains(w, ":") && !strings.Contains(w, "[") && s.access[w] == nil {
				d := table.Open(s.Proc, s.Conf, w, table.FlagsLookup)
				d.Complain(s.Log)
				s.access[w] = d
			}
		}
	}
}

func (s *server) tables() table.Maps {
	var all table.Maps
	for _, m := range []table.Maps{s.localRecipients, s.relayRecipients, s.virtual, s.canonical, s.mailboxes} {
		all = append(all, m...)
	}
	for _, d := range s.access {
		all = append(all, d)
	}
	return all
}

func (s *server) tlsLevel() string {
	if level := s.Conf.Get("smtpd_tls_security_level"); level != "" {
		return level
	}
	switch {
	case s.Conf.Bool("smtpd_enforce_tls"):
		return "encrypt"
	case s.Conf.Bool("smtpd_use_tls"):
		return "may"
	}
	return ""
}

// session is one client.
type session struct {
	*server
	conn  net.Conn
	r     *bufio.Reader
	out   io.Writer // of a session without a connection
	alone bool
	tls   bool

	user, mechanism string // of AUTH

	addr       netip.Addr
	name       string // of the client; "unknown"
	reverse    string // its name before it was verified
	local      bool   // the client is this machine
	helo       string
	esmtp      bool
	where      string // the last command, for the log
	counts     map[string][2]int
	errors     int
	junk       int
	pipelined  bool // improper pipelining has been told
	transcript []string
	mask       map[string]bool // classes of errors to tell the postmaster of
	deferred   string          // reply of a restriction that waits for permit

	mail           bool // in a transaction
	sender         string
	rawFrom, rawTo string
	rcpts          []queue.Recipient
	refusedRcpts   int
	utf8           bool
	ret            string // FULL or HDRS: what a bounce returns
	envelopeID     string // ENVID, decoded
	bdatFailed     bool   // what BDAT brings until its end counts for nothing
	size           int64
	discard        bool
	queueID        string
	queue          *service.Enqueueing
	chunks         []byte
	bdat           bool
	fatal          error
	resolved       map[string]service.Resolution // what, while a RCPT is looked at, trivial-rewrite(8) said
	prepend        []string                      // what access tables want of the message
	hold           bool
	redirect       string
	filter         string
	bcc            []string
	to, asTyped    string // recipient under test: internal form and as typed
}

// commandOrder is how the disconnect line lists commands.
var commandOrder = []string{"helo", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "bdat", "rset", "noop", "vrfy", "etrn", "quit", "unknown"}

func (c *session) namaddr() string { return fmt.Sprintf("%s[%s]", c.name, c.addr) }

// reply sends one or more lines.
func (c *session) reply(ctx context.Context, text string) {
	if (text[0] == '4' || text[0] == '5') && c.errors >= c.Conf.Int("smtpd_soft_error_limit") {
		c.Proc.Sleep(ctx, c.Conf.Time("smtpd_error_sleep_time"))
	}
	var b strings.Builder
	for _, line := range strings.Split(text, "\n") {
		c.transcript = append(c.transcript, "Out: "+line)
		b.WriteString(line + "\r\n")
	}
	c.write(b.String())
	if strings.HasPrefix(text, "521") {
		c.fatal = errLost // nothing else will do for this client (RFC 7504)
	}
}

func (c *session) write(s string) {
	if c.conn == nil {
		io.WriteString(c.out, s)
		return
	}
	c.conn.SetWriteDeadline(c.Proc.Now().Add(c.Conf.Time("smtpd_timeout")))
	io.WriteString(c.conn, s)
}

func (c *session) count(name string, ok bool) {
	n := c.counts[name]
	n[1]++
	if ok {
		n[0]++
	}
	c.counts[name] = n
}

func (c *session) run(ctx context.Context) {
	c.counts, c.mask, c.where = map[string][2]int{}, map[string]bool{}, "CONNECT"
	c.identify(ctx)
	c.Log.Info("connect from %s", c.namaddr())
	limited := c.clientLimits(ctx, true)
	c.converse(ctx, limited)
	if c.queue != nil {
		c.queue.Close()
	}
	c.notify(ctx)
	c.clientLimits(ctx, false)
	var stats strings.Builder
	good, all := 0, 0
	for _, name := range commandOrder {
		n, ok := c.counts[name]
		if !ok {
			continue
		}
		good, all = good+n[0], all+n[1]
		stats.WriteString(fmt.Sprintf(" %s=%s", name, ratio(n[0], n[1])))
	}
	total := ratio(good, all)
	if all == 0 {
		total = "0/0"
	}
	c.Log.Info("disconnect from %s%s commands=%s", c.namaddr(), stats.String(), total)
}

func ratio(good, all int) string {
	if good == all {
		return strconv.Itoa(all)
	}
	return fmt.Sprintf("%d/%d", good, all)
}

// identify finds the client's name: what its address maps to, when that maps back.
func (c *session) identify(ctx context.Context) {
	c.name = "unknown"
	c.local = c.alone || c.Conf.IsOwn(c.addr) || c.addr.IsLoopback()
	if c.alone {
		c.name = "localhost"
		return
	}
	name, addrs, none, err := libc.LookupPeer(ctx, c.Proc, c.addr)
	if none != nil {
		return
	}
	c.reverse = name
	if err != nil {
		c.Log.Warning("hostname %s does not resolve to address %s: %s", name, c.addr, err)
		return
	}
	for _, a := range addrs {
		if a.Unmap() == c.addr {
			c.name = name
			return
		}
	}
	c.Log.Warning("hostname %s does not resolve to address %s", name, c.addr)
}

// clientLimits asks anvil(8) about clients that are not in an exempt network.
func (c *session) clientLimits(ctx context.Context, begin bool) (tooMany bool) {
	if c.alone {
		return false
	}
	exempt, err := c.eventless.Match(c.Log, c.name, c.addr.String())
	if err != nil || exempt {
		return false
	}
	var a anvilAnswer
	ident := fmt.Sprintf("%s:%s", c.Daemon.Name, c.addr)
	if c.Peers.Ask(ctx, "private/anvil", anvilQuestion{Ident: ident, End: !begin}, &a) != nil || !begin {
		return false
	}
	if limit := c.Conf.Int("smtpd_client_connection_count_limit"); limit > 0 && a.Count > limit {
		c.Log.Warning("Connection concurrency limit exceeded: %d from %s for service %s", a.Count, c.namaddr(), c.Daemon.Name)
		return true
	}
	if limit := c.Conf.Int("smtpd_client_connection_rate_limit"); limit > 0 && a.Rate > limit {
		c.Log.Warning("Connection rate limit exceeded: %d from %s for service %s", a.Rate, c.namaddr(), c.Daemon.Name)
		return true
	}
	return false
}

// command is one row of the command table.
type command struct {
	name    string // in the statistics
	act     func(c *session, ctx context.Context, arg string) bool
	limited bool // counts as junk
	last    bool // nothing may follow it in one write
}

func (c *session) command(verb string) (command, bool) {
	switch verb {
	case "HELO":
		return command{"helo", (*session).cmdHELO, true, true}, true
	case "EHLO":
		return command{"ehlo", (*session).cmdEHLO, true, true}, true
	case "STARTTLS":
		return command{"starttls", (*session).cmdSTARTTLS, false, true}, true
	case "XCLIENT", "XFORWARD":
		return command{strings.ToLower(verb), (*session).cmdX, false, verb == "XCLIENT"}, true
	case "AUTH":
		return command{"auth", (*session).cmdAUTH, false, false}, true
	case "MAIL":
		return command{"mail", (*session).cmdMAIL, false, false}, true
	case "RCPT":
		return command{"rcpt", (*session).cmdRCPT, false, false}, true
	case "DATA":
		return command{"data", (*session).cmdDATA, false, true}, true
	case "BDAT":
		return command{"bdat", (*session).cmdBDAT, false, false}, true
	case "RSET":
		return command{"rset", (*session).cmdRSET, true, false}, true
	case "NOOP":
		return command{"noop", (*session).cmdNOOP, true, true}, true
	case "VRFY":
		return command{"vrfy", (*session).cmdVRFY, true, true}, true
	case "ETRN":
		return command{"etrn", (*session).cmdETRN, true, true}, true
	case "QUIT":
		return command{"quit", (*session).cmdQUIT, false, true}, true
	}
	return command{}, false
}

func (c *session) converse(ctx context.Context, limited bool) {
	if c.Conf.Bool("smtpd_tls_wrappermode") && !c.alone {
		if c.cert == nil || !c.secure() {
			return
		}
	}
	if limited {
		c.reply(ctx, fmt.Sprintf("421 4.7.0 %s Error: too many connections from %s", c.Conf.Get("myhostname"), c.addr))
		return
	}
	if !c.Conf.Bool("smtpd_delay_reject") {
		if v := c.restrict(ctx, "client"); v != "" {
			c.tellReject("CONNECT", v)
			c.reply(ctx, v)
			c.errors++
		}
		if c.conn != nil && c.r.Buffered() == 0 {
			c.conn.SetReadDeadline(c.Proc.Now().Add(time.Millisecond))
			c.r.Peek(1)
		}
	}
	c.checkPipelining("CONNECT")
	c.reply(ctx, "220 "+c.Conf.Get("smtpd_banner"))
	for ctx.Err() == nil {
		if c.errors >= c.Conf.Int("smtpd_hard_error_limit") {
			c.reply(ctx, fmt.Sprintf("421 4.7.0 %s Error: too many errors", c.Conf.Get("myhostname")))
			c.Log.Info("too many errors after %s from %s", c.where, c.namaddr())
			return
		}
		line, crlf, err := c.readLine()
		if err != nil {
			c.lost(ctx, err, "")
			return
		}
		if !crlf && c.forbidBareLF() == "reject" {
			c.Log.Info("NOQUEUE: reject: %s from %s: bare <LF> received; proto=%s", c.where, c.namaddr(), c.proto())
			c.reply(ctx, fmt.Sprintf("550 5.5.2 %s Error: bare <LF> received", c.Conf.Get("myhostname")))
			return
		}
		c.remember(line)
		verb, arg, _ := strings.Cut(strings.TrimSpace(line), " ")
		arg = strings.TrimSpace(arg)
		upper := strings.ToUpper(verb)
		if line == "" {
			c.reply(ctx, "500 5.5.2 Error: bad syntax")
			c.errors++
			continue
		}
		if c.bdat && upper != "BDAT" && upper != "RSET" && upper != "QUIT" && upper != "NOOP" {
			c.bdat, c.chunks = false, nil
		}
		cmd, known := c.command(upper)
		if !known {
			c.where = "UNKNOWN"
			forbidden := header.Name([]byte(line)) != "" && strings.Contains(line, ":")
			for _, f := range c.Conf.List("smtpd_forbidden_commands") {
				forbidden = forbidden || strings.EqualFold(f, verb)
			}
			c.count("unknown", false)
			if forbidden {
				c.Log.Warning("non-SMTP command from %s: %.100s", c.namaddr(), line)
				c.reply(ctx, "221 2.7.0 Error: I can break rules, too. Goodbye.")
				return
			}
			c.reply(ctx, "502 5.5.2 Error: command not recognized")
			c.errors++
			continue
		}
		c.where = upper
		if cmd.limited {
			if c.junk++; c.junk-1 > c.Conf.Int("smtpd_junk_command_limit") {
				c.errors++
			}
		}
		if cmd.last {
			c.checkPipelining(upper)
		}
		ok := cmd.act(c, ctx, arg)
		c.count(cmd.name, ok)
		if c.fatal != nil {
			return
		}
		if !ok {
			c.errors++
		}
		if upper == "QUIT" {
			return
		}
	}
}

// remember adds a command to the transcript, but no password.
func (c *session) remember(line string) {
	if f := strings.Fields(line); len(f) > 2 && strings.EqualFold(f[0], "AUTH") {
		line = strings.Join(f[:2], " ")
	}
	c.transcript = append(c.transcript, "In:  "+maillog.Printable(line))
}

// errLost ends a session: the client is gone.
var errLost = errors.New("client gone")

// checkPipelining notes, once a session, that the client did not wait.
func (c *session) checkPipelining(after string) {
	n := c.r.Buffered()
	if n == 0 || c.pipelined || c.alone {
		return
	}
	c.pipelined = true
	rest, _ := c.r.Peek(min(n, 100))
	c.Log.Info("improper command pipelining after %s from %s: %s", after, c.namaddr(), escapeBytes(rest))
}

// lost logs how the client went away.
func (c *session) lost(ctx context.Context, err error, detail string) {
	if ctx.Err() != nil {
		return
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.ETIMEDOUT) {
		c.Log.Info("timeout after %s%s from %s", c.where, detail, c.namaddr())
		c.reply(ctx, fmt.Sprintf("421 4.4.2 %s Error: timeout exceeded", c.Conf.Get("myhostname")))
		return
	}
	c.Log.Info("lost connection after %s%s from %s", c.where, detail, c.namaddr())
}

func (c *session) proto() string {
	if c.esmtp {
		return "ESMTP"
	}
	return "SMTP"
}

// forbidBareLF is what smtpd_forbid_bare_newline means for this client.
func (c *session) forbidBareLF() string {
	how := strings.ToLower(c.Conf.Get("smtpd_forbid_bare_newline"))
	if how == "no" || how == "" || c.alone {
		return ""
	}
	if exempt, _ := c.bareLF.Match(c.Log, c.name, c.addr.String()); exempt {
		return ""
	}
	if how == "yes" {
		return "normalize"
	}
	return how
}
