package systemctl

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"enshu/sim/systemd/bus"
	"enshu/sim/systemd/unitfile"
)

// listDependencies shows the tree of what a unit needs.
func (s *systemctl) listDependencies(args []string) int {
	if len(args) == 0 {
		args = []string{"default.target"}
	}
	for i, name := range s.names(args) {
		if i > 0 {
			fmt.Fprintln(s.Out)
		}
		r, err := s.bus.Call(bus.Request{Method: "Show", Unit: name})
		if err != nil {
			s.Fail("%s", err)
			return 1
		}
		fmt.Fprintln(s.Out, r.Unit.Name)
		t := dependencyTree{s, map[string]*bus.UnitState{}, nil}
		t.below(r.Unit, nil)
	}
	return 0
}

// dependencyKinds are what list-dependencies follows.
func (s *systemctl) dependencyKinds() []unitfile.Dep {
	switch {
	case s.after:
		return []unitfile.Dep{unitfile.After}
	case s.before:
		return []unitfile.Dep{unitfile.Before}
	case s.reverse:
		return []unitfile.Dep{unitfile.RequiredBy, unitfile.RequisiteO, unitfile.WantedBy, unitfile.ConsistsOf, unitfile.BoundBy}
	}
	return []unitfile.Dep{unitfile.Requires, unitfile.Requisite, unitfile.Wants, unitfile.ConsistsOf, unitfile.BindsTo}
}

// dependencyTree is a tree that is being printed. A unit stands in it as often as
// it is needed, but not below itself; a plain list has it once.
type dependencyTree struct {
	s     *systemctl
	known map[string]*bus.UnitState
	above []string
}

func (t *dependencyTree) unit(name string) *bus.UnitState {
	if t.known[name] == nil {
		r, err := t.s.bus.Call(bus.Request{Method: "Show", Unit: name})
		if err != nil {
			return nil
		}
		t.known[name] = r.Unit
	}
	return t.known[name]
}

// below prints what a unit needs; bars says which of the levels above go on.
func (t *dependencyTree) below(u *bus.UnitState, bars []bool) {
	t.above = append(t.above, u.Name)
	names := t.names(u)
	for i, name := range names {
		more := i < len(names)-1
		if slices.Contains(t.above, name) {
			if !t.s.plain {
				t.line("  ", "...", append(bars, more), false)
			}
			continue
		}
		v := t.unit(name)
		if v == nil {
			continue
		}
		t.line(t.s.dot(v.Active)+" ", name, bars, more)
		if t.s.all || unitfile.Type(name) == "target" {
			t.below(v, append(slices.Clone(bars), more))
		}
	}
	if !t.s.plain {
		t.above = t.above[:len(t.above)-1]
	}
}

func (t *dependencyTree) line(dot, name string, bars []bool, more bool) {
	var b strings.Builder
	if t.s.plain {
		b.WriteString(strings.Repeat("  ", len(bars)+1))
	} else {
		b.WriteString(dot)
		for _, bar := range bars {
			if bar {
				b.WriteString(t.s.Glyph("vertical"))
			} else {
				b.WriteString(t.s.Glyph("space"))
			}
		}
		if more {
			b.WriteString(t.s.Glyph("branch"))
		} else {
			b.WriteString(t.s.Glyph("right"))
		}
	}
	fmt.Fprintln(t.s.Out, b.String()+name)
}

// names are what a unit needs, targets last.
func (t *dependencyTree) names(u *bus.UnitState) []string {
	var names []string
	for _, d := range t.s.dependencyKinds() {
		for _, n := range u.Deps[string(d)] {
			if !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	sort.SliceStable(names, func(i, j int) bool {
		a, b := unitfile.Type(names[i]) == "target", unitfile.Type(names[j]) == "target"
		if a != b {
			return b
		}
		return strings.ToLower(names[i]) < strings.ToLower(names[j])
	})
	return names
}
