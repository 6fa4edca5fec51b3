package machine

import (
	"context"
	"io"

	"enshu/sim/host"
)

// Notify tells PID 1 about the process, when PID 1 wants to know.
func Notify(ctx context.Context, p *host.Proc, text string) error {
	name := p.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return nil
	}
	c, err := p.Sys.Dial(ctx, "unixgram", name)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = io.WriteString(c, text)
	return err
}
