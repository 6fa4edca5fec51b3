package conf

import (
	"fmt"
	"slices"
	"strconv"
)

// Policy says what becomes of packets that go from some zones to others
// (firewalld.policies(5)). It has the elements of a zone, but none that binds
// an interface or source: instead its elements name zones.
type Policy struct {
	Zone
	Priority int // those below zero come before the zones, those above after them
}

// The kinds of elements that only a policy has.
const (
	KindIngress = "ingress-zone"
	KindEgress  = "egress-zone"
)

// The zones that only a policy can name: every one, and this machine.
const (
	AnyZone  = "ANY"
	HostZone = "HOST"
)

// DefaultPriority is that of a policy that does not say.
const DefaultPriority = -1

const minPriority, maxPriority = -32768, 32767

// PolicyTargets are what a policy does with what none of its elements decides.
var PolicyTargets = []string{"ACCEPT", "REJECT", "DROP", "CONTINUE"}

// policyOrder is the order of the elements in a policy's file.
var policyOrder = []string{KindService, KindPort, KindProtocol, KindICMPBlock, KindMasquerade, KindForwarding, KindSourcePort,
	KindRule, KindIngress, KindEgress}

// NewPolicy returns a policy as --new-policy makes it.
func NewPolicy(name string) *Policy {
	return &Policy{Zone: Zone{Label: Label{Name: name}, Target: "CONTINUE"}, Priority: DefaultPriority}
}

// Clone returns a copy that shares nothing that changes.
func (p *Policy) Clone() *Policy { return &Policy{*p.Zone.Clone(), p.Priority} }

// Copy is Clone for a [Definition].
func (p *Policy) Copy() Definition { return p.Clone() }

// Between reports whether a policy has zones on both sides.
func (p *Policy) Between() bool {
	return len(p.Values(KindIngress)) > 0 && len(p.Values(KindEgress)) > 0
}

// wrong is an error about the policy.
func (p *Policy) wrong(code Code, format string, args ...any) error {
	return Fail(code, "Policy '"+p.Name+"': "+fmt.Sprintf(format, args...))
}

// ReadPriority understands the number of --set-priority.
func (p *Policy) ReadPriority(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, Fail("INVALID_PRIORITY", "'"+s+"' is no number")
	}
	if n == 0 || n < minPriority || n > maxPriority {
		return 0, p.wrong("INVALID_PRIORITY", "%d is invalid priority. Must be in range [%d, %d]. The following are reserved: [0]", n, minPriority, maxPriority)
	}
	return n, nil
}

// ReadTarget understands the words of --set-target.
func (p *Policy) ReadTarget(s string) (string, error) {
	if slices.Contains(PolicyTargets, s) {
		return s, nil
	}
	return "", p.wrong("INVALID_TARGET", "'%s' is invalid target", s)
}

// Check refuses what does not go with the zones that the policy is between.
// zone finds a zone by its name, nil when there is none.
func (p *Policy) Check(zone func(name string) *Zone) error {
	in, out := p.Values(KindIngress), p.Values(KindEgress)
	if slices.Contains(in, HostZone) && slices.Contains(out, HostZone) {
		return p.wrong("INVALID_ZONE", "'HOST' can only appear in either ingress or egress zones, but not both")
	}
	for _, side := range []struct {
		name  string
		zones []string
	}{{"ingress_zones", in}, {"egress_zones", out}} {
		for _, z := range side.zones {
			special := z == AnyZone || z == HostZone
			switch {
			case !special && zone(z) == nil:
				return p.wrong("INVALID_ZONE", "'%s' not among existing zones", z)
			case len(side.zones) > 1 && (slices.Contains(side.zones, AnyZone) || slices.Contains(side.zones, HostZone)):
				return p.wrong("INVALID_ZONE", "'%s' may only contain one of: many regular zones, ANY, or HOST", side.name)
			}
		}
	}
	for _, e := range p.Elements {
		var err error
		switch e.Kind {
		case KindMasquerade:
			err = p.checkMasquerade()
		case KindForwarding:
			if f, ferr := ParseForwardPort(e.Value); ferr == nil {
				err = p.checkForwarding(f, zone)
			}
		case KindRule:
			err = p.checkRule(e.Value, zone)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *Policy) checkRule(text string, zone func(string) *Zone) error {
	r, err := ParseRule(text)
	if err != nil {
		return err
	}
	switch {
	case r.Element != nil && r.Element.Kind == KindMasquerade:
		return p.checkMasquerade()
	case r.Element != nil && r.Element.Kind == KindForwarding:
		f, err := r.Element.ForwardPort()
		if err != nil {
			return err
		}
		return p.checkForwarding(f, zone)
	case r.Action != nil && r.Action.Kind == "mark":
		if z := interfaced(p.Values(KindEgress), zone); z != "" {
			return p.wrong("INVALID_ZONE", "'mark' action cannot be used because egress zone '%s' has assigned interfaces", z)
		}
	}
	return nil
}

// interfaced returns the first zone to which interfaces are bound, "" when none.
func interfaced(names []string, zone func(string) *Zone) string {
	for _, name := range names {
		if z := zone(name); z != nil && len(z.Values(KindInterface)) > 0 {
			return name
		}
	}
	return ""
}

func (p *Policy) checkMasquerade() error {
	switch {
	case p.Has(KindEgress, HostZone):
		return p.wrong("INVALID_ZONE", "'masquerade' is invalid for egress zone 'HOST'")
	case p.Has(KindIngress, HostZone):
		return p.wrong("INVALID_ZONE", "'masquerade' is invalid for ingress zone 'HOST'")
	}
	return nil
}

func (p *Policy) checkForwarding(f ForwardPort, zone func(string) *Zone) error {
	out := p.Values(KindEgress)
	switch {
	case slices.Contains(out, HostZone) && f.ToAddr != "":
		return p.wrong("INVALID_FORWARD", "A 'forward-port' with 'to-addr' is invalid for egress zone 'HOST'")
	case len(out) > 0 && !slices.Contains(out, HostZone) && f.ToAddr == "":
		return p.wrong("INVALID_FORWARD", "'forward-port' requires 'to-addr' if egress zone is 'ANY' or a zone")
	}
	if z := interfaced(out, zone); z != "" {
		return p.wrong("INVALID_ZONE", "'forward-port' cannot be used because egress zone '%s' has assigned interfaces", z)
	}
	return nil
}

// ReadPolicy reads a policy file. What it names is not looked up.
func ReadPolicy(name string, data []byte) (*Policy, error) {
	p := NewPolicy(name)
	err := readRuled("policy", &p.Zone, data, p.readRoot, p.readElement)
	return p, err
}

func (p *Policy) readRoot(e xmlEvent) error {
	if err := needs(e, []string{"target"}, "version", "priority"); err != nil {
		return err
	}
	p.Version = e.attrs.Get("version")
	p.Target = e.attrs.Get("target")
	if !slices.Contains(PolicyTargets, p.Target) {
		return Fail("INVALID_TARGET", p.Target)
	}
	if s := e.attrs.Get("priority"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			return Fail("INVALID_PRIORITY", "'"+s+"' is no number")
		}
		p.Priority = n
	}
	return nil
}

func (p *Policy) readElement(e xmlEvent) error {
	switch e.start {
	case KindIngress, KindEgress:
		if err := needs(e, []string{"name"}); err != nil {
			return err
		}
		p.Zone.Add(Element{e.start, e.attrs.Get("name")})
		return nil
	case KindInterface, KindSource, KindForward, KindInversion:
		return unexpected(e.start)
	}
	return p.Zone.readElement(e)
}

// File returns the policy as its file.
func (p *Policy) File() []byte {
	w := &xmlWriter{}
	priority := ""
	if p.Priority != DefaultPriority {
		priority = strconv.Itoa(p.Priority)
	}
	w.root("policy", [2]string{"version", p.Version}, [2]string{"priority", priority}, [2]string{"target", p.Target})
	w.texts(p.Label)
	for _, kind := range policyOrder {
		for _, v := range p.Values(kind) {
			writeElement(w, kind, v)
		}
	}
	w.WriteString("</policy>\n")
	return []byte(w.String())
}
