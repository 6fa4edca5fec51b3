package distro

import (
	"io/fs"

	"enshu/sim/cron"
	"enshu/sim/host"
)

// croniePackage runs jobs at their times.
func croniePackage() Package {
	return Package{
		Name: "cronie", Version: "1.5.7", Release: "11.el9", Arch: "x86_64", Base: true,
		Summary:  "Cron daemon for executing programs at set times",
		Requires: []string{"cronie-anacron", "crontabs"},
		Programs: map[string]host.Program{"/usr/sbin/crond": cron.Crond, "/usr/bin/crontab": cron.Crontab},
		Files: map[string]File{
			"/usr/bin/crontab": {Mode: fs.ModeSetuid | 0o755},
			"/var/spool/cron":  {Mode: fs.ModeDir | 0o700},
			"/etc/cron.d":      {Mode: fs.ModeDir | 0o755},
			"/etc/cron.deny":   {Mode: 0o644},
		},
		Enable: []string{"crond.service"},
	}
}

// cronieAnacronPackage makes up for days on which a host was down.
func cronieAnacronPackage() Package {
	return Package{
		Name: "cronie-anacron", Version: "1.5.7", Release: "11.el9", Arch: "x86_64", Base: true,
		Summary:  "Utility for running regular jobs",
		Requires: []string{"crontabs"},
		Programs: map[string]host.Program{"/usr/sbin/anacron": cron.Anacron},
		Files: map[string]File{
			"/etc/cron.hourly/0anacron": {Mode: 0o755},
			"/var/spool/anacron":        {Mode: fs.ModeDir | 0o755},
		},
	}
}

// crontabsPackage has the directories of jobs.
func crontabsPackage() Package {
	dir := File{Mode: fs.ModeDir | 0o755}
	return Package{
		Name: "crontabs", Version: "1.11", Release: "27.20190603git.el9_0", Arch: "noarch", Base: true,
		Summary:  "Root crontab files used to schedule the execution of programs",
		Programs: map[string]host.Program{"/usr/bin/run-parts": cron.RunParts},
		Files: map[string]File{
			"/etc/cron.hourly": dir, "/etc/cron.daily": dir, "/etc/cron.weekly": dir, "/etc/cron.monthly": dir,
		},
	}
}
