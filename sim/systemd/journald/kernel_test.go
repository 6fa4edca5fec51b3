package journald_test

import (
	"syscall"
	"testing"
	"testing/synctest"

	"enshu/sim/host"
	"enshu/sim/memnet"
)

// FuzzKernelRecord logs any text as the kernel: journald takes it and goes on.
func FuzzKernelRecord(f *testing.F) {
	f.Add(6, "eth0: link up")
	f.Add(14, "systemd[1]: text")
	f.Add(-3, "a\x00b\nc [x]: ")
	f.Fuzz(func(t *testing.T, priority int, text string) {
		synctest.Test(t, func(t *testing.T) {
			h := memnet.New(t).Host(t, memnet.Config{Name: "server1", Programs: programs(), Seed: 1})
			h.WriteFile("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
			d := h.Spawn(host.Cmd{Args: []string{"/usr/lib/systemd/systemd-journald"}})
			synctest.Wait()
			h.Kmsg.Append(priority, text)
			h.Kmsg.Append(6, "the last one")
			synctest.Wait()
			if r := h.Run("journalctl", "-q", "--no-pager", "-n", "1", "-o", "cat", "_TRANSPORT=kernel"); r.Stdout != "the last one\n" {
				t.Errorf("after %d %q: %q %q", priority, text, r.Stdout, r.Stderr)
			}
			d.Signal(syscall.SIGTERM)
			d.End()
		})
	})
}
