package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/postfix/conf"
	"enshu/sim/postfix/maillog"
	"enshu/sim/postfix/queue"
	"enshu/sim/postfix/service"
	"enshu/sim/postfix/table"
)

// formatQueue writes the listing of mailq(1).
func formatQueue(w io.Writer, items []queue.Item, zone *time.Location) {
	if len(items) == 0 {
		fmt.Fprintln(w, "Mail queue is empty")
		return
	}
	fmt.Fprintln(w, "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------")
	total := int64(0)
	for i, m := range items {
		if i > 0 {
			fmt.Fprintln(w)
		}
		total += m.Size
		id := m.ID
		switch m.Queue {
		case queue.Active:
			id += "*"
		case queue.Hold:
			id += "!"
		}
		sender := m.Sender
		if sender == "" {
			sender = "MAILER-DAEMON"
		}
		fmt.Fprintf(w, "%-11s %7d %20.20s %s\n", id, m.Size, m.Arrival.In(zone).Format("Mon Jan _2 15:04:05")+" ", sender)
		last := ""
		for _, r := range m.Recipients {
			if reason := strings.TrimSpace(r.Reason); reason != "" && reason != last {
				text := "(" + reason + ")"
				fmt.Fprintf(w, "%*s%s\n", max(0, 76-len(reason)-0), "", text)
				last = reason
			}
			fmt.Fprintf(w, "%41s%s\n", "", r.Address)
		}
	}
	plural := "s"
	if len(items) == 1 {
		plural = ""
	}
	fmt.Fprintf(w, "\n-- %d Kbytes in %d Request%s.\n", total/1024, len(items), plural)
}

// formatQueueJSON writes the listing of postqueue -j.
func formatQueueJSON(w io.Writer, items []queue.Item) {
	quote := func(s string) string {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.Encode(s)
		return strings.TrimSpace(b.String())
	}
	for _, m := range items {
		fmt.Fprintf(w, "{\"queue_name\": %s, \"queue_id\": %s, \"arrival_time\": %d, \"message_size\": %d, \"forced_expire\": false, \"sender\": %s, \"recipients\": [",
			quote(m.Queue), quote(m.ID), m.Arrival.Unix(), m.Size, quote(m.Sender))
		for i, r := range m.Recipients {
			if i > 0 {
				io.WriteString(w, ", ")
			}
			fmt.Fprintf(w, "{\"address\": %s", quote(r.Address))
			if r.Reason != "" {
				fmt.Fprintf(w, ", \"delay_reason\": %s", quote(r.Reason))
			}
			io.WriteString(w, "}")
		}
		io.WriteString(w, "]}\n")
	}
}

// Postqueue is /usr/sbin/postqueue (postqueue(1)).
func Postqueue(ctx context.Context, p *host.Proc) int {
	l := maillog.CommandLog(p, "postqueue")
	const usage = "usage: postqueue -f | postqueue -i queueid | postqueue -j | postqueue -p | postqueue -s site"
	options, operands, err := libc.Getopt(p.Args[1:], "+c:fi:jps:v", nil)
	if err != nil {
		fmt.Fprintf(p.Stderr, "postqueue: %s\n", err)
		l.Fatal(usage)
		return exUnavailable
	}
	verb, arg := "", ""
	for _, o := range options {
		switch o.Name {
		case "f", "j", "p":
			verb = o.Name
		case "i", "s":
			verb, arg = o.Name, o.Value
		case "c":
			p.Env = append(p.Env, "MAIL_CONFIG="+o.Value)
		}
	}
	if verb == "" || len(operands) > 0 {
		l.Fatal(usage)
		return exUnavailable
	}
	c, err := conf.Load(ctx, p, nil)
	if err == nil {
		err = c.Check(conf.Global...)
	}
	if !l.Configured(c, err) {
		return exTempfail
	}
	d := &postqueue{&service.Daemon{Proc: p, Conf: c, Log: l, Queue: queue.Open(p, c), Peers: service.NewPeers(p, c)}}
	switch verb {
	case "p", "j":
		return d.showQueue(ctx, verb == "j")
	case "f":
		return d.tellQmgr(ctx, service.Request{Verb: service.VerbFlush})
	case "i":
		if !queue.ValidID(arg) {
			l.Fatal("Cannot flush queue ID - invalid name: \"%s\"", arg)
			return exUnavailable
		}
		return d.tellQmgr(ctx, service.Request{Verb: service.VerbID, Arg: arg})
	}
	flushed := table.OpenList(p, c, l, "fast_flush_domains", false)
	if hit, _ := flushed.Match(l, strings.TrimPrefix(arg, "@"), ""); !hit {
		l.Fatal("Flush service is not configured for destination \"%s\"", arg)
		return exUnavailable
	}
	return d.tellQmgr(ctx, service.Request{Verb: service.VerbSite, Arg: arg})
}

// postqueue is one run of postqueue(1).
type postqueue struct{ *service.Daemon }

// showQueue prints the queue; root may look at it when the mail system is down.
func (d *postqueue) showQueue(ctx context.Context, asJSON bool) int {
	var items []queue.Item
	err := d.Peers.Ask(ctx, service.ShowqSocket, service.QueueQuestion{}, &items)
	if err != nil {
		if d.Proc.UID != 0 {
			d.Log.Fatal("Queue report unavailable - mail system is down")
			return exUnavailable
		}
		d.Log.Warning("Mail system is down -- accessing queue directly")
		items = queue.List(d.Queue)
	}
	if asJSON {
		formatQueueJSON(d.Proc.Stdout, items)
	} else {
		formatQueue(d.Proc.Stdout, items, libc.Zone(d.Proc))
	}
	return 0
}

// tellQmgr sends a request to qmgr(8).
func (d *postqueue) tellQmgr(ctx context.Context, q service.Request) int {
	if err := d.Poke(ctx, service.QmgrSocket, q); err != nil {
		if errors.Is(err, syscall.ENOENT) {
			d.Log.Warning("unable to look up %s: No such file or directory", service.QmgrSocket)
		}
		d.Log.Fatal("Cannot flush mail queue - mail system is down")
		return exUnavailable
	}
	return 0
}
