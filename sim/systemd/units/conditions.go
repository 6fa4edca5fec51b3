package units

import (
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/systemd/machine"
	"enshu/sim/systemd/unitfile"
	"path"
)

// Holds evaluates a condition on a host, its negation aside (systemd.unit(5)).
func Holds(p *host.Proc, c unitfile.Condition) bool {
	switch c.Kind {
	case "PathExists":
		return libc.Exists(p, c.Value)
	case "PathExistsGlob":
		return GlobExists(p, c.Value)
	case "PathIsDirectory":
		info, err := p.Sys.Stat(c.Value)
		return err == nil && info.IsDir()
	case "PathIsSymbolicLink":
		_, err := p.Sys.Readlink(c.Value)
		return err == nil
	case "PathIsReadWrite":
		return libc.Exists(p, c.Value)
	case "DirectoryNotEmpty":
		names, _ := libc.ReadDir(p, c.Value)
		return len(names) > 0
	case "FileNotEmpty":
		info, err := p.Sys.Stat(c.Value)
		return err == nil && info.Mode().IsRegular() && info.Size() > 0
	case "FileIsExecutable":
		info, err := p.Sys.Stat(c.Value)
		return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
	case "Host":
		return machine.Hostname(p) == c.Value || machine.ID(p) == c.Value
	case "User":
		return c.Value == "root" || c.Value == "0" || c.Value == "@system"
	case "KernelCommandLine":
		return false
	case "Virtualization":
		// A host is a virtual machine as far as its software is concerned.
		b, isBool := unitfile.ParseBool(c.Value)
		return isBool && b || c.Value == "vm" || c.Value == "kvm"
	case "Security", "FirstBoot", "ControlGroupController", "ACPower", "NeedsUpdate", "Credential":
		return false
	}
	return true // Architecture, Memory, CPUs, Environment …: as a machine that fits
}

// GlobExists reports whether a file matches a pattern in its last part.
func GlobExists(p *host.Proc, pattern string) bool {
	dir, base := path.Split(pattern)
	names, _ := libc.ReadDir(p, path.Clean(dir))
	for _, n := range names {
		if ok, _ := path.Match(base, n); ok {
			return true
		}
	}
	return false
}
