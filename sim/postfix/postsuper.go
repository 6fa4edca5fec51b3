package postfix

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// Postsuper is /usr/sbin/postsuper (postsuper(1)).
func Postsuper(ctx context.Context, p *host.Proc) int {
	l := commandLog(p, "postsuper")
	options, queues, err := libc.Getopt(p.Args[1:], "+c:d:e:f:h:H:pr:sSv", nil)
	if err != nil {
		fmt.Fprintf(p.Stderr, "postsuper: %s\n", err)
		l.fatal("usage: postsuper [-c config_dir] [-d queue_id (delete)] [-h queue_id (hold)] [-H queue_id (un-hold)] [-p (purge temporary files)] [-r queue_id (requeue)] [-s (structure fix)] [-S (redundant structure fix)][-v (verbose)] [queue...]")
		return 1
	}
	if p.UID != 0 {
		l.fatal("use of this command is reserved for the superuser")
		return 1
	}
	c, err := loadConfig(ctx, p, nil)
	if err == nil {
		err = c.check(globalParameters...)
	}
	if err != nil {
		l.fatal("%s", err)
		return 1
	}
	s := &postsuper{p: p, log: l, q: openQueue(p, c)}
	if u, ok := libc.UserByName(p, c.get("mail_owner")); ok {
		s.owner = u
	}
	if len(queues) == 0 {
		queues = []string{qMaildrop, qIncoming, qActive, qDeferred, qHold}
	}
	s.queues = queues
	for _, dir := range queues {
		if info, err := p.Sys.Stat(s.q.dir + "/" + dir); err == nil {
			if uid, _ := libc.Owner(info); uid != s.owner.UID && dir != qMaildrop {
				l.fatal("scan_dir_push: open directory %s: Permission denied", dir)
				return 1
			}
		}
	}
	for _, o := range options {
		switch o.Name {
		case "d":
			s.each("Deleted", "removed", o.Value, s.queues, s.remove)
		case "h":
			s.each("Placed on hold", "placed on hold", o.Value, without(s.queues, qHold, qMaildrop), func(queue, id string) bool { return s.q.move(id, queue, qHold) == nil })
		case "H":
			s.each("Released from hold", "released from hold", o.Value, []string{qHold}, func(queue, id string) bool {
				s.q.stamp(queue, id, p.Now())
				return s.q.move(id, queue, qDeferred) == nil
			})
		case "r":
			s.each("Requeued", "requeued", o.Value, without(s.queues, qMaildrop), s.requeue)
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
	log    *logger
	q      *queue
	queues []string
	owner  libc.User
}

// each does something with one message, those read from standard input, or ALL.
func (s *postsuper) each(what, one, which string, queues []string, f func(queue, id string) bool) {
	n := 0
	do := func(id string, tell bool) {
		if queue, ok := s.q.find(id, queues...); ok && f(queue, id) {
			n++
			if tell {
				s.log.info("%s: %s", id, one)
			}
		}
	}
	switch which {
	case "ALL":
		for _, queue := range queues {
			for _, id := range s.q.scan(queue) {
				do(id, false)
			}
		}
	case "-":
		in := bufio.NewScanner(s.p.Stdin)
		for in.Scan() {
			if id := strings.TrimSpace(in.Text()); validID(id) {
				do(id, true)
			}
		}
	default:
		if validID(which) {
			do(which, true)
		}
	}
	plural := "s"
	if n == 1 {
		plural = ""
	}
	s.log.info("%s: %d message%s", what, n, plural)
}

func (s *postsuper) remove(queue, id string) bool {
	for _, log := range []string{qBounce, qDefer, qTrace} {
		s.q.remove(log, id)
	}
	return s.q.remove(queue, id) == nil
}

// requeue sends a message through pickup(8) and cleanup(8) once more.
func (s *postsuper) requeue(queue, id string) bool {
	for _, log := range []string{qBounce, qDefer, qTrace} {
		s.q.remove(log, id)
	}
	s.p.Sys.Chmod(s.q.path(queue, id), modeDropped)
	return s.q.move(id, queue, qMaildrop) == nil
}

// Postcat is /usr/sbin/postcat (postcat(1)).
func Postcat(ctx context.Context, p *host.Proc) int {
	l := &logger{p: p, name: "postcat", stderr: p.Stderr, quiet: true}
	options, names, err := libc.Getopt(p.Args[1:], "+bc:dehoqv", nil)
	if err != nil {
		fmt.Fprintf(p.Stderr, "postcat: %s\n", err)
		l.fatal("usage: postcat [-b (body text)] [-c config_dir] [-d (decimal record type)] [-e (envelope records)] [-h (header text)] [-q (access queue)] [-v] [file(s)...]")
		return 1
	}
	var show struct{ envelope, header, body, queue, offsets bool }
	for _, o := range options {
		switch o.Name {
		case "b":
			show.body = true
		case "e":
			show.envelope = true
		case "h":
			show.header = true
		case "q":
			show.queue = true
		case "o":
			show.offsets = true
		}
	}
	all := !show.body && !show.envelope && !show.header
	if all {
		show.body, show.envelope, show.header = true, true, true
	}
	c, err := loadConfig(ctx, p, nil)
	if err != nil {
		l.fatal("%s", err)
		return 1
	}
	q := openQueue(p, c)
	for _, name := range names {
		path, label := libc.Abs(p, name), name
		if show.queue {
			var openErr error = os.ErrNotExist
			found := false
			for _, queue := range []string{qMaildrop, qIncoming, qActive, qDeferred, qHold, qCorrupt} {
				f, err := p.Sys.OpenFile(q.path(queue, name), os.O_RDONLY, 0)
				if err == nil {
					f.Close()
					path, label, found = q.path(queue, name), q.name(queue, name), true
					break
				}
				if text := libc.Strerror(err); text != "No such file or directory" {
					openErr = err
				}
			}
			if !found || !validID(name) {
				text := "No such file or directory"
				if openErr != os.ErrNotExist {
					text = libc.Strerror(openErr)
				}
				l.fatal("open queue file %s: %s", name, text)
				return 1
			}
		}
		f, err := p.Sys.OpenFile(path, os.O_RDONLY, 0)
		if err != nil {
			l.fatal("open queue file %s: %s", name, libc.Strerror(err))
			return 1
		}
		err = catFile(p.Stdout, bufio.NewReader(f), label, libc.Zone(p), show.envelope, show.header, show.body)
		f.Close()
		if err != nil {
			l.fatal("%s: %s", name, err)
			return 1
		}
	}
	return 0
}

// recordLabels are the names that postcat(1) gives records.
var recordLabels = map[byte]string{recSize: "message_size", recTime: "message_arrival_time", recAttr: "named_attribute", recFull: "sender_fullname",
	recSender: "sender", recOrcpt: "original_recipient", recRcpt: "recipient", recDone: "done_recipient"}

// catFile prints a queue file.
func catFile(w io.Writer, r *bufio.Reader, label string, zone *time.Location, envelope, header, body bool) error {
	if envelope {
		fmt.Fprintf(w, "*** ENVELOPE RECORDS %s ***\n", label)
	}
	inContent, inHeader := false, true
	for {
		kind, data, err := readRecord(r, maxRecord)
		if err != nil {
			return errRecord
		}
		text := string(data)
		switch {
		case kind == recMessage:
			inContent = true
			if envelope {
				fmt.Fprintf(w, "*** MESSAGE CONTENTS %s ***\n", label)
			}
		case kind == recExtract:
			inContent = false
			if envelope {
				fmt.Fprintf(w, "*** HEADER EXTRACTED %s ***\n", label)
			}
		case kind == recClaim:
		case kind == recEnd:
			if envelope {
				fmt.Fprintf(w, "*** MESSAGE FILE END %s ***\n", label)
			}
			return nil
		case inContent:
			if inHeader && text == "" {
				inHeader = false
			}
			if inHeader && header || !inHeader && body {
				io.WriteString(w, text)
				if kind == recNormal {
					io.WriteString(w, "\n")
				}
			}
		case !envelope:
		case kind == recTime:
			fmt.Fprintf(w, "message_arrival_time: %s\n", parseTimeRecord(text).In(zone).Format(time.ANSIC))
		case kind == recAttr && strings.HasPrefix(text, "create_time="):
			fmt.Fprintf(w, "create_time: %s\n", parseTimeRecord(text[len("create_time="):]).In(zone).Format(time.ANSIC))
		default:
			name, ok := recordLabels[kind]
			if !ok {
				name = fmt.Sprintf("record_%c", kind)
			}
			fmt.Fprintf(w, "%s: %s\n", name, text)
		}
	}
}
