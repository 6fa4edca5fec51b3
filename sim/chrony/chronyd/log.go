package chronyd

import (
	"fmt"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/wire/syslog"
)

// logger sends the daemon's messages where its options say: to syslog, to
// standard error (-d) or to a file (-l).
type logger struct {
	p      *host.Proc
	stderr bool
	file   string
	level  int  // messages of lower severity are dropped; 0 is informational
	bare   bool // a daemon's first process: fatal errors are bare text on standard error
}

// Severities of the option -L.
const (
	levelInfo = iota
	levelWarning
	levelError
	levelFatal
)

var severities = [...]syslog.Severity{levelInfo: syslog.Info, levelWarning: syslog.Warning, levelError: syslog.Err, levelFatal: syslog.Crit}

func (l *logger) info(text string)  { l.put(levelInfo, text) }
func (l *logger) warn(text string)  { l.put(levelWarning, text) }
func (l *logger) error(text string) { l.put(levelError, text) }

func (l *logger) put(level int, text string) {
	if level < l.level && level != levelFatal {
		return
	}
	switch {
	case l.file != "":
		libc.AppendFile(l.p, l.file, []byte(l.stamped(text)), 0o640)
	case l.stderr:
		fmt.Fprint(l.p.Stderr, l.stamped(text))
	default:
		libc.Syslog(l.p, syslog.Make(syslog.Daemon, severities[level]), "chronyd", l.p.PID, text)
	}
}

func (l *logger) stamped(text string) string {
	return l.p.Now().Format("2006-01-02T15:04:05Z") + " " + text + "\n"
}

// fatal reports the error that ends the program.
func (l *logger) fatal(text string) {
	if l.bare {
		libc.Syslog(l.p, syslog.Make(syslog.Daemon, syslog.Crit), "chronyd", l.p.PID, "Fatal error : "+text)
		fmt.Fprintln(l.p.Stderr, text)
		return
	}
	if !l.stderr {
		fmt.Fprintln(l.p.Stderr, "Fatal error : "+text)
	}
	l.put(levelFatal, "Fatal error : "+text)
}
