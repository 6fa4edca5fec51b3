package journald

import (
	"context"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/sdjournal"
	"enshu/sim/systemd/machine"
	"enshu/sim/wire/journal"
	"enshu/sim/wire/syslog"
)

// listen opens the sockets and starts the threads that read them.
func (j *daemon) listen() (closers []func(), err error) {
	p := j.p
	for _, s := range []struct {
		path string
		take func(b []byte, cred host.SenderCred)
	}{{sdjournal.NativeSocket, j.native}, {sdjournal.DevLogSocket, j.devLog}} {
		p.Sys.Remove(s.path)
		c, err := p.Sys.ListenPacket("unixgram", s.path)
		if err != nil {
			return closers, err
		}
		closers = append(closers, func() { c.Close() })
		p.Sys.Chmod(s.path, 0o666)
		p.Go(func() { j.receive(c, s.take) })
	}
	if target, err := p.Sys.Readlink("/dev/log"); err != nil || target != sdjournal.DevLogSocket {
		p.Sys.Remove("/dev/log")
		p.Sys.Symlink(sdjournal.DevLogSocket, "/dev/log")
	}
	for _, s := range []struct {
		path  string
		mode  uint32
		serve func(net.Conn)
	}{{sdjournal.StdoutSocket, 0o666, j.stream}, {sdjournal.NotifySocket, 0o666, j.subscribe}, {sdjournal.ControlSocket, 0o600, j.control}} {
		p.Sys.Remove(s.path)
		l, err := p.Sys.Listen("unix", s.path)
		if err != nil {
			return closers, err
		}
		closers = append(closers, func() { l.Close() })
		p.Sys.Chmod(s.path, fsMode(s.mode))
		p.Go(func() { j.accept(l, s.serve) })
	}
	return closers, nil
}

func (j *daemon) accept(l net.Listener, serve func(net.Conn)) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		stop := context.AfterFunc(j.ctx, func() { conn.Close() })
		j.p.Go(func() {
			defer stop()
			defer conn.Close()
			serve(conn)
		})
	}
}

func (j *daemon) receive(c net.PacketConn, take func([]byte, host.SenderCred)) {
	buf := make([]byte, 256<<10)
	cc, hasCred := c.(host.CredConn)
	for {
		var n int
		var cred host.SenderCred
		var err error
		if hasCred {
			n, _, cred, err = cc.ReadFromCred(buf)
		} else {
			n, _, err = c.ReadFrom(buf)
		}
		if err != nil {
			return
		}
		b := slices.Clone(buf[:n])
		if !j.put(func() { take(b, cred) }) {
			return
		}
	}
}

// native takes a datagram of the native protocol.
func (j *daemon) native(b []byte, cred host.SenderCred) {
	at := j.p.Now()
	for _, fields := range journal.DecodeNative(b) {
		fields = append(fields, journal.Field{Name: "_TRANSPORT", Value: "journal"},
			journal.Field{Name: "_SOURCE_REALTIME_TIMESTAMP", Value: strconv.FormatInt(at.UnixMicro(), 10)})
		j.take(&message{fields: fields, cred: cred, at: at})
	}
}

// devLog takes a datagram of /dev/log.
func (j *daemon) devLog(b []byte, cred host.SenderCred) {
	if len(b) == 0 {
		return
	}
	at := j.p.Now()
	fields := append(parseSyslog(b), journal.Field{Name: "_SOURCE_REALTIME_TIMESTAMP", Value: strconv.FormatInt(at.UnixMicro(), 10)})
	j.take(&message{fields: fields, cred: cred, raw: b, at: at})
}

// stream takes the output of a program.
func (j *daemon) stream(conn net.Conn) {
	var cred host.SenderCred
	if pc, ok := conn.(host.PeerCred); ok {
		cred, _ = pc.PeerCred()
	}
	s := streamParser{lineMax: j.conf.lineMax}
	var id journal.ID
	buf := make([]byte, 16<<10)
	for eof := false; !eof; {
		n, err := conn.Read(buf)
		eof = err != nil
		lines, bad := s.feed(buf[:n], eof)
		if len(lines) > 0 || bad != "" {
			ok := j.put(func() {
				if id == (journal.ID{}) {
					j.streams++
					id = machine.DrawID(j.p, "stream", j.boot, j.p.PID, j.streams)
				}
				for _, l := range lines {
					j.take(j.line(l, s.header, id, cred))
				}
				if bad != "" {
					j.complain(bad)
				}
			})
			if !ok {
				return
			}
		}
		if bad != "" {
			return
		}
	}
}

// line makes a message of a line of output.
func (j *daemon) line(l streamLine, h journal.StreamHeader, id journal.ID, cred host.SenderCred) *message {
	fields := []journal.Field{
		{Name: "_TRANSPORT", Value: "stdout"}, {Name: "_STREAM_ID", Value: id.String()}, {Name: "PRIORITY", Value: strconv.Itoa(int(l.priority.Severity()))},
	}
	if f := l.priority.Facility(); f > 0 {
		fields = append(fields, journal.Field{Name: "SYSLOG_FACILITY", Value: strconv.Itoa(int(f))})
	}
	if h.Ident != "" {
		fields = append(fields, journal.Field{Name: "SYSLOG_IDENTIFIER", Value: h.Ident})
	}
	if l.end != "" {
		fields = append(fields, journal.Field{Name: "_LINE_BREAK", Value: l.end})
	}
	fields = append(fields, journal.Field{Name: "MESSAGE", Value: l.text})
	m := &message{fields: fields, cred: cred, at: j.p.Now()}
	if cred.PID == 1 && cred.UID == 0 && h.Unit != "" {
		m.unit = h.Unit
		m.cred.PID = j.execPID(h.Unit, h.Ident)
	}
	return m
}

// execPID asks which process PID 1 last started for a unit. PID 1 says so
// right after the process began, which may be after its first line came.
func (j *daemon) execPID(unit, ident string) int {
	for range 50 {
		if target, err := j.p.Sys.Readlink(machine.ExecLink(unit, ident)); err == nil {
			if pid, err := strconv.Atoi(target); err == nil {
				return pid
			}
		}
		if j.p.Sleep(j.ctx, time.Millisecond) != nil {
			break
		}
	}
	return 0
}

// kernel takes the kernel's messages, from where an earlier journald stopped.
func (j *daemon) kernel() {
	seq := uint64(0)
	if data, err := libc.ReadFile(j.p, kernelSeqFile); err == nil {
		boot, n, _ := strings.Cut(strings.TrimSpace(string(data)), " ")
		if v, err := strconv.ParseUint(n, 10, 64); err == nil && boot == j.boot.String() {
			seq = v
		}
	}
	for {
		records := j.p.Host.Kmsg.Since(seq)
		for _, r := range records {
			if !j.put(func() { j.kmsg(r) }) {
				return
			}
			seq = r.Seq + 1
		}
		if len(records) > 0 {
			libc.WriteFile(j.p, kernelSeqFile, []byte(j.boot.String()+" "+strconv.FormatUint(seq, 10)+"\n"), 0o644)
		}
		if err := j.p.Host.Kmsg.Wait(j.ctx, seq); err != nil {
			return
		}
	}
}

// kmsg takes one record of the kernel's ring buffer.
func (j *daemon) kmsg(r host.KmsgRecord) {
	priority := syslog.Priority(r.Priority)
	text := strings.TrimSuffix(r.Text, "\n")
	fields := []journal.Field{
		{Name: "_TRANSPORT", Value: "kernel"}, {Name: "PRIORITY", Value: strconv.Itoa(int(priority.Severity()))},
		{Name: "SYSLOG_FACILITY", Value: strconv.Itoa(int(priority.Facility()))},
		{Name: "_SOURCE_MONOTONIC_TIMESTAMP", Value: strconv.FormatInt(r.At.Microseconds(), 10)},
	}
	if priority.Facility() == syslog.Kern {
		fields = append(fields, journal.Field{Name: "SYSLOG_IDENTIFIER", Value: "kernel"})
	} else if ident, pid, rest, ok := cutIdentifier(text); ok {
		text = rest
		fields = append(fields, journal.Field{Name: "SYSLOG_IDENTIFIER", Value: ident})
		if pid != "" {
			fields = append(fields, journal.Field{Name: "SYSLOG_PID", Value: pid})
		}
	}
	fields = append(fields, journal.Field{Name: "MESSAGE", Value: text})
	severity := priority.Severity()
	m := &message{fields: fields, at: j.p.Now()}
	if severity <= j.conf.maxStore {
		j.add(m)
	}
}
