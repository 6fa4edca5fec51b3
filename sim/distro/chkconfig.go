package distro

import (
	"io/fs"

	"enshu/sim/alternatives"
	"enshu/sim/host"
)

// alternativesPackage chooses among programs of one purpose.
func alternativesPackage() Package {
	return Package{
		Name: "alternatives", Version: "1.24", Release: "1.el9", Arch: "x86_64", Base: true,
		Summary:  "A tool to maintain symbolic links determining default commands",
		Programs: map[string]host.Program{"/usr/sbin/alternatives": alternatives.Alternatives},
		Files: map[string]File{
			"/usr/sbin/update-alternatives": {Link: "alternatives"},
			"/etc/alternatives":             {Mode: fs.ModeDir | 0o755},
			"/var/lib/alternatives":         {Mode: fs.ModeDir | 0o755},
		},
	}
}
