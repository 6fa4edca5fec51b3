package script

import (
	"strconv"
	"strings"

	"enshu/sim/wire/syslog"
)

// Facilities is how many there are for a selector: those of the protocol, and
// one for messages whose priority is not valid, which "mark" names too.
const Facilities = 25

// Selector is a compiled selector: for each facility a bit for each severity.
type Selector [Facilities]uint8

// Matches reports whether a message of that facility and severity is selected.
func (m *Selector) Matches(f syslog.Facility, s syslog.Severity) bool {
	return m[f]&(1<<s) != 0
}

// special results of parsePriority
const (
	everyPriority = 0xff
	noPriority    = 0x10
)

// FacilityNames are the names that rsyslog knows; it differs from the
// protocol's: audit, alert and clock have none.
var FacilityNames = map[string]int{
	"kern": 0, "user": 1, "mail": 2, "daemon": 3, "auth": 4, "security": 4, "syslog": 5, "lpr": 6, "news": 7,
	"uucp": 8, "cron": 9, "authpriv": 10, "ftp": 11, "ntp": 12, "console": 14, "local0": 16, "local1": 17,
	"local2": 18, "local3": 19, "local4": 20, "local5": 21, "local6": 22, "local7": 23, "mark": 24,
}

var PriorityNames = map[string]int{
	"emerg": 0, "panic": 0, "alert": 1, "crit": 2, "err": 3, "error": 3, "warning": 4, "warn": 4,
	"notice": 5, "info": 6, "debug": 7, "*": everyPriority, "none": noPriority,
}

// Code looks a name up; a number stands for itself. It is -1 for what is neither.
func Code(name string, names map[string]int) int {
	if name != "" && name[0] >= '0' && name[0] <= '9' {
		n, _ := strconv.Atoi(strings.TrimRight(name, "abcdefghijklmnopqrstuvwxyz=!*"))
		return n
	}
	if n, ok := names[strings.ToLower(name)]; ok {
		return n
	}
	return -1
}

// ParseSelector compiles a list of facility.priority (syslog.conf(5)). What was
// read before a name that is not known stays in force; the complaint is "" when
// all were.
func ParseSelector(s string) (m Selector, complaint string) {
	for s != "" {
		list, rest := s, ""
		if i := strings.IndexByte(s, '.'); i >= 0 {
			list, rest = s[:i+1], s[i+1:]
		}
		end := strings.IndexAny(rest, ",;")
		if end < 0 {
			end = len(rest)
		}
		name := rest[:end]
		rest = rest[end:]
		// A separator with nothing behind it makes an empty part.
		trailing := rest != "" && strings.Trim(rest, ",;") == ""
		rest = strings.TrimLeft(rest, ",;")
		negated := strings.HasPrefix(name, "!")
		name = strings.TrimPrefix(name, "!")
		single := strings.HasPrefix(name, "=")
		pri := Code(strings.TrimPrefix(name, "="), PriorityNames)
		if pri < 0 {
			return m, "unknown priority name \"" + name + "\""
		}
		if i := strings.IndexAny(list, ".;"); i >= 0 {
			list = list[:i]
		}
		for _, f := range strings.Split(strings.TrimRight(list, ","), ",") {
			if f == "" {
				continue
			}
			if f[0] == '*' {
				for i := range m {
					m[i] = apply(m[i], pri, negated, single)
				}
				continue
			}
			i := Code(f, FacilityNames)
			if f[0] >= '0' && f[0] <= '9' {
				i >>= 3 // rsyslog takes a number for a facility code shifted left
			}
			if i < 0 || i >= Facilities {
				return m, "unknown facility name \"" + f + "\""
			}
			m[i] = apply(m[i], pri, negated, single)
		}
		if s = rest; trailing {
			return m, `unknown priority name ""`
		}
	}
	return m, ""
}

// apply changes the severities of one facility by one priority.
func apply(bits uint8, pri int, negated, single bool) uint8 {
	switch {
	case pri == noPriority && negated, pri == everyPriority && !single && !negated:
		return 0xff
	case pri == noPriority, pri == everyPriority && !single:
		return 0
	case pri > 7 && single:
		return bits
	}
	set := uint8(1<<(pri+1)) - 1
	if pri >= 7 {
		set = 0xff
	}
	if single {
		set = 1 << pri
	}
	if negated {
		return bits &^ set
	}
	return bits | set
}
