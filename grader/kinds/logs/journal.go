package logs

import (
	"context"
	"fmt"
	"strings"

	"enshu/grader/check"
	"enshu/grader/probe"
	"enshu/sim/scenario"
)

// journalArgs is what the journal of a host must hold.
type journalArgs struct {
	Host       scenario.HostName `lab:"host,required"`
	Unit       scenario.UnitName `lab:"unit" doc:"Only entries of this service."`
	Tag        string            `lab:"tag" doc:"Only entries with this identifier (journalctl -t)."`
	Priority   string            `lab:"priority" doc:"Only entries this grave or graver (journalctl -p)."`
	Contains   string            `lab:"contains" doc:"A text that an entry must hold."`
	Matches    *scenario.Regexp  `lab:"matches" doc:"A regular expression that an entry must match."`
	Persistent *bool             `lab:"persistent" doc:"Whether the journal is kept on disk over a reboot."`
}

// Check refuses a check without an expectation.
func (a *journalArgs) Check(report func(key, ja, en string, args ...any)) {
	if a.Contains == "" && a.Matches == nil && a.Persistent == nil && a.Unit == "" && a.Tag == "" {
		report("", "journal: 何も求めていないので、常に合格してしまいます。contains、matches、unit、tag、persistent のどれかを加えます", "journal: the check expects nothing, it would always pass; add contains, matches, unit, tag or persistent")
	}
	switch a.Priority {
	case "", "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug":
	default:
		report("priority", "priority: 重要度 %q はありません", "priority: unknown severity %q", a.Priority)
	}
}

// query is the journalctl command that shows the entries.
func (a *journalArgs) query() string {
	q := "journalctl --no-pager -o cat"
	if a.Unit != "" {
		q += " -u " + check.Quote(string(a.Unit))
	}
	if a.Tag != "" {
		q += " -t " + check.Quote(a.Tag)
	}
	if a.Priority != "" {
		q += " -p " + a.Priority
	}
	return q
}

func Journal() check.Kind {
	return check.Define(check.Kind{
		Name:     "journal",
		Doc:      "The journal of a host: an entry that it must hold, or that it is kept over a reboot.",
		Unwanted: "journal-holds",
		Labels: map[string]scenario.Text{
			"journald-not-running":   check.Text("systemd-journald", "systemd-journald"),
			"journal-missing":        check.Text("エントリ", "entry"),
			"journal-not-persistent": check.Text("保存", "storage"),
		},
		Advice: []check.Advice{
			{
				Link:     "journald-not-running",
				Expected: check.Text("{host} で systemd-journald が動いている", "systemd-journald runs on {host}"),
				Seen:     check.Text("動いていません（{state}）", "it does not run ({state})"),
				Slip:     check.Text("systemctl start systemd-journald で起動します。", "Start it with systemctl start systemd-journald."),
				Command:  "systemctl status systemd-journald",
			},
			{
				Link:     "journal-missing",
				Expected: check.Text("{host} のジャーナルに{what}エントリがある", "the journal of {host} has an entry {what}"),
				Seen:     check.Text("{count} 件のうちに見つかりません", "none of its {count} entries is"),
				Slip:     check.Text("systemd-cat の -t や logger の -t で付けた名前が、journalctl の -t と同じか確認してください。", "See whether the name given by -t to systemd-cat or logger is the one asked for."),
				Command:  "{query}",
			},
			{
				Link:     "journal-not-persistent",
				Expected: check.Text("{host} のジャーナルがディスクに保存される", "the journal of {host} is kept on disk"),
				Seen:     check.Text("/var/log/journal に記録がありません", "there is nothing in /var/log/journal"),
				Slip:     check.Text("mkdir /var/log/journal（または Storage=persistent）のあと、systemctl restart systemd-journald が必要です。", "After mkdir /var/log/journal (or Storage=persistent), systemctl restart systemd-journald is needed."),
				Command:  "journalctl --header",
			},
			{
				Link:     "journal-persistent",
				Step:     "journal-not-persistent",
				Expected: check.Text("{host} のジャーナルがディスクに保存されない", "the journal of {host} is not kept on disk"),
				Seen:     check.Text("/var/log/journal に記録があります", "there are files in /var/log/journal"),
				Slip:     check.Text("journald.conf の Storage= を確認してください。", "Look at Storage= in journald.conf."),
				Command:  "journalctl --header",
			},
			{
				Link:     "journal-holds",
				Step:     "journal-missing",
				Expected: check.Text("{host} のジャーナルに{what}エントリがない", "the journal of {host} has no entry {what}"),
				Seen:     check.Text("あります: {line}", "it has: {line}"),
				Slip:     check.Text("その原因がまだ続いていないか確認してください。", "See whether what causes it still goes on."),
				Command:  "{query}",
			},
		},
	}, func(a *journalArgs) scenario.Text {
		if a.Persistent != nil && a.Contains == "" && a.Matches == nil {
			if *a.Persistent {
				return check.Text(fmt.Sprintf("%s のジャーナルが再起動後も残る", a.Host), fmt.Sprintf("the journal of %s is kept over a reboot", a.Host))
			}
			return check.Text(fmt.Sprintf("%s のジャーナルが再起動で消える", a.Host), fmt.Sprintf("the journal of %s is gone after a reboot", a.Host))
		}
		what := a.what()
		return check.Text(fmt.Sprintf("%s のジャーナルに%sエントリがある", a.Host, what.JA), fmt.Sprintf("the journal of %s has an entry %s", a.Host, what.EN))
	}, runJournal)
}

// what describes the entry in words.
func (a *journalArgs) what() scenario.Text {
	var ja, en []string
	if a.Unit != "" {
		ja, en = append(ja, string(a.Unit)+" の"), append(en, "of "+string(a.Unit))
	}
	if a.Tag != "" {
		ja, en = append(ja, "名前が "+a.Tag+" の"), append(en, "named "+a.Tag)
	}
	if a.Contains != "" {
		ja, en = append(ja, "「"+check.Clip(a.Contains)+"」を含む"), append(en, "with “"+check.Clip(a.Contains)+"”")
	}
	if a.Matches != nil {
		ja, en = append(ja, "正規表現「"+a.Matches.String()+"」に一致する"), append(en, "matching “"+a.Matches.String()+"”")
	}
	return check.Text(strings.Join(ja, ""), strings.Join(en, ", "))
}

func runJournal(ctx context.Context, v *check.View, a *journalArgs) check.Verdict {
	return v.Settle(ctx, string(a.Host), func() (check.Verdict, error) { return journalNow(ctx, v, a) })
}

func journalNow(ctx context.Context, v *check.View, a *journalArgs) (check.Verdict, error) {
	host := string(a.Host)
	got := check.Verdict{Params: check.Params{"what": a.what()}.With("host", host).With("query", a.query())}
	u, err := probe.Unit(ctx, v, host, "systemd-journald")
	if err != nil {
		return got, err
	}
	if u.Active != "active" {
		got.Params.With("state", u.Active)
		got.Broken = "journald-not-running"
		return got, nil
	}
	got.Walked = append(got.Walked, "journald-not-running")
	if a.Contains != "" || a.Matches != nil || a.Unit != "" || a.Tag != "" {
		out, err := v.Sh(ctx, host, a.query())
		if err != nil {
			return got, err
		}
		entries := check.Lines(out.Stdout)
		got.Params.With("count", fmt.Sprint(len(entries)))
		got.Broken = "journal-missing"
		for _, l := range entries {
			if strings.HasPrefix(l, "-- ") || !strings.Contains(l, a.Contains) || a.Matches != nil && !a.Matches.MatchString(l) {
				continue
			}
			got.Broken = ""
			got.Params.With("line", check.Clip(l))
			got.Lines = []string{check.Clip(l)}
		}
		if got.Broken != "" {
			return got, nil
		}
		got.Walked = append(got.Walked, "journal-missing")
	}
	if a.Persistent != nil {
		out, err := v.Sh(ctx, host, `for f in /var/log/journal/*/*.journal; do [ -f "$f" ] && echo "$f"; done; :`)
		if err != nil {
			return got, err
		}
		switch kept := out.Stdout != ""; {
		case *a.Persistent && !kept:
			got.Broken = "journal-not-persistent"
		case !*a.Persistent && kept:
			got.Broken = "journal-persistent"
		default:
			got.Walked = append(got.Walked, "journal-not-persistent")
		}
	}
	return got, nil
}
