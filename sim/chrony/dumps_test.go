package chrony_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/memnet"
)

// TestDumps keeps the measurements over a restart with -r.
func TestDumps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(t)
		s := n.Host(t, memnet.Config{Name: "s", Addrs: []string{"192.0.2.1/24"}, Programs: programs})
		c := n.Host(t, memnet.Config{Name: "c", Addrs: []string{"192.0.2.2/24"}, Programs: programs})
		s.WriteFile("/etc/chrony.conf", "local stratum 1\nallow\n")
		c.WriteFile("/etc/chrony.conf", "server 192.0.2.1 minpoll 2\nserver 192.0.2.9\ndumpdir /var/lib/chrony/dump\n")
		for _, h := range []*memnet.Host{s, c} {
			h.WriteFile("/etc/passwd", passwd)
			h.MkdirAll("/run", 0o755)
		}
		s.Start("/usr/sbin/chronyd", "-d")
		first := c.Start("/usr/sbin/chronyd", "-d")
		time.Sleep(time.Minute)
		c.Run("/usr/bin/chronyc", "dump")
		if text := c.ReadFile("/var/lib/chrony/dump/192.0.2.1.dat"); !strings.HasPrefix(text, "SRC0\n192.0.2.1\n0 377 8 1 0\n") {
			t.Errorf("dump:\n%s", text)
		}
		first.Stop()
		second := c.Start("/usr/sbin/chronyd", "-d", "-r")
		time.Sleep(100 * time.Millisecond) // before any request
		if out := c.Run("/usr/bin/chronyc", "-n", "-c", "sources").Stdout; !strings.HasPrefix(out, "^,*,192.0.2.1,1,2,377,") {
			t.Errorf("sources right after the restart:\n%s", out)
		}
		if log := second.Stderr.String(); !strings.Contains(log, "Loaded dump file for 192.0.2.1\n") || !strings.Contains(log, "Selected source 192.0.2.1\n") {
			t.Errorf("log:\n%s", log)
		}
		if _, err := c.Sys().Stat("/var/lib/chrony/dump/192.0.2.1.dat"); err == nil {
			t.Error("the dump file is still there")
		}
	})
}
