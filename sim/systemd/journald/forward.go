package journald

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"
	"time"

	"enshu/sim/libc"
	"enshu/sim/sdjournal"
	"enshu/sim/systemd/machine"
	"enshu/sim/wire/syslog"
)

// pass forwards a message to syslog, the kernel's log and terminals.
func (j *daemon) pass(m *message, sev syslog.Severity) {
	get := func(name string) string {
		for _, f := range m.fields {
			if f.Name == name {
				return f.Value
			}
		}
		return ""
	}
	if !j.conf.toSyslog && !j.conf.toKmsg && !j.conf.toConsole && !(j.conf.toWall && sev <= j.conf.maxWall) {
		return
	}
	text, ident := get("MESSAGE"), get("SYSLOG_IDENTIFIER")
	if text == "" {
		return
	}
	if ident == "" {
		ident = j.sender(m).comm
	}
	// Of the sender, whatever it says itself.
	tag := ident
	if m.cred.PID > 0 {
		tag += "[" + strconv.Itoa(m.cred.PID) + "]"
	}
	if j.conf.toSyslog && sev <= j.conf.maxSyslog {
		raw := m.raw
		if raw == nil {
			facility := syslog.Daemon
			if f := get("SYSLOG_FACILITY"); f != "" {
				fmt.Sscan(f, &facility)
			}
			raw = fmt.Appendf(nil, "<%d>%s %s: %s", syslog.Make(facility, sev), libc.LocalTime(j.p).Format(time.Stamp), tag, text)
		}
		j.toSyslog(raw)
	}
	if j.conf.toKmsg && sev <= j.conf.maxKmsg {
		j.p.Host.Kmsg.Append(int(syslog.Make(syslog.Daemon, sev)), tag+": "+text)
	}
	if j.conf.toConsole && sev <= j.conf.maxConsole {
		j.toConsole(tag + ": " + text + "\n")
	}
	if j.conf.toWall && sev <= j.conf.maxWall {
		machine.Wall(j.p, "systemd-journald", tag+": "+text)
	}
}

// toSyslog sends a datagram to the socket where a syslog daemon listens, if
// one does.
func (j *daemon) toSyslog(b []byte) {
	for range 2 {
		if j.forward == nil {
			c, err := j.p.Sys.Dial(context.Background(), "unixgram", sdjournal.SyslogSocket)
			if err != nil {
				return
			}
			j.forward = c
		}
		j.forward.SetWriteDeadline(j.p.Now().Add(10 * time.Millisecond))
		if _, err := j.forward.Write(b); err == nil {
			return
		}
		j.forward.Close()
		j.forward = nil
	}
}

// toConsole writes to the terminal of TTYPath=, behind the time since boot; what
// is no terminal is left alone.
func (j *daemon) toConsole(text string) {
	f, err := j.p.Sys.OpenFile(j.conf.console, os.O_WRONLY|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Mode()&fs.ModeCharDevice == 0 {
		return
	}
	up := j.p.Host.Kmsg.Uptime().Microseconds()
	fmt.Fprintf(f, "[%5d.%06d] %s", up/1e6, up%1e6, text)
}
