package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"enshu/sim/trace"
)

func (a *app) eventsCommand() *cobra.Command {
	var format string
	var follow bool
	var since uint64
	c := &cobra.Command{
		Use: "events", Short: a.text("ラボで起きたことを表示する", "Show what happened in the lab"), Args: a.args(0, 0),
		Example: "  enshu events --follow\n  enshu events --format json > trace.jsonl",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.dial()
			if err != nil {
				return err
			}
			defer c.Close()
			return c.Events(cmd.Context(), since, follow, func(events []trace.Event) error {
				if format == "json" {
					return trace.Write(cmd.OutOrStdout(), events)
				}
				for _, e := range events {
					writeEvent(cmd.OutOrStdout(), e)
				}
				return nil
			})
		},
	}
	a.formatFlag(c, &format, "json")
	c.Flags().BoolVarP(&follow, "follow", "f", false, a.text("新しい出来事も続けて表示する", "go on as things happen"))
	c.Flags().Uint64Var(&since, "since", 0, a.text("この番号の次の出来事から表示する", "begin after the event of this number"))
	return c
}

// writeEvent writes an event on one line.
func writeEvent(w io.Writer, e trace.Event) {
	fmt.Fprintf(w, "%5d %s %-8s %-12s %s", e.Seq, e.At.Local().Format("15:04:05.000"), e.Host, e.Program, e.Kind)
	for _, k := range slices.Sorted(maps.Keys(e.Attrs)) {
		v := e.Attrs[k]
		if v == "" {
			continue
		}
		if strings.ContainsAny(v, " \t\n\"") {
			v = fmt.Sprintf("%q", v)
		}
		fmt.Fprintf(w, " %s=%s", k, v)
	}
	fmt.Fprintln(w)
}
