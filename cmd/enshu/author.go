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
	"enshu/sim/scenario"
)

func (a *app) newCommand() *cobra.Command {
	return &cobra.Command{
		Use: "new FILE.yaml", Short: "Write the skeleton of a lab", Args: cobra.ExactArgs(1),
		Example: "  enshu new my-lab.yaml && enshu validate my-lab.yaml && enshu test my-lab.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := os.OpenFile(args[0], os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
			if errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("%s exists already: choose another name", args[0])
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
		Use: "validate FILE…", Short: "Check lab files without starting them", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			bad := 0
			for _, word := range args {
				e, err := find(word)
				if err == nil {
					_, err = e.parse()
				}
				if err != nil {
					bad++
					fmt.Fprintln(cmd.ErrOrStderr(), err)
				}
			}
			if bad > 0 {
				return fmt.Errorf(a.text("%d 個のファイルに誤りがあります", "%d of the files have mistakes"), bad)
			}
			return nil
		},
	}
}

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of lab files, for editors", Args: cobra.NoArgs,
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
		Use: "solve [NAME]", Short: "Run a solution in the running lab", Args: cobra.MaximumNArgs(1),
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
