package distro

import (
	"enshu/sim/host"
	"enshu/sim/mailx"
)

func snailPackage() Package {
	return Package{
		Name: "s-nail", Version: "14.9.22", Release: "6.el9", Arch: "x86_64",
		Summary:  "Environment for sending and receiving mail, providing functionality of POSIX mailx",
		Programs: map[string]host.Program{"/usr/bin/s-nail": mailx.Mail},
		Files: map[string]File{
			"/usr/bin/mailx": {Link: "s-nail"}, "/usr/bin/mail": {Link: "s-nail"},
			"/etc/mail.rc": {Link: "s-nail.rc"},
		},
	}
}
