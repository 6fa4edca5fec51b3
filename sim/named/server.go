package named

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"

	"enshu/sim/host"
	"enshu/sim/trace"
)

// banner is what EL9's named says of itself.
const banner = "9.16.23-RH"

// server is what named knows after it has read its configuration. A reload
// makes a new one.
type server struct {
	p     *host.Proc
	conf  *config
	here  surroundings
	zones map[string]*zone // by origin; nil for one that could not be loaded
	conv  map[string]zoneConf
	cache *cache
	log   func(text string)
}

// limits of EDNS (RFC 6891) and of plain DNS over udp (RFC 1035 section 2.3.4).
const (
	ednsSize = 1232
	udpSize  = 512
)

// handle answers one query; nil is no answer at all.
func (s *server) handle(ctx context.Context, q *dns.Msg, from netip.AddrPort, over string) *dns.Msg {
	if q.Response {
		return nil
	}
	r := new(dns.Msg)
	r.SetReply(q)
	r.RecursionAvailable = s.conf.recursion && s.conf.recurse.allows(from.Addr(), s.here)
	edns := q.IsEdns0()
	switch {
	case q.Opcode != dns.OpcodeQuery:
		r.Rcode = dns.RcodeNotImplemented
	case len(q.Question) != 1:
		r.Rcode = dns.RcodeFormatError
	case edns != nil && edns.Version() != 0:
		r.Rcode = dns.RcodeBadVers
	default:
		s.resolve(ctx, q, r, from, over)
	}
	if edns != nil {
		r.SetEdns0(ednsSize, edns.Do())
	}
	if over == "udp" {
		size := udpSize
		if edns != nil {
			size = max(udpSize, min(int(edns.UDPSize()), ednsSize))
		}
		r.Truncate(size)
	}
	if len(q.Question) == 1 {
		s.p.Emit(trace.QueryAnswered, trace.Attrs{"protocol": "dns", "from": from.String(), "question": show(q.Question[0]), "answer": summary(r)})
	}
	return r
}

func show(q dns.Question) string {
	return strings.TrimSuffix(q.Name, ".") + "/" + dns.Type(q.Qtype).String() + "/" + dns.Class(q.Qclass).String()
}

// summary is the answer in a few words, for the trace.
func summary(r *dns.Msg) string {
	if r.Rcode != dns.RcodeSuccess {
		return dns.RcodeToString[r.Rcode]
	}
	var words []string
	for _, rr := range r.Answer {
		words = append(words, strings.TrimPrefix(rr.String(), rr.Header().String()))
	}
	if words == nil {
		return "no data"
	}
	return strings.Join(words, ", ")
}

// refuse denies a query and logs it as named does.
func (s *server) refuse(r *dns.Msg, from netip.AddrPort, what string) {
	r.Rcode = dns.RcodeRefused
	q := r.Question[0]
	s.log("client @0x7f0000000000 " + from.Addr().String() + "#" + portOf(from) + " (" + strings.TrimSuffix(q.Name, ".") + "): " + what + " '" + show(q) + "' denied")
}

// maxChain is how many aliases named follows (max-recursion-depth).
const maxChain = 16

// resolve fills in the answer of a query.
func (s *server) resolve(ctx context.Context, q, r *dns.Msg, from netip.AddrPort, over string) {
	question := q.Question[0]
	if question.Qclass == dns.ClassCHAOS {
		s.chaos(r, question)
		return
	}
	if question.Qclass != dns.ClassINET && question.Qclass != dns.ClassANY {
		r.Rcode = dns.RcodeRefused
		return
	}
	name := question.Name
	for chain := range maxChain {
		origin, own := s.zoneOf(name)
		if own && chain == 0 {
			allowed := s.conf.query
			if z := s.conv[origin]; z.query != nil {
				allowed = *z.query
			}
			if !allowed.allows(from.Addr(), s.here) {
				s.refuse(r, from, "query")
				return
			}
		}
		if own && s.zones[origin] == nil {
			r.Rcode = dns.RcodeServerFailure
			return
		}
		if own && (question.Qtype == dns.TypeAXFR || question.Qtype == dns.TypeIXFR) {
			s.transfer(r, s.zones[origin], from, over)
			return
		}
		if !own {
			s.outside(ctx, q, r, name, chain, from)
			return
		}
		got := s.zones[origin].answer(name, question.Qtype)
		if chain == 0 {
			r.Authoritative = got.aa
		}
		if got.referral && q.RecursionDesired && r.RecursionAvailable && len(s.forwarders(name).to) > 0 {
			s.outside(ctx, q, r, name, chain, from)
			return
		}
		r.Rcode = got.rcode
		r.Answer = append(r.Answer, got.answer...)
		r.Ns = append(r.Ns, got.ns...)
		if got.next == "" {
			break
		}
		name = got.next
	}
	s.additional(r)
}

// chaos answers what a server says of itself (version.bind).
func (s *server) chaos(r *dns.Msg, q dns.Question) {
	text := ""
	switch strings.ToLower(q.Name) {
	case "version.bind.", "version.server.":
		if text = banner; s.conf.hasVersion {
			text = s.conf.version
		}
	case "hostname.bind.":
		text = s.p.Host.Name
	}
	if text == "" || text == "none" || q.Qtype != dns.TypeTXT {
		r.Rcode = dns.RcodeRefused
		return
	}
	r.Authoritative = true
	r.Answer = []dns.RR{&dns.TXT{Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeTXT, Class: dns.ClassCHAOS}, Txt: []string{text}}}
}

// transfer answers a zone transfer in one message.
func (s *server) transfer(r *dns.Msg, z *zone, from netip.AddrPort, over string) {
	switch {
	case over == "udp":
		r.Rcode = dns.RcodeFormatError
	case !s.conf.transfer.allows(from.Addr(), s.here) || dns.CanonicalName(r.Question[0].Name) != z.origin:
		s.refuse(r, from, "zone transfer")
	default:
		r.Authoritative = true
		r.Answer = append(z.all(), z.soa)
	}
}

// zoneOf returns the origin of the zone that a name belongs to.
func (s *server) zoneOf(name string) (string, bool) {
	for at := dns.CanonicalName(name); ; _, at = cutLabel(at) {
		if _, ok := s.zones[at]; ok {
			return at, true
		}
		if _, ok := s.conv[at]; ok || at == "." {
			return "", false // a zone of type forward lies in between
		}
	}
}

// additional adds the addresses of the servers that an answer names.
func (s *server) additional(r *dns.Msg) {
	seen := map[string]bool{}
	for _, rr := range append(append([]dns.RR(nil), r.Answer...), r.Ns...) {
		var target string
		switch rr := rr.(type) {
		case *dns.NS:
			target = rr.Ns
		case *dns.MX:
			target = rr.Mx
		case *dns.SRV:
			target = rr.Target
		}
		if target == "" || seen[target] {
			continue
		}
		seen[target] = true
		if origin, ok := s.zoneOf(target); ok && s.zones[origin] != nil {
			r.Extra = append(r.Extra, addresses(s.zones[origin].nodes[dns.CanonicalName(target)])...)
		}
	}
}

// forwarders returns where queries for a name go.
func (s *server) forwarders(name string) forwarding {
	for at := dns.CanonicalName(name); ; _, at = cutLabel(at) {
		if z, ok := s.conv[at]; ok && z.forward.set {
			return z.forward
		}
		if at == "." {
			return s.conf.forward
		}
	}
}

// outside answers for a name of no own zone.
func (s *server) outside(ctx context.Context, q, r *dns.Msg, name string, chain int, from netip.AddrPort) {
	switch {
	case !r.RecursionAvailable || !s.conf.query.allows(from.Addr(), s.here):
		if chain == 0 {
			s.refuse(r, from, "query (cache)")
		}
		return
	case !q.RecursionDesired:
		if chain == 0 {
			r.Rcode = dns.RcodeSuccess
		}
		return
	}
	got := s.ask(ctx, name, q.Question[0].Qtype)
	if got == nil {
		r.Rcode = dns.RcodeServerFailure
		return
	}
	r.Rcode = got.Rcode
	r.Answer = append(r.Answer, got.Answer...)
	r.Ns = append(r.Ns, got.Ns...)
}

// forwardTimeout is how long one forwarder is waited for.
const forwardTimeout = 2 * time.Second

// ask returns what the cache or a forwarder has; nil when nobody answers.
func (s *server) ask(ctx context.Context, name string, qtype uint16) *dns.Msg {
	key := cacheKey{dns.CanonicalName(name), qtype}
	now := s.p.Clock.Monotonic()
	if m := s.cache.get(key, now); m != nil {
		return m
	}
	for _, server := range s.forwarders(name).to {
		m, err := s.exchange(ctx, server, name, qtype)
		if err != nil || m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
			continue
		}
		s.cache.put(key, m, s.p.Clock.Monotonic())
		return m
	}
	return nil
}

// exchange asks one forwarder, over tcp when its answer is cut off.
func (s *server) exchange(ctx context.Context, server netip.AddrPort, name string, qtype uint16) (*dns.Msg, error) {
	q := new(dns.Msg)
	q.SetQuestion(name, qtype)
	q.Id = s.cache.id()
	q.SetEdns0(ednsSize, false)
	family := "4"
	if server.Addr().Is6() {
		family = "6"
	}
	for _, network := range []string{"udp", "tcp"} {
		r, err := s.exchangeOver(ctx, network+family, server, q)
		if err != nil || !r.Truncated || network == "tcp" {
			return r, err
		}
	}
	return nil, nil
}

func (s *server) exchangeOver(ctx context.Context, network string, server netip.AddrPort, q *dns.Msg) (*dns.Msg, error) {
	ctx, stop := s.p.Clock.Timeout(ctx, forwardTimeout)
	defer stop()
	conn, err := s.p.Sys.Dial(ctx, network, server.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetDeadline(s.p.Now().Add(forwardTimeout))
	c := &dns.Conn{Conn: conn, UDPSize: ednsSize}
	if err := c.WriteMsg(q); err != nil {
		return nil, err
	}
	for {
		r, err := c.ReadMsg()
		if err != nil {
			return nil, err
		}
		if r.Id == q.Id && len(r.Question) == 1 && r.Question[0] == q.Question[0] {
			return r, nil
		}
	}
}
