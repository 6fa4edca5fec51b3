package nft

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// String returns what `nft list ruleset` prints.
func (r *Ruleset) String() string {
	var b strings.Builder
	for _, t := range r.Tables {
		b.WriteString(t.String())
	}
	return b.String()
}

// String returns what `nft list table` prints.
func (t *Table) String() string {
	var parts []string
	for _, h := range t.Helpers {
		parts = append(parts, h.String())
	}
	for _, s := range t.Sets {
		parts = append(parts, s.String())
	}
	for _, c := range t.Chains {
		parts = append(parts, c.String())
	}
	return t.Wrap(strings.Join(parts, "\n"))
}

// Wrap puts the text of parts of the table between the table's braces.
func (t *Table) Wrap(body string) string {
	return fmt.Sprintf("table %s %s {\n%s}\n", t.Family, t.Name, body)
}

func (h Helper) String() string {
	return fmt.Sprintf("\tct helper %s {\n\t\ttype \"%s\" protocol %s\n\t\tl3proto %s\n\t}\n", h.Name, h.Type, h.Protocol, h.L3)
}

// String returns the set as a part of its table.
func (s *Set) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\tset %s {\n\t\ttype %s\n", s.Name, s.Type)
	if s.Interval {
		b.WriteString("\t\tflags interval\n")
	}
	var elems []string
	for _, p := range s.Prefixes {
		elems = append(elems, prefixText(p))
	}
	for _, m := range s.MACs {
		elems = append(elems, m.String())
	}
	if len(elems) > 0 {
		// nft puts two addresses on a line once there are more than two.
		var lines []string
		for i := 0; i < len(elems); i += 2 {
			lines = append(lines, strings.Join(elems[i:min(i+2, len(elems))], ", "))
		}
		fmt.Fprintf(&b, "\t\telements = { %s }\n", strings.Join(lines, ",\n\t\t\t     "))
	}
	b.WriteString("\t}\n")
	return b.String()
}

// String returns the chain as a part of its table.
func (c *Chain) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\tchain %s {\n", c.Name)
	if c.Base != nil {
		fmt.Fprintf(&b, "\t\t%s\n", c.Base)
	}
	for _, r := range c.Rules {
		fmt.Fprintf(&b, "\t\t%s\n", r)
	}
	b.WriteString("\t}\n")
	return b.String()
}

var hookNames = [...]string{"prerouting", "input", "forward", "output", "postrouting"}

func (h Hook) String() string { return hookNames[h] }

// priorities are the names that nft has for numbers, by hook and kind; a number
// near one prints as its sum.
var priorities = []struct {
	name  string
	value int
	hooks []Hook
}{
	{"raw", -300, nil},
	{"mangle", -150, nil},
	{"dstnat", -100, []Hook{Prerouting}},
	{"filter", 0, nil},
	{"security", 50, nil},
	{"srcnat", 100, []Hook{Postrouting}},
}

func (b *Base) String() string {
	policy := "accept"
	if b.Drop {
		policy = "drop"
	}
	return fmt.Sprintf("type %s hook %s priority %s; policy %s;", b.Type, b.Hook, b.priorityText(), policy)
}

func (b *Base) priorityText() string {
	for _, p := range priorities {
		ok := p.hooks == nil
		for _, h := range p.hooks {
			ok = ok || h == b.Hook
		}
		d := b.Priority - p.value
		switch {
		case !ok || d < -10 || d > 10:
		case d == 0:
			return p.name
		case d < 0:
			return fmt.Sprintf("%s - %d", p.name, -d)
		default:
			return fmt.Sprintf("%s + %d", p.name, d)
		}
	}
	return strconv.Itoa(b.Priority)
}

// String returns the rule as nft lists it: what a later part of the rule says
// anyway is left out.
func (r Rule) String() string {
	var words []string
	for i, e := range r {
		if !implied(e, r[i+1:]) {
			words = append(words, e.String())
		}
	}
	return strings.Join(words, " ")
}

// implied reports whether what follows in a rule tells that e matches: the
// family is told by addresses, ICMP types and errors of one family, the
// transport protocol by ports.
func implied(e Expr, rest Rule) bool {
	for _, next := range rest {
		switch e := e.(type) {
		case NFProto:
			switch next := next.(type) {
			case Addr:
				if next.v6() == (e.Family == IPv6) {
					return true
				}
			case ICMPType:
				return true
			case Reject:
				return next.With != RejectICMPX
			}
		case L4Proto:
			if p, ok := next.(Port); ok && len(e.Protos) == 1 && p.Proto == e.Protos[0] {
				return true
			}
		}
	}
	return false
}

func not(b bool) string {
	if b {
		return "!= "
	}
	return ""
}

// braces writes one value bare and several as an anonymous set.
func braces(values []string) string {
	if len(values) == 1 {
		return values[0]
	}
	return "{ " + strings.Join(values, ", ") + " }"
}

func (e IfName) String() string {
	dir := "iifname"
	if e.Out {
		dir = "oifname"
	}
	return fmt.Sprintf("%s %s\"%s\"", dir, not(e.Not), e.Name)
}

func (e NFProto) String() string { return "meta nfproto " + familyName(e.Family) }

func familyName(f uint8) string {
	if f == IPv6 {
		return "ipv6"
	}
	return "ipv4"
}

func (e L4Proto) String() string {
	var names []string
	for _, p := range e.Protos {
		names = append(names, ProtocolName(p))
	}
	return "meta l4proto " + braces(names)
}

func (e Addr) v6() bool {
	if len(e.Prefixes) > 0 {
		return e.Prefixes[0].Addr().Is6()
	}
	return e.V6
}

func (e Addr) String() string {
	family, dir := "ip", "saddr"
	if e.v6() {
		family = "ip6"
	}
	if e.Dst {
		dir = "daddr"
	}
	value := "@" + e.Set
	if e.Set == "" {
		var list []string
		for _, p := range e.Prefixes {
			list = append(list, prefixText(p))
		}
		value = braces(list)
	}
	return fmt.Sprintf("%s %s %s%s", family, dir, not(e.Not), value)
}

// prefixText writes a prefix as nft does: without the length when it is an
// address, and an IPv4-mapped address with the dotted quad.
func prefixText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

func (m MAC) String() string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

func (e EtherSource) String() string {
	value := "@" + e.Set
	if e.Set == "" {
		value = e.Addr.String()
	}
	return "ether saddr " + not(e.Not) + value
}

func (e Port) String() string {
	dir := "dport"
	if e.Source {
		dir = "sport"
	}
	if e.Lo == e.Hi {
		return fmt.Sprintf("%s %s %d", ProtocolName(e.Proto), dir, e.Lo)
	}
	return fmt.Sprintf("%s %s %d-%d", ProtocolName(e.Proto), dir, e.Lo, e.Hi)
}

func (e ICMPType) String() string {
	family, types, codes := "icmp", icmpTypes, icmpCodes
	if e.V6 {
		family, types, codes = "icmpv6", icmpv6Types, icmpv6Codes
	}
	var names []string
	for _, t := range e.Types {
		names = append(names, nameOf(types, t))
	}
	s := family + " type " + braces(names)
	if e.HasCode {
		s += " " + family + " code " + nameOf(codes, e.Code)
	}
	return s
}

func nameOf(names map[uint8]string, n uint8) string {
	if s, ok := names[n]; ok {
		return s
	}
	return strconv.Itoa(int(n))
}

var stateNames = map[State]string{Invalid: "invalid", Established: "established", Related: "related", New: "new", Untracked: "untracked"}

func (e CTState) String() string {
	var names []string
	for _, s := range e.States {
		names = append(names, stateNames[s])
	}
	return "ct state " + braces(names)
}

func (CTStatusDNAT) String() string { return "ct status dnat" }
func (RPFilter) String() string     { return "fib saddr . mark . iif oif missing" }

var linkTypeNames = map[LinkType]string{ToHost: "host", Broadcast: "broadcast", Multicast: "multicast"}

func (e PktType) String() string { return "meta pkttype " + linkTypeNames[e.Type] }
func (e Limit) String() string   { return fmt.Sprintf("limit rate %d/%s", e.Rate, e.Unit) }

var logLevelNames = [...]string{"emerg", "alert", "crit", "err", "warn", "notice", "info", "debug", "audit"}

func (e Log) String() string {
	s := "log"
	if e.Prefix != "" {
		s += fmt.Sprintf(" prefix \"%s\"", e.Prefix)
	}
	if e.Level != LogWarning {
		s += " level " + logLevelNames[e.Level]
	}
	return s
}

func (e NFLog) String() string {
	s := "log"
	if e.Prefix != "" {
		s += fmt.Sprintf(" prefix \"%s\"", e.Prefix)
	}
	s += fmt.Sprintf(" group %d", e.Group)
	if e.Threshold != 0 {
		s += fmt.Sprintf(" queue-threshold %d", e.Threshold)
	}
	return s
}

func (e SetMark) String() string {
	if e.Keep != 0 {
		return fmt.Sprintf("meta mark set meta mark & 0x%08x ^ 0x%08x", e.Keep, e.Mark)
	}
	return fmt.Sprintf("meta mark set 0x%08x", e.Mark)
}

func (e ClampMSS) String() string {
	size := "rt mtu"
	if e.Size != 0 {
		size = strconv.Itoa(int(e.Size))
	}
	return "tcp flags syn tcp option maxseg size set " + size
}

func (e SetHelper) String() string { return fmt.Sprintf("ct helper set \"%s\"", e.Name) }
func (Masquerade) String() string  { return "masquerade" }

func (e Redirect) String() string {
	if e.Port == 0 {
		return "redirect"
	}
	return "redirect to :" + newPort(e.Port, e.Last)
}

// newPort is the port that a destination gets, or the first and the last of a range.
func newPort(port, last uint16) string {
	if last > port {
		return fmt.Sprintf("%d-%d", port, last)
	}
	return strconv.Itoa(int(port))
}

func (e DNAT) String() string {
	family, addr := "ip", e.Addr.String()
	if e.Addr.Is6() {
		family = "ip6"
		if e.Port != 0 {
			addr = "[" + addr + "]"
		}
	}
	if e.Port != 0 {
		addr += ":" + newPort(e.Port, e.Last)
	}
	return fmt.Sprintf("dnat %s to %s", family, addr)
}

func (e Reject) String() string {
	switch e.With {
	case RejectTCPRst:
		return "reject with tcp reset"
	case RejectICMPX:
		if e.Code == ICMPXPortUnreachable {
			return "reject"
		}
		return "reject with icmpx " + nameOf(icmpxCodes, e.Code)
	case RejectICMPv6:
		return "reject with icmpv6 " + nameOf(icmpv6Codes, e.Code)
	}
	return "reject with icmp " + nameOf(icmpCodes, e.Code)
}

var verdictNames = [...]string{"accept", "drop", "return", "jump", "goto"}

func (e Verdict) String() string {
	if e.Chain != "" {
		return verdictNames[e.Kind] + " " + e.Chain
	}
	return verdictNames[e.Kind]
}
