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
	"enshu/sim/rsyslog/config"
	"enshu/sim/rsyslog/input"
	"enshu/sim/rsyslog/message"
	"enshu/sim/rsyslog/output"
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
	conf    *config.Config
	zone    *time.Location
	env     message.Env
	domain  string    // of the host
	actions []*action // in the order of the configuration
	voice   *clock.Queue[own]

	mainQueue    *clock.Queue[*message.Message]
	mainCtx      context.Context
	cancelMain   context.CancelFunc
	mainDone     *clock.Queue[struct{}]
	queued       []*action // with a queue of their own
	queueCtx     context.Context
	cancelQueues context.CancelFunc
	queueDone    *clock.Queue[struct{}]

	inputs  *input.Set
	spare   message.Spare
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
	d.env = message.Env{Now: d.Now, Uptime: p.Clock.Monotonic, Getenv: p.Getenv, Rand: p.Rand()}
	d.voice = clock.NewQueue[own](line, 1000)
	d.mainQueue = clock.NewQueue[*message.Message](line, mainQueueSize)
	d.mainDone = clock.NewQueue[struct{}](line, 0)
	d.queueDone = clock.NewQueue[struct{}](line, 0)
	d.mainCtx, d.cancelMain = context.WithCancel(context.Background())
	d.queueCtx, d.cancelQueues = context.WithCancel(context.Background())
	return d
}

// configure takes a configuration into use.
func (d *daemon) configure(conf *config.Config, inv invocation) {
	d.conf = conf
	d.inputs = input.New(d.p, conf, &d.env, d, &d.spare)
	for _, a := range conf.Actions {
		d.actions = append(d.actions, &action{Action: a, out: output.New(a.Output)})
	}
	conf.Globals.NoNames = conf.Globals.NoNames || inv.noLookups
	name := d.systemName()
	short, domain, _ := strings.Cut(name, ".")
	d.env.Hostname, d.domain = short, domain
	if conf.Globals.PreserveFQDN {
		d.env.Hostname = name
	}
	if conf.Globals.LocalHostname != "" {
		d.env.Hostname = conf.Globals.LocalHostname
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
		if a.Queue.Direct() {
			continue
		}
		if a.Queue.Size == 0 {
			a.Queue.Size = 1000
			if a.Queue.File != "" {
				a.Queue.Size = 100000 // the rest of a disk-assisted queue is on disk
			}
		}
		a.worker = clock.NewQueue[*message.Message](d.p.Clock.Timeline(), 0)
		d.queued = append(d.queued, a)
		for _, m := range d.unspool(a) {
			a.worker.TryPut(m)
		}
		d.p.Go(func() { d.runQueue(a) })
	}
	d.p.Go(d.runMain)
}

func (d *daemon) worker(ctx context.Context) *worker {
	return &worker{d: d, Thread: &output.Thread{P: d.p, Ctx: ctx, Report: d.Report, Umask: d.conf.Globals.Umask}}
}

// runMain takes messages through the rules until the queue is closed and empty.
func (d *daemon) runMain() {
	defer d.mainDone.TryPut(struct{}{})
	w := d.worker(d.mainCtx)
	hups := d.hups.Load()
	batch := make([]*message.Message, batchSize)
	for {
		n, err := d.mainQueue.GetAll(d.mainCtx, batch)
		if h := d.hups.Load(); h != hups && !d.killed.Load() {
			hups = h
			for _, t := range d.conf.Lookups {
				if t.ReloadOnHUP {
					config.ReadLookup(d.p, t, d.Report)
				}
			}
			for _, a := range d.actions {
				if a.worker == nil {
					a.out.HUP(w.Thread)
				}
			}
		}
		if err != nil {
			break
		}
		for _, m := range batch[:n] {
			if m != nil {
				w.process(m)
			}
		}
		if d.killed.Load() {
			return
		}
		w.flush()
		d.spare.Give(batch[:n])
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
			a.out.Close(w.Thread)
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
			a.out.HUP(w.Thread)
		}
		if err != nil {
			break
		}
		for n := 1; ; n++ {
			if m != nil {
				w.run(a, m)
			}
			if w.Ending() || n == 128 || a.worker.Len() == 0 {
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
	a.out.Close(w.Thread)
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

// Submit hands a message to the rules. wait says whether its source can be held
// up while the queue is full; it is dropped otherwise.
func (d *daemon) Submit(m *message.Message, wait bool) {
	if wait {
		d.mainQueue.Put(d.mainCtx, m)
	} else if !d.mainQueue.TryPut(m) {
		d.overflow(m)
	}
}

// SubmitAll is Submit of what came at once. The list stays the caller's.
func (d *daemon) SubmitAll(list []*message.Message, wait bool) {
	if wait {
		d.mainQueue.PutAll(d.mainCtx, list)
		return
	}
	for _, m := range list[d.mainQueue.TryPutAll(list):] {
		d.overflow(m)
	}
}

// overflow tells of one in a thousand messages that found the main queue full.
func (d *daemon) overflow(m *message.Message) {
	if d.dropped.Add(1)%1000 != 1 {
		return
	}
	text := m.Text
	if m.Unparsed {
		text = m.Raw
	}
	d.p.Emit(trace.MessageDropped, trace.Attrs{"reason": fmt.Sprintf("main queue full, %d so far", d.dropped.Load()), "text": text, "tag": m.Tag, "to": "main queue"})
}

// Now returns the present time in the daemon's zone.
func (d *daemon) Now() time.Time { return d.p.Now().In(d.zone) }

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
func (w *worker) process(m *message.Message) {
	d := w.d
	if m.Unparsed {
		if m.Received != w.received { // as one is not in a batch
			w.received, w.stamp = m.Received, syslog.TimeOf(m.Received, 6)
		}
		m.Parse(d.conf.Globals.Sanitizer.CleanString(m.Raw), w.stamp)
		m.Unparsed = false
	}
	if m.From == "" {
		if m.FromIP != w.fromIP || w.from == "" {
			w.fromIP, w.from = m.FromIP, d.nameOf(w.Ctx, m.FromIP)
		}
		m.From = w.from
	}
	if m.Traced = d.traceable(m.Received); m.Traced {
		from := m.FromIP
		if m.FromPort != "" {
			from = m.FromIP + ":" + m.FromPort
		}
		d.p.Emit(trace.MessageReceived, trace.Attrs{"facility": message.FacilityName(m.Facility), "severity": m.Severity.String(),
			"tag": m.Tag, "text": m.Text, "input": m.Input, "from": from})
	}
	r := d.conf.Main
	if m.Ruleset != "" {
		r = d.conf.Rulesets[m.Ruleset]
	}
	w.exec(r.Rules, m, false, 0)
}

// nameOf returns the name of a sender, or its address.
func (d *daemon) nameOf(ctx context.Context, ip string) string {
	if name, ok := d.names[ip]; ok {
		return name
	}
	name := ip
	if addr, err := netip.ParseAddr(ip); err == nil && !d.conf.Globals.NoNames {
		if found, err := libc.LookupAddr(ctx, d.p, addr); err == nil {
			name = strings.ToLower(strings.TrimSuffix(found, "."))
			if !d.conf.Globals.PreserveFQDN && d.domain != "" {
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
	dir := d.conf.Globals.WorkDirectory
	if dir == "" {
		dir = "/"
	}
	return path.Join(libc.Abs(d.p, dir), a.Queue.File+".00000001")
}

// spool keeps what an action could not send for the next start.
func (d *daemon) spool(a *action, list []*message.Message) {
	if !a.Queue.Keeps() {
		return
	}
	root := &message.Node{IsList: true}
	for _, m := range list {
		n := &message.Node{}
		for _, f := range [][2]string{{"raw", m.Raw}, {"pri", strconv.Itoa(int(m.Facility)<<3 | int(m.Severity))}, {"time", m.Received.Format(time.RFC3339Nano)},
			{"stamp", string(m.Time.AppendRFC3339(nil))}, {"host", m.Hostname()}, {"tag", m.Tag}, {"app", m.AppName}, {"pid", m.ProcID}, {"msgid", m.MsgID},
			{"sd", m.Data}, {"msg", m.Text}, {"version", strconv.Itoa(m.Version)}, {"input", m.Input}, {"from", m.From}, {"ip", m.FromIP}} {
			n.Set([]string{f[0]}, &message.Node{Leaf: true, Value: f[1]})
		}
		root.Kids = append(root.Kids, n)
	}
	if err := libc.WriteFile(d.p, d.spoolFile(a), append(root.AppendJSON(nil), '\n'), 0o600); err != nil {
		fmt.Fprintf(d.p.Stderr, "rsyslog internal message (3,-%d): %s queue: cannot write '%s': %s [v%s try https://www.rsyslog.com/e/%d ]\n",
			config.CodeQueue, a.Name, d.spoolFile(a), libc.Strerror(err), Version, config.CodeQueue)
	}
}

// unspool reads what an earlier daemon kept.
func (d *daemon) unspool(a *action) []*message.Message {
	if a.Queue.File == "" {
		return nil
	}
	f, err := d.p.Sys.OpenFile(d.spoolFile(a), os.O_RDONLY, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	root, err := message.ReadJSON(f)
	d.p.Sys.Remove(d.spoolFile(a))
	if err != nil {
		return nil
	}
	var list []*message.Message
	for _, n := range root.Kids {
		get := func(name string) string { return n.Get(name).Text() }
		m := &message.Message{Input: get("input"), From: get("from"), FromIP: get("ip")}
		pri, _ := strconv.Atoi(get("pri"))
		m.Message = syslog.Message{Raw: get("raw"), Facility: syslog.Facility(min(max(pri>>3, 0), int(syslog.Invalid))), Severity: syslog.Severity(pri & 7),
			Host: get("host"), Tag: get("tag"), AppName: get("app"), ProcID: get("pid"), MsgID: get("msgid"), Data: get("sd"), Text: get("msg")}
		m.Version, _ = strconv.Atoi(get("version"))
		at, _ := time.Parse(time.RFC3339Nano, get("time"))
		m.Received = at.In(d.zone)
		m.Time = syslog.TimeOf(m.Received, 6)
		if t, _, ok := syslog.ParseRFC3339(get("stamp")); ok {
			m.Time = t
		}
		m.Traced = d.traceable(d.p.Now())
		list = append(list, m)
	}
	return list
}
