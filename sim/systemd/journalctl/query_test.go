package journalctl_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"enshu/sim/host"
	"enshu/sim/memnet"
	"enshu/sim/sdjournal"
	"enshu/sim/systemd/journalctl"
	"enshu/sim/wire/journal"
)

// FuzzJournalQuery runs journalctl with any words over any entries: it ends, and
// says something sensible about its own success.
func FuzzJournalQuery(f *testing.F) {
	entry := "__REALTIME_TIMESTAMP=1795311796111996\n__MONOTONIC_TIMESTAMP=4767044049\n_BOOT_ID=11111111111111111111111111111111\nPRIORITY=4\nMESSAGE=hello\n_SYSTEMD_UNIT=a.service\n\n"
	for _, words := range []string{"-u a", "-p err..info -n 3", "-g h.*o -o verbose", "_PID=1 + PRIORITY=4", "--since yesterday --until now", "-o json-pretty --output-fields=MESSAGE",
		"-r -n 2 -x", "-b -1", "--list-boots", "-F PRIORITY", "-N", "--header", "--verify", "-c s=1;i=2", "-t x -k", "--facility=mail", "-u '*'", "-o short-iso --utc -a"} {
		f.Add(words, []byte(entry+entry))
	}
	f.Fuzz(func(t *testing.T, words string, export []byte) {
		args := strings.Fields(words)
		for _, a := range args {
			if strings.HasPrefix(a, "-f") || strings.Contains(a, "fol") || len(args) > 20 || !strings.HasPrefix(a, "--") && strings.HasPrefix(a, "-") && strings.ContainsAny(a, "fDi") || strings.HasPrefix(a, "--cursor-file") {
				return // waits for ever, or leaves the file alone
			}
		}
		entries := journal.DecodeExport(export)
		synctest.Test(t, func(t *testing.T) {
			h := memnet.New(t).Host(t, memnet.Config{Name: "server1", Programs: map[string]host.Program{"/usr/bin/journalctl": journalctl.Command}, Seed: 1})
			h.MkdirAll("/j", 0o755)
			h.Do(nil, func(_ context.Context, p *host.Proc) {
				w, err := sdjournal.Create(p, "/j/system.journal", journal.Header{FileID: journal.ID{1}, SeqnumID: journal.ID{2}})
				if err != nil {
					t.Error(err)
					return
				}
				defer w.Close()
				for i, e := range entries {
					e.Seqnum, e.SeqnumID = uint64(i+1), journal.ID{2}
					if err := w.Append(e); err != nil {
						t.Error(err)
					}
				}
			})
			r := h.Run(append([]string{"journalctl", "--no-pager", "-D", "/j"}, args...)...)
			if r.Status.Signal != 0 || r.Status.Code > 1 {
				t.Errorf("%q ended with %v: %s", args, r.Status, r.Stderr)
			}
		})
	})
}
