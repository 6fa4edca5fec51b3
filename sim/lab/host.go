package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"enshu/sim/clock"
	"enshu/sim/distro"
	"enshu/sim/host"
	"enshu/sim/kernel"
	"enshu/sim/scenario"
	"enshu/sim/stub"
	"enshu/sim/systemd/pid1"
	"enshu/sim/trace"
)

// initPath is the executable of PID 1.
const initPath = "/usr/lib/systemd/systemd"

// Host is a running host.
type Host struct {
	lab      *Lab
	scenario *scenario.Host
	config   kernel.MachineConfig
	packages []string
	accounts []distro.Account
	model    *host.Host

	mu      sync.Mutex // guards what a reboot replaces
	machine *kernel.Machine
	pid1    *host.Proc
	down    chan struct{} // closed when this boot's PID 1 has ended
	closed  bool          // destroyed for good
}

// Name returns the name that the lab file gives the host.
func (h *Host) Name() string { return h.scenario.Name }

// Scenario returns what the lab file says of the host.
func (h *Host) Scenario() *scenario.Host { return h.scenario }

// Clock returns the host's clock.
func (h *Host) Clock() *clock.Local { return h.model.Clock }

func (l *Lab) newHost(s *scenario.Host, networks map[string]int) (*Host, error) {
	h := &Host{lab: l, scenario: s}
	var err error
	if h.packages, err = l.Distro.Installed(h.extraPackages()); err != nil {
		return nil, fmt.Errorf("host %s: %w", s.Name, err)
	}
	if h.accounts, err = l.Distro.Accounts(h.packages); err != nil {
		return nil, fmt.Errorf("host %s: %w", s.Name, err)
	}
	h.addUsers()
	hostname := s.Hostname
	if hostname == "" {
		hostname = s.Name
	}
	h.config = kernel.MachineConfig{Name: s.Name, Hostname: hostname, Packages: h.packages, Disk: int64(s.Disk), Processes: uint64(s.Pids), Memory: int64(s.Memory)}
	seed := l.seedOf(s.Name)
	for i, n := range s.Networks {
		index := networks[string(n.Network)]
		subnet := l.Config.Scenario.Networks[index].Subnet
		h.config.Interfaces = append(h.config.Interfaces, kernel.Interface{
			Network:   index,
			Addresses: []netip.Prefix{netip.PrefixFrom(n.Address, subnet.Bits())},
			MAC:       net.HardwareAddr{0x52, 0x54, 0, byte(seed >> 16), byte(seed >> 8), byte(seed) + byte(i)}, // QEMU's prefix
		})
	}
	var offset time.Duration
	var drift float64
	if s.Clock != nil {
		offset, drift = time.Duration(s.Clock.Offset), float64(s.Clock.Drift)
	}
	local := clock.NewLocal(l.Timeline, offset, drift)
	programs := map[string]host.Program{}
	for _, p := range l.Distro.All() {
		for path, program := range p.Programs {
			programs[path] = program
		}
	}
	h.model = &host.Host{Name: s.Name, Clock: local, Trace: l.trace, Programs: programs, Seed: seed, RTC: clock.NewLocal(l.Timeline, offset, 0)}
	if s.Refclock != nil {
		h.addRefclock(s.Refclock)
	}
	return h, nil
}

func (h *Host) extraPackages() []string {
	var names []string
	for _, p := range h.scenario.Packages {
		names = append(names, string(p))
	}
	if h.servesNames() && !slices.Contains(names, nameServerPackage) {
		names = append(names, nameServerPackage)
	}
	return names
}

// boot makes the machine and starts PID 1, and returns when the host is up.
// keep keeps the disk of the machine's last life.
func (h *Host) boot(ctx context.Context, keep bool) error {
	c := h.config
	c.KeepDisk = keep
	m, err := h.lab.kernel.Boot(h.lab.Timeline, c)
	if err != nil {
		return err
	}
	if !keep {
		if err := h.writeFiles(m); err != nil {
			m.Destroy()
			return fmt.Errorf("host %s: %w", h.Name(), err)
		}
	}
	h.model.Kmsg = h.bootLog()
	h.model.Filter = m.Filter()
	server, err := stub.NewServer(h.model, h.lab.Log)
	if err != nil {
		m.Destroy()
		return err
	}
	server.SingleID = h.lab.SingleID
	p := &host.Proc{Path: initPath, Args: []string{"/usr/lib/systemd/systemd", "--system"}, Dir: "/",
		Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "LANG=C.UTF-8"}, Umask: 0o022}
	down, up := make(chan struct{}), make(chan struct{})
	h.mu.Lock()
	h.machine, h.pid1, h.down = m, p, down
	h.mu.Unlock()
	life, end := context.WithCancel(h.lab.ctx)
	if err := m.LogPackets(life, h.model); err != nil {
		h.lab.Log.Warn("refused packets are not logged", "host", h.Name(), "error", err)
	}
	if err := m.NoteRefusals(life, h.model); err != nil {
		h.lab.Log.Warn("refused packets are not noted", "host", h.Name(), "error", err)
	}
	go func() {
		if err := server.Serve(life, m.Programs); err != nil {
			h.lab.Log.Error("stubs", "host", h.Name(), "error", err)
		}
	}()
	go func() {
		st := server.Init(life, m.Stub, m.PID, p, h.model.Programs[initPath], sync.OnceFunc(func() { close(up) }))
		end()
		m.Destroy()
		close(down)
		h.lab.trace.Append(h.Name(), "systemd", 1, trace.HostDown, trace.Attrs{"reason": st.String()})
		h.after(st)
	}()
	select {
	case <-up:
	case <-down:
		return fmt.Errorf("host %s did not boot: PID 1 ended", h.Name())
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	h.lab.trace.Append(h.Name(), "systemd", 1, trace.HostBooted, nil)
	return nil
}

// bootLog is the ring buffer of a kernel that has just booted.
func (h *Host) bootLog() *host.Kmsg {
	k := host.NewKmsg(h.model.Clock, 4096)
	k.Began(distro.BootDuration)
	m := distro.Machine{Seed: h.model.Seed, MemoryMiB: int(h.scenario.Memory >> 20), CPUs: 1, Boot: h.model.Clock.Now().Add(-distro.BootDuration)}
	for i := range h.config.Interfaces {
		m.Interfaces = append(m.Interfaces, fmt.Sprintf("eth%d", i))
	}
	for _, r := range distro.BootLog(m) {
		k.AppendAt(r.At, r.Priority, r.Text)
	}
	return k
}

// after does what PID 1 ended for.
func (h *Host) after(st host.Status) {
	h.mu.Lock()
	closed := h.closed
	h.mu.Unlock()
	if closed || st.Code != pid1.ExitReboot || st.Signal != 0 {
		return
	}
	h.unplug()
	if err := h.boot(h.lab.ctx, true); err != nil {
		h.lab.Log.Error("reboot", "host", h.Name(), "error", err)
	}
}

// destroy ends the host.
func (h *Host) destroy() {
	h.mu.Lock()
	h.closed = true
	m, down := h.machine, h.down
	h.mu.Unlock()
	if m != nil {
		m.Destroy()
		<-down
	}
}

func (h *Host) unplug() {
	h.mu.Lock()
	m := h.machine
	h.mu.Unlock()
	if m != nil {
		m.Unplug()
	}
}

// Reset gives the host a new disk and boots it as it was at the start of the lab.
func (h *Host) Reset(ctx context.Context) error {
	h.unplug()
	h.destroy()
	h.mu.Lock()
	h.closed = false
	h.mu.Unlock()
	if c := h.scenario.Clock; c != nil {
		h.model.Clock.Set(h.lab.Now().Add(time.Duration(c.Offset)))
	} else {
		h.model.Clock.Set(h.lab.Now())
	}
	h.model.Clock.Adjust(0)
	if err := h.boot(ctx, false); err != nil {
		return err
	}
	return h.setup(ctx)
}

// Reboot restarts the host; what was not made permanent is gone.
func (h *Host) Reboot(ctx context.Context) error {
	h.unplug()
	h.destroy()
	h.mu.Lock()
	h.closed = false
	h.mu.Unlock()
	return h.boot(ctx, true)
}

// Up reports whether the host runs.
func (h *Host) Up() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down == nil {
		return false
	}
	select {
	case <-h.down:
		return false
	default:
		return true
	}
}

// ErrDown means that a host is switched off.
var ErrDown = errors.New("the host is down")

// Start starts a command on the host as a user, from outside: as PID 1's child.
func (h *Host) Start(user string, c host.Cmd) (*host.Process, error) {
	if !h.Up() {
		return nil, fmt.Errorf("%s: %w", h.Name(), ErrDown)
	}
	h.mu.Lock()
	p, m := h.pid1, h.machine
	h.mu.Unlock()
	a, cred, err := h.login(m, user)
	if err != nil {
		return nil, err
	}
	if cred.UID != 0 && h.lab.SingleID {
		return nil, fmt.Errorf("%s: user %s needs an id of its own, and this lab has one only: see `enshu doctor`", h.Name(), user)
	}
	c.Cred, c.Terms = cred, &host.Terms{LoginUID: &cred.UID}
	if c.Dir == "" {
		c.Dir = a.Dir
	}
	c.Env = append([]string{
		"HOME=" + a.Dir, "USER=" + a.Name, "LOGNAME=" + a.Name, "SHELL=/bin/bash", "LANG=C.UTF-8",
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "MAIL=/var/spool/mail/" + a.Name,
	}, c.Env...)
	return p.Start(c)
}

// Output is what a command did.
type Output struct {
	Stdout, Stderr string
	Status         host.Status
}

// Exec runs a script with bash on the host and returns what it printed.
func (h *Host) Exec(ctx context.Context, user, script string, stdin io.Reader) (Output, error) {
	var stdout, stderr bytes.Buffer
	child, err := h.Start(user, host.Cmd{Path: "/bin/bash", Args: []string{"bash", "-c", script}, Stdin: stdin, Stdout: &stdout, Stderr: &stderr, Session: true})
	if err != nil {
		return Output{}, err
	}
	line := h.lab.Timeline
	line.Hold()
	st, err := child.Wait(ctx)
	line.Release()
	if err != nil {
		child.Signal(9)
		return Output{}, err
	}
	return Output{stdout.String(), stderr.String(), st}, nil
}

// Open opens a file of the host's for reading; no link of the host's leads out of it.
func (h *Host) Open(name string) (*os.File, error) {
	h.mu.Lock()
	m := h.machine
	h.mu.Unlock()
	if m == nil || !h.Up() {
		return nil, fmt.Errorf("%s: %w", h.Name(), ErrDown)
	}
	return m.Open(name, os.O_RDONLY, 0)
}

// ReadFile returns the contents of a file of the host's, up to 16 MiB.
func (h *Host) ReadFile(name string) ([]byte, error) {
	f, err := h.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 16<<20))
}

// login reads the host's own user database, as a learner may have changed it.
func (h *Host) login(m *kernel.Machine, user string) (distro.Account, *host.Cred, error) {
	read := func(name string) string {
		f, err := m.Open(name, os.O_RDONLY, 0)
		if err != nil {
			return ""
		}
		defer f.Close()
		b, _ := io.ReadAll(io.LimitReader(f, 1<<20))
		return string(b)
	}
	a, ok := parseAccount(read("/etc/passwd"), user)
	if !ok {
		if user != "root" {
			return a, nil, fmt.Errorf("%s has no user %q", h.Name(), user)
		}
		a = distro.Account{Name: "root", Dir: "/root"}
	}
	cred := &host.Cred{UID: a.UID, GID: a.GID, Groups: []int{a.GID}}
	for line := range strings.Lines(read("/etc/group")) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) == 4 && slices.Contains(strings.Split(f[3], ","), user) {
			if g, ok := number(f[2]); ok && g != a.GID {
				cred.Groups = append(cred.Groups, g)
			}
		}
	}
	return a, cred, nil
}
