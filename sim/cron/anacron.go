package cron

import (
	"context"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/wire/syslog"
)

// Where anacron has its things.
const (
	anacrontab = "/etc/anacrontab"
	stampDir   = "/var/spool/anacron"
)

// chore is a job of anacrontab.
type chore struct {
	days    int  // period
	monthly bool // @monthly
	delay   int  // minutes
	name    string
	command string
	env     []string
}

// chores is a whole anacrontab.
type chores struct {
	jobs        []chore
	randomDelay int // minutes
	from, to    int // START_HOURS_RANGE; to is exclusive; 0, 24 without one
	bad         []string
}

// parseAnacrontab reads an anacrontab (anacrontab(5)).
func parseAnacrontab(text string) chores {
	c := chores{to: 24}
	var env []string
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if name, value, ok := parseSetting(line); ok && !strings.ContainsAny(name, "/@") {
			switch name {
			case "RANDOM_DELAY":
				if n, ok := number(value); ok {
					c.randomDelay = n
				}
			case "START_HOURS_RANGE":
				from, to, _ := strings.Cut(value, "-")
				f, ok1 := number(from)
				t, ok2 := number(to)
				if ok1 && ok2 && f < t && t <= 24 {
					c.from, c.to = f, t
				} else {
					c.bad = append(c.bad, fmt.Sprintf("START_HOURS_RANGE must be set to a valid range in %s line %d", anacrontab, i+1))
				}
			default:
				env = append(env[:len(env):len(env)], name+"="+value)
			}
			continue
		}
		period, rest := cutField(line)
		delay, rest := cutField(rest)
		name, command := cutField(rest)
		j := chore{name: name, command: command, env: env}
		ok := name != "" && command != ""
		switch days, isDays := number(period); {
		case isDays && days > 0:
			j.days = days
		case period == "@daily":
			j.days = 1
		case period == "@weekly":
			j.days = 7
		case period == "@monthly":
			j.monthly = true
		case period == "@yearly", period == "@annually":
			j.days = 365
		default:
			ok = false
		}
		minutes, isMinutes := number(delay)
		j.delay = minutes
		if !ok || !isMinutes {
			c.bad = append(c.bad, fmt.Sprintf("Invalid syntax in %s on line %d - skipping this line", anacrontab, i+1))
			continue
		}
		c.jobs = append(c.jobs, j)
	}
	return c
}

// due reports whether a job last run on the day last, "20060102", is to be run.
func (j chore) due(last string, now time.Time) bool {
	day, err := time.ParseInLocation("20060102", strings.TrimSpace(last), time.UTC)
	if err != nil {
		return true
	}
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	if day.After(today) {
		return true // the stamp is of a clock that was wrong
	}
	if j.monthly {
		return day.Year() != today.Year() || day.Month() != today.Month()
	}
	return int(today.Sub(day)/(24*time.Hour)) >= j.days
}

// anacron is one run of anacron(8).
type anacron struct {
	p      *host.Proc
	stamps string
}

// Anacron is /usr/sbin/anacron.
func Anacron(ctx context.Context, p *host.Proc) int {
	given, names, err := libc.Getopt(p.Args[1:], "sfundqt:TS:Vh", nil)
	if err != nil {
		fmt.Fprintf(p.Stderr, "%s: %s\nType: `anacron -h' for more information\n", p.Args[0], err)
		return 1
	}
	a := &anacron{p: p, stamps: stampDir}
	table := anacrontab
	serial, force, update, atOnce, test, foreground := false, false, false, false, false, false
	for _, o := range given {
		switch o.Name {
		case "s":
			serial = true
		case "f":
			force = true
		case "u":
			update = true
		case "n":
			serial, atOnce = true, true
		case "d":
			foreground = true
		case "t":
			table = o.Value
		case "T":
			test = true
		case "S":
			a.stamps = o.Value
		case "V":
			fmt.Fprintf(p.Stdout, "Anacron from project cronie %s\nCopyright (C) 1998  Itai Tzur <itzur@actcom.co.il>\nCopyright (C) 1999  Sean 'Shaleh' Perry <shaleh@debian.org>\nCopyright (C) 2004  Pascal Hakim <pasc@redellipse.net>\nMail comments, suggestions and bug reports to <pasc@redellipse.net>.\n", version)
			return 0
		case "h":
			io.WriteString(p.Stdout, anacronUsage)
			return 0
		}
	}
	text, err := libc.ReadFile(p, libc.Abs(p, table))
	if err != nil {
		fmt.Fprintf(p.Stderr, "anacron: Error opening %s: %s\n", table, libc.Strerror(err))
		return 1
	}
	all := parseAnacrontab(string(text))
	if test {
		for _, b := range all.bad {
			fmt.Fprintln(p.Stderr, b)
		}
		return min(len(all.bad), 1)
	}
	if update {
		for _, j := range all.jobs {
			if wanted(j.name, names) {
				a.stamp(j.name)
				a.log(syslog.Notice, "Updated timestamp for job `%s' to %s", j.name, libc.LocalTime(p).Format(time.DateOnly))
			}
		}
		return 0
	}
	if foreground {
		return a.run(ctx, all, names, serial, force, atOnce)
	}
	// Another process goes on in the background, with the same arguments.
	args := append([]string{p.Args[0], "-d"}, p.Args[1:]...)
	if _, err := p.Start(host.Cmd{Path: p.Path, Args: args, Dir: "/", Session: true}); err != nil {
		fmt.Fprintf(p.Stderr, "anacron: Can't fork: %s\n", libc.Strerror(err))
		return 1
	}
	return 0
}

const anacronUsage = `Usage:
 anacron [options] [job] ...
 anacron -T [-t anacrontab-file]

Options:
 -s         Serialize execution of jobs
 -f         Force execution of jobs, even before their time
 -n         Run jobs with no delay, implies -s
 -d         Don't fork to the background
 -q         Suppress stderr messages, only applicable with -d
 -u         Update the timestamps without actually running anything
 -V         Print version information
 -h         Print this message
 -t <file>  Use alternative anacrontab
 -T         Test an anacrontab
 -S <dir>   Select a different spool directory

See the anacron(8) manpage for more details.
`

func wanted(name string, patterns []string) bool {
	if len(patterns) == 0 {
		return true
	}
	for _, p := range patterns {
		if ok, err := path.Match(p, name); err == nil && ok {
			return true
		}
	}
	return false
}

func (a *anacron) log(severity syslog.Severity, format string, args ...any) {
	// A host without a log goes on.
	_ = libc.Syslog(a.p, syslog.Make(syslog.Cron, severity), "anacron", a.p.PID, fmt.Sprintf(format, args...))
}

// run decides which jobs are due and runs them after their delays: each after
// the one before it with serial, else all beside each other.
func (a *anacron) run(ctx context.Context, all chores, names []string, serial, force, atOnce bool) int {
	started := libc.LocalTime(a.p)
	a.log(syslog.Notice, "Anacron started on %s", started.Format(time.DateOnly))
	for _, b := range all.bad {
		a.log(syslog.Err, "%s", b)
	}
	random := 0
	if all.randomDelay > 0 {
		random = a.p.Rand().IntN(all.randomDelay + 1)
	}
	var due []chore
	for _, j := range all.jobs {
		if !wanted(j.name, names) {
			continue
		}
		last, err := libc.ReadFile(a.p, path.Join(a.stamps, j.name))
		if err == nil && !force && !j.due(string(last), started) {
			continue
		}
		if !force && (started.Hour() < all.from || started.Hour() >= all.to) {
			a.log(syslog.Notice, "The job `%s' falls out of the %02d:00-%02d:00 hours range, skipping.", j.name, all.from, all.to)
			continue
		}
		j.delay += random
		if atOnce {
			j.delay = 0
		}
		due = append(due, j)
		if !atOnce {
			a.log(syslog.Notice, "Will run job `%s' in %d min.", j.name, j.delay)
		}
	}
	if serial && len(due) > 0 {
		a.log(syslog.Notice, "Jobs will be executed sequentially")
	}
	begin := a.p.Clock.Monotonic()
	var mu sync.Mutex
	left := len(due)
	one := func(j chore) {
		if wait := time.Duration(j.delay)*time.Minute - (a.p.Clock.Monotonic() - begin); wait > 0 {
			if a.p.Sleep(ctx, wait) != nil {
				return
			}
		}
		a.job(ctx, j)
		mu.Lock()
		defer mu.Unlock()
		if left--; left == 0 && ctx.Err() == nil {
			a.goodbye(len(due))
		}
	}
	for _, j := range due {
		if serial {
			one(j)
		} else {
			a.p.Go(func() { one(j) })
		}
	}
	if len(due) == 0 {
		a.goodbye(0)
	}
	return 0
}

func (a *anacron) goodbye(jobs int) {
	plural := "s"
	if jobs == 1 {
		plural = ""
	}
	a.log(syslog.Notice, "Normal exit (%d job%s run)", jobs, plural)
}

// job runs one job and notes the day.
func (a *anacron) job(ctx context.Context, j chore) {
	a.log(syslog.Notice, "Job `%s' started", j.name)
	out := &output{}
	env := merge([]string{"SHELL=/bin/sh", "PATH=/sbin:/bin:/usr/sbin:/usr/bin", "HOME=/root", "LOGNAME=root", "USER=root"}, j.env)
	sh, _ := setting(env, "SHELL")
	status := "(exit status: 1)"
	child, err := a.p.Start(host.Cmd{Path: sh, Args: []string{sh, "-c", j.command}, Env: env, Dir: "/", Stdout: out, Stderr: out})
	if err == nil {
		var st host.Status
		if st, err = child.Wait(ctx); err != nil {
			return
		}
		switch {
		case st.Signal != 0:
			status = fmt.Sprintf("(terminated by signal %d)", int(st.Signal))
		case st.Code != 0:
			status = fmt.Sprintf("(exit status: %d)", st.Code)
		default:
			status = ""
		}
	}
	a.stamp(j.name)
	text := out.String()
	mailed := text != "" && libc.Exists(a.p, sendmail)
	line := fmt.Sprintf("Job `%s' terminated", j.name)
	if status != "" {
		line += " " + status
	}
	if mailed {
		line += " (mailing output)"
	} else if text != "" {
		line += " (produced output)"
	}
	a.log(syslog.Notice, "%s", line)
	if mailed {
		to, ok := setting(env, "MAILTO")
		if !ok {
			to = "root"
		}
		if to == "" {
			return
		}
		head := fmt.Sprintf("From: \"Anacron\" <root>\nTo: %s\nContent-Type: text/plain; charset=\"UTF-8\"\nSubject: Anacron job '%s' on %s\n\n", to, j.name, hostname(a.p))
		if !mailWith(ctx, a.p, "root", "root", head+text) {
			a.log(syslog.Err, "Tried to mail output of job `%s', but mailer process (%s) exited with error", j.name, sendmail)
		}
	}
}

// stamp notes that a job was run today.
func (a *anacron) stamp(name string) {
	day := libc.LocalTime(a.p).Format("20060102")
	if err := libc.WriteFile(a.p, path.Join(a.stamps, name), []byte(day+"\n"), 0o600); err != nil {
		a.log(syslog.Err, "Can't open timestamp file for job %s: %s", strconv.Quote(name), libc.Strerror(err))
	}
}
