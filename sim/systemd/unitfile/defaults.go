package unitfile

import (
	"enshu/sim/systemd/calendar"
	"slices"
	"strings"
	"time"
)

// Check returns why systemd refuses a unit.
func (c *Config) Check(kind string) string {
	v := c.Service
	if kind != "service" {
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
		return "Service has no ExecStart= setting, which is only allowed for RemainAfterExit=yes services. Refusing."
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
			if strings.HasPrefix(v.Kind, "notify") {
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
	if t := c.Timer; t != nil {
		if t.Unit == "" {
			t.Unit = strings.TrimSuffix(name, ".timer") + ".service"
		}
		add(Triggers, t.Unit)
		add(Before, t.Unit)
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
				if !slices.Contains(c.Deps[Before], n) {
					add(After, n)
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
	case "timer":
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
