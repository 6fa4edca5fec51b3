package pid1

import (
	"net"
	"strconv"
	"strings"

	"enshu/sim/host"
	"enshu/sim/systemd/bus"
	"enshu/sim/wire/syslog"
)

// notifications takes what services tell of themselves (sd_notify(3)).
func (m *manager) notifications(c net.PacketConn) {
	cc, ok := c.(host.CredConn)
	if !ok {
		return
	}
	buf := make([]byte, 4096)
	for {
		n, _, cred, err := cc.ReadFromCred(buf)
		if err != nil {
			return
		}
		told := notification(string(buf[:n]))
		m.post(func() {
			if u := m.unitOf(cred.PID); u != nil && u.svc != nil {
				u.svc.notified(cred.PID, told)
			}
		})
	}
}

// notification reads the lines NAME=value of a message; of a name that comes
// again the last counts.
func notification(s string) map[string]string {
	told := map[string]string{}
	for _, line := range strings.Split(s, "\n") {
		if name, value, ok := strings.Cut(line, "="); ok {
			told[name] = value
		}
	}
	return told
}

// notified acts on a message from a process of the service.
func (s *service) notified(pid int, told map[string]string) {
	switch access := s.config().NotifyAccess; {
	case access == "none":
		s.u.say(syslog.Warning, "", "Got notification message from PID %d, but reception is disabled.", pid)
		return
	case access == "main" && pid != s.mainPID:
		if s.mainPID > 0 {
			s.u.say(syslog.Warning, "", "Got notification message from PID %d, but reception only permitted for main PID %d", pid, s.mainPID)
		} else {
			s.u.say(syslog.Warning, "", "Got notification message from PID %d, but reception only permitted for main PID which is currently not known", pid)
		}
		return
	}
	if n, err := strconv.Atoi(told["MAINPID"]); err == nil && n > 1 && n != s.mainPID && (s.u.sub == bus.SubStart || s.u.sub == bus.SubStartPost || s.u.sub == bus.SubRunning) {
		s.main = nil
		s.adopt(n)
	}
	if told["WATCHDOG"] == "1" && s.dog != nil {
		s.watch()
	}
	if text, ok := told["STATUS"]; ok {
		s.statusText = text
	}
	if told["READY"] == "1" && s.u.sub == bus.SubStart && strings.HasPrefix(s.config().Kind, "notify") {
		s.serving = true
		s.startPost()
	}
}
