package distro

import (
	"io/fs"

	"enshu/sim/host"
	"enshu/sim/systemd"
	"enshu/sim/systemd/journalctl"
	"enshu/sim/systemd/journald"
	"enshu/sim/timedate"
)

// systemdPackage is PID 1, the journal and their tools.
func systemdPackage() Package {
	dir := func(mode fs.FileMode) File { return File{Mode: fs.ModeDir | mode} }
	p := Package{
		Name: "systemd", Version: "252", Release: "51.el9_6.1", Arch: "x86_64", Base: true,
		Summary: "System and Service Manager",
		Programs: map[string]host.Program{
			"/usr/lib/systemd/systemd":          systemd.Init,
			"/usr/lib/systemd/systemd-executor": systemd.Executor,
			"/usr/lib/systemd/systemd-journald": journald.Daemon,
			"/usr/bin/systemctl":                systemd.Systemctl,
			"/usr/bin/journalctl":               journalctl.Command,
			"/usr/bin/systemd-cat":              journalctl.Cat,
			"/usr/bin/systemd-analyze":          systemd.Analyze,
			"/usr/bin/systemd-notify":           systemd.SystemdNotify,
			"/usr/bin/hostnamectl":              systemd.Hostnamectl,
			"/usr/bin/timedatectl":              timedate.Timedatectl,
			"/usr/sbin/service":                 systemd.Service,
			"/usr/sbin/runlevel":                systemd.Runlevel,
		},
		Files: map[string]File{
			"/usr/sbin/init":                              {Link: "../lib/systemd/systemd"},
			"/usr/sbin/reboot":                            {Link: "../bin/systemctl"},
			"/usr/sbin/poweroff":                          {Link: "../bin/systemctl"},
			"/usr/sbin/halt":                              {Link: "../bin/systemctl"},
			"/usr/sbin/shutdown":                          {Link: "../bin/systemctl"},
			"/usr/sbin/telinit":                           {Link: "../bin/systemctl"},
			"/etc/systemd/system":                         dir(0o755),
			"/etc/systemd/system/default.target":          {Link: "/usr/lib/systemd/system/multi-user.target"},
			"/usr/lib/systemd/system/autovt@.service":     {Link: "getty@.service"},
			"/usr/lib/systemd/system/default.target":      {Link: "graphical.target"},
			"/usr/lib/systemd/system/ctrl-alt-del.target": {Link: "reboot.target"},
		},
		Groups: []string{"systemd-journal:x:190:"},
	}
	for level, target := range []string{"poweroff", "rescue", "multi-user", "multi-user", "multi-user", "graphical", "reboot"} {
		p.Files["/usr/lib/systemd/system/runlevel"+string(rune('0'+level))+".target"] = File{Link: target + ".target"}
	}
	return p
}
