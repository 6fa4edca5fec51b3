package systemd

import (
	"slices"
	"time"

	"enshu/sim/systemd/calendar"
	"enshu/sim/systemd/machine"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/trace"
	"enshu/sim/wire/journal"
	"enshu/sim/wire/syslog"
)

// moment is a point of time on both clocks.
type moment struct {
	real time.Time
	mono time.Duration
}

func (t moment) zero() bool { return t.real.IsZero() }

// unit is a unit in memory.
type unit struct {
	m    *manager
	name string
	frag *fragment

	state, sub string
	result     string
	job        *job
	invocation journal.ID

	changed, activeEnter, activeExit, inactiveEnter, inactiveExit moment

	// begun is when what leads out of inactive began, if lines may have been
	// logged since: they belong to the run that inactiveExit is the beginning of.
	begun moment

	conditionAt   moment
	conditionMet  bool
	conditionText string // the one that did not hold

	windowFrom time.Duration // of the start rate limit
	windowN    int

	svc   *service // of a service
	timer *timer   // of a timer
}

func (m *manager) newUnit(f *fragment) *unit {
	u := &unit{m: m, name: f.name, frag: f, state: inactive, sub: "dead", result: resultSuccess}
	switch unitfile.Type(f.name) {
	case "service":
		u.svc = &service{u: u, runs: map[string]*run{}, args: map[int][]string{}}
	case "timer":
		u.timer = &timer{u: u}
	}
	return u
}

func (u *unit) config() *config { return u.frag.config }

// description is Description=, or the name.
func (u *unit) description() string {
	if d := u.frag.config.description; d != "" && u.frag.state != loadMasked {
		return d
	}
	return u.name
}

// deps returns the units that u names in dependencies of these kinds, or that
// name it in their inverse.
func (u *unit) deps(kinds ...dep) []*unit {
	g := u.m.graph()[u]
	if len(kinds) == 1 {
		return g[kinds[0]]
	}
	var list []*unit
	for _, k := range kinds {
		for _, v := range g[k] {
			if !slices.Contains(list, v) {
				list = append(list, v)
			}
		}
	}
	return list
}

func (u *unit) isActive() bool   { return u.state == active || u.state == reloading }
func (u *unit) isInactive() bool { return u.state == inactive || u.state == failed }

// set moves the unit to a state and tells whoever waits for it.
func (u *unit) set(state, sub string) {
	from, fromSub := u.state, u.sub
	u.state, u.sub = state, sub
	if from == state && fromSub == sub {
		return
	}
	now := u.m.now()
	if from != state {
		u.changed = now
	}
	was, is := from == inactive || from == failed, u.isInactive()
	switch {
	case was && !is:
		u.inactiveExit = now
		if !u.begun.zero() {
			u.inactiveExit, u.begun = u.begun, moment{}
		}
	case !was && is:
		u.inactiveEnter = now
	}
	was, is = from == active || from == reloading, u.isActive()
	switch {
	case !was && is:
		u.activeEnter = now
	case was && !is:
		u.activeExit = now
	}
	if from != state {
		u.m.p.Emit(trace.UnitChanged, trace.Attrs{"unit": u.name, "from": from, "to": state, "result": u.result})
	}
	u.m.notify(u, from)
}

// limited counts a start and reports whether there were too many of late.
func (u *unit) limited() bool {
	c := u.config()
	if c.limitInterval == 0 || c.limitBurst == 0 {
		return false
	}
	now := u.m.p.Clock.Monotonic()
	if u.windowN == 0 || c.limitInterval != calendar.Forever && now-u.windowFrom > c.limitInterval {
		u.windowFrom, u.windowN = now, 1
		return false
	}
	if u.windowN < c.limitBurst {
		u.windowN++
		return false
	}
	return true
}

// newInvocation draws the ID of this run of the unit.
func (u *unit) newInvocation() {
	u.m.invocations++
	u.invocation = machine.DrawID(u.m.p, "invocation", u.name, u.m.bootID, u.m.invocations)
}

// start begins what a start job is for, and reports how the job ends if it
// does at once.
func (u *unit) start() (result string, over bool) {
	if u.isActive() {
		return "done", true
	}
	if u.state == activating && u.sub != "auto-restart" {
		return "", false
	}
	if !u.test(u.config().asserts) {
		u.say(syslog.Err, "", "Starting requested but asserts failed.")
		return "assert", true
	}
	u.conditionAt = u.m.now()
	u.conditionMet = u.test(u.config().conditions)
	if !u.conditionMet {
		text := u.description() + " was skipped because of an unmet condition check (" + u.conditionText + ")."
		if u.conditionText == "" {
			text = u.description() + " was skipped because no trigger condition checks were met."
		}
		u.log(syslog.Info, msgSkipped, text)
		return "skipped", true
	}
	if u.svc != nil {
		u.svc.start()
		return u.settled()
	}
	u.result = resultSuccess
	u.newInvocation()
	switch unitfile.Type(u.name) {
	case "socket":
		u.set(active, u.socketSub())
	case "timer":
		u.set(active, "waiting")
		u.timer.arm()
	case "mount":
		u.set(active, "mounted")
	case "path":
		u.set(active, "waiting")
	case "scope":
		u.set(active, "running")
	default:
		u.set(active, "active")
	}
	return "done", true
}

// settled says how a start job stands after the unit changed.
func (u *unit) settled() (result string, over bool) {
	switch u.state {
	case active, reloading:
		return "done", true
	case failed:
		return "failed", true
	case inactive:
		if u.result == resultSuccess || u.result == resultSkip {
			return "done", true
		}
		return "failed", true
	}
	return "", false
}

// stop begins what a stop job is for.
func (u *unit) stop() {
	if u.svc != nil {
		u.svc.stop()
		return
	}
	if u.timer != nil {
		u.timer.disarm()
	}
	u.set(inactive, "dead")
}

// socketSub: a socket unit runs when its service does.
func (u *unit) socketSub() string {
	if s := u.m.units[u.config().socket.service]; s != nil && !s.isInactive() {
		return "running"
	}
	return "listening"
}

// need reports whether the unit's files changed on disk since they were read.
func (u *unit) needsReload(l *loader) bool { return l.changed(u.frag) }
