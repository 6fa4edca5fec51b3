package pid1

import (
	"syscall"
	"time"

	"enshu/sim/systemd/bus"
	"enshu/sim/systemd/calendar"
	"enshu/sim/wire/syslog"
)

// watch begins to wait for a sign of life of the service, or begins anew after
// one (WatchdogSec= of systemd.service(5)).
func (s *service) watch() {
	s.unwatch()
	limit := s.config().Watchdog
	if limit == 0 || limit == calendar.Forever {
		return
	}
	s.dog = s.u.m.later(limit, func() { s.bark(limit) })
}

func (s *service) unwatch() {
	if s.dog != nil {
		s.dog.Stop()
		s.dog = nil
	}
}

// bark ends a service that gave no sign of life in time.
func (s *service) bark(limit time.Duration) {
	s.dog = nil
	switch s.u.sub {
	case bus.SubStart, bus.SubStartPost, bus.SubRunning, bus.SubReload:
	default:
		return
	}
	s.u.say(syslog.Err, "", "Watchdog timeout (limit %s)!", calendar.FormatSpan(limit, time.Microsecond))
	s.signalAll(bus.SubStopWatchdog, bus.ResultWatchdog)
}

// tellsSignal: that a process gets the signal is told in the journal, since it is
// not part of an orderly end.
func (s *service) tellsSignal(sig syscall.Signal) bool {
	v := s.config()
	return sig == v.FinalKillSignal || sig == v.WatchdogSignal && sig != v.KillSignal
}
