package stub

import (
	"net"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"enshu/sim/host"
)

// packetConn is udp or unixgram, connected or not.
type packetConn struct {
	*conn

	in, out *messages // of ReadBatch and of Reply; nil before the first
	latest  time.Time // when a stream's last datagram was read
	from    net.Addr  // who sent that of a batch

	lastMu   sync.Mutex // guards who sent last, and for how long that is believed
	lastPID  int32
	lastCred host.SenderCred
	lastLeft int
}

func (c *packetConn) Close() error { return c.end(c) }

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

// ReadFromAt reads a datagram and when the kernel took it in: a lab process that
// is busy reads it later.
func (c *packetConn) ReadFromAt(b []byte) (int, net.Addr, time.Time, error) {
	oob := make([]byte, 64)
	n, from, oobn, err := c.receive(b, oob)
	now := c.sys.proc.Clock.Now()
	if err != nil {
		return 0, nil, now, err
	}
	return n, from, c.came(oob[:oobn], now), nil
}

// came is when the kernel took in a datagram that came with oob and is read now.
func (c *packetConn) came(oob []byte, now time.Time) time.Time {
	stamp, ok := stampOf(oob)
	if !ok {
		return now
	}
	ago := time.Now().Round(0).Sub(stamp)
	return now.Add(-c.sys.proc.Clock.Timeline().Passed(max(ago, 0)))
}

// stampOf returns the time of the machine in the control message of a datagram,
// which carries no other.
func stampOf(oob []byte) (time.Time, bool) {
	if len(oob) < unix.CmsgSpace(int(unsafe.Sizeof(unix.Timespec{}))) {
		return time.Time{}, false
	}
	head := (*unix.Cmsghdr)(unsafe.Pointer(unsafe.SliceData(oob)))
	if head.Level != unix.SOL_SOCKET || head.Type != unix.SCM_TIMESTAMPNS {
		return time.Time{}, false
	}
	stamp := (*unix.Timespec)(unsafe.Pointer(&oob[unix.CmsgLen(0)]))
	return time.Unix(stamp.Unix()), true
}

// wantStamps returns a socket for whose life the kernel stamps what arrives. It
// begins to do so some time after the first socket has asked, which would be too
// late for the answer to a request.
func wantStamps() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
	}
	if err != nil {
		return nil, os.NewSyscallError("time stamps of packets", err)
	}
	return os.NewFile(uintptr(fd), "time stamps"), nil
}

// senderTrust is for how many datagrams in a row the number that a sender has
// in its host is believed: looking it up takes longer than receiving. Before a
// number is given to another process, thousands of processes come and go.
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
	err = c.call("read", unix.POLLIN, func(fd int) (err error) {
		n, oobn, _, sa, err = unix.Recvmsg(fd, b, oob, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
		return err
	})
	if err != nil {
		return 0, nil, 0, err
	}
	if sa != nil {
		from = c.addr(sa)
	}
	return n, from, oobn, nil
}

func (c *packetConn) Write(b []byte) (int, error) {
	// A datagram to a unix socket carries who the stub is, not who the lab is.
	var oob []byte
	if !c.away() {
		oob = unix.UnixCredentials(c.sys.ucred)
	}
	err := c.call("write", unix.POLLOUT, func(fd int) error {
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
		if c.network == "udp6" {
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
	err := c.call("write", unix.POLLOUT, func(fd int) error {
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
	_, files, err := c.sys.conn.doWith([]*os.File{c.file}, call{unix.SYS_SENDTO, 0,
		[]any{passed(0), string(b), len(b), unix.MSG_NOSIGNAL | unix.MSG_DONTWAIT, sa, len(sa)}})
	closeAll(files)
	if err != nil {
		return 0, c.fail("write", err)
	}
	return len(b), nil
}
