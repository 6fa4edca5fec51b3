package systemd

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// systemStatus is systemctl status without a unit.
func (s *systemctl) systemStatus() int {
	st, err := s.bus.call(request{Method: "State"})
	if err != nil {
		s.fail("%s", err)
		return 1
	}
	list, err := s.bus.call(request{Method: "List"})
	if err != nil {
		s.fail("%s", err)
		return 1
	}
	bad, loaded, jobs := 0, 0, 0
	var since time.Time
	for _, u := range list.Units {
		loaded++
		if u.Active == failed {
			bad++
		}
		if u.Job != "" {
			jobs++
		}
		if u.Name == "init.scope" {
			since = u.ActiveEnter.Real
		}
	}
	color := ansiGreen
	if st.State == "degraded" {
		color = ansiRed
	}
	fmt.Fprintf(s.out, "%s %s\n", s.paint(color, s.glyph("black")), hostname(s.p))
	fmt.Fprintf(s.out, "    State: %s\n", s.paint(color, st.State))
	fmt.Fprintf(s.out, "    Units: %d loaded (incl. loaded aliases)\n", loaded)
	fmt.Fprintf(s.out, "     Jobs: %d queued\n   Failed: %d units\n", jobs, bad)
	fmt.Fprintf(s.out, "    Since: %s; %s\n  systemd: %s\n   CGroup: /\n", s.stamp(since), s.ago(since), strings.Trim(versionLine[strings.IndexByte(versionLine, '('):], "()"))
	s.tree("           ", s.groups(list.Units), "/")
	return 0
}

// groups are the processes of every control group that has some, by its path,
// and the parents of those groups.
func (s *systemctl) groups(units []UnitState) map[string]*ServiceState {
	all := map[string]*ServiceState{"/": {}}
	for i := range units {
		u := &units[i]
		v := u.Service
		if u.Name == "init.scope" {
			v = s.init()
		}
		if v == nil || len(v.Processes) == 0 || u.ControlPath == "" {
			continue
		}
		all[u.ControlPath] = v
		for dir := path.Dir(u.ControlPath); all[dir] == nil; dir = path.Dir(dir) {
			all[dir] = &ServiceState{}
		}
	}
	return all
}

// init is what init.scope has: PID 1.
func (s *systemctl) init() *ServiceState {
	args := procArgs(s.p, 1)
	if len(args) == 0 {
		args = []string{"/usr/lib/systemd/systemd"}
	}
	v := &ServiceState{Tasks: 1, Processes: []Proc{{1, strings.Join(args, " ")}}}
	if u := procUsage(s.p, 1); u.known {
		v.Tasks, v.Memory, v.CPU, v.UsageKnown = u.threads, u.memory, u.cpu, true
	}
	return v
}

// children are the groups right below one, in the order of their names.
func children(all map[string]*ServiceState, parent string) []string {
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
func (s *systemctl) tree(indent string, all map[string]*ServiceState, parent string) {
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
		fmt.Fprintf(s.out, "%s%s%s\n", indent, s.glyph(glyph), path.Base(p))
		s.tree(indent+s.glyph(under), all, p)
	}
}

// processLines lists processes; last is the glyph of the last one when groups
// follow it.
func (s *systemctl) processLines(indent, last string, list []Proc) {
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
		if s.width > 0 && !s.full {
			text = ellipsizeEnd(text, max(s.width-len([]rune(indent))-2, 10), s.glyph("ellipsis"))
		}
		fmt.Fprintf(s.out, "%s%s%s\n", indent, s.glyph(glyph), s.paint(ansiGrey, text))
	}
}

func usageSum(v *ServiceState) usage { return usage{v.Tasks, v.Memory, v.CPU, v.UsageKnown} }

// usageLines tell what processes take; a service and a scope may have so many.
func (s *systemctl) usageLines(u usage, limited bool) {
	limit := ""
	if limited {
		limit = s.paint(ansiGrey, fmt.Sprintf(" (limit: %d)", tasksMax(s.p)))
	}
	s.line("Tasks", "%d%s", u.threads, limit)
	if u.known {
		s.line("Memory", "%s", formatBytes(u.memory))
		s.line("CPU", "%s", formatSpan(u.cpu, time.Millisecond))
	}
}

// groupLines are what status tells of the processes of a slice or a scope.
func (s *systemctl) groupLines(u *UnitState) {
	list, err := s.bus.call(request{Method: "List"})
	if err != nil {
		return
	}
	all := s.groups(list.Units)
	var sum usage
	for p, v := range all {
		if u.ControlPath == "/" || p == u.ControlPath || strings.HasPrefix(p, u.ControlPath+"/") {
			sum = usage{sum.threads + v.Tasks, sum.memory + v.Memory, sum.cpu + v.CPU, sum.known || v.UsageKnown}
		}
	}
	s.usageLines(sum, unitType(u.Name) == "scope")
	s.line("CGroup", "%s", u.ControlPath)
	if all[u.ControlPath] != nil {
		s.tree(statusIndent, all, u.ControlPath)
	}
}
