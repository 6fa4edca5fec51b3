package systemd

import (
	"enshu/sim/libc"
	"enshu/sim/systemd/machine"
	"enshu/sim/systemd/unitfile"
)

// holds evaluates a condition, its negation aside.
func (m *manager) holds(c condition) bool {
	p := m.p
	switch c.kind {
	case "PathExists":
		return libc.Exists(p, c.value)
	case "PathExistsGlob":
		return globExists(p, c.value)
	case "PathIsDirectory":
		info, err := p.Sys.Stat(c.value)
		return err == nil && info.IsDir()
	case "PathIsSymbolicLink":
		_, err := p.Sys.Readlink(c.value)
		return err == nil
	case "PathIsReadWrite":
		return libc.Exists(p, c.value)
	case "DirectoryNotEmpty":
		names, _ := libc.ReadDir(p, c.value)
		return len(names) > 0
	case "FileNotEmpty":
		info, err := p.Sys.Stat(c.value)
		return err == nil && info.Mode().IsRegular() && info.Size() > 0
	case "FileIsExecutable":
		info, err := p.Sys.Stat(c.value)
		return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
	case "Host":
		return machine.Hostname(p) == c.value || machine.ID(p) == c.value
	case "User":
		return c.value == "root" || c.value == "0" || c.value == "@system"
	case "KernelCommandLine":
		return false
	case "Virtualization":
		// A host is a virtual machine as far as its software is concerned.
		b, isBool := unitfile.ParseBool(c.value)
		return isBool && b || c.value == "vm" || c.value == "kvm"
	case "Security", "FirstBoot", "ControlGroupController", "ACPower", "NeedsUpdate", "Credential":
		return false
	}
	return true // Architecture, Memory, CPUs, Environment …: as a machine that fits
}

// test evaluates conditions (systemd.unit(5)): all without "|", and one of
// those with it.
func (u *unit) test(list []condition) bool {
	triggers, triggered := 0, false
	for _, c := range list {
		holds := u.m.holds(c) != c.negate
		if c.trigger {
			triggers++
			triggered = triggered || holds
			continue
		}
		if !holds {
			value := c.value
			if c.negate {
				value = "!" + value
			}
			u.conditionText = "Condition" + c.kind + "=" + value
			return false
		}
	}
	u.conditionText = ""
	return triggers == 0 || triggered
}
