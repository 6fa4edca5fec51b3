package systemd

import (
	"enshu/sim/host"
	"enshu/sim/wire/journal"
	"enshu/sim/wire/syslog"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// judge says how a process ended and what that means.
func (s *service) judge(r *run, st host.Status, daemon bool) (result string) {
	r.End = s.u.m.p.Now()
	switch {
	case st.Signal == 0:
		r.Code, r.Status = "exited", st.Code
		if st.Code == 0 || statusListed(s.config().successStatus, r) {
			return resultSuccess
		}
		return resultExit
	}
	r.Code, r.Status = "killed", int(st.Signal)
	result = resultSignal
	switch st.Signal {
	case syscall.SIGSEGV, syscall.SIGABRT, syscall.SIGQUIT, syscall.SIGILL, syscall.SIGTRAP, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGSYS, syscall.SIGXCPU, syscall.SIGXFSZ:
		r.Code, result = "dumped", resultCore
	}
	clean := daemon && slices.Contains([]syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGPIPE}, st.Signal)
	if clean || statusListed(s.config().successStatus, r) {
		return resultSuccess
	}
	return result
}

// sayExit logs the line about a process that failed.
func (s *service) sayExit(what string, r *run, result string) {
	sev := syslog.Notice
	if result == resultSuccess {
		return // logged at debug level, which PID 1 does not do
	}
	status := strconv.Itoa(r.Status)
	switch {
	case r.Code != "exited":
		status += "/" + signalName(syscall.Signal(r.Status))
	case exitNames[r.Status] != "":
		status += "/" + exitNames[r.Status]
	case lsbNames[r.Status] != "":
		status += "/" + lsbNames[r.Status]
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
		r := s.runs[s.kind]
		result := s.judge(r, st, s.config().kind == "forking" && s.kind == "ExecStart")
		if c.ignore {
			result = resultSuccess
		}
		s.sayExit("Control", r, result)
		s.controlDone(c, st, result)
	case s.main != nil && s.main.Process == child:
		c := s.main.cmd
		s.main, s.mainPID = nil, 0
		result := s.judge(s.mainRun, st, s.config().kind != "oneshot")
		if c.ignore {
			result = resultSuccess
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
	case subStart:
		switch {
		case v.kind == "oneshot" && result == resultSuccess && len(s.rest) > 0:
			c := s.rest[0]
			s.rest = s.rest[1:]
			p, err := s.spawn(c)
			if err != nil {
				s.cannotRun("next main", err)
				s.signalAll(subFinalSigterm, resultNoFiles)
				return
			}
			s.main, s.mainPID, s.mainRun = p, p.PID, s.note("ExecStart", p)
		case v.kind == "oneshot" && result == resultSuccess:
			s.startPost()
		case result == resultSuccess:
			s.signalAll(subStopSigterm, resultProtocol)
		default:
			s.signalAll(subStopSigterm, result)
		}
	case subRunning:
		s.running(result)
	case subStartPost, subReload, subStop:
		// The control command goes on; what it leaves is looked at then.
	default:
		s.lastGone()
	}
}

// controlDone goes on after a control command ended.
func (s *service) controlDone(c command, st host.Status, result string) {
	switch s.u.sub {
	case subCondition:
		switch {
		case st.Signal == 0 && st.Code >= 1 && st.Code < 255 && !c.ignore:
			s.u.result = resultSkip
			s.dead(false)
			return
		case result != resultSuccess:
			s.fail(result)
			s.signalAll(subFinalSigterm, result)
			return
		}
		if len(s.rest) > 0 {
			s.nextCommand()
			return
		}
		s.startPre()
		return
	case subReload:
		if result != resultSuccess {
			s.reloadFailed = true
			s.rest = nil
		}
		if len(s.rest) > 0 {
			s.nextCommand()
			return
		}
		s.running(resultSuccess)
		return
	}
	if result != resultSuccess {
		s.fail(result)
		switch s.u.sub {
		case subStartPre:
			s.signalAll(subFinalSigterm, result)
		case subStart, subStartPost:
			s.signalAll(subStopSigterm, result)
		case subStop:
			s.signalAll(subStopSigterm, result)
		case subStopPost:
			s.signalAll(subFinalSigterm, result)
		default:
			s.lastGone()
		}
		return
	}
	if len(s.rest) > 0 && s.u.sub != subStopSigterm && s.u.sub != subStopSigkill {
		s.nextCommand()
		return
	}
	switch s.u.sub {
	case subStartPre:
		s.startMain()
	case subStart:
		s.forked()
	case subStartPost:
		s.running(resultSuccess)
	case subStop:
		s.signalAll(subStopSigterm, resultSuccess)
	case subStopPost:
		s.signalAll(subFinalSigterm, resultSuccess)
	default:
		s.lastGone()
	}
}

// shouldRestart applies Restart= (the table of systemd.service(5)).
func (s *service) shouldRestart() bool {
	v := s.config()
	if s.u.result == resultLimit || s.u.result == resultSkip {
		return false
	}
	if r := s.mainRun; r != nil && !r.End.IsZero() {
		if statusListed(v.restartPrevent, r) {
			return false
		}
		if statusListed(v.restartForce, r) {
			return true
		}
	}
	switch v.restart {
	case "always":
		return true
	case "on-success":
		return s.u.result == resultSuccess
	case "on-failure":
		return s.u.result != resultSuccess
	case "on-abnormal":
		return s.u.result != resultSuccess && s.u.result != resultExit
	case "on-abort":
		return s.u.result == resultSignal || s.u.result == resultCore
	}
	return false
}

// statusListed: does a list like SuccessExitStatus= name how r ended?
func statusListed(list []string, r *run) bool {
	for _, w := range list {
		if n, err := strconv.Atoi(w); err == nil {
			if r.Code == "exited" && r.Status == n {
				return true
			}
			continue
		}
		if sig, ok := signals[strings.TrimPrefix(w, "SIG")]; ok && r.Code != "exited" && r.Status == int(sig) {
			return true
		}
		for n, name := range exitNames {
			if name == w && r.Code == "exited" && r.Status == n {
				return true
			}
		}
	}
	return false
}
