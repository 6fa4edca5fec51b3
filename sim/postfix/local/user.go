package local

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"strings"

	"enshu/sim/libc"
	"enshu/sim/postfix/conf"
	"enshu/sim/postfix/dsn"
	"enshu/sim/postfix/mailaddr"
	"enshu/sim/postfix/maillog"
	"enshu/sim/postfix/queue"
	"enshu/sim/postfix/service"
	"enshu/sim/postfix/table"
	"enshu/sim/trace"
)

// toUser delivers to an account: .forward, command, mailbox.
func (l *localAgent) toUser(ctx context.Context, s localState, local string) {
	name, extension := strings.ToLower(local), ""
	u, ok := libc.UserByName(l.Proc, name)
	if !ok {
		if user, ext, split := mailaddr.SplitExtension(name, l.Conf.Get("recipient_delimiter")); split {
			name, extension = user, ext
			u, ok = libc.UserByName(l.Proc, name)
		}
	}
	if !ok {
		l.unknown(ctx, s, name, extension)
		return
	}
	if l.dotForward(ctx, s, u, extension) {
		return
	}
	l.toMailbox(ctx, s, u)
}

// unknown is what happens to mail for a name that is no account (local(8),
// "UNKNOWN USER DELIVERY").
func (l *localAgent) unknown(ctx context.Context, s localState, name, extension string) {
	box := l.Conf.Get("mail_spool_directory") + "/" + name
	if info, err := l.Proc.Sys.Lstat(box); err == nil && info.Mode().IsRegular() && !strings.Contains(name, "/") && l.Conf.Get("luser_relay") == "" {
		// The mailbox is there, but not the account: it is still the place.
		uid, gid := libc.Owner(info)
		if uid != 0 {
			l.toMailbox(ctx, s, libc.User{Name: name, UID: uid, GID: gid, Dir: "/"})
			return
		}
	}
	if l.passed(ctx, s, name, l.fallbackMaps, "fallback_transport") {
		return
	}
	if relay, _ := l.Conf.Raw("luser_relay"); relay != "" && s.kind != fromForward {
		relay = conf.Expand(relay, l.attributes(s, libc.User{Name: name}, extension))
		s.kind, s.name = fromAlias, name
		s.level++
		if s.level > 100 {
			s.bounce(service.Fate{Status: "5.4.6", Text: "luser_relay loop for " + name})
			return
		}
		if boxes := mailaddr.Parse(relay); len(boxes) != 1 {
			s.bounce(service.Fate{Status: "5.1.3", Text: "bad recipient address syntax: " + relay})
			return
		}
		l.member(ctx, s, relay)
		return
	}
	if name == "mailer-daemon" || name == "postmaster" {
		l.Log.Warning("required alias not found: %s", name)
		s.finish(service.Fate{Status: "2.0.0", Text: "discarded"})
		return
	}
	s.bounce(service.Fate{Status: "5.1.1", Text: fmt.Sprintf("unknown user: \"%s\"", name)})
}

// attributes are the names that the parameters of local(8) may have in them.
func (l *localAgent) attributes(s localState, u libc.User, extension string) func(name string) (string, bool) {
	local, domain, _ := mailaddr.Split(s.rcpt.Address)
	delimiter := l.Conf.Get("recipient_delimiter")
	values := map[string]string{"user": u.Name, "home": u.Dir, "shell": u.Shell, "local": local, "domain": domain, "recipient": s.rcpt.Address,
		"extension": extension, "recipient_delimiter": delimiter[:min(1, len(delimiter))]}
	return func(name string) (string, bool) { return values[name], values[name] != "" }
}

// passed hands a recipient to another transport when a table or a parameter says
// so: the agent there tells the log and the sender of him.
func (l *localAgent) passed(ctx context.Context, s localState, user string, maps table.Maps, param string) bool {
	transport, ok, err := maps.Lookup(l.Log, user)
	if err != nil {
		s.wait(service.Fate{Status: "4.3.0", Text: "table lookup failure"})
		return true
	}
	if !ok {
		transport = l.Conf.Get(param)
	}
	if transport == "" {
		return false
	}
	name, nexthop, _ := strings.Cut(transport, ":")
	l.Log.Info("%s: passing <%s> to transport=%s", s.Req.ID, s.rcpt.Address, name)
	req := *s.Req
	_, domain, _ := mailaddr.Split(s.rcpt.Address)
	req.Nexthop = cmp.Or(nexthop, domain)
	rcpt := s.rcpt
	rcpt.Offset = s.queued.Offset
	req.Recipients = []queue.Recipient{rcpt}
	var answer service.DeliveryAnswer
	if err := l.Peers.Ask(ctx, "private/"+name, req, &answer); err != nil {
		s.wait(service.Fate{Status: "4.3.0", Text: "mail transport unavailable"})
		return true
	}
	s.Delivery.Passed(answer)
	s.out.waits = s.out.waits || len(answer.Deferred) > 0
	return true
}

// dotForward obeys a user's .forward file; false means deliver as if there were
// none.
func (l *localAgent) dotForward(ctx context.Context, s localState, u libc.User, extension string) bool {
	if s.kind == fromForward {
		return false
	}
	raw, _ := l.Conf.Raw("forward_path")
	for _, pattern := range conf.SplitList(raw) {
		file := conf.Expand(pattern, l.attributes(s, u, extension))
		if strings.Contains(pattern, "extension") && extension == "" {
			continue
		}
		info, err := l.Proc.Sys.Lstat(file)
		if err != nil {
			continue
		}
		cred := libc.CredOf(l.Proc, u)
		way := look(l.Proc, file)
		if way.open(cred) != nil {
			continue // in a place the user cannot see
		}
		uid, _ := libc.Owner(info)
		switch {
		case uid != 0 && uid != u.UID && info.Mode()&fs.ModeSymlink == 0:
			l.Log.Warning("file %s has bad owner uid %d", file, uid)
			return false
		case !info.Mode().IsRegular():
			l.Log.Warning("file %s is not a regular file", file)
			return false
		case info.Mode().Perm()&0o002 != 0:
			l.Log.Warning("file %s is world writable", file)
			return false
		case way.access(cred, 4) != nil:
			l.Log.Warning("cannot open file %s: Permission denied", file)
			return false
		}
		data, err := libc.ReadFile(l.Proc, file)
		if err != nil {
			l.Log.Warning("cannot open file %s: %s", file, libc.Strerror(err))
			return false
		}
		s.kind, s.name, s.direct, s.user = fromForward, u.Name, false, &u
		s.level++
		l.Log.Emit(trace.AliasExpanded, trace.Attrs{"id": s.Req.ID, "from": u.Name, "to": maillog.OneLine(strings.TrimSpace(string(data))), "file": file, "line": "1"})
		s.expanded()
		return l.lines(ctx, s, data) > 0
	}
	return false
}

// forward queues the addresses that need a queue file of their own.
func (l *localAgent) forward(ctx context.Context, s localState) {
	sub := &service.Submission{Sender: s.sender, Local: s.Req.Context != "remote", Internal: false, UTF8: s.Req.UTF8,
		Attrs: []string{"arrival=" + queue.TimeRecord(s.Req.Arrival)},
		Flags: s.Req.Flags,
		Claim: queue.ClaimOf(s.Req.ID, s.queued),
		Received: []string{
			fmt.Sprintf("Received: by %s (%s)", l.Conf.Get("myhostname"), l.Conf.Get("mail_name")),
			"\tid %ID%; %DATE%",
		}}
	if s.out.hasOwner {
		sub.Sender = s.out.owner
	}
	sub.Content = append([]byte("Delivered-To: "+mailaddr.External(s.delivered)+"\n"), s.text...)
	for _, f := range s.out.forwards {
		original := f.original
		if s.out.hasOwner {
			original = mailaddr.External(f.address)
		}
		sub.Recipients = append(sub.Recipients, queue.Recipient{Address: f.address, Original: original, DSNOriginal: f.dsnOriginal, Notify: f.notify})
	}
	id, err := l.Daemon.Forward(ctx, sub)
	if err != nil {
		if ctx.Err() == nil {
			s.wait(service.Fate{Status: "4.3.0", Text: "unable to forward message"})
		}
		return
	}
	s.rcpt = s.queued
	if s.out.expanded {
		s.rcpt.Notify &^= dsn.Success
	}
	s.Delivery.Sent(s.rcpt, "local", service.Fate{Status: "2.0.0", Text: "forwarded as " + id})
	for _, f := range s.out.forwards {
		l.Log.Emit(trace.MailForwarded, trace.Attrs{"id": s.Req.ID, "to-id": id, "from": s.queued.Address, "to": f.address, "file": ""})
	}
}
