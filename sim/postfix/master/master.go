// Package master is master(8): it holds the TCP ports, runs the services of
// master.cf, and starts them anew when they are asked for.
package master

import (
	"bufio"
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path"
	"strings"
	"sync"
	"syscall"
	"time"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/postfix/conf"
	"enshu/sim/postfix/maillog"
	"enshu/sim/postfix/queue"
	"enshu/sim/postfix/service"
	"enshu/sim/postfix/table"
	"enshu/sim/trace"
)

// Master is /usr/libexec/postfix/master (master(8)). It holds the TCP ports,
// runs qmgr and pickup, and starts the other services when they are asked for.
// With -t it tells by its exit status whether another master runs.
func Master(ctx context.Context, p *host.Proc) int {
	c, err := conf.Load(ctx, p, nil)
	if err == nil {
		err = c.Check(conf.Global...)
	}
	if !(&maillog.Logger{Proc: p, Tag: "postfix/master"}).Configured(c, err) {
		return 1
	}
	m := &master{p: p, c: c, log: maillog.DaemonLog(p, c, "master"), children: map[string]*child{}}
	lock, err := m.lock()
	if err != nil {
		for _, a := range p.Args[1:] {
			if a == "-t" {
				return 1
			}
		}
		m.log.Fatal("open lock file %s: unable to set exclusive lock: Resource temporarily unavailable", m.pidFile())
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
	c       *conf.Config
	log     *maillog.Logger
	entries []conf.Service
	inet    []net.Listener
	where   string // inet_interfaces when the ports were opened
	control net.Listener

	mu       sync.Mutex // guards children
	children map[string]*child
}

// child is the process of one service.
type child struct {
	entry     conf.Service
	socket    string
	process   *host.Process
	starting  bool
	waits     []*clock.Wait // for starting to end
	throttled time.Duration // monotonic time until which it is not started again
}

func (m *master) pidFile() string {
	return m.c.Get("queue_directory") + "/" + m.c.Get("process_id_directory") + "/master.pid"
}

// lock opens the pid file and locks it; an error means that a master runs.
func (m *master) lock() (*os.File, error) {
	f, err := m.p.Sys.OpenFile(m.pidFile(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := queue.LockFile(f); err != nil {
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
		m.log.Fatal("%s", err)
		return 1
	}
	m.removeStaleSockets()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	control := m.c.Get("queue_directory") + "/" + service.MasterSocket
	ln, err := p.Sys.Listen("unix", control)
	if err != nil {
		m.log.Fatal("listen on %s: %s", control, libc.Strerror(err))
		return 1
	}
	m.control = ln
	p.Sys.Chmod(control, 0o666)
	p.Go(func() { m.answer(ctx) })
	p.Go(func() {
		service.WaitDone(ctx, p)
		ln.Close()
		for _, l := range m.inet {
			l.Close()
		}
	})
	if !m.openPorts(ctx) {
		return 1
	}
	p.Emit(trace.ConfigLoaded, trace.Attrs{"file": m.c.Dir + "/main.cf", "errors": ""})
	m.log.Info("daemon started -- version %s, configuration %s", m.c.Get("mail_version"), m.c.Dir)
	for _, command := range []string{"qmgr", "pickup"} { // qmgr puts the queue in order first
		for _, e := range m.entries {
			if e.Command == command {
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
			m.log.Info("terminating on signal 15")
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
	file := m.c.Dir + "/master.cf"
	data, err := libc.ReadFile(m.p, file)
	if err != nil {
		return fmt.Errorf("open %s: %s", file, libc.Strerror(err))
	}
	m.entries, err = conf.ParseMaster(file, data)
	return err
}

// socketOf returns where a service listens.
func (m *master) socketOf(e conf.Service) string {
	switch {
	case e.Kind == "inet":
		return "private/inet." + e.Name
	case e.Private == "n":
		return "public/" + e.Name
	}
	return "private/" + e.Name
}

// removeStaleSockets takes away what a killed master left.
func (m *master) removeStaleSockets() {
	for _, dir := range []string{"public", "private"} {
		names, _ := libc.ReadDir(m.p, m.c.Get("queue_directory")+"/"+dir)
		for _, n := range names {
			m.p.Sys.Remove(m.c.Get("queue_directory") + "/" + dir + "/" + n)
		}
	}
}

// openPorts opens the TCP ports of the inet services.
func (m *master) openPorts(ctx context.Context) bool {
	m.where = m.c.Get("inet_interfaces")
	for _, e := range m.entries {
		if e.Kind != "inet" {
			continue
		}
		hostPart, port, ok := conf.ListenAddress(e.Name)
		if !ok {
			m.log.Fatal("%s/master.cf: line %d: bad inet service name: %s", m.c.Dir, e.Line, e.Name)
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
				m.log.Fatal("bind %s port %d: %s", at, port, libc.Strerror(err))
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
	v4, v6, _ := m.c.Protocols()
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
		for _, n := range m.c.Own {
			add(n.Addr())
		}
	}
	return out
}

// accept hands the connections of a port to its service.
func (m *master) accept(ctx context.Context, ln net.Listener, socket string) {
	peers := service.NewPeers(m.p, m.c)
	for {
		conn, err := ln.Accept()
		if err != nil {
			peers.Close()
			return
		}
		m.p.Go(func() {
			defer conn.Close()
			peers.Hand(ctx, socket, conn) // a client that nobody serves sees that it ends
		})
	}
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
				m.p.Go(func() { service.WaitDone(ctx, m.p); conn.Close() })
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
		path := m.c.Get("queue_directory") + "/" + socket
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

func (m *master) entryOf(socket string) (conf.Service, bool) {
	for _, e := range m.entries {
		if m.socketOf(e) == socket {
			return e, true
		}
	}
	return conf.Service{}, false
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
	program := path.Join(m.c.Get("daemon_directory"), e.Command)
	args := []string{e.Command, "-n", e.Name, "-s", ch.socket, "-t", e.Kind}
	for _, o := range e.Overrides {
		args = append(args, "-o", o)
	}
	cmd := host.Cmd{Path: program, Args: args, Dir: m.c.Get("queue_directory"), Env: m.environment(), Umask: 0o077}
	if e.Command == "smtpd" || e.Command == "smtp" || e.Command == "lmtp" {
		cmd.Stdin = bytes.NewReader(m.credentials(e))
	}
	if e.Unprivileged != "n" {
		if u, ok := libc.UserByName(p, m.c.Get("mail_owner")); ok {
			cmd.Cred = libc.CredOf(p, u)
		}
	}
	throttle := func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		ch.throttled = p.Clock.Monotonic() + m.c.Time("service_throttle_time")
	}
	process, err := p.Start(cmd)
	if err != nil {
		m.log.Warning("cannot start %s: %s", program, libc.Strerror(err))
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
			m.log.Warning("process %s pid %d killed by signal %d", program, process.PID, int(st.Signal))
		case st.Code != 0:
			m.log.Warning("process %s pid %d exit status %d", program, process.PID, st.Code)
		}
		if !isReady && !st.Success() {
			m.log.Warning("%s: bad command startup -- throttling", program)
			throttle()
		}
		// The two that must always be there come back.
		if ctx.Err() == nil && (e.Command == "qmgr" || e.Command == "pickup") {
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
	for _, item := range m.c.List("import_environment") {
		if strings.Contains(item, "=") {
			env = append(env, item)
		} else if v := m.p.Getenv(item); v != "" {
			env = append(env, item+"="+v)
		}
	}
	return append(env, "MAIL_CONFIG="+m.c.Dir, "PATH=/usr/bin:/bin:/usr/sbin:/sbin")
}

// credentials are the certificate and key files of a service, which master
// reads as root and the service gets on its standard input.
func (m *master) credentials(e conf.Service) []byte {
	c := m.c
	if len(e.Overrides) > 0 {
		if data, err := libc.ReadFile(m.p, c.Dir+"/main.cf"); err == nil {
			if oc, err := conf.New(c.Dir, "", data, e.Overrides); err == nil {
				c = oc
			}
		}
	}
	prefix := "smtp_"
	if e.Command == "smtpd" {
		prefix = "smtpd_"
	}
	var out []byte
	seen := map[string]bool{}
	for _, name := range []string{"tls_cert_file", "tls_key_file", "tls_CAfile"} {
		file := c.Get(prefix + name)
		if file == "" || seen[file] {
			continue
		}
		seen[file] = true
		data, _ := libc.ReadFile(m.p, file)
		out = append(out, data...)
		out = append(out, '\n')
	}
	if e.Command == "smtp" {
		for _, spec := range conf.SplitList(c.Get("smtp_sasl_password_maps")) {
			kind, name := table.SplitSpec(c, spec)
			for _, file := range []string{name, name + ".db"} {
				if data, err := libc.ReadFile(m.p, file); err == nil && kind != "static" && kind != "inline" {
					out = append(out, pem.EncodeToMemory(&pem.Block{Type: service.TableBlock, Headers: map[string]string{"File": file}, Bytes: data})...)
				}
			}
		}
	}
	return out
}

// reload obeys SIGHUP: services finish what they do and are started anew.
func (m *master) reload() {
	ctx := context.Background()
	c, err := conf.Load(ctx, m.p, nil)
	if err != nil {
		m.log.Fatal("%s", err)
		return
	}
	m.c = c
	m.log.Info("reload -- version %s, configuration %s", c.Get("mail_version"), c.Dir)
	if err := m.readServices(); err != nil {
		m.log.Fatal("%s", err)
		return
	}
	if c.Get("inet_interfaces") != m.where {
		for _, e := range m.entries {
			if e.Kind == "inet" {
				m.log.Warning("service %s: ignoring inet_interfaces change", e.Name)
			}
		}
		m.log.Warning("to change inet_interfaces, stop and start Postfix")
	}
	m.p.Emit(trace.ConfigLoaded, trace.Attrs{"file": c.Dir + "/main.cf", "errors": ""})
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
