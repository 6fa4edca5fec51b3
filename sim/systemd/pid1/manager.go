package pid1

import (
	"context"
	"errors"
	"path"
	"slices"
	"sort"
	"strconv"
	"sync/atomic"
	"time"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/systemd/bus"
	"enshu/sim/systemd/calendar"
	"enshu/sim/systemd/machine"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/systemd/units"
	"enshu/sim/wire/journal"
	"enshu/sim/wire/syslog"
)

// manager is PID 1. One goroutine, the loop of Init, owns all of it; others
// post functions to its queue.
type manager struct {
	p     *host.Proc
	ctx   context.Context
	queue *clock.Queue[func()]

	units  map[string]*unit  // by their own names
	alias  map[string]string // other names
	edges  map[*unit]map[unitfile.Dep][]*unit
	loader *units.Loader

	jobs    []*job // those not finished, in the order of their ids
	nextJob int
	logged  int // lines
	waiting []*jobWait

	env                 []string // of set-environment
	logLevel, logTarget string   // what systemctl log-level and log-target said
	bootID              journal.ID
	invocations         int
	journalUp           atomic.Bool // journald takes what is logged
	journal             libc.Datagrams
	started             time.Duration
	bootDone            bool
	startedAt           moment
	exit                int        // what Init returns, when it is over
	over                bool       // the loop ends
	stopping            bool       // a shutdown is under way
	planned             *scheduled // and one that is to come
	byPID               map[int]*unit
	past                []int // ended processes that journald may still ask about
}

// post hands f to the loop. It never blocks.
func (m *manager) post(f func()) { m.queue.TryPut(f) }

// later posts f once d of the host's time has passed.
func (m *manager) later(d time.Duration, f func()) *clock.LocalTimer {
	return m.p.Clock.AfterFunc(d, func() { m.post(f) })
}

func (m *manager) now() moment {
	return moment{m.p.Now(), m.p.Host.Kmsg.Uptime()}
}

// run executes what is posted until the manager is over or ctx ends.
func (m *manager) run() {
	for !m.over {
		f, err := m.queue.Get(m.ctx)
		if err != nil {
			return
		}
		m.loader = units.NewLoader(m.p)
		f()
		m.dispatch()
	}
}

// realName resolves an alias that is known.
func (m *manager) realName(name string) string {
	if real, ok := m.alias[name]; ok {
		return real
	}
	return name
}

// get returns a unit, loading it and all it depends on.
func (m *manager) get(name string) *unit {
	if u := m.units[m.realName(name)]; u != nil {
		if u.frag.State == units.NotFound && m.loader.Found(name) {
			m.reloadUnit(u)
		}
		return u
	}
	u := m.loadOne(name)
	for todo := []*unit{u}; len(todo) > 0; todo = todo[1:] {
		for _, names := range todo[0].frag.Config.Deps {
			for _, n := range names {
				if m.units[m.realName(n)] == nil {
					todo = append(todo, m.loadOne(n))
				}
			}
		}
	}
	return u
}

func (m *manager) loadOne(name string) *unit {
	f := m.loader.Load(name)
	if f.Name != name {
		m.alias[name] = f.Name
		if u := m.units[f.Name]; u != nil {
			if !slices.Contains(u.frag.Aliases, name) {
				u.frag.Aliases = append(u.frag.Aliases, name)
			}
			return u
		}
	}
	u := m.newUnit(f)
	m.units[f.Name] = u
	m.edges = nil
	u.tell()
	return u
}

// tell logs what is wrong with the unit's files.
func (u *unit) tell() {
	for _, p := range u.frag.Problems {
		u.log(syslog.Warning, "", p.String())
	}
}

// installProblems logs what is wrong with a unit's file as far as enabling is
// concerned, which is read once more when somebody asks whether it is enabled.
func (m *manager) installProblems(f *units.Fragment) {
	for _, p := range f.InstallProblems() {
		m.log(syslog.Warning, p.String(), journal.Field{Name: "UNIT", Value: f.Name})
	}
}

func (m *manager) reloadUnit(u *unit) {
	u.frag, u.fileStateTold = m.loader.Load(u.name), false
	m.edges = nil
	u.tell()
}

// graph returns the dependencies between the units in memory, both ways.
func (m *manager) graph() map[*unit]map[unitfile.Dep][]*unit {
	if m.edges != nil {
		return m.edges
	}
	g := make(map[*unit]map[unitfile.Dep][]*unit, len(m.units))
	add := func(u, v *unit, d unitfile.Dep) {
		if g[u] == nil {
			g[u] = map[unitfile.Dep][]*unit{}
		}
		if !slices.Contains(g[u][d], v) {
			g[u][d] = append(g[u][d], v)
		}
	}
	for _, u := range m.sorted() {
		for d, names := range u.frag.Config.Deps {
			for _, n := range names {
				v := m.units[m.realName(n)]
				if v == nil || v == u {
					continue
				}
				add(u, v, d)
				if inv, ok := unitfile.Inverse[d]; ok {
					add(v, u, inv)
				}
			}
		}
	}
	for _, u := range m.sorted() {
		for _, n := range u.frag.Config.AfterWanted {
			v := m.units[m.realName(n)]
			if v == nil || v == u || v.frag.State != units.Loaded || v.config().NoDefaults || slices.Contains(g[v][unitfile.After], u) {
				continue
			}
			add(u, v, unitfile.After)
			add(v, u, unitfile.Before)
		}
	}
	m.edges = g
	return g
}

// sorted returns the units in memory by name.
func (m *manager) sorted() []*unit {
	list := make([]*unit, 0, len(m.units))
	for _, u := range m.units {
		list = append(list, u)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].name < list[j].name })
	return list
}

// collect forgets the units that nothing needs: a unit that is dead and that
// no other asks for is read anew when somebody does.
func (m *manager) collect() {
	keep := map[*unit]bool{}
	var mark func(*unit)
	mark = func(u *unit) {
		if keep[u] {
			return
		}
		keep[u] = true
		for _, names := range u.frag.Config.Deps {
			for _, n := range names {
				if v := m.units[m.realName(n)]; v != nil {
					mark(v)
				}
			}
		}
	}
	for _, u := range m.units {
		if u.state != bus.Inactive || u.job != nil || u.svc != nil && u.svc.leaves() {
			mark(u)
		}
	}
	for name, u := range m.units {
		if !keep[u] {
			delete(m.units, name)
			for _, a := range u.frag.Aliases {
				delete(m.alias, a)
			}
			m.edges = nil
		}
	}
}

// reload reads all unit files again (daemon-reload); what runs goes on.
func (m *manager) reload() {
	m.log(syslog.Info, "Reloading.")
	m.collect()
	m.loader = units.NewLoader(m.p)
	for _, u := range m.sorted() {
		if u.state == bus.Inactive && u.job == nil && u.svc != nil && u.inactiveEnter.zero() {
			delete(m.units, u.name)
			continue
		}
		u.frag, u.fileStateTold = m.loader.Load(u.name), false
		u.windowN = 0
		if u.svc != nil {
			u.svc.forget()
		}
		u.tell()
	}
	m.alias = map[string]string{}
	m.edges = nil
	for _, u := range m.sorted() {
		for _, names := range u.frag.Config.Deps {
			for _, n := range names {
				m.get(n)
			}
		}
	}
	m.edges = nil
}

// notify is called after a unit changed its state.
func (m *manager) notify(u *unit, from string) {
	m.journaldChanged(u)
	if j := u.job; j != nil && j.running {
		m.progress(j)
	}
	if u.isInactive() && from != bus.Inactive && from != bus.Failed {
		for _, v := range u.deps(unitfile.BoundBy) {
			if !v.isInactive() && v.job == nil {
				m.enqueue(v, bus.JobStop)
			}
		}
	}
	if u.state == bus.Failed && from != bus.Failed && !(u.svc != nil && u.svc.willRestart) {
		m.trigger(u, unitfile.OnFailure)
	}
	if u.state == bus.Inactive && from != bus.Inactive && from != bus.Failed {
		m.trigger(u, unitfile.OnSuccess)
	}
	if u.isInactive() && !m.stopping && slices.ContainsFunc(u.deps(unitfile.UpheldBy), (*unit).isActive) {
		m.later(journalLag, func() {
			if u.isInactive() && u.job == nil {
				m.enqueue(u, bus.JobStart)
			}
		})
	}
	for _, s := range u.deps(unitfile.Triggered) {
		if s.state == bus.Active && unitfile.Type(s.name) == "socket" {
			s.set(bus.Active, s.socketSub())
		}
		if s.timer != nil && s.state == bus.Active && u.isInactive() {
			s.timer.arm()
		}
		if s.watcher != nil && u.isInactive() {
			s.watcher.ended(u)
		}
	}
}

// trigger starts the units of OnFailure= or OnSuccess=.
func (m *manager) trigger(u *unit, d unitfile.Dep) {
	list := u.deps(d)
	if len(list) == 0 {
		return
	}
	u.say(syslog.Info, "", "Triggering %s= dependencies.", d)
	for _, v := range list {
		if v.svc != nil && v.isInactive() {
			v.svc.monitored = u.monitorEnv()
		}
		m.enqueue(v, bus.JobStart)
	}
}

// publish makes known which unit a process belongs to, by the links of
// [machine.UnitsDir].
func (m *manager) publish(u *unit, ident string, pid int) {
	m.byPID[pid] = u
	links := []machine.Link{
		{Name: path.Join(machine.UnitsDir, "pid:"+strconv.Itoa(pid)), Target: u.name},
		{Name: path.Join(machine.UnitsDir, "invocation:"+u.name), Target: u.invocation.String()},
	}
	if ident != "" {
		links = append(links, machine.Link{Name: machine.ExecLink(u.name, ident), Target: strconv.Itoa(pid)})
	}
	machine.ReplaceLinks(m.p, links...)
}

// withdraw forgets a process that ended; the last of them stay a while, since
// what they wrote may not have been read yet.
func (m *manager) withdraw(pid int) {
	delete(m.byPID, pid)
	m.past = append(m.past, pid)
	if len(m.past) > 32 {
		m.p.Sys.Remove(path.Join(machine.UnitsDir, "pid:"+strconv.Itoa(m.past[0])))
		m.past = m.past[1:]
	}
}

// systemState is what is-system-running says.
func (m *manager) systemState() string {
	switch {
	case m.stopping:
		return "stopping"
	case !m.bootDone:
		return "starting"
	}
	for _, name := range []string{"rescue.service", "emergency.service"} {
		if u := m.units[name]; u != nil && !u.isInactive() {
			return "maintenance"
		}
	}
	for _, u := range m.units {
		if u.state == bus.Failed {
			return "degraded"
		}
	}
	return "running"
}

// checkBoot notes the end of the boot: nothing is left to do.
func (m *manager) checkBoot() {
	if m.bootDone || len(m.jobs) > 0 || m.stopping {
		return
	}
	m.bootDone = true
	m.p.Ready()
	took := m.p.Clock.Monotonic() - m.started
	m.log(syslog.Info, "Startup finished in "+calendar.FormatSpan(took, time.Millisecond)+".",
		journal.Field{Name: "MESSAGE_ID", Value: msgStartupEnd},
		journal.Field{Name: "USERSPACE_USEC", Value: strconv.Itoa(int(took.Microseconds()))})
}

func asErrUnit(err error) *bus.Error {
	var e *bus.Error
	if errors.As(err, &e) {
		return e
	}
	if c, ok := units.ChangeOf(err); ok {
		name := map[string]string{units.ErrKindExists: bus.ErrFileExists, units.ErrKindMasked: bus.ErrMasked, units.ErrKindNone: bus.ErrNoSuchUnit, units.ErrKindContent: bus.ErrLoadFailed}[c.Kind]
		if name == "" {
			name = bus.ErrInvalidArgs
		}
		return bus.NewError(name, c.Error())
	}
	return bus.NewError("Failed", libc.Strerror(err))
}
