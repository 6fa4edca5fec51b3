package named

import (
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// zone is what a primary zone holds.
type zone struct {
	origin string
	soa    *dns.SOA
	nodes  map[string][]dns.RR // by canonical name; also of names that only have names below
}

// zoneProblem is what keeps a zone from being loaded, as named reports it.
type zoneProblem struct{ lines []string }

func (p *zoneProblem) Error() string { return strings.Join(p.lines, "\n") }

// readZone reads a master file. warnings are what named would log.
func readZone(origin, file, text string) (z *zone, warnings []string, err error) {
	label := strings.TrimSuffix(origin, ".") + "/IN"
	if origin == "." {
		label = "./IN"
	}
	problem := func(lines ...string) error {
		for i, l := range lines {
			lines[i] = "zone " + label + ": " + l
		}
		return &zoneProblem{lines}
	}
	z = &zone{origin: origin, nodes: map[string][]dns.RR{}}
	zp := dns.NewZoneParser(strings.NewReader(text), origin, file)
	zp.SetDefaultTTL(3600)
	soas := 0
	seen := map[string]bool{}
	for rr, ok := zp.Next(); ok; rr, ok = zp.Next() {
		name := dns.CanonicalName(rr.Header().Name)
		if !dns.IsSubDomain(origin, name) {
			warnings = append(warnings, fmt.Sprintf("%s: ignoring out-of-zone data (%s)", file, strings.TrimSuffix(name, ".")))
			continue
		}
		if s, ok := rr.(*dns.SOA); ok {
			if name != origin {
				return nil, warnings, problem("loading from master file " + file + " failed: not at top of zone")
			}
			soas++
			z.soa = s
		}
		data := name + " " + dns.Type(rr.Header().Rrtype).String() + " " + strings.TrimPrefix(rr.String(), rr.Header().String())
		if seen[data] {
			continue // RFC 2181 section 5
		}
		seen[data] = true
		z.nodes[name] = append(z.nodes[name], rr)
		for up := name; up != origin && up != "."; {
			_, up = cutLabel(up)
			if _, ok := z.nodes[up]; !ok {
				z.nodes[up] = nil
			}
		}
	}
	if err := zp.Err(); err != nil {
		return nil, warnings, problem("loading from master file "+file+" failed: "+err.Error(), "not loaded due to errors.")
	}
	var bad []string
	if soas != 1 {
		bad = append(bad, fmt.Sprintf("has %d SOA records", soas))
	}
	ns := ofType(z.nodes[origin], dns.TypeNS)
	if len(ns) == 0 {
		bad = append(bad, "has no NS records")
	}
	for _, rr := range ns {
		target := dns.CanonicalName(rr.(*dns.NS).Ns)
		if dns.IsSubDomain(origin, target) && len(addresses(z.nodes[target])) == 0 {
			bad = append(bad, fmt.Sprintf("NS '%s' has no address records (A or AAAA)", strings.TrimSuffix(target, ".")))
		}
	}
	for name, list := range z.nodes {
		if c := ofType(list, dns.TypeCNAME); len(c) > 0 && len(list) > len(c) || len(c) > 1 {
			bad = append(bad, fmt.Sprintf("%s: CNAME and other data", strings.TrimSuffix(name, ".")))
		}
	}
	if bad != nil {
		slices.Sort(bad)
		return nil, warnings, problem(append(bad, "not loaded due to errors.")...)
	}
	return z, warnings, nil
}

// cutLabel splits the first label off a name.
func cutLabel(name string) (label, rest string) {
	i, end := dns.NextLabel(name, 0)
	if end {
		return strings.TrimSuffix(name, "."), "."
	}
	return name[:i-1], name[i:]
}

func ofType(list []dns.RR, t uint16) []dns.RR {
	var got []dns.RR
	for _, rr := range list {
		if rr.Header().Rrtype == t || t == dns.TypeANY {
			got = append(got, rr)
		}
	}
	return got
}

func addresses(list []dns.RR) []dns.RR {
	return append(ofType(list, dns.TypeA), ofType(list, dns.TypeAAAA)...)
}

// reply is what a zone says to a question.
type reply struct {
	rcode      int
	aa         bool
	answer, ns []dns.RR
	next       string // the name that a CNAME at the end of answer leads to
	referral   bool   // the name belongs to another server
}

// answer works out the answer to a question (RFC 1034 section 4.3.2).
func (z *zone) answer(name string, qtype uint16) reply {
	canonical := dns.CanonicalName(name)
	// From the top of the zone down, in search of a cut.
	var above []string
	for at := canonical; at != z.origin; _, at = cutLabel(at) {
		above = append(above, at)
	}
	for _, at := range slices.Backward(above) {
		ns := ofType(z.nodes[at], dns.TypeNS)
		if len(ns) > 0 && (at != canonical || qtype != dns.TypeDS) {
			return reply{ns: ns, referral: true}
		}
	}
	list, ok := z.nodes[canonical]
	if !ok {
		// The wildcard of the closest name that exists (RFC 4592).
		encloser := canonical
		for !ok {
			_, encloser = cutLabel(encloser)
			_, ok = z.nodes[encloser]
		}
		star := "*." + encloser
		if encloser == "." {
			star = "*."
		}
		if _, ok := z.nodes[star]; !ok {
			return reply{rcode: dns.RcodeNameError, aa: true, ns: z.negative()}
		}
		for _, rr := range z.nodes[star] {
			rr = dns.Copy(rr)
			rr.Header().Name = name
			list = append(list, rr)
		}
	}
	if c := ofType(list, dns.TypeCNAME); len(c) > 0 && qtype != dns.TypeCNAME && qtype != dns.TypeANY {
		return reply{aa: true, answer: c, next: c[0].(*dns.CNAME).Target}
	}
	found := ofType(list, qtype)
	if len(found) == 0 {
		return reply{aa: true, ns: z.negative()}
	}
	return reply{aa: true, answer: found}
}

// negative is the authority section of a negative answer (RFC 2308 section 3).
func (z *zone) negative() []dns.RR {
	soa := dns.Copy(z.soa).(*dns.SOA)
	soa.Hdr.Ttl = min(soa.Hdr.Ttl, soa.Minttl)
	return []dns.RR{soa}
}

// all returns every record, the SOA first, for a transfer.
func (z *zone) all() []dns.RR {
	names := make([]string, 0, len(z.nodes))
	for n := range z.nodes {
		names = append(names, n)
	}
	slices.Sort(names)
	list := []dns.RR{z.soa}
	for _, n := range names {
		for _, rr := range z.nodes[n] {
			if rr != dns.RR(z.soa) {
				list = append(list, rr)
			}
		}
	}
	return list
}
