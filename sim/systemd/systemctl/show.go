package systemctl

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"enshu/sim/systemd/bus"
	"enshu/sim/systemd/calendar"
	"enshu/sim/systemd/machine"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/systemd/units"
)

// property is one line of systemctl show.
type property struct{ name, value string }

// show prints properties: those that were asked for, else those that are set.
func (s *systemctl) show(args []string) int {
	if len(args) == 0 {
		st, _ := s.bus.Call(bus.Request{Method: "State"})
		s.printProperties([]property{{"Version", machine.Version}, {"Virtualization", "kvm"}, {"SystemState", st.State}, {"DefaultStandardOutput", "journal"}})
		return 0
	}
	for i, name := range s.names(args) {
		r, err := s.bus.Call(bus.Request{Method: "Show", Unit: name})
		if err != nil {
			s.Fail("Failed to get properties: %s", err)
			return 1
		}
		if i > 0 {
			fmt.Fprintln(s.Out)
		}
		s.printProperties(s.unitProperties(r.Unit))
	}
	return 0
}

func (s *systemctl) printProperties(list []property) {
	for _, p := range list {
		if len(s.properties) > 0 && !slices.Contains(s.properties, p.name) {
			continue
		}
		if len(s.properties) == 0 && p.value == "" && !s.all {
			continue
		}
		if s.value {
			fmt.Fprintln(s.Out, p.value)
		} else {
			fmt.Fprintf(s.Out, "%s=%s\n", p.name, p.value)
		}
	}
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// unitProperties are those of the unit's type first, as on the bus.
func (s *systemctl) unitProperties(u *bus.UnitState) []property {
	var list []property
	add := func(name, value string) { list = append(list, property{name, value}) }
	stamp := func(name string, t bus.Moment) {
		text, mono := "", "0"
		if !t.Real.IsZero() {
			text, mono = s.stamp(t.Real), strconv.FormatInt(t.Mono.Microseconds(), 10)
		}
		add(name, text)
		add(name+"Monotonic", mono)
	}
	span := func(d time.Duration) string { return calendar.FormatSpan(d, time.Microsecond) }
	if v := u.Service; v != nil {
		add("Type", v.Type)
		add("Restart", v.Restart)
		add("PIDFile", v.PIDFile)
		add("NotifyAccess", map[bool]string{true: "main", false: "none"}[v.Type == "notify"])
		add("RestartUSec", span(v.RestartSec))
		add("TimeoutStartUSec", span(v.TimeoutStart))
		add("TimeoutStopUSec", span(v.TimeoutStop))
		add("RemainAfterExit", yesNo(v.RemainAfterExit))
		add("MainPID", strconv.Itoa(v.MainPID))
		add("ControlPID", strconv.Itoa(v.ControlPID))
		add("StatusText", v.StatusText)
		add("Result", u.Result)
		add("NRestarts", strconv.Itoa(v.Restarts))
		if r := v.Main; r != nil {
			add("ExecMainStartTimestamp", s.stamp(r.Start))
			exit, code, status := "", "0", "0"
			if !r.End.IsZero() {
				exit, code, status = s.stamp(r.End), map[string]string{"exited": "1", "killed": "2", "dumped": "3"}[r.Code], strconv.Itoa(r.Status)
			}
			add("ExecMainExitTimestamp", exit)
			add("ExecMainPID", strconv.Itoa(r.PID))
			add("ExecMainCode", code)
			add("ExecMainStatus", status)
		}
		for _, kind := range bus.ExecKinds {
			for _, e := range v.Exec[kind] {
				add(kind, s.execText(kind, e, v))
			}
		}
		add("Slice", u.Slice)
		control := ""
		if len(v.Processes) > 0 {
			control = u.ControlPath
		}
		add("ControlGroup", control)
		memory, tasks := "[not set]", "[not set]"
		if len(v.Processes) > 0 {
			tasks = strconv.Itoa(v.Tasks)
			if v.UsageKnown {
				memory = strconv.FormatInt(v.Memory, 10)
			}
		}
		add("MemoryCurrent", memory)
		add("TasksCurrent", tasks)
		add("Environment", strings.Join(v.Environment, " "))
		for _, f := range v.EnvironmentFiles {
			add("EnvironmentFiles", strings.TrimPrefix(f, "-")+" (ignore_errors="+yesNo(strings.HasPrefix(f, "-"))+")")
		}
		add("UMask", fmt.Sprintf("%04o", v.UMask))
		add("WorkingDirectory", v.Dir)
		add("StandardOutput", orWord(v.StandardOutput, "journal"))
		add("StandardError", orWord(v.StandardError, "inherit"))
		add("User", v.User)
		add("Group", v.Group)
		add("KillMode", v.KillMode)
	}
	for _, l := range u.Listens {
		kind, addr, _ := strings.Cut(l, " ")
		add("Listen", addr+" ("+kind+")")
	}
	add("Id", u.Name)
	add("Names", strings.Join(u.Names, " "))
	for _, d := range []unitfile.Dep{unitfile.Requires, unitfile.Requisite, unitfile.Wants, unitfile.BindsTo, unitfile.PartOf, unitfile.RequiredBy, unitfile.RequisiteO, unitfile.WantedBy, unitfile.BoundBy, unitfile.ConsistsOf, unitfile.Conflicts, unitfile.Conflicted, unitfile.Before, unitfile.After, unitfile.OnFailure, unitfile.OnSuccess, unitfile.Triggers, unitfile.Triggered} {
		add(string(d), strings.Join(u.Deps[string(d)], " "))
	}
	add("Documentation", docs(u.Documentation))
	add("Description", u.Description)
	add("LoadState", u.Load)
	add("ActiveState", u.Active)
	add("SubState", u.Sub)
	add("FragmentPath", u.Fragment)
	add("DropInPaths", strings.Join(u.DropIns, " "))
	state := units.FileState(s.p, s.loader, u.Name)
	add("UnitFileState", state)
	preset := ""
	if state != "" {
		enable, _ := units.Preset(units.PresetRules(s.p), u.Name)
		preset = map[bool]string{true: "enabled", false: "disabled"}[enable]
	}
	add("UnitFilePreset", preset)
	stamp("StateChangeTimestamp", u.Changed)
	stamp("InactiveExitTimestamp", u.InactiveExit)
	stamp("ActiveEnterTimestamp", u.ActiveEnter)
	stamp("ActiveExitTimestamp", u.ActiveExit)
	stamp("InactiveEnterTimestamp", u.InactiveEnter)
	add("CanStart", yesNo(u.CanStart))
	add("CanStop", yesNo(u.CanStop))
	add("CanReload", yesNo(u.CanReload))
	add("CanIsolate", yesNo(u.CanIsolate))
	if u.Job != "" {
		add("Job", strconv.Itoa(u.JobID))
	}
	add("NeedDaemonReload", yesNo(u.NeedReload))
	add("ConditionResult", yesNo(u.ConditionMet))
	if u.Load != units.Loaded {
		add("LoadError", u.LoadReason)
	}
	add("InvocationID", u.Invocation)
	return list
}

func orWord(s, or string) string {
	if s == "" {
		return or
	}
	return s
}

// docs quotes the words that hold parentheses, as show does.
func docs(list []string) string {
	quoted := make([]string, len(list))
	for i, d := range list {
		quoted[i] = d
		if strings.ContainsAny(d, "() ") {
			quoted[i] = `"` + d + `"`
		}
	}
	return strings.Join(quoted, " ")
}

// execText is a command with how its last run went.
func (s *systemctl) execText(kind string, e bus.Exec, v *bus.ServiceState) string {
	start, stop, pid, code, status := "[n/a]", "[n/a]", "0", "(null)", "0/0"
	var r *bus.Run
	for i := range v.Runs {
		if v.Runs[i].Kind == kind && v.Runs[i].Command == strings.Join(e.Argv, " ") {
			r = &v.Runs[i]
		}
	}
	if r == nil && kind == "ExecStart" && v.Main != nil && v.Main.Command == strings.Join(e.Argv, " ") {
		r = v.Main
	}
	if r != nil {
		start, pid = "["+s.stamp(r.Start)+"]", strconv.Itoa(r.PID)
		if !r.End.IsZero() {
			stop, code, status = "["+s.stamp(r.End)+"]", r.Code, strconv.Itoa(r.Status)
		}
	}
	return fmt.Sprintf("{ path=%s ; argv[]=%s ; ignore_errors=%s ; start_time=%s ; stop_time=%s ; pid=%s ; code=%s ; status=%s }",
		e.Path, strings.Join(e.Argv, " "), yesNo(e.Ignore), start, stop, pid, code, status)
}
