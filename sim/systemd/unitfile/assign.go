package unitfile

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"enshu/sim/systemd/calendar"
)

// Resolve resolves the specifiers of a text; bad is the one that is unknown.
type Resolve func(text string, command bool) (resolved, bad string)

// Assign applies one setting and returns what is wrong with it.
func (c *Config) Assign(s Setting, expand Resolve) Verdict {
	if !knownKey(s.Section, s.Key) {
		return refuse("Unknown key '" + s.Key + "' in section [" + s.Section + "], ignoring.")
	}
	if c.Service != nil && s.Section == "Service" && isCommand(s.Key) {
		return c.Service.assignExec(s, expand)
	}
	value, bad := expand(s.Value, isCommand(s.Key))
	if bad != "" {
		return refuse("Failed to resolve unit specifiers in " + s.Value + ", ignoring: Invalid slot")
	}
	s.Value = value
	v := check(s)
	if v.refused {
		return v
	}
	c.keep(s)
	switch {
	case s.Section == "Unit":
		c.assignUnit(s)
	case s.Section == "Install":
		c.Install.assign(s)
	case s.Section == "Service" && c.Service != nil:
		c.assignService(s)
	case s.Section == "Socket" && c.Socket != nil:
		c.assignSocket(s)
	case s.Section == "Timer" && c.Timer != nil:
		c.assignTimer(s)
	case s.Section == "Path" && c.Path != nil:
		c.assignPath(s)
	}
	return v
}

// growing are the settings of which each line adds to what those before have.
var growing = map[string]bool{"SupplementaryGroups": true, "PassEnvironment": true, "UnsetEnvironment": true, "ReadWritePaths": true, "ReadOnlyPaths": true,
	"InaccessiblePaths": true, "ExecPaths": true, "NoExecPaths": true, "Symlinks": true, "CPUAffinity": true, "LogExtraFields": true, "RequiresMountsFor": true}

// keep notes a setting as it is shown.
func (c *Config) keep(s Setting) {
	switch before := c.Settings[s.Key]; {
	case s.Section == "Install":
	case s.Value == "":
		delete(c.Settings, s.Key)
	case growing[s.Key] && before != "":
		c.Settings[s.Key] = before + " " + s.Value
	}
}

// isCommand: the value of the key is a command line.
func isCommand(key string) bool {
	return strings.HasPrefix(key, "Exec") && !strings.HasSuffix(key, "Paths")
}

func (c *Config) assignUnit(s Setting) {
	set := func(into *bool, yes bool) {
		if b, ok := ParseBool(s.Value); ok {
			*into = b == yes
		}
	}
	switch s.Key {
	case "Description":
		c.Description = s.Value
	case "Documentation":
		if s.Value == "" {
			c.Documentation = nil
		}
		for _, w := range strings.Fields(s.Value) {
			if validURL(w) {
				c.Documentation = append(c.Documentation, w)
			}
		}
	case "Wants", "Requires", "Requisite", "BindsTo", "BindTo", "PartOf", "Conflicts", "Before", "After", "OnFailure", "OnSuccess", "Upholds",
		"PropagatesReloadTo", "ReloadPropagatedFrom", "PropagatesStopTo", "StopPropagatedFrom":
		kind := Dep(s.Key)
		if kind == "BindTo" {
			kind = BindsTo
		}
		for _, name := range strings.Fields(s.Value) {
			if ValidName(name) && !slices.Contains(c.Deps[kind], name) {
				c.Deps[kind] = append(c.Deps[kind], name)
			}
		}
	case "DefaultDependencies":
		set(&c.NoDefaults, false)
	case "RefuseManualStart":
		set(&c.RefuseStart, true)
	case "RefuseManualStop":
		set(&c.RefuseStop, true)
	case "AllowIsolate":
		set(&c.Isolate, true)
	case "IgnoreOnIsolate":
		b, _ := ParseBool(s.Value)
		c.IgnoreOnIsolate = &b
	case "StopWhenUnneeded":
		set(&c.StopWhenUnneeded, true)
	case "StartLimitIntervalSec", "StartLimitInterval":
		c.LimitInterval, _ = calendar.ParseSpan(s.Value, time.Second)
	case "StartLimitBurst":
		c.LimitBurst, _ = strconv.Atoi(s.Value)
	default:
		kind, ok := conditionOf(s.Key)
		if !ok {
			return
		}
		list := &c.Conditions
		if strings.HasPrefix(s.Key, "Assert") {
			list = &c.Asserts
		}
		if s.Value == "" {
			*list = nil
			return
		}
		// The one that was given last is tested first.
		*list = append([]Condition{parseCondition(kind, s.Value)}, *list...)
	}
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
