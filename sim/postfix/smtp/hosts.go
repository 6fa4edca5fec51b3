package smtp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sort"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"enshu/sim/libc"
	"enshu/sim/postfix/conf"
	"enshu/sim/postfix/service"
)

// mxHost is one address to try.
type mxHost struct {
	name string
	addr netip.Addr
	pref int
}

// parseNexthop splits "[host]:port", "host:port", "domain".
func parseNexthop(s, defaultPort string) (name string, port int, noMX bool) {
	portText := defaultPort
	if strings.HasPrefix(s, "[") {
		noMX = true
		end := strings.IndexByte(s, ']')
		if end < 0 {
			end = len(s)
		}
		if rest := s[min(end+1, len(s)):]; strings.HasPrefix(rest, ":") {
			portText = rest[1:]
		}
		name = s[1:end]
	} else if at := strings.LastIndexByte(s, ':'); at >= 0 {
		name, portText = s[:at], s[at+1:]
	} else {
		name = s
	}
	if p, ok := conf.Ports[portText]; ok {
		return name, p, noMX
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		port = 25
	}
	return name, port, noMX
}

// dnsFate is the fate of mail whose domain cannot be resolved.
func dnsFate(name, kind string, err error) service.Fate {
	dsn, what := "4.4.3", "Host not found, try again"
	switch {
	case errors.Is(err, libc.ErrNoName):
		dsn, what = "5.4.4", "Host not found"
	case errors.Is(err, libc.ErrNoData):
		dsn, what = "5.4.4", "Host found but no data record of requested type"
	}
	return service.Fate{Status: dsn, Text: fmt.Sprintf("Host or domain name not found. Name service error for name=%s type=%s: %s", name, kind, what)}
}

// lookup finds the addresses for a next hop.
func (c *client) lookup(ctx context.Context, name string, noMX bool) ([]mxHost, service.Fate) {
	if a, err := netip.ParseAddr(strings.TrimPrefix(name, "IPv6:")); err == nil {
		return []mxHost{{name: a.String(), addr: a}}, service.Fate{}
	}
	if noMX || c.Conf.Get("smtp_host_lookup") == "native" {
		return c.addresses(ctx, name, name, 0)
	}
	answer, err := libc.Query(ctx, c.Proc, name+".", dns.TypeMX)
	if err != nil {
		if errors.Is(err, libc.ErrAgain) {
			return nil, dnsFate(name, "MX", err)
		}
		hosts, f := c.addresses(ctx, name, name, 0)
		return c.withoutSelf(name, hosts, f)
	}
	var records []*dns.MX
	for _, rr := range answer {
		if mx, ok := rr.(*dns.MX); ok {
			records = append(records, mx)
		}
	}
	if len(records) == 1 && records[0].Mx == "." {
		return nil, service.Fate{Status: "5.1.0", Text: fmt.Sprintf("Domain %s does not accept mail (nullMX)", name)}
	}
	var hosts []mxHost
	var f service.Fate
	for _, mx := range records {
		found, why := c.addresses(ctx, name, strings.TrimSuffix(mx.Mx, "."), int(mx.Preference))
		if len(found) == 0 && (f.Status == "" || why.Status[0] == '4') {
			f = why
		}
		hosts = append(hosts, found...)
	}
	if len(hosts) == 0 {
		if f.Status == "" {
			return c.addresses(ctx, name, name, 0)
		}
		c.Log.Warning("no MX host for %s has a valid address record", name)
		return nil, f
	}
	sort.SliceStable(hosts, func(i, j int) bool { return hosts[i].pref < hosts[j].pref })
	return c.withoutSelf(name, hosts, service.Fate{})
}

// withoutSelf drops this machine and everything less preferred.
func (c *client) withoutSelf(domain string, hosts []mxHost, f service.Fate) ([]mxHost, service.Fate) {
	for _, h := range hosts {
		if !c.Conf.IsOwn(h.addr) {
			continue
		}
		var better []mxHost
		for _, o := range hosts {
			if o.pref < h.pref {
				better = append(better, o)
			}
		}
		if len(better) == 0 {
			return nil, service.Fate{Status: "5.4.6", Text: fmt.Sprintf("mail for %s loops back to myself", domain)}
		}
		return better, service.Fate{}
	}
	return hosts, f
}

// addresses resolves the name of a host that takes mail for a domain.
func (c *client) addresses(ctx context.Context, domain, name string, pref int) ([]mxHost, service.Fate) {
	if a, err := netip.ParseAddr(name); err == nil {
		c.Log.Warning("numeric domain name in resource data of MX record for %s: %s", domain, name)
		return []mxHost{{name: name, addr: a, pref: pref}}, service.Fate{}
	}
	v4, v6, _ := c.Conf.Protocols()
	var out []mxHost
	if strings.Contains(c.Conf.Get("smtp_host_lookup"), "native") {
		addrs, err := libc.LookupHost(ctx, c.Proc, name)
		for _, a := range addrs {
			if a.Is4() && v4 || a.Is6() && v6 {
				out = append(out, mxHost{name, a, pref})
			}
		}
		if len(out) == 0 {
			if err == nil {
				err = libc.ErrNoData
			}
			dsn := "5.4.4"
			if errors.Is(err, libc.ErrAgain) {
				dsn = "4.4.3"
			}
			return nil, service.Fate{Status: dsn, Text: fmt.Sprintf("unable to look up host %s: %s", name, err)}
		}
		return out, service.Fate{}
	}
	var f service.Fate
	for _, q := range []struct {
		want  bool
		qtype uint16
		text  string
	}{{v4, dns.TypeA, "A"}, {v6, dns.TypeAAAA, "AAAA"}} {
		if !q.want {
			continue
		}
		answer, err := libc.Query(ctx, c.Proc, name+".", q.qtype)
		if err != nil {
			f = dnsFate(name, q.text, err)
			continue
		}
		n := len(out)
		for _, rr := range answer {
			switch rr := rr.(type) {
			case *dns.A:
				if a, ok := netip.AddrFromSlice(rr.A.To4()); ok {
					out = append(out, mxHost{name, a, pref})
				}
			case *dns.AAAA:
				if a, ok := netip.AddrFromSlice(rr.AAAA); ok {
					out = append(out, mxHost{name, a, pref})
				}
			}
		}
		if n == len(out) {
			f = dnsFate(name, q.text, libc.ErrNoData)
		}
	}
	if len(out) > 0 {
		return out, service.Fate{}
	}
	return nil, f
}
