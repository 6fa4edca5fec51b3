package pid1

import (
	"enshu/sim/systemd/bus"
	"enshu/sim/systemd/machine"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/systemd/units"
	"slices"
	"strconv"
	"strings"
)

func (t moment) export() bus.Moment { return bus.Moment{Real: t.real, Mono: t.mono} }

// snapshot copies what clients may know of a unit.
func (u *unit) snapshot() bus.UnitState {
	c := u.config()
	st := bus.UnitState{
		Name: u.name, Description: u.description(), Load: u.frag.State, LoadReason: u.frag.Reason,
		Names: append([]string{u.name}, u.frag.Aliases...), Active: u.state, Sub: u.sub, Result: u.result,
		Fragment: u.frag.Path, DropIns: u.frag.DropIns, Documentation: c.Documentation,
		NeedReload: u.needsReload(u.m.loader), Changed: u.changed.export(), ActiveEnter: u.activeEnter.export(),
		ActiveExit: u.activeExit.export(), InactiveEnter: u.inactiveEnter.export(), InactiveExit: u.inactiveExit.export(),
		Assert: u.assertAt.export(), AssertMet: u.assertMet, DefaultDependencies: !c.NoDefaults,
		Condition: u.conditionAt.export(), ConditionMet: u.conditionMet, ConditionText: u.conditionText,
		CanStart: u.frag.State == units.Loaded && !c.RefuseStart, CanStop: u.frag.State == units.Loaded && !c.RefuseStop, CanIsolate: c.Isolate,
		Deps: map[string][]string{}, DepsActive: map[string]string{},
	}
	if u.frag.State == units.Masked {
		st.Documentation = nil
	}
	for _, cond := range c.Conditions {
		st.Conditions = append(st.Conditions, cond.Kind+"="+cond.Value)
	}
	if u.invocation != [16]byte{} {
		st.Invocation = u.invocation.String()
	}
	if u.job != nil {
		st.Job, st.JobID = u.job.kind, u.job.id
	}
	for d, list := range u.m.graph()[u] {
		for _, v := range list {
			st.Deps[string(d)] = append(st.Deps[string(d)], v.name)
			if d == unitfile.Triggers || d == unitfile.Triggered {
				st.DepsActive[v.name] = v.state
			}
		}
		slices.Sort(st.Deps[string(d)])
	}
	st.Slice = u.slice()
	st.ControlPath = slicePath(st.Slice) + "/" + u.name
	switch unitfile.Type(u.name) {
	case "slice":
		st.ControlPath = slicePath(u.name)
		if u.name == "-.slice" {
			st.ControlPath = "/"
		}
	case "scope":
		st.ControlPath = "/" + u.name
	case "target", "timer", "path", "device":
		st.ControlPath, st.Slice = "", ""
	}
	st.Settings = c.Settings
	if c.Timer != nil {
		st.Calendar, st.Elapses = slices.Clone(c.Timer.Calendar), slices.Clone(c.Timer.Monotonic)
		slices.Reverse(st.Calendar)
		slices.Reverse(st.Elapses)
	}
	if c.Path != nil {
		for _, w := range c.Path.Watches {
			st.Paths = append(st.Paths, w.Kind+" "+w.Path)
		}
		slices.Reverse(st.Paths) // as PID 1 keeps them
	}
	if c.Socket != nil {
		st.Listens, st.Accept = c.Socket.Listens, c.Socket.Accept
	}
	if u.timer != nil {
		st.TimerNext, st.TimerLast = u.timer.next, u.timer.last
	}
	if u.svc != nil {
		st.Service = u.svc.snapshot()
		st.CanReload = len(c.Service.Exec["ExecReload"]) > 0
	}
	return st
}

// slice is the slice that a unit is in: Slice=, or what systemd makes of an
// instance's name.
func (u *unit) slice() string {
	if v := u.config().Service; v != nil && v.Slice != "" {
		return v.Slice
	}
	return "system.slice"
}

// slicePath is the control group of a slice: "a-b.slice" lies in "a.slice".
func slicePath(name string) string {
	if name == "-.slice" {
		return ""
	}
	stem, p := strings.TrimSuffix(name, ".slice"), ""
	for i := range len(stem) {
		if stem[i] == '-' {
			p += "/" + stem[:i] + ".slice"
		}
	}
	return p + "/" + name
}

func (s *service) snapshot() *bus.ServiceState {
	v := s.config()
	st := &bus.ServiceState{
		Type: v.Kind, Restart: v.Restart, PIDFile: v.PidFile, StatusText: s.statusText, User: v.User, Group: v.Group, KillMode: v.KillMode, NotifyAccess: v.NotifyAccess,
		StandardOutput: v.Stdout, StandardError: v.Stderr, RestartSec: v.RestartSec, TimeoutStart: v.TimeoutStart, TimeoutStop: v.TimeoutStop,
		RemainAfterExit: v.RemainAfterExit, MainPID: s.mainPID, Restarts: s.restarts, Main: s.mainRun, Exec: map[string][]bus.Exec{},
		Environment: v.Environment, EnvironmentFiles: v.EnvFiles, Dir: v.Dir, UMask: v.Umask,
		SuccessStatus: v.SuccessStatus, RestartPrevent: v.RestartPrevent, RestartForce: v.RestartForce, RuntimeMax: v.RuntimeMax, Watchdog: v.Watchdog,
		Directories: map[string][]string{"RuntimeDirectory": v.RuntimeDirs, "StateDirectory": v.StateDirs, "CacheDirectory": v.CacheDirs,
			"LogsDirectory": v.LogsDirs, "ConfigurationDirectory": v.ConfigDirs},
	}
	if s.control != nil {
		st.ControlPID = s.control.PID
	}
	for kind, list := range v.Exec {
		for _, c := range list {
			st.Exec[kind] = append(st.Exec[kind], bus.Exec{Path: c.Path, Argv: c.Argv, Ignore: c.Ignore, Raw: c.Raw, Full: c.Full})
		}
	}
	for _, kind := range bus.ExecKinds {
		for _, r := range s.runs[kind] {
			st.Runs = append(st.Runs, *r)
		}
	}
	if s.cred != nil && s.u.state != bus.Inactive && s.u.state != bus.Failed {
		st.UID, st.GID = strconv.Itoa(s.cred.UID), strconv.Itoa(s.cred.GID)
	}
	if s.mainPID > 0 {
		st.MainComm = s.comm(s.mainPID)
	}
	for _, pid := range s.members() {
		st.Processes = append(st.Processes, bus.Proc{PID: pid, Command: s.commandLine(pid)})
		st.Tasks++
		if u := machine.ProcUsage(s.u.m.p, pid); u.Known {
			st.UsageKnown = true
			st.Tasks += u.Threads - 1
			st.Memory += u.Memory
			st.CPU += u.CPU
		}
	}
	return st
}

// commandLine is how a process appears in the tree of status: its arguments,
// quoted where they hold blanks.
func (s *service) commandLine(pid int) string {
	args := machine.ProcArgs(s.u.m.p, pid)
	if len(args) == 0 {
		args = slices.Clone(s.args[pid])
	}
	if len(args) == 0 {
		return "n/a"
	}
	for i, a := range args {
		if a == "" || strings.ContainsAny(a, " \t\n\"'\\$`") {
			args[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`, "$", `\$`, "`", "\\`").Replace(a) + `"`
		}
	}
	return strings.Join(args, " ")
}
