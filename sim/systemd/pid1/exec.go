package pid1

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/sdjournal"
	"enshu/sim/systemd/bus"
	"enshu/sim/systemd/calendar"
	"enshu/sim/systemd/machine"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/wire/journal"
	"enshu/sim/wire/syslog"
)

// executorPath is what stands in for a command that cannot be started, so that
// a process fails with systemd's own exit status as it does after a real fork.
const executorPath = "/usr/lib/systemd/systemd-executor"

// Executor is the program that PID 1 runs when a command of a unit cannot be
// started: its only argument is the exit status (systemd.exec(5)).
func Executor(_ context.Context, p *host.Proc) int {
	if len(p.Args) != 2 {
		return 1
	}
	n := 0
	for _, c := range p.Args[1] {
		if c < '0' || c > '9' {
			return 1
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// process is a child of PID 1 that belongs to a unit.
type process struct {
	*host.Process
	cmd       unitfile.Command
	unstarted bool // the command could not be executed; the process ends with why
}

// spawn starts one command of a service. The command always becomes a process,
// if only one that fails with the exit status that tells why.
// begins, if any, is called once nothing stands against a process any more.
func (s *service) spawn(c unitfile.Command, begins func()) (*process, error) {
	m, v := s.u.m, s.u.config().Service
	cmd, code := s.prepare(c)
	if code < 0 {
		return nil, syscall.ENOENT
	}
	if begins != nil {
		begins()
	}
	var closers []io.Closer
	if code == 0 {
		var err error
		if closers, err = s.stdio(&cmd, path.Base(c.Path)); err != nil {
			code = unitfile.ExitOut
		}
	}
	defer func() {
		for _, c := range closers {
			c.Close()
		}
	}()
	var child *host.Process
	err := error(syscall.ENOENT)
	if code == 0 {
		child, err = m.p.Start(cmd)
		if err != nil {
			code = unitfile.ExitExec
		}
	}
	if err != nil {
		child, err = m.p.Sys.Start(host.Cmd{
			Path: executorPath, Args: []string{path.Base(c.Path), strconv.Itoa(code)}, Env: m.environ(), Dir: "/",
			Cred: &host.Cred{}, Stdout: cmd.Stdout, Stderr: cmd.Stderr, Session: true,
		})
		if err != nil {
			return nil, err
		}
	}
	ident := v.Identifier
	if ident == "" {
		ident = path.Base(c.Path)
	}
	m.publish(s.u, ident, child.PID)
	s.children = append(s.children, child.PID)
	s.args[child.PID] = cmd.Args
	m.p.Go(func() {
		st, err := child.Wait(m.ctx)
		if err != nil {
			return
		}
		if len(closers) > 0 && m.journalUp.Load() {
			// What it said last comes into the journal before what is said of its end.
			if m.p.Sleep(m.ctx, journalLag) != nil {
				return
			}
		}
		m.post(func() {
			m.withdraw(child.PID)
			s.children = slices.DeleteFunc(s.children, func(pid int) bool { return pid == child.PID })
			delete(s.args, child.PID)
			s.exited(child, st)
		})
	})
	return &process{child, c, code != 0}, nil
}

// prepare makes the Cmd of a command, or the exit status that says why not.
func (s *service) prepare(c unitfile.Command) (cmd host.Cmd, code int) {
	m, v := s.u.m, s.u.config().Service
	cred := &host.Cred{}
	home, login, shell := "/root", "root", "/bin/bash"
	if v.User != "" {
		u, ok := libc.UserByName(m.p, v.User)
		if !ok {
			return cmd, unitfile.ExitUser
		}
		cred = libc.CredOf(m.p, u)
		home, login, shell = u.Dir, u.Name, u.Shell
	}
	if v.Group != "" {
		g, ok := libc.GroupByName(m.p, v.Group)
		if !ok {
			return cmd, unitfile.ExitGroup
		}
		cred.GID = g.GID
	}
	for _, name := range v.Supplementary {
		g, ok := libc.GroupByName(m.p, name)
		if !ok {
			return cmd, unitfile.ExitGroup
		}
		cred.Groups = append(cred.Groups, g.GID)
	}
	if v.User != "" || v.Group != "" {
		s.cred = cred
	}
	env := append(m.environ(), s.makeDirs(cred)...)
	if v.User != "" {
		env = append(env, "HOME="+home, "LOGNAME="+login, "USER="+login, "SHELL="+shell)
	}
	env = append(env, "INVOCATION_ID="+s.u.invocation.String())
	if s.mainPID > 0 {
		env = append(env, "MAINPID="+strconv.Itoa(s.mainPID))
	}
	if v.NotifyAccess != "none" {
		env = append(env, "NOTIFY_SOCKET="+notifySock)
	}
	if v.Watchdog > 0 && v.Watchdog != calendar.Forever {
		env = append(env, "WATCHDOG_USEC="+strconv.FormatInt(v.Watchdog.Microseconds(), 10))
	}
	env = append(env, s.outcome()...)
	env = append(env, s.monitored...)
	for _, name := range v.PassEnv {
		for _, e := range m.p.Env {
			if strings.HasPrefix(e, name+"=") {
				env = append(env, e)
			}
		}
	}
	for _, e := range v.Environment {
		if strings.Contains(e, "=") {
			env = append(env, e)
		}
	}
	for _, name := range v.EnvFiles {
		optional := strings.HasPrefix(name, "-")
		name = strings.TrimPrefix(name, "-")
		data, err := libc.ReadFile(m.p, name)
		if err != nil {
			if !optional {
				s.u.say(syslog.Err, "", "Failed to load environment files: %s", libc.Strerror(err))
				return cmd, -1
			}
			continue
		}
		set, bad := unitfile.ParseEnvFile(data)
		for _, line := range bad {
			s.u.say(syslog.Err, "", "Ignoring invalid environment assignment '%s': %s", line, name)
		}
		env = append(env, set...)
	}
	env = slices.DeleteFunc(env, func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return slices.Contains(v.UnsetEnv, name) || slices.Contains(v.UnsetEnv, e)
	})
	dir := v.Dir
	switch dir {
	case "":
		dir = "/"
	case "~":
		dir = home
	}
	if info, err := m.p.Sys.Stat(dir); err != nil || !info.IsDir() {
		if !v.DirOptional {
			return cmd, unitfile.ExitChdir
		}
		dir = "/"
	}
	args := c.Argv
	if !c.Raw {
		args = unitfile.Expand(c.Argv, env)
	}
	if c.Full {
		cred = &host.Cred{}
	}
	return host.Cmd{Path: c.Path, Args: args, Env: env, Dir: dir, Cred: cred, Umask: v.Umask, Session: true, Terms: termsOf(s.u.config().Settings)}, 0
}

// outcome tells the commands of ExecStop= and ExecStopPost= how the service
// ended (systemd.exec(5), $SERVICE_RESULT).
func (s *service) outcome() []string {
	if s.u.sub != bus.SubStop && s.u.sub != bus.SubStopPost {
		return nil
	}
	env := []string{"SERVICE_RESULT=" + s.u.result}
	if code, status, ok := s.ending(); ok {
		env = append(env, "EXIT_CODE="+code, "EXIT_STATUS="+status)
	}
	return env
}

// monitorEnv tells the service that u's end triggers what it was ($MONITOR_…
// variables of systemd.exec(5)).
func (u *unit) monitorEnv() []string {
	if u.svc == nil {
		return nil
	}
	env := []string{"MONITOR_SERVICE_RESULT=" + u.result, "MONITOR_INVOCATION_ID=" + u.invocation.String(), "MONITOR_UNIT=" + u.name}
	if code, status, ok := u.svc.ending(); ok {
		env = append(env, "MONITOR_EXIT_CODE="+code, "MONITOR_EXIT_STATUS="+status)
	}
	return env
}

// ending is how the main process ended: the kind and the status or signal.
func (s *service) ending() (code, status string, ok bool) {
	r := s.mainRun
	if r == nil || r.End.IsZero() {
		return "", "", false
	}
	if r.Code != "exited" {
		return r.Code, unitfile.SignalName(syscall.Signal(r.Status)), true
	}
	return r.Code, strconv.Itoa(r.Status), true
}

// makeDirs makes RuntimeDirectory= and its kin and returns the variables that
// name them.
func (s *service) makeDirs(cred *host.Cred) (env []string) {
	v, p := s.u.config().Service, s.u.m.p
	for _, d := range []struct {
		key, variable, base string
		names               []string
	}{
		{"RuntimeDirectory", "RUNTIME_DIRECTORY", "/run", v.RuntimeDirs}, {"StateDirectory", "STATE_DIRECTORY", "/var/lib", v.StateDirs},
		{"CacheDirectory", "CACHE_DIRECTORY", "/var/cache", v.CacheDirs}, {"LogsDirectory", "LOGS_DIRECTORY", "/var/log", v.LogsDirs},
		{"ConfigurationDirectory", "CONFIGURATION_DIRECTORY", "/etc", v.ConfigDirs},
	} {
		var made []string
		for _, n := range d.names {
			dir := path.Join(d.base, n)
			made = append(made, dir)
			if libc.MkdirAll(p, dir, 0o755) != nil {
				continue
			}
			if mode, ok := v.DirModes[d.key]; ok {
				p.Sys.Chmod(dir, os.FileMode(mode))
			}
			if d.base != "/etc" {
				p.Sys.Chown(dir, cred.UID, cred.GID)
			}
		}
		if len(made) > 0 {
			env = append(env, d.variable+"="+strings.Join(made, ":"))
		}
	}
	return env
}

// environ is what PID 1 gives every process.
func (m *manager) environ() []string {
	env := []string{"LANG=" + m.lang(), "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	return append(env, m.env...)
}

// lang is what /etc/locale.conf says.
func (m *manager) lang() string {
	data, _ := libc.ReadFile(m.p, "/etc/locale.conf")
	for _, e := range unitfile.ParseEnv(data) {
		if v, ok := strings.CutPrefix(e, "LANG="); ok && v != "" {
			return v
		}
	}
	return "C.UTF-8"
}

// stdio opens what StandardInput=, StandardOutput= and StandardError= say.
func (s *service) stdio(cmd *host.Cmd, ident string) ([]io.Closer, error) {
	m, v := s.u.m, s.u.config().Service
	if v.Identifier != "" {
		ident = v.Identifier
	}
	var closers []io.Closer
	open := func(spec string) (io.Writer, error) {
		kind, arg, _ := strings.Cut(spec, ":")
		switch kind {
		case "null":
			return nil, nil
		case "file", "append", "truncate":
			flag := map[string]int{"file": 0, "append": os.O_APPEND, "truncate": os.O_TRUNC}[kind]
			f, err := m.p.Sys.OpenFile(arg, os.O_WRONLY|os.O_CREATE|flag, 0o644)
			if err != nil {
				return nil, err
			}
			closers = append(closers, f)
			return f, nil
		case "tty":
			f, err := m.p.Sys.OpenFile("/dev/console", os.O_WRONLY, 0)
			if err != nil {
				return nil, nil
			}
			closers = append(closers, f)
			return f, nil
		}
		c, err := m.dialStream(ident, s.u.name, v)
		if err != nil {
			return nil, nil // no journal, no output
		}
		closers = append(closers, c)
		return c, nil
	}
	if name, ok := strings.CutPrefix(v.Stdin, "file:"); ok {
		f, err := m.p.Sys.OpenFile(name, os.O_RDONLY, 0)
		if err != nil {
			return nil, err
		}
		closers = append(closers, f)
		cmd.Stdin = f
	}
	if v.Stdin == "data" || v.Stdin == "" && len(v.StdinData) > 0 {
		cmd.Stdin = bytes.NewReader(v.StdinData)
	}
	out := v.Stdout
	if out == "" || out == "inherit" {
		out = "journal"
	}
	var err error
	if cmd.Stdout, err = open(out); err != nil {
		return closers, err
	}
	if v.Stderr == "" || v.Stderr == "inherit" || unitfile.OutputOf(v.Stderr) == out {
		cmd.Stderr = cmd.Stdout
		return closers, nil
	}
	cmd.Stderr, err = open(v.Stderr)
	return closers, err
}

// dialStream connects a service's output to the journal. What the stream is
// about stands in its first lines (see stream.go).
func (m *manager) dialStream(ident, unit string, v *unitfile.Service) (io.WriteCloser, error) {
	// Which process writes is known only once it runs; journald waits for it.
	m.p.Sys.Remove(machine.ExecLink(unit, ident))
	ctx, cancel := context.WithCancel(m.ctx)
	defer cancel()
	c, err := m.p.Sys.Dial(ctx, "unix", sdjournal.StdoutSocket)
	if err != nil {
		return nil, err
	}
	level := syslog.Info
	if l, ok := syslog.ParseSeverity(v.Level); ok {
		level = l
	}
	facility := syslog.Daemon
	if f, ok := syslog.ParseFacility(v.Facility); ok {
		facility = f
	}
	if _, err := c.Write(journal.StreamHeader{Ident: ident, Unit: unit, Priority: int(syslog.Make(facility, level)), Prefix: !v.PlainOutput}.Encode()); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// signal sends a signal to a process that may not be a child of PID 1.
func (m *manager) signal(pid int, sig syscall.Signal) error {
	err := m.p.Sys.Kill(pid, sig)
	if errors.Is(err, os.ErrProcessDone) {
		return syscall.ESRCH
	}
	return err
}
