package systemd

import (
	"enshu/sim/systemd/machine"
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

// signalAll goes to a state of killing: every process gets the state's signal,
// and when there is none the next step is taken at once.
func (s *service) signalAll(sub, result string) {
	s.fail(result)
	v := s.config()
	sig := v.killSignal
	if sub == subStopSigkill || sub == subFinalSigkill {
		sig = syscall.SIGKILL
	}
	any := false
	for _, pid := range s.members() {
		isMain := pid == s.mainPID || s.control != nil && pid == s.control.PID
		switch {
		case v.killMode == "none", v.killMode == "process" && !isMain, v.killMode == "mixed" && !isMain && sig != syscall.SIGKILL:
			continue
		}
		if sig == syscall.SIGKILL {
			s.u.say(syslog.Notice, "", "Killing process %d (%s) with signal SIGKILL.", pid, s.comm(pid))
		}
		if s.u.m.signal(pid, sig) == nil {
			any = true
			if v.sendSIGHUP && sig != syscall.SIGKILL {
				s.u.m.signal(pid, syscall.SIGHUP)
			}
		}
	}
	if !any {
		s.gone(sub)
		return
	}
	s.setSub(sub)
	s.arm(v.timeoutStop, func() { s.killTimeout(sub) })
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
	for _, r := range s.runs {
		if r.PID == pid {
			return r.Comm
		}
	}
	return "n/a"
}

// killTimeout: who did not heed SIGTERM gets SIGKILL; then we go on without.
func (s *service) killTimeout(sub string) {
	switch {
	case (sub == subStopSigterm || sub == subFinalSigterm) && s.config().sendSIGKILL:
		s.u.say(syslog.Warning, "", "State '%s' timed out. Killing.", sub)
		next := subStopSigkill
		if sub == subFinalSigterm {
			next = subFinalSigkill
		}
		s.signalAll(next, resultTimeout)
	default:
		s.u.say(syslog.Warning, "", "Processes still around after %s. Ignoring.", strings.ToUpper(sub[strings.IndexByte(sub, '-')+1:]))
		s.gone(sub)
	}
}

// gone is the step after a state of killing.
func (s *service) gone(sub string) {
	if sub == subStopSigterm || sub == subStopSigkill {
		s.stopPost()
		return
	}
	s.dead(true)
}

func (s *service) stopPost() {
	if len(s.config().exec["ExecStopPost"]) > 0 {
		s.setSub(subStopPost)
		s.arm(s.config().timeoutStop, func() { s.signalAll(subFinalSigterm, resultTimeout) })
		s.commands("ExecStopPost")
		return
	}
	s.signalAll(subFinalSigterm, resultSuccess)
}

// alive are the members that still exist and that killing is about.
func (s *service) alive() []int {
	pids := s.members()
	if m := s.config().killMode; m == "process" || m == "none" {
		pids = slices.DeleteFunc(pids, func(pid int) bool { return pid != s.mainPID && !slices.Contains(s.children, pid) })
	}
	return slices.DeleteFunc(pids, func(pid int) bool {
		return !slices.Contains(s.children, pid) && s.u.m.signal(pid, 0) == syscall.ESRCH
	})
}

// lastGone goes on when a state of killing has nobody left.
func (s *service) lastGone() {
	switch s.u.sub {
	case subStopSigterm, subStopSigkill, subFinalSigterm, subFinalSigkill:
		if len(s.alive()) == 0 {
			s.gone(s.u.sub)
		}
	case subRunning:
		if s.mainPID == 0 && s.config().kind == "forking" && len(s.alive()) == 0 {
			s.running(resultSuccess)
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
	if s.u.state != deactivating || len(s.alive()) == len(s.children) {
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
