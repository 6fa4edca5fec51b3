package input

import (
	"fmt"
	"net"
	"path"
	"strings"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/rsyslog/config"
	"enshu/sim/rsyslog/message"
	"enshu/sim/wire/syslog"
)

// The system's log sockets.
const (
	devLog        = "/dev/log"
	systemdSocket = "/run/systemd/journal/syslog"
)

// openUnix opens the system's log socket and further ones.
func (s *Set) openUnix() {
	if sys := s.conf.SysSock; !sys.Off {
		if sys.Name == "" {
			sys.Name = devLog
			if libc.Exists(s.p, "/run/systemd/system") && libc.Exists(s.p, systemdSocket) {
				sys.Name = systemdSocket
				s.sink.Report(syslog.Info, config.CodeNone, fmt.Sprintf("imuxsock: Acquired UNIX socket '%s' (fd 3) from systemd. ", systemdSocket))
			}
		}
		s.listenUnix(&config.UnixInput{SystemSocket: sys}, sys.Name == systemdSocket)
	}
	for _, in := range s.conf.Sockets {
		s.listenUnix(in, false)
	}
}

// listenUnix opens a log socket. One that systemd made stays when the daemon ends.
func (s *Set) listenUnix(in *config.UnixInput, stays bool) {
	p := s.p
	if in.CreatePath {
		libc.MkdirAll(p, path.Dir(in.Name), 0o755)
	}
	if !in.NoUnlink {
		p.Sys.Remove(in.Name)
	}
	conn, err := p.Sys.ListenPacket("unixgram", in.Name)
	if err != nil {
		s.sink.Report(syslog.Err, config.CodeNone, fmt.Sprintf("cannot create '%s': %s", in.Name, libc.Strerror(err)))
		return
	}
	p.Sys.Chmod(in.Name, 0o666)
	s.keep(conn)
	if !stays && !in.NoUnlink {
		s.Sockets = append(s.Sockets, in.Name)
	}
	s.thread(func() { s.readUnix(conn, in) })
}

// credReader is the part of host.CredConn that imuxsock uses.
type credReader interface {
	ReadFromCred(b []byte) (n int, from net.Addr, cred host.SenderCred, err error)
}

func readCred(c credReader, b []byte) (n, pid int, err error) {
	n, _, cred, err := c.ReadFromCred(b)
	return n, cred.PID, err
}

func (s *Set) readUnix(conn net.PacketConn, in *config.UnixInput) {
	buf := make([]byte, s.conf.Globals.MaxMessage+1)
	creds, _ := conn.(credReader)
	limits := map[int]*limiter{}
	for {
		pid := 0
		var n int
		var err error
		if creds != nil {
			n, pid, err = readCred(creds, buf)
		} else {
			n, _, err = conn.ReadFrom(buf)
		}
		if err != nil {
			if s.closing.Load() || !temporary(err) {
				return
			}
			continue
		}
		n = min(n, s.conf.Globals.MaxMessage)
		if n == 0 {
			continue
		}
		now := s.sink.Now()
		raw := s.conf.Globals.Sanitizer.Clean(buf[:n])
		m := &message.Message{Input: "imuxsock", From: s.hostname(), FromIP: "127.0.0.1", Received: now, Ruleset: in.Ruleset}
		if in.Hostname != "" {
			m.From = in.Hostname
		}
		if in.Parse {
			m.Message = syslog.Parse(raw, now)
			if !in.HasHost {
				m.Message = parseHostless(raw, now)
			}
			if !in.KeepTime {
				m.Time = syslog.TimeOf(now, 6)
			}
		} else {
			m.Message = syslog.ParseLocal(raw, now, in.KeepTime)
		}
		if in.PidFromOS && pid != 0 {
			m.Tag = withPID(m.Tag, pid)
		}
		if in.Limit.Interval > 0 {
			l := limits[pid]
			if l == nil {
				if len(limits) > 1000 {
					clear(limits)
				}
				l = &limiter{RateLimit: in.Limit}
				limits[pid] = l
			}
			if !s.allow(l, s.limiterName(pid, m), now, m.Severity, func() string { return m.Text }) {
				continue
			}
		}
		s.sink.Submit(m, true)
	}
}

// limiterName is how rsyslog calls the limiter of one sender.
func (s *Set) limiterName(pid int, m *message.Message) string {
	who := fmt.Sprintf("pid: %d", pid)
	if comm, err := libc.ReadFile(s.p, fmt.Sprintf("/proc/%d/comm", pid)); err == nil {
		who += ", name: " + strings.TrimSpace(string(comm))
	}
	return fmt.Sprintf("imuxsock[%s] from <%s:%s>", who, m.Hostname(), m.App())
}

// withPID puts the process id that the kernel tells in place of the one in the tag.
func withPID(tag string, pid int) string {
	name, _, _ := strings.Cut(strings.TrimSuffix(tag, ":"), "[")
	return fmt.Sprintf("%s[%d]:", name, pid)
}

// parseHostless is syslog.Parse for a source whose messages name no host.
func parseHostless(raw string, now time.Time) syslog.Message {
	pri, rest := syslog.ParsePRI(raw)
	if pri < 0 || strings.HasPrefix(rest, "1 ") {
		return syslog.Parse(raw, now)
	}
	framed := raw
	if rest == raw {
		framed = "<13>" + raw // which ParseLocal expects
	}
	m := syslog.ParseLocal(framed, now, true)
	m.Raw = raw
	m.Facility, m.Severity, m.PRILength = pri.Facility(), pri.Severity(), len(raw)-len(rest)
	return m
}
