package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	diff "github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
)

// knownSessions are steps of the recording that cannot hold, with the reason.
var knownSessions = map[string]string{
	"who -a":            "the recorded terminals were not of the group tty, which takes no messages",
	"lastlog | head -4": "the accounts of Debian",
	"last -n 3":         "one of the three is a line of the recorded host's login program",
	"last -x | head -5": "one of the five is a line of the recorded host's login program",
}

var (
	// passing is what is never the same twice: times and what is counted in them,
	// loads, the kernel's release, numbers of processes. A terminal is "old" that was
	// used last before the boot, as the kernel has it, which counts in eights of seconds.
	passing = regexp.MustCompile(`\w{3} \w{3} [ \d]\d [\d:]+( [+-]\d{4})?( 20\d\d)?|(\w{3} )?20\d\d-\d\d-\d\d [\d:]{5,8}( \w{3}\b)?|\w{3} \d\d [\d:]{8}|\d\d:\d\d(:\d\d)?\b|up .*| +(\.|old) +\d+$|\d+\.\d+s\b|\d+\.\d+\.\d+-\S+ *| +\d+$|\[\d+\]`)
	// unended are lines of the recorded host's own login, which ours has no
	// program for, and how last(1) calls a session of a process that has gone.
	unended = regexp.MustCompile(`(?m)^root {16,}.*\n`)
	still   = regexp.MustCompile(`still running|still logged in`)
)

func steady(s string) string {
	s = still.ReplaceAllString(unended.ReplaceAllString(s, ""), "still")
	var lines []string
	for _, l := range strings.Split(strings.ReplaceAll(s, "\r", ""), "\n") {
		lines = append(lines, passing.ReplaceAllString(l, "*"))
	}
	return strings.Join(lines, "\n")
}

// TestSessions plays the recording of users on two terminals: who is logged in and
// was, and what they see of write(1), wall(1) and the emergencies of syslog.
func TestSessions(t *testing.T) {
	var doc struct {
		Terminals map[string]string
		Steps     []recorded
	}
	data, err := os.ReadFile("../../sim/login/testdata/who_w_wall_write_last.yaml")
	if err == nil {
		err = yaml.Unmarshal(data, &doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	users(t, func(t *testing.T, u *user) {
		if u.uid != os.Getuid() || u.uid != 0 {
			t.Skip("the sessions of two users need two user ids; one run is enough")
		}
		file := filepath.Join(u.home, "lab.yaml")
		lab := strings.Replace(transcriptLab, "    networks: {lan: 192.0.2.10}\n", "    networks: {lan: 192.0.2.10}\n    users: [usera, userb]\n", 1)
		if err := os.WriteFile(file, []byte(lab), 0o644); err != nil {
			t.Fatal(err)
		}
		u.enshu(0, "start", file, "--name", u.lab, "--seed", "1")
		defer u.enshu(0, "finish")
		screens := map[string]*os.File{}
		for _, name := range []string{"root", "usera"} {
			_, far := u.terminal("shell", "server1", "--user", name)
			readUntil(t, far, "@server1")
			if _, err := far.WriteString("stty -echo; PS1=; printf 'be%s\\n' gun\n"); err != nil {
				t.Fatal(err)
			}
			readUntil(t, far, "begun\r\n")
			screens[name] = far
		}
		left := slices.IndexFunc(doc.Steps, func(s recorded) bool { return strings.HasPrefix(s.Run, "logger") }) + 1
		for i, s := range doc.Steps {
			if i >= left && (s.Run == "who" || s.Run == "users") {
				continue // by then the recorded users had gone
			}
			var out, errs bytes.Buffer
			c := u.command(nil, "exec", "server1", "--user", s.User, "--", "bash", "-c", s.Run)
			c.Stdout, c.Stderr = &out, &errs
			if err := c.Run(); err != nil && c.ProcessState == nil {
				t.Fatal(err)
			}
			same := steady(out.String()) == steady(s.Stdout) && steady(errs.String()) == steady(s.Stderr) && c.ProcessState.ExitCode() == s.Exit
			if why := knownSessions[s.Run]; (why == "") != same {
				t.Errorf("%s (%s): exit status %d, want %d\n%s", s.Run, why, c.ProcessState.ExitCode(), s.Exit, diff.Diff(steady(s.Stdout+s.Stderr), steady(out.String()+errs.String())))
			}
		}
		for name, far := range screens {
			if _, err := far.WriteString("printf 'en%s\\n' ded; exit\n"); err != nil {
				t.Fatal(err)
			}
			seen := readUntil(t, far, "ended\r\n")
			io.Copy(io.Discard, far)
			want := doc.Terminals[map[string]string{"root": "pts/0 root", "usera": "pts/1 usera"}[name]]
			if d := diff.Diff(messages(want), messages(seen)); d != "" {
				t.Errorf("what %s saw:\n%s", name, d)
			}
		}
	})
}

// messages are the lines on a terminal that come from others.
func messages(screen string) []string {
	var list []string
	for _, l := range strings.Split(steady(screen), "\n") {
		l = strings.TrimRight(l, " ")
		if strings.ContainsAny(l, "\x1b$#") || l == "" || l == "logout" || l == "ended" || strings.HasPrefix(l, "Last login:") {
			continue
		}
		list = append(list, l)
	}
	return list
}
