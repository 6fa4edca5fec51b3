package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"enshu/sim/lang"
	"enshu/sim/libc"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares a text with testdata/name.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
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

// sample is one of everything.
func sample() *Report {
	sent := Result{
		Kind: "log", Outcome: Fail, Link: "sent-over-udp",
		Title:    lang.Both("client の user.info が TCP で server の /var/log/messages に届く", "user.info of client arrives over TCP in /var/log/messages on server"),
		Expected: lang.Both("client の rsyslogd が TCP で送る", "rsyslogd on client sends over TCP"),
		Seen:     lang.Both("/etc/rsyslog.conf:52 の規則は UDP で 192.168.0.11:514 へ送っています", "the rule at /etc/rsyslog.conf:52 sends to 192.168.0.11:514 over UDP"),
		Slip:     lang.Both("@ 一つは UDP、@@ が TCP です。", "One @ is UDP; TCP is @@."),
		Command:  "grep -n @ /etc/rsyslog.conf /etc/rsyslog.d/*.conf", Host: "client",
		Lines:    []string{"/etc/rsyslog.conf:52: user.info @192.168.0.10:514"},
		Evidence: []uint64{101, 104},
		Path: []Link{
			{Name: "logger", Label: lang.Both("logger", "logger"), Holds: true},
			{Name: "sender-daemon", Label: lang.Both("送信側の rsyslogd", "sender's rsyslogd"), Holds: true},
			{Name: "sender-input", Label: lang.Both("受付", "taken up"), Holds: true},
			{Name: "sender-rule", Label: lang.Both("送信側の規則", "sender's rule"), Holds: true},
			{Name: "transport", Label: lang.Both("方式", "transport")},
		},
	}
	return &Report{
		Lab: "tcp-forwarding", Title: lang.Both("ログを TCP でログサーバーに集める", "Collect logs on a log server over TCP"),
		At: time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC), Points: 40, Of: 120,
		Tasks: []Task{
			{ID: "receive", Title: lang.Both("server が TCP 514 番でログを受け取る", "server takes logs on TCP port 514"), Outcome: Pass, Points: 40, Of: 40,
				Checks: []Result{{Kind: "port", Outcome: Pass, Title: lang.Both("server の rsyslogd が 514/tcp で待ち受けている", "rsyslogd on server listens on 514/tcp")}}},
			{ID: "deliver", Title: lang.Both("client の user.info が server に届く", "user.info of client arrives on server"), Outcome: Fail, Of: 60, Checks: []Result{sent}},
			{ID: "later", Title: lang.Both("あとの課題", "A later task"), Outcome: Unknown, Of: 10, Needs: []string{"deliver"}},
			{ID: "down", Title: lang.Both("=止まったホスト", "=a host that is down"), Outcome: Unknown, Of: 10,
				Checks: []Result{{Kind: "file", Outcome: Unknown, Title: lang.Both("server の /etc/motd が正しい", "/etc/motd is right on server"), Reason: "server: the host is not running"}}},
		},
	}
}

func TestText(t *testing.T) {
	for _, tt := range []struct {
		name  string
		style Style
	}{
		{"report.ja.txt", Style{Lang: "ja"}},
		{"report.en.txt", Style{Lang: "en"}},
		{"report.ja.color.txt", Style{Lang: "ja", Color: true, Verbose: true}},
		{"report.ja.narrow.txt", Style{Lang: "ja", Columns: 40}},
		{"report.en.narrow.txt", Style{Lang: "en", Columns: 40}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := WriteText(&b, sample(), tt.style); err != nil {
				t.Fatal(err)
			}
			golden(t, tt.name, b.Bytes())
			cols := tt.style.Columns
			if cols == 0 {
				cols = 80
			}
			for _, l := range strings.Split(unpainted(b.String()), "\n") {
				if libc.Columns(l) > cols {
					t.Errorf("%d columns of %d: %q", libc.Columns(l), cols, l)
				}
			}
			if !tt.style.Color && strings.Contains(b.String(), "\x1b") {
				t.Error("colours where none were asked for")
			}
		})
	}
}

func TestFormats(t *testing.T) {
	all := []Submission{{"hanako", sample()}, {"+taro", sample()}}
	var b bytes.Buffer
	if err := WriteJSON(&b, sample()); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.json", b.Bytes())
	var back struct{ Outcome Outcome }
	if err := json.Unmarshal(b.Bytes(), &back); err != nil || back.Outcome != Fail {
		t.Errorf("%v, %q", err, back.Outcome)
	}

	b.Reset()
	if err := WriteJUnit(&b, all, "en"); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.junit.xml", b.Bytes())
	if err := xml.Unmarshal(b.Bytes(), &struct {
		XMLName xml.Name `xml:"testsuites"`
	}{}); err != nil {
		t.Error(err)
	}

	b.Reset()
	if err := WriteGradescope(&b, sample(), "en"); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.gradescope.json", b.Bytes())

	b.Reset()
	if err := WriteCSV(&b, all, "en"); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.csv", b.Bytes())
	rows, err := csv.NewReader(&b).ReadAll()
	if err != nil || len(rows) != 9 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	for _, r := range rows {
		for _, c := range r {
			if c != "" && strings.ContainsAny(c[:1], "=+@") {
				t.Errorf("a spreadsheet would take %q for a formula", c)
			}
		}
	}
}

func TestWrap(t *testing.T) {
	for _, tt := range []struct {
		s    string
		cols int
		want string
	}{
		{"one two three", 8, "one two|three"},
		{"one", 2, "one"},
		{"", 10, ""},
		{"設定を変えたら再起動します。", 10, "設定を変え|たら再起動|します。"},
		{"あいう、えお", 6, "あい|う、え|お"},
		{"「あ」い", 6, "「あ」|い"},
		{"rsyslogd は動いています", 14, "rsyslogd は動|いています"},
	} {
		if got := strings.Join(Wrap(tt.s, tt.cols), "|"); got != tt.want {
			t.Errorf("Wrap(%q, %d) = %q, want %q", tt.s, tt.cols, got, tt.want)
		}
	}
}

func FuzzWrap(f *testing.F) {
	f.Add("rsyslogd は動いています。", 10)
	f.Add("\x1b[1m「a」\xff", 1)
	f.Fuzz(func(t *testing.T, s string, cols int) {
		if len(s) > 1000 {
			return
		}
		got := strings.ReplaceAll(strings.Join(Wrap(s, cols), ""), " ", "")
		if want := strings.ReplaceAll(string([]rune(s)), " ", ""); got != want {
			t.Errorf("Wrap(%q) lost text: %q", s, got)
		}
	})
}

// A progress line is written over by the next one, so that it must stay on its line.
func TestProgressFitsItsLine(t *testing.T) {
	p := Progress{Task: "mail", Check: 1, Of: 2, Title: lang.Both("root へのメールが usera に届く", "mail to root reaches usera"), Waiting: 12 * time.Second}
	for _, lang := range []string{"ja", "en"} {
		for columns := range 120 {
			got := p.Line(lang, columns)
			room := columns
			if columns == 0 {
				room = 80
			}
			if n := libc.Columns(got); columns != 1 && n >= room {
				t.Errorf("%s: %q takes %d of %d columns", lang, got, n, room)
			}
		}
	}
	if got := p.Line("en", 200); !strings.HasSuffix(got, "meanwhile)") || !strings.Contains(got, "12 s more") {
		t.Errorf("%q", got)
	}
	if got := p.Line("ja", 30); got != "mail 1/2: root へのメールが …" {
		t.Errorf("%q", got)
	}
}
