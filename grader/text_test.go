package grader

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"strings"
	"testing"
	"time"

	"enshu/sim/libc"
)

// report is one of everything.
func report() *Report {
	advice := func(k kind, link string) Result {
		a := k.adviceFor(link)
		return Result{
			Kind: k.name, Outcome: Fail, Link: link, Expected: fill(a.Expected, sample), Seen: fill(a.Seen, sample), Slip: fill(a.Slip, sample),
			Command: fillString(a.Command, sample, "en"), Host: "client",
		}
	}
	sent := advice(logKind(), "sent-over-udp")
	sent.Title = text("client の user.info が TCP で server の /var/log/messages に届く", "user.info of client arrives over TCP in /var/log/messages on server")
	sent.Lines = []string{"/etc/rsyslog.conf:52: user.info @192.168.0.10:514"}
	sent.Evidence = []uint64{101, 104}
	labels := logKind().labels
	for _, l := range []string{"logger", "sender-daemon", "sender-input", "sender-rule"} {
		sent.Path = append(sent.Path, Link{Name: l, Label: labels[l], Holds: true})
	}
	sent.Path = append(sent.Path, Link{Name: "transport", Label: labels["transport"]})
	return &Report{
		Lab: "tcp-forwarding", Title: text("ログを TCP でログサーバーに集める", "Collect logs on a log server over TCP"),
		At: time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC), Points: 40, Of: 120,
		Tasks: []Task{
			{ID: "receive", Title: text("server が TCP 514 番でログを受け取る", "server takes logs on TCP port 514"), Outcome: Pass, Points: 40, Of: 40,
				Checks: []Result{{Kind: "port", Outcome: Pass, Title: text("server の rsyslogd が 514/tcp で待ち受けている", "rsyslogd on server listens on 514/tcp")}}},
			{ID: "deliver", Title: text("client の user.info が server に届く", "user.info of client arrives on server"), Outcome: Fail, Of: 60, Checks: []Result{sent}},
			{ID: "later", Title: text("あとの課題", "A later task"), Outcome: Unknown, Of: 10, Needs: []string{"deliver"}},
			{ID: "down", Title: text("=止まったホスト", "=a host that is down"), Outcome: Unknown, Of: 10,
				Checks: []Result{{Kind: "file", Outcome: Unknown, Title: text("server の /etc/motd が正しい", "/etc/motd is right on server"), Reason: "server: the host is not running"}}},
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
			if err := WriteText(&b, report(), tt.style); err != nil {
				t.Fatal(err)
			}
			golden(t, tt.name, b.Bytes())
			cols := tt.style.Columns
			if cols == 0 {
				cols = 80
			}
			for _, l := range lines(unpainted(b.String())) {
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
	all := []Submission{{"hanako", report()}, {"+taro", report()}}
	var b bytes.Buffer
	if err := WriteJSON(&b, report()); err != nil {
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
	if err := WriteGradescope(&b, report(), "en"); err != nil {
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
