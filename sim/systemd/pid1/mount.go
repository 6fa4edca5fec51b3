package pid1

import (
	"path"
	"strconv"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/systemd/bus"
	"enshu/sim/systemd/launch"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/wire/journal"
	"enshu/sim/wire/syslog"
)

// mount is the state of a mount unit that has a file: mount(8) and umount(8) do the
// work, as with the real PID 1 (systemd.mount(5)).
type mount struct {
	u       *unit
	control *host.Process // the one that runs
	alarm   *clock.LocalTimer
}

// Sub states of a mount unit.
const (
	subMounting   = "mounting"
	subMounted    = "mounted"
	subUnmounting = "unmounting"
)

// start mounts. The directory is made if it is not there.
func (t *mount) start() {
	c := t.u.config().Mount
	t.u.result = bus.ResultSuccess
	t.u.newInvocation()
	t.u.set(bus.Activating, subMounting)
	if j := t.u.job; j != nil {
		t.u.m.began(j)
	}
	_ = libc.MkdirAll(t.u.m.p, c.Where, 0o755) // mount(8) says what is wrong with it
	args := []string{c.What, c.Where}
	if c.Type != "" {
		args = append(args, "-t", c.Type)
	}
	if c.Options != "" {
		args = append(args, "-o", c.Options)
	}
	t.run("/bin/mount", args, func(st host.Status) {
		if st.Success() {
			t.u.set(bus.Active, subMounted)
			return
		}
		t.failed("Mount", st)
	})
}

// stop unmounts.
func (t *mount) stop() {
	if t.control != nil {
		_ = t.u.m.signal(t.control.PID, unitfile.Signals["TERM"]) // it may have ended just now
		return
	}
	c := t.u.config().Mount
	args := []string{c.Where, "-c"}
	if c.Lazy {
		args = append(args, "-l")
	}
	if c.Force {
		args = append(args, "-f")
	}
	t.u.set(bus.Deactivating, subUnmounting)
	t.run("/bin/umount", args, func(st host.Status) {
		if !st.Success() {
			t.say("Unmount", st)
			t.u.set(bus.Active, subMounted)
			return
		}
		t.u.say(syslog.Info, msgSuccess, "Deactivated successfully.")
		t.u.set(bus.Inactive, bus.SubDead)
	})
}

// run starts a command whose output goes to the journal and calls ended at its end.
func (t *mount) run(file string, args []string, ended func(host.Status)) {
	m := t.u.m
	as := launch.Unit{Name: t.u.name, Config: unitfile.NewConfig("service"), Env: m.environ(), Run: []string{"INVOCATION_ID=" + t.u.invocation.String()}}
	c := unitfile.Command{Path: file, Argv: append([]string{file}, args...)}
	cmd := as.Prepare(m.p, c).Cmd
	closers, err := as.Stdio(m.ctx, m.p, &cmd, path.Base(file))
	var child *host.Process
	if err == nil {
		child, err = m.p.Start(cmd)
	}
	if err != nil {
		failing := as.Failing(path.Base(file), unitfile.ExitExec)
		failing.Stdout, failing.Stderr = cmd.Stdout, cmd.Stderr
		child, err = m.p.Sys.Start(failing)
	}
	for _, c := range closers {
		c.Close()
	}
	if err != nil {
		ended(host.Status{Code: unitfile.ExitExec})
		return
	}
	t.control = child
	m.publish(t.u, path.Base(file), child.PID)
	t.alarm = m.later(t.u.config().Mount.Timeout, func() {
		if t.control == child {
			t.u.say(syslog.Warning, "", "%s timed out. Terminating.", map[string]string{subMounting: "Mounting", subUnmounting: "Unmounting"}[t.u.sub])
			_ = m.signal(child.PID, unitfile.Signals["TERM"]) // it may have ended just now
		}
	})
	m.p.Go(func() {
		st, err := child.Wait(m.ctx)
		if err != nil || m.p.Sleep(m.ctx, journalLag) != nil {
			return
		}
		m.post(func() {
			m.withdraw(child.PID)
			t.alarm.Stop()
			t.control = nil
			ended(st)
		})
	})
}

// failed ends a start that did not mount.
func (t *mount) failed(what string, st host.Status) {
	t.say(what, st)
	t.u.result = bus.ResultExit
	if st.Signal != 0 {
		t.u.result = bus.ResultSignal
	}
	t.u.log(syslog.Warning, msgResult, t.u.name+": Failed with result '"+t.u.result+"'.", journal.Field{Name: "UNIT_RESULT", Value: t.u.result})
	t.u.set(bus.Failed, bus.SubFailed)
}

// say logs how a command ended that failed.
func (t *mount) say(what string, st host.Status) {
	code, status := "exited", strconv.Itoa(st.Code)+"/n/a"
	if st.Signal != 0 {
		code, status = "killed", strconv.Itoa(int(st.Signal))+"/"+unitfile.SignalName(st.Signal)
	}
	t.u.log(syslog.Notice, msgExit, t.u.name+": "+what+" process exited, code="+code+", status="+status)
}
