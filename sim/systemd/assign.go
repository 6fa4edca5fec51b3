package systemd

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// assign applies one setting, its specifiers resolved, and returns what is
// wrong with it.
func (c *config) assign(s setting) string {
	if !knownKey(s.section, s.key) {
		return "Unknown key '" + s.key + "' in section [" + s.section + "], ignoring."
	}
	switch s.section {
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

func (c *config) assignUnit(s setting) string {
	switch s.key {
	case "Description":
		c.description = s.value
	case "Documentation":
		if s.value == "" {
			c.documentation = nil
		}
		c.documentation = append(c.documentation, strings.Fields(s.value)...)
	case "Wants", "Requires", "Requisite", "BindsTo", "PartOf", "Conflicts", "Before", "After", "OnFailure", "OnSuccess", "Upholds",
		"PropagatesReloadTo", "ReloadPropagatedFrom", "PropagatesStopTo", "StopPropagatedFrom":
		for _, name := range strings.Fields(s.value) {
			if validName(name) && !slices.Contains(c.deps[dep(s.key)], name) {
				c.deps[dep(s.key)] = append(c.deps[dep(s.key)], name)
			} else if !validName(name) {
				return "Failed to add dependency on " + name + ", ignoring: Invalid argument"
			}
		}
	case "DefaultDependencies":
		return setBool(s, func(b bool) { c.noDefaults = !b })
	case "RefuseManualStart":
		return setBool(s, func(b bool) { c.refuseStart = b })
	case "RefuseManualStop":
		return setBool(s, func(b bool) { c.refuseStop = b })
	case "AllowIsolate":
		return setBool(s, func(b bool) { c.isolate = b })
	case "IgnoreOnIsolate":
		return setBool(s, func(b bool) { c.ignoreOnIsolate = &b })
	case "StopWhenUnneeded":
		return setBool(s, func(b bool) { c.stopWhenUnneeded = b })
	case "StartLimitIntervalSec", "StartLimitInterval":
		return setSpan(s, &c.limitInterval)
	case "StartLimitBurst":
		n, err := strconv.Atoi(s.value)
		if err != nil || n < 0 {
			return "Failed to parse StartLimitBurst= setting, ignoring: " + s.value
		}
		c.limitBurst = n
	default:
		list, kind := &c.conditions, ""
		if k, ok := strings.CutPrefix(s.key, "Condition"); ok {
			kind = k
		} else if k, ok := strings.CutPrefix(s.key, "Assert"); ok {
			list, kind = &c.asserts, k
		}
		if kind == "" {
			return ""
		}
		if s.value == "" {
			*list = nil
			return ""
		}
		cond := condition{kind: kind, value: s.value}
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

func (c *config) assignSocket(s setting) {
	switch {
	case strings.HasPrefix(s.key, "Listen"):
		kind := map[string]string{"ListenStream": "Stream", "ListenDatagram": "Datagram", "ListenSequentialPacket": "SequentialPacket",
			"ListenFIFO": "FIFO", "ListenNetlink": "Netlink", "ListenSpecial": "Special", "ListenMessageQueue": "MessageQueue"}[s.key]
		if s.value == "" {
			c.socket.listens = nil
		} else if kind != "" {
			v := s.value
			if _, err := strconv.ParseUint(v, 10, 16); err == nil && kind != "Netlink" {
				v = "[::]:" + v
			}
			c.socket.listens = append(c.socket.listens, kind+" "+v)
		}
	case s.key == "Service":
		c.socket.service = s.value
	case s.key == "Accept":
		c.socket.accept, _ = parseBool(s.value)
	}
}

func (c *config) assignTimer(s setting) {
	switch s.key {
	case "OnCalendar":
		c.timer.calendar = append(c.timer.calendar, s.value)
	case "OnActiveSec", "OnBootSec", "OnStartupSec", "OnUnitActiveSec", "OnUnitInactiveSec":
		c.timer.monotonic = append(c.timer.monotonic, struct{ base, span string }{s.key, s.value})
	case "Unit":
		c.timer.unit = s.value
	case "Persistent":
		c.timer.persistent, _ = parseBool(s.value)
	}
}

func (i *installConfig) assign(s setting) {
	list := map[string]*[]string{"Alias": &i.alias, "WantedBy": &i.wantedBy, "RequiredBy": &i.requiredBy, "Also": &i.also}[s.key]
	switch {
	case list != nil && s.value == "":
		*list = nil
	case list != nil:
		*list = append(*list, strings.Fields(s.value)...)
	case s.key == "DefaultInstance":
		i.defaultInstance = s.value
	}
	i.present = len(i.alias)+len(i.wantedBy)+len(i.requiredBy)+len(i.also) > 0 || i.defaultInstance != ""
}

func setBool(s setting, set func(bool)) string {
	b, ok := parseBool(s.value)
	if !ok {
		return "Failed to parse boolean value, ignoring: " + s.value
	}
	set(b)
	return ""
}

func setSpan(s setting, into *time.Duration) string {
	d, ok := parseSpan(s.value, time.Second)
	if !ok {
		return "Failed to parse " + s.key + "= parameter, ignoring: " + s.value
	}
	*into = d
	return ""
}

// one of the words, or the text that systemd logs about another.
func setWord(s setting, into *string, what string, words ...string) string {
	if !slices.Contains(words, s.value) {
		return "Failed to parse " + what + ", ignoring: " + s.value
	}
	*into = s.value
	return ""
}
