// Package dsn is what senders are told of their mail: the status of recipients
// as it is kept in the queue, and the reports made of it (RFC 3461, 3464).
package dsn

import (
	"bytes"
	"fmt"
	"strings"

	"enshu/sim/postfix/mailaddr"
)

// Report is a delivery status notification (RFC 3464).
type Report struct {
	Host, MailName, ID, Kind, Sender, Origin string
	Epoch                                    int64
	Arrival, Date                            string
	Entries                                  []Entry
	Original                                 []byte
	Limit                                    int
	Postmaster                               string // "" for the sender's own
	Requested                                bool   // sendmail -v or -bv asked for it
	HeadOnly                                 bool   // the message is not returned, only its header
	UTF8                                     bool
}

// succeeded reports whether the sender asked for word of success (RFC 3461),
// rather than for a report of everything (sendmail -v and -bv).
func (r *Report) succeeded() bool { return !r.Requested }

// Build writes the message.
func (r *Report) Build() []byte {
	var b bytes.Buffer
	boundary := fmt.Sprintf("%s.%d/%s", r.ID, r.Epoch, r.Host)
	subject, to := "Undelivered Mail Returned to Sender", mailaddr.External(r.Sender)
	if r.Kind == TraceLog {
		subject = "Mail Delivery Status Report"
		if r.succeeded() {
			subject = "Successful Mail Delivery Report"
		}
	}
	if r.Postmaster != "" {
		subject, to = "Postmaster Copy: Undelivered Mail", r.Postmaster
	}
	fmt.Fprintf(&b, "Date: %s\nFrom: MAILER-DAEMON@%s (Mail Delivery System)\nSubject: %s\nTo: %s\n", r.Date, r.Origin, subject, to)
	if r.Postmaster == "" {
		b.WriteString("Auto-Submitted: auto-replied\n")
	}
	fmt.Fprintf(&b, "MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status;\n\tboundary=\"%s\"\n", boundary)
	b.WriteString("Content-Transfer-Encoding: 8bit\n\nThis is a MIME-encapsulated message.\n\n")
	fmt.Fprintf(&b, "--%s\nContent-Description: Notification\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n", boundary)
	fmt.Fprintf(&b, "This is the mail system at host %s.\n\n", r.Host)
	if r.Kind == TraceLog && r.succeeded() {
		b.WriteString("Your message was successfully delivered to the destination(s)\nlisted below. If the message was delivered to mailbox you will\n" +
			"receive no further notifications. Otherwise you may still receive\nnotifications of mail delivery errors from other systems.\n\n")
	} else if r.Kind == TraceLog {
		b.WriteString("Enclosed is the mail delivery report that you requested.\n\n")
	} else {
		b.WriteString("I'm sorry to have to inform you that your message could not\nbe delivered to one or more recipients. It's attached below.\n\n" +
			"For further assistance, please send mail to postmaster.\n\n" +
			"If you do so, please include this problem report. You can\ndelete your own text from the attached returned message.\n\n")
	}
	b.WriteString("                   The mail system\n\n")
	for _, e := range r.Entries {
		text := "<" + mailaddr.External(e.Recipient) + ">"
		if e.Original != "" && !strings.EqualFold(e.Original, mailaddr.External(e.Recipient)) {
			text += " (expanded from <" + e.Original + ">)"
		}
		wrapLine(&b, text+": "+e.Reason, 79)
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "--%s\nContent-Description: Delivery report\nContent-Type: message/delivery-status\n\n", boundary)
	fmt.Fprintf(&b, "Reporting-MTA: dns; %s\nX-%s-Queue-ID: %s\nX-%s-Sender: rfc822; %s\nArrival-Date: %s\n",
		r.Host, r.MailName, r.ID, r.MailName, mailaddr.External(r.Sender), r.Arrival)
	for _, e := range r.Entries {
		action := e.Action
		if r.Kind == DeferLog {
			action = "failed"
		}
		fmt.Fprintf(&b, "\nFinal-Recipient: rfc822; %s\n", mailaddr.External(e.Recipient))
		if e.DSNOriginal != "" {
			fmt.Fprintf(&b, "Original-Recipient: %s\n", e.DSNOriginal)
		}
		fmt.Fprintf(&b, "Action: %s\nStatus: %s\n", action, e.Status)
		if e.MTA != "" {
			fmt.Fprintf(&b, "Remote-MTA: dns; %s\n", e.MTA)
		}
		kind, text := e.DiagType, e.DiagText
		if kind == "" {
			kind, text = "X-"+r.MailName, e.Reason
		}
		wrapLine(&b, "Diagnostic-Code: "+kind+"; "+text, 79)
	}
	b.WriteByte('\n')
	head := r.HeadOnly || r.Kind == TraceLog || r.Postmaster != "" || r.Limit > 0 && len(r.Original) > r.Limit
	description, kind := "Undelivered Message", "message/rfc822"
	if r.Kind == TraceLog {
		description = "Message"
	}
	if head {
		description, kind = description+" Headers", "text/rfc822-headers"
		if r.Kind != TraceLog {
			description = "Undelivered Message Headers"
		}
	}
	fmt.Fprintf(&b, "--%s\nContent-Description: %s\nContent-Type: %s\nContent-Transfer-Encoding: 8bit\n\n", boundary, description, kind)
	fmt.Fprintf(&b, "Return-Path: <%s>\n", mailaddr.External(r.Sender))
	text := r.Original
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
