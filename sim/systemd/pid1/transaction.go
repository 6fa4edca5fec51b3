package pid1

import (
	"slices"
	"strings"

	"enshu/sim/systemd/bus"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/wire/syslog"
)

// transaction are the jobs that one request brings: its own and those of the
// dependencies, checked as a whole before any of them is put in the queue.
type transaction struct {
	m      *manager
	anchor *unit
	mode   string
	jobs   map[*unit]map[string]bool // kind → the anchor fails without it
	order  []*unit                   // of jobs, as they were added
}

// jobModes are all there are; those without a constant are as good as replace.
var jobModes = []string{bus.ModeFail, bus.ModeReplace, "replace-irreversibly", bus.ModeIsolate, bus.ModeFlush, bus.ModeIgnoreDeps, "ignore-requirements", "triggering"}

// plan makes the transaction of a job.
func (m *manager) plan(u *unit, kind, mode string) (*transaction, error) {
	t := &transaction{m: m, anchor: u, mode: mode, jobs: map[*unit]map[string]bool{}}
	if err := t.add(u, kind, true); err != nil {
		return nil, err
	}
	if mode == bus.ModeIsolate {
		t.isolate()
	}
	if err := t.breakCycles(); err != nil {
		m.log(syslog.Warning, "Requested transaction contains an unfixable cyclic ordering dependency: "+err.Error())
		return nil, err
	}
	if err := t.merge(); err != nil {
		m.log(syslog.Warning, "Requested transaction contains unmergeable jobs: "+err.Error())
		return nil, err
	}
	if err := t.destructive(); err != nil {
		m.log(syslog.Warning, "Requested transaction contradicts existing jobs: "+err.Error())
		return nil, err
	}
	return t, nil
}

// add puts a job and those that it needs into the transaction. matters says
// that the anchor cannot be without it.
func (t *transaction) add(u *unit, kind string, matters bool) error {
	if kind == bus.JobTryRestart {
		if u.isInactive() {
			return nil
		}
		kind = bus.JobRestart
	}
	if _, there := t.jobs[u][kind]; there {
		t.jobs[u][kind] = t.jobs[u][kind] || matters
		return nil
	}
	if kind != bus.JobStop {
		if err := u.loadProblem(); err != nil {
			return err
		}
	}
	if t.redundant(u, kind) {
		return nil
	}
	if t.jobs[u] == nil {
		t.jobs[u] = map[string]bool{}
		t.order = append(t.order, u)
	}
	t.jobs[u][kind] = matters
	if t.mode == bus.ModeIgnoreDeps {
		return nil
	}
	switch kind {
	case bus.JobStart, bus.JobRestart:
		for _, v := range u.deps(unitfile.Requires, unitfile.BindsTo) {
			if err := t.add(v, bus.JobStart, matters); err != nil {
				return err
			}
		}
		for _, v := range u.deps(unitfile.Wants, unitfile.Upholds) {
			t.add(v, bus.JobStart, false) // what cannot be had is done without
		}
		for _, v := range u.deps(unitfile.Requisite) {
			if err := t.add(v, bus.JobVerifyActive, matters); err != nil {
				return err
			}
		}
		for _, v := range u.deps(unitfile.Conflicts) {
			if err := t.add(v, bus.JobStop, matters); err != nil {
				return err
			}
		}
		for _, v := range u.deps(unitfile.Conflicted) {
			t.add(v, bus.JobStop, false)
		}
	}
	switch kind {
	case bus.JobStop:
		for _, v := range u.deps(unitfile.RequiredBy, unitfile.RequisiteO, unitfile.BoundBy, unitfile.ConsistsOf, unitfile.PropagatesStop) {
			if err := t.add(v, bus.JobStop, matters); err != nil {
				return err
			}
		}
	case bus.JobRestart:
		for _, v := range u.deps(unitfile.RequiredBy, unitfile.RequisiteO, unitfile.BoundBy, unitfile.ConsistsOf) {
			t.add(v, bus.JobTryRestart, matters)
		}
	case bus.JobReload:
		for _, v := range u.deps(unitfile.PropagatesReload) {
			if v.isActive() && v.canReload() {
				t.add(v, bus.JobReload, false)
			}
		}
	}
	return nil
}

// redundant: the unit is already where the job would bring it, and neither is
// there anything to do for what the unit needs. An isolation wants to know of
// all that stays.
func (t *transaction) redundant(u *unit, kind string) bool {
	if u == t.anchor || t.mode == bus.ModeIsolate || u.job != nil || t.jobs[u] != nil {
		return false
	}
	switch kind {
	case bus.JobStart, bus.JobVerifyActive:
		return u.isActive()
	case bus.JobStop:
		return u.isInactive()
	}
	return false
}

// isolate stops everything that the transaction does not start.
func (t *transaction) isolate() {
	for _, v := range t.m.sorted() {
		switch {
		case t.jobs[v] != nil, v.isInactive() && v.job == nil, v.ignoresIsolate():
		case slices.ContainsFunc(v.deps(unitfile.Triggered), func(by *unit) bool { return t.jobs[by] != nil }):
		default:
			t.add(v, bus.JobStop, true)
		}
	}
	for _, u := range slices.Clone(t.order) {
		for kind := range t.jobs[u] {
			if u != t.anchor && u.job == nil && (kind == bus.JobStart && u.isActive() || kind == bus.JobStop && u.isInactive()) {
				t.drop(u, kind)
			}
		}
	}
}

// ignoresIsolate is IgnoreOnIsolate= with its default of the unit's type.
func (u *unit) ignoresIsolate() bool {
	if v := u.config().IgnoreOnIsolate; v != nil {
		return *v
	}
	switch unitfile.Type(u.name) {
	case "slice", "scope", "device", "swap", "mount", "automount":
		return true
	}
	return false
}

func (t *transaction) drop(u *unit, kind string) {
	delete(t.jobs[u], kind)
	if len(t.jobs[u]) == 0 {
		delete(t.jobs, u)
		t.order = slices.DeleteFunc(t.order, func(v *unit) bool { return v == u })
	}
}

// merge makes one job of those that a unit got.
func (t *transaction) merge() error {
	for _, u := range slices.Clone(t.order) {
		kinds := t.jobs[u]
		if _, stops := kinds[bus.JobStop]; stops && len(kinds) > 1 {
			other := ""
			for _, k := range []string{bus.JobStart, bus.JobRestart, bus.JobReload, bus.JobVerifyActive} {
				if _, there := kinds[k]; there {
					other = k
				}
			}
			switch {
			case !kinds[bus.JobStop]:
				t.drop(u, bus.JobStop)
			case !kinds[other]:
				t.drop(u, other)
			default:
				return bus.NewError(bus.ErrConflicting, "Transaction contains conflicting jobs 'stop' and '"+other+"' for "+u.name+". Probably contradicting requirement dependencies configured.")
			}
		}
		if len(kinds) < 2 {
			continue
		}
		merged, matters := "", false
		for k, m := range kinds {
			matters = matters || m
			merged = mergedKind(merged, k)
		}
		t.jobs[u] = map[string]bool{merged: matters}
	}
	return nil
}

// mergedKind is the job that does what two do; the stronger one comes later in
// this order.
func mergedKind(a, b string) string {
	strength := []string{"", bus.JobVerifyActive, bus.JobStart, bus.JobReload, bus.JobRestart}
	if slices.Index(strength, a) > slices.Index(strength, b) {
		return a
	}
	return b
}

// kind is the only job of a unit, once they are merged.
func (t *transaction) kind(u *unit) string {
	for k := range t.jobs[u] {
		return k
	}
	return ""
}

// destructive checks what --job-mode=fail forbids: taking back a job that is
// in the queue.
func (t *transaction) destructive() error {
	if t.mode != bus.ModeFail {
		return nil
	}
	for _, u := range t.order {
		kind := t.kind(u)
		if j := u.job; j != nil && (j.kind == bus.JobStop) != (kind == bus.JobStop) {
			return bus.NewError(bus.ErrDestructive, "Transaction for "+t.anchor.name+"/"+t.kind(t.anchor)+" is destructive ("+u.name+" has '"+
				j.kind+"' job queued, but '"+kind+"' is included in transaction).")
		}
	}
	return nil
}

// breakCycles drops a job of every circle in the order of starts, one that the
// anchor can do without.
func (t *transaction) breakCycles() error {
	for {
		cycle := t.cycle()
		if cycle == nil {
			return nil
		}
		first := cycle[0]
		kind := func(u *unit) string { return u.name + "/" + t.kind(u) }
		victim := -1
		for i := 1; i < len(cycle) && victim < 0; i++ {
			if u := cycle[i]; u != t.anchor && !t.matters(u) {
				victim = i
			}
		}
		for i := 1; i < len(cycle); i++ {
			word := "Found dependency on "
			if i == 1 {
				word = "Found ordering cycle on "
			}
			first.say(syslog.Err, "", "%s%s", word, kind(cycle[i]))
		}
		first.say(syslog.Err, "", "Found dependency on %s", kind(first))
		if victim < 0 {
			first.say(syslog.Err, "", "Unable to break cycle starting with %s", kind(first))
			return bus.NewError(bus.ErrCyclic, "Transaction order is cyclic. See system logs for details.")
		}
		first.say(syslog.Err, "", "Job %s deleted to break ordering cycle starting with %s", kind(cycle[victim]), kind(first))
		for k := range t.jobs[cycle[victim]] {
			t.drop(cycle[victim], k)
		}
	}
}

func (t *transaction) matters(u *unit) bool {
	for _, m := range t.jobs[u] {
		if m {
			return true
		}
	}
	return false
}

// cycle finds units that all come after each other; it begins with the last
// but one that was looked at, as the real search does.
func (t *transaction) cycle() []*unit {
	const looking, done = 1, 2
	state := map[*unit]int{}
	var path []*unit
	var visit func(u *unit) []*unit
	visit = func(u *unit) []*unit {
		switch state[u] {
		case done:
			return nil
		case looking:
			i := slices.Index(path, u)
			round := slices.Clone(path[i:])
			// The unit at which the search noticed is named last.
			return append(round[1:], round[0])
		}
		state[u] = looking
		path = append(path, u)
		for _, v := range u.deps(unitfile.After) {
			if t.jobs[v] == nil || t.jobs[v][bus.JobStop] && !t.jobs[v][bus.JobStart] {
				continue
			}
			if c := visit(v); c != nil {
				return c
			}
		}
		path = path[:len(path)-1]
		state[u] = done
		return nil
	}
	for _, u := range t.order {
		if _, stops := t.jobs[u][bus.JobStop]; stops {
			continue
		}
		if c := visit(u); c != nil {
			return c
		}
	}
	return nil
}

// commit puts the jobs of the transaction in the queue and returns the anchor's.
func (t *transaction) commit() *job {
	m := t.m
	if t.mode == bus.ModeFlush || t.mode == bus.ModeIsolate {
		for _, j := range slices.Clone(m.jobs) {
			if t.jobs[j.u] == nil {
				m.finish(j, bus.ResultCanceled)
			}
		}
	}
	var anchor *job
	for _, u := range t.order {
		j := m.install(u, t.kind(u))
		if t.mode == bus.ModeIgnoreDeps {
			j.unordered = true
		}
		if u == t.anchor {
			anchor = j
		}
	}
	return anchor
}

// enqueue makes a job of PID 1's own accord; nil when it cannot be.
func (m *manager) enqueue(u *unit, kind string) *job {
	t, err := m.plan(u, kind, bus.ModeReplace)
	if err != nil {
		m.log(syslog.Warning, u.name+": Failed to enqueue "+kind+" job: "+strings.TrimSuffix(err.Error(), "."))
		return nil
	}
	return t.commit()
}
