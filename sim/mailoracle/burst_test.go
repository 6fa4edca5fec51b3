package mailoracle

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"enshu/sim/host"
)

// TestBurst sends much mail through one relay host. While that refuses
// connections four attempts are enough (SCHEDULER_README), and the rest is
// suspended; a flush tries again. When it is back, the mail goes at growing
// concurrency over connections that are kept.
func TestBurst(t *testing.T) {
	base := caseNamed(t, "relay-relayhost-address")
	synctest.Test(t, func(t *testing.T) {
		const mails = 40
		w := newWorld(t, base)
		a, b := w.hosts["hosta"], w.hosts["hostb"]
		to := "usera@" + strings.TrimSpace(ok(t, b, "/usr/sbin/postconf", "-h", "myhostname"))
		ok(t, b, "/usr/sbin/postfix", "stop")
		ok(t, a, "/usr/sbin/postconf", "-e", "defer_transports = smtp")
		ok(t, a, "/usr/sbin/postfix", "reload")
		for i := range mails {
			res := a.RunCmd(host.Cmd{Args: []string{"/usr/sbin/sendmail", "-f", "root", to},
				Stdin: strings.NewReader(fmt.Sprintf("Subject: mail %02d.\n\nx\n", i))})
			if !res.Status.Success() {
				t.Fatalf("sendmail: %v %s", res.Status, res.Stderr)
			}
		}
		time.Sleep(time.Second)
		count := func(name string, from int, texts ...string) (n int) {
			for _, line := range w.log(name)[from:] {
				all := true
				for _, s := range texts {
					all = all && strings.Contains(line, s)
				}
				if all {
					n++
				}
			}
			return n
		}
		for _, round := range []string{"the first flush", "the second flush"} {
			from := len(w.log("hosta"))
			ok(t, a, "/usr/sbin/postqueue", "-f")
			time.Sleep(10 * time.Second)
			tried := count("hosta", from, "postfix/smtp[", "status=deferred (connect to")
			suspended := count("hosta", from, "postfix/error[", "relay=none", "dsn=4.4.1, status=deferred (delivery temporarily suspended: connect to", "Connection refused)")
			if tried < 4 || tried > 8 || tried+suspended != mails {
				t.Fatalf("%s: %d of %d mails were tried, %d suspended:\n%s", round, tried, mails, suspended, strings.Join(w.log("hosta")[from:], "\n"))
			}
		}
		ok(t, b, "/usr/sbin/postfix", "start")
		time.Sleep(time.Second)
		from, fromB := len(w.log("hosta")), len(w.log("hostb"))
		ok(t, a, "/usr/sbin/postqueue", "-f")
		time.Sleep(10 * time.Second)
		sent, kept := count("hosta", from, "status=sent"), count("hosta", from, "conn_use=", "status=sent")
		// Those under way when mail begins to follow upon mail are not kept.
		connections := count("hostb", fromB, "]: connect from")
		if sent != mails || kept == 0 || connections > 5+20 || connections+kept != mails {
			t.Errorf("%d of %d mails were sent, %d over %d connections that were there:\n%s", sent, mails, kept, connections, strings.Join(w.log("hosta")[from:], "\n"))
		}
		if n := count("hostb", fromB, "disconnect from"); n != connections {
			t.Errorf("%d of %d connections were ended", n, connections)
		}
	})
}
