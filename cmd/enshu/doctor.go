package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"enshu/sim/kernel"
	"enshu/sim/lab"
	"enshu/sim/lang"
)

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: a.text("このマシンでラボを実行できるか、できないならどうすればよいかを調べる", "Tell whether labs can run on this machine, and what to do if not"), Args: a.args(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			missing := kernel.Missing()
			ids := kernel.FindIDs()
			if len(missing) == 0 {
				if err := kernel.Probe(ids); err != nil {
					missing = append(missing, err)
				}
			}
			for _, m := range missing {
				fmt.Fprintf(out, "✗ %s\n", lang.Tell(m, a.lang))
			}
			if len(missing) == 0 {
				fmt.Fprintln(out, a.text("✓ ラボを実行できます", "✓ labs can run"))
			} else {
				a.status = 2
			}
			if names, install := lab.MissingTools(); len(names) > 0 {
				fmt.Fprintf(out, a.text("! このマシンにないため、ホストでも使えません: %s (`%s`)\n", "! hosts will lack what this machine lacks: %s (`%s`)\n"), strings.Join(names, ", "), install)
			}
			if parent, why := kernel.FindGroup(); parent != "" {
				fmt.Fprintf(out, a.text("✓ ホストごとにメモリーとプロセス数の上限があります (cgroup %s)\n", "✓ each host as a whole has limits on memory and processes (cgroup %s)\n"), parent)
			} else {
				fmt.Fprintf(out, a.text("! メモリーとプロセス数の上限は、ホストごとではなくプロセスとユーザーごとになります: %s\n",
					"! limits on memory and processes are those of each process and user, not of a host as a whole: %s\n"), lang.Tell(why, a.lang))
			}
			switch {
			case os.Geteuid() == 0:
				fmt.Fprintln(out, a.text("✓ root で実行中: ラボは権限のない ID の範囲で動きます", "✓ you are root: labs run in a range of ids without rights"))
			case ids.Single:
				fmt.Fprintf(out, a.text("! ホスト内のユーザーは root だけになります: %s\n", "! hosts will have the user root only: %s\n"), lang.Tell(ids.Why, a.lang))
			default:
				fmt.Fprintln(out, a.text("✓ ホスト内で複数のユーザーを使えます", "✓ hosts can have several users"))
			}
			return nil
		},
	}
}
