package conf

import (
	"maps"
	"slices"
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

// ICMPTypes are the predefined ones (RFC 792, RFC 4443).
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

func ICMPTypeNames() []string { return slices.Sorted(maps.Keys(ICMPTypes)) }

// Destinations names the families of the type, for --info-icmptype.
func (t ICMPType) Destinations() []string {
	var list []string
	if t.V4 != nil {
		list = append(list, "ipv4")
	}
	if t.V6 != nil {
		list = append(list, "ipv6")
	}
	return list
}

// helper is a predefined connection tracking helper.
type helper struct {
	Module string // name in the kernel
	Family string // "ipv4", "" is both
	Ports  []Port
}

var Helpers = map[string]helper{
	"Q.931":      {"Q.931", "", []Port{{1720, 1720, "tcp"}}},
	"RAS":        {"RAS", "", []Port{{1719, 1719, "udp"}}},
	"amanda":     {"amanda", "", []Port{{10080, 10080, "udp"}}},
	"ftp":        {"ftp", "", []Port{{21, 21, "tcp"}}},
	"h323":       {"h323", "", nil},
	"irc":        {"irc", "ipv4", []Port{{194, 194, "tcp"}}},
	"netbios-ns": {"netbios-ns", "ipv4", []Port{{137, 137, "udp"}}},
	"pptp":       {"pptp", "ipv4", []Port{{1723, 1723, "tcp"}}},
	"proto-gre":  {"proto-gre", "", nil},
	"sane":       {"sane", "", []Port{{6566, 6566, "tcp"}}},
	"sip":        {"sip", "", []Port{{5060, 5060, "tcp"}, {5060, 5060, "udp"}}},
	"snmp":       {"snmp", "ipv4", []Port{{161, 161, "udp"}}},
	"tftp":       {"tftp", "", []Port{{69, 69, "udp"}}},
}
