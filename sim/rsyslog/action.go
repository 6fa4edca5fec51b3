package rsyslog

import (
	"context"
	"errors"
	"strconv"
	"time"

	"enshu/sim/clock"
	"enshu/sim/libc"
	"enshu/sim/trace"
	"enshu/sim/wire/syslog"
)

func itoa(n int) string { return strconv.Itoa(n) }

// entry is one message on its way into an action.
type entry struct {
	text string // what the template made of it; set when the batch is written
	from int    // where it stands among the texts of the batch
	file string // dynamic file name
	m    *message
}

// errSuspended is what an output returns when it cannot work now and may later;
// it has said why.
var errSuspended = errors.New("suspended")

// output is what an action writes with. Only the thread of its action calls it.
type output interface {
	// begin comes before each message; it fails with errSuspended.
	begin(w *worker, a *action) error
	// resume tries whether the output works again after it was suspended.
	resume(w *worker, a *action) error
	// write writes a batch. It returns errSuspended when the batch is to be
	// tried again; any other error means that it is lost.
	write(w *worker, a *action, batch []entry) error
	// hup lets go of files and connections that SIGHUP asks to open anew.
	hup(w *worker)
	close(w *worker)
}

// transactional is implemented by outputs that write at the end of a batch
// rather than at each message.
type transactional interface{ transactional() }

// actionState is where an action stands between its tries.
type actionState int

const (
	ready actionState = iota
	retrying
	suspended
)

// action is one action of the configuration and its state.
type action struct {
	pos             position
	name, module    string
	text            string // as the configuration words it
	number          int
	out             output
	template        *template
	fileTemplate    *template
	resumeRetry     int // -1 is for ever
	resumeEvery     int // seconds
	reportSuspended bool
	reportContinued bool
	onlySuspended   bool
	onlyEvery       int
	everyNth        int
	writeMarks      bool
	repeated        bool
	queue           queueConfig

	// Owned by the thread that runs the action.
	state     actionState
	resumeAt  time.Time
	retries   int // how often it was suspended in a row
	inRow     int // how often it was retried without a success
	pending   []entry
	texts     []byte // of pending, one after the other
	lastRun   time.Time
	lastWrite time.Time
	calls     int
	previous  *message // of $RepeatedMsgReduction
	repeats   int

	worker *clock.Queue[*message] // of an action with a queue of its own
	failed bool                   // the newest message could not be written
}

// offer hands a message to the action: to its queue, or at once.
func (w *worker) offer(a *action, m *message) {
	if a.onlySuspended && !w.d.previousSuspended {
		return
	}
	if m.mark && !a.writeMarks && w.now().Sub(a.lastWrite) < time.Duration(w.d.conf.mark.interval)*time.Second {
		return
	}
	if a.everyNth > 1 {
		if a.calls++; a.calls < a.everyNth {
			return
		}
		a.calls = 0
	}
	if a.onlyEvery > 0 {
		now := w.now()
		if !a.lastRun.IsZero() && now.Sub(a.lastRun) < time.Duration(a.onlyEvery)*time.Second {
			return
		}
		a.lastRun = now
	}
	if a.repeated && a.hold(w, m) {
		return
	}
	w.handOver(a, m)
}

func (w *worker) handOver(a *action, m *message) {
	a.lastWrite = m.received
	if a.worker == nil {
		w.d.previousSuspended = w.run(a, m)
		return
	}
	w.d.previousSuspended = false // an action with a queue takes everything
	q := a.queue
	full := a.worker.Len() >= q.size
	if full || q.discardMark > 0 && a.worker.Len() >= q.discardMark && int(m.Severity) >= q.discardFrom {
		w.dropped(a, m, "queue full")
		return
	}
	a.worker.TryPut(m)
}

// hold is $RepeatedMsgReduction: it keeps a message that is the same as the one
// before, and lets out what it kept when another comes.
func (a *action) hold(w *worker, m *message) bool {
	if p := a.previous; p != nil && p.Text == m.Text && p.host() == m.host() && p.procID() == m.procID() && p.appName() == m.appName() {
		a.previous = m
		a.repeats++
		return true
	}
	a.letOut(w)
	a.previous = m
	return false
}

// letOut writes what $RepeatedMsgReduction kept: one message as it was, several
// as "message repeated".
func (a *action) letOut(w *worker) {
	if a.repeats == 0 {
		return
	}
	m := *a.previous
	if a.repeats > 1 {
		m.Text = " message repeated " + itoa(a.repeats) + " times: [" + m.Text + "]"
	}
	a.repeats = 0
	w.handOver(a, &m)
}

// run takes a message into the action. It reports whether the action is suspended.
func (w *worker) run(a *action, m *message) bool {
	w.prepare(a)
	if a.state == suspended {
		w.dropped(a, m, "action suspended")
		return true
	}
	x := w.scope(m)
	e := entry{from: len(a.texts), m: m}
	a.texts = a.template.expand(a.texts, x)
	if a.fileTemplate != nil {
		e.file = string(a.fileTemplate.expand(nil, x))
	}
	if len(a.pending) == 0 {
		w.dirty = append(w.dirty, a)
	}
	a.pending = append(a.pending, e)
	if _, ok := a.out.(transactional); !ok {
		w.commit(a)
	}
	return a.state == suspended
}

// prepare brings an action towards being ready.
func (w *worker) prepare(a *action) {
	if a.state == suspended && !w.now().Before(a.resumeAt) {
		a.state = retrying
	}
	if a.state == retrying {
		w.retry(a)
	}
	if a.state == ready {
		if err := a.out.begin(w, a); err != nil {
			w.suspendedOnce(a)
		}
	}
}

// suspendedOnce notes a failure; the action is to be retried.
func (w *worker) suspendedOnce(a *action) {
	a.state = retrying
	if a.reportSuspended {
		w.d.report(syslog.Warning, codeSuspended, "action '"+a.name+"' suspended (module '"+a.module+"'), retry "+itoa(a.retries)+
			". There should be messages before this one giving the reason for suspension.")
	}
	a.inRow++
}

// retry tries to resume an action as often as it is configured to, and suspends
// it for a while after that.
func (w *worker) retry(a *action) {
	for tries := 0; ; tries++ {
		err := a.out.resume(w, a)
		if a.inRow > 9 && a.inRow%10 == 0 {
			a.inRow = 0
			err = errSuspended
		}
		if err == nil {
			a.state = ready
			if a.reportSuspended {
				w.d.report(syslog.Info, codeResumed, "action '"+a.name+"' resumed (module '"+a.module+"')")
			}
			return
		}
		if a.resumeRetry >= 0 && tries >= a.resumeRetry {
			w.suspend(a)
			return
		}
		if w.sleep(time.Duration(a.resumeEvery)*time.Second) != nil {
			a.state = suspended
			a.resumeAt = w.now().Add(time.Hour)
			return
		}
	}
}

func (w *worker) suspend(a *action) {
	a.state = suspended
	a.resumeAt = w.now().Add(time.Duration(a.resumeEvery*(a.retries/10+1)) * time.Second).Truncate(time.Second)
	if a.reportContinued || a.reportSuspended && a.retries == 0 {
		at := a.resumeAt.In(w.d.zone).Format("Mon Jan _2 15:04:05 2006")
		w.d.report(syslog.Warning, codeSuspended, "action '"+a.name+"' suspended (module '"+a.module+"'), next retry is "+at+
			", retry nbr "+itoa(a.retries)+". There should be messages before this one giving the reason for suspension.")
	}
	a.retries = min(a.retries+1, 20)
}

// commit writes what is pending, retrying as the action says.
func (w *worker) commit(a *action) {
	batch := a.pending
	if len(batch) == 0 {
		return
	}
	texts, end := string(a.texts), len(a.texts)
	for i := len(batch) - 1; i >= 0; i-- {
		batch[i].text = texts[batch[i].from:end]
		end = batch[i].from
	}
	defer func() {
		clear(batch)
		a.pending, a.texts = batch[:0], a.texts[:0]
		if cap(a.texts) > 1<<20 {
			a.texts = nil
		}
	}()
	if a.state == suspended {
		w.lost(a, batch, "action suspended")
		return
	}
	for {
		w.prepare(a)
		err := a.out.write(w, a, batch)
		if err == nil {
			a.state, a.inRow, a.retries, a.failed = ready, 0, 0, false
			return
		}
		if !errors.Is(err, errSuspended) {
			w.lost(a, batch, err.Error())
			return
		}
		w.suspendedOnce(a)
		if w.retry(a); a.state != ready {
			w.lost(a, batch, "action suspended")
			return
		}
	}
}

// lost notes that a batch was given up; on the way out of the daemon an action
// that may wait keeps it for its spool file.
func (w *worker) lost(a *action, batch []entry, why string) {
	if w.ending() && a.worker != nil {
		for _, e := range batch {
			w.unsent = append(w.unsent, e.m)
		}
		return
	}
	for _, e := range batch {
		w.dropped(a, e.m, why)
	}
}

func (w *worker) dropped(a *action, m *message, why string) {
	if m.traced {
		w.d.p.Emit(trace.MessageDropped, trace.Attrs{"reason": why, "text": m.Text, "tag": m.Tag, "rule": a.pos.String(), "to": a.text})
	}
}

// written tells the trace that a message reached a file, pipe or terminal.
func (w *worker) written(a *action, e *entry, file string) {
	if e.m.traced {
		w.d.p.Emit(trace.MessageWritten, trace.Attrs{"file": file, "text": e.m.Text, "tag": e.m.Tag, "rule": a.pos.String()})
	}
}

// worker is a thread that runs actions: the main one, and one for each action
// with a queue.
type worker struct {
	d      *daemon
	ctx    context.Context // ends when there is no more time to wait
	dirty  []*action       // with something pending
	x      scope
	unsent []*message
}

func (w *worker) now() time.Time { return w.d.p.Now() }

func (w *worker) sleep(d time.Duration) error { return w.d.p.Sleep(w.ctx, d) }

func (w *worker) ending() bool { return w.ctx.Err() != nil }

func (w *worker) scope(m *message) *scope {
	w.x = scope{m: m, d: w.d}
	return &w.x
}

// flush ends the batch: every action writes what it has.
func (w *worker) flush() {
	for i := 0; i < len(w.dirty); i++ {
		w.commit(w.dirty[i])
	}
	w.dirty = w.dirty[:0]
}

// lookup resolves the host of an output.
func (w *worker) lookup(name string) (string, error) {
	addrs, err := libc.LookupHost(w.ctx, w.d.p, name)
	if err != nil {
		return "", err
	}
	return addrs[0].String(), nil
}
