package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"enshu/cmd/enshu/session"
	"enshu/grader/report"
)

func (a *app) checkCommand() *cobra.Command {
	var format string
	var verbose bool
	c := &cobra.Command{
		Use: "check [TASK…]", Short: a.text("できたこと、まだできていないことと、その理由を見る", "See what holds, what does not yet, and why"),
		Long: a.text("ラボを採点します。終了ステータスは、すべての課題が合格なら 0、不合格があれば 1、試せないものがあれば 2 です。",
			"Have the lab graded. The exit status is 0 when every task passes, 1 when one fails, 2 when one could not be tried."),
		Example: "  enshu check\n  enshu check deliver --format json",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.check(cmd, a.lab, args, format, verbose)
		},
	}
	a.formatFlag(c, &format, "json", "junit", "gradescope")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, a.text("合格した項目の経路と記録も表示する", "show the path and the records of what holds, too"))
	return c
}

// check grades a running lab and prints the report.
func (a *app) check(cmd *cobra.Command, name string, tasks []string, format string, verbose bool) error {
	c, err := session.Dial(name)
	if err != nil {
		return err
	}
	defer c.Close()
	live := term.IsTerminal(int(os.Stderr.Fd()))
	result, err := c.Check(cmd.Context(), tasks, func(p report.Progress) {
		if live {
			fmt.Fprint(os.Stderr, "\r\x1b[K", p.Line(a.lang, columns(os.Stderr)))
		}
	})
	if live {
		fmt.Fprint(os.Stderr, "\r\x1b[K")
	}
	if err != nil {
		return err
	}
	a.status = session.ExitStatus(result.Outcome())
	out := cmd.OutOrStdout()
	switch format {
	case "json":
		return report.WriteJSON(out, result)
	case "junit":
		return report.WriteJUnit(out, []report.Submission{{Name: name, Report: result}}, a.lang)
	case "gradescope":
		return report.WriteGradescope(out, result, a.lang)
	}
	return report.WriteText(out, result, report.Style{Lang: a.lang, Color: colored(), Columns: columns(os.Stdout), Verbose: verbose})
}

func (a *app) hintCommand() *cobra.Command {
	return &cobra.Command{
		Use: "hint [TASK]", Short: a.text("次のヒントを見る", "Get the next hint"), Args: a.args(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.dial()
			if err != nil {
				return err
			}
			defer c.Close()
			task := ""
			if len(args) > 0 {
				task = args[0]
			}
			h, err := c.Hint(cmd.Context(), task)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), h.In(a.lang))
			return nil
		},
	}
}
