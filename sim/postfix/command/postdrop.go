package command

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/postfix/conf"
	"enshu/sim/postfix/maillog"
	"enshu/sim/postfix/queue"
	"enshu/sim/postfix/service"
)

// Postdrop is /usr/sbin/postdrop (postdrop(1)), which is set-group-id to the
// group that may write to maildrop.
func Postdrop(ctx context.Context, p *host.Proc) int {
	l := maillog.CommandLog(p, "postdrop")
	c, err := conf.Load(ctx, p, nil)
	if err == nil {
		err = c.Check(conf.Global...)
	}
	if !l.Configured(c, err) {
		return 1
	}
	limit := c.Int64("message_size_limit")
	var r io.Reader = p.Stdin
	if limit > 0 {
		r = io.LimitReader(r, limit+1)
	}
	data, err := io.ReadAll(r)
	if err == nil && limit > 0 && int64(len(data)) > limit {
		err = syscall.EFBIG
	}
	if err != nil {
		l.Warning("uid=%d: %s", p.UID, libc.Strerror(err))
		fmt.Fprintln(p.Stdout, "size")
		return 1
	}
	if _, err := queue.Decode(bufio.NewReader(bytes.NewReader(data))); err != nil || !bytes.HasSuffix(data, queue.AppendRecord(nil, queue.RecEnd, "")) {
		l.Fatal("uid=%d: malformed input", p.UID)
		return 1
	}
	q := queue.Open(p, c)
	id, f, err := q.Create(queue.Maildrop)
	if err != nil {
		l.Warning("mail_queue_enter: create file maildrop/%s: %s", id, libc.Strerror(err))
		return 1
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	p.Stamp(f)
	f.Close()
	if err == nil {
		err = p.Sys.Chmod(q.Path(queue.Maildrop, id), queue.ModeDropped)
	}
	if err != nil {
		l.Warning("uid=%d: %s", p.UID, libc.Strerror(err))
		q.Remove(queue.Maildrop, id)
		return 1
	}
	d := &service.Daemon{Proc: p, Conf: c, Log: l, Queue: q, Peers: service.NewPeers(p, c)}
	if err := d.Poke(ctx, service.PickupSocket, service.Request{Verb: service.VerbIncoming}); errors.Is(err, syscall.ENOENT) {
		l.Warning("unable to look up public/pickup: No such file or directory")
	}
	return 0
}
