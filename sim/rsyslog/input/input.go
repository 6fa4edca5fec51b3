// Package input takes messages from where they come: log sockets, UDP, TCP, the
// journal, the kernel's ring buffer, files. Each input is named after the module
// of rsyslog that it stands for.
package input

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/rsyslog/config"
	"enshu/sim/rsyslog/message"
	"enshu/sim/wire/syslog"
)

// Sink is what inputs hand their messages to.
type Sink interface {
	// Submit hands a message to the rules. wait says whether its source can be
	// held up while the queue is full; it is dropped otherwise.
	Submit(m *message.Message, wait bool)
	// SubmitAll is submit of what came at once from a source that can be held up.
	SubmitAll(list []*message.Message)
	// Report tells what is wrong, on standard error and in the log; say in the log only.
	Report(severity syslog.Severity, code int, text string)
	Say(severity syslog.Severity, text string)
	Now() time.Time // the local time
}

// Set are the open inputs of a daemon.
type Set struct {
	p    *host.Proc
	conf *config.Config
	env  *message.Env
	sink Sink

	closing     atomic.Bool
	killed      atomic.Bool
	threads     atomic.Int64
	threadDone  *clock.Queue[struct{}]
	mu          sync.Mutex // guards open
	open        []io.Closer
	Sockets     []string // names to remove at the end
	tcpSessions atomic.Int64
}

// New prepares the inputs of a configuration; Start opens them.
func New(p *host.Proc, conf *config.Config, e *message.Env, to Sink) *Set {
	return &Set{p: p, conf: conf, env: e, sink: to, threadDone: clock.NewQueue[struct{}](p.Clock.Timeline(), 0)}
}

func (s *Set) hostname() string { return s.env.Hostname }

// Start opens the inputs of the modules in the order of their loading.
func (s *Set) Start(ctx context.Context) {
	c := s.conf
	for _, m := range c.Modules {
		switch m.Name {
		case "imuxsock":
			s.openUnix()
		case "imudp":
			s.openUDP()
		case "imtcp":
			s.openTCP()
		case "immark":
			if c.Mark.Interval > 0 {
				s.thread(func() { s.marks(ctx) })
			}
		case "imklog":
			s.thread(func() { s.kernel(ctx) })
		case "imjournal":
			s.thread(func() { s.journal(ctx) })
		case "imfile":
			s.thread(func() { s.follow(ctx) })
		}
	}
}

// thread starts a thread of an input; the daemon waits for it before it ends.
func (s *Set) thread(f func()) {
	s.threads.Add(1)
	s.p.Go(func() {
		defer func() {
			s.threads.Add(-1)
			s.threadDone.TryPut(struct{}{})
		}()
		f()
	})
}

// keep remembers what is to be closed when the daemon stops.
func (s *Set) keep(c io.Closer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = append(s.open, c)
}

// forget closes a connection that is over.
func (s *Set) forget(c io.Closer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, have := range s.open {
		if have == c {
			s.open = append(s.open[:i], s.open[i+1:]...)
			break
		}
	}
	c.Close()
}

// Wait waits for every thread to end.
func (s *Set) Wait() {
	for s.threads.Load() > 0 {
		s.threadDone.Get(context.Background())
	}
}

// Stop closes what is open. killed tells that nothing may be written any more.
func (s *Set) Stop(killed bool) {
	s.killed.Store(killed)
	s.closing.Store(true)
	s.mu.Lock()
	list := s.open
	s.open = nil
	s.mu.Unlock()
	for _, c := range list {
		c.Close()
	}
}

// limiter drops what comes too fast. One thread uses it.
type limiter struct {
	config.RateLimit
	from    time.Time
	seen    int
	missing int
}

// take counts a message. It reports whether the message may pass, and how many
// were lost in an interval that is over; begins tells that it is the first one
// to be dropped.
func (l *limiter) take(now time.Time, s syslog.Severity) (ok, begins bool, lost int) {
	if l.Interval <= 0 || int(s) < l.Severity {
		return true, false, 0
	}
	if now.Sub(l.from) > time.Duration(l.Interval)*time.Second || now.Before(l.from) {
		lost = l.missing
		l.from, l.seen, l.missing = now, 0, 0
	}
	if l.seen < l.Burst {
		l.seen++
		return true, false, lost
	}
	l.missing++
	return false, l.missing == 1, lost
}

// allow applies a limiter and says what rsyslog says about it.
func (s *Set) allow(l *limiter, name string, now time.Time, severity syslog.Severity) bool {
	if l == nil || l.Interval <= 0 {
		return true
	}
	ok, begins, lost := l.take(now, severity)
	if lost > 0 {
		s.sink.Say(syslog.Info, fmt.Sprintf("%s: %d messages lost due to rate-limiting (%d allowed within %d seconds)", name, lost, l.Burst, l.Interval))
	}
	if begins {
		s.sink.Say(syslog.Info, name+": begin to drop messages due to rate-limiting")
	}
	return ok
}

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
			if !s.allow(l, s.limiterName(pid, m), now, m.Severity) {
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

// temporary reports an error of a datagram socket that concerns one datagram
// only.
func temporary(err error) bool {
	return !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.EOF)
}

// openUDP opens the sockets of imudp.
func (s *Set) openUDP() {
	opened := 0
	for _, in := range s.conf.UDP {
		n := s.listenUDP(in)
		if n == 0 {
			address := in.Address
			if address == "" {
				address = "(null)"
			}
			s.sink.Report(syslog.Err, config.CodeNone, fmt.Sprintf("imudp: Could not create udp listener, ignoring port %s bind-address %s.", in.Port, address))
		}
		opened += n
	}
	if opened == 0 && len(s.conf.UDP) > 0 {
		s.sink.Report(syslog.Err, config.CodeNone, "imudp: no listeners could be started, input not activated. ")
	}
	if opened == 0 && len(s.conf.UDP) > 0 {
		s.sink.Report(syslog.Err, config.CodeTerminal, "activation of module imudp failed")
	}
}

// bindAddresses returns the networks and addresses that an address of the
// configuration means; none is every address of both families.
func (s *Set) bindAddresses(network, address, port string) ([][2]string, bool) {
	number, ok := libc.Port(s.p, port, network)
	if !ok {
		return nil, false
	}
	p := strconv.Itoa(number)
	if address == "" || address == "*" {
		return [][2]string{{network + "4", "0.0.0.0:" + p}, {network + "6", "[::]:" + p}}, true
	}
	if _, err := netip.ParseAddr(address); err != nil {
		addrs, err := libc.LookupHost(context.Background(), s.p, address)
		if err != nil {
			return nil, false
		}
		address = addrs[0].String()
	}
	return [][2]string{{libc.Network(network, address), net.JoinHostPort(address, p)}}, true
}

func (s *Set) listenUDP(in *config.UDPInput) (opened int) {
	list, ok := s.bindAddresses("udp", in.Address, in.Port)
	if !ok {
		s.sink.Report(syslog.Err, config.CodeNone, "Name or service not known")
		s.sink.Report(syslog.Err, config.CodeNone, "UDP message reception disabled due to error logged in last message. ")
		return 0
	}
	for _, b := range list {
		conn, err := s.p.Sys.ListenPacket(b[0], b[1])
		if err != nil {
			continue
		}
		opened++
		s.keep(conn)
		s.thread(func() { s.readUDP(conn, in) })
	}
	if opened == 0 {
		s.sink.Report(syslog.Err, config.CodeNone, "No UDP socket could successfully be initialized, some functionality may be disabled. ")
	}
	return opened
}

// gulp is how many datagrams are read at once.
const gulp = 64

func (s *Set) readUDP(conn net.PacketConn, in *config.UDPInput) {
	batch, ok := conn.(host.BatchConn)
	if !ok {
		s.sink.Report(syslog.Err, config.CodeNone, "imudp: the socket cannot be read")
		return
	}
	read := make([]host.Datagram, gulp)
	room := make([]byte, gulp*(s.conf.Globals.MaxMessage+1))
	for i := range read {
		read[i].Buf, room = room[:s.conf.Globals.MaxMessage+1], room[s.conf.Globals.MaxMessage+1:]
	}
	l := &limiter{RateLimit: in.Limit}
	restricted := s.restricted("UDP")
	var last net.UDPAddr // of the newest datagram, and how it is written
	var ip, port string
	for {
		n, err := batch.ReadBatch(read)
		if err != nil {
			if s.closing.Load() || !temporary(err) {
				return
			}
			continue
		}
		now := s.sink.Now()
		made := make([]message.Message, n)
		for i := range read[:n] {
			from, ok := read[i].From.(*net.UDPAddr)
			if !ok || from.Port != last.Port || !from.IP.Equal(last.IP) {
				if ip, port = hostPort(read[i].From); ok {
					last = *from
				}
			}
			if restricted && !s.allowed("UDP", ip) {
				s.sink.Report(syslog.Err, config.CodeNone, "imudp: UDP message from disallowed sender discarded")
				continue
			}
			raw := read[i].Buf[:min(read[i].N, s.conf.Globals.MaxMessage)]
			if len(raw) == 0 || !s.allow(l, in.Name, now, syslog.Emerg) {
				continue
			}
			m := &made[i]
			m.Input, m.FromIP, m.FromPort, m.Received, m.Ruleset, m.Unparsed = in.Name, ip, port, now, in.Ruleset, true
			m.Raw = string(raw)
			s.sink.Submit(m, false)
		}
	}
}

// hostPort takes an address apart; an IPv4 address in IPv6 form is IPv4.
func hostPort(a net.Addr) (ip, port string) {
	var at netip.AddrPort
	switch a := a.(type) {
	case *net.UDPAddr:
		at = a.AddrPort()
	case *net.TCPAddr:
		at = a.AddrPort()
	default:
		ip, port, _ = net.SplitHostPort(a.String())
		return ip, port
	}
	return at.Addr().Unmap().String(), strconv.Itoa(int(at.Port()))
}

// restricted reports whether $AllowedSender says anything about a protocol.
func (s *Set) restricted(protocol string) bool {
	return slices.ContainsFunc(s.conf.Senders, func(s config.AllowedSender) bool { return s.Protocol == protocol })
}

// allowed applies $AllowedSender.
func (s *Set) allowed(protocol, ip string) bool {
	any := false
	addr, _ := netip.ParseAddr(ip)
	for _, who := range s.conf.Senders {
		if who.Protocol != protocol {
			continue
		}
		any = true
		if who.Prefix.IsValid() && who.Prefix.Contains(addr.WithZone("")) {
			return true
		}
		if who.Name != "" {
			name, err := libc.LookupAddr(context.Background(), s.p, addr)
			if ok, _ := path.Match(strings.ToLower(who.Name), strings.ToLower(name)); err == nil && ok {
				return true
			}
		}
	}
	return !any
}

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
	f := &syslog.Framer{Max: s.conf.Globals.MaxMessage, NoCounting: in.NoCounting, Delimiter: in.Delimiter}
	l := &limiter{RateLimit: in.Limit}
	var now time.Time
	var list []*message.Message // of one read
	var room []message.Message  // what the next ones are made in
	take := func(raw []byte) {
		if len(raw) == 0 || !s.allow(l, in.Name, now, syslog.Emerg) {
			return
		}
		if len(room) == 0 {
			room = make([]message.Message, 32)
		}
		m := &room[0]
		room = room[1:]
		m.Input, m.FromIP, m.FromPort, m.Received, m.Ruleset, m.Unparsed = in.Name, ip, port, now, in.Ruleset, true
		m.Raw = string(raw)
		list = append(list, m)
	}
	hand := func() {
		s.sink.SubmitAll(list)
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

// marks is immark.
func (s *Set) marks(ctx context.Context) {
	for s.p.Sleep(ctx, time.Duration(s.conf.Mark.Interval)*time.Second) == nil {
		s.sink.Say(syslog.Info, s.conf.Mark.Text)
	}
}

// kernel is imklog: the kernel's ring buffer.
func (s *Set) kernel(ctx context.Context) {
	k := s.p.Host.Kmsg
	if k == nil {
		return
	}
	seq := uint64(0)
	for {
		for _, r := range k.Since(seq) {
			seq = r.Seq + 1
			pri := syslog.Priority(r.Priority)
			if pri.Facility() != syslog.Kern && !s.conf.Klog.PermitNonKernel {
				continue
			}
			now := s.sink.Now()
			text := fmt.Sprintf(" [%5d.%06d] %s", r.At/time.Second, r.At%time.Second/time.Microsecond, r.Text)
			text = s.conf.Globals.Sanitizer.Clean([]byte(text))
			m := &message.Message{Input: "imklog", From: s.hostname(), FromIP: "127.0.0.1", Received: now}
			m.Message = syslog.Message{Raw: text, Facility: min(pri.Facility(), syslog.Local7), Severity: pri.Severity(), Time: syslog.TimeOf(now, 6),
				Tag: "kernel:", Text: text, MsgID: "-", Data: "-"}
			s.sink.Submit(m, true)
		}
		if k.Wait(ctx, seq) != nil {
			return
		}
	}
}
