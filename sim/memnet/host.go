package memnet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"enshu/sim/clock"
	"enshu/sim/host"
)

// Config says what a host is.
type Config struct {
	Name     string
	Addrs    []string // of eth0, with prefix length: "192.0.2.10/24", "2001:db8::10/64"
	Gateways []string // default routes, one a family
	Programs map[string]host.Program
	Seed     uint64
	Offset   time.Duration // of the host's clock
	PPM      float64       // its frequency error
	Root     string        // directory of the test that is the host's /; "" is a fresh one
	MayCrash bool          // a Program that panics does not fail the test
}

// Host is one machine. Its files, sockets and processes go when the test ends.
type Host struct {
	*host.Host
	t        testing.TB
	net      *Network
	disk     *disk
	addrs    []netip.Prefix
	gateways []netip.Addr
	root     *sys // as whom the test acts: root, process 0

	// The network's mu guards what follows.
	filter    func(Packet) Verdict
	flows     map[flow]time.Time
	ports     map[portKey][]*bound
	ephemeral uint16
	unix      map[inode]any // *listener or *gramSocket
	abstract  map[string]any

	ctx     context.Context
	running sync.WaitGroup
	onCall  atomic.Pointer[func(pid int)]

	mu      sync.Mutex // guards what follows
	procs   map[int]*process
	lastPID int
	down    bool
	crashes []error
}

// OnCall has f called whenever a process of the host is about to work on a
// file through Sys, on the thread that does: a test of crashes kills processes there, between any
// two of their steps. f may call Kill of [Host.Sys]; nil ends it.
func (h *Host) OnCall(f func(pid int)) {
	if f == nil {
		h.onCall.Store(nil)
		return
	}
	h.onCall.Store(&f)
}

// Host adds a host to the network. It has the directories that every system
// has, an executable file for each Program, and nothing else. A Program that
// panics fails the test, unless it may.
func (n *Network) Host(t testing.TB, c Config) *Host {
	t.Helper()
	if c.Root == "" {
		c.Root = t.TempDir()
	}
	local := clock.NewLocal(n.Line, c.Offset, c.PPM)
	h := &Host{
		Host: &host.Host{Name: c.Name, Clock: local, Trace: n.Trace, Kmsg: host.NewKmsg(local, 1024), Programs: c.Programs, Seed: c.Seed},
		t:    t, net: n, disk: newDisk(c.Root),
		flows: map[flow]time.Time{}, ports: map[portKey][]*bound{}, unix: map[inode]any{}, abstract: map[string]any{},
		procs: map[int]*process{}, lastPID: 100,
	}
	for _, a := range c.Addrs {
		p, err := netip.ParsePrefix(a)
		if err != nil {
			t.Fatalf("memnet: host %s: %v", c.Name, err)
		}
		h.addrs = append(h.addrs, p)
	}
	for _, g := range c.Gateways {
		a, err := netip.ParseAddr(g)
		if err != nil {
			t.Fatalf("memnet: host %s: %v", c.Name, err)
		}
		h.gateways = append(h.gateways, a)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	h.ctx = ctx
	h.root = h.newSys(ctx, host.Cred{}, 0, 0o022)
	for _, dir := range []string{"/dev", "/etc", "/home", "/root", "/run", "/usr/bin", "/usr/sbin", "/var/lib", "/var/log", "/var/spool"} {
		h.MkdirAll(dir, 0o755)
	}
	h.MkdirAll("/tmp", 0o777|fs.ModeSticky)
	h.Symlink("usr/bin", "/bin")
	h.Symlink("usr/sbin", "/sbin")
	for file := range c.Programs {
		h.MkdirAll(path.Dir(file), 0o755)
		h.write(file, nil, 0o755)
	}
	n.mu.Lock()
	n.hosts = append(n.hosts, h)
	n.mu.Unlock()
	t.Cleanup(func() {
		h.mu.Lock()
		h.down = true
		procs := h.table()
		h.mu.Unlock()
		for _, e := range procs {
			h.signal(e, syscall.SIGKILL)
		}
		h.running.Wait()
		cancel(host.Signalled{Signal: syscall.SIGKILL})
		h.root.close()
		if !c.MayCrash {
			for _, err := range h.crashes {
				t.Error(err)
			}
		}
	})
	return h
}

// table returns the processes by pid. The caller holds mu.
func (h *Host) table() []*process {
	var list []*process
	for _, e := range h.procs {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b *process) int { return a.proc.PID - b.proc.PID })
	return list
}

func (h *Host) crashed(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.crashes = append(h.crashes, err)
}

// Crashes returns the panics of the host's Programs so far.
func (h *Host) Crashes() []error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.crashes)
}

// Sys returns the host as root sees it, for calls on names. Calls that block
// need a wake token: make them inside [Host.Do].
func (h *Host) Sys() host.Sys { return h.root }

// Dir returns the directory of the machine that is the host's /.
func (h *Host) Dir() string { return h.disk.root }

// must fails the test when the world of the test could not be set up.
func (h *Host) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatalf("memnet: %s: %v", h.Name, err)
	}
}

func (h *Host) write(name string, data []byte, perm fs.FileMode) {
	h.t.Helper()
	f, err := h.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
	h.must(err)
	_, err = f.Write(data)
	h.must(errors.Join(err, f.Close()))
	now := h.Clock.Now()
	h.must(h.root.Chtimes(name, now, now))
}

// WriteFile makes or replaces a file of root with mode 0644, and its missing
// directories, as of the host's time.
func (h *Host) WriteFile(name, text string) {
	h.t.Helper()
	h.MkdirAll(path.Dir(name), 0o755)
	h.write(name, []byte(text), 0o644)
}

// ReadFile returns what a file holds, "" when there is none.
func (h *Host) ReadFile(name string) string {
	h.t.Helper()
	f, err := h.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	h.must(err)
	defer f.Close()
	data, err := io.ReadAll(f)
	if !errors.Is(err, syscall.EAGAIN) { // a FIFO that someone still writes
		h.must(err)
	}
	return string(data)
}

// MkdirAll makes a directory of root and its missing parents.
func (h *Host) MkdirAll(name string, perm fs.FileMode) {
	h.t.Helper()
	if _, err := h.root.Stat(name); err == nil {
		return
	}
	if parent := path.Dir(name); parent != name {
		h.MkdirAll(parent, 0o755)
	}
	h.must(h.root.Mkdir(name, perm))
	h.must(h.root.Chmod(name, perm))
}

// Symlink makes a symbolic link.
func (h *Host) Symlink(target, name string) {
	h.t.Helper()
	h.must(h.root.Symlink(target, name))
}

// Chmod changes a mode.
func (h *Host) Chmod(name string, mode fs.FileMode) {
	h.t.Helper()
	h.must(h.root.Chmod(name, mode))
}

// Chown changes the owner of a file.
func (h *Host) Chown(name string, uid, gid int) {
	h.t.Helper()
	h.must(h.root.Chown(name, uid, gid))
}

// Remove removes a file or an empty directory.
func (h *Host) Remove(name string) {
	h.t.Helper()
	h.must(h.root.Remove(name))
}

// Result is what a command left.
type Result struct {
	Stdout, Stderr string
	Status         host.Status
}

// Run runs a command as root and waits for its end. A name without a slash is
// looked up in PATH; what cannot be run has the status and text of a shell.
func (h *Host) Run(args ...string) Result {
	h.t.Helper()
	return h.RunCmd(host.Cmd{Args: args})
}

// RunCmd is Run with an identity, input, environment and so on; what is not set
// is root's. Stdout and Stderr of the result are empty where c has its own.
func (h *Host) RunCmd(c host.Cmd) Result {
	h.t.Helper()
	var out, errs Output
	if c.Stdout == nil {
		c.Stdout = &out
	}
	if c.Stderr == nil {
		c.Stderr = &errs
	}
	p, err := h.exec(h.root, h.fill(&c), nil)
	if err != nil {
		r := Result{Status: host.Status{Code: 126}}
		why := "Permission denied"
		if errors.Is(err, fs.ErrNotExist) {
			r.Status.Code, why = 127, "No such file or directory"
		}
		r.Stderr = fmt.Sprintf("bash: %s: %s\n", c.Args[0], why)
		return r
	}
	return Result{Status: h.Wait(p), Stdout: out.String(), Stderr: errs.String()}
}

// Wait waits for a process as the test, which is no process of the lab and
// holds no token.
func (h *Host) Wait(p *host.Process) host.Status {
	h.net.Line.Hold()
	defer h.net.Line.Release()
	st, _ := p.Wait(context.Background())
	return st
}

// fill completes a command as a root shell would.
func (h *Host) fill(c *host.Cmd) host.Cmd {
	h.t.Helper()
	if c.Path == "" && len(c.Args) == 0 {
		h.t.Fatal("memnet: a command without a name")
	}
	if c.Path == "" {
		c.Path = c.Args[0]
	}
	if len(c.Args) == 0 {
		c.Args = []string{c.Path}
	}
	if c.Env == nil {
		c.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/bash", "LANG=C.UTF-8"}
	}
	if c.Dir == "" {
		c.Dir = "/"
	}
	if c.Cred == nil {
		c.Cred = &host.Cred{Groups: []int{0}}
	}
	probe := &host.Proc{Sys: h.root, Env: c.Env, Dir: c.Dir}
	if found, err := probe.LookPath(c.Path); err == nil {
		c.Path = found
	}
	return *c
}

// Daemon is a program that runs beside the test.
type Daemon struct {
	*host.Process
	Stdout, Stderr *Output
	h              *Host
}

// Start starts a daemon as root and waits until it is ready. It fails the test
// when the daemon ends before.
func (h *Host) Start(args ...string) *Daemon {
	h.t.Helper()
	return h.StartCmd(host.Cmd{Args: args, Session: true})
}

// StartCmd is Start with an identity, environment and so on.
func (h *Host) StartCmd(c host.Cmd) *Daemon {
	h.t.Helper()
	d := h.Spawn(c)
	h.net.Line.Hold()
	defer h.net.Line.Release()
	if ready, _ := d.WaitReady(context.Background()); !ready {
		_, st := d.Running()
		h.t.Fatalf("memnet: %s: %s ended before it was ready: %v\n%s%s", h.Name, c.Args[0], st, d.Stdout, d.Stderr)
	}
	return d
}

// Spawn starts a program and does not wait for anything.
func (h *Host) Spawn(c host.Cmd) *Daemon {
	h.t.Helper()
	d := &Daemon{Stdout: &Output{}, Stderr: &Output{}, h: h}
	if c.Stdout == nil {
		c.Stdout = d.Stdout
	}
	if c.Stderr == nil {
		c.Stderr = d.Stderr
	}
	var err error
	d.Process, err = h.exec(h.root, h.fill(&c), nil)
	h.must(err)
	return d
}

// Boot is Start for the host's process 1; it comes before all other processes.
func (h *Host) Boot(args ...string) *Daemon {
	h.t.Helper()
	h.mu.Lock()
	h.lastPID = 0
	h.mu.Unlock()
	return h.Start(args...)
}

// End waits for the daemon's end and returns its status.
func (d *Daemon) End() host.Status { return d.h.Wait(d.Process) }

// Stop sends SIGTERM and waits for the end.
func (d *Daemon) Stop() host.Status {
	d.Signal(syscall.SIGTERM)
	return d.End()
}

// Do runs f as a process of the host, with an identity (nil is root), and waits
// for its end. It is where a test calls Sys, Sleep and the like itself.
func (h *Host) Do(cred *host.Cred, f func(ctx context.Context, p *host.Proc)) host.Status {
	h.t.Helper()
	return h.Wait(h.Go(cred, func(ctx context.Context, p *host.Proc) int {
		f(ctx, p)
		return 0
	}))
}

// Go starts a Program that has no file, with an identity (nil is root), and
// does not wait for its end.
func (h *Host) Go(cred *host.Cred, prog host.Program) *host.Process {
	h.t.Helper()
	c := host.Cmd{Path: "/usr/bin/test", Args: []string{"test"}, Cred: cred}
	p, err := h.exec(h.root, h.fill(&c), prog)
	h.must(err)
	return p
}

// Processes returns the running processes by pid.
func (h *Host) Processes() []*host.Proc {
	h.mu.Lock()
	defer h.mu.Unlock()
	var list []*host.Proc
	for _, e := range h.table() {
		list = append(list, e.proc)
	}
	return list
}

// Listening returns the pid of the process that has a tcp or udp port open
// ("tcp4", 514), 0 when there is none.
func (h *Host) Listening(network string, port uint16) int {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	for _, b := range h.ports[portKey{network, port}] {
		switch who := b.who.(type) {
		case *listener:
			return who.sys.pid
		case *udpSocket:
			if !b.remote.IsValid() {
				return who.owner.pid
			}
		}
	}
	return 0
}

// Output is a Stdout or Stderr that can be read while it is written.
type Output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

// String returns what was written so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
