package grader

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"enshu/grader/check"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares a text with testdata/name.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (run with -update to accept):\n%s", file, d)
	}
}

// sample are values for every parameter that advice names.
var sample = check.Params{
	"what":  check.Text("「x」を含む", "holds “x”"),
	"ports": check.Text("なし", "none"),
}.With("host", "server").With("sender", "client").With("receiver", "server").With("run", "id usera").With("want", "0644").
	With("status", "1").With("output", "no such user").With("path", "/etc/motd").With("count", "3").With("mode", "0600").
	With("owner", "root").With("unit", "chronyd").With("state", "inactive").With("result", "exit-code").With("file", "/var/log/messages").
	With("port", "514/tcp").With("zone", "public").With("other", "514/udp").With("logdenied", "off").With("program", "rsyslogd").
	With("programs", "ncat").With("address", "192.168.0.10").With("place", "/etc/rsyslog.conf:52").With("module", "imtcp").
	With("number", "514").With("otherport", "541").With("error", "Connection refused").With("priority", "user.info").
	With("selector", "mail.info").With("to", "192.168.0.11:514").With("name", "sever").With("listening", "514/tcp").
	With("query", "journalctl -u chronyd").With("from", "client").With("every", "weekly").With("keep", "4").With("old", "/var/log/x.1").
	With("offset", "1.5s").With("agrees", "client").With("stepat", "chronyd").With("source", "ntp").With("sources", "192.168.0.1").
	With("client", "client").With("mark", "x").With("poll", "64").With("selected", "192.0.2.9").With("stratum", "3").With("is", "UTC").With("reason", "Connection refused").
	With("user", "usera").With("subject", "Alert x").With("subjects", "hello, test").With("text", "disk failure").With("mailbox", "/var/spool/mail/root").With("via", "relay").With("passed", "client, server").
	With("skew", "5s").With("difference", "10m0s").With("chain", "filter_IN_public_deny").With("line", "Nov 22 10:00:00 client enshu: probe")

var parameter = regexp.MustCompile(`\{[a-z]+\}`)

// TestAdvice holds every advice of every kind to the rules, and its words to
// the golden file of its language.
func TestAdvice(t *testing.T) {
	for _, lang := range []string{"ja", "en"} {
		for _, k := range kinds() {
			var b bytes.Buffer
			seen := map[string]bool{}
			for _, a := range k.Advice {
				if seen[a.Link] {
					t.Errorf("%s: %s is there twice", k.Name, a.Link)
				}
				seen[a.Link] = true
				step := a.Step
				if step == "" {
					step = a.Link
				}
				if k.Labels[step].JA == "" || k.Labels[step].EN == "" {
					if a.Link != k.Unwanted {
						t.Errorf("%s: the step %s of %s has no label", k.Name, step, a.Link)
					}
				}
				fmt.Fprintf(&b, "%s (%s)\n", a.Link, step)
				for _, s := range []string{a.Expected.In(lang), a.Seen.In(lang), a.Slip.In(lang), a.Command} {
					said := sample.FillIn(lang, s)
					if said == "" || parameter.MatchString(said) {
						t.Errorf("%s: %s in %s says %q", k.Name, a.Link, lang, said)
					}
					fmt.Fprintf(&b, "\t%s\n", said)
				}
			}
			if !seen[k.Unwanted] {
				t.Errorf("%s: nothing is said when %q must not be", k.Name, k.Unwanted)
			}
			golden(t, filepath.Join("advice", k.Name+"."+lang+".txt"), b.Bytes())
		}
	}
}

// TestAdviceStyle keeps the tone: Japanese sentences without a full stop where
// they are fragments, English without capitals where they go on.
func TestAdviceStyle(t *testing.T) {
	for _, k := range kinds() {
		for _, a := range k.Advice {
			if strings.HasSuffix(a.Expected.JA, "。") || strings.HasSuffix(a.Seen.JA, "。") {
				t.Errorf("%s: %s: what is expected and seen has no full stop", k.Name, a.Link)
			}
			if !strings.HasSuffix(a.Slip.JA, "。") || !strings.HasSuffix(a.Slip.EN, ".") {
				t.Errorf("%s: %s: a tip is a sentence: %q %q", k.Name, a.Link, a.Slip.JA, a.Slip.EN)
			}
		}
	}
}
