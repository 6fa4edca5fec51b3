package input

import (
	"context"
	"net"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"enshu/sim/libc"
	"enshu/sim/rsyslog/config"
)

// hostPort takes an address apart; an IPv4 address in IPv6 form is IPv4.
func hostPort(a net.Addr) (ip, port string) {
	var at netip.AddrPort
	switch a := a.(type) {
	case *net.UDPAddr:
		at = a.AddrPort()
	case *net.TCPAddr:
		at = a.AddrPort()
	default:
		ip, port, _ = net.SplitHostPort(a.String())
		return ip, port
	}
	return at.Addr().Unmap().String(), strconv.Itoa(int(at.Port()))
}

// restricted reports whether $AllowedSender says anything about a protocol.
func (s *Set) restricted(protocol string) bool {
	return slices.ContainsFunc(s.conf.Senders, func(s config.AllowedSender) bool { return s.Protocol == protocol })
}

// allowed applies $AllowedSender.
func (s *Set) allowed(protocol, ip string) bool {
	any := false
	addr, _ := netip.ParseAddr(ip)
	for _, who := range s.conf.Senders {
		if who.Protocol != protocol {
			continue
		}
		any = true
		if who.Prefix.IsValid() && who.Prefix.Contains(addr.WithZone("")) {
			return true
		}
		if who.Name != "" {
			name, err := libc.LookupAddr(context.Background(), s.p, addr)
			if ok, _ := path.Match(strings.ToLower(who.Name), strings.ToLower(name)); err == nil && ok {
				return true
			}
		}
	}
	return !any
}
