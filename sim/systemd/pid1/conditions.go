package pid1

import (
	"enshu/sim/libc"
	"enshu/sim/systemd/machine"
	"enshu/sim/systemd/unitfile"
)

// holds evaluates a condition, its negation aside.
func (m *manager) holds(c unitfile.Condition) bool {
	p := m.p
	switch c.Kind {
	case "PathExists":
		return libc.Exists(p, c.Value)
	case "PathExistsGlob":
		return globExists(p, c.Value)
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

// test evaluates conditions (systemd.unit(5)): all without "|", and one of
// those with it.
func (u *unit) test(list []unitfile.Condition) bool {
	triggers, triggered := 0, false
	for _, c := range list {
		holds := u.m.holds(c) != c.Negate
		if c.Trigger {
			triggers++
			triggered = triggered || holds
			continue
		}
		if !holds {
			value := c.Value
			if c.Negate {
				value = "!" + value
			}
			u.conditionText = "Condition" + c.Kind + "=" + value
			return false
		}
	}
	u.conditionText = ""
	return triggers == 0 || triggered
}
