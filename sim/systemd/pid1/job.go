package pid1

import (
	"slices"

	"enshu/sim/systemd/bus"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/systemd/units"
	"enshu/sim/wire/syslog"
)

// job is a change of a unit that was asked for.
type job struct {
	id      int
	u       *unit
	kind    string // start, stop, restart or reload
	asked   string // what it was when it was enqueued
	running bool
	resting bool // between the stop and the start of a restart
	told    bool // the line about its beginning was logged
	ended   bool // and that about its end

	unordered bool // --job-mode=ignore-dependencies: it waits for nobody
}

// jobWait is somebody who waits for jobs.
type jobWait struct {
	jobs    map[int]bool
	results []bus.JobResult
	done    func([]bus.JobResult) // nil until somebody asks
}

// loadProblem says why no job may be made for a unit.
func (u *unit) loadProblem() error {
	switch u.frag.State {
	case units.NotFound:
		return bus.NewError(bus.ErrNoSuchUnit, u.frag.Reason)
	case units.Masked:
		return bus.NewError(bus.ErrMasked, u.frag.Reason)
	case units.BadSetting:
		return bus.NewError(bus.ErrBadSetting, u.frag.Reason)
	case units.LoadError:
		return bus.NewError(bus.ErrLoadFailed, u.frag.Reason)
	}
	return nil
}

// request checks and enqueues a job that a client asked for, with all it brings.
func (m *manager) request(name, kind, mode string) (*job, error) {
	if mode == "" {
		mode = bus.ModeReplace
	}
	if !slices.Contains(jobModes, mode) {
		return nil, bus.NewError(bus.ErrInvalidArgs, "Job mode "+mode+" invalid")
	}
	if m.stopping {
		return nil, bus.NewError(bus.ErrShutdown, "Transaction for "+name+"/"+kind+" is destructive (shutdown in progress).")
	}
	if !unitfile.ValidName(name) {
		return nil, bus.NewError(bus.ErrInvalidArgs, "Unit name "+name+" is not valid.")
	}
	if _, _, _, template := unitfile.SplitName(name); template {
		return nil, bus.NewError(bus.ErrInvalidArgs, "Unit name "+name+" is missing the instance name.")
	}
	u := m.get(name)
	if kind == bus.JobStop && u.state == bus.Inactive && u.frag.State != units.Loaded && u.frag.State != units.Masked {
		return nil, bus.NewError(bus.ErrNoSuchUnit, "Unit "+name+" not loaded.")
	}
	if u.isInactive() && u.frag.State != units.Loaded && len(u.frag.Stamps) > 0 && m.loader.Changed(u.frag) {
		m.reloadUnit(u)
	}
	switch {
	case mode != bus.ModeIsolate:
	case kind != bus.JobStart:
		return nil, bus.NewError(bus.ErrInvalidArgs, "Isolate is only valid for start.")
	case !u.config().Isolate:
		return nil, bus.NewError(bus.ErrNoIsolation, "Operation refused, unit may not be isolated.")
	}
	reloads := u.canReload()
	switch kind {
	case bus.JobReloadOr:
		kind = bus.JobRestart
		if reloads {
			kind = bus.JobReload
			if u.isInactive() {
				kind = bus.JobStart
			}
		}
	case bus.JobReloadOrTry, bus.JobTryRestart:
		if err := u.loadProblem(); err != nil {
			return nil, err
		}
		if u.isInactive() {
			return nil, nil
		}
		if reloads && kind == bus.JobReloadOrTry {
			kind = bus.JobReload
		} else {
			kind = bus.JobRestart
		}
	}
	if kind != bus.JobStop {
		if err := u.loadProblem(); err != nil {
			return nil, err
		}
	} else if u.frag.State == units.NotFound && u.isInactive() {
		return nil, bus.NewError(bus.ErrNoSuchUnit, "Unit "+name+" not loaded.")
	}
	switch {
	case kind == bus.JobReload && !reloads:
		return nil, bus.NewError(bus.ErrNotApplicable, "Job type reload is not applicable for unit "+u.name+".")
	case kind == bus.JobStart && u.config().RefuseStart, kind == bus.JobRestart && (u.config().RefuseStart || u.config().RefuseStop):
		return nil, bus.NewError(bus.ErrOnlyDependency, "Operation refused, unit "+u.name+" may be requested by dependency only (it is configured to refuse manual start/stop).")
	case kind == bus.JobStop && u.config().RefuseStop:
		return nil, bus.NewError(bus.ErrOnlyDependency, "Operation refused, unit "+u.name+" may be requested by dependency only (it is configured to refuse manual start/stop).")
	}
	t, err := m.plan(u, kind, mode)
	if err != nil {
		return nil, err
	}
	return t.commit(), nil
}

// canReload: there is something to run for a reload.
func (u *unit) canReload() bool {
	return u.svc != nil && len(u.config().Service.Exec["ExecReload"]) > 0
}

// install puts a job on a unit, merging it with the one there.
func (m *manager) install(u *unit, kind string) *job {
	if j := u.job; j != nil {
		switch {
		case j.kind == kind, j.kind == bus.JobRestart && kind == bus.JobStart, j.kind == bus.JobStart && kind == bus.JobRestart && j.running:
			return j
		case j.kind == bus.JobStart && kind == bus.JobReload && !j.running:
			return j
		case kind == bus.JobStart && (j.kind == bus.JobReload):
			return j
		}
		m.finish(j, bus.ResultCanceled)
	}
	m.nextJob++
	j := &job{id: m.nextJob, u: u, kind: kind, asked: kind}
	u.job = j
	m.jobs = append(m.jobs, j)
	return j
}

// dispatch runs every job that may run, until none is left that may.
func (m *manager) dispatch() {
	for again := true; again && !m.over; {
		again = false
		for _, j := range slices.Clone(m.jobs) {
			if !j.running && !j.resting && j.u.job == j && m.runnable(j) {
				m.perform(j)
				again = true
			}
		}
		if !again && len(m.jobs) > 0 && !slices.ContainsFunc(m.jobs, func(j *job) bool { return j.running || j.resting }) {
			// Everything waits for something else that waits.
			j := m.jobs[len(m.jobs)-1]
			j.u.say(syslog.Err, "", "Job %s/%s deleted to break ordering cycle", j.u.name, j.kind)
			m.finish(j, bus.ResultCanceled)
			again = true
		}
	}
	m.stopUnneeded()
	m.checkBoot()
}

// stopUnneeded stops the units with StopWhenUnneeded= that no other unit which is
// up wants any more.
func (m *manager) stopUnneeded() {
	for _, u := range m.units {
		if !u.config().StopWhenUnneeded || !u.isActive() || u.job != nil {
			continue
		}
		needed := slices.ContainsFunc(u.deps(unitfile.RequiredBy, unitfile.WantedBy, unitfile.BoundBy, unitfile.RequisiteO), func(by *unit) bool {
			return !by.isInactive() || by.job != nil
		})
		if !needed {
			m.enqueue(u, bus.JobStop)
		}
	}
}

// runnable: does ordering allow the job now? Of two units of which one comes
// after the other, the later one goes down first and up last.
func (m *manager) runnable(j *job) bool {
	if j.unordered {
		return true
	}
	if !j.down() {
		for _, v := range j.u.deps(unitfile.After) {
			if v.job != nil && v != j.u {
				return false
			}
		}
	}
	for _, v := range j.u.deps(unitfile.Before) {
		if v.job != nil && v != j.u && v.job.down() {
			return false
		}
	}
	return true
}

// down: the job takes its unit down, if only for a moment.
func (j *job) down() bool { return j.kind == bus.JobStop || j.kind == bus.JobRestart }

// perform begins a job.
func (m *manager) perform(j *job) {
	j.running = true
	u := j.u
	switch j.kind {
	case bus.JobStart:
		result, over := u.start()
		if u.job != j {
			return
		}
		if over {
			m.finish(j, result)
			return
		}
		m.began(j)
	case bus.JobVerifyActive:
		if u.isActive() {
			m.finish(j, bus.ResultDone)
			return
		}
		u.log(syslog.Notice, "", u.name+" is inactive.")
		m.finish(j, bus.ResultFailed)
	case bus.JobStop, bus.JobRestart:
		if u.isInactive() {
			m.stopped(j, false)
			return
		}
		if u.sub != bus.SubAutoRestart {
			u.announce(syslog.Info, msgStopping, u.words().stopping, j, "")
			j.told = true
		}
		u.stop() // its end is noticed when the unit's state changes
	case bus.JobReload:
		if !u.isActive() {
			u.say(syslog.Warning, "", "Unit cannot be reloaded because it is inactive.")
			m.finish(j, bus.ResultInvalid)
			return
		}
		u.announce(syslog.Info, msgReloading, "Reloading %s...", j, "")
		u.svc.reload()
	}
}

// began logs the line about a start that takes time.
func (m *manager) began(j *job) {
	if !j.told {
		j.told = true
		j.u.announce(syslog.Info, msgStarting, j.u.words().starting, j, "")
	}
}

// sayStarted logs the end of a start job ahead of its end.
func (m *manager) sayStarted(j *job) {
	j.ended = true
	j.u.announce(syslog.Info, msgStarted, j.u.words().started, j, bus.ResultDone)
}

// stopped ends a stop job, or lets a restart job go on as a start job.
func (m *manager) stopped(j *job, was bool) {
	if was {
		j.u.announce(syslog.Info, msgStopped, j.u.words().stopped, j, bus.ResultDone)
	}
	if j.kind == bus.JobRestart {
		j.kind, j.running, j.told, j.resting = bus.JobStart, false, false, true
		m.later(journalLag, func() { j.resting = false })
		return
	}
	m.finish(j, bus.ResultDone)
}

// progress looks whether a running job's unit got where it should.
func (m *manager) progress(j *job) {
	u := j.u
	switch j.kind {
	case bus.JobStart:
		if result, over := u.settled(); over {
			m.finish(j, result)
		}
	case bus.JobStop, bus.JobRestart:
		if u.isInactive() {
			m.stopped(j, true)
		} else if u.mount != nil && u.state == bus.Active {
			m.finish(j, bus.ResultFailed) // it is busy
		}
	case bus.JobReload:
		if u.state != bus.Reloading {
			if u.svc.reloadFailed {
				m.finish(j, bus.ResultFailed)
			} else {
				m.finish(j, bus.ResultDone)
			}
		}
	}
}

// finish ends a job and what depends on it.
func (m *manager) finish(j *job, result string) {
	u := j.u
	m.jobs = slices.DeleteFunc(m.jobs, func(k *job) bool { return k == j })
	if u.job == j {
		u.job = nil
	}
	w := u.words()
	switch {
	case j.ended:
	case j.kind == bus.JobStart && result == bus.ResultDone && (j.running || j.told) && !(u.isInactive() && u.inactiveExit.zero()):
		u.announce(syslog.Info, msgStarted, w.started, j, result)
	case j.kind == bus.JobStart && result == bus.ResultFailed:
		u.announce(syslog.Err, msgFailed, w.failed, j, result)
	case j.kind == bus.JobStart && result == bus.ResultAssert:
		u.announce(syslog.Warning, msgFailed, "Assertion failed for %s.", j, result)
	case j.kind == bus.JobStart && result == bus.ResultDependency:
		u.announce(syslog.Warning, msgFailed, "Dependency failed for %s.", j, result)
		u.say(syslog.Notice, "", "Job %s/start failed with result 'dependency'.", u.name)
	case j.kind == bus.JobReload && result == bus.ResultDone:
		u.announce(syslog.Info, msgReloaded, "Reloaded %s.", j, result)
	case j.kind == bus.JobReload && result == bus.ResultFailed:
		u.announce(syslog.Err, msgFailed, "Reload failed for %s.", j, result)
	}
	for _, wait := range slices.Clone(m.waiting) {
		if wait.jobs[j.id] {
			delete(wait.jobs, j.id)
			r := bus.ResultSuccess
			if u.result != "" {
				r = u.result
			}
			wait.results = append(wait.results, bus.JobResult{ID: j.id, Unit: u.name, Result: result, UnitResult: r})
			if len(wait.jobs) == 0 && wait.done != nil {
				m.forget(wait)
				wait.done(wait.results)
			}
		}
	}
	if (j.kind == bus.JobStart || j.kind == bus.JobVerifyActive) && result != bus.ResultDone && result != bus.ResultSkipped && result != bus.ResultCanceled {
		for _, v := range u.deps(unitfile.RequiredBy, unitfile.BoundBy, unitfile.RequisiteO) {
			if k := v.job; k != nil && k.kind == bus.JobStart && !k.running {
				m.finish(k, bus.ResultDependency)
			}
		}
	}
}

// watch adds a job to what w waits for.
func (m *manager) watch(w *jobWait, j *job) {
	if !slices.Contains(m.waiting, w) {
		m.waiting = append(m.waiting, w)
	}
	w.jobs[j.id] = true
}

// await calls done with the results of w's jobs once all are over.
func (m *manager) await(w *jobWait, done func([]bus.JobResult)) {
	if len(w.jobs) > 0 {
		w.done = done
		return
	}
	m.forget(w)
	done(w.results)
}

// forget ends a wait.
func (m *manager) forget(w *jobWait) {
	m.waiting = slices.DeleteFunc(m.waiting, func(x *jobWait) bool { return x == w })
}
