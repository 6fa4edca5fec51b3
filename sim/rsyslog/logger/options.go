package logger

import (
	"strconv"
	"strings"

	"enshu/sim/wire/syslog"
)

// Names of syslog(3)'s header, which logger reads. A number stands for itself
// when it is the value of a name.
var (
	loggerFacilities = map[string]int{"kern": 0, "user": 1, "mail": 2, "daemon": 3, "auth": 4, "security": 4, "syslog": 5, "lpr": 6,
		"news": 7, "uucp": 8, "cron": 9, "authpriv": 10, "ftp": 11, "local0": 16, "local1": 17, "local2": 18, "local3": 19,
		"local4": 20, "local5": 21, "local6": 22, "local7": 23, "mark": 24}
	loggerPriorities = map[string]int{"emerg": 0, "panic": 0, "alert": 1, "crit": 2, "err": 3, "error": 3, "warning": 4, "warn": 4,
		"notice": 5, "info": 6, "debug": 7, "none": 16}
)

// parsePriority reads facility.priority or a priority alone.
func parsePriority(s string) (int, error) {
	facility, level := int(syslog.User), s
	if f, rest, ok := strings.Cut(s, "."); ok {
		n, known := loggerCode(f, loggerFacilities, 3)
		if !known {
			return 0, failf("unknown facility name: %s", f)
		}
		facility, level = n, rest
	}
	n, known := loggerCode(level, loggerPriorities, 0)
	if !known {
		return 0, failf("unknown priority name: %s", level)
	}
	if facility == int(syslog.Kern) {
		facility = int(syslog.User)
	}
	return facility<<3 | n&7, nil
}

// parseID reads the number of a process as strtoul(3) does, of which a pid_t
// holds 32 bits.
func parseID(s string) (int, bool) {
	s = strings.TrimLeft(strings.TrimPrefix(s, "="), " \t\n\v\f\r")
	digits, negative := strings.CutPrefix(s, "-")
	if !negative {
		digits = strings.TrimPrefix(s, "+")
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return 0, false
	}
	if negative {
		n = -n
	}
	return int(int32(n)), true
}

// loggerCode looks a name up; numbers are shifted left by shift in the table of
// syslog(3).
func loggerCode(name string, names map[string]int, shift int) (int, bool) {
	if n, err := strconv.Atoi(name); err == nil && name[0] >= '0' && name[0] <= '9' {
		for _, have := range names {
			if have<<shift == n {
				return have, true
			}
		}
		return 0, false
	}
	n, ok := names[strings.ToLower(name)]
	return n, ok
}

// parseLoggerSize reads a size with an optional unit: K, KiB and so on are
// powers of 1024, KB of 1000.
func parseLoggerSize(s string) (int64, bool) {
	digits := strings.TrimRight(s, "KMGTiBkmgt")
	unit := s[len(digits):]
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 {
		return 0, false
	}
	if unit == "" {
		return min(n, 1<<30), true
	}
	power := strings.IndexByte("KMGT", unit[0]&^0x20)
	base := int64(1024)
	switch unit[1:] {
	case "", "iB":
	case "B":
		base = 1000
	default:
		return 0, false
	}
	if power < 0 {
		return 0, false
	}
	for ; power >= 0 && n < 1<<30; power-- {
		n *= base
	}
	return min(n, 1<<30), true
}

func validDataID(s string) bool {
	if s == "" || strings.ContainsAny(s, "=]\" ") {
		return false
	}
	name, number, ok := strings.Cut(s, "@")
	if !ok {
		return name == "timeQuality" || name == "origin" || name == "meta"
	}
	if name == "" || number == "" {
		return false
	}
	return strings.Trim(number, "0123456789.") == "" && number[0] != '.'
}

func validDataParam(s string) bool {
	name, v, ok := strings.Cut(s, "=")
	if !ok || name == "" || strings.ContainsAny(name, "]\" ") || len(v) < 2 || v[0] != '"' || v[len(v)-1] != '"' {
		return false
	}
	v = v[1 : len(v)-1]
	for i := 0; i < len(v); i++ {
		switch v[i] {
		case '\\':
			i++
		case '"', ']':
			return false
		}
	}
	return true
}

const loggerHelp = `
Usage:
 logger [options] [<message>]

Writes messages to the system log.

Options:
 -i                       tell logger's own process ID
     --id[=<id>]          tell this ID, or else logger's own
 -f, --file <file>        take the messages from a file
 -e, --skip-empty         pass over empty lines
     --no-act             do everything but send
 -p, --priority <prio>    facility and priority of the messages
     --octet-count        frame messages by octet counting (RFC 6587)
     --prio-prefix        lines of the input may begin with their priority
 -s, --stderr             show the messages on standard error, too
 -S, --size <size>        the longest message
 -t, --tag <tag>          the tag of the messages
 -n, --server <name>      send to this syslog server
 -P, --port <port>        at this port
 -T, --tcp                by TCP only
 -d, --udp                by UDP only
     --rfc3164            in the old BSD form
     --rfc5424[=<snip>]   in the form of RFC 5424, which servers get;
                            <snip> leaves out: notime, notq, nohost
     --sd-id <id>         ID of structured data
     --sd-param <data>    a name="value" of structured data
     --msgid <msgid>      the message ID of RFC 5424
 -u, --socket <socket>    write to this local socket
     --socket-errors[=<on|off|auto>]
                          tell when a local socket cannot be reached
     --journald[=<file>]  write an entry for journald

 -h, --help               show this help
 -V, --version            show the version

logger(1) tells more.
`
