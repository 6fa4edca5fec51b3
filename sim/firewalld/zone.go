package firewalld

import (
	"net/netip"
	"slices"
	"strings"

	"enshu/sim/nft"
)

// Zone is the configuration of a zone. What it lets by stands in one list, in
// the order in which it was set: that is the order of the packet filter's rules.
type Zone struct {
	Name, Version, Short, Description string
	Target                            string // "default", "ACCEPT", "DROP" or "%%REJECT%%"
	Elements                          []Element
	// ShowTarget writes the target to the file although it is the default, as
	// firewalld does after it took a deleted service out of the zone.
	ShowTarget bool
}

// Element is one thing that a zone has: a kind and its value in the form of
// firewall-cmd's options. A switch has no value.
type Element struct{ Kind, Value string }

// The kinds of elements, by their names in options.
const (
	kindService    = "service"
	kindPort       = "port"
	kindProtocol   = "protocol"
	kindICMPBlock  = "icmp-block"
	kindInversion  = "icmp-block-inversion"
	kindMasquerade = "masquerade"
	kindForward    = "forward"
	kindForwarding = "forward-port"
	kindSourcePort = "source-port"
	kindRule       = "rich-rule"
	kindInterface  = "interface"
	kindSource     = "source"
)

// switches are the kinds without a value.
var switches = []string{kindInversion, kindMasquerade, kindForward}

// Values returns the values of a kind in the order in which they were set.
func (z *Zone) Values(kind string) []string {
	var list []string
	for _, e := range z.Elements {
		if e.Kind == kind {
			list = append(list, e.Value)
		}
	}
	return list
}

// Has reports whether the zone has an element.
func (z *Zone) Has(kind, value string) bool { return slices.Contains(z.Elements, Element{kind, value}) }

// clone returns a copy that shares nothing that changes.
func (z *Zone) clone() *Zone {
	c := *z
	c.Elements = slices.Clone(z.Elements)
	return &c
}

// ports returns the values of a kind of ports.
func (z *Zone) ports(kind string) []Port {
	var list []Port
	for _, v := range z.Values(kind) {
		if p, err := ParsePort(v); err == nil {
			list = append(list, p)
		}
	}
	return list
}

// rules returns the rich rules, by priority and then age.
func (z *Zone) rules() []*Rule {
	var list []*Rule
	for _, v := range z.Values(kindRule) {
		if r, err := ParseRule(v); err == nil {
			list = append(list, r)
		}
	}
	slices.SortStableFunc(list, func(a, b *Rule) int { return a.Priority - b.Priority })
	return list
}

// add sets an element. It reports false when the zone has it already.
func (z *Zone) add(e Element) bool {
	if e.Kind == kindPort || e.Kind == kindSourcePort {
		p, err := ParsePort(e.Value)
		list := z.ports(e.Kind)
		if err != nil || slices.ContainsFunc(list, func(q Port) bool { return covers(q, p) }) {
			return false
		}
		whole, taken := join(p, list)
		for _, q := range taken {
			z.drop(Element{e.Kind, q.String()})
		}
		e.Value = whole.String()
	} else if z.Has(e.Kind, e.Value) {
		return false
	}
	z.Elements = append(z.Elements, e)
	if e.Kind == kindInversion {
		z.moveBlocks()
	}
	return true
}

// remove takes an element out. It reports false when the zone does not have it.
func (z *Zone) remove(e Element) bool {
	if e.Kind == kindPort || e.Kind == kindSourcePort {
		p, err := ParsePort(e.Value)
		list := z.ports(e.Kind)
		if err != nil || !slices.ContainsFunc(list, func(q Port) bool { return covers(q, p) }) {
			return false
		}
		from, left := cut(p, list)
		for _, q := range from {
			z.drop(Element{e.Kind, q.String()})
		}
		for _, q := range left {
			z.Elements = append(z.Elements, Element{e.Kind, q.String()})
		}
		return true
	}
	if !z.Has(e.Kind, e.Value) {
		return false
	}
	z.drop(e)
	if e.Kind == kindInversion {
		z.moveBlocks()
	}
	return true
}

func (z *Zone) drop(e Element) {
	z.Elements = slices.DeleteFunc(z.Elements, func(x Element) bool { return x == e })
}

// moveBlocks puts the ICMP blocks last: their rules are made anew when the
// inversion changes.
func (z *Zone) moveBlocks() {
	var blocks []Element
	z.Elements = slices.DeleteFunc(z.Elements, func(x Element) bool {
		if x.Kind == kindICMPBlock {
			blocks = append(blocks, x)
			return true
		}
		return false
	})
	z.Elements = append(z.Elements, blocks...)
}

// id is how messages name an element.
func (e Element) id() string {
	switch e.Kind {
	case kindPort, kindSourcePort:
		return strings.Replace(e.Value, "/", ":", 1)
	case kindForwarding:
		if f, err := ParseForwardPort(e.Value); err == nil {
			return f.ID() + ":" + f.Proto + ":" + f.ToPort + ":" + f.ToAddr
		}
	}
	if e.Value == "" {
		return e.Kind
	}
	return e.Value
}

// normal checks the value of an element and returns it in its normal form. What
// it names is not looked up.
func (e Element) normal() (Element, error) {
	switch e.Kind {
	case kindPort, kindSourcePort:
		p, err := ParsePort(e.Value)
		return Element{e.Kind, p.String()}, err
	case kindForwarding:
		f, err := ParseForwardPort(e.Value)
		return Element{e.Kind, f.String()}, err
	case kindRule:
		r, err := ParseRule(e.Value)
		if err != nil {
			return e, err
		}
		return Element{e.Kind, r.String()}, nil
	case kindProtocol:
		if _, ok := nft.ProtocolNumber(e.Value); !ok {
			return e, fail("INVALID_PROTOCOL", e.Value)
		}
	case kindInterface:
		return e, checkInterface(e.Value)
	case kindSource:
		s, err := parseSource(e.Value)
		if err == nil && s.isMAC {
			return Element{e.Kind, strings.ToUpper(e.Value)}, nil
		}
		return e, err
	}
	return e, nil
}

// targets are what a zone does with what nothing lets by.
var targets = []string{"default", "ACCEPT", "DROP", "%%REJECT%%"}

// readTarget understands the words of --set-target.
func readTarget(zone, s string) (string, error) {
	switch {
	case slices.Contains(targets, s):
		return s, nil
	case s == "REJECT":
		return "%%REJECT%%", nil
	}
	return "", fail("INVALID_TARGET", "Zone '"+zone+"': invalid target '"+s+"'")
}

// Service is a predefined set of ports.
type Service struct {
	Name, Version, Short, Description string
	Ports, SourcePorts                []Port
	Protocols, Modules, Helpers       []string
	Includes                          []string
	Destination                       map[string]string // by "ipv4" and "ipv6"
}

// IPSet is a named list of addresses.
type IPSet struct {
	Name, Version, Short, Description string
	Type                              string   // "hash:ip", "hash:net" or "hash:mac"
	Options                           attrs    // as given
	Entries                           []string // in their order
}

// family is the IP family of the set's addresses.
func (s *IPSet) family() string {
	if s.Options.get("family") == "inet6" {
		return "inet6"
	}
	return "inet"
}

// checkEntry refuses what cannot be in the set.
func (s *IPSet) checkEntry(e string) error {
	ok := false
	switch s.Type {
	case "hash:mac":
		_, ok = parseMAC(e)
	case "hash:ip", "hash:net":
		var p netip.Prefix
		p, ok = parseAddress(e)
		ok = ok && p.Addr().Is6() == (s.family() == "inet6")
	}
	if !ok {
		return fail("INVALID_ENTRY", "invalid address '"+e+"' in '"+e+"'")
	}
	return nil
}

// ipsetTypes are the types that a set may have here.
var ipsetTypes = []string{"hash:ip", "hash:mac", "hash:net"}
