package unitfile

import (
	"enshu/sim/systemd/calendar"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (c *Config) assignService(s Setting) string {
	v := c.Service
	list := func(into *[]string) string {
		if s.Value == "" {
			*into = nil
			return ""
		}
		words, ok := SplitWords(s.Value)
		*into = append(*into, words...)
		if !ok {
			return "Invalid syntax, ignoring: " + s.Value
		}
		return ""
	}
	switch s.Key {
	case "Type":
		return s.Word(&v.Kind, "service type", "simple", "exec", "forking", "oneshot", "dbus", "notify", "notify-reload", "idle")
	case "ExecStart", "ExecStartPre", "ExecStartPost", "ExecCondition", "ExecReload", "ExecStop", "ExecStopPost":
		return v.assignExec(s)
	case "Restart":
		return s.Word(&v.Restart, "service restart specifier", "no", "on-success", "on-failure", "on-abnormal", "on-watchdog", "on-abort", "always")
	case "RemainAfterExit":
		return s.Bool(func(b bool) { v.RemainAfterExit = b })
	case "GuessMainPID":
		return s.Bool(func(b bool) { v.GuessMainPID = b })
	case "RestartSec":
		return s.Span(&v.RestartSec)
	case "TimeoutStartSec", "TimeoutStopSec", "TimeoutSec":
		d, ok := calendar.ParseSpan(s.Value, time.Second)
		if !ok {
			return "Failed to parse " + s.Key + "= parameter, ignoring: " + s.Value
		}
		if d == 0 {
			d = calendar.Forever
		}
		if s.Key != "TimeoutStopSec" {
			v.TimeoutStart = d
		}
		if s.Key != "TimeoutStartSec" {
			v.TimeoutStop = d
		}
	case "StartLimitInterval", "StartLimitBurst":
		s.Section = "Unit"
		return c.assignUnit(s)
	case "PIDFile":
		v.PidFile = s.Value
		if v.PidFile != "" && !strings.HasPrefix(v.PidFile, "/") {
			v.PidFile = "/run/" + v.PidFile
		}
	case "BusName":
		v.busName = s.Value
	case "KillMode":
		return s.Word(&v.KillMode, "kill mode", "control-group", "process", "mixed", "none")
	case "KillSignal":
		sig, ok := ParseSignal(s.Value)
		if !ok {
			return "Failed to parse kill signal, ignoring: " + s.Value
		}
		v.KillSignal = sig
	case "SendSIGKILL":
		return s.Bool(func(b bool) { v.SendSIGKILL = b })
	case "SendSIGHUP":
		return s.Bool(func(b bool) { v.SendSIGHUP = b })
	case "User":
		v.User = s.Value
	case "Group":
		v.Group = s.Value
	case "SupplementaryGroups":
		return list(&v.Supplementary)
	case "Environment":
		return list(&v.Environment)
	case "EnvironmentFile":
		if s.Value == "" {
			v.EnvFiles = nil
		} else {
			v.EnvFiles = append(v.EnvFiles, s.Value)
		}
	case "PassEnvironment":
		return list(&v.PassEnv)
	case "UnsetEnvironment":
		return list(&v.UnsetEnv)
	case "UMask":
		n, err := strconv.ParseUint(s.Value, 8, 32)
		if err != nil || n > 0o777 {
			return "Failed to parse mode value, ignoring: " + s.Value
		}
		v.Umask = int(n)
	case "WorkingDirectory":
		v.Dir, v.DirOptional = strings.CutPrefix(s.Value, "-")
		if v.Dir != "" && v.Dir != "~" && !strings.HasPrefix(v.Dir, "/") {
			v.Dir = ""
			return "WorkingDirectory= path is not absolute: " + s.Value
		}
	case "StandardInput":
		v.Stdin = s.Value
	case "StandardOutput":
		v.Stdout = OutputOf(s.Value)
	case "StandardError":
		v.Stderr = OutputOf(s.Value)
	case "SyslogIdentifier":
		v.Identifier = s.Value
	case "SyslogFacility":
		v.Facility = s.Value
	case "SyslogLevel":
		v.Level = s.Value
	case "SuccessExitStatus":
		return list(&v.SuccessStatus)
	case "RestartPreventExitStatus":
		return list(&v.RestartPrevent)
	case "RestartForceExitStatus":
		return list(&v.RestartForce)
	case "RuntimeDirectory":
		return list(&v.RuntimeDirs)
	case "StateDirectory":
		return list(&v.StateDirs)
	case "LogsDirectory":
		return list(&v.LogsDirs)
	case "CacheDirectory":
		return list(&v.CacheDirs)
	case "NotifyAccess":
		return s.Word(&v.NotifyAccess, "notify access specifier", "none", "main", "exec", "all")
	case "SyslogLevelPrefix":
		return s.Bool(func(b bool) { v.PlainOutput = !b })
	case "Sockets":
		return list(&v.sockets)
	case "Slice":
		v.Slice = s.Value
	default:
		c.Settings[s.Key] = s.Value
	}
	return ""
}

// OutputOf gives the old names of outputs their new ones.
func OutputOf(s string) string {
	switch s {
	case "syslog":
		return "journal"
	case "syslog+console":
		return "journal+console"
	}
	return s
}

// assignExec adds the commands of a line; several are parted by a word ";".
func (v *Service) assignExec(s Setting) string {
	if s.Value == "" {
		v.Exec[s.Key] = nil
		return ""
	}
	words, ok := SplitWords(s.Value)
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
		var c Command
		first := line[0]
		argv0 := false
	prefixes:
		for first != "" {
			switch first[0] {
			case '-':
				c.Ignore = true
			case ':':
				c.Raw = true
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
		c.Path = first
		c.Argv = append([]string{first}, line[1:]...)
		if argv0 && len(c.Argv) > 1 {
			c.Argv = c.Argv[1:]
		}
		v.Exec[s.Key] = append(v.Exec[s.Key], c)
	}
	return ""
}
