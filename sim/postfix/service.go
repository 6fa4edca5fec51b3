package postfix

import (
	"bufio"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/libc"
)

// The services meet in sockets below the queue directory, as the real ones do.
// A service that is needed and not there is started by master, which is asked
// through public/master; it leaves when it has been idle for max_idle.
//
// A service says hello when it has taken a connection. A client that was not
// greeted has not been heard and may try again.

const hello = "\n"

// masterSocket is where master(8) is asked to start a service.
const masterSocket = "public/master"

var errDown = errors.New("mail system is down")

// daemon is what every Postfix daemon process has.
type daemon struct {
	p    *host.Proc
	c    *Config
	log  *logger
	q    *queue
	name string // of the service in master.cf
	peer *peers
}

// wireConn is a connection that carries gob values.
type wireConn struct {
	net.Conn
	r   *bufio.Reader
	enc *gob.Encoder
	dec *gob.Decoder
}

func newWireConn(c net.Conn) *wireConn {
	r := bufio.NewReader(c)
	return &wireConn{c, r, gob.NewEncoder(c), gob.NewDecoder(r)}
}

// peers connects to services.
type peers struct {
	p   *host.Proc
	dir string
}

func newPeers(p *host.Proc, c *Config) *peers {
	return &peers{p: p, dir: c.get("queue_directory")}
}

// dial connects to a service by its socket ("private/local"), starting it when
// it is not there.
func (s *peers) dial(ctx context.Context, socket string) (*wireConn, error) {
	var last error
	for range 5 {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		conn, err := s.p.Sys.Dial(ctx, "unix", s.dir+"/"+socket)
		if err == nil {
			w := newWireConn(conn)
			if _, err = w.r.ReadByte(); err == nil {
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
func (s *peers) start(ctx context.Context, socket string) error {
	conn, err := s.p.Sys.Dial(ctx, "unix", s.dir+"/"+masterSocket)
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

// ask sends one question and reads one answer.
func (s *peers) ask(ctx context.Context, socket string, question, answer any) error {
	w, err := s.dial(ctx, socket)
	if err != nil {
		return err
	}
	defer w.Close()
	if err := w.enc.Encode(question); err != nil {
		return err
	}
	return w.dec.Decode(answer)
}

// serviceArgs are the arguments that master gives a service.
type serviceArgs struct {
	name, socket string
	overrides    []string
}

// parseServiceArgs reads "-n NAME -s SOCKET -o name=value …".
func parseServiceArgs(args []string) serviceArgs {
	var a serviceArgs
	options, _, _ := libc.Getopt(args, "+n:s:o:t:u", nil)
	for _, o := range options {
		switch o.Name {
		case "n":
			a.name = o.Value
		case "s":
			a.socket = o.Value
		case "o":
			a.overrides = append(a.overrides, o.Value)
		}
	}
	return a
}

// newDaemon reads the configuration for a daemon. tag is its name in the log.
func newDaemon(ctx context.Context, p *host.Proc, tag string, a serviceArgs, params ...string) (*daemon, error) {
	for i, o := range a.overrides {
		a.overrides[i] = strings.ReplaceAll(o, "$service_name", a.name)
	}
	early := &logger{p: p, tag: "postfix/" + tag}
	c, err := loadConfig(ctx, p, a.overrides)
	if err == nil {
		err = c.check(append(append([]string(nil), globalParameters...), params...)...)
	}
	if err != nil {
		early.fatal("%s", err)
		return nil, errBadConfig
	}
	d := &daemon{p: p, c: c, log: daemonLog(p, c, tag), q: openQueue(p, c), name: a.name, peer: newPeers(p, c)}
	return d, nil
}

// serve runs a service: it listens on its socket and calls handle, on a thread
// of its own, for each connection. It returns the exit status when the service
// was told to leave or was idle.
func (d *daemon) serve(ctx context.Context, socket string, handle func(ctx context.Context, w *wireConn)) int {
	p := d.p
	path := d.c.get("queue_directory") + "/" + socket
	// Hold the line to master: when it breaks, master is gone, and so are we.
	line, err := p.Sys.Dial(ctx, "unix", d.c.get("queue_directory")+"/"+masterSocket)
	if err != nil {
		return 1
	}
	defer line.Close()
	fmt.Fprintf(line, "hold\n")
	ln, err := p.Sys.Listen("unix", path)
	if err != nil {
		d.log.fatal("listen on %s: %s", socket, libc.Strerror(err))
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
		waitDone(ctx, p)
		s.retire()
		s.closeAll()
		line.Close()
	})
	p.Go(func() { s.watchIdle(ctx, d.c.time("max_idle")) })
	slots := clock.NewQueue[struct{}](p.Clock.Timeline(), 0)
	limit := d.c.int("default_process_limit")
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
			handle(ctx, newWireConn(conn))
		})
	}
	s.retire()
	s.drain(ctx)
	return 0
}

// waitDone blocks until ctx ends.
func waitDone(ctx context.Context, p *host.Proc) {
	w := p.Clock.Timeline().NewWait()
	w.Sleep(ctx)
}

// server is the state of serve.
type server struct {
	d    *daemon
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
	s.last = s.d.p.Clock.Monotonic()
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
	s.d.p.Sys.Remove(s.path)
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
	w := s.d.p.Clock.Timeline().NewWait()
	s.waits = append(s.waits, w)
	s.mu.Unlock()
	w.Sleep(ctx)
}

// watchIdle retires the service when it had nothing to do for limit.
func (s *server) watchIdle(ctx context.Context, limit time.Duration) {
	wait := limit
	for s.d.p.Sleep(ctx, wait) == nil {
		s.mu.Lock()
		idle := s.d.p.Clock.Monotonic() - s.last
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

// lockFile takes an exclusive lock without waiting.
func lockFile(f *os.File) error { return flockFile(f, syscall.LOCK_EX|syscall.LOCK_NB) }

func flockFile(f *os.File, how int) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var ferr error
	if err := raw.Control(func(fd uintptr) { ferr = syscall.Flock(int(fd), how) }); err != nil {
		return err
	}
	return ferr
}
