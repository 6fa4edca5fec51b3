package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"enshu/cmd/enshu/session"
	"enshu/grader"
	"enshu/sim/scenario"
)

func (a *app) listCommand() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use: "list", Short: "List the labs", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			entries, err := catalogue()
			if err != nil {
				return err
			}
			var all []*scenario.Lab
			for _, e := range entries {
				l, err := e.draw(1)
				if err != nil {
					return err
				}
				all = append(all, l)
			}
			byObjective(all)
			if format == "json" {
				type row struct {
					ID         string   `json:"id"`
					TitleJA    string   `json:"title_ja"`
					TitleEN    string   `json:"title_en"`
					Objectives []string `json:"objectives"`
					Difficulty int      `json:"difficulty"`
					Minutes    int      `json:"minutes"`
				}
				rows := []row{}
				for _, l := range all {
					rows = append(rows, row{l.ID, l.Title.JA, l.Title.EN, l.Objectives, l.Difficulty, int(time.Duration(l.Time).Minutes())})
				}
				return json.NewEncoder(cmd.OutOrStdout()).Encode(rows)
			}
			for _, l := range all {
				fmt.Fprintf(cmd.OutOrStdout(), "%-24s %-8s %-6s %s\n", l.ID, strings.Join(l.Objectives, ","),
					strings.Repeat("★", max(l.Difficulty, 1)), l.Title.In(a.lang))
			}
			return nil
		},
	}
	formatFlag(c, &format, "json")
	return c
}

// formatFlag adds --format.
func formatFlag(c *cobra.Command, format *string, kinds ...string) {
	c.Flags().StringVar(format, "format", "text", "text or "+strings.Join(kinds, ", "))
	c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(append(kinds, "text"), cobra.ShellCompDirectiveNoFileComp))
	c.PreRunE = func(*cobra.Command, []string) error {
		for _, k := range append(kinds, "text") {
			if *format == k {
				return nil
			}
		}
		return fmt.Errorf("--format %s: use text or %s", *format, strings.Join(kinds, ", "))
	}
}

func (a *app) showCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show LAB", Short: "Show what a lab asks for", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeLab,
		Example: "  enshu show tcp-forwarding",
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := find(args[0])
			if err != nil {
				return err
			}
			l, err := e.draw(1)
			if err != nil {
				return err
			}
			fmt.Fprint(cmd.OutOrStdout(), a.describe(l))
			return nil
		},
	}
}

// describe is a lab as its learner reads it.
func (a *app) describe(l *scenario.Lab) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", l.Title.In(a.lang))
	if t := strings.TrimSpace(l.Text.In(a.lang)); t != "" {
		fmt.Fprintf(&b, "%s\n\n", t)
	}
	for i := range l.Hosts {
		h := &l.Hosts[i]
		var addrs []string
		for _, n := range h.Networks {
			addrs = append(addrs, n.Address.String())
		}
		fmt.Fprintf(&b, "  %-10s %s\n", h.Name, strings.Join(addrs, ", "))
	}
	for i := range l.Tasks {
		t := &l.Tasks[i]
		fmt.Fprintf(&b, "\n## %d. %s (%s, %d%s)\n\n", i+1, t.Title.In(a.lang), t.ID, t.Points, a.text(" 点", " points"))
		if text := strings.TrimSpace(t.Text.In(a.lang)); text != "" {
			fmt.Fprintf(&b, "%s\n", text)
		}
	}
	return b.String()
}

// startFlags are those of the verbs that start a lab.
type startFlags struct {
	name string
	seed uint64
}

func (f *startFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.name, "name", "", "what the running lab is called; by default its id")
	c.Flags().Uint64Var(&f.seed, "seed", 0, "what the lab's variables are drawn from; by default another one each time")
}

// start starts the lab that a word means and tells how it went.
func (a *app) start(cmd *cobra.Command, word string, f *startFlags) (*scenario.Lab, *session.Started, error) {
	e, err := find(word)
	if err != nil {
		return nil, nil, err
	}
	seed := f.seed
	if !cmd.Flags().Changed("seed") {
		seed = freshSeed()
	}
	l, err := e.draw(seed)
	if err != nil {
		return nil, nil, err
	}
	name := f.name
	if name == "" {
		name = l.ID
	}
	began := time.Now()
	started, err := session.Start(cmd.Context(), session.Launch{Name: name, File: e.file, Source: e.data, Seed: seed})
	if err != nil {
		return nil, nil, err
	}
	fmt.Fprintf(os.Stderr, a.text("%s: %d 台のホストが起動しました (%d ms)\n", "%s: %d hosts are up (%d ms)\n"), name, len(l.Hosts), time.Since(began).Milliseconds())
	if started.Single != "" {
		fmt.Fprintf(os.Stderr, a.text("注意: ホスト内で使えるユーザーは root だけです (su などは使えません): %s\n",
			"note: hosts have the user root only (no su): %s\n"), started.Single)
	}
	return l, started, nil
}

func (a *app) startCommand() *cobra.Command {
	var f startFlags
	c := &cobra.Command{
		Use: "start LAB", Short: "Start a lab and leave it running", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeLab,
		Long:    "Start a lab: one of the catalogue by its id, or a lab file. It runs until `enshu finish`.",
		Example: "  enshu start tcp-forwarding\n  enshu start ./my-lab.yaml --name second --seed 42",
		RunE: func(cmd *cobra.Command, args []string) error {
			l, _, err := a.start(cmd, args[0], &f)
			if err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, a.text("次は: enshu show %s · enshu shell %s · enshu check · enshu finish\n",
				"next: enshu show %s · enshu shell %s · enshu check · enshu finish\n"), args[0], l.Hosts[0].Name)
			return nil
		},
	}
	f.add(c)
	return c
}

func (a *app) runCommand() *cobra.Command {
	var f startFlags
	var host string
	c := &cobra.Command{
		Use: "run LAB", Short: "Start a lab, work in a shell, be graded, clean up", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeLab,
		Long: "Start a lab and open a shell on one of its hosts. `check` and `hint` work inside;\n" +
			"leaving the shell grades the lab and ends it.",
		Example: "  enshu run tcp-forwarding\n  enshu run tcp-forwarding --host client",
		RunE: func(cmd *cobra.Command, args []string) error {
			l, started, err := a.start(cmd, args[0], &f)
			if err != nil {
				return err
			}
			defer func() {
				if c, err := session.Dial(started.Name); err == nil {
					c.Finish(context.WithoutCancel(cmd.Context()))
				}
			}()
			// Even if this process is killed, the lab ends with it.
			hold, err := session.Dial(started.Name)
			if err != nil {
				return err
			}
			go hold.Hold(cmd.Context())
			fmt.Print(a.describe(l))
			fmt.Print(a.text("\n別の端末から: enshu shell HOST。このシェルを終了すると採点して片付けます。\n\n",
				"\nOther hosts: enshu shell HOST in another terminal. Leaving this shell grades the lab and ends it.\n\n"))
			c, err := session.Dial(started.Name)
			if err != nil {
				return err
			}
			if _, err := c.Exec(cmd.Context(), host, "root", a.lang, nil); err != nil {
				return err
			}
			return a.check(cmd, started.Name, nil, "text", false)
		},
	}
	f.add(c)
	c.Flags().StringVar(&host, "host", "", "the host of the shell; by default the lab's first")
	return c
}

func (a *app) shellCommand() *cobra.Command {
	var user string
	c := &cobra.Command{
		Use: "shell [HOST]", Short: "Open a login shell on a host", Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeHost,
		Example: "  enshu shell client\n  enshu shell server --user linuc",
		RunE: func(cmd *cobra.Command, args []string) error {
			host := ""
			if len(args) > 0 {
				host = args[0]
			}
			return a.exec(cmd, host, user, nil)
		},
	}
	c.Flags().StringVarP(&user, "user", "u", "root", "the user of the shell")
	return c
}

func (a *app) execCommand() *cobra.Command {
	var user string
	c := &cobra.Command{
		Use: "exec HOST [--user U] -- COMMAND…", Short: "Run a command on a host", Args: cobra.MinimumNArgs(2), ValidArgsFunction: a.completeHost,
		Long:    "Run a command on a host with this terminal's input and output; the exit status is the command's.",
		Example: "  enshu exec client -- logger -p user.info hello\n  enshu exec server -- tail -3 /var/log/messages",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.exec(cmd, args[0], user, args[1:])
		},
	}
	c.Flags().StringVarP(&user, "user", "u", "root", "the user that runs it")
	return c
}

func (a *app) exec(cmd *cobra.Command, host, user string, args []string) error {
	c, err := a.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	a.status, err = c.Exec(cmd.Context(), host, user, a.lang, args)
	return err
}

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
	report, err := c.Check(cmd.Context(), tasks, func(p grader.Progress) {
		if live {
			fmt.Fprintf(os.Stderr, "\r\x1b[K%s %d/%d: %s", p.Task, p.Check, p.Of, p.Title.In(a.lang))
			if p.Waiting > 0 {
				fmt.Fprintf(os.Stderr, a.text(" (ラボの時刻であと最大 %.0f 秒。長く待つときは時計を速めます)", " (at most %.0f s more of the lab's time, which runs faster while it waits)"), p.Waiting.Seconds())
			}
		}
	})
	if live {
		fmt.Fprint(os.Stderr, "\r\x1b[K")
	}
	if err != nil {
		return err
	}
	a.status = session.ExitStatus(report.Outcome())
	out := cmd.OutOrStdout()
	switch format {
	case "json":
		return grader.WriteJSON(out, report)
	case "junit":
		return grader.WriteJUnit(out, []grader.Submission{{Name: name, Report: report}}, a.lang)
	case "gradescope":
		return grader.WriteGradescope(out, report, a.lang)
	}
	return grader.WriteText(out, report, grader.Style{Lang: a.lang, Color: colored(), Columns: columns(), Verbose: verbose})
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

func (a *app) statusCommand() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use: "status", Short: "Show the running labs and their hosts", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			names := []string{a.lab}
			if a.lab == "" {
				var err error
				if names, err = session.Running(); err != nil {
					return err
				}
			}
			var all []*session.Status
			for _, name := range names {
				c, err := session.Dial(name)
				if errors.Is(err, session.ErrNotRunning) && a.lab == "" {
					continue // it has just ended
				}
				if err != nil {
					return err
				}
				st, err := c.Status(cmd.Context())
				c.Close()
				if err != nil {
					return err
				}
				all = append(all, st)
			}
			if format == "json" {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(all)
			}
			if len(all) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), a.text("実行中のラボはありません。`enshu list` で一覧を、`enshu start LAB` で開始します。",
					"No lab is running. `enshu list` shows them, `enshu start LAB` starts one."))
				return nil
			}
			for _, st := range all {
				title := st.TitleEN
				if a.lang == "ja" {
					title = st.TitleJA
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s  %s  (seed %d)\n", st.Name, title, st.Seed)
				w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
				for _, h := range st.Hosts {
					state := a.text("稼働中", "up")
					if !h.Up {
						state = a.text("停止", "down")
					}
					if len(h.Failed) > 0 {
						state += a.text(" 失敗: ", " failed: ") + strings.Join(h.Failed, ", ")
					}
					fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", h.Name, strings.Join(h.Addresses, ","), a.clockText(h), state)
				}
				w.Flush()
			}
			return nil
		},
	}
	formatFlag(c, &format, "json")
	return c
}

// clockText is a host's clock in a few words.
func (a *app) clockText(h session.HostStatus) string {
	s := h.Offset.Round(time.Microsecond).String()
	if h.Offset >= 0 {
		s = "+" + s
	}
	if h.Stratum > 0 {
		s += fmt.Sprintf(" (stratum %d, %s)", h.Stratum, h.Source)
	}
	return s
}

func (a *app) resetCommand() *cobra.Command {
	var reboot bool
	c := &cobra.Command{
		Use: "reset [HOST]", Short: "Make a host, or all, as it was at the start", Args: cobra.MaximumNArgs(1), ValidArgsFunction: a.completeHost,
		Example: "  enshu reset client\n  enshu reset --reboot server    # restart it: what is not permanent is gone",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.dial()
			if err != nil {
				return err
			}
			defer c.Close()
			host := ""
			if len(args) > 0 {
				host = args[0]
			}
			return c.Reset(cmd.Context(), host, reboot)
		},
	}
	c.Flags().BoolVar(&reboot, "reboot", false, "only restart it; its files stay")
	return c
}

func (a *app) finishCommand() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use: "finish", Short: "End a lab; nothing is left behind", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			names := []string{a.lab}
			if all {
				var err error
				if names, err = session.Running(); err != nil {
					return err
				}
			}
			for _, name := range names {
				c, err := session.Dial(name)
				if err != nil {
					return err
				}
				err = c.Finish(cmd.Context())
				c.Close()
				if err != nil {
					return err
				}
				fmt.Fprintf(os.Stderr, a.text("%s を終了しました\n", "%s is finished\n"), c.Name)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&all, "all", false, "every running lab")
	return c
}
