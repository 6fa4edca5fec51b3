// To read how much of the processors its cgroup may have would take a good part
// of the start of a verb.
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Command enshu starts labs, gives their learners shells, and grades what they
// did. Each verb is a small file; the lab process's side is package session.
package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"enshu/cmd/enshu/session"
	"enshu/sim/kernel"
	"enshu/sim/lang"
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
	a := &app{lang: language(args)}
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintf(os.Stderr, "enshu: %s\n", lang.Tell(err, a.lang))
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

// language is the one that --lang asks for, or else the environment: it must be
// known before the flags are parsed, for their help is in it.
func language(args []string) string {
	for i, arg := range args {
		if arg == "--" {
			break
		}
		if l, ok := strings.CutPrefix(arg, "--lang="); ok {
			return l
		}
		if arg == "--lang" && i+1 < len(args) {
			return args[i+1]
		}
	}
	return lang.Of(cmp.Or(os.Getenv("LC_ALL"), os.Getenv("LC_MESSAGES"), os.Getenv("LANG")))
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "enshu",
		Short: a.text("ミリ秒で起動するラボで Linux のシステム管理を練習する", "Practise Linux system administration in labs that start in milliseconds"),
		Long: a.text("enshu (演習) は、このマシンの上で仮想の Linux ホストからなるラボを開始し、そのシェルを開き、\n"+
			"システムが実際にどう動いたかを採点します。",
			"enshu (演習) starts labs of virtual Linux hosts on this machine, gives you shells on them,\n"+
				"and checks what the systems then do."),
		Example: a.text("  enshu list                     練習できるもの\n"+
			"  enshu run tcp-forwarding       ラボを開始し、シェルで作業し、採点して片付ける\n"+
			"  enshu start tcp-forwarding     ラボを開始して、動かしておく\n"+
			"  enshu shell client             ホスト client のシェル\n"+
			"  enshu check                    できたこと、まだできていないことと、その理由\n"+
			"  enshu finish                   ラボを終了する (何も残りません)",
			"  enshu list                     what can be practised\n"+
				"  enshu run tcp-forwarding       start a lab, work in a shell, be graded, clean up\n"+
				"  enshu start tcp-forwarding     start a lab and leave it running\n"+
				"  enshu shell client             a shell on the host client\n"+
				"  enshu check                    what holds and what does not yet, and why\n"+
				"  enshu finish                   end the lab; nothing is left behind"),
		SilenceErrors:         true,
		DisableFlagsInUseLine: true,
		SilenceUsage:          true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if a.lang != "ja" && a.lang != "en" {
				return fmt.Errorf("--lang %s: use ja or en", a.lang)
			}
			return nil
		},
	}
	root.Args = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		var verbs []string
		for _, c := range root.Commands() {
			verbs = append(verbs, c.Name())
		}
		return lang.Errorf("コマンド %q はありません%s (一覧は `enshu --help`)", "there is no command %q%s (`enshu --help` shows them)", args[0], meant(args[0], verbs))
	}
	root.RunE = func(*cobra.Command, []string) error { return root.Help() }
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return lang.Errorf("%v (フラグは `%s --help` で分かります)", "%v (`%s --help` shows the flags)", err, c.CommandPath())
	})
	root.PersistentFlags().StringVar(&a.lab, "lab", "", a.text("実行中のラボの名前 (複数あるときに必要)", "the running lab; needed when several run"))
	root.PersistentFlags().StringVar(&a.lang, "lang", a.lang, a.text("ja または en (省略すると LANG に従う)", "ja or en; by default as LANG says"))
	root.PersistentFlags().Lookup("lang").DefValue = "" // as the help says in words
	root.RegisterFlagCompletionFunc("lab", a.completeRunning)
	root.RegisterFlagCompletionFunc("lang", cobra.FixedCompletions([]string{"ja", "en"}, cobra.ShellCompDirectiveNoFileComp))
	root.AddGroup(
		&cobra.Group{ID: "learner", Title: a.text("学習者のためのコマンド:", "For learners:")},
		&cobra.Group{ID: "author", Title: a.text("ラボの作者のためのコマンド:", "For authors of labs:")},
		&cobra.Group{ID: "machine", Title: a.text("マシンを調べるコマンド:", "For the machine:")},
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
	if a.lang == "ja" {
		inJapanese(root)
	}
	return root
}

// many is as many arguments as are given.
const many = math.MaxInt

// args refuses other numbers of arguments than those from least to most.
func (a *app) args(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return lang.Errorf("引数が足りません: 使い方は `%s`", "an argument is missing: the usage is `%s`", c.UseLine())
		case len(args) > most:
			return lang.Errorf("引数 %q は余分です: 使い方は `%s`", "the argument %q is too many: the usage is `%s`", args[most], c.UseLine())
		}
		return nil
	}
}

// dial connects to the lab that --lab names, or to the only one.
func (a *app) dial() (*session.Client, error) { return session.Dial(a.lab) }

// text is a message in the user's language.
func (a *app) text(ja, en string) string { return lang.Both(ja, en).In(a.lang) }

// columns is the width of the terminal that f is, or 0.
func columns(f *os.File) int {
	if w, _, err := term.GetSize(int(f.Fd())); err == nil {
		return w
	}
	return 0
}

func colored() bool {
	return term.IsTerminal(int(os.Stdout.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// formatFlag adds --format.
func (a *app) formatFlag(c *cobra.Command, format *string, kinds ...string) {
	c.Flags().StringVar(format, "format", "text", a.text("text または ", "text or ")+strings.Join(kinds, ", "))
	c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(append(kinds, "text"), cobra.ShellCompDirectiveNoFileComp))
	c.PreRunE = func(*cobra.Command, []string) error {
		for _, k := range append(kinds, "text") {
			if *format == k {
				return nil
			}
		}
		return lang.Errorf("--format %s: text または %s にしてください", "--format %s: use text or %s", *format, strings.Join(kinds, ", "))
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
