package conf

import (
	"slices"
	"strings"

	"enshu/sim/nft"
)

// Zone is the configuration of a zone. What it lets by stands in one list, in
// the order in which it was set: that is the order of the packet filter's rules.
type Zone struct {
	Label
	Target   string // "default", "ACCEPT", "DROP" or "%%REJECT%%"
	Elements []Element
	// ShowTarget writes the target to the file although it is the default, as
	// firewalld does after it took a deleted service out of the zone.
	ShowTarget bool
}

// Element is one thing that a zone has: a kind and its value in the form of
// firewall-cmd's options. A switch has no value.
type Element struct{ Kind, Value string }

// The kinds of elements, by their names in options.
const (
	KindService    = "service"
	KindPort       = "port"
	KindProtocol   = "protocol"
	KindICMPBlock  = "icmp-block"
	KindInversion  = "icmp-block-inversion"
	KindMasquerade = "masquerade"
	KindForward    = "forward"
	KindForwarding = "forward-port"
	KindSourcePort = "source-port"
	KindRule       = "rich-rule"
	KindInterface  = "interface"
	KindSource     = "source"
)

// Switches are the kinds without a value.
var Switches = []string{KindInversion, KindMasquerade, KindForward}

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

// Clone returns a copy that shares nothing that changes.
func (z *Zone) Clone() *Zone {
	c := *z
	c.Elements = slices.Clone(z.Elements)
	return &c
}

// Copy is Clone for a [Definition].
func (z *Zone) Copy() Definition { return z.Clone() }

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

// Rules returns the rich rules, by priority and then age.
func (z *Zone) Rules() []*Rule {
	var list []*Rule
	for _, v := range z.Values(KindRule) {
		if r, err := ParseRule(v); err == nil {
			list = append(list, r)
		}
	}
	slices.SortStableFunc(list, func(a, b *Rule) int { return a.Priority - b.Priority })
	return list
}

// Add sets an element. It reports false when the zone has it already.
func (z *Zone) Add(e Element) bool {
	if e.Kind == KindPort || e.Kind == KindSourcePort {
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
	if e.Kind == KindInversion {
		z.moveBlocks()
	}
	return true
}

// Remove takes an element out. It reports false when the zone does not have it.
func (z *Zone) Remove(e Element) bool {
	if e.Kind == KindPort || e.Kind == KindSourcePort {
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
	if e.Kind == KindInversion {
		z.moveBlocks()
	}
	return true
}

func (z *Zone) drop(e Element) {
	z.Elements = slices.DeleteFunc(z.Elements, func(x Element) bool { return x == e })
}

// loadOrder is the order in which the elements of a file come into force.
var loadOrder = []string{KindService, KindPort, KindMasquerade, KindForwarding, KindSourcePort, KindICMPBlock, KindRule, KindProtocol}

// Loaded puts the elements in the order in which they come into force when they
// are loaded, and not set one by one.
func (z *Zone) Loaded() {
	slices.SortStableFunc(z.Elements, func(a, b Element) int {
		return slices.Index(loadOrder, a.Kind) - slices.Index(loadOrder, b.Kind)
	})
}

// moveBlocks puts the ICMP blocks last: their rules are made anew when the
// inversion changes.
func (z *Zone) moveBlocks() {
	var blocks []Element
	z.Elements = slices.DeleteFunc(z.Elements, func(x Element) bool {
		if x.Kind == KindICMPBlock {
			blocks = append(blocks, x)
			return true
		}
		return false
	})
	z.Elements = append(z.Elements, blocks...)
}

// Id is how messages name an element.
func (e Element) Id() string {
	switch e.Kind {
	case KindPort, KindSourcePort:
		return strings.Replace(e.Value, "/", ":", 1)
	case KindForwarding:
		if f, err := ParseForwardPort(e.Value); err == nil {
			return f.ID() + ":" + f.Proto + ":" + f.ToPort + ":" + f.ToAddr
		}
	}
	if e.Value == "" {
		return e.Kind
	}
	return e.Value
}

// Quoted is how messages about policies name an element.
func (e Element) Quoted() string {
	switch e.Kind {
	case KindPort, KindSourcePort, KindForwarding:
		return "'" + e.Id() + "'"
	}
	return e.Id()
}

// Normal checks the value of an element and returns it in its normal form. What
// it names is not looked up.
func (e Element) Normal() (Element, error) {
	switch e.Kind {
	case KindPort, KindSourcePort:
		p, err := ParsePort(e.Value)
		return Element{e.Kind, p.String()}, err
	case KindForwarding:
		f, err := ParseForwardPort(e.Value)
		return Element{e.Kind, f.String()}, err
	case KindRule:
		r, err := ParseRule(e.Value)
		if err != nil {
			return e, err
		}
		return Element{e.Kind, r.String()}, nil
	case KindProtocol:
		if _, ok := nft.ProtocolNumber(e.Value); !ok {
			return e, Fail("INVALID_PROTOCOL", e.Value)
		}
	case KindInterface:
		return e, CheckInterface(e.Value)
	case KindSource:
		s, err := ParseSource(e.Value)
		if err == nil && s.IsMAC {
			return Element{e.Kind, strings.ToUpper(e.Value)}, nil
		}
		return e, err
	}
	return e, nil
}

// targets are what a zone does with what nothing lets by.
var targets = []string{"default", "ACCEPT", "DROP", "%%REJECT%%"}

// ReadTarget understands the words of --set-target.
func ReadTarget(zone, s string) (string, error) {
	switch {
	case slices.Contains(targets, s):
		return s, nil
	case s == "REJECT":
		return "%%REJECT%%", nil
	}
	return "", Fail("INVALID_TARGET", "Zone '"+zone+"': invalid target '"+s+"'")
}

// Queries reports whether the zone has an element, a port also as a part of a range.
func (z *Zone) Queries(e Element) bool {
	if e.Kind == KindPort || e.Kind == KindSourcePort {
		p, err := ParsePort(e.Value)
		return err == nil && slices.ContainsFunc(z.ports(e.Kind), func(q Port) bool { return covers(q, p) })
	}
	return z.Has(e.Kind, e.Value)
}

// Sorted puts the values of a kind in the order in which they are shown.
func Sorted(kind string, list []string) []string {
	list = slices.Clone(list)
	switch kind {
	case KindForwarding, KindInterface:
	case KindRule:
		z := &Zone{}
		for _, v := range list {
			z.Elements = append(z.Elements, Element{KindRule, v})
		}
		list = nil
		for _, r := range z.Rules() {
			list = append(list, r.String())
		}
	case KindPort, KindSourcePort:
		z := &Zone{}
		for _, v := range list {
			z.Elements = append(z.Elements, Element{kind, v})
		}
		list = nil
		for _, p := range sortedPorts(z.ports(kind)) {
			list = append(list, p.String())
		}
	case KindSource:
	default:
		slices.Sort(list)
	}
	return list
}
