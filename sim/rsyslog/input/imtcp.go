package input

import (
	"fmt"
	"net"
	"strconv"
	"time"

	"enshu/sim/libc"
	"enshu/sim/rsyslog/config"
	"enshu/sim/rsyslog/message"
	"enshu/sim/wire/syslog"
)

// openTCP opens the sockets of imtcp.
func (s *Set) openTCP() {
	var list []*config.TCPInput
	for _, in := range s.conf.TCP {
		if n, err := strconv.Atoi(in.Port); err == nil && (n < 0 || n > 65535) {
			s.sink.Report(syslog.Err, config.CodeNone, fmt.Sprintf("Invalid TCP listen port %s - ignored. ", in.Port))
		} else {
			list = append(list, in)
		}
	}
	for _, in := range list {
		address, code := in.Address, config.CodeListen
		if address == "" {
			address = "**UNSPECIFIED**"
		}
		opened := 0
		bindings, ok := s.bindAddresses("tcp", in.Address, in.Port)
		if !ok {
			s.sink.Report(syslog.Err, config.CodePortName, fmt.Sprintf("error querying port '%s': Servname not supported for ai_socktype", address))
			code = config.CodePortName
		}
		for _, b := range bindings {
			l, err := s.p.Sys.Listen(b[0], b[1])
			if err != nil {
				s.sink.Report(syslog.Err, config.CodeNone, "Error while binding tcp socket: "+libc.Strerror(err))
				continue
			}
			opened++
			s.keep(l)
			s.thread(func() { s.accept(l, in) })
		}
		if opened == 0 {
			s.sink.Report(syslog.Err, code, fmt.Sprintf("Could not create tcp listener, ignoring port %s bind-address %s.", in.Port, address))
		}
	}
}

func (s *Set) accept(l net.Listener, in *config.TCPInput) {
	for {
		conn, err := l.Accept()
		if err != nil {
			if s.closing.Load() || !temporary(err) {
				return
			}
			continue
		}
		ip, port := hostPort(conn.RemoteAddr())
		switch {
		case !s.allowed("TCP", ip):
			s.sink.Report(syslog.Err, config.CodeNone, fmt.Sprintf("TCP message from disallowed sender %s discarded", ip))
			conn.Close()
			continue
		case s.tcpSessions.Load() >= int64(in.MaxSessions):
			s.sink.Report(syslog.Err, config.CodeNone, "too many tcp sessions - dropping incoming request")
			conn.Close()
			continue
		}
		s.tcpSessions.Add(1)
		s.keep(conn)
		s.thread(func() {
			defer s.tcpSessions.Add(-1)
			defer s.forget(conn)
			s.readTCP(conn, in, ip, port)
		})
	}
}

// readTCP reads one connection to its end.
func (s *Set) readTCP(conn net.Conn, in *config.TCPInput, ip, port string) {
	f := &syslog.Framer{Max: s.conf.Globals.MaxMessage, NoCounting: in.NoCounting, Delimiter: in.Delimiter,
		MaxFrame: in.MaxFrame, NoLF: in.NoLF, NoRest: in.NoRest}
	l := &limiter{RateLimit: in.Limit}
	var now time.Time
	maker := message.Maker{Spare: s.pool}
	var list []*message.Message // of one read
	take := func(raw []byte) {
		if len(raw) == 0 || !s.allow(l, in.Name, now, syslog.Emerg, func() string { return syslog.Parse(string(raw), now).Text }) {
			return
		}
		m := maker.New(raw)
		m.Input, m.FromIP, m.FromPort, m.Received, m.Ruleset = in.Name, ip, port, now, in.Ruleset
		list = append(list, m)
	}
	hand := func() {
		s.sink.SubmitAll(list, true)
		clear(list)
		list = list[:0]
	}
	fault := func(x syslog.FrameFault) { s.sink.Report(syslog.Err, config.CodeNone, s.faultText(x, in, ip, conn)) }
	buf := make([]byte, 128<<10)
	for {
		n, err := conn.Read(buf)
		now = s.sink.Now()
		f.Push(buf[:n], take, fault)
		hand()
		if err != nil {
			break
		}
	}
	if s.closing.Load() {
		return
	}
	f.End(take, fault)
	hand()
	if in.NotifyClose {
		s.sink.Report(syslog.Err, config.CodeSessionClosed, fmt.Sprintf("Netstream session %p closed by remote peer %s. ", conn, ip))
	}
}

// faultText is how imtcp words a fault of the framing.
func (s *Set) faultText(x syslog.FrameFault, in *config.TCPInput, ip string, conn net.Conn) string {
	peer := fmt.Sprintf("from peer: (hostname) %s, (ip) %s", ip, ip)
	switch x.Kind {
	case syslog.BadDelimiter:
		return fmt.Sprintf("imtcp %s: Framing Error in received TCP message %s: delimiter is not SP but has ASCII value %d.", in.Name, peer, x.N)
	case syslog.ZeroCount:
		return fmt.Sprintf("imtcp %s: Framing Error in received TCP message %s: invalid octet count %d.", in.Name, peer, x.N)
	case syslog.Oversize:
		return fmt.Sprintf("imtcp %s: received oversize message %s: size is %d bytes, max msg size is %d, truncating...", in.Name, peer, x.N, s.conf.Globals.MaxMessage)
	case syslog.TooLarge:
		return fmt.Sprintf("imtcp %s: Framing Error in received TCP message %s: frame too large: %d, change to octet stuffing", in.Name, peer, x.N)
	}
	return fmt.Sprintf("Incomplete frame at end of stream in session %p - ignoring extra data (a message may be lost).", conn)
}
