package story

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	diff "github.com/google/go-cmp/cmp"

	"enshu/sim/trace"
)

// TestSentences holds the sentences to the attributes that events have.
func TestSentences(t *testing.T) {
	names := regexp.MustCompile(`\{[a-z-]+\}`)
	for kind, attrs := range trace.Kinds {
		s := sentences[kind]
		for _, text := range []string{s.JA, s.EN} {
			found := names.FindAllString(text, -1)
			if text == "" || len(found) == 0 && len(attrs) > 0 {
				t.Errorf("%s: %q tells nothing", kind, text)
			}
			for _, n := range found {
				if n != "{program}" && !slices.Contains(trace.Kinds[kind], strings.Trim(n, "{}")) {
					t.Errorf("%s: %q: the kind has no %s", kind, text, n)
				}
			}
		}
	}
}

var update = flag.Bool("update", false, "write the golden files anew")

var unfilled = regexp.MustCompile(`\{[a-z-]+\}| - |（-|-）|\(-|-\)`)

// golden compares a text with testdata/name. Whatever it says is complete.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if left := unfilled.FindString(got); left != "" {
		t.Errorf("%q is left to fill in:\n%s", left, got)
	}
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s (run with -update to accept):\n%s", file, diff.Diff(string(want), got))
	}
}

// TestTellAll holds the sentence of every kind that is told, in both languages,
// to the golden file.
func TestTellAll(t *testing.T) {
	sample := trace.Attrs{"facility": "user", "severity": "info", "text": "hello", "over": "tcp", "input": "imtcp", "rule": "/etc/rsyslog.conf:60",
		"selector": "user.info", "action": "@@192.168.0.10:514", "to": "192.168.0.10:514", "from": "192.168.0.20:40000", "file": "/var/log/messages",
		"reason": "action suspended", "error": "Connection refused", "protocol": "tcp", "chain": "filter_IN_public", "sender": "usera@client", "recipients": "root@server",
		"subject": "hi", "id": "4B2D07D830", "to-id": "5C3E18E941", "line": "7", "relay": "server[192.168.0.10]:25", "reply": "250 2.0.0 Ok: queued as 5C3E18E941",
		"mailbox": "/var/spool/mail/root", "command": "RCPT"}
	about := map[trace.Kind]trace.Attrs{
		trace.MessageReceived: {"from": "192.168.0.20"},
		trace.MessageDropped:  {"to": "@@192.168.0.10:514"},
		trace.FileRotated:     {"from": "/var/log/messages", "to": "/var/log/messages-20261122"},
		trace.PacketRefused:   {"action": "drop"},
		trace.MailSent:        {"to": "root@server"}, trace.MailDelivered: {"to": "root@server"}, trace.MailDeferred: {"to": "root@server", "reason": "Connection refused"},
		trace.MailBounced: {"to": "nobody@server", "reason": "unknown user: nobody"}, trace.MailAccepted: {"from": "192.168.0.20"},
		trace.AliasExpanded: {"from": "team", "to": "usera", "file": "/etc/aliases"}, trace.AliasMissed: {"from": "team", "file": "/etc/aliases"},
		trace.MailForwarded: {"from": "team@server", "to": "usera@server"}, trace.MailRejected: {"reply": "554 5.7.1 Relay access denied"},
		trace.MailHeld: {"reason": "postsuper"}, trace.MailUnread: {"file": "/home/usera/.forward", "reason": "it is world writable"},
	}
	for kind, attrs := range map[trace.Kind]trace.Attrs{
		trace.CommandRun:      {"user": "0", "dir": "/root", "command": "logger hello"},
		trace.CommandDone:     {"command": "logger hello", "status": "0"},
		trace.UnitChanged:     {"unit": "rsyslog.service", "from": "active", "to": "failed", "result": "exit-code"},
		trace.HostDown:        {"reason": "reboot"},
		trace.ConfigLoaded:    {"file": "/etc/rsyslog.conf"},
		trace.FirewallChanged: {"zone": "public", "change": "add port 514/tcp"},
		trace.SampleTaken:     {"source": "192.168.0.1", "stratum": "2", "offset": "+0.012", "delay": "0.001"},
		trace.SourceSelected:  {"source": "192.168.0.1", "stratum": "2"},
		trace.ClockStepped:    {"by": "-90.000", "reason": "makestep"},
		trace.ClockSlewed:     {"by": "+0.012", "reason": "sample"},
		trace.QueryAnswered:   {"protocol": "ntp", "from": "192.168.0.20", "question": "client", "answer": "stratum 3"},
		trace.Warped:          {"by": "24h0m0s"},
		trace.Checked:         {"task": "deliver", "outcome": "pass"},
	} {
		about[kind] = attrs
	}
	program := map[trace.Kind]string{trace.MessageLogged: "logger", trace.MailSubmitted: "sendmail", trace.CommandRun: "logger",
		trace.SampleTaken: "chronyd", trace.SourceSelected: "chronyd", trace.ClockStepped: "chronyd", trace.ClockSlewed: "chronyd", trace.QueryAnswered: "chronyd"}
	var b strings.Builder
	for _, kind := range slices.Sorted(maps.Keys(sentences)) {
		e := trace.Event{At: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), Kind: kind, Program: cmp.Or(program[kind], "rsyslogd"), Attrs: maps.Clone(sample)}
		maps.Copy(e.Attrs, about[kind])
		fmt.Fprintf(&b, "%s\n\t%s\n\t%s\n", kind, tell(e, "ja"), tell(e, "en"))
	}
	early := trace.Event{Kind: trace.MessageDropped, Program: "rsyslogd", Attrs: trace.Attrs{"reason": "imuxsock: rate limit"}}
	fmt.Fprintf(&b, "%s before any rule\n\t%s\n\t%s\n", early.Kind, tell(early, "ja"), tell(early, "en"))
	golden(t, "sentences.txt", b.String())
}

func TestWrite(t *testing.T) {
	at := time.Date(2026, 11, 22, 0, 0, 0, 0, time.Local)
	failed := trace.Event{Seq: 4, At: at, Host: "client", Program: "rsyslogd", Kind: trace.ConnectFailed,
		Attrs: trace.Attrs{"to": "192.168.0.10:514", "over": "tcp", "error": "No route to host"}}
	story := []trace.Event{
		{Seq: 2, At: at, Host: "client", Program: "logger", Kind: trace.MessageLogged, Attrs: trace.Attrs{"facility": "user", "severity": "info", "text": "{rule} %d", "over": "/dev/log"}},
		{Seq: 3, At: at, Host: "client", Program: "rsyslogd", Kind: trace.RuleMatched, Attrs: trace.Attrs{"rule": "/etc/rsyslog.conf:60", "selector": "user.info", "action": "@@192.168.0.10"}},
		failed, failed,
		{Seq: 6, At: at, Host: "s", Program: "local", Kind: trace.MailDelivered, Attrs: trace.Attrs{"id": "A1", "to": "root@s", "mailbox": "/var/mail/root"}},
	}
	for lang, want := range map[string]string{
		"en": `     2 00:00:00.000 client: logger wrote user.info (/dev/log): {rule} %d
     3 00:00:00.000 client: /etc/rsyslog.conf:60 (user.info) matched: forward to 192.168.0.10 over tcp
     4 00:00:00.000 client: rsyslogd could not connect to 192.168.0.10:514 over tcp: No route to host (×2)
     6 00:00:00.000 s:      A1: delivered for root@s into /var/mail/root
`,
		"ja": `     2 00:00:00.000 client: logger が user.info のメッセージを書いた（/dev/log）: {rule} %d
     3 00:00:00.000 client: /etc/rsyslog.conf:60（user.info）が当てはまった: 192.168.0.10 へ tcp で転送
     4 00:00:00.000 client: rsyslogd は 192.168.0.10:514 に tcp で接続できなかった: No route to host (×2)
     6 00:00:00.000 s:      A1: root@s のメールボックス /var/mail/root に届いた
`,
	} {
		var b strings.Builder
		write(&b, story, lang)
		if b.String() != want {
			t.Errorf("%s:\n%s\nwant:\n%s", lang, b.String(), want)
		}
	}
}

// TestTellMail holds what is said of mail beside its sentence: a stale database,
// and when a mail that waits is tried again.
func TestTellMail(t *testing.T) {
	jst := time.FixedZone("JST", 9*60*60)
	expanded := trace.Attrs{"id": "A1", "from": "team", "to": "usera", "file": "/etc/aliases", "line": "7"}
	stale := trace.Attrs{"id": "A1", "from": "team", "to": "usera", "file": "/etc/aliases", "line": "7", "stale": "yes"}
	for _, c := range []struct {
		kind   trace.Kind
		attrs  trace.Attrs
		ja, en string
	}{
		{trace.AliasExpanded, expanded, "A1: /etc/aliases:7 により team は usera になった", "A1: /etc/aliases:7 made team into usera"},
		{trace.AliasExpanded, stale, "A1: /etc/aliases:7 により team は usera になった（データベースは /etc/aliases より古い: newaliases がまだ）",
			"A1: /etc/aliases:7 made team into usera (the database is older than /etc/aliases: newaliases has not been run)"},
		{trace.MailDeferred, trace.Attrs{"id": "A1", "to": "x@far.example", "reason": "no route", "next": ""}, "A1: x@far.example あてを後で送り直す: no route",
			"A1: put off for x@far.example: no route"},
		{trace.MailDeferred, trace.Attrs{"id": "A1", "reason": "no route", "next": "2026-11-22T00:05:00Z"}, "A1: 次に送るのは 09:05:00 より後",
			"A1: the next attempt is not before 09:05:00"},
		{trace.MailDeferred, trace.Attrs{"id": "A1", "reason": "no route", "next": "2026-11-22T15:05:00Z"}, "A1: 次に送るのは 2026-11-23 00:05:00 より後",
			"A1: the next attempt is not before 2026-11-23 00:05:00"},
		{trace.AliasMissed, trace.Attrs{"id": "A1", "from": "team", "file": "/etc/aliases", "line": "7"},
			"A1: /etc/aliases:7 に team はあるが、データベースにはない（データベースは /etc/aliases より古い: newaliases がまだ）",
			"A1: /etc/aliases:7 has team, the database does not (it is older than /etc/aliases: newaliases has not been run)"},
	} {
		e := trace.Event{At: time.Date(2026, 11, 22, 9, 0, 0, 0, jst), Kind: c.kind, Attrs: c.attrs}
		if got := tell(e, "ja"); got != c.ja {
			t.Errorf("ja: %s, want %s", got, c.ja)
		}
		if got := tell(e, "en"); got != c.en {
			t.Errorf("en: %s, want %s", got, c.en)
		}
	}
}
