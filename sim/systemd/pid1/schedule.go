package pid1

import (
	"strconv"
	"time"

	"enshu/sim/clock"
	"enshu/sim/libc"
	"enshu/sim/systemd/bus"
	"enshu/sim/systemd/machine"
	"enshu/sim/wire/syslog"
)

// scheduled is a shutdown at a later time (shutdown(8)), which on a real system
// systemd-logind sees to.
type scheduled struct {
	bus.Shutdown
	elapse, warning *clock.LocalTimer
}

// Files of a scheduled shutdown: what it is, and the one that keeps users out.
const (
	scheduledFile = "/run/systemd/shutdown/scheduled"
	noLoginFile   = "/run/nologin"
)

// noLoginBefore is how long before a shutdown nobody may log in any more.
const noLoginBefore = 5 * time.Minute

// schedule takes the place of what was scheduled before.
func (m *manager) schedule(s bus.Shutdown) {
	m.unschedule()
	m.planned = &scheduled{Shutdown: s}
	warn := "0"
	if !s.Quiet {
		warn = "1"
	}
	libc.MkdirAll(m.p, "/run/systemd/shutdown", 0o755)
	libc.WriteFile(m.p, scheduledFile, []byte("USEC="+strconv.FormatInt(s.When.UnixMicro(), 10)+"\nWARN_WALL="+warn+"\nMODE="+s.Mode()+"\n"), 0o644)
	m.planned.elapse = m.later(s.When.Sub(m.p.Now()), func() {
		m.unschedule()
		if !s.Dry {
			m.log(syslog.Info, "System is "+goingDown[s.Kind]+".")
			m.shutdown(s.Kind, false)
		}
	})
	m.warn()
}

// unschedule drops what was scheduled, and reports whether there was something.
func (m *manager) unschedule() bool {
	s := m.planned
	if s == nil {
		return false
	}
	m.planned = nil
	s.elapse.Stop()
	if s.warning != nil {
		s.warning.Stop()
	}
	m.p.Sys.Remove(scheduledFile)
	m.p.Sys.Remove(noLoginFile)
	return true
}

// warn tells everybody of the shutdown to come, now and again.
func (m *manager) warn() {
	s := m.planned
	left := s.When.Sub(m.p.Now())
	if left <= 0 {
		return
	}
	text := "The system will " + map[string]string{"reboot": "reboot", "poweroff": "power off", "halt": "halt"}[s.Kind] +
		" at " + s.When.In(libc.Zone(m.p)).Format("Mon 2006-01-02 15:04:05 MST") + "!"
	if s.Wall != "" {
		text = s.Wall + "\n" + text
	}
	if !s.Quiet {
		m.log(syslog.Info, text)
		machine.Wall(m.p, "root", text)
	}
	if left <= noLoginBefore && !libc.Exists(m.p, noLoginFile) {
		m.log(syslog.Info, "Creating /run/nologin, blocking further logins...")
		libc.WriteFile(m.p, noLoginFile, []byte("System is going down. Unprivileged users are not permitted to log in anymore. For technical details, see pam_nologin(8).\n"), 0o644)
	}
	period := time.Hour
	switch {
	case left <= 10*time.Minute:
		period = time.Minute
	case left <= time.Hour:
		period = 15 * time.Minute
	case left <= 3*time.Hour:
		period = 30 * time.Minute
	}
	next := left % period
	if next == 0 {
		next = period
	}
	s.warning = m.later(next, func() {
		if m.planned == s {
			m.warn()
		}
	})
}
