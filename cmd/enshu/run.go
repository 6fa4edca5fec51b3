package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"enshu/cmd/enshu/page"
	"enshu/cmd/enshu/session"
	"enshu/sim/lab"
	"enshu/sim/lang"
	"enshu/sim/scenario"
)

// startFlags are those of the verbs that start a lab.
type startFlags struct {
	name string
	seed uint64
}

func (f *startFlags) add(a *app, c *cobra.Command) {
	c.Flags().StringVar(&f.name, "name", "", a.text("実行中のラボの名前 (省略するとラボの ID)", "what the running lab is called; by default its id"))
	c.Flags().Uint64Var(&f.seed, "seed", 0, a.text("ラボの変数を決めるもと (省略すると毎回別のもの)", "what the lab's variables are drawn from; by default another one each time"))
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
	if names, install := lab.MissingTools(); len(names) > 0 {
		fmt.Fprintf(os.Stderr, a.text("注意: このマシンにないため、ホストでも使えません: %s (`%s`)\n", "note: hosts lack what this machine lacks: %s (`%s`)\n"), strings.Join(names, ", "), install)
	}
	if started.Single != nil {
		fmt.Fprintf(os.Stderr, a.text("注意: ホスト内で使えるユーザーは root だけです (su などは使えません): %s\n",
			"note: hosts have the user root only (no su): %s\n"), lang.Tell(started.Single, a.lang))
	}
	return l, started, nil
}

func (a *app) startCommand() *cobra.Command {
	var f startFlags
	c := &cobra.Command{
		Use: "start LAB", Short: a.text("ラボを開始して、動かしておく", "Start a lab and leave it running"), Args: a.args(1, 1), ValidArgsFunction: a.completeLab,
		Long: a.text("ラボを、一覧にある ID かファイルの名前で指定して開始します。`enshu finish` まで動き続けます。",
			"Start a lab: one of the catalogue by its id, or a lab file. It runs until `enshu finish`."),
		Example: "  enshu start tcp-forwarding\n  enshu start ./my-lab.yaml --name second --seed 42",
		RunE: func(cmd *cobra.Command, args []string) error {
			l, _, err := a.start(cmd, args[0], &f)
			if err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, a.text("次は: enshu show · enshu shell %s · enshu check · enshu finish\n",
				"next: enshu show · enshu shell %s · enshu check · enshu finish\n"), l.Shell)
			return nil
		},
	}
	f.add(a, c)
	return c
}

func (a *app) runCommand() *cobra.Command {
	var f startFlags
	var host string
	c := &cobra.Command{
		Use: "run LAB", Short: a.text("ラボを開始し、シェルで作業し、採点して片付ける", "Start a lab, work in a shell, be graded, clean up"), Args: a.args(1, 1), ValidArgsFunction: a.completeLab,
		Long: a.text("ラボを開始し、ホストの一つでシェルを開きます。中では `tasks`、`check`、`hint`、`why` が使えます。\n"+
			"シェルを終了すると、採点してラボを終わります。",
			"Start a lab and open a shell on one of its hosts. `tasks`, `check`, `hint` and `why` work inside;\n"+
				"leaving the shell grades the lab and ends it."),
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
			if err := a.read(cmd.OutOrStdout(), page.Lab(l, a.lang)); err != nil {
				return err
			}
			fmt.Println(a.text("\nシェルの中で: tasks (この説明)、check、hint、why。", "\nIn the shell: tasks (this text), check, hint, why."))
			if len(l.Hosts) > 1 {
				fmt.Println(a.text("ほかのホストへ: ssh HOST、または別の端末で enshu shell HOST。", "To other hosts: ssh HOST, or enshu shell HOST in another terminal."))
			}
			fmt.Print(a.text("このシェルを終了すると、採点して片付けます。\n\n", "Leaving the shell grades the lab and ends it.\n\n"))
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
	f.add(a, c)
	c.Flags().StringVar(&host, "host", "", a.text("シェルを開くホスト (省略するとラボが決めたホスト)", "the host of the shell; by default the one that the lab says"))
	return c
}

func (a *app) shellCommand() *cobra.Command {
	var user string
	c := &cobra.Command{
		Use: "shell [HOST]", Short: a.text("ホストのログインシェルを開く", "Open a login shell on a host"), Args: a.args(0, 1), ValidArgsFunction: a.completeHost,
		Example: "  enshu shell client\n  enshu shell server --user linuc",
		RunE: func(cmd *cobra.Command, args []string) error {
			host := ""
			if len(args) > 0 {
				host = args[0]
			}
			return a.exec(cmd, host, user, nil)
		},
	}
	c.Flags().StringVarP(&user, "user", "u", "root", a.text("シェルのユーザー", "the user of the shell"))
	return c
}

func (a *app) execCommand() *cobra.Command {
	var user string
	c := &cobra.Command{
		Use: "exec HOST [--user U] -- COMMAND…", Short: a.text("ホストでコマンドを実行する", "Run a command on a host"), Args: a.args(2, many), ValidArgsFunction: a.completeHost,
		Long: a.text("ホストでコマンドを、この端末の入出力で実行します。終了ステータスはそのコマンドのものです。",
			"Run a command on a host with this terminal's input and output; the exit status is the command's."),
		Example: "  enshu exec client -- logger -p user.info hello\n  enshu exec server -- tail -3 /var/log/messages",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.exec(cmd, args[0], user, args[1:])
		},
	}
	c.Flags().StringVarP(&user, "user", "u", "root", a.text("実行するユーザー", "the user that runs it"))
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
