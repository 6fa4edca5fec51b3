package pid1

import (
	"path"
	"strconv"
	"time"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/systemd/bus"
	"enshu/sim/systemd/calendar"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/wire/journal"
	"enshu/sim/wire/syslog"
)

var activeOf = map[string]string{
	bus.SubDead: bus.Inactive, bus.SubCondition: bus.Activating, bus.SubStartPre: bus.Activating, bus.SubStart: bus.Activating, bus.SubStartPost: bus.Activating,
	bus.SubRunning: bus.Active, bus.SubExited: bus.Active, bus.SubReload: bus.Reloading, bus.SubStop: bus.Deactivating, bus.SubStopSigterm: bus.Deactivating,
	bus.SubStopWatchdog: bus.Deactivating, bus.SubStopSigkill: bus.Deactivating, bus.SubStopPost: bus.Deactivating, bus.SubFinalSigterm: bus.Deactivating, bus.SubFinalSigkill: bus.Deactivating,
	bus.SubFailed: bus.Failed, bus.SubAutoRestart: bus.Activating,
}

// service is the state machine of a service unit.
type service struct {
	u *unit

	mainPID  int
	main     *process // nil for a main process that is not PID 1's child
	control  *process
	kind     string // ExecStartPre …, of what control or a oneshot's main runs
	rest     []unitfile.Command
	children []int
	args     map[int][]string // of the children, as they were started

	runs    map[string][]*bus.Run // of each kind, since it was begun last
	mainRun *bus.Run

	controlRun *bus.Run // of control

	timer        *clock.LocalTimer
	restarts     int
	restartTimer bool // the next start is an automatic one
	forbidden    bool // a stop was asked for: no automatic restart
	reloadFailed bool
	willRestart  bool // the end is not one yet: an automatic restart follows
	serving      bool // the main process said that it is ready
	statusText   string
	pidAlarm     *clock.LocalTimer
	dog          *clock.LocalTimer // WatchdogSec=
	cred         *host.Cred        // of User= and Group=, nil without
	monitored    []string          // what is known of the unit that triggered this one
	leftover     []int             // processes that stayed when the service went down
}

func (s *service) config() *unitfile.Service { return s.u.config().Service }

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
	if s.u.result == bus.ResultSuccess {
		s.u.result = result
	}
}

// start brings the service up from dead, failed or auto-restart.
func (s *service) start() {
	s.disarm()
	again := s.restartTimer
	s.restartTimer = false
	if s.u.limited() {
		s.u.say(syslog.Warning, "", "Start request repeated too quickly.")
		s.fail(bus.ResultLimit)
		s.dead(false)
		return
	}
	if !again {
		s.restarts = 0
	}
	s.u.begun = s.u.m.now()
	s.u.result = bus.ResultSuccess
	s.reloadFailed, s.forbidden, s.serving = false, false, false
	s.runs = map[string][]*bus.Run{}
	s.mainPID, s.main, s.mainRun, s.control, s.statusText = 0, nil, nil, nil, ""
	s.u.newInvocation()
	if j := s.u.job; j != nil && s.slow() {
		s.u.m.began(j)
	}
	switch {
	case len(s.config().Exec["ExecCondition"]) > 0:
		s.setSub(bus.SubCondition)
		s.commands("ExecCondition")
	default:
		s.startPre()
	}
}

// slow reports whether there is a time between the beginning and the end of a
// start, about which a line is logged.
func (s *service) slow() bool {
	v := s.config()
	if len(v.Exec["ExecStart"])+len(v.Exec["ExecCondition"])+len(v.Exec["ExecStartPre"])+len(v.Exec["ExecStartPost"]) == 0 {
		return false
	}
	return v.Kind != "simple" && v.Kind != "idle" ||
		len(v.Exec["ExecCondition"])+len(v.Exec["ExecStartPre"])+len(v.Exec["ExecStartPost"]) > 0
}

func (s *service) startPre() {
	s.arm(s.config().TimeoutStart, s.startTimeout)
	if len(s.config().Exec["ExecStartPre"]) > 0 {
		s.setSub(bus.SubStartPre)
		s.commands("ExecStartPre")
		return
	}
	s.startMain()
}

// commands runs the control commands of a kind one after the other.
func (s *service) commands(kind string) {
	s.kind, s.rest, s.runs[kind] = kind, s.config().Exec[kind], nil
	s.nextCommand()
}

func (s *service) nextCommand() {
	c := s.rest[0]
	s.rest = s.rest[1:]
	p, err := s.spawn(c, nil)
	if err != nil {
		s.cannotRun(taskOf[s.kind], err)
		s.control = nil
		s.controlDone(c, host.Status{Code: unitfile.ExitExec}, bus.ResultNoFiles)
		return
	}
	s.control, s.controlRun = p, s.note(s.kind, p)
}

// taskOf is what PID 1 calls a kind of command when it cannot be run.
var taskOf = map[string]string{"ExecCondition": "exec-condition", "ExecStartPre": "start-pre", "ExecStartPost": "start-post",
	"ExecReload": "reload", "ExecStop": "stop", "ExecStopPost": "stop-post"}

func (s *service) cannotRun(task string, err error) {
	s.u.say(syslog.Warning, "", "Failed to run '%s' task: %s", task, libc.Strerror(err))
}

func (s *service) note(kind string, p *process) *bus.Run {
	r := &bus.Run{Kind: kind, Command: p.cmd.String(), PID: p.PID, Comm: comm(p.cmd.Path), Start: s.u.m.p.Now()}
	s.runs[kind] = append(s.runs[kind], r)
	return r
}

// comm is the name that the kernel gives a process that runs a file.
func comm(file string) string {
	name := path.Base(file)
	return name[:min(len(name), 15)]
}

// forget drops what is known of the runs of commands: a reload of the unit
// files makes new commands of them. That of the main process stays known as such.
func (s *service) forget() {
	s.runs = map[string][]*bus.Run{}
}

// startMain runs ExecStart=.
func (s *service) startMain() {
	v := s.config()
	list := v.Exec["ExecStart"]
	if len(list) == 0 {
		s.startPost() // a oneshot with ExecStop= alone
		return
	}
	s.kind, s.rest = "ExecStart", list[1:]
	p, err := s.spawn(list[0], func() {
		if j := s.u.job; j != nil && j.kind == bus.JobStart && (v.Kind == "simple" || v.Kind == "idle") && len(v.Exec["ExecStartPost"]) == 0 {
			// Such a service has started whatever becomes of its process, so that is
			// said before the process may say something.
			s.u.m.sayStarted(j)
		}
	})
	if err != nil {
		s.cannotRun("start", err)
		s.signalAll(bus.SubFinalSigterm, bus.ResultNoFiles)
		return
	}
	r := s.note("ExecStart", p)
	if v.Kind == "forking" {
		s.control, s.controlRun = p, r
		s.setSub(bus.SubStart)
		s.arm(v.TimeoutStart, s.startTimeout)
		return
	}
	s.main, s.mainPID, s.mainRun = p, p.PID, r
	switch v.Kind {
	case "exec":
		if !p.unstarted {
			s.startPost()
			return
		}
		s.setSub(bus.SubStart) // until its end tells why it could not be executed
		s.arm(v.TimeoutStart, s.startTimeout)
	case "oneshot", "notify", "notify-reload", "dbus":
		s.setSub(bus.SubStart)
		s.arm(v.TimeoutStart, s.startTimeout)
		if v.Kind != "oneshot" {
			s.awaitReady(p)
			s.watch()
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
			if s.main == p && s.u.sub == bus.SubStart {
				s.serving = true
				s.startPost()
			}
		})
	})
}

func (s *service) startPost() {
	if len(s.config().Exec["ExecStartPost"]) > 0 {
		s.setSub(bus.SubStartPost)
		s.commands("ExecStartPost")
		return
	}
	s.running(bus.ResultSuccess)
}

// running is where a service settles: up, up without a process, or going down.
func (s *service) running(result string) {
	s.disarm()
	s.fail(result)
	v := s.config()
	alive := s.mainPID > 0 || v.Kind == "forking" && s.mainRun == nil && len(s.members()) > 0
	switch {
	case alive && result == bus.ResultSuccess:
		s.setSub(bus.SubRunning)
		s.watch()
		s.arm(v.RuntimeMax, func() {
			s.u.say(syslog.Warning, "", "Service reached runtime time limit. Stopping.")
			s.signalAll(bus.SubStopSigterm, bus.ResultTimeout)
		})
	case result != bus.ResultSuccess:
		s.signalAll(bus.SubStopSigterm, result)
	case v.RemainAfterExit:
		s.unwatch()
		s.setSub(bus.SubExited)
	default:
		s.enterStop()
	}
}

// reload runs ExecReload=.
func (s *service) reload() {
	s.reloadFailed = false
	s.setSub(bus.SubReload)
	s.arm(s.config().TimeoutStart, func() {
		s.u.say(syslog.Warning, "", "Reload operation timed out. Killing reload process.")
		s.killControl()
		s.reloadFailed = true
		s.running(bus.ResultSuccess)
	})
	s.commands("ExecReload")
}

// stop takes the service down.
func (s *service) stop() {
	s.forbidden = true
	switch s.u.sub {
	case bus.SubAutoRestart:
		s.disarm()
		s.setSub(bus.SubDead)
	case bus.SubRunning, bus.SubExited:
		s.enterStop()
	case bus.SubReload, bus.SubStartPost:
		s.killControl()
		s.enterStop()
	case bus.SubCondition, bus.SubStartPre, bus.SubStart:
		s.signalAll(bus.SubStopSigterm, bus.ResultSuccess)
	}
}

func (s *service) enterStop() {
	v := s.config()
	s.arm(v.TimeoutStop, func() {
		s.u.say(syslog.Warning, "", "Stopping timed out. Terminating.")
		s.signalAll(bus.SubStopSigterm, bus.ResultTimeout)
	})
	if len(v.Exec["ExecStop"]) > 0 {
		s.setSub(bus.SubStop)
		s.commands("ExecStop")
		return
	}
	s.signalAll(bus.SubStopSigterm, bus.ResultSuccess)
}

// dead is the end: inactive or failed, or a pause before the next start.
func (s *service) dead(mayRestart bool) {
	s.disarm()
	s.unwatch()
	if s.pidAlarm != nil {
		s.pidAlarm.Stop()
		s.pidAlarm = nil
	}
	s.mainPID, s.main, s.control = 0, nil, nil
	end := bus.SubDead
	switch s.u.result {
	case bus.ResultSuccess:
		if s.u.sub != bus.SubDead && s.u.sub != bus.SubFailed {
			s.u.say(syslog.Info, msgSuccess, "Deactivated successfully.")
		}
	case bus.ResultSkip:
		s.u.say(syslog.Info, msgSkipped, "Skipped due to 'exec-condition'.")
	default:
		s.u.log(syslog.Warning, msgResult, s.u.name+": Failed with result '"+s.u.result+"'.",
			journal.Field{Name: "UNIT_RESULT", Value: s.u.result})
		end = bus.SubFailed
	}
	if end := s.u.sub; end != bus.SubDead && end != bus.SubFailed {
		s.leftover = s.members()
		for _, pid := range s.leftover {
			s.u.say(syslog.Info, "", "Unit process %d (%s) remains running after unit stopped.", pid, s.comm(pid))
		}
	}
	s.restartTimer, s.monitored = false, nil
	s.willRestart = mayRestart && !s.forbidden && s.shouldRestart()
	s.setSub(end)
	if !s.willRestart {
		s.tidy()
		return
	}
	// What was logged so far is of the run that ended.
	now, lag := s.u.m.now(), min(s.config().RestartSec/2, journalLag)
	s.u.begun = moment{now.real.Add(lag), now.mono + lag}
	s.setSub(bus.SubAutoRestart)
	s.arm(s.config().RestartSec, func() {
		if s.u.job != nil {
			return
		}
		s.restarts++
		s.restartTimer = true
		s.u.log(syslog.Info, msgRestart, s.u.name+": Scheduled restart job, restart counter is at "+strconv.Itoa(s.restarts)+".",
			journal.Field{Name: "N_RESTARTS", Value: strconv.Itoa(s.restarts)})
		s.u.m.enqueue(s.u, bus.JobRestart)
	})
}

// tidy removes RuntimeDirectory= and the PID file.
func (s *service) tidy() {
	v := s.config()
	if v.PidFile != "" {
		s.u.m.p.Sys.Remove(v.PidFile)
	}
	for _, d := range v.RuntimeDirs {
		if v.KeepRuntime {
			break
		}
		libc.RemoveAll(s.u.m.p, path.Join("/run", d))
	}
}

// startTimeout: the start took too long.
func (s *service) startTimeout() {
	switch s.u.sub {
	case bus.SubStart, bus.SubStartPre:
		s.u.say(syslog.Warning, "", "%s operation timed out. Terminating.", s.u.sub)
		next := bus.SubStopSigterm
		if s.u.sub == bus.SubStartPre {
			next = bus.SubFinalSigterm
		}
		s.signalAll(next, bus.ResultTimeout)
	case bus.SubStartPost:
		s.u.say(syslog.Warning, "", "start-post operation timed out. Stopping.")
		s.fail(bus.ResultTimeout)
		s.signalAll(bus.SubStopSigterm, bus.ResultTimeout)
	}
}
