package postfix

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"enshu/sim/libc"
	"enshu/sim/trace"
)

// fate is what became of a recipient.
type fate struct {
	dsn  string // enhanced status code
	text string
	// For the report: what the other side or the command said. The zero value
	// is the text itself, of type X-Postfix.
	diagType, diagText string
	mta                string // Remote-MTA
}

// delivery is one request as a delivery agent works on it: it tells the log,
// the queue file and the sender's report of each recipient.
type delivery struct {
	*daemon
	req     *deliveryRequest
	msg     *message  // open for writing and locked; nil for reports of qmgr(8) itself
	began   time.Time // when the agent took it
	settled time.Time // when a connection was there
	answer  deliveryAnswer
}

func (d *daemon) newDelivery(req *deliveryRequest) *delivery {
	now := d.p.Now()
	return &delivery{daemon: d, req: req, began: now, settled: now}
}

// sent notes a successful delivery.
func (x *delivery) sent(r recipient, relay string, f fate) {
	if x.req.Flags&(flagVerify|flagRecord) != 0 {
		action := "delivered"
		if x.req.Flags&flagVerify != 0 {
			action = "deliverable"
		}
		x.remember(qTrace, r, relay, f, action)
	}
	status := "sent"
	if x.req.Flags&flagVerify != 0 {
		status = "deliverable"
	}
	x.tell(r, relay, f, status)
	if r.Notify&notifySuccess != 0 && x.req.Flags&flagVerify == 0 {
		x.remember(qTrace, r, relay, f, "delivered")
	}
}

// bounced notes that a recipient is returned to the sender.
func (x *delivery) bounced(r recipient, relay string, f fate) {
	if x.c.bool("soft_bounce") {
		f.dsn = "4" + f.dsn[1:]
		x.deferred(r, relay, f)
		return
	}
	status := "bounced"
	switch {
	case x.req.Flags&flagVerify != 0:
		status = "undeliverable"
		x.remember(qTrace, r, relay, f, "undeliverable")
	case r.Notify&notifyNever != 0 || r.Notify != 0 && r.Notify&notifyFailure == 0:
	default:
		x.remember(qBounce, r, relay, f, "failed")
	}
	x.tell(r, relay, f, status)
	x.log.emit(trace.MailBounced, trace.Attrs{"id": x.req.ID, "to": r.Address, "reason": f.text, "bounce-id": ""})
}

// deferred notes that a recipient has to wait.
func (x *delivery) deferred(r recipient, relay string, f fate) {
	if x.req.Flags&flagVerify != 0 {
		x.remember(qTrace, r, relay, f, "undeliverable")
		x.tell(r, relay, f, "undeliverable")
		return
	}
	x.remember(qDefer, r, relay, f, "delayed")
	x.tell(r, relay, f, "deferred")
	x.answer.Deferred = append(x.answer.Deferred, f.text)
	x.log.emit(trace.MailDeferred, trace.Attrs{"id": x.req.ID, "to": r.Address, "relay": relay, "reason": f.text, "next": ""})
}

// failed bounces or defers by the class of the status code.
func (x *delivery) failed(r recipient, relay string, f fate) {
	if strings.HasPrefix(f.dsn, "5") {
		x.bounced(r, relay, f)
	} else {
		x.deferred(r, relay, f)
	}
}

// done marks the recipient in the queue file.
func (x *delivery) done(r recipient) {
	if err := x.msg.markDone(r.Offset); err != nil {
		x.log.warning("%s: update queue file: %s", x.req.ID, libc.Strerror(err))
	}
}

// tell writes the delivery line of the log.
func (x *delivery) tell(r recipient, relay string, f fate, status string) {
	orig := ""
	if r.Original != "" && !strings.EqualFold(r.Original, external(r.Address)) {
		orig = fmt.Sprintf("orig_to=<%s>, ", r.Original)
	}
	now := x.p.Now()
	if x.began.IsZero() {
		x.began, x.settled = now, now
	}
	parts := []time.Duration{x.req.Active.Sub(x.req.Arrival), x.began.Sub(x.req.Active), x.settled.Sub(x.began), now.Sub(x.settled)}
	var shown []string
	for _, d := range parts {
		shown = append(shown, prettyDelay(d))
	}
	x.log.info("%s: to=<%s>, %srelay=%s, delay=%s, delays=%s, dsn=%s, status=%s (%s)",
		x.req.ID, external(r.Address), orig, relay, prettyDelay(now.Sub(x.req.Arrival)), strings.Join(shown, "/"), f.dsn, status, oneLine(f.text))
}

// oneLine is text as the log shows it: line feeds are blanks.
func oneLine(s string) string { return strings.ReplaceAll(s, "\n", " ") }

// prettyDelay shows two significant digits, and hundredths at best.
func prettyDelay(d time.Duration) string {
	s := d.Seconds()
	switch {
	case s < 0.01:
		return "0"
	case s < 0.1:
		return fmt.Sprintf("%.2f", s)
	case s < 1:
		return strings.TrimSuffix(fmt.Sprintf("%.2f", s), "0")
	case s < 10:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", s), ".0")
	}
	return strconv.Itoa(int(s))
}

// A logEntry is one recipient in a file below defer, bounce or trace.
type logEntry struct {
	Recipient, Original, DSNOriginal string
	Offset                           int64
	Status, Action, Reason           string
	DiagType, DiagText, MTA          string
}

// remember appends a recipient to the sender's report.
func (x *delivery) remember(queue string, r recipient, relay string, f fate, action string) {
	e := logEntry{Recipient: r.Address, Original: r.Original, DSNOriginal: r.DSNOriginal, Offset: r.Offset,
		Status: f.dsn, Action: action, Reason: f.text, DiagType: f.diagType, DiagText: f.diagText, MTA: f.mta}
	if queue == qTrace {
		e.Reason = fmt.Sprintf("delivery via %s: %s", relay, f.text)
	}
	path := x.q.path(queue, x.req.ID)
	data := encodeLogEntry(e)
	err := libc.AppendFile(x.p, path, data, 0o600)
	if err != nil && x.q.hashed[queue] {
		dir := x.q.dir + "/" + queue + "/" + x.req.ID[:1]
		x.p.Sys.Mkdir(dir, 0o700)
		x.ownLog(dir)
		libc.AppendFile(x.p, path, data, 0o600)
	}
	x.ownLog(path)
}

// ownLog gives a report to the mail system, since local(8) runs as root.
func (x *delivery) ownLog(path string) {
	if x.p.UID == 0 {
		if u, ok := libc.UserByName(x.p, x.c.get("mail_owner")); ok {
			x.p.Sys.Chown(path, u.UID, u.GID)
		}
	}
}

// encodeLogEntry writes an entry: the address and reason for people, then
// name=value lines, then an empty line.
func encodeLogEntry(e logEntry) []byte {
	var b strings.Builder
	clean := func(s string) string { return strings.NewReplacer("\n", " ", "\r", " ").Replace(s) }
	fmt.Fprintf(&b, "<%s>: %s\n", clean(external(e.Recipient)), clean(e.Reason))
	for _, f := range [][2]string{{"recipient", e.Recipient}, {"offset", strconv.FormatInt(e.Offset, 10)}, {"original_recipient", e.Original},
		{"dsn_orig_rcpt", e.DSNOriginal}, {"status", e.Status}, {"action", e.Action}, {"diag_type", e.DiagType}, {"diag_text", e.DiagText},
		{"mta_mname", e.MTA}, {"reason", e.Reason}} {
		if f[1] != "" {
			fmt.Fprintf(&b, "%s=%s\n", f[0], clean(f[1]))
		}
	}
	b.WriteByte('\n')
	return []byte(b.String())
}

// decodeLog reads a file below defer, bounce or trace. A recipient who stands
// in it twice, since a crash came before the queue file said that he is done
// with, counts once.
func decodeLog(data []byte) []logEntry {
	type key struct {
		offset            int64
		recipient, reason string
	}
	seen := map[key]bool{}
	var out []logEntry
	var e logEntry
	for _, line := range libc.Lines(data) {
		if line == "" {
			k := key{e.Offset, e.Recipient, e.Reason}
			if (e.Recipient != "" || e.Reason != "") && (k.offset == 0 || !seen[k]) {
				out = append(out, e)
			}
			seen[k] = true
			e = logEntry{}
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || strings.HasPrefix(line, "<") {
			continue
		}
		switch name {
		case "recipient":
			e.Recipient = value
		case "offset":
			e.Offset, _ = strconv.ParseInt(value, 10, 64)
		case "original_recipient":
			e.Original = value
		case "dsn_orig_rcpt":
			e.DSNOriginal = value
		case "status":
			e.Status = value
		case "action":
			e.Action = value
		case "diag_type":
			e.DiagType = value
		case "diag_text":
			e.DiagText = value
		case "mta_mname":
			e.MTA = value
		case "reason":
			e.Reason = value
		}
	}
	return out
}

// serveDeliveries runs a delivery agent.
func (d *daemon) serveDeliveries(ctx context.Context, socket string, deliver func(ctx context.Context, x *delivery)) int {
	return d.serve(ctx, socket, func(ctx context.Context, w *wireConn) {
		var req deliveryRequest
		if w.dec.Decode(&req) != nil {
			return
		}
		m, err := d.q.open(qActive, req.ID, os.O_RDWR)
		if err != nil {
			d.log.warning("open active %s: %s", req.ID, libc.Strerror(err))
			return
		}
		defer m.close()
		if err := m.lock(syscall.LOCK_SH); err != nil {
			return
		}
		x := d.newDelivery(&req)
		x.msg = m
		deliver(ctx, x)
		if ctx.Err() == nil {
			w.enc.Encode(x.answer)
		}
	})
}
