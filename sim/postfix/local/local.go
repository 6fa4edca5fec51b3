// Package local is local(8): delivery to the users of this machine, through
// aliases, .forward files, commands and mailboxes.
package local

import (
	"context"
	"strings"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/postfix/dsn"
	"enshu/sim/postfix/header"
	"enshu/sim/postfix/mailaddr"
	"enshu/sim/postfix/queue"
	"enshu/sim/postfix/service"
	"enshu/sim/postfix/table"
)

// Local is /usr/libexec/postfix/local (local(8)): delivery to the users of this
// machine, through aliases(5) and .forward files.
func Local(ctx context.Context, p *host.Proc) int {
	a := service.ParseArgs(p.Args[1:])
	d, err := service.New(ctx, p, "local", a, "biff", "mailbox_size_limit", "expand_owner_alias", "strict_mailbox_ownership",
		"deliver_lock_attempts", "deliver_lock_delay", "command_time_limit")
	if err != nil {
		return 1
	}
	if limit := d.Conf.Int64("mailbox_size_limit"); limit > 0 && limit < d.Conf.Int64("message_size_limit") {
		d.Log.Fatal("configuration error: mailbox_size_limit is smaller than message_size_limit")
		return 1
	}
	l := &localAgent{Daemon: d, turns: &turns{line: p.Clock.Timeline(), waiting: map[string][]*clock.Wait{}}}
	l.open()
	return d.ServeDeliveries(ctx, a.Socket, func(ctx context.Context, x *service.Delivery) {
		if t := l.aliases.Restarted(p); t != nil {
			d.Log.Info("table %s(0,%s) has changed -- restarting", t.Spec, t.Flags)
			l.open()
		}
		for _, r := range x.Req.Recipients {
			l.deliver(ctx, x, r)
		}
	})
}

type localAgent struct {
	*service.Daemon
	aliases table.Maps
	// by user: another transport, a command
	transportMaps, fallbackMaps, commandMaps table.Maps

	turns *turns
}

func (l *localAgent) open() {
	open := func(param string) table.Maps {
		return table.OpenMaps(l.Proc, l.Conf, l.Log, l.Conf.Get(param), table.FlagsAlias)
	}
	l.aliases = open("alias_maps")
	l.transportMaps, l.fallbackMaps, l.commandMaps = open("mailbox_transport_maps"), open("fallback_transport_maps"), open("mailbox_command_maps")
}

// What an address was expanded from.
const (
	fromQueue = iota
	fromAlias
	fromInclude
	fromForward
)

// localState is where the expansion of one recipient stands.
type localState struct {
	*service.Delivery
	queued    queue.Recipient // as it is in the queue file
	rcpt      queue.Recipient // what is being delivered to: shown as to=
	delivered string          // Delivered-To, internal form
	text      []byte          // the message
	sender    string
	level     int
	kind      int    // what the address was expanded from
	name      string // of the alias or user that was expanded last
	direct    bool   // members that are local are delivered from this queue file
	user      *libc.User
	out       *outcome
}

// outcome collects what the expansion of a recipient led to.
type outcome struct {
	forwards []forwardee
	waits    bool            // something has to be tried again
	seen     map[string]bool // deliveries made, so that none is made twice
	owner    string          // new envelope sender of forwarded copies
	hasOwner bool
}

// forwardee is an address that gets a queue file of its own.
type forwardee struct {
	address, original, dsnOriginal string
	notify                         dsn.Notify
}

// deliver handles one recipient of a request.
func (l *localAgent) deliver(ctx context.Context, x *service.Delivery, r queue.Recipient) {
	text, err := x.Msg.Text()
	if err != nil {
		x.Deferred(r, "local", service.Fate{Status: "4.3.0", Text: "malformed queue file"})
		return
	}
	s := localState{Delivery: x, queued: r, rcpt: r, delivered: r.Address, text: text, sender: x.Req.Sender, direct: true,
		out: &outcome{seen: map[string]bool{}}}
	if loops(text, mailaddr.External(r.Address)) {
		x.Bounced(r, "local", service.Fate{Status: "5.4.6", Text: "mail forwarding loop for " + mailaddr.External(r.Address)})
		x.Done(r)
		return
	}
	l.recipient(ctx, s)
	// What has to be tried again is tried as a whole: nothing is forwarded yet.
	if len(s.out.forwards) > 0 && !s.out.waits && ctx.Err() == nil {
		l.forward(ctx, s)
	}
	switch {
	case ctx.Err() != nil:
	case !s.out.waits:
		x.Done(r)
	case len(s.out.seen) > 0:
		// The next attempt has to look whether a member has the mail already.
		l.Proc.Sys.Chmod(l.Queue.Path(queue.Active, x.Req.ID), queue.ModeRecovered)
	}
}

// loops reports whether the message has been delivered to an address before.
func loops(text []byte, address string) bool {
	fields, _ := header.Split(text)
	for _, h := range fields {
		if strings.EqualFold(h.Name, "delivered-to") && strings.EqualFold(strings.TrimSpace(h.Value()), address) {
			return true
		}
	}
	return false
}

func (s localState) bounce(f service.Fate) { s.Delivery.Bounced(s.rcpt, "local", f) }

func (s localState) wait(f service.Fate) {
	s.Delivery.Deferred(s.rcpt, "local", f)
	s.out.waits = true
}

// finish sends, bounces or defers by the status code.
func (s localState) finish(f service.Fate) {
	switch f.Status[0] {
	case '2':
		s.Delivery.Sent(s.rcpt, "local", f)
	case '5':
		s.bounce(f)
	default:
		s.wait(f)
	}
}

// recipient delivers to an address whose domain is ours.
func (l *localAgent) recipient(ctx context.Context, s localState) {
	local, _, _ := mailaddr.Split(s.rcpt.Address)
	if l.alias(ctx, s, strings.ToLower(local)) {
		return
	}
	l.toUser(ctx, s, local)
}
