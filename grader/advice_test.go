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
var sample = params{
	"what":  text("「x」を含む", "holds “x”"),
	"ports": text("なし", "none"),
}.with("host", "server").with("sender", "client").with("receiver", "server").with("run", "id usera").with("want", "0644").
	with("status", "1").with("output", "no such user").with("path", "/etc/motd").with("count", "3").with("mode", "0600").
	with("owner", "root").with("unit", "chronyd").with("state", "inactive").with("result", "exit-code").with("file", "/var/log/messages").
	with("port", "514/tcp").with("zone", "public").with("other", "514/udp").with("logdenied", "off").with("program", "rsyslogd").
	with("programs", "ncat").with("address", "192.168.0.10").with("place", "/etc/rsyslog.conf:52").with("module", "imtcp").
	with("number", "514").with("otherport", "541").with("error", "Connection refused").with("priority", "user.info").
	with("selector", "mail.info").with("to", "192.168.0.11:514").with("name", "sever").with("listening", "514/tcp").
	with("query", "journalctl -u chronyd").with("from", "client").with("every", "weekly").with("keep", "4").with("old", "/var/log/x.1").
	with("offset", "1.5s").with("agrees", "client").with("stepat", "chronyd").with("source", "ntp").with("sources", "192.168.0.1").
	with("client", "client").with("mark", "x").with("selected", "192.0.2.9").with("stratum", "3").with("is", "UTC").with("reason", "Connection refused").
	with("user", "usera").with("mailbox", "/var/spool/mail/root").with("via", "relay").with("passed", "client, server").
	with("skew", "5s").with("difference", "10m0s").with("line", "Nov 22 10:00:00 client enshu: probe")

var parameter = regexp.MustCompile(`\{[a-z]+\}`)

// TestAdvice holds every advice of every kind to the rules, and its words to
// the golden file of its language.
func TestAdvice(t *testing.T) {
	for _, lang := range []string{"ja", "en"} {
		for _, k := range kinds() {
			var b bytes.Buffer
			seen := map[string]bool{}
			for _, a := range k.advice {
				if seen[a.Link] {
					t.Errorf("%s: %s is there twice", k.name, a.Link)
				}
				seen[a.Link] = true
				step := a.Step
				if step == "" {
					step = a.Link
				}
				if k.labels[step].JA == "" || k.labels[step].EN == "" {
					if a.Link != k.unwanted {
						t.Errorf("%s: the step %s of %s has no label", k.name, step, a.Link)
					}
				}
				fmt.Fprintf(&b, "%s (%s)\n", a.Link, step)
				for _, s := range []string{a.Expected.In(lang), a.Seen.In(lang), a.Slip.In(lang), a.Command} {
					said := fillString(s, sample, lang)
					if said == "" || parameter.MatchString(said) {
						t.Errorf("%s: %s in %s says %q", k.name, a.Link, lang, said)
					}
					fmt.Fprintf(&b, "\t%s\n", said)
				}
			}
			if !seen[k.unwanted] {
				t.Errorf("%s: nothing is said when %q must not be", k.name, k.unwanted)
			}
			golden(t, filepath.Join("advice", k.name+"."+lang+".txt"), b.Bytes())
		}
	}
}

// TestAdviceStyle keeps the tone: Japanese sentences without a full stop where
// they are fragments, English without capitals where they go on.
func TestAdviceStyle(t *testing.T) {
	for _, k := range kinds() {
		for _, a := range k.advice {
			if strings.HasSuffix(a.Expected.JA, "。") || strings.HasSuffix(a.Seen.JA, "。") {
				t.Errorf("%s: %s: what is expected and seen has no full stop", k.name, a.Link)
			}
			if !strings.HasSuffix(a.Slip.JA, "。") || !strings.HasSuffix(a.Slip.EN, ".") {
				t.Errorf("%s: %s: a tip is a sentence: %q %q", k.name, a.Link, a.Slip.JA, a.Slip.EN)
			}
		}
	}
}
