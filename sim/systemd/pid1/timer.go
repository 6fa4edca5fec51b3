package pid1

import (
	"os"
	"path"
	"time"

	"enshu/sim/clock"
	"enshu/sim/libc"
	"enshu/sim/systemd/bus"
	"enshu/sim/systemd/calendar"
)

// timer is the state of a timer unit.
type timer struct {
	u     *unit
	next  time.Time // zero when nothing is due
	last  time.Time
	alarm *clock.LocalTimer
}

// arm computes when the timer elapses next.
func (t *timer) arm() {
	t.disarm()
	m, c := t.u.m, t.u.config().Timer
	now, zone := m.p.Now(), libc.Zone(m.p)
	from := now
	if c.Persistent && t.last.IsZero() {
		t.last = t.stamp()
	}
	if c.Persistent && !t.last.IsZero() {
		from = t.last
	}
	t.next = time.Time{}
	consider := func(at time.Time) {
		if t.next.IsZero() || at.Before(t.next) {
			t.next = at
		}
	}
	for _, s := range c.Calendar {
		if cal, ok := calendar.ParseEvent(s); ok {
			if at, ok := cal.Next(from.In(zone)); ok {
				consider(at)
			}
		}
	}
	target := m.units[m.realName(c.Unit)]
	for _, s := range c.Monotonic {
		d, ok := calendar.ParseSpan(s.Span, time.Second)
		if !ok {
			continue
		}
		var from time.Time // which it counts from
		switch s.Base {
		case "OnBootSec":
			from = now.Add(-m.p.Host.Kmsg.Uptime())
		case "OnStartupSec":
			from = m.startedAt.real
		case "OnActiveSec":
			from = t.u.activeEnter.real
			if from.IsZero() {
				from = now
			}
		case "OnUnitActiveSec":
			if target != nil {
				from = target.activeEnter.real
			}
		case "OnUnitInactiveSec":
			if target != nil {
				from = target.inactiveEnter.real
			}
		}
		if from.IsZero() || !t.last.IsZero() && !from.Add(d).After(t.last) {
			continue
		}
		at := from.Add(d)
		if at.Before(now) {
			if !t.last.IsZero() {
				continue
			}
			at = now
		}
		consider(at)
	}
	if t.next.IsZero() {
		if t.u.state == bus.Active {
			t.u.set(bus.Active, "elapsed")
		}
		return
	}
	if t.u.state == bus.Active {
		t.u.set(bus.Active, "waiting")
	}
	// A clock that is set meanwhile is noticed, at the latest, within an hour.
	wait := min(max(t.next.Sub(now), 0), time.Hour)
	t.alarm = m.later(wait, t.elapse)
}

func (t *timer) disarm() {
	if t.alarm != nil {
		t.alarm.Stop()
		t.alarm = nil
	}
}

func (t *timer) elapse() {
	m := t.u.m
	if t.u.state != bus.Active {
		return
	}
	if m.p.Now().Before(t.next) {
		t.arm()
		return
	}
	t.last = m.p.Now()
	if t.u.config().Timer.Persistent {
		t.touch(t.last)
	}
	t.u.set(bus.Active, "running")
	m.enqueue(m.get(t.u.config().Timer.Unit), bus.JobStart)
	t.arm()
}

// stampDir has a file for each timer with Persistent=yes, whose time of change is
// when it elapsed last, or was started first (systemd.timer(5)).
const stampDir = "/var/lib/systemd/timers"

func (t *timer) stampFile() string { return path.Join(stampDir, "stamp-"+t.u.name) }

// stamp returns when the timer elapsed last before this boot, or the zero time. A
// stamp that is not there yet begins now.
func (t *timer) stamp() time.Time {
	info, err := t.u.m.p.Sys.Stat(t.stampFile())
	if err != nil {
		t.touch(t.u.m.p.Now())
		return time.Time{}
	}
	return info.ModTime()
}

// touch sets the stamp. A file system that takes none makes the timer forget, no more.
func (t *timer) touch(at time.Time) {
	p := t.u.m.p
	if libc.MkdirAll(p, stampDir, 0o755) != nil {
		return
	}
	if f, err := p.Sys.OpenFile(t.stampFile(), os.O_WRONLY|os.O_CREATE, 0o644); err == nil {
		f.Close()
		_ = p.Sys.Chtimes(t.stampFile(), at, at)
	}
}
