package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"enshu/cmd/enshu/session"
	"enshu/sim/kernel"
)

// TestMain lets the test binary be the command and the lab process too.
func TestMain(m *testing.M) {
	switch {
	case os.Args[0] == kernel.RoleLab:
		os.Exit(session.RunLab())
	case os.Getenv("ENSHU_TEST_COMMAND") != "":
		os.Exit(run(os.Args[1:]))
	}
	if server := os.Getenv(askerMark); server != "" {
		if err := askTime(server); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// user is who runs enshu in a test.
type user struct {
	t    testing.TB
	home string
	uid  int
	lab  string // a name that no other lab of this machine has
}

// users are the test's own user and, for root, an ordinary one beside.
func users(t *testing.T, f func(t *testing.T, u *user)) {
	uids := []int{os.Getuid()}
	if os.Getuid() == 0 {
		uids = append(uids, 65534)
	}
	for _, uid := range uids {
		t.Run("uid "+strconv.Itoa(uid), func(t *testing.T) {
			home, err := os.MkdirTemp("", "enshu-home")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(home) })
			if err := os.Chown(home, uid, -1); err != nil {
				t.Fatal(err)
			}
			u := &user{t, home, uid, fmt.Sprintf("test-%d-%d", os.Getpid(), uid)}
			t.Cleanup(func() { u.command(nil, "finish").Run() })
			f(t, u)
		})
	}
}

func (u *user) command(stdin *strings.Reader, args ...string) *exec.Cmd {
	if u.lab != "" {
		args = append([]string{"--lab", u.lab}, args...)
	}
	c := exec.Command("/proc/self/exe", args...)
	c.Env = append(os.Environ(), "ENSHU_TEST_COMMAND=1", "LANG=C", "HOME="+u.home, "XDG_CACHE_HOME="+filepath.Join(u.home, "cache"), "XDG_STATE_HOME="+filepath.Join(u.home, "state"))
	c.Dir = "/"
	if stdin != nil {
		c.Stdin = stdin
	}
	if u.uid != os.Getuid() {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(u.uid), Gid: uint32(u.uid)}}
	}
	return c
}

// enshu runs a command, wants its exit status, and returns what it printed.
func (u *user) enshu(want int, args ...string) string {
	u.t.Helper()
	var out, errs bytes.Buffer
	c := u.command(nil, args...)
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		u.t.Fatal(err)
	}
	if got := c.ProcessState.ExitCode(); got != want {
		u.t.Fatalf("enshu %s: exit status %d, want %d\n%s%s", strings.Join(args, " "), got, want, &out, &errs)
	}
	return out.String() + errs.String()
}

func TestLabFromStartToFinish(t *testing.T) {
	users(t, func(t *testing.T, u *user) {
		u.enshu(0, "start", "tcp-forwarding", "--name", u.lab, "--seed", "7")
		if out := u.enshu(2, "start", "tcp-forwarding", "--name", u.lab); !strings.Contains(out, "is running already") {
			t.Errorf("a second lab of the name: %s", out)
		}
		if out := u.enshu(1, "--lang", "en", "check"); !strings.Contains(out, "0 of 100 points") {
			t.Errorf("the untouched lab: %s", out)
		}
		if out := u.enshu(0, "hint"); !strings.Contains(out, "Hint 1 of") {
			t.Errorf("hint: %s", out)
		}
		u.enshu(0, "solve")
		if out := u.enshu(0, "--lang", "ja", "check"); !strings.Contains(out, "100 / 100 点") {
			t.Errorf("the solved lab: %s", out)
		}
		u.enshu(0, "exec", "client", "--", "logger", "-p", "user.info", "from the test")
		u.enshu(7, "exec", "server", "--", "bash", "-c", "exit 7")
		if out := u.enshu(0, "events", "--format", "json"); !strings.Contains(out, "from the test") {
			t.Error("the trace does not know of the message")
		}
		// Another user is one, or is told why there is none.
		if u.uid != os.Getuid() || kernel.FindIDs().Single {
			for command, status := range map[string]int{"su - linuc -c id": 126, "sudo -u linuc id": 1} {
				if out := u.enshu(status, append([]string{"exec", "client", "--"}, strings.Fields(command)...)...); !strings.Contains(out, "one user id only") {
					t.Errorf("%s: %s", command, out)
				}
			}
		} else {
			// In /root, where the other user may not be.
			for _, command := range []string{"su linuc -c id", "sudo -u linuc id"} {
				if out := u.enshu(0, append([]string{"exec", "client", "--"}, strings.Fields(command)...)...); !strings.Contains(out, "uid=1000(linuc)") {
					t.Errorf("%s: %s", command, out)
				}
			}
		}
		// What was made permanent survives a reboot, what was not does not.
		u.enshu(0, "exec", "server", "--", "bash", "-c", "firewall-cmd -q --add-port=9/tcp && echo kept > /root/kept")
		u.enshu(0, "reset", "--reboot", "server")
		if out := u.enshu(0, "exec", "server", "--", "bash", "-c", "cat /root/kept; firewall-cmd --list-ports"); !strings.Contains(out, "kept") || !strings.Contains(out, "514/tcp") || strings.Contains(out, "9/tcp") {
			t.Errorf("after the reboot: %s", out)
		}
		u.enshu(0, "reset", "server")
		if out := u.enshu(0, "exec", "server", "--", "bash", "-c", "ls /root; firewall-cmd --list-ports"); strings.TrimSpace(out) != "" {
			t.Errorf("after the reset: %s", out)
		}
		u.enshu(0, "finish")
		u.enshu(2, "check")
	})
}

func TestInputAndOutputOfExec(t *testing.T) {
	users(t, func(t *testing.T, u *user) {
		u.enshu(0, "start", "tcp-forwarding", "--name", u.lab)
		c := u.command(strings.NewReader("b\na\n"), "exec", "client", "--", "bash", "-c", "sort; echo oops >&2")
		var out, errs bytes.Buffer
		c.Stdout, c.Stderr = &out, &errs
		if err := c.Run(); err != nil {
			t.Fatal(err)
		}
		if out.String() != "a\nb\n" || errs.String() != "oops\n" {
			t.Errorf("stdout %q, stderr %q", &out, &errs)
		}
		// The machine's own tools tell the truth about our daemons.
		if out := u.enshu(0, "exec", "client", "--", "bash", "-c", "ps -o args= -p 1; ss -Hulnp; pgrep -x rsyslogd"); !strings.HasPrefix(out, "/usr/lib/systemd/systemd ") || !strings.Contains(out, `"chronyd"`) {
			t.Errorf("ps and ss: %s", out)
		}
		// A daemon that is killed is a failed unit, which systemd restarts.
		u.enshu(0, "exec", "client", "--", "bash", "-c", `old=$(pgrep -x rsyslogd); kill -9 $old
			for i in $(seq 100); do new=$(pgrep -x rsyslogd) && [ "$new" != "$old" ] && exit 0; done; exit 1`)
		u.enshu(0, "finish")
	})
}

// TestKillLeavesNothing kills the lab process: the kernel must have removed all
// that it had once it is gone.
func TestKillLeavesNothing(t *testing.T) {
	users(t, func(t *testing.T, u *user) {
		u.enshu(0, "start", "tcp-forwarding", "--name", u.lab)
		var all []session.Status
		if err := json.Unmarshal([]byte(u.enshu(0, "status", "--format", "json")), &all); err != nil || len(all) != 1 {
			t.Fatalf("status: %v, %d labs", err, len(all))
		}
		family := descendants(t, all[0].PID)
		if len(family) < 10 {
			t.Fatalf("the lab has only %d processes", len(family))
		}
		var fds []int
		for _, pid := range append(family, all[0].PID) {
			if fd, err := unix.PidfdOpen(pid, 0); err == nil {
				fds = append(fds, fd)
			}
		}
		if err := syscall.Kill(all[0].PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		for _, fd := range fds { // each ends; a survivor would hang the test
			for {
				if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1); err != unix.EINTR {
					break
				}
			}
			unix.Close(fd)
		}
		if names, err := session.Running(); err != nil || u.uid == os.Getuid() && slices.Contains(names, u.lab) {
			t.Errorf("still running: %v, %v", names, err)
		}
		mounts, _ := os.ReadFile("/proc/self/mounts")
		if bytes.Contains(mounts, []byte(u.home)) {
			t.Error("a mount is left")
		}
		u.enshu(0, "start", "tcp-forwarding", "--name", u.lab) // the name is free
		u.enshu(0, "finish")
	})
}

// descendants returns the processes below a process.
func descendants(t *testing.T, pid int) []int {
	t.Helper()
	var all []int
	tasks, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range tasks {
		b, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		for _, f := range strings.Fields(string(b)) {
			if child, err := strconv.Atoi(f); err == nil {
				all = append(append(all, child), descendants(t, child)...)
			}
		}
	}
	return all
}

func TestErrorsSayWhatToDo(t *testing.T) {
	u := &user{t, t.TempDir(), os.Getuid(), ""}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"start", "tcp-forwardin"}, `did you mean "tcp-forwarding"?`},
		{[]string{"start", "./missing.yaml"}, "no such file"},
		{[]string{"--lang", "fr", "list"}, "use ja or en"},
		{[]string{"start", "tcp-forwarding", "--name", "A B"}, "use lower-case letters"},
		{[]string{"check", "--lab", "nothing"}, "`enshu status` shows what runs"},
		{[]string{"check", "--format", "xml"}, "use text or json"},
		{[]string{"learn", "rsylog.conf"}, `did you mean "rsyslog.conf"?`},
		{[]string{"strat", "tcp-forwarding"}, `did you mean "start"?`},
		{[]string{"start"}, "the usage is `enshu start LAB"},
		{[]string{"clock", "advance", "1h", "2h"}, "\"2h\" is too many"},
		{[]string{"--lang", "ja", "start", "tcp-forwardin"}, `"tcp-forwarding" のことですか?`},
		{[]string{"--lang=ja", "start"}, "使い方は `enshu start LAB"},
		{[]string{"--lang", "ja", "check", "--lab", "nothing"}, "ラボ nothing は実行されていません"},
		{[]string{"--lang", "ja", "start", "--sed", "1", "drift"}, "`enshu start --help` で分かります"},
	} {
		if out := u.enshu(2, c.args...); !strings.Contains(out, c.want) {
			t.Errorf("enshu %s: %q lacks %q", strings.Join(c.args, " "), out, c.want)
		}
	}
}

// TestReading looks at what there is to read, as one who has just installed enshu.
func TestReading(t *testing.T) {
	u := &user{t, t.TempDir(), os.Getuid(), ""}
	for _, c := range []struct {
		args []string
		want []string // in this order
	}{
		{[]string{"--lang", "en", "list"}, []string{"1.09.1 Maintaining the system time\n  skewed-clock ", "1.09.2 System logs\n  tcp-forwarding ", "of the labs above: kernel-log"}},
		{[]string{"--lang", "ja", "list"}, []string{"1.09.1 システム時刻の管理\n  skewed-clock ", "読み物は `enshu learn 1.09.1`"}},
		{[]string{"--lang", "en", "show", "kernel-log"}, []string{"To read: enshu learn 1.09.2 · enshu learn troubleshooting\n"}},
		{[]string{"--lang", "en", "learn"}, []string{"1.09.2 System logs\n  rsyslog.conf, logger"}},
		{[]string{"--lang", "ja", "learn", "1.09.2"}, []string{"# 1.09.2"}},
		{[]string{"--lang", "en", "learn", "ss"}, []string{"# ss"}},
		{[]string{"--lang", "en", "--help"}, []string{"Usage:\n  enshu\n", "start       Start a lab"}},
		{[]string{"--lang", "ja", "--help"}, []string{"使い方:\n  enshu\n", "start       ラボを開始", "enshu の説明"}},
		{[]string{"--lang", "ja", "clock", "advance", "--help"}, []string{"ラボの時刻を進める\n", "フラグ:", "共通のフラグ:"}},
	} {
		rest := u.enshu(0, c.args...)
		for _, want := range c.want {
			_, after, found := strings.Cut(rest, want)
			if !found {
				t.Errorf("enshu %s: %q is not where it should be:\n%s", strings.Join(c.args, " "), want, rest)
				break
			}
			rest = after
		}
	}
}
