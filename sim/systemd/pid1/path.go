package pid1

import (
	"time"

	"enshu/sim/clock"
	"enshu/sim/libc"
	"enshu/sim/systemd/bus"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/systemd/units"
	"enshu/sim/wire/journal"
	"enshu/sim/wire/syslog"
)

// watcher is the state of a path unit (systemd.path(5)).
type watcher struct {
	u      *unit
	alarm  *clock.LocalTimer
	stamps map[string]time.Time // of what PathChanged= and PathModified= name
}

// pathPeriod is how often PID 1 looks at the paths; it has no inotify.
const pathPeriod = time.Second

// arm begins to wait. What is there already counts, a change only from now on.
func (w *watcher) arm() {
	w.u.set(bus.Active, "waiting")
	w.stamps = map[string]time.Time{}
	for _, c := range w.u.config().Path.Watches {
		w.stamps[c.Path] = w.stamp(c.Path)
	}
	w.look()
}

func (w *watcher) stamp(name string) time.Time {
	info, err := w.u.m.p.Sys.Stat(name)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

func (w *watcher) disarm() {
	if w.alarm != nil {
		w.alarm.Stop()
		w.alarm = nil
	}
}

// look starts the other unit if something is there, and else looks again later.
func (w *watcher) look() {
	w.disarm()
	if w.u.state != bus.Active || w.u.sub != "waiting" {
		return
	}
	for _, c := range w.u.config().Path.Watches {
		if w.holds(c) {
			w.u.set(bus.Active, "running")
			w.u.m.enqueue(w.u.m.get(w.u.config().Path.Unit), bus.JobStart)
			return
		}
	}
	w.alarm = w.u.m.later(pathPeriod, w.look)
}

func (w *watcher) holds(c unitfile.Watch) bool {
	p := w.u.m.p
	switch c.Kind {
	case "PathExists":
		return libc.Exists(p, c.Path)
	case "PathExistsGlob":
		return units.GlobExists(p, c.Path)
	case "DirectoryNotEmpty":
		names, _ := libc.ReadDir(p, c.Path)
		return len(names) > 0
	}
	return !w.stamp(c.Path).Equal(w.stamps[c.Path])
}

// ended is told that the other unit is no longer active.
func (w *watcher) ended(other *unit) {
	if w.u.state != bus.Active || w.u.sub != "running" {
		return
	}
	if other.result == bus.ResultLimit {
		w.u.result = "unit-start-limit-hit"
		w.u.log(syslog.Warning, msgResult, w.u.name+": Failed with result '"+w.u.result+"'.", journal.Field{Name: "UNIT_RESULT", Value: w.u.result})
		w.u.set(bus.Failed, "failed")
		return
	}
	w.arm()
}
