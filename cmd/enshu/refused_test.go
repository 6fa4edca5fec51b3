package main

import (
	"bufio"
	"strings"
	"testing"
	"time"
)

// A packet that firewalld rejects is an event although LogDenied is off, and
// the rules that nft shows have nothing for it.
func TestRefusedPacketIsNoted(t *testing.T) {
	users(t, func(t *testing.T, u *user) {
		u.enshu(0, "start", "tcp-forwarding", "--name", u.lab, "--seed", "1")
		defer u.enshu(0, "finish")
		c := u.command(nil, "events", "--follow", "--kind", "packet-refused", "--format", "json")
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		defer c.Wait()
		defer c.Process.Kill()
		u.command(nil, "exec", "client", "--", "bash", "-c", "echo >/dev/tcp/192.168.0.10/514").Run() // fails: that is the point
		stop := time.AfterFunc(30*time.Second, func() { c.Process.Kill() })
		defer stop.Stop()
		noted := ""
		if lines := bufio.NewScanner(out); lines.Scan() {
			noted = lines.Text()
		}
		for _, want := range []string{`"server"`, `"chain":"filter_IN_public`, `"action":"reject"`, `"to":"192.168.0.10:514"`, `"interface":"eth0"`} {
			if !strings.Contains(noted, want) {
				t.Errorf("the event %q lacks %q", noted, want)
			}
		}
		if rules := u.enshu(0, "exec", "server", "--", "nft", "list", "ruleset"); !strings.Contains(rules, "filter_IN_public") || strings.Contains(rules, "log prefix") || strings.Contains(rules, " group ") {
			t.Errorf("the rules of the learner:\n%s", rules)
		}
	})
}
