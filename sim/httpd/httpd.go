package httpd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/trace"
)

const (
	defaultRoot = "/etc/httpd"
	defaultFile = "conf/httpd.conf"
)

// daemon is a running httpd.
type daemon struct {
	p    *host.Proc
	args *arguments

	mu       sync.Mutex // guards what follows
	conf     *config
	uid, gid int
	logs     map[string]*os.File // open logs by name
	conns    map[net.Conn]bool   // nil once the daemon is over
	listens  map[netip.AddrPort][]net.Listener
}

// hostFiles shows the parser the files of a host.
type hostFiles struct{ p *host.Proc }

func (f hostFiles) ReadFile(name string) ([]byte, error)  { return libc.ReadFile(f.p, name) }
func (f hostFiles) ReadDir(name string) ([]string, error) { return libc.ReadDir(f.p, name) }
func (f hostFiles) IsDir(name string) bool {
	info, err := f.p.Sys.Stat(name)
	return err == nil && info.IsDir()
}

// arguments are those of the command line.
type arguments struct {
	root, file  string
	directives  []string
	defines     []string
	signal      string
	test        bool
	version     bool
	commandLine string
}

const usageText = `Usage: httpd [-D name] [-d directory] [-f file]
             [-C "directive"] [-c "directive"]
             [-k start|restart|graceful|graceful-stop|stop]
             [-v] [-V] [-h] [-l] [-L] [-t] [-T] [-S] [-X]
`

func readArguments(p *host.Proc) (*arguments, error) {
	opts, rest, err := libc.Getopt(p.Args[1:], "D:C:c:d:e:E:f:vVlLtTSMhk:X", nil)
	if err != nil || len(rest) > 0 {
		return nil, errors.New(usageText)
	}
	a := &arguments{root: defaultRoot, file: defaultFile}
	words := []string{p.Path}
	for _, o := range opts {
		words = append(words, "-"+o.Name)
		if o.Given {
			words = append(words, o.Value)
		}
		switch o.Name {
		case "D":
			a.defines = append(a.defines, o.Value)
		case "C", "c":
			a.directives = append(a.directives, o.Value)
		case "d":
			a.root = o.Value
		case "f":
			a.file = o.Value
		case "k":
			a.signal = o.Value
		case "t", "S":
			a.test = true
		case "v", "V":
			a.version = true
		case "h":
			return nil, errors.New(usageText)
		}
	}
	if !strings.HasPrefix(a.file, "/") {
		a.file = path.Join(a.root, a.file)
	}
	a.commandLine = strings.Join(words, " ")
	return a, nil
}

// Httpd is httpd(8). It serves in the foreground; -k signals the one that runs.
func Httpd(ctx context.Context, p *host.Proc) int {
	a, err := readArguments(p)
	if err != nil {
		fmt.Fprint(p.Stderr, err)
		return 1
	}
	if a.version {
		fmt.Fprintf(p.Stdout, "Server version: %s\nServer built:   Jul 23 2024 00:00:00\n", serverToken)
		return 0
	}
	conf, err := parseConfig(hostFiles{p}, a.file, a.root, a.directives, a.defines)
	if err != nil {
		fmt.Fprintln(p.Stderr, complaint(err))
		return 1
	}
	if conf.main.name == "" {
		fmt.Fprintf(p.Stderr, "AH00558: httpd: Could not reliably determine the server's fully qualified domain name, using %s. Set the 'ServerName' directive globally to suppress this message\n", p.Host.Name)
	}
	switch {
	case a.test:
		fmt.Fprintln(p.Stderr, "Syntax OK")
		return 0
	case a.signal != "" && a.signal != "start":
		return signal(p, conf, a.signal)
	}
	d := &daemon{p: p, args: a, conf: conf, logs: map[string]*os.File{}, conns: map[net.Conn]bool{}, listens: map[netip.AddrPort][]net.Listener{}}
	return d.run(ctx)
}

// complaint is how an error of the configuration is told.
func complaint(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		text := err.Error()
		if i := strings.LastIndex(text, ": open "); i > 0 {
			text = text[:i]
		}
		return text + ": " + libc.Strerror(errno)
	}
	return err.Error()
}

// signal sends the running httpd what -k asks for.
func signal(p *host.Proc, c *config, name string) int {
	sig, ok := map[string]syscall.Signal{"restart": syscall.SIGHUP, "graceful": syscall.SIGUSR1, "graceful-stop": syscall.SIGWINCH, "stop": syscall.SIGTERM}[name]
	if !ok {
		fmt.Fprint(p.Stderr, usageText)
		return 1
	}
	data, err := libc.ReadFile(p, c.abs(c.pidFile))
	pid, perr := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || perr != nil {
		fmt.Fprintf(p.Stderr, "httpd (no pid file) not running\n")
		return 1
	}
	if err := p.Sys.Kill(pid, sig); err != nil {
		fmt.Fprintf(p.Stderr, "httpd (pid %d?) not running\n", pid)
		return 1
	}
	return 0
}

func (d *daemon) run(ctx context.Context) int {
	d.p.Catch(syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGWINCH)
	defer d.close()
	if !d.open(ctx) {
		return 1
	}
	pidFile := d.conf.abs(d.conf.pidFile)
	// /run is empty after a boot; a real host's systemd-tmpfiles makes the directory.
	if err := libc.MkdirAll(d.p, path.Dir(pidFile), 0o710); err != nil {
		fmt.Fprintf(d.p.Stderr, "AH00099: could not create %s: %s\n", pidFile, libc.Strerror(err))
		return 1
	}
	if err := libc.WriteFile(d.p, pidFile, []byte(strconv.Itoa(d.p.PID)+"\n"), 0o644); err != nil {
		fmt.Fprintf(d.p.Stderr, "AH00099: could not create %s: %s\n", pidFile, libc.Strerror(err))
		return 1
	}
	defer d.p.Sys.Remove(pidFile)
	d.resuming()
	d.p.Ready()
	for {
		sig, err := d.p.WaitSignal(ctx)
		switch {
		case err != nil:
			d.errorLog(d.conf.main, levelNotice, "mpm_event", "", "AH00491: caught SIGTERM, shutting down")
			return 0
		case sig == syscall.SIGWINCH:
			d.errorLog(d.conf.main, levelNotice, "mpm_event", "", "AH00492: caught SIGWINCH, shutting down gracefully")
			return 0
		case sig == syscall.SIGUSR1:
			d.errorLog(d.conf.main, levelNotice, "mpm_event", "", "AH00493: SIGUSR1 received.  Doing graceful restart")
		default:
			d.errorLog(d.conf.main, levelNotice, "mpm_event", "", "AH00494: SIGHUP received.  Attempting to restart")
		}
		conf, err := parseConfig(hostFiles{d.p}, d.args.file, d.args.root, d.args.directives, d.args.defines)
		if err != nil {
			fmt.Fprintln(d.p.Stderr, complaint(err))
			return 1
		}
		d.mu.Lock()
		d.conf = conf
		d.mu.Unlock()
		if !d.open(ctx) {
			return 1
		}
		d.resuming()
	}
}

// resuming tells the error log that the server serves.
func (d *daemon) resuming() {
	d.errorLog(d.conf.main, levelNotice, "mpm_event", "", "AH00489: "+serverToken+" configured -- resuming normal operations")
	d.errorLog(d.conf.main, levelNotice, "core", "", "AH00094: Command line: '"+d.args.commandLine+"'")
	d.p.Emit(trace.ConfigLoaded, trace.Attrs{"file": d.args.file, "errors": ""})
}

// open opens the logs anew and listens where the configuration says.
func (d *daemon) open(ctx context.Context) bool {
	c := d.conf
	if u, ok := libc.UserByName(d.p, c.user); ok {
		d.uid, d.gid = u.UID, u.GID
	} else {
		fmt.Fprintf(d.p.Stderr, "AH00543: httpd: bad user name %s\n", c.user)
		return false
	}
	if g, ok := libc.GroupByName(d.p, c.group); ok {
		d.gid = g.GID
	} else {
		fmt.Fprintf(d.p.Stderr, "AH00544: httpd: bad group name %s\n", c.group)
		return false
	}
	if !d.listen(ctx) {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closeLogs()
	for _, s := range append([]*site{c.main}, c.hosts...) {
		if err := d.openLog(s.errorLog); err != nil {
			fmt.Fprintf(d.p.Stderr, "%s: AH00091: httpd: could not open error log file %s.\nAH00015: Unable to open logs\n", numbered(err), c.abs(s.errorLog))
			return false
		}
		for _, l := range s.logs {
			if err := d.openLog(l.file); err != nil {
				fmt.Fprintf(d.p.Stderr, "%s: AH00649: could not open transfer log file %s.\nAH00015: Unable to open logs\n", numbered(err), c.abs(l.file))
				return false
			}
		}
	}
	return true
}

// numbered is an error as the runtime library tells it: "(13)Permission denied".
func numbered(err error) string {
	var errno syscall.Errno
	errors.As(err, &errno)
	return fmt.Sprintf("(%d)%s", int(errno), libc.Strerror(err))
}

// listen opens the ports that are new and closes those that are gone.
func (d *daemon) listen(ctx context.Context) bool {
	for a, list := range d.listens {
		if !slices.Contains(d.conf.listens, a) {
			for _, l := range list {
				l.Close()
			}
			delete(d.listens, a)
		}
	}
	for _, a := range d.conf.listens {
		if d.listens[a] != nil {
			continue
		}
		var addrs [][2]string
		port := strconv.Itoa(int(a.Port()))
		switch {
		case !a.Addr().IsValid():
			addrs = [][2]string{{"tcp4", "0.0.0.0:" + port}, {"tcp6", "[::]:" + port}}
		case a.Addr().Is4():
			addrs = [][2]string{{"tcp4", a.String()}}
		default:
			addrs = [][2]string{{"tcp6", a.String()}}
		}
		for i, x := range addrs {
			l, err := d.p.Sys.Listen(x[0], x[1])
			if err != nil && i > 0 {
				continue // a host without IPv6
			}
			if err != nil {
				fmt.Fprintf(d.p.Stderr, "%s: AH00072: make_sock: could not bind to address %s\nno listening sockets available, shutting down\nAH00015: Unable to open logs\n", numbered(err), x[1])
				return false
			}
			d.listens[a] = append(d.listens[a], l)
			d.p.Go(func() { d.accept(ctx, l) })
		}
	}
	return true
}

// close ends everything that is open.
func (d *daemon) close() {
	for _, list := range d.listens {
		for _, l := range list {
			l.Close()
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.conns {
		c.Close()
	}
	d.conns = nil
	d.closeLogs()
}

// openLog opens a log for appending. The caller holds mu.
func (d *daemon) openLog(name string) error {
	if d.logs[name] != nil || strings.HasPrefix(name, "|") || strings.HasPrefix(name, "syslog") {
		return nil
	}
	f, err := d.p.Sys.OpenFile(d.conf.abs(name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err == nil {
		d.logs[name] = f
	}
	return err
}

func (d *daemon) closeLogs() {
	for _, f := range d.logs {
		f.Close()
	}
	d.logs = map[string]*os.File{}
}

// write appends to an open log, which may meanwhile have another name.
func (d *daemon) write(name, line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.logs[name]; f != nil {
		f.WriteString(line) // a full disk does not stop the server
		d.p.Stamp(f)
	}
}

// errorLog writes a line of the error log; client is whom it is about.
func (d *daemon) errorLog(s *site, level logLevel, module, client, text string) {
	if level > s.level && level != levelNotice {
		return
	}
	line := fmt.Sprintf("[%s] [%s:%s] [pid %d:tid %d] ", libc.LocalTime(d.p).Format("Mon Jan 02 15:04:05.000000 2006"), module, levelNames[level], d.p.PID, d.p.PID)
	if client != "" {
		if errno, rest, ok := strings.Cut(text, ": AH"); ok && strings.HasPrefix(errno, "(") {
			line += errno + ": "
			text = "AH" + rest
		}
		line += "[client " + client + "] "
	}
	d.write(s.errorLog, line+text+"\n")
}

// Apachectl is apachectl(8) as EL9 has it: the units do what starts and stops.
func Apachectl(ctx context.Context, p *host.Proc) int {
	verb := ""
	if len(p.Args) > 1 {
		verb = p.Args[1]
	}
	switch verb {
	case "start", "stop", "restart", "status":
		return p.Exec(ctx, "/usr/bin/systemctl", verb, "httpd.service")
	case "graceful":
		return p.Exec(ctx, "/usr/bin/systemctl", "reload", "httpd.service")
	case "graceful-stop":
		return p.Exec(ctx, "/usr/bin/systemctl", "stop", "httpd.service")
	case "configtest":
		return p.Exec(ctx, "/usr/sbin/httpd", "-t")
	case "":
		return p.Exec(ctx, "/usr/sbin/httpd", "-h")
	}
	return p.Exec(ctx, append([]string{"/usr/sbin/httpd"}, p.Args[1:]...)...)
}
