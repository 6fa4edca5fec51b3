package journald

import (
	"path"
	"strconv"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/systemd/machine"
	"enshu/sim/systemd/unitfile"
	"enshu/sim/wire/syslog"
)

// config is journald.conf(5).
type config struct {
	storage                                           string
	rateInterval                                      time.Duration
	rateBurst                                         int
	toSyslog, toWall, toKmsg, toConsole               bool
	readKmsg                                          bool
	splitUID                                          bool
	maxStore, maxSyslog, maxKmsg, maxConsole, maxWall syslog.Severity
	system, runtime                                   limits
	maxRetention, maxFileAge                          time.Duration // 0 is without
	lineMax                                           int
	console                                           string // where ForwardToConsole= writes
}

func defaultConfig() config {
	return config{
		storage: "auto", rateInterval: 30 * time.Second, rateBurst: 10000, toWall: true, readKmsg: true, splitUID: true,
		maxStore: syslog.Debug, maxSyslog: syslog.Debug, maxKmsg: syslog.Notice, maxConsole: syslog.Info, maxWall: syslog.Emerg,
		system: limits{files: 100}, runtime: limits{files: 100}, maxFileAge: 2629800 * time.Second, lineMax: lineMax, console: "/dev/console",
	}
}

// readConfig reads journald.conf and its drop-ins, and returns what is
// wrong in them.
func readConfig(p *host.Proc) (config, []unitfile.Problem) {
	c := defaultConfig()
	var problems []unitfile.Problem
	for _, file := range machine.ConfFiles(p, "journald.conf") {
		data, err := libc.ReadFile(p, file)
		if err != nil {
			continue
		}
		settings, bad, _ := unitfile.Parse(file, data, []string{"Journal"})
		problems = append(problems, bad...)
		for _, s := range settings {
			if why := c.assign(s); why != "" {
				problems = append(problems, s.Wrong(why))
			}
		}
	}
	return c, problems
}

func (c *config) assign(s unitfile.Setting) string {
	size := func(into *int64) string {
		if s.Value == "" {
			return ""
		}
		n, ok := unitfile.ParseSize(s.Value)
		if !ok {
			return "Failed to parse size value, ignoring: " + s.Value
		}
		*into = n
		return ""
	}
	number := func(into *int) string {
		n, err := strconv.Atoi(s.Value)
		if err != nil || n < 0 {
			return "Failed to parse " + s.Key + "= value, ignoring: " + s.Value
		}
		*into = n
		return ""
	}
	level := func(into *syslog.Severity) string {
		l, ok := syslog.ParseSeverity(s.Value)
		if n, err := strconv.Atoi(s.Value); err == nil && n >= 0 && n <= 7 {
			l, ok = syslog.Severity(n), true
		}
		if !ok {
			return "Failed to parse log level, ignoring: " + s.Value
		}
		*into = l
		return ""
	}
	switch s.Key {
	case "Storage":
		return s.Word(&c.storage, "storage setting", "auto", "volatile", "persistent", "none")
	case "RateLimitIntervalSec", "RateLimitInterval":
		return s.Span(&c.rateInterval)
	case "RateLimitBurst":
		return number(&c.rateBurst)
	case "ForwardToSyslog":
		return s.Bool(func(b bool) { c.toSyslog = b })
	case "ForwardToWall":
		return s.Bool(func(b bool) { c.toWall = b })
	case "ForwardToKMsg":
		return s.Bool(func(b bool) { c.toKmsg = b })
	case "ForwardToConsole":
		return s.Bool(func(b bool) { c.toConsole = b })
	case "ReadKMsg":
		return s.Bool(func(b bool) { c.readKmsg = b })
	case "SplitMode":
		c.splitUID = s.Value != "none"
	case "MaxLevelStore":
		return level(&c.maxStore)
	case "MaxLevelSyslog":
		return level(&c.maxSyslog)
	case "MaxLevelKMsg":
		return level(&c.maxKmsg)
	case "MaxLevelConsole":
		return level(&c.maxConsole)
	case "MaxLevelWall":
		return level(&c.maxWall)
	case "SystemMaxUse":
		return size(&c.system.use)
	case "RuntimeMaxUse":
		return size(&c.runtime.use)
	case "SystemMaxFileSize":
		return size(&c.system.file)
	case "RuntimeMaxFileSize":
		return size(&c.runtime.file)
	case "SystemMaxFiles":
		return number(&c.system.files)
	case "RuntimeMaxFiles":
		return number(&c.runtime.files)
	case "SystemKeepFree":
		return size(&c.system.keepFree)
	case "RuntimeKeepFree":
		return size(&c.runtime.keepFree)
	case "MaxFileSec":
		return s.Span(&c.maxFileAge)
	case "MaxRetentionSec":
		return s.Span(&c.maxRetention)
	case "LineMax":
		n := int64(c.lineMax)
		why := size(&n)
		c.lineMax = int(min(max(n, 79), 1<<30))
		return why
	case "TTYPath":
		switch {
		case s.Value == "":
			c.console = "/dev/console"
		case !path.IsAbs(s.Value):
			return "TTYPath= path is not absolute, ignoring: " + s.Value
		default:
			c.console = path.Clean(s.Value)
		}
	case "Compress", "Seal", "SyncIntervalSec", "Audit":
		return "" // known; see the package's divergences
	default:
		return "Unknown key name '" + s.Key + "' in section 'Journal', ignoring."
	}
	return ""
}
