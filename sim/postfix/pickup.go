package postfix

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/libc"
)

// pickupSocket is poked when mail was put into maildrop.
const pickupSocket = "public/pickup"

// Pickup is /usr/libexec/postfix/pickup (pickup(8)): it moves mail from the
// maildrop directory to cleanup(8), when it is told and once a minute.
func Pickup(ctx context.Context, p *host.Proc) int {
	return resident(ctx, p, "pickup", func(d *daemon, ctx context.Context, events *clock.Queue[qmgrQuestion]) {
		d.settle()
		for {
			d.scanMaildrop(ctx)
			q, _ := events.GetBefore(ctx, p.Clock, p.Now().Add(time.Minute))
			for again := true; again && ctx.Err() == nil; {
				if q.Verb == "reload" {
					d.reload(ctx, "pickup")
				}
				if again = events.Len() > 0; again {
					q, _ = events.Get(ctx)
				}
			}
			if ctx.Err() != nil {
				return
			}
		}
	})
}

// resident runs one of the two services that are always there: questions that
// arrive at its socket, and reloads, become events of its loop.
func resident(ctx context.Context, p *host.Proc, tag string, loop func(d *daemon, ctx context.Context, events *clock.Queue[qmgrQuestion])) int {
	a := parseServiceArgs(p.Args[1:])
	d, err := newDaemon(ctx, p, tag, a)
	if err != nil {
		return 1
	}
	queueDir := d.c.get("queue_directory")
	line, err := p.Sys.Dial(ctx, "unix", queueDir+"/"+masterSocket)
	if err != nil {
		return 1
	}
	fmt.Fprintf(line, "hold\n")
	path := queueDir + "/" + a.socket
	ln, err := p.Sys.Listen("unix", path)
	if err != nil {
		d.log.fatal("listen on %s: %s", a.socket, libc.Strerror(err))
		return 1
	}
	p.Sys.Chmod(path, 0o666)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	events := clock.NewQueue[qmgrQuestion](p.Clock.Timeline(), 0)
	p.Catch(syscall.SIGHUP)
	p.Go(func() {
		for {
			if _, err := p.WaitSignal(ctx); err != nil {
				return
			}
			events.TryPut(qmgrQuestion{Verb: "reload"})
		}
	})
	p.Go(func() {
		line.Read(make([]byte, 1))
		cancel(errDown)
	})
	p.Go(func() {
		waitDone(ctx, p)
		p.Sys.Remove(path)
		ln.Close()
		line.Close()
	})
	p.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			p.Go(func() {
				defer conn.Close()
				conn.Write([]byte(hello))
				w := newWireConn(conn)
				var q qmgrQuestion
				err := w.dec.Decode(&q)
				if err != nil {
					return
				}
				q.reply = clock.NewQueue[string](p.Clock.Timeline(), 0)
				events.TryPut(q)
				answer := "ok"
				if q.Verb != "incoming" {
					if answer, err = q.reply.Get(ctx); err != nil {
						return
					}
				}
				w.enc.Encode(answer)
			})
		}
	})
	p.Ready()
	loop(d, ctx, events)
	cancel(nil)
	return 0
}

// reload reads the configuration anew; a broken one leaves the old in force.
func (d *daemon) reload(ctx context.Context, tag string) {
	fresh, err := newDaemon(ctx, d.p, tag, serviceArgs{name: d.name})
	if err == nil {
		*d = *fresh
	}
}

// settle takes away what is in the queue already, and was left behind when
// cleanup(8) was cut off.
func (d *daemon) settle() {
	if err := d.q.releaseAll(); err != nil {
		d.log.warning("%s", err)
	}
}

// scanMaildrop takes in what users have submitted.
func (d *daemon) scanMaildrop(ctx context.Context) {
	for _, id := range d.q.scan(qMaildrop) {
		if ctx.Err() != nil {
			return
		}
		path := d.q.path(qMaildrop, id)
		info, err := d.p.Sys.Lstat(path)
		if err != nil || !ready(info) {
			continue
		}
		uid, _ := libc.Owner(info)
		if err := d.pickUp(ctx, id, uid); errors.Is(err, errQueue) {
			d.settle() // cleanup(8) may have got far enough
		}
	}
}

// pickUp hands one maildrop file to cleanup(8).
func (d *daemon) pickUp(ctx context.Context, id string, uid int) error {
	m, err := d.q.open(qMaildrop, id, os.O_RDONLY)
	if err != nil {
		if err == errRecord {
			d.log.warning("%s: malformed file in maildrop", id)
			d.q.move(id, qMaildrop, qCorrupt)
		}
		return err
	}
	defer m.close()
	text, err := m.text()
	if err != nil {
		return err
	}
	e, err := d.enqueue(ctx)
	if err != nil {
		return err
	}
	defer e.close()
	sender := m.sender
	note := fmt.Sprintf("%s: uid=%d from=<%s>", e.id, uid, external(sender))
	s := &submission{Sender: sender, FullName: m.fullName, Recipients: m.recipients, Content: text, Local: true,
		Claim: d.q.claimFile(qMaildrop, id), Flags: m.qmgrFlags, UTF8: m.utf8}
	requeued := !m.created.IsZero()
	if requeued {
		// Requeued by postsuper(1): nothing was said about it yet.
		note += " orig_id=" + id
		s.Attrs = append(s.Attrs, "arrival="+timeRecord(m.arrival))
		s.Local = m.attr("rewrite_context") != "remote"
	}
	d.log.info("%s", note)
	var kept []recipient
	for _, r := range s.Recipients {
		if r.Done {
			continue
		}
		if !requeued {
			r.Original = external(r.Address)
		}
		kept = append(kept, r)
	}
	s.Recipients = kept
	s.Received = []string{
		fmt.Sprintf("Received: by %s (%s, from userid %d)", d.c.get("myhostname"), d.c.get("mail_name"), uid),
		"\tid %ID%; %DATE%",
	}
	a, err := e.finish(s)
	if err != nil {
		return err
	}
	if a.Status != cleanOK {
		return fmt.Errorf("%s", a.Reason)
	}
	return nil
}
