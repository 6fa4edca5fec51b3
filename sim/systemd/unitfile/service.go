package unitfile

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"enshu/sim/systemd/calendar"
)

func (c *Config) assignService(s Setting) {
	v := c.Service
	list := func(into *[]string, take func(word string) bool) {
		if s.Value == "" {
			*into = nil
			return
		}
		words, _ := SplitWords(s.Value)
		for _, w := range words {
			if take == nil || take(w) {
				*into = append(*into, w)
			}
		}
	}
	relative := func(w string) bool { return !strings.HasPrefix(w, "/") }
	named := func(w string) bool { return wrongStatus(s, w) == "" }
	span := func(into *time.Duration) { *into, _ = calendar.ParseSpan(s.Value, time.Second) }
	flag := func(into *bool, yes bool) {
		b, _ := ParseBool(s.Value)
		*into = b == yes
	}
	switch s.Key {
	case "Type":
		v.Kind = s.Value
	case "Restart":
		v.Restart = s.Value
	case "RemainAfterExit":
		flag(&v.RemainAfterExit, true)
	case "GuessMainPID":
		flag(&v.GuessMainPID, true)
	case "RestartSec":
		span(&v.RestartSec)
	case "RuntimeMaxSec":
		span(&v.RuntimeMax)
	case "WatchdogSec":
		span(&v.Watchdog)
	case "TimeoutStartSec", "TimeoutStopSec", "TimeoutSec":
		d, _ := calendar.ParseSpan(s.Value, time.Second)
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
		c.assignUnit(s)
	case "PIDFile":
		v.PidFile = s.Value
		if v.PidFile != "" && !strings.HasPrefix(v.PidFile, "/") {
			v.PidFile = "/run/" + v.PidFile
		}
	case "BusName":
		v.busName = s.Value
	case "KillMode":
		v.KillMode = s.Value
	case "KillSignal":
		v.KillSignal, _ = ParseSignal(s.Value)
	case "FinalKillSignal":
		v.FinalKillSignal, _ = ParseSignal(s.Value)
	case "WatchdogSignal":
		v.WatchdogSignal, _ = ParseSignal(s.Value)
	case "SendSIGKILL":
		flag(&v.SendSIGKILL, true)
	case "SendSIGHUP":
		flag(&v.SendSIGHUP, true)
	case "User":
		v.User = s.Value
	case "Group":
		v.Group = s.Value
	case "SupplementaryGroups":
		list(&v.Supplementary, nil)
	case "Environment":
		list(&v.Environment, validAssignment)
	case "EnvironmentFile":
		if s.Value == "" {
			v.EnvFiles = nil
		} else {
			v.EnvFiles = append(v.EnvFiles, s.Value)
		}
	case "PassEnvironment":
		list(&v.PassEnv, IsName)
	case "UnsetEnvironment":
		list(&v.UnsetEnv, nil)
	case "UMask":
		n, _ := strconv.ParseUint(s.Value, 8, 32)
		v.Umask = int(n)
	case "WorkingDirectory":
		v.Dir, v.DirOptional = strings.CutPrefix(s.Value, "-")
	case "StandardInput":
		v.Stdin = s.Value
	case "StandardInputText":
		if s.Value == "" {
			v.StdinData = nil
		} else {
			text, _ := Unescape(s.Value)
			v.StdinData = append(v.StdinData, text+"\n"...)
		}
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
		list(&v.SuccessStatus, named)
	case "RestartPreventExitStatus":
		list(&v.RestartPrevent, named)
	case "RestartForceExitStatus":
		list(&v.RestartForce, named)
	case "RuntimeDirectory":
		list(&v.RuntimeDirs, relative)
	case "StateDirectory":
		list(&v.StateDirs, relative)
	case "LogsDirectory":
		list(&v.LogsDirs, relative)
	case "CacheDirectory":
		list(&v.CacheDirs, relative)
	case "ConfigurationDirectory":
		list(&v.ConfigDirs, relative)
	case "RuntimeDirectoryMode", "StateDirectoryMode", "LogsDirectoryMode", "CacheDirectoryMode", "ConfigurationDirectoryMode":
		n, _ := strconv.ParseUint(s.Value, 8, 32)
		v.DirModes[strings.TrimSuffix(s.Key, "Mode")] = int(n)
	case "RuntimeDirectoryPreserve":
		v.KeepRuntime = s.Value == "restart"
		if b, ok := ParseBool(s.Value); ok {
			v.KeepRuntime = b
		}
	case "NotifyAccess":
		v.NotifyAccess = s.Value
	case "SyslogLevelPrefix":
		flag(&v.PlainOutput, false)
	case "Sockets":
		list(&v.sockets, func(w string) bool { return wrongSocket(s, w) == "" })
	case "Slice":
		v.Slice = s.Value
	}
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
// Specifiers are resolved word by word, once the words are apart.
func (v *Service) assignExec(s Setting, expand Resolve) (verdict Verdict) {
	if s.Value == "" {
		v.Exec[s.Key] = nil
		return accepted()
	}
	words, unknown, ok := splitCommand(s.Value)
	for range unknown {
		verdict.Problems = append(verdict.Problems, "Ignoring unknown escape sequences: \""+s.Value+"\"")
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
		c, argv0 := commandPrefix(line[0])
		name, bad := expand(c.Path, true)
		suffix := ""
		if c.Ignore {
			suffix = ", ignoring"
		}
		why := ""
		switch {
		case bad != "":
			why = "Failed to resolve unit specifiers in '" + c.Path + "'" + suffix + ": Invalid slot"
		case name == "":
			why = "Empty path in command line" + suffix + ": " + s.Value
		case strings.ContainsAny(name, "\"\\'\x00\n\t\x7f"):
			why = "Executable name contains special characters" + suffix + ": " + name
		case name[0] != '/' && (strings.Contains(name, "/") || name == "." || name == ".."):
			why = "Neither a valid executable name nor an absolute path" + suffix + ": " + name
		case strings.HasSuffix(name, "/"):
			why = "Executable path specifies a directory" + suffix + ": " + name
		}
		if why != "" {
			verdict.Problems = append(verdict.Problems, why)
			verdict.Fatal = !c.Ignore
			return verdict
		}
		c.Path = name
		for _, w := range line[1:] {
			if w, bad = expand(w, true); bad != "" {
				verdict.Problems = append(verdict.Problems, "Failed to resolve unit specifiers in '"+w+"'"+suffix+": Invalid slot")
				verdict.Fatal = !c.Ignore
				return verdict
			}
			if w == "\\;" {
				w = ";"
			}
			c.Argv = append(c.Argv, w)
		}
		if !argv0 || len(c.Argv) == 0 {
			c.Argv = append([]string{name}, c.Argv...)
		}
		v.Exec[s.Key] = append(v.Exec[s.Key], c)
	}
	if !ok {
		verdict.Problems = append(verdict.Problems, "Unbalanced quoting, ignoring: \""+s.Value+"\"")
		if list := v.Exec[s.Key]; len(list) > 0 {
			// The last command lacks words; without any it is as if there were no line.
			verdict.Fatal = !list[len(list)-1].Ignore
		}
	}
	return verdict
}

// commandPrefix reads the characters before the path of a command.
func commandPrefix(word string) (c Command, argv0 bool) {
	for word != "" {
		switch word[0] {
		case '-':
			c.Ignore = true
		case ':':
			c.Raw = true
		case '@':
			argv0 = true
		case '+':
			c.Full = true
		case '!':
		default:
			c.Path = word
			return c, argv0
		}
		word = word[1:]
	}
	return c, argv0
}
