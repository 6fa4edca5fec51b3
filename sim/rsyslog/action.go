package rsyslog

import (
	"errors"
	"strconv"
	"time"

	"enshu/sim/clock"
	"enshu/sim/rsyslog/config"
	"enshu/sim/rsyslog/message"
	"enshu/sim/rsyslog/output"
	"enshu/sim/trace"
	"enshu/sim/wire/syslog"
)

// actionState is where an action stands between its tries.
type actionState int

const (
	ready actionState = iota
	retrying
	suspended
)

// action is one action of the configuration and its state.
type action struct {
	*config.Action
	out output.Output

	// Owned by the thread that runs the action.
	state     actionState
	resumeAt  time.Time
	retries   int // how often it was suspended in a row
	inRow     int // how often it was retried without a success
	pending   []output.Entry
	texts     []byte // of pending, one after the other
	starts    []int  // where each of them begins
	lastRun   time.Time
	lastWrite time.Time
	calls     int
	previous  *message.Message // of $RepeatedMsgReduction
	repeats   int

	worker *clock.Queue[*message.Message] // of an action with a queue of its own
	failed bool                           // the newest message could not be written
}

// offer hands a message to the action: to its queue, or at once.
func (w *worker) offer(a *action, m *message.Message) {
	if a.OnlySuspended && !w.d.env.PreviousSuspended {
		return
	}
	if m.Mark && !a.WriteMarks && w.Now().Sub(a.lastWrite) < time.Duration(w.d.conf.Mark.Interval)*time.Second {
		return
	}
	if a.EveryNth > 1 {
		if a.calls++; a.calls < a.EveryNth {
			return
		}
		a.calls = 0
	}
	if a.OnlyEvery > 0 {
		now := w.Now()
		if !a.lastRun.IsZero() && now.Sub(a.lastRun) < time.Duration(a.OnlyEvery)*time.Second {
			return
		}
		a.lastRun = now
	}
	if a.Repeated && a.hold(w, m) {
		return
	}
	w.handOver(a, m)
}

func (w *worker) handOver(a *action, m *message.Message) {
	a.lastWrite = m.Received
	if a.worker == nil {
		w.d.env.PreviousSuspended = w.run(a, m)
		return
	}
	w.d.env.PreviousSuspended = false // an action with a queue takes everything
	q := a.Queue
	full := a.worker.Len() >= q.Size
	if full || q.DiscardMark > 0 && a.worker.Len() >= q.DiscardMark && int(m.Severity) >= q.DiscardFrom {
		w.dropped(a, m, "queue full")
		return
	}
	m.Kept = true
	a.worker.TryPut(m)
}

// hold is $RepeatedMsgReduction: it keeps a message that is the same as the one
// before, and lets out what it kept when another comes.
func (a *action) hold(w *worker, m *message.Message) bool {
	if p := a.previous; p != nil && p.Text == m.Text && p.Hostname() == m.Hostname() && p.Process() == m.Process() && p.App() == m.App() {
		a.previous, m.Kept = m, true
		a.repeats++
		return true
	}
	a.letOut(w)
	a.previous, m.Kept = m, true
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
		m.Text = " message repeated " + strconv.Itoa(a.repeats) + " times: [" + m.Text + "]"
	}
	a.repeats = 0
	w.handOver(a, &m)
}

// run takes a message into the action. It reports whether the action is suspended.
func (w *worker) run(a *action, m *message.Message) bool {
	w.prepare(a)
	if a.state == suspended {
		w.commit(a) // what came before is lost before
		w.lost(a, []output.Entry{{Message: m}}, "action suspended")
		return true
	}
	x := w.scope(m)
	e := output.Entry{Message: m}
	a.starts = append(a.starts, len(a.texts))
	a.texts = a.Template.Expand(a.texts, x)
	if a.FileTemplate != nil {
		e.File = string(a.FileTemplate.Expand(nil, x))
	}
	if len(a.pending) == 0 {
		w.dirty = append(w.dirty, a)
	}
	a.pending = append(a.pending, e)
	if _, ok := a.out.(output.Transactional); !ok {
		w.commit(a)
	}
	return a.state == suspended
}

// prepare brings an action towards being ready.
func (w *worker) prepare(a *action) {
	if a.state == suspended && !w.Now().Before(a.resumeAt) {
		a.state = retrying
	}
	if a.state == retrying {
		w.retry(a)
	}
	if a.state == ready {
		if err := a.out.Begin(w.Thread, a.Action); err != nil {
			w.suspendedOnce(a)
		}
	}
}

// suspendedOnce notes a failure; the action is to be retried.
func (w *worker) suspendedOnce(a *action) {
	a.state = retrying
	if a.ReportSuspended {
		w.d.Report(syslog.Warning, config.CodeSuspended, "action '"+a.Name+"' suspended (module '"+a.Module+"'), retry "+strconv.Itoa(a.retries)+
			". There should be messages before this one giving the reason for suspension.")
	}
	a.inRow++
}

// retry tries to resume an action as often as it is configured to, and suspends
// it for a while after that.
func (w *worker) retry(a *action) {
	for tries := 0; ; tries++ {
		err := a.out.Resume(w.Thread, a.Action)
		if a.inRow > 9 && a.inRow%10 == 0 {
			a.inRow = 0
			err = output.ErrSuspended
		}
		if err == nil {
			a.state = ready
			if a.ReportSuspended {
				w.d.Report(syslog.Info, config.CodeResumed, "action '"+a.Name+"' resumed (module '"+a.Module+"')")
			}
			return
		}
		if a.ResumeRetry >= 0 && tries >= a.ResumeRetry {
			w.suspend(a)
			return
		}
		if w.Sleep(time.Duration(a.ResumeEvery)*time.Second) != nil {
			a.state = suspended
			a.resumeAt = w.Now().Add(time.Hour)
			return
		}
	}
}

func (w *worker) suspend(a *action) {
	a.state = suspended
	a.resumeAt = w.Now().Add(time.Duration(a.ResumeEvery*(a.retries/10+1)) * time.Second).Truncate(time.Second)
	if a.ReportContinued || a.ReportSuspended && a.retries == 0 {
		at := a.resumeAt.In(w.d.zone).Format("Mon Jan _2 15:04:05 2006")
		w.d.Report(syslog.Warning, config.CodeSuspended, "action '"+a.Name+"' suspended (module '"+a.Module+"'), next retry is "+at+
			", retry nbr "+strconv.Itoa(a.retries)+". There should be messages before this one giving the reason for suspension.")
	}
	a.retries = min(a.retries+1, 20)
}

// commit writes what is pending, retrying as the action says.
func (w *worker) commit(a *action) {
	batch := a.pending
	if len(batch) == 0 {
		return
	}
	end := len(a.texts)
	for i := len(batch) - 1; i >= 0; i-- {
		batch[i].Text = a.texts[a.starts[i]:end:end]
		end = a.starts[i]
	}
	defer func() {
		clear(batch)
		a.pending, a.texts, a.starts = batch[:0], a.texts[:0], a.starts[:0]
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
		err := a.out.Write(w.Thread, a.Action, batch)
		if err == nil {
			a.state, a.inRow, a.retries, a.failed = ready, 0, 0, false
			return
		}
		if !errors.Is(err, output.ErrSuspended) {
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
func (w *worker) lost(a *action, batch []output.Entry, why string) {
	if w.Ending() && a.worker != nil {
		for _, e := range batch {
			w.unsent = append(w.unsent, e.Message)
		}
		return
	}
	for _, e := range batch {
		w.dropped(a, e.Message, why)
	}
}

func (w *worker) dropped(a *action, m *message.Message, why string) {
	if m.Traced {
		w.d.p.Emit(trace.MessageDropped, trace.Attrs{"reason": why, "text": m.Text, "tag": m.Tag, "rule": a.Pos.String(), "to": a.Text})
	}
}

// worker is a thread that runs actions: the main one, and one for each action
// with a queue.
type worker struct {
	*output.Thread
	d      *daemon
	dirty  []*action // with something pending
	x      message.Scope
	unsent []*message.Message

	received time.Time   // when the newest message was received
	stamp    syslog.Time // the same
	fromIP   string      // who sent the newest message that does not say so
	from     string      // his name
}

func (w *worker) scope(m *message.Message) *message.Scope {
	w.x = message.Scope{Message: m, Env: &w.d.env}
	return &w.x
}

// flush ends the batch: every action writes what it has.
func (w *worker) flush() {
	for i := 0; i < len(w.dirty); i++ {
		w.commit(w.dirty[i])
	}
	w.dirty = w.dirty[:0]
}
