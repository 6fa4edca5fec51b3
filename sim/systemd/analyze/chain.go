package analyze

import (
	"fmt"
	"sort"
	"time"

	"enshu/sim/systemd/bus"
	"enshu/sim/systemd/calendar"
	"enshu/sim/systemd/screen"
	"enshu/sim/systemd/unitfile"
)

// criticalChain shows, for the default target or for units, which of what they
// come after was up last, and of that in turn.
func (s *analysis) criticalChain(args []string) int {
	r, err := s.bus.Call(bus.Request{Method: "List"})
	if err != nil {
		s.Fail("Failed to list units: %s", err)
		return 1
	}
	all := map[string]*bus.UnitState{}
	var boot time.Duration
	for i := range r.Units {
		u := &r.Units[i]
		for _, n := range u.Names {
			all[n] = u
		}
		if u.Name == "init.scope" {
			boot = u.ActiveEnter.Mono
		}
	}
	fmt.Fprintln(s.Out, "The time when unit became active or started is printed after the \"@\" character.")
	fmt.Fprintln(s.Out, "The time the unit took to start is printed after the \"+\" character.")
	fmt.Fprintln(s.Out)
	if len(args) == 0 {
		name, _, _ := s.loader.Find("default.target")
		args = []string{name}
	}
	for _, a := range args {
		if u := all[unitfile.Mangle(a)]; u != nil {
			s.chainLine(u, boot, "")
			s.chain(u, all, boot, s.Glyph("right"), "", map[string]bool{u.Name: true})
		}
	}
	return 0
}

// chain goes down to what was up last of all that a unit comes after.
func (s *analysis) chain(u *bus.UnitState, all map[string]*bus.UnitState, boot time.Duration, glyph, indent string, seen map[string]bool) {
	var after []*bus.UnitState
	for _, n := range u.Deps[string(unitfile.After)] {
		if v := all[n]; v != nil && !seen[v.Name] && v.ActiveEnter.Mono > 0 && v.ActiveEnter.Mono <= max(u.ActiveEnter.Mono, u.InactiveExit.Mono) {
			after = append(after, v)
		}
	}
	if len(after) == 0 {
		return
	}
	sort.SliceStable(after, func(i, j int) bool { return after[i].ActiveEnter.Mono > after[j].ActiveEnter.Mono })
	v := after[0]
	seen[v.Name] = true
	s.chainLine(v, boot, indent+glyph)
	s.chain(v, all, boot, glyph, indent+"  ", seen)
}

func (s *analysis) chainLine(u *bus.UnitState, boot time.Duration, before string) {
	at, took := u.ActiveEnter.Mono, u.ActiveEnter.Mono-u.InactiveExit.Mono
	text := u.Name
	if took > 0 && u.InactiveExit.Mono > 0 {
		at = u.InactiveExit.Mono
	}
	if at > 0 {
		text += " @" + calendar.FormatSpan(max(at-boot, 0), time.Millisecond)
	}
	if took >= time.Millisecond && u.InactiveExit.Mono > 0 {
		text = s.Paint(screen.UnderRed, text+" +"+calendar.FormatSpan(took, time.Millisecond))
	}
	fmt.Fprintln(s.Out, before+text)
}
