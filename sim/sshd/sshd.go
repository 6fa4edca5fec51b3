package sshd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/trace"
	"enshu/sim/wire/syslog"
)

const version = "OpenSSH_8.7p1, OpenSSL 3.0.7 1 Nov 2022"

// server is sshd with its configuration: the one that listens, or the process
// of one connection.
type server struct {
	p        *host.Proc
	conf     *config
	facility syslog.Facility
	toErr    bool // -e: the log goes to Stderr
}

// Sshd is sshd(8): sshd [-46DdeiqTt] [-f FILE] [-o OPTION] [-p PORT] …
func Sshd(ctx context.Context, p *host.Proc) int {
	given, operands, err := libc.Getopt(p.Args[1:], "46C:DE:R:Tb:c:def:g:h:ik:o:p:qrtu:V", nil)
	connection := slices.Contains(p.Args[1:], "-R")
	if connection {
		given, operands, err = nil, nil, nil
	}
	if err != nil || len(operands) > 0 {
		if err != nil {
			fmt.Fprintln(p.Stderr, err)
		} else {
			fmt.Fprintf(p.Stderr, "Extra argument %s.\n", operands[0])
		}
		fmt.Fprint(p.Stderr, usage)
		return 1
	}
	s := &server{p: p}
	file := configFile
	var extra []string
	test, print := false, false
	for _, o := range given {
		switch o.Name {
		case "f":
			file = libc.Abs(p, o.Value)
		case "o":
			extra = append(extra, o.Value)
		case "p":
			extra = append(extra, "Port "+o.Value)
		case "h":
			extra = append(extra, "HostKey "+o.Value)
		case "t":
			test = true
		case "T":
			print = true
		case "d", "e":
			s.toErr = true
		case "V":
			fmt.Fprintln(p.Stderr, version)
			return 0
		}
	}
	if s.conf, err = s.configure(file, extra); err != nil {
		var bad *badConfig
		if errors.As(err, &bad) {
			for _, l := range bad.lines {
				fmt.Fprintf(p.Stderr, "%s\r\n", l)
			}
			return 255
		}
		fmt.Fprintf(p.Stderr, "%s: %s\r\n", file, libc.Strerror(err))
		return 1
	}
	all := s.conf.settings(nil)
	s.facility = syslog.Auth
	if f, ok := syslog.ParseFacility(strings.ToLower(all.one("syslogfacility"))); ok {
		s.facility = f
	}
	if connection {
		return s.connection(ctx)
	}
	if print {
		s.print(all)
		return 0
	}
	if !test {
		if err := makeHostKeys(p); err != nil {
			s.log(syslog.Err, "error: host keys: %s", libc.Strerror(err))
		}
	}
	keys, problems := loadHostKeys(p, all)
	for _, text := range problems {
		fmt.Fprintf(p.Stderr, "%s\r\n", text)
	}
	if len(keys) == 0 {
		fmt.Fprint(p.Stderr, "sshd: no hostkeys available -- exiting.\r\n")
		return 1
	}
	if test {
		return 0
	}
	return s.listen(ctx, all)
}

const usage = `OpenSSH_8.7p1, OpenSSL 3.0.7 1 Nov 2022
usage: sshd [-46DdeiqTt] [-C connection_spec] [-c host_cert_file]
            [-E log_file] [-f config_file] [-g login_grace_time]
            [-h host_key_file] [-o option] [-p port] [-u len]
`

// configure reads the configuration; what the command line says comes first.
func (s *server) configure(file string, extra []string) (*config, error) {
	r := func(name string) ([]byte, error) { return libc.ReadFile(s.p, name) }
	glob := func(pattern string) []string { return globFiles(s.p, pattern) }
	first := &reader{read: r, glob: glob, conf: &config{}}
	for _, text := range extra {
		if err := first.line("command-line", 0, text); err != nil {
			return nil, &badConfig{[]string{err.Error()}}
		}
	}
	if len(first.bad) > 0 {
		return nil, &badConfig{first.bad}
	}
	c, notes, err := load(file, r, glob)
	failed := "0"
	if err != nil {
		failed = "1"
	}
	s.p.Emit(trace.ConfigLoaded, trace.Attrs{"file": file, "errors": failed})
	if err != nil {
		return nil, err
	}
	for _, n := range notes {
		fmt.Fprintf(s.p.Stderr, "%s\r\n", n)
	}
	c.lines = append(first.conf.lines, c.lines...)
	return c, nil
}

// globFiles returns the files that a pattern of Include names, in order.
func globFiles(p *host.Proc, pattern string) []string {
	dir, base := path.Split(pattern)
	if !strings.ContainsAny(base, "*?[") {
		return []string{pattern}
	}
	names, err := libc.ReadDir(p, path.Clean(dir))
	if err != nil {
		return nil
	}
	var found []string
	for _, n := range names {
		if ok, err := path.Match(base, n); ok && err == nil && (n[0] != '.' || base[0] == '.') {
			found = append(found, dir+n)
		}
	}
	slices.Sort(found)
	return found
}

// print shows the configuration in force (-T).
func (s *server) print(all settings) {
	var names []string
	for k := range directives {
		names = append(names, k)
	}
	slices.Sort(names)
	for _, k := range names {
		args := all.all(k)
		if directives[k].kind == list || k == "port" {
			for _, a := range args {
				fmt.Fprintf(s.p.Stdout, "%s %s\n", k, a)
			}
			continue
		}
		if len(args) > 0 {
			fmt.Fprintf(s.p.Stdout, "%s %s\n", k, strings.Join(args, " "))
		}
	}
}

// log writes a line to the log as sshd does.
func (s *server) log(sev syslog.Severity, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if s.toErr {
		fmt.Fprintf(s.p.Stderr, "%s\r\n", text)
		return
	}
	// A host without a log goes on.
	_ = libc.Syslog(s.p, syslog.Make(s.facility, sev), "sshd", s.p.PID, text)
}

// addresses returns where to listen.
func addresses(all settings) []netip.AddrPort {
	var ports []uint16
	for _, t := range all.all("port") {
		n, _ := netip.ParseAddrPort("0.0.0.0:" + t) // it was checked when it was read
		ports = append(ports, n.Port())
	}
	var list []netip.AddrPort
	add := func(a netip.Addr, port uint16) {
		family := strings.ToLower(all.one("addressfamily"))
		if family == "inet" && !a.Is4() || family == "inet6" && a.Is4() {
			return
		}
		if port != 0 {
			list = append(list, netip.AddrPortFrom(a, port))
			return
		}
		for _, p := range ports {
			list = append(list, netip.AddrPortFrom(a, p))
		}
	}
	given := all.all("listenaddress")
	for _, t := range given {
		a, port, _ := splitListen(t)
		add(a, port)
	}
	if len(given) == 0 {
		add(netip.IPv4Unspecified(), 0)
		add(netip.IPv6Unspecified(), 0)
	}
	return list
}

// listen serves until ctx ends. Each connection is a process of its own.
func (s *server) listen(ctx context.Context, all settings) int {
	var listeners []net.Listener
	for _, a := range addresses(all) {
		network := "tcp6"
		if a.Addr().Is4() {
			network = "tcp4"
		}
		l, err := s.p.Sys.Listen(network, a.String())
		if err != nil {
			s.log(syslog.Err, "error: Bind to port %d on %s failed: %s.", a.Port(), a.Addr(), libc.Strerror(err))
			continue
		}
		s.log(syslog.Info, "Server listening on %s port %d.", a.Addr(), a.Port())
		listeners = append(listeners, l)
	}
	if len(listeners) == 0 {
		s.log(syslog.Crit, "fatal: Cannot bind any address.")
		return 255
	}
	limit, _ := startups(all.one("maxstartups"))
	// A pid file that cannot be written is no reason to stop.
	_ = libc.WriteFile(s.p, all.one("pidfile"), fmt.Appendf(nil, "%d\n", s.p.PID), 0o644)
	var open atomic.Int64
	for _, l := range listeners {
		s.p.Go(func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				if open.Add(1) > int64(limit) {
					open.Add(-1)
					s.log(syslog.Info, "drop connection #%d from %s on %s past MaxStartups", limit, bracketed(conn.RemoteAddr()), bracketed(conn.LocalAddr()))
					conn.Close()
					continue
				}
				child, err := s.p.Start(host.Cmd{Path: s.p.Path, Args: []string{"sshd: [accepted]", "-R"}, Stdin: conn, Session: true})
				conn.Close()
				if err != nil {
					open.Add(-1)
					s.log(syslog.Err, "error: fork: %s", libc.Strerror(err))
					continue
				}
				s.p.Go(func() {
					defer open.Add(-1)
					_, _ = child.Wait(ctx) // how it ended it has logged itself
				})
			}
		})
	}
	s.p.Catch(syscall.SIGHUP)
	s.p.Ready()
	for {
		sig, err := s.p.WaitSignal(ctx)
		if err != nil {
			s.log(syslog.Info, "Received signal 15; terminating.")
			break
		}
		if sig == syscall.SIGHUP {
			s.log(syslog.Info, "Received SIGHUP; restarting.")
			// The processes of new connections read the configuration themselves.
		}
	}
	for _, l := range listeners {
		l.Close()
	}
	if err := s.p.Sys.Remove(all.one("pidfile")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 255
	}
	return 255
}

// bracketed is an address as "[192.0.2.1]:50000".
func bracketed(a net.Addr) string {
	h, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	return "[" + h + "]:" + port
}
