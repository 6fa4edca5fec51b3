package logrotate

import (
	"fmt"
	"io"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/wire/syslog"
)

// messages tells what logrotate does: errors and warnings always, notes with -v;
// all of them also to the log of -l.
type messages struct {
	out     io.Writer
	verbose bool
	log     func(severity syslog.Severity, text string) // nil without -l
}

func (m *messages) note(format string, args ...any) { m.tell(syslog.Debug, "", format, args) }
func (m *messages) warn(format string, args ...any) {
	m.tell(syslog.Warning, "warning: ", format, args)
}
func (m *messages) error(format string, args ...any) {
	m.tell(syslog.Err, "error: ", format, args)
}

func (m *messages) tell(severity syslog.Severity, prefix, format string, args []any) {
	told := severity != syslog.Debug || m.verbose
	if !told && m.log == nil {
		return
	}
	text := prefix + fmt.Sprintf(format, args...)
	if told {
		io.WriteString(m.out, text)
	}
	if m.log != nil {
		m.log(severity, text)
	}
}

// toFile returns the log of -l FILE.
func toFile(w io.Writer) func(syslog.Severity, string) {
	return func(_ syslog.Severity, text string) { io.WriteString(w, text) }
}

// toSyslog returns the log of -l syslog.
func toSyslog(p *host.Proc) func(syslog.Severity, string) {
	return func(severity syslog.Severity, text string) {
		// syslog(3) has no way to fail.
		_ = libc.Syslog(p, syslog.Make(syslog.User, severity), "logrotate", 0, text)
	}
}
