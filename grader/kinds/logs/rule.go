package logs

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"enshu/grader/check"
	"enshu/grader/probe"
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

func Rule() check.Kind {
	return check.Define(check.Kind{
		Name:     "rule",
		Doc:      "What the loaded rules of rsyslogd do with a priority: exactly which files get the line.",
		Unwanted: "rule-holds",
		Labels: map[string]scenario.Text{
			"logger":        check.Text("logger", "logger"),
			"sender-daemon": check.Text("rsyslogd", "rsyslogd"),
			"rule-missing":  check.Text("書かれるべきファイル", "files that get it"),
			"rule-extra":    check.Text("書かれるべきでないファイル", "files that do not"),
		},
		Advice: []check.Advice{
			{
				Link:     "logger-failed",
				Step:     "logger",
				Expected: check.Text("{host} で logger がメッセージを渡せる", "logger on {host} can hand its message over"),
				Seen:     check.Text("logger がエラーになりました: {error}", "logger failed: {error}"),
				Slip:     check.Text("/dev/log を受け持つ systemd-journald が止まっていないか確認してください。", "See whether systemd-journald, which holds /dev/log, has stopped."),
				Command:  "logger -p {priority} test",
			},
			{
				Link:     "rsyslog-not-running",
				Step:     "sender-daemon",
				Expected: check.Text("{host} で rsyslog サービスが動いている", "rsyslog runs on {host}"),
				Seen:     check.Text("動いていません（{state}）", "it does not run ({state})"),
				Slip:     check.Text("systemctl start rsyslog で起動します。失敗するときは journalctl -u rsyslog を見てください。", "Start it with systemctl start rsyslog; if that fails, look at journalctl -u rsyslog."),
				Command:  "systemctl status rsyslog",
			},
			{
				Link:     "rsyslog-not-restarted",
				Step:     "sender-daemon",
				Expected: check.Text("{host} の rsyslogd が今の設定で動いている", "rsyslogd on {host} runs with its present configuration"),
				Seen:     check.Text("{place} はまだ読み込まれていません", "{place} has not been loaded yet"),
				Slip:     check.Text("設定を変えたら systemctl restart rsyslog が必要です。", "After a change, systemctl restart rsyslog is needed."),
				Command:  "systemctl restart rsyslog",
			},
			{
				Link:     "rule-missing",
				Expected: check.Text("{host} で {priority} が {file} に記録される", "{priority} is written to {file} on {host}"),
				Seen:     check.Text("記録されませんでした", "it was not"),
				Slip:     check.Text("セレクタに一致する行がないか、none や ! で除かれています。", "No selector takes it, or none or ! takes it out."),
				Command:  "grep -v '^#' /etc/rsyslog.conf",
			},
			{
				Link:     "rule-extra",
				Expected: check.Text("{host} で {priority} が {file} には記録されない", "{priority} is not written to {file} on {host}"),
				Seen:     check.Text("記録されました（{place}）", "it was ({place})"),
				Slip:     check.Text("プライオリティはそれ以上にも一致します。そのものだけなら = を、除くには none を使います。", "A priority takes graver ones too: use = for that one only, and none to leave a facility out."),
				Command:  "grep -n {file} /etc/rsyslog.conf /etc/rsyslog.d/*.conf",
			},
			{
				Link:     "rule-holds",
				Step:     "rule-extra",
				Expected: check.Text("{host} の規則が {priority} を別のように扱う", "the rules on {host} treat {priority} otherwise"),
				Seen:     check.Text("元のままです", "they still do the same"),
				Slip:     check.Text("設定を変えて rsyslog を再起動してください。", "Change the configuration and restart rsyslog."),
				Command:  "grep -v '^#' /etc/rsyslog.conf",
			},
		},
	}, func(a *ruleArgs) scenario.Text {
		var files []string
		for _, f := range *a.Writes {
			files = append(files, string(f))
		}
		if len(files) == 0 {
			return check.Text(fmt.Sprintf("%s で %s がどのファイルにも記録されない", a.Host, a.Priority), fmt.Sprintf("%s is written to no file on %s", a.Priority, a.Host))
		}
		return check.Text(fmt.Sprintf("%s で %s が %s だけに記録される", a.Host, a.Priority, strings.Join(files, "、")),
			fmt.Sprintf("%s is written to %s only on %s", a.Priority, strings.Join(files, " and "), a.Host))
	}, runRule)
}

func runRule(ctx context.Context, v *check.View, a *ruleArgs) check.Verdict {
	host := string(a.Host)
	priority := syslog.Priority(a.Priority)
	got := check.Verdict{Params: check.Params{}.With("host", host).With("priority", priority.String())}
	out, err := v.Sh(ctx, host, "logger -p "+priority.String()+" -t enshu -- "+check.Quote("rule "+v.Token))
	if err != nil {
		got.Err = err
		return got
	}
	if out.Status != 0 || out.Stderr != "" {
		got.Broken = "logger-failed"
		got.Params.With("error", check.Clip(out.Stderr))
		return got
	}
	got.Walked = append(got.Walked, "logger")
	written := func() map[string]string {
		files := map[string]string{}
		for _, e := range check.Pick(v.About(), host, trace.MessageWritten) {
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
	_, err = v.Until(ctx, host, v.Within(defaultWithin), func() (bool, error) {
		return missing() == "" && (len(*a.Writes) > 0 || len(check.Pick(v.About(), host, trace.MessageReceived)) > 0), nil
	})
	if err == nil {
		_, err = v.Until(ctx, host, 300*time.Millisecond, func() (bool, error) { return false, nil })
	}
	for _, e := range v.About() {
		got.Evidence = append(got.Evidence, e.Seq)
	}
	if err != nil {
		got.Err = err
		return got
	}
	files := written()
	if f := missing(); f != "" {
		got.Params.With("file", f)
		got.Broken, got.Err = whyNoRule(ctx, v, host, f, priority, &got)
		return got
	}
	got.Walked = append(got.Walked, "sender-daemon", "rule-missing")
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
		got.Params.With("file", extra[0]).With("place", files[extra[0]])
		got.Broken = "rule-extra"
		return got
	}
	got.Walked = append(got.Walked, "rule-extra")
	return got
}

// whyNoRule tells why a message was not written to a file.
func whyNoRule(ctx context.Context, v *check.View, host, file string, priority syslog.Priority, got *check.Verdict) (string, error) {
	u, err := probe.Unit(ctx, v, host, "rsyslog")
	if err != nil {
		return "", err
	}
	if u.Active != "active" {
		got.Params.With("state", u.Active)
		return "rsyslog-not-running", nil
	}
	c, err := probe.Rsyslog(ctx, v, host)
	if err != nil {
		return "", err
	}
	for _, l := range c.Writes(file, false) {
		// A line that would take the message and did not is not in force.
		if slices.Contains(c.Stale, l.File) || l.Selects(priority) {
			got.Params.With("place", l.Place())
			return "rsyslog-not-restarted", nil
		}
	}
	got.Walked = append(got.Walked, "sender-daemon")
	return "rule-missing", nil
}
