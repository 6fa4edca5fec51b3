// Package syslog encodes and decodes syslog messages: priorities, RFC 3164 as
// rsyslog reads it, RFC 5424, and the framings of RFC 6587. It does no I/O.
package syslog

import (
	"strconv"
	"strings"
)

// Priority is the facility and the severity of a message (RFC 3164 section 4.1.1).
type Priority int

// Facility is the part of the system that a message is about.
type Facility int

// Severity is how grave it is; 0 is the gravest.
type Severity int

// The severities.
const (
	Emerg Severity = iota
	Alert
	Crit
	Err
	Warning
	Notice
	Info
	Debug
)

// The facilities.
const (
	Kern Facility = iota
	User
	Mail
	Daemon
	Auth
	Syslog
	Lpr
	News
	Uucp
	Cron
	Authpriv
	Ftp
	NTP
	Audit
	AlertF
	Clock
	Local0
	Local1
	Local2
	Local3
	Local4
	Local5
	Local6
	Local7
)

// Make joins a facility and a severity.
func Make(f Facility, s Severity) Priority { return Priority(int(f)<<3 | int(s)) }

// Facility returns the facility of a priority.
func (p Priority) Facility() Facility { return Facility(p >> 3) }

// Severity returns the severity of a priority.
func (p Priority) Severity() Severity { return Severity(p & 7) }

func (p Priority) String() string { return p.Facility().String() + "." + p.Severity().String() }

var facilityNames = [...]string{"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron",
	"authpriv", "ftp", "ntp", "audit", "alert", "clock",
	"local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"}

var severityNames = [...]string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}

// String returns the keyword of syslog.conf(5), or the number.
func (f Facility) String() string {
	if f >= 0 && int(f) < len(facilityNames) {
		return facilityNames[f]
	}
	return strconv.Itoa(int(f))
}

// String returns the keyword of syslog.conf(5), or the number.
func (s Severity) String() string {
	if s >= 0 && int(s) < len(severityNames) {
		return severityNames[s]
	}
	return strconv.Itoa(int(s))
}

// ParseFacility reads a keyword; security is an old name of auth.
func ParseFacility(name string) (Facility, bool) {
	name = strings.ToLower(name)
	if name == "security" {
		return Auth, true
	}
	for i, n := range facilityNames {
		if n == name {
			return Facility(i), true
		}
	}
	return 0, false
}

// ParseSeverity reads a keyword; panic, error and warn are old names.
func ParseSeverity(name string) (Severity, bool) {
	switch name = strings.ToLower(name); name {
	case "panic":
		return Emerg, true
	case "error":
		return Err, true
	case "warn":
		return Warning, true
	}
	for i, n := range severityNames {
		if n == name {
			return Severity(i), true
		}
	}
	return 0, false
}
