package rsyslog

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/trace"
	"enshu/sim/wire/syslog"
)

// mainQueueSize is how many messages wait for the rules at most.
const mainQueueSize = 50000

// batchSize is how many messages are handled before actions write.
const batchSize = 1024

// daemon is a running rsyslogd.
type daemon struct {
	p       *host.Proc
	conf    *config
	zone    *time.Location
	env     env
	domain  string    // of the host
	actions []*action // in the order of the configuration
	voice   *clock.Queue[own]

	mainQueue    *clock.Queue[*message]
	mainCtx      context.Context
	cancelMain   context.CancelFunc
	mainDone     *clock.Queue[struct{}]
	queued       []*action // with a queue of their own
	queueCtx     context.Context
	cancelQueues context.CancelFunc
	queueDone    *clock.Queue[struct{}]

	inputs  *inputs
	killed  atomic.Bool
	hups    atomic.Uint64
	dropped atomic.Uint64 // messages that found the main queue full

	// Owned by the main worker.
	names    map[string]string // addresses to host names
	budget   int               // how many messages the trace still takes
	budgetAt time.Time
}

func newDaemon(p *host.Proc) *daemon {
	line := p.Clock.Timeline()
	d := &daemon{p: p, zone: libc.Zone(p), names: map[string]string{}, budget: traceBurst, budgetAt: p.Now()}
	d.env = env{now: d.now, uptime: p.Clock.Monotonic, getenv: p.Getenv, rand: p.Rand()}
	d.voice = clock.NewQueue[own](line, 1000)
	d.mainQueue = clock.NewQueue[*message](line, mainQueueSize)
	d.mainDone = clock.NewQueue[struct{}](line, 0)
	d.queueDone = clock.NewQueue[struct{}](line, 0)
	d.mainCtx, d.cancelMain = context.WithCancel(context.Background())
	d.queueCtx, d.cancelQueues = context.WithCancel(context.Background())
	return d
}

// configure takes a configuration into use.
func (d *daemon) configure(conf *config, inv invocation) {
	d.conf = conf
	d.inputs = newInputs(d.p, conf, &d.env, d)
	for _, a := range conf.actions {
		d.actions = append(d.actions, &action{actionConfig: a, out: newOutput(a.out)})
	}
	conf.globals.noNames = conf.globals.noNames || inv.noLookups
	name := d.systemName()
	short, domain, _ := strings.Cut(name, ".")
	d.env.hostname, d.domain = short, domain
	if conf.globals.preserveFQDN {
		d.env.hostname = name
	}
	if conf.globals.localHostname != "" {
		d.env.hostname = conf.globals.localHostname
	}
}

// systemName returns the host's name, with its domain where it is known.
func (d *daemon) systemName() string {
	name := d.p.Host.Name
	for _, file := range []string{"/proc/sys/kernel/hostname", "/etc/hostname"} {
		if data, err := libc.ReadFile(d.p, file); err == nil {
			if s := strings.TrimSpace(string(data)); s != "" {
				name = s
				break
			}
		}
	}
	if strings.Contains(name, ".") {
		return name
	}
	data, _ := libc.ReadFile(d.p, "/etc/hosts")
	for _, line := range libc.Lines(data) {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		for i := 1; i < len(f); i++ {
			if strings.EqualFold(f[i], name) && strings.Contains(f[1], ".") && !strings.HasPrefix(f[1], "localhost") {
				return f[1]
			}
		}
	}
	return name
}

// startWorkers starts the thread of the rules and those of actions with queues.
func (d *daemon) startWorkers() {
	for _, a := range d.actions {
		if a.queue.direct() {
			continue
		}
		if a.queue.size == 0 {
			a.queue.size = 1000
			if a.queue.file != "" {
				a.queue.size = 100000 // the rest of a disk-assisted queue is on disk
			}
		}
		a.worker = clock.NewQueue[*message](d.p.Clock.Timeline(), 0)
		d.queued = append(d.queued, a)
		for _, m := range d.unspool(a) {
			a.worker.TryPut(m)
		}
		d.p.Go(func() { d.runQueue(a) })
	}
	d.p.Go(d.runMain)
}

func (d *daemon) worker(ctx context.Context) *worker {
	return &worker{d: d, thread: &thread{p: d.p, ctx: ctx, report: d.report, umask: d.conf.globals.umask}}
}

// runMain takes messages through the rules until the queue is closed and empty.
func (d *daemon) runMain() {
	defer d.mainDone.TryPut(struct{}{})
	w := d.worker(d.mainCtx)
	hups := d.hups.Load()
	batch := make([]*message, batchSize)
	for {
		n, err := d.mainQueue.GetAll(d.mainCtx, batch)
		if h := d.hups.Load(); h != hups && !d.killed.Load() {
			hups = h
			for _, a := range d.actions {
				if a.worker == nil {
					a.out.hup(w.thread)
				}
			}
		}
		if err != nil {
			break
		}
		for i, m := range batch[:n] {
			if m != nil {
				w.process(m)
			}
			batch[i] = nil
		}
		if d.killed.Load() {
			return
		}
		w.flush()
	}
	if d.killed.Load() {
		return
	}
	for _, a := range d.actions {
		a.letOut(w)
	}
	w.flush()
	for _, a := range d.actions {
		if a.worker == nil {
			a.out.close(w.thread)
		}
	}
}

// runQueue is the thread of an action with a queue.
func (d *daemon) runQueue(a *action) {
	defer d.queueDone.TryPut(struct{}{})
	w := d.worker(d.queueCtx)
	hups := d.hups.Load()
	for {
		m, err := a.worker.Get(d.queueCtx)
		if h := d.hups.Load(); h != hups && !d.killed.Load() {
			hups = h
			a.out.hup(w.thread)
		}
		if err != nil {
			break
		}
		for n := 1; ; n++ {
			if m != nil {
				w.run(a, m)
			}
			if w.ending() || n == 128 || a.worker.Len() == 0 {
				break
			}
			if m, err = a.worker.Get(d.queueCtx); err != nil {
				break
			}
		}
		if d.killed.Load() {
			return
		}
		w.flush()
	}
	if d.killed.Load() {
		return
	}
	for {
		m, err := a.worker.Get(context.Background())
		if err != nil {
			break
		}
		if m != nil {
			w.unsent = append(w.unsent, m)
		}
	}
	if len(w.unsent) > 0 {
		d.spool(a, w.unsent)
	}
	a.out.close(w.thread)
}

// hup makes the workers let go of their files. A worker that sleeps is woken
// by a message that is none.
func (d *daemon) hup() {
	d.hups.Add(1)
	d.mainQueue.TryPut(nil)
	for _, a := range d.queued {
		a.worker.TryPut(nil)
	}
}

// submit hands a message to the rules. wait says whether its source can be held
// up while the queue is full; it is dropped otherwise.
func (d *daemon) submit(m *message, wait bool) {
	if wait {
		d.mainQueue.Put(d.mainCtx, m)
	} else if !d.mainQueue.TryPut(m) && d.dropped.Add(1)%1000 == 1 {
		text := m.Text
		if m.unparsed {
			text = m.Raw
		}
		d.p.Emit(trace.MessageDropped, trace.Attrs{"reason": "main queue full", "text": text, "tag": m.Tag, "to": "main queue",
			"rule": strconv.FormatUint(d.dropped.Load(), 10) + " so far"})
	}
}

// submitAll is submit of what came at once from a source that can be held up.
func (d *daemon) submitAll(list []*message) { d.mainQueue.PutAll(d.mainCtx, list) }

// now returns the present time in the daemon's zone.
func (d *daemon) now() time.Time { return d.p.Now().In(d.zone) }

// The trace takes traceBurst messages at once and traceRate a second after
// that; a flood goes by without.
const (
	traceBurst = 500
	traceRate  = 100
)

// traceable decides whether the story of a message is told.
func (d *daemon) traceable(now time.Time) bool {
	if since := now.Sub(d.budgetAt); since > 0 {
		if add := int(since * traceRate / time.Second); add > 0 {
			d.budget = min(d.budget+add, traceBurst)
			d.budgetAt = now
		}
	}
	if d.budget == 0 {
		return false
	}
	d.budget--
	return true
}

// process takes one message through its ruleset.
func (w *worker) process(m *message) {
	d := w.d
	if m.unparsed {
		m.Message = syslog.Parse(d.conf.globals.sanitizer.CleanString(m.Raw), m.received)
		m.unparsed = false
	}
	if m.from == "" {
		m.from = d.nameOf(w.ctx, m.fromIP)
	}
	if m.traced = d.traceable(m.received); m.traced {
		from := m.fromIP
		if m.fromPort != "" {
			from = m.fromIP + ":" + m.fromPort
		}
		d.p.Emit(trace.MessageReceived, trace.Attrs{"facility": facilityName(m.Facility), "severity": m.Severity.String(),
			"tag": m.Tag, "text": m.Text, "input": m.input, "from": from})
	}
	r := d.conf.main
	if m.ruleset != "" {
		r = d.conf.rulesets[m.ruleset]
	}
	w.exec(r.rules, m, false, 0)
}

// nameOf returns the name of a sender, or its address.
func (d *daemon) nameOf(ctx context.Context, ip string) string {
	if name, ok := d.names[ip]; ok {
		return name
	}
	name := ip
	if addr, err := netip.ParseAddr(ip); err == nil && !d.conf.globals.noNames {
		if found, err := libc.LookupAddr(ctx, d.p, addr); err == nil {
			name = strings.ToLower(strings.TrimSuffix(found, "."))
			if !d.conf.globals.preserveFQDN && d.domain != "" {
				name = strings.TrimSuffix(name, "."+d.domain)
			}
		}
	}
	if len(d.names) > 10000 {
		clear(d.names)
	}
	d.names[ip] = name
	return name
}

// Spooled messages of an action's queue.

func (d *daemon) spoolFile(a *action) string {
	dir := d.conf.globals.workDirectory
	if dir == "" {
		dir = "/"
	}
	return path.Join(libc.Abs(d.p, dir), a.queue.file+".00000001")
}

// spool keeps what an action could not send for the next start.
func (d *daemon) spool(a *action, list []*message) {
	if !a.queue.saveOnShutdown || a.queue.file == "" {
		return
	}
	root := &node{isList: true}
	for _, m := range list {
		n := &node{}
		for _, f := range [][2]string{{"raw", m.Raw}, {"pri", strconv.Itoa(int(m.Facility)<<3 | int(m.Severity))}, {"time", m.received.Format(time.RFC3339Nano)},
			{"stamp", string(m.Time.AppendRFC3339(nil))}, {"host", m.host()}, {"tag", m.Tag}, {"app", m.AppName}, {"pid", m.ProcID}, {"msgid", m.MsgID},
			{"sd", m.Data}, {"msg", m.Text}, {"version", strconv.Itoa(m.Version)}, {"input", m.input}, {"from", m.from}, {"ip", m.fromIP}} {
			n.set([]string{f[0]}, &node{leaf: true, value: f[1]})
		}
		root.kids = append(root.kids, n)
	}
	if err := libc.WriteFile(d.p, d.spoolFile(a), append(root.appendJSON(nil), '\n'), 0o600); err != nil {
		fmt.Fprintf(d.p.Stderr, "rsyslog internal message (3,-%d): %s queue: cannot write '%s': %s [v%s try https://www.rsyslog.com/e/%d ]\n",
			codeQueue, a.name, d.spoolFile(a), libc.Strerror(err), Version, codeQueue)
	}
}

// unspool reads what an earlier daemon kept.
func (d *daemon) unspool(a *action) []*message {
	if a.queue.file == "" {
		return nil
	}
	f, err := d.p.Sys.OpenFile(d.spoolFile(a), os.O_RDONLY, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	root, err := readJSONText(f)
	d.p.Sys.Remove(d.spoolFile(a))
	if err != nil {
		return nil
	}
	var list []*message
	for _, n := range root.kids {
		get := func(name string) string { return n.get(name).text() }
		m := &message{input: get("input"), from: get("from"), fromIP: get("ip")}
		pri, _ := strconv.Atoi(get("pri"))
		m.Message = syslog.Message{Raw: get("raw"), Facility: syslog.Facility(min(max(pri>>3, 0), int(syslog.Invalid))), Severity: syslog.Severity(pri & 7),
			Host: get("host"), Tag: get("tag"), AppName: get("app"), ProcID: get("pid"), MsgID: get("msgid"), Data: get("sd"), Text: get("msg")}
		m.Version, _ = strconv.Atoi(get("version"))
		at, _ := time.Parse(time.RFC3339Nano, get("time"))
		m.received = at.In(d.zone)
		m.Time = syslog.TimeOf(m.received, 6)
		if t, _, ok := syslog.ParseRFC3339(get("stamp")); ok {
			m.Time = t
		}
		m.traced = d.traceable(d.p.Now())
		list = append(list, m)
	}
	return list
}
