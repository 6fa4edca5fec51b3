package systemctl

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"enshu/sim/systemd/calendar"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/wire/syslog"
)

// words are the numbers as which a property has the words of its setting.
var words = map[string]map[string]int{
	"CPUSchedulingPolicy": {"other": 0, "fifo": 1, "rr": 2, "batch": 3, "idle": 5},
	"IOSchedulingClass":   {"none": 0, "realtime": 1, "best-effort": 2, "idle": 3},
}

// settingProperties are the properties that settings become which nothing else is
// known of, as the manager has them on the bus (org.freedesktop.systemd1(5)).
func settingProperties(settings map[string]string) []property {
	var list []property
	add := func(name, value string) { list = append(list, property{name, value}) }
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		value := settings[key]
		switch {
		case strings.HasPrefix(key, "Limit"):
			if soft, hard, ok := unitfile.Limit(key, value); ok {
				add(key, limitText(hard))
				add(key+"Soft", limitText(soft))
			}
		case key == "CPUQuota":
			if n, err := strconv.Atoi(strings.TrimSuffix(value, "%")); err == nil {
				add("CPUQuotaPerSecUSec", calendar.FormatSpan(time.Duration(n)*10*time.Millisecond, time.Microsecond))
			}
		case strings.HasPrefix(key, "Memory") && !strings.HasSuffix(key, "Accounting") && key != "MemoryDenyWriteExecute",
			key == "TasksMax", key == "ReceiveBuffer", key == "SendBuffer", key == "PipeSize":
			if n, ok := unitfile.ParseSize(value); ok {
				value = strconv.FormatInt(n, 10)
			}
			add(key, value)
		case strings.HasSuffix(key, "Sec"):
			if d, ok := calendar.ParseSpan(value, time.Second); ok {
				add(strings.TrimSuffix(key, "Sec")+"USec", calendar.FormatSpan(d, time.Microsecond))
			}
		case strings.HasSuffix(key, "Mode") && strings.Trim(value, "01234567") == "":
			n, _ := strconv.ParseUint(value, 8, 32)
			add(key, fmt.Sprintf("%04o", n))
		case strings.HasSuffix(key, "Signal"):
			if sig, ok := unitfile.ParseSignal(value); ok {
				add(key, strconv.Itoa(int(sig)))
			}
		case words[key] != nil:
			if n, ok := words[key][value]; ok {
				value = strconv.Itoa(n)
			}
			add(key, value)
		case key == "LogLevelMax":
			if l, ok := syslog.ParseSeverity(value); ok {
				add(key, strconv.Itoa(int(l)))
			}
		case key == "AmbientCapabilities", key == "CapabilityBoundingSet":
			add(key, strings.ToLower(value))
		case key == "SyslogFacility", key == "SyslogLevel":
		default:
			if b, ok := unitfile.ParseBool(value); ok && value != "0" && value != "1" {
				value = yesNo(b)
			}
			add(key, value)
		}
	}
	if d, ok := calendar.ParseSpan(settings["JobTimeoutSec"], time.Second); ok && settings["JobRunningTimeoutSec"] == "" {
		add("JobRunningTimeoutUSec", calendar.FormatSpan(d, time.Microsecond))
	}
	return append(list, priorityOf(settings["SyslogFacility"], settings["SyslogLevel"])...)
}

// limitText is a resource limit as show has it.
func limitText(n uint64) string {
	if n == ^uint64(0) {
		return "infinity"
	}
	return strconv.FormatUint(n, 10)
}

// priorityOf is what a unit's output is logged with.
func priorityOf(facilityWord, levelWord string) []property {
	if facilityWord == "" && levelWord == "" {
		return nil
	}
	facility, ok := syslog.ParseFacility(facilityWord)
	if !ok {
		facility = syslog.Daemon
	}
	level, ok := syslog.ParseSeverity(levelWord)
	if !ok {
		level = syslog.Info
	}
	return []property{{"SyslogFacility", strconv.Itoa(int(facility))}, {"SyslogLevel", strconv.Itoa(int(level))},
		{"SyslogPriority", strconv.Itoa(int(syslog.Make(facility, level)))}}
}
