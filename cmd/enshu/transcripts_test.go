package main

import (
	"bytes"
	"cmp"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	diff "github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
)

// transcriptLab is the set-up of the recordings of sim/firewalld, as far as a
// lab has it: something listens on ports 22 and 514 of server1.
const transcriptLab = `lab: firewall-transcripts
title: {ja: 記録の再生, en: Recordings played again}
objectives: ["1.09.2"]
networks:
  lan: {subnet: 192.0.2.0/24}
hosts:
  server1:
    networks: {lan: 192.0.2.10}
    files:
      /etc/rsyslog.d/in.conf: "module(load=\"imtcp\")\ninput(type=\"imtcp\" port=\"514\")\n"
  client1:
    networks: {lan: 192.0.2.20}
tasks:
  - id: none
    title: {ja: なし, en: None}
    points: 100
    hints: [{ja: なし, en: None}]
    checks:
      - service: {host: server1, unit: firewalld, active: true}
solutions:
  - name: none
    steps: [{host: server1, run: "true"}]
`

// recorded is a step of a recording.
type recorded struct {
	Run            string
	Host           string
	User           string `yaml:"as_user"`
	Stdout, Stderr string
	Exit           int
	Kernel         []string `yaml:"kernel_log_on_server1"`
}

var (
	ncat     = regexp.MustCompile(`^ncat -v -w 2 (192\.0\.2\.10) (\d+) </dev/null$`)
	ncatSays = regexp.MustCompile(`No route to host|Connection refused|TIMEOUT|Connected`)
	server   = regexp.MustCompile(`^(firewall-cmd|systemctl)`)
	client   = regexp.MustCompile(`^(telnet|ping|bash|curl) `)
	// changing is what is never the same twice: measured times, and what a sender
	// draws for each packet.
	changing = regexp.MustCompile(`time[= ][0-9.]+ ?ms|= [0-9./]+ ms|MAC=[0-9a-f:]*| ID=\d+| SPT=\d+| WINDOW=\d+|after \d+ ms`)
)

// curlSays is how curl calls what ncat has seen.
var curlSays = map[string]string{"No route to host": "No route to host", "Connection refused": "Connection refused", "TIMEOUT": "timed out", "Connected": "Connected"}

func masked(s string) string { return changing.ReplaceAllString(s, "*") }

// TestFirewallTranscripts plays the recordings that have packets in them over
// namespaces: what a client sees of each rule, by its own tools, and what the
// kernel of the server logs.
func TestFirewallTranscripts(t *testing.T) {
	users(t, func(t *testing.T, u *user) {
		if u.uid != os.Getuid() {
			t.Skip("the packets are the same for every user")
		}
		file := filepath.Join(u.home, "lab.yaml")
		if err := os.WriteFile(file, []byte(transcriptLab), 0o644); err != nil {
			t.Fatal(err)
		}
		u.enshu(0, "start", file, "--name", u.lab, "--seed", "1")
		defer u.enshu(0, "finish")
		played := 0
		for _, name := range []string{"add_port_permanent_only", "add_port_runtime_only", "log_denied_traffic", "not_running", "panic_mode", "reject_on_the_wire", "rich_rule_log_lines"} {
			t.Run(name, func(t *testing.T) {
				data, err := os.ReadFile("../../sim/firewalld/testdata/" + name + ".yaml")
				var doc struct{ Steps []recorded }
				if err == nil {
					err = yaml.Unmarshal(data, &doc)
				}
				if err != nil {
					t.Fatal(err)
				}
				v := *u
				v.t = t
				v.enshu(0, "exec", "server1", "--", "bash", "-c", "rm -rf /etc/firewalld/zones/*.xml; sed -i s/^LogDenied=.*/LogDenied=off/ /etc/firewalld/firewalld.conf; systemctl restart firewalld")
				for _, s := range doc.Steps {
					if v.play(s) {
						played++
					}
				}
			})
		}
		t.Logf("%d steps compared", played)
	})
}

// play plays a step and reports whether it was one to compare. What is done on
// the server is compared in package firewalld.
func (u *user) play(s recorded) bool {
	u.t.Helper()
	switch {
	case s.User != "" && s.User != "root", strings.Contains(s.Run, ":db8:"):
		return false // networks of labs are IPv4
	case s.Host != "client1" && server.MatchString(s.Run):
		u.command(nil, "exec", "server1", "--", "bash", "-c", s.Run).Run()
		return false
	case s.Host != "client1" && !strings.HasPrefix(s.Run, "ping"):
		return false
	}
	run := s.Run
	m := ncat.FindStringSubmatch(run)
	if m != nil {
		// curl too connects without waiting, so one packet goes out.
		run = "curl -sv -m 2 telnet://" + m[1] + ":" + m[2] + " </dev/null"
	} else if !client.MatchString(run) || strings.Contains(run, "ncat") {
		return false
	}
	u.enshu(0, "exec", "server1", "--", "dmesg", "-C")
	var out, errs bytes.Buffer
	c := u.command(nil, "exec", cmp.Or(s.Host, "server1"), "--", "bash", "-c", run)
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil && c.ProcessState == nil {
		u.t.Fatal(err)
	}
	if m != nil {
		if want, ok := curlSays[ncatSays.FindString(s.Stderr)]; !ok || !strings.Contains(errs.String(), want) {
			u.t.Errorf("%s: %q, want %q", run, errs.String(), want)
		}
	} else if masked(out.String()) != masked(s.Stdout) || masked(errs.String()) != masked(s.Stderr) || c.ProcessState.ExitCode() != s.Exit {
		u.t.Errorf("%s: exit status %d, want %d\n%s", run, c.ProcessState.ExitCode(), s.Exit, diff.Diff(masked(s.Stdout+s.Stderr), masked(out.String()+errs.String())))
	}
	var logged, want []string
	for _, line := range strings.Split(u.enshu(0, "exec", "server1", "--", "dmesg", "-t"), "\n") {
		if strings.Contains(line, "SRC=192.0.2.20") {
			logged = append(logged, masked(line))
		}
	}
	for _, line := range s.Kernel {
		want = append(want, masked(line))
	}
	if !slices.Equal(logged, want) {
		u.t.Errorf("%s: the kernel's log\n%s", run, diff.Diff(want, logged))
	}
	return true
}
