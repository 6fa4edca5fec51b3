package memnet

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
)

// parseAddr reads "ADDR:PORT" of a tcp or udp network of one family; an empty
// ADDR is the wildcard.
func parseAddr(network, addr string) (netip.AddrPort, error) {
	bad := func(why string) (netip.AddrPort, error) {
		return netip.AddrPort{}, &net.AddrError{Err: why, Addr: addr}
	}
	ip, service, err := net.SplitHostPort(addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return bad("port is not a number")
	}
	six := strings.HasSuffix(network, "6")
	if ip == "" {
		if six {
			return netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(port)), nil
		}
		return netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(port)), nil
	}
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return bad("address is not an IP literal")
	}
	a = a.Unmap().WithZone("")
	if a.Is6() != six {
		return bad("no suitable address found")
	}
	return netip.AddrPortFrom(a, uint16(port)), nil
}

// netAddr is an address as package net's types show it.
func netAddr(network string, a netip.AddrPort) net.Addr {
	if !a.IsValid() {
		return nil
	}
	if strings.HasPrefix(network, "udp") {
		return net.UDPAddrFromAddrPort(a)
	}
	return net.TCPAddrFromAddrPort(a)
}

// parsedAddr is the address of an error: nil when it could not be read.
func parsedAddr(network, addr string) net.Addr {
	if strings.HasPrefix(network, "unix") {
		return &net.UnixAddr{Net: network, Name: addr}
	}
	a, err := parseAddr(network, addr)
	if err != nil {
		return nil
	}
	return netAddr(network, a)
}

// owns tells whether the host has an address.
func (h *Host) owns(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	for _, p := range h.addrs {
		if p.Addr() == a {
			return true
		}
	}
	return false
}

// nextHop returns the neighbour to which a packet for dst goes.
func (h *Host) nextHop(dst netip.Addr) (netip.Addr, bool) {
	for _, p := range h.addrs {
		if p.Contains(dst) {
			return dst, true
		}
	}
	for _, g := range h.gateways {
		if g.Is4() == dst.Is4() {
			return g, true
		}
	}
	return netip.Addr{}, false
}

// source returns the address that a packet to dst has as its source.
func (h *Host) source(dst netip.Addr) (netip.Addr, syscall.Errno) {
	if h.owns(dst) {
		return dst, 0
	}
	via, ok := h.nextHop(dst)
	if ok {
		for _, p := range h.addrs {
			if p.Contains(via) {
				return p.Addr(), 0
			}
		}
	}
	return netip.Addr{}, syscall.ENETUNREACH
}

// portKey names the ports of one protocol and family.
type portKey struct {
	network string // tcp4 …
	port    uint16
}

// bound is a socket that has a port.
type bound struct {
	local  netip.AddrPort
	remote netip.AddrPort // valid when connected
	who    any            // *listener, *stream or *udpSocket
}

// The range of ports that the kernel chooses from (ip_local_port_range).
const firstEphemeral, lastEphemeral = 32768, 60999

// bind gives a socket a local address; port 0 means any. shared lets it have a
// port whose holders are all connected, as SO_REUSEADDR does. The caller holds mu.
func (s *sys) bind(network string, b *bound, shared bool) syscall.Errno {
	h := s.h
	addr := b.local.Addr()
	if !addr.IsUnspecified() && !h.owns(addr) {
		return syscall.EADDRNOTAVAIL
	}
	port := b.local.Port()
	switch {
	case port == 0:
		for range lastEphemeral - firstEphemeral + 1 {
			h.ephemeral++
			if h.ephemeral < firstEphemeral || h.ephemeral > lastEphemeral {
				h.ephemeral = firstEphemeral
			}
			if len(h.ports[portKey{network, h.ephemeral}]) == 0 {
				port = h.ephemeral
				break
			}
		}
		if port == 0 {
			return syscall.EADDRINUSE
		}
		b.local = netip.AddrPortFrom(addr, port)
	case port < 1024 && s.cred.UID != 0:
		return syscall.EACCES
	default:
		for _, o := range h.ports[portKey{network, port}] {
			if shared && o.remote.IsValid() {
				continue
			}
			if addr.IsUnspecified() || o.local.Addr().IsUnspecified() || o.local.Addr() == addr {
				return syscall.EADDRINUSE
			}
		}
	}
	key := portKey{network, port}
	h.ports[key] = append(h.ports[key], b)
	return 0
}

// unbind frees the port of a socket. The caller holds mu.
func (h *Host) unbind(network string, b *bound) {
	key := portKey{network, b.local.Port()}
	list := h.ports[key]
	for i, o := range list {
		if o == b {
			list = append(list[:i:i], list[i+1:]...)
			break
		}
	}
	if len(list) == 0 {
		delete(h.ports, key)
	} else {
		h.ports[key] = list
	}
}

// lookup finds the socket that a packet is for: a connected one, one with the
// address, one with the wildcard. The caller holds mu.
func (h *Host) lookup(network string, src, dst netip.AddrPort) any {
	var best any
	score := 0
	for _, b := range h.ports[portKey{network, dst.Port()}] {
		a := b.local.Addr()
		got := 0
		switch {
		case a != dst.Addr() && !a.IsUnspecified():
		case b.remote == src:
			got = 3
		case b.remote.IsValid():
		case a == dst.Addr():
			got = 2
		default:
			got = 1
		}
		if got > score {
			best, score = b.who, got
		}
	}
	return best
}
