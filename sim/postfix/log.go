package postfix

import (
	"fmt"
	"io"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/trace"
	"enshu/sim/wire/syslog"
)

// logger writes what a Postfix program has to say: to the mail log, and to a
// command's standard error.
type logger struct {
	p      *host.Proc
	tag    string    // postfix/smtpd
	name   string    // how messages on stderr begin
	stderr io.Writer // nil for daemons
	quiet  bool      // no syslog (postconf)
	out    libc.Log
}

// daemonLog returns the logger of a daemon.
func daemonLog(p *host.Proc, c *Config, name string) *logger {
	return &logger{p: p, tag: c.get("syslog_name") + "/" + name}
}

// commandLog returns the logger of a command called name.
func commandLog(p *host.Proc, name string) *logger {
	return &logger{p: p, tag: "postfix/" + name, name: name, stderr: p.Stderr}
}

func (l *logger) put(severity syslog.Severity, text string) {
	text = printable(text)
	if l.stderr != nil {
		fmt.Fprintf(l.stderr, "%s: %s\n", l.name, text)
	}
	if !l.quiet {
		l.out.Send(l.p, syslog.Make(syslog.Mail, severity), l.tag, l.p.PID, text)
	}
}

func (l *logger) info(format string, args ...any) { l.put(syslog.Info, fmt.Sprintf(format, args...)) }
func (l *logger) warning(format string, args ...any) {
	l.put(syslog.Warning, "warning: "+fmt.Sprintf(format, args...))
}
func (l *logger) error(format string, args ...any) {
	l.put(syslog.Err, "error: "+fmt.Sprintf(format, args...))
}
func (l *logger) fatal(format string, args ...any) {
	l.put(syslog.Crit, "fatal: "+fmt.Sprintf(format, args...))
}

// emit appends to the trace.
func (l *logger) emit(kind trace.Kind, attrs trace.Attrs) { l.p.Emit(kind, attrs) }

// printable replaces control characters by '?', as printable(3) does.
func printable(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c < ' ' || c == 0x7f {
			b[i] = '?'
		}
	}
	return string(b)
}
