package grader

import (
	"context"
	"strconv"
	"strings"

	"enshu/sim/scenario"
)

// commandArgs is a command that is run on a host.
type commandArgs struct {
	Host    scenario.HostName `lab:"host,required"`
	User    scenario.UserName `lab:"user" doc:"By default root."`
	Run     string            `lab:"run,required" doc:"Shell."`
	Status  *int              `lab:"status" doc:"What it must exit with; by default 0."`
	Prints  string            `lab:"prints" doc:"A text that its output must hold."`
	Matches *scenario.Regexp  `lab:"matches" doc:"A regular expression that its output must match."`
	Lacks   string            `lab:"lacks" doc:"A text that its output must not hold."`
}

// Check refuses a status that no command has.
func (a *commandArgs) Check(report func(key, format string, args ...any)) {
	if a.Status != nil && (*a.Status < 0 || *a.Status > 255) {
		report("status", "status: from 0 to 255, not %d", *a.Status)
	}
}

func commandKind() kind {
	return define(kind{
		name:     "command",
		doc:      "A command is run on a host: its exit status and what it prints.",
		unwanted: "command-holds",
		labels: map[string]scenario.Text{
			"command-status": text("終了ステータス", "exit status"),
			"command-output": text("出力", "output"),
		},
		advice: []Advice{
			{
				Link:     "command-status",
				Expected: text("{host} で「{run}」が終了ステータス {want} で終わる", "“{run}” exits with {want} on {host}"),
				Seen:     text("終了ステータスは {status} でした: {output}", "it exited with {status}: {output}"),
				Slip:     text("コマンドを自分でも実行し、エラーメッセージを読んでください。", "Run the command yourself and read what it says."),
				Command:  "{run}",
			},
			{
				Link:     "command-output",
				Expected: text("{host} で「{run}」の出力が{what}", "what “{run}” prints on {host} {what}"),
				Seen:     text("出力は「{output}」でした", "it printed “{output}”"),
				Slip:     text("コマンドを自分でも実行し、出力を見てください。", "Run the command yourself and look at what it prints."),
				Command:  "{run}",
			},
			{
				Link:     "command-holds",
				Expected: text("{host} で「{run}」が成り立たない", "“{run}” does not hold on {host}"),
				Seen:     text("成り立っています: {output}", "it holds: {output}"),
				Slip:     text("元の状態のままになっていないか確認してください。", "See whether things are still as they were."),
				Command:  "{run}",
			},
		},
	}, func(a *commandArgs) scenario.Text {
		return text(string(a.Host)+" で「"+a.Run+"」が期待どおりに動く", "“"+a.Run+"” works as expected on "+string(a.Host))
	}, runCommand)
}

func runCommand(ctx context.Context, v *view, a *commandArgs) verdict {
	user, want := string(a.User), 0
	if user == "" {
		user = "root"
	}
	if a.Status != nil {
		want = *a.Status
	}
	got := verdict{params: params{}.with("host", string(a.Host)).with("run", a.Run).with("want", strconv.Itoa(want))}
	_, err := v.until(ctx, string(a.Host), v.within(0), func() (bool, error) {
		out, err := v.as(ctx, string(a.Host), user, a.Run)
		if err != nil {
			return false, err
		}
		all := out.Stdout + out.Stderr
		got.broken, got.walked, got.lines = "", nil, lines(all)
		got.params.with("status", strconv.Itoa(out.Status)).with("output", clip(all))
		if out.Status != want {
			got.broken = "command-status"
			return false, nil
		}
		got.walked = append(got.walked, "command-status")
		switch {
		case a.Prints != "" && !strings.Contains(out.Stdout, a.Prints):
			got.params["what"] = text("「"+clip(a.Prints)+"」を含む", "holds “"+clip(a.Prints)+"”")
		case a.Matches != nil && !a.Matches.MatchString(out.Stdout):
			got.params["what"] = text("正規表現「"+a.Matches.String()+"」に一致する", "matches “"+a.Matches.String()+"”")
		case a.Lacks != "" && strings.Contains(out.Stdout, a.Lacks):
			got.params["what"] = text("「"+clip(a.Lacks)+"」を含まない", "does not hold “"+clip(a.Lacks)+"”")
		default:
			got.walked = append(got.walked, "command-output")
			return true, nil
		}
		got.broken = "command-output"
		return false, nil
	})
	got.err = err
	return got
}
