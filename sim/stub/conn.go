// Package stub is host.Sys over stubs: small real processes in a host's
// namespaces that lend a Program their process id, rights, files and sockets.
// The stub's own half is sim/stub/guest.
//
// A stub's bytes are not trusted: a learner who is root in a host can speak
// the protocol too, and may then only fool their own process.
package stub

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/stub/guest"
)

// errGone is returned by calls through a stub that has ended.
var errGone = &os.SyscallError{Syscall: "stub", Err: syscall.ESRCH}

// Conn is the lab's end of the connection to one stub.
type Conn struct {
	line *clock.Timeline
	sock *net.UnixConn

	ended chan struct{} // closed once the stub is gone

	asking sync.Mutex // one request at a time
	mu     sync.Mutex // guards what follows
	signal func(syscall.Signal)
	onGone func()
	id     int64
	answer chan answer
	gone   bool
	kids   map[int]func(host.Status) // what to call at the end of a child
	spawns int                       // children that are being started
	early  map[int]host.Status       // ends of children meanwhile, whose Process may not be known yet
}

// answer is one reply with the descriptors that came along.
type answer struct {
	m     *guest.Message
	files []*os.File
}

// NewConn returns the lab's end of a connection; serving it reads what the
// stub says.
func NewConn(line *clock.Timeline, sock *net.UnixConn) *Conn {
	return &Conn{line: line, sock: sock, ended: make(chan struct{}), kids: map[int]func(host.Status){}, early: map[int]host.Status{}}
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
	raw, err := c.sock.SyscallConn()
	var sock *clock.Socket
	if err == nil {
		sock, err = c.line.Socket(raw)
	}
	if err == nil {
		defer sock.Close()
		oob := make([]byte, unix.CmsgSpace(4*guest.MaxFiles))
		for {
			var buf []byte
			var oobn int
			var rerr error
			err := sock.Block(unix.POLLIN, func(fd uintptr) bool {
				buf, oobn, rerr = receive(int(fd), oob)
				return rerr != unix.EAGAIN && rerr != unix.EINTR
			})
			if err != nil || rerr != nil || len(buf) == 0 {
				break
			}
			c.handle(guest.Parse(buf), receivedFiles(oob[:oobn]))
		}
	}
	c.mu.Lock()
	c.gone = true
	if c.answer != nil {
		close(c.answer)
		c.answer = nil
	}
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

// receive reads the next message, for which it makes room: most are short. No
// bytes are the end of the connection.
func receive(fd int, oob []byte) (buf []byte, oobn int, err error) {
	n, _, err := unix.Recvfrom(fd, nil, unix.MSG_PEEK|unix.MSG_TRUNC|unix.MSG_DONTWAIT)
	if err != nil || n == 0 {
		return nil, 0, err
	}
	buf = make([]byte, min(n, guest.MaxMessage))
	n, oobn, _, _, err = unix.Recvmsg(fd, buf, oob, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
	return buf[:max(n, 0)], oobn, err
}

func receivedFiles(oob []byte) []*os.File {
	scms, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	var files []*os.File
	for i := range scms {
		fds, err := unix.ParseUnixRights(&scms[i])
		if err != nil {
			continue
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "received"))
		}
	}
	return files
}

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}

func (c *Conn) handle(m *guest.Message, files []*os.File) {
	switch m.Kind {
	case guest.Reply:
		id := m.NextInt()
		c.mu.Lock()
		if c.answer != nil && id == c.id {
			c.answer <- answer{m, files} // has room for one
			c.answer = nil
			files = nil
		}
		c.mu.Unlock()
	case guest.Signal:
		c.mu.Lock()
		signal := c.signal
		c.mu.Unlock()
		if sig := syscall.Signal(m.NextInt()); signal != nil && sig > 0 && sig < 65 {
			signal(sig)
		}
	case guest.Child:
		pid := int(m.NextInt())
		st := host.Status{Code: int(m.NextInt()), Signal: syscall.Signal(m.NextInt())}
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
	closeAll(files)
}

// ask sends a request and returns the stub's reply. make appends the body to
// a message that begins with the id.
func (c *Conn) ask(kind byte, body func(m *guest.Message), files []*os.File) (answer, error) {
	c.asking.Lock()
	defer c.asking.Unlock()
	c.mu.Lock()
	if c.gone {
		c.mu.Unlock()
		return answer{}, errGone
	}
	c.id++
	reply := make(chan answer, 1)
	c.answer = reply
	m := &guest.Message{Kind: kind}
	m.Int(c.id)
	c.mu.Unlock()
	body(m)
	if len(m.Bytes()) > guest.MaxMessage {
		return answer{}, &os.SyscallError{Syscall: "stub", Err: syscall.E2BIG}
	}
	if err := c.send(m, files); err != nil {
		return answer{}, err
	}
	a, ok := <-reply
	if !ok {
		return answer{}, errGone
	}
	return a, nil
}

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
	_, _, err := c.sock.WriteMsgUnix(m.Bytes(), rights, nil)
	runtime.KeepAlive(files)
	if err != nil {
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
func (c *Conn) do(calls ...call) ([]ret, []*os.File, error) { return c.doWith(nil, calls...) }

// doWith is do with descriptors that the calls use.
func (c *Conn) doWith(files []*os.File, calls ...call) ([]ret, []*os.File, error) {
	a, err := c.ask(guest.Calls, func(m *guest.Message) {
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
					m.Str(v)
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
	}, files)
	if err != nil {
		return nil, nil, err
	}
	rets := make([]ret, 0, len(calls))
	for i := range calls {
		if !a.m.More() {
			break
		}
		r := ret{a.m.NextInt(), syscall.Errno(a.m.NextInt()), a.m.NextStr()}
		rets = append(rets, r)
		if r.errno != 0 && calls[i].flags&guest.MayFail == 0 {
			return rets, a.files, r.errno
		}
	}
	if len(rets) < len(calls) {
		closeAll(a.files)
		return rets, nil, errors.New("stub: short reply")
	}
	return rets, a.files, nil
}

// one performs calls of which nothing but success matters.
func (c *Conn) one(calls ...call) error {
	_, files, err := c.do(calls...)
	closeAll(files)
	return err
}
