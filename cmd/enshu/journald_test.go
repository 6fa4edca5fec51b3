package main

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"enshu/sim/peer"
)

//go:embed testdata/journal-ingest.py
var journalIngest string

// realJournald runs a script beside the real systemd-journald, in namespaces of
// their own: it wants a hierarchy of control groups, which no host of a lab has.
func realJournald(t testing.TB, stdin, script string) (string, error) {
	root := peer.Root(t)
	libraries, err := filepath.Glob(filepath.Join(root, "usr/lib/*/systemd"))
	if err != nil || len(libraries) == 0 {
		t.Fatal("no libsystemd-shared among the real programs: run tools/peers again")
	}
	c := exec.Command("unshare", "-Urmpfiu", "--mount-proc", "bash", "-c", `
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/journal /run/systemd/journald.conf.d /run/log/journal
printf '[Journal]\nRateLimitIntervalSec=0\nReadKMsg=no\n' > /run/systemd/journald.conf.d/b.conf
`+root+`/lib/systemd/systemd-journald 2>/dev/null & journald=$!
`+script+`
kill $journald`)
	c.Env = append(os.Environ(), "LD_LIBRARY_PATH="+strings.Join(libraries, ":")+":"+filepath.Dir(libraries[0]))
	c.Stdin = strings.NewReader(stdin)
	out, err := c.Output()
	return string(out), err
}

// BenchmarkJournal measures messages of 200 octets from another process into
// the journal, and the same with the real systemd-journald; neither limits the
// rate.
func BenchmarkJournal(b *testing.B) {
	h := newPeerHost(b, "usr/bin/logger")
	h.run(journalIngest, `cat > /root/ingest.py; systemctl stop rsyslog; mkdir -p /etc/systemd/journald.conf.d
printf '[Journal]\nRateLimitIntervalSec=0\n' > /etc/systemd/journald.conf.d/b.conf; systemctl restart systemd-journald`)
	for _, over := range []string{"native", "dev-log"} {
		b.Run(over, func(b *testing.B) {
			rate := map[string]float64{}
			count := func(who, out string) {
				var sent int
				var seconds float64
				if _, err := fmt.Sscan(out, &sent, &seconds); err != nil {
					b.Fatalf("%s: %v: %s", who, err, out)
				}
				rate[who] += float64(sent) / seconds
			}
			for b.Loop() {
				count("ours", h.run("", "python3 /root/ingest.py "+over+" 30000"))
				out, err := realJournald(b, journalIngest, "python3 /dev/stdin "+over+" 30000")
				if err != nil {
					b.Fatal(err, out)
				}
				count("real", out)
			}
			b.ReportMetric(rate["ours"]/float64(b.N), "msgs/s")
			b.ReportMetric(rate["ours"]/rate["real"], "ours/real")
		})
	}
}
