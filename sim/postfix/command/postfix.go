// Package command is the commands of Postfix: sendmail(1) with postdrop(1), and
// those of the administrator, postfix(1), postconf(1), postqueue(1) and the rest.
package command

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/postfix/conf"
	"enshu/sim/postfix/maillog"
	"enshu/sim/postfix/service"
	"enshu/sim/postfix/table"
	"enshu/sim/wire/syslog"
)

// Postfix is /usr/sbin/postfix (postfix(1)) with what the real one leaves to
// postfix-script.
func Postfix(ctx context.Context, p *host.Proc) int {
	l := &maillog.Logger{Proc: p, Tag: "postfix", Name: "postfix", Stderr: p.Stderr}
	options, operands, err := libc.Getopt(p.Args[1:], "+c:Dv", nil)
	if err != nil {
		fmt.Fprintf(p.Stderr, "postfix: %s\n", err)
		l.Fatal("usage: postfix [-c config_dir] [-Dv] command")
		return 1
	}
	for _, o := range options {
		if o.Name == "c" {
			p.Env = append(p.Env, "MAIL_CONFIG="+o.Value)
		}
	}
	if p.UID != 0 {
		l.Error("to submit mail, use the Postfix sendmail command")
		l.Fatal("the postfix command is reserved for the superuser")
		return 1
	}
	c, err := conf.Load(ctx, p, nil)
	if err == nil {
		err = c.Check(conf.Global...)
	}
	if _, tty := libc.Terminal(p.Stderr); !tty {
		l.Stderr = nil // as postfix-script
	}
	if !l.Configured(c, err) {
		return 1
	}
	s := &postfixScript{p: p, c: c}
	verb := ""
	if len(operands) > 0 {
		verb = operands[0]
	}
	return s.run(ctx, verb)
}

// Postlog is /usr/sbin/postlog (postlog(1)): a message to the mail log, and to
// a terminal on standard error.
func Postlog(ctx context.Context, p *host.Proc) int {
	options, operands, err := libc.Getopt(p.Args[1:], "+c:ip:t:v", nil)
	if err != nil {
		fmt.Fprintf(p.Stderr, "postlog: %s\n", err)
		return 1
	}
	tag, severity := "postlog", "info"
	for _, o := range options {
		switch o.Name {
		case "t":
			tag = o.Value
		case "p":
			severity = o.Value
		}
	}
	if !strings.Contains(tag, "/") {
		tag = "postfix/" + tag
	}
	levels := map[string]func(l *maillog.Logger, text string){
		"info": func(l *maillog.Logger, t string) { l.Info("%s", t) }, "warn": func(l *maillog.Logger, t string) { l.Warning("%s", t) },
		"warning": func(l *maillog.Logger, t string) { l.Warning("%s", t) }, "error": func(l *maillog.Logger, t string) { l.Error("%s", t) },
		"fatal": func(l *maillog.Logger, t string) { l.Fatal("%s", t) }, "panic": func(l *maillog.Logger, t string) { l.Put(syslog.Crit, "panic: "+t) },
	}
	say, ok := levels[severity]
	l := &maillog.Logger{Proc: p, Tag: tag, Name: tag}
	if !ok {
		l.Stderr = p.Stderr
		l.Fatal("bad severity: %s", severity)
		return 1
	}
	if _, tty := libc.Terminal(p.Stderr); tty {
		l.Stderr = p.Stderr
	}
	say(l, strings.Join(operands, " "))
	return 0
}

// postfixScript is one run of the postfix command.
type postfixScript struct {
	p *host.Proc
	c *conf.Config
}

// say logs as postlog(1) does from postfix-script.
func (s *postfixScript) say(severity syslog.Severity, text string) {
	l := &maillog.Logger{Proc: s.p, Tag: "postfix/postfix-script", Name: "postfix/postfix-script"}
	if _, tty := libc.Terminal(s.p.Stderr); tty {
		l.Stderr = s.p.Stderr
	}
	l.Put(severity, text)
}

// complain prints what each postconf that the script calls says about settings
// that nobody reads.
func (s *postfixScript) complain(times int) {
	data, err := libc.ReadFile(s.p, s.c.Dir+"/main.cf")
	if err != nil {
		return
	}
	l := &maillog.Logger{Proc: s.p, Name: s.c.Get("command_directory") + "/postconf", Stderr: s.p.Stderr, Quiet: true}
	for range times {
		warnUnused(l, s.c, s.c.Dir+"/main.cf", data)
	}
}

// reloadPause is what the real command needs to end after its signal; by then
// the services have it.
const reloadPause = 50 * time.Millisecond

// How many postconf commands the real script runs.
const (
	postconfCallsOfCheck = 20
	postconfCallsOfRest  = 1
)

func (s *postfixScript) run(ctx context.Context, verb string) int {
	down := func() int {
		s.say(syslog.Crit, "fatal: the Postfix mail system is not running")
		return 1
	}
	pid := service.MasterRunning(s.p, s.c)
	calls := postconfCallsOfRest
	if verb == "check" || verb == "start" && pid == 0 {
		calls = postconfCallsOfCheck
	}
	s.complain(calls)
	switch verb {
	case "start", "start-fg":
		if pid != 0 {
			s.say(syslog.Crit, "fatal: the Postfix mail system is already running")
			return 1
		}
		if st := s.check(ctx, true); st != 0 {
			return st
		}
		s.say(syslog.Info, "starting the Postfix mail system")
		return s.start(ctx, verb == "start-fg")
	case "stop", "abort", "quick-stop":
		if pid == 0 {
			return down()
		}
		if verb == "abort" {
			s.say(syslog.Info, "aborting the Postfix mail system")
		} else {
			s.say(syslog.Info, "stopping the Postfix mail system")
		}
		s.p.Sys.Kill(pid, syscall.SIGTERM)
		for range 50 {
			if service.MasterRunning(s.p, s.c) == 0 {
				return 0
			}
			if s.p.Sleep(ctx, 100*time.Millisecond) != nil {
				return 1
			}
		}
		s.say(syslog.Warning, "warning: stopping the Postfix mail system with force")
		s.p.Sys.Kill(pid, syscall.SIGKILL)
		return 0
	case "reload":
		if pid == 0 {
			return down()
		}
		s.say(syslog.Info, "refreshing the Postfix mail system")
		s.p.Sys.Kill(pid, syscall.SIGHUP)
		s.p.Sleep(ctx, reloadPause)
		return 0
	case "flush":
		return s.p.Exec(ctx, s.c.Get("command_directory")+"/postqueue", "-f")
	case "check":
		return s.check(ctx, false)
	case "status":
		if pid == 0 {
			s.say(syslog.Info, "the Postfix mail system is not running")
			return 1
		}
		s.say(syslog.Info, fmt.Sprintf("the Postfix mail system is running: PID: %d", pid))
		return 0
	case "set-permissions", "upgrade-configuration", "logrotate":
		return 0
	}
	s.say(syslog.Crit, fmt.Sprintf("fatal: unknown command: '%s'. Usage: postfix start (or stop, reload, abort, flush, check, status, set-permissions, upgrade-configuration, logrotate)", verb))
	return 1
}

// start runs master(8) in the background and waits until it serves.
func (s *postfixScript) start(ctx context.Context, foreground bool) int {
	cmd := host.Cmd{Path: s.c.Get("daemon_directory") + "/master", Args: []string{"master", "-w"}, Dir: s.c.Get("queue_directory"), Session: true}
	if foreground {
		cmd.Args = []string{"master", "-i"}
	}
	child, err := s.p.Start(cmd)
	if err != nil {
		s.say(syslog.Crit, "fatal: mail system startup failed")
		return 1
	}
	if foreground {
		st, _ := child.Wait(ctx)
		return st.Shell()
	}
	if ok, err := child.WaitReady(ctx); err != nil || !ok {
		s.say(syslog.Crit, "fatal: mail system startup failed")
		return 1
	}
	return 0
}

// queueDirs are the directories of the queue with their modes; those that are
// missing are made.
var queueDirs = []struct {
	name string
	mode fs.FileMode
	own  bool // by the mail owner
}{{"active", 0o700, true}, {"bounce", 0o700, true}, {"corrupt", 0o700, true}, {"defer", 0o700, true}, {"deferred", 0o700, true}, {"flush", 0o700, true},
	{"hold", 0o700, true}, {"incoming", 0o700, true}, {"private", 0o700, true}, {"saved", 0o700, true}, {"trace", 0o700, true},
	{"maildrop", 0o730, true}, {"public", 0o710, true}, {"pid", 0o755, false}}

// check does what postfix check does: it makes what is missing and complains
// about owners and modes. Before a start only what would keep the system from
// running is looked at.
func (s *postfixScript) check(ctx context.Context, starting bool) int {
	p, c := s.p, s.c
	owner, ok := libc.UserByName(p, c.Get("mail_owner"))
	if !ok {
		(&maillog.Logger{Proc: p, Tag: "postfix", Name: "postfix", Stderr: p.Stderr}).Fatal("unknown mail_owner: %s", c.Get("mail_owner"))
		return 1
	}
	group, _ := libc.GroupByName(p, c.Get("setgid_group"))
	dir := c.Get("queue_directory")
	libc.MkdirAll(p, dir, 0o755)
	for _, d := range queueDirs {
		if libc.Exists(p, dir+"/"+d.name) {
			continue
		}
		p.Sys.Mkdir(dir+"/"+d.name, d.mode)
		uid, gid := 0, 0
		if d.own {
			uid = owner.UID
		}
		if d.mode == 0o730 || d.mode == 0o710 {
			gid = group.GID
		}
		p.Sys.Chown(dir+"/"+d.name, uid, gid)
		p.Sys.Chmod(dir+"/"+d.name, d.mode)
	}
	if !libc.Exists(p, c.Get("data_directory")) {
		libc.MkdirAll(p, c.Get("data_directory"), 0o700)
		p.Sys.Chown(c.Get("data_directory"), owner.UID, owner.GID)
	}
	if st := p.Exec(ctx, append([]string{c.Get("command_directory") + "/postsuper"}, queuesToFix...)...); st != 0 {
		return 1
	}
	if !starting {
		s.checkModes(owner, group)
		names, _ := libc.ReadDir(p, dir+"/corrupt")
		for _, n := range names {
			s.warn("damaged message: corrupt/%s", n)
		}
	}
	return 0
}

var queuesToFix = []string{"active", "bounce", "corrupt", "defer", "deferred", "flush", "incoming", "trace"}

func (s *postfixScript) warn(format string, args ...any) {
	s.say(syslog.Warning, "warning: "+fmt.Sprintf(format, args...))
}

func (s *postfixScript) checkModes(owner libc.User, group libc.Group) {
	p, c := s.p, s.c
	names, _ := libc.ReadDir(p, c.Dir)
	paths := []string{c.Dir + "/."}
	for _, n := range names {
		paths = append(paths, c.Dir+"/./"+n)
	}
	for _, path := range paths {
		if info, err := p.Sys.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink == 0 {
			if uid, _ := libc.Owner(info); uid != 0 {
				s.warn("not owned by root: %s", path)
			}
		}
	}
	for _, path := range append(paths, c.Get("data_directory")+"/.") {
		if info, err := p.Sys.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink == 0 && info.Mode().Perm()&0o022 != 0 {
			s.warn("group or other writable: %s", path)
		}
	}
	dir := c.Get("queue_directory")
	for _, d := range queueDirs {
		if !d.own || d.name == "maildrop" || d.name == "private" || d.name == "public" {
			continue
		}
		base := dir + "/" + d.name
		if info, err := p.Sys.Lstat(base); err == nil {
			if uid, _ := libc.Owner(info); uid != owner.UID {
				s.warn("not owned by %s: %s", owner.Name, base)
			}
		}
		names, _ := libc.ReadDir(p, base)
		for _, n := range names {
			if info, err := p.Sys.Lstat(base + "/" + n); err == nil {
				if uid, _ := libc.Owner(info); uid != owner.UID {
					s.warn("not owned by %s: %s", owner.Name, base+"/"+n)
				}
			}
		}
	}
	for _, name := range []string{"postqueue", "postdrop"} {
		path := c.Get("command_directory") + "/" + name
		info, err := p.Sys.Stat(path)
		if err != nil {
			continue
		}
		if _, gid := libc.Owner(info); gid != group.GID {
			s.warn("not owned by group %s: %s", group.Name, path)
		}
		if info.Mode()&fs.ModeSetgid == 0 || info.Mode().Perm()&0o111 != 0o111 {
			s.warn("not set-gid or not owner+group+world executable: %s", path)
		}
	}
}

// AliasesDB is /usr/libexec/postfix/aliasesdb, which the unit runs before the
// start: it rebuilds tables of alias_database that are older than their source.
func AliasesDB(ctx context.Context, p *host.Proc) int {
	c, err := conf.Load(ctx, p, nil)
	if err != nil {
		return 1
	}
	for _, spec := range c.List("alias_database") {
		_, name := table.SplitSpec(c, spec)
		source, err := p.Sys.Stat(name)
		if err != nil {
			continue
		}
		if db, err := p.Sys.Stat(name + ".db"); err == nil && !source.ModTime().After(db.ModTime()) {
			continue
		}
		p.Exec(ctx, c.Get("command_directory")+"/postalias", spec)
	}
	return 0
}
