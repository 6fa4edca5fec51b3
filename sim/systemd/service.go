package systemd

import (
	"path"
	"strconv"
	"time"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/systemd/calendar"
	"enshu/sim/wire/journal"
	"enshu/sim/wire/syslog"
)

var activeOf = map[string]string{
	subDead: inactive, subCondition: activating, subStartPre: activating, subStart: activating, subStartPost: activating,
	subRunning: active, subExited: active, subReload: reloading, subStop: deactivating, subStopSigterm: deactivating,
	subStopSigkill: deactivating, subStopPost: deactivating, subFinalSigterm: deactivating, subFinalSigkill: deactivating,
	subFailed: failed, subAutoRestart: activating,
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
		s.u.log(syslog.Info, msgRestart, s.u.name+": Scheduled restart job, restart counter is at "+strconv.Itoa(s.restarts)+".",
			journal.Field{Name: "N_RESTARTS", Value: strconv.Itoa(s.restarts)})
		s.u.m.enqueue(s.u, jobRestart)
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
