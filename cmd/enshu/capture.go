package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"enshu/sim/wire/frame"
)

func (a *app) captureCommand() *cobra.Command {
	var file string
	var count int
	c := &cobra.Command{
		Use: "capture HOST[:INTERFACE]", Short: "Show or save the packets of an interface", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeHost,
		Long: "Show the packets that an interface of a host sends and receives, eth0 if none is named, until Ctrl-C;\n" +
			"with -w they are saved for Wireshark or tcpdump.",
		Example: "  enshu capture server\n  enshu capture client:eth0 -w syslog.pcap -c 20",
		RunE: func(cmd *cobra.Command, args []string) error {
			host, iface, named := strings.Cut(args[0], ":")
			if !named {
				iface = "eth0"
			}
			c, err := a.dial()
			if err != nil {
				return err
			}
			defer c.Close()
			frames, err := c.Capture(cmd.Context(), host, iface)
			if err != nil {
				return err
			}
			defer frames.Close()
			each := func(at time.Time, b []byte) error {
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", at.Format("15:04:05.000000"), frame.Summary(b))
				return err
			}
			if file != "" {
				out, err := os.Create(file)
				if err != nil {
					return err
				}
				defer out.Close()
				w, err := frame.NewWriter(out)
				if err != nil {
					return err
				}
				each = w.Write
			}
			return capture(cmd.Context(), frames, count, each)
		},
	}
	c.Flags().StringVarP(&file, "write", "w", "", "save to a pcap file")
	c.Flags().IntVarP(&count, "count", "c", 0, "end after so many packets")
	return c
}

// capture calls each for every frame until ctx ends or count is reached.
func capture(ctx context.Context, frames *os.File, count int, each func(at time.Time, frame []byte) error) error {
	stop := context.AfterFunc(ctx, func() { frames.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	buf := make([]byte, frame.SnapLen)
	for n := 0; count == 0 || n < count; n++ {
		size, err := frames.Read(buf)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil:
			return err
		}
		if err := each(time.Now(), buf[:size]); err != nil {
			return err
		}
	}
	return nil
}
