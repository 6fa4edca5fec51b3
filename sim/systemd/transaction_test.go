package systemd_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestTransactions: what one request brings for other units, as a PID 1 of
// version 252 did it with the same unit files.
func TestTransactions(t *testing.T) {
	units := map[string]string{
		"a":       "[Service]\nExecStart=/bin/sleep 1000\n",
		"part":    "[Unit]\nPartOf=a.service\n[Service]\nExecStart=/bin/sleep 1000\n",
		"bound":   "[Unit]\nBindsTo=a.service\nAfter=a.service\n[Service]\nExecStart=/bin/sleep 1000\n",
		"c1":      "[Unit]\nAfter=c2.service\nRequires=c2.service\n[Service]\nExecStart=/bin/sleep 1000\n",
		"c2":      "[Unit]\nAfter=c3.service\nWants=c3.service\n[Service]\nExecStart=/bin/sleep 1000\n",
		"c3":      "[Unit]\nAfter=c1.service\n[Service]\nExecStart=/bin/sleep 1000\n",
		"both":    "[Unit]\nRequires=a.service\nConflicts=a.service\n[Service]\nExecStart=/bin/sleep 1000\n",
		"needs":   "[Unit]\nRequisite=c3.service\nAfter=c3.service\n[Service]\nExecStart=/bin/sleep 1000\n",
		"round":   "[Unit]\nAfter=round2.service\nRequires=round2.service\n[Service]\nExecStart=/bin/sleep 1000\n",
		"round2":  "[Unit]\nAfter=round.service\n[Service]\nExecStart=/bin/sleep 1000\n",
		"fails":   "[Unit]\nOnFailure=handler.service\n[Service]\nExecStart=/bin/false\n",
		"handler": "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n",
	}
	steps := []struct {
		run, stdout, stderr string
	}{
		{"systemctl start bound part", "", ""},
		{"systemctl restart a", "", ""},
		{"systemctl is-active a bound part", "active\nactive\nactive\n", ""},
		{"systemctl stop a", "", ""},
		{"systemctl is-active a bound part", "inactive\ninactive\ninactive\n", ""},
		{"systemctl start c1", "", ""}, // the circle is broken at what c2 only wants
		{"systemctl is-active c1 c2 c3", "active\nactive\ninactive\n", ""},
		{"systemctl start both", "", "Failed to start both.service: Transaction contains conflicting jobs 'stop' and 'start' for both.service. Probably contradicting requirement dependencies configured.\nSee system logs and 'systemctl status both.service' for details.\n"},
		{"systemctl start needs", "", "A dependency job for needs.service failed. See 'journalctl -xe' for details.\n"},
		{"systemctl start round", "", "Failed to start round.service: Transaction order is cyclic. See system logs for details.\nSee system logs and 'systemctl status round.service' for details.\n"},
		{"systemctl start fails", "", ""},
		{"systemctl is-active handler", "active\n", ""},
		{"systemctl isolate multi-user.target", "", ""},
		{"systemctl is-active c1 systemd-journald systemd-journald.socket sysinit.target rsyslog", "inactive\nactive\nactive\nactive\nactive\n", ""},
	}
	synctest.Test(t, func(t *testing.T) {
		h := machine(t)
		h.Boot("/usr/lib/systemd/systemd")
		for name, text := range units {
			h.WriteFile("/etc/systemd/system/"+name+".service", text)
		}
		for _, s := range steps {
			r := h.Run(strings.Fields(s.run)...)
			time.Sleep(100 * time.Millisecond)
			if r.Stdout != s.stdout || r.Stderr != s.stderr {
				t.Errorf("%s: %q %q, want %q %q", s.run, r.Stdout, r.Stderr, s.stdout, s.stderr)
			}
		}
	})
}

// TestPathUnit: a path unit starts its service when the file is there.
func TestPathUnit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := machine(t)
		h.Boot("/usr/lib/systemd/systemd")
		h.WriteFile("/etc/systemd/system/w.path", "[Path]\nPathExists=/run/trigger\n")
		h.WriteFile("/etc/systemd/system/w.service", "[Service]\nExecStart=/bin/sleep 1000\n")
		h.Run("systemctl", "start", "w.path")
		time.Sleep(3 * time.Second)
		if r := h.Run("systemctl", "is-active", "w.path", "w"); r.Stdout != "active\ninactive\n" {
			t.Errorf("before: %q", r.Stdout)
		}
		h.WriteFile("/run/trigger", "")
		time.Sleep(2 * time.Second)
		if r := h.Run("systemctl", "is-active", "w"); r.Stdout != "active\n" {
			t.Errorf("after: %q", r.Stdout)
		}
	})
}
