package grader

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

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
func (a *queueArgs) Check(report func(key, format string, args ...any)) {
	if !a.Empty && a.Holds == 0 && a.Deferred == nil {
		report("", "queue: the check expects nothing, it would always pass; add empty, holds or deferred")
	}
	if a.Empty && (a.Holds != 0 || a.Deferred != nil) {
		report("empty", "empty: an empty queue holds nothing")
	}
	if a.Holds < 0 {
		report("holds", "holds: a number of mails must not be negative")
	}
}

func queueKind() kind {
	return define(kind{
		name:     "queue",
		doc:      "The mail queue of a host: empty, how many mails, or why one is deferred.",
		unwanted: "queue-holds",
		labels: map[string]scenario.Text{
			"queue-unreadable": text("mailq", "mailq"),
			"queue-not-empty":  text("キュー", "queue"),
			"queue-reason":     text("理由", "reason"),
		},
		advice: []Advice{
			{
				Link:     "queue-unreadable",
				Expected: text("{host} で mailq がキューを表示する", "mailq on {host} shows the queue"),
				Seen:     text("表示できません: {error}", "it cannot: {error}"),
				Slip:     text("postfix パッケージと postfix サービスを確認してください。", "Look at the package and the service postfix."),
				Command:  "mailq",
			},
			{
				Link:     "queue-not-empty",
				Expected: text("{host} のメールキューが空", "the mail queue of {host} is empty"),
				Seen:     text("{count} 通残っています（{reason}）", "{count} mails are left in it ({reason})"),
				Slip:     text("原因を直してから postqueue -f で再送します。", "Remove the cause, then send again with postqueue -f."),
				Command:  "mailq",
			},
			{
				Link:     "queue-count",
				Step:     "queue-not-empty",
				Expected: text("{host} のメールキューに {want} 通ある", "the mail queue of {host} holds {want}"),
				Seen:     text("{count} 通です", "it holds {count}"),
				Slip:     text("配送できたメールはキューから消えます。maillog を見てください。", "What was delivered leaves the queue; look at maillog."),
				Command:  "mailq",
			},
			{
				Link:     "queue-reason",
				Expected: text("{host} のキューに「{want}」という理由のメールがある", "a mail in the queue of {host} waits because of “{want}”"),
				Seen:     text("理由は {reason} です", "the reason is {reason}"),
				Slip:     text("理由は mailq の括弧の中と maillog の status=deferred に出ます。", "The reason stands in the brackets of mailq and at status=deferred in maillog."),
				Command:  "mailq",
			},
			{
				Link:     "queue-holds",
				Step:     "queue-not-empty",
				Expected: text("{host} のメールキューがこの状態ではない", "the mail queue of {host} is not so"),
				Seen:     text("{count} 通あり、この状態です", "it is, with {count} mails"),
				Slip:     text("mailq を見てください。", "Look at mailq."),
				Command:  "mailq",
			},
		},
	}, func(a *queueArgs) scenario.Text {
		switch {
		case a.Empty:
			return text(fmt.Sprintf("%s のメールキューが空", a.Host), fmt.Sprintf("the mail queue of %s is empty", a.Host))
		case a.Holds > 0:
			return text(fmt.Sprintf("%s のメールキューに %d 通ある", a.Host, a.Holds), fmt.Sprintf("the mail queue of %s holds %d", a.Host, a.Holds))
		}
		return text(fmt.Sprintf("%s のメールが保留されている", a.Host), fmt.Sprintf("a mail on %s is deferred", a.Host))
	}, runQueue)
}

var (
	queueTotal  = regexp.MustCompile(`(?m)^-- \d+ Kbytes in (\d+) Requests?\.`)
	queueReason = regexp.MustCompile(`(?m)^ *\((.*)\)$`)
)

func runQueue(ctx context.Context, v *view, a *queueArgs) verdict {
	var got verdict
	_, err := v.until(ctx, string(a.Host), v.within(0), func() (bool, error) {
		out, err := v.sh(ctx, string(a.Host), "mailq")
		if err != nil {
			return false, err
		}
		got = queueVerdict(out, a)
		return (got.broken == "") != v.check.Not, nil
	})
	got.err = err
	return got
}

func queueVerdict(out Output, a *queueArgs) verdict {
	got := verdict{params: params{}.with("host", string(a.Host)).with("count", "0").with("want", strconv.Itoa(a.Holds))}
	got.params["reason"] = text("なし", "none")
	count := 0
	switch m := queueTotal.FindStringSubmatch(out.Stdout); {
	case m != nil:
		count, _ = strconv.Atoi(m[1])
	case !strings.Contains(out.Stdout, "Mail queue is empty"):
		got.params.with("error", clip(out.Stdout+out.Stderr))
		got.broken = "queue-unreadable"
		return got
	}
	got.walked = append(got.walked, "queue-unreadable")
	got.params.with("count", strconv.Itoa(count))
	reasons := queueReason.FindAllStringSubmatch(out.Stdout, -1)
	if len(reasons) > 0 {
		got.params.with("reason", clip(reasons[0][1]))
	}
	switch {
	case a.Empty && count > 0:
		got.broken = "queue-not-empty"
	case a.Holds > 0 && count != a.Holds:
		got.broken = "queue-count"
	}
	if got.broken != "" {
		return got
	}
	got.walked = append(got.walked, "queue-not-empty")
	if a.Deferred != nil {
		got.broken = "queue-reason"
		got.params.with("want", a.Deferred.String())
		for _, r := range reasons {
			if a.Deferred.MatchString(r[1]) {
				got.broken = ""
				got.lines = []string{clip(r[1])}
			}
		}
		if got.broken == "" {
			got.walked = append(got.walked, "queue-reason")
		}
	}
	return got
}
