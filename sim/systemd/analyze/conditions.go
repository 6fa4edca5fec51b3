package analyze

import (
	_ "embed"
	"fmt"
	"strings"

	"enshu/sim/systemd/unitfile"
	"enshu/sim/systemd/units"
)

// exitStatuses is the table that exit-status prints, recorded.
//
//go:embed exitstatus.txt
var exitStatuses string

// exitStatus lists the statuses that have a name, or some of them.
func (s *analysis) exitStatus(args []string) int {
	lines := strings.Split(strings.TrimSuffix(exitStatuses, "\n"), "\n")
	if len(args) == 0 {
		fmt.Fprint(s.Out, exitStatuses)
		return 0
	}
	rows := [][]string{{"NAME", "STATUS", "CLASS"}}
	for _, a := range args {
		var found []string
		for _, line := range lines[1:] {
			if f := strings.Fields(line); f[0] == a || f[1] == a {
				found = f
			}
		}
		if found == nil {
			s.Fail("Invalid exit status \"%s\".", a)
			return 1
		}
		rows = append(rows, found)
	}
	width := 0
	for _, r := range rows {
		width = max(width, len(r[0]))
	}
	for _, r := range rows {
		fmt.Fprintf(s.Out, "%-*s %6s %s\n", width, r[0], r[1], r[2])
	}
	return 0
}

// condition evaluates conditions and asserts, each kind as a whole.
func (s *analysis) condition(args []string) int {
	lists := map[bool][]unitfile.Condition{}
	for _, a := range args {
		c, assert, ok := unitfile.ParseCondition(a)
		if !ok {
			s.Fail("Cannot parse \"%s\".", a)
			return 1
		}
		lists[assert] = append([]unitfile.Condition{c}, lists[assert]...)
	}
	status := 0
	for _, assert := range []bool{true, false} {
		list := lists[assert]
		if len(list) == 0 {
			continue
		}
		word := map[bool]string{true: "Assert", false: "Condition"}[assert]
		all, triggers, triggered := true, false, false
		for _, c := range list {
			holds := units.Holds(s.p, c) != c.Negate
			sign := ""
			if c.Trigger {
				sign = "|"
				triggers, triggered = true, triggered || holds
			} else {
				all = all && holds
			}
			if c.Negate {
				sign += "!"
			}
			s.Note("test.service: %s%s=%s%s %s.", word, c.Kind, sign, c.Value, outcome(holds))
		}
		good := all && (!triggers || triggered)
		s.Note("%ss %s.", word, outcome(good))
		if !good {
			status = 1
		}
	}
	return status
}

func outcome(ok bool) string {
	if ok {
		return "succeeded"
	}
	return "failed"
}
