package command

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strings"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/postfix/conf"
	"enshu/sim/postfix/dsn"
	"enshu/sim/postfix/maillog"
	"enshu/sim/postfix/queue"
	"enshu/sim/trace"
)

// Postsuper is /usr/sbin/postsuper (postsuper(1)).
func Postsuper(ctx context.Context, p *host.Proc) int {
	l := maillog.CommandLog(p, "postsuper")
	options, queues, err := libc.Getopt(p.Args[1:], "+c:d:e:f:h:H:pr:sSv", nil)
	if err != nil {
		fmt.Fprintf(p.Stderr, "postsuper: %s\n", err)
		l.Fatal("usage: postsuper [-c config_dir] [-d queue_id (delete)] [-h queue_id (hold)] [-H queue_id (un-hold)] [-p (purge temporary files)] [-r queue_id (requeue)] [-s (structure fix)] [-S (redundant structure fix)][-v (verbose)] [queue...]")
		return 1
	}
	if p.UID != 0 {
		l.Fatal("use of this command is reserved for the superuser")
		return 1
	}
	c, err := conf.Load(ctx, p, nil)
	if err == nil {
		err = c.Check(conf.Global...)
	}
	if !l.Configured(c, err) {
		return 1
	}
	s := &postsuper{p: p, log: l, q: queue.Open(p, c)}
	if u, ok := libc.UserByName(p, c.Get("mail_owner")); ok {
		s.owner = u
	}
	if len(queues) == 0 {
		queues = []string{queue.Maildrop, queue.Incoming, queue.Active, queue.Deferred, queue.Hold}
	}
	s.queues = queues
	for _, dir := range queues {
		if !slices.Contains([]string{queue.Maildrop, queue.Incoming, queue.Active, queue.Deferred, queue.Hold, dsn.DeferLog, dsn.BounceLog, dsn.TraceLog, queue.Corrupt, "flush"}, dir) {
			l.Fatal("invalid directory name: %s", dir)
			return 1
		}
	}
	for _, dir := range queues {
		if info, err := p.Sys.Stat(s.q.Dir + "/" + dir); err == nil {
			if uid, _ := libc.Owner(info); uid != s.owner.UID && dir != queue.Maildrop {
				l.Fatal("scan_dir_push: open directory %s: Permission denied", dir)
				return 1
			}
		}
	}
	for _, o := range options {
		switch o.Name {
		case "d":
			s.each("Deleted", "removed", o.Value, s.queues, s.remove)
		case "h":
			s.each("Placed on hold", "placed on hold", o.Value, without(s.queues, queue.Hold, queue.Maildrop), s.hold)
		case "H":
			s.each("Released from hold", "released from hold", o.Value, []string{queue.Hold}, func(in, id string) bool {
				s.q.Stamp(in, id, p.Now())
				return s.q.Move(id, in, queue.Deferred) == nil
			})
		case "r":
			s.each("Requeued", "requeued", o.Value, without(s.queues, queue.Maildrop), s.requeue)
		}
	}
	return 0
}

func without(list []string, names ...string) []string {
	var out []string
	for _, v := range list {
		keep := true
		for _, n := range names {
			keep = keep && v != n
		}
		if keep {
			out = append(out, v)
		}
	}
	return out
}

type postsuper struct {
	p      *host.Proc
	log    *maillog.Logger
	q      *queue.Queue
	queues []string
	owner  libc.User
}

// each does something with one message, those read from standard input, or ALL.
func (s *postsuper) each(what, one, which string, queues []string, f func(in, id string) bool) {
	n := 0
	do := func(id string, tell bool) {
		if queue, ok := s.q.Find(id, queues...); ok && f(queue, id) {
			n++
			if tell {
				s.log.Info("%s: %s", id, one)
			}
		}
	}
	switch which {
	case "ALL":
		for _, queue := range queues {
			for _, id := range s.q.Scan(queue) {
				do(id, false)
			}
		}
	case "-":
		in := bufio.NewScanner(s.p.Stdin)
		for in.Scan() {
			if id := strings.TrimSpace(in.Text()); queue.ValidID(id) {
				do(id, true)
			}
		}
	default:
		if queue.ValidID(which) {
			do(which, true)
		} else {
			s.log.Warning("invalid mail queue id: %s", which)
		}
	}
	plural := "s"
	if n == 1 {
		plural = ""
	}
	s.log.Info("%s: %d message%s", what, n, plural)
}

func (s *postsuper) remove(in, id string) bool {
	for _, log := range []string{dsn.BounceLog, dsn.DeferLog, dsn.TraceLog} {
		s.q.Remove(log, id)
	}
	if s.q.Remove(in, id) != nil {
		return false
	}
	s.p.Emit(trace.MailRemoved, trace.Attrs{"id": id})
	return true
}

func (s *postsuper) hold(in, id string) bool {
	if s.q.Move(id, in, queue.Hold) != nil {
		return false
	}
	s.p.Emit(trace.MailHeld, trace.Attrs{"id": id, "reason": "postsuper -h"})
	return true
}

// requeue sends a message through pickup(8) and cleanup(8) once more.
func (s *postsuper) requeue(in, id string) bool {
	for _, log := range []string{dsn.BounceLog, dsn.TraceLog} { // why it was deferred is shown until then
		s.q.Remove(log, id)
	}
	s.p.Sys.Chmod(s.q.Path(in, id), queue.ModeDropped)
	return s.q.Move(id, in, queue.Maildrop) == nil
}
