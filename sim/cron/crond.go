package cron

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sort"
	"strings"
	"sync"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/wire/syslog"
)

const version = "1.5.7"

// Where the tables are.
const (
	systemTable = "/etc/crontab"
	systemDir   = "/etc/cron.d"
	spoolDir    = "/var/spool/cron"
	pidFile     = "/run/crond.pid"
)

// crond is the daemon.
type crond struct {
	p      *host.Proc
	tables map[string]*table // by file
	noMail bool              // -s: output goes to syslog
	share  int               // percent of RANDOM_DELAY that jobs wait
	zone   *time.Location    // what /etc/localtime says
	files  watch             // all that tables and zone come from
}

// table is one crontab that crond knows.
type table struct {
	file  string
	user  string // "" is a system crontab
	mtime time.Time
	size  int64
	jobs  []job
}

// Crond is /usr/sbin/crond.
func Crond(ctx context.Context, p *host.Proc) int {
	given, _, err := libc.Getopt(p.Args[1:], "hnfpsiPVx:m:c", nil)
	if err != nil {
		fmt.Fprintf(p.Stderr, "%s: %s\n", p.Args[0], err)
		io.WriteString(p.Stderr, crondUsage)
		return 1
	}
	c := &crond{p: p, tables: map[string]*table{}, files: watch{p: p}}
	defer c.files.close()
	for _, o := range given {
		switch o.Name {
		case "s":
			c.noMail = true
		case "V":
			fmt.Fprintf(p.Stderr, "cronie %s\n", version)
			return 0
		case "h", "x", "m", "c":
			io.WriteString(p.Stderr, crondUsage)
			return 1
		}
	}
	if p.UID != 0 {
		fmt.Fprintf(p.Stderr, "%s: can't open or create %s: Permission denied\n", p.Args[0], pidFile)
		return 1
	}
	if err := libc.WriteFile(p, pidFile, fmt.Appendf(nil, "%d\n", p.PID), 0o644); err != nil {
		fmt.Fprintf(p.Stderr, "%s: can't open or create %s: %s\n", p.Args[0], pidFile, libc.Strerror(err))
		return 1
	}
	// The next crond writes it anew.
	defer p.Sys.Remove(pidFile)
	c.log("CRON", "STARTUP", version)
	if !libc.Exists(p, sendmail) {
		c.log("CRON", "INFO", "Syslog will be used instead of sendmail.")
	}
	c.share = p.Rand().IntN(100)
	c.log("CRON", "INFO", fmt.Sprintf("RANDOM_DELAY will be scaled with factor %d%% if used.", c.share))
	c.load(true)
	p.Ready()
	c.reboot(ctx)
	return c.loop(ctx)
}

const crondUsage = `Usage:
 crond [options]

Options:
 -h         print this message 
 -i         deamon runs without inotify support
 -m <comm>  off, or specify preferred client for sending mails
 -n         run in foreground
 -f         run in foreground, the same as -n
 -p         permit any crontab
 -P         use PATH="/usr/bin:/bin"
 -c         enable clustering support
 -s         log into syslog instead of sending mails
 -V         print version and exit
 -x <flag>  print debug information

Debugging flags are: ext,sch,proc,pars,load,misc,test,bit
`

// log writes a line of /var/log/cron.
func (c *crond) log(user, event, detail string) { logCron(c.p, "crond", c.p.PID, user, event, detail) }

func logCron(p *host.Proc, tag string, pid int, user, event, detail string) {
	// A host without a log goes on.
	_ = libc.Syslog(p, syslog.Make(syslog.Cron, syslog.Info), tag, pid, fmt.Sprintf("(%s) %s (%s)", user, event, detail))
}

// loop runs the jobs of each minute.
func (c *crond) loop(ctx context.Context) int {
	done := c.minute()
	for {
		now := c.p.Now()
		wait := now.Truncate(time.Minute).Add(time.Minute).Sub(now)
		if c.p.Sleep(ctx, wait) != nil {
			c.log("CRON", "INFO", "Shutting down")
			return 0
		}
		if c.files.changed() {
			c.load(false)
		}
		minute := c.minute()
		run, ahead := ticks(done, minute)
		for _, t := range run {
			c.tick(ctx, t)
		}
		if !ahead {
			done = minute
		}
	}
}

// minute is the present minute of the host's local time, as if it were UTC, so
// that minutes can be counted.
func (c *crond) minute() time.Time {
	t := c.p.Now().In(c.zone)
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
}

// minuteIn is a minute of the host's local time in the zone of a job.
func (c *crond) minuteIn(t time.Time, zone *time.Location) time.Time {
	if zone == nil {
		return t
	}
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, c.zone).In(zone)
}

func (c *crond) tick(ctx context.Context, t tick) {
	for _, tab := range c.inOrder() {
		for _, j := range tab.jobs {
			if (j.wild && t.wild || !j.wild && t.fixed) && j.at(c.minuteIn(t.minute, j.zone)) {
				c.start(ctx, tab, j)
			}
		}
	}
}

// reboot runs the @reboot jobs, once a boot: the pid 1 of a host is younger
// than the mark when it has rebooted, so the mark lives in /run.
func (c *crond) reboot(ctx context.Context) {
	const mark = "/run/cron.reboot"
	if libc.Exists(c.p, mark) {
		return
	}
	if err := libc.WriteFile(c.p, mark, nil, 0o644); err != nil {
		return
	}
	for _, tab := range c.inOrder() {
		for _, j := range tab.jobs {
			if j.reboot {
				c.start(ctx, tab, j)
			}
		}
	}
}

func (c *crond) inOrder() []*table {
	all := make([]*table, 0, len(c.tables))
	for _, t := range c.tables {
		all = append(all, t)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].file < all[j].file })
	return all
}

// load reads the tables that are new or changed and forgets those that are gone.
func (c *crond) load(first bool) {
	// /etc changes when the zone's link or a whole directory is replaced.
	c.files.close()
	for _, dir := range []string{"/etc", systemDir, spoolDir} {
		c.files.add(dir, nil)
	}
	c.zone = libc.Zone(c.p)
	seen := map[string]bool{}
	c.look(systemTable, "", seen, first)
	names, err := libc.ReadDir(c.p, systemDir)
	if err != nil {
		names = nil
	}
	for _, n := range names {
		// Editors' and package managers' leftovers.
		if !strings.HasPrefix(n, ".") && !strings.HasPrefix(n, "#") && !strings.HasSuffix(n, "~") && !strings.Contains(n, ".rpm") {
			c.look(path.Join(systemDir, n), "", seen, first)
		}
	}
	names, err = libc.ReadDir(c.p, spoolDir)
	if err != nil {
		names = nil
	}
	for _, n := range names {
		if !strings.HasPrefix(n, ".") && !strings.HasPrefix(n, "tmp.") {
			c.look(path.Join(spoolDir, n), n, seen, first)
		}
	}
	for file := range c.tables {
		if !seen[file] {
			delete(c.tables, file)
		}
	}
}

func (c *crond) look(file, user string, seen map[string]bool, first bool) {
	info, err := c.p.Sys.Stat(file)
	if err != nil || !info.Mode().IsRegular() {
		return
	}
	seen[file] = true
	c.files.add(file, info)
	old := c.tables[file]
	if old != nil && old.mtime.Equal(info.ModTime()) && old.size == info.Size() {
		return
	}
	t := &table{file: file, user: user, mtime: info.ModTime(), size: info.Size()}
	c.tables[file] = t
	owner := user
	if user == "" {
		owner = "*system*"
	}
	if user != "" {
		if _, ok := libc.UserByName(c.p, user); !ok {
			c.log(user, "ORPHAN", "no passwd entry")
			return
		}
	}
	if !c.safe(t, info, owner) {
		return
	}
	text, err := libc.ReadFile(c.p, file)
	if err != nil {
		c.log(owner, "CAN'T OPEN", file)
		return
	}
	if !first {
		c.log(owner, "RELOAD", file)
	}
	jobs, bad := parseTable(string(text), user == "")
	for _, b := range bad {
		c.log("CRON", b.what, file)
	}
	for _, j := range jobs {
		if j.user != "" {
			if _, ok := libc.UserByName(c.p, j.user); !ok {
				c.log("CRON", "bad username", file)
				continue
			}
		}
		if name, ok := setting(j.env, "CRON_TZ"); ok {
			j.zone = libc.ZoneNamed(c.p, name)
		}
		t.jobs = append(t.jobs, j)
	}
}

// safe reports whether only the right people could have written a table.
func (c *crond) safe(t *table, info fs.FileInfo, owner string) bool {
	uid, _ := libc.Owner(info)
	want := 0
	if u, ok := libc.UserByName(c.p, t.user); ok {
		want = u.UID
	}
	switch {
	case info.Mode()&0o022 != 0:
		c.log(owner, "BAD FILE MODE", t.file)
	case uid != 0 && uid != want:
		c.log(owner, "WRONG FILE OWNER", t.file)
	default:
		return true
	}
	return false
}

// output is what a job writes; stdout and stderr share it.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// start starts a job, after its share of RANDOM_DELAY.
func (c *crond) start(ctx context.Context, t *table, j job) {
	wait := time.Duration(j.delay()*c.share/100) * time.Minute
	if wait == 0 {
		c.run(ctx, t, j)
		return
	}
	c.p.Go(func() {
		if c.p.Sleep(ctx, wait) == nil {
			c.run(ctx, t, j)
		}
	})
}

// run runs a job; a thread waits for its end and mails what it wrote.
func (c *crond) run(ctx context.Context, t *table, j job) {
	name := t.user
	if name == "" {
		name = j.user
	}
	u, ok := libc.UserByName(c.p, name)
	if !ok {
		return
	}
	env := []string{"SHELL=/bin/sh", "PATH=/usr/bin:/bin", "HOME=" + u.Dir}
	env = merge(env, j.env)
	env = merge(env, []string{"LOGNAME=" + u.Name, "USER=" + u.Name})
	sh, _ := setting(env, "SHELL")
	dir, _ := setting(env, "HOME")
	if info, err := c.p.Sys.Stat(dir); err != nil || !info.IsDir() {
		logCron(c.p, "CROND", c.p.PID, name, "ERROR chdir failed", dir)
		dir = "/"
	}
	out := &output{}
	child, err := c.p.Start(host.Cmd{
		Path: sh, Args: []string{sh, "-c", j.command}, Env: env, Dir: dir, Cred: libc.CredOf(c.p, u),
		Stdin: strings.NewReader(j.input), Stdout: out, Stderr: out, Session: true, Terms: &host.Terms{LoginUID: &u.UID},
	})
	if err != nil {
		logCron(c.p, "CROND", c.p.PID, name, "ERROR", sh+": "+libc.Strerror(err))
		return
	}
	// Only root may keep a job out of the log (crontab(5)).
	quiet := j.quiet && u.UID == 0
	if !quiet {
		logCron(c.p, "CROND", child.PID, name, "CMD", j.command)
	}
	c.p.Go(func() {
		if _, err := child.Wait(ctx); err != nil {
			return
		}
		if !quiet {
			logCron(c.p, "CROND", child.PID, name, "CMDEND", j.command)
		}
		if text := out.String(); text != "" {
			c.deliver(ctx, child.PID, name, env, j.command, text)
		}
	})
}

// merge sets the values of more in env.
func merge(env, more []string) []string {
	for _, m := range more {
		name, _, _ := strings.Cut(m, "=")
		kept := env[:0:0]
		for _, e := range env {
			if !strings.HasPrefix(e, name+"=") {
				kept = append(kept, e)
			}
		}
		env = append(kept, m)
	}
	return env
}

// deliver mails the output of a job, or logs it where no mail can be sent.
func (c *crond) deliver(ctx context.Context, pid int, user string, env []string, command, text string) {
	to, given := setting(env, "MAILTO")
	if !given {
		to = user
	}
	from, given := setting(env, "MAILFROM")
	if !given || from == "" {
		from = user
	}
	if to == "" {
		return
	}
	if c.noMail || !libc.Exists(c.p, sendmail) {
		for _, line := range libc.Lines([]byte(text)) {
			logCron(c.p, "CROND", pid, user, "CMDOUT", line)
		}
		return
	}
	var head strings.Builder
	fmt.Fprintf(&head, "From: \"(Cron Daemon)\" <%s>\nTo: %s\nSubject: Cron <%s@%s> %s\nMIME-Version: 1.0\n", from, to, user, hostname(c.p), command)
	kind, ok := setting(env, "CONTENT_TYPE")
	if !ok {
		kind = "text/plain; charset=UTF-8"
	}
	fmt.Fprintf(&head, "Content-Type: %s\n", kind)
	if coding, ok := setting(env, "CONTENT_TRANSFER_ENCODING"); ok {
		fmt.Fprintf(&head, "Content-Transfer-Encoding: %s\n", coding)
	}
	head.WriteString("Auto-Submitted: auto-generated\nPrecedence: bulk\n")
	for _, e := range env {
		fmt.Fprintf(&head, "X-Cron-Env: <%s>\n", e)
	}
	head.WriteString("\n")
	if !mailWith(ctx, c.p, user, from, head.String()+text) {
		logCron(c.p, "CROND", pid, user, "MAIL", fmt.Sprintf("mailed %d bytes of output but got status 0x004b\n", len(text)))
	}
}

const sendmail = "/usr/sbin/sendmail"

// mailWith hands a mail to sendmail(1) as a user.
func mailWith(ctx context.Context, p *host.Proc, user, from, text string) bool {
	cred := &host.Cred{UID: p.UID, GID: p.GID, Groups: p.Groups}
	if u, ok := libc.UserByName(p, user); ok {
		cred = libc.CredOf(p, u)
	}
	child, err := p.Start(host.Cmd{
		Path: sendmail, Args: []string{sendmail, "-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-t", "-f", from},
		Cred: cred, Dir: "/", Stdin: strings.NewReader(text), Stdout: io.Discard, Stderr: io.Discard,
	})
	if err != nil {
		return false
	}
	st, err := child.Wait(ctx)
	return err == nil && st.Success()
}

// hostname is what gethostname(2) says.
func hostname(p *host.Proc) string {
	for _, file := range []string{"/proc/sys/kernel/hostname", "/etc/hostname"} {
		if text, err := libc.ReadFile(p, file); err == nil && len(bytes.TrimSpace(text)) > 0 {
			return string(bytes.TrimSpace(text))
		}
	}
	return p.Host.Name
}
