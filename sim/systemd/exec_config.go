package systemd

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

func (c *config) assignService(s setting) string {
	v := c.service
	list := func(into *[]string) string {
		if s.value == "" {
			*into = nil
			return ""
		}
		words, ok := splitWords(s.value)
		*into = append(*into, words...)
		if !ok {
			return "Invalid syntax, ignoring: " + s.value
		}
		return ""
	}
	switch s.key {
	case "Type":
		return setWord(s, &v.kind, "service type", "simple", "exec", "forking", "oneshot", "dbus", "notify", "notify-reload", "idle")
	case "ExecStart", "ExecStartPre", "ExecStartPost", "ExecCondition", "ExecReload", "ExecStop", "ExecStopPost":
		return v.assignExec(s)
	case "Restart":
		return setWord(s, &v.restart, "service restart specifier", "no", "on-success", "on-failure", "on-abnormal", "on-watchdog", "on-abort", "always")
	case "RemainAfterExit":
		return setBool(s, func(b bool) { v.remainAfterExit = b })
	case "GuessMainPID":
		return setBool(s, func(b bool) { v.guessMainPID = b })
	case "RestartSec":
		return setSpan(s, &v.restartSec)
	case "TimeoutStartSec", "TimeoutStopSec", "TimeoutSec":
		d, ok := parseSpan(s.value, time.Second)
		if !ok {
			return "Failed to parse " + s.key + "= parameter, ignoring: " + s.value
		}
		if d == 0 {
			d = forever
		}
		if s.key != "TimeoutStopSec" {
			v.timeoutStart = d
		}
		if s.key != "TimeoutStartSec" {
			v.timeoutStop = d
		}
	case "StartLimitInterval", "StartLimitBurst":
		s.section = "Unit"
		return c.assignUnit(s)
	case "PIDFile":
		v.pidFile = s.value
		if v.pidFile != "" && !strings.HasPrefix(v.pidFile, "/") {
			v.pidFile = "/run/" + v.pidFile
		}
	case "BusName":
		v.busName = s.value
	case "KillMode":
		return setWord(s, &v.killMode, "kill mode", "control-group", "process", "mixed", "none")
	case "KillSignal":
		sig, ok := parseSignal(s.value)
		if !ok {
			return "Failed to parse kill signal, ignoring: " + s.value
		}
		v.killSignal = sig
	case "SendSIGKILL":
		return setBool(s, func(b bool) { v.sendSIGKILL = b })
	case "SendSIGHUP":
		return setBool(s, func(b bool) { v.sendSIGHUP = b })
	case "User":
		v.user = s.value
	case "Group":
		v.group = s.value
	case "SupplementaryGroups":
		return list(&v.supplementary)
	case "Environment":
		return list(&v.environment)
	case "EnvironmentFile":
		if s.value == "" {
			v.envFiles = nil
		} else {
			v.envFiles = append(v.envFiles, s.value)
		}
	case "PassEnvironment":
		return list(&v.passEnv)
	case "UnsetEnvironment":
		return list(&v.unsetEnv)
	case "UMask":
		n, err := strconv.ParseUint(s.value, 8, 32)
		if err != nil || n > 0o777 {
			return "Failed to parse mode value, ignoring: " + s.value
		}
		v.umask = int(n)
	case "WorkingDirectory":
		v.dir, v.dirOptional = strings.CutPrefix(s.value, "-")
		if v.dir != "" && v.dir != "~" && !strings.HasPrefix(v.dir, "/") {
			v.dir = ""
			return "WorkingDirectory= path is not absolute: " + s.value
		}
	case "StandardInput":
		v.stdin = s.value
	case "StandardOutput":
		v.stdout = outputOf(s.value)
	case "StandardError":
		v.stderr = outputOf(s.value)
	case "SyslogIdentifier":
		v.identifier = s.value
	case "SyslogFacility":
		v.facility = s.value
	case "SyslogLevel":
		v.level = s.value
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
		return setWord(s, &v.notifyAccess, "notify access specifier", "none", "main", "exec", "all")
	case "SyslogLevelPrefix":
		return setBool(s, func(b bool) { v.plainOutput = !b })
	case "Sockets":
		return list(&v.sockets)
	case "Slice":
		v.slice = s.value
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
func (v *serviceConfig) assignExec(s setting) string {
	if s.value == "" {
		v.exec[s.key] = nil
		return ""
	}
	words, ok := splitWords(s.value)
	if !ok {
		return "Unbalanced quoting or invalid escape, ignoring: " + s.value
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
			return "Empty path in command line, ignoring: " + s.value
		}
		c.path = first
		c.argv = append([]string{first}, line[1:]...)
		if argv0 && len(c.argv) > 1 {
			c.argv = c.argv[1:]
		}
		v.exec[s.key] = append(v.exec[s.key], c)
	}
	return ""
}
