package postfix

import (
	"bufio"
	"bytes"
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
	"enshu/sim/trace"
)

// SMTPD is /usr/libexec/postfix/smtpd (smtpd(8)). With -S it speaks SMTP on its
// standard input for sendmail -bs, and submits what it gets through maildrop.
func SMTPD(ctx context.Context, p *host.Proc) int {
	for _, arg := range p.Args[1:] {
		if arg == "-S" {
			return standAlone(ctx, p)
		}
	}
	a := parseServiceArgs(p.Args[1:])
	d, err := newDaemon(ctx, p, "smtpd", a, "smtpd_timeout", "smtpd_hard_error_limit", "smtpd_soft_error_limit", "smtpd_error_sleep_time",
		"smtpd_recipient_limit", "smtpd_helo_required", "smtpd_delay_reject", "disable_vrfy_command")
	if err != nil {
		return 1
	}
	var pem []byte
	if p.Stdin != nil {
		pem, _ = io.ReadAll(p.Stdin)
	}
	s := &smtpServer{daemon: d}
	s.open()
	if level := s.tlsLevel(); level != "" && level != "none" {
		cert, err := tls.X509KeyPair(pem, pem)
		if err != nil {
			d.log.warning("cannot get RSA certificate from file \"%s\": disabling TLS support", d.c.get("smtpd_tls_cert_file"))
		} else {
			s.cert = &cert
		}
	}
	return d.serve(ctx, a.socket, func(ctx context.Context, w *wireConn) {
		line, err := w.r.ReadString('\n')
		remote, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		client, perr := netip.ParseAddrPort(remote)
		if err != nil || perr != nil {
			return
		}
		if t := s.tables().restarted(p); t != nil {
			d.log.info("table %s(0,%s) has changed -- restarting", t.spec, t.flags)
			s.open()
		}
		c := &smtpdSession{smtpServer: s, conn: w.Conn, r: w.r, addr: client.Addr().Unmap()}
		c.run(ctx)
	})
}

func standAlone(ctx context.Context, p *host.Proc) int {
	d, err := newDaemon(ctx, p, "smtpd", serviceArgs{name: "smtpd"})
	if err != nil {
		return 75
	}
	s := &smtpServer{daemon: d}
	s.open()
	c := &smtpdSession{smtpServer: s, r: bufio.NewReader(p.Stdin), out: p.Stdout, addr: netip.MustParseAddr("127.0.0.1"), alone: true}
	c.run(ctx)
	return 0
}

// smtpServer is what the sessions of one smtpd process share.
type smtpServer struct {
	*daemon
	cert                                 *tls.Certificate
	localRecipients, relayRecipients     maps
	virtual, canonical                   maps
	senderLogins                         maps
	networks, bareLF, eventless, flushed *matchList
	noAuth                               *matchList
	access                               map[string]*dict
}

func (s *smtpServer) open() {
	open := func(name string) maps { return openMaps(s.p, s.c, s.log, s.c.get(name), flagsLookup) }
	s.localRecipients, s.relayRecipients = open("local_recipient_maps"), open("relay_recipient_maps")
	s.virtual, s.canonical = open("virtual_alias_maps"), open("canonical_maps")
	list := func(name string) *matchList { return openMatchList(s.p, s.c, s.log, name, true) }
	s.networks, s.bareLF, s.eventless = list("mynetworks"), list("smtpd_forbid_bare_newline_exclusions"), list("smtpd_client_event_limit_exceptions")
	s.noAuth = list("smtpd_sasl_exceptions_networks")
	s.senderLogins = open("smtpd_sender_login_maps")
	s.flushed = openMatchList(s.p, s.c, s.log, "fast_flush_domains", false)
	s.access = map[string]*dict{}
	for _, param := range []string{"client", "helo", "sender", "relay", "recipient", "data", "end_of_data", "etrn"} {
		for _, w := range splitBraced(s.c.get("smtpd_" + param + "_restrictions")) {
			if strings.Contains(w, ":") && !strings.Contains(w, "[") && s.access[w] == nil {
				d := openDict(s.p, s.c, w, flagsLookup)
				d.complain(s.log)
				s.access[w] = d
			}
		}
	}
}

func (s *smtpServer) tables() maps {
	var all maps
	for _, m := range []maps{s.localRecipients, s.relayRecipients, s.virtual, s.canonical} {
		all = append(all, m...)
	}
	for _, d := range s.access {
		all = append(all, d)
	}
	return all
}

func (s *smtpServer) tlsLevel() string {
	if level := s.c.get("smtpd_tls_security_level"); level != "" {
		return level
	}
	switch {
	case s.c.bool("smtpd_enforce_tls"):
		return "encrypt"
	case s.c.bool("smtpd_use_tls"):
		return "may"
	}
	return ""
}

// smtpdSession is one client.
type smtpdSession struct {
	*smtpServer
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
	rcpts          []recipient
	refusedRcpts   int
	utf8           bool
	size           int64
	discard        bool
	queueID        string
	queue          *enqueueing
	chunks         []byte
	bdat           bool
	fatal          error
	to, asTyped    string // recipient under test: internal form and as typed
}

// commandOrder is how the disconnect line lists commands.
var commandOrder = []string{"helo", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "bdat", "rset", "noop", "vrfy", "etrn", "quit", "unknown"}

func (c *smtpdSession) namaddr() string { return fmt.Sprintf("%s[%s]", c.name, c.addr) }

// reply sends one or more lines.
func (c *smtpdSession) reply(ctx context.Context, text string) {
	if (text[0] == '4' || text[0] == '5') && c.errors >= c.c.int("smtpd_soft_error_limit") {
		c.p.Sleep(ctx, c.c.time("smtpd_error_sleep_time"))
	}
	var b strings.Builder
	for _, line := range strings.Split(text, "\n") {
		c.transcript = append(c.transcript, "Out: "+line)
		b.WriteString(line + "\r\n")
	}
	c.write(b.String())
}

func (c *smtpdSession) write(s string) {
	if c.conn == nil {
		io.WriteString(c.out, s)
		return
	}
	c.conn.SetWriteDeadline(c.p.Now().Add(c.c.time("smtpd_timeout")))
	io.WriteString(c.conn, s)
}

// readLine reads a line without its end. crlf tells how it ended.
func (c *smtpdSession) readLine() (line string, crlf bool, err error) {
	if c.conn != nil {
		c.conn.SetReadDeadline(c.p.Now().Add(c.c.time("smtpd_timeout")))
	}
	var b []byte
	limit := c.c.int("line_length_limit")
	for {
		part, err := c.r.ReadSlice('\n')
		if len(b) <= limit {
			b = append(b, part...)
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if err != nil {
			return string(b), false, err
		}
		break
	}
	b = bytes.TrimSuffix(b, []byte("\n"))
	if trimmed := bytes.TrimSuffix(b, []byte("\r")); len(trimmed) < len(b) {
		return string(trimmed), true, nil
	}
	return string(b), false, nil
}

func (c *smtpdSession) count(name string, ok bool) {
	n := c.counts[name]
	n[1]++
	if ok {
		n[0]++
	}
	c.counts[name] = n
}

func (c *smtpdSession) run(ctx context.Context) {
	c.counts, c.mask, c.where = map[string][2]int{}, map[string]bool{}, "CONNECT"
	c.identify(ctx)
	c.log.info("connect from %s", c.namaddr())
	limited := c.clientLimits(ctx, true)
	c.converse(ctx, limited)
	if c.queue != nil {
		c.queue.close()
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
	c.log.info("disconnect from %s%s commands=%s", c.namaddr(), stats.String(), total)
}

func ratio(good, all int) string {
	if good == all {
		return strconv.Itoa(all)
	}
	return fmt.Sprintf("%d/%d", good, all)
}

// identify finds the client's name: what its address maps to, when that maps back.
func (c *smtpdSession) identify(ctx context.Context) {
	c.name = "unknown"
	c.local = c.alone || c.c.isOwn(c.addr) || c.addr.IsLoopback()
	if c.alone {
		c.name = "localhost"
		return
	}
	name, err := libc.LookupAddr(ctx, c.p, c.addr)
	if err != nil {
		return
	}
	c.reverse = name
	addrs, err := libc.LookupHost(ctx, c.p, name)
	if err != nil {
		c.log.warning("hostname %s does not resolve to address %s: %s", name, c.addr, err)
		return
	}
	for _, a := range addrs {
		if a.Unmap() == c.addr {
			c.name = name
			return
		}
	}
	c.log.warning("hostname %s does not resolve to address %s", name, c.addr)
}

// clientLimits asks anvil(8) about clients that are not in an exempt network.
func (c *smtpdSession) clientLimits(ctx context.Context, begin bool) (tooMany bool) {
	if c.alone {
		return false
	}
	exempt, err := c.eventless.match(c.log, c.name, c.addr.String())
	if err != nil || exempt {
		return false
	}
	var a anvilAnswer
	ident := fmt.Sprintf("%s:%s", c.daemon.name, c.addr)
	if c.peer.ask(ctx, "private/anvil", anvilQuestion{Ident: ident, End: !begin}, &a) != nil || !begin {
		return false
	}
	if limit := c.c.int("smtpd_client_connection_count_limit"); limit > 0 && a.Count > limit {
		c.log.warning("Connection concurrency limit exceeded: %d from %s for service %s", a.Count, c.namaddr(), c.daemon.name)
		return true
	}
	if limit := c.c.int("smtpd_client_connection_rate_limit"); limit > 0 && a.Rate > limit {
		c.log.warning("Connection rate limit exceeded: %d from %s for service %s", a.Rate, c.namaddr(), c.daemon.name)
		return true
	}
	return false
}

// smtpdCommand is one row of the command table.
type smtpdCommand struct {
	name    string // in the statistics
	act     func(c *smtpdSession, ctx context.Context, arg string) bool
	limited bool // counts as junk
	last    bool // nothing may follow it in one write
}

func (c *smtpdSession) command(verb string) (smtpdCommand, bool) {
	switch verb {
	case "HELO":
		return smtpdCommand{"helo", (*smtpdSession).cmdHELO, true, true}, true
	case "EHLO":
		return smtpdCommand{"ehlo", (*smtpdSession).cmdEHLO, true, true}, true
	case "STARTTLS":
		return smtpdCommand{"starttls", (*smtpdSession).cmdSTARTTLS, false, true}, c.cert != nil
	case "AUTH":
		return smtpdCommand{"auth", (*smtpdSession).cmdAUTH, false, false}, true
	case "MAIL":
		return smtpdCommand{"mail", (*smtpdSession).cmdMAIL, false, false}, true
	case "RCPT":
		return smtpdCommand{"rcpt", (*smtpdSession).cmdRCPT, false, false}, true
	case "DATA":
		return smtpdCommand{"data", (*smtpdSession).cmdDATA, false, true}, true
	case "BDAT":
		return smtpdCommand{"bdat", (*smtpdSession).cmdBDAT, false, false}, true
	case "RSET":
		return smtpdCommand{"rset", (*smtpdSession).cmdRSET, true, false}, true
	case "NOOP":
		return smtpdCommand{"noop", (*smtpdSession).cmdNOOP, true, true}, true
	case "VRFY":
		return smtpdCommand{"vrfy", (*smtpdSession).cmdVRFY, true, true}, true
	case "ETRN":
		return smtpdCommand{"etrn", (*smtpdSession).cmdETRN, true, true}, true
	case "QUIT":
		return smtpdCommand{"quit", (*smtpdSession).cmdQUIT, false, true}, true
	}
	return smtpdCommand{}, false
}

func (c *smtpdSession) converse(ctx context.Context, limited bool) {
	if c.c.bool("smtpd_tls_wrappermode") && !c.alone {
		if c.cert == nil || !c.secure() {
			return
		}
	}
	if limited {
		c.reply(ctx, fmt.Sprintf("421 4.7.0 %s Error: too many connections from %s", c.c.get("myhostname"), c.addr))
		return
	}
	if !c.c.bool("smtpd_delay_reject") {
		if v := c.restrict(ctx, "client"); v != "" {
			c.tellReject("CONNECT", v)
			c.reply(ctx, v)
			c.errors++
		}
		if c.conn != nil && c.r.Buffered() == 0 {
			c.conn.SetReadDeadline(c.p.Now().Add(time.Millisecond))
			c.r.Peek(1)
		}
	}
	c.checkPipelining("CONNECT")
	c.reply(ctx, "220 "+c.c.get("smtpd_banner"))
	for ctx.Err() == nil {
		if c.errors >= c.c.int("smtpd_hard_error_limit") {
			c.reply(ctx, fmt.Sprintf("421 4.7.0 %s Error: too many errors", c.c.get("myhostname")))
			c.log.info("too many errors after %s from %s", c.where, c.namaddr())
			return
		}
		line, crlf, err := c.readLine()
		if err != nil {
			c.lost(ctx, err, "")
			return
		}
		if !crlf && c.forbidBareLF() == "reject" {
			c.log.info("NOQUEUE: reject: %s from %s: bare <LF> received; proto=%s", c.where, c.namaddr(), c.proto())
			c.reply(ctx, fmt.Sprintf("550 5.5.2 %s Error: bare <LF> received", c.c.get("myhostname")))
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
			forbidden := headerName([]byte(line)) != "" && strings.Contains(line, ":")
			for _, f := range c.c.list("smtpd_forbidden_commands") {
				forbidden = forbidden || strings.EqualFold(f, verb)
			}
			c.count("unknown", false)
			if forbidden {
				c.log.warning("non-SMTP command from %s: %.100s", c.namaddr(), line)
				c.reply(ctx, "221 2.7.0 Error: I can break rules, too. Goodbye.")
				return
			}
			c.reply(ctx, "502 5.5.2 Error: command not recognized")
			c.errors++
			continue
		}
		c.where = upper
		if cmd.limited {
			if c.junk++; c.junk-1 > c.c.int("smtpd_junk_command_limit") {
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
func (c *smtpdSession) remember(line string) {
	if f := strings.Fields(line); len(f) > 2 && strings.EqualFold(f[0], "AUTH") {
		line = strings.Join(f[:2], " ")
	}
	c.transcript = append(c.transcript, "In:  "+printable(line))
}

// errLost ends a session: the client is gone.
var errLost = errors.New("client gone")

// checkPipelining notes, once a session, that the client did not wait.
func (c *smtpdSession) checkPipelining(after string) {
	n := c.r.Buffered()
	if n == 0 || c.pipelined || c.alone {
		return
	}
	c.pipelined = true
	rest, _ := c.r.Peek(min(n, 100))
	c.log.info("improper command pipelining after %s from %s: %s", after, c.namaddr(), escapeBytes(rest))
}

// escapeBytes shows control characters as in C.
func escapeBytes(b []byte) string {
	var s strings.Builder
	for _, c := range b {
		switch {
		case c == '\r':
			s.WriteString(`\r`)
		case c == '\n':
			s.WriteString(`\n`)
		case c == '\t':
			s.WriteString(`\t`)
		case c == '\\':
			s.WriteString(`\\`)
		case c < ' ' || c >= 127:
			fmt.Fprintf(&s, `\%03o`, c)
		default:
			s.WriteByte(c)
		}
	}
	return s.String()
}

// lost logs how the client went away.
func (c *smtpdSession) lost(ctx context.Context, err error, detail string) {
	if ctx.Err() != nil {
		return
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, syscall.ETIMEDOUT) {
		c.log.info("timeout after %s%s from %s", c.where, detail, c.namaddr())
		c.reply(ctx, fmt.Sprintf("421 4.4.2 %s Error: timeout exceeded", c.c.get("myhostname")))
		return
	}
	c.log.info("lost connection after %s%s from %s", c.where, detail, c.namaddr())
}

func (c *smtpdSession) proto() string {
	if c.esmtp {
		return "ESMTP"
	}
	return "SMTP"
}

// forbidBareLF is what smtpd_forbid_bare_newline means for this client.
func (c *smtpdSession) forbidBareLF() string {
	how := strings.ToLower(c.c.get("smtpd_forbid_bare_newline"))
	if how == "no" || how == "" || c.alone {
		return ""
	}
	if exempt, _ := c.bareLF.match(c.log, c.name, c.addr.String()); exempt {
		return ""
	}
	if how == "yes" {
		return "normalize"
	}
	return how
}

// tellReject logs a refusal.
func (c *smtpdSession) tellReject(where, reply string) { c.tell("reject", where, reply) }

func (c *smtpdSession) tell(what, where, text string) {
	id := c.queueID
	if id == "" {
		id = "NOQUEUE"
	}
	c.log.info("%s: %s: %s from %s: %s;%s", id, what, where, c.namaddr(), text, c.context(where))
	c.log.emit(trace.MailRejected, trace.Attrs{"from": c.sender, "to": c.rawTo, "command": where, "reply": text})
}

// context is the end of a log line: from, to, proto, helo.
func (c *smtpdSession) context(where string) string {
	var b strings.Builder
	if c.mail || where == "MAIL" {
		fmt.Fprintf(&b, " from=<%s>", c.rawFrom)
	}
	if c.rawTo != "" && where != "MAIL" {
		fmt.Fprintf(&b, " to=<%s>", c.rawTo)
	}
	fmt.Fprintf(&b, " proto=%s", c.proto())
	if c.helo != "" {
		fmt.Fprintf(&b, " helo=<%s>", c.helo)
	}
	return b.String()
}

// notify sends the transcript to the postmaster when an error of a class in
// notify_classes happened.
func (c *smtpdSession) notify(ctx context.Context) {
	wanted := false
	for _, class := range c.c.list("notify_classes") {
		wanted = wanted || c.mask[class]
	}
	if !wanted || c.alone {
		return
	}
	var b bytes.Buffer
	origin := c.c.get("myorigin")
	fmt.Fprintf(&b, "Date: %s\nFrom: MAILER-DAEMON@%s (Mail Delivery System)\nTo: %s@%s (Postmaster)\n", mailDate(libc.LocalTime(c.p)), origin, c.c.get("error_notice_recipient"), origin)
	fmt.Fprintf(&b, "Subject: %s SMTP server: errors from %s\n\nTranscript of session follows.\n\n", c.c.get("mail_name"), c.namaddr())
	for _, line := range c.transcript {
		b.WriteString(" " + line + "\n")
	}
	b.WriteString("\n\nFor other details, see the local mail logfile\n")
	to := c.c.get("error_notice_recipient")
	c.daemon.forward(ctx, &submission{Sender: c.c.get("double_bounce_sender"), Recipients: []recipient{{Address: to, Original: to}}, Content: b.Bytes(),
		Received: []string{fmt.Sprintf("Received: by %s (%s)", c.c.get("myhostname"), c.c.get("mail_name")), "\tid %ID%; %DATE%"}, Local: true, Internal: true})
}
