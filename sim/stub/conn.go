// Package stub is host.Sys over stubs: small real processes in a host's
// namespaces that lend a Program their process id, rights, files and sockets.
// The stub's own half is sim/stub/guest.
//
// A stub's bytes are not trusted: a learner who is root in a host can speak
// the protocol too, and may then only fool their own process.
package stub

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/stub/guest"
)

// errGone is returned by calls through a stub that has ended.
var errGone = &os.SyscallError{Syscall: "stub", Err: syscall.ESRCH}

// Conn is the lab's end of the connections with one stub: one on which the lab
// asks, one on which the stub says what happens to it.
type Conn struct {
	line   *clock.Timeline
	events *net.UnixConn
	asks   *os.File
	raw    syscall.RawConn // of asks

	ended chan struct{} // closed once the stub is gone

	asking  sync.Mutex    // one request at a time; guards what follows
	request guest.Message // room for it
	reply   []byte        // and for what comes back

	mu     sync.Mutex // guards what follows
	signal func(syscall.Signal)
	onGone func()
	gone   bool
	kids   map[int]func(host.Status) // what to call at the end of a child
	spawns int                       // children that are being started
	early  map[int]host.Status       // ends of children meanwhile, whose Process may not be known yet
}

// NewConn returns the lab's end of the connections with a stub; asks blocks.
// Serving it reads what the stub says.
func NewConn(line *clock.Timeline, events *net.UnixConn, asks *os.File) (*Conn, error) {
	raw, err := asks.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &Conn{line: line, events: events, asks: asks, raw: raw, ended: make(chan struct{}),
		kids: map[int]func(host.Status){}, early: map[int]host.Status{}}, nil
}

// Close lets go of the stub, which then ends.
func (c *Conn) Close() {
	c.hangUp()
	c.events.Close()
	c.asks.Close()
}

// hangUp ends a request that is under way.
func (c *Conn) hangUp() {
	c.raw.Control(func(fd uintptr) { unix.Shutdown(int(fd), unix.SHUT_RDWR) })
}

// listen says whom to tell of signals and of the stub's end.
func (c *Conn) listen(signal func(syscall.Signal), gone func()) {
	c.mu.Lock()
	c.signal, c.onGone = signal, gone
	over := c.gone
	c.mu.Unlock()
	if over {
		gone()
	}
}

// Serve reads what the stub says until it is gone.
func (c *Conn) Serve() {
	c.line.Hold()
	defer c.line.Release()
	defer close(c.ended)
	raw, err := c.events.SyscallConn()
	var sock *clock.Socket
	if err == nil {
		sock, err = c.line.Socket(raw)
	}
	if err == nil {
		defer sock.Close()
		var buf [64]byte
		for {
			var n int
			var rerr error
			err := sock.Block(unix.POLLIN, func(fd uintptr) bool {
				n, _, rerr = unix.Recvfrom(int(fd), buf[:], unix.MSG_DONTWAIT)
				return rerr != unix.EAGAIN && rerr != unix.EINTR
			})
			if err != nil || rerr != nil || n == 0 {
				break
			}
			m := guest.Parse(buf[:n])
			c.handle(&m)
		}
	}
	c.hangUp()
	c.mu.Lock()
	c.gone = true
	kids, onGone := c.kids, c.onGone
	c.kids = map[int]func(host.Status){}
	c.mu.Unlock()
	for _, ended := range kids {
		ended(host.Status{Signal: syscall.SIGKILL}) // nobody is left to reap it
	}
	if onGone != nil {
		onGone()
	}
}

// handle acts on what the stub says.
func (c *Conn) handle(m *guest.Message) {
	if m.Kind != guest.Signal {
		return
	}
	sig := syscall.Signal(m.NextInt())
	if sig == syscall.SIGCHLD {
		c.reap()
		return
	}
	c.mu.Lock()
	signal := c.signal
	c.mu.Unlock()
	if signal != nil && sig > 0 && sig < 65 {
		signal(sig)
	}
}

// reap collects the stub's children that have ended.
func (c *Conn) reap() {
	wait := call{unix.SYS_WAIT4, guest.MayFail | guest.OutOf(1), []any{-1, out(unsafe.Sizeof(unix.WaitStatus(0))), unix.WNOHANG, 0}}
	for {
		r, fds, err := c.do(wait, wait)
		closeAll(fds)
		if err != nil {
			return
		}
		for _, r := range r {
			if r.errno != 0 || r.value <= 0 || len(r.out) != 4 {
				return
			}
			ws := syscall.WaitStatus(binary.NativeEndian.Uint32([]byte(r.out)))
			st := host.Status{Code: ws.ExitStatus()}
			if ws.Signaled() {
				st = host.Status{Signal: ws.Signal()}
			}
			c.buried(int(r.value), st)
		}
	}
}

// buried tells whom it concerns of the end of a child.
func (c *Conn) buried(pid int, st host.Status) {
	c.mu.Lock()
	ended, signal := c.kids[pid], c.signal
	delete(c.kids, pid)
	if ended == nil && c.spawns > 0 {
		c.early[pid] = st
	}
	c.mu.Unlock()
	if ended != nil {
		ended(st)
	}
	if signal != nil {
		signal(syscall.SIGCHLD) // an orphan that PID 1 inherited has nobody else to tell of it
	}
}

// answer is one reply with the descriptors that came along. Its bytes are the
// connection's, until the next request.
type answer struct {
	guest.Message
	fds []int
}

// mostKept is how many bytes of room for a reply a connection keeps.
const mostKept = 16 << 10

// ask sends a request, and returns the stub's reply of at most size bytes and
// most descriptors. It waits in recvmsg(2): the stub's sendmsg(2) wakes this
// thread and no other. The caller holds asking.
func (c *Conn) ask(m *guest.Message, files []*os.File, size, most int) (answer, error) {
	if len(m.Bytes()) > guest.MaxMessage || size > guest.MaxMessage {
		return answer{}, &os.SyscallError{Syscall: "stub", Err: syscall.E2BIG}
	}
	if err := c.send(m, files); err != nil {
		return answer{}, err
	}
	if cap(c.reply) < size {
		c.reply = make([]byte, size)
	}
	buf := c.reply[:size]
	if cap(c.reply) > mostKept {
		c.reply = nil
	}
	var oob []byte
	if most > 0 {
		oob = make([]byte, unix.CmsgSpace(4*most))
	}
	var n, oobn int
	var err error
	cerr := c.raw.Control(func(fd uintptr) {
		for err = unix.EINTR; err == unix.EINTR; {
			n, oobn, err = recvmsg(int(fd), buf, oob)
		}
	})
	if cerr != nil || err != nil || n == 0 {
		return answer{}, errGone
	}
	a := answer{guest.Parse(buf[:n]), received(oob[:oobn])}
	if a.Kind != guest.Reply {
		closeAll(a.fds)
		return answer{}, errGone
	}
	return a, nil
}

// recvmsg is recvmsg(2). That of package unix allocates an address.
func recvmsg(fd int, buf, oob []byte) (n, oobn int, err error) {
	if len(oob) > 0 {
		n, oobn, _, _, err = unix.Recvmsg(fd, buf, oob, unix.MSG_CMSG_CLOEXEC)
		return n, oobn, err
	}
	n, err = unix.Read(fd, buf) // what it does not ask for the kernel closes
	return n, 0, err
}

// send sends a request with descriptors.
func (c *Conn) send(m *guest.Message, files []*os.File) error {
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			raw, err := f.SyscallConn()
			if err != nil {
				return err
			}
			// Fd() would make the descriptor blocking; the file outlives the call.
			if err := raw.Control(func(fd uintptr) { fds[i] = int(fd) }); err != nil {
				return err
			}
		}
		rights = unix.UnixRights(fds...)
	}
	var err error
	cerr := c.raw.Control(func(fd uintptr) {
		for err = unix.EINTR; err == unix.EINTR; {
			err = unix.Sendmsg(int(fd), m.Bytes(), rights, nil, unix.MSG_NOSIGNAL)
		}
	})
	runtime.KeepAlive(files)
	if cerr != nil || err != nil {
		return errGone
	}
	return nil
}

// exit tells the stub to end as its Program did.
func (c *Conn) exit(st host.Status) {
	m := &guest.Message{Kind: guest.Exit}
	m.Int(int64(st.Code))
	m.Int(int64(st.Signal))
	c.send(m, nil)
}

// received returns the descriptors that came with a message.
func received(oob []byte) []int {
	if len(oob) == 0 {
		return nil
	}
	scms, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	var all []int
	for i := range scms {
		if fds, err := unix.ParseUnixRights(&scms[i]); err == nil {
			all = append(all, fds...)
		}
	}
	return all
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

// call is one system call of a batch.
type call struct {
	nr    uintptr
	flags int64
	args  []any // int-like, string, out(size), result(index)
}

type (
	out    int // a buffer for the kernel to fill
	result int // the descriptor that the call of that index made
	passed int // the descriptor of that index that is sent along
)

// ret is what one call gave.
type ret struct {
	value int64
	errno syscall.Errno
	out   string
}

// do performs calls in order; it stops after the first that failed and was not
// allowed to, whose errno is the error.
func (c *Conn) do(calls ...call) ([]ret, []int, error) { return c.doWith(nil, calls...) }

// doWith is do with descriptors that the calls use.
func (c *Conn) doWith(files []*os.File, calls ...call) ([]ret, []int, error) {
	c.asking.Lock()
	defer c.asking.Unlock()
	m, size, most := &c.request, 1, 0
	m.Reset(guest.Calls)
	encode(m, calls)
	for _, k := range calls {
		size += 3 * 8
		if k.flags&guest.PassFile != 0 {
			most++
		}
		for i, v := range k.args {
			if v, ok := v.(out); ok && k.flags&guest.OutOf(i) != 0 {
				size += int(v)
			}
		}
	}
	a, err := c.ask(m, files, size, most)
	if err != nil {
		return nil, nil, err
	}
	rets := make([]ret, 0, len(calls))
	for i := range calls {
		if !a.More() {
			break
		}
		r := ret{a.NextInt(), syscall.Errno(a.NextInt()), a.NextStr()}
		rets = append(rets, r)
		if r.errno != 0 && calls[i].flags&guest.MayFail == 0 {
			return rets, a.fds, r.errno
		}
	}
	if len(rets) < len(calls) {
		closeAll(a.fds)
		return rets, nil, errors.New("stub: short reply")
	}
	return rets, a.fds, nil
}

// encode appends calls to a message.
func encode(m *guest.Message, calls []call) {
	for _, k := range calls {
		m.Int(int64(k.nr))
		m.Int(k.flags)
		m.Int(int64(len(k.args)))
		for _, v := range k.args {
			switch v := v.(type) {
			case int:
				m.Int(guest.ArgInt)
				m.Int(int64(v))
			case string:
				m.Int(guest.ArgIn)
				m.In(v)
			case out:
				m.Int(guest.ArgOut)
				m.Int(int64(v))
			case passed:
				m.Int(guest.ArgPassed)
				m.Int(int64(v))
			case result:
				m.Int(guest.ArgResult)
				m.Int(int64(v))
			default:
				panic(fmt.Sprintf("stub: argument of type %T", v))
			}
		}
	}
}

// one performs calls of which nothing but success matters.
func (c *Conn) one(calls ...call) error {
	_, files, err := c.do(calls...)
	closeAll(files)
	return err
}
