package smtpd

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"enshu/sim/postfix/header"
	"enshu/sim/postfix/queue"
	"enshu/sim/postfix/service"
)

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
		External: true, Prepend: c.prepend, Hold: c.hold, Redirect: c.redirect, BCC: c.bcc, Filter: cmp.Or(c.filter, c.Conf.Get("content_filter"))}
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
	size := queue.ContentSize(text, c.Conf.Int("line_length_limit"))
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
	limit, last := c.Conf.Int64("message_size_limit"), len(f) == 2
	skip := ""
	switch {
	case c.bdatFailed:
		skip = fmt.Sprintf("551 5.0.0 Discarded %d bytes after earlier error", n)
	case !c.mail:
		skip = "503 5.5.1 Error: need RCPT command"
	case len(c.rcpts) == 0:
		skip = "554 5.5.1 Error: no valid recipients"
	case n == 0 && !last:
		c.Log.Warning("%s: null BDAT request from %s", c.id(), c.namaddr())
		skip = "551 5.7.1 Null BDAT request"
	case limit > 0 && n > limit-int64(len(c.chunks)):
		c.Log.Warning("%s: BDAT request from %s exceeds message size limit", c.id(), c.namaddr())
		skip = "552 5.3.4 Chunk exceeds message size limit"
	}
	if skip != "" {
		c.bdat, c.bdatFailed = true, !last
		if err := c.copyBytes(io.Discard, n); err != nil {
			c.lost(ctx, err, "")
			c.fatal = errLost
			return false
		}
		c.reply(ctx, skip)
		if last {
			c.reset()
		}
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
