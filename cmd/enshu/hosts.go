package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"enshu/cmd/enshu/page"
	"enshu/cmd/enshu/session"
)

func (a *app) statusCommand() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use: "status", Short: a.text("実行中のラボとホストを表示する", "Show the running labs and their hosts"), Args: a.args(0, 0),
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
				fmt.Fprintf(cmd.OutOrStdout(), "%s  %s  (seed %d)\n", st.Name, st.Title.In(a.lang), st.Seed)
				var rows [][]string
				for _, h := range st.Hosts {
					state := a.text("稼働中", "up")
					if !h.Up {
						state = a.text("停止", "down")
					}
					if len(h.Failed) > 0 {
						state += a.text(" 失敗: ", " failed: ") + strings.Join(h.Failed, ", ")
					}
					rows = append(rows, []string{"  " + h.Name, strings.Join(h.Addresses, ","), a.clockText(h), state})
				}
				if err := page.Columns(cmd.OutOrStdout(), rows); err != nil {
					return err
				}
			}
			return nil
		},
	}
	a.formatFlag(c, &format, "json")
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
		Use: "reset [HOST]", Short: a.text("ホスト(またはすべてのホスト)を最初の状態に戻す", "Make a host, or all, as it was at the start"), Args: a.args(0, 1), ValidArgsFunction: a.completeHost,
		Example: a.text("  enshu reset client\n  enshu reset --reboot server    # 再起動する: 恒久的でない設定は消える",
			"  enshu reset client\n  enshu reset --reboot server    # restart it: what is not permanent is gone"),
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
	c.Flags().BoolVar(&reboot, "reboot", false, a.text("再起動だけする (ファイルは残る)", "only restart it; its files stay"))
	return c
}

func (a *app) finishCommand() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use: "finish", Short: a.text("ラボを終了する (何も残りません)", "End a lab; nothing is left behind"), Args: a.args(0, 0),
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
	c.Flags().BoolVar(&all, "all", false, a.text("実行中のラボをすべて", "every running lab"))
	return c
}
