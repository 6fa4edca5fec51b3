package journald_test

import (
	"enshu/sim/host"
	"enshu/sim/rsyslog/logger"
	"enshu/sim/systemd/journalctl"
	"enshu/sim/systemd/journald"
)

// programs are the daemon and what talks to it.
func programs() map[string]host.Program {
	return map[string]host.Program{
		"/usr/lib/systemd/systemd-journald": journald.Daemon,
		"/usr/bin/journalctl":               journalctl.Command,
		"/usr/bin/systemd-cat":              journalctl.Cat,
		"/usr/bin/logger":                   logger.Program,
	}
}
