package grader

import (
	"context"
	"fmt"
	"strings"

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
func (a *journalArgs) Check(report func(key, format string, args ...any)) {
	if a.Contains == "" && a.Matches == nil && a.Persistent == nil && a.Unit == "" && a.Tag == "" {
		report("", "journal: the check expects nothing, it would always pass; add contains, matches, unit, tag or persistent")
	}
	switch a.Priority {
	case "", "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug":
	default:
		report("priority", "priority: unknown severity %q", a.Priority)
	}
}

// query is the journalctl command that shows the entries.
func (a *journalArgs) query() string {
	q := "journalctl --no-pager -o cat"
	if a.Unit != "" {
		q += " -u " + quoteWord(string(a.Unit))
	}
	if a.Tag != "" {
		q += " -t " + quoteWord(a.Tag)
	}
	if a.Priority != "" {
		q += " -p " + a.Priority
	}
	return q
}

// quoteWord quotes a word of a shell command where it needs it.
func quoteWord(s string) string {
	for _, r := range s {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./@:+,", r) {
			return quote(s)
		}
	}
	return s
}

func journalKind() kind {
	return define(kind{
		name:     "journal",
		doc:      "The journal of a host: an entry that it must hold, or that it is kept over a reboot.",
		unwanted: "journal-holds",
		labels: map[string]scenario.Text{
			"journald-not-running":   text("systemd-journald", "systemd-journald"),
			"journal-missing":        text("エントリ", "entry"),
			"journal-not-persistent": text("保存", "storage"),
		},
		advice: []Advice{
			{
				Link:     "journald-not-running",
				Expected: text("{host} で systemd-journald が動いている", "systemd-journald runs on {host}"),
				Seen:     text("動いていません（{state}）", "it does not run ({state})"),
				Slip:     text("systemctl start systemd-journald で起動します。", "Start it with systemctl start systemd-journald."),
				Command:  "systemctl status systemd-journald",
			},
			{
				Link:     "journal-missing",
				Expected: text("{host} のジャーナルに{what}エントリがある", "the journal of {host} has an entry {what}"),
				Seen:     text("{count} 件のうちに見つかりません", "none of its {count} entries is"),
				Slip:     text("systemd-cat の -t や logger の -t で付けた名前が、journalctl の -t と同じか確認してください。", "See whether the name given by -t to systemd-cat or logger is the one asked for."),
				Command:  "{query}",
			},
			{
				Link:     "journal-not-persistent",
				Expected: text("{host} のジャーナルがディスクに保存される", "the journal of {host} is kept on disk"),
				Seen:     text("/var/log/journal に記録がありません", "there is nothing in /var/log/journal"),
				Slip:     text("mkdir /var/log/journal（または Storage=persistent）のあと、systemctl restart systemd-journald が必要です。", "After mkdir /var/log/journal (or Storage=persistent), systemctl restart systemd-journald is needed."),
				Command:  "journalctl --header",
			},
			{
				Link:     "journal-persistent",
				Step:     "journal-not-persistent",
				Expected: text("{host} のジャーナルがディスクに保存されない", "the journal of {host} is not kept on disk"),
				Seen:     text("/var/log/journal に記録があります", "there are files in /var/log/journal"),
				Slip:     text("journald.conf の Storage= を確認してください。", "Look at Storage= in journald.conf."),
				Command:  "journalctl --header",
			},
			{
				Link:     "journal-holds",
				Step:     "journal-missing",
				Expected: text("{host} のジャーナルに{what}エントリがない", "the journal of {host} has no entry {what}"),
				Seen:     text("あります: {line}", "it has: {line}"),
				Slip:     text("その原因がまだ続いていないか確認してください。", "See whether what causes it still goes on."),
				Command:  "{query}",
			},
		},
	}, func(a *journalArgs) scenario.Text {
		if a.Persistent != nil && a.Contains == "" && a.Matches == nil {
			if *a.Persistent {
				return text(fmt.Sprintf("%s のジャーナルが再起動後も残る", a.Host), fmt.Sprintf("the journal of %s is kept over a reboot", a.Host))
			}
			return text(fmt.Sprintf("%s のジャーナルが再起動で消える", a.Host), fmt.Sprintf("the journal of %s is gone after a reboot", a.Host))
		}
		what := a.what()
		return text(fmt.Sprintf("%s のジャーナルに%sエントリがある", a.Host, what.JA), fmt.Sprintf("the journal of %s has an entry %s", a.Host, what.EN))
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
		ja, en = append(ja, "「"+clip(a.Contains)+"」を含む"), append(en, "with “"+clip(a.Contains)+"”")
	}
	if a.Matches != nil {
		ja, en = append(ja, "正規表現「"+a.Matches.String()+"」に一致する"), append(en, "matching “"+a.Matches.String()+"”")
	}
	return text(strings.Join(ja, ""), strings.Join(en, ", "))
}

func runJournal(ctx context.Context, v *view, a *journalArgs) verdict {
	var got verdict
	_, err := v.until(ctx, string(a.Host), v.within(0), func() (bool, error) {
		var err error
		got, err = v.journalNow(ctx, a)
		return (got.broken == "") != v.check.Not, err
	})
	got.err = err
	return got
}

func (v *view) journalNow(ctx context.Context, a *journalArgs) (verdict, error) {
	host := string(a.Host)
	got := verdict{params: params{"what": a.what()}.with("host", host).with("query", a.query())}
	u, err := v.unit(ctx, host, "systemd-journald")
	if err != nil {
		return got, err
	}
	if u.active != "active" {
		got.params.with("state", u.active)
		got.broken = "journald-not-running"
		return got, nil
	}
	got.walked = append(got.walked, "journald-not-running")
	if a.Contains != "" || a.Matches != nil || a.Unit != "" || a.Tag != "" {
		out, err := v.sh(ctx, host, a.query())
		if err != nil {
			return got, err
		}
		entries := lines(out.Stdout)
		got.params.with("count", fmt.Sprint(len(entries)))
		got.broken = "journal-missing"
		for _, l := range entries {
			if strings.HasPrefix(l, "-- ") || !strings.Contains(l, a.Contains) || a.Matches != nil && !a.Matches.MatchString(l) {
				continue
			}
			got.broken = ""
			got.params.with("line", clip(l))
			got.lines = []string{clip(l)}
		}
		if got.broken != "" {
			return got, nil
		}
		got.walked = append(got.walked, "journal-missing")
	}
	if a.Persistent != nil {
		out, err := v.sh(ctx, host, `for f in /var/log/journal/*/*.journal; do [ -f "$f" ] && echo "$f"; done; :`)
		if err != nil {
			return got, err
		}
		switch kept := out.Stdout != ""; {
		case *a.Persistent && !kept:
			got.broken = "journal-not-persistent"
		case !*a.Persistent && kept:
			got.broken = "journal-persistent"
		default:
			got.walked = append(got.walked, "journal-not-persistent")
		}
	}
	return got, nil
}
