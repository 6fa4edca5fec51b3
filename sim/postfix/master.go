package postfix

import (
	"bufio"
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/trace"
)

// Master is /usr/libexec/postfix/master (master(8)). It holds the TCP ports,
// runs qmgr and pickup, and starts the other services when they are asked for.
// With -t it tells by its exit status whether another master runs.
func Master(ctx context.Context, p *host.Proc) int {
	c, err := loadConfig(ctx, p, nil)
	if err == nil {
		err = c.check(globalParameters...)
	}
	if err != nil {
		(&logger{p: p, tag: "postfix/master"}).fatal("%s", err)
		return 1
	}
	m := &master{p: p, c: c, log: daemonLog(p, c, "master"), children: map[string]*child{}}
	lock, err := m.lock()
	if err != nil {
		for _, a := range p.Args[1:] {
			if a == "-t" {
				return 1
			}
		}
		m.log.fatal("open lock file %s: unable to set exclusive lock: Resource temporarily unavailable", m.pidFile())
		return 1
	}
	defer lock.Close()
	for _, a := range p.Args[1:] {
		if a == "-t" {
			return 0
		}
	}
	return m.run(ctx, lock)
}

type master struct {
	p       *host.Proc
	c       *Config
	log     *logger
	entries []masterEntry
	inet    []net.Listener
	where   string // inet_interfaces when the ports were opened
	control net.Listener

	mu       sync.Mutex // guards children
	children map[string]*child
}

// child is the process of one service.
type child struct {
	entry     masterEntry
	socket    string
	process   *host.Process
	starting  bool
	waits     []*clock.Wait // for starting to end
	throttled time.Duration // monotonic time until which it is not started again
}

func (m *master) pidFile() string {
	return m.c.get("queue_directory") + "/" + m.c.get("process_id_directory") + "/master.pid"
}

// lock opens the pid file and locks it; an error means that a master runs.
func (m *master) lock() (*os.File, error) {
	f, err := m.p.Sys.OpenFile(m.pidFile(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lockFile(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (m *master) run(ctx context.Context, lock *os.File) int {
	p := m.p
	p.Catch(syscall.SIGHUP, syscall.SIGTERM)
	lock.Truncate(0)
	lock.WriteAt(fmt.Appendf(nil, "%11d\n", p.PID), 0)
	p.Stamp(lock)
	if err := m.readServices(); err != nil {
		m.log.fatal("%s", err)
		return 1
	}
	m.removeStaleSockets()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	control := m.c.get("queue_directory") + "/" + masterSocket
	ln, err := p.Sys.Listen("unix", control)
	if err != nil {
		m.log.fatal("listen on %s: %s", control, libc.Strerror(err))
		return 1
	}
	m.control = ln
	p.Sys.Chmod(control, 0o666)
	p.Go(func() { m.answer(ctx) })
	p.Go(func() {
		waitDone(ctx, p)
		ln.Close()
		for _, l := range m.inet {
			l.Close()
		}
	})
	if !m.openPorts(ctx) {
		return 1
	}
	p.Emit(trace.ConfigLoaded, trace.Attrs{"file": m.c.dir + "/main.cf", "errors": ""})
	m.log.info("daemon started -- version %s, configuration %s", m.c.get("mail_version"), m.c.dir)
	for _, command := range []string{"qmgr", "pickup"} { // qmgr puts the queue in order first
		for _, e := range m.entries {
			if e.command == command {
				m.start(ctx, m.socketOf(e))
			}
		}
	}
	p.Ready()
	status := 0
	for {
		sig, err := p.WaitSignal(ctx)
		if err != nil {
			break
		}
		if sig == syscall.SIGTERM {
			m.log.info("terminating on signal 15")
			break
		}
		m.reload()
	}
	p.Sys.Remove(control)
	m.stopChildren(syscall.SIGTERM)
	cancel(nil)
	return status
}

// readServices reads master.cf.
func (m *master) readServices() error {
	file := m.c.dir + "/master.cf"
	data, err := libc.ReadFile(m.p, file)
	if err != nil {
		return fmt.Errorf("open %s: %s", file, libc.Strerror(err))
	}
	m.entries, err = parseMasterCf(file, data)
	return err
}

// socketOf returns where a service listens.
func (m *master) socketOf(e masterEntry) string {
	switch {
	case e.kind == "inet":
		return "private/inet." + e.name
	case e.private == "n":
		return "public/" + e.name
	}
	return "private/" + e.name
}

// removeStaleSockets takes away what a killed master left.
func (m *master) removeStaleSockets() {
	for _, dir := range []string{"public", "private"} {
		names, _ := libc.ReadDir(m.p, m.c.get("queue_directory")+"/"+dir)
		for _, n := range names {
			m.p.Sys.Remove(m.c.get("queue_directory") + "/" + dir + "/" + n)
		}
	}
}

// openPorts opens the TCP ports of the inet services.
func (m *master) openPorts(ctx context.Context) bool {
	m.where = m.c.get("inet_interfaces")
	for _, e := range m.entries {
		if e.kind != "inet" {
			continue
		}
		hostPart, port, ok := listenAddress(e.name)
		if !ok {
			m.log.fatal("%s/master.cf: line %d: bad inet service name: %s", m.c.dir, e.line, e.name)
			return false
		}
		for _, at := range m.bindAddresses(ctx, hostPart) {
			network := "tcp4"
			if at.Is6() {
				network = "tcp6"
			}
			ln, err := m.p.Sys.Listen(network, netip.AddrPortFrom(at, uint16(port)).String())
			switch {
			case errors.Is(err, syscall.EAFNOSUPPORT), err != nil && at.Is6() && errors.Is(err, syscall.EADDRNOTAVAIL):
				continue
			case err != nil:
				m.log.fatal("bind %s port %d: %s", at, port, libc.Strerror(err))
				return false
			}
			m.inet = append(m.inet, ln)
			m.p.Go(func() { m.accept(ctx, ln, m.socketOf(e)) })
		}
	}
	return true
}

// bindAddresses returns the addresses that an inet service listens on.
func (m *master) bindAddresses(ctx context.Context, hostPart string) []netip.Addr {
	v4, v6, _ := m.c.protocols()
	var out []netip.Addr
	add := func(a netip.Addr) {
		if a.Is4() && v4 || a.Is6() && v6 {
			out = append(out, a)
		}
	}
	switch {
	case hostPart != "":
		addrs, _ := libc.LookupHost(ctx, m.p, hostPart)
		for _, a := range addrs {
			add(a)
		}
	case m.where == "all":
		add(netip.IPv4Unspecified())
		add(netip.IPv6Unspecified())
	default:
		for _, n := range m.c.own {
			add(n.Addr())
		}
	}
	return out
}

// accept hands the connections of a port to its service: master keeps the TCP
// end and carries the bytes.
func (m *master) accept(ctx context.Context, ln net.Listener, socket string) {
	peer := newPeers(m.p, m.c)
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		m.p.Go(func() {
			defer conn.Close()
			var w *wireConn
			for ctx.Err() == nil {
				c, err := m.p.Sys.Dial(ctx, "unix", peer.dir+"/"+socket)
				if err == nil {
					w = newWireConn(c)
					if _, err = w.r.ReadByte(); err == nil {
						break
					}
					c.Close()
				}
				if m.start(ctx, socket) != nil {
					return
				}
			}
			if ctx.Err() != nil {
				return
			}
			defer w.Close()
			fmt.Fprintf(w, "%s %s\n", conn.RemoteAddr(), conn.LocalAddr())
			splice(m.p, conn, w)
		})
	}
}

// splice carries bytes both ways until both ends are done.
func splice(p *host.Proc, client net.Conn, server *wireConn) {
	p.Go(func() {
		io.Copy(server.Conn, client)
		if c, ok := server.Conn.(interface{ CloseWrite() error }); ok {
			c.CloseWrite()
		} else {
			server.Close()
		}
	})
	io.Copy(client, server.r)
	client.Close()
}

// answer serves public/master.
func (m *master) answer(ctx context.Context) {
	for {
		conn, err := m.control.Accept()
		if err != nil {
			return
		}
		m.p.Go(func() {
			defer conn.Close()
			r := bufio.NewReader(conn)
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			verb, arg, _ := strings.Cut(strings.TrimSpace(line), " ")
			switch verb {
			case "hold":
				m.p.Go(func() { waitDone(ctx, m.p); conn.Close() })
				r.ReadByte()
			case "start":
				if err := m.start(ctx, arg); err != nil {
					fmt.Fprintf(conn, "%s\n", err)
				} else {
					fmt.Fprintf(conn, "ok\n")
				}
			}
		})
	}
}

// start starts the service of a socket unless it listens already, and returns
// once it does. A service that could not start is throttled: its clients wait.
func (m *master) start(ctx context.Context, socket string) error {
	for ctx.Err() == nil {
		m.mu.Lock()
		ch := m.children[socket]
		if ch == nil {
			e, ok := m.entryOf(socket)
			if !ok {
				m.mu.Unlock()
				return fmt.Errorf("unknown service: %s", socket)
			}
			ch = &child{entry: e, socket: socket}
			m.children[socket] = ch
		}
		if ch.starting {
			w := m.p.Clock.Timeline().NewWait()
			ch.waits = append(ch.waits, w)
			m.mu.Unlock()
			if err := w.Sleep(ctx); err != nil {
				return err
			}
			continue
		}
		if wait := ch.throttled - m.p.Clock.Monotonic(); wait > 0 {
			m.mu.Unlock()
			if err := m.p.Sleep(ctx, wait); err != nil {
				return err
			}
			continue
		}
		path := m.c.get("queue_directory") + "/" + socket
		if ch.process != nil {
			if alive, _ := ch.process.Running(); alive && libc.Exists(m.p, path) {
				m.mu.Unlock()
				return nil
			}
		}
		ch.starting = true
		m.mu.Unlock()
		m.launch(ctx, ch, path)
		m.mu.Lock()
		ch.starting = false
		for _, w := range ch.waits {
			w.Wake()
		}
		ch.waits = nil
		m.mu.Unlock()
	}
	return context.Cause(ctx)
}

func (m *master) entryOf(socket string) (masterEntry, bool) {
	for _, e := range m.entries {
		if m.socketOf(e) == socket {
			return e, true
		}
	}
	return masterEntry{}, false
}

// launch starts the process of a service and waits until it is ready.
func (m *master) launch(ctx context.Context, ch *child, socketPath string) {
	p := m.p
	if ch.process != nil {
		if alive, _ := ch.process.Running(); alive {
			// It retires: the socket is gone and it finishes what it has begun.
			ch.process = nil
		} else {
			p.Sys.Remove(socketPath)
		}
	} else {
		p.Sys.Remove(socketPath)
	}
	e := ch.entry
	program := path.Join(m.c.get("daemon_directory"), e.command)
	args := []string{e.command, "-n", e.name, "-s", ch.socket, "-t", e.kind}
	for _, o := range e.overrides {
		args = append(args, "-o", o)
	}
	cmd := host.Cmd{Path: program, Args: args, Dir: m.c.get("queue_directory"), Env: m.environment(), Umask: 0o077}
	if e.command == "smtpd" || e.command == "smtp" || e.command == "lmtp" {
		cmd.Stdin = bytes.NewReader(m.credentials(e))
	}
	if e.unprivileged != "n" {
		if u, ok := libc.UserByName(p, m.c.get("mail_owner")); ok {
			cmd.Cred = libc.CredOf(p, u)
		}
	}
	throttle := func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		ch.throttled = p.Clock.Monotonic() + m.c.time("service_throttle_time")
	}
	process, err := p.Start(cmd)
	if err != nil {
		m.log.warning("cannot start %s: %s", program, libc.Strerror(err))
		throttle()
		return
	}
	ch.process = process
	isReady, _ := process.WaitReady(ctx)
	p.Go(func() {
		st, err := process.Wait(ctx)
		if err != nil {
			return
		}
		switch {
		case st.Signal != 0 && st.Signal != syscall.SIGTERM:
			m.log.warning("process %s pid %d killed by signal %d", program, process.PID, int(st.Signal))
		case st.Code != 0:
			m.log.warning("process %s pid %d exit status %d", program, process.PID, st.Code)
		}
		if !isReady && !st.Success() {
			m.log.warning("%s: bad command startup -- throttling", program)
			throttle()
		}
		// The two that must always be there come back.
		if ctx.Err() == nil && (e.command == "qmgr" || e.command == "pickup") {
			if p.Sleep(ctx, time.Second) == nil {
				m.start(ctx, ch.socket)
			}
		}
	})
	if !isReady {
		// Let the watcher speak before anybody tries again.
		process.Wait(ctx)
		throttle()
	}
}

// environment is what children get: import_environment.
func (m *master) environment() []string {
	var env []string
	for _, item := range m.c.list("import_environment") {
		if strings.Contains(item, "=") {
			env = append(env, item)
		} else if v := m.p.Getenv(item); v != "" {
			env = append(env, item+"="+v)
		}
	}
	return append(env, "MAIL_CONFIG="+m.c.dir, "PATH=/usr/bin:/bin:/usr/sbin:/sbin")
}

// credentials are the certificate and key files of a service, which master
// reads as root and the service gets on its standard input.
func (m *master) credentials(e masterEntry) []byte {
	c := m.c
	if len(e.overrides) > 0 {
		if data, err := libc.ReadFile(m.p, c.dir+"/main.cf"); err == nil {
			if oc, err := newConfig(c.dir, "", data, e.overrides); err == nil {
				c = oc
			}
		}
	}
	prefix := "smtp_"
	if e.command == "smtpd" {
		prefix = "smtpd_"
	}
	var out []byte
	seen := map[string]bool{}
	for _, name := range []string{"tls_cert_file", "tls_key_file", "tls_CAfile"} {
		file := c.get(prefix + name)
		if file == "" || seen[file] {
			continue
		}
		seen[file] = true
		data, _ := libc.ReadFile(m.p, file)
		out = append(out, data...)
		out = append(out, '\n')
	}
	if e.command == "smtp" {
		for _, spec := range splitList(c.get("smtp_sasl_password_maps")) {
			kind, name := splitSpec(c, spec)
			for _, file := range []string{name, name + ".db"} {
				if data, err := libc.ReadFile(m.p, file); err == nil && kind != "static" && kind != "inline" {
					out = append(out, pem.EncodeToMemory(&pem.Block{Type: tableBlock, Headers: map[string]string{"File": file}, Bytes: data})...)
				}
			}
		}
	}
	return out
}

// tableBlock is the kind of block in which a table stands among the credentials.
const tableBlock = "POSTFIX TABLE"

// splitCredentials takes the tables out of what master gave a service.
func splitCredentials(data []byte) (rest []byte, tables map[string][]byte) {
	tables = map[string][]byte{}
	for {
		b, after := pem.Decode(data)
		if b == nil {
			return rest, tables
		}
		if b.Type == tableBlock {
			tables[b.Headers["File"]] = b.Bytes
		} else {
			rest = append(rest, pem.EncodeToMemory(b)...)
		}
		data = after
	}
}

// reload obeys SIGHUP: services finish what they do and are started anew.
func (m *master) reload() {
	ctx := context.Background()
	c, err := loadConfig(ctx, m.p, nil)
	if err != nil {
		m.log.fatal("%s", err)
		return
	}
	m.c = c
	m.log.info("reload -- version %s, configuration %s", c.get("mail_version"), c.dir)
	if err := m.readServices(); err != nil {
		m.log.fatal("%s", err)
		return
	}
	if c.get("inet_interfaces") != m.where {
		for _, e := range m.entries {
			if e.kind == "inet" {
				m.log.warning("service %s: ignoring inet_interfaces change", e.name)
			}
		}
		m.log.warning("to change inet_interfaces, stop and start Postfix")
	}
	m.p.Emit(trace.ConfigLoaded, trace.Attrs{"file": c.dir + "/main.cf", "errors": ""})
	m.mu.Lock()
	defer m.mu.Unlock()
	for socket, ch := range m.children {
		ch.throttled = 0
		if e, ok := m.entryOf(socket); ok {
			ch.entry = e
		}
		if ch.process != nil {
			ch.process.Signal(syscall.SIGHUP)
		}
	}
}

// stopChildren signals all services and waits for them.
func (m *master) stopChildren(sig syscall.Signal) {
	m.mu.Lock()
	var all []*host.Process
	for _, ch := range m.children {
		if ch.process != nil {
			all = append(all, ch.process)
		}
	}
	m.mu.Unlock()
	for _, c := range all {
		c.Signal(sig)
	}
	for _, c := range all {
		c.Wait(context.Background())
	}
}

// masterRunning returns the process id of a running master, 0 when none runs.
func masterRunning(p *host.Proc, c *Config) int {
	f, err := p.Sys.OpenFile(c.get("queue_directory")+"/"+c.get("process_id_directory")+"/master.pid", os.O_RDWR, 0)
	if err != nil {
		return 0
	}
	defer f.Close()
	if lockFile(f) == nil {
		return 0
	}
	data, _ := io.ReadAll(f)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(data)))
	return pid
}
