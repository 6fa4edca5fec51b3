// Package service is what the daemons of Postfix have in common: how they start,
// are asked, retire, and what they say to each other.
package service

import (
	"bufio"
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/postfix/conf"
	"enshu/sim/postfix/maillog"
	"enshu/sim/postfix/queue"
)

// The services meet in sockets below the queue directory, as the real ones do.
// A service that is needed and not there is started by master, which is asked
// through public/master; it leaves when it has been idle for max_idle.
//
// A connection carries one request after another. The service says hello when it
// begins with one, or with the answer when it does no harm to begin twice; a
// client that was not greeted may try again, on another connection. Clients keep
// connections for a while (ipc_idle); a service that leaves closes those that wait.

const hello = "\n"

var errDown = errors.New("mail system is down")

// Daemon is what every Postfix daemon process has.
type Daemon struct {
	Proc  *host.Proc
	Conf  *conf.Config
	Log   *maillog.Logger
	Queue *queue.Queue
	Name  string // of the service in master.cf
	Peers *Peers

	resolved *lastResolved
}

// WireConn is a connection that carries gob values.
type WireConn struct {
	net.Conn
	Dec *gob.Decoder

	reader *bufio.Reader
	enc    *gob.Encoder
	out    bytes.Buffer // what the next write sends
	peers  *Peers       // of a client: who keeps it
	socket string
}

// NewWireConn makes a connection carry values.
func NewWireConn(c net.Conn) *WireConn {
	w := &WireConn{Conn: c, reader: bufio.NewReader(c)}
	w.enc, w.Dec = gob.NewEncoder(&w.out), gob.NewDecoder(w.reader)
	return w
}

// Send sends a value, with the hello of a service that has not said it yet.
func (w *WireConn) Send(v any) error {
	if err := w.enc.Encode(v); err != nil {
		return err
	}
	return w.flush()
}

// Greet tells the client now that the service begins with the request: one that
// is not to be made twice.
func (w *WireConn) Greet() error {
	if w.out.Len() == 0 {
		return nil
	}
	return w.flush()
}

func (w *WireConn) flush() error {
	_, err := w.Conn.Write(w.out.Bytes())
	w.out.Reset()
	return err
}

// Peers connects to services, and keeps connections for the next request.
// Threads may share it.
type Peers struct {
	p    *host.Proc
	Dir  string
	keep time.Duration // ipc_idle

	mu   sync.Mutex // guards idle
	idle map[string][]idleConn
}

// idleConn is a connection that nobody uses now.
type idleConn struct {
	w     *WireConn
	since time.Duration // on the monotonic clock
}

// NewPeers returns the way to the services of a configuration.
func NewPeers(p *host.Proc, c *conf.Config) *Peers {
	return &Peers{p: p, Dir: c.Get("queue_directory"), keep: c.Time("ipc_idle"), idle: map[string][]idleConn{}}
}

// Open begins a request to a service, which is known by its socket
// ("private/local"), and starts the service when it is not there. When it
// returns, the service has begun with the request. The caller reads the answer
// and calls Done, or Close when anything went wrong.
func (s *Peers) Open(ctx context.Context, socket string, request any) (*WireConn, error) {
	return s.open(ctx, socket, func(w *WireConn) error { return w.Send(request) }, true)
}

// open is Open for what request sends; start says whether master is to start
// what is not there.
func (s *Peers) open(ctx context.Context, socket string, request func(w *WireConn) error, start bool) (*WireConn, error) {
	var last error
	for tries := 0; tries < 5; {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if w := s.take(socket); w != nil {
			if w.greeted(request) == nil {
				return w, nil
			}
			w.Close()
			continue
		}
		tries++
		conn, err := s.p.Sys.Dial(ctx, "unix", s.Dir+"/"+socket)
		if err == nil {
			w := NewWireConn(conn)
			if err = w.greeted(request); err == nil {
				w.peers, w.socket = s, socket
				return w, nil
			}
			conn.Close()
		}
		last = err
		if !start {
			return nil, err
		}
		if err := s.start(ctx, socket); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("connect to %s: %w", socket, last)
}

// greeted sends a request and waits until the service begins with it.
func (w *WireConn) greeted(request func(w *WireConn) error) error {
	if err := request(w); err != nil {
		return err
	}
	_, err := w.reader.ReadByte()
	return err
}

// Done keeps the connection for another request, now that this one has its
// answer.
func (w *WireConn) Done() {
	s := w.peers
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.idle) == 0 {
		s.p.Clock.AfterFunc(s.keep, s.sweep)
	}
	s.idle[w.socket] = append(s.idle[w.socket], idleConn{w, s.p.Clock.Monotonic()})
}

// take returns an idle connection, nil when there is none: the one that was
// used last.
func (s *Peers) take(socket string) *WireConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.idle[socket]
	if len(list) == 0 {
		return nil
	}
	w := list[len(list)-1].w
	s.idle[socket] = list[:len(list)-1]
	return w
}

// sweep closes the connections that were idle for too long.
func (s *Peers) sweep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.p.Clock.Monotonic()
	next := time.Duration(-1)
	for socket, list := range s.idle {
		old := 0
		for old < len(list) && now-list[old].since >= s.keep {
			list[old].w.Close()
			old++
		}
		if old == len(list) {
			delete(s.idle, socket)
			continue
		}
		s.idle[socket] = list[old:]
		if wait := s.keep - (now - list[old].since); next < 0 || wait < next {
			next = wait
		}
	}
	if next >= 0 {
		s.p.Clock.AfterFunc(next, s.sweep)
	}
}

// Close closes the connections that nobody uses.
func (s *Peers) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, list := range s.idle {
		for _, c := range list {
			c.w.Close()
		}
	}
	s.idle = map[string][]idleConn{}
}

// start asks master for a service and returns when it listens.
func (s *Peers) start(ctx context.Context, socket string) error {
	conn, err := s.p.Sys.Dial(ctx, "unix", s.Dir+"/"+MasterSocket)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "start %s\n", socket); err != nil {
		return errDown
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return errDown
	}
	if answer = strings.TrimSpace(answer); answer != "ok" {
		return errors.New(answer)
	}
	return nil
}

// Ask sends one question and reads one answer.
func (s *Peers) Ask(ctx context.Context, socket string, question, answer any) error {
	w, err := s.Open(ctx, socket, question)
	if err != nil {
		return err
	}
	return w.answer(answer)
}

// answer reads the answer to a request, which has no other.
func (w *WireConn) answer(v any) error {
	if err := w.Dec.Decode(v); err != nil {
		w.Close()
		return err
	}
	w.Done()
	return nil
}

// Answers makes a handler for [Daemon.Serve] of a function that has one answer
// to each question, which may be asked twice.
func Answers[Q, A any](f func(ctx context.Context, q Q) A) func(ctx context.Context, w *WireConn) bool {
	return func(ctx context.Context, w *WireConn) bool {
		var q Q
		return w.Dec.Decode(&q) == nil && w.Send(f(ctx, q)) == nil
	}
}

// Args are the arguments that master gives a service.
type Args struct {
	Name, Socket string
	overrides    []string
}

// ParseArgs reads "-n NAME -s SOCKET -o name=value …".
func ParseArgs(args []string) Args {
	var a Args
	options, _, _ := libc.Getopt(args, "+n:s:o:t:u", nil)
	for _, o := range options {
		switch o.Name {
		case "n":
			a.Name = o.Value
		case "s":
			a.Socket = o.Value
		case "o":
			a.overrides = append(a.overrides, o.Value)
		}
	}
	return a
}

// New reads the configuration for a daemon. tag is its name in the log.
func New(ctx context.Context, p *host.Proc, tag string, a Args, params ...string) (*Daemon, error) {
	for i, o := range a.overrides {
		a.overrides[i] = strings.ReplaceAll(o, "$service_name", a.Name)
	}
	early := &maillog.Logger{Proc: p, Tag: "postfix/" + tag}
	c, err := conf.Load(ctx, p, a.overrides)
	if err == nil {
		err = c.Check(append(append([]string(nil), conf.Global...), params...)...)
	}
	if !early.Configured(c, err) {
		return nil, conf.ErrBad
	}
	d := &Daemon{Proc: p, Conf: c, Log: maillog.DaemonLog(p, c, tag), Queue: queue.Open(p, c), Name: a.Name, Peers: NewPeers(p, c), resolved: &lastResolved{}}
	return d, nil
}

// Serve runs a service: it listens on its socket and calls handle, on a thread
// of the connection, for each request. handle reads the request and answers it;
// false means that the connection has no other. Serve returns the exit status
// when the service was told to leave or was idle.
func (d *Daemon) Serve(ctx context.Context, socket string, handle func(ctx context.Context, w *WireConn) bool) int {
	return d.listen(ctx, socket, func(ctx context.Context, s *server, conn net.Conn) { s.serve(ctx, NewWireConn(conn), handle) })
}

// listen runs a service that does as serve says with the connections to its socket.
func (d *Daemon) listen(ctx context.Context, socket string, serve func(ctx context.Context, s *server, conn net.Conn)) int {
	p := d.Proc
	path := d.Conf.Get("queue_directory") + "/" + socket
	// Hold the line to master: when it breaks, master is gone, and so are we.
	line, err := p.Sys.Dial(ctx, "unix", d.Conf.Get("queue_directory")+"/"+MasterSocket)
	if err != nil {
		return 1
	}
	defer line.Close()
	fmt.Fprintf(line, "hold\n")
	ln, err := p.Sys.Listen("unix", path)
	if err != nil {
		d.Log.Fatal("listen on %s: %s", socket, libc.Strerror(err))
		return 1
	}
	p.Sys.Chmod(path, 0o666)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &server{d: d, ln: ln, path: path, conns: map[net.Conn]bool{}, last: p.Clock.Monotonic(),
		slots: clock.NewQueue[struct{}](p.Clock.Timeline(), 0)}
	p.Catch(syscall.SIGHUP)
	p.Go(func() { // signals: HUP lets the service finish what it does
		p.WaitSignal(ctx)
		s.retire()
	})
	p.Go(func() { // the line to master
		line.Read(make([]byte, 1))
		cancel(errDown)
	})
	p.Go(func() { // the end of the context closes what threads wait for
		WaitDone(ctx, p)
		s.retire()
		s.closeAll()
		d.Peers.Close()
		line.Close()
	})
	p.Go(func() { s.watchIdle(ctx, d.Conf.Time("max_idle")) })
	for range d.Conf.Int("default_process_limit") {
		s.slots.TryPut(struct{}{})
	}
	p.Ready()
	for {
		conn, err := ln.Accept()
		if err != nil {
			break
		}
		if s.add(conn) {
			p.Go(func() { serve(ctx, s, conn) })
		}
	}
	s.retire()
	s.drain(ctx)
	return 0
}

// WaitDone blocks until ctx ends.
func WaitDone(ctx context.Context, p *host.Proc) {
	w := p.Clock.Timeline().NewWait()
	w.Sleep(ctx)
}

// server is the state of Serve.
type server struct {
	d     *Daemon
	ln    net.Listener
	path  string
	slots *clock.Queue[struct{}] // one for each request that may be worked on at a time

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]bool // whether a request is being worked on
	busy   int               // how many of them are
	last   time.Duration     // when the last request was done
	waits  []*clock.Wait
}

// add notes a connection; false means that the service is leaving.
func (s *server) add(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		c.Close()
		return false
	}
	s.conns[c] = false
	return true
}

// serve serves one connection.
func (s *server) serve(ctx context.Context, w *WireConn, handle func(ctx context.Context, w *WireConn) bool) {
	defer s.drop(w.Conn)
	for more := true; more; {
		if _, err := w.reader.Peek(1); err != nil {
			return
		}
		if _, err := s.slots.Get(ctx); err != nil {
			return
		}
		more = s.begin(w.Conn)
		if more {
			w.out.WriteString(hello)
			more = handle(ctx, w)
			more = s.end(w.Conn) && more
		}
		s.slots.TryPut(struct{}{})
	}
}

// begin notes that a request is being worked on; false means that the service
// is leaving, and that the client has to turn to the next.
func (s *server) begin(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.conns[c] = true
	s.busy++
	return true
}

// end notes that a request is done with. It reports whether there may be another.
func (s *server) end(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = false
	s.busy--
	s.last = s.d.Proc.Clock.Monotonic()
	if s.busy == 0 {
		for _, w := range s.waits {
			w.Wake()
		}
		s.waits = nil
	}
	return !s.closed
}

// drop forgets a connection.
func (s *server) drop(c net.Conn) {
	c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// retire stops taking requests and takes the socket away.
func (s *server) retire() {
	s.mu.Lock()
	was := s.closed
	s.closed = true
	for c, busy := range s.conns {
		if !busy {
			c.Close()
		}
	}
	s.mu.Unlock()
	if was {
		return
	}
	s.d.Proc.Sys.Remove(s.path)
	s.ln.Close()
}

func (s *server) closeAll() {
	s.mu.Lock()
	var all []net.Conn
	for c := range s.conns {
		all = append(all, c)
	}
	s.mu.Unlock()
	for _, c := range all {
		c.Close()
	}
}

// drain waits until all requests are done with.
func (s *server) drain(ctx context.Context) {
	s.mu.Lock()
	if s.busy == 0 {
		s.mu.Unlock()
		return
	}
	w := s.d.Proc.Clock.Timeline().NewWait()
	s.waits = append(s.waits, w)
	s.mu.Unlock()
	w.Sleep(ctx)
}

// watchIdle retires the service when it had nothing to do for limit.
func (s *server) watchIdle(ctx context.Context, limit time.Duration) {
	wait := limit
	for s.d.Proc.Sleep(ctx, wait) == nil {
		s.mu.Lock()
		idle := s.d.Proc.Clock.Monotonic() - s.last
		busy := s.busy > 0
		s.mu.Unlock()
		switch {
		case busy:
			wait = limit
		case idle >= limit:
			s.retire()
			return
		default:
			wait = limit - idle
		}
	}
}

// MasterSocket is where master(8) is asked to start a service.
const MasterSocket = "public/master"

// MasterRunning returns the process id of a running master, 0 when none runs.
func MasterRunning(p *host.Proc, c *conf.Config) int {
	f, err := p.Sys.OpenFile(c.Get("queue_directory")+"/"+c.Get("process_id_directory")+"/master.pid", os.O_RDWR, 0)
	if err != nil {
		return 0
	}
	defer f.Close()
	if queue.LockFile(f) == nil {
		return 0
	}
	data, _ := io.ReadAll(f)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(data)))
	return pid
}
