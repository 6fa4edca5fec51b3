package smtpd

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"enshu/sim/postfix/header"
	"enshu/sim/postfix/queue"
	"enshu/sim/postfix/service"
	"enshu/sim/trace"
)

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

// id is how the log names the transaction.
func (c *session) id() string {
	if c.queueID == "" {
		return "NOQUEUE"
	}
	return c.queueID
}

// tellReject logs a refusal.
func (c *session) tellReject(where, reply string) { c.tell("reject", where, reply) }

func (c *session) tell(what, where, text string) {
	c.Log.Info("%s: %s: %s from %s: %s;%s", c.id(), what, where, c.namaddr(), text, c.context(where))
	c.Log.Emit(trace.MailRejected, trace.Attrs{"from": c.sender, "to": c.rawTo, "command": where, "reply": text})
}

// context is the end of a log line: from, to, proto, helo.
func (c *session) context(where string) string {
	var b strings.Builder
	if c.mail || where == "MAIL" {
		fmt.Fprintf(&b, " from=<%s>", c.rawFrom)
	}
	if c.rawTo != "" && where != "MAIL" && (where == "RCPT" || len(c.rcpts) < 2) {
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
func (c *session) notify(ctx context.Context) {
	wanted := false
	for _, class := range c.Conf.List("notify_classes") {
		wanted = wanted || c.mask[class]
	}
	if !wanted || c.alone {
		return
	}
	var b bytes.Buffer
	origin := c.Conf.Get("myorigin")
	fmt.Fprintf(&b, "Date: %s\nFrom: MAILER-DAEMON@%s (Mail Delivery System)\nTo: %s@%s (Postmaster)\n", header.Date(c.Proc.Now().In(c.Log.Zone())), origin, c.Conf.Get("error_notice_recipient"), origin)
	fmt.Fprintf(&b, "Subject: %s SMTP server: errors from %s\n\nTranscript of session follows.\n\n", c.Conf.Get("mail_name"), c.namaddr())
	for _, line := range c.transcript {
		b.WriteString(" " + line + "\n")
	}
	b.WriteString("\n\nFor other details, see the local mail logfile\n")
	to := c.Conf.Get("error_notice_recipient")
	c.Daemon.Forward(ctx, &service.Submission{Sender: c.Conf.Get("double_bounce_sender"), Recipients: []queue.Recipient{{Address: to, Original: to}}, Content: b.Bytes(),
		Received: []string{fmt.Sprintf("Received: by %s (%s)", c.Conf.Get("myhostname"), c.Conf.Get("mail_name")), "\tid %ID%; %DATE%"}, Local: true, Internal: true})
}
