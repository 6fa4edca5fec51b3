package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"enshu/cmd/enshu/session"
)

// TestSignalsDuringStart ends `enshu start` at many moments. Whatever it was
// doing, nothing may be left of the lab, and the next start works.
func TestSignalsDuringStart(t *testing.T) {
	users(t, func(t *testing.T, u *user) {
		began := time.Now()
		u.enshu(0, "start", "tcp-forwarding", "--name", u.lab)
		usual := time.Since(began)
		u.enshu(0, "finish")
		for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGKILL} {
			for range 6 {
				var errs bytes.Buffer
				c := u.command(nil, "start", "tcp-forwarding", "--name", u.lab, "--lang", "en")
				c.Stderr = &errs
				if err := c.Start(); err != nil {
					t.Fatal(err)
				}
				moment := rand.N(usual)
				timer := time.AfterFunc(moment, func() { c.Process.Signal(sig) })
				c.Wait()
				timer.Stop()
				said := errs.String()
				up := strings.Contains(said, "hosts are up")
				switch code := c.ProcessState.ExitCode(); {
				case up:
					u.enshu(0, "finish")
				case code != 2 && c.ProcessState.Sys().(syscall.WaitStatus).Signal() != sig: // before anything was done
					t.Errorf("%v after %v: exit status %d: %s", sig, moment, code, said)
				}
				if !up {
					u.awaitEnd()
				}
				if pids := processesOf(t, u.lab); len(pids) > 0 {
					t.Errorf("%v after %v: processes %v are left", sig, moment, pids)
				}
			}
		}
		u.enshu(0, "start", "tcp-forwarding", "--name", u.lab)
		u.enshu(0, "finish")
		u.wantTidy()
	})
}

// awaitEnd returns once nobody holds the name of the user's lab, which is what
// the kernel sees to when the lab's process has ended.
func (u *user) awaitEnd() {
	u.t.Helper()
	c, err := net.Dial("unix", "@enshu/"+strconv.Itoa(u.uid)+"/"+u.lab)
	if err != nil {
		return
	}
	defer c.Close()
	io.Copy(io.Discard, c) // to the end of the process; a survivor hangs the test
}

// processesOf returns the processes that have the lab's name in their arguments.
func processesOf(t *testing.T, lab string) []string {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err == nil && bytes.Contains(b, []byte("\x00"+lab+"\x00")) {
			found = append(found, name)
		}
	}
	return found
}

// wantTidy checks that the user's folders have nothing but the key and one set
// of unpacked packages.
func (u *user) wantTidy() {
	u.t.Helper()
	var files []string
	sets := 0
	filepath.WalkDir(u.home, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		rel, _ := filepath.Rel(u.home, path)
		if filepath.Dir(rel) == "cache/enshu" && d.IsDir() {
			sets++
			return fs.SkipDir
		}
		if !d.IsDir() && rel != "cache/enshu/lock" && rel != "state/enshu/key" {
			files = append(files, rel)
		}
		return nil
	})
	if len(files) > 0 || sets > 1 {
		u.t.Errorf("left: %q, and %d sets of packages", files, sets)
	}
}

// TestTwoLabsOfAName starts labs of one name at the same time: one runs, the
// others are told so and do not harm it.
func TestTwoLabsOfAName(t *testing.T) {
	users(t, func(t *testing.T, u *user) {
		var wg sync.WaitGroup
		said := make([]string, 6)
		codes := map[int]int{}
		var mu sync.Mutex
		for i := range said {
			wg.Go(func() {
				c := u.command(nil, "start", "tcp-forwarding", "--name", u.lab, "--lang", "en")
				out, _ := c.CombinedOutput()
				mu.Lock()
				defer mu.Unlock()
				said[i] = string(out)
				codes[c.ProcessState.ExitCode()]++
			})
		}
		wg.Wait()
		if codes[0] != 1 || codes[2] != len(said)-1 {
			t.Fatalf("exit statuses %v: %q", codes, said)
		}
		refused := 0
		for _, s := range said {
			if strings.Contains(s, "is running already") {
				refused++
			}
		}
		if refused != len(said)-1 {
			t.Errorf("said %q", said)
		}
		u.enshu(0, "exec", "server", "--", "true")
		u.enshu(0, "finish")
		u.wantTidy()
	})
}

// TestNoRoom starts labs where a disk is full: in the folder of the key and the
// logs, and in that of the unpacked packages.
func TestNoRoom(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root mounts a small disk")
	}
	for _, dir := range []string{"state/enshu", "/var/cache/enshu"} {
		t.Run(filepath.Base(filepath.Dir(dir)), func(t *testing.T) {
			u := &user{t, t.TempDir(), 0, "test-" + strconv.Itoa(os.Getpid()) + "-room"}
			os.Chmod(filepath.Dir(u.home), 0o755) // which the lab's root, who is not root, must pass
			os.Chmod(u.home, 0o755)
			full := dir
			if !filepath.IsAbs(full) {
				full = filepath.Join(u.home, dir)
			}
			if err := os.MkdirAll(full, 0o755); err != nil {
				t.Fatal(err)
			}
			inner := u.command(nil, "start", "tcp-forwarding", "--name", u.lab, "--lang", "en")
			script := `mount -t tmpfs -o size=64k,mode=777 tmpfs "$0" && { head -c 65536 /dev/zero >"$0/full" || true; } && "$@"; code=$?; rm "$0/full"; find "$0" -type f; exit $code`
			c := exec.Command("/bin/bash", append([]string{"-c", script, full, "/proc/" + strconv.Itoa(os.Getpid()) + "/exe"}, inner.Args[1:]...)...)
			c.Env = inner.Env
			c.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
			out, _ := c.CombinedOutput()
			if code := c.ProcessState.ExitCode(); code != 2 || !strings.Contains(string(out), "no space left on device") {
				t.Errorf("exit status %d: %s", code, out)
			}
			if names, err := session.Running(); err != nil || strings.Contains(strings.Join(names, " "), u.lab) {
				t.Errorf("running: %v, %v", names, err)
			}
		})
	}
}

// A lab's values are others each time: show tells those of the one that runs.
func TestShowTheRunningLab(t *testing.T) {
	u := &user{t, t.TempDir(), os.Getuid(), "values"}
	lab := u.file("values.yaml")
	u.enshu(0, "start", lab, "--name", u.lab, "--seed", "7")
	defer u.enshu(0, "finish")
	word := strings.TrimSpace(u.enshu(0, "exec", "h1", "--", "cat", "/etc/word"))
	if len(word) != 12 {
		t.Fatalf("the lab's word is %q", word)
	}
	if out := u.enshu(0, "show"); !strings.Contains(out, "Write "+word+" ") {
		t.Errorf("show does not say %q:\n%s", word, out)
	}
	if out := u.enshu(0, "exec", "h1", "--", "tasks"); !strings.Contains(out, "Write "+word+" ") {
		t.Errorf("tasks in the host does not say %q:\n%s", word, out)
	}
	if out := u.enshu(0, "show", lab); strings.Contains(out, word) || !strings.Contains(out, "Write ") {
		t.Errorf("show of the file is of some attempt:\n%s", out)
	}
}

// A shell may be left while something that it started still has its terminal: as
// with ssh -t, that does not keep anybody.
func TestLeaveAShellWithABackgroundJob(t *testing.T) {
	users(t, func(t *testing.T, u *user) {
		u.enshu(0, "start", "tcp-forwarding", "--name", u.lab, "--seed", "1")
		defer u.enshu(0, "finish")
		for _, job := range []string{"sleep 1000 &", "nohup sleep 1000 &", "sleep 1000 & kill -STOP $!"} {
			c, far := u.terminal("exec", "client", "--", "bash", "-c", job+"\nseq 20000; echo end of it")
			stop := time.AfterFunc(30*time.Second, func() { c.Process.Kill() })
			readUntil(t, far, "\n20000\r\nend of it")
			if err := c.Wait(); err != nil {
				t.Errorf("%s: %v", job, err)
			}
			stop.Stop()
		}
	})
}

// terminal starts a command on a new terminal, of which it is the session.
func (u *user) terminal(args ...string) (*exec.Cmd, *os.File) {
	u.t.Helper()
	far, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		u.t.Fatal(err)
	}
	u.t.Cleanup(func() { far.Close() })
	if err := unix.IoctlSetPointerInt(int(far.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		u.t.Fatal(err)
	}
	fd, _, errno := unix.Syscall(unix.SYS_IOCTL, far.Fd(), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		u.t.Fatal(errno)
	}
	near := os.NewFile(fd, "terminal")
	defer near.Close()
	c := u.command(nil, args...)
	c.Stdin, c.Stdout, c.Stderr = near, near, near
	if c.SysProcAttr == nil {
		c.SysProcAttr = &syscall.SysProcAttr{}
	}
	c.SysProcAttr.Setsid, c.SysProcAttr.Setctty = true, true
	if err := c.Start(); err != nil {
		u.t.Fatal(err)
	}
	return c, far
}

// readUntil reads a terminal until a text has come, and returns what was there.
func readUntil(t testing.TB, far *os.File, text string) string {
	t.Helper()
	var all []byte
	buf := make([]byte, 4096)
	for !bytes.Contains(all, []byte(text)) {
		n, err := far.Read(buf)
		if err != nil {
			t.Fatalf("%v; before: %s", err, all)
		}
		all = append(all, buf[:n]...)
	}
	return string(all)
}

// TestTerminalThatVanishes closes the terminal of `enshu shell` and `enshu run`:
// the shell on the host goes with the one, the lab with the other.
func TestTerminalThatVanishes(t *testing.T) {
	users(t, func(t *testing.T, u *user) {
		u.enshu(0, "start", "tcp-forwarding", "--name", u.lab)
		c, far := u.terminal("shell", "client")
		io.WriteString(far, "exec -a marked bash\necho $((6*7))\n")
		readUntil(t, far, "42")
		far.Close()
		var exit *exec.ExitError
		if err := c.Wait(); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		// The shell has had its SIGHUP when its terminal's last reader is gone.
		u.enshu(0, "exec", "client", "--", "bash", "-c", "while pgrep -xf marked >/dev/null; do :; done")
		u.enshu(0, "finish")

		for name, end := range map[string]func(*exec.Cmd, *os.File){
			"closed": func(_ *exec.Cmd, far *os.File) { far.Close() },
			"killed": func(c *exec.Cmd, _ *os.File) { c.Process.Kill() },
		} {
			c, far = u.terminal("run", "tcp-forwarding", "--name", u.lab)
			readUntil(t, far, "~]#")
			end(c, far)
			c.Wait()
			u.awaitEnd()
			if pids := processesOf(t, u.lab); len(pids) > 0 {
				t.Errorf("%s: processes %v are left", name, pids)
			}
		}
	})
}
