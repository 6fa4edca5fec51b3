package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"enshu/cmd/enshu/story"
	"enshu/sim/lang"
	"enshu/sim/trace"
)

func (a *app) eventsCommand() *cobra.Command {
	var format, host string
	var kinds []string
	var follow bool
	var since uint64
	c := &cobra.Command{
		Use: "events", Short: a.text("ラボで起きたことを表示する", "Show what happened in the lab"), Args: a.args(0, 0),
		Long: a.text("ラボで起きたことを、順に一行ずつ表示します。番号は `enshu why` に使えます。",
			"Show what happened in the lab, a line each, in order. `enshu why` takes the numbers."),
		Example: "  enshu events --follow\n  enshu events --host server --kind packet-refused,unit-changed\n  enshu events --format json > trace.jsonl",
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, k := range kinds {
				if !slices.Contains(eventKinds(), k) {
					return lang.Errorf("出来事の種類 %q はありません%s", "there is no kind of event %q%s", k, meant(k, eventKinds()))
				}
			}
			c, err := a.dial()
			if err != nil {
				return err
			}
			defer c.Close()
			return c.Events(cmd.Context(), since, follow, func(events []trace.Event) error {
				events = slices.DeleteFunc(events, func(e trace.Event) bool {
					return host != "" && e.Host != host || len(kinds) > 0 && !slices.Contains(kinds, string(e.Kind))
				})
				if format == "json" {
					return trace.Write(cmd.OutOrStdout(), events)
				}
				for _, e := range events {
					fmt.Fprintf(cmd.OutOrStdout(), "%6d %s %-8s %s\n", e.Seq, e.At.Format("15:04:05.000"), e.Host, story.Line(e, a.lang))
				}
				return nil
			})
		},
	}
	a.formatFlag(c, &format, "json")
	c.Flags().BoolVarP(&follow, "follow", "f", false, a.text("新しい出来事も続けて表示する", "go on as things happen"))
	c.Flags().StringVar(&host, "host", "", a.text("このホストで起きたことだけ", "only what happened on this host"))
	c.Flags().StringSliceVar(&kinds, "kind", nil, a.text("この種類の出来事だけ (", "only events of these kinds (")+strings.Join(eventKinds(), ", ")+")")
	c.RegisterFlagCompletionFunc("host", a.completeHost)
	c.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions(eventKinds(), cobra.ShellCompDirectiveNoFileComp))
	c.Flags().Uint64Var(&since, "since", 0, a.text("この番号の次の出来事から表示する", "begin after the event of this number"))
	return c
}

// eventKinds are the names of the kinds of events, sorted.
func eventKinds() []string {
	var names []string
	for k := range trace.Kinds {
		names = append(names, string(k))
	}
	slices.Sort(names)
	return names
}
