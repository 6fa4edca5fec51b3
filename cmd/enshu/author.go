package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"enshu/cmd/enshu/session"
	"enshu/grader"
	"enshu/sim/lang"
	"enshu/sim/scenario"
)

func (a *app) newCommand() *cobra.Command {
	return &cobra.Command{
		Use: "new FILE.yaml", Short: a.text("ラボのひな形を書く", "Write the skeleton of a lab"), Args: a.args(1, 1),
		Example: "  enshu new my-lab.yaml && enshu validate my-lab.yaml && enshu test my-lab.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := os.OpenFile(args[0], os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
			if errors.Is(err, fs.ErrExist) {
				return lang.Errorf("%s はすでにあります: 別の名前にしてください", "%s exists already: choose another name", args[0])
			}
			if err != nil {
				return err
			}
			id := strings.TrimSuffix(filepath.Base(args[0]), filepath.Ext(args[0]))
			_, err = f.Write(scenario.Skeleton(id))
			return errors.Join(err, f.Close())
		},
	}
}

func (a *app) validateCommand() *cobra.Command {
	return &cobra.Command{
		Use: "validate FILE…", Short: a.text("ラボのファイルを、起動せずに調べる", "Check lab files without starting them"), Args: a.args(1, many),
		RunE: func(cmd *cobra.Command, args []string) error {
			bad := 0
			for _, word := range args {
				e, err := find(word)
				if err == nil {
					_, err = e.parse()
				}
				if err != nil {
					bad++
					fmt.Fprintln(cmd.ErrOrStderr(), lang.Tell(err, a.lang))
				}
			}
			if bad > 0 {
				return lang.Errorf("%d 個のファイルに誤りがあります", "%d of the files have mistakes", bad)
			}
			return nil
		},
	}
}

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: a.text("ラボのファイルの JSON Schema を出力する (エディター用)", "Print the JSON Schema of lab files, for editors"), Args: a.args(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, err := scenario.Schema(grader.Kinds())
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(b)
			return err
		},
	}
}

func (a *app) solveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "solve [NAME]", Short: a.text("実行中のラボで解答例を実行する", "Run a solution in the running lab"), Args: a.args(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.dial()
			if err != nil {
				return err
			}
			defer c.Close()
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			return c.Solve(cmd.Context(), name, func(s session.Step) {
				fmt.Fprintf(cmd.OutOrStdout(), "[root@%s ~]# %s\n%s%s", s.Host, strings.TrimRight(s.Run, "\n"), s.Stdout, s.Stderr)
			})
		},
	}
}
