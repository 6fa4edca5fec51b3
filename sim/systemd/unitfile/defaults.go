package unitfile

import (
	"enshu/sim/systemd/calendar"
	"slices"
	"strings"
	"time"
)

// Check returns why systemd refuses a unit.
func (c *Config) Check(name string) string {
	kind, v := Type(name), c.Service
	switch kind {
	case "service":
	case "timer":
		if len(c.Timer.Calendar)+len(c.Timer.Monotonic) == 0 {
			return "Timer unit lacks value setting. Refusing."
		}
		return ""
	case "socket":
		if len(c.Socket.Listens) == 0 {
			return "Unit has no Listen setting (ListenStream=, ListenDatagram=, ListenFIFO=, ...). Refusing."
		}
		return ""
	case "mount":
		switch {
		case name == "-.mount":
		case c.Mount.Where != "" && escapePath(c.Mount.Where)+".mount" != name:
			return "Where= setting doesn't match unit name. Refusing."
		case c.Mount.What == "":
			return "What= setting is missing. Refusing."
		}
		return ""
	case "path":
		if len(c.Path.Watches) == 0 {
			return "Path unit lacks path setting. Refusing."
		}
		return ""
	default:
		return ""
	}
	starts := len(v.Exec["ExecStart"])
	if v.Kind == "" {
		v.Kind = "simple"
		switch {
		case v.busName != "":
			v.Kind = "dbus"
		case starts == 0:
			v.Kind = "oneshot"
		}
	}
	switch {
	case starts == 0 && len(v.Exec["ExecStop"]) == 0:
		return "Service has no ExecStart=, ExecStop=, or SuccessAction=. Refusing."
	case v.Kind != "oneshot" && starts == 0:
		return "Service has no ExecStart= setting, which is only allowed for Type=oneshot services. Refusing."
	case starts == 0 && !v.RemainAfterExit:
		return "Service has no ExecStart= and no SuccessAction= settings and does not have RemainAfterExit=yes set. Refusing."
	case v.Kind != "oneshot" && starts > 1:
		return "Service has more than one ExecStart= setting, which is only allowed for Type=oneshot services. Refusing."
	case v.Kind == "oneshot" && (v.Restart == "always" || v.Restart == "on-success"):
		return "Service has Restart= set to either always or on-success, which isn't allowed for Type=oneshot services. Refusing."
	case v.Kind == "dbus" && v.busName == "":
		return "Service is of type D-Bus but no D-Bus service name has been specified. Refusing."
	}
	return ""
}

// Defaults adds the dependencies that every unit of a type has.
func (c *Config) Defaults(name string) {
	kind := Type(name)
	add := func(d Dep, names ...string) {
		for _, n := range names {
			if !slices.Contains(c.Deps[d], n) && n != name {
				c.Deps[d] = append(c.Deps[d], n)
			}
		}
	}
	if v := c.Service; v != nil {
		if v.NotifyAccess == "" {
			v.NotifyAccess = "none"
			if strings.HasPrefix(v.Kind, "notify") || v.Watchdog > 0 {
				v.NotifyAccess = "main"
			}
		}
		if v.Slice == "" {
			v.Slice = "system.slice"
			// Instances of a template share a slice of their own.
			if prefix, _, instance, _ := SplitName(name); instance {
				v.Slice = "system-" + strings.ReplaceAll(prefix, "-", `\x2d`) + ".slice"
			}
		}
		add(Requires, v.Slice)
		add(After, v.Slice)
		if v.Kind == "oneshot" && v.TimeoutStart == 90*time.Second {
			v.TimeoutStart = calendar.Forever
		}
		if out, err := orWord(v.Stdout, "journal"), orWord(v.Stderr, "inherit"); toJournal(out) || err == "inherit" && toJournal(out) || toJournal(err) {
			add(After, "systemd-journald.socket")
		}
		for _, s := range v.sockets {
			add(Wants, s)
			add(After, s)
		}
	}
	if s := c.Socket; s != nil {
		if s.Service == "" {
			s.Service = strings.TrimSuffix(name, ".socket") + ".service"
		}
		if s.Accept {
			s.Service = ""
		} else {
			add(Triggers, s.Service)
			add(Before, s.Service)
		}
	}
	if m := c.Mount; m != nil && name != "-.mount" {
		if m.Where == "" {
			m.Where = "/" + UnescapeName(strings.TrimSuffix(name, ".mount"))
		}
		if c.Description == "" {
			c.Description = m.Where
		}
		add(Requires, "system.slice")
		add(After, "system.slice", "systemd-journald.socket", "-.mount")
		if m.Type == "tmpfs" {
			add(After, "swap.target")
		}
	}
	if p := c.Path; p != nil {
		if p.Unit == "" {
			p.Unit = strings.TrimSuffix(name, ".path") + ".service"
		}
		add(Triggers, p.Unit)
		add(Before, p.Unit)
	}
	if t := c.Timer; t != nil {
		if t.Unit == "" {
			t.Unit = strings.TrimSuffix(name, ".timer") + ".service"
		}
		add(Triggers, t.Unit)
		add(Before, t.Unit)
	}
	if kind == "slice" && name != "-.slice" {
		parent := parentSlice(name)
		add(Requires, parent)
		add(After, parent)
	}
	if kind == "socket" {
		add(Requires, "system.slice")
		add(After, "system.slice")
	}
	if c.NoDefaults {
		return
	}
	switch kind {
	case "service":
		add(Requires, "sysinit.target")
		add(After, "sysinit.target", "basic.target")
		add(Conflicts, "shutdown.target")
		add(Before, "shutdown.target")
	case "target":
		for _, d := range []Dep{Requires, Wants, Requisite, BindsTo} {
			for _, n := range c.Deps[d] {
				if !slices.Contains(c.Deps[Before], n) && !slices.Contains(c.Deps[After], n) {
					c.AfterWanted = append(c.AfterWanted, n)
				}
			}
		}
		if name != "shutdown.target" {
			add(Conflicts, "shutdown.target")
			add(Before, "shutdown.target")
		}
	case "socket":
		add(Requires, "sysinit.target")
		add(After, "sysinit.target")
		add(Before, "sockets.target", "shutdown.target")
		add(Conflicts, "shutdown.target")
	case "mount":
		if name == "-.mount" {
			break
		}
		network := slices.Contains([]string{"nfs", "nfs4", "cifs", "smb3", "sshfs", "ceph", "glusterfs"}, c.Mount.Type) || slices.Contains(strings.Split(c.Mount.Options, ","), "_netdev")
		if network {
			add(After, "remote-fs-pre.target", "network.target", "network-online.target")
			add(Wants, "network-online.target")
			add(Before, "remote-fs.target")
		} else {
			add(After, "local-fs-pre.target")
			add(Before, "local-fs.target")
		}
		add(Before, "umount.target")
		add(Conflicts, "umount.target")
	case "timer":
		if len(c.Timer.Calendar) > 0 {
			add(After, "time-sync.target", "time-set.target")
		}
		add(Requires, "sysinit.target")
		add(After, "sysinit.target")
		add(Before, "timers.target", "shutdown.target")
		add(Conflicts, "shutdown.target")
	case "path":
		add(Requires, "sysinit.target")
		add(After, "sysinit.target")
		add(Before, "paths.target", "shutdown.target")
		add(Conflicts, "shutdown.target")
	}
}

// toJournal: output of this kind takes a journal that is there.
func toJournal(output string) bool {
	return output == "journal" || output == "kmsg" || output == "journal+console" || output == "kmsg+console"
}

func orWord(s, or string) string {
	if s == "" {
		return or
	}
	return s
}

// parentSlice is the slice that a slice is in: "a-b.slice" is in "a.slice".
func parentSlice(name string) string {
	stem := strings.TrimSuffix(name, ".slice")
	if i := strings.LastIndexByte(stem, '-'); i > 0 {
		return stem[:i] + ".slice"
	}
	return "-.slice"
}
