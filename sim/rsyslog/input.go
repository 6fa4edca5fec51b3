package rsyslog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path"
	"strconv"
	"strings"
	"time"

	"enshu/sim/libc"
	"enshu/sim/wire/syslog"
)

// openInputs opens the inputs of the modules in the order of their loading.
func (d *daemon) openInputs(ctx context.Context) {
	c := d.conf
	for _, m := range c.modules {
		switch m.name {
		case "imuxsock":
			d.openUnix()
		case "imudp":
			d.openUDP()
		case "imtcp":
			d.openTCP()
		case "immark":
			if c.mark.interval > 0 {
				d.thread(func() { d.marks(ctx) })
			}
		case "imklog":
			d.thread(func() { d.kernel(ctx) })
		case "imjournal":
			d.thread(func() { d.journal(ctx) })
		case "imfile":
			d.thread(func() { d.follow(ctx) })
		}
	}
}

// thread starts a thread of an input; the daemon waits for it before it ends.
func (d *daemon) thread(f func()) {
	d.threads.Add(1)
	d.p.Go(func() {
		defer func() {
			d.threads.Add(-1)
			d.threadDone.TryPut(struct{}{})
		}()
		f()
	})
}

// keep remembers what is to be closed when the daemon stops.
func (d *daemon) keep(c io.Closer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inputs = append(d.inputs, c)
}

// forget closes a connection that is over.
func (d *daemon) forget(c io.Closer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, have := range d.inputs {
		if have == c {
			d.inputs = append(d.inputs[:i], d.inputs[i+1:]...)
			break
		}
	}
	c.Close()
}

func (d *daemon) closeInputs() {
	d.closing.Store(true)
	d.mu.Lock()
	list := d.inputs
	d.inputs = nil
	d.mu.Unlock()
	for _, c := range list {
		c.Close()
	}
}

// limiter drops what comes too fast. One thread uses it.
type limiter struct {
	rateLimit
	from    time.Time
	seen    int
	missing int
}

// take counts a message. It reports whether the message may pass, and how many
// were lost in an interval that is over; begins tells that it is the first one
// to be dropped.
func (l *limiter) take(now time.Time, s syslog.Severity) (ok, begins bool, lost int) {
	if l.interval <= 0 || int(s) < l.severity {
		return true, false, 0
	}
	if now.Sub(l.from) > time.Duration(l.interval)*time.Second || now.Before(l.from) {
		lost = l.missing
		l.from, l.seen, l.missing = now, 0, 0
	}
	if l.seen < l.burst {
		l.seen++
		return true, false, lost
	}
	l.missing++
	return false, l.missing == 1, lost
}

// allow applies a limiter and says what rsyslog says about it.
func (d *daemon) allow(l *limiter, name string, now time.Time, s syslog.Severity) bool {
	if l == nil || l.interval <= 0 {
		return true
	}
	ok, begins, lost := l.take(now, s)
	if lost > 0 {
		d.say(syslog.Info, fmt.Sprintf("%s: %d messages lost due to rate-limiting (%d allowed within %d seconds)", name, lost, l.burst, l.interval))
	}
	if begins {
		d.say(syslog.Info, name+": begin to drop messages due to rate-limiting")
	}
	return ok
}

// The system's log sockets.
const (
	devLog        = "/dev/log"
	systemdSocket = "/run/systemd/journal/syslog"
)

// openUnix opens the system's log socket and further ones.
func (d *daemon) openUnix() {
	if s := d.conf.sysSock; !s.off {
		if s.name == "" {
			s.name = devLog
			if libc.Exists(d.p, "/run/systemd/system") && libc.Exists(d.p, systemdSocket) {
				s.name = systemdSocket
				d.report(syslog.Info, codeNone, fmt.Sprintf("imuxsock: Acquired UNIX socket '%s' (fd 3) from systemd. ", systemdSocket))
			}
		}
		d.listenUnix(&unixInput{sysSock: s}, s.name == systemdSocket)
	}
	for _, in := range d.conf.sockets {
		d.listenUnix(in, false)
	}
}

// listenUnix opens a log socket. One that systemd made stays when the daemon ends.
func (d *daemon) listenUnix(in *unixInput, stays bool) {
	p := d.p
	if in.createPath {
		libc.MkdirAll(p, path.Dir(in.name), 0o755)
	}
	if !in.noUnlink {
		p.Sys.Remove(in.name)
	}
	conn, err := p.Sys.ListenPacket("unixgram", in.name)
	if err != nil {
		d.report(syslog.Err, codeNone, fmt.Sprintf("cannot create '%s': %s", in.name, libc.Strerror(err)))
		return
	}
	p.Sys.Chmod(in.name, 0o666)
	d.keep(conn)
	if !stays && !in.noUnlink {
		d.sockets = append(d.sockets, in.name)
	}
	d.thread(func() { d.readUnix(conn, in) })
}

func (d *daemon) readUnix(conn net.PacketConn, in *unixInput) {
	buf := make([]byte, d.conf.globals.maxMessage+1)
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
			if d.closing.Load() || !temporary(err) {
				return
			}
			continue
		}
		n = min(n, d.conf.globals.maxMessage)
		if n == 0 {
			continue
		}
		now := d.now()
		raw := d.conf.globals.sanitizer.Clean(buf[:n])
		m := &message{input: "imuxsock", from: d.hostname, fromIP: "127.0.0.1", received: now, ruleset: in.bound}
		if in.hostname != "" {
			m.from = in.hostname
		}
		if in.parse {
			m.Message = syslog.Parse(raw, now)
			if !in.hasHost {
				m.Message = parseHostless(raw, now)
			}
			if !in.keepTime {
				m.Time = syslog.TimeOf(now, 6)
			}
		} else {
			m.Message = syslog.ParseLocal(raw, now, in.keepTime)
		}
		if in.pidFromOS && pid != 0 {
			m.Tag = withPID(m.Tag, pid)
		}
		if in.limit.interval > 0 {
			l := limits[pid]
			if l == nil {
				if len(limits) > 1000 {
					clear(limits)
				}
				l = &limiter{rateLimit: in.limit}
				limits[pid] = l
			}
			if !d.allow(l, d.limiterName(pid, m), now, m.Severity) {
				continue
			}
		}
		d.submit(m, true)
	}
}

// limiterName is how rsyslog calls the limiter of one sender.
func (d *daemon) limiterName(pid int, m *message) string {
	who := fmt.Sprintf("pid: %d", pid)
	if comm, err := libc.ReadFile(d.p, fmt.Sprintf("/proc/%d/comm", pid)); err == nil {
		who += ", name: " + strings.TrimSpace(string(comm))
	}
	return fmt.Sprintf("imuxsock[%s] from <%s:%s>", who, m.host(), m.appName())
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
	m := syslog.ParseLocal(raw, now, true)
	m.Facility, m.Severity, m.PRILength = pri.Facility(), pri.Severity(), len(raw)-len(rest)
	return m
}

// temporary reports an error of a datagram socket that concerns one datagram
// only.
func temporary(err error) bool {
	return !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.EOF)
}

// openUDP opens the sockets of imudp.
func (d *daemon) openUDP() {
	opened := 0
	for _, in := range d.conf.udp {
		n := d.listenUDP(in)
		if n == 0 {
			address := in.address
			if address == "" {
				address = "(null)"
			}
			d.report(syslog.Err, codeNone, fmt.Sprintf("imudp: Could not create udp listener, ignoring port %s bind-address %s.", in.port, address))
		}
		opened += n
	}
	if opened == 0 && len(d.conf.udp) > 0 {
		d.report(syslog.Err, codeNone, "imudp: no listeners could be started, input not activated. ")
	}
	if opened == 0 && len(d.conf.udp) > 0 {
		d.report(syslog.Err, codeTerminal, "activation of module imudp failed")
	}
}

// bindAddresses returns the networks and addresses that an address of the
// configuration means; none is every address of both families.
func (d *daemon) bindAddresses(network, address, port string) ([][2]string, bool) {
	number, ok := d.service(port, network)
	if !ok {
		return nil, false
	}
	p := strconv.Itoa(number)
	if address == "" || address == "*" {
		return [][2]string{{network + "4", "0.0.0.0:" + p}, {network + "6", "[::]:" + p}}, true
	}
	if _, err := netip.ParseAddr(address); err != nil {
		addrs, err := libc.LookupHost(context.Background(), d.p, address)
		if err != nil {
			return nil, false
		}
		address = addrs[0].String()
	}
	return [][2]string{{network + family(address), net.JoinHostPort(address, p)}}, true
}

func (d *daemon) listenUDP(in *udpInput) (opened int) {
	list, ok := d.bindAddresses("udp", in.address, in.port)
	if !ok {
		d.report(syslog.Err, codeNone, "Name or service not known")
		d.report(syslog.Err, codeNone, "UDP message reception disabled due to error logged in last message. ")
		return 0
	}
	for _, b := range list {
		conn, err := d.p.Sys.ListenPacket(b[0], b[1])
		if err != nil {
			continue
		}
		opened++
		d.keep(conn)
		d.thread(func() { d.readUDP(conn, in) })
	}
	if opened == 0 {
		d.report(syslog.Err, codeNone, "No UDP socket could successfully be initialized, some functionality may be disabled. ")
	}
	return opened
}

func (d *daemon) readUDP(conn net.PacketConn, in *udpInput) {
	buf := make([]byte, d.conf.globals.maxMessage+1)
	l := &limiter{rateLimit: in.limit}
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			if d.closing.Load() || !temporary(err) {
				return
			}
			continue
		}
		ip, port := hostPort(from)
		if !d.allowed("UDP", ip) {
			d.report(syslog.Err, codeNone, "imudp: UDP message from disallowed sender discarded")
			continue
		}
		n = min(n, d.conf.globals.maxMessage)
		if n == 0 {
			continue
		}
		now := d.now()
		m := &message{input: in.name, fromIP: ip, fromPort: port, received: now, ruleset: in.bound}
		m.Message = syslog.Parse(d.conf.globals.sanitizer.Clean(buf[:n]), now)
		if d.allow(l, in.name, now, m.Severity) {
			d.submit(m, false)
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

// allowed applies $AllowedSender.
func (d *daemon) allowed(protocol, ip string) bool {
	any := false
	addr, _ := netip.ParseAddr(ip)
	for _, s := range d.conf.senders {
		if s.protocol != protocol {
			continue
		}
		any = true
		if s.prefix.IsValid() && s.prefix.Contains(addr.WithZone("")) {
			return true
		}
		if s.name != "" {
			name, err := libc.LookupAddr(context.Background(), d.p, addr)
			if ok, _ := path.Match(strings.ToLower(s.name), strings.ToLower(name)); err == nil && ok {
				return true
			}
		}
	}
	return !any
}

// openTCP opens the sockets of imtcp.
func (d *daemon) openTCP() {
	var list []*tcpInput
	for _, in := range d.conf.tcp {
		if n, err := strconv.Atoi(in.port); err == nil && (n < 0 || n > 65535) {
			d.report(syslog.Err, codeNone, fmt.Sprintf("Invalid TCP listen port %s - ignored. ", in.port))
		} else {
			list = append(list, in)
		}
	}
	for _, in := range list {
		address, code := in.address, codeListen
		if address == "" {
			address = "**UNSPECIFIED**"
		}
		opened := 0
		bindings, ok := d.bindAddresses("tcp", in.address, in.port)
		if !ok {
			d.report(syslog.Err, codePortName, fmt.Sprintf("error querying port '%s': Servname not supported for ai_socktype", address))
			code = codePortName
		}
		for _, b := range bindings {
			l, err := d.p.Sys.Listen(b[0], b[1])
			if err != nil {
				d.report(syslog.Err, codeNone, "Error while binding tcp socket: "+libc.Strerror(err))
				continue
			}
			opened++
			d.keep(l)
			d.thread(func() { d.accept(l, in) })
		}
		if opened == 0 {
			d.report(syslog.Err, code, fmt.Sprintf("Could not create tcp listener, ignoring port %s bind-address %s.", in.port, address))
		}
	}
}

func (d *daemon) accept(l net.Listener, in *tcpInput) {
	for {
		conn, err := l.Accept()
		if err != nil {
			if d.closing.Load() || !temporary(err) {
				return
			}
			continue
		}
		ip, port := hostPort(conn.RemoteAddr())
		switch {
		case !d.allowed("TCP", ip):
			d.report(syslog.Err, codeNone, fmt.Sprintf("TCP message from disallowed sender %s discarded", ip))
			conn.Close()
			continue
		case d.tcpSessions.Load() >= int64(in.maxSessions):
			d.report(syslog.Err, codeNone, "too many tcp sessions - dropping incoming request")
			conn.Close()
			continue
		}
		d.tcpSessions.Add(1)
		d.keep(conn)
		d.thread(func() {
			defer d.tcpSessions.Add(-1)
			defer d.forget(conn)
			d.readTCP(conn, in, ip, port)
		})
	}
}

// readTCP reads one connection to its end.
func (d *daemon) readTCP(conn net.Conn, in *tcpInput, ip, port string) {
	f := &syslog.Framer{Max: d.conf.globals.maxMessage, NoCounting: in.noCounting, Delimiter: in.delimiter}
	l := &limiter{rateLimit: in.limit}
	take := func(raw []byte) {
		if len(raw) == 0 {
			return
		}
		now := d.now()
		m := &message{input: in.name, fromIP: ip, fromPort: port, received: now, ruleset: in.bound}
		m.Message = syslog.Parse(d.conf.globals.sanitizer.Clean(raw), now)
		if d.allow(l, in.name, now, m.Severity) {
			d.submit(m, true)
		}
	}
	fault := func(x syslog.FrameFault) { d.report(syslog.Err, codeNone, d.faultText(x, in, ip, conn)) }
	buf := make([]byte, 32<<10)
	for {
		n, err := conn.Read(buf)
		f.Push(buf[:n], take, fault)
		if err != nil {
			break
		}
	}
	if d.closing.Load() {
		return
	}
	f.End(take, fault)
	if in.notifyClose {
		d.report(syslog.Err, codeSessionClosed, fmt.Sprintf("Netstream session %p closed by remote peer %s. ", conn, ip))
	}
}

// faultText is how imtcp words a fault of the framing.
func (d *daemon) faultText(x syslog.FrameFault, in *tcpInput, ip string, conn net.Conn) string {
	peer := fmt.Sprintf("from peer: (hostname) %s, (ip) %s", ip, ip)
	switch x.Kind {
	case syslog.BadDelimiter:
		return fmt.Sprintf("imtcp %s: Framing Error in received TCP message %s: delimiter is not SP but has ASCII value %d.", in.name, peer, x.N)
	case syslog.ZeroCount:
		return fmt.Sprintf("imtcp %s: Framing Error in received TCP message %s: invalid octet count %d.", in.name, peer, x.N)
	case syslog.Oversize:
		return fmt.Sprintf("imtcp %s: received oversize message %s: size is %d bytes, max msg size is %d, truncating...", in.name, peer, x.N, d.conf.globals.maxMessage)
	case syslog.TooLarge:
		return fmt.Sprintf("imtcp %s: Framing Error in received TCP message %s: frame too large: %d, change to octet stuffing", in.name, peer, x.N)
	}
	return fmt.Sprintf("Incomplete frame at end of stream in session %p - ignoring extra data (a message may be lost).", conn)
}

// marks is immark.
func (d *daemon) marks(ctx context.Context) {
	for d.p.Sleep(ctx, time.Duration(d.conf.mark.interval)*time.Second) == nil {
		d.say(syslog.Info, d.conf.mark.text)
	}
}

// kernel is imklog: the kernel's ring buffer.
func (d *daemon) kernel(ctx context.Context) {
	k := d.p.Host.Kmsg
	if k == nil {
		return
	}
	seq := uint64(0)
	for {
		for _, r := range k.Since(seq) {
			seq = r.Seq + 1
			pri := syslog.Priority(r.Priority)
			if pri.Facility() != syslog.Kern && !d.conf.klog.permitNonKernel {
				continue
			}
			now := d.now()
			text := fmt.Sprintf(" [%5d.%06d] %s", r.At/time.Second, r.At%time.Second/time.Microsecond, r.Text)
			text = d.conf.globals.sanitizer.Clean([]byte(text))
			m := &message{input: "imklog", from: d.hostname, fromIP: "127.0.0.1", received: now}
			m.Message = syslog.Message{Raw: text, Facility: min(pri.Facility(), syslog.Local7), Severity: pri.Severity(), Time: syslog.TimeOf(now, 6),
				Tag: "kernel:", Text: text, MsgID: "-", Data: "-"}
			d.submit(m, true)
		}
		if k.Wait(ctx, seq) != nil {
			return
		}
	}
}
