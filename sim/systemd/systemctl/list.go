package systemctl

import (
	"fmt"
	"path"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/systemd/bus"
	"enshu/sim/systemd/screen"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/systemd/units"
)

// tasksMax is the default of DefaultTasksMax=: 15% of what the kernel allows.
func tasksMax(p *host.Proc) int {
	data, err := libc.ReadFile(p, "/proc/sys/kernel/threads-max")
	n := 0
	if err == nil {
		fmt.Sscan(string(data), &n)
	}
	if n <= 0 {
		n = 193105 // of a machine with 24 GiB
	}
	return n * 15 / 100
}

// selects applies --type, --state and patterns to a unit.
func (s *systemctl) selects(u *bus.UnitState, patterns []string) bool {
	if len(s.types) > 0 && !slices.Contains(s.types, unitfile.Type(u.Name)) {
		return false
	}
	if len(s.states) > 0 && !slices.Contains(s.states, u.Load) && !slices.Contains(s.states, u.Sub) && !slices.Contains(s.states, u.Active) {
		return false
	}
	if len(patterns) > 0 && !slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := path.Match(unitfile.Mangle(p), u.Name)
		return ok
	}) {
		return false
	}
	if s.all || len(s.states) > 0 {
		return true
	}
	return !(u.Active == bus.Inactive && u.Job == "") && u.Load != "merged"
}

// list asks for the units in memory, sorted as lists are.
func (s *systemctl) list() ([]bus.UnitState, bool) {
	r, err := s.bus.Call(bus.Request{Method: "List"})
	if err != nil {
		s.Fail("Failed to list units: %s", err)
		return nil, false
	}
	sort.SliceStable(r.Units, func(i, j int) bool {
		a, b := unitfile.Type(r.Units[i].Name), unitfile.Type(r.Units[j].Name)
		if a != b {
			return a < b
		}
		return strings.ToLower(r.Units[i].Name) < strings.ToLower(r.Units[j].Name)
	})
	return r.Units, true
}

func (s *systemctl) listUnits(args []string) int {
	list, ok := s.list()
	if !ok {
		return 1
	}
	header := []string{"UNIT", "LOAD", "ACTIVE", "SUB", "DESCRIPTION"}
	var rows [][]cell
	jobs := false
	for i := range list {
		u := &list[i]
		if !s.selects(u, args) {
			continue
		}
		jobs = jobs || u.Job != ""
		dot, dotColor, load, activeColor := " ", "", "", ""
		switch {
		case u.Active == bus.Failed:
			dot, dotColor, activeColor = s.Glyph("black"), screen.Red, screen.Red
		case u.Load == units.NotFound || u.Load == units.BadSetting || u.Load == units.LoadError || u.Load == units.Masked:
			dot, dotColor, load = s.Glyph("black"), screen.Yellow, screen.Red
			if u.Load == units.Masked {
				load = screen.Yellow
			}
		}
		row := []cell{{u.Name, dotColor}, {u.Load, load}, {u.Active, activeColor}, {u.Sub, activeColor}, {u.Description, ""}}
		if !s.plain {
			row = append([]cell{{dot, dotColor}}, row...)
		}
		rows = append(rows, row)
	}
	if !s.plain {
		header = append([]string{" "}, header...)
	}
	s.table(header, rows, !s.noLegend, true)
	if s.noLegend {
		return 0
	}
	if len(rows) > 0 {
		fmt.Fprintln(s.Out, "\nLOAD   = Reflects whether the unit definition was properly loaded.")
		fmt.Fprintln(s.Out, "ACTIVE = The high-level unit activation state, i.e. generalization of SUB.")
		fmt.Fprintln(s.Out, "SUB    = The low-level unit activation state, values depend on unit type.")
	}
	count := fmt.Sprintf("%d loaded units listed.", len(rows))
	color := screen.Bold
	if len(rows) == 0 {
		color = screen.Red
	}
	count = s.Paint(color, count)
	files := s.Paint(screen.Grey, "To show all installed unit files use 'systemctl list-unit-files'.")
	switch {
	case len(s.states) > 0 && len(rows) > 0:
		fmt.Fprintf(s.Out, "%d loaded units listed.\n", len(rows))
	case len(s.states) > 0:
		fmt.Fprintln(s.Out, count)
	case s.all:
		fmt.Fprintf(s.Out, "%s\n%s\n", count, files)
	default:
		fmt.Fprintf(s.Out, "%s %s\n%s\n", count, s.Paint(screen.Grey, "Pass --all to see loaded but inactive units, too."), files)
	}
	return 0
}

func (s *systemctl) listUnitFiles(args []string) int {
	rules := units.PresetRules(s.files)
	var rows [][]cell
	for _, n := range units.Names(s.files, s.loader) {
		if len(args) > 0 && !slices.ContainsFunc(args, func(p string) bool { ok, _ := path.Match(p, n); return ok }) {
			continue
		}
		state := units.FileState(s.files, s.loader, n)
		if len(s.types) > 0 && !slices.Contains(s.types, unitfile.Type(n)) || len(s.states) > 0 && !slices.Contains(s.states, state) {
			continue
		}
		preset := units.PresetWord(rules, n, state)
		color := enabledColor(preset)
		if preset == "" {
			preset, color = "-", screen.Grey
		}
		nameColor := ""
		if state == "masked" {
			nameColor = ""
		}
		rows = append(rows, []cell{{n, nameColor}, {state, enabledColor(state)}, {preset, color}})
	}
	s.tellLoaded()
	legend := !s.noLegend && !s.quiet
	s.table([]string{"UNIT FILE", "STATE", "PRESET"}, rows, legend, false)
	if legend {
		fmt.Fprintf(s.Out, "\n%d unit files listed.\n", len(rows))
	}
	if len(rows) == 0 && (s.bus == nil || len(args) > 0) {
		return 1
	}
	return 0
}

func (s *systemctl) listJobs([]string) int {
	r, err := s.bus.Call(bus.Request{Method: "Jobs"})
	if err != nil {
		s.Fail("Failed to list jobs: %s", err)
		return 1
	}
	if len(r.Jobs) == 0 {
		if !s.noLegend {
			fmt.Fprintln(s.Out, "No jobs running.")
		}
		return 0
	}
	var rows [][]cell
	for _, j := range r.Jobs {
		rows = append(rows, []cell{{strconv.Itoa(j.ID), ""}, {j.Unit, ""}, {j.Kind, ""}, {j.State, ""}})
	}
	s.table([]string{"JOB", "UNIT", "TYPE", "STATE"}, rows, !s.noLegend, false)
	if !s.noLegend {
		fmt.Fprintf(s.Out, "\n%d jobs listed.\n", len(rows))
	}
	return 0
}

func (s *systemctl) listSockets(args []string) int {
	list, ok := s.list()
	if !ok {
		return 1
	}
	type socket struct{ listen, unit, activates string }
	var sockets []socket
	for i := range list {
		u := &list[i]
		if unitfile.Type(u.Name) != "socket" || !s.selects(u, args) {
			continue
		}
		activates := "-"
		if t := u.Deps[string(unitfile.Triggers)]; len(t) > 0 {
			activates = strings.Join(t, ", ")
		}
		for _, l := range u.Listens {
			kind, addr, _ := strings.Cut(l, " ")
			if kind == "Netlink" {
				addr = strings.TrimSpace(addr)
			}
			sockets = append(sockets, socket{addr, u.Name, activates})
		}
	}
	sort.SliceStable(sockets, func(i, j int) bool { return sockets[i].listen < sockets[j].listen })
	var rows [][]cell
	for _, l := range sockets {
		rows = append(rows, []cell{{l.listen, ""}, {l.unit, ""}, {l.activates, ""}})
	}
	s.table([]string{"LISTEN", "UNIT", "ACTIVATES"}, rows, !s.noLegend, false)
	if !s.noLegend {
		fmt.Fprintf(s.Out, "\n%d sockets listed.\n", len(rows))
		if !s.all {
			fmt.Fprintln(s.Out, "Pass --all to see loaded but inactive sockets, too.")
		}
	}
	return 0
}

func (s *systemctl) listTimers(args []string) int {
	list, ok := s.list()
	if !ok {
		return 1
	}
	var timers []*bus.UnitState
	for i := range list {
		if u := &list[i]; unitfile.Type(u.Name) == "timer" && s.selects(u, args) {
			timers = append(timers, u)
		}
	}
	sort.SliceStable(timers, func(i, j int) bool {
		a, b := timers[i].TimerNext, timers[j].TimerNext
		if a.IsZero() || b.IsZero() {
			return !a.IsZero() && b.IsZero()
		}
		return a.Before(b)
	})
	when := func(t time.Time) (at, ago string) {
		if t.IsZero() {
			return "-", "-"
		}
		return s.stamp(t), s.ago(t)
	}
	var rows [][]cell
	for _, u := range timers {
		next, left := when(u.TimerNext)
		last, passed := when(u.TimerLast)
		activates := strings.Join(u.Deps[string(unitfile.Triggers)], ", ")
		rows = append(rows, []cell{{next, ""}, {left, ""}, {last, ""}, {passed, ""}, {u.Name, ""}, {activates, ""}})
	}
	s.table([]string{"NEXT", "LEFT", "LAST", "PASSED", "UNIT", "ACTIVATES"}, rows, !s.noLegend, false)
	if !s.noLegend {
		fmt.Fprintf(s.Out, "\n%d timers listed.\n", len(rows))
		if !s.all {
			fmt.Fprintln(s.Out, "Pass --all to see loaded but inactive timers, too.")
		}
	}
	return 0
}
