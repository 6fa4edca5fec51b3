package systemd

import (
	"math"
	"path"
	"sort"
	"strconv"
	"strings"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/wire/syslog"
)

// journaldConfig is journald.conf(5).
type journaldConfig struct {
	storage                                           string
	rateInterval                                      time.Duration
	rateBurst                                         int
	toSyslog, toWall, toKmsg, toConsole               bool
	readKmsg                                          bool
	splitUID                                          bool
	maxStore, maxSyslog, maxKmsg, maxConsole, maxWall syslog.Severity
	systemMax, runtimeMax                             int64 // bytes
	systemMaxFile, runtimeMaxFile                     int64
	systemMaxFiles, runtimeMaxFiles                   int
	maxRetention                                      time.Duration
	lineMax                                           int
}

// Default sizes. The real ones are parts of the file system, which a Program
// cannot measure.
const (
	defaultRuntimeMax = 64 << 20
	defaultSystemMax  = 256 << 20
)

func defaultJournaldConfig() journaldConfig {
	return journaldConfig{
		storage: "auto", rateInterval: 30 * time.Second, rateBurst: 10000, toWall: true, readKmsg: true, splitUID: true,
		maxStore: syslog.Debug, maxSyslog: syslog.Debug, maxKmsg: syslog.Notice, maxConsole: syslog.Info, maxWall: syslog.Emerg,
		systemMax: defaultSystemMax, runtimeMax: defaultRuntimeMax, systemMaxFiles: 100, runtimeMaxFiles: 100, lineMax: lineMax,
	}
}

// readJournaldConfig reads journald.conf and its drop-ins, and returns what is
// wrong in them.
func readJournaldConfig(p *host.Proc) (journaldConfig, []problem) {
	c := defaultJournaldConfig()
	var problems []problem
	for _, file := range confFiles(p, "journald.conf") {
		data, err := libc.ReadFile(p, file)
		if err != nil {
			continue
		}
		settings, bad, _ := parseUnitFile(file, data, []string{"Journal"})
		problems = append(problems, bad...)
		for _, s := range settings {
			if why := c.assign(s); why != "" {
				problems = append(problems, problem{file, s.line, why})
			}
		}
	}
	return c, problems
}

// confFiles returns a configuration file of systemd and its drop-ins, in the
// order in which they are read.
func confFiles(p *host.Proc, name string) []string {
	var files []string
	for _, dir := range []string{"/etc/systemd", "/run/systemd", "/usr/lib/systemd"} {
		if f := path.Join(dir, name); libc.Exists(p, f) {
			files = append(files, f)
			break
		}
	}
	found := map[string]string{}
	for _, dir := range []string{"/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd"} {
		d := path.Join(dir, name+".d")
		names, _ := libc.ReadDir(p, d)
		for _, n := range names {
			if strings.HasSuffix(n, ".conf") && found[n] == "" {
				found[n] = path.Join(d, n)
			}
		}
	}
	names := make([]string, 0, len(found))
	for n := range found {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		files = append(files, found[n])
	}
	return files
}

func (c *journaldConfig) assign(s setting) string {
	size := func(into *int64) string {
		if s.value == "" {
			return ""
		}
		n, ok := parseSize(s.value)
		if !ok {
			return "Failed to parse size value, ignoring: " + s.value
		}
		*into = n
		return ""
	}
	number := func(into *int) string {
		n, err := strconv.Atoi(s.value)
		if err != nil || n < 0 {
			return "Failed to parse " + s.key + "= value, ignoring: " + s.value
		}
		*into = n
		return ""
	}
	level := func(into *syslog.Severity) string {
		l, ok := syslog.ParseSeverity(s.value)
		if n, err := strconv.Atoi(s.value); err == nil && n >= 0 && n <= 7 {
			l, ok = syslog.Severity(n), true
		}
		if !ok {
			return "Failed to parse log level, ignoring: " + s.value
		}
		*into = l
		return ""
	}
	switch s.key {
	case "Storage":
		return setWord(s, &c.storage, "storage setting", "auto", "volatile", "persistent", "none")
	case "RateLimitIntervalSec", "RateLimitInterval":
		return setSpan(s, &c.rateInterval)
	case "RateLimitBurst":
		return number(&c.rateBurst)
	case "ForwardToSyslog":
		return setBool(s, func(b bool) { c.toSyslog = b })
	case "ForwardToWall":
		return setBool(s, func(b bool) { c.toWall = b })
	case "ForwardToKMsg":
		return setBool(s, func(b bool) { c.toKmsg = b })
	case "ForwardToConsole":
		return setBool(s, func(b bool) { c.toConsole = b })
	case "ReadKMsg":
		return setBool(s, func(b bool) { c.readKmsg = b })
	case "SplitMode":
		c.splitUID = s.value != "none"
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
		return size(&c.systemMax)
	case "RuntimeMaxUse":
		return size(&c.runtimeMax)
	case "SystemMaxFileSize":
		return size(&c.systemMaxFile)
	case "RuntimeMaxFileSize":
		return size(&c.runtimeMaxFile)
	case "SystemMaxFiles":
		return number(&c.systemMaxFiles)
	case "RuntimeMaxFiles":
		return number(&c.runtimeMaxFiles)
	case "MaxRetentionSec":
		return setSpan(s, &c.maxRetention)
	case "LineMax":
		n := int64(c.lineMax)
		why := size(&n)
		c.lineMax = int(min(max(n, 79), 1<<30))
		return why
	case "Compress", "Seal", "SyncIntervalSec", "SystemKeepFree", "RuntimeKeepFree", "MaxFileSec", "TTYPath", "Audit":
		return "" // known; see the package's divergences
	default:
		return "Unknown key name '" + s.key + "' in section 'Journal', ignoring."
	}
	return ""
}

// parseSize reads a size with a suffix to the base of 1024.
func parseSize(s string) (int64, bool) {
	s = strings.TrimSpace(s)
	n := 0
	for n < len(s) && (s[n] >= '0' && s[n] <= '9' || s[n] == '.') {
		n++
	}
	v, err := strconv.ParseFloat(s[:n], 64)
	if err != nil {
		return 0, false
	}
	shift, ok := map[string]int{"": 0, "B": 0, "K": 10, "M": 20, "G": 30, "T": 40, "P": 50, "E": 60}[strings.TrimSpace(s[n:])]
	v *= math.Pow(2, float64(shift))
	if !ok || v > math.MaxInt64 {
		return 0, false
	}
	return int64(v), true
}

// formatBytes writes a size as systemd does: "8.0M", "512B".
func formatBytes(n int64) string {
	units := "KMGTPE"
	if n < 1024 {
		return strconv.FormatInt(n, 10) + "B"
	}
	f, i := int64(1024), 0
	for i < len(units)-1 && n >= f*1024 {
		f *= 1024
		i++
	}
	whole, tenth := n/f, n%f*10/f
	return strconv.FormatInt(whole, 10) + "." + strconv.FormatInt(tenth, 10) + units[i:i+1]
}
