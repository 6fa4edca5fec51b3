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
// arrive at its socket, and reloads, become events of its loop. params are the
// parameters that have to be right for it to start.
func Resident(ctx context.Context, p *host.Proc, tag string, loop func(d *Daemon, ctx context.Context, events *clock.Queue[Request]), params ...string) int {
	a := ParseArgs(p.Args[1:])
	d, err := New(ctx, p, tag, a, params...)
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
	p.Sys.Remove(path)
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
			events.TryPut(Request{Verb: VerbReload})
		}
	})
	p.Go(func() {
		line.Read(make([]byte, 1))
		cancel(errDown)
	})
	p.Go(func() {
		WaitDone(ctx, p)
		ln.Close() // the name stays, as the real one's does: master takes it away
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
				for w := NewWireConn(conn); serveResident(ctx, p, w, events); {
				}
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
		d.Peers.Close()
		*d = *fresh
	}
}

// What the services that are always there are asked.
const (
	VerbIncoming = "incoming" // there is new mail: with that queue id, or look for it
	VerbFlush    = "flush"    // try all deferred mail now
	VerbID       = "id"       // try the mail with that queue id now
	VerbSite     = "site"     // try the mail for that domain now
	VerbReload   = "reload"   // read the configuration again
)

// A Request is a word to one of the services that are always there.
type Request struct {
	Verb, Arg string

	Event func() // of the service itself, see Happen
	reply *clock.Queue[string]
}

// QmgrSocket is where qmgr(8) is told of new mail and of flush requests.
const QmgrSocket = "public/qmgr"

// PickupSocket is poked when mail was put into maildrop.
const PickupSocket = "public/pickup"

// serveResident takes one question of a client. It reports whether there may be
// another.
func serveResident(ctx context.Context, p *host.Proc, w *WireConn, events *clock.Queue[Request]) bool {
	var q Request
	if w.Dec.Decode(&q) != nil {
		return false
	}
	q.reply = clock.NewQueue[string](p.Clock.Timeline(), 0)
	events.TryPut(q)
	w.out.WriteString(hello)
	answer := "ok"
	if q.Verb != VerbIncoming {
		if w.Greet() != nil {
			return false
		}
		var err error
		if answer, err = q.reply.Get(ctx); err != nil {
			return false
		}
	}
	return w.Send(answer) == nil
}

// Poke asks one of the services that are always there, but does not start it.
func (d *Daemon) Poke(ctx context.Context, socket string, q Request) error {
	var answer string
	w, err := d.Peers.open(ctx, socket, func(w *WireConn) error { return w.Send(q) }, false)
	if err != nil {
		return err
	}
	return w.answer(&answer)
}

// ShowqSocket is where the state of the queue is told.
const ShowqSocket = "public/showq"

// A QueueQuestion asks showq(8) for the state of the queue, a list of queue.Item.
type QueueQuestion struct{ Version int }

// Happen makes a question of something that a thread of the service itself has
// to tell its loop.
func Happen(event func()) Request { return Request{Event: event} }

// Answer answers whoever asked.
func (q Request) Answer(text string) {
	if q.reply != nil {
		q.reply.TryPut(text)
	}
}
