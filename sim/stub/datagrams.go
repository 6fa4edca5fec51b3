package stub

import (
	"net"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"enshu/sim/host"
)

// Each datagram that is waited for costs the lab several switches of threads, many
// times what reading it costs. So where one follows another within streaming, those
// that come within gathering are read together. A socket of the usual size (212,992
// octets) holds some 280 short ones; at 200,000 a second 50 come meanwhile.
const (
	streaming = time.Millisecond
	gathering = 400 * time.Microsecond
)

// mmsghdr is the kernel's struct of that name (recvmmsg(2)).
type mmsghdr struct {
	head unix.Msghdr
	n    uint32
}

// gatherer reads datagrams with recvmmsg(2). One goroutine at a time uses it.
type gatherer struct {
	heads  []mmsghdr
	vecs   []unix.Iovec
	names  []unix.RawSockaddrInet6 // room for one of IPv4, too
	last   unix.RawSockaddrInet6   // the sender of the newest datagram
	from   net.Addr                // the same
	latest time.Time               // when it came
}

// read reads what is there, as far as there is room in list.
func (g *gatherer) read(fd int, list []host.Datagram) (n int, err error) {
	for len(g.heads) < len(list) {
		g.heads, g.vecs = make([]mmsghdr, len(list)), make([]unix.Iovec, len(list))
		g.names = make([]unix.RawSockaddrInet6, len(list))
	}
	for i := range list {
		g.vecs[i].Base = unsafe.SliceData(list[i].Buf)
		g.vecs[i].SetLen(len(list[i].Buf))
		h := &g.heads[i].head
		h.Name, h.Namelen = (*byte)(unsafe.Pointer(&g.names[i])), uint32(unsafe.Sizeof(g.names[i]))
		h.Iov = &g.vecs[i]
		h.SetIovlen(1)
	}
	got, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&g.heads[0])), uintptr(len(list)), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	for i := range list[:got] {
		list[i].N, list[i].From = int(g.heads[i].n), g.sender(&g.names[i])
	}
	return int(got), nil
}

// sender returns the address in a sockaddr of the kernel's.
func (g *gatherer) sender(name *unix.RawSockaddrInet6) net.Addr {
	if g.from != nil && *name == g.last {
		return g.from
	}
	g.last = *name
	port := (*[2]byte)(unsafe.Pointer(&name.Port)) // in the order of the network
	from := &net.UDPAddr{Port: int(port[0])<<8 | int(port[1])}
	if name.Family == unix.AF_INET {
		addr := (*unix.RawSockaddrInet4)(unsafe.Pointer(name)).Addr
		from.IP = net.IP(addr[:])
	} else {
		addr := name.Addr
		from.IP = net.IP(addr[:])
	}
	g.from = from
	return from
}

// ReadBatch is host.BatchConn's. Only one goroutine at a time may call it.
func (c *packetConn) ReadBatch(list []host.Datagram) (n int, err error) {
	err = c.call("read", unix.POLLIN, func(fd int) (err error) {
		n, err = c.gather.read(fd, list)
		return err
	})
	if err != nil {
		return 0, err
	}
	now := time.Now()
	dense := now.Sub(c.gather.latest) < streaming
	c.gather.latest = now
	if dense && n < len(list) {
		nap := syscall.NsecToTimespec(int64(gathering))
		syscall.Nanosleep(&nap, nil)
		c.raw.Control(func(fd uintptr) {
			if more, err := c.gather.read(int(fd), list[n:]); err == nil {
				n += more
			}
		})
		c.gather.latest = time.Now()
	}
	if c.away() {
		for range n - 1 { // call has told of one
			c.sys.proc.Clock.Timeline().Arrived()
		}
	}
	return n, nil
}
