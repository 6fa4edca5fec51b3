package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"enshu/sim/peer"
)

// BenchmarkMail sends 4 kB mails from ten clients with Postfix's smtp-source: to
// a mailbox of the same host, and to one behind a second host. The yardstick is
// Postfix itself in namespaces, its files on a file system of the same kind.
func BenchmarkMail(b *testing.B) {
	if os.Getuid() != 0 {
		b.Skip("real Postfix needs root")
	}
	for _, c := range []struct {
		mode, to, host string
		mails          int
	}{
		{"local", "usera@first.example.com", "first", 200},
		{"relay", "usera@second.example.org", "second", 1000},
	} {
		b.Run(c.mode, func(b *testing.B) {
			u := bench(b)
			u.enshu(0, "start", u.file("mail.yaml"), "--name", u.lab)
			var tar bytes.Buffer
			peer.Tar(b, &tar, "usr/sbin/smtp-source", "usr/lib/postfix/libpostfix-*.so")
			unpack := u.command(strings.NewReader(tar.String()), "exec", "first", "--", "bash", "-c", "mkdir -p "+peer.InHost+" && tar -x -C "+peer.InHost)
			if out, err := unpack.CombinedOutput(); err != nil {
				b.Fatalf("%v\n%s", err, out)
			}
			sent := 0
			send := func(mails int) time.Duration {
				return timed(func() {
					u.enshu(0, "exec", "first", "--", "env", peer.Env(peer.InHost)[0], peer.InHost+"/usr/sbin/smtp-source",
						"-s", "10", "-m", strconv.Itoa(mails), "-l", "4096", "-f", "sender@first.example.com", "-t", c.to, "127.0.0.1:25")
					sent += mails
					u.enshu(0, "exec", c.host, "--", "bash", "-c",
						fmt.Sprintf("box=/var/spool/mail/usera; until [ $(grep -c '^From ' $box) -ge %d ]; do sleep 0.01; done", sent))
				})
			}
			send(20) // warms the processes up, as the yardstick does
			var ours, real time.Duration
			for b.Loop() {
				real += realPostfix(b, c.mode, c.mails)
				ours += send(c.mails)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(b.N*c.mails)/ours.Seconds(), "mails/s")
			b.ReportMetric(float64(b.N*c.mails)/real.Seconds(), "mails/s-Postfix")
			b.ReportMetric(real.Seconds()/ours.Seconds(), "of-Postfix's-rate(limit:1)")
		})
	}
}

// realPostfix returns how long real Postfix takes for as many mails.
func realPostfix(b *testing.B, mode string, mails int) time.Duration {
	b.Helper()
	c := exec.Command("unshare", "-mnpuf", "--mount-proc", "bash", "testdata/postfix-yardstick.sh", peer.Root(b), mode, strconv.Itoa(mails), "10")
	out, err := c.Output()
	ms, bad := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil || bad != nil {
		b.Fatalf("the yardstick says %q, %v", out, err)
	}
	return time.Duration(ms) * time.Millisecond
}
