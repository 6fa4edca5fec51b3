package systemd

import (
	"enshu/sim/systemd/calendar"
	"enshu/sim/systemd/unitfile"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (c *config) assignService(s unitfile.Setting) string {
	v := c.service
	list := func(into *[]string) string {
		if s.Value == "" {
			*into = nil
			return ""
		}
		words, ok := unitfile.SplitWords(s.Value)
		*into = append(*into, words...)
		if !ok {
			return "Invalid syntax, ignoring: " + s.Value
		}
		return ""
	}
	switch s.Key {
	case "Type":
		return s.Word(&v.kind, "service type", "simple", "exec", "forking", "oneshot", "dbus", "notify", "notify-reload", "idle")
	case "ExecStart", "ExecStartPre", "ExecStartPost", "ExecCondition", "ExecReload", "ExecStop", "ExecStopPost":
		return v.assignExec(s)
	case "Restart":
		return s.Word(&v.restart, "service restart specifier", "no", "on-success", "on-failure", "on-abnormal", "on-watchdog", "on-abort", "always")
	case "RemainAfterExit":
		return s.Bool(func(b bool) { v.remainAfterExit = b })
	case "GuessMainPID":
		return s.Bool(func(b bool) { v.guessMainPID = b })
	case "RestartSec":
		return s.Span(&v.restartSec)
	case "TimeoutStartSec", "TimeoutStopSec", "TimeoutSec":
		d, ok := calendar.ParseSpan(s.Value, time.Second)
		if !ok {
			return "Failed to parse " + s.Key + "= parameter, ignoring: " + s.Value
		}
		if d == 0 {
			d = calendar.Forever
		}
		if s.Key != "TimeoutStopSec" {
			v.timeoutStart = d
		}
		if s.Key != "TimeoutStartSec" {
			v.timeoutStop = d
		}
	case "StartLimitInterval", "StartLimitBurst":
		s.Section = "Unit"
		return c.assignUnit(s)
	case "PIDFile":
		v.pidFile = s.Value
		if v.pidFile != "" && !strings.HasPrefix(v.pidFile, "/") {
			v.pidFile = "/run/" + v.pidFile
		}
	case "BusName":
		v.busName = s.Value
	case "KillMode":
		return s.Word(&v.killMode, "kill mode", "control-group", "process", "mixed", "none")
	case "KillSignal":
		sig, ok := parseSignal(s.Value)
		if !ok {
			return "Failed to parse kill signal, ignoring: " + s.Value
		}
		v.killSignal = sig
	case "SendSIGKILL":
		return s.Bool(func(b bool) { v.sendSIGKILL = b })
	case "SendSIGHUP":
		return s.Bool(func(b bool) { v.sendSIGHUP = b })
	case "User":
		v.user = s.Value
	case "Group":
		v.group = s.Value
	case "SupplementaryGroups":
		return list(&v.supplementary)
	case "Environment":
		return list(&v.environment)
	case "EnvironmentFile":
		if s.Value == "" {
			v.envFiles = nil
		} else {
			v.envFiles = append(v.envFiles, s.Value)
		}
	case "PassEnvironment":
		return list(&v.passEnv)
	case "UnsetEnvironment":
		return list(&v.unsetEnv)
	case "UMask":
		n, err := strconv.ParseUint(s.Value, 8, 32)
		if err != nil || n > 0o777 {
			return "Failed to parse mode value, ignoring: " + s.Value
		}
		v.umask = int(n)
	case "WorkingDirectory":
		v.dir, v.dirOptional = strings.CutPrefix(s.Value, "-")
		if v.dir != "" && v.dir != "~" && !strings.HasPrefix(v.dir, "/") {
			v.dir = ""
			return "WorkingDirectory= path is not absolute: " + s.Value
		}
	case "StandardInput":
		v.stdin = s.Value
	case "StandardOutput":
		v.stdout = outputOf(s.Value)
	case "StandardError":
		v.stderr = outputOf(s.Value)
	case "SyslogIdentifier":
		v.identifier = s.Value
	case "SyslogFacility":
		v.facility = s.Value
	case "SyslogLevel":
		v.level = s.Value
	case "SuccessExitStatus":
		return list(&v.successStatus)
	case "RestartPreventExitStatus":
		return list(&v.restartPrevent)
	case "RestartForceExitStatus":
		return list(&v.restartForce)
	case "RuntimeDirectory":
		return list(&v.runtimeDirs)
	case "StateDirectory":
		return list(&v.stateDirs)
	case "LogsDirectory":
		return list(&v.logsDirs)
	case "CacheDirectory":
		return list(&v.cacheDirs)
	case "NotifyAccess":
		return s.Word(&v.notifyAccess, "notify access specifier", "none", "main", "exec", "all")
	case "SyslogLevelPrefix":
		return s.Bool(func(b bool) { v.plainOutput = !b })
	case "Sockets":
		return list(&v.sockets)
	case "Slice":
		v.slice = s.Value
	}
	return ""
}

// outputOf gives the old names of outputs their new ones.
func outputOf(s string) string {
	switch s {
	case "syslog":
		return "journal"
	case "syslog+console":
		return "journal+console"
	}
	return s
}

// assignExec adds the commands of a line; several are parted by a word ";".
func (v *serviceConfig) assignExec(s unitfile.Setting) string {
	if s.Value == "" {
		v.exec[s.Key] = nil
		return ""
	}
	words, ok := unitfile.SplitWords(s.Value)
	if !ok {
		return "Unbalanced quoting or invalid escape, ignoring: " + s.Value
	}
	for len(words) > 0 {
		n := slices.Index(words, ";")
		line := words
		if n >= 0 {
			line, words = words[:n], words[n+1:]
		} else {
			words = nil
		}
		if len(line) == 0 {
			continue
		}
		var c command
		first := line[0]
		argv0 := false
	prefixes:
		for first != "" {
			switch first[0] {
			case '-':
				c.ignore = true
			case ':':
				c.raw = true
			case '@':
				argv0 = true
			case '+', '!':
			default:
				break prefixes
			}
			first = first[1:]
		}
		if first == "" {
			return "Empty path in command line, ignoring: " + s.Value
		}
		c.path = first
		c.argv = append([]string{first}, line[1:]...)
		if argv0 && len(c.argv) > 1 {
			c.argv = c.argv[1:]
		}
		v.exec[s.Key] = append(v.exec[s.Key], c)
	}
	return ""
}
