package stub

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/stub/guest"
)

// backlog is what Postfix and most daemons ask listen(2) for.
const backlog = 128

// sockaddr returns the kernel's form of an address, and what socket(2) takes.
func sockaddr(network, addr string) (domain, kind int, sa string, err error) {
	kind = unix.SOCK_STREAM
	if network == "udp4" || network == "udp6" || network == "unixgram" {
		kind = unix.SOCK_DGRAM
	}
	if network == "unix" || network == "unixgram" {
		if len(addr) > 107 {
			return 0, 0, "", syscall.ENAMETOOLONG
		}
		b := binary.NativeEndian.AppendUint16(nil, unix.AF_UNIX)
		return unix.AF_UNIX, kind, string(b) + addr + "\x00", nil
	}
	hostPart, _, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, 0, "", err
	}
	six := network == "tcp6" || network == "udp6"
	if hostPart == "" {
		any := "0.0.0.0"
		if six {
			any = "::"
		}
		addr = net.JoinHostPort(any, addr[1:])
	}
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return 0, 0, "", err
	}
	switch {
	case network != "tcp4" && network != "udp4" && !six:
		return 0, 0, "", net.UnknownNetworkError(network)
	case ap.Addr().Is4() == six:
		return 0, 0, "", syscall.EAFNOSUPPORT
	case six:
		b := binary.NativeEndian.AppendUint16(nil, unix.AF_INET6)
		b = binary.BigEndian.AppendUint16(b, ap.Port())
		b = append(b, 0, 0, 0, 0) // flow information
		b = append(b, ap.Addr().AsSlice()...)
		return unix.AF_INET6, kind, string(append(b, 0, 0, 0, 0)), nil
	}
	b := binary.NativeEndian.AppendUint16(nil, unix.AF_INET)
	b = binary.BigEndian.AppendUint16(b, ap.Port())
	b = append(b, ap.Addr().AsSlice()...)
	return unix.AF_INET, kind, string(append(b, 0, 0, 0, 0, 0, 0, 0, 0)), nil
}

func intOption(fd result, level, name, value int) call {
	v := binary.NativeEndian.AppendUint32(nil, uint32(value))
	return call{unix.SYS_SETSOCKOPT, 0, []any{fd, level, name, string(v), 4}}
}

// open makes a socket in the stub and binds or connects it there. One that
// listens stays open in the stub too, so that ss(8) and lsof(8) show whose it
// is; the ret of dial is connect's, that of listen the stub's descriptor.
func (s *sys) open(op, network, addr string) (*os.File, ret, error) {
	domain, kind, sa, err := sockaddr(network, addr)
	if err != nil {
		return nil, ret{}, err
	}
	length := len(sa)
	flags := int64(guest.MakesFile | guest.PassFile)
	if op == "listen" {
		flags |= guest.KeepFile
	}
	calls := []call{{unix.SYS_SOCKET, flags, []any{domain, kind | unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC, 0}}}
	if domain == unix.AF_INET6 {
		calls = append(calls, intOption(0, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1))
	}
	switch op {
	case "dial":
		calls = append(calls, call{unix.SYS_CONNECT, guest.MayFail, []any{result(0), sa, length}})
	case "listen":
		if domain != unix.AF_UNIX && kind == unix.SOCK_STREAM {
			calls = append(calls, intOption(0, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
		}
		if network == "unixgram" { // on a socket without a name it would make one up
			calls = append(calls, intOption(0, unix.SOL_SOCKET, unix.SO_PASSCRED, 1))
		}
		calls = append(calls, call{unix.SYS_BIND, 0, []any{result(0), sa, length}})
		if kind == unix.SOCK_STREAM {
			calls = append(calls, call{unix.SYS_LISTEN, 0, []any{result(0), backlog}})
		}
	}
	rets, files, err := s.conn.do(calls...)
	if err != nil || len(files) != 1 {
		closeAll(files)
		if err == nil {
			err = errGone
		}
		return nil, ret{}, err
	}
	if op == "listen" {
		return files[0], rets[0], nil
	}
	return files[0], rets[len(rets)-1], nil
}

// drop closes the stub's descriptor of a socket.
func (s *sys) drop(fd int) {
	if fd > 2 {
		s.conn.one(call{unix.SYS_CLOSE, 0, []any{fd}}) // a stub that is gone has none
	}
}

func opError(op, network, addr string, err error) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: op, Net: network, Addr: strAddr{network, addr}, Err: err}
}

type strAddr struct{ network, addr string }

func (a strAddr) Network() string { return a.network }
func (a strAddr) String() string  { return a.addr }

func (s *sys) Listen(network, addr string) (net.Listener, error) {
	f, made, err := s.open("listen", network, addr)
	if err != nil {
		return nil, opError("listen", network, addr, err)
	}
	// The net package's listeners cannot be waited for by descriptor
	// (SyscallConn's Read is EINVAL): it only tells the address.
	l, err := net.FileListener(f)
	if err != nil {
		f.Close()
		return nil, opError("listen", network, addr, err)
	}
	at := l.Addr()
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false) // the path is another machine's in the lab process
	}
	l.Close()
	raw, err := f.SyscallConn()
	if err != nil {
		f.Close()
		return nil, opError("listen", network, addr, err)
	}
	ln := &listener{file: f, held: int(made.value), addr: at, socket: s.socket(raw), sys: s, network: network}
	s.track(ln)
	return ln, nil
}

func (s *sys) ListenPacket(network, addr string) (net.PacketConn, error) {
	f, made, err := s.open("listen", network, addr)
	if err != nil {
		return nil, opError("listen", network, addr, err)
	}
	c, err := s.packet(f, int(made.value))
	return c, opError("listen", network, addr, err)
}

// packet wraps an unconnected datagram socket.
func (s *sys) packet(f *os.File, held int) (net.PacketConn, error) {
	defer f.Close()
	pc, err := net.FilePacketConn(f)
	if err != nil {
		return nil, err
	}
	raw, err := pc.(syscall.Conn).SyscallConn()
	if err != nil {
		pc.Close()
		return nil, err
	}
	c := &conn{inner: pc.(inner), held: held, socket: s.socket(raw), sys: s}
	s.track(c)
	return &packetConn{conn: c}, nil
}

func (s *sys) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	f, connected, err := s.open("dial", network, addr)
	if err != nil {
		return nil, opError("dial", network, addr, err)
	}
	defer f.Close()
	switch connected.errno {
	case 0:
	case syscall.EINPROGRESS:
		if err := s.connecting(ctx, f); err != nil {
			return nil, opError("dial", network, addr, err)
		}
	default:
		return nil, opError("dial", network, addr, connected.errno)
	}
	nc, err := net.FileConn(f)
	if err != nil {
		return nil, opError("dial", network, addr, err)
	}
	raw, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		nc.Close()
		return nil, opError("dial", network, addr, err)
	}
	c := &conn{inner: nc.(inner), socket: s.socket(raw), sys: s}
	s.track(c)
	if network == "udp4" || network == "udp6" || network == "unixgram" {
		return &packetConn{conn: c}, nil
	}
	return &streamConn{c}, nil
}

// connecting waits until a connection is made or refused.
func (s *sys) connecting(ctx context.Context, f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	sock := s.socket(raw)
	stop := context.AfterFunc(ctx, func() {
		sock.Interrupt(unix.POLLOUT, func() { f.SetDeadline(time.Unix(1, 0)) })
	})
	defer stop()
	var serr error
	err = sock.Block(unix.POLLOUT, raw.Write, func(fd uintptr) bool {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		if n, err := unix.Poll(fds, 0); n == 0 || err != nil {
			return false
		}
		code, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		switch {
		case err != nil:
			serr = err
		case code != 0:
			serr = syscall.Errno(code)
		}
		return true
	})
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return errors.Join(err, serr)
}

// socket makes a clock.Socket with a descriptor's raw access.
func (s *sys) socket(raw syscall.RawConn) *socket {
	k := &socket{raw: raw, clock: s.proc.Clock}
	raw.Control(func(fd uintptr) { k.Socket = s.proc.Clock.Timeline().Socket(int(fd)) })
	return k
}

// socket is a descriptor that goroutines block on with wake tokens and with
// deadlines on the host's clock.
type socket struct {
	*clock.Socket
	raw   syscall.RawConn
	clock *clock.Local

	mu    sync.Mutex
	timer [2]*clock.LocalTimer // of the read and the write deadline
}

const (
	reading = 0
	writing = 1
)

// deadline sets one of the two deadlines; set is the real socket's.
func (k *socket) deadline(which int, t time.Time, set func(time.Time) error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.timer[which] != nil {
		k.timer[which].Stop()
		k.timer[which] = nil
	}
	if t.IsZero() {
		return set(t)
	}
	events := int16(unix.POLLIN)
	if which == writing {
		events = unix.POLLOUT
	}
	past := func() { k.Interrupt(events, func() { set(time.Unix(1, 0)) }) }
	d := t.Sub(k.clock.Now())
	if d <= 0 {
		past()
		return nil
	}
	err := set(time.Time{})
	k.timer[which] = k.clock.AfterFunc(d, past)
	return err
}

// stop forgets the deadlines of a socket that is closed.
func (k *socket) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, t := range k.timer {
		if t != nil {
			t.Stop()
		}
	}
}

// inner is what the net package's connections have in common.
type inner interface {
	syscall.Conn
	Close() error
	LocalAddr() net.Addr
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// conn is a socket that was opened in a stub.
type conn struct {
	inner  inner
	held   int // the stub's descriptor, 0 for none
	socket *socket
	sys    *sys
}

func (c *conn) SyscallConn() (syscall.RawConn, error) { return c.inner.SyscallConn() }
func (c *conn) LocalAddr() net.Addr                   { return c.inner.LocalAddr() }
func (c *conn) SetReadDeadline(t time.Time) error {
	return c.socket.deadline(reading, t, c.inner.SetReadDeadline)
}
func (c *conn) SetWriteDeadline(t time.Time) error {
	return c.socket.deadline(writing, t, c.inner.SetWriteDeadline)
}
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *conn) RemoteAddr() net.Addr {
	if r, ok := c.inner.(interface{ RemoteAddr() net.Addr }); ok {
		return r.RemoteAddr()
	}
	return nil
}

func (c *conn) Close() error {
	c.sys.forget(c)
	c.socket.stop()
	if held := c.held; held != 0 {
		c.held = 0
		c.sys.drop(held)
	}
	var err error
	c.socket.Interrupt(unix.POLLIN|unix.POLLOUT, func() { err = c.inner.Close() })
	return err
}

// fail gives an error the shape that the net package's have.
func (c *conn) fail(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &net.OpError{Op: op, Net: c.LocalAddr().Network(), Err: os.ErrDeadlineExceeded}
	case errors.Is(err, net.ErrClosed), errors.Is(err, os.ErrClosed):
		return &net.OpError{Op: op, Net: c.LocalAddr().Network(), Err: net.ErrClosed}
	}
	return &net.OpError{Op: op, Net: c.LocalAddr().Network(), Err: err}
}

func (c *conn) read(op string, try func(fd int) error) error {
	var rerr error
	err := c.socket.Block(unix.POLLIN, c.socket.raw.Read, func(fd uintptr) bool {
		rerr = try(int(fd))
		return rerr != unix.EAGAIN && rerr != unix.EINTR
	})
	if err == nil {
		err = rerr
	}
	return c.fail(op, err)
}

func (c *conn) write(op string, try func(fd int) error) error {
	var werr error
	err := c.socket.Block(unix.POLLOUT, c.socket.raw.Write, func(fd uintptr) bool {
		werr = try(int(fd))
		return werr != unix.EAGAIN && werr != unix.EINTR
	})
	if err == nil {
		err = werr
	}
	return c.fail(op, err)
}

// streamConn is tcp or unix.
type streamConn struct{ *conn }

func (c *streamConn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n := 0
	err := c.read("read", func(fd int) (err error) { n, _, err = unix.Recvfrom(fd, b, unix.MSG_DONTWAIT); return err })
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (c *streamConn) Write(b []byte) (int, error) {
	done := 0
	for done < len(b) {
		n := 0
		err := c.write("write", func(fd int) (err error) {
			n, err = unix.SendmsgN(fd, b[done:], nil, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
			return err
		})
		if err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}

// lend returns the socket as the stdio of a child, which expects reads and
// writes to block; ours ask the kernel not to, call by call.
func (c *streamConn) lend() (*os.File, error) {
	var f *os.File
	var err error
	cerr := c.socket.raw.Control(func(fd uintptr) {
		var nfd int
		if nfd, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); err == nil {
			err = unix.SetNonblock(nfd, false)
			f = os.NewFile(uintptr(nfd), "lent")
		}
	})
	return f, errors.Join(err, cerr)
}

// CloseWrite shuts the writing side down.
func (c *streamConn) CloseWrite() error {
	if w, ok := c.inner.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}

// PeerCred tells who is at the other end (SO_PEERCRED).
func (c *streamConn) PeerCred() (host.SenderCred, error) {
	var cred *unix.Ucred
	var cerr error
	err := c.socket.raw.Control(func(fd uintptr) {
		cred, cerr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = errors.Join(err, cerr); err != nil {
		return host.SenderCred{}, err
	}
	return c.sys.server.cred(cred), nil
}

// packetConn is udp or unixgram, connected or not.
type packetConn struct {
	*conn

	lastMu   sync.Mutex // guards who sent last, and for how long that is believed
	lastPID  int32
	lastCred host.SenderCred
	lastLeft int
}

func (c *packetConn) Read(b []byte) (int, error) {
	n, _, err := c.ReadFrom(b)
	return n, err
}

func (c *packetConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, _, err := c.receive(b, nil)
	return n, from, err
}

// ReadFromCred reads a datagram and who sent it.
func (c *packetConn) ReadFromCred(b []byte) (int, net.Addr, host.SenderCred, error) {
	oob := make([]byte, 256)
	n, from, oobn, err := c.receive(b, oob)
	var cred host.SenderCred
	if scms, perr := unix.ParseSocketControlMessage(oob[:oobn]); perr == nil {
		for i := range scms {
			if u, uerr := unix.ParseUnixCredentials(&scms[i]); uerr == nil {
				cred = c.sender(u)
				continue
			}
			if fds, ferr := unix.ParseUnixRights(&scms[i]); ferr == nil {
				for _, fd := range fds {
					unix.Close(fd)
				}
			}
		}
	}
	return n, from, cred, err
}

// senderTrust is for how many datagrams in a row the number that a sender has
// in its host is believed: looking it up takes longer than receiving. Before a
// number is given to another process, millions of processes come and go.
const senderTrust = 256

// sender is Server.cred for one who sends many datagrams.
func (c *packetConn) sender(u *unix.Ucred) host.SenderCred {
	c.lastMu.Lock()
	defer c.lastMu.Unlock()
	if c.lastLeft > 0 && c.lastPID == u.Pid && c.lastCred.PID != 0 {
		c.lastLeft--
		return host.SenderCred{PID: c.lastCred.PID, UID: int(u.Uid), GID: int(u.Gid)}
	}
	c.lastPID, c.lastCred, c.lastLeft = u.Pid, c.sys.server.cred(u), senderTrust
	return c.lastCred
}

func (c *packetConn) receive(b, oob []byte) (n int, from net.Addr, oobn int, err error) {
	var sa unix.Sockaddr
	err = c.read("read", func(fd int) (err error) {
		n, oobn, _, sa, err = unix.Recvmsg(fd, b, oob, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
		return err
	})
	if err != nil {
		return 0, nil, 0, err
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		from = &net.UDPAddr{IP: net.IP(sa.Addr[:]).To4(), Port: sa.Port}
	case *unix.SockaddrInet6:
		from = &net.UDPAddr{IP: sa.Addr[:], Port: sa.Port}
	case *unix.SockaddrUnix:
		from = &net.UnixAddr{Name: sa.Name, Net: "unixgram"}
	}
	return n, from, oobn, nil
}

func (c *packetConn) Write(b []byte) (int, error) {
	// A datagram to a unix socket carries who the stub is, not who the lab is.
	var oob []byte
	if _, unixgram := c.LocalAddr().(*net.UnixAddr); unixgram {
		oob = unix.UnixCredentials(c.sys.ucred)
	}
	err := c.write("write", func(fd int) error {
		_, err := unix.SendmsgN(fd, b, oob, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
		return err
	})
	if err != nil {
		return 0, err
	}
	return len(b), nil
}

func (c *packetConn) WriteTo(b []byte, to net.Addr) (int, error) {
	var sa unix.Sockaddr
	var oob []byte
	switch to := to.(type) {
	case *net.UDPAddr:
		ap := to.AddrPort()
		a := ap.Addr().Unmap()
		if local, ok := c.LocalAddr().(*net.UDPAddr); ok && local.IP.To4() == nil {
			sa = &unix.SockaddrInet6{Port: int(ap.Port()), Addr: a.As16()}
		} else {
			sa = &unix.SockaddrInet4{Port: int(ap.Port()), Addr: a.As4()}
		}
	case *net.UnixAddr:
		sa = &unix.SockaddrUnix{Name: to.Name}
		if len(to.Name) > 0 && to.Name[0] == '/' {
			return c.toPath(b, to.Name)
		}
		oob = unix.UnixCredentials(c.sys.ucred)
	default:
		return 0, c.fail("write", syscall.EINVAL)
	}
	err := c.write("write", func(fd int) error {
		_, err := unix.SendmsgN(fd, b, oob, sa, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
		return err
	})
	if err != nil {
		return 0, err
	}
	return len(b), nil
}

// toPath sends to a socket that has a path, which only the stub may look up.
// It sends from this socket, which is lent back for the call.
func (c *packetConn) toPath(b []byte, name string) (int, error) {
	_, _, sa, err := sockaddr("unixgram", name)
	if err != nil {
		return 0, c.fail("write", err)
	}
	u, ok := c.inner.(interface{ File() (*os.File, error) })
	if !ok {
		return 0, c.fail("write", syscall.EINVAL)
	}
	f, err := u.File()
	if err != nil {
		return 0, c.fail("write", err)
	}
	defer f.Close()
	_, files, err := c.sys.conn.doWith([]*os.File{f}, call{unix.SYS_SENDTO, 0,
		[]any{passed(0), string(b), len(b), unix.MSG_NOSIGNAL | unix.MSG_DONTWAIT, sa, len(sa)}})
	closeAll(files)
	if err != nil {
		return 0, c.fail("write", err)
	}
	return len(b), nil
}

// listener is a listening socket that was opened in a stub.
type listener struct {
	file    *os.File
	held    int // the stub's descriptor
	addr    net.Addr
	socket  *socket
	sys     *sys
	network string
}

func (l *listener) Addr() net.Addr { return l.addr }

func (l *listener) Accept() (net.Conn, error) {
	var nfd int
	var aerr error
	err := l.socket.Block(unix.POLLIN, l.socket.raw.Read, func(fd uintptr) bool {
		nfd, _, aerr = unix.Accept4(int(fd), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		return aerr != unix.EAGAIN && aerr != unix.EINTR && aerr != unix.ECONNABORTED
	})
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, opError("accept", l.network, l.Addr().String(), os.ErrDeadlineExceeded)
	case err != nil:
		return nil, opError("accept", l.network, l.Addr().String(), net.ErrClosed)
	case aerr != nil:
		return nil, opError("accept", l.network, l.Addr().String(), aerr)
	}
	f := os.NewFile(uintptr(nfd), "accepted")
	defer f.Close()
	nc, err := net.FileConn(f)
	if err != nil {
		return nil, opError("accept", l.network, l.Addr().String(), err)
	}
	raw, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		nc.Close()
		return nil, opError("accept", l.network, l.Addr().String(), err)
	}
	c := &conn{inner: nc.(inner), socket: l.sys.socket(raw), sys: l.sys}
	l.sys.track(c)
	return &streamConn{c}, nil
}

// SetDeadline sets the deadline of Accept.
func (l *listener) SetDeadline(t time.Time) error {
	return l.socket.deadline(reading, t, l.file.SetReadDeadline)
}

func (l *listener) Close() error {
	l.sys.forget(l)
	l.socket.stop()
	if held := l.held; held != 0 {
		l.held = 0
		l.sys.drop(held)
	}
	var err error
	l.socket.Interrupt(unix.POLLIN, func() { err = l.file.Close() })
	if err != nil {
		return opError("close", l.network, l.addr.String(), net.ErrClosed)
	}
	return nil
}
