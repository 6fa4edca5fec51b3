package pid1

import (
	"slices"
	"time"

	"enshu/sim/systemd/bus"
	"enshu/sim/systemd/calendar"
	"enshu/sim/systemd/machine"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/systemd/units"
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
	frag *units.Fragment

	state, sub string
	result     string
	job        *job
	invocation journal.ID

	changed, activeEnter, activeExit, inactiveEnter, inactiveExit moment

	// begun is when what leads out of inactive began, if lines may have been
	// logged since: they belong to the run that inactiveExit is the beginning of.
	begun moment

	assertAt      moment
	assertMet     bool
	conditionAt   moment
	conditionMet  bool
	conditionText string // the one that did not hold

	fileStateTold bool // what is wrong with the [Install] section was told

	windowFrom time.Duration // of the start rate limit
	windowN    int

	svc     *service // of a service
	timer   *timer   // of a timer
	watcher *watcher // of a path unit
	mount   *mount   // of a mount unit that has a file
}

func (m *manager) newUnit(f *units.Fragment) *unit {
	u := &unit{m: m, name: f.Name, frag: f, state: bus.Inactive, sub: "dead", result: bus.ResultSuccess}
	switch unitfile.Type(f.Name) {
	case "service":
		u.svc = &service{u: u, runs: map[string][]*bus.Run{}, args: map[int][]string{}}
	case "timer":
		u.timer = &timer{u: u}
	case "path":
		u.watcher = &watcher{u: u}
	case "mount":
		if f.Path != "" {
			u.mount = &mount{u: u}
		}
	}
	return u
}

func (u *unit) config() *unitfile.Config { return u.frag.Config }

// description is Description=, or the name.
func (u *unit) description() string {
	if d := u.frag.Config.Description; d != "" && u.frag.State != units.Masked {
		return d
	}
	return u.name
}

// deps returns the units that u names in dependencies of these kinds, or that
// name it in their inverse.
func (u *unit) deps(kinds ...unitfile.Dep) []*unit {
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

func (u *unit) isActive() bool   { return u.state == bus.Active || u.state == bus.Reloading }
func (u *unit) isInactive() bool { return u.state == bus.Inactive || u.state == bus.Failed }

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
	was, is := from == bus.Inactive || from == bus.Failed, u.isInactive()
	switch {
	case was && !is:
		u.inactiveExit = now
		if !u.begun.zero() {
			u.inactiveExit, u.begun = u.begun, moment{}
		}
	case !was && is:
		u.inactiveEnter = now
	}
	was, is = from == bus.Active || from == bus.Reloading, u.isActive()
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
	if c.LimitInterval == 0 || c.LimitBurst == 0 {
		return false
	}
	now := u.m.p.Clock.Monotonic()
	if u.windowN == 0 || c.LimitInterval != calendar.Forever && now-u.windowFrom > c.LimitInterval {
		u.windowFrom, u.windowN = now, 1
		return false
	}
	if u.windowN < c.LimitBurst {
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
	if u.state == bus.Activating && u.sub != "auto-restart" {
		return "", false
	}
	u.assertAt = u.m.now()
	if u.assertMet = u.test(u.config().Asserts); !u.assertMet {
		u.say(syslog.Err, "", "Starting requested but asserts failed.")
		return "assert", true
	}
	u.conditionAt = u.m.now()
	u.conditionMet = u.test(u.config().Conditions)
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
	u.result = bus.ResultSuccess
	u.newInvocation()
	switch unitfile.Type(u.name) {
	case "socket":
		if s := u.config().Socket; !s.Accept {
			if by := u.m.get(s.Service); by.loadProblem() != nil {
				u.say(syslog.Err, "", "Socket service %s not loaded, refusing.", s.Service)
				return "failed", true
			}
		}
		u.set(bus.Active, u.socketSub())
	case "timer", "path":
		for _, t := range u.deps(unitfile.Triggers) {
			if t.loadProblem() != nil {
				u.say(syslog.Err, "", "Refusing to start, unit %s to trigger not loaded.", t.name)
				return "failed", true
			}
		}
		if u.watcher != nil {
			u.watcher.arm()
			break
		}
		u.set(bus.Active, "waiting")
		u.timer.arm()
	case "mount":
		if u.mount != nil {
			u.mount.start()
			return u.settled()
		}
		u.set(bus.Active, "mounted")
	case "scope":
		u.set(bus.Active, "running")
	default:
		u.set(bus.Active, "active")
	}
	return "done", true
}

// settled says how a start job stands after the unit changed.
func (u *unit) settled() (result string, over bool) {
	switch u.state {
	case bus.Active, bus.Reloading:
		return "done", true
	case bus.Failed:
		return "failed", true
	case bus.Inactive:
		if u.result == bus.ResultSuccess || u.result == bus.ResultSkip {
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
	if u.mount != nil {
		u.mount.stop()
		return
	}
	if u.timer != nil {
		u.timer.disarm()
	}
	if u.watcher != nil {
		u.watcher.disarm()
	}
	if u.timer != nil || u.watcher != nil {
		u.say(syslog.Info, msgSuccess, "Deactivated successfully.")
	}
	u.set(bus.Inactive, "dead")
}

// socketSub: a socket unit runs when its service does.
func (u *unit) socketSub() string {
	if s := u.m.units[u.config().Socket.Service]; s != nil && !s.isInactive() {
		return "running"
	}
	return "listening"
}

// need reports whether the unit's files changed on disk since they were read.
func (u *unit) needsReload(l *units.Loader) bool { return l.Changed(u.frag) }
