package pid1

import (
	"enshu/sim/host"
	"enshu/sim/systemd/bus"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/wire/journal"
	"enshu/sim/wire/syslog"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// judge says how a process ended and what that means.
func (s *service) judge(r *bus.Run, st host.Status, daemon bool) (result string) {
	r.End = s.u.m.p.Now()
	switch {
	case st.Signal == 0:
		r.Code, r.Status = "exited", st.Code
		if st.Code == 0 || statusListed(s.config().SuccessStatus, r) {
			return bus.ResultSuccess
		}
		return bus.ResultExit
	}
	// Hosts keep no cores, so that a process is never one that dumped its.
	r.Code, r.Status = "killed", int(st.Signal)
	result = bus.ResultSignal
	clean := daemon && slices.Contains([]syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGPIPE}, st.Signal)
	if clean || statusListed(s.config().SuccessStatus, r) {
		return bus.ResultSuccess
	}
	return result
}

// sayExit logs the line about a process that failed.
func (s *service) sayExit(what string, r *bus.Run, result string) {
	sev := syslog.Notice
	if result == bus.ResultSuccess {
		return // logged at debug level, which PID 1 does not do
	}
	status := strconv.Itoa(r.Status)
	switch {
	case r.Code != "exited":
		status += "/" + unitfile.SignalName(syscall.Signal(r.Status))
	case unitfile.ExitNames[r.Status] != "":
		status += "/" + unitfile.ExitNames[r.Status]
	case unitfile.LsbNames[r.Status] != "":
		status += "/" + unitfile.LsbNames[r.Status]
	default:
		status += "/n/a"
	}
	s.u.log(sev, msgExit, s.u.name+": "+what+" process exited, code="+r.Code+", status="+status,
		journal.Field{Name: "COMMAND", Value: r.Kind}, journal.Field{Name: "EXIT_CODE", Value: r.Code}, journal.Field{Name: "EXIT_STATUS", Value: strconv.Itoa(r.Status)})
}

// exited is told of every end of a child.
func (s *service) exited(child *host.Process, st host.Status) {
	switch {
	case s.control != nil && s.control.Process == child:
		c := s.control.cmd
		s.control = nil
		r, what := s.controlRun, "Control"
		result := s.judge(r, st, s.config().Kind == "forking" && s.kind == "ExecStart")
		if c.Ignore {
			result = bus.ResultSuccess
		}
		if s.u.sub == bus.SubCondition {
			what = "Condition check"
			if st.Signal == 0 && st.Code > 0 && st.Code < 255 {
				result = bus.ResultSuccess // it says no, which is no failure
			}
		}
		s.sayExit(what, r, result)
		s.controlDone(c, st, result)
	case s.main != nil && s.main.Process == child:
		c := s.main.cmd
		s.main, s.mainPID = nil, 0
		result := s.judge(s.mainRun, st, s.config().Kind != "oneshot")
		if c.Ignore {
			result = bus.ResultSuccess
		}
		s.sayExit("Main", s.mainRun, result)
		s.mainDone(result)
	default:
		s.lastGone()
	}
}

// mainDone goes on after the main process ended.
func (s *service) mainDone(result string) {
	v := s.config()
	s.fail(result)
	switch s.u.sub {
	case bus.SubStart:
		switch {
		case v.Kind == "oneshot" && result == bus.ResultSuccess && len(s.rest) > 0:
			c := s.rest[0]
			s.rest = s.rest[1:]
			p, err := s.spawn(c, nil)
			if err != nil {
				s.cannotRun("next main", err)
				s.signalAll(bus.SubFinalSigterm, bus.ResultNoFiles)
				return
			}
			s.main, s.mainPID, s.mainRun = p, p.PID, s.note("ExecStart", p)
		case v.Kind == "oneshot" && result == bus.ResultSuccess:
			s.startPost()
		case result == bus.ResultSuccess:
			s.signalAll(bus.SubStopSigterm, bus.ResultProtocol)
		default:
			s.signalAll(bus.SubStopSigterm, result)
		}
	case bus.SubRunning:
		s.running(result)
	case bus.SubStartPost, bus.SubReload, bus.SubStop:
		// The control command goes on; what it leaves is looked at then.
	default:
		s.lastGone()
	}
}

// controlDone goes on after a control command ended.
func (s *service) controlDone(c unitfile.Command, st host.Status, result string) {
	switch s.u.sub {
	case bus.SubCondition:
		switch {
		case st.Signal == 0 && st.Code >= 1 && st.Code < 255 && !c.Ignore:
			s.u.result = bus.ResultSkip
			s.dead(false)
			return
		case result != bus.ResultSuccess:
			s.fail(result)
			s.signalAll(bus.SubFinalSigterm, result)
			return
		}
		if len(s.rest) > 0 {
			s.nextCommand()
			return
		}
		s.startPre()
		return
	case bus.SubReload:
		if result != bus.ResultSuccess {
			s.reloadFailed = true
			s.rest = nil
		}
		if len(s.rest) > 0 {
			s.nextCommand()
			return
		}
		s.running(bus.ResultSuccess)
		return
	}
	if result != bus.ResultSuccess {
		s.fail(result)
		switch s.u.sub {
		case bus.SubStartPre:
			s.signalAll(bus.SubFinalSigterm, result)
		case bus.SubStart, bus.SubStartPost:
			s.signalAll(bus.SubStopSigterm, result)
		case bus.SubStop:
			s.signalAll(bus.SubStopSigterm, result)
		case bus.SubStopPost:
			s.signalAll(bus.SubFinalSigterm, result)
		default:
			s.lastGone()
		}
		return
	}
	if len(s.rest) > 0 && s.u.sub != bus.SubStopSigterm && s.u.sub != bus.SubStopSigkill {
		s.nextCommand()
		return
	}
	switch s.u.sub {
	case bus.SubStartPre:
		s.startMain()
	case bus.SubStart:
		s.forked()
	case bus.SubStartPost:
		s.running(bus.ResultSuccess)
	case bus.SubStop:
		s.signalAll(bus.SubStopSigterm, bus.ResultSuccess)
	case bus.SubStopPost:
		s.signalAll(bus.SubFinalSigterm, bus.ResultSuccess)
	default:
		s.lastGone()
	}
}

// shouldRestart applies Restart= (the table of systemd.service(5)).
func (s *service) shouldRestart() bool {
	v := s.config()
	if s.u.result == bus.ResultLimit || s.u.result == bus.ResultSkip {
		return false
	}
	if r := s.mainRun; r != nil && !r.End.IsZero() {
		if statusListed(v.RestartPrevent, r) {
			return false
		}
		if statusListed(v.RestartForce, r) {
			return true
		}
	}
	switch v.Restart {
	case "always":
		return true
	case "on-success":
		return s.u.result == bus.ResultSuccess
	case "on-failure":
		return s.u.result != bus.ResultSuccess
	case "on-abnormal":
		return s.u.result != bus.ResultSuccess && s.u.result != bus.ResultExit
	case "on-abort":
		return s.u.result == bus.ResultSignal || s.u.result == bus.ResultCore
	}
	return false
}

// statusListed: does a list like SuccessExitStatus= name how r ended?
func statusListed(list []string, r *bus.Run) bool {
	for _, w := range list {
		if n, ok := unitfile.ExitStatus(w); ok {
			if r.Code == "exited" && r.Status == n {
				return true
			}
			continue
		}
		if sig, ok := unitfile.Signals[strings.TrimPrefix(w, "SIG")]; ok && r.Code != "exited" && r.Status == int(sig) {
			return true
		}
	}
	return false
}
