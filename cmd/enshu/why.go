package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"enshu/cmd/enshu/story"
	"enshu/sim/trace"
)

func (a *app) whyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "why TEXT|NUMBER", Short: "Tell what became of a log message or a mail, step by step", Args: cobra.ExactArgs(1),
		Long: "Tell what became of the log messages that have TEXT in them, or of the mails with TEXT as\n" +
			"queue id, message-id, subject or address; or of what the event NUMBER of `enshu events` was about.\n" +
			"Inside a host, `why` tells the same.",
		Example: "  enshu why \"test a1b2c3\"\n  enshu why 4B2D07D830\n  enshu why 1343",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.dial()
			if err != nil {
				return err
			}
			defer c.Close()
			var events []trace.Event
			err = c.Events(cmd.Context(), 0, false, func(e []trace.Event) error {
				events = append(events, e...)
				return nil
			})
			if err != nil {
				return err
			}
			found := story.Find(events, args[0])
			if len(found) == 0 {
				a.status = 1
				fmt.Fprintln(cmd.OutOrStdout(), story.None(args[0], a.lang))
				return nil
			}
			story.Write(cmd.OutOrStdout(), found, a.lang)
			return nil
		},
	}
}
