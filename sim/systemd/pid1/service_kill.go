package pid1

import (
	"enshu/sim/systemd/bus"
	"enshu/sim/systemd/machine"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/wire/syslog"
	"slices"
	"strings"
	"syscall"
	"time"
)

// members are the service's processes: those PID 1 started and what they left.
func (s *service) members() []int {
	pids := slices.Clone(s.children)
	if s.mainPID > 0 && !slices.Contains(pids, s.mainPID) {
		pids = append(pids, s.mainPID)
	}
	for _, pid := range machine.InvocationPIDs(s.u.m.p, s.u.invocation.String()) {
		if !slices.Contains(pids, pid) {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// leaves reports whether processes that outlived the service still live.
func (s *service) leaves() bool {
	s.leftover = slices.DeleteFunc(s.leftover, func(pid int) bool { return s.u.m.signal(pid, 0) == syscall.ESRCH })
	return len(s.leftover) > 0
}

// signalAll goes to a state of killing: every process gets the state's signal,
// and when there is none the next step is taken at once.
func (s *service) signalAll(sub, result string) {
	s.fail(result)
	v := s.config()
	sig := v.KillSignal
	switch sub {
	case bus.SubStopSigkill, bus.SubFinalSigkill:
		sig = v.FinalKillSignal
	case bus.SubStopWatchdog:
		sig = v.WatchdogSignal
	}
	any := false
	for _, pid := range s.members() {
		isMain := pid == s.mainPID || s.control != nil && pid == s.control.PID
		switch {
		case v.KillMode == "none", v.KillMode == "process" && !isMain, v.KillMode == "mixed" && !isMain && sub != bus.SubStopSigkill && sub != bus.SubFinalSigkill:
			continue
		}
		if s.tellsSignal(sig) {
			s.u.say(syslog.Notice, "", "Killing process %d (%s) with signal SIG%s.", pid, s.comm(pid), unitfile.SignalName(sig))
		}
		if s.u.m.signal(pid, sig) == nil {
			any = true
			if v.SendSIGHUP && sig != syscall.SIGKILL {
				s.u.m.signal(pid, syscall.SIGHUP)
			}
		}
	}
	if !any {
		s.gone(sub)
		return
	}
	s.setSub(sub)
	s.arm(v.TimeoutStop, func() { s.killTimeout(sub) })
	s.watchOrphans()
}

// comm is the name of a process.
func (s *service) comm(pid int) string {
	if c := machine.ProcComm(s.u.m.p, pid); c != "" {
		return c
	}
	if s.mainRun != nil && s.mainRun.PID == pid {
		return s.mainRun.Comm
	}
	for _, list := range s.runs {
		for _, r := range list {
			if r.PID == pid {
				return r.Comm
			}
		}
	}
	return "n/a"
}

// killTimeout: who did not heed SIGTERM gets SIGKILL; then we go on without.
func (s *service) killTimeout(sub string) {
	switch {
	case (sub == bus.SubStopSigterm || sub == bus.SubFinalSigterm || sub == bus.SubStopWatchdog) && s.config().SendSIGKILL:
		s.u.say(syslog.Warning, "", "State '%s' timed out. Killing.", sub)
		next := bus.SubStopSigkill
		if sub == bus.SubFinalSigterm {
			next = bus.SubFinalSigkill
		}
		s.signalAll(next, bus.ResultTimeout)
	default:
		s.u.say(syslog.Warning, "", "Processes still around after %s. Ignoring.", strings.ToUpper(sub[strings.IndexByte(sub, '-')+1:]))
		s.gone(sub)
	}
}

// gone is the step after a state of killing.
func (s *service) gone(sub string) {
	if sub == bus.SubStopSigterm || sub == bus.SubStopSigkill || sub == bus.SubStopWatchdog {
		s.stopPost()
		return
	}
	s.dead(true)
}

func (s *service) stopPost() {
	if len(s.config().Exec["ExecStopPost"]) > 0 {
		s.setSub(bus.SubStopPost)
		s.arm(s.config().TimeoutStop, func() { s.signalAll(bus.SubFinalSigterm, bus.ResultTimeout) })
		s.commands("ExecStopPost")
		return
	}
	s.signalAll(bus.SubFinalSigterm, bus.ResultSuccess)
}

// alive are the members that still exist and that killing is about.
func (s *service) alive() []int {
	pids := s.members()
	if m := s.config().KillMode; m == "process" || m == "none" {
		pids = slices.DeleteFunc(pids, func(pid int) bool { return pid != s.mainPID && !slices.Contains(s.children, pid) })
	}
	return slices.DeleteFunc(pids, func(pid int) bool {
		return !slices.Contains(s.children, pid) && s.u.m.signal(pid, 0) == syscall.ESRCH
	})
}

// lastGone goes on when a state of killing has nobody left.
func (s *service) lastGone() {
	switch s.u.sub {
	case bus.SubStopWatchdog, bus.SubStopSigterm, bus.SubStopSigkill, bus.SubFinalSigterm, bus.SubFinalSigkill:
		if len(s.alive()) == 0 {
			s.gone(s.u.sub)
		}
	case bus.SubRunning:
		if s.mainPID == 0 && s.config().Kind == "forking" && len(s.alive()) == 0 {
			s.running(bus.ResultSuccess)
		}
	}
}

func (s *service) killControl() {
	if s.control != nil {
		s.control.Signal(syscall.SIGKILL)
		s.control = nil
	}
}

// orphanPeriod is how often PID 1 looks whether the processes that it is
// killing, and that are not its children, still exist.
const orphanPeriod = 10 * time.Millisecond

// watchOrphans looks again and again until those are gone.
func (s *service) watchOrphans() {
	if s.pidAlarm != nil {
		s.pidAlarm.Stop()
		s.pidAlarm = nil
	}
	if s.u.state != bus.Deactivating || len(s.alive()) == len(s.children) {
		return
	}
	s.pidAlarm = s.u.m.later(orphanPeriod, func() {
		s.pidAlarm = nil
		if s.mainPID > 0 && s.main == nil {
			s.mainGone()
		} else {
			s.lastGone()
		}
		s.watchOrphans()
	})
}
