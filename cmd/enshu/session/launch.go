package session

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"enshu/grader"
	"enshu/sim/distro"
	"enshu/sim/kernel"
	"enshu/sim/lab"
	"enshu/sim/lang"
	"enshu/sim/scenario"
)

// Launch says what a lab process is to run.
type Launch struct {
	Name   string // of the running lab
	File   string // what the lab file is called in errors
	Source []byte // its contents
	Seed   uint64
}

// Draw checks the lab file and fills in the variables of the attempt.
func (l Launch) Draw() (*scenario.Lab, error) {
	src, err := scenario.Parse(l.File, l.Source, Known())
	if err != nil {
		return nil, err
	}
	return src.Draw(l.Seed)
}

// order is what the lab process is told through its first descriptor.
type order struct {
	Launch
	Key      string
	Cache    string
	SingleID bool
	Group    kernel.Group
	Log      string
	PID      int // of the lab process, for the machine
}

// Descriptors of a lab process.
const (
	orderFile = kernel.FirstFile + iota
	listenFile
	readyFile
)

// Started is what the caller of Start learns.
type Started struct {
	Name   string
	Single error // why the hosts have one user id only; nil when they have all
}

// Known is what lab files may name: the distribution's packages and programs,
// and the grader's kinds of checks.
func Known() scenario.Known {
	d := distro.New()
	known := scenario.Known{Packages: d.Names(), Programs: d.ProgramNames(), Units: d.Units(), Kinds: grader.Kinds(), Users: []string{lab.Learner}}
	accounts, _ := d.Accounts(d.Names())
	for _, a := range accounts {
		known.Users = append(known.Users, a.Name)
	}
	return known
}

// Start starts a lab process and returns once all its hosts are up. On an
// error, or when ctx ends first, nothing is left of it.
func Start(ctx context.Context, l Launch) (*Started, error) {
	if err := CheckName(l.Name); err != nil {
		return nil, err
	}
	secret, err := key()
	if err != nil {
		return nil, lang.Errorf("鍵のファイル: %v", "the key file: %v", err)
	}
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	ids := kernel.FindIDs()
	if err := ids.OwnCache(cache); err != nil {
		return nil, lang.Errorf("ホストのファイルのキャッシュ: %v", "the cache of host files: %v", err)
	}
	// Whoever has the name has the log file.
	socket, err := listen(l.Name)
	if err != nil {
		return nil, err
	}
	defer socket.Close()
	logName, err := LogFile(l.Name)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(logName), 0o700); err != nil {
		return nil, lang.Errorf("ラボのログ: %v", "the lab's log: %v", err)
	}
	logFile, err := os.OpenFile(logName, os.O_CREATE|os.O_WRONLY|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return nil, lang.Errorf("ラボのログ: %v", "the lab's log: %v", err)
	}
	defer logFile.Close()
	up := false
	defer func() {
		if !up {
			removeEmpty(logName)
		}
	}()
	orderR, orderW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer orderW.Close()
	readyR, readyW, err := os.Pipe()
	if err != nil {
		orderR.Close()
		return nil, err
	}
	defer readyR.Close()
	p, group, err := launch(ids, l.Name, logFile, orderR, socket, readyW)
	orderR.Close()
	readyW.Close()
	socket.Close() // the lab's now: the name is free once the lab ends
	if err != nil {
		return nil, err
	}
	defer func() {
		if !up {
			group.Remove()
		}
	}()
	stop := context.AfterFunc(ctx, func() { p.Kill() })
	defer stop()
	toLab := json.NewEncoder(orderW)
	if err := toLab.Encode(order{l, secret, cache, ids.Single, group, logName, p.Pid}); err != nil {
		p.Kill()
		p.Wait()
		return nil, err
	}
	var answer Reply
	if err := json.NewDecoder(readyR).Decode(&answer); err != nil {
		p.Kill()
		p.Wait()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, lang.Errorf("ホストが起動する前にラボのプロセスが終了しました: %s", "the lab process ended before its hosts were up: %s", lastWords(logName))
	}
	if answer.Error != nil {
		p.Wait()
		return nil, &lang.Error{Text: *answer.Error}
	}
	if ctx.Err() != nil {
		p.Kill()
		p.Wait()
		return nil, context.Cause(ctx)
	}
	if err := toLab.Encode(true); err != nil {
		return nil, lang.Errorf("ラボがすぐに終了しました: %s", "the lab ended at once: %s", lastWords(logName))
	}
	up = true
	return &Started{l.Name, ids.Why}, nil
}

// launch starts a lab process, in a control group where the machine gives us one.
// Without one hosts have the limits of their processes only.
func launch(ids kernel.IDs, name string, log *os.File, files ...*os.File) (*os.Process, kernel.Group, error) {
	if parent, _ := kernel.FindGroup(); parent != "" {
		if g, err := kernel.NewGroup(parent, name, ids); err == nil {
			if p, err := g.Launch(ids, []string{name}, log, files...); err == nil {
				return p, g, nil
			}
			g.Remove()
		}
	}
	p, err := kernel.Launch(ids, []string{name}, log, files...)
	return p, kernel.Group{}, err
}

// removeEmpty removes a log in which nothing stands.
func removeEmpty(name string) {
	if st, err := os.Stat(name); err == nil && st.Size() == 0 {
		os.Remove(name)
	}
}

// lastWords says where a lab process's log is and what stands last in it.
func lastWords(name string) lang.Text {
	b, _ := os.ReadFile(name)
	if len(b) == 0 {
		return lang.Both("ログには何もありません", "it said nothing")
	}
	if len(b) > 2000 {
		b = b[len(b)-2000:]
	}
	return lang.Both(fmt.Sprintf("ログ %s の最後:\n%s", name, b), fmt.Sprintf("its log %s says:\n%s", name, b))
}

// startMemory is how much memory a lab that starts may take, in bytes, before it
// collects garbage.
const startMemory = 64 << 20

// RunLab is the main function of a lab process, which Start started. Its result
// is the exit status.
func RunLab() int {
	unix.CloseOnExec(orderFile)
	unix.CloseOnExec(listenFile)
	unix.CloseOnExec(readyFile)
	// What a lab allocates until its hosts are up nearly all stays. Collecting
	// garbage meanwhile would only take time.
	debug.SetGCPercent(-1)
	collect := debug.SetMemoryLimit(startMemory)
	// Terminals and their shells come and go; the lab ends by `finish`.
	signal.Ignore(syscall.SIGHUP, syscall.SIGINT, syscall.SIGPIPE)
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	ready := os.NewFile(readyFile, "ready")
	tell := func(r Reply) {
		json.NewEncoder(ready).Encode(r)
		ready.Close()
	}
	fail := func(err error) int {
		tell(Reply{Error: refusal(err)})
		return 1
	}
	var o order
	orders := os.NewFile(orderFile, "order")
	fromStarter := json.NewDecoder(orders)
	if err := fromStarter.Decode(&o); err != nil {
		return fail(err)
	}
	spec, err := o.Draw()
	if err != nil {
		return fail(err)
	}
	s := &server{order: o, spec: spec, hints: map[string]int{}, log: log, finished: make(chan *client)}
	l, err := lab.Start(context.Background(), lab.Config{
		Name: o.Name, Scenario: spec, Distro: distro.New(), Seed: o.Seed, Log: log,
		Cache: o.Cache, SingleID: o.SingleID, Group: o.Group, Extra: []distro.Package{s.learnerTools()},
	})
	if err != nil {
		return fail(err)
	}
	s.started = time.Now()
	s.running.Store(l)
	tell(Reply{Done: true})
	debug.SetMemoryLimit(collect)
	debug.SetGCPercent(100)
	var taken bool
	if err := fromStarter.Decode(&taken); err != nil {
		l.Stop()
		return 1 // whoever started the lab was killed, and nobody knows of it
	}
	orders.Close()
	return s.serve(os.NewFile(listenFile, "control"))
}
