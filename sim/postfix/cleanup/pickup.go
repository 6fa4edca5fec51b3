package cleanup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/postfix/dsn"
	"enshu/sim/postfix/mailaddr"
	"enshu/sim/postfix/queue"
	"enshu/sim/postfix/service"
)

// Pickup is /usr/libexec/postfix/pickup (pickup(8)): it moves mail from the
// maildrop directory to cleanup(8), when it is told and once a minute.
func Pickup(ctx context.Context, p *host.Proc) int {
	return service.Resident(ctx, p, "pickup", func(d *service.Daemon, ctx context.Context, events *clock.Queue[service.Request]) {
		c := &collector{d}
		c.settle()
		for {
			c.scanMaildrop(ctx)
			q, _ := events.GetBefore(ctx, p.Clock, p.Now().Add(time.Minute))
			for again := true; again && ctx.Err() == nil; {
				if q.Verb == "reload" {
					d.Reload(ctx, "pickup")
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

// collector is pickup(8) at work.
type collector struct{ *service.Daemon }

// settle takes away what is in the queue already, and was left behind when
// cleanup(8) was cut off.
func (d *collector) settle() {
	if err := d.Queue.ReleaseAll(); err != nil {
		d.Log.Warning("%s", err)
	}
}

// scanMaildrop takes in what users have submitted.
func (d *collector) scanMaildrop(ctx context.Context) {
	for _, id := range d.Queue.Scan(queue.Maildrop) {
		if ctx.Err() != nil {
			return
		}
		path := d.Queue.Path(queue.Maildrop, id)
		info, err := d.Proc.Sys.Lstat(path)
		if err != nil || !queue.Ready(info) {
			continue
		}
		uid, _ := libc.Owner(info)
		if err := d.pickUp(ctx, id, uid); errors.Is(err, queue.ErrWrite) {
			d.settle() // cleanup(8) may have got far enough
		}
	}
}

// pickUp hands one maildrop file to cleanup(8).
func (d *collector) pickUp(ctx context.Context, id string, uid int) error {
	m, err := d.Queue.Open(queue.Maildrop, id, os.O_RDONLY)
	if err != nil {
		if err == queue.ErrRecord {
			d.Log.Warning("%s: malformed file in maildrop", id)
			d.Queue.Move(id, queue.Maildrop, queue.Corrupt)
		}
		return err
	}
	defer m.Close()
	text, err := m.Text()
	if err != nil {
		return err
	}
	e, err := d.Enqueue(ctx)
	if err != nil {
		return err
	}
	defer e.Close()
	sender := m.Sender
	note := fmt.Sprintf("%s: uid=%d from=<%s>", e.ID, uid, mailaddr.External(sender))
	s := &service.Submission{Sender: sender, FullName: m.FullName, Recipients: m.Recipients, Content: text, Local: true,
		Claim: d.Queue.ClaimFile(queue.Maildrop, id), Flags: m.Flags, UTF8: m.UTF8}
	for _, a := range m.Attrs {
		if strings.HasPrefix(a, "envelope_id=") || strings.HasPrefix(a, "ret_flags=") {
			s.Attrs = append(s.Attrs, a)
		}
	}
	requeued := !m.Created.IsZero()
	s.External = !requeued // postsuper(1) puts back what was looked at
	if requeued {
		// Requeued by postsuper(1): nothing was said about it yet.
		note += " orig_id=" + id
		s.Attrs = append(s.Attrs, "arrival="+queue.TimeRecord(m.Arrival))
		s.Local = m.Attr("rewrite_context") != "remote"
	}
	d.Log.Info("%s", note)
	var kept []queue.Recipient
	for _, r := range s.Recipients {
		if r.Done {
			continue
		}
		if !requeued {
			r.Original = mailaddr.External(r.Address)
		}
		kept = append(kept, r)
	}
	s.Recipients = kept
	s.Received = []string{
		fmt.Sprintf("Received: by %s (%s, from userid %d)", d.Conf.Get("myhostname"), d.Conf.Get("mail_name"), uid),
		"\tid %ID%; %DATE%",
	}
	a, err := e.Finish(s)
	if err != nil {
		return err
	}
	if a.Status != service.CleanOK {
		return fmt.Errorf("%s", a.Reason)
	}
	if requeued {
		d.Queue.Remove(dsn.DeferLog, id)
	}
	return nil
}
