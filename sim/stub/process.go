package stub

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"
	"weak"

	"golang.org/x/sys/unix"

	"enshu/sim/host"
	"enshu/sim/stub/guest"
)

// sys is host.Sys through one stub.
type sys struct {
	conn   *Conn
	server *Server
	proc   *host.Proc
	ucred  *unix.Ucred // the stub, as the lab process sees it

	mu      sync.Mutex
	sockets map[io.Closer]struct{}
	files   []weak.Pointer[os.File]
}

func (s *sys) track(c io.Closer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sockets[c] = struct{}{}
}

func (s *sys) forget(c io.Closer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sockets, c)
}

// keep remembers an open file for as long as the Program does.
func (s *sys) keep(f *os.File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.files); n > 0 && n == cap(s.files) {
		live := s.files[:0]
		for _, w := range s.files {
			if w.Value() != nil {
				live = append(live, w)
			}
		}
		s.files = live
	}
	s.files = append(s.files, weak.Make(f))
}

// closeAll closes what the process left open, as its end does.
func (s *sys) closeAll() {
	s.mu.Lock()
	sockets, files := s.sockets, s.files
	s.sockets, s.files = map[io.Closer]struct{}{}, nil
	s.mu.Unlock()
	for c := range sockets {
		c.Close()
	}
	for _, w := range files {
		if f := w.Value(); f != nil {
			f.Close()
		}
	}
}

func (s *sys) Kill(pid int, sig syscall.Signal) error {
	return s.conn.one(call{unix.SYS_KILL, 0, []any{pid, int(sig)}})
}

// Start makes the stub fork and execute. The child keeps the lab awake until it
// turns out to be a stub, whose Program then has tokens of its own, or ends;
// one that reads a terminal, such as a shell, does not.
func (s *sys) Start(c host.Cmd) (*host.Process, error) {
	var files []*os.File
	var opened []io.Closer // our copies of the child's ends
	var drain []func()     // after the child's end
	fail := func(err error) (*host.Process, error) {
		for _, o := range opened {
			o.Close()
		}
		return nil, &os.PathError{Op: "exec", Path: c.Path, Err: err}
	}
	interactive := false
	switch in := c.Stdin.(type) {
	case *streamConn:
		f, err := in.lend()
		if err != nil {
			return fail(err)
		}
		files, opened = append(files, f), append(opened, f)
	case nil:
		files = append(files, s.server.null)
	case *terminal:
		files, interactive = append(files, in.lent), true
	case *stream:
		files = append(files, in.lent)
	case *os.File:
		control(in, func(fd int) {
			_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
			interactive = err == nil
		})
		files = append(files, in)
	default:
		r, w, err := os.Pipe()
		if err != nil {
			return fail(err)
		}
		waits(r)
		files, opened = append(files, r), append(opened, r)
		go func() { io.Copy(w, in); w.Close() }()
	}
	var same io.Writer // stdout and stderr that are one writer share one pipe
	for _, output := range []io.Writer{c.Stdout, c.Stderr} {
		switch w := output.(type) {
		case *streamConn:
			f, err := w.lend()
			if err != nil {
				return fail(err)
			}
			files, opened = append(files, f), append(opened, f)
		case nil:
			files = append(files, s.server.null)
		case *terminal:
			files = append(files, w.lent)
		case *stream:
			files = append(files, w.lent)
		case *os.File:
			files = append(files, w)
		default:
			if same != nil && comparable(same, output) {
				files = append(files, files[len(files)-1])
				continue
			}
			r, pw, err := os.Pipe()
			if err != nil {
				return fail(err)
			}
			same = output
			waits(pw)
			files, opened = append(files, pw), append(opened, pw)
			copied := make(chan struct{})
			go func() { io.Copy(output, r); close(copied) }()
			drain = append(drain, func() { finish(r, copied) })
		}
	}
	var child *host.Process
	line := s.proc.Clock.Timeline()
	line.Hold()
	// The child may say hello, be ready and end before we know its number.
	s.server.starting.RLock()
	defer s.server.starting.RUnlock()
	defer s.conn.spawning()()
	m := guest.Message{Kind: guest.Spawn}
	m.In(c.Path)
	m.In(c.Dir)
	m.Ins(c.Args)
	m.Ins(c.Env)
	var flags int64
	if c.Session {
		flags |= guest.SpawnSession
		if interactive {
			flags |= guest.SpawnTerminal
		}
	}
	other := c.Cred != nil && (c.Cred.UID != s.proc.UID || c.Cred.GID != s.proc.GID)
	if s.server.SingleID && s.proc.PID == 1 {
		other = false // a unit's User= has no id here: it runs as root
	}
	if other {
		flags |= guest.SpawnCred
		if s.server.SingleID {
			flags |= guest.SpawnKeepGroups
		}
	}
	m.Int(flags)
	m.Int(int64(c.Umask))
	terms := s.terms(c.Terms)
	m.Int(int64(len(terms)))
	encode(&m, terms)
	if other {
		m.Int(int64(c.Cred.UID))
		m.Int(int64(c.Cred.GID))
		m.Int(int64(len(c.Cred.Groups)))
		for _, g := range c.Cred.Groups {
			m.Int(int64(g))
		}
	}
	pid, err := s.conn.spawn(&m, files)
	if err != nil {
		line.Release()
		return fail(err)
	}
	line.Spent(startTime)
	for _, o := range opened {
		o.Close()
	}
	child = host.NewProcess(line, pid, func(sig syscall.Signal) error { return s.Kill(pid, sig) })
	k := &kid{proc: child, drain: drain, awake: !interactive}
	if interactive {
		line.Release()
	}
	s.server.adopt(pid, k)
	s.conn.adopt(pid, func(st host.Status) { s.server.bury(pid, k, st) })
	return child, nil
}

// startTime is how long a process takes to start, on a lab's warped clock.
const startTime = 2 * time.Millisecond

// waits makes the end of a pipe that a child gets one that waits, as programs
// expect: with os.Pipe's own setting cat(1) fails where there is nothing to read yet.
func waits(f *os.File) {
	control(f, func(fd int) { _ = unix.SetNonblock(fd, false) }) // of a pipe it cannot fail
}

// spawn has the stub start a child and returns its number.
func (c *Conn) spawn(m *guest.Message, files []*os.File) (pid int, err error) {
	c.asking.Lock()
	defer c.asking.Unlock()
	a, err := c.ask(m, files, 1+2*8, 0)
	if err != nil {
		return 0, err
	}
	pid = int(a.NextInt())
	if errno := syscall.Errno(a.NextInt()); errno != 0 {
		return 0, errno
	}
	return pid, nil
}

// comparable reports whether two writers are the same one.
func comparable(a, b io.Writer) (same bool) {
	defer func() { recover() }() // writers of an incomparable type are different
	return a == b
}

// finish takes what is left in a pipe once its child has ended. Another process
// may still hold the other end open; it is not waited for.
func finish(r *os.File, copied chan struct{}) {
	empty := false
	for !empty {
		select {
		case <-copied:
			empty = true
		default:
			control(r, func(fd int) {
				fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
				n, err := unix.Poll(fds, 0)
				// Nothing to read and no hang-up: somebody else has it, and it is empty.
				empty = err == nil && n == 0
			})
		}
	}
	r.Close()
	<-copied
}

// kid is a child of a Program.
type kid struct {
	proc  *host.Process
	drain []func()
	awake bool // it keeps the lab awake
}

var errNoProgram = errors.New("not a program of this host")
