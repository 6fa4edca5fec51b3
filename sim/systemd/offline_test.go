package systemd_test

import (
	"context"
	"fmt"
	"os"
	"path"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/memnet"
	"enshu/sim/recorded"
)

// offlineCases were recorded from systemctl 252 where no systemd runs: it then
// changes the links itself.
type offlineCases struct {
	Files map[string]string // "->" before the target of a link
	Cases []struct {
		Case  string
		Files map[string]string
		Steps []recorded.Step
		Links string
	}
}

// knownOffline are steps that differ on purpose, by case and command.
var knownOffline = map[string]string{
	"preset-all: systemctl preset-all":                           "real systemctl goes through the directories as they come",
	"preset-all: systemctl --preset-mode=enable-only preset-all": "real systemctl goes through the directories as they come",
	"preset bad.service: systemctl disable bad":                  "links to a unit file that cannot be read stay",
	"preset bad.service":                                         "links to a unit file that cannot be read stay",
}

func TestOfflineCases(t *testing.T) {
	data, err := os.ReadFile("testdata/offline.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var all offlineCases
	if err := yaml.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	pass, marked := 0, 0
	for _, c := range all.Cases {
		t.Run(c.Case, func(t *testing.T) {
			h := memnet.New(t).Host(t, memnet.Config{Name: "server1", Programs: programs(), Seed: 1})
			for _, files := range []map[string]string{all.Files, c.Files} {
				for name, text := range files {
					h.MkdirAll(path.Dir(name), 0o755)
					if target, ok := strings.CutPrefix(text, "->"); ok {
						h.Symlink(target, name)
					} else {
						h.WriteFile(name, text)
					}
				}
			}
			for _, dir := range []string{"/etc/systemd/system-preset", "/run/systemd"} {
				h.MkdirAll(dir, 0o755)
			}
			for i, s := range c.Steps {
				run, _, _ := strings.Cut(s.Run, " | cat")
				r := s.Exec(h, run)
				d := cmp.Diff(usrMerged(s.Stdout), r.Stdout) + cmp.Diff(settled(usrMerged(s.Stderr)), settled(r.Stderr))
				if r.Status.Code != s.Exit {
					d += fmt.Sprintf("exit %d, want %d", r.Status.Code, s.Exit)
				}
				switch {
				case knownOffline[c.Case+": "+s.Run] != "":
					marked++
				case d != "":
					t.Errorf("step %d: %s\n%s", i, s.Run, d)
				default:
					pass++
				}
			}
			if d := cmp.Diff(usrMerged(c.Links), linksOf(h)); d != "" && knownOffline[c.Case] == "" {
				t.Errorf("links (-want +got):\n%s", d)
			}
		})
	}
	t.Logf("%d steps hold, %d marked", pass, marked)
}

// usrMerged gives unit files the place that EL9 has them in; Debian, where the
// cases were recorded, says /lib.
func usrMerged(s string) string {
	s = strings.ReplaceAll(s, "/usr/lib/systemd/system", "/lib/systemd/system")
	return strings.ReplaceAll(s, "/lib/systemd/system", "/usr/lib/systemd/system")
}

// settled gives the lines that stand in the order of a directory one that does
// not change, and drops repetitions of what is wrong with a file that is read
// more than once.
func settled(s string) string {
	var out []string
	said := map[string]bool{}
	lines := strings.SplitAfter(s, "\n")
	for i := 0; i < len(lines); i++ {
		if !strings.HasPrefix(lines[i], "Removed ") {
			if !said[lines[i]] {
				out = append(out, lines[i])
			}
			said[lines[i]] = true
			continue
		}
		n := i
		for n < len(lines) && strings.HasPrefix(lines[n], "Removed ") {
			n++
		}
		sort.Strings(lines[i:n])
		out = append(out, lines[i:n]...)
		i = n - 1
	}
	return strings.Join(out, "")
}

// linksOf lists the links that make units enabled or masked.
func linksOf(h *memnet.Host) string {
	var lines []string
	h.Do(nil, func(_ context.Context, p *host.Proc) {
		var walk func(dir string)
		walk = func(dir string) {
			names, _ := libc.ReadDir(p, dir)
			for _, n := range names {
				name := path.Join(dir, n)
				if target, err := p.Sys.Readlink(name); err == nil {
					lines = append(lines, name+" -> "+target+"\n")
				} else {
					walk(name)
				}
			}
		}
		walk("/etc/systemd/system")
		walk("/run/systemd")
	})
	sort.Strings(lines)
	return strings.Join(lines, "")
}
