package stub

import (
	"net"
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"enshu/sim/host"
)

// messages are the arguments of recvmmsg(2) and sendmmsg(2), which point into
// each other and so are never moved.
type messages struct {
	head []message
	part []unix.Iovec
	name []unix.RawSockaddrInet6 // room for either family
	oob  [][stampSpace]byte
}

// message is struct mmsghdr.
type message struct {
	unix.Msghdr
	length uint32
	_      [4]byte
}

// stampSpace is room for the time stamp of a datagram.
const stampSpace = 32

func newMessages(n int) *messages {
	m := &messages{make([]message, n), make([]unix.Iovec, n), make([]unix.RawSockaddrInet6, n), make([][stampSpace]byte, n)}
	for i := range m.head {
		h := &m.head[i]
		h.Iov = &m.part[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&m.name[i]))
	}
	return m
}

// room returns m, or a larger one when it is too small for n datagrams.
func (m *messages) room(n int) *messages {
	if m == nil || len(m.head) < n {
		return newMessages(n)
	}
	return m
}

// take reads up to len(list) datagrams.
func (m *messages) take(fd int, list []host.Datagram) (int, error) {
	for i := range list {
		m.part[i].Base = unsafe.SliceData(list[i].Buf)
		m.part[i].SetLen(len(list[i].Buf))
		h := &m.head[i]
		h.Namelen = unix.SizeofSockaddrInet6
		h.Control = &m.oob[i][0]
		h.SetControllen(stampSpace)
	}
	return m.call(unix.SYS_RECVMMSG, fd, len(list), unix.MSG_DONTWAIT)
}

// give sends datagrams and returns how many it sent.
func (m *messages) give(fd int, list []host.Datagram) (int, error) {
	for i := range list {
		m.part[i].Base = unsafe.SliceData(list[i].Buf)
		m.part[i].SetLen(list[i].N)
		m.head[i].Namelen = putAddr(&m.name[i], list[i].From)
	}
	return m.call(unix.SYS_SENDMMSG, fd, len(list), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
}

func (m *messages) call(nr uintptr, fd, n, flags int) (int, error) {
	done, _, errno := unix.Syscall6(nr, uintptr(fd), uintptr(unsafe.Pointer(&m.head[0])), uintptr(n), uintptr(flags), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(done), nil
}

// from returns who sent datagram i: known, when it was he.
func (m *messages) from(i int, known net.Addr) net.Addr {
	ap := getAddr(&m.name[i])
	if u, ok := known.(*net.UDPAddr); ok && u.AddrPort() == ap {
		return known
	}
	return net.UDPAddrFromAddrPort(ap)
}

// getAddr reads a socket address, whose port is in network order.
func getAddr(raw *unix.RawSockaddrInet6) netip.AddrPort {
	port := (*[2]byte)(unsafe.Pointer(&raw.Port))
	number := uint16(port[0])<<8 | uint16(port[1])
	if raw.Family == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(raw)).Addr), number)
	}
	return netip.AddrPortFrom(netip.AddrFrom16(raw.Addr), number)
}

// putAddr writes a socket address and returns its length.
func putAddr(raw *unix.RawSockaddrInet6, a net.Addr) uint32 {
	u, ok := a.(*net.UDPAddr)
	if !ok {
		return 0
	}
	ap := u.AddrPort()
	port := (*[2]byte)(unsafe.Pointer(&raw.Port))
	port[0], port[1] = byte(ap.Port()>>8), byte(ap.Port())
	if ip := ap.Addr().Unmap(); ip.Is4() {
		four := (*unix.RawSockaddrInet4)(unsafe.Pointer(raw))
		four.Family, four.Addr = unix.AF_INET, ip.As4()
		return unix.SizeofSockaddrInet4
	}
	raw.Family, raw.Addr, raw.Flowinfo, raw.Scope_id = unix.AF_INET6, ap.Addr().As16(), 0, 0
	return unix.SizeofSockaddrInet6
}

// streaming is how soon one datagram follows upon another in a stream. Each one
// that is waited for costs the lab several switches of threads, many times what
// reading it costs.
const streaming = time.Millisecond

// ReadBatch is host.BatchConn's.
func (c *packetConn) ReadBatch(list []host.Datagram, linger time.Duration) (n int, err error) {
	c.in = c.in.room(len(list))
	err = c.call("read", unix.POLLIN, func(fd int) (err error) {
		n, err = c.take(fd, list)
		return err
	})
	if err != nil {
		return 0, err
	}
	if linger > 0 {
		stream := time.Since(c.latest) < streaming
		if stream && n < len(list) {
			nap := syscall.NsecToTimespec(int64(linger))
			syscall.Nanosleep(&nap, nil)
			c.raw.Control(func(fd uintptr) {
				if more, err := c.take(int(fd), list[n:]); err == nil {
					n += more
				}
			})
		}
		c.latest = time.Now()
	}
	if c.away() {
		for range n - 1 { // call has counted one
			c.sys.proc.Clock.Timeline().Arrived()
		}
	}
	return n, nil
}

// take reads what is there and says who sent it, and when it came.
func (c *packetConn) take(fd int, list []host.Datagram) (int, error) {
	n, err := c.in.take(fd, list)
	if err != nil {
		return 0, err
	}
	now := c.sys.proc.Clock.Now()
	for i := range list[:n] {
		d, h := &list[i], &c.in.head[i]
		d.N, d.From, d.At = int(h.length), c.in.from(i, c.from), c.came(c.in.oob[i][:h.Controllen], now)
		c.from = d.From
	}
	return n, nil
}

// Reply is host.BatchConn's.
func (c *packetConn) Reply(list []host.Datagram) {
	c.out = c.out.room(len(list))
	line := c.sys.proc.Clock.Timeline()
	for len(list) > 0 {
		for range list[1:] {
			line.Departed() // call counts one; all do before a receiver can have them
		}
		sent := 0
		err := c.call("write", unix.POLLOUT, func(fd int) (err error) {
			sent, err = c.out.give(fd, list)
			return err
		})
		if err != nil {
			sent = 1 // the first is what it is about; call has counted it back
		}
		for range list[sent:] {
			line.Arrived()
		}
		list = list[sent:]
	}
}
