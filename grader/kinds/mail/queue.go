package mail

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"enshu/grader/check"
	"enshu/sim/scenario"
)

// queueArgs is how the mail queue of a host must be.
type queueArgs struct {
	Host     scenario.HostName `lab:"host,required"`
	Empty    bool              `lab:"empty" doc:"There must be no mail in it."`
	Holds    int               `lab:"holds" doc:"So many mails must be in it."`
	Deferred *scenario.Regexp  `lab:"deferred" doc:"A mail must be deferred for a reason that matches."`
}

// Check refuses a check without an expectation.
func (a *queueArgs) Check(report func(key, ja, en string, args ...any)) {
	if !a.Empty && a.Holds == 0 && a.Deferred == nil {
		report("", "queue: 何も求めていないので、常に合格してしまいます。empty、holds、deferred のどれかを加えます", "queue: the check expects nothing, it would always pass; add empty, holds or deferred")
	}
	if a.Empty && (a.Holds != 0 || a.Deferred != nil) {
		report("empty", "empty: 空のキューには何も入っていません", "empty: an empty queue holds nothing")
	}
	if a.Holds < 0 {
		report("holds", "holds: メールの数は負にできません", "holds: a number of mails must not be negative")
	}
}

func Queue() check.Kind {
	return check.Define(check.Kind{
		Name:     "queue",
		Doc:      "The mail queue of a host: empty, how many mails, or why one is deferred.",
		Unwanted: "queue-holds",
		Labels: map[string]scenario.Text{
			"queue-unreadable": check.Text("mailq", "mailq"),
			"queue-not-empty":  check.Text("キュー", "queue"),
			"queue-reason":     check.Text("理由", "reason"),
		},
		Advice: []check.Advice{
			{
				Link:     "queue-unreadable",
				Expected: check.Text("{host} で mailq がキューを表示する", "mailq on {host} shows the queue"),
				Seen:     check.Text("表示できません: {error}", "it cannot: {error}"),
				Slip:     check.Text("postfix パッケージと postfix サービスを確認してください。", "Look at the package and the service postfix."),
				Command:  "mailq",
			},
			{
				Link:     "queue-not-empty",
				Expected: check.Text("{host} のメールキューが空", "the mail queue of {host} is empty"),
				Seen:     check.Text("{count} 通残っています（{reason}）", "{count} mails are left in it ({reason})"),
				Slip:     check.Text("原因を直してから postqueue -f で再送します。", "Remove the cause, then send again with postqueue -f."),
				Command:  "mailq",
			},
			{
				Link:     "queue-count",
				Step:     "queue-not-empty",
				Expected: check.Text("{host} のメールキューに {want} 通ある", "the mail queue of {host} holds {want}"),
				Seen:     check.Text("{count} 通です", "it holds {count}"),
				Slip:     check.Text("配送できたメールはキューから消えます。maillog を見てください。", "What was delivered leaves the queue; look at maillog."),
				Command:  "mailq",
			},
			{
				Link:     "queue-reason",
				Expected: check.Text("{host} のキューに「{want}」という理由のメールがある", "a mail in the queue of {host} waits because of “{want}”"),
				Seen:     check.Text("理由は {reason} です", "the reason is {reason}"),
				Slip:     check.Text("理由は mailq の括弧の中と maillog の status=deferred に出ます。", "The reason stands in the brackets of mailq and at status=deferred in maillog."),
				Command:  "mailq",
			},
			{
				Link:     "queue-holds",
				Step:     "queue-not-empty",
				Expected: check.Text("{host} のメールキューがこの状態ではない", "the mail queue of {host} is not so"),
				Seen:     check.Text("{count} 通あり、この状態です", "it is, with {count} mails"),
				Slip:     check.Text("mailq を見てください。", "Look at mailq."),
				Command:  "mailq",
			},
		},
	}, func(a *queueArgs) scenario.Text {
		switch {
		case a.Empty:
			return check.Text(fmt.Sprintf("%s のメールキューが空", a.Host), fmt.Sprintf("the mail queue of %s is empty", a.Host))
		case a.Holds > 0:
			return check.Text(fmt.Sprintf("%s のメールキューに %d 通ある", a.Host, a.Holds), fmt.Sprintf("the mail queue of %s holds %d", a.Host, a.Holds))
		}
		return check.Text(fmt.Sprintf("%s のメールが保留されている", a.Host), fmt.Sprintf("a mail on %s is deferred", a.Host))
	}, runQueue)
}

var (
	queueTotal  = regexp.MustCompile(`(?m)^-- \d+ Kbytes in (\d+) Requests?\.`)
	queueReason = regexp.MustCompile(`(?m)^ *\((.*)\)$`)
)

func runQueue(ctx context.Context, v *check.View, a *queueArgs) check.Verdict {
	return v.Settle(ctx, string(a.Host), func() (check.Verdict, error) {
		out, err := v.Sh(ctx, string(a.Host), "mailq")
		return queueVerdict(out, a), err
	})
}

func queueVerdict(out check.Output, a *queueArgs) check.Verdict {
	got := check.Verdict{Params: check.Params{}.With("host", string(a.Host)).With("count", "0").With("want", strconv.Itoa(a.Holds))}
	got.Params["reason"] = check.Text("なし", "none")
	count := 0
	switch m := queueTotal.FindStringSubmatch(out.Stdout); {
	case m != nil:
		count, _ = strconv.Atoi(m[1])
	case !strings.Contains(out.Stdout, "Mail queue is empty"):
		got.Params.With("error", check.Clip(out.Stdout+out.Stderr))
		got.Broken = "queue-unreadable"
		return got
	}
	got.Walked = append(got.Walked, "queue-unreadable")
	got.Params.With("count", strconv.Itoa(count))
	reasons := queueReason.FindAllStringSubmatch(out.Stdout, -1)
	if len(reasons) > 0 {
		got.Params.With("reason", check.Clip(reasons[0][1]))
	}
	switch {
	case a.Empty && count > 0:
		got.Broken = "queue-not-empty"
	case a.Holds > 0 && count != a.Holds:
		got.Broken = "queue-count"
	}
	if got.Broken != "" {
		return got
	}
	got.Walked = append(got.Walked, "queue-not-empty")
	if a.Deferred != nil {
		got.Broken = "queue-reason"
		got.Params.With("want", a.Deferred.String())
		for _, r := range reasons {
			if a.Deferred.MatchString(r[1]) {
				got.Broken = ""
				got.Lines = []string{check.Clip(r[1])}
			}
		}
		if got.Broken == "" {
			got.Walked = append(got.Walked, "queue-reason")
		}
	}
	return got
}
