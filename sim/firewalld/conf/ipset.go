package conf

import (
	"slices"
	"strconv"
	"strings"

	"enshu/sim/nft"
)

// IPSet is a named list of addresses.
type IPSet struct {
	Label
	Type    string   // "hash:ip", "hash:net" or "hash:mac"
	Options Attrs    // as given
	Entries []string // in their order
}

// Copy returns a copy that shares nothing that changes.
func (s *IPSet) Copy() Definition {
	c := *s
	c.Options, c.Entries = slices.Clone(s.Options), slices.Clone(s.Entries)
	return &c
}

// Family is the IP family of the set's addresses.
func (s *IPSet) Family() string {
	if s.Options.Get("family") == "inet6" {
		return "inet6"
	}
	return "inet"
}

// IPSetTypes are the types of sets, in the order in which they are told. What
// stands behind the colon are the parts of an entry, which commas separate.
var IPSetTypes = []string{"hash:ip", "hash:ip,mark", "hash:ip,port", "hash:ip,port,ip", "hash:ip,port,net", "hash:mac", "hash:net",
	"hash:net,iface", "hash:net,net", "hash:net,port", "hash:net,port,net"}

// Parts are the kinds of the parts of an entry: "ip", "net", "port" …
func (s *IPSet) Parts() []string {
	_, parts, _ := strings.Cut(s.Type, ":")
	return strings.Split(parts, ",")
}

// AddOption sets an option, checked.
func (s *IPSet) AddOption(name, value string) error {
	switch name {
	case "family":
		if value != "inet" && value != "inet6" {
			return Fail("INVALID_FAMILY", value)
		}
	case "timeout", "hashsize", "maxelem":
		n, err := strconv.Atoi(value)
		if err != nil {
			return Fail("INVALID_VALUE", "Option '"+name+"': Value '"+value+"' is not an integer")
		}
		if n < 0 {
			return Fail("INVALID_VALUE", "Option '"+name+"': Value '"+value+"' is negative")
		}
	default:
		return Fail("INVALID_IPSET", "ipset invalid option '"+name+"'")
	}
	s.Options = append(s.Options, [2]string{name, value})
	return nil
}

// CheckEntry refuses what cannot be in the set.
func (s *IPSet) CheckEntry(e string) error {
	family := map[string]string{"inet": "ipv4", "inet6": "ipv6"}[s.Family()]
	kinds, values := s.Parts(), strings.Split(e, ",")
	if len(values) > len(kinds) || len(values) < len(kinds) && !slices.Contains(kinds, "port") {
		return Fail("INVALID_ENTRY", "entry '"+e+"' does not match ipset type '"+s.Type+"'")
	}
	for i, v := range values {
		wrong := ""
		switch kinds[i] {
		case "mac":
			if _, ok := ParseMAC(v); !ok {
				wrong = "invalid mac address '" + v + "' in '" + e + "'"
			}
		case "ip", "net":
			p, ok := ParseAddress(v)
			if !ok || p.Addr().Is6() != (family == "ipv6") {
				wrong = "invalid address '" + v + "' in '" + e + "' for " + s.Type + " (" + family + ")"
				if kinds[i] == "net" {
					wrong = "invalid address '" + v + "' in '" + e + "'"
				}
			}
		case "port":
			wrong = checkSetPort(v, e)
		case "mark":
			if _, err := strconv.ParseUint(v, 0, 32); err != nil {
				wrong = "invalid mark '" + v + "' in '" + e + "'"
			}
		case "iface":
			if CheckInterface(v) != nil {
				wrong = "invalid interface '" + v + "' in '" + e + "'"
			}
		}
		if wrong != "" {
			return Fail("INVALID_ENTRY", wrong)
		}
	}
	return nil
}

// checkSetPort returns what is wrong with a port of an entry: "80", "tcp:80" or
// "icmp:echo-request".
func checkSetPort(v, entry string) string {
	proto, port, given := strings.Cut(v, ":")
	if given {
		if _, ok := nft.ProtocolNumber(proto); !ok {
			return "invalid protocol '" + proto + "' in '" + entry + "'"
		}
		if proto == "icmp" || proto == "icmpv6" {
			return ""
		}
		v = port
	}
	if _, _, _, ok := PortRange(v); !ok {
		return "invalid port '" + v + "' in '" + entry + "'"
	}
	return ""
}

// CheckOverlap refuses an entry that is a part of another one of the set.
func (s *IPSet) CheckOverlap(e string) error {
	p, ok := ParseAddress(e)
	for _, old := range s.Entries {
		if ok && old != e {
			if q, ok := ParseAddress(old); ok && q.Overlaps(p) {
				return Fail("INVALID_ENTRY", "Entry '"+e+"' overlaps with existing entry '"+old+"'")
			}
		}
	}
	return nil
}
