// Package service is what the daemons of Postfix have in common: how they start,
// are asked, retire, and what they say to each other.
package service

import (
	"bufio"
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
// A service says hello when it has taken a connection. A client that was not
// greeted has not been heard and may try again.

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
}

// WireConn is a connection that carries gob values.
type WireConn struct {
	net.Conn
	Reader *bufio.Reader
	Enc    *gob.Encoder
	Dec    *gob.Decoder
}

// NewWireConn makes a connection carry values.
func NewWireConn(c net.Conn) *WireConn {
	r := bufio.NewReader(c)
	return &WireConn{c, r, gob.NewEncoder(c), gob.NewDecoder(r)}
}

// Peers connects to services.
type Peers struct {
	p   *host.Proc
	Dir string
}

// NewPeers returns the way to the services of a configuration.
func NewPeers(p *host.Proc, c *conf.Config) *Peers {
	return &Peers{p: p, Dir: c.Get("queue_directory")}
}

// Dial connects to a service by its socket ("private/local"), starting it when
// it is not there.
func (s *Peers) Dial(ctx context.Context, socket string) (*WireConn, error) {
	var last error
	for range 5 {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		conn, err := s.p.Sys.Dial(ctx, "unix", s.Dir+"/"+socket)
		if err == nil {
			w := NewWireConn(conn)
			if _, err = w.Reader.ReadByte(); err == nil {
				return w, nil
			}
			conn.Close()
		}
		last = err
		if err := s.start(ctx, socket); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("connect to %s: %w", socket, last)
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
	w, err := s.Dial(ctx, socket)
	if err != nil {
		return err
	}
	defer w.Close()
	if err := w.Enc.Encode(question); err != nil {
		return err
	}
	return w.Dec.Decode(answer)
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
	if err != nil {
		early.Fatal("%s", err)
		return nil, conf.ErrBad
	}
	d := &Daemon{Proc: p, Conf: c, Log: maillog.DaemonLog(p, c, tag), Queue: queue.Open(p, c), Name: a.Name, Peers: NewPeers(p, c)}
	return d, nil
}

// Serve runs a service: it listens on its socket and calls handle, on a thread
// of its own, for each connection. It returns the exit status when the service
// was told to leave or was idle.
func (d *Daemon) Serve(ctx context.Context, socket string, handle func(ctx context.Context, w *WireConn)) int {
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
	s := &server{d: d, ln: ln, path: path, conns: map[net.Conn]bool{}, last: p.Clock.Monotonic()}
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
		line.Close()
	})
	p.Go(func() { s.watchIdle(ctx, d.Conf.Time("max_idle")) })
	slots := clock.NewQueue[struct{}](p.Clock.Timeline(), 0)
	limit := d.Conf.Int("default_process_limit")
	for range limit {
		slots.TryPut(struct{}{})
	}
	p.Ready()
	for {
		if _, err := slots.Get(ctx); err != nil {
			break
		}
		conn, err := ln.Accept()
		if err != nil {
			break
		}
		s.begin(conn)
		p.Go(func() {
			defer slots.TryPut(struct{}{})
			defer s.end(conn)
			if _, err := conn.Write([]byte(hello)); err != nil {
				return
			}
			handle(ctx, NewWireConn(conn))
		})
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

// server is the state of serve.
type server struct {
	d    *Daemon
	ln   net.Listener
	path string

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]bool
	last   time.Duration // when the last connection ended
	waits  []*clock.Wait
}

func (s *server) begin(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = true
}

func (s *server) end(c net.Conn) {
	c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.last = s.d.Proc.Clock.Monotonic()
	if len(s.conns) == 0 {
		for _, w := range s.waits {
			w.Wake()
		}
		s.waits = nil
	}
}

// retire stops taking connections and takes the socket away.
func (s *server) retire() {
	s.mu.Lock()
	was := s.closed
	s.closed = true
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

// drain waits until all connections have ended.
func (s *server) drain(ctx context.Context) {
	s.mu.Lock()
	if len(s.conns) == 0 {
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
		busy := len(s.conns) > 0
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
