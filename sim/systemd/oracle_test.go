package systemd_test

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
	"gopkg.in/yaml.v3"

	"enshu/sim/host"
	"enshu/sim/memnet"
	"enshu/sim/sdjournal"
	"enshu/sim/wire/journal"
)

// oracleCase is a recorded case.
type oracleCase struct {
	Case   string
	Steps  []oracleStep
	Export string `yaml:"journal_export_base64"`
}

type oracleStep struct {
	Run    string
	User   string `yaml:"as_user"`
	Env    map[string]string
	Stdout string
	Stderr string
	Exit   int
	PTY    *struct{ Rows, Cols int }
}

func oracle(t testing.TB, name string) oracleCase {
	t.Helper()
	data, err := os.ReadFile("testdata/oracle/" + name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	var c oracleCase
	if err := yaml.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// terminal is a stdout of a given size that writes CR LF, as a tty does.
type terminal struct {
	strings.Builder
	rows, cols int
}

func (t *terminal) Write(b []byte) (int, error) {
	t.WriteString(strings.ReplaceAll(string(b), "\n", "\r\n"))
	return len(b), nil
}
func (t *terminal) Size() (int, int)   { return t.rows, t.cols }
func (t *terminal) Name() string       { return "/dev/pts/0" }
func (t *terminal) SetEcho(bool) error { return nil }

// words splits a command as a shell does, quotes only.
func words(t testing.TB, s string) []string {
	var out []string
	var b strings.Builder
	in, quote := false, byte(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			b.WriteByte(c)
		case c == '\'' || c == '"':
			quote, in = c, true
		case c == ' ':
			if in {
				out = append(out, b.String())
				b.Reset()
				in = false
			}
		default:
			b.WriteByte(c)
			in = true
		}
	}
	if in {
		out = append(out, b.String())
	}
	return out
}

// runStep runs the command of a step and returns what it printed.
func runStep(t testing.TB, h *memnet.Host, s oracleStep, run string) memnet.Result {
	c := host.Cmd{Args: words(t, run), Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "HOME=/root"}}
	if s.Env["LANG"] == "" {
		c.Env = append(c.Env, "LANG=C.UTF-8")
	}
	for k, v := range s.Env {
		c.Env = append(c.Env, k+"="+v)
	}
	if s.User != "" && s.User != "root" {
		c.Cred = &host.Cred{UID: 1001, GID: 1002, Groups: []int{1002}}
	}
	if s.PTY == nil {
		return h.RunCmd(c)
	}
	c.Env = append(c.Env, "TERM=xterm-256color")
	if s.Env["TERM"] != "" {
		c.Env = append(c.Env, "TERM="+s.Env["TERM"])
	}
	tty := &terminal{rows: s.PTY.Rows, cols: s.PTY.Cols}
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(""), tty, tty
	r := h.RunCmd(c)
	r.Stdout = tty.String()
	return r
}

// fixtureHost has the fixture's journal at /j/sys.journal. Fields stand in the
// order in which the real importer stored them: by their first occurrence in
// the file.
func fixtureHost(t testing.TB) *memnet.Host {
	raw, err := base64.StdEncoding.DecodeString(oracle(t, "journalctl_fixture").Export)
	if err != nil {
		t.Fatal(err)
	}
	n := memnet.New(t)
	h := n.Host(t, memnet.Config{Name: "server1", Programs: programs(), Seed: 1, Offset: recorded.Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))})
	h.MkdirAll("/j", 0o755)
	h.MkdirAll("/usr/lib/systemd/catalog", 0o755)
	catalog, err := os.ReadFile("../distro/files/systemd/usr/lib/systemd/catalog/systemd.catalog")
	if err != nil {
		t.Fatal(err)
	}
	h.WriteFile("/usr/lib/systemd/catalog/systemd.catalog", supportURL.ReplaceAllString(string(catalog), "Support: https://www.debian.org/support"))
	h.WriteFile("/j/e.export", string(raw))
	h.Do(nil, func(_ context.Context, p *host.Proc) {
		id, _ := journal.ParseID("31c96c40a638420eb2e87023f7c34300")
		machine, _ := journal.ParseID("0123456789abcdef0123456789abcdef")
		w, err := sdjournal.Create(p, "/j/sys.journal", journal.Header{FileID: id, SeqnumID: id, MachineID: machine})
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
	return h
}

// recorded is when the cases were recorded, more or less.
var recorded = time.Date(2026, 11, 22, 1, 45, 0, 0, time.UTC)

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
		c := oracle(t, name)
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := fixtureHost(t)
				for i, s := range c.Steps {
					if why := knownJournalctl[s.Run]; why != "" {
						marked++
						continue
					}
					r := runStep(t, h, s, s.Run)
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
func journalDiff(s oracleStep, r memnet.Result) string {
	want, got := s.Stdout, r.Stdout
	unescape := regexp.MustCompile(`\\x([0-9a-f]{2})`)
	want = unescape.ReplaceAllStringFunc(want, func(m string) string {
		var b byte
		fmt.Sscanf(m[2:], "%02x", &b)
		return string([]byte{b})
	})
	strip := regexp.MustCompile("\x1b\\[[0-9;]*m")
	switch {
	case strings.Contains(s.Run, "-o json") && !strings.Contains(s.Run, "list-boots"):
		return cmp.Diff(jsonValues(strip.ReplaceAllString(want, "")), jsonValues(strip.ReplaceAllString(got, "")))
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
