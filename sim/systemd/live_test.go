package systemd_test

import (
	"errors"
	"io"
	"os"
	"path"
	"testing"
	"testing/synctest"
	"time"

	"gopkg.in/yaml.v3"

	"enshu/sim/recorded"
)

// knownLive are steps of testdata/live.yaml that differ, by case and command, with
// the reason.
var knownLive = map[string]string{}

// TestLive runs what was recorded of the real PID 1 of version 252 in a container:
// unit files, the commands, and what they said.
func TestLive(t *testing.T) {
	f, err := os.Open("testdata/live.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	pass, marked := 0, 0
	for dec := yaml.NewDecoder(f); ; {
		var c struct {
			Case  string
			Files map[string]string
			Steps []recorded.Step
		}
		if err := dec.Decode(&c); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		t.Run(c.Case, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := machine(t)
				h.Boot("/usr/lib/systemd/systemd")
				time.Sleep(500 * time.Millisecond)
				for name, text := range c.Files {
					h.MkdirAll(path.Dir(name), 0o755)
					h.WriteFile(name, text)
				}
				h.Run("systemctl", "daemon-reload")
				for i, s := range c.Steps {
					s.Stdout, s.Stderr = usrMerged(s.Stdout), usrMerged(s.Stderr)
					d := systemctlStep(t, h, s)
					why := knownLive[c.Case+": "+s.Run]
					switch {
					case why != "" && d == "":
						t.Errorf("step %d: %s holds, but is marked: %s", i, s.Run, why)
					case why != "":
						marked++
					case d != "":
						t.Errorf("step %d: %s\n%s", i, s.Run, d)
					default:
						pass++
					}
				}
			})
		})
	}
	t.Logf("%d steps hold, %d marked", pass, marked)
}
