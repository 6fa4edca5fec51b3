package timedate

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/clock"
	"enshu/sim/memnet"
)

// The commands show and set clocks that stand anywhere: before 1970, after 2038 and
// 2106, in the last year that has four digits.
func TestFarCommands(t *testing.T) {
	for _, year := range []int{1901, 1969, 1970, 2038, 2040, 2106, 2107, 2200} {
		synctest.Test(t, func(t *testing.T) {
			n := memnet.New(t)
			n.Line = clock.New(time.Date(year, 6, 1, 12, 0, 0, 0, time.UTC))
			h := n.Host(t, memnet.Config{Name: "c", Programs: programs})
			h.MkdirAll("/etc", 0o755)
			h.MkdirAll("/run", 0o755)
			h.WriteFile("/run/unit", "inactive")
			h.RTC = clock.NewLocal(n.Line, 0, 0)
			says := fmt.Sprint(year)
			for _, line := range []string{
				"/usr/bin/date", "/usr/bin/date -d tomorrow +%F", "/usr/bin/date -R", "/usr/bin/timedatectl", "/usr/bin/timedatectl show",
				"/usr/bin/cal", "/usr/sbin/hwclock", "/usr/sbin/hwclock --verbose",
			} {
				res := h.Run(strings.Fields(line)...)
				if res.Status.Shell() != 0 || !strings.Contains(res.Stdout, says) {
					t.Errorf("%s in %d: %d\n%s%s", line, year, res.Status.Shell(), res.Stdout, res.Stderr)
				}
			}
			for _, line := range []string{"/usr/sbin/hwclock -w", "/usr/sbin/hwclock -s", "/usr/bin/date -s 2026-01-01", "/usr/bin/timedatectl set-time 2040-01-01"} {
				if res := h.Run(strings.Fields(line)...); res.Status.Shell() != 0 {
					t.Errorf("%s in %d: %d\n%s%s", line, year, res.Status.Shell(), res.Stdout, res.Stderr)
				}
			}
			if got := h.Clock.Now().Year(); got != 2040 {
				t.Errorf("set in %d, the clock shows %d", year, got)
			}
		})
	}
}
