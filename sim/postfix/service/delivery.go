package service

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"enshu/sim/libc"
	"enshu/sim/postfix/dsn"
	"enshu/sim/postfix/mailaddr"
	"enshu/sim/postfix/maillog"
	"enshu/sim/postfix/queue"
	"enshu/sim/trace"
)

// Fate is what became of a recipient.
type Fate struct {
	Status string // enhanced status code
	Text   string
	// For the report: what the other side or the command said. The zero value
	// is the text itself, of type X-Postfix.
	DiagType, DiagText string
	MTA                string // Remote-MTA
}

// Delivery is one request as a delivery agent works on it: it tells the log,
// the queue file and the sender's report of each recipient.
type Delivery struct {
	*Daemon
	Req     *DeliveryRequest
	Msg     *queue.Message // open for writing and locked; nil for reports of qmgr(8) itself
	Began   time.Time      // when the agent took it
	Settled time.Time      // when a connection was there
	Uses    int            // how many mails the connection has carried, this one included
	Answer  DeliveryAnswer
	waiting map[int64]bool // recipients who have to wait, by the place of their record
}

func (d *Daemon) newDelivery(req *DeliveryRequest) *Delivery {
	now := d.Proc.Now()
	return &Delivery{Daemon: d, Req: req, Began: now, Settled: now}
}

// Sent notes a successful delivery.
func (x *Delivery) Sent(r queue.Recipient, relay string, f Fate) {
	if x.Req.Flags&(FlagVerify|FlagRecord) != 0 {
		action := "delivered"
		if x.Req.Flags&FlagVerify != 0 {
			action = "deliverable"
		}
		x.remember(dsn.TraceLog, r, relay, f, action)
	}
	status := "sent"
	if x.Req.Flags&FlagVerify != 0 {
		status = "deliverable"
	}
	x.tell(r, relay, f, status)
	if r.Notify&dsn.Success != 0 && x.Req.Flags&FlagVerify == 0 {
		x.remember(dsn.TraceLog, r, relay, f, "delivered")
	}
}

// Expanded notes for the sender, who asked for it, that a recipient was replaced
// by others; action is that of RFC 3464 section 2.3.3.
func (x *Delivery) Expanded(r queue.Recipient, relay string, f Fate, action string) {
	x.remember(dsn.TraceLog, r, relay, f, action)
}

// Passed takes over what another delivery agent did about a recipient.
func (x *Delivery) Passed(a DeliveryAnswer) {
	x.Answer.Deferred = append(x.Answer.Deferred, a.Deferred...)
	for log := range a.Logs {
		if x.Answer.Logs == nil {
			x.Answer.Logs = map[string]bool{}
		}
		x.Answer.Logs[log] = true
	}
}

// Bounced notes that a recipient is returned to the sender.
func (x *Delivery) Bounced(r queue.Recipient, relay string, f Fate) {
	if x.Conf.Bool("soft_bounce") && x.Req.Flags&FlagVerify == 0 {
		f.Status = "4" + f.Status[1:]
		x.postponed(r, relay, f, "SOFTBOUNCE")
		return
	}
	status := "bounced"
	switch {
	case x.Req.Flags&FlagVerify != 0:
		status = "undeliverable"
		x.remember(dsn.TraceLog, r, relay, f, "undeliverable")
	case r.Notify&dsn.Never != 0 || r.Notify != 0 && r.Notify&dsn.Failure == 0:
	default:
		if !x.remember(dsn.BounceLog, r, relay, f, "failed") {
			f.Status, f.Text = "4.3.0", "bounce or trace service failure"
			x.postponed(r, relay, f, "deferred")
			return
		}
	}
	x.tell(r, relay, f, status)
	x.Log.Emit(trace.MailBounced, trace.Attrs{"id": x.Req.ID, "to": r.Address, "reason": f.Text, "bounce-id": ""})
}

// Deferred notes that a recipient has to wait.
func (x *Delivery) Deferred(r queue.Recipient, relay string, f Fate) {
	if x.Req.Flags&FlagVerify != 0 {
		x.remember(dsn.TraceLog, r, relay, f, "undeliverable")
		x.tell(r, relay, f, "undeliverable")
		return
	}
	x.postponed(r, relay, f, "deferred")
}

// postponed is deferred under the name that the log shows.
func (x *Delivery) postponed(r queue.Recipient, relay string, f Fate, status string) {
	if x.waiting == nil {
		x.waiting = map[int64]bool{}
	}
	x.waiting[r.Offset] = true
	x.remember(dsn.DeferLog, r, relay, f, "delayed")
	x.tell(r, relay, f, status)
	x.Answer.Deferred = append(x.Answer.Deferred, f.Text)
	x.Log.Emit(trace.MailDeferred, trace.Attrs{"id": x.Req.ID, "to": r.Address, "relay": relay, "reason": f.Text, "next": ""})
}

// Failed bounces or defers by the class of the status code.
func (x *Delivery) Failed(r queue.Recipient, relay string, f Fate) {
	if strings.HasPrefix(f.Status, "5") {
		x.Bounced(r, relay, f)
	} else {
		x.Deferred(r, relay, f)
	}
}

// Done marks the recipient in the queue file, unless he was told to wait.
func (x *Delivery) Done(r queue.Recipient) {
	if x.waiting[r.Offset] {
		return
	}
	if err := x.Msg.MarkDone(r.Offset); err != nil {
		x.Log.Warning("%s: update queue file: %s", x.Req.ID, libc.Strerror(err))
	}
}

// tell writes the delivery line of the log.
func (x *Delivery) tell(r queue.Recipient, relay string, f Fate, status string) {
	orig := ""
	if r.Original != "" && !strings.EqualFold(r.Original, mailaddr.External(r.Address)) {
		orig = fmt.Sprintf("orig_to=<%s>, ", r.Original)
	}
	now := x.Proc.Now()
	if x.Began.IsZero() {
		x.Began, x.Settled = now, now
	}
	parts := []time.Duration{x.Req.Active.Sub(x.Req.Arrival), x.Began.Sub(x.Req.Active), x.Settled.Sub(x.Began), now.Sub(x.Settled)}
	var shown []string
	for _, d := range parts {
		shown = append(shown, prettyDelay(d))
	}
	if x.Uses > 1 {
		relay += fmt.Sprintf(", conn_use=%d", x.Uses)
	}
	x.Log.Info("%s: to=<%s>, %srelay=%s, delay=%s, delays=%s, dsn=%s, status=%s (%s)",
		x.Req.ID, mailaddr.External(r.Address), orig, relay, prettyDelay(now.Sub(x.Req.Arrival)), strings.Join(shown, "/"), f.Status, status, maillog.OneLine(f.Text))
}

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

// remember appends a recipient to the sender's report. It reports whether the
// report is there now; if not, the log says why.
func (x *Delivery) remember(log string, r queue.Recipient, relay string, f Fate, action string) bool {
	e := dsn.Entry{Recipient: r.Address, Original: r.Original, DSNOriginal: r.DSNOriginal, Offset: r.Offset,
		Status: f.Status, Action: action, Reason: f.Text, DiagType: f.DiagType, DiagText: f.DiagText, MTA: f.MTA}
	if log == dsn.TraceLog {
		e.Reason = fmt.Sprintf("delivery via %s: %s", relay, f.Text)
	}
	if x.Answer.Logs == nil {
		x.Answer.Logs = map[string]bool{}
	}
	x.Answer.Logs[log] = true
	err := x.Queue.Append(log, x.Req.ID, dsn.EncodeEntry(e))
	if err != nil {
		x.Log.Warning("%s: append to %s: %s", x.Req.ID, x.Queue.Name(log, x.Req.ID), libc.Strerror(err))
	}
	return err == nil
}

// ServeDeliveries runs a delivery agent.
func (d *Daemon) ServeDeliveries(ctx context.Context, socket string, deliver func(ctx context.Context, x *Delivery)) int {
	return d.Serve(ctx, socket, func(ctx context.Context, w *WireConn) bool {
		var req DeliveryRequest
		if w.Dec.Decode(&req) != nil || w.Greet() != nil {
			return false
		}
		m, err := d.Queue.Open(queue.Active, req.ID, os.O_RDWR)
		if err != nil {
			d.Log.Warning("open active %s: %s", req.ID, libc.Strerror(err))
			return false
		}
		defer m.Close()
		if err := m.Lock(syscall.LOCK_SH); err != nil {
			return false
		}
		x := d.newDelivery(&req)
		x.Msg = m
		deliver(ctx, x)
		return ctx.Err() == nil && w.Send(x.Answer) == nil
	})
}

// DeliveryRequest is what qmgr(8) asks of a delivery agent.
type DeliveryRequest struct {
	ID, Nexthop string
	Sender      string
	Recipients  []queue.Recipient
	Arrival     time.Time
	Active      time.Time // when qmgr took it up
	Size        int64
	Flags       int
	Context     string // rewrite_context
	Recovered   bool   // an earlier attempt may have come part of the way: see modeRecovered
	UTF8        bool
	// Mail follows upon mail for the next hop: take a connection that was kept, and
	// keep this one.
	Reuse, Keep bool
}

// DeliveryAnswer says which recipients still wait.
type DeliveryAnswer struct {
	Deferred []string // why, one for each recipient that waits
	Crashed  bool
	// why the host of the destination could not be reached or did not talk; its
	// Status is "" when it did
	Unreached Fate
	Logs      map[string]bool // the logs of recipients that were written to: dsn.BounceLog, …
}

// A BounceQuestion asks bounce(8) to report on a message in the active queue.
type BounceQuestion struct {
	Queue string // bounce, defer or trace: where the reasons stand
	ID    string
	Where string      // the queue that holds the message; "" is active
	Claim queue.Claim // what the report replaces; "" is the log of the reasons
	Warn  bool        // the mail is late, and will be tried again
}

// SplitFate splits "5.1.6 text", the next hop of error(8), into the status code,
// which is otherwise when it has none, and the text.
func SplitFate(s, otherwise string) (status, text string) {
	f := strings.Split(s, ".")
	code, rest, _ := strings.Cut(s, " ")
	if len(f) >= 3 && len(f[0]) == 1 && strings.ContainsAny(f[0], "245") && strings.Trim(code, "0123456789.") == "" {
		return code, strings.TrimSpace(rest)
	}
	return otherwise, s
}
