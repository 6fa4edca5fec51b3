package sdjournal

import (
	"context"
	"net"
	"time"

	"enshu/sim/host"
)

// watch waits for journald to say that it appended entries.
type watch struct {
	p    *host.Proc
	conn net.Conn
	stop func() bool
}

func (r *Reader) watch(ctx context.Context) *watch {
	w := &watch{p: r.p}
	w.dial(ctx)
	return w
}

func (w *watch) dial(ctx context.Context) {
	conn, err := w.p.Sys.Dial(ctx, "unix", NotifySocket)
	if err != nil {
		return
	}
	w.conn = conn
	w.stop = context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
}

func (w *watch) close() {
	if w.conn != nil {
		w.stop()
		w.conn.Close()
		w.conn = nil
	}
}

// wait returns when there may be new entries, or the cause of ctx.
func (w *watch) wait(ctx context.Context) error {
	if w.conn == nil {
		if err := w.p.Sleep(ctx, time.Second); err != nil {
			return err
		}
		w.dial(ctx)
		return nil
	}
	var b [64]byte
	if _, err := w.conn.Read(b[:]); err != nil {
		w.close()
	}
	return context.Cause(ctx)
}
