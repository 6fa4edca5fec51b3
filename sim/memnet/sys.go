package memnet

import (
	"context"
	"net"
	"os"
	"sync"
	"syscall"
	"weak"

	"golang.org/x/sys/unix"

	"enshu/sim/host"
)

// sys is the kernel as one process sees it.
type sys struct {
	h      *Host
	ctx    context.Context // ends when the process is killed
	cancel context.CancelFunc
	cred   host.Cred
	pid    int
	umask  uint32

	mu    sync.Mutex // guards files and gone
	files []weak.Pointer[os.File]
	gone  bool

	open map[socket]struct{} // what the process holds; the network's mu guards it
}

// socket is what a process holds of a socket.
type socket interface {
	// release closes it. The caller holds the network's mu.
	release()
}

var _ host.Sys = (*sys)(nil)

func (h *Host) newSys(ctx context.Context, cred host.Cred, pid int, umask uint32) *sys {
	return &sys{h: h, ctx: ctx, cred: cred, pid: pid, umask: umask, open: map[socket]struct{}{}}
}

// alive is the error of every call of a process that has ended.
func (s *sys) alive() syscall.Errno {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return syscall.EINTR
	}
	return 0
}

// enter is alive for the calls that work on files, which the test may watch.
func (s *sys) enter() syscall.Errno {
	if f := s.h.onCall.Load(); f != nil {
		(*f)(s.pid)
	}
	return s.alive()
}

// keep notes an open file, without keeping the garbage collector from closing it.
func (s *sys) keep(f *os.File) (*os.File, syscall.Errno) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		f.Close()
		return nil, syscall.EINTR
	}
	if len(s.files) == cap(s.files) {
		live := s.files[:0]
		for _, w := range s.files {
			if w.Value() != nil {
				live = append(live, w)
			}
		}
		s.files = live
	}
	s.files = append(s.files, weak.Make(f))
	return f, 0
}

// hold notes an open socket. The caller holds the network's mu.
func (s *sys) hold(c socket) { s.open[c] = struct{}{} }

// close closes everything that the process has open, for good.
func (s *sys) close() {
	s.mu.Lock()
	s.gone = true
	files := s.files
	s.files = nil
	s.mu.Unlock()
	if s.cancel != nil {
		s.cancel()
	}
	for _, w := range files {
		if f := w.Value(); f != nil {
			f.Close()
		}
	}
	n := s.h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range s.open {
		c.release()
	}
}

// either returns a context that ends with ctx or with the process.
func (s *sys) either(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.ctx, func() { cancel(context.Cause(s.ctx)) })
	return ctx, func() { stop(); cancel(nil) }
}

// inherit returns the descriptor of a stream that a child gets, as fork(2) does.
func (s *sys) inherit(stream any) any {
	switch v := stream.(type) {
	case *os.File:
		fd, err := dupFile(v)
		if err != nil {
			return v
		}
		if f, errno := s.keep(os.NewFile(uintptr(fd), v.Name())); errno == 0 {
			return f
		}
	case *streamConn:
		return v.dup(s)
	case *udpConn:
		return v.dup(s)
	case *gramConn:
		return v.dup(s)
	}
	return stream
}

func dupFile(f *os.File) (fd int, err error) {
	c, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	cerr := c.Control(func(from uintptr) {
		fd, err = dupCloexec(int(from))
	})
	if cerr != nil {
		return 0, cerr
	}
	return fd, err
}

// opError is the error that package net would return.
func opError(op, network string, local, remote net.Addr, err error) error {
	if errno, ok := err.(syscall.Errno); ok {
		call := op
		switch op {
		case "dial":
			call = "connect"
		case "listen":
			call = "bind"
		}
		err = os.NewSyscallError(call, errno)
	}
	return &net.OpError{Op: op, Net: network, Source: local, Addr: remote, Err: err}
}

func (s *sys) Listen(network, addr string) (net.Listener, error) {
	var l *listener
	var err error
	switch network {
	case "tcp4", "tcp6":
		l, err = s.listenTCP(network, addr)
	case "unix":
		l, err = s.listenUnix(addr)
	default:
		err = net.UnknownNetworkError(network)
	}
	if err != nil {
		return nil, opError("listen", network, nil, parsedAddr(network, addr), err)
	}
	return l, nil
}

func (s *sys) ListenPacket(network, addr string) (net.PacketConn, error) {
	var c net.PacketConn
	var err error
	switch network {
	case "udp4", "udp6":
		c, err = s.listenUDP(network, addr)
	case "unixgram":
		c, err = s.listenGram(addr)
	default:
		err = net.UnknownNetworkError(network)
	}
	if err != nil {
		return nil, opError("listen", network, nil, parsedAddr(network, addr), err)
	}
	return c, nil
}

func (s *sys) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var c net.Conn
	var err error
	switch network {
	case "tcp4", "tcp6":
		c, err = s.dialTCP(ctx, network, addr)
	case "udp4", "udp6":
		c, err = s.dialUDP(network, addr)
	case "unix":
		c, err = s.dialUnix(ctx, addr)
	case "unixgram":
		c, err = s.dialGram(addr)
	default:
		err = net.UnknownNetworkError(network)
	}
	if err != nil {
		return nil, opError("dial", network, nil, parsedAddr(network, addr), err)
	}
	return c, nil
}

func dupCloexec(fd int) (int, error) { return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0) }
