package journald_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
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

// vector is what was sent to one of journald's sockets and what it became.
type vector struct {
	What, Socket string
	Sent         string           `yaml:"sent_hex"`
	SentText     string           `yaml:"sent_text"`
	SentLen      int              `yaml:"sent_len"`
	Entries      []map[string]any `yaml:"entries"`
}

// added are the fields that tell of the sender, which here is another one, and
// of /proc, which memnet does not have.
var added = []string{"_PID", "_UID", "_GID", "_COMM", "_EXE", "_CMDLINE", "_CAP_EFFECTIVE", "_SYSTEMD_CGROUP", "_SYSTEMD_UNIT", "_SYSTEMD_SLICE",
	"_SYSTEMD_USER_SLICE", "_SYSTEMD_OWNER_UID", "_SYSTEMD_SESSION", "_SYSTEMD_INVOCATION_ID", "_BOOT_ID", "_MACHINE_ID", "_HOSTNAME",
	"_RUNTIME_SCOPE", "_SOURCE_REALTIME_TIMESTAMP", "_SOURCE_MONOTONIC_TIMESTAMP", "_STREAM_ID", "_AUDIT_SESSION", "_AUDIT_LOGINUID", "SYSLOG_PID"}

// shortened is a long message as it is recorded: its beginning, and its length.
var shortened = regexp.MustCompile(`(?s)^(.*)\.\.\.\[(\d+) characters\]$`)

// sent is what was sent. Where the record has the beginning only, the last byte of
// that went on to the end of the message, which is recorded with its length.
func (v vector) sent(t *testing.T) []byte {
	if v.Sent == "" {
		return []byte(v.SentText)
	}
	digits, cut := strings.CutSuffix(v.Sent, "...")
	sent, err := hex.DecodeString(digits)
	if err != nil {
		t.Fatal(err)
	}
	if !cut {
		return sent
	}
	again := sent[len(sent)-1]
	length := 0
	for _, e := range v.Entries {
		message, _ := e["MESSAGE"].(string)
		if m := shortened.FindStringSubmatch(message); m != nil {
			n, _ := strconv.Atoi(m[2])
			length += n
		} else {
			length += len(message)
		}
	}
	for bytes.Count(sent, []byte{again}) < length {
		sent = append(sent, again)
	}
	if len(sent) < v.SentLen {
		sent = append(sent, '\n')
	}
	if len(sent) < v.SentLen {
		sent = fmt.Appendf(sent, "PRIORITY=%v\n", v.Entries[0]["PRIORITY"])
	}
	if len(sent) != v.SentLen {
		t.Fatalf("%d bytes were sent, %d made of the record", v.SentLen, len(sent))
	}
	return sent
}

// shorten makes of a long value what the record has.
func shorten(have, want map[string]any) {
	for name, v := range want {
		if text, ok := v.(string); ok && shortened.MatchString(text) {
			if long, ok := have[name].(string); ok {
				begin := len(shortened.FindStringSubmatch(text)[1])
				have[name] = fmt.Sprintf("%s...[%d characters]", long[:min(begin, len(long))], len(long))
			}
		}
	}
}

func vectors(t *testing.T, name string) []vector {
	data, err := os.ReadFile("testdata/oracle/" + name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	var f struct{ Vectors []vector }
	if err := yaml.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	return f.Vectors
}

// journaldHost runs journald alone.
func journaldHost(t *testing.T, files map[string]string) (*memnet.Host, *memnet.Daemon) {
	h := memnet.New(t).Host(t, memnet.Config{Name: "server1", Programs: programs(), Seed: 1})
	h.WriteFile("/etc/hostname", "server1\n")
	h.WriteFile("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
	h.WriteFile("/etc/group", "root:x:0:\nsystemd-journal:x:190:\n")
	for name, text := range files {
		h.MkdirAll(name[:strings.LastIndexByte(name, '/')], 0o755)
		h.WriteFile(name, text)
	}
	return h, h.Start("/usr/lib/systemd/systemd-journald")
}

// entries returns what the journal has, journald's own lines aside.
func entries(t *testing.T, h *memnet.Host) (list []*journal.Entry) {
	h.Do(nil, func(_ context.Context, p *host.Proc) {
		r, err := sdjournal.Open(p, sdjournal.Options{})
		if err != nil {
			t.Error(err)
			return
		}
		defer r.Close()
		for {
			e, err := r.Next()
			if err != nil {
				return
			}
			if e.Get("_TRANSPORT") != "driver" {
				list = append(list, e)
			}
		}
	})
	return list
}

// values has the fields of an entry as the vectors do.
func values(e *journal.Entry) map[string]any {
	m := map[string]any{}
	for _, f := range e.Fields {
		var v any = f.Value
		if !printable(f.Value) {
			var nums []any
			for _, b := range []byte(f.Value) {
				nums = append(nums, int(b))
			}
			v = nums
		}
		switch old := m[f.Name].(type) {
		case nil:
			m[f.Name] = v
		case string:
			m[f.Name] = []any{old, v}
		case []any:
			m[f.Name] = append(old, v)
		}
	}
	return m
}

func printable(s string) bool {
	return strings.ToValidUTF8(s, "") == s && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' })
}

func TestVectors(t *testing.T) {
	for name, c := range map[string]struct{ network, addr string }{
		"native_protocol_vectors": {"unixgram", "/run/systemd/journal/socket"},
		"dev_log_vectors":         {"unixgram", "/dev/log"},
		"stdout_protocol_vectors": {"unix", "/run/systemd/journal/stdout"},
		"kmsg_vectors":            {"kmsg", ""},
	} {
		for _, v := range vectors(t, name) {
			t.Run(name+"/"+v.What, func(t *testing.T) {
				if strings.HasPrefix(v.What, "memfd") {
					t.Skip("sent by memfd, which is a divergence")
				}
				sent := v.sent(t)
				synctest.Test(t, func(t *testing.T) {
					h, d := journaldHost(t, nil)
					if c.network == "kmsg" {
						priority, text := 12, string(sent)
						if n, err := fmt.Sscanf(text, "<%d>", &priority); n == 1 && err == nil {
							text = text[strings.IndexByte(text, '>')+1:]
							if priority < 8 {
								priority += 8 // what is not the kernel's own is user's
							}
						}
						h.Kmsg.Append(priority, strings.TrimSuffix(text, "\n"))
					} else {
						h.Do(nil, func(ctx context.Context, p *host.Proc) {
							conn, err := p.Sys.Dial(ctx, c.network, c.addr)
							if err != nil {
								t.Error(err)
								return
							}
							conn.Write(sent)
							conn.Close()
						})
					}
					time.Sleep(time.Second)
					got := entries(t, h)
					d.Stop()
					if len(got) != len(v.Entries) {
						t.Fatalf("%d entries, want %d: %v", len(got), len(v.Entries), got)
					}
					for i, e := range got {
						have, want := values(e), v.Entries[i]
						for _, f := range added {
							delete(have, f)
							delete(want, f)
						}
						shorten(have, want)
						sortLists(have)
						sortLists(want)
						if d := cmp.Diff(want, have); d != "" {
							t.Errorf("entry %d (-want +got):\n%s", i, d)
						}
					}
				})
			})
		}
	}
}

func sortLists(m map[string]any) {
	for _, v := range m {
		if l, ok := v.([]any); ok && len(l) > 0 {
			if _, ok := l[0].(string); ok {
				slices.SortFunc(l, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
			}
		}
	}
}

// A journald that was killed leaves a journal that can be read and goes on.
func TestJournaldKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, d := journaldHost(t, nil)
		for i := range 50 {
			h.Run("logger", "-t", "app", fmt.Sprint("before ", i))
		}
		time.Sleep(time.Second)
		d.Signal(9)
		d.End()
		if n := len(entries(t, h)); n != 50 {
			t.Fatalf("%d entries after the kill, want 50", n)
		}
		h.Start("/usr/lib/systemd/systemd-journald")
		h.Run("logger", "-t", "app", "after")
		time.Sleep(time.Second)
		got := entries(t, h)
		if n := len(got); n != 51 || got[50].Get("MESSAGE") != "after" {
			for _, e := range got[49:] {
				t.Log(e.Fields)
			}
			t.Fatalf("%d entries, want 51 that end with \"after\"", n)
		}
		for i, e := range got[1:] {
			if e.Seqnum <= got[i].Seqnum {
				t.Fatalf("sequence number %d follows %d", e.Seqnum, got[i].Seqnum)
			}
		}
	})
}

// Following sees what comes, across a rotation and a restart of journald.
func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, d := journaldHost(t, nil)
		h.Run("logger", "-t", "app", "one")
		time.Sleep(time.Second)
		follower := h.Spawn(host.Cmd{Args: []string{"/usr/bin/journalctl", "-f", "-o", "cat", "-t", "app"}})
		time.Sleep(time.Second)
		h.Run("logger", "-t", "app", "two")
		time.Sleep(time.Second)
		if r := h.Run("journalctl", "--rotate"); r.Status.Code != 0 {
			t.Fatalf("rotate: %s", r.Stderr)
		}
		h.Run("logger", "-t", "app", "three")
		time.Sleep(time.Second)
		d.Stop()
		h.Start("/usr/lib/systemd/systemd-journald")
		h.Run("logger", "-t", "app", "four")
		time.Sleep(3 * time.Second)
		follower.Signal(15)
		follower.End()
		if got := follower.Stdout.String(); got != "one\ntwo\nthree\nfour\n" {
			t.Errorf("followed %q", got)
		}
	})
}

func TestStorage(t *testing.T) {
	const dir = "/0123456789abcdef0123456789abcdef"
	synctest.Test(t, func(t *testing.T) {
		h, d := journaldHost(t, nil)
		h.Run("logger", "-t", "app", "volatile")
		time.Sleep(time.Second)
		h.MkdirAll("/var/log/journal", 0o755)
		if r := h.Run("journalctl", "--flush"); r.Status.Code != 0 {
			t.Fatal(r.Stderr)
		}
		h.Run("logger", "-t", "app", "kept")
		time.Sleep(time.Second)
		if r := h.Run("ls-journals"); strings.Contains(r.Stdout, "/run/log/journal") {
			t.Error(r.Stdout)
		}
		r := h.Run("journalctl", "--no-pager", "-q", "-t", "app", "-o", "cat", "-D", "/var/log/journal"+dir)
		if r.Stdout != "volatile\nkept\n" {
			t.Errorf("on disk: %q %s", r.Stdout, r.Stderr)
		}
		r = h.Run("journalctl", "--no-pager", "-q", "-t", "systemd-journald", "-o", "cat", "-n", "2")
		if !strings.Contains(r.Stdout, "for ") || !strings.Contains(r.Stdout, "System Journal (/var/log/journal"+dir+") is 8.0M, max ") {
			t.Errorf("journald said %q", r.Stdout)
		}
		h.Run("journalctl", "--rotate")
		h.Run("logger", "-t", "app", "third")
		time.Sleep(time.Second)
		r = h.Run("journalctl", "--vacuum-files=1")
		if !strings.Contains(r.Stderr, "Deleted archived journal /var/log/journal"+dir+"/system@") {
			t.Errorf("vacuum said %q", r.Stderr)
		}
		r = h.Run("journalctl", "--no-pager", "-q", "-t", "app", "-o", "cat")
		if r.Stdout != "third\n" {
			t.Errorf("after vacuuming %q", r.Stdout)
		}
		d.Stop()
	})
}

// What comes by /dev/log is forwarded as it is, the rest in that form.
func TestForwardToSyslog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := journaldHost(t, map[string]string{"/etc/systemd/journald.conf.d/f.conf": "[Journal]\nForwardToSyslog=yes\n"})
		var got []string
		h.Go(nil, func(ctx context.Context, p *host.Proc) int {
			c, err := p.Sys.ListenPacket("unixgram", "/run/systemd/journal/syslog")
			if err != nil {
				t.Error(err)
				return 1
			}
			defer c.Close()
			for range 2 {
				b := make([]byte, 1000)
				n, _, err := c.ReadFrom(b)
				if err != nil {
					return 1
				}
				got = append(got, string(b[:n]))
			}
			return 0
		})
		time.Sleep(time.Second)
		h.Run("logger", "-t", "app", "-p", "mail.err", "hello")
		h.RunCmd(host.Cmd{Args: []string{"/usr/bin/systemd-cat", "-t", "cat"}, Stdin: strings.NewReader("from cat\n")})
		time.Sleep(time.Second)
		synctest.Wait()
		slices.Sort(got) // a datagram and a stream may overtake each other
		if len(got) != 2 || got[0] != "<19>Jan  1 00:00:01 app: hello" || !strings.HasPrefix(got[1], "<30>Jan  1 00:00:01 cat[") || !strings.HasSuffix(got[1], "]: from cat") {
			t.Errorf("forwarded %q", got)
		}
	})
}
