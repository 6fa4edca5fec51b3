package rsyslog

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/host"
	"enshu/sim/memnet"
	"enshu/sim/rsyslog/logger"
	"enshu/sim/trace"
)

const badInputHead = `global(workDirectory="/var/lib/rsyslog")
module(load="builtin:omfile" Template="RSYSLOG_TraditionalFileFormat")
module(load="imuxsock")
`

// badInputHost is a host whose rsyslogd is not started yet.
func badInputHost(t *testing.T, n *memnet.Network, rules string) *memnet.Host {
	h := n.Host(t, memnet.Config{Name: testHost, Addrs: []string{"192.0.2.1/24", "127.0.0.1/8"},
		Programs: map[string]host.Program{"/usr/sbin/rsyslogd": Rsyslogd, "/usr/bin/logger": logger.Program}})
	h.Symlink("../run", "/var/run")
	h.MkdirAll("/var/lib/rsyslog", 0o755)
	h.MkdirAll("/var/log", 0o755)
	h.WriteFile("/etc/rsyslog.conf", badInputHead+rules)
	return h
}

// logOne logs a message and lets the daemon handle it.
func logOne(h *memnet.Host, args ...string) {
	h.Run(append([]string{"logger", "-p", "user.info"}, args...)...)
	time.Sleep(100 * time.Millisecond)
}

// bare is a log without the times and the host.
func bare(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		_, line, _ = strings.Cut(line, testHost+" ")
		b.WriteString(line)
	}
	return b.String()
}

// A log file in an odd place: what the real daemon was seen to write and say.
// The rule after it is never disturbed.
func TestOddLogFiles(t *testing.T) {
	const both = "root: one\nroot: two\n"
	tests := []struct {
		name  string
		setup func(h *memnet.Host)
		want  map[string]string
		says  string // once, on standard error; nothing else is said there
	}{
		{"symlink", func(h *memnet.Host) {
			h.WriteFile("/srv/real", testHost+" old\n")
			h.Symlink("../../srv/real", "/var/log/app")
		}, map[string]string{"/srv/real": "old\n" + both}, ""},
		{"symlink to what is not there yet", func(h *memnet.Host) {
			h.MkdirAll("/srv", 0o755)
			h.Symlink("/srv/real", "/var/log/app")
		}, map[string]string{"/srv/real": both}, ""},
		{"symlink into a directory that is not there", func(h *memnet.Host) { h.Symlink("/srv/none/real", "/var/log/app") },
			nil, "file '/var/log/app': open error: No such file or directory [v" + Version + " try https://www.rsyslog.com/e/2040 ]"},
		{"symlink to itself", func(h *memnet.Host) { h.Symlink("app", "/var/log/app") },
			nil, "file '/var/log/app': open error: Too many levels of symbolic links [v" + Version + " try https://www.rsyslog.com/e/2433 ]"},
		{"directory", func(h *memnet.Host) { h.MkdirAll("/var/log/app", 0o755) },
			nil, "file '/var/log/app': open error: Is a directory [v" + Version + " try https://www.rsyslog.com/e/2433 ]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := badInputHost(t, memnet.New(t), "user.* /var/log/app\nuser.* /var/log/all\n")
				tt.setup(h)
				d := h.Start("/usr/sbin/rsyslogd", "-n")
				logOne(h, "one")
				logOne(h, "two")
				if st := d.Stop(); st.Code != 0 {
					t.Errorf("ended with %v", st)
				}
				if got := bare(h.ReadFile("/var/log/all")); got != both {
					t.Errorf("the next rule wrote %q", got)
				}
				for name, want := range tt.want {
					if got := bare(h.ReadFile(name)); got != want {
						t.Errorf("%s: %q, want %q", name, got, want)
					}
				}
				want := ""
				if tt.says != "" {
					want = "rsyslogd: " + tt.says + "\n"
				}
				if got := d.Stderr.String(); got != want {
					t.Errorf("said\n%swant\n%s", got, want)
				}
			})
		})
	}
}

// A fifo that nobody reads holds nothing up, neither messages nor the end; once
// it has a reader, messages come after the next try.
func TestLogFileIsFifoWithoutReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := badInputHost(t, memnet.New(t), "user.* /var/log/app\nuser.* /var/log/all\n")
		if err := h.Sys().Mkfifo("/var/log/app", 0o600); err != nil {
			t.Fatal(err)
		}
		d := h.Start("/usr/sbin/rsyslogd", "-n")
		logOne(h, "one")
		logOne(h, "two")
		if got := bare(h.ReadFile("/var/log/all")); got != "root: one\nroot: two\n" {
			t.Errorf("the next rule wrote %q", got)
		}
		if got := d.Stderr.String(); strings.Count(got, "file '/var/log/app': open error: No such device or address") != 1 {
			t.Errorf("said %q", got)
		}
		f, err := os.OpenFile(filepath.Join(h.Dir(), "/var/log/app"), os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		time.Sleep(time.Minute)
		logOne(h, "three")
		b := make([]byte, 1000)
		n, _ := f.Read(b)
		if got := bare(string(b[:n])); got != "root: three\n" {
			t.Errorf("the reader got %q", got)
		}
		f.Close()
		logOne(h, "four") // nobody reads any more
		if st := d.Stop(); st.Code != 0 {
			t.Errorf("ended with %v", st)
		}
		if got := bare(h.ReadFile("/var/log/all")); !strings.HasSuffix(got, "root: three\nroot: four\n") {
			t.Errorf("the next rule wrote %q", got)
		}
	})
}

// Without the right to write a daemon says so: once of a file, with each message
// of a directory that it cannot make. Both are mended without a restart.
func TestLogDirectoryNotWritable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := badInputHost(t, memnet.New(t), `input(type="imuxsock" socket="/run/rsyslog/log")
user.* /srv/app
user.* /srv/sub/app
user.* /var/log/all
`)
		h.WriteFile("/etc/rsyslog.conf", strings.Replace(h.ReadFile("/etc/rsyslog.conf"), `"imuxsock")`, `"imuxsock" SysSock.Use="off")`, 1))
		cred := host.Cred{UID: 104, GID: 104}
		for _, dir := range []string{"/run/rsyslog", "/var/log", "/var/lib/rsyslog"} {
			h.MkdirAll(dir, 0o755)
			h.Chown(dir, cred.UID, cred.GID)
		}
		h.MkdirAll("/srv", 0o755)
		d := h.StartCmd(host.Cmd{Args: []string{"/usr/sbin/rsyslogd", "-n", "-i", "/run/rsyslog/pid"}, Cred: &cred, Session: true})
		logOne(h, "-u", "/run/rsyslog/log", "one")
		logOne(h, "-u", "/run/rsyslog/log", "two")
		said := d.Stderr.String()
		for text, times := range map[string]int{
			"rsyslogd: file '/srv/app': open error: Permission denied [v" + Version + " try https://www.rsyslog.com/e/2433 ]\n": 1,
			"rsyslogd: error during config processing: omfile: creating parent directories for file  '/srv/sub/app' failed: Permission denied [v" +
				Version + " try https://www.rsyslog.com/e/2207 ]\n": 2,
		} {
			if n := strings.Count(said, text); n != times {
				t.Errorf("%d times, want %d: %s in\n%s", n, times, text, said)
			}
		}
		h.Chmod("/srv", 0o777)
		logOne(h, "-u", "/run/rsyslog/log", "three") // a file is suspended, a directory is not
		time.Sleep(time.Minute)
		logOne(h, "-u", "/run/rsyslog/log", "four")
		d.Stop()
		for name, want := range map[string]string{"/var/log/all": "root: one\nroot: two\nroot: three\nroot: four\n", "/srv/sub/app": "root: three\nroot: four\n", "/srv/app": "root: four\n"} {
			if got := bare(h.ReadFile(name)); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	})
}

// Of dynamic names a bad one loses its own messages only, and is told of once.
func TestDynamicFileCannotBeOpened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := badInputHost(t, memnet.New(t), "template(name=\"F\" type=\"string\" string=\"/var/log/%programname%.log\")\nuser.* ?F\n")
		h.MkdirAll("/var/log/bad.log", 0o755)
		d := h.Start("/usr/sbin/rsyslogd", "-n")
		for range 3 {
			for _, tag := range []string{"bad", "good", "bad", "fine"} {
				h.Run("logger", "-p", "user.info", "-t", tag, "text") // several in a batch
			}
		}
		time.Sleep(100 * time.Millisecond)
		d.Stop()
		for _, tag := range []string{"good", "fine"} {
			if got, want := bare(h.ReadFile("/var/log/"+tag+".log")), strings.Repeat(tag+": text\n", 3); got != want {
				t.Errorf("%s: %q, want %q", tag, got, want)
			}
		}
		if got, want := d.Stderr.String(), "rsyslogd: file '/var/log/bad.log': open error: Is a directory [v"+Version+" try https://www.rsyslog.com/e/2433 ]\n"; got != want {
			t.Errorf("said\n%swant\n%s", got, want)
		}
	})
}

// A full disk is told of with each message that it loses; the daemon and its
// other files go on, and the file once there is room.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := badInputHost(t, memnet.New(t), "user.* /var/log/app\nuser.* /var/log/all\n")
		h.Symlink("/dev/full", "/var/log/app") // a disk that has no room
		d := h.Start("/usr/sbin/rsyslogd", "-n")
		logOne(h, "one")
		logOne(h, "two")
		said := d.Stderr.String()
		for _, text := range []string{
			"] write error - see https://www.rsyslog.com/solving-rsyslog-write-errors/ for help OS error: No space left on device [v" + Version + " try https://www.rsyslog.com/e/2027 ]\n",
			"rsyslogd: action 'action-0-builtin:omfile' (module 'builtin:omfile') message lost, could not be processed. Check for additional error messages before this one. [v" + Version + " try https://www.rsyslog.com/e/2027 ]\n",
		} {
			if n := strings.Count(said, text); n != 2 {
				t.Errorf("%d times, want 2: %s in\n%s", n, text, said)
			}
		}
		h.Remove("/var/log/app") // a disk that has room
		d.Signal(syscall.SIGHUP)
		time.Sleep(100 * time.Millisecond)
		logOne(h, "three")
		d.Stop()
		for name, want := range map[string]string{"/var/log/all": "root: one\nroot: two\nroot: three\n", "/var/log/app": "root: three\n"} {
			if got := bare(h.ReadFile(name)); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	})
}

// A flood of datagrams while the rules are held up: the main queue is full, the
// memory of the daemon grows no further, and what was dropped is counted in the
// trace to the next thousand.
func TestFloodOfDatagrams(t *testing.T) {
	const flood, burst = 200_000, 200 // a burst fits into the buffer of a socket
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(t)
		h := badInputHost(t, n, `module(load="imudp")
input(type="imudp" port="514")
*.* @@192.0.2.10:514
*.* action(type="omfile" file="/var/log/flood")
`)
		silent := n.Host(t, memnet.Config{Name: "silent", Addrs: []string{"192.0.2.10/24"}})
		n.Link(h, silent, memnet.Link{Down: true}) // it takes minutes to find that nobody answers
		d := h.Start("/usr/sbin/rsyslogd", "-n")
		var heap []uint64
		h.Do(nil, func(ctx context.Context, p *host.Proc) {
			c, err := p.Sys.Dial(ctx, "udp4", "127.0.0.1:514")
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			text := []byte("<14>Nov 22 01:02:03 web flood: " + strings.Repeat("x", 200))
			for i := range flood {
				if _, err := c.Write(text); err != nil {
					t.Error(err)
					return
				}
				if i%burst == burst-1 {
					p.Sleep(ctx, time.Millisecond)
				}
				if i == mainQueueSize*3/2 || i == flood-1 {
					runtime.GC()
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					heap = append(heap, m.HeapAlloc)
				}
			}
		})
		if len(heap) == 2 && heap[1] > heap[0]+10<<20 {
			t.Errorf("the daemon grew from %d to %d MiB though its queue was full", heap[0]>>20, heap[1]>>20)
		}
		time.Sleep(30 * time.Minute)
		d.Stop()
		wrote := strings.Count(h.ReadFile("/var/log/flood"), "flood: x")
		told := 0
		for _, e := range h.Trace.Since(0) {
			if e.Kind == trace.MessageDropped && strings.HasPrefix(e.Attrs["reason"], "main queue full") {
				fmt.Sscanf(e.Attrs["reason"], "main queue full, %d so far", &told)
			}
		}
		if wrote < mainQueueSize || wrote > mainQueueSize+batchSize || flood-wrote < told || flood-wrote >= told+1000 {
			t.Errorf("wrote %d, told of %d, of %d", wrote, told, flood)
		}
	})
}

// Loggers in tight loops lose nothing and keep their order, each for itself.
func TestTightLoopOfLogger(t *testing.T) {
	const loops, each = 4, 500
	synctest.Test(t, func(t *testing.T) {
		h := badInputHost(t, memnet.New(t), "user.* /var/log/all\n")
		d := h.Start("/usr/sbin/rsyslogd", "-n")
		for loop := range loops {
			h.Go(nil, func(ctx context.Context, p *host.Proc) int {
				for i := range each {
					c, err := p.Start(host.Cmd{Path: "/usr/bin/logger", Args: []string{"logger", "-t", "loop" + strconv.Itoa(loop), strconv.Itoa(i)}})
					if err != nil {
						t.Error(err)
						return 1
					}
					if st, err := c.Wait(ctx); err != nil || st.Code != 0 {
						t.Errorf("logger: %v %v", st, err)
					}
				}
				return 0
			})
		}
		time.Sleep(time.Second)
		d.Stop()
		next := map[string]int{}
		for line := range strings.Lines(bare(h.ReadFile("/var/log/all"))) {
			var loop string
			var i int
			if _, err := fmt.Sscanf(line, "%s %d\n", &loop, &i); err != nil || i != next[loop] {
				t.Fatalf("%q where %d was to come (%v)", line, next[loop], err)
			}
			next[loop]++
		}
		for loop := range loops {
			if got := next["loop"+strconv.Itoa(loop)+":"]; got != each {
				t.Errorf("%d of %d messages of loop %d", got, each, loop)
			}
		}
	})
}
