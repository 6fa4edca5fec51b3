package chrony_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/host"
	"enshu/sim/memnet"

	"gopkg.in/yaml.v3"
)

// TestRecordedStarts starts chronyd with many configurations and compares what
// it logs and how it ends with what the real one did.
func TestRecordedStarts(t *testing.T) {
	var cases []struct {
		Conf, Options, Log, Differs string
		Exit                        int
	}
	data, err := os.ReadFile("testdata/recorded/start.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	stamp := regexp.MustCompile(`^\d{4}-\d\d-\d\dT[0-9:]+Z `)
	for _, c := range cases {
		t.Run(strings.TrimSpace(strings.ReplaceAll(c.Conf, "\n", "; ")+c.Options), func(t *testing.T) {
			var log []string
			exit := 124 // still running
			synctest.Test(t, func(t *testing.T) {
				n := memnet.New(t)
				h := n.Host(t, memnet.Config{Name: "c", Addrs: []string{"192.0.2.1/24"}, Programs: programs})
				h.WriteFile("/etc/passwd", passwd+"nobody:x:65534:65534::/:/bin/false\n")
				h.WriteFile("/etc/hosts", "")
				for _, dir := range []string{"/run", "/var/lib/chrony", "/var/log/chrony", "/usr/share/zoneinfo/right"} {
					h.MkdirAll(dir, 0o755)
				}
				h.WriteFile("/usr/share/zoneinfo/right/UTC", rightUTC)
				h.WriteFile("/usr/share/zoneinfo/UTC", "TZif2")
				h.WriteFile("/etc/c.conf", c.Conf)
				args := strings.Fields("chronyd -d -x -U -u root -f /etc/c.conf " + c.Options)
				d := h.Spawn(host.Cmd{Path: "/usr/sbin/chronyd", Args: args, Dir: "/run"})
				time.Sleep(1200 * time.Millisecond)
				if running, st := d.Running(); running {
					d.Stop()
				} else {
					exit = st.Shell()
				}
				for line := range strings.SplitSeq(strings.TrimSuffix(d.Stderr.String(), "\n"), "\n") {
					line = strings.ReplaceAll(stamp.ReplaceAllString(line, ""), "/etc/c.conf", "c.conf")
					if line != "" && !strings.HasPrefix(line, "chronyd version") && line != "Disabled control of system clock" && line != "chronyd exiting" {
						log = append(log, line)
					}
				}
			})
			want := strings.Split(c.Log, "\n")
			if c.Log == "" {
				want = nil
			}
			same := slices.Equal(log, want) && exit == c.Exit
			switch {
			case c.Differs == "" && !same:
				t.Errorf("ended with %d, want %d; logged%s", exit, c.Exit, difference(strings.Join(log, "\n"), c.Log))
			case c.Differs != "" && same:
				t.Error("agrees with the recording: take the mark off")
			}
		})
	}
}
