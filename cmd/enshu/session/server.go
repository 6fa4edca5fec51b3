package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"enshu/grader"
	"enshu/grader/report"
	"enshu/sim/host"
	"enshu/sim/lab"
	"enshu/sim/lang"
	"enshu/sim/scenario"
	"enshu/sim/trace"
)

// server answers clients in a lab process.
type server struct {
	order
	spec    *scenario.Lab
	started time.Time
	log     *slog.Logger
	running atomic.Pointer[lab.Lab] // set once the hosts are up

	finished chan *client // who ended the lab

	grading sync.Mutex // one run of the grader at a time: its probes would meet

	mu    sync.Mutex
	hints map[string]int // hints given, by task
}

// serve answers clients until one of them ends the lab.
func (s *server) serve(socket *os.File) int {
	l, err := net.FileListener(socket)
	socket.Close()
	if err != nil {
		s.log.Error("control socket", "error", err)
		return 1
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.welcome(c.(*net.UnixConn))
		}
	}()
	c := <-s.finished
	// The lab process is PID 1 of its hosts: the kernel kills them all when it
	// ends, and it has ended when they have.
	var self *os.File
	if fd, err := unix.PidfdOpen(os.Getpid(), 0); err == nil {
		self = os.NewFile(uintptr(fd), "lab process")
	}
	c.sendWith(&Reply{Done: true, Log: s.Log, Group: &s.Group}, self)
	return 0
}

// client is one connection.
type client struct {
	conn *net.UnixConn
	mu   sync.Mutex // one reply at a time
}

func (c *client) send(r *Reply) error { return c.sendWith(r, nil) }

// sendWith sends a reply with a descriptor.
func (c *client) sendWith(r *Reply, f *os.File) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if f == nil {
		_, err = c.conn.Write(append(b, '\n'))
		return err
	}
	_, _, err = c.conn.WriteMsgUnix(append(b, '\n'), unix.UnixRights(int(f.Fd())), nil)
	return err
}

// welcome answers one request.
func (s *server) welcome(conn *net.UnixConn) {
	r, files, err := receiveRequest(conn)
	if err != nil {
		conn.Close()
		return
	}
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	c := &client{conn: conn}
	if !sameKey(r.Key, s.Key) {
		c.send(&Reply{Error: refusal(errNotYours(s.Name))})
		conn.Close()
		return
	}
	if r.Verb == verbFinish {
		s.finished <- c
		return
	}
	defer conn.Close()
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	// What the client says later are signals; its end is the end of the request.
	signals := make(chan syscall.Signal, 8)
	go func() {
		dec := json.NewDecoder(conn)
		for {
			var m struct{ Signal int }
			if err := dec.Decode(&m); err != nil {
				cancel(errors.New("the client is gone"))
				return
			}
			select {
			case signals <- syscall.Signal(m.Signal):
			default:
			}
		}
	}()
	if err := s.answer(ctx, c, r, files, signals); err != nil {
		c.send(&Reply{Error: refusal(err)})
		return
	}
	c.send(&Reply{Done: true})
}

func (s *server) answer(ctx context.Context, c *client, r *Request, files []*os.File, signals <-chan syscall.Signal) error {
	l := s.running.Load()
	switch r.Verb {
	case verbStatus:
		return c.send(&Reply{Lab: s.status(ctx, l)})
	case verbLaunch:
		return c.send(&Reply{Launch: &s.Launch})
	case verbExec:
		return s.exec(ctx, l, c, r, files, signals)
	case verbCheck:
		result, err := s.check(ctx, l, r.Args, func(p report.Progress) { c.send(&Reply{Progress: &p}) })
		if err != nil {
			return err
		}
		return c.send(&Reply{Report: result})
	case verbHint:
		task := ""
		if len(r.Args) > 0 {
			task = r.Args[0]
		}
		h, err := s.hint(task)
		if err != nil {
			return err
		}
		return c.send(&Reply{Hint: h})
	case verbEvents:
		return s.events(ctx, l, c, r)
	case verbAdvance:
		return l.Advance(ctx, r.Duration)
	case verbRate:
		if r.Rate <= 0 || r.Rate > 1e6 {
			return lang.Errorf("速さ %g: 60 のような、0 より大きい数にしてください", "rate %g: use a number above 0, such as 60", r.Rate)
		}
		l.Timeline.SetRate(r.Rate)
		return nil
	case verbReset:
		return s.reset(ctx, l, r)
	case verbHold:
		<-ctx.Done()
		s.finished <- c
		return nil
	case verbCapture:
		h, err := s.host(l, r.Host)
		if err != nil {
			return err
		}
		if len(r.Args) != 1 {
			return errors.New("capture needs one interface")
		}
		f, err := h.Capture(r.Args[0])
		if err != nil {
			return err
		}
		defer f.Close()
		return c.sendWith(&Reply{}, f)
	case verbSolve:
		return s.solve(ctx, l, c, r.Solution)
	case verbMistake:
		return s.mistake(ctx, l, c, r.Solution)
	}
	return lang.Errorf("知らない要求 %q です: ラボを始めたあとに enshu を新しくしましたか?",
		"unknown request %q: is the enshu command newer than the lab?", r.Verb)
}

func (s *server) host(l *lab.Lab, name string) (*lab.Host, error) {
	if name == "" {
		name = string(s.spec.Shell)
	}
	return l.Host(name)
}

// zone is the time zone of a host.
func (s *server) zone(name string) *time.Location {
	zone, err := time.LoadLocation(string(s.spec.Host(name).Timezone))
	if err != nil {
		return time.UTC
	}
	return zone
}

func (s *server) status(ctx context.Context, l *lab.Lab) *Status {
	st := &Status{Name: s.Name, ID: s.spec.ID, Title: s.spec.Title, Seed: s.Seed,
		PID: s.PID, Started: s.started, Now: l.Now().In(s.zone(string(s.spec.Shell))), Rate: l.Timeline.Rate(), Log: s.Log}
	for _, h := range l.Hosts() {
		hs := HostStatus{Name: h.Name(), Up: h.Up(), Local: st.Now.Add(h.Clock().Offset()).In(s.zone(h.Name())), Offset: h.Clock().Offset(),
			Frequency: h.Clock().FrequencyError() + h.Clock().Adjustment()}
		for _, n := range h.Scenario().Networks {
			hs.Addresses = append(hs.Addresses, n.Address.String())
		}
		if hs.Up {
			if out, err := h.Exec(ctx, "root", "systemctl list-units --failed --no-legend --plain; echo --; command -v chronyc >/dev/null && chronyc -c tracking 2>/dev/null", nil); err == nil {
				failed, tracking, _ := strings.Cut(out.Stdout, "--\n")
				for line := range strings.Lines(failed) {
					if f := strings.Fields(line); len(f) > 0 {
						hs.Failed = append(hs.Failed, f[0])
					}
				}
				if f := strings.Split(strings.TrimSpace(tracking), ","); len(f) > 2 {
					hs.Source = f[1]
					fmt.Sscan(f[2], &hs.Stratum)
				}
			}
		}
		st.Hosts = append(st.Hosts, hs)
	}
	return st
}

// inZone are the events with their times in a zone: that of the learner's shell
// is the one that the logs there have.
func inZone(events []trace.Event, zone *time.Location) []trace.Event {
	events = slices.Clone(events)
	for i := range events {
		events[i].At = events[i].At.In(zone)
	}
	return events
}

func (s *server) events(ctx context.Context, l *lab.Lab, c *client, r *Request) error {
	if r.About != "" {
		s.settle(l, r.About, func() error {
			l.Timeline.Hold()
			defer l.Timeline.Release()
			return l.Timeline.Sleep(ctx, settleStep)
		})
	}
	since, zone := r.Since, s.zone(string(s.spec.Shell))
	for {
		events := inZone(l.Trace().Since(since), zone)
		for len(events) > 0 {
			n := min(len(events), 200)
			if err := c.send(&Reply{Events: events[:n]}); err != nil {
				return err
			}
			since = events[n-1].Seq
			events = events[n:]
		}
		if !r.Follow {
			return nil
		}
		if err := l.Trace().Wait(ctx, since); err != nil {
			return err
		}
	}
}

func (s *server) reset(ctx context.Context, l *lab.Lab, r *Request) error {
	hosts := l.Hosts()
	if r.Host != "" {
		h, err := s.host(l, r.Host)
		if err != nil {
			return err
		}
		hosts = []*lab.Host{h}
	}
	for _, h := range hosts {
		var err error
		if r.Reboot {
			err = h.Reboot(ctx)
		} else {
			err = h.Reset(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// exec runs a command with the client's stdio, or on a terminal of the host's.
func (s *server) exec(ctx context.Context, l *lab.Lab, c *client, r *Request, files []*os.File, signals <-chan syscall.Signal) error {
	h, err := s.host(l, r.Host)
	if err != nil {
		return err
	}
	user := r.User
	if user == "" {
		user = "root"
	}
	cmd := host.Cmd{Path: "/bin/bash", Args: []string{"-bash"}, Env: r.Env, Session: true}
	if len(r.Args) > 0 {
		// The shell finds the command and says what is wrong with it.
		cmd.Args = append([]string{"bash", "-c", `exec "$@"`, "bash"}, r.Args...)
	}
	var term *lab.Terminal
	switch {
	case r.Terminal:
		if term, err = h.Terminal(user, r.Rows, r.Cols); err != nil {
			return err
		}
		defer term.Close()
		cmd.Stdin, cmd.Stdout, cmd.Stderr = term.Near, term.Near, term.Near
	case len(files) == 3:
		cmd.Stdin, cmd.Stdout, cmd.Stderr = files[0], files[1], files[2]
	default:
		return errors.New("exec needs three descriptors")
	}
	child, err := h.Start(user, cmd)
	if err != nil {
		return err
	}
	if term != nil {
		term.Login(child.PID)
		if err := c.sendWith(&Reply{Terminal: true}, term.Far); err != nil {
			return err
		}
		term.Far.Close() // the client's alone: when it is gone, the kernel hangs up
	}
	stop := context.AfterFunc(ctx, func() { child.Signal(syscall.SIGHUP) })
	defer stop()
	over := make(chan struct{})
	defer close(over)
	go func() {
		for {
			select {
			case sig := <-signals:
				child.Signal(sig)
			case <-over:
				return
			}
		}
	}()
	st, err := l.Wait(context.Background(), child)
	if err != nil {
		return err
	}
	status := st.Shell()
	return c.send(&Reply{Status: &status})
}

// check has the grader look at tasks.
func (s *server) check(ctx context.Context, l *lab.Lab, tasks []string, progress func(report.Progress)) (*report.Report, error) {
	for _, t := range tasks {
		if s.spec.Task(t) == nil {
			return nil, s.noTask(t)
		}
	}
	s.grading.Lock()
	defer s.grading.Unlock()
	h := hurry{ctx: ctx, lab: l}
	defer h.end()
	return grader.Run(ctx, view{l}, s.spec, grader.Options{Tasks: tasks, Progress: func(p report.Progress) {
		h.see(p.Waiting)
		if progress != nil {
			progress(p)
		}
	}}), nil
}

// patience is how long a check waits before the lab's time is made to pass
// hurryRate times as fast: a learner should not wait a minute for chronyd. Two
// waits of half a minute (the lab skewed-clock, untouched) take 2.5 s with them.
const (
	patience  = 750 * time.Millisecond
	hurryRate = 60
)

// hurry lets the lab's time pass faster while a check waits long.
type hurry struct {
	ctx  context.Context
	lab  *lab.Lab
	calm func() // ends the hurry; nil while nobody waits
}

// see notes how much longer a check waits; 0 is not at all.
func (h *hurry) see(waiting time.Duration) {
	switch {
	case waiting <= 0:
		h.end()
	case h.calm == nil && h.lab.Timeline.Rate() < hurryRate:
		ctx, cancel := context.WithCancel(h.ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			select {
			case <-time.After(patience):
				h.lab.Hurry(ctx, hurryRate)
			case <-ctx.Done():
			}
		}()
		h.calm = func() {
			cancel()
			<-done
		}
	}
}

// end lets the lab's time pass as before.
func (h *hurry) end() {
	if h.calm != nil {
		h.calm()
	}
	h.calm = nil
}

// noTask says which tasks there are.
func (s *server) noTask(name string) error {
	var names []string
	for i := range s.spec.Tasks {
		names = append(names, s.spec.Tasks[i].ID)
	}
	return lang.Errorf("このラボに課題 %q はありません: あるのは %s です", "the lab has no task %q: it has %s", name, strings.Join(names, ", "))
}

// hint gives the next hint of a task; "" is the first task that has another.
func (s *server) hint(task string) (*Hint, error) {
	if task != "" && s.spec.Task(task) == nil {
		return nil, s.noTask(task)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.spec.Tasks {
		t := &s.spec.Tasks[i]
		n := s.hints[t.ID]
		if task != "" && t.ID != task || len(t.Hints) == 0 || task == "" && n >= len(t.Hints) {
			continue
		}
		n = min(n, len(t.Hints)-1) // the last one is told again
		s.hints[t.ID] = n + 1
		return &Hint{t.ID, n + 1, len(t.Hints), t.Hints[n]}, nil
	}
	return nil, lang.Errorf("ヒントはもうありません", "there are no more hints")
}

func (s *server) solve(ctx context.Context, l *lab.Lab, c *client, name string) error {
	if len(s.spec.Solutions) == 0 {
		return lang.Errorf("このラボに解答例はありません", "the lab has no solution")
	}
	sol := &s.spec.Solutions[0]
	if name != "" {
		if sol = s.spec.Solution(name); sol == nil {
			return lang.Errorf("このラボに解答例 %q はありません", "the lab has no solution %q", name)
		}
	}
	return s.steps(ctx, l, c, sol.Steps)
}

func (s *server) mistake(ctx context.Context, l *lab.Lab, c *client, name string) error {
	for i := range s.spec.Mistakes {
		if m := &s.spec.Mistakes[i]; m.Name == name {
			return s.steps(ctx, l, c, s.spec.StepsOf(m))
		}
	}
	return fmt.Errorf("the lab has no mistake %q", name)
}

// steps runs steps in order; one that fails is an error of the lab.
func (s *server) steps(ctx context.Context, l *lab.Lab, c *client, steps []scenario.Step) error {
	for _, step := range steps {
		h, err := s.host(l, string(step.Host))
		if err != nil {
			return err
		}
		user := string(step.User)
		if user == "" {
			user = "root"
		}
		out, err := h.Exec(ctx, user, step.Run, nil)
		if err != nil {
			return fmt.Errorf("step %s on %s: %w", step.ID, step.Host, err)
		}
		done := &Step{step.ID, string(step.Host), step.Run, out.Stdout, out.Stderr, out.Status.Shell()}
		if err := c.send(&Reply{Step: done}); err != nil {
			return err
		}
		if !out.Status.Success() {
			return fmt.Errorf("step %s on %s (line %d): %v: %s", step.ID, step.Host, step.Pos.Line, out.Status, strings.TrimSpace(out.Stderr+out.Stdout))
		}
	}
	return nil
}
