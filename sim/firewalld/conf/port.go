package conf

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"enshu/sim/nft"
)

// Port is a port or range of ports of a transport protocol.
type Port struct {
	Lo, Hi uint16
	Proto  string
}

// PortProtocols have ports.
var PortProtocols = map[string]uint8{"tcp": nft.ProtoTCP, "udp": nft.ProtoUDP, "sctp": nft.ProtoSCTP, "dccp": nft.ProtoDCCP}

// ID is the port or range alone: "514" or "2000-2010".
func (p Port) ID() string {
	if p.Lo == p.Hi {
		return strconv.Itoa(int(p.Lo))
	}
	return strconv.Itoa(int(p.Lo)) + "-" + strconv.Itoa(int(p.Hi))
}

// String is the form of firewall-cmd's options: "514/tcp".
func (p Port) String() string { return p.ID() + "/" + p.Proto }

// PortRange reads "514" or "2000-2010", in either order. big tells that a
// number is beyond the last port.
func PortRange(s string) (lo, hi uint16, big, ok bool) {
	a, b, ranged := strings.Cut(s, "-")
	switch {
	case !ranged:
		b = a
	case b == "":
		b = "65535" // "1024-" is all from there
	}
	x, xbig, xok := portNumber(a)
	y, ybig, yok := portNumber(b)
	if !xok || !yok {
		return 0, 0, false, false
	}
	return min(x, y), max(x, y), xbig || ybig, !xbig && !ybig
}

func portNumber(s string) (n uint16, big, ok bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false, false
	}
	v, err := strconv.ParseUint(s, 10, 16)
	return uint16(v), err != nil, true
}

// ParsePort reads "514/tcp" as firewall-cmd does, with its errors.
func ParsePort(s string) (Port, error) {
	id, proto, ok := strings.Cut(s, "/")
	if !ok || strings.Contains(proto, "/") {
		return Port{}, Fail("INVALID_PORT", "bad port (most likely missing protocol), correct syntax is portid[-portid]/protocol")
	}
	lo, hi, _, ok := PortRange(id)
	if !ok {
		return Port{}, Fail("INVALID_PORT", id)
	}
	if _, ok := PortProtocols[proto]; !ok {
		return Port{}, Fail("INVALID_PROTOCOL", "'"+proto+"' not in {'tcp'|'udp'|'sctp'|'dccp'}")
	}
	return Port{lo, hi, proto}, nil
}

// filePort reads the attributes of a port in a configuration file, whose errors
// have other words.
func filePort(id, proto string) (Port, error) {
	lo, hi, big, ok := PortRange(id)
	if big {
		return Port{}, Fail("INVALID_PORT", "port number in '"+id+"' is too big")
	}
	if !ok {
		return Port{}, Fail("INVALID_PORT", "'"+id+"' is invalid port range")
	}
	if _, ok := PortProtocols[proto]; !ok {
		return Port{}, Fail("INVALID_PROTOCOL", "'"+proto+"' not from {'tcp'|'udp'|'sctp'|'dccp'}")
	}
	return Port{lo, hi, proto}, nil
}

// comparePorts orders ports as firewall-cmd lists them.
func comparePorts(a, b Port) int {
	return cmp.Or(cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Lo, b.Lo), cmp.Compare(a.Hi, b.Hi))
}

// covers reports whether the range a has all of b.
func covers(a, b Port) bool { return a.Proto == b.Proto && a.Lo <= b.Lo && b.Hi <= a.Hi }

// join returns what p becomes when the ranges of list that overlap it are taken
// in, and which ones these are.
func join(p Port, list []Port) (Port, []Port) {
	var taken []Port
	for _, q := range list {
		if q.Proto == p.Proto && q.Lo <= p.Hi && p.Lo <= q.Hi {
			taken = append(taken, q)
			p.Lo, p.Hi = min(p.Lo, q.Lo), max(p.Hi, q.Hi)
		}
	}
	return p, taken
}

// cut returns the ranges of list that lose something when p is taken out, and
// what is left of them.
func cut(p Port, list []Port) (from, left []Port) {
	for _, q := range list {
		if q.Proto != p.Proto || q.Hi < p.Lo || p.Hi < q.Lo {
			continue
		}
		from = append(from, q)
		if q.Lo < p.Lo {
			left = append(left, Port{q.Lo, p.Lo - 1, q.Proto})
		}
		if q.Hi > p.Hi {
			left = append(left, Port{p.Hi + 1, q.Hi, q.Proto})
		}
	}
	return from, left
}

// ForwardPort sends a port to another port or address.
type ForwardPort struct {
	Port
	ToPort string // "" is the same
	ToAddr string // "" is this host
}

// String is the form of firewall-cmd's options.
func (f ForwardPort) String() string {
	return "port=" + f.ID() + ":proto=" + f.Proto + ":toport=" + f.ToPort + ":toaddr=" + f.ToAddr
}

// ParseForwardPort reads "port=P:proto=P[:toport=P][:toaddr=A]".
func ParseForwardPort(s string) (ForwardPort, error) {
	part := map[string]string{}
	rest := s
	for rest != "" {
		name, value, ok := strings.Cut(rest, "=")
		name = strings.TrimPrefix(name, ":")
		if !ok || name != "port" && name != "proto" && name != "toport" && name != "toaddr" {
			return ForwardPort{}, Fail("INVALID_FORWARD", "invalid forward port arg '"+name+"'")
		}
		// An IPv6 address has colons of its own; a part begins with a name and '='.
		end := len(value)
		for _, next := range []string{":port=", ":proto=", ":toport=", ":toaddr="} {
			if i := strings.Index(value, next); i >= 0 {
				end = min(end, i)
			}
		}
		part[name], rest = value[:end], value[end:]
	}
	switch {
	case part["port"] == "":
		return ForwardPort{}, Fail("INVALID_FORWARD", "missing port")
	case part["proto"] == "":
		return ForwardPort{}, Fail("INVALID_FORWARD", "missing protocol")
	case part["toport"] == "" && part["toaddr"] == "":
		return ForwardPort{}, Fail("INVALID_FORWARD", "missing destination")
	}
	return newForwardPort(part["port"], part["proto"], part["toport"], part["toaddr"])
}

func newForwardPort(port, proto, toPort, toAddr string) (ForwardPort, error) {
	p, err := ParsePort(port + "/" + proto)
	if err != nil {
		return ForwardPort{}, err
	}
	f := ForwardPort{Port: p, ToPort: toPort, ToAddr: toAddr}
	if toPort != "" {
		lo, hi, _, ok := PortRange(toPort)
		if !ok {
			return f, Fail("INVALID_PORT", toPort)
		}
		f.ToPort = Port{Lo: lo, Hi: hi}.ID()
	}
	if toAddr != "" {
		if _, err := netip.ParseAddr(toAddr); err != nil {
			return f, Fail("INVALID_ADDR", toAddr)
		}
	}
	if toPort == "" && toAddr == "" {
		return f, Fail("INVALID_FORWARD", "missing destination")
	}
	return f, nil
}

// sortedPorts returns a sorted copy.
func sortedPorts(list []Port) []Port {
	list = slices.Clone(list)
	slices.SortFunc(list, comparePorts)
	return list
}
