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
	Host, MailName, ID, Kind, Sender string
	Epoch                            int64
	Arrival, Date                    string
	Entries                          []Entry
	Original                         []byte
	Limit                            int
	Postmaster                       string   // "" for the sender's own
	Template                         Template // its text with the $name forms replaced
	RetryUntil                       string   // of a warning: the date of the bounce
	HeadOnly                         bool     // the message is not returned, only its header
	EnvelopeID                       string   // ENVID, "" for none
	Ret                              string   // HDRS or FULL, as the sender wished; ""
	Full                             bool     // the postmaster gets the message too, not only its header
}

// Build writes the message.
func (r *Report) Build() []byte {
	var b bytes.Buffer
	boundary := fmt.Sprintf("%s.%d/%s", r.ID, r.Epoch, r.Host)
	subject, to, charset := r.Template.Subject, mailaddr.External(r.Sender), r.Template.Charset
	if r.Postmaster != "" {
		subject, to = r.Template.Postmaster, r.Postmaster
	}
	if charset == "us-ascii" { // reasons may have other bytes
		charset = "utf-8"
	}
	fmt.Fprintf(&b, "Date: %s\nFrom: %s\nSubject: %s\nTo: %s\n", r.Date, r.Template.From, subject, to)
	submitted, notice := "auto-replied", r.Template.Text
	if r.Postmaster != "" {
		submitted, notice = "auto-generated", ""
	}
	fmt.Fprintf(&b, "Auto-Submitted: %s\n", submitted)
	fmt.Fprintf(&b, "MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status;\n\tboundary=\"%s\"\n", boundary)
	b.WriteString("Content-Transfer-Encoding: 8bit\n\nThis is a MIME-encapsulated message.\n\n")
	fmt.Fprintf(&b, "--%s\nContent-Description: Notification\nContent-Type: text/plain; charset=%s\nContent-Transfer-Encoding: 8bit\n\n%s\n",
		boundary, charset, notice)
	for _, e := range r.Entries {
		text := "<" + mailaddr.External(e.Recipient) + ">"
		if e.Original != "" && !strings.EqualFold(e.Original, mailaddr.External(e.Recipient)) {
			text += " (expanded from <" + e.Original + ">)"
		}
		wrapLine(&b, text+": "+e.Reason, 79)
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "--%s\nContent-Description: Delivery report\nContent-Type: message/delivery-status\n\n", boundary)
	fmt.Fprintf(&b, "Reporting-MTA: dns; %s\n", r.Host)
	if r.EnvelopeID != "" {
		fmt.Fprintf(&b, "Original-Envelope-Id: %s\n", r.EnvelopeID)
	}
	fmt.Fprintf(&b, "X-%s-Queue-ID: %s\nX-%s-Sender: rfc822; %s\nArrival-Date: %s\n",
		r.MailName, r.ID, r.MailName, mailaddr.External(r.Sender), r.Arrival)
	for _, e := range r.Entries {
		action := e.Action
		if r.Kind == DeferLog && r.RetryUntil == "" {
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
		if r.RetryUntil != "" {
			fmt.Fprintf(&b, "Will-Retry-Until: %s\n", r.RetryUntil)
		}
	}
	b.WriteByte('\n')
	head := r.HeadOnly || r.RetryUntil != "" || r.Kind == TraceLog || r.Postmaster != "" && !r.Full || r.Ret == "HDRS" || r.Limit > 0 && len(r.Original) > r.Limit
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
