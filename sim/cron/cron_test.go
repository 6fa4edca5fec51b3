package cron

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"sort"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/memnet"
)

func TestSchedule(t *testing.T) {
	// 2026-03-10 is a Tuesday.
	at := func(s string) time.Time {
		when, err := time.Parse("2006-01-02 15:04", s)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for _, c := range []struct {
		fields, when string
		want         bool
	}{
		{"* * * * *", "2026-03-10 04:05", true},
		{"5 4 * * *", "2026-03-10 04:05", true},
		{"5 4 * * *", "2026-03-10 04:06", false},
		{"*/15 * * * *", "2026-03-10 04:45", true},
		{"*/15 * * * *", "2026-03-10 04:46", false},
		{"0-30/10 * * * *", "2026-03-10 04:30", true},
		{"0-30/10 * * * *", "2026-03-10 04:40", false},
		{"1,3,5 * * * *", "2026-03-10 04:03", true},
		{"* 9-17 * * mon-fri", "2026-03-10 09:00", true},
		{"* 9-17 * * mon-fri", "2026-03-14 09:00", false},
		{"0 0 * * 7", "2026-03-15 00:00", true},
		{"0 0 * * 0", "2026-03-15 00:00", true},
		{"0 0 * * sun", "2026-03-15 00:00", true},
		{"0 0 1 * tue", "2026-03-10 00:00", true}, // either day is enough
		{"0 0 1 * tue", "2026-03-01 00:00", true},
		{"0 0 1 * tue", "2026-03-11 00:00", false},
		{"0 0 1 * *", "2026-03-10 00:00", false},
		{"0 0 */2 * tue", "2026-03-11 00:00", false}, // */2 begins with a star: both must hold
		{"0 0 * mar *", "2026-03-11 00:00", true},
		{"0 0 * jan,feb *", "2026-03-11 00:00", false},
		{"@hourly", "2026-03-11 05:00", true},
		{"@daily", "2026-03-11 05:00", false},
		{"@monthly", "2026-03-01 00:00", true},
	} {
		s, rest, err := parseSchedule(c.fields + " command")
		if err != nil || rest != "command" {
			t.Errorf("%s: %q, %v", c.fields, rest, err)
		} else if got := s.at(at(c.when)); got != c.want {
			t.Errorf("%s at %s: %v", c.fields, c.when, got)
		}
	}
	for fields, want := range map[string]string{
		"60 * * * *": "bad minute", "* 24 * * *": "bad hour", "* * 0 * *": "bad day-of-month", "* * * 13 *": "bad month",
		"* * * * 8": "bad day-of-week", "5-1 * * * *": "bad minute", "*/0 * * * *": "bad minute", "5/2 * * * *": "bad minute",
		"x": "bad minute", "* *": "bad day-of-month", "@often": "bad time specifier", "1,,2 * * * *": "bad minute",
	} {
		if _, _, err := parseSchedule(fields + " "); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", fields, err, want)
		}
	}
}

func TestTable(t *testing.T) {
	jobs, bad := parseTable(`SHELL=/bin/bash
# comment
MAILTO = "root, linuc"
1 2 3 4 5 date +\%F%first%second
bad line
@daily  echo a
A=
0 0 * * * last
`, false)
	if len(bad) != 1 || bad[0] != (tableError{5, "bad minute"}) {
		t.Errorf("bad: %v", bad)
	}
	if len(jobs) != 3 {
		t.Fatalf("%d jobs", len(jobs))
	}
	if j := jobs[0]; j.command != "date +%F" || j.input != "first\nsecond\n" || !reflect.DeepEqual(j.env, []string{"SHELL=/bin/bash", "MAILTO=root, linuc"}) {
		t.Errorf("%+v", j)
	}
	if j := jobs[2]; len(j.env) != 3 || j.env[2] != "A=" {
		t.Errorf("%+v", j.env)
	}
	jobs, bad = parseTable("01 * * * * root run-parts /etc/cron.hourly\n* * * * * root", true)
	if len(jobs) != 1 || jobs[0].user != "root" || jobs[0].command != "run-parts /etc/cron.hourly" {
		t.Errorf("%+v", jobs)
	}
	if len(bad) != 1 || bad[0].what != "bad command" {
		t.Errorf("%v", bad)
	}
}

func TestTicks(t *testing.T) {
	noon := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	count := func(run []tick) (wild, fixed int) {
		for _, r := range run {
			if r.wild {
				wild++
			}
			if r.fixed {
				fixed++
			}
		}
		return
	}
	for _, c := range []struct {
		gap         time.Duration
		wild, fixed int
		ahead       bool
	}{
		{0, 0, 0, false}, {time.Minute, 1, 1, false}, {4 * time.Minute, 4, 4, false},
		{time.Hour, 1, 60, false}, {24 * time.Hour, 1, 1, false},
		{-time.Minute, 1, 0, true}, {-2 * time.Hour, 1, 0, true}, {-24 * time.Hour, 1, 1, false},
	} {
		run, ahead := ticks(noon, noon.Add(c.gap))
		if wild, fixed := count(run); wild != c.wild || fixed != c.fixed || ahead != c.ahead {
			t.Errorf("%v: %d wild, %d fixed, ahead %v", c.gap, wild, fixed, ahead)
		}
	}
}

func TestAnacrontab(t *testing.T) {
	c := parseAnacrontab(`SHELL=/bin/sh
RANDOM_DELAY=45
START_HOURS_RANGE=3-22
1	5	cron.daily		nice run-parts /etc/cron.daily
7	25	cron.weekly		nice run-parts /etc/cron.weekly
@monthly 45	cron.monthly		nice run-parts /etc/cron.monthly
x 1 bad job
`)
	if c.randomDelay != 45 || c.from != 3 || c.to != 22 || len(c.jobs) != 3 || len(c.bad) != 1 {
		t.Fatalf("%+v", c)
	}
	if j := c.jobs[0]; j.days != 1 || j.delay != 5 || j.name != "cron.daily" || j.command != "nice run-parts /etc/cron.daily" {
		t.Errorf("%+v", j)
	}
	now := time.Date(2026, 3, 10, 4, 0, 0, 0, time.UTC)
	for _, d := range []struct {
		job  int
		last string
		want bool
	}{
		{0, "20260310\n", false}, {0, "20260309\n", true}, {1, "20260304\n", false}, {1, "20260303\n", true},
		{2, "20260301\n", false}, {2, "20260228\n", true}, {0, "rubbish", true}, {0, "20300101\n", true},
	} {
		if got := c.jobs[d.job].due(d.last, now); got != d.want {
			t.Errorf("%s, last %q: %v", c.jobs[d.job].name, d.last, got)
		}
	}
}

// sh runs commands split at "; " and at blanks; echo is its only builtin.
func sh(ctx context.Context, p *host.Proc) int {
	if len(p.Args) != 3 {
		return 2
	}
	status := 0
	for _, line := range strings.Split(p.Args[2], "; ") {
		args := strings.Fields(line)
		switch args[0] {
		case "nice":
			status = p.Exec(ctx, args[1:]...)
		case "echo":
			fmt.Fprintln(p.Stdout, strings.Join(args[1:], " "))
		case "cat":
			io.Copy(p.Stdout, p.Stdin)
		case "env":
			fmt.Fprintln(p.Stdout, strings.Join(p.Env, " "), p.UID, p.Dir)
		default:
			status = p.Exec(ctx, args...)
		}
	}
	return status
}

// newHost returns a host with cron's programs and a /dev/log whose lines go to log.
func newHost(t *testing.T, log *[]string, more map[string]host.Program) *memnet.Host {
	programs := map[string]host.Program{
		"/usr/sbin/crond": Crond, "/usr/bin/crontab": Crontab, "/usr/sbin/anacron": Anacron, "/usr/bin/run-parts": RunParts,
		"/usr/bin/sh": sh, "/usr/sbin/logd": func(ctx context.Context, p *host.Proc) int {
			c, err := p.Sys.ListenPacket("unixgram", "/dev/log")
			if err != nil {
				return 1
			}
			p.Go(func() { p.Sleep(ctx, 1000*time.Hour); c.Close() })
			p.Ready()
			b := make([]byte, 8192)
			for {
				n, _, err := c.ReadFrom(b)
				if err != nil {
					return 0
				}
				*log = append(*log, string(b[:n]))
			}
		},
	}
	for name, prog := range more {
		programs[name] = prog
	}
	h := memnet.New(t).Host(t, memnet.Config{Name: "server", Programs: programs, Seed: 1})
	h.WriteFile("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\nlinuc:x:1000:1000::/home/linuc:/bin/bash\n")
	h.WriteFile("/etc/group", "root:x:0:\nlinuc:x:1000:\n")
	h.MkdirAll("/home/linuc", 0o755)
	h.MkdirAll("/var/spool/cron", 0o700)
	h.MkdirAll("/var/spool/anacron", 0o755)
	h.MkdirAll("/etc/cron.d", 0o755)
	h.MkdirAll("/run", 0o755)
	h.Start("logd")
	return h
}

// events returns the log without its stamps and pids.
func events(log []string) []string {
	var all []string
	for _, line := range log {
		_, text, _ := strings.Cut(line, ">")
		if len(text) > 16 {
			text = text[16:]
		}
		if tag, rest, ok := strings.Cut(text, "["); ok {
			if _, after, ok := strings.Cut(rest, "]"); ok {
				text = tag + after
			}
		}
		all = append(all, text)
	}
	return all
}

func TestCrondRunsJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log []string
		var mails []string
		h := newHost(t, &log, map[string]host.Program{
			"/usr/sbin/sendmail": func(_ context.Context, p *host.Proc) int {
				text, err := io.ReadAll(p.Stdin)
				if err != nil {
					return 1
				}
				mails = append(mails, fmt.Sprintf("%d %s\n%s", p.UID, strings.Join(p.Args[1:], " "), text))
				return 0
			},
		})
		h.Clock.Set(time.Date(2026, 3, 10, 4, 59, 30, 0, time.UTC))
		h.WriteFile("/etc/crontab", "MAILTO=root\n0 5 * * * linuc echo hello; env; cat%typed%in\n")
		h.Start("crond", "-n")
		time.Sleep(45 * time.Second)
		synctest.Wait()
		if len(mails) != 1 {
			t.Fatalf("%d mails; %q", len(mails), log)
		}
		want := `1000 -FCronDaemon -i -odi -oem -oi -t -f linuc
From: "(Cron Daemon)" <linuc>
To: root
Subject: Cron <linuc@server> echo hello; env; cat
MIME-Version: 1.0
Content-Type: text/plain; charset=UTF-8
Auto-Submitted: auto-generated
Precedence: bulk
X-Cron-Env: <SHELL=/bin/sh>
X-Cron-Env: <PATH=/usr/bin:/bin>
X-Cron-Env: <HOME=/home/linuc>
X-Cron-Env: <MAILTO=root>
X-Cron-Env: <LOGNAME=linuc>
X-Cron-Env: <USER=linuc>

hello
SHELL=/bin/sh PATH=/usr/bin:/bin HOME=/home/linuc MAILTO=root LOGNAME=linuc USER=linuc 1000 /home/linuc
typed
in
`
		if mails[0] != want {
			t.Errorf("mail:\n%s", mails[0])
		}
		got := events(log)
		wantLog := []string{
			"crond: (CRON) STARTUP (1.5.7)", "crond: (CRON) INFO (RANDOM_DELAY will be scaled with factor 25% if used.)",
			"CROND: (linuc) CMD (echo hello; env; cat)", "CROND: (linuc) CMDEND (echo hello; env; cat)",
		}
		got[1] = wantLog[1] // random
		if !reflect.DeepEqual(got, wantLog) {
			t.Errorf("log %q", got)
		}
	})
}

// TestCrondSettings: CRON_TZ moves the hours of a table, RANDOM_DELAY puts a job
// off, a - before the minute keeps root's out of the log, and the type of mails
// can be set.
func TestCrondSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log, mails []string
		h := newHost(t, &log, map[string]host.Program{
			"/usr/sbin/sendmail": func(_ context.Context, p *host.Proc) int {
				text, err := io.ReadAll(p.Stdin)
				if err != nil {
					return 1
				}
				mails = append(mails, string(text))
				return 0
			},
		})
		h.Clock.Set(time.Date(2026, 3, 10, 2, 59, 30, 0, time.UTC))
		h.WriteFile("/etc/crontab", "0 3 * * * root echo here\n-0 3 * * * root echo quiet\n-0 3 * * * linuc echo loud\n"+
			"CRON_TZ=JST-9\nCONTENT_TYPE=text/html\nCONTENT_TRANSFER_ENCODING=8bit\n0 12 * * * root echo in Tokyo\n0 3 * * * root echo not in Tokyo\n")
		h.WriteFile("/etc/cron.d/later", "RANDOM_DELAY=120\n0 3 * * * root echo later\n")
		h.Start("crond", "-n")
		time.Sleep(45 * time.Second)
		synctest.Wait()
		ran := func() (all []string) {
			for _, m := range mails {
				_, body, _ := strings.Cut(m, "\n\n")
				all = append(all, strings.TrimSpace(body))
			}
			sort.Strings(all)
			return all
		}
		if got, want := ran(), []string{"here", "in Tokyo", "loud", "quiet"}; !reflect.DeepEqual(got, want) {
			t.Errorf("at 3:00 there ran %q, want %q", got, want)
		}
		for _, m := range mails {
			if html := strings.Contains(m, "\nContent-Type: text/html\nContent-Transfer-Encoding: 8bit\n"); html != strings.Contains(m, "in Tokyo") {
				t.Errorf("mail: %s", m)
			}
		}
		all := strings.Join(events(log), "\n")
		if strings.Contains(all, "CMD (echo quiet)") || !strings.Contains(all, "CMD (echo loud)") {
			t.Errorf("log:\n%s", all)
		}
		mails = nil
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if got, want := ran(), []string{"later"}; !reflect.DeepEqual(got, want) {
			t.Errorf("by 5:00 there ran %q, want %q", got, want)
		}
	})
}

func TestCrondSeesNewTables(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log []string
		h := newHost(t, &log, nil)
		h.WriteFile("/etc/crontab", "")
		h.Start("crond", "-n")
		synctest.Wait()
		log = nil
		if r := h.RunCmd(host.Cmd{Args: []string{"crontab", "-"}, Stdin: strings.NewReader("* * * * * echo out\n")}); !r.Status.Success() {
			t.Fatal(r)
		}
		if r := h.Run("crontab", "-l"); r.Stdout != "* * * * * echo out\n" {
			t.Error(r)
		}
		time.Sleep(70 * time.Second)
		synctest.Wait()
		h.Run("crontab", "-r")
		h.WriteFile("/etc/cron.d/bad", "70 * * * * root true\n")
		h.Chmod("/etc/cron.d/bad", 0o644)
		h.WriteFile("/etc/cron.d/open", "* * * * * root true\n")
		h.Chmod("/etc/cron.d/open", 0o666)
		time.Sleep(70 * time.Second)
		synctest.Wait()
		want := []string{
			"crontab: (root) REPLACE (root)", "crontab: (root) LIST (root)", "crond: (root) RELOAD (/var/spool/cron/root)",
			"CROND: (root) CMD (echo out)", "CROND: (root) CMDEND (echo out)", "CROND: (root) CMDOUT (out)",
			"crontab: (root) DELETE (root)", "crond: (*system*) RELOAD (/etc/cron.d/bad)", "crond: (CRON) bad minute (/etc/cron.d/bad)",
			"crond: (*system*) BAD FILE MODE (/etc/cron.d/open)",
		}
		if got := events(log); !reflect.DeepEqual(got, want) {
			t.Errorf("log:\n%s", strings.Join(got, "\n"))
		}
	})
}

func TestCrontabErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log []string
		h := newHost(t, &log, nil)
		h.WriteFile("/root/tab", "* * * * * true\n99 * * * * true\n")
		for _, c := range []struct {
			args   string
			stderr string
			status int
		}{
			{"crontab -l", "no crontab for root\n", 1},
			{"crontab -r", "no crontab for root\n", 1},
			{"crontab /root/tab", "\"/root/tab\":2: bad minute\nerrors in crontab file, can't install.\n", 1},
			{"crontab /nosuch", "/nosuch: No such file or directory\n", 1},
			{"crontab -u nosuch -l", "crontab: user `nosuch' unknown\n" + crontabUsage, 1},
		} {
			r := h.Run(strings.Fields(c.args)...)
			if r.Stderr != c.stderr || r.Status.Code != c.status {
				t.Errorf("%s: %q, %v", c.args, r.Stderr, r.Status)
			}
		}
	})
}

// A week: anacron runs cron.daily once a day, though crond calls it each hour.
func TestAWeek(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log []string
		var daily, weekly []string
		mark := func(list *[]string) host.Program {
			return func(_ context.Context, p *host.Proc) int {
				*list = append(*list, libc.LocalTime(p).Format("02 15"))
				return 0
			}
		}
		h := newHost(t, &log, map[string]host.Program{
			"/etc/cron.daily/logrotate": mark(&daily), "/etc/cron.weekly/mark": mark(&weekly),
			"/etc/cron.hourly/0anacron": func(ctx context.Context, p *host.Proc) int { return p.Exec(ctx, "/usr/sbin/anacron", "-s") },
		})
		h.WriteFile("/etc/anacrontab", "START_HOURS_RANGE=3-22\n1 5 cron.daily nice run-parts /etc/cron.daily\n7 25 cron.weekly nice run-parts /etc/cron.weekly\n")
		h.WriteFile("/etc/cron.d/0hourly", "01 * * * * root run-parts /etc/cron.hourly\n")
		h.Clock.Set(time.Date(2026, 3, 2, 12, 0, 30, 0, time.UTC))
		h.Start("crond", "-n")
		time.Sleep(8 * 24 * time.Hour)
		synctest.Wait()
		want := []string{"02 12", "03 03", "04 03", "05 03", "06 03", "07 03", "08 03", "09 03", "10 03"}
		if !reflect.DeepEqual(daily, want) {
			t.Errorf("daily %q", daily)
		}
		if want := []string{"02 12", "09 03"}; !reflect.DeepEqual(weekly, want) {
			t.Errorf("weekly %q", weekly)
		}
		got := strings.Join(events(log), "\n")
		for _, want := range []string{
			"anacron: Job `cron.daily' started\nrun-parts: (/etc/cron.daily) starting logrotate\nrun-parts: (/etc/cron.daily) finished logrotate\nanacron: Job `cron.daily' terminated",
			"anacron: Normal exit (2 jobs run)", "anacron: Normal exit (0 jobs run)",
			"CROND: (root) CMD (run-parts /etc/cron.hourly)",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("not in the log:\n%s", want)
			}
		}
		// It started in the background: what cron and run-parts log may stand between its lines.
		var own []string
		for line := range strings.Lines(got) {
			if strings.HasPrefix(line, "anacron: ") {
				own = append(own, line)
			}
		}
		if want := "anacron: Anacron started on 2026-03-02\nanacron: Will run job `cron.daily' in 5 min.\nanacron: Will run job `cron.weekly' in 25 min.\nanacron: Jobs will be executed sequentially\n"; !strings.HasPrefix(strings.Join(own, ""), want) {
			t.Errorf("anacron began with:\n%.500s", strings.Join(own, ""))
		}
		if h.ReadFile("/var/spool/anacron/cron.daily") != "20260310\n" {
			t.Error("stamp", h.ReadFile("/var/spool/anacron/cron.daily"))
		}
	})
}

func TestRunParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log []string
		say := func(text string) host.Program {
			return func(_ context.Context, p *host.Proc) int { io.WriteString(p.Stdout, text); return 0 }
		}
		h := newHost(t, &log, map[string]host.Program{
			"/etc/parts/b": say("two\nlines\n"), "/etc/parts/a": say("one\n"), "/etc/parts/c.rpmsave": say("never"), "/etc/parts/quiet": say(""),
		})
		if r := h.Run("run-parts", "/etc/parts"); r.Stdout != "/etc/parts/a:\n\none\n/etc/parts/b:\n\ntwo\nlines\n" || !r.Status.Success() {
			t.Errorf("%+v", r)
		}
		if r := h.Run("run-parts", "/nosuch"); r.Stderr != "Not a directory: /nosuch\n" || r.Status.Code != 1 {
			t.Errorf("%+v", r)
		}
	})
}

func FuzzTable(f *testing.F) {
	f.Add("SHELL=/bin/sh\n*/5 1-3,7 * jan-mar mon root echo %x\\%y\n@reboot x y\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, system := range []bool{false, true} {
			jobs, _ := parseTable(text, system)
			for _, j := range jobs {
				j.at(time.Unix(0, 0))
				if j.command == "" && j.input == "" {
					t.Errorf("no command: %+v", j)
				}
			}
		}
	})
}

func FuzzAnacrontab(f *testing.F) {
	f.Add("RANDOM_DELAY=45\n1 5 cron.daily run-parts /etc/cron.daily\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, j := range parseAnacrontab(text).jobs {
			j.due("20260101", time.Unix(0, 0))
		}
	})
}
