package distro

import (
	"io/fs"

	"enshu/sim/firewalld"
	"enshu/sim/host"
)

func firewalldPackage() Package {
	dir := File{Mode: fs.ModeDir | 0o750}
	return Package{
		Name: "firewalld", Version: "1.3.4", Release: "1.el9", Arch: "noarch",
		Summary: "A firewall daemon with D-Bus interface providing a dynamic firewall",
		Base:    true,
		Programs: map[string]host.Program{
			"/usr/sbin/firewalld":           firewalld.Firewalld,
			"/usr/bin/firewall-cmd":         firewalld.FirewallCmd,
			"/usr/bin/firewall-offline-cmd": firewalld.FirewallOfflineCmd,
		},
		Files: map[string]File{
			"/etc/firewalld":           dir,
			"/etc/firewalld/helpers":   dir,
			"/etc/firewalld/icmptypes": dir,
			"/etc/firewalld/ipsets":    dir,
			"/etc/firewalld/policies":  dir,
			"/etc/firewalld/services":  dir,
			"/etc/firewalld/zones":     dir,
		},
		Enable: []string{"firewalld.service"},
	}
}
