package pid1

import (
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
	t.next = time.Time{}
	consider := func(at time.Time) {
		if t.next.IsZero() || at.Before(t.next) {
			t.next = at
		}
	}
	for _, s := range c.Calendar {
		if cal, ok := calendar.ParseEvent(s); ok {
			if at, ok := cal.Next(now.In(zone)); ok {
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
		var from time.Time
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
	wait := min(t.next.Sub(now), time.Hour)
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
	t.u.set(bus.Active, "running")
	m.enqueue(m.get(t.u.config().Timer.Unit), bus.JobStart)
	t.arm()
}
