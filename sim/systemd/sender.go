package systemd

import (
	"context"
	"fmt"
	"io/fs"
	"math/bits"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"enshu/sim/libc"
	"enshu/sim/wire/journal"
	"enshu/sim/wire/syslog"
	"enshu/sim/wire/utmp"
)

func fsMode(m uint32) fs.FileMode { return fs.FileMode(m) }

// sender is what journald knows of a process.
type sender struct {
	until                             time.Duration // monotonic; asked anew then
	unit, invocation, comm, exe, args string
	capabilities                      string
}

// senderLife is how long what was read of a process is believed.
const senderLife = time.Second

// sender finds out about the process a message is from.
func (j *journald) sender(m *message) *sender {
	now := j.p.Clock.Monotonic()
	pid := m.cred.PID
	if s := j.known[pid]; s != nil && now < s.until && (m.unit == "" || m.unit == s.unit) {
		return s
	}
	if len(j.known) > 1024 {
		j.known = map[int]*sender{}
	}
	s := &sender{until: now + senderLife, unit: m.unit}
	j.known[pid] = s
	if pid > 0 {
		s.comm = procComm(j.p, pid)
		if target, err := j.p.Sys.Readlink("/proc/" + strconv.Itoa(pid) + "/exe"); err == nil {
			s.exe = target
		}
		args := procArgs(j.p, pid)
		for i, a := range args {
			if a == "" || strings.ContainsAny(a, " \t\n\"'\\$`") {
				args[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(a) + `"`
			}
		}
		s.args = strings.Join(args, " ")
		for _, line := range libc.Lines(procFile(j.p, pid, "status")) {
			if v, ok := strings.CutPrefix(line, "CapEff:"); ok {
				if s.capabilities = strings.TrimLeft(strings.TrimSpace(v), "0"); s.capabilities == "" {
					s.capabilities = "0"
				}
			}
		}
		if s.unit == "" {
			s.unit = j.unitOf(pid)
		}
	}
	if s.unit != "" {
		s.invocation, _ = j.p.Sys.Readlink(path.Join(unitsDir, "invocation:"+s.unit))
	}
	return s
}

// unitOf asks the links of PID 1, for the process and its parents, and what
// PID 1 put into its environment.
func (j *journald) unitOf(pid int) string {
	for range 64 {
		switch {
		case pid == 1:
			return ""
		case pid <= 0:
			return ""
		}
		if unit, err := j.p.Sys.Readlink(path.Join(unitsDir, "pid:"+strconv.Itoa(pid))); err == nil {
			return unit
		}
		if id := procInvocation(j.p, pid); id != "" {
			names, _ := libc.ReadDir(j.p, unitsDir)
			for _, n := range names {
				if unit, ok := strings.CutPrefix(n, "invocation:"); ok {
					if target, err := j.p.Sys.Readlink(path.Join(unitsDir, n)); err == nil && target == id {
						return unit
					}
				}
			}
		}
		pid = procParent(j.p, pid)
	}
	return ""
}

// here are the fields that say on which machine this is. Its name is asked anew
// once in a while.
func (j *journald) here() []journal.Field {
	if now := j.p.Clock.Monotonic(); len(j.hereFields) == 0 || now >= j.hereUntil {
		j.hereUntil = now + senderLife
		j.hereFields = []journal.Field{
			{Name: "_BOOT_ID", Value: j.boot.String()}, {Name: "_MACHINE_ID", Value: j.machine}, {Name: "_HOSTNAME", Value: hostname(j.p)},
		}
	}
	return j.hereFields
}

// trusted are the fields that journald adds: who sent the message.
func (j *journald) trusted(m *message) []journal.Field {
	fields := append(make([]journal.Field, 0, 16), j.here()...)
	if m.cred.PID == 0 && m.unit == "" {
		return fields // the kernel
	}
	s := j.sender(m)
	add := func(name, value string) {
		if value != "" {
			fields = append(fields, journal.Field{Name: name, Value: value})
		}
	}
	if m.cred.PID > 0 {
		add("_PID", strconv.Itoa(m.cred.PID))
	}
	add("_UID", strconv.Itoa(m.cred.UID))
	add("_GID", strconv.Itoa(m.cred.GID))
	add("_COMM", s.comm)
	add("_EXE", s.exe)
	add("_CMDLINE", s.args)
	add("_CAP_EFFECTIVE", s.capabilities)
	unit := s.unit
	if m.cred.PID == 1 && unit == "" {
		unit = "init.scope"
	}
	switch {
	case unit == "init.scope":
		add("_SYSTEMD_CGROUP", "/init.scope")
		add("_SYSTEMD_UNIT", unit)
		add("_SYSTEMD_SLICE", "-.slice")
	case unit != "":
		add("_SYSTEMD_CGROUP", "/system.slice/"+unit)
		add("_SYSTEMD_UNIT", unit)
		add("_SYSTEMD_SLICE", "system.slice")
		add("_SYSTEMD_INVOCATION_ID", s.invocation)
	}
	add("_RUNTIME_SCOPE", "system")
	return fields
}

// rateLimits counts messages by unit and gravity (RateLimitBurst=).
type rateLimits map[string]*rateLimit

type rateLimit struct {
	begin      time.Duration
	n          int
	suppressed int
}

// test counts a message. lost is how many were dropped before, told with the
// first message of a new interval.
func (l rateLimits) test(key string, sev syslog.Severity, now, interval time.Duration, burst int) (ok bool, lost int) {
	key = fmt.Sprint(key, [8]int{0, 0, 0, 1, 2, 3, 3, 4}[sev&7])
	r := l[key]
	if r == nil {
		if len(l) > 2047 {
			for k := range l {
				delete(l, k)
			}
		}
		r = &rateLimit{begin: now}
		l[key] = r
	}
	if now-r.begin > interval {
		lost = r.suppressed
		*r = rateLimit{begin: now}
	}
	if r.n < burst {
		r.n++
		return true, lost
	}
	r.suppressed++
	return false, lost
}

// burstFor lets more through where there is more room.
func burstFor(burst int, available int64) int {
	k := bits.Len64(uint64(available)) - 1
	if k <= 20 {
		return burst
	}
	return burst * (k - 16) / 4
}

// pass forwards a message to syslog, the kernel's log and terminals.
func (j *journald) pass(m *message, sev syslog.Severity) {
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
	pid := get("SYSLOG_PID")
	if pid == "" && m.cred.PID > 0 {
		pid = strconv.Itoa(m.cred.PID)
	}
	tag := ident
	if pid != "" {
		tag += "[" + pid + "]"
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
		j.terminal("/dev/console", tag+": "+text+"\n")
	}
	if j.conf.toWall && sev <= j.conf.maxWall {
		j.wall(tag + ": " + text)
	}
}

// toSyslog sends a datagram to the socket where a syslog daemon listens, if
// one does.
func (j *journald) toSyslog(b []byte) {
	for range 2 {
		if j.forward == nil {
			c, err := j.p.Sys.Dial(context.Background(), "unixgram", syslogSock)
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

func (j *journald) terminal(name, text string) {
	f, err := j.p.Sys.OpenFile(name, os.O_WRONLY|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer f.Close()
	f.WriteString(text)
}

// wall writes a message to every terminal somebody is logged in on.
func (j *journald) wall(text string) {
	data, err := libc.ReadFile(j.p, utmp.File)
	if err != nil {
		return
	}
	now := libc.LocalTime(j.p)
	out := "\r\nBroadcast message from systemd-journald@" + hostname(j.p) + " (" + now.Format("Mon 2006-01-02 15:04:05 MST") + "):\r\n\r\n" +
		strings.ReplaceAll(text, "\n", "\r\n") + "\r\n\r\n"
	for _, r := range utmp.Sessions(data) {
		if r.Line != "" && !strings.Contains(r.Line, "..") {
			j.terminal("/dev/"+r.Line, out)
		}
	}
}
