package main

import (
	"context"

	"github.com/spf13/cobra"

	"enshu/cmd/enshu/session"
	"enshu/cmd/enshu/story"
	"enshu/sim/trace"
)

func (a *app) whyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "why TEXT|NUMBER [HOST:FILE]", Short: a.text("ログやメールがどうなったかを、順を追って説明する", "Tell what became of a log message or a mail, step by step"), Args: a.args(1, 2),
		Long: a.text("TEXT を含むログメッセージ、または TEXT がキュー ID・Message-ID・件名・アドレスであるメールが\n"+
			"どうなったかを説明します。番号なら、`enshu events` のその番号の出来事についてです。\n"+
			"HOST:FILE を添えるか、両方を含む問いにすると、そのファイルにない理由も説明します。\n"+
			"ホストの中の `why` も同じことを説明します。",
			"Tell what became of the log messages that have TEXT in them, or of the mails with TEXT as\n"+
				"queue id, message-id, subject or address; or of what the event NUMBER of `enshu events` was about.\n"+
				"With HOST:FILE, or as a question that names both, also why the message is not in that file.\n"+
				"Inside a host, `why` tells the same."),
		Example: "  enshu why \"test a1b2c3\"\n  enshu why \"test a1b2c3\" server:/var/log/secure\n" +
			a.text("  enshu why \"server の /var/log/secure にないのはなぜ\"\n", "  enshu why \"why is it not in /var/log/secure on server\"\n") +
			"  enshu why 4B2D07D830\n  enshu why 1343",
		RunE: func(cmd *cobra.Command, args []string) error {
			status, err := a.labStatus(cmd.Context())
			if err != nil {
				return err
			}
			c, err := a.dial()
			if err != nil {
				return err
			}
			defer c.Close()
			var events []trace.Event
			err = c.Story(cmd.Context(), args[0], func(e []trace.Event) error {
				events = append(events, e...)
				return nil
			})
			if err != nil {
				return err
			}
			var hosts []story.Host
			for _, h := range status.Hosts {
				hosts = append(hosts, story.Host{Name: h.Name, Addresses: h.Addresses})
			}
			where := ""
			if len(args) == 2 {
				where = args[1]
			}
			told, err := story.Tell(cmd.OutOrStdout(), events, hosts, args[0], where, a.lang)
			if !told {
				a.status = 1
			}
			return err
		},
	}
}

// labStatus asks for the lab's state on a connection of its own.
func (a *app) labStatus(ctx context.Context) (*session.Status, error) {
	c, err := a.dial()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.Status(ctx)
}
