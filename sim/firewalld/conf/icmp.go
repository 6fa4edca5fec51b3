package conf

import (
	"slices"
	"strings"
)

// ICMPMessage is the type and code of an ICMP message.
type ICMPMessage struct {
	Kind    uint8
	HasCode bool
	Code    uint8
}

func icmpOf(kind uint8) *ICMPMessage          { return &ICMPMessage{Kind: kind} }
func icmpCoded(kind, code uint8) *ICMPMessage { return &ICMPMessage{kind, true, code} }

// ICMPType is a kind of ICMP message; a family that does not have it is nil.
type ICMPType struct{ V4, V6 *ICMPMessage }

// ICMPTypes are those that the packet filter knows (RFC 792, RFC 4443).
var ICMPTypes = map[string]ICMPType{
	"address-unreachable":        {nil, icmpCoded(1, 3)},
	"bad-header":                 {nil, icmpCoded(4, 0)},
	"beyond-scope":               {nil, icmpCoded(1, 2)},
	"communication-prohibited":   {icmpCoded(3, 13), nil},
	"destination-unreachable":    {icmpOf(3), icmpOf(1)},
	"echo-reply":                 {icmpOf(0), icmpOf(129)},
	"echo-request":               {icmpOf(8), icmpOf(128)},
	"failed-policy":              {nil, icmpCoded(1, 5)},
	"fragmentation-needed":       {icmpCoded(3, 4), nil},
	"host-precedence-violation":  {icmpCoded(3, 14), nil},
	"host-prohibited":            {icmpCoded(3, 10), nil},
	"host-redirect":              {icmpCoded(5, 1), nil},
	"host-unknown":               {icmpCoded(3, 7), nil},
	"host-unreachable":           {icmpCoded(3, 1), nil},
	"ip-header-bad":              {icmpCoded(12, 1), nil},
	"neighbour-advertisement":    {nil, icmpOf(136)},
	"neighbour-solicitation":     {nil, icmpOf(135)},
	"network-prohibited":         {icmpCoded(3, 9), nil},
	"network-redirect":           {icmpCoded(5, 0), nil},
	"network-unknown":            {icmpCoded(3, 6), nil},
	"network-unreachable":        {icmpCoded(3, 0), nil},
	"no-route":                   {nil, icmpCoded(1, 0)},
	"packet-too-big":             {nil, icmpOf(2)},
	"parameter-problem":          {icmpOf(12), icmpOf(4)},
	"port-unreachable":           {icmpCoded(3, 3), icmpCoded(1, 4)},
	"precedence-cutoff":          {icmpCoded(3, 15), nil},
	"protocol-unreachable":       {icmpCoded(3, 2), nil},
	"redirect":                   {icmpOf(5), icmpOf(137)},
	"reject-route":               {nil, icmpCoded(1, 6)},
	"required-option-missing":    {icmpCoded(12, 1), nil},
	"router-advertisement":       {icmpOf(9), icmpOf(134)},
	"router-solicitation":        {icmpOf(10), icmpOf(133)},
	"source-quench":              {icmpOf(4), nil},
	"source-route-failed":        {icmpCoded(3, 5), nil},
	"time-exceeded":              {icmpOf(11), icmpOf(3)},
	"timestamp-reply":            {icmpOf(14), nil},
	"timestamp-request":          {icmpOf(13), nil},
	"tos-host-redirect":          {icmpCoded(5, 3), nil},
	"tos-host-unreachable":       {icmpCoded(3, 12), nil},
	"tos-network-redirect":       {icmpCoded(5, 2), nil},
	"tos-network-unreachable":    {icmpCoded(3, 11), nil},
	"ttl-zero-during-reassembly": {icmpCoded(11, 1), icmpCoded(3, 1)},
	"ttl-zero-during-transit":    {icmpCoded(11, 0), icmpCoded(3, 0)},
	"unknown-header-type":        {nil, icmpCoded(4, 1)},
	"unknown-option":             {nil, icmpCoded(4, 2)},
}

// Of returns the messages of the type that go to addresses of some families.
func (t ICMPType) Of(families []string) ICMPType {
	if !slices.Contains(families, "ipv4") {
		t.V4 = nil
	}
	if !slices.Contains(families, "ipv6") {
		t.V6 = nil
	}
	return t
}

// ICMPName is an ICMP type as the configuration knows it: its name, and for
// which families it is. Which messages it means is in [ICMPTypes].
type ICMPName struct {
	Label
	Destination []string // families in the order of their setting; none is both
}

// Families are those of the type, in their order.
func (n *ICMPName) Families() []string {
	if len(n.Destination) == 0 {
		return []string{"ipv4", "ipv6"}
	}
	return slices.Sorted(slices.Values(n.Destination))
}

// Copy returns a copy that shares nothing that changes.
func (n *ICMPName) Copy() Definition {
	c := *n
	c.Destination = slices.Clone(n.Destination)
	return &c
}

// Edit does something to a family of the type. As long as none is set, both are.
func (n *ICMPName) Edit(kind, value string, do Edit) (has bool, id string, err error) {
	if kind != "destination" {
		return false, "", Fail("INVALID_OPTION", kind)
	}
	if value != "ipv4" && value != "ipv6" {
		return false, "", Fail("INVALID_IPV", "invalid argument: "+value+" (choose from 'ipv4', 'ipv6')")
	}
	has = slices.Contains(n.Families(), value)
	if do == Take && has {
		n.Destination = n.Families()
	}
	if do != Put || !has {
		edit(&n.Destination, value, do)
	}
	return has, value, nil
}

func readICMPName(name string, data []byte) (*ICMPName, error) {
	n := &ICMPName{Label: Label{Name: name}}
	return n, readSimple(ICMPNames, &n.Label, data, func(e xmlEvent) error {
		n.Version = e.attrs.Get("version")
		return needs(e, nil, "name", "version")
	}, func(e xmlEvent) error {
		if e.start != "destination" {
			return unexpected(e.start)
		}
		for _, f := range []string{"ipv4", "ipv6"} {
			if v := strings.ToLower(e.attrs.Get(f)); v == "yes" || v == "true" {
				n.Destination = append(n.Destination, f)
			}
		}
		return needs(e, nil, "ipv4", "ipv6")
	})
}

// File returns the type as its file.
func (n *ICMPName) File() []byte {
	w := &xmlWriter{}
	w.root(string(ICMPNames), [2]string{"version", n.Version})
	w.texts(n.Label)
	if len(n.Destination) > 0 {
		var a Attrs
		for _, f := range n.Destination {
			a = append(a, [2]string{f, "yes"})
		}
		w.tag(1, "destination", a...)
	}
	w.WriteString("</icmptype>\n")
	return []byte(w.String())
}
