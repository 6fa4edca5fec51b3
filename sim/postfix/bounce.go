package postfix

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/trace"
)

// A bounceQuestion asks bounce(8) to report on a message in the active queue.
type bounceQuestion struct {
	Queue string // bounce, defer or trace: where the reasons stand
	ID    string
}

// Bounce is /usr/libexec/postfix/bounce (bounce(8)).
func Bounce(ctx context.Context, p *host.Proc) int {
	a := parseServiceArgs(p.Args[1:])
	d, err := newDaemon(ctx, p, "bounce", a)
	if err != nil {
		return 1
	}
	return d.serve(ctx, a.socket, func(ctx context.Context, w *wireConn) {
		var q bounceQuestion
		if w.dec.Decode(&q) != nil {
			return
		}
		answer := "ok"
		if err := d.bounce(ctx, q); err != nil {
			answer = err.Error()
		}
		w.enc.Encode(answer)
	})
}

// bounce sends the report of one message to its sender.
func (d *daemon) bounce(ctx context.Context, q bounceQuestion) error {
	path := d.q.path(q.Queue, q.ID)
	data, err := libc.ReadFile(d.p, path)
	if err != nil {
		return err
	}
	m, err := d.q.open(qActive, q.ID, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer m.close()
	if err := m.lock(syscall.LOCK_SH); err != nil {
		return err
	}
	text, err := m.text()
	if err != nil {
		return err
	}
	entries := decodeLog(data)
	r := &report{host: d.c.get("myhostname"), mailName: d.c.get("mail_name"), id: q.ID, kind: q.Queue, sender: m.sender, utf8: m.utf8,
		epoch: d.p.Now().Unix(), arrival: mailDate(m.arrival.In(libc.Zone(d.p))), date: mailDate(d.p.Now().In(libc.Zone(d.p))),
		entries: entries, original: text, limit: d.c.int("bounce_size_limit"), origin: d.c.get("myorigin")}
	notify := false
	for _, class := range d.c.list("notify_classes") {
		notify = notify || class == "bounce" && q.Queue != qTrace
	}
	if notify && m.sender != "" {
		copyTo := *r
		copyTo.postmaster = d.c.get("bounce_notice_recipient")
		id, err := d.forward(ctx, d.reportSubmission(&copyTo, d.c.get("double_bounce_sender"), copyTo.postmaster, ""))
		if err != nil {
			return err
		}
		d.log.info("%s: postmaster non-delivery notification: %s", q.ID, id)
	}
	if m.sender == "" { // there is nobody to tell
		return d.q.release(d.q.claimFile(q.Queue, q.ID))
	}
	id, err := d.forward(ctx, d.reportSubmission(r, "", m.sender, d.q.claimFile(q.Queue, q.ID)))
	if err != nil {
		return err
	}
	what := "sender non-delivery notification"
	if q.Queue == qTrace {
		what = "sender delivery status notification"
	}
	d.log.info("%s: %s: %s", q.ID, what, id)
	for _, e := range entries {
		d.log.emit(trace.MailBounced, trace.Attrs{"id": q.ID, "to": e.Recipient, "reason": e.Reason, "bounce-id": id})
	}
	return nil
}

func (d *daemon) reportSubmission(r *report, from, to string, replaces claim) *submission {
	return &submission{Sender: from, Recipients: []recipient{{Address: to, Original: external(to), Notify: notifyNever}}, Content: r.build(),
		Received: []string{
			fmt.Sprintf("Received: by %s (%s)", d.c.get("myhostname"), d.c.get("mail_name")),
			"\tid %ID%; %DATE%",
		}, Local: true, Internal: true, Claim: replaces}
}

// report is a delivery status notification (RFC 3464).
type report struct {
	host, mailName, id, kind, sender, origin string
	epoch                                    int64
	arrival, date                            string
	entries                                  []logEntry
	original                                 []byte
	limit                                    int
	postmaster                               string // "" for the sender's own
	utf8                                     bool
}

// build writes the message.
func (r *report) build() []byte {
	var b bytes.Buffer
	boundary := fmt.Sprintf("%s.%d/%s", r.id, r.epoch, r.host)
	subject, to := "Undelivered Mail Returned to Sender", external(r.sender)
	if r.kind == qTrace {
		subject = "Mail Delivery Status Report"
	}
	if r.postmaster != "" {
		subject, to = "Postmaster Copy: Undelivered Mail", r.postmaster
	}
	fmt.Fprintf(&b, "Date: %s\nFrom: MAILER-DAEMON@%s (Mail Delivery System)\nSubject: %s\nTo: %s\n", r.date, r.origin, subject, to)
	if r.postmaster == "" {
		b.WriteString("Auto-Submitted: auto-replied\n")
	}
	fmt.Fprintf(&b, "MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status;\n\tboundary=\"%s\"\n", boundary)
	b.WriteString("Content-Transfer-Encoding: 8bit\n\nThis is a MIME-encapsulated message.\n\n")
	fmt.Fprintf(&b, "--%s\nContent-Description: Notification\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n", boundary)
	fmt.Fprintf(&b, "This is the mail system at host %s.\n\n", r.host)
	if r.kind == qTrace {
		b.WriteString("Enclosed is the mail delivery report that you requested.\n\n")
	} else {
		b.WriteString("I'm sorry to have to inform you that your message could not\nbe delivered to one or more recipients. It's attached below.\n\n" +
			"For further assistance, please send mail to postmaster.\n\n" +
			"If you do so, please include this problem report. You can\ndelete your own text from the attached returned message.\n\n")
	}
	b.WriteString("                   The mail system\n\n")
	for _, e := range r.entries {
		text := "<" + external(e.Recipient) + ">"
		if e.Original != "" && !strings.EqualFold(e.Original, external(e.Recipient)) {
			text += " (expanded from <" + e.Original + ">)"
		}
		wrapLine(&b, text+": "+e.Reason, 79)
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "--%s\nContent-Description: Delivery report\nContent-Type: message/delivery-status\n\n", boundary)
	fmt.Fprintf(&b, "Reporting-MTA: dns; %s\nX-%s-Queue-ID: %s\nX-%s-Sender: rfc822; %s\nArrival-Date: %s\n",
		r.host, r.mailName, r.id, r.mailName, external(r.sender), r.arrival)
	for _, e := range r.entries {
		action := e.Action
		if r.kind == qDefer {
			action = "failed"
		}
		fmt.Fprintf(&b, "\nFinal-Recipient: rfc822; %s\n", external(e.Recipient))
		if e.DSNOriginal != "" {
			fmt.Fprintf(&b, "Original-Recipient: %s\n", e.DSNOriginal)
		}
		fmt.Fprintf(&b, "Action: %s\nStatus: %s\n", action, e.Status)
		if e.MTA != "" {
			fmt.Fprintf(&b, "Remote-MTA: dns; %s\n", e.MTA)
		}
		kind, text := e.DiagType, e.DiagText
		if kind == "" {
			kind, text = "X-"+r.mailName, e.Reason
		}
		wrapLine(&b, "Diagnostic-Code: "+kind+"; "+text, 79)
	}
	b.WriteByte('\n')
	head := r.kind == qTrace || r.postmaster != "" || r.limit > 0 && len(r.original) > r.limit
	description, kind := "Undelivered Message", "message/rfc822"
	if r.kind == qTrace {
		description = "Message"
	}
	if head {
		description, kind = description+" Headers", "text/rfc822-headers"
		if r.kind != qTrace {
			description = "Undelivered Message Headers"
		}
	}
	fmt.Fprintf(&b, "--%s\nContent-Description: %s\nContent-Type: %s\nContent-Transfer-Encoding: 8bit\n\n", boundary, description, kind)
	fmt.Fprintf(&b, "Return-Path: <%s>\n", external(r.sender))
	text := r.original
	if head {
		if end := bytes.Index(text, []byte("\n\n")); end >= 0 {
			text = text[:end+1]
		}
	}
	b.Write(text)
	if len(text) > 0 && text[len(text)-1] != '\n' {
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "\n--%s--\n", boundary)
	return b.Bytes()
}

// wrapLine writes text in lines of at most width columns, broken at blanks; the
// lines after the first are indented by four (line_wrap(3)).
func wrapLine(b *bytes.Buffer, text string, width int) {
	text = strings.TrimRight(text, " \t\n")
	indent := ""
	for {
		room := width - len(indent)
		if len(text) <= room {
			b.WriteString(indent + text + "\n")
			return
		}
		at := strings.LastIndexAny(text[:room+1], " \t")
		if at <= 0 {
			at = strings.IndexAny(text, " \t")
			if at < 0 {
				b.WriteString(indent + text + "\n")
				return
			}
		}
		b.WriteString(indent + text[:at] + "\n")
		text = strings.TrimLeft(text[at:], " \t")
		indent = "    "
	}
}

// The agents that only decide: error(8), retry and discard(8).

// Error is /usr/libexec/postfix/error (error(8)): it gives every recipient the
// fate that stands in the next hop, "5.1.1 text".
func Error(ctx context.Context, p *host.Proc) int {
	a := parseServiceArgs(p.Args[1:])
	d, err := newDaemon(ctx, p, "error", a)
	if err != nil {
		return 1
	}
	return d.serveDeliveries(ctx, a.socket, func(ctx context.Context, x *delivery) {
		code, text, ok := strings.Cut(x.req.Nexthop, " ")
		if !ok || len(code) < 5 || code[1] != '.' {
			code, text = "5.0.0", x.req.Nexthop
			if a.name == "retry" {
				code = "4.0.0"
			}
		}
		if a.name == "retry" {
			code = "4" + code[1:]
		}
		for _, r := range x.req.Recipients {
			x.failed(r, "none", fate{dsn: code, text: text})
			if code[0] == '5' {
				x.done(r)
			}
		}
	})
}

// Discard is /usr/libexec/postfix/discard (discard(8)).
func Discard(ctx context.Context, p *host.Proc) int {
	a := parseServiceArgs(p.Args[1:])
	d, err := newDaemon(ctx, p, "discard", a)
	if err != nil {
		return 1
	}
	return d.serveDeliveries(ctx, a.socket, func(ctx context.Context, x *delivery) {
		for _, r := range x.req.Recipients {
			x.sent(r, "none", fate{dsn: "2.0.0", text: x.req.Nexthop})
			x.done(r)
		}
	})
}
