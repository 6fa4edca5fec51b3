package rsyslog

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/rsyslog/config"
	"enshu/sim/trace"
	"enshu/sim/wire/syslog"
)

// Version is what the daemon says it is: the package of AlmaLinux 9.
const Version = "8.2102.0-117.el9"

// invocation is a command line of rsyslogd(8).
type invocation struct {
	config     string
	pidFile    string
	foreground bool
	verify     bool
	version    bool
	noLookups  bool // -x
}

// Rsyslogd is /usr/sbin/rsyslogd (rsyslogd(8)).
func Rsyslogd(ctx context.Context, p *host.Proc) int {
	inv := invocation{config: "/etc/rsyslog.conf", pidFile: "/var/run/rsyslogd.pid"}
	options, _, err := libc.Getopt(p.Args[1:], "46ACdDf:hi:l:m:M:nN:o:qQr:s:S:t:T:u:vwx", nil)
	if err != nil {
		fmt.Fprintf(p.Stderr, "%s: %s\n", p.Args[0], err)
		fmt.Fprint(p.Stderr, "usage: rsyslogd [options]\nuse \"man rsyslogd\" for details. To run rsyslogd interactively, use \"rsyslogd -n\"\nto run it in debug mode use \"rsyslogd -dn\"\nFor further information see https://www.rsyslog.com/doc/\n")
		return 1
	}
	for _, o := range options {
		switch o.Name {
		case "f":
			inv.config = o.Value
		case "i":
			inv.pidFile = o.Value
		case "n", "d", "D":
			inv.foreground = inv.foreground || o.Name == "n"
		case "N":
			inv.verify = true
			if n, err := strconv.Atoi(o.Value); err != nil || n < 1 {
				fmt.Fprintf(p.Stderr, "rsyslogd: invalid -N option '%s'\n", o.Value)
				return 1
			}
		case "v":
			inv.version = true
		case "x":
			inv.noLookups = true
		case "h":
			fmt.Fprint(p.Stderr, "usage: rsyslogd [options]\nuse \"man rsyslogd\" for details. To run rsyslogd interactively, use \"rsyslogd -n\"\n")
			return 1
		}
	}
	switch {
	case inv.version:
		fmt.Fprintf(p.Stdout, "rsyslogd  %s (aka 2021.02) compiled with:\n\tPLATFORM:\t\t\t\tx86_64-redhat-linux-gnu\n\tPLATFORM (lsb_release -d):\t\t\n\tFEATURE_REGEXP:\t\t\t\tYes\n\tGSSAPI Kerberos 5 support:\t\tNo\n\tFEATURE_DEBUG (debug build, slow code):\tNo\n\t32bit Atomic operations supported:\tYes\n\t64bit Atomic operations supported:\tYes\n\tmemory allocator:\t\t\tsystem default\n\tRuntime Instrumentation (slow code):\tNo\n\tuuid support:\t\t\t\tYes\n\tsystemd support:\t\t\tYes\n\tConfig file:\t\t\t\t/etc/rsyslog.conf\n\tPID file:\t\t\t\t/var/run/rsyslogd.pid\n\tNumber of Bits in RainerScript integers: 64\n\nSee https://www.rsyslog.com for more information.\n", Version)
		return 0
	case inv.verify:
		return verify(p, inv)
	case !inv.foreground:
		return background(ctx, p)
	}
	return serve(ctx, p, inv)
}

// verify is -N: the configuration is read and what is wrong with it is told.
func verify(p *host.Proc, inv invocation) int {
	fmt.Fprintf(p.Stderr, "rsyslogd: version %s, config validation run (level 1), master config %s\n", Version, inv.config)
	errorsSeen := false
	_, code := config.Load(p, libc.Abs(p, inv.config), func(severity syslog.Severity, code int, text string) {
		if severity == syslog.Err {
			errorsSeen = true
			tell(p, code, text)
		}
	})
	if code != 0 {
		runFailed(p, code)
		return 1
	}
	fmt.Fprint(p.Stderr, "rsyslogd: End of config validation run. Bye.\n")
	if errorsSeen {
		return 1
	}
	return 0
}

// tell writes an error of the configuration to standard error.
func tell(p *host.Proc, code int, text string) {
	if code == config.CodeAbort {
		fmt.Fprintln(p.Stderr, text)
		return
	}
	fmt.Fprintf(p.Stderr, "rsyslogd: %s\n", complete(code, text))
}

func runFailed(p *host.Proc, code int) {
	if code == config.CodeAbort {
		return // it has been told
	}
	fmt.Fprintf(p.Stderr, "rsyslogd: run failed with error -%d (see rsyslog.h or try https://www.rsyslog.com/e/%d to learn what that number means)\n\n", code, code)
}

// background runs the daemon as a child in a session of its own, as fork does
// without -n, and returns once it serves.
func background(ctx context.Context, p *host.Proc) int {
	child, err := p.Start(host.Cmd{Path: p.Path, Args: append(append([]string{}, p.Args...), "-n"), Session: true})
	if err != nil {
		fmt.Fprintf(p.Stderr, "rsyslogd: fork: %s\n", libc.Strerror(err))
		return 1
	}
	if ready, err := child.WaitReady(ctx); err != nil || !ready {
		return 1
	}
	return 0
}

// complete adds what rsyslog puts behind each of its messages.
func complete(code int, text string) string {
	b := []byte(text)
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = ' '
		}
	}
	switch code {
	case config.CodeNone:
		return fmt.Sprintf("%s [v%s]", b, Version)
	case config.CodeOK:
		code = 0
	case config.CodeTerminal:
		return fmt.Sprintf("%s [v%s try https://www.rsyslog.com/e/-3 ]", b, Version)
	case config.CodeUnknownCommand:
	}
	return fmt.Sprintf("%s [v%s try https://www.rsyslog.com/e/%d ]", b, Version, code)
}

// serve is the daemon.
func serve(ctx context.Context, p *host.Proc, inv invocation) int {
	d := newDaemon(p)
	if !d.claim(inv.pidFile) {
		return 1
	}
	bad := 0
	conf, code := config.Load(p, libc.Abs(p, inv.config), func(severity syslog.Severity, code int, text string) {
		if severity == syslog.Err {
			bad++
		}
		if code == config.CodeAbort {
			tell(p, code, text)
			return
		}
		d.Report(severity, code, text)
	})
	for _, f := range conf.Sources {
		p.Emit(trace.ConfigLoaded, trace.Attrs{"file": f.Name, "errors": strconv.Itoa(bad), "digest": f.Digest})
	}
	if code != 0 {
		runFailed(p, code)
		return 1
	}
	d.configure(conf, inv)
	p.Catch(syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	d.startWorkers()
	d.inputs.Start(ctx)
	if err := libc.WriteFile(p, libc.Abs(p, inv.pidFile), []byte(strconv.Itoa(p.PID)+"\n"), 0o644); err != nil {
		d.Report(syslog.Err, config.CodeNone, fmt.Sprintf("could not write pid file '%s': %s", inv.pidFile, libc.Strerror(err)))
	}
	d.speak()
	d.Say(syslog.Info, d.origin()+" start")
	p.Ready()
	for {
		sig, err := p.WaitSignal(ctx)
		if err != nil {
			break
		}
		if sig == syscall.SIGHUP {
			d.Say(syslog.Info, d.origin()+" rsyslogd was HUPed")
			d.zone = libc.Zone(p)
			d.hup()
		}
	}
	var by host.Signalled
	if errors.As(context.Cause(ctx), &by) && by.Signal == syscall.SIGKILL {
		d.abandon()
		return 137
	}
	d.stop(by.Signal)
	p.Sys.Remove(libc.Abs(p, inv.pidFile))
	return 0
}

// origin is how the daemon's messages about itself begin.
func (d *daemon) origin() string {
	return fmt.Sprintf(`[origin software="rsyslogd" swVersion="%s" x-pid="%d" x-info="https://www.rsyslog.com"]`, Version, d.p.PID)
}

// claim makes sure that no other daemon has the pid file.
func (d *daemon) claim(file string) bool {
	data, err := libc.ReadFile(d.p, libc.Abs(d.p, file))
	if err != nil {
		return true
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || pid <= 0 || pid == d.p.PID || d.p.Sys.Kill(pid, 0) != nil {
		return true
	}
	if comm, err := libc.ReadFile(d.p, fmt.Sprintf("/proc/%d/comm", pid)); err == nil && strings.TrimSpace(string(comm)) != path.Base(d.p.Path) {
		return true
	}
	fmt.Fprintf(d.p.Stderr, "rsyslogd: pidfile '%s' and pid %d already exist.\nIf you want to run multiple instances of rsyslog, you need to specify\ndifferent pid files for them (-i option).\nrsyslogd: run failed with error -3000 (see rsyslog.h or try https://www.rsyslog.com/e/3000 to learn what that number means)\n\n", file, pid)
	return false
}

// Report tells what the daemon has to say: errors on standard error, everything
// to the log.
func (d *daemon) Report(severity syslog.Severity, code int, text string) {
	text = complete(code, text)
	if severity == syslog.Err {
		fmt.Fprintf(d.p.Stderr, "rsyslogd: %s\n", text)
	}
	d.Say(severity, text)
}

// own is a message of the daemon itself.
type own struct {
	severity syslog.Severity
	text     string
}

// Say sends a message of the daemon itself to the log, as syslog(3) does. It
// never waits: rsyslogd may be the one who has to read it.
func (d *daemon) Say(severity syslog.Severity, text string) { d.voice.TryPut(own{severity, text}) }

// speak starts the thread that sends what was said.
func (d *daemon) speak() {
	d.p.Go(func() {
		for {
			o, err := d.voice.Get(d.mainCtx)
			if err != nil {
				return
			}
			libc.Syslog(d.p, syslog.Make(syslog.Syslog, o.severity), "rsyslogd", 0, o.text)
		}
	})
}

// stop ends the daemon in good order: no more input, everything in the queues
// written as far as that goes in the time it has, files closed.
func (d *daemon) stop(by syscall.Signal) {
	d.inputs.Stop(false)
	for _, name := range d.inputs.Sockets {
		d.p.Sys.Remove(name)
	}
	timer := d.p.Clock.AfterFunc(1500*time.Millisecond, d.cancelMain)
	d.inputs.Wait()
	d.voice.Close()
	libc.Syslog(d.p, syslog.Make(syslog.Syslog, syslog.Info), "rsyslogd", 0, fmt.Sprintf("%s exiting on signal %d.", d.origin(), int(by)))
	d.mainQueue.Close()
	d.mainDone.Get(context.Background())
	timer.Stop()
	for _, a := range d.queued {
		a.worker.Close()
	}
	timer = d.p.Clock.AfterFunc(10*time.Millisecond, d.cancelQueues)
	for range d.queued {
		d.queueDone.Get(context.Background())
	}
	timer.Stop()
	d.cancelMain()
	d.cancelQueues()
}

// abandon ends the threads of a daemon that was killed; nothing is written any more.
func (d *daemon) abandon() {
	d.killed.Store(true)
	d.inputs.Stop(true)
	d.voice.Close()
	d.mainQueue.Close()
	for _, a := range d.queued {
		a.worker.Close()
	}
	d.cancelMain()
	d.cancelQueues()
}
