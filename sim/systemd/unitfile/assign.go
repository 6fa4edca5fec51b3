package unitfile

import (
	"slices"
	"strconv"
	"strings"
)

// Assign applies one setting, its specifiers resolved, and returns what is
// wrong with it.
func (c *Config) Assign(s Setting) string {
	if !knownKey(s.Section, s.Key) {
		return "Unknown key '" + s.Key + "' in section [" + s.Section + "], ignoring."
	}
	switch s.Section {
	case "Unit":
		return c.assignUnit(s)
	case "Install":
		c.Install.assign(s)
	case "Service":
		return c.assignService(s)
	case "Socket":
		c.assignSocket(s)
	case "Timer":
		c.assignTimer(s)
	case "Path":
		c.assignPath(s)
	default:
		c.Settings[s.Key] = s.Value
	}
	return ""
}

func (c *Config) assignUnit(s Setting) string {
	switch s.Key {
	case "Description":
		c.Description = s.Value
	case "Documentation":
		if s.Value == "" {
			c.Documentation = nil
		}
		c.Documentation = append(c.Documentation, strings.Fields(s.Value)...)
	case "Wants", "Requires", "Requisite", "BindsTo", "PartOf", "Conflicts", "Before", "After", "OnFailure", "OnSuccess", "Upholds",
		"PropagatesReloadTo", "ReloadPropagatedFrom", "PropagatesStopTo", "StopPropagatedFrom":
		for _, name := range strings.Fields(s.Value) {
			if ValidName(name) && !slices.Contains(c.Deps[Dep(s.Key)], name) {
				c.Deps[Dep(s.Key)] = append(c.Deps[Dep(s.Key)], name)
			} else if !ValidName(name) {
				return "Failed to add dependency on " + name + ", ignoring: Invalid argument"
			}
		}
	case "DefaultDependencies":
		return s.Bool(func(b bool) { c.NoDefaults = !b })
	case "RefuseManualStart":
		return s.Bool(func(b bool) { c.RefuseStart = b })
	case "RefuseManualStop":
		return s.Bool(func(b bool) { c.RefuseStop = b })
	case "AllowIsolate":
		return s.Bool(func(b bool) { c.Isolate = b })
	case "IgnoreOnIsolate":
		return s.Bool(func(b bool) { c.IgnoreOnIsolate = &b })
	case "StopWhenUnneeded":
		return s.Bool(func(b bool) { c.stopWhenUnneeded = b })
	case "StartLimitIntervalSec", "StartLimitInterval":
		return s.Span(&c.LimitInterval)
	case "StartLimitBurst":
		n, err := strconv.Atoi(s.Value)
		if err != nil || n < 0 {
			return "Failed to parse StartLimitBurst= setting, ignoring: " + s.Value
		}
		c.LimitBurst = n
	default:
		list, kind := &c.Conditions, ""
		if k, ok := strings.CutPrefix(s.Key, "Condition"); ok {
			kind = k
		} else if k, ok := strings.CutPrefix(s.Key, "Assert"); ok {
			list, kind = &c.Asserts, k
		}
		if kind == "" {
			return ""
		}
		if s.Value == "" {
			*list = nil
			return ""
		}
		*list = append(*list, parseCondition(kind, s.Value))
	}
	return ""
}

func (c *Config) assignSocket(s Setting) {
	switch {
	case strings.HasPrefix(s.Key, "Listen"):
		kind := map[string]string{"ListenStream": "Stream", "ListenDatagram": "Datagram", "ListenSequentialPacket": "SequentialPacket",
			"ListenFIFO": "FIFO", "ListenNetlink": "Netlink", "ListenSpecial": "Special", "ListenMessageQueue": "MessageQueue"}[s.Key]
		if s.Value == "" {
			c.Socket.Listens = nil
		} else if kind != "" {
			v := s.Value
			if _, err := strconv.ParseUint(v, 10, 16); err == nil && kind != "Netlink" {
				v = "[::]:" + v
			}
			c.Socket.Listens = append(c.Socket.Listens, kind+" "+v)
		}
	case s.Key == "Service":
		c.Socket.Service = s.Value
	case s.Key == "Accept":
		c.Socket.Accept, _ = ParseBool(s.Value)
	}
}

func (c *Config) assignTimer(s Setting) {
	switch s.Key {
	case "OnCalendar":
		c.Timer.Calendar = append(c.Timer.Calendar, s.Value)
	case "OnActiveSec", "OnBootSec", "OnStartupSec", "OnUnitActiveSec", "OnUnitInactiveSec":
		c.Timer.Monotonic = append(c.Timer.Monotonic, Elapse{s.Key, s.Value})
	case "Unit":
		c.Timer.Unit = s.Value
	case "Persistent":
		c.Timer.persistent, _ = ParseBool(s.Value)
	}
}

func (c *Config) assignPath(s Setting) {
	switch s.Key {
	case "PathExists", "PathExistsGlob", "PathChanged", "PathModified", "DirectoryNotEmpty":
		if s.Value == "" {
			c.Path.Watches = nil
		} else {
			c.Path.Watches = append(c.Path.Watches, Watch{s.Key, s.Value})
		}
	case "Unit":
		c.Path.Unit = s.Value
	case "MakeDirectory":
		c.Path.MakeDirectory, _ = ParseBool(s.Value)
	default:
		c.Settings[s.Key] = s.Value
	}
}

func (i *Install) assign(s Setting) {
	list := map[string]*[]string{"Alias": &i.Alias, "WantedBy": &i.WantedBy, "RequiredBy": &i.RequiredBy, "Also": &i.Also}[s.Key]
	switch {
	case list != nil && s.Value == "":
		*list = nil
	case list != nil:
		*list = append(*list, strings.Fields(s.Value)...)
	case s.Key == "DefaultInstance":
		i.DefaultInstance = s.Value
	}
	i.present = len(i.Alias)+len(i.WantedBy)+len(i.RequiredBy)+len(i.Also) > 0 || i.DefaultInstance != ""
}

// ParseCondition reads an assignment like "ConditionPathExists=|!/x".
func ParseCondition(s string) (c Condition, assert, ok bool) {
	name, value, ok := strings.Cut(s, "=")
	kind, isCondition := strings.CutPrefix(strings.TrimSpace(name), "Condition")
	if !isCondition {
		if kind, assert = strings.CutPrefix(strings.TrimSpace(name), "Assert"); !assert {
			return c, false, false
		}
	}
	return parseCondition(kind, strings.TrimSpace(value)), assert, ok && kind != ""
}

func parseCondition(kind, value string) Condition {
	c := Condition{Kind: kind, Value: value}
	if v, ok := strings.CutPrefix(c.Value, "|"); ok {
		c.Trigger, c.Value = true, strings.TrimLeft(v, " \t")
	}
	if v, ok := strings.CutPrefix(c.Value, "!"); ok {
		c.Negate, c.Value = true, strings.TrimLeft(v, " \t")
	}
	return c
}
