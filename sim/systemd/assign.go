package systemd

import (
	"enshu/sim/systemd/unitfile"
	"slices"
	"strconv"
	"strings"
)

// assign applies one setting, its specifiers resolved, and returns what is
// wrong with it.
func (c *config) assign(s unitfile.Setting) string {
	if !knownKey(s.Section, s.Key) {
		return "Unknown key '" + s.Key + "' in section [" + s.Section + "], ignoring."
	}
	switch s.Section {
	case "Unit":
		return c.assignUnit(s)
	case "Install":
		c.install.assign(s)
	case "Service":
		return c.assignService(s)
	case "Socket":
		c.assignSocket(s)
	case "Timer":
		c.assignTimer(s)
	}
	return ""
}

func (c *config) assignUnit(s unitfile.Setting) string {
	switch s.Key {
	case "Description":
		c.description = s.Value
	case "Documentation":
		if s.Value == "" {
			c.documentation = nil
		}
		c.documentation = append(c.documentation, strings.Fields(s.Value)...)
	case "Wants", "Requires", "Requisite", "BindsTo", "PartOf", "Conflicts", "Before", "After", "OnFailure", "OnSuccess", "Upholds",
		"PropagatesReloadTo", "ReloadPropagatedFrom", "PropagatesStopTo", "StopPropagatedFrom":
		for _, name := range strings.Fields(s.Value) {
			if unitfile.ValidName(name) && !slices.Contains(c.deps[dep(s.Key)], name) {
				c.deps[dep(s.Key)] = append(c.deps[dep(s.Key)], name)
			} else if !unitfile.ValidName(name) {
				return "Failed to add dependency on " + name + ", ignoring: Invalid argument"
			}
		}
	case "DefaultDependencies":
		return s.Bool(func(b bool) { c.noDefaults = !b })
	case "RefuseManualStart":
		return s.Bool(func(b bool) { c.refuseStart = b })
	case "RefuseManualStop":
		return s.Bool(func(b bool) { c.refuseStop = b })
	case "AllowIsolate":
		return s.Bool(func(b bool) { c.isolate = b })
	case "IgnoreOnIsolate":
		return s.Bool(func(b bool) { c.ignoreOnIsolate = &b })
	case "StopWhenUnneeded":
		return s.Bool(func(b bool) { c.stopWhenUnneeded = b })
	case "StartLimitIntervalSec", "StartLimitInterval":
		return s.Span(&c.limitInterval)
	case "StartLimitBurst":
		n, err := strconv.Atoi(s.Value)
		if err != nil || n < 0 {
			return "Failed to parse StartLimitBurst= setting, ignoring: " + s.Value
		}
		c.limitBurst = n
	default:
		list, kind := &c.conditions, ""
		if k, ok := strings.CutPrefix(s.Key, "Condition"); ok {
			kind = k
		} else if k, ok := strings.CutPrefix(s.Key, "Assert"); ok {
			list, kind = &c.asserts, k
		}
		if kind == "" {
			return ""
		}
		if s.Value == "" {
			*list = nil
			return ""
		}
		cond := condition{kind: kind, value: s.Value}
		if v, ok := strings.CutPrefix(cond.value, "|"); ok {
			cond.trigger, cond.value = true, strings.TrimLeft(v, " \t")
		}
		if v, ok := strings.CutPrefix(cond.value, "!"); ok {
			cond.negate, cond.value = true, strings.TrimLeft(v, " \t")
		}
		*list = append(*list, cond)
	}
	return ""
}

func (c *config) assignSocket(s unitfile.Setting) {
	switch {
	case strings.HasPrefix(s.Key, "Listen"):
		kind := map[string]string{"ListenStream": "Stream", "ListenDatagram": "Datagram", "ListenSequentialPacket": "SequentialPacket",
			"ListenFIFO": "FIFO", "ListenNetlink": "Netlink", "ListenSpecial": "Special", "ListenMessageQueue": "MessageQueue"}[s.Key]
		if s.Value == "" {
			c.socket.listens = nil
		} else if kind != "" {
			v := s.Value
			if _, err := strconv.ParseUint(v, 10, 16); err == nil && kind != "Netlink" {
				v = "[::]:" + v
			}
			c.socket.listens = append(c.socket.listens, kind+" "+v)
		}
	case s.Key == "Service":
		c.socket.service = s.Value
	case s.Key == "Accept":
		c.socket.accept, _ = unitfile.ParseBool(s.Value)
	}
}

func (c *config) assignTimer(s unitfile.Setting) {
	switch s.Key {
	case "OnCalendar":
		c.timer.calendar = append(c.timer.calendar, s.Value)
	case "OnActiveSec", "OnBootSec", "OnStartupSec", "OnUnitActiveSec", "OnUnitInactiveSec":
		c.timer.monotonic = append(c.timer.monotonic, struct{ base, span string }{s.Key, s.Value})
	case "Unit":
		c.timer.unit = s.Value
	case "Persistent":
		c.timer.persistent, _ = unitfile.ParseBool(s.Value)
	}
}

func (i *installConfig) assign(s unitfile.Setting) {
	list := map[string]*[]string{"Alias": &i.alias, "WantedBy": &i.wantedBy, "RequiredBy": &i.requiredBy, "Also": &i.also}[s.Key]
	switch {
	case list != nil && s.Value == "":
		*list = nil
	case list != nil:
		*list = append(*list, strings.Fields(s.Value)...)
	case s.Key == "DefaultInstance":
		i.defaultInstance = s.Value
	}
	i.present = len(i.alias)+len(i.wantedBy)+len(i.requiredBy)+len(i.also) > 0 || i.defaultInstance != ""
}
