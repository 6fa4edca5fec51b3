package libc

import (
	"strconv"
	"strings"

	"enshu/sim/host"
)

// Port returns the number of a port of a protocol ("tcp", "udp"), which is told as
// a number or by a name of /etc/services (getservbyname(3)).
func Port(p *host.Proc, name, protocol string) (int, bool) {
	if n, err := strconv.Atoi(name); err == nil {
		return n, n >= 0 && n <= 65535
	}
	data, _ := ReadFile(p, "/etc/services")
	for _, line := range Lines(data) {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		for i := range f {
			if i == 1 || f[i] != name || len(f) < 2 {
				continue
			}
			if port, proto, _ := strings.Cut(f[1], "/"); proto == protocol {
				n, err := strconv.Atoi(port)
				return n, err == nil
			}
		}
	}
	return 0, false
}

// Network returns the network of a protocol that an IP address belongs to, as Dial
// takes it: "tcp4" of "tcp" and "192.0.2.1".
func Network(protocol, ip string) string {
	if strings.Contains(ip, ":") {
		return protocol + "6"
	}
	return protocol + "4"
}
