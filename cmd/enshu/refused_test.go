package main

import (
	"bufio"
	"strings"
	"testing"
	"time"
)

// A packet that firewalld refuses is an event although it logs none: one that
// it rejects, one that it drops, one whose connection it resets. The rules that
// nft shows have nothing for it, and what is let by, or established, is none.
func TestRefusedPacketIsNoted(t *testing.T) {
	users(t, func(t *testing.T, u *user) {
		u.enshu(0, "start", "tcp-forwarding", "--name", u.lab, "--seed", "1")
		defer u.enshu(0, "finish")
		c := u.command(nil, "events", "--follow", "--kind", "packet-refused", "--lang", "en")
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		defer c.Wait()
		defer c.Process.Kill()
		stop := time.AfterFunc(60*time.Second, func() { c.Process.Kill() })
		defer stop.Stop()
		lines := bufio.NewScanner(out)
		for _, tt := range []struct {
			server, client string
			to, want       string
		}{
			{"true", "echo >/dev/tcp/192.168.0.10/514", "192.168.0.10:514", `(filter_IN_public, reject)`},
			{"firewall-cmd -q --add-rich-rule='rule family=ipv4 port port=515 protocol=tcp reject type=tcp-reset'", "echo >/dev/tcp/192.168.0.10/515",
				"192.168.0.10:515", `(filter_IN_public_deny, reject)`},
			{"firewall-cmd -q --zone=drop --change-interface=eth0", "echo hi >/dev/udp/192.168.0.10/516", "192.168.0.10:516", `(filter_IN_drop, drop)`},
			{"firewall-cmd -q --zone=drop --add-port=22/tcp", "(timeout 5 cat </dev/tcp/192.168.0.10/22 | head -1) >/dev/null; timeout 1 bash -c 'echo >/dev/tcp/192.168.0.10/517'", "192.168.0.10:517", `(filter_IN_drop, drop)`},
		} {
			u.enshu(0, "exec", "server", "--", "bash", "-c", tt.server)
			u.command(nil, "exec", "client", "--", "bash", "-c", tt.client).Run() // fails: that is the point
			noted := ""
			for noted == "" && lines.Scan() {
				// One that was told of before may come again: TCP tries twice.
				line := lines.Text()
				if strings.Contains(line, "to 192.168.0.10:22/") {
					t.Errorf("what was let by: %s", line)
				}
				if strings.Contains(line, "to "+tt.to+"/") {
					noted = line
				}
			}
			if !strings.Contains(noted, " server ") || !strings.Contains(noted, tt.want) {
				t.Errorf("%s: the event %q lacks %q", tt.server, noted, tt.want)
			}
		}
		if rules := u.enshu(0, "exec", "server", "--", "nft", "list", "ruleset"); !strings.Contains(rules, "filter_IN_public") || strings.Contains(rules, "log prefix") || strings.Contains(rules, " group ") || strings.Contains(rules, "counter") {
			t.Errorf("the rules of the learner:\n%s", rules)
		}
	})
}
