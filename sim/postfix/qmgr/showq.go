package qmgr

import (
	"context"

	"enshu/sim/host"
	"enshu/sim/postfix/queue"
	"enshu/sim/postfix/service"
)

// Showq is /usr/libexec/postfix/showq (showq(8)).
func Showq(ctx context.Context, p *host.Proc) int {
	a := service.ParseArgs(p.Args[1:])
	d, err := service.New(ctx, p, "showq", a)
	if err != nil {
		return 1
	}
	return d.Serve(ctx, a.Socket, service.Answers(func(context.Context, service.QueueQuestion) []queue.Item { return queue.List(d.Queue) }))
}
