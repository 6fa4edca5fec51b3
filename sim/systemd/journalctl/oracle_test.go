package journalctl_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"sort"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"enshu/sim/host"
	"enshu/sim/memnet"
	"enshu/sim/recorded"
	"enshu/sim/sdjournal"
	"enshu/sim/systemd/journalctl"
	"enshu/sim/wire/journal"
)

// fixtureHost has the fixture's journal at /j/sys.journal.
func fixtureHost(t testing.TB) *memnet.Host {
	raw, err := base64.StdEncoding.DecodeString(recorded.Load(t, "journalctl_fixture").Export)
	if err != nil {
		t.Fatal(err)
	}
	n := memnet.New(t)
	h := n.Host(t, memnet.Config{Name: "server1", Programs: map[string]host.Program{"/usr/bin/journalctl": journalctl.Command}, Seed: 1, Offset: recordedAt.Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))})
	h.MkdirAll("/j", 0o755)
	h.MkdirAll("/usr/sbin", 0o755)
	h.WriteFile("/usr/sbin/sshd", "\x7fELF")
	h.Chmod("/usr/sbin/sshd", 0o755)
	h.MkdirAll("/usr/lib/systemd/catalog", 0o755)
	h.WriteFile("/usr/lib/systemd/catalog/systemd.catalog", debianCatalog(t))
	h.WriteFile("/j/e.export", string(raw))
	id, _ := journal.ParseID("31c96c40a638420eb2e87023f7c34300")
	imported(t, h, "/j/sys.journal", raw, id)
	return h
}

// debianCatalog is the catalogue of the host of the recordings.
func debianCatalog(t testing.TB) string {
	catalog, err := os.ReadFile("../../distro/files/systemd/usr/lib/systemd/catalog/systemd.catalog")
	if err != nil {
		t.Fatal(err)
	}
	return supportURL.ReplaceAllString(string(catalog), "Support: https://www.debian.org/support")
}

// imported writes a file of the journal. Fields stand in the order in which the
// real importer stored them: by their first occurrence in the file.
func imported(t testing.TB, h *memnet.Host, name string, raw []byte, id journal.ID) {
	h.Do(nil, func(_ context.Context, p *host.Proc) {
		machine, _ := journal.ParseID("0123456789abcdef0123456789abcdef")
		w, err := sdjournal.Create(p, name, journal.Header{FileID: id, SeqnumID: id, MachineID: machine})
		if err != nil {
			t.Error(err)
			return
		}
		first := map[journal.Field]int{}
		for i, e := range journal.DecodeExport(raw) {
			e.Seqnum, e.SeqnumID = uint64(i+1), id
			for _, f := range e.Fields {
				if _, ok := first[f]; !ok {
					first[f] = len(first)
				}
			}
			sort.SliceStable(e.Fields, func(i, j int) bool { return first[e.Fields[i]] < first[e.Fields[j]] })
			if err := w.Append(e); err != nil {
				t.Error(err)
			}
		}
		w.Close()
	})
}

// recordedAt is when the cases were recorded, more or less.
var recordedAt = time.Date(2026, 11, 22, 1, 45, 0, 0, time.UTC)

var ansi = regexp.MustCompile("\x1b\\[[0-9;]*m")

var supportURL = regexp.MustCompile(`Support: .*`)

// known are steps that differ on purpose, with the reason.
var knownJournalctl = map[string]string{
	"journalctl --no-pager --file /j/sys.journal --header": "the file format is another",
	"journalctl --version":                                 "EL9's package",
	"journalctl --no-pager -D /var/empty -n 2; mkdir -p /tmp/emptyj; journalctl --no-pager -D /tmp/emptyj": "needs a shell",
}

func TestJournalctlCases(t *testing.T) {
	pass, marked := 0, 0
	for _, name := range []string{"journalctl_default_and_counts", "journalctl_outputs", "journalctl_filters", "journalctl_time",
		"journalctl_boots_and_kernel", "journalctl_catalog", "journalctl_colors", "journalctl_cursor", "journalctl_files_and_info"} {
		c := recorded.Load(t, name)
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := fixtureHost(t)
				for i, s := range c.Steps {
					if why := knownJournalctl[s.Run]; why != "" {
						marked++
						continue
					}
					r := s.Exec(h, s.Run)
					if d := journalDiff(s, r); d != "" {
						t.Errorf("step %d: %s\n%s", i, s.Run, d)
						continue
					}
					pass++
				}
			})
		})
	}
	t.Logf("%d steps hold, %d marked", pass, marked)
}

// journalDiff compares a step, JSON as values and the order of -F and -N aside,
// which is that of hash tables.
func journalDiff(s recorded.Step, r memnet.Result) string {
	want, got := s.Stdout, r.Stdout
	unescape := regexp.MustCompile(`\\x([0-9a-f]{2})`)
	want = unescape.ReplaceAllStringFunc(want, func(m string) string {
		var b byte
		fmt.Sscanf(m[2:], "%02x", &b)
		return string([]byte{b})
	})
	switch {
	case strings.Contains(s.Run, "-o json") && !strings.Contains(s.Run, "list-boots"):
		return cmp.Diff(jsonValues(ansi.ReplaceAllString(want, "")), jsonValues(ansi.ReplaceAllString(got, "")))
	case strings.Contains(s.Run, " -F ") || strings.Contains(s.Run, " -N"):
		want, got = sortedLines(want), sortedLines(got)
	case s.PTY != nil:
		got += r.Stderr
	}
	if d := cmp.Diff(want, got); d != "" {
		return "stdout (-want +got):\n" + d
	}
	if d := cmp.Diff(s.Stderr, r.Stderr); d != "" && s.PTY == nil {
		return "stderr (-want +got):\n" + d
	}
	if r.Status.Code != s.Exit {
		return fmt.Sprintf("exit %d, want %d", r.Status.Code, s.Exit)
	}
	return ""
}

func sortedLines(s string) string {
	l := strings.Split(s, "\n")
	sort.Strings(l)
	return strings.Join(l, "\n")
}

func jsonValues(s string) (values []any) {
	s = strings.ReplaceAll(strings.ReplaceAll(s, "data: ", ""), "\x1e", "")
	dec := json.NewDecoder(strings.NewReader(s))
	for {
		var v any
		if dec.Decode(&v) != nil {
			return values
		}
		values = append(values, v)
	}
}
