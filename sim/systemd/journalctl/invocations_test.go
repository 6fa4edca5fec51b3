package journalctl_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"enshu/sim/host"
	"enshu/sim/memnet"
	"enshu/sim/recorded"
	"enshu/sim/systemd/journalctl"
	"enshu/sim/wire/journal"
)

// invocation is one run of the real journalctl over journal.export.
type invocation struct {
	Args    []string
	Env     map[string]string
	Columns int
	Out     string
	Err     string
	Status  int
}

// asBytes is a text that has a character for each byte.
func asBytes(s string) string {
	r := make([]rune, 0, len(s))
	for _, b := range []byte(s) {
		r = append(r, rune(b))
	}
	return string(r)
}

// Generated invocations, all options in all combinations, over generated
// entries: blobs, long, wide and multi-line texts, four boots, all priorities.
func TestInvocations(t *testing.T) {
	for name, least := range map[string]int{"cases": 400, "more": 300} {
		t.Run(name, func(t *testing.T) { playInvocations(t, name, least) })
	}
}

func playInvocations(t *testing.T, name string, least int) {
	var all struct {
		At       int64
		SeqnumID string `json:"seqnum_id"`
		Cases    []invocation
	}
	data, err := os.ReadFile("testdata/invocations/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile("testdata/invocations/journal.export")
	if err != nil {
		t.Fatal(err)
	}
	id, ok := journal.ParseID(all.SeqnumID)
	if !ok || len(all.Cases) < least {
		t.Fatalf("%d cases, ID %s", len(all.Cases), all.SeqnumID)
	}
	synctest.Test(t, func(t *testing.T) {
		epoch := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // of a bubble
		h := memnet.New(t).Host(t, memnet.Config{Name: "server1", Seed: 1, Offset: time.Unix(all.At, 0).Sub(epoch),
			Programs: map[string]host.Program{"/usr/bin/journalctl": journalctl.Command}})
		h.MkdirAll("/usr/lib/systemd/catalog", 0o755)
		h.WriteFile("/usr/lib/systemd/catalog/systemd.catalog", debianCatalog(t))
		h.WriteFile("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
		h.WriteFile("/etc/passwd", "root:x:0:0::/root:/bin/sh\n")
		h.MkdirAll("/usr/bin", 0o755)
		for _, n := range []string{"bash", "dash"} {
			h.WriteFile("/usr/bin/"+n, "\x7fELF")
			h.Chmod("/usr/bin/"+n, 0o755)
		}
		h.Symlink("dash", "/usr/bin/sh")
		h.MkdirAll("/var/lib/systemd/j", 0o755)
		imported(t, h, "/var/lib/systemd/j/system.journal", raw, id)
		for _, c := range all.Cases {
			env := []string{"PATH=/usr/bin", "HOME=/root", "LANG=C.UTF-8", "TZ=UTC"}
			for k, v := range c.Env {
				env = append(env, k+"="+v)
			}
			cmd := host.Cmd{Args: append([]string{"journalctl", "--no-pager", "-D", "/var/lib/systemd/j"}, c.Args...), Env: env}
			var out, errs string
			var r memnet.Result
			if c.Columns > 0 {
				tty := &recorded.Terminal{Rows: 24, Cols: c.Columns}
				cmd.Env = append([]string{"TERM=xterm-256color"}, cmd.Env...)
				cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(""), tty, tty
				r = h.RunCmd(cmd)
				out = tty.String()
			} else {
				r = h.RunCmd(cmd)
				out, errs = r.Stdout, r.Stderr
			}
			out, errs = asBytes(out), asBytes(errs)
			if slices.Contains(c.Args, "-N") {
				c.Out = sortedLines(c.Out) // the real order is that of a hash table
				out = sortedLines(out)
			}
			d := cmp.Diff(c.Err, errs)
			if slices.ContainsFunc(c.Args, func(a string) bool { return strings.HasPrefix(a, "json") }) && !slices.Contains(c.Args, "--list-boots") {
				d += cmp.Diff(jsonValues(ansi.ReplaceAllString(c.Out, "")), jsonValues(ansi.ReplaceAllString(out, "")))
			} else {
				d += cmp.Diff(c.Out, out)
			}
			if d != "" || r.Status.Code != c.Status {
				t.Errorf("journalctl %q %v, %d columns: status %d, want %d (-want +got)\n%s", c.Args, c.Env, c.Columns, r.Status.Code, c.Status, d)
			}
		}
	})
}
