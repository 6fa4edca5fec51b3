package distro

import (
	"io/fs"

	"enshu/sim/host"
	"enshu/sim/sshd"
)

// opensshClientsPackage configures the SSH clients, which are the machine's.
func opensshClientsPackage() Package {
	return Package{
		Name: "openssh-clients", Version: "8.7p1", Release: "38.el9", Arch: "x86_64", Base: true,
		Summary: "An open source SSH client applications",
		Files: map[string]File{
			"/etc/ssh/ssh_config":                  {Mode: 0o644},
			"/etc/ssh/ssh_config.d":                {Mode: fs.ModeDir | 0o755},
			"/etc/ssh/ssh_config.d/50-redhat.conf": {Mode: 0o644},
		},
	}
}

// opensshServerPackage is the SSH server.
func opensshServerPackage() Package {
	return Package{
		Name: "openssh-server", Version: "8.7p1", Release: "38.el9", Arch: "x86_64", Base: true,
		Summary:  "An open source SSH server daemon",
		Programs: map[string]host.Program{"/usr/sbin/sshd": sshd.Sshd},
		Files: map[string]File{
			"/etc/ssh":                              {Mode: fs.ModeDir | 0o755},
			"/etc/ssh/sshd_config":                  {Mode: 0o600},
			"/etc/ssh/sshd_config.d":                {Mode: fs.ModeDir | 0o700},
			"/etc/ssh/sshd_config.d/50-redhat.conf": {Mode: 0o600},
			"/etc/sysconfig/sshd":                   {Mode: 0o640},
			"/var/empty/sshd":                       {Mode: fs.ModeDir | 0o711},
		},
		Users:  []string{"sshd:x:74:74:Privilege-separated SSH:/usr/share/empty.sshd:/sbin/nologin"},
		Groups: []string{"sshd:x:74:", "ssh_keys:x:101:"},
		Enable: []string{"sshd.service"},
	}
}
