package postfix

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"sort"
	"strings"
	"syscall"
	"time"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/trace"
)

// qmgrSocket is where qmgr(8) is told of new mail and of flush requests.
const qmgrSocket = "public/qmgr"

// A qmgrQuestion is a word to one of the services that are always there:
// "incoming" (new mail), "flush" (try all deferred mail now), "id", "site".
type qmgrQuestion struct {
	Verb, Arg string

	reply *clock.Queue[string]
	event func(*qmgr)
}

// deliveryRequest is what qmgr(8) asks of a delivery agent.
type deliveryRequest struct {
	ID, Nexthop string
	Sender      string
	Recipients  []recipient
	Arrival     time.Time
	Active      time.Time // when qmgr took it up
	Size        int64
	Flags       int
	Context     string // rewrite_context
	Recovered   bool   // an earlier attempt may have come part of the way: see modeRecovered
	UTF8        bool
}

// deliveryAnswer says which recipients still wait.
type deliveryAnswer struct {
	Deferred []string // why, one for each recipient that waits
	Crashed  bool
}

// Qmgr is /usr/libexec/postfix/qmgr (qmgr(8)).
func Qmgr(ctx context.Context, p *host.Proc) int {
	return resident(ctx, p, "qmgr", func(d *daemon, ctx context.Context, events *clock.Queue[qmgrQuestion]) {
		m := &qmgr{daemon: d, events: events, active: map[string]*activeMessage{}, dests: map[string]*destination{}}
		m.run(ctx)
	})
}

// qmgr is the queue manager; all of it belongs to the thread of run.
type qmgr struct {
	*daemon
	events *clock.Queue[qmgrQuestion]
	active map[string]*activeMessage
	dests  map[string]*destination
}

// activeMessage is a message that is being delivered.
type activeMessage struct {
	id        string
	e         *envelope
	recovered bool
	taken     time.Time
	pending   int // entries under way or waiting
	deferred  []string
}

// destination is where mail waits for a free connection.
type destination struct {
	transport, nexthop string
	limit, busy        int
	waiting            []entry
}

// entry is one delivery: recipients of one message for one destination.
type entry struct {
	msg        *activeMessage
	recipients []recipient
}

func (m *qmgr) run(ctx context.Context) {
	m.recover()
	m.scanIncoming(ctx)
	m.scanDeferred(ctx, false)
	next := m.p.Now().Add(m.c.time("queue_run_delay"))
	for ctx.Err() == nil {
		q, err := m.events.GetBefore(ctx, m.p.Clock, next)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			m.scanIncoming(ctx)
			m.scanDeferred(ctx, false)
			next = m.p.Now().Add(m.c.time("queue_run_delay"))
		case err != nil:
			return
		case q.event != nil:
			q.event(m)
		default:
			m.obey(ctx, q)
		}
	}
}

func (m *qmgr) obey(ctx context.Context, q qmgrQuestion) {
	answer := "ok"
	switch q.Verb {
	case "incoming":
		m.scanIncoming(ctx)
	case "flush":
		m.scanIncoming(ctx)
		m.scanDeferred(ctx, true)
	case "id":
		m.flushID(ctx, q.Arg)
	case "site":
		m.flushSite(ctx, q.Arg)
	case "reload":
		m.reload(ctx, "qmgr")
		m.scanIncoming(ctx)
	}
	if q.reply != nil {
		q.reply.TryPut(answer)
	}
}

// recover puts the queue in order after a crash: what is in the queue already is
// not taken in again, and what was active is new again. Its delivery may have
// been cut off at any point, which its mode tells.
func (m *qmgr) recover() {
	if err := m.q.releaseAll(); err != nil {
		m.log.warning("%s", err)
	}
	for _, id := range m.q.scan(qActive) {
		if m.p.Sys.Chmod(m.q.path(qActive, id), modeRecovered) == nil && m.q.move(id, qActive, qIncoming) == nil {
			if f, err := m.p.Sys.OpenFile(m.q.path(qIncoming, id), os.O_RDWR, 0); err == nil {
				m.p.Stamp(f)
				f.Close()
			}
		}
	}
}

func (m *qmgr) scanIncoming(ctx context.Context) {
	for _, id := range m.q.scan(qIncoming) {
		if len(m.active) >= m.c.int("qmgr_message_active_limit") {
			return
		}
		info, err := m.p.Sys.Lstat(m.q.path(qIncoming, id))
		if err == nil && ready(info) {
			m.take(ctx, qIncoming, id, info)
		}
	}
}

// scanDeferred takes up deferred mail whose time has come, or all of it.
func (m *qmgr) scanDeferred(ctx context.Context, all bool) {
	now := m.p.Now()
	for _, id := range m.q.scan(qDeferred) {
		info, err := m.p.Sys.Lstat(m.q.path(qDeferred, id))
		if err != nil || !all && info.ModTime().After(now) {
			continue
		}
		m.take(ctx, qDeferred, id, info)
	}
}

func (m *qmgr) flushID(ctx context.Context, id string) {
	m.scanIncoming(ctx)
	if !validID(id) {
		return
	}
	if info, err := m.p.Sys.Lstat(m.q.path(qDeferred, id)); err == nil {
		m.take(ctx, qDeferred, id, info)
	}
}

// flushSite takes up deferred mail for a domain (ETRN, postqueue -s).
func (m *qmgr) flushSite(ctx context.Context, site string) {
	for _, id := range m.q.scan(qDeferred) {
		msg, err := m.q.open(qDeferred, id, os.O_RDONLY)
		if err != nil {
			continue
		}
		msg.close()
		for _, r := range msg.recipients {
			if _, domain, _ := splitAddress(r.Address); !r.Done && strings.EqualFold(domain, site) {
				m.flushID(ctx, id)
				break
			}
		}
	}
}

// take moves a message to the active queue and begins its delivery.
func (m *qmgr) take(ctx context.Context, from, id string, info fs.FileInfo) {
	if m.active[id] != nil {
		return
	}
	msg, err := m.q.open(from, id, os.O_RDONLY)
	if errors.Is(err, errRecord) {
		m.log.warning("%s: malformed queue file -- moved to corrupt", id)
		m.q.move(id, from, qCorrupt)
		return
	}
	if err != nil {
		return
	}
	taken := m.activate(from, msg)
	msg.close() // and unlocked, for those who deliver it
	if !taken {
		return
	}
	a := &activeMessage{id: id, e: msg.envelope, recovered: info.Mode()&0o010 != 0, taken: m.p.Now()}
	m.active[id] = a
	var open []recipient
	var addresses []string
	for _, r := range a.e.recipients {
		if !r.Done {
			open = append(open, r)
			addresses = append(addresses, r.Address)
		}
	}
	m.q.remove(qDefer, id)
	m.log.info("%s: from=<%s>, size=%d, nrcpt=%d (queue active)", id, external(a.e.sender), a.e.size, len(open))
	if len(open) == 0 {
		m.complete(ctx, a)
		return
	}
	m.p.Go(func() {
		answers, err := m.resolveAll(ctx, addresses...)
		m.events.TryPut(qmgrQuestion{event: func(m *qmgr) { m.assign(ctx, a, open, answers, err) }})
	})
}

// activate moves a message to the active queue, unless somebody works on it
// or what it replaces cannot be taken away.
func (m *qmgr) activate(from string, msg *message) bool {
	if msg.lock(syscall.LOCK_EX) != nil {
		m.log.info("%s: skipped, still being delivered", msg.id)
		return false
	}
	if c := msg.claimed(); c != "" {
		if err := m.q.release(c); err != nil {
			m.log.warning("%s: replace %s: %s", msg.id, c, libc.Strerror(err))
			return false
		}
	}
	return m.q.move(msg.id, from, qActive) == nil
}

// assign puts the recipients of a message into the queues of their destinations.
func (m *qmgr) assign(ctx context.Context, a *activeMessage, open []recipient, answers []resolution, err error) {
	type key struct{ transport, nexthop, single string }
	groups := map[key][]recipient{}
	var order []key
	for i, r := range open {
		k := key{transport: "retry", nexthop: "4.3.0 address resolver failure"}
		if err == nil && !answers[i].Failed {
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
	sort.SliceStable(order, func(i, j int) bool { return order[i].transport < order[j].transport })
	var touched []*destination
	for _, k := range order {
		name := k.transport + "\n" + k.nexthop + "\n" + k.single
		d := m.dests[name]
		if d == nil {
			d = &destination{transport: k.transport, nexthop: k.nexthop, limit: m.concurrency(k.transport)}
			m.dests[name] = d
		}
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

func (m *qmgr) recipientLimit(transport string) int { return m.limit(transport, "recipient") }
func (m *qmgr) concurrency(transport string) int    { return m.limit(transport, "concurrency") }

func (m *qmgr) limit(transport, what string) int {
	name := transport + "_destination_" + what + "_limit"
	if _, ok := m.c.raw(name); !ok {
		name = "default_destination_" + what + "_limit"
	}
	n := m.c.int(name)
	if n <= 0 {
		n = 1 << 20
	}
	return n
}

// pump starts deliveries while the destination has room.
func (m *qmgr) pump(ctx context.Context, d *destination) {
	for d.busy < d.limit && len(d.waiting) > 0 && ctx.Err() == nil {
		e := d.waiting[0]
		d.waiting = d.waiting[1:]
		d.busy++
		m.p.Go(func() {
			answer := m.deliver(ctx, d, e)
			m.events.TryPut(qmgrQuestion{event: func(m *qmgr) { m.delivered(ctx, d, e, answer) }})
		})
	}
}

// deliver hands an entry to its delivery agent.
func (m *qmgr) deliver(ctx context.Context, d *destination, e entry) deliveryAnswer {
	a := e.msg
	req := deliveryRequest{ID: a.id, Nexthop: d.nexthop, Sender: a.e.sender, Recipients: e.recipients, Arrival: a.e.arrival,
		Active: a.taken, Size: a.e.size, Flags: a.e.qmgrFlags, Context: a.e.attr("rewrite_context"), Recovered: a.recovered, UTF8: a.e.utf8}
	var answer deliveryAnswer
	if err := m.peer.ask(ctx, "private/"+d.transport, req, &answer); err != nil {
		answer.Crashed = true
	}
	return answer
}

func (m *qmgr) delivered(ctx context.Context, d *destination, e entry, answer deliveryAnswer) {
	d.busy--
	a := e.msg
	if answer.Crashed && ctx.Err() == nil {
		m.log.warning("transport %s failure -- see a previous warning/fatal/panic logfile record for the problem description", d.transport)
		x := &delivery{daemon: m.daemon, req: &deliveryRequest{ID: a.id, Sender: a.e.sender, Arrival: a.e.arrival, Active: a.taken}}
		for _, r := range e.recipients {
			x.deferred(r, "none", fate{dsn: "4.3.0", text: "unknown mail transport error"})
		}
		answer.Deferred = x.answer.Deferred
		m.p.Sys.Chmod(m.q.path(qActive, a.id), modeRecovered)
	}
	if ctx.Err() != nil {
		return
	}
	a.deferred = append(a.deferred, answer.Deferred...)
	a.pending--
	m.pump(ctx, d)
	if a.pending == 0 {
		m.complete(ctx, a)
	}
}

// complete ends the round of a message: reports are sent, and the message is
// removed, or waits for another time.
func (m *qmgr) complete(ctx context.Context, a *activeMessage) {
	m.p.Go(func() {
		ok := m.report(ctx, a)
		m.events.TryPut(qmgrQuestion{event: func(m *qmgr) { m.retire(ctx, a, ok) }})
	})
}

// report sends what is to be sent to the sender. It reports false when that did
// not succeed, and the message must stay.
func (m *qmgr) report(ctx context.Context, a *activeMessage) bool {
	ok := true
	send := func(queue string) {
		if _, there := m.q.find(a.id, queue); !there {
			return
		}
		var answer string
		err := m.peer.ask(ctx, "private/bounce", bounceQuestion{Queue: queue, ID: a.id}, &answer)
		ok = ok && err == nil && answer == "ok"
	}
	send(qBounce)
	send(qTrace)
	if len(a.deferred) > 0 && ok {
		life := m.c.time("maximal_queue_lifetime")
		if a.e.sender == "" {
			life = m.c.time("bounce_queue_lifetime")
		}
		if !m.p.Now().Before(a.e.created.Add(life)) {
			m.log.info("%s: from=<%s>, status=expired, returned to sender", a.id, external(a.e.sender))
			send(qDefer)
			if ok {
				a.deferred = nil
			}
		}
	}
	return ok
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
		for _, queue := range []string{qDefer, qBounce, qTrace} {
			m.q.remove(queue, a.id)
		}
		if m.q.remove(qActive, a.id) == nil {
			m.log.info("%s: removed", a.id)
		}
	} else {
		now := m.p.Now()
		next := now.Add(backoff(now.Sub(a.e.created), m.c.time("minimal_backoff_time"), m.c.time("maximal_backoff_time")))
		m.q.stamp(qActive, a.id, next)
		m.q.move(a.id, qActive, qDeferred)
		if len(a.deferred) > 0 {
			m.log.emit(trace.MailDeferred, trace.Attrs{"id": a.id, "to": "", "relay": "", "reason": a.deferred[0], "next": next.UTC().Format(time.RFC3339)})
		}
	}
	m.scanIncoming(ctx)
	for name, d := range m.dests {
		if d.busy == 0 && len(d.waiting) == 0 {
			delete(m.dests, name)
		}
	}
}
