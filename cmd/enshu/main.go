// To read how much of the processors its cgroup may have would take a good part
// of the start of a verb.
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Command enshu starts labs, gives their learners shells, and grades what they
// did. Each verb is a small file; the lab process's side is package session.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"enshu/cmd/enshu/session"
	"enshu/sim/kernel"
	_ "enshu/sim/stub/guest" // takes over in a host
)

func main() {
	if os.Args[0] == kernel.RoleLab {
		if os.Args[1] == kernel.ProbeArg {
			os.Exit(kernel.RunProbe())
		}
		os.Exit(session.RunLab())
	}
	os.Exit(run(os.Args[1:]))
}

// run executes a command line and returns the exit status: 0 everything passed,
// 1 something failed, 2 it could not be tried. Signals end what the command is
// about and let it clean up.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	a := &app{status: 0}
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintf(os.Stderr, "enshu: %v\n", err)
		return 2
	}
	return a.status
}

// app is what the verbs share.
type app struct {
	lab    string // --lab
	lang   string // --lang, "ja" or "en"
	status int    // exit status of a verb that ran
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "enshu",
		Short: "Practise Linux system administration in labs that start in milliseconds",
		Long: "enshu (演習) starts labs of virtual Linux hosts on this machine, gives you shells on them,\n" +
			"and checks what the systems then do.",
		Example: "  enshu list                     what can be practised\n" +
			"  enshu run tcp-forwarding       start a lab, work in a shell, be graded, clean up\n" +
			"  enshu start tcp-forwarding     start a lab and leave it running\n" +
			"  enshu shell client             a shell on the host client\n" +
			"  enshu check                    what holds and what does not yet, and why\n" +
			"  enshu finish                   end the lab; nothing is left behind",
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			switch a.lang {
			case "ja", "en":
			case "":
				a.lang = session.Language(firstOf(os.Getenv("LC_ALL"), os.Getenv("LC_MESSAGES"), os.Getenv("LANG")))
			default:
				return fmt.Errorf("--lang %s: use ja or en", a.lang)
			}
			return nil
		},
	}
	root.PersistentFlags().StringVar(&a.lab, "lab", "", "the running lab; needed when several run")
	root.PersistentFlags().StringVar(&a.lang, "lang", "", "ja or en; by default as LANG says")
	root.RegisterFlagCompletionFunc("lab", a.completeRunning)
	root.RegisterFlagCompletionFunc("lang", cobra.FixedCompletions([]string{"ja", "en"}, cobra.ShellCompDirectiveNoFileComp))
	root.AddGroup(
		&cobra.Group{ID: "learner", Title: "For learners:"},
		&cobra.Group{ID: "author", Title: "For authors of labs:"},
		&cobra.Group{ID: "machine", Title: "For the machine:"},
	)
	for _, c := range []*cobra.Command{
		a.learnCommand(), a.listCommand(), a.showCommand(), a.runCommand(), a.startCommand(), a.shellCommand(), a.execCommand(), a.checkCommand(),
		a.hintCommand(), a.eventsCommand(), a.whyCommand(), a.captureCommand(), a.statusCommand(), a.clockCommand(), a.resetCommand(), a.finishCommand(),
	} {
		c.GroupID = "learner"
		root.AddCommand(c)
	}
	for _, c := range []*cobra.Command{a.newCommand(), a.validateCommand(), a.testCommand(), a.solveCommand(), a.schemaCommand()} {
		c.GroupID = "author"
		root.AddCommand(c)
	}
	doctor := a.doctorCommand()
	doctor.GroupID = "machine"
	root.AddCommand(doctor)
	return root
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// dial connects to the lab that --lab names, or to the only one.
func (a *app) dial() (*session.Client, error) { return session.Dial(a.lab) }

// text is a message in the user's language.
func (a *app) text(ja, en string) string {
	if a.lang == "ja" {
		return ja
	}
	return en
}

// columns is the width of the terminal that standard output is, or 0.
func columns() int {
	if w, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil {
		return w
	}
	return 0
}

func colored() bool {
	return term.IsTerminal(int(os.Stdout.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
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

func (a *app) completeRunning(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	names, _ := session.Running()
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeHost offers the hosts of the running lab.
func (a *app) completeHost(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	c, err := a.dial()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer c.Close()
	st, err := c.Status(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, h := range st.Hosts {
		names = append(names, h.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeLab offers the labs of the catalogue, and files.
func (a *app) completeLab(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	entries, _ := catalogue()
	var ids []string
	for _, e := range entries {
		ids = append(ids, e.id)
	}
	return ids, cobra.ShellCompDirectiveDefault
}
