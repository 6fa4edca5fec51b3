package qmgr

import (
	"context"

	"enshu/sim/host"
	"enshu/sim/postfix/service"
)

// Error is /usr/libexec/postfix/error (error(8)): it gives every recipient the
// fate that stands in the next hop, "5.1.1 text".
func Error(ctx context.Context, p *host.Proc) int {
	a := service.ParseArgs(p.Args[1:])
	d, err := service.New(ctx, p, "error", a)
	if err != nil {
		return 1
	}
	return d.ServeDeliveries(ctx, a.Socket, func(ctx context.Context, x *service.Delivery) {
		otherwise := "5.0.0"
		if a.Name == "retry" {
			otherwise = "4.0.0"
		}
		code, text := service.SplitFate(x.Req.Nexthop, otherwise)
		if a.Name == "retry" {
			code = "4" + code[1:]
		}
		for _, r := range x.Req.Recipients {
			x.Failed(r, "none", service.Fate{Status: code, Text: text})
			if code[0] == '5' {
				x.Done(r)
			}
		}
	})
}

// Discard is /usr/libexec/postfix/discard (discard(8)).
func Discard(ctx context.Context, p *host.Proc) int {
	a := service.ParseArgs(p.Args[1:])
	d, err := service.New(ctx, p, "discard", a)
	if err != nil {
		return 1
	}
	return d.ServeDeliveries(ctx, a.Socket, func(ctx context.Context, x *service.Delivery) {
		for _, r := range x.Req.Recipients {
			x.Sent(r, "none", service.Fate{Status: "2.0.0", Text: x.Req.Nexthop})
			x.Done(r)
		}
	})
}
