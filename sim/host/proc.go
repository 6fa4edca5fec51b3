package host

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"enshu/sim/clock"
	"enshu/sim/trace"
)

// Program is a piece of software of a host. Its result is the exit status.
type Program func(ctx context.Context, p *Proc) int

// Proc is a running Program: what the kernel knows of a process. The fields
// are set by whoever starts it and only read afterwards, except Dir and Env,
// which belong to the Program.
type Proc struct {
	Host           *Host
	Path           string // the executable; Args[0] may say something else
	Args, Env      []string
	Dir            string
	PID, PPID      int
	UID, GID       int // effective
	RUID           int // real; differs in a set-user-ID program
	Groups         []int
	Umask          int
	Stdin          io.Reader // may be a [Terminal]
	Stdout, Stderr io.Writer // may be a Terminal
	Sys            Sys
	Clock          *clock.Local // the host's

	signals *clock.Queue[syscall.Signal]
	threads sync.WaitGroup

	mu      sync.Mutex // guards what follows
	cancel  context.CancelCauseFunc
	ending  bool
	early   []syscall.Signal // delivered before Run
	caught  map[syscall.Signal]bool
	onReady func()
	isReady bool
	rand    *rand.Rand
	crash   error
}

// Signalled is the cause of a context that a signal ended.
type Signalled struct{ Signal syscall.Signal }

func (s Signalled) Error() string { return "ended by " + s.Signal.String() }

// Status is how a process ended.
type Status struct {
	Code   int            // exit status, when Signal is 0
	Signal syscall.Signal // the signal that ended it
}

// Success reports exit status 0.
func (s Status) Success() bool { return s == Status{} }

// Shell returns the status as a shell's $? shows it.
func (s Status) Shell() int {
	if s.Signal != 0 {
		return 128 + int(s.Signal)
	}
	return s.Code
}

func (s Status) String() string {
	if s.Signal != 0 {
		return "signal " + s.Signal.String()
	}
	return fmt.Sprintf("exit status %d", s.Code)
}

// Run runs prog as p until it and all its threads have returned. It is called
// once, by whoever made p, on a goroutine of its own; onReady, which may be
// nil, is called when the Program says that it is ready. A Program that panics
// has crashed: it ends as by SIGSEGV, and [Proc.Crash] tells why.
//
// A Program that ends because of a signal it did not catch, and that never was
// ready, has been ended by that signal; a daemon's own exit status counts.
func (p *Proc) Run(ctx context.Context, prog Program, onReady func()) Status {
	line := p.Clock.Timeline()
	line.Hold()
	defer line.Release()
	ctx, cancel := context.WithCancelCause(ctx)
	p.mu.Lock()
	p.signals = clock.NewQueue[syscall.Signal](line, 0)
	p.onReady = onReady
	p.cancel = cancel
	early := p.early
	p.early = nil
	p.mu.Unlock()
	for _, sig := range early {
		p.Deliver(sig)
	}
	code := 0
	if ctx.Err() == nil {
		code = p.guard(func() int { return prog(ctx, p) })
	}
	signalled, bySignal := context.Cause(ctx).(Signalled)
	p.end(nil)
	p.threads.Wait()
	line.Release()
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.crash != nil:
		return Status{Signal: syscall.SIGSEGV}
	case bySignal && (!p.isReady || signalled.Signal == syscall.SIGKILL):
		return Status{Signal: signalled.Signal}
	}
	return Status{Code: code & 0xff}
}

// guard turns a panic into a crash of the process.
func (p *Proc) guard(f func() int) (code int) {
	defer func() {
		if r := recover(); r != nil {
			p.mu.Lock()
			p.crash = fmt.Errorf("%s on %s crashed: %v\n%s", p.Name(), p.Host.Name, r, debug.Stack())
			p.mu.Unlock()
			p.end(Signalled{syscall.SIGSEGV})
		}
	}()
	return f()
}

// end cancels the process's context. From then until Run returns the process
// holds a token: it is awake, whichever of its threads notices first.
func (p *Proc) end(cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cancel == nil {
		return
	}
	if !p.ending {
		p.ending = true
		p.Clock.Timeline().Hold()
	}
	p.cancel(cause)
}

// Crash returns why the Program panicked, nil when it did not. It is our bug.
func (p *Proc) Crash() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.crash
}

// Deliver gives the process a signal, as kill(2) does: one it catches waits for
// WaitSignal; any other ends it, unless the default is to ignore it. Stopping a
// process (SIGSTOP and its kin) is not modelled and does nothing. What comes
// before Run counts at its beginning.
func (p *Proc) Deliver(sig syscall.Signal) {
	p.mu.Lock()
	if p.cancel == nil {
		p.early = append(p.early, sig)
		p.mu.Unlock()
		return
	}
	caught := p.caught[sig] && sig != syscall.SIGKILL
	p.mu.Unlock()
	switch {
	case caught:
		p.signals.TryPut(sig)
	case sig == syscall.SIGCHLD, sig == syscall.SIGCONT, sig == syscall.SIGWINCH, sig == syscall.SIGURG:
	case sig == syscall.SIGSTOP, sig == syscall.SIGTSTP, sig == syscall.SIGTTIN, sig == syscall.SIGTTOU:
	case p.PID == 1 && sig != syscall.SIGKILL:
	default:
		p.end(Signalled{sig})
	}
}

// Catch makes the named signals wait for WaitSignal instead of ending the process.
func (p *Proc) Catch(signals ...syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.caught == nil {
		p.caught = map[syscall.Signal]bool{}
	}
	for _, s := range signals {
		p.caught[s] = true
	}
}

// WaitSignal returns the next signal that the process caught.
func (p *Proc) WaitSignal(ctx context.Context) (syscall.Signal, error) { return p.signals.Get(ctx) }

// Ready says that the daemon serves (sd_notify(3) READY=1).
func (p *Proc) Ready() {
	p.mu.Lock()
	f := p.onReady
	first := !p.isReady
	p.isReady = true
	p.mu.Unlock()
	if first && f != nil {
		f()
	}
}

// Sleep blocks for d on the host's clock, or until ctx ends, whose cause it returns.
func (p *Proc) Sleep(ctx context.Context, d time.Duration) error { return p.Clock.Sleep(ctx, d) }

// WithTimeout returns a context that ends, with os.ErrDeadlineExceeded as its
// cause, when d has passed on the host's clock.
func (p *Proc) WithTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	t := p.Clock.AfterFunc(d, func() { cancel(os.ErrDeadlineExceeded) })
	return ctx, func() { t.Stop(); cancel(context.Canceled) }
}

// Now returns the host's time, in UTC.
func (p *Proc) Now() time.Time { return p.Clock.Now() }

// Go starts a thread of this process. The process ends when all its threads have.
func (p *Proc) Go(f func()) {
	line := p.Clock.Timeline()
	line.Hold()
	p.threads.Go(func() {
		defer line.Release()
		p.guard(func() int { f(); return 0 })
	})
}

// Rand returns the process's source of randomness, drawn from the host's seed,
// the name of the program and its process id. One thread at a time may use it.
func (p *Proc) Rand() *rand.Rand {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rand == nil {
		h := fnv.New64a()
		fmt.Fprintf(h, "%s %s %d", p.Host.Name, p.Path, p.PID)
		p.rand = rand.New(rand.NewPCG(p.Host.Seed, h.Sum64()))
	}
	return p.rand
}

// Name returns the program's name: the last element of its path.
func (p *Proc) Name() string { return path.Base(p.Path) }

// Emit appends an event of this process to the trace and returns its number.
func (p *Proc) Emit(kind trace.Kind, attrs trace.Attrs) uint64 {
	return p.Host.Trace.Append(p.Host.Name, p.Name(), p.PID, kind, attrs)
}

// Getenv returns the last value of an environment variable, "" when unset.
func (p *Proc) Getenv(name string) string {
	for i := len(p.Env) - 1; i >= 0; i-- {
		if v := p.Env[i]; len(v) > len(name) && v[len(name)] == '=' && v[:len(name)] == name {
			return v[len(name)+1:]
		}
	}
	return ""
}

// Start starts a child, looking Path up in PATH when it has no slash. Fields
// that are not set are inherited.
func (p *Proc) Start(c Cmd) (*Process, error) {
	if c.Path == "" && len(c.Args) > 0 {
		c.Path = c.Args[0]
	}
	if c.Path == "" {
		return nil, errors.New("no command")
	}
	if len(c.Args) == 0 {
		c.Args = []string{c.Path}
	}
	if c.Env == nil {
		c.Env = p.Env
	}
	if c.Dir == "" {
		c.Dir = p.Dir
	}
	if c.Cred == nil {
		c.Cred = &Cred{p.UID, p.GID, p.Groups}
	}
	found, err := p.LookPath(c.Path)
	if err != nil {
		return nil, err
	}
	c.Path = found
	return p.Sys.Start(c)
}

// LookPath finds an executable in PATH, as execvp(3) does. Its errors are
// *fs.PathError with ENOENT or EACCES inside.
func (p *Proc) LookPath(name string) (string, error) {
	for i := 0; i < len(name); i++ {
		if name[i] == '/' {
			return name, nil
		}
	}
	dirs := p.Getenv("PATH")
	if dirs == "" {
		dirs = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
	}
	why := syscall.ENOENT
	for len(dirs) > 0 {
		dir := dirs
		if i := indexByte(dirs, ':'); i >= 0 {
			dir, dirs = dirs[:i], dirs[i+1:]
		} else {
			dirs = ""
		}
		file := path.Join("/", dir, name)
		info, err := p.Sys.Stat(file)
		switch {
		case err != nil || info.IsDir():
		case info.Mode()&0o111 == 0:
			why = syscall.EACCES
		default:
			return file, nil
		}
	}
	return "", &os.PathError{Op: "exec", Path: name, Err: why}
}

func indexByte(s string, b byte) int {
	for i := 0; i < len(s); i++ {
		if s[i] == b {
			return i
		}
	}
	return -1
}

// Exec runs a command with this process's stdio, waits for it and returns its
// exit status as a shell shows it: 127 when it could not be found, 126 when it
// could not be run.
func (p *Proc) Exec(ctx context.Context, args ...string) int {
	child, err := p.Start(Cmd{Args: args, Stdin: p.Stdin, Stdout: p.Stdout, Stderr: p.Stderr})
	switch {
	case errors.Is(err, syscall.ENOENT):
		return 127
	case err != nil:
		return 126
	}
	st, err := child.Wait(ctx)
	if err != nil {
		return 126
	}
	return st.Shell()
}

// Stamp gives an open file the host's time as its modification time, since the
// machine's kernel would put its own there. Daemons call it after they wrote.
func (p *Proc) Stamp(f *os.File) {
	now := syscall.NsecToTimeval(p.Clock.Now().UnixNano())
	if c, err := f.SyscallConn(); err == nil {
		c.Control(func(fd uintptr) { syscall.Futimes(int(fd), []syscall.Timeval{now, now}) })
	}
}
