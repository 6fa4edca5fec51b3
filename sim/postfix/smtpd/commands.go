package smtpd

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"strconv"
	"strings"

	"enshu/sim/postfix/dsn"
	"enshu/sim/postfix/header"
	"enshu/sim/postfix/mailaddr"
	"enshu/sim/postfix/queue"
	"enshu/sim/postfix/service"
)

// The commands of smtpd(8). Each reports whether it succeeded.

func (c *session) cmdHELO(ctx context.Context, arg string) bool {
	if arg == "" {
		c.reply(ctx, "501 Syntax: HELO hostname")
		return false
	}
	return c.hello(ctx, "HELO", arg, false)
}

func (c *session) cmdEHLO(ctx context.Context, arg string) bool {
	if arg == "" {
		c.reply(ctx, "501 Syntax: EHLO hostname")
		return false
	}
	return c.hello(ctx, "EHLO", arg, true)
}

func (c *session) hello(ctx context.Context, verb, arg string, esmtp bool) bool {
	old := c.helo
	c.helo = arg
	if !c.Conf.Bool("smtpd_delay_reject") && !c.alone {
		if v := c.restrict(ctx, "helo"); v != "" {
			c.tellReject(verb, v)
			c.helo = old
			c.reply(ctx, v)
			return false
		}
	}
	c.reset()
	c.esmtp = esmtp
	name := c.Conf.Get("myhostname")
	if !esmtp {
		c.reply(ctx, "250 "+name)
		return true
	}
	lines := []string{name, "PIPELINING", "SIZE " + c.Conf.Get("message_size_limit")}
	if !c.Conf.Bool("disable_vrfy_command") {
		lines = append(lines, "VRFY")
	}
	lines = append(lines, "ETRN")
	if c.cert != nil && !c.tls {
		lines = append(lines, "STARTTLS")
	}
	if m := c.authMechanisms(); len(m) > 0 {
		lines = append(lines, "AUTH "+strings.Join(m, " "))
		if c.Conf.Bool("broken_sasl_auth_clients") {
			lines = append(lines, "AUTH="+strings.Join(m, " "))
		}
	}
	lines = append(lines, "ENHANCEDSTATUSCODES", "8BITMIME", "DSN")
	if c.Conf.Bool("smtputf8_enable") {
		lines = append(lines, "SMTPUTF8")
	}
	lines = append(lines, "CHUNKING")
	discard := strings.ToUpper(" " + strings.Join(c.Conf.List("smtpd_discard_ehlo_keywords"), " ") + " ")
	kept := lines[:1]
	for _, l := range lines[1:] {
		word, _, _ := strings.Cut(strings.ReplaceAll(l, "=", " "), " ")
		if !strings.Contains(discard, " "+word+" ") {
			kept = append(kept, l)
		}
	}
	for i := range kept {
		sep := "-"
		if i == len(kept)-1 {
			sep = " "
		}
		kept[i] = "250" + sep + kept[i]
	}
	c.reply(ctx, strings.Join(kept, "\n"))
	return true
}

func (c *session) cmdSTARTTLS(ctx context.Context, arg string) bool {
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
	c.conn, c.r, c.tls = conn, bufio.NewReaderSize(conn, 4096), true
	return true
}

// bufferedConn is a connection of which something has been read already.
type bufferedConn struct {
	net.Conn
	r *bufio.Reader
}

func (b *bufferedConn) Read(p []byte) (int, error) { return b.r.Read(p) }

// reset ends a transaction.
func (c *session) reset() {
	if c.queue != nil {
		c.queue.Close()
	}
	c.mail, c.sender, c.rawFrom, c.rawTo, c.rcpts, c.refusedRcpts, c.utf8, c.size, c.discard = false, "", "", "", nil, 0, false, 0, false
	c.ret, c.envelopeID = "", ""
	c.queueID, c.queue, c.chunks, c.bdat, c.deferred = "", nil, nil, false, ""
	c.prepend, c.hold, c.redirect, c.bcc = nil, false, "", nil
}

// parsePath reads the address of MAIL or RCPT. rest is what stands after it.
// quiet says that the error is not for the log.
func parsePath(s string) (address, raw, rest string, ok, quiet bool) {
	s = strings.TrimLeft(s, " ")
	if strings.HasPrefix(s, "<") {
		end, quoted := -1, false
		for i := 1; i < len(s); i++ {
			switch {
			case s[i] == '\\':
				i++
			case s[i] == '"':
				quoted = !quoted
			case s[i] == '>' && !quoted:
				end = i
			}
			if end >= 0 {
				break
			}
		}
		if end < 0 {
			return "", s, "", false, true
		}
		if tail, _, _ := strings.Cut(s[end+1:], " "); tail != "" {
			return "", s[:end+1] + tail, "", false, false
		}
		raw, rest = s[:end+1], strings.TrimSpace(s[end+1:])
		if i := strings.IndexByte(rest, ' '); i > 0 && !strings.Contains(rest[:i], "=") && !strings.EqualFold(rest[:i], "SMTPUTF8") {
			return "", raw, rest, false, false
		}
	} else {
		raw, rest, _ = strings.Cut(s, " ")
		rest = strings.TrimSpace(rest)
	}
	inner := strings.TrimSuffix(strings.TrimPrefix(raw, "<"), ">")
	tokens := mailaddr.Scan(inner)
	ok = validPath(tokens)
	for i, t := range tokens { // a source route counts for nothing
		if t.Kind == ':' && tokens[0].Kind == '@' {
			tokens = tokens[i+1:]
			break
		}
	}
	address, spaced := mailaddr.JoinTokens(tokens)
	if spaced {
		return "", raw, rest, false, false
	}
	return address, raw, rest, ok, false
}

// validPath checks what a mailbox or route may look like.
func validPath(tokens []mailaddr.Token) bool {
	colon := -1
	for i, t := range tokens {
		switch t.Kind {
		case ':':
			colon = i
		case 'c', ';', '<', '>':
			return false
		case ',':
			if len(tokens) == 0 || tokens[0].Kind != '@' {
				return false
			}
		}
	}
	if colon >= 0 && (len(tokens) == 0 || tokens[0].Kind != '@') {
		return false
	}
	box := tokens[colon+1:]
	at := -1
	for i, t := range box {
		if t.Kind == '@' {
			if at >= 0 {
				return false
			}
			at = i
		}
	}
	return at < 0 || at < len(box)-1
}

// needsTLS reports whether the client has to encrypt first.
func (c *session) needsTLS() bool {
	return c.tlsLevel() == "encrypt" && !c.tls && !c.alone
}

func (c *session) cmdMAIL(ctx context.Context, arg string) bool {
	fail := func(reply string) bool { c.reply(ctx, reply); return false }
	if c.helo == "" && c.Conf.Bool("smtpd_helo_required") {
		return fail("503 5.5.1 Error: send HELO/EHLO first")
	}
	if c.needsTLS() {
		return fail("530 5.7.0 Must issue a STARTTLS command first")
	}
	if c.mail {
		return fail("503 5.5.1 Error: nested MAIL command")
	}
	if len(arg) < 6 || !strings.EqualFold(arg[:5], "FROM:") {
		return fail("501 5.5.4 Syntax: MAIL FROM:<address>")
	}
	address, raw, rest, ok, quiet := parsePath(arg[5:])
	if !ok {
		if !quiet {
			c.Log.Warning("Illegal address syntax from %s in MAIL command: %s", c.namaddr(), raw)
		}
		return fail("501 5.1.7 Bad sender address syntax")
	}
	utf8, size, ret, envelopeID := false, int64(0), "", ""
	for _, o := range strings.Fields(rest) {
		name, value, _ := strings.Cut(o, "=")
		switch upper := strings.ToUpper(name); {
		case upper == "BODY" && (strings.EqualFold(value, "8BITMIME") || strings.EqualFold(value, "7BIT")):
		case upper == "SIZE" && value != "":
			n, err := strconv.ParseInt(value, 10, 64)
			if errors.Is(err, strconv.ErrRange) {
				n, err = math.MaxInt64, nil
			}
			if err != nil || n < 0 {
				return fail("501 5.5.4 Bad message size syntax")
			}
			size = n
		case upper == "SMTPUTF8" && value == "" && c.Conf.Bool("smtputf8_enable"):
			utf8 = true
		case upper == "RET" && strings.Contains(o, "="):
			if ret != "" || !strings.EqualFold(value, "FULL") && !strings.EqualFold(value, "HDRS") {
				return fail("501 5.5.4 Bad RET parameter syntax")
			}
			ret = strings.ToUpper(value)
		case upper == "AUTH" && value != "" && c.Conf.Bool("smtpd_sasl_auth_enable"):
		case upper == "ENVID" && strings.Contains(o, "="):
			text, ok := dsn.DecodeXtext(value)
			if !ok || value == "" || envelopeID != "" {
				return fail("501 5.5.4 Bad ENVID parameter syntax")
			}
			envelopeID = text
		default:
			return fail("555 5.5.4 Unsupported option: " + o)
		}
	}
	c.sender, c.rawFrom = address, mailaddr.External(address)
	if limit := c.Conf.Int64("message_size_limit"); limit > 0 && size > limit {
		reply := "552 5.3.4 Message size exceeds fixed limit"
		c.tellReject("MAIL", reply)
		return fail(reply)
	}
	if !c.Conf.Bool("smtpd_delay_reject") && !c.alone {
		if v := c.restrict(ctx, "sender"); v != "" {
			c.tellReject("MAIL", v)
			return fail(v)
		}
	}
	c.mail, c.utf8, c.size, c.ret, c.envelopeID = true, utf8, size, ret, envelopeID
	c.reply(ctx, "250 2.1.0 Ok")
	return true
}

func (c *session) cmdRCPT(ctx context.Context, arg string) bool {
	fail := func(reply string) bool { c.reply(ctx, reply); return false }
	if !c.mail {
		return fail("503 5.5.1 Error: need MAIL command")
	}
	if len(arg) < 4 || !strings.EqualFold(arg[:3], "TO:") {
		return fail("501 5.5.4 Syntax: RCPT TO:<address>")
	}
	address, raw, rest, ok, _ := parsePath(arg[3:])
	if !ok || address == "" {
		c.Log.Warning("Illegal address syntax from %s in RCPT command: %s", c.namaddr(), raw)
		return fail("501 5.1.3 Bad recipient address syntax")
	}
	r := queue.Recipient{Address: address, Original: mailaddr.External(address), DSNOriginal: "rfc822;" + strings.TrimSuffix(strings.TrimPrefix(raw, "<"), ">")}
	for _, o := range strings.Fields(rest) {
		name, value, _ := strings.Cut(o, "=")
		switch strings.ToUpper(name) {
		case "NOTIFY":
			n, ok := dsn.ParseNotify(value)
			if !ok {
				c.Log.Warning("unknown DSN NOTIFY command value \"%s\" in \"%s\"", dsn.BadNotify(value), value)
				return fail("501 5.5.4 Error: Bad NOTIFY parameter syntax")
			}
			r.Notify = n
		case "ORCPT":
			kind, text, ok1 := strings.Cut(value, ";")
			decoded, ok2 := dsn.DecodeXtext(text)
			if !ok1 || !ok2 || kind == "" || text == "" {
				return fail("501 5.5.4 Error: Bad ORCPT parameter syntax")
			}
			r.DSNOriginal = kind + ";" + decoded
		default:
			return fail("555 5.5.4 Unsupported option: " + o)
		}
	}
	if limit := c.Conf.Int("smtpd_recipient_limit"); limit > 0 && len(c.rcpts) >= limit {
		c.reply(ctx, "452 4.5.3 Error: too many recipients")
		return c.refusedRcpts < c.Conf.Int("smtpd_recipient_overshoot_limit")
	}
	c.rawTo = mailaddr.External(address)
	if !c.alone {
		if v := c.checkRecipient(ctx, address, address); v != "" {
			c.tellReject("RCPT", v)
			c.refusedRcpts++
			return fail(v)
		}
	}
	if c.queueID == "" {
		if c.alone {
			c.queueID = fmt.Sprintf("%05X%05X", c.Proc.Now().Nanosecond()/1000, c.Proc.Rand().UintN(1<<20))
		} else {
			q, err := c.Enqueue(ctx)
			if err != nil {
				return fail("451 4.3.0 Error: queue file write error")
			}
			c.queue, c.queueID = q, q.ID
		}
		login := ""
		if c.user != "" {
			login = fmt.Sprintf(", sasl_method=%s, sasl_username=%s", c.mechanism, c.user)
		}
		c.Log.Info("%s: client=%s%s", c.queueID, c.namaddr(), login)
	}
	c.rcpts = append(c.rcpts, r)
	c.reply(ctx, "250 2.1.5 Ok")
	return true
}

func (c *session) cmdDATA(ctx context.Context, arg string) bool {
	fail := func(reply string) bool { c.reply(ctx, reply); return false }
	switch {
	case arg != "":
		return fail("501 5.5.4 Syntax: DATA")
	case c.bdat:
		return fail("503 5.5.1 Error: DATA after BDAT")
	case !c.mail:
		return fail("503 5.5.1 Error: need RCPT command")
	case len(c.rcpts) == 0:
		return fail("554 5.5.1 Error: no valid recipients")
	}
	if !c.alone {
		if v := c.restrict(ctx, "data"); v != "" {
			c.tellReject("DATA", v)
			return fail(v)
		}
	}
	c.reply(ctx, "354 End data with <CR><LF>.<CR><LF>")
	mode := c.forbidBareLF()
	var text bytes.Buffer
	limit := c.Conf.Int64("message_size_limit")
	got, tooBig, bare, lastCRLF := int64(0), false, false, true
	for {
		line, crlf, err := c.readLine()
		if err != nil {
			c.lost(ctx, err, fmt.Sprintf(" (%d bytes)", got))
			c.abort(text.Bytes())
			c.fatal = errLost
			return false
		}
		if line == "." && (mode == "" || crlf && lastCRLF) {
			break
		}
		bare = bare || !crlf
		lastCRLF = crlf
		if line == "." {
			continue // the end of data for some other server
		}
		line = strings.ReplaceAll(strings.TrimPrefix(line, "."), "\r", " ")
		got += int64(len(line)) + 2
		if !tooBig {
			text.WriteString(line + "\n")
			tooBig = limit > 0 && int64(text.Len()) > 2*limit+1<<16 // more than enough to be refused
		}
	}
	if mode == "reject" && bare {
		c.Log.Info("%s: reject: END-OF-MESSAGE from %s: bare <LF> received;%s", c.queueID, c.namaddr(), c.context("DATA"))
		c.abort(text.Bytes())
		c.reply(ctx, fmt.Sprintf("550 5.5.2 %s Error: bare <LF> received", c.Conf.Get("myhostname")))
		c.reset()
		return false
	}
	return c.submit(ctx, text.Bytes(), "Ok: queued as %s")
}

// abort hands cleanup what there is of a message, for its log, and forgets it.
func (c *session) abort(text []byte) {
	if c.queue == nil {
		return
	}
	s := c.submission(text)
	s.Abort = true
	c.queue.Finish(s)
}

// submission is the transaction as cleanup(8) gets it.
func (c *session) submission(text []byte) *service.Submission {
	name := c.helo
	if name == "" {
		name = c.name
	}
	address := c.addr.String()
	if c.addr.Is6() {
		address = "IPv6:" + address
	}
	proto := c.proto()
	if c.utf8 {
		proto = "UTF8SMTP"
	}
	if c.tls {
		proto += "S"
	}
	if c.user != "" {
		proto += "A"
	}
	received := []string{
		fmt.Sprintf("Received: from %s (%s [%s])", name, c.name, address),
		fmt.Sprintf("\tby %s (%s) with %s id %%ID%%", c.Conf.Get("myhostname"), c.Conf.Get("mail_name"), proto),
	}
	if c.user != "" && c.Conf.Bool("smtpd_sasl_authenticated_header") {
		received = append(received[:1], fmt.Sprintf("\t(Authenticated sender: %s)", c.user), received[1])
	}
	last := len(received) - 1
	if len(c.rcpts) == 1 {
		received = append(received, fmt.Sprintf("\tfor <%s>; %%DATE%%", c.rcpts[0].Original))
	} else {
		received[last] += ";"
		received = append(received, "\t%DATE%")
	}
	attrs := []string{"log_client_name=" + c.name, "log_client_address=" + c.addr.String(), "log_helo_name=" + c.helo, "log_protocol_name=" + c.proto(), "client_name=" + c.name}
	attrs = append(attrs, queue.DSNAttrs(c.ret, c.envelopeID)...)
	return &service.Submission{Sender: c.sender, Recipients: c.rcpts, Attrs: attrs, Received: received, Content: text, Local: c.local, UTF8: c.utf8,
		External: true, Prepend: c.prepend, Hold: c.hold, Redirect: c.redirect, BCC: c.bcc}
}

// submit queues the message of the transaction and answers.
func (c *session) submit(ctx context.Context, text []byte, okText string) bool {
	defer c.reset()
	fail := func(reply string) bool { c.reply(ctx, reply); return false }
	if !c.alone {
		if v := c.restrict(ctx, "end_of_data"); v != "" {
			c.tellReject("END-OF-MESSAGE", v)
			return fail(v)
		}
	}
	size := int64(len(queue.AppendContent(nil, text, c.Conf.Int("line_length_limit"))))
	if limit := c.Conf.Int64("message_size_limit"); limit > 0 && size > limit {
		c.Log.Warning("%s: queue file size limit exceeded", c.queueID)
		c.abort(text)
		return fail("552 5.3.4 Error: message file too big")
	}
	id := c.queueID
	switch {
	case c.alone:
		if err := c.dropMail(ctx, text); err != nil {
			return fail("451 4.3.0 Error: queue file write error")
		}
	case c.discard:
	default:
		a, err := c.queue.Finish(c.submission(text))
		switch {
		case err != nil || a.Status == service.CleanDefer:
			return fail("451 4.3.0 Error: queue file write error")
		case a.Status == service.CleanTooBig:
			return fail("552 5.3.4 Error: message file too big")
		case a.Status == service.CleanRejected:
			return fail("550 " + a.Reason)
		case a.Status == service.CleanBadHops:
			return fail("554 5.4.0 Error: too many hops")
		}
	}
	c.errors, c.junk = 0, 0
	c.mask = map[string]bool{}
	c.reply(ctx, "250 2.0.0 "+fmt.Sprintf(okText, id))
	return true
}

// dropMail submits the mail of a session without a connection, as sendmail(1) would.
func (c *session) dropMail(ctx context.Context, text []byte) error {
	s := c.submission(text)
	var head strings.Builder
	for _, line := range s.Received {
		head.WriteString(strings.NewReplacer("%ID%", c.queueID, "%DATE%", header.Date(c.Proc.Now().In(c.Log.Zone()))).Replace(line) + "\n")
	}
	return service.Postdrop(ctx, c.Proc, c.Conf, c.Log, &service.Dropped{Sender: c.sender, Recipients: c.rcpts, Text: append([]byte(head.String()), text...)})
}

func (c *session) cmdBDAT(ctx context.Context, arg string) bool {
	f := strings.Fields(arg)
	bad := len(f) < 1 || len(f) > 2 || len(f) == 2 && !strings.EqualFold(f[1], "LAST")
	var n int64
	var err error
	if !bad {
		n, err = strconv.ParseInt(f[0], 10, 64)
		bad = err != nil || n < 0
	}
	if bad {
		// Where the next command begins cannot be known.
		c.Log.Warning("%s: malformed BDAT command syntax from %s: %.100s", c.id(), c.namaddr(), strings.TrimRight("BDAT "+arg, " "))
		c.mask["protocol"] = true
		c.reply(ctx, "521 5.5.4 Syntax: BDAT count [LAST]")
		return false
	}
	limit := c.Conf.Int64("message_size_limit")
	skip := ""
	switch {
	case !c.mail:
		skip = "503 5.5.1 Error: need RCPT command"
	case len(c.rcpts) == 0:
		skip = "554 5.5.1 Error: no valid recipients"
	case limit > 0 && n > 2*limit-int64(len(c.chunks)):
		skip = "552 5.3.4 Chunk exceeds message size limit"
	}
	if skip != "" {
		if err := c.copyBytes(io.Discard, n); err != nil {
			c.lost(ctx, err, "")
			c.fatal = errLost
			return false
		}
		c.reply(ctx, skip)
		return false
	}
	chunk := bytes.NewBuffer(c.chunks) // it grows as bytes come: n may be anything
	if err := c.copyBytes(chunk, n); err != nil {
		c.lost(ctx, err, fmt.Sprintf(" (%d bytes)", len(c.chunks)))
		c.fatal = errLost
		return false
	}
	c.bdat = true
	c.chunks = chunk.Bytes()
	if len(f) == 1 {
		c.reply(ctx, fmt.Sprintf("250 2.0.0 Ok: %d bytes", n))
		return true
	}
	text := bytes.ReplaceAll(c.chunks, []byte("\r\n"), []byte("\n"))
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(text, '\n')
	}
	return c.submit(ctx, text, fmt.Sprintf("Ok: %d bytes queued as %%s", len(text)+bytes.Count(text, []byte("\n"))))
}

func (c *session) cmdRSET(ctx context.Context, arg string) bool {
	if arg != "" {
		c.reply(ctx, "501 5.5.4 Syntax: RSET")
		return false
	}
	c.reset()
	c.reply(ctx, "250 2.0.0 Ok")
	return true
}

func (c *session) cmdNOOP(ctx context.Context, arg string) bool {
	c.reply(ctx, "250 2.0.0 Ok")
	return true
}

func (c *session) cmdQUIT(ctx context.Context, arg string) bool {
	c.reply(ctx, "221 2.0.0 Bye")
	return true
}

func (c *session) cmdVRFY(ctx context.Context, arg string) bool {
	fail := func(reply string) bool { c.reply(ctx, reply); return false }
	if c.Conf.Bool("disable_vrfy_command") {
		return fail("502 5.5.1 VRFY command is disabled")
	}
	if arg == "" {
		return fail("501 5.5.4 Syntax: VRFY address [SMTPUTF8]")
	}
	rest := arg
	if f := strings.Fields(arg); len(f) == 2 && strings.EqualFold(f[1], "SMTPUTF8") {
		rest = f[0]
	}
	address, _, tail, ok, _ := parsePath(rest)
	if !ok || address == "" || tail != "" {
		c.Log.Warning("Illegal address syntax from %s in VRFY command: %s", c.namaddr(), arg)
		return fail("501 5.1.3 Bad recipient address syntax")
	}
	saved := c.rawTo
	c.rawTo = mailaddr.External(address)
	defer func() { c.rawTo = saved }()
	if v := c.unlisted(ctx, address, strings.Trim(rest, "<>"), "Recipient address", true); v != "" {
		c.tellReject("VRFY", v)
		return fail(v)
	}
	c.reply(ctx, "252 2.0.0 "+rest)
	return true
}

func (c *session) cmdETRN(ctx context.Context, arg string) bool {
	fail := func(reply string) bool { c.reply(ctx, reply); return false }
	if arg == "" || strings.Contains(arg, " ") {
		return fail("500 Syntax: ETRN domain")
	}
	site := strings.TrimLeft(arg, "@#")
	if hit, _ := c.flushed.Match(c.Log, site, ""); !hit {
		c.Log.Warning("reject: ETRN %.100s... from %s", site, c.namaddr())
		return fail(fmt.Sprintf("459 <%s>: service unavailable", site))
	}
	var answer string
	if err := c.Peers.Ask(ctx, service.QmgrSocket, service.Request{Verb: service.VerbSite, Arg: site}, &answer); err != nil {
		return fail("458 Unable to queue messages")
	}
	c.reply(ctx, "250 Queuing started")
	return true
}
