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
		Use: "check [TASK…]", Short: "See what holds, what does not yet, and why",
		Long:    "Have the lab graded. The exit status is 0 when every task passes, 1 when one fails, 2 when one could not be tried.",
		Example: "  enshu check\n  enshu check deliver --format json",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.check(cmd, a.lab, args, format, verbose)
		},
	}
	formatFlag(c, &format, "json", "junit", "gradescope")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "show the path and the records of what holds, too")
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
			fmt.Fprint(os.Stderr, "\r\x1b[K", p.Line(a.lang))
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
	return report.WriteText(out, result, report.Style{Lang: a.lang, Color: colored(), Columns: columns(), Verbose: verbose})
}

func (a *app) hintCommand() *cobra.Command {
	return &cobra.Command{
		Use: "hint [TASK]", Short: "Get the next hint", Args: cobra.MaximumNArgs(1),
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
			fmt.Fprintln(cmd.OutOrStdout(), h.Text(a.lang))
			return nil
		},
	}
}
