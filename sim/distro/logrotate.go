package distro

import (
	"io/fs"

	"enshu/sim/host"
	"enshu/sim/logrotate"
)

// logrotatePackage rotates logs. EL9 starts it by logrotate.timer; here it is a
// script of cron.daily, as EL8 has it, so that the topic of cron has a job to show.
func logrotatePackage() Package {
	return Package{
		Name: "logrotate", Version: "3.18.0", Release: "8.el9", Arch: "x86_64", Base: true,
		Summary:  "Rotates, compresses, removes and mails system log files",
		Requires: []string{"cronie"},
		Programs: map[string]host.Program{"/usr/sbin/logrotate": logrotate.Logrotate},
		Files: map[string]File{
			"/etc/cron.daily/logrotate": {Mode: 0o700},
			"/etc/logrotate.d":          {Mode: fs.ModeDir | 0o755},
			"/var/lib/logrotate":        {Mode: fs.ModeDir | 0o755},
		},
	}
}
