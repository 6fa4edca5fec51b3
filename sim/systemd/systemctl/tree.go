package systemctl

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"enshu/sim/systemd/bus"
	"enshu/sim/systemd/calendar"
	"enshu/sim/systemd/machine"
	"enshu/sim/systemd/screen"
	"enshu/sim/systemd/unitfile"
)

// systemStatus is systemctl status without a unit.
func (s *systemctl) systemStatus() int {
	st, err := s.bus.Call(bus.Request{Method: "State"})
	if err != nil {
		s.Fail("%s", err)
		return 1
	}
	list, err := s.bus.Call(bus.Request{Method: "List"})
	if err != nil {
		s.Fail("%s", err)
		return 1
	}
	bad, loaded, jobs := 0, 0, 0
	var since time.Time
	for _, u := range list.Units {
		loaded++
		if u.Active == bus.Failed {
			bad++
		}
		if u.Job != "" {
			jobs++
		}
		if u.Name == "init.scope" {
			since = u.ActiveEnter.Real
		}
	}
	color := screen.Green
	if st.State == "degraded" {
		color = screen.Red
	}
	fmt.Fprintf(s.Out, "%s %s\n", s.Paint(color, s.Glyph("black")), machine.Hostname(s.p))
	fmt.Fprintf(s.Out, "    State: %s\n", s.Paint(color, st.State))
	fmt.Fprintf(s.Out, "    Units: %d loaded (incl. loaded aliases)\n", loaded)
	fmt.Fprintf(s.Out, "     Jobs: %d queued\n   Failed: %d units\n", jobs, bad)
	fmt.Fprintf(s.Out, "    Since: %s; %s\n  systemd: %s\n   CGroup: /\n", s.stamp(since), s.ago(since), strings.Trim(machine.Version[strings.IndexByte(machine.Version, '('):], "()"))
	s.tree("           ", s.groups(list.Units), "/")
	return 0
}

// groups are the processes of every control group that has some, by its path,
// and the parents of those groups.
func (s *systemctl) groups(list []bus.UnitState) map[string]*bus.ServiceState {
	all := map[string]*bus.ServiceState{"/": {}}
	for i := range list {
		u := &list[i]
		v := u.Service
		if u.Name == "init.scope" {
			v = s.init()
		}
		if v == nil || len(v.Processes) == 0 || u.ControlPath == "" {
			continue
		}
		all[u.ControlPath] = v
		for dir := path.Dir(u.ControlPath); all[dir] == nil; dir = path.Dir(dir) {
			all[dir] = &bus.ServiceState{}
		}
	}
	return all
}

// init is what init.scope has: PID 1.
func (s *systemctl) init() *bus.ServiceState {
	args := machine.ProcArgs(s.p, 1)
	if len(args) == 0 {
		args = []string{"/usr/lib/systemd/systemd"}
	}
	v := &bus.ServiceState{Tasks: 1, Processes: []bus.Proc{{PID: 1, Command: strings.Join(args, " ")}}}
	if u := machine.ProcUsage(s.p, 1); u.Known {
		v.Tasks, v.Memory, v.CPU, v.UsageKnown = u.Threads, u.Memory, u.CPU, true
	}
	return v
}

// children are the groups right below one, in the order of their names.
func children(all map[string]*bus.ServiceState, parent string) []string {
	var names []string
	for p := range all {
		if p != "/" && path.Dir(p) == parent {
			names = append(names, p)
		}
	}
	slices.Sort(names)
	return names
}

// tree prints what is below a group, processes first.
func (s *systemctl) tree(indent string, all map[string]*bus.ServiceState, parent string) {
	below := children(all, parent)
	more := ""
	if len(below) > 0 {
		more = "branch"
	}
	s.processLines(indent, more, all[parent].Processes)
	for i, p := range below {
		glyph, under := "branch", "vertical"
		if i == len(below)-1 {
			glyph, under = "right", "space"
		}
		fmt.Fprintf(s.Out, "%s%s%s\n", indent, s.Glyph(glyph), path.Base(p))
		s.tree(indent+s.Glyph(under), all, p)
	}
}

// processLines lists processes; last is the glyph of the last one when groups
// follow it.
func (s *systemctl) processLines(indent, last string, list []bus.Proc) {
	width := 0
	for _, p := range list {
		width = max(width, len(strconv.Itoa(p.PID)))
	}
	if last == "" {
		last = "right"
	}
	for i, p := range list {
		glyph := "branch"
		if i == len(list)-1 {
			glyph = last
		}
		text := fmt.Sprintf("%*d %s", width, p.PID, p.Command)
		if s.Width > 0 && !s.full {
			text = screen.EllipsizeEnd(text, max(s.Width-len([]rune(indent))-2, 10), s.Glyph("ellipsis"))
		}
		fmt.Fprintf(s.Out, "%s%s%s\n", indent, s.Glyph(glyph), s.Paint(screen.Grey, text))
	}
}

func usageSum(v *bus.ServiceState) machine.Usage {
	return machine.Usage{Threads: v.Tasks, Memory: v.Memory, CPU: v.CPU, Known: v.UsageKnown}
}

// usageLines tell what processes take; a service and a scope may have so many.
func (s *systemctl) usageLines(u machine.Usage, limited bool) {
	limit := ""
	if limited {
		limit = s.Paint(screen.Grey, fmt.Sprintf(" (limit: %d)", tasksMax(s.p)))
	}
	s.line("Tasks", "%d%s", u.Threads, limit)
	if u.Known {
		s.line("Memory", "%s", unitfile.FormatSize(u.Memory))
		s.line("CPU", "%s", calendar.FormatSpan(u.CPU, time.Millisecond))
	}
}

// groupLines are what status tells of the processes of a slice or a scope.
func (s *systemctl) groupLines(u *bus.UnitState) {
	list, err := s.bus.Call(bus.Request{Method: "List"})
	if err != nil {
		return
	}
	all := s.groups(list.Units)
	var sum machine.Usage
	for p, v := range all {
		if u.ControlPath == "/" || p == u.ControlPath || strings.HasPrefix(p, u.ControlPath+"/") {
			sum = machine.Usage{Threads: sum.Threads + v.Tasks, Memory: sum.Memory + v.Memory, CPU: sum.CPU + v.CPU, Known: sum.Known || v.UsageKnown}
		}
	}
	s.usageLines(sum, unitfile.Type(u.Name) == "scope")
	s.line("CGroup", "%s", u.ControlPath)
	if all[u.ControlPath] != nil {
		s.tree(statusIndent, all, u.ControlPath)
	}
}
