package grader

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"enshu/labs"
	"enshu/sim/hostscript"
	"enshu/sim/scenario"
)

// Run makes a lab in memory one that scripts command.
func (l *memLab) Run(host, line string) (stdout, stderr string, status int) {
	out, err := l.Exec(context.Background(), host, "root", line)
	if err != nil {
		return "", err.Error(), 126
	}
	return out.Stdout, out.Stderr, out.Status
}

func (l *memLab) Wait(host, file string, pattern *regexp.Regexp) error {
	var data []byte
	for range 3000 {
		var err error
		if data, err = l.ReadFile(host, file); err == nil {
			for _, line := range strings.Split(string(data), "\n") {
				if pattern.MatchString(line) {
					return nil
				}
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("%s:%s has no line like %s:\n%s", host, file, pattern, data)
}

func (l *memLab) Advance(d time.Duration) error {
	time.Sleep(d)
	return nil
}

// TestHostScripts plays the scripts in memory; cmd/enshu plays them live.
func TestHostScripts(t *testing.T) {
	for _, file := range hostscript.Files(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			name := "1.09.2/" + hostscript.LabOf(t, file) + ".yaml"
			data, err := fs.ReadFile(labs.Files, name)
			if err != nil {
				t.Fatal(err)
			}
			src, err := scenario.Parse(name, data, known)
			if err != nil {
				t.Fatal(err)
			}
			spec, err := src.Draw(1)
			if err != nil {
				t.Fatal(err)
			}
			var hosts []string
			for _, h := range spec.Hosts {
				hosts = append(hosts, h.Name)
			}
			synctest.Test(t, func(t *testing.T) {
				l := newMemLab(t, spec)
				time.Sleep(5 * time.Second)
				hostscript.Play(t, file, l, hosts)
			})
		})
	}
}
