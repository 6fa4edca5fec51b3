package distro

import (
	"io/fs"

	"enshu/sim/chrony/chronyc"
	"enshu/sim/chrony/chronyd"
	"enshu/sim/host"
)

// chronyPackage is the NTP client and server.
func chronyPackage() Package {
	return Package{
		Name: "chrony", Version: "4.3", Release: "1.el9", Arch: "x86_64", Base: true,
		Summary: "An NTP client/server",
		Programs: map[string]host.Program{
			"/usr/sbin/chronyd": chronyd.Main,
			"/usr/bin/chronyc":  chronyc.Main,
		},
		Files: map[string]File{
			"/etc/chrony.keys": {Mode: 0o640, Group: "chrony"},
			"/var/lib/chrony":  {Mode: fs.ModeDir | 0o750, User: "chrony", Group: "chrony"},
			"/var/log/chrony":  {Mode: fs.ModeDir | 0o750, User: "chrony", Group: "chrony"},
		},
		Users:  []string{"chrony:x:992:990:chrony system user:/var/lib/chrony:/sbin/nologin"},
		Groups: []string{"chrony:x:990:"},
		Enable: []string{"chronyd.service"},
	}
}
