package trace

import (
	"fmt"
	"slices"
	"strings"
)

// outlined are the kinds of events that what is done on the hosts decides, with
// the attributes that it decides. The first attribute names the thing that the
// event is about.
var outlined = map[Kind][]string{
	UnitChanged:     {"unit", "to", "result"},
	ConfigLoaded:    {"file", "errors", "digest"},
	FirewallChanged: {"zone", "change"},
	FileRotated:     {"from", "to"},
	AliasExpanded:   {"from", "to", "file", "line"},
	AliasMissed:     {"from", "file", "line"},
	MailDelivered:   {"mailbox", "to"},
	ClockStepped:    {"reason"},
}

// Outline is the part of a trace that two runs of the same work leave alike:
// for each host and thing (a unit, a file, a zone, a mailbox) what became of it,
// in order.
//
// A whole trace of a live lab is never the same twice. Its processes run side by
// side on real processors, so that the order of events of different programs
// changes from run to run, as do process ids, ports, queue ids, measured delays,
// and how often somebody who waits has looked. Over sim/memnet, in virtual time,
// whole traces are equal, and tests there compare them.
func Outline(events []Event) string {
	things := map[string][]string{}
	for _, e := range events {
		names, ok := outlined[e.Kind]
		if !ok {
			continue
		}
		var rest []string
		for _, n := range names[1:] {
			if v := e.Attrs[n]; v != "" {
				rest = append(rest, n+"="+v)
			}
		}
		thing := fmt.Sprintf("%s %s %s", e.Host, e.Kind, e.Attrs[names[0]])
		things[thing] = append(things[thing], strings.Join(rest, " "))
	}
	var lines []string
	for thing, steps := range things {
		for i, s := range steps {
			lines = append(lines, fmt.Sprintf("%s #%04d %s\n", thing, i+1, s))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}
