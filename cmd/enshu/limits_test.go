package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"enshu/sim/kernel"
)

// TestUserIsLimited has an ordinary user of a host take what there is of processes
// and of memory. Root of the host still has its own, and ends it.
func TestUserIsLimited(t *testing.T) {
	users(t, func(t *testing.T, u *user) {
		u.enshu(0, "start", u.file("limits.yaml"), "--name", u.lab)
		if u.command(nil, "exec", "small", "--", "su", "usera", "-c", "true").Run() != nil {
			t.Skip("this user's hosts have no other users")
		}
		run := func(script string) string {
			out, _ := u.command(nil, "exec", "small", "--", "bash", "-c", script).Output()
			return string(out)
		}
		// Of 200 processes some are refused, and no more than the limit are there.
		run(`su usera -c 'for i in {1..200}; do sleep 1000 & done' >/dev/null 2>&1`)
		if n, _ := strconv.Atoi(strings.TrimSpace(run("pgrep -c -u usera sleep"))); n < 32 || n > 64 {
			t.Errorf("a user with a limit of 64 processes has %d", n)
		}
		run(`su userb -c 'bomb() { bomb | bomb & }; bomb' </dev/null >/dev/null 2>&1`)
		// All of them at once, as each that is killed makes room for another.
		const end = `perl -e '$< = $> = getpwnam($ARGV[0]); kill KILL => -1' `
		if got := run("systemctl is-active rsyslog; " + end + "usera; " + end + "userb; su usera -c 'echo free'; su userb -c 'echo free'"); got != "active\nfree\nfree\n" {
			t.Errorf("while its users have no processes left, a host says %q", got)
		}
		if got := run(`su usera -c 'perl -e "\$x = q(x) x 1_000_000_000; print 1"' 2>&1 | head -1; systemctl is-active rsyslog`); got != "Out of memory!\nactive\n" {
			t.Errorf("a process that wants more memory than it may have, and the host: %q", got)
		}
		u.enshu(0, "check")
		u.enshu(0, "finish")
	})
}

// TestHostIsLimited has several users of a host take what the host has as a whole,
// where the machine gives control groups: the group's limits hold.
func TestHostIsLimited(t *testing.T) {
	parent, why := kernel.FindGroup()
	if parent == "" {
		t.Skip(why)
	}
	users(t, func(t *testing.T, u *user) {
		u.enshu(0, "start", u.file("limits.yaml"), "--name", u.lab)
		if u.command(nil, "exec", "small", "--", "su", "usera", "-c", "true").Run() != nil {
			t.Skip("this user's hosts have no other users")
		}
		found, _ := filepath.Glob(filepath.Join(parent, "enshu-*-"+u.lab, "host-small"))
		if len(found) != 1 {
			t.Fatalf("groups of the host: %q", found)
		}
		number := func(file, key string) (n int) {
			data, err := os.ReadFile(filepath.Join(found[0], file))
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(data)) {
				if v, ok := strings.CutPrefix(line, key); ok {
					n, _ = strconv.Atoi(strings.TrimSpace(v))
				}
			}
			return n
		}
		run := func(script string) string {
			out, _ := u.command(nil, "exec", "small", "--", "bash", "-c", script).CombinedOutput()
			return string(out)
		}
		alive := func(after string) {
			t.Helper()
			u.enshu(0, "exec", "other", "--", "true")
			u.enshu(0, "check")
			if out := run("systemctl is-active rsyslog"); out != "active\n" {
				t.Errorf("after %s rsyslog of the host is %q", after, out)
			}
		}

		most := number("pids.max", "")
		var all strings.Builder
		for _, name := range []string{"usera", "userb", "userc", "userd", "usere", "userf"} {
			fmt.Fprintf(&all, "su %s -c 'for i in {1..60}; do sleep 1000 & done' >/dev/null 2>&1\n", name)
		}
		run(all.String())
		if refused, has := number("pids.events", "max "), number("pids.current", ""); refused == 0 || has > most || has < most/2 {
			t.Errorf("six users start 60 processes each: of %d the host has %d, and %d were refused", most, has, refused)
		}
		run("pkill -9 sleep")
		alive("its users wanted too many processes")

		if number("memory.max", "") == 0 {
			t.Fatal("the host's memory has no limit")
		}
		run(`for i in {1..9}; do perl -e '$x = "x" x 150_000_000; sleep 5' & done >/dev/null 2>&1; wait`)
		if number("memory.events", "oom_kill ") == 0 {
			t.Errorf("nine processes had 150 MB each of the host's %d MB", number("memory.max", "")>>20)
		}
		alive("its processes wanted too much memory")

		// What is in a file system in memory nobody can take from whoever put it
		// there: the host may end, and no other does.
		run(`mkdir /tmp/hog; mount -t tmpfs -o size=2g hog /tmp/hog; head -c 1500M /dev/zero >/tmp/hog/x`)
		if has, most := number("memory.current", ""), number("memory.max", ""); has > most {
			t.Errorf("of %d bytes of memory the host has %d", most, has)
		}
		u.enshu(0, "exec", "other", "--", "true")
		u.enshu(0, "check")
		u.enshu(0, "reset", "small")
		alive("a reset")
		u.enshu(0, "finish")
		if left, _ := filepath.Glob(filepath.Join(parent, "enshu-*-"+u.lab)); len(left) > 0 {
			t.Errorf("groups that are left: %q", left)
		}
	})
}
