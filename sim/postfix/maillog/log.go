// Package maillog is how Postfix programs speak: to the mail log, and commands to
// standard error too.
package maillog

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/postfix/conf"
	"enshu/sim/trace"
	"enshu/sim/wire/syslog"
)

// Logger writes what a Postfix program has to say: to the mail log, and to a
// command's standard error.
type Logger struct {
	Proc   *host.Proc
	Tag    string    // postfix/smtpd
	Name   string    // how messages on stderr begin
	Stderr io.Writer // nil for daemons
	Quiet  bool      // no syslog (postconf)
	out    libc.Log
}

// DaemonLog returns the logger of a daemon.
func DaemonLog(p *host.Proc, c *conf.Config, name string) *Logger {
	return &Logger{Proc: p, Tag: c.Get("syslog_name") + "/" + name}
}

// CommandLog returns the logger of a command called name.
func CommandLog(p *host.Proc, name string) *Logger {
	return &Logger{Proc: p, Tag: "postfix/" + name, Name: name, Stderr: p.Stderr}
}

// Zone is the time zone in which the program writes times.
func (l *Logger) Zone() *time.Location { return l.out.Zone(l.Proc) }

// Put writes a message of any severity.
func (l *Logger) Put(severity syslog.Severity, text string) {
	text = Printable(text)
	if l.Stderr != nil {
		fmt.Fprintf(l.Stderr, "%s: %s\n", l.Name, text)
	}
	if !l.Quiet {
		l.out.Send(l.Proc, syslog.Make(syslog.Mail, severity), l.Tag, l.Proc.PID, text)
	}
}

// Info writes what is normal.
func (l *Logger) Info(format string, args ...any) { l.Put(syslog.Info, fmt.Sprintf(format, args...)) }

// Warning writes a message that begins with "warning: ".
func (l *Logger) Warning(format string, args ...any) {
	l.Put(syslog.Warning, "warning: "+fmt.Sprintf(format, args...))
}

// Error writes a message that begins with "error: ".
func (l *Logger) Error(format string, args ...any) {
	l.Put(syslog.Err, "error: "+fmt.Sprintf(format, args...))
}

// Fatal writes a message that begins with "fatal: "; the caller ends the program.
func (l *Logger) Fatal(format string, args ...any) {
	l.Put(syslog.Crit, "fatal: "+fmt.Sprintf(format, args...))
}

// Configured says what there is to say of a configuration that was loaded: the
// warnings, and why the program ends when err is set. It returns whether it may
// go on.
func (l *Logger) Configured(c *conf.Config, err error) bool {
	if c != nil {
		for _, w := range c.Warnings {
			l.Warning("%s", w)
		}
	}
	var fault *conf.Fault
	if errors.As(err, &fault) {
		for _, w := range fault.Warnings {
			l.Warning("%s", w)
		}
	}
	if err != nil {
		l.Fatal("%s", err)
	}
	return err == nil
}

// Emit appends to the trace.
func (l *Logger) Emit(kind trace.Kind, attrs trace.Attrs) { l.Proc.Emit(kind, attrs) }

// Printable replaces control characters by '?', as printable(3) does.
func Printable(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c < ' ' || c == 0x7f {
			b[i] = '?'
		}
	}
	return string(b)
}

// OneLine is text as the log shows it: line feeds are blanks.
func OneLine(s string) string { return strings.ReplaceAll(s, "\n", " ") }
