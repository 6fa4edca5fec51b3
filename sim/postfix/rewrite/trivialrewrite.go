// Package rewrite is trivial-rewrite(8): it completes addresses and decides where
// they go.
package rewrite

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"enshu/sim/host"
	"enshu/sim/postfix/mailaddr"
	"enshu/sim/postfix/service"
	"enshu/sim/postfix/table"
)

// TrivialRewrite is /usr/libexec/postfix/trivial-rewrite (trivial-rewrite(8)).
func TrivialRewrite(ctx context.Context, p *host.Proc) int {
	a := service.ParseArgs(p.Args[1:])
	d, err := service.New(ctx, p, "trivial-rewrite", a)
	if err != nil {
		return 1
	}
	s := &server{d: d, r: newResolver(d)}
	return d.Serve(ctx, a.Socket, service.Answers(func(_ context.Context, q service.RewriteQuestion) []service.Resolution {
		r := s.resolver()
		out := make([]service.Resolution, len(q.Addresses))
		for i, address := range q.Addresses {
			if q.Resolve {
				out[i] = r.resolve(q.Sender, address)
			} else {
				out[i] = service.Resolution{Address: r.rewriter.Rewrite(address)}
			}
		}
		return out
	}))
}

// server keeps a resolver until one of its tables has changed.
type server struct {
	d  *service.Daemon
	mu sync.Mutex // guards r
	r  *resolver
}

func (s *server) resolver() *resolver {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.r.tables().Restarted(s.d.Proc); t != nil {
		s.d.Log.Info("table %s(0,%s) has changed -- restarting", t.Spec, t.Flags)
		s.r = newResolver(s.d)
	}
	return s.r
}

// resolver decides where an address goes.
type resolver struct {
	d                                              *service.Daemon
	rewriter                                       mailaddr.Rewriter
	destination, relay, virtualAlias, virtualBoxes *table.List
	transportMaps, relocated                       table.Maps
	senderRelayhost, senderTransport               table.Maps
}

// tables are those whose changes count at once.
func (r *resolver) tables() table.Maps {
	return slices.Concat(r.transportMaps, r.relocated, r.senderRelayhost, r.senderTransport)
}

func newResolver(d *service.Daemon) *resolver {
	list := func(name string) *table.List { return table.OpenList(d.Proc, d.Conf, d.Log, name, false) }
	maps := func(name string) table.Maps {
		return table.OpenMaps(d.Proc, d.Conf, d.Log, d.Conf.Get(name), table.FlagsLookup)
	}
	return &resolver{d: d, rewriter: service.NewRewriter(d.Conf), destination: list("mydestination"), relay: list("relay_domains"),
		virtualAlias: list("virtual_alias_domains"), virtualBoxes: list("virtual_mailbox_domains"),
		transportMaps: table.OpenMaps(d.Proc, d.Conf, d.Log, d.Conf.Get("transport_maps"), table.FlagsRoute), relocated: maps("relocated_maps"),
		senderRelayhost: maps("sender_dependent_relayhost_maps"), senderTransport: maps("sender_dependent_default_transport_maps")}
}

// isLocal reports whether a domain is delivered on this machine.
func (r *resolver) isLocal(domain string) (bool, error) {
	if strings.HasPrefix(domain, "[") {
		text := strings.TrimPrefix(strings.Trim(domain, "[]"), "IPv6:")
		a, err := netip.ParseAddr(text)
		return err == nil && r.d.Conf.IsOwn(a), nil
	}
	return r.destination.Match(r.d.Log, domain, "")
}

// resolve is trivial-rewrite's resolve service for an address in internal form,
// in mail of a sender.
func (r *resolver) resolve(sender, address string) service.Resolution {
	c, l := r.d.Conf, r.d.Log
	if address == "" {
		address = c.Get("empty_address_recipient")
	}
	address = r.rewriter.Rewrite(address)
	local, domain, _ := mailaddr.Split(address)
	failed := service.Resolution{Address: address, Recipient: address, Failed: true}
	// Strip local domains until what is left is not a route any more.
	for range 20 {
		isLocal, err := r.isLocal(domain)
		if err != nil {
			return failed
		}
		if !isLocal {
			break
		}
		if !strings.ContainsAny(local, "@%!") || !r.rewriter.Percent && !strings.ContainsAny(local, "@!") {
			break
		}
		next := r.rewriter.Rewrite(local)
		l2, d2, has := mailaddr.Split(next)
		if !has || l2 == local {
			break
		}
		local, domain, address = l2, d2, next
	}
	if !mailaddr.ValidDomain(domain) || strings.HasPrefix(local, "-") && !c.Bool("allow_min_user") {
		return service.Resolution{Address: address, Recipient: address, Malformed: true, Transport: "error", Nexthop: "5.1.3 bad address syntax"}
	}
	if local == "" {
		local = c.Get("empty_address_recipient")
		address = local + "@" + domain
	}
	out := service.Resolution{Address: address, Recipient: address}
	isLocal, err := r.isLocal(domain)
	if err != nil {
		return failed
	}
	isAlias, aliasErr := r.virtualAlias.Match(l, domain, "")
	if aliasErr != nil {
		l.Warning("virtual_alias_domains lookup failure")
		if !isLocal {
			return failed
		}
	}
	relayhost, err := r.forSender(r.senderRelayhost, sender, c.Get("relayhost"))
	if err != nil {
		l.Warning("sender_dependent_relayhost_maps lookup failure")
		return failed
	}
	switch {
	case isLocal:
		if isAlias {
			l.Warning("do not list domain %s in BOTH mydestination and virtual_alias_domains", domain)
		}
		out.Local = true
		out.Transport, out.Nexthop = splitTransport(c.Get("local_transport"), domain)
	case isAlias:
		out.Alias = true
		out.Transport, out.Nexthop = "error", "5.1.1 User unknown in virtual alias table"
		if !c.Bool("show_user_unknown_table_name") {
			out.Nexthop = "5.1.1 User unknown"
		}
	default:
		if hit, err := r.virtualBoxes.Match(l, domain, ""); err != nil {
			return failed
		} else if hit {
			out.Mailbox = true
			out.Transport, out.Nexthop = splitTransport(c.Get("virtual_transport"), domain)
			break
		}
		hit, err := r.relay.Match(l, domain, "")
		if err != nil {
			return failed
		}
		nexthop := domain
		if relayhost != "" {
			nexthop = relayhost
		}
		out.Relay = hit
		if hit {
			out.Transport, out.Nexthop = splitTransport(c.Get("relay_transport"), nexthop)
			break
		}
		transport, err := r.forSender(r.senderTransport, sender, c.Get("default_transport"))
		if err != nil {
			l.Warning("sender_dependent_default_transport_maps lookup failure")
			return failed
		}
		out.Transport, out.Nexthop = splitTransport(transport, nexthop)
	}
	return r.moved(r.override(out, local, domain))
}

// forSender looks the sender up in a sender_dependent map; otherwise is what
// holds for the senders that are not in it.
func (r *resolver) forSender(m table.Maps, sender, otherwise string) (string, error) {
	if len(m) == 0 {
		return otherwise, nil
	}
	if sender == "" {
		sender = r.d.Conf.Get("empty_address_relayhost_maps_lookup_key")
	}
	v, _, ok, err := m.Address(r.d.Log, r.rewriter.Rewrite(sender), r.d.Conf.Get("recipient_delimiter"), func(string) bool { return false }, true)
	if err != nil || !ok || strings.EqualFold(v, "DUNNO") {
		return otherwise, err
	}
	return v, nil
}

// moved applies relocated(5).
func (r *resolver) moved(out service.Resolution) service.Resolution {
	if out.Failed || len(r.relocated) == 0 {
		return out
	}
	local := func(domain string) bool {
		ours, _ := r.isLocal(domain)
		return ours || strings.EqualFold(domain, r.d.Conf.Get("myorigin"))
	}
	to, _, ok, err := r.relocated.Address(r.d.Log, out.Recipient, r.d.Conf.Get("recipient_delimiter"), local, true)
	switch {
	case err != nil:
		r.d.Log.Warning("relocated_maps lookup failure")
		out.Failed = true
	case ok:
		out.Transport, out.Nexthop = "error", "5.1.6 User has moved to "+to
	}
	return out
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
func (r *resolver) override(out service.Resolution, local, domain string) service.Resolution {
	if len(r.transportMaps) == 0 {
		return out
	}
	keys := []string{local + "@" + domain, domain}
	if user, _, ok := mailaddr.SplitExtension(local, r.d.Conf.Get("recipient_delimiter")); ok {
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
		v, ok, err := r.transportMaps.Lookup(r.d.Log, k)
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
