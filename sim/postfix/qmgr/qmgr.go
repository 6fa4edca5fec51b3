// Package qmgr is the queue manager, qmgr(8), and the small services that work
// for it: bounce(8), error(8), discard(8), showq(8).
package qmgr

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/postfix/dsn"
	"enshu/sim/postfix/mailaddr"
	"enshu/sim/postfix/queue"
	"enshu/sim/postfix/service"
	"enshu/sim/trace"
)

// Qmgr is /usr/libexec/postfix/qmgr (qmgr(8)).
func Qmgr(ctx context.Context, p *host.Proc) int {
	return service.Resident(ctx, p, "qmgr", func(d *service.Daemon, ctx context.Context, events *clock.Queue[service.Request]) {
		m := &qmgr{Daemon: d, events: events, active: map[string]*activeMessage{}, dests: map[string]*destination{}}
		m.run(ctx)
	}, "queue_run_delay", "minimal_backoff_time", "maximal_backoff_time", "maximal_queue_lifetime", "bounce_queue_lifetime", "delay_warning_time",
		"qmgr_message_active_limit", "soft_bounce")
}

// qmgr is the queue manager; all of it belongs to the thread of run.
type qmgr struct {
	*service.Daemon
	events *clock.Queue[service.Request]
	active map[string]*activeMessage
	dests  map[string]*destination
	// what is taken up now was asked for by a user
	flushing bool
	// there may be new mail that found no room
	behind bool
}

// activeMessage is a message that is being delivered.
type activeMessage struct {
	id        string
	e         *queue.Envelope
	recovered bool
	taken     time.Time
	warned    bool // its sender knows that it is late
	flush     bool // a user asked for it: defer_transports does not hold
	pending   int  // entries under way or waiting
	deferred  []string
	logs      map[string]bool // the logs that tell of its recipients: dsn.BounceLog, …
}

// entry is one delivery: recipients of one message for one destination.
type entry struct {
	msg        *activeMessage
	recipients []queue.Recipient
}

func (m *qmgr) run(ctx context.Context) {
	m.recover()
	m.scanIncoming(ctx)
	m.scanDeferred(ctx, false)
	pause := func() time.Duration { return max(time.Second, m.Conf.Time("queue_run_delay")) }
	next := m.Proc.Now().Add(pause())
	for ctx.Err() == nil {
		q, err := m.events.GetBefore(ctx, m.Proc.Clock, next)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			m.scanIncoming(ctx)
			m.scanDeferred(ctx, false)
			next = m.Proc.Now().Add(pause())
		case err != nil:
			return
		case q.Event != nil:
			q.Event()
		default:
			m.obey(ctx, q)
		}
	}
}

func (m *qmgr) obey(ctx context.Context, q service.Request) {
	m.flushing = q.Verb == service.VerbFlush || q.Verb == service.VerbID || q.Verb == service.VerbSite
	defer func() { m.flushing = false }()
	if m.flushing {
		m.revive()
	}
	answer := "ok"
	switch q.Verb {
	case service.VerbIncoming:
		if q.Arg == "" || len(m.active) >= m.Conf.Int("qmgr_message_active_limit") {
			m.scanIncoming(ctx)
		} else if queue.ValidID(q.Arg) {
			m.takeNew(ctx, q.Arg)
		}
	case service.VerbFlush:
		m.scanIncoming(ctx)
		m.scanDeferred(ctx, true)
	case service.VerbID:
		m.flushID(ctx, q.Arg)
	case service.VerbSite:
		m.flushSite(ctx, q.Arg)
	case service.VerbReload:
		m.Reload(ctx, "qmgr")
		m.revive()
		m.scanIncoming(ctx)
	}
	q.Answer(answer)
}

// recover puts the queue in order after a crash: what is in the queue already is
// not taken in again, and what was active is new again. Its delivery may have
// been cut off at any point, which its mode tells.
func (m *qmgr) recover() {
	if err := m.Queue.ReleaseAll(); err != nil {
		m.Log.Warning("%s", err)
	}
	for _, id := range m.Queue.Scan(queue.Active) {
		if m.Proc.Sys.Chmod(m.Queue.Path(queue.Active, id), queue.ModeRecovered) == nil && m.Queue.Move(id, queue.Active, queue.Incoming) == nil {
			if f, err := m.Proc.Sys.OpenFile(m.Queue.Path(queue.Incoming, id), os.O_RDWR, 0); err == nil {
				m.Proc.Stamp(f)
				f.Close()
			}
		}
	}
}

func (m *qmgr) scanIncoming(ctx context.Context) {
	for _, id := range m.Queue.Scan(queue.Incoming) {
		if m.behind = len(m.active) >= m.Conf.Int("qmgr_message_active_limit"); m.behind {
			return
		}
		m.take(ctx, queue.Incoming, id)
	}
}

// scanDeferred takes up deferred mail whose time has come, or all of it.
func (m *qmgr) scanDeferred(ctx context.Context, all bool) {
	now := m.Proc.Now()
	for _, id := range m.Queue.Scan(queue.Deferred) {
		info, err := m.Proc.Sys.Lstat(m.Queue.Path(queue.Deferred, id))
		if err != nil || !all && info.ModTime().After(now) {
			continue
		}
		m.take(ctx, queue.Deferred, id)
	}
}

func (m *qmgr) flushID(ctx context.Context, id string) {
	m.scanIncoming(ctx)
	if !queue.ValidID(id) {
		return
	}
	m.take(ctx, queue.Deferred, id)
}

// flushSite takes up deferred mail for a domain (ETRN, postqueue -s).
func (m *qmgr) flushSite(ctx context.Context, site string) {
	for _, id := range m.Queue.Scan(queue.Deferred) {
		msg, err := m.Queue.Open(queue.Deferred, id, os.O_RDONLY)
		if err != nil {
			continue
		}
		msg.Close()
		for _, r := range msg.Recipients {
			if _, domain, _ := mailaddr.Split(r.Address); !r.Done && strings.EqualFold(domain, site) {
				m.flushID(ctx, id)
				break
			}
		}
	}
}

// take moves a message to the active queue and begins its delivery.
func (m *qmgr) take(ctx context.Context, from, id string) {
	if m.active[id] != nil {
		return
	}
	msg, err := m.Queue.OpenReady(from, id, os.O_RDONLY)
	if errors.Is(err, queue.ErrRecord) {
		m.corrupt(id, from)
	}
	if err != nil {
		return
	}
	taken := m.free(msg) && m.Queue.Move(id, from, queue.Active) == nil
	msg.Close() // and unlocked, for those who deliver it
	if taken {
		m.begin(ctx, from, msg)
	}
}

// takeNew is take for a message that cleanup(8) has just made: it is moved while
// it is opened. After a crash in between it is new once more.
func (m *qmgr) takeNew(ctx context.Context, id string) {
	if m.active[id] != nil {
		return
	}
	msg, err := m.Queue.OpenMoved(id, queue.Incoming, queue.Active)
	if errors.Is(err, queue.ErrRecord) {
		m.corrupt(id, queue.Active)
	}
	if err != nil {
		return
	}
	taken := m.free(msg)
	msg.Close()
	if !taken {
		m.Queue.Move(id, queue.Active, queue.Incoming)
		return
	}
	m.begin(ctx, queue.Incoming, msg)
}

func (m *qmgr) corrupt(id, from string) {
	m.Log.Warning("%s: malformed queue file -- moved to corrupt", id)
	m.Queue.Move(id, from, queue.Corrupt)
}

// free reports whether a message may be taken up: not when somebody works on it,
// or what it replaces cannot be taken away.
func (m *qmgr) free(msg *queue.Message) bool {
	if msg.Lock(syscall.LOCK_EX) != nil {
		m.Log.Info("%s: skipped, still being delivered", msg.ID)
		return false
	}
	if c := msg.Claimed(); c != "" {
		if err := m.Queue.Release(c); err != nil {
			m.Log.Warning("%s: replace %s: %s", msg.ID, c, libc.Strerror(err))
			return false
		}
	}
	return true
}

// begin begins the delivery of a message that is in the active queue now.
func (m *qmgr) begin(ctx context.Context, from string, msg *queue.Message) {
	id := msg.ID
	a := &activeMessage{id: id, flush: m.flushing, e: msg.Envelope, recovered: msg.Recovered, warned: msg.Warned, taken: m.Proc.Now(), logs: map[string]bool{}}
	m.active[id] = a
	var open []queue.Recipient
	var addresses []string
	for _, r := range a.e.Recipients {
		if !r.Done {
			open = append(open, r)
			addresses = append(addresses, r.Address)
		}
	}
	if from != queue.Incoming || a.recovered {
		// An earlier round may have left reports that nobody has sent yet.
		m.Queue.Remove(dsn.DeferLog, id)
		a.logs[dsn.BounceLog], a.logs[dsn.TraceLog] = true, true
	}
	m.Log.Info("%s: from=<%s>, size=%d, nrcpt=%d (queue active)", id, mailaddr.External(a.e.Sender), a.e.Size, len(open))
	if len(open) == 0 {
		m.complete(ctx, a)
		return
	}
	m.Proc.Go(func() {
		answers, err := m.ResolveAll(ctx, a.e.Sender, addresses...)
		m.events.TryPut(service.Happen(func() { m.assign(ctx, a, open, answers, err) }))
	})
}

// assign puts the recipients of a message into the queues of their destinations.
func (m *qmgr) assign(ctx context.Context, a *activeMessage, open []queue.Recipient, answers []service.Resolution, err error) {
	type key struct{ transport, nexthop, single string }
	groups := map[key][]queue.Recipient{}
	var order []key
	closed := m.Conf.List("defer_transports")
	filter := a.e.Attr(queue.AttrFilter)
	for i := range answers {
		if filter != "" && !answers[i].Failed && a.e.Flags&(service.FlagVerify|service.FlagRecord) == 0 {
			_, domain, _ := mailaddr.Split(answers[i].Recipient)
			transport, nexthop, _ := strings.Cut(filter, ":")
			answers[i].Transport, answers[i].Nexthop = transport, cmp.Or(nexthop, m.Conf.Get("default_filter_nexthop"), domain)
		}
	}
	for i, r := range open {
		k := key{transport: "retry", nexthop: "4.3.0 address resolver failure"}
		if err == nil && slices.Contains(closed, answers[i].Transport) && !a.flush {
			k.nexthop = "4.3.2 deferred transport"
		} else if err == nil && !answers[i].Failed {
			k = key{transport: answers[i].Transport, nexthop: answers[i].Nexthop}
			r.Address = answers[i].Recipient
			if m.recipientLimit(k.transport) == 1 {
				k.single = strings.ToLower(r.Address)
			}
		}
		if _, ok := groups[k]; !ok {
			order = append(order, k)
		}
		groups[k] = append(groups[k], r)
	}
	// The real one sorts recipients so, which the order of the log and of reports shows.
	for _, list := range groups {
		slices.SortStableFunc(list, byAddress)
	}
	slices.SortStableFunc(order, func(a, b key) int {
		return cmp.Or(cmp.Compare(a.transport, b.transport), cmp.Compare(a.nexthop, b.nexthop), byAddress(groups[a][0], groups[b][0]))
	})
	var touched []*destination
	for _, k := range order {
		d := m.destinationOf(k.transport, k.nexthop, k.single)
		list := groups[k]
		for step := m.recipientLimit(k.transport); len(list) > 0; {
			n := min(step, len(list))
			d.waiting = append(d.waiting, entry{a, list[:n]})
			list = list[n:]
			a.pending++
		}
		touched = append(touched, d)
	}
	for _, d := range touched {
		m.pump(ctx, d)
	}
}

func byAddress(a, b queue.Recipient) int { return strings.Compare(a.Address, b.Address) }

func (m *qmgr) recipientLimit(transport string) int { return m.limit(transport, "recipient") }

func (m *qmgr) limit(transport, what string) int {
	name := transport + "_destination_" + what + "_limit"
	if _, ok := m.Conf.Raw(name); !ok {
		name = "default_destination_" + what + "_limit"
	}
	n := m.Conf.Int(name)
	if n <= 0 {
		n = 1 << 20
	}
	return n
}

// pump starts deliveries while the destination has room. What waits for a dead
// one goes to retry, which puts it off.
func (m *qmgr) pump(ctx context.Context, d *destination) {
	if d.dead != "" && len(d.waiting) > 0 {
		retry := m.destinationOf("retry", d.dead, "")
		retry.waiting = append(retry.waiting, d.waiting...)
		d.waiting = nil
		d = retry
	}
	for d.busy < d.pace.window && len(d.waiting) > 0 && ctx.Err() == nil {
		e := d.waiting[0]
		d.waiting = d.waiting[1:]
		d.busy++
		reuse, keep := d.connections(m.Proc.Now())
		m.Proc.Go(func() {
			answer := m.deliver(ctx, d, e, reuse, keep)
			m.events.TryPut(service.Happen(func() { m.delivered(ctx, d, e, answer) }))
		})
	}
}

// deliver hands an entry to its delivery agent.
func (m *qmgr) deliver(ctx context.Context, d *destination, e entry, reuse, keep bool) service.DeliveryAnswer {
	a := e.msg
	req := service.DeliveryRequest{ID: a.id, Nexthop: d.nexthop, Sender: a.e.Sender, Recipients: e.recipients, Arrival: a.e.Arrival,
		Active: a.taken, Size: a.e.Size, Flags: a.e.Flags, Context: a.e.Attr("rewrite_context"), Recovered: a.recovered, UTF8: a.e.UTF8,
		Reuse: reuse, Keep: keep}
	var answer service.DeliveryAnswer
	if err := m.Peers.Ask(ctx, "private/"+d.transport, req, &answer); err != nil {
		answer.Crashed = true
	}
	return answer
}

func (m *qmgr) delivered(ctx context.Context, d *destination, e entry, answer service.DeliveryAnswer) {
	d.busy--
	m.heard(d, answer)
	a := e.msg
	if answer.Crashed && ctx.Err() == nil {
		m.Log.Warning("transport %s failure -- see a previous warning/fatal/panic logfile record for the problem description", d.transport)
		x := &service.Delivery{Daemon: m.Daemon, Req: &service.DeliveryRequest{ID: a.id, Sender: a.e.Sender, Arrival: a.e.Arrival, Active: a.taken}}
		for _, r := range e.recipients {
			x.Deferred(r, "none", service.Fate{Status: "4.3.0", Text: "unknown mail transport error"})
		}
		answer = x.Answer
		a.logs[dsn.BounceLog], a.logs[dsn.TraceLog] = true, true // what it had got to is not known
		m.Proc.Sys.Chmod(m.Queue.Path(queue.Active, a.id), queue.ModeRecovered)
	}
	if ctx.Err() != nil {
		return
	}
	a.deferred = append(a.deferred, answer.Deferred...)
	for log := range answer.Logs {
		a.logs[log] = true
	}
	a.pending--
	m.pump(ctx, d)
	if d.busy == 0 {
		m.forget()
	}
	if a.pending == 0 {
		m.complete(ctx, a)
	}
}

// complete ends the round of a message: reports are sent, and the message is
// removed, or waits for another time.
func (m *qmgr) complete(ctx context.Context, a *activeMessage) {
	m.Proc.Go(func() {
		ok := m.report(ctx, a)
		m.events.TryPut(service.Happen(func() { m.retire(ctx, a, ok) }))
	})
}

// report sends what is to be sent to the sender. It reports false when that did
// not succeed, and the message must stay.
func (m *qmgr) report(ctx context.Context, a *activeMessage) bool {
	ok := true
	send := func(log string) {
		if !a.logs[log] {
			return
		}
		if _, there := m.Queue.Find(a.id, log); !there {
			return
		}
		var answer string
		err := m.Peers.Ask(ctx, "private/bounce", service.BounceQuestion{Queue: log, ID: a.id}, &answer)
		ok = ok && err == nil && answer == "ok"
	}
	send(dsn.BounceLog)
	send(dsn.TraceLog)
	if len(a.deferred) > 0 && ok {
		life := m.Conf.Time("maximal_queue_lifetime")
		if a.e.Sender == "" {
			life = m.Conf.Time("bounce_queue_lifetime")
		}
		if !m.Proc.Now().Before(a.e.Created.Add(life)) {
			m.Log.Info("%s: from=<%s>, status=expired, returned to sender", a.id, mailaddr.External(a.e.Sender))
			send(dsn.DeferLog)
			if ok {
				a.deferred = nil
			}
		}
	}
	if len(a.deferred) > 0 && ok {
		m.warnLate(ctx, a)
	}
	return ok
}

// warnLate tells the sender once that mail is older than delay_warning_time.
func (m *qmgr) warnLate(ctx context.Context, a *activeMessage) {
	late := m.Conf.Time("delay_warning_time")
	if late == 0 || a.warned || a.e.Sender == "" || m.Proc.Now().Before(a.e.Created.Add(late)) {
		return
	}
	var answer string
	err := m.Peers.Ask(ctx, "private/defer", service.BounceQuestion{Queue: dsn.DeferLog, ID: a.id, Warn: true}, &answer)
	if err == nil && answer == "ok" {
		mode := fs.FileMode(queue.ModeReady)
		if a.recovered {
			mode = queue.ModeRecovered
		}
		m.Proc.Sys.Chmod(m.Queue.Path(queue.Active, a.id), mode|queue.ModeWarned)
	}
}

// backoff is how long a deferred message waits (qmgr(8)).
func backoff(age, minimal, maximal time.Duration) time.Duration {
	return max(minimal, min(age, maximal))
}

func (m *qmgr) retire(ctx context.Context, a *activeMessage, reported bool) {
	if ctx.Err() != nil {
		return
	}
	delete(m.active, a.id)
	if len(a.deferred) == 0 && reported {
		for log := range a.logs {
			m.Queue.Remove(log, a.id)
		}
		if m.Queue.Remove(queue.Active, a.id) == nil {
			m.Log.Info("%s: removed", a.id)
		}
	} else {
		now := m.Proc.Now()
		next := now.Add(backoff(now.Sub(a.e.Created), m.Conf.Time("minimal_backoff_time"), m.Conf.Time("maximal_backoff_time")))
		m.Queue.Stamp(queue.Active, a.id, next)
		m.Queue.Move(a.id, queue.Active, queue.Deferred)
		if len(a.deferred) > 0 {
			m.Log.Emit(trace.MailDeferred, trace.Attrs{"id": a.id, "to": "", "relay": "", "reason": a.deferred[0], "next": next.UTC().Format(time.RFC3339)})
		}
	}
	if m.behind {
		m.scanIncoming(ctx)
	}
}
