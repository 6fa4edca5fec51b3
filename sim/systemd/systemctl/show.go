package systemctl

import (
	_ "embed"
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

//go:embed properties.txt
var propertyText string

// property is one line of systemctl show.
type property struct{ name, value string }

// propertyTable returns a section of properties.txt: every property of a type of
// unit, with the value that it has when nothing is set, in the order of show.
func propertyTable(section string) []property {
	_, text, ok := strings.Cut(propertyText, "\n["+section+"]\n")
	if !ok {
		return nil
	}
	text, _, _ = strings.Cut(text, "\n[")
	var list []property
	for _, line := range strings.Split(text, "\n") {
		name, value, set := strings.Cut(line, "=")
		switch {
		case strings.HasPrefix(line, "@"):
			list = append(list, propertyTable(line[1:])...)
		case strings.HasPrefix(line, "!"):
			for i := range list {
				if list[i].name == name[1:] {
					list[i].value = value
				}
			}
		case set:
			list = append(list, property{name, value})
		}
	}
	return list
}

// values are the properties that are known of a unit; one of several commands or
// addresses has a line for each.
type values map[string][]string

func (v values) add(name, value string) { v[name] = append(v[name], value) }

// fill puts what is known in the place of what a table has.
func (v values) fill(table []property) []property {
	var list []property
	for _, p := range table {
		known, ok := v[p.name]
		if !ok {
			list = append(list, p)
			continue
		}
		for _, value := range known {
			list = append(list, property{p.name, value})
		}
	}
	return list
}

// show prints properties: those that were asked for, else those that are set.
func (s *systemctl) show(args []string) int {
	if len(args) == 0 {
		return s.showManager()
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

func (s *systemctl) showManager() int {
	st, err := s.bus.Call(bus.Request{Method: "State"})
	if err != nil {
		s.Fail("Failed to get properties: %s", err)
		return 1
	}
	list, _ := s.bus.Call(bus.Request{Method: "List"})
	env, _ := s.bus.Call(bus.Request{Method: "Environment"})
	v := values{}
	bad, jobs := 0, 0
	for _, u := range list.Units {
		if u.Active == bus.Failed {
			bad++
		}
		if u.Job != "" {
			jobs++
		}
		if u.Name == "init.scope" {
			s.stampOf(v, "UserspaceTimestamp", u.ActiveEnter)
		}
	}
	v.add("Version", machine.Version)
	v.add("Features", machine.Features)
	v.add("SystemState", st.State)
	v.add("NNames", strconv.Itoa(len(list.Units)))
	v.add("NFailedUnits", strconv.Itoa(bad))
	v.add("NJobs", strconv.Itoa(jobs))
	v.add("Environment", strings.Join(env.Env, " "))
	v.add("UnitPath", strings.Join(units.SearchPath, " "))
	s.printProperties(v.fill(propertyTable("manager")))
	return 0
}

func (s *systemctl) printProperties(list []property) {
	for _, p := range list {
		if p.value == "" && (strings.HasPrefix(p.name, "Exec") && !strings.HasSuffix(p.name, "Timestamp") || lists[p.name]) {
			continue
		}
		if len(s.properties) > 0 && !slices.Contains(s.properties, p.name) {
			continue
		}
		if len(s.properties) == 0 && !s.all && unset(p) {
			continue
		}
		if s.value {
			fmt.Fprintln(s.Out, p.value)
		} else {
			fmt.Fprintf(s.Out, "%s=%s\n", p.name, p.value)
		}
	}
}

// lists are the properties that have a line for each element, and none without.
var lists = map[string]bool{"EnvironmentFiles": true, "Listen": true, "Paths": true, "TimersMonotonic": true, "TimersCalendar": true}

// unset properties are shown only when they are asked for.
func unset(p property) bool {
	return p.value == "" || p.value == "[unprintable]" || p.value == "~" || strings.HasSuffix(p.name, "ActionExitStatus")
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// stampOf adds a point of time in both ways in which show prints it.
func (s *systemctl) stampOf(v values, name string, t bus.Moment) {
	text, mono := "", "0"
	if !t.Real.IsZero() {
		text, mono = s.stamp(t.Real), strconv.FormatInt(t.Mono.Microseconds(), 10)
	}
	v.add(name, text)
	v.add(name+"Monotonic", mono)
}

// unitProperties are all that a unit of its type has, in their order on the bus.
func (s *systemctl) unitProperties(u *bus.UnitState) []property {
	known := values{}
	add := known.add
	stamp := func(name string, t bus.Moment) { s.stampOf(known, name, t) }
	span := func(d time.Duration) string { return calendar.FormatSpan(d, time.Microsecond) }
	if v := u.Service; v != nil {
		add("Type", v.Type)
		add("Restart", v.Restart)
		add("PIDFile", v.PIDFile)
		add("NotifyAccess", v.NotifyAccess)
		add("RestartUSec", span(v.RestartSec))
		add("TimeoutStartUSec", span(v.TimeoutStart))
		add("TimeoutStopUSec", span(v.TimeoutStop))
		if u.Settings["TimeoutAbortSec"] == "" {
			add("TimeoutAbortUSec", span(v.TimeoutStop))
		}
		add("RuntimeMaxUSec", span(v.RuntimeMax))
		add("WatchdogUSec", span(v.Watchdog))
		add("SuccessExitStatus", statusList(v.SuccessStatus))
		add("RestartPreventExitStatus", statusList(v.RestartPrevent))
		add("RestartForceExitStatus", statusList(v.RestartForce))
		var clean []string
		for _, kind := range []string{"Runtime", "State", "Cache", "Logs", "Configuration"} {
			names := v.Directories[kind+"Directory"]
			add(kind+"Directory", strings.Join(names, " "))
			if len(names) > 0 {
				clean = append(clean, strings.ToLower(kind))
			}
		}
		add("CanClean", strings.Join(clean, " "))
		add("RemainAfterExit", yesNo(v.RemainAfterExit))
		add("MainPID", strconv.Itoa(v.MainPID))
		add("ControlPID", strconv.Itoa(v.ControlPID))
		add("StatusText", v.StatusText)
		add("Result", u.Result)
		add("NRestarts", strconv.Itoa(v.Restarts))
		if r := v.Main; r != nil {
			begun := s.p.Now().Add(-s.p.Host.Kmsg.Uptime())
			since := func(t time.Time) bus.Moment {
				if t.IsZero() {
					return bus.Moment{}
				}
				return bus.Moment{Real: t, Mono: t.Sub(begun)}
			}
			stamp("ExecMainStartTimestamp", since(r.Start))
			stamp("ExecMainExitTimestamp", since(r.End))
			code, status := "0", "0"
			if !r.End.IsZero() {
				code, status = map[string]string{"exited": "1", "killed": "2", "dumped": "3"}[r.Code], strconv.Itoa(r.Status)
			}
			add("ExecMainPID", strconv.Itoa(r.PID))
			add("ExecMainCode", code)
			add("ExecMainStatus", status)
		}
		for _, kind := range bus.ExecKinds {
			for _, e := range v.Exec[kind] {
				plain, extended := s.execText(kind, e, v)
				add(kind, plain)
				add(kind+"Ex", extended)
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
		add("Environment", quotedWords(v.Environment))
		for _, f := range v.EnvironmentFiles {
			add("EnvironmentFiles", strings.TrimPrefix(f, "-")+" (ignore_errors="+yesNo(strings.HasPrefix(f, "-"))+")")
		}
		add("UMask", fmt.Sprintf("%04o", v.UMask))
		add("WorkingDirectory", v.Dir)
		for name, output := range map[string]string{"StandardOutput": orWord(v.StandardOutput, "journal"), "StandardError": orWord(v.StandardError, "inherit")} {
			kind, _, _ := strings.Cut(output, ":")
			add(name, kind)
		}
		if v.UID != "" {
			add("UID", v.UID)
			add("GID", v.GID)
		}
		add("User", v.User)
		add("Group", v.Group)
		add("KillMode", v.KillMode)
	}
	if u.Service == nil && u.Result != "" {
		add("Result", u.Result)
	}
	s.triggerProperties(known, u)
	add("Id", u.Name)
	add("Names", strings.Join(u.Names, " "))
	for kind, names := range u.Deps {
		add(kind, strings.Join(names, " "))
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
	stamp("ConditionTimestamp", u.Condition)
	add("AssertResult", yesNo(u.AssertMet))
	stamp("AssertTimestamp", u.Assert)
	add("AllowIsolate", yesNo(u.CanIsolate))
	if u.Load == units.Loaded && u.Fragment != "" {
		add("DefaultDependencies", yesNo(u.DefaultDependencies))
		add("RefuseManualStart", yesNo(!u.CanStart))
		add("RefuseManualStop", yesNo(!u.CanStop))
	}
	if u.Load != units.Loaded {
		add("LoadError", loadError(u))
	}
	if unitfile.Type(u.Name) != "scope" && u.Active != bus.Inactive {
		add("InvocationID", u.Invocation)
	}
	for _, p := range settingProperties(u.Settings) {
		if _, ok := known[p.name]; !ok {
			add(p.name, p.value)
		}
	}
	return known.fill(propertyTable(unitfile.Type(u.Name)))
}

func orWord(s, or string) string {
	if s == "" {
		return or
	}
	return s
}

// loadError is why a unit could not be loaded, with the name that the error has
// on the bus.
func loadError(u *bus.UnitState) string {
	if u.LoadReason == "" {
		return ""
	}
	name := map[string]string{units.NotFound: bus.ErrNoSuchUnit, units.Masked: bus.ErrMasked, units.BadSetting: bus.ErrBadSetting, units.LoadError: bus.ErrLoadFailed}[u.Load]
	return "org.freedesktop.systemd1." + name + " \"" + u.LoadReason + "\""
}

// statusList writes a list of exit statuses and signals: numbers, then signals.
func statusList(list []string) string {
	var numbers []int
	var signals []string
	for _, w := range list {
		if n, ok := unitfile.ExitStatus(w); ok {
			numbers = append(numbers, n)
		} else {
			signals = append(signals, strings.TrimPrefix(w, "SIG"))
		}
	}
	slices.Sort(numbers)
	words := make([]string, len(numbers), len(list))
	for i, n := range numbers {
		words[i] = strconv.Itoa(n)
	}
	return strings.Join(append(words, signals...), " ")
}

// quotedWords joins words, those in quotes that a shell would not read as they
// stand.
func quotedWords(list []string) string {
	words := make([]string, len(list))
	for i, w := range list {
		words[i] = w
		if w == "" || strings.ContainsAny(w, " \t\n\"'\\$`*?[]()<>|&;!~#{}") {
			words[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(w) + `"`
		}
	}
	return strings.Join(words, " ")
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

// triggerProperties are those of units that start others.
func (s *systemctl) triggerProperties(known values, u *bus.UnitState) {
	activates := strings.Join(u.Deps[string(unitfile.Triggers)], " ")
	kind := unitfile.Type(u.Name)
	if kind == "timer" || kind == "path" {
		known.add("Unit", activates)
	}
	if kind == "socket" {
		known.add("FileDescriptorName", orWord(u.Settings["FileDescriptorName"], u.Name))
		known.add("Accept", yesNo(u.Accept))
	}
	for _, l := range u.Listens {
		kind, addr, _ := strings.Cut(l, " ")
		known.add("Listen", addr+" ("+kind+")")
	}
	for _, l := range u.Paths {
		kind, name, _ := strings.Cut(l, " ")
		known.add("Paths", name+" ("+kind+")")
	}
	next := "(null)"
	if !u.TimerNext.IsZero() {
		next = s.stamp(u.TimerNext)
		known.add("NextElapseUSecRealtime", s.stamp(u.TimerNext))
	}
	if !u.TimerLast.IsZero() {
		known.add("LastTriggerUSec", s.stamp(u.TimerLast))
	}
	for _, c := range u.Calendar {
		if e, ok := calendar.ParseEvent(c); ok {
			c = e.String()
		}
		known.add("TimersCalendar", "{ OnCalendar="+c+" ; next_elapse="+next+" }")
		known.add("NextElapseUSecMonotonic", "0")
	}
	for _, m := range u.Elapses {
		span, _ := calendar.ParseSpan(m.Span, time.Second)
		known.add("TimersMonotonic", "{ "+strings.TrimSuffix(m.Base, "Sec")+"USec="+calendar.FormatSpan(span, time.Microsecond)+" ; next_elapse=0 }")
	}
}

// execText is a command with how its last run went, as ExecX and as ExecXEx.
func (s *systemctl) execText(kind string, e bus.Exec, v *bus.ServiceState) (plain, extended string) {
	start, stop, pid, code, status := "[n/a]", "[n/a]", "0", "(null)", "0/0"
	for i := range v.Runs {
		r := &v.Runs[i]
		if r.Kind != kind || r.Command != strings.Join(e.Argv, " ") {
			continue
		}
		start, pid = "["+s.stamp(r.Start)+"]", strconv.Itoa(r.PID)
		if !r.End.IsZero() {
			stop, code, status = "["+s.stamp(r.End)+"]", r.Code, strconv.Itoa(r.Status)
		}
	}
	var flags []string
	for _, f := range []struct {
		set  bool
		name string
	}{{e.Ignore, "ignore-failure"}, {e.Full, "privileged"}, {e.Raw, "no-env-expand"}} {
		if f.set {
			flags = append(flags, f.name)
		}
	}
	text := func(how string) string {
		return fmt.Sprintf("{ path=%s ; argv[]=%s ; %s ; start_time=%s ; stop_time=%s ; pid=%s ; code=%s ; status=%s }",
			e.Path, strings.Join(e.Argv, " "), how, start, stop, pid, code, status)
	}
	return text("ignore_errors=" + yesNo(e.Ignore)), text("flags=" + strings.Join(flags, " "))
}
