package postfix

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// showqSocket is where the state of the queue is told.
const showqSocket = "public/showq"

// queueItem is one message as showq(8) tells of it.
type queueItem struct {
	Queue, ID  string
	Size       int64
	Arrival    time.Time
	Sender     string
	Recipients []queueRecipient
}

type queueRecipient struct{ Address, Reason string }

// listQueue reads all queues.
func listQueue(q *queue) []queueItem {
	var out []queueItem
	for _, name := range []string{qMaildrop, qActive, qIncoming, qDeferred, qHold} {
		for _, id := range q.scan(name) {
			info, err := q.p.Sys.Lstat(q.path(name, id))
			if err != nil || !ready(info) {
				continue
			}
			m, err := q.open(name, id, os.O_RDONLY)
			if err != nil {
				continue
			}
			m.close()
			item := queueItem{Queue: name, ID: id, Size: m.size, Arrival: m.arrival, Sender: external(m.sender)}
			if name == qMaildrop && item.Size == 0 { // not one that postsuper(1) put back
				item.Size = info.Size()
			}
			reasons := map[int64]string{}
			if data, err := libc.ReadFile(q.p, q.path(qDefer, id)); err == nil {
				for _, e := range decodeLog(data) {
					reasons[e.Offset] = e.Reason
				}
			}
			for _, r := range m.recipients {
				if !r.Done {
					item.Recipients = append(item.Recipients, queueRecipient{external(r.Address), reasons[r.Offset]})
				}
			}
			out = append(out, item)
		}
	}
	return out
}

// Showq is /usr/libexec/postfix/showq (showq(8)).
func Showq(ctx context.Context, p *host.Proc) int {
	a := parseServiceArgs(p.Args[1:])
	d, err := newDaemon(ctx, p, "showq", a)
	if err != nil {
		return 1
	}
	return d.serve(ctx, a.socket, func(ctx context.Context, w *wireConn) { w.enc.Encode(listQueue(d.q)) })
}

// formatQueue writes the listing of mailq(1).
func formatQueue(w io.Writer, items []queueItem, zone *time.Location) {
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
		case qActive:
			id += "*"
		case qHold:
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
func formatQueueJSON(w io.Writer, items []queueItem) {
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
	l := commandLog(p, "postqueue")
	const usage = "usage: postqueue -f | postqueue -i queueid | postqueue -j | postqueue -p | postqueue -s site"
	options, operands, err := libc.Getopt(p.Args[1:], "+c:fi:jps:v", nil)
	if err != nil {
		fmt.Fprintf(p.Stderr, "postqueue: %s\n", err)
		l.fatal(usage)
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
		l.fatal(usage)
		return exUnavailable
	}
	c, err := loadConfig(ctx, p, nil)
	if err == nil {
		err = c.check(globalParameters...)
	}
	if err != nil {
		l.fatal("%s", err)
		return exTempfail
	}
	d := &daemon{p: p, c: c, log: l, q: openQueue(p, c), peer: newPeers(p, c)}
	switch verb {
	case "p", "j":
		return d.showQueue(ctx, verb == "j")
	case "f":
		return d.tellQmgr(ctx, qmgrQuestion{Verb: "flush"})
	case "i":
		if !validID(arg) {
			l.fatal("Cannot flush queue ID - invalid name: \"%s\"", arg)
			return exUnavailable
		}
		return d.tellQmgr(ctx, qmgrQuestion{Verb: "id", Arg: arg})
	}
	flushed := openMatchList(p, c, l, "fast_flush_domains", false)
	if hit, _ := flushed.match(l, strings.TrimPrefix(arg, "@"), ""); !hit {
		l.fatal("Flush service is not configured for destination \"%s\"", arg)
		return exUnavailable
	}
	return d.tellQmgr(ctx, qmgrQuestion{Verb: "site", Arg: arg})
}

// showQueue prints the queue; root may look at it when the mail system is down.
func (d *daemon) showQueue(ctx context.Context, asJSON bool) int {
	var items []queueItem
	w, err := d.peer.dial(ctx, showqSocket)
	if err == nil {
		err = w.dec.Decode(&items)
		w.Close()
	}
	if err != nil {
		if d.p.UID != 0 {
			d.log.fatal("Queue report unavailable - mail system is down")
			return exUnavailable
		}
		d.log.warning("Mail system is down -- accessing queue directly")
		items = listQueue(d.q)
	}
	if asJSON {
		formatQueueJSON(d.p.Stdout, items)
	} else {
		formatQueue(d.p.Stdout, items, libc.Zone(d.p))
	}
	return 0
}

// tellQmgr sends a request to qmgr(8).
func (d *daemon) tellQmgr(ctx context.Context, q qmgrQuestion) int {
	conn, err := d.p.Sys.Dial(ctx, "unix", d.c.get("queue_directory")+"/"+qmgrSocket)
	if err != nil {
		if errors.Is(err, syscall.ENOENT) {
			d.log.warning("unable to look up %s: No such file or directory", qmgrSocket)
		}
		d.log.fatal("Cannot flush mail queue - mail system is down")
		return exUnavailable
	}
	defer conn.Close()
	w := newWireConn(conn)
	var answer string
	if _, err := w.r.ReadByte(); err != nil || w.enc.Encode(q) != nil || w.dec.Decode(&answer) != nil {
		d.log.fatal("Cannot flush mail queue - mail system is down")
		return exUnavailable
	}
	return 0
}
