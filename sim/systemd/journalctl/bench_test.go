package journalctl_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"enshu/sim/host"
	"enshu/sim/memnet"
	"enshu/sim/peer"
	"enshu/sim/sdjournal"
	"enshu/sim/systemd/journalctl"
	"enshu/sim/wire/journal"
)

// queries are what learners ask of a large journal.
var queries = map[string][]string{
	"last":  {"-n", "20"},
	"since": {"-t", "rare", "--since", "-1h"},
}

// BenchmarkQuery measures journalctl over a million entries, and over as many
// entries as the real systemd-journald takes in a bearable time the ratio to the
// real journalctl, whose process has to start, which takes it about 5 ms.
func BenchmarkQuery(b *testing.B) {
	const compared, most = 100_000, 1_000_000
	real := realQueries(b, compared)
	for _, n := range []int{compared, most} {
		h := memnet.New(b).Host(b, memnet.Config{Name: "server1", Seed: 1, Programs: map[string]host.Program{"/usr/bin/journalctl": journalctl.Command}})
		h.MkdirAll("/j", 0o755)
		filled(b, h, n)
		for name, args := range queries {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				for b.Loop() {
					if r := h.Run(append([]string{"journalctl", "-q", "--no-pager", "-D", "/j"}, args...)...); strings.Count(r.Stdout, "\n") < 20 {
						b.Fatalf("%q %q", r.Stdout, r.Stderr)
					}
				}
				took := b.Elapsed() / time.Duration(b.N)
				b.ReportMetric(float64(took.Microseconds())/1000, "ms")
				if n == compared {
					b.ReportMetric(float64(took)/float64(real[name]), "ours/real-time")
				}
			})
		}
	}
}

// filled makes a journal of n entries of the last minutes, of which one in a
// thousand is rare.
func filled(b *testing.B, h *memnet.Host, n int) {
	h.Do(nil, func(_ context.Context, p *host.Proc) {
		w, err := sdjournal.Create(p, "/j/system.journal", journal.Header{FileID: journal.ID{1}, SeqnumID: journal.ID{2}})
		if err != nil {
			b.Error(err)
			return
		}
		defer w.Close()
		start := p.Now().Add(-time.Duration(n) * 100 * time.Microsecond)
		var batch []*journal.Entry
		for i := range n {
			at := time.Duration(i) * 100 * time.Microsecond
			batch = append(batch, &journal.Entry{SeqnumID: journal.ID{2}, Seqnum: uint64(i + 1), Realtime: start.Add(at), Monotonic: at, BootID: journal.ID{3}, Fields: []journal.Field{
				{Name: "_TRANSPORT", Value: "journal"}, {Name: "PRIORITY", Value: "6"}, {Name: "SYSLOG_IDENTIFIER", Value: ident(i)},
				{Name: "_PID", Value: "77"}, {Name: "_UID", Value: "0"}, {Name: "_COMM", Value: "python3"}, {Name: "_HOSTNAME", Value: "server1"},
				{Name: "_CMDLINE", Value: "python3 /root/send.py 100000"}, {Name: "MESSAGE", Value: fmt.Sprint("message ", i, " ", strings.Repeat("x", 60))},
			}})
			if len(batch) == 256 || i == n-1 {
				if err := w.Append(batch...); err != nil {
					b.Error(err)
					return
				}
				batch = batch[:0]
			}
		}
	})
}

func ident(i int) string {
	if i%1000 == 999 {
		return "rare"
	}
	return fmt.Sprint("app", i%20)
}

const sendMany = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect("/run/systemd/journal/socket")
for i in range(int(sys.argv[1])):
    ident = "rare" if i % 1000 == 999 else "app%d" % (i % 20)
    s.send(b"MESSAGE=message %d %s\nPRIORITY=6\nSYSLOG_IDENTIFIER=%s\n" % (i, b"x" * 60, ident.encode()))
`

// realQueries has the real systemd-journald, in namespaces of its own, take n
// messages, and returns how long the real journalctl takes for each query.
func realQueries(b *testing.B, n int) map[string]time.Duration {
	root := peer.Root(b)
	libraries, _ := filepath.Glob(filepath.Join(root, "usr/lib/*/systemd"))
	if len(libraries) == 0 {
		b.Fatal("no libsystemd-shared among the real programs: run tools/peers again")
	}
	script := `
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/journal /run/systemd/journald.conf.d /run/log/journal
printf '[Journal]\nRateLimitIntervalSec=0\nReadKMsg=no\nRuntimeMaxUse=4G\nRuntimeKeepFree=1M\nRuntimeMaxFileSize=1G\n' > /run/systemd/journald.conf.d/b.conf
` + root + `/lib/systemd/systemd-journald 2>/dev/null & journald=$!
until [ -S /run/systemd/journal/socket ]; do sleep 0.05; done
python3 /dev/stdin ` + fmt.Sprint(n) + `
sleep 0.5
`
	for name, args := range queries {
		script += `begin=$(date +%s%N); for i in 1 2 3 4 5 6 7 8 9 10; do ` + root + `/bin/journalctl -q --no-pager ` + strings.Join(args, " ") + ` >/dev/null; done; echo ` + name + ` $((($(date +%s%N) - begin) / 10))
`
	}
	c := exec.Command("unshare", "-Urmpfiu", "--mount-proc", "bash", "-c", script+"kill $journald")
	c.Env = append(os.Environ(), "LD_LIBRARY_PATH="+strings.Join(libraries, ":")+":"+filepath.Dir(libraries[0]))
	c.Stdin = strings.NewReader(sendMany)
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		b.Fatal(err)
	}
	took := map[string]time.Duration{}
	words := strings.Fields(string(out))
	for i := 0; i+1 < len(words); i += 2 {
		var ns int64
		fmt.Sscan(words[i+1], &ns)
		took[words[i]] = time.Duration(ns)
	}
	return took
}
