package probe

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"enshu/grader/check"
	"enshu/sim/scenario"
)

// Socket is a listening socket as ss(8) shows it.
type Socket struct {
	Port     scenario.Port
	Address  string // "0.0.0.0", "[::]", "127.0.0.1", "*"
	Programs []string
}

// Loopback reports whether only the host itself can reach the socket.
func (s *Socket) Loopback() bool {
	a, _, _ := strings.Cut(strings.Trim(s.Address, "[]"), "%")
	ip, err := netip.ParseAddr(a)
	return err == nil && ip.IsLoopback()
}

var ssUser = regexp.MustCompile(`\("([^"]*)",pid=\d+`)

// Sockets returns who listens on a host.
func Sockets(ctx context.Context, v *check.View, host string) ([]Socket, error) {
	out, err := v.Sh(ctx, host, "ss -H -tulnp")
	if err != nil {
		return nil, err
	}
	if out.Status != 0 {
		return nil, fmt.Errorf("%s: ss: %s", host, check.Clip(out.Stderr))
	}
	return parseSS(out.Stdout), nil
}

// parseSS reads the lines of ss -H -tulnp: transport, state, queues, local
// address, peer address, and who holds the socket.
func parseSS(s string) []Socket {
	var all []Socket
	for _, l := range check.Lines(s) {
		f := strings.Fields(l)
		if len(f) < 5 {
			continue
		}
		i := strings.LastIndexByte(f[4], ':')
		if i < 0 {
			continue
		}
		n, err := strconv.ParseUint(f[4][i+1:], 10, 16)
		if err != nil {
			continue
		}
		k := Socket{Port: scenario.Port{Number: uint16(n), Transport: f[0]}, Address: f[4][:i]}
		seen := map[string]bool{}
		for _, m := range ssUser.FindAllStringSubmatch(l, -1) {
			if !seen[m[1]] {
				seen[m[1]] = true
				k.Programs = append(k.Programs, m[1])
			}
		}
		all = append(all, k)
	}
	return all
}

// On returns the sockets on a port.
func On(sockets []Socket, p scenario.Port) []Socket {
	var out []Socket
	for _, s := range sockets {
		if s.Port == p {
			out = append(out, s)
		}
	}
	return out
}
