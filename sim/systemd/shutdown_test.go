package systemd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/systemd/pid1"
)

// TestPlannedShutdown: everybody is told and kept out in time, and then the host
// goes down.
func TestPlannedShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := machine(t)
		d := h.Boot("/usr/lib/systemd/systemd")
		time.Sleep(500 * time.Millisecond)
		there := func(name string) bool {
			_, err := os.Stat(filepath.Join(h.Dir(), name))
			return err == nil
		}
		h.Run("shutdown", "-k", "+1")
		time.Sleep(2 * time.Minute)
		if r := h.Run("systemctl", "is-system-running"); r.Stdout != "running\n" {
			t.Fatalf("after shutdown -k: %q", r.Stdout)
		}
		h.Run("shutdown", "-r", "+8", "new disk")
		if there("/run/nologin") {
			t.Error("nobody may log in eight minutes before")
		}
		time.Sleep(4 * time.Minute)
		if !there("/run/nologin") || !strings.Contains(h.ReadFile("/run/systemd/shutdown/scheduled"), "MODE=reboot\n") {
			t.Error("anybody may log in four minutes before")
		}
		h.Run("shutdown", "-c")
		if there("/run/nologin") || there("/run/systemd/shutdown/scheduled") {
			t.Error("something of the plan is left after -c")
		}
		h.Run("shutdown", "-r", "+8", "new disk")
		time.Sleep(7 * time.Minute)
		said := h.Run("journalctl", "-t", "systemd", "-g", "will reboot at", "-o", "cat", "-q").Stdout
		if n := strings.Count(said, "The system will reboot at"); n < 8 {
			t.Errorf("told %d times:\n%s", n, said)
		}
		if st := d.End(); st.Code != pid1.ExitReboot {
			t.Errorf("PID 1 ended with %v", st)
		}
	})
}
