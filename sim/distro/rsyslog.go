package distro

import (
	"io/fs"

	"enshu/sim/host"
	"enshu/sim/rsyslog"
	"enshu/sim/rsyslog/logger"
)

// rsyslogPackage is the syslog daemon, with the log files that it writes.
func rsyslogPackage() Package {
	p := Package{
		Name: "rsyslog", Version: "8.2102.0", Release: "117.el9", Arch: "x86_64", Base: true,
		Summary:  "Enhanced system logging and kernel message trapping daemon",
		Programs: map[string]host.Program{"/usr/sbin/rsyslogd": rsyslog.Rsyslogd},
		Files: map[string]File{
			"/etc/rsyslog.d":         {Mode: fs.ModeDir | 0o755},
			"/var/lib/rsyslog":       {Mode: fs.ModeDir | 0o700},
			"/etc/sysconfig/rsyslog": {Mode: 0o644},
		},
		Enable: []string{"rsyslog.service"},
	}
	for _, name := range []string{"messages", "secure", "maillog", "cron", "spooler", "boot.log"} {
		p.Files["/var/log/"+name] = File{Mode: 0o600}
	}
	return p
}

// rsyslogLogrotatePackage has the daemon's logs rotated.
func rsyslogLogrotatePackage() Package {
	return Package{
		Name: "rsyslog-logrotate", Version: "8.2102.0", Release: "117.el9", Arch: "x86_64", Base: true,
		Summary:  "Log rotation for rsyslog",
		Requires: []string{"rsyslog", "logrotate"},
	}
}

// loggerPackage has the part of util-linux that talks to the syslog daemon.
func loggerPackage() Package {
	return Package{
		Name: "util-linux-core", Version: logger.Version, Release: "18.el9", Arch: "x86_64", Base: true,
		Summary:  "The core utils from the util-linux package",
		Programs: map[string]host.Program{"/usr/bin/logger": logger.Program},
	}
}
