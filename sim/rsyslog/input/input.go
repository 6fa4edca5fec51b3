// Package input takes messages from where they come: log sockets, UDP, TCP, the
// journal, the kernel's ring buffer, files. Each input is named after the module
// of rsyslog that it stands for.
package input

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/rsyslog/config"
	"enshu/sim/rsyslog/message"
	"enshu/sim/trace"
	"enshu/sim/wire/syslog"
)

// Sink is what inputs hand their messages to.
type Sink interface {
	// Submit hands a message to the rules. wait says whether its source can be
	// held up while the queue is full; it is dropped otherwise.
	Submit(m *message.Message, wait bool)
	// SubmitAll is Submit of what came at once. The list stays the caller's.
	SubmitAll(list []*message.Message, wait bool)
	// Report tells what is wrong, on standard error and in the log; say in the log only.
	Report(severity syslog.Severity, code int, text string)
	Say(severity syslog.Severity, text string)
	Now() time.Time // the local time
}

// Set are the open inputs of a daemon.
type Set struct {
	p    *host.Proc
	conf *config.Config
	env  *message.Env
	sink Sink
	pool *message.Spare

	closing     atomic.Bool
	killed      atomic.Bool
	threads     atomic.Int64
	threadDone  *clock.Queue[struct{}]
	mu          sync.Mutex // guards open
	open        []io.Closer
	Sockets     []string // names to remove at the end
	tcpSessions atomic.Int64
}

// New prepares the inputs of a configuration; Start opens them.
func New(p *host.Proc, conf *config.Config, e *message.Env, to Sink, pool *message.Spare) *Set {
	return &Set{p: p, conf: conf, env: e, sink: to, pool: pool, threadDone: clock.NewQueue[struct{}](p.Clock.Timeline(), 0)}
}

func (s *Set) hostname() string { return s.env.Hostname }

// Start opens the inputs of the modules in the order of their loading.
func (s *Set) Start(ctx context.Context) {
	c := s.conf
	for _, m := range c.Modules {
		switch m.Name {
		case "imuxsock":
			s.openUnix()
		case "imudp":
			s.openUDP()
		case "imtcp":
			s.openTCP()
		case "immark":
			if c.Mark.Interval > 0 {
				s.thread(func() { s.marks(ctx) })
			}
		case "imklog":
			s.thread(func() { s.kernel(ctx) })
		case "imjournal":
			s.thread(func() { s.journal(ctx) })
		case "imfile":
			s.thread(func() { s.follow(ctx) })
		}
	}
}

// thread starts a thread of an input; the daemon waits for it before it ends.
func (s *Set) thread(f func()) {
	s.threads.Add(1)
	s.p.Go(func() {
		defer func() {
			s.threads.Add(-1)
			s.threadDone.TryPut(struct{}{})
		}()
		f()
	})
}

// keep remembers what is to be closed when the daemon stops.
func (s *Set) keep(c io.Closer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = append(s.open, c)
}

// forget closes a connection that is over.
func (s *Set) forget(c io.Closer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, have := range s.open {
		if have == c {
			s.open = append(s.open[:i], s.open[i+1:]...)
			break
		}
	}
	c.Close()
}

// Wait waits for every thread to end.
func (s *Set) Wait() {
	for s.threads.Load() > 0 {
		s.threadDone.Get(context.Background())
	}
}

// Stop closes what is open. killed tells that nothing may be written any more.
func (s *Set) Stop(killed bool) {
	s.killed.Store(killed)
	s.closing.Store(true)
	s.mu.Lock()
	list := s.open
	s.open = nil
	s.mu.Unlock()
	for _, c := range list {
		c.Close()
	}
}

// limiter drops what comes too fast. One thread uses it.
type limiter struct {
	config.RateLimit
	from    time.Time
	seen    int
	missing int
}

// take counts a message. It reports whether the message may pass, and how many
// were lost in an interval that is over; begins tells that it is the first one
// to be dropped.
func (l *limiter) take(now time.Time, s syslog.Severity) (ok, begins bool, lost int) {
	if l.Interval <= 0 || int(s) < l.Severity {
		return true, false, 0
	}
	if now.Sub(l.from) > time.Duration(l.Interval)*time.Second || now.Before(l.from) {
		lost = l.missing
		l.from, l.seen, l.missing = now, 0, 0
	}
	if l.seen < l.Burst {
		l.seen++
		return true, false, lost
	}
	l.missing++
	return false, l.missing == 1, lost
}

// toldDrops is how many of the messages that a limiter drops in one interval the
// trace is told of one by one: a flood does not fill it.
const toldDrops = 1000

// allow applies a limiter and says what rsyslog says about it. text is that of
// the message.
func (s *Set) allow(l *limiter, name string, now time.Time, severity syslog.Severity, text func() string) bool {
	if l == nil || l.Interval <= 0 {
		return true
	}
	ok, begins, lost := l.take(now, severity)
	if lost > 0 {
		s.sink.Say(syslog.Info, fmt.Sprintf("%s: %d messages lost due to rate-limiting (%d allowed within %d seconds)", name, lost, l.Burst, l.Interval))
	}
	if begins {
		s.sink.Say(syslog.Info, name+": begin to drop messages due to rate-limiting")
	}
	if !ok && l.missing <= toldDrops {
		s.p.Emit(trace.MessageDropped, trace.Attrs{"text": text(),
			"reason": fmt.Sprintf("%s: rate limit, %d in %d s", name, l.Burst, l.Interval)})
	}
	return ok
}

// temporary reports an error of a datagram socket that concerns one datagram
// only.
func temporary(err error) bool {
	return !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.EOF)
}

// marks is immark.
func (s *Set) marks(ctx context.Context) {
	for s.p.Sleep(ctx, time.Duration(s.conf.Mark.Interval)*time.Second) == nil {
		s.sink.Say(syslog.Info, s.conf.Mark.Text)
	}
}

// kernel is imklog: the kernel's ring buffer.
func (s *Set) kernel(ctx context.Context) {
	k := s.p.Host.Kmsg
	if k == nil {
		return
	}
	seq := uint64(0)
	for {
		for _, r := range k.Since(seq) {
			seq = r.Seq + 1
			pri := syslog.Priority(r.Priority)
			if pri.Facility() != syslog.Kern && !s.conf.Klog.PermitNonKernel {
				continue
			}
			now := s.sink.Now()
			text := fmt.Sprintf(" [%5d.%06d] %s", r.At/time.Second, r.At%time.Second/time.Microsecond, r.Text)
			text = s.conf.Globals.Sanitizer.Clean([]byte(text))
			m := &message.Message{Input: "imklog", From: s.hostname(), FromIP: "127.0.0.1", Received: now}
			m.Message = syslog.Message{Raw: text, Facility: min(pri.Facility(), syslog.Local7), Severity: pri.Severity(), Time: syslog.TimeOf(now, 6),
				Tag: "kernel:", Text: text, MsgID: "-", Data: "-"}
			s.sink.Submit(m, true)
		}
		if k.Wait(ctx, seq) != nil {
			return
		}
	}
}
