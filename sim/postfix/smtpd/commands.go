package smtpd

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"enshu/sim/postfix/dsn"
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
	c.esmtp = c.esmtp || esmtp // HELO after EHLO changes nothing
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

// cmdX is XCLIENT and XFORWARD, which nobody is authorized for
// (smtpd_authorized_xclient_hosts has nothing by default).
func (c *session) cmdX(ctx context.Context, arg string) bool {
	c.reply(ctx, "550 5.7.0 Error: insufficient authorization")
	return false
}

// reset ends a transaction.
func (c *session) reset() {
	if c.queue != nil {
		c.queue.Close()
	}
	c.mail, c.sender, c.rawFrom, c.rawTo, c.rcpts, c.refusedRcpts, c.utf8, c.size, c.discard = false, "", "", "", nil, 0, false, 0, false
	c.ret, c.envelopeID, c.bdatFailed = "", "", false
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
	if c.bdat {
		return fail("503 5.5.1 Error: MAIL after BDAT")
	}
	if c.mail {
		return fail("503 5.5.1 Error: nested MAIL command")
	}
	if len(arg) < 6 || !strings.EqualFold(arg[:5], "FROM:") {
		return fail("501 5.5.4 Syntax: MAIL FROM:<address>")
	}
	address, raw, rest, ok, quiet := parsePath(arg[5:])
	if _, domain, has := mailaddr.Split(address); ok && has {
		ok = mailaddr.ValidDomain(domain)
	}
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
	if c.bdat {
		return fail("503 5.5.1 Error: RCPT after BDAT")
	}
	address, raw, rest, ok, quiet := parsePath(arg[3:])
	if _, domain, has := mailaddr.Split(address); ok && has && address[0] != '@' && domain != "" {
		ok = mailaddr.ValidDomain(domain)
	}
	if quiet {
		return fail("501 5.1.3 Bad recipient address syntax")
	}
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
