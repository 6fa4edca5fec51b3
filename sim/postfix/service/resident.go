package service

import (
	"context"
	"fmt"
	"syscall"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/libc"
)

// Resident runs one of the two services that are always there: questions that
// arrive at its socket, and reloads, become events of its loop.
func Resident(ctx context.Context, p *host.Proc, tag string, loop func(d *Daemon, ctx context.Context, events *clock.Queue[Request])) int {
	a := ParseArgs(p.Args[1:])
	d, err := New(ctx, p, tag, a)
	if err != nil {
		return 1
	}
	queueDir := d.Conf.Get("queue_directory")
	line, err := p.Sys.Dial(ctx, "unix", queueDir+"/"+MasterSocket)
	if err != nil {
		return 1
	}
	fmt.Fprintf(line, "hold\n")
	path := queueDir + "/" + a.Socket
	ln, err := p.Sys.Listen("unix", path)
	if err != nil {
		d.Log.Fatal("listen on %s: %s", a.Socket, libc.Strerror(err))
		return 1
	}
	p.Sys.Chmod(path, 0o666)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	events := clock.NewQueue[Request](p.Clock.Timeline(), 0)
	p.Catch(syscall.SIGHUP)
	p.Go(func() {
		for {
			if _, err := p.WaitSignal(ctx); err != nil {
				return
			}
			events.TryPut(Request{Verb: "reload"})
		}
	})
	p.Go(func() {
		line.Read(make([]byte, 1))
		cancel(errDown)
	})
	p.Go(func() {
		WaitDone(ctx, p)
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
				w := NewWireConn(conn)
				var q Request
				err := w.Dec.Decode(&q)
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
				w.Enc.Encode(answer)
			})
		}
	})
	p.Ready()
	loop(d, ctx, events)
	cancel(nil)
	return 0
}

// Reload reads the configuration anew; a broken one leaves the old in force.
func (d *Daemon) Reload(ctx context.Context, tag string) {
	fresh, err := New(ctx, d.Proc, tag, Args{Name: d.Name})
	if err == nil {
		*d = *fresh
	}
}

// A Request is a word to one of the services that are always there:
// "incoming" (new mail), "flush" (try all deferred mail now), "id", "site".
type Request struct {
	Verb, Arg string

	reply *clock.Queue[string]
	Event func() // of the service itself, see happen
}

// QmgrSocket is where qmgr(8) is told of new mail and of flush requests.
const QmgrSocket = "public/qmgr"

// PickupSocket is poked when mail was put into maildrop.
const PickupSocket = "public/pickup"

// Poke sends a word to a service that may not be there.
func (d *Daemon) Poke(ctx context.Context, socket, word string) error {
	conn, err := d.Proc.Sys.Dial(ctx, "unix", d.Conf.Get("queue_directory")+"/"+socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	w := NewWireConn(conn)
	if _, err := w.Reader.ReadByte(); err != nil {
		return err
	}
	if err := w.Enc.Encode(Request{Verb: word}); err != nil {
		return err
	}
	var answer string
	return w.Dec.Decode(&answer)
}

// ShowqSocket is where the state of the queue is told.
const ShowqSocket = "public/showq"

// Happen makes a question of something that a thread of the service itself has
// to tell its loop.
func Happen(event func()) Request { return Request{Event: event} }

// Answer answers whoever asked.
func (q Request) Answer(text string) {
	if q.reply != nil {
		q.reply.TryPut(text)
	}
}
