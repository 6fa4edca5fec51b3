package kernel

import (
	"math/rand/v2"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"enshu/sim/clock"
	"enshu/sim/link"
)

// relay is a network whose packets take time or are lost. Not every kernel has
// netem, and its clock would not be the lab's: instead of a bridge, the lab
// process is the switch. It takes frames from the hosts' links with packet
// sockets (packet(7)), keeps them on the timeline, so that a warp counts, and
// writes them to the links where they belong.
type relay struct {
	line    *clock.Timeline
	seed    uint64
	between func(from, to string) link.Link

	mu    sync.Mutex // guards what follows
	ports []*port
	where map[mac]*port // where an address was seen last
	lanes map[[2]*port]*lane
}

// mac is an Ethernet address.
type mac [6]byte

// maxAddresses is how many addresses a relay remembers; frames to others go to
// every port, as on a real switch whose table is full.
const maxAddresses = 1024

// A lane holds at most this; what comes beyond is lost. 1000 packets are what
// netem(8) keeps; one may be a segment that the sender's kernel has not cut up yet.
const (
	laneFrames = 1000
	laneBytes  = 4 << 20
)

// vnetHeader precedes each frame in both directions (PACKET_VNET_HDR,
// struct virtio_net_hdr): it tells of checksums that are not computed yet and of
// segments that are not cut yet, which a frame from a virtual link has.
const vnetHeader = 10

// port is the lab's end of a host's link.
type port struct {
	relay  *relay
	host   string
	file   *os.File
	raw    syscall.RawConn
	socket *clock.Socket
	once   sync.Once
}

// lane is the way from one port to another. It keeps the order of frames.
type lane struct {
	link.Link
	// What hosts say of their own accord, on the machine's clock, must not
	// change what is drawn for what programs send.
	dice, noise *rand.Rand
	to          *port
	frames      []frame
	bytes       int
	last        time.Time // when the newest frame arrives
	timer       *clock.Timer
}

type frame struct {
	at   time.Time
	data []byte
}

// join plugs a link of the lab's network namespace in as a host's.
func (r *relay) join(host string, iface int) (*port, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("packet socket", err)
	}
	p := &port{relay: r, host: host, file: os.NewFile(uintptr(fd), "relay")}
	for _, option := range []int{unix.PACKET_VNET_HDR, unix.PACKET_IGNORE_OUTGOING} {
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, option, 1); err != nil {
			p.file.Close()
			return nil, os.NewSyscallError("packet socket", err)
		}
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: allProtocols, Ifindex: iface}); err != nil {
		p.file.Close()
		return nil, os.NewSyscallError("bind packet socket", err)
	}
	if p.raw, err = p.file.SyscallConn(); err == nil {
		p.socket, err = r.line.Socket(p.raw)
	}
	if err != nil {
		p.file.Close()
		return nil, err
	}
	r.mu.Lock()
	r.ports = append(r.ports, p)
	r.mu.Unlock()
	r.line.Hold()
	go p.serve()
	return p, nil
}

// serve reads frames until the port is closed or its link is gone.
func (p *port) serve() {
	defer p.relay.line.Release()
	defer p.close()
	buf := make([]byte, vnetHeader+1<<16+64)
	for {
		var n int
		var rerr error
		err := p.socket.Block(unix.POLLIN, func(fd uintptr) bool {
			n, rerr = unix.Read(int(fd), buf)
			return rerr != unix.EAGAIN && rerr != unix.EINTR
		})
		if err != nil || rerr != nil {
			return
		}
		p.relay.line.Arrived()
		if n >= vnetHeader+ethernetHeader {
			p.relay.forward(p, buf[:n])
		}
	}
}

// close unplugs the port; what is under way to and from it is lost.
func (p *port) close() {
	p.once.Do(func() {
		r := p.relay
		r.mu.Lock()
		for i, q := range r.ports {
			if q == p {
				r.ports = append(r.ports[:i:i], r.ports[i+1:]...)
				break
			}
		}
		for a, q := range r.where {
			if q == p {
				delete(r.where, a)
			}
		}
		for key, l := range r.lanes {
			if key[0] == p || key[1] == p {
				if l.timer != nil {
					l.timer.Stop()
				}
				delete(r.lanes, key)
			}
		}
		r.mu.Unlock()
		p.socket.Close()
		p.file.Close()
	})
}

const ethernetHeader = 14

// forward sends a frame on the ways that a switch would.
func (r *relay) forward(from *port, b []byte) {
	dst, src := mac(b[vnetHeader:]), mac(b[vnetHeader+6:])
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.where[src]; src[0]&1 == 0 && (known || len(r.where) < maxAddresses) {
		r.where[src] = from
	}
	if to := r.where[dst]; to != nil {
		if to != from {
			r.lane(from, to).put(r, b)
		}
		return
	}
	for _, to := range r.ports {
		if to != from {
			r.lane(from, to).put(r, b)
		}
	}
}

// lane returns the way between two ports. The caller holds mu.
func (r *relay) lane(from, to *port) *lane {
	key := [2]*port{from, to}
	l := r.lanes[key]
	if l == nil {
		l = &lane{Link: r.between(from.host, to.host), to: to,
			dice: link.Rand(r.seed, from.host, to.host), noise: link.Rand(r.seed+1, from.host, to.host)}
		r.lanes[key] = l
	}
	return l
}

// put sends a frame on its way. The caller holds the relay's mu.
func (l *lane) put(r *relay, b []byte) {
	dice := l.dice
	resolves := asksNeighbour(b[vnetHeader:])
	if resolves || !isIPv4(b[vnetHeader:]) {
		dice = l.noise
	}
	delay, lost := l.Fate(dice)
	// Who asks for a neighbour asks again a second later on the machine's clock;
	// a warped lab would see the network fail for hours.
	if lost && (!resolves || l.Down) || len(l.frames) >= laneFrames || l.bytes+len(b) > laneBytes {
		return
	}
	now := r.line.Now()
	if at := now.Add(delay); at.After(l.last) {
		l.last = at
	}
	if len(l.frames) == 0 && !l.last.After(now) {
		l.to.write(b)
		return
	}
	l.frames = append(l.frames, frame{l.last, append([]byte(nil), b...)})
	l.bytes += len(b)
	if len(l.frames) == 1 {
		l.arm(r)
	}
}

// arm sets the timer for the oldest frame. The caller holds the relay's mu.
func (l *lane) arm(r *relay) {
	l.timer = r.line.AfterFunc(l.frames[0].at.Sub(r.line.Now()), func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		now := r.line.Now()
		for len(l.frames) > 0 && !l.frames[0].at.After(now) {
			l.to.write(l.frames[0].data)
			l.bytes -= len(l.frames[0].data)
			l.frames[0].data = nil
			l.frames = l.frames[1:]
		}
		if len(l.frames) > 0 {
			l.arm(r)
		}
	})
}

// write puts a frame on the port's link. A link that takes no more loses it.
func (p *port) write(b []byte) {
	p.relay.line.Departed()
	p.raw.Control(func(fd uintptr) { unix.Write(int(fd), b) })
}

// isIPv4 reports whether an Ethernet frame carries IPv4.
func isIPv4(b []byte) bool { return b[12] == 0x08 && b[13] == 0x00 }

// asksNeighbour reports whether an Ethernet frame is of ARP (RFC 826) or IPv6's
// neighbour discovery (RFC 4861).
func asksNeighbour(b []byte) bool {
	const icmp6, routerSolicitation, redirect = 58, 133, 137
	switch {
	case b[12] == 0x08 && b[13] == 0x06:
		return true
	case b[12] == 0x86 && b[13] == 0xdd && len(b) > ethernetHeader+40:
		kind := b[ethernetHeader+40]
		return b[ethernetHeader+6] == icmp6 && kind >= routerSolicitation && kind <= redirect
	}
	return false
}

// AddRelay makes a network like AddNetwork's whose packets have a way to go:
// between tells what happens from one host to another, by their names.
func (k *Kernel) AddRelay(index int, line *clock.Timeline, seed uint64, between func(from, to string) link.Link) {
	k.relays[index] = &relay{line: line, seed: seed, between: between, where: map[mac]*port{}, lanes: map[[2]*port]*lane{}}
}
