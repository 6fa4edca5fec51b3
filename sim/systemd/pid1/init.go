// Package pid1 is process 1 of a host: it keeps units in memory, plans and runs
// jobs, watches over the processes of services and answers systemctl.
//
// One goroutine, the loop of [Init], owns all of it. A request becomes a
// transaction (transaction.go), a transaction jobs (job.go), a job changes of a
// unit (unit.go), which for a service is a state machine of its own (service.go
// and its kin).
package pid1

import (
	"context"
	"net"
	"os"
	"path"
	"strings"
	"syscall"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/sdjournal"
	"enshu/sim/systemd/bus"
	"enshu/sim/systemd/launch"
	"enshu/sim/systemd/machine"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/systemd/units"
	"enshu/sim/wire/syslog"
	"enshu/sim/wire/utmp"
)

// Exit statuses of [Init]: what whoever runs the host is to do next, as
// reboot(2) would tell the kernel.
const (
	ExitPoweroff = 0 // the host is off
	ExitReboot   = 1 // start the host again: what is not in files is gone
	ExitHalt     = 2 // the host stands still; off, as far as anybody can tell
	ExitFailure  = 255
)

// Init is PID 1: /usr/lib/systemd/systemd, which /sbin/init leads to. It
// brings up default.target, says that it is ready when the boot is over, keeps
// the units, and returns one of the Exit statuses once the host went down.
// When its context ends it is gone at once, and so is the host.
func Init(ctx context.Context, p *host.Proc) int {
	m := &manager{
		p: p, ctx: ctx, queue: clock.NewQueue[func()](p.Clock.Timeline(), 0),
		units: map[string]*unit{}, alias: map[string]string{}, byPID: map[int]*unit{},
		started: p.Clock.Monotonic(), exit: ExitFailure, logLevel: "info", logTarget: "journal-or-kmsg",
	}
	if err := m.prepare(); err != nil {
		p.Stderr.Write([]byte("Failed to set up /run/systemd: " + libc.Strerror(err) + "\n"))
		return ExitFailure
	}
	l, err := p.Sys.Listen("unix", bus.Socket)
	if err != nil {
		p.Stderr.Write([]byte("Failed to listen on " + bus.Socket + ": " + libc.Strerror(err) + "\n"))
		return ExitFailure
	}
	defer l.Close()
	p.Sys.Chmod(bus.Socket, 0o666)
	p.Go(func() { m.accept(l) })
	n, err := p.Sys.ListenPacket("unixgram", launch.NotifySocket)
	if err != nil {
		p.Stderr.Write([]byte("Failed to listen on " + launch.NotifySocket + ": " + libc.Strerror(err) + "\n"))
		return ExitFailure
	}
	defer n.Close()
	p.Sys.Chmod(launch.NotifySocket, 0o777)
	p.Go(func() { m.notifications(n) })
	p.Catch(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGPWR, syscall.SIGCHLD)
	p.Go(func() { m.signals() })
	m.post(m.boot)
	m.run()
	return m.exit
}

// prepare makes what PID 1 keeps under /run, and the machine ID at the first boot.
func (m *manager) prepare() error {
	p := m.p
	for _, dir := range []string{runDir, "/run/systemd/system", sdjournal.RunDir, machine.UnitsDir, "/run/log"} {
		if err := libc.MkdirAll(p, dir, 0o755); err != nil {
			return err
		}
	}
	names, _ := libc.ReadDir(p, machine.UnitsDir)
	for _, n := range names {
		p.Sys.Remove(path.Join(machine.UnitsDir, n))
	}
	for _, stale := range []string{bus.Socket, launch.NotifySocket, journaldPID, sdjournal.FlushedFile, sdjournal.NativeSocket, sdjournal.DevLogSocket, sdjournal.StdoutSocket} {
		p.Sys.Remove(stale)
	}
	m.bootID = machine.DrawID(p, "boot", p.Now().UnixNano())
	if err := libc.WriteFile(p, machine.BootIDFile, []byte(m.bootID.String()+"\n"), 0o444); err != nil {
		return err
	}
	if machine.ID(p) == "" {
		id := machine.DrawID(p, "machine")
		if err := libc.WriteFile(p, machine.IDFile, []byte(id.String()+"\n"), 0o444); err != nil {
			return err
		}
	}
	m.startedAt = m.now()
	return m.noteBoot()
}

// noteBoot begins /run/utmp anew with the boot and the run level, and adds them
// to /var/log/wtmp when that is there, for who -b, last and uptime.
func (m *manager) noteBoot() error {
	kernel, _ := libc.ReadFile(m.p, "/proc/sys/kernel/osrelease")
	release := strings.TrimSpace(string(kernel))
	var records []byte
	for _, r := range []utmp.Record{
		{Type: utmp.BootTime, Line: "~", ID: "~~", User: "reboot", Host: release, At: m.p.Now()},
		{Type: utmp.RunLevel, PID: '3', Line: "~", ID: "~~", User: "runlevel", Host: release, At: m.p.Now()},
	} {
		records = r.Append(records)
	}
	if err := libc.WriteFile(m.p, utmp.File, records, 0o664); err != nil {
		return err
	}
	if f, err := m.p.Sys.OpenFile(utmp.LogFile, os.O_WRONLY|os.O_APPEND, 0); err == nil {
		defer f.Close()
		if _, err := f.Write(records); err != nil {
			return err
		}
		m.p.Stamp(f)
	}
	return nil
}

func (m *manager) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		// A connection must not outlive PID 1.
		stop := context.AfterFunc(m.ctx, func() { conn.Close() })
		m.p.Go(func() {
			defer stop()
			m.serve(conn)
		})
	}
}

// signals acts on what is sent to PID 1 (systemd(1)).
func (m *manager) signals() {
	for {
		sig, err := m.p.WaitSignal(m.ctx)
		if err != nil {
			return
		}
		m.post(func() {
			switch sig {
			case syscall.SIGINT:
				m.shutdown("reboot", false)
			case syscall.SIGPWR:
				m.shutdown("poweroff", false)
			case syscall.SIGHUP:
				m.reload()
			case syscall.SIGCHLD:
				m.lookAfterOrphans()
			}
		})
	}
}

// boot enqueues the start of the default target.
func (m *manager) boot() {
	osName := machine.OSRelease(m.p)["PRETTY_NAME"]
	if osName == "" {
		osName = "Linux"
	}
	m.log(syslog.Info, "systemd "+machine.Version+" running in system mode")
	m.log(syslog.Info, "Welcome to "+osName+"!")
	m.log(syslog.Info, "Hostname set to <"+machine.Hostname(m.p)+">.")
	for _, name := range []string{"-.slice", "system.slice", "init.scope", "-.mount"} {
		u := m.get(name)
		u.state, u.changed, u.activeEnter, u.inactiveExit = bus.Active, m.startedAt, m.startedAt, m.startedAt
		u.sub = map[string]string{"slice": "active", "scope": "running", "mount": "mounted"}[unitfile.Type(name)]
	}
	m.byPID[1] = m.units["init.scope"]
	m.applyPresets()
	target := m.get("default.target")
	if target.loadProblem() != nil {
		m.log(syslog.Err, "Failed to load default target: "+target.frag.Reason)
		if target = m.get("rescue.target"); target.loadProblem() != nil {
			m.log(syslog.Emerg, "Failed to start default target, freezing.")
			return
		}
	}
	m.log(syslog.Info, "Queued start job for default target "+target.description()+".")
	m.enqueue(target, bus.JobStart)
}

// shutdown takes every unit down and ends PID 1.
func (m *manager) shutdown(kind string, force bool) {
	if m.stopping && !force {
		return
	}
	m.exit = map[string]int{"reboot": ExitReboot, "poweroff": ExitPoweroff, "halt": ExitHalt}[kind]
	m.stopping = true
	if force {
		m.over = true
		return
	}
	for _, j := range append([]*job(nil), m.jobs...) {
		m.finish(j, bus.ResultCanceled)
	}
	target := m.get("shutdown.target")
	w := &jobWait{jobs: map[int]bool{}}
	for _, u := range m.sorted() {
		if u.isInactive() || u.ignoresIsolate() || strings.HasPrefix(u.name, "systemd-journald") || u == target {
			continue
		}
		m.watch(w, m.install(u, bus.JobStop))
	}
	m.await(w, func([]bus.JobResult) {
		if t := m.get(kind + ".target"); t.loadProblem() == nil {
			t.announce(syslog.Info, msgStarted, "Reached target %s.", nil, bus.ResultDone)
		}
		m.log(syslog.Info, "Shutting down.")
		if j := m.units["systemd-journald.service"]; j != nil && j.state == bus.Active {
			m.journalUp.Store(false)
			last := &jobWait{jobs: map[int]bool{}}
			if k := m.install(j, bus.JobStop); k != nil {
				m.watch(last, k)
				m.await(last, func([]bus.JobResult) { m.over = true })
				return
			}
		}
		m.over = true
	})
}

// journaldChanged notes whether journald takes messages: from when it is up
// until it is no more.
func (m *manager) journaldChanged(u *unit) {
	if u.name == "systemd-journald.service" && !m.stopping {
		m.journalUp.Store(u.state == bus.Active)
	}
}

// applyPresets enables units as the presets say when /etc was never populated
// (first boot): it holds no link at all.
func (m *manager) applyPresets() {
	names, _ := libc.ReadDir(m.p, "/etc/systemd/system")
	for _, n := range names {
		if strings.HasSuffix(n, ".wants") {
			return
		}
	}
	rules := units.PresetRules(m.p)
	op := units.Installer{Proc: m.p, Loader: m.loader}
	for _, n := range units.Names(m.p, m.loader) {
		if enable, _ := units.Preset(rules, n); enable && units.FileState(m.p, m.loader, n) == "disabled" {
			op.Preset([]string{n})
		}
	}
	if len(op.Changes) > 0 {
		m.loader = units.NewLoader(m.p)
		m.log(6, "Populated /etc with preset unit settings.")
	}
}
