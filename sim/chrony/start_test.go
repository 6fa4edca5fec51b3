package chrony

import (
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"enshu/sim/memnet"
)

// TestStart runs chronyd with the recorder's configurations: what it prints and
// its exit status.
func TestStart(t *testing.T) {
	stamp := regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)
	for _, name := range []string{"startup-errors", "include-confdir-sourcedir"} {
		var c struct {
			Expected []struct {
				Label, Run, Stdout, Stderr string
				Exit                       int
				Files                      map[string]string `yaml:"config_files"`
			}
		}
		oracle(t, "conf/"+name+".yaml", &c)
		for _, e := range c.Expected {
			if strings.ContainsAny(e.Run, ";|$") || !strings.HasPrefix(e.Run, "chronyd") || strings.Contains(e.Stdout, "Usage:") {
				continue // a shell's work; the usage names the distribution's files
			}
			t.Run(e.Label, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := memnet.New(t)
					h := n.Host(t, memnet.Config{Name: "c", Addrs: []string{"192.0.2.100/24"}, Programs: programs})
					h.WriteFile("/etc/passwd", passwd)
					h.MkdirAll("/run", 0o755)
					for name, text := range e.Files {
						h.MkdirAll(name[:strings.LastIndex(name, "/")], 0o755)
						h.WriteFile(name, text)
					}
					args := splitCommand(e.Run)
					args[0] = "/usr/sbin/chronyd"
					res := h.Run(args...)
					if res.Status.Shell() != e.Exit {
						t.Errorf("exit status %v, want %d", res.Status, e.Exit)
					}
					if res.Stdout != e.Stdout {
						t.Errorf("printed%s", difference(res.Stdout, e.Stdout))
					}
					if got := stamp.ReplaceAllString(res.Stderr, "<time>"); got != strings.TrimPrefix(e.Stderr, "\n") {
						t.Errorf("errors%s", difference(got, e.Stderr))
					}
				})
			})
		}
	}
}
