package lab

import (
	"time"

	"enshu/sim/link"
	"enshu/sim/scenario"
)

// impaired reports whether packets of a network take time or are lost.
func impaired(s *scenario.Lab, network string) bool {
	for i := range s.Hosts {
		for j := range s.Hosts {
			if i != j && between(s, network)(s.Hosts[i].Name, s.Hosts[j].Name).Impaired() {
				return true
			}
		}
	}
	return false
}

// between returns what happens to packets of a network on the way from one host
// to another: on the sender's line, in the network, on the receiver's line.
func between(s *scenario.Lab, network string) func(from, to string) link.Link {
	return func(from, to string) link.Link {
		var way link.Link
		for _, n := range s.Networks {
			if n.Name == network {
				way = link.Link{Delay: time.Duration(n.Delay), Jitter: time.Duration(n.Jitter), Loss: float64(n.Loss)}
			}
		}
		return line(s, from, network, 1).Then(way).Then(line(s, to, network, -1))
	}
}

// line is a host's own line to a network; direction is 1 for what the host
// sends and -1 for what it receives.
func line(s *scenario.Lab, host, network string, direction time.Duration) link.Link {
	if h := s.Host(host); h != nil {
		for _, n := range h.Networks {
			if string(n.Network) == network {
				return link.Link{Delay: time.Duration(n.Delay) + direction*time.Duration(n.Asymmetry)/2,
					Jitter: time.Duration(n.Jitter), Loss: float64(n.Loss)}
			}
		}
	}
	return link.Link{}
}
