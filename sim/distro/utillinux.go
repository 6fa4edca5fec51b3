package distro

import (
	"io/fs"

	"enshu/sim/host"
	"enshu/sim/login"
	"enshu/sim/timedate"
	"enshu/sim/utillinux"
)

// utilLinuxPackage is what of util-linux the lab runs itself; the rest is the
// machine's.
func utilLinuxPackage() Package {
	return Package{
		Name: "util-linux", Version: "2.37.4", Release: "20.el9", Arch: "x86_64", Base: true,
		Summary: "A collection of basic system utilities",
		Programs: map[string]host.Program{
			"/usr/bin/dmesg":    utillinux.Dmesg,
			"/usr/bin/su":       login.Su,
			"/usr/sbin/hwclock": timedate.Hwclock,
			"/usr/bin/cal":      timedate.Cal,
		},
		Files: map[string]File{"/usr/bin/su": {Mode: fs.ModeSetuid | 0o755}},
	}
}

// passwdPackage sets passwords. The machine's own passwd(1) cannot serve: what is
// set-user-ID root on the machine is not so in a host, and EL9's differs.
func passwdPackage() Package {
	return Package{
		Name: "passwd", Version: "0.80", Release: "12.el9", Arch: "x86_64", Base: true,
		Summary:  "An utility for setting or changing passwords using PAM",
		Programs: map[string]host.Program{"/usr/bin/passwd": login.Passwd},
		Files:    map[string]File{"/usr/bin/passwd": {Mode: fs.ModeSetuid | 0o755}},
	}
}

// sudoPackage lets members of wheel work as root.
func sudoPackage() Package {
	return Package{
		Name: "sudo", Version: "1.9.5p2", Release: "10.el9_3", Arch: "x86_64", Base: true,
		Summary:  "Allows restricted root access for specified users",
		Programs: map[string]host.Program{"/usr/bin/sudo": login.Sudo},
		Files: map[string]File{
			"/usr/bin/sudo":  {Mode: fs.ModeSetuid | 0o111},
			"/etc/sudoers":   {Mode: 0o440},
			"/etc/sudoers.d": {Mode: fs.ModeDir | 0o750},
			"/var/db/sudo":   {Mode: fs.ModeDir | 0o711},
		},
	}
}
