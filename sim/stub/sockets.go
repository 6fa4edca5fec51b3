package stub

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"

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
func (s *sys) open(op, network, addr string) (int, ret, error) {
	domain, kind, sa, err := sockaddr(network, addr)
	if err != nil {
		return -1, ret{}, err
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
		return -1, ret{}, err
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
	fd, made, err := s.open("listen", network, addr)
	if err != nil {
		return nil, opError("listen", network, addr, err)
	}
	k, err := s.socket(fd, network, int(made.value))
	if err != nil {
		return nil, opError("listen", network, addr, err)
	}
	l := &listener{k}
	s.track(l)
	return l, nil
}

func (s *sys) ListenPacket(network, addr string) (net.PacketConn, error) {
	fd, made, err := s.open("listen", network, addr)
	if err != nil {
		return nil, opError("listen", network, addr, err)
	}
	k, err := s.socket(fd, network, int(made.value))
	if err != nil {
		return nil, opError("listen", network, addr, err)
	}
	c := &packetConn{conn: &conn{k}}
	s.track(c)
	return c, nil
}

func (s *sys) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	fd, connected, err := s.open("dial", network, addr)
	if err != nil {
		return nil, opError("dial", network, addr, err)
	}
	k, err := s.socket(fd, network, 0)
	if err != nil {
		return nil, opError("dial", network, addr, err)
	}
	switch connected.errno {
	case 0:
	case syscall.EINPROGRESS:
		err = k.connecting(ctx)
	default:
		err = connected.errno
	}
	if err != nil {
		k.close()
		return nil, opError("dial", network, addr, err)
	}
	k.findAddrs()
	c := &conn{k}
	if k.datagrams() {
		p := &packetConn{conn: c}
		s.track(p)
		return p, nil
	}
	t := &streamConn{c}
	s.track(t)
	return t, nil
}
