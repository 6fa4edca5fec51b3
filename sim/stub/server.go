package stub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"enshu/sim/host"
	"enshu/sim/stub/guest"
	"enshu/sim/trace"
)

// ProgramsDir holds executables of Programs whose own places, below it, may be
// links to them: what runs there is the Program of that place.
const ProgramsDir = "/usr/libexec/enshu"

// Server runs the Programs of one host behind its stubs.
type Server struct {
	Host     *host.Host
	Log      *slog.Logger
	SingleID bool // only one user id is mapped: setgroups is refused

	null   *os.File
	stamps *os.File // see wantStamps

	// starting is held for reading while a child is being started: what it does
	// meanwhile waits until its parent knows it.
	starting sync.RWMutex

	mu    sync.Mutex
	kids  map[int]*kid // by pid in the host
	pids  map[int]int  // pid in the lab's namespace to pid in the host, of live stubs
	procs map[int]*host.Proc
	gone  [256]struct{ lab, host int } // pids of the last stubs that ended, for what they had sent
	ended int                          // how many did
}

// NewServer returns a server for a host. SingleID may be set before it is used.
func NewServer(h *host.Host, log *slog.Logger) (*Server, error) {
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	stamps, err := wantStamps()
	if err != nil {
		null.Close()
		return nil, err
	}
	return &Server{Host: h, Log: log, null: null, stamps: stamps, kids: map[int]*kid{}, pids: map[int]int{}, procs: map[int]*host.Proc{}}, nil
}

// Serve answers stubs that connect to l until it is closed or ctx ends.
func (s *Server) Serve(ctx context.Context, l *net.UnixListener) error {
	l.SetUnlinkOnClose(false)
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("stub: %s: %w", s.Host.Name, err)
		}
		go s.welcome(ctx, c)
	}
}

// welcome reads a stub's hello and runs its Program.
func (s *Server) welcome(ctx context.Context, sock *net.UnixConn) {
	line := s.Host.Clock.Timeline()
	line.Hold()
	defer line.Release()
	m, fds, cred, early, err := receiveHello(sock)
	if err != nil || len(fds) != 4 {
		closeAll(fds)
		sock.Close()
		return
	}
	files := make([]*os.File, 3)
	for i := range files {
		files[i] = os.NewFile(uintptr(fds[i]), "stdio")
	}
	unix.SetNonblock(fds[3], false) // whatever the stub has made of it
	conn, err := NewConn(line, sock, os.NewFile(uintptr(fds[3]), "stub"))
	if err != nil {
		sock.Close()
		return
	}
	defer conn.Close()
	p := &host.Proc{Host: s.Host, Clock: s.Host.Clock, UID: int(cred.Uid), GID: int(cred.Gid)}
	p.PID, p.PPID, p.RUID = int(m.NextInt()), int(m.NextInt()), int(m.NextInt())
	p.Umask = int(m.NextInt())
	p.Path, p.Dir = strings.TrimPrefix(strings.TrimSuffix(m.NextStr(), " (deleted)"), ProgramsDir), m.NextStr()
	p.Args, p.Env = m.NextStrs(), m.NextStrs()
	if st, ok := statusOf(int(cred.Pid)); ok {
		p.PID, p.Groups = st.pid, st.groups // what the kernel says counts
	}
	if len(p.Args) == 0 {
		p.Args = []string{p.Path}
	}
	for _, sig := range early {
		p.Deliver(sig)
	}
	go conn.Serve()
	s.run(ctx, p, conn, cred, files, s.Host.Programs[p.Path], func() { s.ready(p.PID) })
}

// receiveHello reads the first message of a connection, and the signals that
// were quicker.
func receiveHello(sock *net.UnixConn) (m guest.Message, fds []int, cred *unix.Ucred, early []syscall.Signal, err error) {
	raw, err := sock.SyscallConn()
	if err != nil {
		return m, nil, nil, nil, err
	}
	var cerr error
	raw.Control(func(fd uintptr) { cred, cerr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if cerr != nil {
		return m, nil, nil, nil, cerr
	}
	for {
		if m, fds, err = receive(raw); err != nil || m.Kind != guest.Signal || len(early) > 64 {
			break
		}
		closeAll(fds)
		early = append(early, syscall.Signal(m.NextInt()))
	}
	if err == nil && m.Kind != guest.Hello {
		closeAll(fds)
		err = fmt.Errorf("stub: first message is %q", m.Kind)
	}
	return m, fds, cred, early, err
}

// receive reads a message of any length. Most are short; of arguments there
// may be much.
func receive(raw syscall.RawConn) (m guest.Message, fds []int, err error) {
	var buf []byte
	oob := make([]byte, unix.CmsgSpace(4*guest.MaxFiles))
	var n, oobn int
	rerr := raw.Read(func(fd uintptr) bool {
		if n, _, err = unix.Recvfrom(int(fd), nil, unix.MSG_PEEK|unix.MSG_TRUNC|unix.MSG_DONTWAIT); err == nil {
			buf = make([]byte, min(n, guest.MaxMessage))
			n, oobn, _, _, err = unix.Recvmsg(int(fd), buf, oob, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
		}
		return err != unix.EAGAIN && err != unix.EINTR
	})
	if err = errors.Join(err, rerr); err != nil {
		return m, nil, err
	}
	return guest.Parse(buf[:n]), received(oob[:oobn]), nil
}

// Init runs prog as PID 1 of the host. conn is the host's first stub, labPID
// its number for the lab; onReady is called when the host has booted. Init
// returns when the Program and the stub have ended.
func (s *Server) Init(ctx context.Context, conn *Conn, labPID int, p *host.Proc, prog host.Program, onReady func()) host.Status {
	line := s.Host.Clock.Timeline()
	line.Hold()
	defer line.Release()
	defer conn.Close()
	p.Host, p.Clock, p.PID = s.Host, s.Host.Clock, 1
	files := make([]*os.File, 3)
	for i := range files {
		f, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
		if err != nil {
			return host.Status{Code: 1}
		}
		files[i] = f
	}
	return s.run(ctx, p, conn, &unix.Ucred{Pid: int32(labPID)}, files, prog, onReady)
}

// run runs a Program behind its stub.
func (s *Server) run(ctx context.Context, p *host.Proc, conn *Conn, cred *unix.Ucred, files []*os.File, prog host.Program, onReady func()) host.Status {
	line := s.Host.Clock.Timeline()
	stops := &gate{line: line}
	conn.listen(func(sig syscall.Signal) { stops.deliver(sig); p.Deliver(sig) }, func() { p.Deliver(syscall.SIGKILL) })
	y := &sys{conn: conn, server: s, proc: p, ucred: cred, sockets: map[io.Closer]struct{}{}}
	p.Sys = y
	var streams []*stream
	for i, f := range files {
		flag := os.O_WRONLY
		if i == 0 {
			flag = os.O_RDONLY
			if c := y.inherited(f); c != nil {
				p.Stdin = c
				continue
			}
		}
		v := newStream(line, f, flag, stops, func() { p.Deliver(syscall.SIGPIPE) })
		switch w := v.(type) {
		case *terminal:
			streams = append(streams, w.stream)
		case *stream:
			streams = append(streams, w)
		}
		switch i {
		case 0:
			p.Stdin = v.(io.Reader)
		case 1:
			p.Stdout = v.(io.Writer)
		case 2:
			p.Stderr = v.(io.Writer)
		}
	}
	s.hello(p, int(cred.Pid))
	command := strings.Join(p.Args, " ")
	byHand := p.PPID > 1
	if byHand {
		p.Emit(trace.CommandRun, trace.Attrs{"command": command, "user": strconv.Itoa(p.UID), "dir": p.Dir})
	}
	if prog == nil {
		prog = func(_ context.Context, p *host.Proc) int {
			fmt.Fprintf(p.Stderr, "%s: %v\n", p.Args[0], errNoProgram)
			return 127
		}
	}
	line.Release() // the Program has a token of its own while it runs
	st := p.Run(ctx, func(ctx context.Context, p *host.Proc) int {
		// A read of a terminal or pipe ends with the process, not with the next key.
		stop := context.AfterFunc(ctx, func() {
			stops.end()
			for _, f := range streams {
				f.interrupt()
			}
			if context.Cause(ctx) == (host.Signalled{Signal: syscall.SIGKILL}) {
				y.closeAll() // it gets no chance to do so itself
			}
		})
		defer stop()
		// Its threads wait in what it had opened, and for input.
		defer streams[0].interrupt()
		defer y.closeAll()
		return prog(ctx, p)
	}, onReady)
	line.Hold()
	if err := p.Crash(); err != nil {
		s.Log.Error("program crashed", "host", s.Host.Name, "program", p.Name(), "error", err)
	}
	if byHand {
		p.Emit(trace.CommandDone, trace.Attrs{"command": command, "status": st.String()})
	}
	for _, f := range streams {
		f.close()
	}
	conn.exit(st)
	<-conn.ended
	s.goodbye(p, int(cred.Pid))
	return st
}

// hello notes a stub that has connected.
func (s *Server) hello(p *host.Proc, labPID int) {
	s.starting.Lock() // a parent that is just starting it has registered it after this
	defer s.starting.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pids[labPID] = p.PID
	s.procs[p.PID] = p
	if k := s.kids[p.PID]; k != nil {
		s.settle(k)
	}
}

func (s *Server) goodbye(p *host.Proc, labPID int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pids, labPID)
	delete(s.procs, p.PID)
	s.gone[s.ended%len(s.gone)] = struct{ lab, host int }{labPID, p.PID}
	s.ended++
}

// settle lets a child stop keeping the lab awake. The caller holds mu.
func (s *Server) settle(k *kid) {
	if k.awake {
		k.awake = false
		s.Host.Clock.Timeline().Release()
	}
}

func (s *Server) adopt(pid int, k *kid) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kids[pid] = k
}

// ready notes that a child's Program said that it is ready.
func (s *Server) ready(pid int) {
	s.mu.Lock()
	k := s.kids[pid]
	s.mu.Unlock()
	if k != nil {
		k.proc.MarkReady()
	}
}

// bury notes that a child has ended, once its output has been taken.
func (s *Server) bury(pid int, k *kid, st host.Status) {
	line := s.Host.Clock.Timeline()
	line.Hold()
	go func() {
		defer line.Release()
		for _, f := range k.drain {
			f()
		}
		k.proc.Exited(st)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.settle(k)
		if s.kids[pid] == k {
			delete(s.kids, pid)
		}
	}()
}

// spawning keeps the ends of children that nobody is known to wait for until
// the function that it returns is called.
func (c *Conn) spawning() (done func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spawns++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.spawns--; c.spawns == 0 {
			clear(c.early) // those were of orphans
		}
	}
}

// adopt tells c whom to tell of the end of a child, which may have been already.
func (c *Conn) adopt(pid int, ended func(host.Status)) {
	c.mu.Lock()
	st, over := c.early[pid]
	delete(c.early, pid)
	if !over && c.gone {
		st, over = host.Status{Signal: syscall.SIGKILL}, true
	}
	if !over {
		c.kids[pid] = ended
	}
	c.mu.Unlock()
	if over {
		ended(st)
	}
}

// cred translates a sender's credentials from the lab's namespaces to the host's.
// A command such as logger has often ended by the time that its datagram is read.
func (s *Server) cred(u *unix.Ucred) host.SenderCred {
	s.mu.Lock()
	pid, ok := s.pids[int(u.Pid)]
	s.mu.Unlock()
	if !ok {
		var st processStatus
		if st, ok = statusOf(int(u.Pid)); ok {
			pid = st.pid
		}
	}
	if !ok {
		pid = s.former(int(u.Pid)) // 0 for another's process that is gone
	}
	return host.SenderCred{PID: pid, UID: int(u.Uid), GID: int(u.Gid)}
}

// former returns the pid in the host that a stub had.
func (s *Server) former(labPID int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range min(s.ended, len(s.gone)) {
		if g := s.gone[(s.ended-1-i)%len(s.gone)]; g.lab == labPID {
			return g.host
		}
	}
	return 0
}

// processStatus is what the kernel says of a process (proc_pid_status(5)).
type processStatus struct {
	pid    int // in its innermost namespace (NSpid)
	groups []int
}

// statusOf reads the status of a process of the lab.
func statusOf(labPID int) (st processStatus, ok bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(labPID) + "/status")
	if err != nil {
		return st, false
	}
	for line := range strings.Lines(string(b)) {
		if rest, found := strings.CutPrefix(line, "Groups:"); found {
			for _, f := range strings.Fields(rest) {
				if n, err := strconv.Atoi(f); err == nil {
					st.groups = append(st.groups, n)
				}
			}
		}
		if rest, found := strings.CutPrefix(line, "NSpid:"); found {
			all := strings.Fields(rest)
			if len(all) > 0 {
				st.pid, err = strconv.Atoi(all[len(all)-1])
				ok = err == nil
			}
			break // it comes after the groups
		}
	}
	return st, ok
}
