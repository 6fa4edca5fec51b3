package distro

import (
	"io/fs"

	"enshu/sim/host"
	"enshu/sim/named"
)

func bindPackage() Package {
	zone := File{Mode: 0o640, Group: "named"}
	dir := File{Mode: fs.ModeDir | 0o770, User: "named", Group: "named"}
	return Package{
		Name: "bind", Epoch: 32, Version: "9.16.23", Release: "18.el9_4.6", Arch: "x86_64",
		Summary: "The Berkeley Internet Name Domain (BIND) DNS (Domain Name System) server",
		Programs: map[string]host.Program{
			"/usr/sbin/named":           named.Named,
			"/usr/sbin/named-checkconf": named.CheckConf,
			"/usr/sbin/named-checkzone": named.CheckZone,
		},
		Files: map[string]File{
			"/etc/named":                 {Mode: fs.ModeDir | 0o750, Group: "named"},
			"/etc/named.conf":            zone,
			"/etc/named.rfc1912.zones":   zone,
			"/run/named":                 {Mode: fs.ModeDir | 0o755, User: "named", Group: "named"},
			"/var/named":                 {Mode: fs.ModeDir | fs.ModeSticky | 0o770, Group: "named"},
			"/var/named/data":            dir,
			"/var/named/dynamic":         dir,
			"/var/named/slaves":          dir,
			"/var/named/named.empty":     zone,
			"/var/named/named.localhost": zone,
			"/var/named/named.loopback":  zone,
		},
		Users:  []string{"named:x:25:25:Named:/var/named:/bin/false"},
		Groups: []string{"named:x:25:"},
	}
}
