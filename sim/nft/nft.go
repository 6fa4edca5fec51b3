// Package nft is a model of an nftables ruleset: what sim/firewalld makes of
// its zones and what the kernel of a host enforces. It holds values only, and
// knows three things about them: the text that nft(8) prints for them
// ([Ruleset.String]), what becomes of a packet ([Engine]), and, in the package
// nftnl below it, the netlink messages that put them into a kernel.
//
// Sources: nft(8), nftables 1.0.6 as recorded in testdata, linux/netfilter.
//
// # Divergences
//
//   - The model has the expressions that firewalld uses, not all of nft.
//   - nftnl gives every log statement an NFLOG group, since the kernel's own log
//     does not leave the first network namespace (see [LogGroup]); the nft tool
//     then shows "group N" where the text here does not.
//   - Connection tracking helpers are part of the text and not put into a
//     kernel: no lab has a protocol that needs one.
package nft

import "net/netip"

// Ruleset is everything in force on a host.
type Ruleset struct{ Tables []*Table }

// Table is a table of one family.
type Table struct {
	Family  string // "inet", "ip" or "ip6"
	Name    string
	Helpers []Helper
	Sets    []*Set
	Chains  []*Chain
}

// Helper is a named connection tracking helper.
type Helper struct {
	Name     string // of the object
	Type     string // of the helper: "ftp"
	Protocol string // "tcp" or "udp"
	L3       string // "ip", "ip6" or "inet"
}

// Set is a named set of addresses. Elements are prefixes; MACs are kept apart.
type Set struct {
	Name     string
	Type     string // "ipv4_addr", "ipv6_addr" or "ether_addr"
	Interval bool
	Prefixes []netip.Prefix
	MACs     []MAC
}

// Chain is a list of rules, hooked into the path of packets when Base is set.
type Chain struct {
	Name  string
	Base  *Base
	Rules []Rule
}

// Base says where a base chain hangs.
type Base struct {
	Type     string // "filter" or "nat"
	Hook     Hook
	Priority int
	Drop     bool // policy drop
}

// Hook is a place on the path of a packet.
type Hook int

// The hooks, numbered as in linux/netfilter.h.
const (
	Prerouting Hook = iota
	Input
	Forward
	Output
	Postrouting
)

// Rule is a list of expressions: what must match, and what is then done.
type Rule []Expr

// Expr is one part of a rule; the types are those of this package. Its text is
// what nft prints.
type Expr interface{ String() string }

// IP families, as in NFPROTO_*.
const (
	IPv4 = 2
	IPv6 = 10
)

// MAC is a link layer address.
type MAC [6]byte

// The matching expressions.
type (
	// IfName matches the interface a packet came in by or goes out of. A name
	// that ends in '*' stands for all that begin so.
	IfName struct {
		Out, Not bool
		Name     string
	}
	// NFProto matches the IP family.
	NFProto struct{ Family uint8 }
	// L4Proto matches one of the transport protocols.
	L4Proto struct{ Protos []uint8 }
	// Addr matches an address against one prefix, an anonymous set of prefixes,
	// or the named set Set, whose family V6 tells.
	Addr struct {
		Dst, Not bool
		Prefixes []netip.Prefix
		Set      string
		V6       bool
	}
	// EtherSource matches the link layer source address, or the named set Set.
	EtherSource struct {
		Not  bool
		Addr MAC
		Set  string
	}
	// Port matches the ports Lo to Hi of a transport protocol.
	Port struct {
		Proto  uint8
		Source bool
		Lo, Hi uint16
	}
	// ICMPType matches the type and, if HasCode, the code of an ICMP message.
	ICMPType struct {
		V6      bool
		Types   []uint8
		HasCode bool
		Code    uint8
	}
	// CTState matches the state of the connection.
	CTState struct{ States []State }
	// CTStatusDNAT matches a connection whose destination was rewritten.
	CTStatusDNAT struct{}
	// RPFilter matches a packet whose source is not reached by the way it came.
	RPFilter struct{}
	// PktType matches how a packet was addressed on the link.
	PktType struct{ Type LinkType }
	// Limit matches at most Rate packets a Unit ("second", "minute", "hour",
	// "day"), after a burst of five.
	Limit struct {
		Rate uint64
		Unit string
	}
)

// State is a state of a connection, as a bit of NF_CT_STATE_*.
type State uint32

// The states.
const (
	Invalid     State = 1
	Established State = 2
	Related     State = 4
	New         State = 8
	Untracked   State = 64
)

// LinkType is PACKET_* of linux/if_packet.h.
type LinkType uint8

// The link types.
const (
	ToHost    LinkType = 0
	Broadcast LinkType = 1
	Multicast LinkType = 2
)

// The statements.
type (
	// Log writes a kernel message.
	Log struct {
		Prefix string
		Level  LogLevel
	}
	// NFLog hands the packet to the program that listens on an NFLOG group, after
	// Threshold packets if that is not 0.
	NFLog struct {
		Prefix           string
		Group, Threshold uint16
	}
	// SetMark sets the packet's mark to Mark; of the mark before the bits of Keep
	// stay and are combined with it by exclusive or.
	SetMark struct{ Mark, Keep uint32 }
	// ClampMSS matches the SYN of a TCP connection and sets the largest segment
	// it may have; Size 0 is what the route can carry.
	ClampMSS struct{ Size uint16 }
	// SetHelper attaches a connection tracking helper of the table.
	SetHelper struct{ Name string }
	// Masquerade rewrites the source to the outgoing interface's address.
	Masquerade struct{}
	// Redirect rewrites the destination to this host, and the port if not 0.
	// With Last the port is one of Port to Last.
	Redirect struct{ Port, Last uint16 }
	// DNAT rewrites the destination, and the port if not 0; with Last to one of
	// Port to Last.
	DNAT struct {
		Addr       netip.Addr
		Port, Last uint16
	}
	// Reject refuses a packet with an error.
	Reject struct {
		With RejectKind
		Code uint8
	}
	// Verdict ends the rule.
	Verdict struct {
		Kind  VerdictKind
		Chain string // of Jump and Goto
	}
)

// LogLevel is the severity of a log statement; LogAudit goes to the audit log.
type LogLevel uint8

// The levels, in the kernel's order; nft's own default is LogWarning.
const (
	LogEmerg LogLevel = iota
	LogAlert
	LogCrit
	LogErr
	LogWarning
	LogNotice
	LogInfo
	LogDebug
	LogAudit
)

// logGroups is the NFLOG group of LogEmerg; the other levels follow.
const logGroups = 8

// LogGroup is the NFLOG group that carries a log statement of this level out
// of a host's namespace. NFLOG has no field for the level, so the group tells it.
func LogGroup(l LogLevel) uint16 { return logGroups + uint16(l) }

// LevelOfGroup undoes LogGroup.
func LevelOfGroup(g uint16) (LogLevel, bool) {
	if g < logGroups || g > logGroups+uint16(LogDebug) {
		return 0, false
	}
	return LogLevel(g - logGroups), true
}

// RejectKind is NFT_REJECT_*.
type RejectKind uint8

// The kinds of errors. ICMPX is translated to the packet's family.
const (
	RejectICMP   RejectKind = iota // of IPv4
	RejectTCPRst                   // a TCP reset
	RejectICMPX                    // of both
	RejectICMPv6
)

// Codes of RejectICMPX.
const (
	ICMPXNoRoute uint8 = iota
	ICMPXPortUnreachable
	ICMPXHostUnreachable
	ICMPXAdminProhibited
)

// VerdictKind says how a rule ends.
type VerdictKind uint8

// The verdicts.
const (
	Accept VerdictKind = iota
	Drop
	Return
	Jump
	Goto
)

// Table returns the table of a family and name, nil when there is none.
func (r *Ruleset) Table(family, name string) *Table {
	if r != nil {
		for _, t := range r.Tables {
			if t.Family == family && t.Name == name {
				return t
			}
		}
	}
	return nil
}

// Chain returns the chain of a name, nil when there is none.
func (t *Table) Chain(name string) *Chain {
	for _, c := range t.Chains {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Set returns the set of a name, nil when there is none.
func (t *Table) Set(name string) *Set {
	for _, s := range t.Sets {
		if s.Name == name {
			return s
		}
	}
	return nil
}
