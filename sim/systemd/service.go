package systemd

import (
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/systemd/calendar"
	"enshu/sim/systemd/machine"
	"enshu/sim/wire/journal"
	"enshu/sim/wire/syslog"
)

// States of a service (the SUB of systemctl).
const (
	subDead         = "dead"
	subCondition    = "condition"
	subStartPre     = "start-pre"
	subStart        = "start"
	subStartPost    = "start-post"
	subRunning      = "running"
	subExited       = "exited"
	subReload       = "reload"
	subStop         = "stop"
	subStopSigterm  = "stop-sigterm"
	subStopSigkill  = "stop-sigkill"
	subStopPost     = "stop-post"
	subFinalSigterm = "final-sigterm"
	subFinalSigkill = "final-sigkill"
	subFailed       = "failed"
	subAutoRestart  = "auto-restart"
)

var activeOf = map[string]string{
	subDead: inactive, subCondition: activating, subStartPre: activating, subStart: activating, subStartPost: activating,
	subRunning: active, subExited: active, subReload: reloading, subStop: deactivating, subStopSigterm: deactivating,
	subStopSigkill: deactivating, subStopPost: deactivating, subFinalSigterm: deactivating, subFinalSigkill: deactivating,
	subFailed: failed, subAutoRestart: activating,
}

// run is one command that was started, as systemctl status tells of it.
type run struct {
	Kind      string // ExecStart …
	Command   string
	PID       int
	Comm      string
	Start     time.Time
	End       time.Time // zero while it runs
	Code      string    // "exited", "killed", "dumped"
	Status    int
	StatusTxt string
}

// service is the state machine of a service unit.
type service struct {
	u *unit

	mainPID  int
	main     *process // nil for a main process that is not PID 1's child
	control  *process
	kind     string // ExecStartPre …, of what control or a oneshot's main runs
	rest     []command
	children []int
	args     map[int][]string // of the children, as they were started

	runs    map[string]*run // the last of each kind
	mainRun *run

	timer        *clock.LocalTimer
	restarts     int
	restartTimer bool // the next start is an automatic one
	forbidden    bool // a stop was asked for: no automatic restart
	reloadFailed bool
	willRestart  bool // the end is not one yet: an automatic restart follows
	serving      bool // the main process said that it is ready
	statusText   string
	pidAlarm     *clock.LocalTimer
}

func (s *service) config() *serviceConfig { return s.u.config().service }

func (s *service) setSub(sub string) { s.u.set(activeOf[sub], sub) }

// arm makes timeout happen after d, in place of what was armed.
func (s *service) arm(d time.Duration, timeout func()) {
	s.disarm()
	if d == calendar.Forever {
		return
	}
	var t *clock.LocalTimer
	t = s.u.m.later(d, func() {
		if s.timer == t {
			s.timer = nil
			timeout()
		}
	})
	s.timer = t
}

func (s *service) disarm() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}

// fail notes the first thing that went wrong.
func (s *service) fail(result string) {
	if s.u.result == resultSuccess {
		s.u.result = result
	}
}

// start brings the service up from dead, failed or auto-restart.
func (s *service) start() {
	s.disarm()
	if !s.restartTimer {
		s.restarts = 0
	}
	s.restartTimer = false
	if s.u.limited() {
		s.u.say(syslog.Warning, "", "Start request repeated too quickly.")
		s.fail(resultLimit)
		s.dead(false)
		return
	}
	s.u.begun = s.u.m.now()
	s.u.result = resultSuccess
	s.reloadFailed, s.forbidden, s.serving = false, false, false
	s.runs = map[string]*run{}
	s.mainPID, s.main, s.mainRun, s.control, s.statusText = 0, nil, nil, nil, ""
	s.u.newInvocation()
	if j := s.u.job; j != nil && s.slow() {
		s.u.m.began(j)
	}
	switch {
	case len(s.config().exec["ExecCondition"]) > 0:
		s.setSub(subCondition)
		s.commands("ExecCondition")
	default:
		s.startPre()
	}
}

// slow reports whether there is a time between the beginning and the end of a
// start, about which a line is logged.
func (s *service) slow() bool {
	v := s.config()
	return v.kind != "simple" && v.kind != "idle" && v.kind != "exec" ||
		len(v.exec["ExecCondition"])+len(v.exec["ExecStartPre"])+len(v.exec["ExecStartPost"]) > 0
}

func (s *service) startPre() {
	s.arm(s.config().timeoutStart, s.startTimeout)
	if len(s.config().exec["ExecStartPre"]) > 0 {
		s.setSub(subStartPre)
		s.commands("ExecStartPre")
		return
	}
	s.startMain()
}

// commands runs the control commands of a kind one after the other.
func (s *service) commands(kind string) {
	s.kind, s.rest = kind, s.config().exec[kind]
	s.nextCommand()
}

func (s *service) nextCommand() {
	c := s.rest[0]
	s.rest = s.rest[1:]
	p, err := s.spawn(c)
	if err != nil {
		s.cannotRun(taskOf[s.kind], err)
		s.control = nil
		s.controlDone(c, host.Status{Code: exitExec}, resultNoFiles)
		return
	}
	s.control = p
	s.note(s.kind, p)
}

// taskOf is what PID 1 calls a kind of command when it cannot be run.
var taskOf = map[string]string{"ExecCondition": "exec-condition", "ExecStartPre": "start-pre", "ExecStartPost": "start-post",
	"ExecReload": "reload", "ExecStop": "stop", "ExecStopPost": "stop-post"}

func (s *service) cannotRun(task string, err error) {
	s.u.say(syslog.Warning, "", "Failed to run '%s' task: %s", task, libc.Strerror(err))
}

func (s *service) note(kind string, p *process) *run {
	r := &run{Kind: kind, Command: p.cmd.String(), PID: p.PID, Comm: path.Base(p.cmd.path), Start: s.u.m.p.Now()}
	s.runs[kind] = r
	return r
}

// forget drops what is known of commands that ended: a reload of the unit
// files makes new ones of them.
func (s *service) forget() {
	for kind, r := range s.runs {
		if !r.End.IsZero() {
			delete(s.runs, kind)
		}
	}
}

// startMain runs ExecStart=.
func (s *service) startMain() {
	v := s.config()
	list := v.exec["ExecStart"]
	if len(list) == 0 {
		s.startPost() // a oneshot with ExecStop= alone
		return
	}
	s.kind, s.rest = "ExecStart", list[1:]
	if j := s.u.job; j != nil && j.kind == jobStart && (v.kind == "simple" || v.kind == "idle") && len(v.exec["ExecStartPost"]) == 0 {
		// Such a service has started whatever becomes of its process, so that is
		// said before the process may say something.
		s.u.m.sayStarted(j)
	}
	p, err := s.spawn(list[0])
	if err != nil {
		s.cannotRun("start", err)
		s.signalAll(subFinalSigterm, resultNoFiles)
		return
	}
	r := s.note("ExecStart", p)
	if v.kind == "forking" {
		s.control = p
		s.setSub(subStart)
		s.arm(v.timeoutStart, s.startTimeout)
		return
	}
	s.main, s.mainPID, s.mainRun = p, p.PID, r
	switch v.kind {
	case "exec":
		if !p.unstarted {
			s.startPost()
			return
		}
		s.setSub(subStart) // until its end tells why it could not be executed
		s.arm(v.timeoutStart, s.startTimeout)
	case "oneshot", "notify", "notify-reload", "dbus":
		s.setSub(subStart)
		s.arm(v.timeoutStart, s.startTimeout)
		if v.kind != "oneshot" {
			s.awaitReady(p)
		}
	default:
		s.startPost()
	}
}

// awaitReady turns a Program's Ready into the end of the start.
func (s *service) awaitReady(p *process) {
	m := s.u.m
	m.p.Go(func() {
		ok, err := p.WaitReady(m.ctx)
		if err != nil || !ok {
			return
		}
		m.post(func() {
			if s.main == p && s.u.sub == subStart {
				s.serving = true
				s.startPost()
			}
		})
	})
}

func (s *service) startPost() {
	if len(s.config().exec["ExecStartPost"]) > 0 {
		s.setSub(subStartPost)
		s.commands("ExecStartPost")
		return
	}
	s.running(resultSuccess)
}

// running is where a service settles: up, up without a process, or going down.
func (s *service) running(result string) {
	s.disarm()
	s.fail(result)
	v := s.config()
	alive := s.mainPID > 0 || v.kind == "forking" && s.mainRun == nil && len(s.members()) > 0
	switch {
	case alive && result == resultSuccess:
		s.setSub(subRunning)
	case result != resultSuccess:
		s.signalAll(subStopSigterm, result)
	case v.remainAfterExit:
		s.setSub(subExited)
	default:
		s.enterStop()
	}
}

// reload runs ExecReload=.
func (s *service) reload() {
	s.reloadFailed = false
	s.setSub(subReload)
	s.arm(s.config().timeoutStart, func() {
		s.u.say(syslog.Warning, "", "Reload operation timed out. Killing reload process.")
		s.killControl()
		s.reloadFailed = true
		s.running(resultSuccess)
	})
	s.commands("ExecReload")
}

// stop takes the service down.
func (s *service) stop() {
	s.forbidden = true
	switch s.u.sub {
	case subAutoRestart:
		s.disarm()
		s.setSub(subDead)
	case subRunning, subExited:
		s.enterStop()
	case subReload, subStartPost:
		s.killControl()
		s.enterStop()
	case subCondition, subStartPre, subStart:
		s.signalAll(subStopSigterm, resultSuccess)
	}
}

func (s *service) killControl() {
	if s.control != nil {
		s.control.Signal(syscall.SIGKILL)
		s.control = nil
	}
}

func (s *service) enterStop() {
	v := s.config()
	s.arm(v.timeoutStop, func() {
		s.u.say(syslog.Warning, "", "Stopping timed out. Terminating.")
		s.signalAll(subStopSigterm, resultTimeout)
	})
	if len(v.exec["ExecStop"]) > 0 {
		s.setSub(subStop)
		s.commands("ExecStop")
		return
	}
	s.signalAll(subStopSigterm, resultSuccess)
}

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

// dead is the end: inactive or failed, or a pause before the next start.
func (s *service) dead(mayRestart bool) {
	s.disarm()
	if s.pidAlarm != nil {
		s.pidAlarm.Stop()
		s.pidAlarm = nil
	}
	s.mainPID, s.main, s.control = 0, nil, nil
	end := subDead
	switch s.u.result {
	case resultSuccess:
		if s.u.sub != subDead && s.u.sub != subFailed {
			s.u.say(syslog.Info, msgSuccess, "Deactivated successfully.")
		}
	case resultSkip:
		s.u.say(syslog.Info, msgSkipped, "Skipped due to 'exec-condition'.")
	default:
		s.u.log(syslog.Warning, msgResult, s.u.name+": Failed with result '"+s.u.result+"'.",
			journal.Field{Name: "UNIT_RESULT", Value: s.u.result})
		end = subFailed
	}
	s.restartTimer = false
	s.willRestart = mayRestart && !s.forbidden && s.shouldRestart()
	s.setSub(end)
	if !s.willRestart {
		s.tidy()
		return
	}
	// What was logged so far is of the run that ended.
	now, lag := s.u.m.now(), min(s.config().restartSec/2, journalLag)
	s.u.begun = moment{now.real.Add(lag), now.mono + lag}
	s.setSub(subAutoRestart)
	s.arm(s.config().restartSec, func() {
		if s.u.job != nil {
			return
		}
		s.restarts++
		s.restartTimer = true
		s.u.log(syslog.Info, msgRestart, s.u.name+": Scheduled restart job, restart counter is at "+itoa(s.restarts)+".",
			journal.Field{Name: "N_RESTARTS", Value: itoa(s.restarts)})
		s.u.m.enqueue(s.u, jobRestart, true, nil)
	})
}

// tidy removes RuntimeDirectory= and the PID file.
func (s *service) tidy() {
	v := s.config()
	if v.pidFile != "" {
		s.u.m.p.Sys.Remove(v.pidFile)
	}
	for _, d := range v.runtimeDirs {
		libc.RemoveAll(s.u.m.p, path.Join("/run", d))
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
	status := itoa(r.Status)
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
		journal.Field{Name: "COMMAND", Value: r.Kind}, journal.Field{Name: "EXIT_CODE", Value: r.Code}, journal.Field{Name: "EXIT_STATUS", Value: itoa(r.Status)})
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

// startTimeout: the start took too long.
func (s *service) startTimeout() {
	switch s.u.sub {
	case subStart, subStartPre:
		s.u.say(syslog.Warning, "", "%s operation timed out. Terminating.", s.u.sub)
		next := subStopSigterm
		if s.u.sub == subStartPre {
			next = subFinalSigterm
		}
		s.signalAll(next, resultTimeout)
	case subStartPost:
		s.u.say(syslog.Warning, "", "start-post operation timed out. Stopping.")
		s.fail(resultTimeout)
		s.signalAll(subStopSigterm, resultTimeout)
	}
}

// forked looks for the daemon that a command of Type=forking left.
func (s *service) forked() {
	v := s.config()
	if v.pidFile == "" {
		if pids := s.members(); v.guessMainPID && len(pids) == 1 {
			s.adopt(pids[0])
		}
		s.startPost()
		return
	}
	s.readPIDFile(true)
}

// pidFilePatience is how long PID 1 waits for a PID file that comes late.
const pidFilePatience = 100 * time.Millisecond

func (s *service) readPIDFile(first bool) {
	v := s.config()
	pid, err := pidFrom(s.u.m.p, v.pidFile)
	if err == nil {
		s.adopt(pid)
		s.startPost()
		return
	}
	if first {
		s.u.say(syslog.Info, "", "Can't open PID file %s (yet?) after %s: %s", v.pidFile, s.u.sub, libc.Strerror(err))
	}
	if len(s.alive()) == 0 {
		s.signalAll(subStopSigterm, resultProtocol)
		return
	}
	s.u.m.later(pidFilePatience, func() {
		if s.u.sub == subStart && s.control == nil {
			s.readPIDFile(false)
		}
	})
}

func pidFrom(p *host.Proc, name string) (int, error) {
	data, err := libc.ReadFile(p, name)
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || pid <= 1 {
		return 0, syscall.EINVAL
	}
	if p.Sys.Kill(pid, 0) == syscall.ESRCH {
		return 0, syscall.ESRCH
	}
	return pid, nil
}

// adopt makes a process that is not PID 1's child the main one. Its end is
// noticed when PID 1, which inherits it, is told of a child's end.
func (s *service) adopt(pid int) {
	s.mainPID = pid
	comm := machine.ProcComm(s.u.m.p, pid)
	if comm == "" {
		comm = path.Base(s.runs["ExecStart"].Comm)
	}
	s.mainRun = &run{Kind: "main", PID: pid, Comm: comm, Start: s.u.m.p.Now()}
	s.u.m.publish(s.u, "", pid)
}

// lookAfterOrphans finds main processes that PID 1 did not start and that have
// ended.
func (m *manager) lookAfterOrphans() {
	for _, name := range slices.Sorted(maps.Keys(m.units)) {
		if s := m.units[name].svc; s != nil && s.mainPID > 0 && s.main == nil {
			s.mainGone()
		}
	}
}

// mainGone goes on when the main process, which PID 1 did not start, has ended.
func (s *service) mainGone() {
	if s.u.m.signal(s.mainPID, 0) != syscall.ESRCH {
		return
	}
	s.u.m.withdraw(s.mainPID)
	s.mainPID = 0
	s.mainRun.End, s.mainRun.Code = s.u.m.p.Now(), "exited"
	if s.u.sub == subRunning {
		s.running(resultSuccess)
	} else {
		s.lastGone()
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
