package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// file copies a lab file of testdata to where the user may read it.
func (u *user) file(name string) string {
	u.t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		u.t.Fatal(err)
	}
	to := filepath.Join(u.home, name)
	if err := os.WriteFile(to, data, 0o644); err != nil {
		u.t.Fatal(err)
	}
	return to
}

// An hour that is skipped is an hour for everything in the lab: clocks, the
// daemons that measure them, jobs, logs.
func TestClockAdvance(t *testing.T) {
	users(t, func(t *testing.T, u *user) {
		u.enshu(0, "start", u.file("hour.yaml"), "--name", u.lab)
		hosts := []string{"h1", "h2", "h3"}
		number := func(host, command string) float64 {
			t.Helper()
			out := strings.TrimSpace(u.enshu(0, "exec", host, "--", "sh", "-c", command))
			n, err := strconv.ParseFloat(out, 64)
			if err != nil {
				t.Fatalf("%s: %s: %q", host, command, out)
			}
			return n
		}
		const now = "date +%s.%N"
		const up = "cut -d' ' -f1 /proc/uptime" // the machine's, whose time goes on as ever
		before, began := map[string]float64{}, number("h1", up)
		for _, h := range hosts {
			before[h] = number(h, now)
		}
		u.enshu(0, "clock", "advance", "1h")
		for _, h := range hosts {
			passed := number(h, now) - before[h]
			took := number("h1", up) - began
			// The clocks of h2 and h3 were stepped by 5 s and 7 s at the start.
			if passed < 3600-10 || passed > 3600+took+10 {
				t.Errorf("%s: %.1f s passed on its clock, %.1f s in the test", h, passed, took)
			}
		}
		for _, h := range hosts[1:] {
			if off := number(h, "chronyc -c tracking | cut -d, -f5"); off > 0.001 || off < -0.001 {
				t.Errorf("%s: off by %g s after an hour", h, off)
			}
			if reach := u.enshu(0, "exec", h, "--", "sh", "-c", "chronyc -c sources | cut -d, -f6"); strings.TrimSpace(reach) != "377" {
				t.Errorf("%s: reach %s", h, reach)
			}
			// Every 64 s at first, every 1024 s at most.
			if n := number(h, "chronyc ntpdata | sed -n 's/^Total RX *: //p'"); n < 8 || n > 3600/16 {
				t.Errorf("%s: %v answers in an hour", h, n)
			}
		}
		// An hour has one first minute.
		log := u.enshu(0, "exec", "h3", "--", "cat", "/var/log/cron")
		runs := regexp.MustCompile(`(?m)^\w+ +\d+ \d\d:(\d\d):\d\d h3 CROND\[\d+\]: \(root\) CMD \(run-parts /etc/cron.hourly\)$`).FindAllStringSubmatch(log, -1)
		if len(runs) != 1 || runs[0][1] != "01" {
			t.Errorf("hourly jobs: %q in\n%s", runs, log)
		}
	})
}

// Nobody is there to stop a lab that was left alone: neither an advance whose
// command was killed nor a service that fails for ever keeps it busy.
func TestAdvanceEnds(t *testing.T) {
	users(t, func(t *testing.T, u *user) {
		u.enshu(0, "start", u.file("hour.yaml"), "--name", u.lab)
		date := func() int {
			n, err := strconv.Atoi(strings.TrimSpace(u.enshu(0, "exec", "h1", "--", "date", "+%s")))
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		began := date()
		years := u.command(nil, "clock", "advance", "876000h")
		if err := years.Start(); err != nil {
			t.Fatal(err)
		}
		for date() < began+3600 { // it is under way
		}
		years.Process.Kill()
		years.Wait()
		u.enshu(0, "clock", "advance", "1s") // after the other
		if a, b := date(), date(); b-a > 600 {
			t.Errorf("the lab still goes ahead: %d s between two commands", b-a)
		}
		u.enshu(0, "exec", "h1", "--", "sh", "-c", `printf '[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/usr/bin/false\nRestart=always\nRestartSec=0\n' >/etc/systemd/system/again.service
systemctl daemon-reload; systemctl start again`)
		u.enshu(0, "clock", "advance", "300ms")
		u.enshu(0, "exec", "h1", "--", "systemctl", "stop", "again")
	})
}

// Inside a host a learner sees the clocks, and goes on to another host.
func TestInside(t *testing.T) {
	users(t, func(t *testing.T, u *user) {
		u.enshu(0, "start", u.file("hour.yaml"), "--name", u.lab)
		before := strings.Fields(u.enshu(0, "exec", "h2", "--", "enshu", "clock"))
		if got := u.enshu(1, "exec", "h2", "--", "enshu", "clock", "advance", "1h"); !strings.Contains(got, "at a terminal only") {
			t.Errorf("enshu clock advance in a script: %q", got)
		}
		if len(before) < 10 || before[len(before)-10] != "h3" {
			t.Errorf("the last row of `enshu clock` is not that of h3: %q", before)
		}
		if got := u.enshu(2, "exec", "h2", "--", "sh", "-c", "enshu finish 2>&1"); !strings.Contains(got, "another terminal") {
			t.Errorf("enshu finish inside a host: %q", got)
		}
		if got := u.enshu(0, "exec", "h2", "--", "ssh", "h3", "hostname"); !strings.HasPrefix(got, "h3\n") {
			t.Errorf("ssh from h2 to h3: %q", got)
		}
	})
}
