package grader

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"time"

	"enshu/sim/scenario"
	"enshu/sim/trace"
	"enshu/sim/wire/syslog"
)

// ruleArgs is a priority and the files that a message of it must be written to.
type ruleArgs struct {
	Host     scenario.HostName `lab:"host,required"`
	Priority scenario.Priority `lab:"priority,required" doc:"Such as mail.info."`
	Writes   *[]scenario.Path  `lab:"writes,required" doc:"Exactly these files get the line."`
}

func ruleKind() kind {
	return define(kind{
		name:     "rule",
		doc:      "What the loaded rules of rsyslogd do with a priority: exactly which files get the line.",
		unwanted: "rule-holds",
		labels: map[string]scenario.Text{
			"logger":        text("logger", "logger"),
			"sender-daemon": text("rsyslogd", "rsyslogd"),
			"rule-missing":  text("書かれるべきファイル", "files that get it"),
			"rule-extra":    text("書かれるべきでないファイル", "files that do not"),
		},
		advice: []Advice{
			{
				Link:     "logger-failed",
				Step:     "logger",
				Expected: text("{host} で logger がメッセージを渡せる", "logger on {host} can hand its message over"),
				Seen:     text("logger がエラーになりました: {error}", "logger failed: {error}"),
				Slip:     text("/dev/log を受け持つ systemd-journald が止まっていないか確認してください。", "See whether systemd-journald, which holds /dev/log, has stopped."),
				Command:  "logger -p {priority} test",
			},
			{
				Link:     "rsyslog-not-running",
				Step:     "sender-daemon",
				Expected: text("{host} で rsyslog サービスが動いている", "rsyslog runs on {host}"),
				Seen:     text("動いていません（{state}）", "it does not run ({state})"),
				Slip:     text("systemctl start rsyslog で起動します。失敗するときは journalctl -u rsyslog を見てください。", "Start it with systemctl start rsyslog; if that fails, look at journalctl -u rsyslog."),
				Command:  "systemctl status rsyslog",
			},
			{
				Link:     "rsyslog-not-restarted",
				Step:     "sender-daemon",
				Expected: text("{host} の rsyslogd が今の設定で動いている", "rsyslogd on {host} runs with its present configuration"),
				Seen:     text("{place} はまだ読み込まれていません", "{place} has not been loaded yet"),
				Slip:     text("設定を変えたら systemctl restart rsyslog が必要です。", "After a change, systemctl restart rsyslog is needed."),
				Command:  "systemctl restart rsyslog",
			},
			{
				Link:     "rule-missing",
				Expected: text("{host} で {priority} が {file} に記録される", "{priority} is written to {file} on {host}"),
				Seen:     text("記録されませんでした", "it was not"),
				Slip:     text("セレクタに一致する行がないか、none や ! で除かれています。", "No selector takes it, or none or ! takes it out."),
				Command:  "grep -v '^#' /etc/rsyslog.conf",
			},
			{
				Link:     "rule-extra",
				Expected: text("{host} で {priority} が {file} には記録されない", "{priority} is not written to {file} on {host}"),
				Seen:     text("記録されました（{place}）", "it was ({place})"),
				Slip:     text("プライオリティはそれ以上にも一致します。そのものだけなら = を、除くには none を使います。", "A priority takes graver ones too: use = for that one only, and none to leave a facility out."),
				Command:  "grep -n {file} /etc/rsyslog.conf /etc/rsyslog.d/*.conf",
			},
			{
				Link:     "rule-holds",
				Step:     "rule-extra",
				Expected: text("{host} の規則が {priority} を別のように扱う", "the rules on {host} treat {priority} otherwise"),
				Seen:     text("元のままです", "they still do the same"),
				Slip:     text("設定を変えて rsyslog を再起動してください。", "Change the configuration and restart rsyslog."),
				Command:  "grep -v '^#' /etc/rsyslog.conf",
			},
		},
	}, func(a *ruleArgs) scenario.Text {
		var files []string
		for _, f := range *a.Writes {
			files = append(files, string(f))
		}
		if len(files) == 0 {
			return text(fmt.Sprintf("%s で %s がどのファイルにも記録されない", a.Host, a.Priority), fmt.Sprintf("%s is written to no file on %s", a.Priority, a.Host))
		}
		return text(fmt.Sprintf("%s で %s が %s だけに記録される", a.Host, a.Priority, strings.Join(files, "、")),
			fmt.Sprintf("%s is written to %s only on %s", a.Priority, strings.Join(files, " and "), a.Host))
	}, runRule)
}

func runRule(ctx context.Context, v *view, a *ruleArgs) verdict {
	host := string(a.Host)
	priority := syslog.Priority(a.Priority)
	got := verdict{params: params{}.with("host", host).with("priority", priority.String())}
	out, err := v.sh(ctx, host, "logger -p "+priority.String()+" -t enshu -- "+quote("rule "+v.token))
	if err != nil {
		got.err = err
		return got
	}
	if out.Status != 0 || out.Stderr != "" {
		got.broken = "logger-failed"
		got.params.with("error", clip(out.Stderr))
		return got
	}
	got.walked = append(got.walked, "logger")
	written := func() map[string]string {
		files := map[string]string{}
		for _, e := range pick(v.about(), host, trace.MessageWritten) {
			files[e.Attrs["file"]] = e.Attrs["rule"]
		}
		return files
	}
	missing := func() string {
		files := written()
		for _, f := range *a.Writes {
			if _, ok := files[string(f)]; !ok {
				return string(f)
			}
		}
		return ""
	}
	// A message passes all rules in one go: when it has been seen anywhere, what
	// has not come soon afterwards does not come.
	_, err = v.until(ctx, host, v.within(defaultWithin), func() (bool, error) {
		return missing() == "" && (len(*a.Writes) > 0 || len(pick(v.about(), host, trace.MessageReceived)) > 0), nil
	})
	if err == nil {
		_, err = v.until(ctx, host, 300*time.Millisecond, func() (bool, error) { return false, nil })
	}
	for _, e := range v.about() {
		got.evidence = append(got.evidence, e.Seq)
	}
	if err != nil {
		got.err = err
		return got
	}
	files := written()
	if f := missing(); f != "" {
		got.params.with("file", f)
		got.broken, got.err = v.whyNoRule(ctx, host, f, priority, &got)
		return got
	}
	got.walked = append(got.walked, "sender-daemon", "rule-missing")
	var extra []string
	for f := range files {
		wanted := false
		for _, w := range *a.Writes {
			wanted = wanted || string(w) == f
		}
		if !wanted {
			extra = append(extra, f)
		}
	}
	if len(extra) > 0 {
		sort.Strings(extra)
		got.params.with("file", extra[0]).with("place", files[extra[0]])
		got.broken = "rule-extra"
		return got
	}
	got.walked = append(got.walked, "rule-extra")
	return got
}

// whyNoRule tells why a message was not written to a file.
func (v *view) whyNoRule(ctx context.Context, host, file string, priority syslog.Priority, got *verdict) (string, error) {
	u, err := v.unit(ctx, host, "rsyslog")
	if err != nil {
		return "", err
	}
	if u.active != "active" {
		got.params.with("state", u.active)
		return "rsyslog-not-running", nil
	}
	c, err := v.rsyslogConf(ctx, host)
	if err != nil {
		return "", err
	}
	for _, l := range c.writes(file, false) {
		// A line that would take the message and did not is not in force.
		if contains(c.stale, l.file) || l.selects(priority) {
			got.params.with("place", l.place())
			return "rsyslog-not-restarted", nil
		}
	}
	got.walked = append(got.walked, "sender-daemon")
	return "rule-missing", nil
}
