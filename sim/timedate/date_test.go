package timedate

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/memnet"
	"enshu/sim/trace"
	"enshu/sim/wire/getdate"

	"gopkg.in/yaml.v3"
)

var programs = map[string]host.Program{
	"/usr/bin/date": Date, "/usr/bin/timedatectl": Timedatectl, "/usr/sbin/hwclock": Hwclock, "/usr/bin/cal": Cal,
	"/usr/bin/systemctl": systemctl,
}

type oracleStep struct {
	Run, Stdout, Stderr, User, Match string
	Exit                             int
}

func readOracle(t *testing.T, name string) []oracleStep {
	t.Helper()
	data, err := os.ReadFile("testdata/oracle/" + name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	var c struct{ Expected []oracleStep }
	if err := yaml.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	return c.Expected
}

// command splits a shell line into environment and arguments.
func command(line string) (env, args []string) {
	var cur strings.Builder
	in, quote := false, byte(0)
	flush := func() {
		if in {
			args = append(args, cur.String())
		}
		cur.Reset()
		in = false
	}
	for i := range len(line) {
		c := line[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote, in = c, true
		case quote == 0 && c == ' ':
			flush()
		default:
			cur.WriteByte(c)
			in = true
		}
	}
	flush()
	env = []string{"LANG=C.UTF-8", "PATH=/usr/sbin:/usr/bin"}
	for len(args) > 0 && regexp.MustCompile(`^[A-Z]+=`).MatchString(args[0]) {
		env, args = append(env, args[0]), args[1:]
	}
	return env, args
}

// stamps are the times of a recording.
var stamps = regexp.MustCompile(`(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d{4}-\d\d-\d\d \d\d:\d\d:\d\d|\d{4}[-/]\d\d[-/]\d\d \d\d:\d\d:\d\d(?:\.\d+)?|\b\d{10}(?:\.\d+)?\b|is \d+ seconds`)

// systemctl stands in for the real one, whose suite is not this one's: a unit
// whose state is in the file /run/unit.
func systemctl(ctx context.Context, p *host.Proc) int {
	data, err := libc.ReadFile(p, "/run/unit")
	if string(data) == "gone" {
		err = syscall.ENOENT
	}
	for _, a := range p.Args[1:] {
		switch a {
		case "show":
			load := "loaded"
			if err != nil {
				load = "not-found"
			}
			fmt.Fprintf(p.Stdout, "LoadState=%s\nActiveState=%s\n", load, data)
		case "start":
			libc.WriteFile(p, "/run/unit", []byte("active"), 0o644)
		case "stop":
			libc.WriteFile(p, "/run/unit", []byte("inactive"), 0o644)
		}
	}
	return 0
}

// recreate puts the host into the state that the recorder had before a step.
func recreate(h *memnet.Host, st oracleStep) {
	switch {
	case strings.Contains(st.Stdout, "NTP service: active"), strings.Contains(st.Stdout, "\nNTP=yes"), strings.Contains(st.Stderr, "Automatic"):
		h.WriteFile("/run/unit", "active")
	case strings.Contains(st.Stdout, "NTP service: n/a"), strings.Contains(st.Stderr, "NTP not supported"):
		h.WriteFile("/run/unit", "gone")
	case strings.Contains(st.Run, "set-time"), strings.Contains(st.Stdout, "NTP"), strings.Contains(st.Run, "set-ntp"):
		h.WriteFile("/run/unit", "inactive")
	}
	if strings.Contains(st.Stdout, "synchronized:") || strings.Contains(st.Stdout, "NTPSynchronized") || strings.Contains(st.Run, "NTPSynchronized") {
		h.Clock.SetSynchronised(strings.Contains(st.Stdout, "synchronized: yes") || strings.Contains(st.Stdout, "NTPSynchronized=yes") || st.Stdout == "yes\n")
	}
	h.RTC = h.Clock
	if strings.Contains(st.Stdout+st.Stderr, "RTC time: n/a") || strings.Contains(st.Stderr, "Cannot access") ||
		strings.Contains(st.Stdout, "TimeUSec") && !strings.Contains(st.Stdout, "RTCTimeUSec") {
		h.RTC = nil
	}
}

// differ lists the steps that we print differently, with the reason.
var differ = map[string]string{
	"timedatectl --version | head -1":              "the release is EL9's",
	"timedatectl -H nohost.invalid status":         "ssh is not asked",
	"timedatectl set-time \"2026-03-04 05:06:07\"": "the recorder's container forbade root to set the clock",
	"hwclock --verbose":                            "the recorder's device had no interrupts",
	"hwclock --hctosys":                            "the recorder's container forbade root to set the clock",
	"hwclock -s":                                   "the recorder's container forbade root to set the clock",
}

// runAll runs commands on one host whose clock begins at a time.
func runAll(t *testing.T, steps []oracleStep) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(t)
		n.Line = clock.New(time.Date(2026, 11, 22, 1, 47, 33, 0, time.UTC))
		n.Trace = trace.NewLog(n.Line)
		h := n.Host(t, memnet.Config{Name: "c", Programs: programs})
		h.MkdirAll("/etc", 0o755)
		h.MkdirAll("/run", 0o755)
		h.WriteFile("/run/unit", "inactive")
		for _, z := range []string{"Europe/Berlin", "Europe/Paris", "America/New_York", "Asia/Kolkata", "Etc/GMT+3"} {
			data, err := os.ReadFile("testdata/zoneinfo/" + z)
			if err != nil {
				t.Fatal(err)
			}
			h.MkdirAll(path.Dir("/usr/share/zoneinfo/"+z), 0o755)
			h.WriteFile("/usr/share/zoneinfo/"+z, string(data))
		}
		for _, st := range steps {
			if strings.ContainsAny(st.Run, "|;>&") || strings.HasPrefix(st.Run, "systemctl") {
				continue // a shell's or systemd's work, not ours
			}
			if differ[st.Run] != "" && (strings.Contains(st.Stderr, "denied") || strings.Contains(st.Stderr, "permitted") || !strings.Contains(st.Run, "set-time")) {
				continue
			}
			recreate(h, st)
			env, args := command(st.Run)
			cmd := host.Cmd{Path: args[0], Args: args, Env: env}
			if st.User == "ordinary user" || strings.Contains(st.Stderr, "not permitted") {
				cmd.Cred = &host.Cred{UID: 1000, GID: 1000}
			}
			res := h.RunCmd(cmd)
			if res.Status.Shell() != st.Exit {
				t.Errorf("%s: exit status %v, want %d", st.Run, res.Status, st.Exit)
			}
			if stamps.ReplaceAllString(res.Stdout, "#") != stamps.ReplaceAllString(st.Stdout, "#") {
				t.Errorf("%s printed\n%swant\n%s", st.Run, res.Stdout, st.Stdout)
			}
			if res.Stderr != st.Stderr {
				t.Errorf("%s: errors\n%swant\n%s", st.Run, res.Stderr, st.Stderr)
			}
		}
	})
}

func TestDateFormats(t *testing.T) { runAll(t, readOracle(t, "date-formats")) }
func TestDateSet(t *testing.T)     { runAll(t, readOracle(t, "date-set")) }
func TestHwclock(t *testing.T)     { runAll(t, readOracle(t, "hwclock")) }

func TestTimedatectl(t *testing.T) {
	for _, c := range []string{"local-rtc", "non-root", "set-ntp", "set-time", "set-timezone", "status", "usage"} {
		t.Run(c, func(t *testing.T) { runAll(t, readOracle(t, "timedatectl-"+c)) })
	}
}

func FuzzParseDate(f *testing.F) {
	for _, s := range []string{"2026-01-01 12:00 + 1 day", "next monday 3pm", "@12.5", "Jan 2, 2026 10:11:12.5 JST", "(x) 1 week ago", "2026-01-01T00:00:00Z"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 22, 1, 2, 3, 4, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		getdate.Parse(s, now)
		parseTimestamp(s, now)
		parsePosix(s, now)
		l := localeOf(func(string) string { return "en_US.UTF-8" })
		l.format(now, s)
	})
}

// TestRecordedDates reads dates of all forms as the real date does.
func TestRecordedDates(t *testing.T) {
	var cases []struct{ Zone, Date, Format, Says string }
	data, err := os.ReadFile("testdata/recorded/date.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	l := localeOf(func(string) string { return "C.UTF-8" })
	for _, c := range cases {
		zone, err := time.LoadLocation(c.Zone)
		if err != nil {
			t.Fatal(err)
		}
		got := "date: invalid date " + l.quote(c.Date)
		if when, ok := getdate.Parse(c.Date, time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC).In(zone)); ok {
			got = strings.TrimRight(l.format(when, c.Format), "\n")
		}
		if got != c.Says {
			t.Errorf("%s in %s as %s: %q, the real date says %q", c.Date, c.Zone, c.Format, got, c.Says)
		}
	}
}

// TestRecordedCommands runs date and cal with options, formats, locales and
// mistakes of all kinds, as an ordinary user at one point of time.
func TestRecordedCommands(t *testing.T) {
	var cases []struct {
		Args, Env             []string
		Stdin, Stdout, Stderr string
		Exit                  int
	}
	data, err := os.ReadFile("testdata/recorded/commands.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(t)
		n.Line = clock.New(time.Unix(1795312053, 0))
		h := n.Host(t, memnet.Config{Name: "c", Programs: programs})
		h.MkdirAll("/home/user", 0o755)
		h.WriteFile("/home/user/dates", "2026-01-01\nnonsense\n@0\ntomorrow\n\n2026-02-30\nnext monday 10:00\n")
		h.WriteFile("/home/user/empty", "")
		os.Chtimes(h.Dir()+"/home/user/dates", time.Time{}, time.Unix(1700000000, 250e6))
		os.Chtimes(h.Dir()+"/home/user/empty", time.Time{}, time.Unix(86400, 0))
		for _, c := range cases {
			res := h.RunCmd(host.Cmd{Path: "/usr/bin/" + c.Args[0], Args: c.Args, Env: append([]string{"PATH=/usr/bin"}, c.Env...), Dir: "/home/user", Stdin: strings.NewReader(c.Stdin), Cred: &host.Cred{UID: 65534, GID: 65534}})
			if res.Stdout != c.Stdout || res.Stderr != c.Stderr || res.Status.Shell() != c.Exit {
				t.Errorf("%q %q: %d\n%s%s\nwant %d\n%s%s", c.Env, c.Args, res.Status.Shell(), res.Stdout, res.Stderr, c.Exit, c.Stdout, c.Stderr)
			}
		}
	})
}
