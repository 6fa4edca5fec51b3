package named

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/trace"
	"enshu/sim/wire/syslog"
)

// daemon is a running named.
type daemon struct {
	p     *host.Proc
	file  string // of the configuration
	toErr bool   // -g: log to Stderr

	mu     sync.Mutex // guards server
	server *server
}

// Named is named(8): named [-46fgv] [-c FILE] [-d LEVEL] [-p PORT] [-t DIR] [-u USER] …
func Named(ctx context.Context, p *host.Proc) int {
	d := &daemon{p: p, file: "/etc/named.conf"}
	options, operands, err := libc.Getopt(p.Args[1:], "46c:C:d:D:E:fgi:L:M:m:n:N:p:sS:t:T:U:u:vVx:X:", nil)
	if err != nil {
		fmt.Fprintf(p.Stderr, "named: %v\n%s", err, usage)
		return 1
	}
	port := uint16(0)
	for _, o := range options {
		switch o.Name {
		case "c":
			d.file = o.Value
		case "g":
			d.toErr = true
		case "p":
			n, err := strconv.ParseUint(o.Value, 10, 16)
			if err != nil || n == 0 {
				fmt.Fprintf(p.Stderr, "named: port '%s' out of range\n", o.Value)
				return 1
			}
			port = uint16(n)
		case "v":
			fmt.Fprintf(p.Stdout, "BIND %s (Extended Support Version) <id:fde3b1f>\n", banner)
			return 0
		}
	}
	if len(operands) > 0 {
		fmt.Fprint(p.Stderr, usage)
		return 1
	}
	d.log(syslog.Notice, fmt.Sprintf("starting BIND %s (Extended Support Version) <id:fde3b1f>", banner))
	d.log(syslog.Notice, "running as: "+strings.Join(p.Args, " "))
	conf, err := d.configure()
	if err != nil {
		d.log(syslog.Crit, "loading configuration: "+fileText(err))
		d.log(syslog.Crit, "exiting (due to fatal error)")
		return 1
	}
	cache := newCache(p.Rand())
	if !d.open(ctx, conf, port) {
		d.log(syslog.Err, "unable to listen on any configured interfaces")
		d.log(syslog.Crit, "loading configuration: failure")
		d.log(syslog.Crit, "exiting (due to fatal error)")
		return 1
	}
	d.install(conf, cache)
	p.Catch(syscall.SIGHUP, syscall.SIGINT)
	d.log(syslog.Notice, "all zones loaded")
	d.log(syslog.Notice, "running")
	p.Ready()
	for {
		sig, err := p.WaitSignal(ctx)
		if err != nil || sig == syscall.SIGINT {
			d.log(syslog.Info, "shutting down")
			d.log(syslog.Notice, "exiting")
			return 0
		}
		d.log(syslog.Info, "received SIGHUP signal to reload zones")
		conf, err := d.configure()
		if err != nil {
			d.log(syslog.Err, "reloading configuration failed: "+fileText(err))
			continue
		}
		d.install(conf, cache)
		d.log(syslog.Info, "reloading configuration succeeded")
		d.log(syslog.Notice, "all zones loaded")
	}
}

const usage = `usage: named [-4|-6] [-c conffile] [-d debuglevel] [-E engine] [-f|-g]
             [-n number_of_cpus] [-p port] [-s] [-S sockets] [-t chrootdir]
             [-u username] [-U listeners] [-X lockfile] [-m {usage|trace|record|size|mctx}]
             [-M fill|nofill]
usage: named [-v|-V]
`

// log writes to syslog as facility daemon, or with -g to Stderr.
func (d *daemon) log(sev syslog.Severity, text string) {
	if d.toErr {
		fmt.Fprintf(d.p.Stderr, "%s %s\n", libc.LocalTime(d.p).Format("02-Jan-2006 15:04:05.000"), text)
		return
	}
	libc.Syslog(d.p, syslog.Make(syslog.Daemon, sev), "named", d.p.PID, text)
}

// fileText is an error in the words of BIND's library.
func fileText(err error) string {
	var ce *confError
	switch {
	case errors.As(err, &ce):
		return "failure"
	case errors.Is(err, fs.ErrNotExist):
		return "file not found"
	case errors.Is(err, fs.ErrPermission):
		return "permission denied"
	}
	return strings.ToLower(libc.Strerror(err))
}

// configure reads the configuration; what is wrong with it is logged.
func (d *daemon) configure() (*config, error) {
	d.log(syslog.Info, "loading configuration from '"+d.file+"'")
	c, err := load(d.file, reader(d.p))
	var ce *confError
	switch {
	case errors.As(err, &ce):
		d.log(syslog.Err, err.Error())
	case err != nil:
		d.log(syslog.Err, "open: "+d.file+": "+fileText(err))
	}
	n := "0"
	if err != nil {
		n = "1"
	}
	d.p.Emit(trace.ConfigLoaded, trace.Attrs{"file": d.file, "errors": n})
	return c, err
}

// reader reads files as a process.
func reader(p *host.Proc) func(name string) (string, error) {
	return func(name string) (string, error) {
		data, err := libc.ReadFile(p, libc.Abs(p, name))
		return string(data), err
	}
}

// install reads the zones and makes them what is served.
func (d *daemon) install(c *config, cache *cache) {
	s := &server{p: d.p, conf: c, here: around{d.p}, zones: map[string]*zone{}, conv: map[string]zoneConf{}, cache: cache,
		log: func(text string) { d.log(syslog.Info, text) }}
	for _, z := range c.zones {
		switch z.kind {
		case "primary":
			loaded, lines := readZoneFile(d.p, z)
			for _, l := range lines {
				d.log(syslog.Err, l)
			}
			if loaded != nil {
				d.log(syslog.Info, fmt.Sprintf("zone %s/IN: loaded serial %d", strings.TrimSuffix(z.name, "."), loaded.soa.Serial))
			}
			s.zones[z.name] = loaded
		case "secondary":
			s.zones[z.name] = nil
		}
		if z.kind != "hint" {
			s.conv[z.name] = z
		}
	}
	d.mu.Lock()
	d.server = s
	d.mu.Unlock()
}

// readZoneFile reads the master file of a zone and what named would log of it.
func readZoneFile(p *host.Proc, z zoneConf) (*zone, []string) {
	text, err := reader(p)(z.file)
	if err != nil {
		return nil, []string{fmt.Sprintf("zone %s/IN: loading from master file %s failed: %s", strings.TrimSuffix(z.name, "."), z.file, fileText(err)),
			fmt.Sprintf("zone %s/IN: not loaded due to errors.", strings.TrimSuffix(z.name, "."))}
	}
	loaded, warnings, err := readZone(z.name, z.file, text)
	var problem *zoneProblem
	if errors.As(err, &problem) {
		return nil, append(warnings, problem.lines...)
	}
	return loaded, warnings
}

func (d *daemon) current() *server {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.server
}

// open opens the sockets that the configuration asks for and serves them. It
// reports false when none could be opened.
func (d *daemon) open(ctx context.Context, c *config, port uint16) bool {
	opened := false
	for _, l := range c.listen {
		if port != 0 {
			l.port = port
		}
		family, name := "4", "IPv4"
		if l.six {
			family, name = "6", "IPv6"
		}
		for _, addr := range l.addresses() {
			at := netip.AddrPortFrom(addr, l.port)
			shown := addr.String()
			if addr.IsUnspecified() {
				shown = "any"
			}
			u, err := d.p.Sys.ListenPacket("udp"+family, at.String())
			if err != nil {
				d.log(syslog.Err, fmt.Sprintf("could not listen on UDP socket %s#%d: %s", shown, l.port, socketText(err)))
				continue
			}
			t, err := d.p.Sys.Listen("tcp"+family, at.String())
			if err != nil {
				u.Close()
				d.log(syslog.Err, fmt.Sprintf("creating TCP socket %s#%d: %s", shown, l.port, socketText(err)))
				continue
			}
			d.log(syslog.Info, fmt.Sprintf("listening on %s interfaces, %s#%d", name, shown, l.port))
			opened = true
			d.p.Go(func() { d.serveUDP(ctx, u) })
			d.p.Go(func() { d.serveTCP(ctx, t) })
		}
	}
	return opened
}

// addresses are those to bind: the wildcard, the loopback, or single addresses.
func (l *listenOn) addresses() []netip.Addr {
	any4, lo := netip.IPv4Unspecified(), netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if l.six {
		any4, lo = netip.IPv6Unspecified(), netip.IPv6Loopback()
	}
	var list []netip.Addr
	for _, e := range l.addrs {
		switch {
		case e.not:
		case e.word == "any":
			return []netip.Addr{any4}
		case e.word == "localhost", e.word == "localnets":
			list = append(list, lo)
		case e.list != nil:
			inner := listenOn{l.six, l.port, e.list}
			list = append(list, inner.addresses()...)
		case e.prefix.IsValid() && e.prefix.IsSingleIP() && e.prefix.Addr().Is6() == l.six:
			list = append(list, e.prefix.Addr())
		}
	}
	return list
}

func socketText(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "address in use"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "address not available"
	case errors.Is(err, syscall.EACCES):
		return "permission denied"
	}
	return strings.ToLower(libc.Strerror(err))
}

func (d *daemon) serveUDP(ctx context.Context, c net.PacketConn) {
	b := make([]byte, 65535)
	for {
		n, addr, err := c.ReadFrom(b)
		if errors.Is(err, net.ErrClosed) || ctx.Err() != nil {
			return
		}
		q := new(dns.Msg)
		if err != nil || q.Unpack(b[:n]) != nil {
			continue
		}
		from, _ := netip.ParseAddrPort(addr.String())
		// A query that waits for a forwarder must not hold up the others.
		d.p.Go(func() {
			if r := d.current().handle(ctx, q, from, "udp"); r != nil {
				if out, err := r.Pack(); err == nil {
					c.WriteTo(out, addr)
				}
			}
		})
	}
}

// tcpIdle is how long named waits for the next query of a connection
// (tcp-idle-timeout).
const tcpIdle = 30 * time.Second

func (d *daemon) serveTCP(ctx context.Context, l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		d.p.Go(func() {
			defer conn.Close()
			from, _ := netip.ParseAddrPort(conn.RemoteAddr().String())
			c := &dns.Conn{Conn: conn}
			for {
				conn.SetDeadline(d.p.Now().Add(tcpIdle))
				q, err := c.ReadMsg()
				if err != nil {
					return
				}
				r := d.current().handle(ctx, q, from, "tcp")
				if r == nil || c.WriteMsg(r) != nil {
					return
				}
			}
		})
	}
}

func portOf(a netip.AddrPort) string { return strconv.Itoa(int(a.Port())) }

// around is what the host's addresses and networks are.
type around struct{ p *host.Proc }

// local asks the kernel: what is sent to an own address comes from it.
func (h around) local(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	network := "udp4"
	if a.Is6() {
		network = "udp6"
	}
	c, err := h.p.Sys.Dial(context.Background(), network, netip.AddrPortFrom(a, 9).String())
	if err != nil {
		return false
	}
	defer c.Close()
	own, err := netip.ParseAddrPort(c.LocalAddr().String())
	return err == nil && own.Addr().Unmap() == a
}

// near looks for a route without a gateway (proc(5), /proc/net/route).
func (h around) near(a netip.Addr) bool {
	data, err := libc.ReadFile(h.p, "/proc/net/route")
	if err != nil || !a.Is4() {
		return false
	}
	for _, line := range libc.Lines(data) {
		f := strings.Fields(line)
		if len(f) < 8 || f[2] != "00000000" {
			continue
		}
		dst, err1 := strconv.ParseUint(f[1], 16, 32)
		mask, err2 := strconv.ParseUint(f[7], 16, 32)
		b := a.As4() // the file has the addresses in the machine's byte order
		addr := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24
		if err1 == nil && err2 == nil && mask != 0 && addr&mask == dst {
			return true
		}
	}
	return false
}
