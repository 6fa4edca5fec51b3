package systemd

import (
	"slices"
	"strconv"

	"enshu/sim/systemd/unitfile"
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
	results []jobResult
	done    func([]jobResult) // nil until somebody asks
}

// loadProblem says why no job may be made for a unit.
func (u *unit) loadProblem() error {
	switch u.frag.state {
	case loadNotFound:
		return &errUnit{errNoSuchUnit, u.frag.reason}
	case loadMasked:
		return &errUnit{errMasked, u.frag.reason}
	case loadBad:
		return &errUnit{errBadSetting, u.frag.reason}
	case loadError:
		return &errUnit{errLoadFailed, u.frag.reason}
	}
	return nil
}

// request checks and enqueues a job that a client asked for, with all it brings.
func (m *manager) request(name, kind, mode string) (*job, error) {
	if mode == "" {
		mode = modeReplace
	}
	if !slices.Contains(jobModes, mode) {
		return nil, &errUnit{errInvalidArgs, "Job mode " + mode + " invalid"}
	}
	if m.stopping {
		return nil, &errUnit{errShutdown, "Transaction for " + name + "/" + kind + " is destructive (shutdown in progress)."}
	}
	if !unitfile.ValidName(name) {
		return nil, &errUnit{errInvalidArgs, "Invalid unit name " + strconv.Quote(name) + "."}
	}
	if _, _, _, template := unitfile.SplitName(name); template {
		return nil, &errUnit{errInvalidArgs, "Unit name " + name + " is missing the instance name."}
	}
	if kind == jobStop && m.units[m.realName(name)] == nil {
		if u := m.get(name); u.frag.state != loadOK && u.frag.state != loadMasked {
			return nil, &errUnit{errNoSuchUnit, "Unit " + name + " not loaded."}
		}
	}
	u := m.get(name)
	if u.isInactive() && u.frag.state != loadOK && len(u.frag.stamps) > 0 && m.loader.changed(u.frag) {
		m.reloadUnit(u)
	}
	switch {
	case mode != modeIsolate:
	case kind != jobStart:
		return nil, &errUnit{errInvalidArgs, "Isolate is only valid for start."}
	case !u.config().isolate:
		return nil, &errUnit{errNoIsolation, "Operation refused, unit may not be isolated."}
	}
	reloads := u.canReload()
	switch kind {
	case jobReloadOr:
		kind = jobRestart
		if reloads {
			kind = jobReload
			if u.isInactive() {
				kind = jobStart
			}
		}
	case jobReloadOrTry, jobTryRestart:
		if err := u.loadProblem(); err != nil {
			return nil, err
		}
		if u.isInactive() {
			return nil, nil
		}
		if reloads && kind == jobReloadOrTry {
			kind = jobReload
		} else {
			kind = jobRestart
		}
	}
	if kind != jobStop {
		if err := u.loadProblem(); err != nil {
			return nil, err
		}
	} else if u.frag.state == loadNotFound && u.isInactive() {
		return nil, &errUnit{errNoSuchUnit, "Unit " + name + " not loaded."}
	}
	switch {
	case kind == jobReload && !reloads:
		return nil, &errUnit{errNotApplicable, "Job type reload is not applicable for unit " + u.name + "."}
	case kind == jobStart && u.config().refuseStart:
		return nil, &errUnit{errOnlyDependency, "Operation refused, unit " + u.name + " may be requested by dependency only (it is configured to refuse manual start/stop)."}
	case kind == jobStop && u.config().refuseStop:
		return nil, &errUnit{errOnlyDependency, "Operation refused, unit " + u.name + " may be requested by dependency only (it is configured to refuse manual start/stop)."}
	}
	t, err := m.plan(u, kind, mode)
	if err != nil {
		return nil, err
	}
	return t.commit(), nil
}

// canReload: there is something to run for a reload.
func (u *unit) canReload() bool {
	return u.svc != nil && len(u.config().service.exec["ExecReload"]) > 0
}

// install puts a job on a unit, merging it with the one there.
func (m *manager) install(u *unit, kind string) *job {
	if j := u.job; j != nil {
		switch {
		case j.kind == kind, j.kind == jobRestart && kind == jobStart, j.kind == jobStart && kind == jobRestart && j.running:
			return j
		case j.kind == jobStart && kind == jobReload && !j.running:
			return j
		case kind == jobStart && (j.kind == jobReload):
			return j
		}
		m.finish(j, resultCanceled)
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
			m.finish(j, resultCanceled)
			again = true
		}
	}
	m.checkBoot()
}

// runnable: does ordering allow the job now? Of two units of which one comes
// after the other, the later one goes down first and up last.
func (m *manager) runnable(j *job) bool {
	if j.unordered {
		return true
	}
	if !j.down() {
		for _, v := range j.u.deps(after) {
			if v.job != nil && v != j.u {
				return false
			}
		}
	}
	for _, v := range j.u.deps(before) {
		if v.job != nil && v != j.u && v.job.down() {
			return false
		}
	}
	return true
}

// down: the job takes its unit down, if only for a moment.
func (j *job) down() bool { return j.kind == jobStop || j.kind == jobRestart }

// perform begins a job.
func (m *manager) perform(j *job) {
	j.running = true
	u := j.u
	switch j.kind {
	case jobStart:
		result, over := u.start()
		if u.job != j {
			return
		}
		if over {
			m.finish(j, result)
			return
		}
		m.began(j)
	case jobVerifyActive:
		if u.isActive() {
			m.finish(j, resultDone)
			return
		}
		u.log(syslog.Notice, "", u.name+" is inactive.")
		m.finish(j, resultFailed)
	case jobStop, jobRestart:
		if u.isInactive() {
			m.stopped(j, false)
			return
		}
		if u.sub != subAutoRestart {
			u.announce(syslog.Info, msgStopping, u.words().stopping, j, "")
			j.told = true
		}
		u.stop() // its end is noticed when the unit's state changes
	case jobReload:
		if !u.isActive() {
			u.say(syslog.Warning, "", "Unit cannot be reloaded because it is inactive.")
			m.finish(j, resultInvalid)
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
	j.u.announce(syslog.Info, msgStarted, j.u.words().started, j, resultDone)
}

// stopped ends a stop job, or lets a restart job go on as a start job.
func (m *manager) stopped(j *job, was bool) {
	if was {
		j.u.announce(syslog.Info, msgStopped, j.u.words().stopped, j, resultDone)
	}
	if j.kind == jobRestart {
		j.kind, j.running, j.told, j.resting = jobStart, false, false, true
		m.later(journalLag, func() { j.resting = false })
		return
	}
	m.finish(j, resultDone)
}

// progress looks whether a running job's unit got where it should.
func (m *manager) progress(j *job) {
	u := j.u
	switch j.kind {
	case jobStart:
		if result, over := u.settled(); over {
			m.finish(j, result)
		}
	case jobStop, jobRestart:
		if u.isInactive() {
			m.stopped(j, true)
		}
	case jobReload:
		if u.state != reloading {
			if u.svc.reloadFailed {
				m.finish(j, resultFailed)
			} else {
				m.finish(j, resultDone)
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
	case j.kind == jobStart && result == resultDone && (j.running || j.told) && !(u.isInactive() && u.inactiveExit.zero()):
		u.announce(syslog.Info, msgStarted, w.started, j, result)
	case j.kind == jobStart && result == resultFailed:
		u.announce(syslog.Err, msgFailed, w.failed, j, result)
	case j.kind == jobStart && result == resultAssert:
		u.announce(syslog.Warning, msgFailed, "Assertion failed for %s.", j, result)
	case j.kind == jobStart && result == resultDependency:
		u.announce(syslog.Warning, msgFailed, "Dependency failed for %s.", j, result)
		u.say(syslog.Notice, "", "Job %s/start failed with result 'dependency'.", u.name)
	case j.kind == jobReload && result == resultDone:
		u.announce(syslog.Info, msgReloaded, "Reloaded %s.", j, result)
	case j.kind == jobReload && result == resultFailed:
		u.announce(syslog.Err, msgFailed, "Reload failed for %s.", j, result)
	}
	for _, wait := range slices.Clone(m.waiting) {
		if wait.jobs[j.id] {
			delete(wait.jobs, j.id)
			r := resultSuccess
			if u.result != "" {
				r = u.result
			}
			if u.svc != nil && j.kind == jobReload && u.svc.reloadFailed {
				r = resultExit
			}
			wait.results = append(wait.results, jobResult{j.id, u.name, result, r})
			if len(wait.jobs) == 0 && wait.done != nil {
				m.forget(wait)
				wait.done(wait.results)
			}
		}
	}
	if (j.kind == jobStart || j.kind == jobVerifyActive) && result != resultDone && result != resultSkipped && result != resultCanceled {
		for _, v := range u.deps(requiredBy, boundBy, requisiteO) {
			if k := v.job; k != nil && k.kind == jobStart && !k.running {
				m.finish(k, resultDependency)
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
func (m *manager) await(w *jobWait, done func([]jobResult)) {
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
