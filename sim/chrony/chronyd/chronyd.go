// Package chronyd is the daemon: it asks sources, chooses among them, steers the
// host's clock, serves the time, and obeys chronyc.
//
// A measurement's way: network.go receives an answer, package polling judges it,
// measure makes an estimate of it and chooses among the sources, discipline decides
// how the clock is corrected, and daemon.go does it. server.go answers clients,
// command.go answers chronyc.
package chronyd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"strconv"
	"strings"
	"syscall"

	"enshu/sim/chrony"
	"enshu/sim/chrony/conf"
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/trace"
)

// forked marks, in the environment, the child that a chronyd without -n or -d
// leaves running.
const forked = "CHRONYD_FORKED=1"

// Main is /usr/sbin/chronyd (chronyd(8)).
func Main(ctx context.Context, p *host.Proc) int {
	o, err := parseOptions(p.Args[1:])
	var bad argumentError
	switch {
	case errors.As(err, &bad):
		l := logger{p: p, stderr: true}
		l.fatal(bad.Error())
		return 1
	case err != nil:
		fmt.Fprintf(p.Stderr, "%s: %v\n", p.Args[0], err)
		fmt.Fprintf(p.Stdout, usage, p.Args[0])
		return 1
	case o.help:
		fmt.Fprintf(p.Stdout, usage, p.Args[0])
		return 0
	case o.version:
		fmt.Fprintf(p.Stdout, "chronyd (chrony) version %s (%s)\n", chrony.Version, features)
		return 0
	}
	child := p.Getenv("CHRONYD_FORKED") != ""
	if !o.foreground && !child {
		return fork(ctx, p)
	}
	d := newDaemon(ctx, p, o)
	if !o.foreground {
		// The parent waits until its terminal is not needed any more.
		d.log.bare = true
	}
	if err := d.start(); err != nil {
		d.log.fatal(err.Error())
		d.cleanUp()
		return 1
	}
	if o.print {
		return 0
	}
	return d.run()
}

// fork leaves a child running in a session of its own and returns when it is
// ready or has failed, as a daemon's first process does.
func fork(ctx context.Context, p *host.Proc) int {
	child, err := p.Start(host.Cmd{
		Path: p.Path, Args: p.Args, Env: append(append([]string(nil), p.Env...), forked),
		Dir: "/", Stderr: p.Stderr, Session: true,
	})
	if err != nil {
		fmt.Fprintf(p.Stderr, "Could not fork : %s\n", libc.Strerror(err))
		return 1
	}
	ready, err := child.WaitReady(ctx)
	if ready || err != nil {
		return 0
	}
	st, err := child.Wait(ctx)
	if err != nil {
		return 1
	}
	return st.Shell()
}

// start reads the configuration and opens what the daemon needs.
func (d *daemon) start() error {
	if d.p.UID != 0 && !d.opts.noRootCheck {
		return errors.New("Not superuser") //nolint:staticcheck // the program's words
	}
	if !d.opts.print {
		d.log.info(fmt.Sprintf("chronyd version %s starting (%s)", chrony.Version, features))
	}
	print := func(string) {}
	if d.opts.print {
		print = func(line string) { fmt.Fprintln(d.p.Stdout, line) }
	}
	if err := d.configure(print); err != nil {
		if d.serves() {
			d.p.Emit(trace.ConfigLoaded, trace.Attrs{"file": d.opts.configFile, "errors": err.Error()})
		}
		return err
	}
	if d.opts.print {
		return nil
	}
	if err := d.checkPID(); err != nil {
		return err
	}
	if err := d.setUp(); err != nil {
		return err
	}
	return d.writePID()
}

// configure reads chrony.conf, or the directives given as arguments.
func (d *daemon) configure(print func(string)) error {
	src := hostSource{d.ctx, d.p}
	pr := conf.NewParser(src, print, d.log.warn)
	d.conf = pr.Conf
	if len(d.opts.directives) > 0 {
		for i, line := range d.opts.directives {
			pr.Line = i + 1
			if err := pr.ReadLine(line); err != nil {
				return err
			}
		}
		return nil
	}
	if err := pr.ReadFile(d.opts.configFile); err != nil {
		return err
	}
	if d.serves() {
		for _, f := range pr.Loaded {
			d.p.Emit(trace.ConfigLoaded, trace.Attrs{"file": f.Name, "errors": "", "digest": f.Digest})
		}
	}
	return nil
}

// hostSource is the host as the source of a configuration.
type hostSource struct {
	ctx context.Context
	p   *host.Proc
}

func (s hostSource) ReadFile(name string) ([]byte, error)  { return libc.ReadFile(s.p, name) }
func (s hostSource) ReadDir(name string) ([]string, error) { return libc.ReadDir(s.p, name) }

func (s hostSource) Resolve(name string) (netip.Addr, bool) {
	addrs, err := libc.LookupHost(s.ctx, s.p, name)
	if err != nil || len(addrs) == 0 {
		return netip.Addr{}, false
	}
	return addrs[0], true
}

// once reports whether the daemon only measures and exits.
func (d *daemon) once() bool { return d.opts.mode != modeNormal }

// serves reports whether the daemon is to stay and use its configuration; the
// trace tells of no other, which would look like the one in use.
func (d *daemon) serves() bool { return !d.once() && !d.opts.print }

// checkPID refuses to start beside another chronyd.
func (d *daemon) checkPID() error {
	if d.once() {
		return nil
	}
	data, err := libc.ReadFile(d.p, d.conf.PIDFile)
	if err != nil {
		return nil
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || pid == d.p.PID || d.p.Sys.Kill(pid, 0) != nil {
		return nil
	}
	return conf.Errorf("Another chronyd may already be running (pid=%d), check %s", pid, d.conf.PIDFile)
}

func (d *daemon) writePID() error {
	if d.once() {
		return nil
	}
	d.p.Sys.Remove(d.conf.PIDFile)
	if err := libc.WriteFile(d.p, d.conf.PIDFile, fmt.Appendf(nil, "%d\n", d.p.PID), 0o644); err != nil {
		return conf.Errorf("Could not open %s : %s", d.conf.PIDFile, libc.Strerror(err))
	}
	d.pidWritten = true
	return nil
}

// account returns the user that files of the daemon belong to.
func (d *daemon) account() (libc.User, error) {
	name := d.conf.User
	if d.opts.user != "" {
		name = d.opts.user
	}
	if name == "root" {
		return libc.User{}, nil
	}
	u, ok := libc.UserByName(d.p, name)
	if !ok {
		if d.opts.noControl && d.opts.mode == modePrintOnce {
			return libc.User{}, nil
		}
		return u, conf.Errorf("Could not get user/group ID of %s", name)
	}
	return u, nil
}

// makeDir makes a directory of the daemon, with its parents.
func (d *daemon) makeDir(dir string, mode fs.FileMode, u libc.User) error {
	if err := libc.MkdirAll(d.p, path.Dir(dir), 0o755); err != nil {
		return err
	}
	err := d.p.Sys.Mkdir(dir, mode)
	if errors.Is(err, syscall.EEXIST) {
		return nil
	}
	if err == nil {
		err = d.p.Sys.Chown(dir, u.UID, u.GID)
	}
	return err
}

// cleanUp removes what a running chronyd leaves in the file system.
func (d *daemon) cleanUp() {
	for _, c := range d.closers {
		c.Close()
	}
	d.closers = nil
	if d.socketMade {
		d.p.Sys.Remove(d.conf.CmdSocket)
	}
	if d.pidWritten {
		d.p.Sys.Remove(d.conf.PIDFile)
	}
}

// saved replaces a file that the daemon keeps across restarts, so that a
// reader sees the old or the new one.
func (d *daemon) saved(name string, data []byte) error { return d.savedAs(name, data, 0o644) }

func (d *daemon) savedAs(name string, data []byte, mode fs.FileMode) error {
	tmp := name + ".tmp"
	if err := libc.WriteFile(d.p, tmp, data, mode); err != nil {
		return err
	}
	if d.user.UID != 0 {
		d.p.Sys.Chown(tmp, d.user.UID, d.user.GID)
	}
	if err := d.p.Sys.Rename(tmp, name); err != nil {
		d.p.Sys.Remove(tmp)
		return err
	}
	return nil
}
