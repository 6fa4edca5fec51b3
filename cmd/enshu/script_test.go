package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"enshu/sim/hostscript"
)

// live is a lab of real namespaces that scripts command, through enshu itself.
type live struct{ u *user }

func (l live) Run(host, line string) (stdout, stderr string, status int) {
	var out, errs bytes.Buffer
	c := l.u.command(nil, "exec", host, "--", "bash", "-c", line)
	c.Stdout, c.Stderr = &out, &errs
	c.Run() // the exit status tells
	return out.String(), errs.String(), c.ProcessState.ExitCode()
}

func (l live) Wait(host, file string, pattern *regexp.Regexp) error {
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
	script := fmt.Sprintf("timeout 30 grep -qm1 -P -e %s <(tail -n +1 -F %s 2>/dev/null)", quote(pattern.String()), quote(file))
	if _, _, status := l.Run(host, script); status != 0 {
		all, _, _ := l.Run(host, "cat "+quote(file))
		return fmt.Errorf("%s:%s has no line like %s:\n%s", host, file, pattern, all)
	}
	return nil
}

func (l live) Advance(d time.Duration) error {
	if out, err := l.u.command(nil, "clock", "advance", d.String()).CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %s", err, out)
	}
	return nil
}

// TestHostScripts plays the scripts over real namespaces; grader plays them in
// memory.
func TestHostScripts(t *testing.T) {
	for _, file := range hostscript.Files(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			users(t, func(t *testing.T, u *user) {
				u.enshu(0, "start", hostscript.LabOf(t, file), "--name", u.lab, "--seed", "1")
				hosts := regexp.MustCompile(`(?m)^\s*(\S+)\s+\d+\.\d+\.\d+\.\d+`).FindAllStringSubmatch(u.enshu(0, "status"), -1)
				var names []string
				for _, h := range hosts {
					names = append(names, h[1])
				}
				hostscript.Play(t, file, live{u}, names)
				u.enshu(0, "finish")
			})
		})
	}
}
