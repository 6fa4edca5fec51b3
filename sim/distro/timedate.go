package distro

import (
	"enshu/sim/host"
	"enshu/sim/timedate"
)

// coreutilsPackage has the part of coreutils that shows and sets the time; the
// rest is the machine's own.
func coreutilsPackage() Package {
	return Package{
		Name: "coreutils", Version: "8.32", Release: "39.el9", Arch: "x86_64", Base: true,
		Summary:  "A set of basic GNU tools commonly used in shell scripts",
		Programs: map[string]host.Program{"/usr/bin/date": timedate.Date},
	}
}
