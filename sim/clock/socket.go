package clock

import (
	"context"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Socket is a descriptor on which goroutines of the lab block. Its Timeline
// waits for it (epoll(7)), so that a goroutine is handed its token together with
// the packet that wakes it.
type Socket struct {
	line *Timeline
	raw  syscall.RawConn
	fd   int
	id   uint32

	mu      sync.Mutex
	added   bool // the poller knows the descriptor
	blocked []block
	over    [2]error // why reading and writing end at once; nil when they do not
}

// block is one blocking call that is under way.
type block struct {
	events int16
	wait   *Wait
}

// Socket registers a non-blocking descriptor, which stays the caller's: it calls
// [Socket.Close] before it closes the descriptor.
func (l *Timeline) Socket(raw syscall.RawConn) (*Socket, error) {
	s := &Socket{line: l, raw: raw}
	if err := raw.Control(func(fd uintptr) { s.fd = int(fd) }); err != nil {
		return nil, err
	}
	if err := l.poller.open(l); err != nil {
		return nil, os.NewSyscallError("epoll", err)
	}
	return s, nil
}

// Block gives the caller's token back while it waits for events (POLLIN,
// POLLOUT) on the socket. try is called with a token held, at first and whenever
// the socket may have become ready, and reports whether the call was done. After
// Block the caller has its token, whatever happened. The error is that of
// Interrupt, or that the descriptor was closed.
func (s *Socket) Block(events int16, try func(fd uintptr) bool) error {
	for {
		if err := s.ended(events); err != nil {
			return err
		}
		done := false
		if err := s.raw.Control(func(fd uintptr) { done = try(fd) }); err != nil || done {
			return err
		}
		w := s.line.NewWait()
		s.mu.Lock()
		if s.reason(events) == nil {
			s.blocked = append(s.blocked, block{events, w})
			if err := s.arm(); err != nil {
				s.blocked = s.blocked[:len(s.blocked)-1]
				s.mu.Unlock()
				return err
			}
		} else {
			w.Wake()
		}
		s.mu.Unlock()
		if err := w.Sleep(context.Background()); err != nil {
			return err
		}
	}
}

// Interrupt ends the blocking calls for events, and those to come, with err; nil
// lets them wait again.
func (s *Socket) Interrupt(events int16, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over[0] == os.ErrClosed {
		return
	}
	if events&unix.POLLIN != 0 {
		s.over[0] = err
	}
	if events&unix.POLLOUT != 0 {
		s.over[1] = err
	}
	if err != nil {
		s.wake(events)
	}
}

// Close ends all blocking calls with os.ErrClosed and forgets the descriptor,
// which its owner closes next.
func (s *Socket) Close() {
	s.Interrupt(unix.POLLIN|unix.POLLOUT, os.ErrClosed)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.added {
		s.added = false
		s.line.poller.remove(s)
	}
}

func (s *Socket) ended(events int16) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reason(events)
}

// reason says why calls for events do not wait. The caller holds mu.
func (s *Socket) reason(events int16) error {
	if events&unix.POLLIN != 0 {
		return s.over[0]
	}
	return s.over[1]
}

// wake hands tokens to the calls that wait for one of events. The caller holds mu.
func (s *Socket) wake(events int16) {
	left := s.blocked[:0]
	for _, b := range s.blocked {
		if b.events&events == 0 {
			left = append(left, b)
			continue
		}
		b.wait.Wake()
	}
	s.blocked = left
}

// arm has the poller tell once when one of the calls can go on. The caller
// holds mu.
func (s *Socket) arm() error {
	var events int16
	for _, b := range s.blocked {
		events |= b.events
	}
	return s.line.poller.arm(s, events)
}

// poller is the Timeline's epoll(7) instance, made with the first socket. It
// lives as long as the process.
type poller struct {
	mu   sync.Mutex // guards what follows
	fd   int        // 0 before the first socket
	last uint32
	all  map[uint32]*Socket

	collecting sync.Mutex // events are taken and tokens handed out in one step
	events     [64]unix.EpollEvent
}

// open makes the instance and starts the goroutine that waits for it; the Go
// runtime's own poller waits for that one.
func (p *poller) open(l *Timeline) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fd != 0 {
		return nil
	}
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return err
	}
	file := os.NewFile(uintptr(fd), "sockets")
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return err
	}
	p.fd, p.all = fd, map[uint32]*Socket{}
	go func() {
		defer file.Close()
		raw.Read(func(uintptr) bool {
			for p.collect(l, 0) {
			}
			return false
		})
	}()
	return nil
}

func (p *poller) arm(s *Socket, events int16) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	op := unix.EPOLL_CTL_MOD
	if !s.added {
		op = unix.EPOLL_CTL_ADD
		p.last++
		s.id = p.last
		p.all[s.id] = s
	}
	e := unix.EpollEvent{Events: uint32(events) | unix.EPOLLONESHOT, Fd: int32(s.id)}
	err := unix.EpollCtl(p.fd, op, s.fd, &e)
	if err != nil {
		if !s.added {
			delete(p.all, s.id)
		}
		return os.NewSyscallError("epoll_ctl", err)
	}
	s.added = true
	return nil
}

// remove forgets a socket. Its open file may live on in other processes, and
// would have epoll(7) go on telling of it.
func (p *poller) remove(s *Socket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, s.id)
	unix.EpollCtl(p.fd, unix.EPOLL_CTL_DEL, s.fd, nil)
}

// collect wakes the goroutines whose sockets are ready, or become so within
// wait. It reports whether there were any.
func (p *poller) collect(l *Timeline, wait time.Duration) bool {
	p.collecting.Lock()
	defer p.collecting.Unlock()
	p.mu.Lock()
	fd := p.fd
	p.mu.Unlock()
	if fd == 0 {
		return false
	}
	n, err := unix.EpollWait(fd, p.events[:], int(wait/time.Millisecond))
	if err != nil {
		return err == unix.EINTR
	}
	for _, e := range p.events[:n] {
		p.mu.Lock()
		s := p.all[uint32(e.Fd)]
		p.mu.Unlock()
		if s != nil {
			s.ready(int16(e.Events))
		}
	}
	return n > 0
}

// ready acts on what the poller says of the socket.
func (s *Socket) ready(events int16) {
	if events&(unix.POLLERR|unix.POLLHUP) != 0 {
		events |= unix.POLLIN | unix.POLLOUT
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wake(events)
	if len(s.blocked) > 0 && s.added {
		s.arm() // others still wait for the other direction
	}
}
