package pid1

import (
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/systemd/bus"
	"enshu/sim/systemd/machine"
	"enshu/sim/wire/syslog"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// forked looks for the daemon that a command of Type=forking left.
func (s *service) forked() {
	v := s.config()
	if v.PidFile == "" {
		if pids := s.members(); v.GuessMainPID && len(pids) == 1 {
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
	pid, err := pidFrom(s.u.m.p, v.PidFile)
	if err == nil {
		s.adopt(pid)
		s.startPost()
		return
	}
	if first {
		s.u.say(syslog.Info, "", "Can't open PID file %s (yet?) after %s: %s", v.PidFile, s.u.sub, libc.Strerror(err))
	}
	if len(s.alive()) == 0 {
		s.signalAll(bus.SubStopSigterm, bus.ResultProtocol)
		return
	}
	s.u.m.later(pidFilePatience, func() {
		if s.u.sub == bus.SubStart && s.control == nil {
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
		comm = path.Base(s.config().Exec["ExecStart"][0].Path)
	}
	s.mainRun = &bus.Run{Kind: "main", PID: pid, Comm: comm, Start: s.u.m.p.Now()}
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
	if s.u.sub == bus.SubRunning {
		s.running(bus.ResultSuccess)
	} else {
		s.lastGone()
	}
}
