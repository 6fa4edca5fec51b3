package systemd

import (
	"enshu/sim/systemd/machine"
	"enshu/sim/systemd/unitfile"
	"slices"
	"strings"
)

func (t moment) export() Moment { return Moment{t.real, t.mono} }

// snapshot copies what clients may know of a unit.
func (u *unit) snapshot() UnitState {
	c := u.config()
	st := UnitState{
		Name: u.name, Description: u.description(), Load: u.frag.state, LoadReason: u.frag.reason,
		Names: append([]string{u.name}, u.frag.aliases...), Active: u.state, Sub: u.sub, Result: u.result,
		Fragment: u.frag.path, DropIns: u.frag.dropIns, Documentation: c.documentation,
		NeedReload: u.needsReload(u.m.loader), Changed: u.changed.export(), ActiveEnter: u.activeEnter.export(),
		ActiveExit: u.activeExit.export(), InactiveEnter: u.inactiveEnter.export(), InactiveExit: u.inactiveExit.export(),
		Condition: u.conditionAt.export(), ConditionMet: u.conditionMet, ConditionText: u.conditionText,
		CanStart: u.frag.state == loadOK && !c.refuseStart, CanStop: u.frag.state == loadOK && !c.refuseStop, CanIsolate: c.isolate,
		Deps: map[string][]string{}, DepsActive: map[string]string{},
	}
	if u.frag.state == loadMasked {
		st.Documentation = nil
	}
	for _, cond := range c.conditions {
		st.Conditions = append(st.Conditions, cond.kind+"="+cond.value)
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
			if d == triggers || d == triggered {
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
	if c.socket != nil {
		st.Listens, st.Accept = c.socket.listens, c.socket.accept
	}
	if u.timer != nil {
		st.TimerNext, st.TimerLast = u.timer.next, u.timer.last
	}
	if u.svc != nil {
		st.Service = u.svc.snapshot()
		st.CanReload = len(c.service.exec["ExecReload"]) > 0
	}
	return st
}

// slice is the slice that a unit is in: Slice=, or what systemd makes of an
// instance's name.
func (u *unit) slice() string {
	if v := u.config().service; v != nil && v.slice != "" {
		return v.slice
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

func (s *service) snapshot() *ServiceState {
	v := s.config()
	st := &ServiceState{
		Type: v.kind, Restart: v.restart, PIDFile: v.pidFile, StatusText: s.statusText, User: v.user, Group: v.group, KillMode: v.killMode,
		StandardOutput: v.stdout, StandardError: v.stderr, RestartSec: v.restartSec, TimeoutStart: v.timeoutStart, TimeoutStop: v.timeoutStop,
		RemainAfterExit: v.remainAfterExit, MainPID: s.mainPID, Restarts: s.restarts, Main: s.mainRun, Exec: map[string][]Exec{},
		Environment: v.environment, EnvironmentFiles: v.envFiles, Dir: v.dir, UMask: v.umask,
	}
	if s.control != nil {
		st.ControlPID = s.control.PID
	}
	for kind, list := range v.exec {
		for _, c := range list {
			st.Exec[kind] = append(st.Exec[kind], Exec{c.path, c.argv, c.ignore})
		}
	}
	for _, kind := range execKinds {
		if r := s.runs[kind]; r != nil && !r.End.IsZero() {
			st.Runs = append(st.Runs, *r)
		}
	}
	if s.mainPID > 0 {
		st.MainComm = s.comm(s.mainPID)
	}
	for _, pid := range s.members() {
		st.Processes = append(st.Processes, Proc{pid, s.commandLine(pid)})
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
