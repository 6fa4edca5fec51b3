package journald_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/memnet"
	"enshu/sim/sdjournal"
)

const conf = "/etc/systemd/journald.conf.d/t.conf"

// send writes datagrams to /dev/log.
func send(t *testing.T, h *memnet.Host, n int, text func(i int) string) {
	h.Do(nil, func(ctx context.Context, p *host.Proc) {
		c, err := p.Sys.Dial(ctx, "unixgram", "/dev/log")
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		for i := range n {
			if _, err := c.Write([]byte(text(i))); err != nil {
				t.Error(err)
				return
			}
		}
	})
	time.Sleep(time.Second)
}

// taken is what the files of a journal take, and how many they are.
func taken(h *memnet.Host, dir string) (size int64, files int) {
	h.Do(nil, func(_ context.Context, p *host.Proc) {
		var archived []sdjournal.Archived
		archived, size = sdjournal.Archives(p, dir)
		files = len(archived) + 1
	})
	return size, files
}

const (
	volatileDir   = "/run/log/journal/0123456789abcdef0123456789abcdef"
	persistentDir = "/var/log/journal/0123456789abcdef0123456789abcdef"
)

// A learner's loop of 200,000 messages: what is dropped is counted and told,
// and what is kept has its bounds.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := journaldHost(t, map[string]string{conf: "[Journal]\nRuntimeMaxUse=16M\nRateLimitIntervalSec=30s\nRateLimitBurst=2000\n"})
		const sent = 200_000
		send(t, h, sent, func(i int) string { return fmt.Sprintf("<14>flood: message %d", i) })
		time.Sleep(31 * time.Second)
		h.Run("logger", "-p", "user.info", "-t", "flood", "afterwards")
		time.Sleep(time.Second)
		kept := 0
		for _, e := range entries(t, h) {
			if strings.HasPrefix(e.Get("MESSAGE"), "message ") {
				kept++
			}
		}
		r := h.Run("journalctl", "-q", "--no-pager", "-o", "cat", "-t", "systemd-journald", "-g", "Suppressed")
		words := strings.Fields(r.Stdout)
		if len(words) < 5 {
			t.Fatalf("nothing was told: %q", r.Stdout)
		}
		lost, err := strconv.Atoi(words[1])
		if err != nil || kept == 0 || kept+lost != sent || !strings.HasSuffix(r.Stdout, " messages from user-0.slice\n") {
			t.Errorf("%d kept of %d, told %q", kept, sent, r.Stdout)
		}
		if size, _ := taken(h, volatileDir); size > 16<<20 {
			t.Errorf("the journal takes %d bytes", size)
		}
	})
}

// Without a rate limit the files have their bounds all the same, and the newest
// messages are those that are kept.
func TestMaxUse(t *testing.T) {
	for name, c := range map[string]struct {
		conf, dir string
		most      int64
	}{
		"runtime":    {"Storage=volatile\nRuntimeMaxUse=20M\nRuntimeMaxFileSize=1M\n", volatileDir, 20 << 20},
		"persistent": {"Storage=persistent\nSystemMaxUse=20M\nSystemMaxFileSize=1M\n", persistentDir, 20 << 20},
		"keep free":  {"Storage=persistent\nSystemKeepFree=1000T\nSystemMaxFileSize=1M\n", persistentDir, 16 << 20},
		"files":      {"Storage=volatile\nRuntimeMaxFiles=2\nRuntimeMaxFileSize=1M\n", volatileDir, 1 << 40},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, _ := journaldHost(t, map[string]string{conf: "[Journal]\nRateLimitBurst=0\n" + c.conf})
				const sent = 40_000
				send(t, h, sent, func(i int) string { return fmt.Sprintf("<14>flood: message %d %s", i, strings.Repeat("x", 100)) })
				size, files := taken(h, c.dir)
				if size > c.most || size < 8<<20 || name == "files" && files > 2 {
					t.Errorf("%d files of %d bytes", files, size)
				}
				all := entries(t, h)
				if len(all) >= sent {
					t.Fatalf("%d entries: nothing was removed", len(all))
				}
				if last := all[len(all)-1].Get("MESSAGE"); !strings.HasPrefix(last, fmt.Sprint("message ", sent-1)) {
					t.Errorf("the last one is %q", last)
				}
			})
		})
	}
}

// A file is closed when its first entry is older than MaxFileSec=, and removed
// when it is older than MaxRetentionSec=.
func TestAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := journaldHost(t, map[string]string{conf: "[Journal]\nMaxFileSec=1h\nMaxRetentionSec=3h\n"})
		for i := range 6 {
			h.Run("logger", "-t", "app", fmt.Sprint("hour ", i))
			time.Sleep(time.Hour + time.Minute)
		}
		h.Run("logger", "-t", "app", "now")
		time.Sleep(time.Second)
		r := h.Run("journalctl", "-q", "--no-pager", "-o", "cat", "-t", "app")
		if !strings.HasSuffix(r.Stdout, "hour 5\nnow\n") || strings.Contains(r.Stdout, "hour 2\n") {
			t.Errorf("left are %q", r.Stdout)
		}
		if _, files := taken(h, volatileDir); files < 2 {
			t.Errorf("%d files: none was closed", files)
		}
	})
}

// The persistent journal is there after a reboot, the volatile one is not.
func TestReboot(t *testing.T) {
	for storage, want := range map[string]string{"persistent": "before\nafter\n", "volatile": "after\n", "auto": "after\n"} {
		synctest.Test(t, func(t *testing.T) {
			h, d := journaldHost(t, map[string]string{conf: "[Journal]\nStorage=" + storage + "\n"})
			h.Run("logger", "-t", "app", "before")
			time.Sleep(time.Second)
			d.Stop()
			h.Do(nil, func(_ context.Context, p *host.Proc) {
				libc.RemoveAll(p, "/run/log")
				libc.RemoveAll(p, "/run/systemd")
				libc.MkdirAll(p, "/run/systemd", 0o755)
			})
			h.WriteFile("/run/systemd/boot-id", "22222222222222222222222222222222\n")
			h.Start("/usr/lib/systemd/systemd-journald")
			h.Run("logger", "-t", "app", "after")
			time.Sleep(time.Second)
			if r := h.Run("journalctl", "-q", "--no-pager", "-o", "cat", "-t", "app"); r.Stdout != want {
				t.Errorf("%s: %q", storage, r.Stdout)
			}
			if r := h.Run("journalctl", "-q", "--no-pager", "-o", "cat", "-t", "app", "-b", "-1"); storage == "persistent" && r.Stdout != "before\n" {
				t.Errorf("of the boot before: %q %q", r.Stdout, r.Stderr)
			}
		})
	}
}
