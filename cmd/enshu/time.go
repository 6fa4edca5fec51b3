package main

import (
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"enshu/sim/lang"
	"enshu/sim/scenario"
)

func (a *app) clockCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "clock", Short: a.text("真の時刻と各ホストの時計を表示する、ラボの時刻を進める", "Show true time and each host's clock, or move the lab's time"), Args: a.args(0, 0),
		Example: a.text("  enshu clock\n  enshu clock advance 24h     # 一日を一度に進める\n  enshu clock rate 60         # 1 秒ごとに 1 分進める",
			"  enshu clock\n  enshu clock advance 24h     # a day passes at once\n  enshu clock rate 60         # a minute a second"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.dial()
			if err != nil {
				return err
			}
			defer c.Close()
			st, err := c.Status(cmd.Context())
			if err != nil {
				return err
			}
			return st.WriteClocks(cmd.OutOrStdout(), a.lang)
		},
	}
	c.AddCommand(&cobra.Command{
		Use: "advance DURATION", Short: a.text("ラボの時刻を進める", "Move the lab ahead in time"), Args: a.args(1, 1),
		Example: "  enshu clock advance 90s\n  enshu clock advance 8d",
		RunE: func(cmd *cobra.Command, args []string) error {
			var d scenario.Duration
			if err := d.UnmarshalText([]byte(args[0])); err != nil {
				return err
			}
			c, err := a.dial()
			if err != nil {
				return err
			}
			defer c.Close()
			return c.Advance(cmd.Context(), time.Duration(d))
		},
	}, &cobra.Command{
		Use: "rate R", Short: a.text("1 秒の間にラボで R 秒が過ぎるようにする", "Let R seconds pass in the lab in one second"), Args: a.args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := strconv.ParseFloat(args[0], 64)
			if err != nil {
				return lang.Errorf("速さ %q は数ではありません", "rate %q is not a number", args[0])
			}
			c, err := a.dial()
			if err != nil {
				return err
			}
			defer c.Close()
			return c.SetRate(cmd.Context(), r)
		},
	})
	return c
}
