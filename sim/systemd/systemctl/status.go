package systemctl

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"enshu/sim/libc"
	"enshu/sim/sdjournal"
	"enshu/sim/systemd/bus"
	"enshu/sim/systemd/calendar"
	"enshu/sim/systemd/journalctl"
	"enshu/sim/systemd/machine"
	"enshu/sim/systemd/screen"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/systemd/units"
	"enshu/sim/wire/journal"
)

// status is systemctl status.
func (s *systemctl) status(args []string) int {
	if len(args) == 0 {
		return s.systemStatus()
	}
	result := 0
	first := true
	for _, a := range args {
		var names []string
		if pid, err := strconv.Atoi(a); err == nil {
			r, err := s.bus.Call(bus.Request{Method: "UnitByPID", PID: pid})
			if err != nil {
				s.Fail("Failed to get unit for PID %d: %s", pid, err)
				if result == 0 {
					result = 1
				}
				continue
			}
			names = []string{r.Unit.Name}
		} else {
			names = s.names([]string{a})
			if unitfile.IsGlob(a) {
				names = slices.DeleteFunc(names, func(n string) bool { return len(s.types) > 0 && !slices.Contains(s.types, unitfile.Type(n)) })
			}
		}
		for _, name := range names {
			r, err := s.bus.Call(bus.Request{Method: "Show", Unit: name})
			if err != nil {
				s.Fail("Failed to get properties: %s", err)
				return 1
			}
			u := r.Unit
			if u.Load == units.NotFound && u.Active == bus.Inactive {
				s.Fail("Unit %s could not be found.", name)
				result = 4
				continue
			}
			if !first {
				fmt.Fprintln(s.Out)
			}
			first = false
			s.unitStatus(u)
			if u.NeedReload {
				s.warnReload(u.Name)
			}
			if (u.Active == bus.Inactive || u.Active == bus.Failed || u.Active == bus.Activating) && result == 0 {
				result = 3
			}
		}
	}
	return result
}

// dot is the mark of an active state, in its colour.
func (s *systemctl) dot(state string) string {
	switch state {
	case bus.Failed:
		return s.Paint(screen.Red, s.Glyph("cross"))
	case bus.Active:
		return s.Paint(screen.Green, s.Glyph("black"))
	case bus.Reloading:
		return s.Paint(screen.Green, s.Glyph("circle"))
	case bus.Inactive:
		return s.Glyph("white")
	case "maintenance":
		return s.Glyph("white")
	}
	return s.Glyph("black")
}

// stateColor colours the words about an active state.
func stateColor(state string) string {
	switch state {
	case bus.Failed:
		return screen.Red
	case bus.Active, bus.Reloading:
		return screen.Green
	}
	return ""
}

// enabledColor colours the words about enablement.
func enabledColor(state string) string {
	switch state {
	case "enabled", "enabled-runtime", "alias", "static", "generated", "transient", "indirect", "linked":
		if state == "enabled" || state == "alias" {
			return screen.Green
		}
		return ""
	case "disabled":
		return screen.Yellow
	case "masked", "masked-runtime", "bad":
		return screen.Red
	}
	return ""
}

func (s *systemctl) line(label, format string, args ...any) {
	fmt.Fprintf(s.Out, "%11s: %s\n", label, fmt.Sprintf(format, args...))
}

const statusIndent = "             "

// stamp writes a time as systemctl does.
func (s *systemctl) stamp(t time.Time) string {
	return t.In(libc.Zone(s.p)).Format("Mon 2006-01-02 15:04:05 MST")
}

func (s *systemctl) ago(t time.Time) string { return calendar.FormatAgo(s.p.Now().Sub(t)) }

func (s *systemctl) unitStatus(u *bus.UnitState) {
	fmt.Fprintf(s.Out, "%s %s", s.dot(u.Active), u.Name)
	if u.Description != "" && u.Description != u.Name {
		fmt.Fprintf(s.Out, " - %s", u.Description)
	}
	fmt.Fprintln(s.Out)
	s.loadedLine(u)
	if u.Name == "init.scope" {
		s.line("Transient", "yes")
	}
	s.dropIns(u.DropIns)
	s.activeLine(u)
	if !u.ConditionMet && !u.Condition.Real.IsZero() && u.Active == bus.Inactive {
		s.line("Condition", "start %s at %s; %s", s.Paint(screen.Yellow, "condition failed"), s.stamp(u.Condition.Real), s.ago(u.Condition.Real))
		if u.ConditionText != "" {
			fmt.Fprintf(s.Out, "%s%s %s was not met\n", statusIndent, s.Glyph("right"), u.ConditionText)
		}
	}
	switch {
	case unitfile.Type(u.Name) != "timer" || u.Load == units.NotFound || u.Load == units.Masked:
	case !u.TimerNext.IsZero() && u.Active == bus.Active:
		s.line("Trigger", "%s; %s", s.stamp(u.TimerNext), s.ago(u.TimerNext))
	default:
		s.line("Trigger", "n/a")
	}
	if m := u.Mount; m != nil {
		s.line("Where", "%s", m.Where)
		s.line("What", "%s", m.What)
	}
	s.related("TriggeredBy", u, string(unitfile.Triggered))
	s.related("Triggers", u, string(unitfile.Triggers))
	for i, d := range u.Documentation {
		text := s.Link(d, d)
		if i == 0 {
			s.line("Docs", "%s", text)
		} else {
			fmt.Fprintf(s.Out, "%s%s\n", statusIndent, text)
		}
	}
	if u.Service != nil {
		s.serviceLines(u)
	}
	for i, l := range u.Listens {
		kind, addr, _ := strings.Cut(l, " ")
		if i == 0 {
			s.line("Listen", "%s (%s)", addr, kind)
		} else {
			fmt.Fprintf(s.Out, "%s%s (%s)\n", statusIndent, addr, kind)
		}
	}
	if u.Accept {
		s.line("Accepted", "0; Connected: 0;")
	}
	switch unitfile.Type(u.Name) {
	case "socket":
		if u.Active == bus.Active {
			s.line("CGroup", "%s", u.ControlPath)
		}
	case "slice", "scope":
		if u.Active == bus.Active {
			s.groupLines(u)
		}
	}
	if s.lines > 0 {
		s.statusLog(u)
	}
}

func (s *systemctl) loadedLine(u *bus.UnitState) {
	if u.Load != units.Loaded {
		word := u.Load
		if u.Load == units.LoadError || u.Load == units.BadSetting || u.Load == units.NotFound {
			word = s.Paint(screen.Red, word)
		}
		if u.LoadReason != "" {
			s.line("Loaded", "%s (Reason: %s)", word, u.LoadReason)
		} else {
			s.line("Loaded", "%s", word)
		}
		return
	}
	if u.Fragment == "" {
		s.line("Loaded", "loaded")
		return
	}
	text := s.Link("file://"+machine.Hostname(s.p)+u.Fragment, u.Fragment)
	state := units.FileState(s.p, s.loader, u.Name)
	if state != "" {
		text += "; " + s.Paint(enabledColor(state), state)
		if s.rules == nil {
			s.rules = units.PresetRules(s.p)
		}
		if preset := units.PresetWord(s.rules, u.Name, state); preset != "" {
			text += "; preset: " + s.Paint(enabledColor(preset), preset)
		}
	}
	s.line("Loaded", "loaded (%s)", text)
}

func (s *systemctl) dropIns(files []string) {
	dir := ""
	for i, f := range files {
		if d := path.Dir(f); d != dir {
			if dir == "" {
				s.line("Drop-In", "%s", d)
			} else {
				fmt.Fprintf(s.Out, "%s%s\n", statusIndent, d)
			}
			dir = d
			fmt.Fprint(s.Out, statusIndent+s.Glyph("right"))
		}
		end := ", "
		if i+1 == len(files) || path.Dir(files[i+1]) != dir {
			end = "\n"
		}
		fmt.Fprint(s.Out, s.Link("file://"+machine.Hostname(s.p)+f, path.Base(f))+end)
	}
}

func (s *systemctl) activeLine(u *bus.UnitState) {
	text := u.Active
	if u.Sub != u.Active {
		text += " (" + u.Sub + ")"
	}
	text = s.Paint(stateColor(u.Active), text)
	if u.Result != bus.ResultSuccess && u.Result != "" && (u.Active == bus.Failed || u.Sub == bus.SubAutoRestart) {
		if u.Active == bus.Failed {
			text = s.Paint(screen.Red, "failed") + " (Result: " + u.Result + ")"
		} else {
			text += " (Result: " + u.Result + ")"
		}
	}
	var since time.Time
	switch u.Active {
	case bus.Active, bus.Reloading:
		since = u.ActiveEnter.Real
	case bus.Inactive, bus.Failed:
		since = u.InactiveEnter.Real
	case bus.Activating:
		since = u.InactiveExit.Real
		if u.Sub == bus.SubAutoRestart {
			since = u.Changed.Real
		}
	default:
		since = u.ActiveExit.Real
	}
	if !since.IsZero() {
		text += " since " + s.stamp(since) + "; " + s.ago(since)
	}
	s.line("Active", "%s", text)
	if (u.Active == bus.Inactive || u.Active == bus.Failed) && u.Service != nil && !u.ActiveEnter.Real.IsZero() && !u.ActiveExit.Real.IsZero() {
		if d := u.ActiveExit.Mono - u.ActiveEnter.Mono; d >= 0 {
			s.line("Duration", "%s", calendar.FormatSpan(d, time.Millisecond))
		}
	}
}

// related lists the units that trigger, with their dots.
func (s *systemctl) related(label string, u *bus.UnitState, kind string) {
	if u.Load == units.Masked {
		return
	}
	for i, name := range u.Deps[kind] {
		text := s.dot(u.DepsActive[name]) + " " + name
		if kind == string(unitfile.Triggers) && u.DepsActive[name] == bus.Inactive {
			text = s.Glyph("black") + " " + name // it only waits
		}
		if i == 0 {
			s.line(label, "%s", text)
		} else {
			fmt.Fprintf(s.Out, "%s%s\n", statusIndent, text)
		}
	}
}

// ended says how a process ended, as status shows it.
func ended(r *bus.Run) string {
	var b strings.Builder
	b.WriteString("(code=" + r.Code + ", ")
	if r.Code == "exited" {
		b.WriteString("status=" + strconv.Itoa(r.Status))
		if n := unitfile.ExitNames[r.Status]; n != "" {
			b.WriteString("/" + n)
		}
	} else {
		b.WriteString("signal=" + unitfile.SignalName(syscall.Signal(r.Status)))
	}
	return b.String() + ")"
}

func (s *systemctl) serviceLines(u *bus.UnitState) {
	v := u.Service
	masked := u.Load == units.Masked
	for i := range v.Runs {
		r := &v.Runs[i]
		if masked {
			break
		}
		if r.End.IsZero() {
			continue
		}
		color := ""
		if r.Code != "exited" || r.Status != 0 {
			color = screen.Red
		}
		s.line("Process", "%d %s=%s %s", r.PID, r.Kind, r.Command, s.Paint(color, ended(r)))
	}
	switch {
	case v.MainPID > 0:
		s.line("Main PID", "%d (%s)", v.MainPID, v.MainComm)
	case v.Main != nil && !v.Main.End.IsZero():
		s.line("Main PID", "%d %s", v.Main.PID, ended(v.Main))
	}
	if v.ControlPID > 0 {
		s.line("Cntrl PID", "%d", v.ControlPID)
	}
	if v.StatusText != "" {
		s.line("Status", "%s", s.Paint("\x1b[0;1;36m", `"`+v.StatusText+`"`))
	}
	if len(v.Processes) == 0 {
		return
	}
	s.usageLines(usageSum(v), true)
	s.line("CGroup", "%s", u.ControlPath)
	s.processLines(statusIndent, "", v.Processes)
}

// statusLog shows the last lines that the journal has of the unit's present run.
func (s *systemctl) statusLog(u *bus.UnitState) {
	r, err := sdjournal.Open(s.p, sdjournal.Options{})
	if err != nil {
		return
	}
	defer r.Close()
	match := journalctl.UnitMatch(u.Name)
	if unitfile.Type(u.Name) == "slice" {
		match = journalctl.AnyOf(match, journalctl.Field("_SYSTEMD_SLICE", u.Name))
	}
	boot := machine.BootID(s.p)
	since := u.InactiveExit.Mono
	thisBoot := []journal.Field{{Name: "_BOOT_ID", Value: boot.String()}}
	r.Filter = func(e *journal.Entry) bool { return e.BootID == boot && match(e) }
	r.Only = [][]journal.Field{thisBoot, journalctl.UnitFields(u.Name)}
	r.SeekTail()
	var list []*journal.Entry
	for len(list) < s.lines {
		e, err := r.Previous()
		if errors.Is(err, io.EOF) || err != nil || e.Monotonic < since.Truncate(time.Microsecond) {
			break
		}
		list = append(list, e)
	}
	rotated := len(list) < s.lines && since > 0 && since < firstOfBoot(r, boot)
	if len(list) == 0 && !rotated {
		return
	}
	fmt.Fprintln(s.Out)
	slices.Reverse(list)
	pr := &journalctl.Printer{Screen: s.Screen, P: s.p, Mode: s.output, Zone: libc.Zone(s.p), Full: s.full || s.Width == 0, OneLine: true}
	for _, e := range list {
		fmt.Fprint(s.Out, pr.Format(e))
	}
	switch {
	case !rotated:
	case len(r.Denied) == 0:
		fmt.Fprintln(s.Out, "Notice: journal has been rotated since unit was started, output may be incomplete.")
	case len(list) == 0:
		fmt.Fprintln(s.Out, "Warning: some journal files were not opened due to insufficient permissions.")
	default:
		fmt.Fprintln(s.Out, "Warning: journal has been rotated since unit was started and some journal files were not opened due to insufficient permissions, output may be incomplete.")
	}
	if pr.Cut {
		fmt.Fprintln(s.Out, "Hint: Some lines were ellipsized, use -l to show in full.")
	}
}

// firstOfBoot is when the journal begins in a boot, 0 when it has nothing of it.
func firstOfBoot(r *sdjournal.Reader, boot journal.ID) time.Duration {
	r.Filter = func(e *journal.Entry) bool { return e.BootID == boot }
	r.Only = [][]journal.Field{{{Name: "_BOOT_ID", Value: boot.String()}}}
	r.SeekHead()
	e, err := r.Next()
	if err != nil {
		return 0
	}
	return e.Monotonic
}
