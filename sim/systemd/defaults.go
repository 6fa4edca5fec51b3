package systemd

import (
	"enshu/sim/systemd/calendar"
	"enshu/sim/systemd/unitfile"
	"slices"
	"strings"
	"time"
)

// check returns why systemd refuses a unit.
func (c *config) check(kind string) string {
	v := c.service
	if kind != "service" {
		return ""
	}
	starts := len(v.exec["ExecStart"])
	if v.kind == "" {
		v.kind = "simple"
		switch {
		case v.busName != "":
			v.kind = "dbus"
		case starts == 0:
			v.kind = "oneshot"
		}
	}
	switch {
	case starts == 0 && len(v.exec["ExecStop"]) == 0:
		return "Service has no ExecStart=, ExecStop=, or SuccessAction=. Refusing."
	case v.kind != "oneshot" && starts == 0:
		return "Service has no ExecStart= setting, which is only allowed for Type=oneshot services. Refusing."
	case starts == 0 && !v.remainAfterExit:
		return "Service has no ExecStart= setting, which is only allowed for RemainAfterExit=yes services. Refusing."
	case v.kind != "oneshot" && starts > 1:
		return "Service has more than one ExecStart= setting, which is only allowed for Type=oneshot services. Refusing."
	case v.kind == "oneshot" && (v.restart == "always" || v.restart == "on-success"):
		return "Service has Restart= set to either always or on-success, which isn't allowed for Type=oneshot services. Refusing."
	case v.kind == "dbus" && v.busName == "":
		return "Service is of type D-Bus but no D-Bus service name has been specified. Refusing."
	}
	return ""
}

// defaults adds the dependencies that every unit of a type has.
func (c *config) defaults(name string) {
	kind := unitfile.Type(name)
	add := func(d dep, names ...string) {
		for _, n := range names {
			if !slices.Contains(c.deps[d], n) && n != name {
				c.deps[d] = append(c.deps[d], n)
			}
		}
	}
	if v := c.service; v != nil {
		if v.notifyAccess == "" {
			v.notifyAccess = "none"
			if strings.HasPrefix(v.kind, "notify") {
				v.notifyAccess = "main"
			}
		}
		if v.slice == "" {
			v.slice = "system.slice"
			// Instances of a template share a slice of their own.
			if prefix, _, instance, _ := unitfile.SplitName(name); instance {
				v.slice = "system-" + strings.ReplaceAll(prefix, "-", `\x2d`) + ".slice"
			}
		}
		add(requires, v.slice)
		add(after, v.slice)
		if v.kind == "oneshot" && v.timeoutStart == 90*time.Second {
			v.timeoutStart = calendar.Forever
		}
		for _, s := range v.sockets {
			add(wants, s)
			add(after, s)
		}
	}
	if s := c.socket; s != nil {
		if s.service == "" {
			s.service = strings.TrimSuffix(name, ".socket") + ".service"
		}
		if s.accept {
			s.service = ""
		} else {
			add(triggers, s.service)
			add(before, s.service)
		}
	}
	if t := c.timer; t != nil {
		if t.unit == "" {
			t.unit = strings.TrimSuffix(name, ".timer") + ".service"
		}
		add(triggers, t.unit)
		add(before, t.unit)
	}
	if c.noDefaults {
		return
	}
	switch kind {
	case "service":
		add(requires, "sysinit.target")
		add(after, "sysinit.target", "basic.target")
		add(conflicts, "shutdown.target")
		add(before, "shutdown.target")
	case "target":
		for _, d := range []dep{requires, wants, requisite, bindsTo} {
			for _, n := range c.deps[d] {
				if !slices.Contains(c.deps[before], n) {
					add(after, n)
				}
			}
		}
		if name != "shutdown.target" {
			add(conflicts, "shutdown.target")
			add(before, "shutdown.target")
		}
	case "socket":
		add(requires, "sysinit.target")
		add(after, "sysinit.target")
		add(before, "sockets.target", "shutdown.target")
		add(conflicts, "shutdown.target")
	case "timer":
		add(requires, "sysinit.target")
		add(after, "sysinit.target")
		add(before, "timers.target", "shutdown.target")
		add(conflicts, "shutdown.target")
	case "path":
		add(requires, "sysinit.target")
		add(after, "sysinit.target")
		add(before, "paths.target", "shutdown.target")
		add(conflicts, "shutdown.target")
	}
}
