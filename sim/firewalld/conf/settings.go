package conf

import (
	"strings"

	"enshu/sim/libc"
)

// Settings is firewalld.conf(5), line by line.
type Settings []string

func ParseSettings(data []byte) Settings { return libc.Lines(data) }

// SettingDefaults are the values of what firewalld.conf does not set.
var SettingDefaults = map[string]string{
	"DefaultZone": "public", "CleanupOnExit": "yes", "Lockdown": "no", "IPv6_rpfilter": "yes", "LogDenied": "off",
	"FlushAllOnReload": "yes", "RFC3964_IPv4": "yes",
}

// Get returns the value of a setting.
func (c Settings) Get(name string) string {
	for _, line := range c {
		if k, v, ok := strings.Cut(line, "="); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return SettingDefaults[name]
}

// Yes reports whether a switch is on.
func (c Settings) Yes(name string) bool {
	switch strings.ToLower(c.Get(name)) {
	case "yes", "true":
		return true
	case "no", "false":
		return false
	}
	return SettingDefaults[name] == "yes"
}

// Set changes a setting in its line, or adds one.
func (c *Settings) Set(name, value string) {
	for i, line := range *c {
		if k, _, ok := strings.Cut(line, "="); ok && strings.TrimSpace(k) == name {
			(*c)[i] = name + "=" + value
			return
		}
	}
	*c = append(*c, name+"="+value)
}

// LogDeniedValues are the values of LogDenied, in the order of the error text.
var LogDeniedValues = []string{"all", "unicast", "broadcast", "multicast", "off"}
