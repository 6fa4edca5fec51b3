package qmgr

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/postfix/dsn"
	"enshu/sim/postfix/header"
	"enshu/sim/postfix/mailaddr"
	"enshu/sim/postfix/queue"
	"enshu/sim/postfix/service"
	"enshu/sim/trace"
)

// Bounce is /usr/libexec/postfix/bounce (bounce(8)).
func Bounce(ctx context.Context, p *host.Proc) int {
	a := service.ParseArgs(p.Args[1:])
	d, err := service.New(ctx, p, "bounce", a)
	if err != nil {
		return 1
	}
	b := &bouncer{d}
	return d.Serve(ctx, a.Socket, service.Answers(func(ctx context.Context, q service.BounceQuestion) string {
		if err := b.bounce(ctx, q); err != nil {
			return err.Error()
		}
		return "ok"
	}))
}

// bouncer is bounce(8) at work.
type bouncer struct{ *service.Daemon }

// bounce sends the report of one message to its sender.
func (d *bouncer) bounce(ctx context.Context, q service.BounceQuestion) error {
	path := d.Queue.Path(q.Queue, q.ID)
	data, err := libc.ReadFile(d.Proc, path)
	if err != nil {
		return err
	}
	if q.Where == "" {
		q.Where = queue.Active
	}
	m, err := d.Queue.Open(q.Where, q.ID, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := m.Lock(syscall.LOCK_SH); err != nil {
		return err
	}
	text, err := m.Text()
	if err != nil {
		return err
	}
	entries := dsn.DecodeLog(data)
	// In the order in which qmgr(8) begins with recipients, whichever was over first.
	address := map[int64]string{}
	for _, to := range m.Recipients {
		address[to.Offset] = to.Address
	}
	slices.SortStableFunc(entries, func(a, b dsn.Entry) int { return strings.Compare(address[a.Offset], address[b.Offset]) })
	r := &dsn.Report{Host: d.Conf.Get("myhostname"), MailName: d.Conf.Get("mail_name"), ID: q.ID, Kind: q.Queue, Sender: m.Sender,
		Epoch: d.Proc.Now().Unix(), Arrival: header.Date(m.Arrival.In(d.Log.Zone())), Date: header.Date(d.Proc.Now().In(d.Log.Zone())),
		Entries: entries, Original: text, Limit: d.Conf.Int("bounce_size_limit")}
	r.EnvelopeID, r.Ret = m.EnvelopeID(), m.Ret()
	requested := m.Flags&(service.FlagVerify|service.FlagRecord) != 0 // by sendmail -v or -bv
	r.Template = d.template(q, requested)
	r.HeadOnly = q.Where == queue.Incoming // the rest never was taken in
	reasons := d.Queue.ClaimFile(q.Queue, q.ID)
	if q.Claim == "" {
		q.Claim = reasons
	}
	if m.Sender == "" { // there is nobody to tell
		if q.Queue == dsn.TraceLog && !requested {
			d.Log.Info("%s: not sending trace/success notification for single-bounce message", q.ID)
		}
		if q.Queue != dsn.TraceLog && slices.Contains(d.Conf.List("notify_classes"), "2bounce") {
			r.Sender, r.Postmaster, r.Full = "MAILER-DAEMON@"+d.Conf.Get("myorigin"), d.Conf.Get("2bounce_notice_recipient"), true
			id, err := d.Forward(ctx, d.reportSubmission(r, d.Conf.Get("double_bounce_sender"), r.Postmaster, q.Claim))
			if err != nil {
				return err
			}
			d.Log.Info("%s: postmaster non-delivery notification: %s", q.ID, id)
		}
		return errors.Join(d.Queue.Release(q.Claim), d.Queue.Release(reasons))
	}
	if local, _, _ := mailaddr.Split(m.Sender); strings.EqualFold(local, d.Conf.Get("double_bounce_sender")) && q.Queue != dsn.TraceLog {
		d.Log.Warning("%s: undeliverable postmaster notification discarded", q.ID)
		return errors.Join(d.Queue.Release(q.Claim), d.Queue.Release(reasons))
	}
	if q.Warn {
		return d.warn(ctx, q, r, m)
	}
	id, err := d.Forward(ctx, d.reportSubmission(r, "", m.Sender, q.Claim))
	if err != nil {
		return err
	}
	if q.Claim != reasons {
		d.Queue.Release(reasons)
	}
	what := "sender non-delivery notification"
	if q.Queue == dsn.TraceLog {
		what = "sender delivery status notification"
	}
	d.Log.Info("%s: %s: %s", q.ID, what, id)
	if q.Queue != dsn.TraceLog && slices.Contains(d.Conf.List("notify_classes"), "bounce") {
		copyTo := *r
		copyTo.Postmaster = d.Conf.Get("bounce_notice_recipient")
		id, err := d.Forward(ctx, d.reportSubmission(&copyTo, d.Conf.Get("double_bounce_sender"), copyTo.Postmaster, ""))
		if err != nil {
			return err
		}
		d.Log.Info("%s: postmaster non-delivery notification: %s", q.ID, id)
	}
	if q.Queue == dsn.TraceLog { // of what was delivered
		return nil
	}
	for _, e := range entries {
		d.Log.Emit(trace.MailBounced, trace.Attrs{"id": q.ID, "to": e.Recipient, "reason": e.Reason, "bounce-id": id})
	}
	return nil
}

// warn tells the sender, and the postmaster if he wants it, that mail is late. The
// log of the reasons stays.
func (d *bouncer) warn(ctx context.Context, q service.BounceQuestion, r *dsn.Report, m *queue.Message) error {
	r.RetryUntil = header.Date(m.Created.Add(d.Conf.Time("maximal_queue_lifetime")).In(d.Log.Zone()))
	r.Entries = slices.DeleteFunc(r.Entries, func(e dsn.Entry) bool {
		return slices.ContainsFunc(m.Recipients, func(to queue.Recipient) bool {
			return to.Offset == e.Offset && (to.Done || to.Notify != 0 && to.Notify&dsn.Delay == 0)
		})
	})
	if len(r.Entries) == 0 {
		return nil
	}
	id, err := d.Forward(ctx, d.reportSubmission(r, "", m.Sender, ""))
	if err != nil {
		return err
	}
	d.Log.Info("%s: sender delay notification: %s", q.ID, id)
	if !slices.Contains(d.Conf.List("notify_classes"), "delay") {
		return nil
	}
	r.Postmaster = d.Conf.Get("delay_notice_recipient")
	id, err = d.Forward(ctx, d.reportSubmission(r, d.Conf.Get("double_bounce_sender"), r.Postmaster, ""))
	if err == nil {
		d.Log.Info("%s: postmaster delay notification: %s", q.ID, id)
	}
	return err
}

// template returns the template of a report with its $name forms replaced.
func (d *bouncer) template(q service.BounceQuestion, requested bool) dsn.Template {
	name := dsn.FailureTemplate
	switch {
	case q.Warn:
		name = dsn.DelayTemplate
	case q.Queue == dsn.TraceLog && requested:
		name = dsn.VerifyTemplate
	case q.Queue == dsn.TraceLog:
		name = dsn.SuccessTemplate
	}
	list := dsn.Templates()
	if file := d.Conf.Get("bounce_template_file"); file != "" {
		data, err := libc.ReadFile(d.Proc, file)
		var problems []string
		if err == nil {
			list, problems = dsn.ParseTemplates(file, data)
		} else {
			problems = []string{fmt.Sprintf("open %s: %s", file, libc.Strerror(err))}
		}
		for _, w := range problems {
			d.Log.Warning("%s", w)
		}
	}
	i := slices.IndexFunc(list, func(t dsn.Template) bool { return t.Name == name })
	list[i].Text = d.Conf.ExpandTemplate(list[i].Text)
	return list[i]
}

func (d *bouncer) reportSubmission(r *dsn.Report, from, to string, replaces queue.Claim) *service.Submission {
	return &service.Submission{Sender: from, Recipients: []queue.Recipient{{Address: to, Original: mailaddr.External(to)}}, Content: r.Build(),
		Received: []string{
			fmt.Sprintf("Received: by %s (%s)", d.Conf.Get("myhostname"), d.Conf.Get("mail_name")),
			"\tid %ID%; %DATE%",
		}, Local: true, Internal: true, Claim: replaces}
}

// The agents that only decide: error(8), retry and discard(8).
