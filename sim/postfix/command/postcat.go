package command

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
	"enshu/sim/postfix/conf"
	"enshu/sim/postfix/maillog"
	"enshu/sim/postfix/queue"
)

// Postcat is /usr/sbin/postcat (postcat(1)).
func Postcat(ctx context.Context, p *host.Proc) int {
	l := &maillog.Logger{Proc: p, Name: "postcat", Stderr: p.Stderr, Quiet: true}
	options, names, err := libc.Getopt(p.Args[1:], "+bc:dehoqv", nil)
	if err != nil {
		fmt.Fprintf(p.Stderr, "postcat: %s\n", err)
		l.Fatal("usage: postcat [-b (body text)] [-c config_dir] [-d (decimal record type)] [-e (envelope records)] [-h (header text)] [-q (access queue)] [-v] [file(s)...]")
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
	c, err := conf.Load(ctx, p, nil)
	if err != nil {
		l.Fatal("%s", err)
		return 1
	}
	q := queue.Open(p, c)
	for _, name := range names {
		path, label := libc.Abs(p, name), name
		if show.queue {
			var openErr error = os.ErrNotExist
			found := false
			for _, queue := range []string{queue.Maildrop, queue.Incoming, queue.Active, queue.Deferred, queue.Hold, queue.Corrupt} {
				f, err := p.Sys.OpenFile(q.Path(queue, name), os.O_RDONLY, 0)
				if err == nil {
					f.Close()
					path, label, found = q.Path(queue, name), q.Name(queue, name), true
					break
				}
				if text := libc.Strerror(err); text != "No such file or directory" {
					openErr = err
				}
			}
			if !found || !queue.ValidID(name) {
				text := "No such file or directory"
				if openErr != os.ErrNotExist {
					text = libc.Strerror(openErr)
				}
				l.Fatal("open queue file %s: %s", name, text)
				return 1
			}
		}
		f, err := p.Sys.OpenFile(path, os.O_RDONLY, 0)
		if err != nil {
			l.Fatal("open %s: %s", name, libc.Strerror(err))
			return 1
		}
		err = catFile(p.Stdout, bufio.NewReader(f), label, libc.Zone(p), show.envelope, show.header, show.body)
		f.Close()
		if err != nil {
			l.Fatal("%s: %s", name, err)
			return 1
		}
	}
	return 0
}

// recordLabels are the names that postcat(1) gives records.
var recordLabels = map[byte]string{queue.RecSize: "message_size", queue.RecTime: "message_arrival_time", queue.RecAttr: "named_attribute", queue.RecFull: "sender_fullname",
	queue.RecSender: "sender", queue.RecOrcpt: "original_recipient", queue.RecRcpt: "recipient", queue.RecDone: "done_recipient"}

// catFile prints a queue file.
func catFile(w io.Writer, r *bufio.Reader, label string, zone *time.Location, envelope, header, body bool) error {
	if envelope {
		fmt.Fprintf(w, "*** ENVELOPE RECORDS %s ***\n", label)
	}
	inContent, inHeader := false, true
	for {
		kind, data, err := queue.ReadRecord(r, queue.MaxRecord)
		if err != nil {
			return queue.ErrRecord
		}
		text := string(data)
		switch {
		case kind == queue.RecMessage:
			inContent = true
			if envelope {
				fmt.Fprintf(w, "*** MESSAGE CONTENTS %s ***\n", label)
			}
		case kind == queue.RecExtract:
			inContent = false
			if envelope {
				fmt.Fprintf(w, "*** HEADER EXTRACTED %s ***\n", label)
			}
		case kind == queue.RecClaim:
		case kind == queue.RecEnd:
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
				if kind == queue.RecNormal {
					io.WriteString(w, "\n")
				}
			}
		case !envelope:
		case kind == queue.RecTime:
			fmt.Fprintf(w, "message_arrival_time: %s\n", queue.ParseTimeRecord(text).In(zone).Format(time.ANSIC))
		case kind == queue.RecAttr && strings.HasPrefix(text, "create_time="):
			fmt.Fprintf(w, "create_time: %s\n", queue.ParseTimeRecord(text[len("create_time="):]).In(zone).Format(time.ANSIC))
		default:
			name, ok := recordLabels[kind]
			if !ok {
				name = fmt.Sprintf("record_%c", kind)
			}
			fmt.Fprintf(w, "%s: %s\n", name, text)
		}
	}
}
