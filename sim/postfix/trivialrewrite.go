package postfix

import (
	"context"
	"net/netip"
	"strings"

	"enshu/sim/host"
)

// rewriteSocket is where trivial-rewrite(8) is asked.
const rewriteSocket = "private/rewrite"

// A rewriteQuestion asks for several addresses at once.
type rewriteQuestion struct {
	Resolve   bool
	Addresses []string // internal form
}

// A resolution is what trivial-rewrite(8) says of an address.
type resolution struct {
	Address   string // the rewritten address
	Transport string
	Nexthop   string
	Recipient string
	Local     bool // the domain is delivered here
	Alias     bool // virtual alias domain
	Relay     bool // relay domain
	Failed    bool // a table could not be asked
}

// TrivialRewrite is /usr/libexec/postfix/trivial-rewrite (trivial-rewrite(8)).
func TrivialRewrite(ctx context.Context, p *host.Proc) int {
	a := parseServiceArgs(p.Args[1:])
	d, err := newDaemon(ctx, p, "trivial-rewrite", a)
	if err != nil {
		return 1
	}
	r := newResolver(d)
	return d.serve(ctx, a.socket, func(ctx context.Context, w *wireConn) {
		var q rewriteQuestion
		if w.dec.Decode(&q) != nil {
			return
		}
		out := make([]resolution, len(q.Addresses))
		for i, address := range q.Addresses {
			if q.Resolve {
				out[i] = r.resolve(address)
			} else {
				out[i] = resolution{Address: r.rewriter.rewrite(address)}
			}
		}
		w.enc.Encode(out)
	})
}

// resolver decides where an address goes.
type resolver struct {
	d                                              *daemon
	rewriter                                       rewriter
	destination, relay, virtualAlias, virtualBoxes *matchList
	transportMaps                                  maps
}

func newResolver(d *daemon) *resolver {
	list := func(name string) *matchList { return openMatchList(d.p, d.c, d.log, name, false) }
	return &resolver{d: d, rewriter: newRewriter(d.c), destination: list("mydestination"), relay: list("relay_domains"),
		virtualAlias: list("virtual_alias_domains"), virtualBoxes: list("virtual_mailbox_domains"),
		transportMaps: openMaps(d.p, d.c, d.log, d.c.get("transport_maps"), flagsLookup)}
}

// isLocal reports whether a domain is delivered on this machine.
func (r *resolver) isLocal(domain string) (bool, error) {
	if strings.HasPrefix(domain, "[") {
		text := strings.TrimPrefix(strings.Trim(domain, "[]"), "IPv6:")
		a, err := netip.ParseAddr(text)
		return err == nil && r.d.c.isOwn(a), nil
	}
	return r.destination.match(r.d.log, domain, "")
}

// resolve is trivial-rewrite's resolve service for an address in internal form.
func (r *resolver) resolve(address string) resolution {
	c, l := r.d.c, r.d.log
	if address == "" {
		address = c.get("empty_address_recipient")
	}
	address = r.rewriter.rewrite(address)
	local, domain, _ := splitAddress(address)
	failed := resolution{Address: address, Recipient: address, Failed: true}
	// Strip local domains until what is left is not a route any more.
	for range 20 {
		isLocal, err := r.isLocal(domain)
		if err != nil {
			return failed
		}
		if !isLocal {
			break
		}
		if !strings.ContainsAny(local, "@%!") || !r.rewriter.percent && !strings.ContainsAny(local, "@!") {
			break
		}
		next := r.rewriter.rewrite(local)
		l2, d2, has := splitAddress(next)
		if !has || l2 == local {
			break
		}
		local, domain, address = l2, d2, next
	}
	if local == "" {
		local = c.get("empty_address_recipient")
		address = local + "@" + domain
	}
	out := resolution{Address: address, Recipient: address}
	isLocal, err := r.isLocal(domain)
	if err != nil {
		return failed
	}
	isAlias, aliasErr := r.virtualAlias.match(l, domain, "")
	if aliasErr != nil {
		l.warning("virtual_alias_domains lookup failure")
		if !isLocal {
			return failed
		}
	}
	relayhost := c.get("relayhost")
	switch {
	case isLocal:
		if isAlias {
			l.warning("do not list domain %s in BOTH mydestination and virtual_alias_domains", domain)
		}
		out.Local = true
		out.Transport, out.Nexthop = splitTransport(c.get("local_transport"), domain)
	case isAlias:
		out.Alias = true
		out.Transport, out.Nexthop = "error", "5.1.1 User unknown in virtual alias table"
		if !c.bool("show_user_unknown_table_name") {
			out.Nexthop = "5.1.1 User unknown"
		}
	default:
		if hit, err := r.virtualBoxes.match(l, domain, ""); err != nil {
			return failed
		} else if hit {
			out.Transport, out.Nexthop = splitTransport(c.get("virtual_transport"), domain)
			break
		}
		hit, err := r.relay.match(l, domain, "")
		if err != nil {
			return failed
		}
		nexthop := domain
		if relayhost != "" {
			nexthop = relayhost
		}
		out.Relay = hit
		if hit {
			out.Transport, out.Nexthop = splitTransport(c.get("relay_transport"), nexthop)
		} else {
			out.Transport, out.Nexthop = splitTransport(c.get("default_transport"), nexthop)
		}
	}
	return r.override(out, local, domain)
}

// splitTransport splits "transport:nexthop".
func splitTransport(s, nexthop string) (string, string) {
	name, hop, _ := strings.Cut(s, ":")
	if hop != "" {
		return name, hop
	}
	return name, nexthop
}

// override applies transport(5).
func (r *resolver) override(out resolution, local, domain string) resolution {
	if len(r.transportMaps) == 0 {
		return out
	}
	keys := []string{local + "@" + domain, domain}
	if user, _, ok := splitExtension(local, r.d.c.get("recipient_delimiter")); ok {
		keys = []string{keys[0], user + "@" + domain, domain}
	}
	for rest := domain; ; {
		dot := strings.IndexByte(rest, '.')
		if dot < 0 {
			break
		}
		rest = rest[dot+1:]
		keys = append(keys, "."+rest)
	}
	for _, k := range append(keys, "*") {
		v, ok, err := r.transportMaps.lookup(r.d.log, k)
		if err != nil {
			out.Failed = true
			return out
		}
		if !ok {
			continue
		}
		name, hop, _ := strings.Cut(v, ":")
		if name != "" {
			out.Transport = name
			if hop == "" {
				hop = domain
			}
		}
		if hop != "" {
			out.Nexthop = hop
		}
		return out
	}
	return out
}

// all completes several addresses.
func (r rewriter) all(addresses []string) []string {
	out := make([]string, len(addresses))
	for i, a := range addresses {
		out[i] = r.rewrite(a)
	}
	return out
}

// resolveAll asks trivial-rewrite where addresses go.
func (d *daemon) resolveAll(ctx context.Context, addresses ...string) ([]resolution, error) {
	var out []resolution
	err := d.peer.ask(ctx, rewriteSocket, rewriteQuestion{Resolve: true, Addresses: addresses}, &out)
	if err == nil && len(out) != len(addresses) {
		err = errQueue
	}
	return out, err
}
