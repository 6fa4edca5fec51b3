package distro

import (
	"io/fs"

	"enshu/sim/host"
	"enshu/sim/systemd/analyze"
	"enshu/sim/systemd/hostnamectl"
	"enshu/sim/systemd/journalctl"
	"enshu/sim/systemd/journald"
	"enshu/sim/systemd/launch"
	"enshu/sim/systemd/pid1"
	"enshu/sim/systemd/systemctl"
	"enshu/sim/timedate"
)

// systemdPackage is PID 1, the journal and their tools.
func systemdPackage() Package {
	dir := func(mode fs.FileMode) File { return File{Mode: fs.ModeDir | mode} }
	p := Package{
		Name: "systemd", Version: "252", Release: "51.el9_6.1", Arch: "x86_64", Base: true,
		Summary: "System and Service Manager",
		Programs: map[string]host.Program{
			"/usr/lib/systemd/systemd":          pid1.Init,
			"/usr/lib/systemd/systemd-executor": launch.Executor,
			"/usr/lib/systemd/systemd-journald": journald.Daemon,
			"/usr/bin/systemctl":                systemctl.Command,
			"/usr/bin/journalctl":               journalctl.Command,
			"/usr/bin/systemd-cat":              journalctl.Cat,
			"/usr/bin/systemd-analyze":          analyze.Command,
			"/usr/bin/systemd-notify":           systemctl.Notify,
			"/usr/bin/hostnamectl":              hostnamectl.Command,
			"/usr/bin/timedatectl":              timedate.Timedatectl,
			"/usr/sbin/service":                 systemctl.Service,
			"/usr/sbin/runlevel":                systemctl.Runlevel,
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
