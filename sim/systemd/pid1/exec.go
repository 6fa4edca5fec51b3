package pid1

import (
	"errors"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"syscall"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/systemd/bus"
	"enshu/sim/systemd/launch"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/wire/syslog"
)

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
	m := s.u.m
	as := s.launch()
	ready := as.Prepare(m.p, c)
	if ready.Cred != nil {
		s.cred = ready.Cred
	}
	for _, problem := range ready.Problems {
		s.u.say(syslog.Err, "", "%s", problem)
	}
	if ready.Err != nil {
		s.u.say(syslog.Err, "", "Failed to load environment files: %s", libc.Strerror(ready.Err))
		return nil, syscall.ENOENT
	}
	if begins != nil {
		begins()
	}
	ident := s.config().Identifier
	if ident == "" {
		ident = path.Base(c.Path)
	}
	cmd, code := ready.Cmd, ready.Exit
	var closers []io.Closer
	if code == 0 {
		var err error
		if closers, err = as.Stdio(m.ctx, m.p, &cmd, ident); err != nil {
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
		failing := as.Failing(path.Base(c.Path), code)
		failing.Stdout, failing.Stderr = cmd.Stdout, cmd.Stderr
		if child, err = m.p.Sys.Start(failing); err != nil {
			return nil, err
		}
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

// launch is what the service's commands are started by now.
func (s *service) launch() launch.Unit {
	run := []string{"INVOCATION_ID=" + s.u.invocation.String()}
	if s.mainPID > 0 {
		run = append(run, "MAINPID="+strconv.Itoa(s.mainPID))
	}
	run = append(append(run, s.outcome()...), s.monitored...)
	return launch.Unit{Name: s.u.name, Config: s.u.config(), Env: s.u.m.environ(), Run: run}
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

// environ is what every process gets: what is set by itself and by systemctl
// set-environment.
func (m *manager) environ() []string { return append(launch.Environ(m.p), m.env...) }

// signal sends a signal to a process that may not be a child of PID 1.
func (m *manager) signal(pid int, sig syscall.Signal) error {
	err := m.p.Sys.Kill(pid, sig)
	if errors.Is(err, os.ErrProcessDone) {
		return syscall.ESRCH
	}
	return err
}
