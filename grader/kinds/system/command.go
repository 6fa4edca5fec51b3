package system

import (
	"context"
	"strconv"
	"strings"

	"enshu/grader/check"
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
func (a *commandArgs) Check(report func(key, ja, en string, args ...any)) {
	if a.Status != nil && (*a.Status < 0 || *a.Status > 255) {
		report("status", "status: 0 から 255 までです（%d は使えません）", "status: from 0 to 255, not %d", *a.Status)
	}
}

func Command() check.Kind {
	return check.Define(check.Kind{
		Name:     "command",
		Doc:      "A command is run on a host: its exit status and what it prints.",
		Unwanted: "command-holds",
		Labels: map[string]scenario.Text{
			"command-status": check.Text("終了ステータス", "exit status"),
			"command-output": check.Text("出力", "output"),
		},
		Advice: []check.Advice{
			{
				Link:     "command-status",
				Expected: check.Text("{host} で「{run}」が終了ステータス {want} で終わる", "“{run}” exits with {want} on {host}"),
				Seen:     check.Text("終了ステータスは {status} でした: {output}", "it exited with {status}: {output}"),
				Slip:     check.Text("コマンドを自分でも実行し、エラーメッセージを読んでください。", "Run the command yourself and read what it says."),
				Command:  "{run}",
			},
			{
				Link:     "command-output",
				Expected: check.Text("{host} で「{run}」の出力が{what}", "what “{run}” prints on {host} {what}"),
				Seen:     check.Text("出力は「{output}」でした", "it printed “{output}”"),
				Slip:     check.Text("コマンドを自分でも実行し、出力を見てください。", "Run the command yourself and look at what it prints."),
				Command:  "{run}",
			},
			{
				Link:     "command-holds",
				Expected: check.Text("{host} で「{run}」が成り立たない", "“{run}” does not hold on {host}"),
				Seen:     check.Text("成り立っています: {output}", "it holds: {output}"),
				Slip:     check.Text("元の状態のままになっていないか確認してください。", "See whether things are still as they were."),
				Command:  "{run}",
			},
		},
	}, func(a *commandArgs) scenario.Text {
		return check.Text(string(a.Host)+" で「"+a.Run+"」が期待どおりに動く", "“"+a.Run+"” works as expected on "+string(a.Host))
	}, runCommand)
}

func runCommand(ctx context.Context, v *check.View, a *commandArgs) check.Verdict {
	user, want := string(a.User), 0
	if user == "" {
		user = "root"
	}
	if a.Status != nil {
		want = *a.Status
	}
	return v.Settle(ctx, string(a.Host), func() (check.Verdict, error) {
		out, err := v.As(ctx, string(a.Host), user, a.Run)
		all := out.Stdout + out.Stderr
		got := check.Verdict{Lines: check.Lines(all), Params: check.Params{}.With("host", string(a.Host)).With("run", a.Run).
			With("want", strconv.Itoa(want)).With("status", strconv.Itoa(out.Status)).With("output", check.Clip(all))}
		if err != nil || out.Status != want {
			got.Broken = "command-status"
			return got, err
		}
		got.Walked = append(got.Walked, "command-status")
		switch {
		case a.Prints != "" && !strings.Contains(out.Stdout, a.Prints):
			got.Params["what"] = check.Text("「"+check.Clip(a.Prints)+"」を含む", "holds “"+check.Clip(a.Prints)+"”")
		case a.Matches != nil && !a.Matches.MatchString(out.Stdout):
			got.Params["what"] = check.Text("正規表現「"+a.Matches.String()+"」に一致する", "matches “"+a.Matches.String()+"”")
		case a.Lacks != "" && strings.Contains(out.Stdout, a.Lacks):
			got.Params["what"] = check.Text("「"+check.Clip(a.Lacks)+"」を含まない", "does not hold “"+check.Clip(a.Lacks)+"”")
		default:
			got.Walked = append(got.Walked, "command-output")
			return got, nil
		}
		got.Broken = "command-output"
		return got, nil
	})
}
