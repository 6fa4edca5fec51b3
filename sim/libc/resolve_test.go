package libc_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/memnet"
)

// zone is what the name servers of these tests know.
var zone = []string{
	"www.example.com. 60 IN A 192.0.2.80",
	"www.example.com. 60 IN AAAA 2001:db8::80",
	"four.example.com. 60 IN A 192.0.2.4",
	"six.example.com. 60 IN AAAA 2001:db8::6",
	"alias.example.com. 60 IN CNAME four.example.com.",
	"example.com. 60 IN MX 10 www.example.com.",
	"80.2.0.192.in-addr.arpa. 60 IN PTR www.example.com.",
	"far.sub.example.com. 60 IN A 192.0.2.5",
}

// nameServer answers from zone over udp and tcp. "big" names are truncated over
// udp, "broken" ones are a failure of the server.
func nameServer(ctx context.Context, p *host.Proc) int {
	records := map[string][]dns.RR{}
	for _, line := range zone {
		rr, err := dns.NewRR(line)
		if err != nil {
			fmt.Fprintln(p.Stderr, err)
			return 1
		}
		records[rr.Header().Name] = append(records[rr.Header().Name], rr)
	}
	answer := func(q *dns.Msg, over string) *dns.Msg {
		r := new(dns.Msg)
		r.SetReply(q)
		name, qtype := strings.ToLower(q.Question[0].Name), q.Question[0].Qtype
		fmt.Fprintln(p.Stdout, over, name, dns.TypeToString[qtype])
		switch {
		case strings.HasPrefix(name, "broken."):
			r.Rcode = dns.RcodeServerFailure
			return r
		case strings.HasPrefix(name, "big.") && over == "udp":
			r.Truncated = true
			return r
		case strings.HasPrefix(name, "big."):
			name = "four.example.com."
		}
		list, ok := records[name]
		if !ok {
			r.Rcode = dns.RcodeNameError
		}
		for _, rr := range list {
			if c, ok := rr.(*dns.CNAME); ok {
				r.Answer = append(r.Answer, c)
				list = append(list, records[c.Target]...)
			}
		}
		for _, rr := range list {
			if rr.Header().Rrtype == qtype && qtype != dns.TypeCNAME {
				r.Answer = append(r.Answer, rr)
			}
		}
		return r
	}
	u, err := p.Sys.ListenPacket("udp4", ":53")
	if err != nil {
		return 1
	}
	l, err := p.Sys.Listen("tcp4", ":53")
	if err != nil {
		return 1
	}
	p.Go(func() {
		b := make([]byte, 4096)
		for {
			n, from, err := u.ReadFrom(b)
			if err != nil {
				return
			}
			q := new(dns.Msg)
			if q.Unpack(b[:n]) == nil {
				if out, err := answer(q, "udp").Pack(); err == nil {
					u.WriteTo(out, from)
				}
			}
		}
	})
	p.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			dc := &dns.Conn{Conn: c}
			if q, err := dc.ReadMsg(); err == nil {
				dc.WriteMsg(answer(q, "tcp"))
			}
			c.Close()
		}
	})
	p.Ready()
	p.WaitSignal(ctx)
	return 0
}

func TestLookup(t *testing.T) {
	const usual = "nameserver 192.0.2.53\nsearch example.com sub.example.com\n"
	for _, c := range []struct {
		name, resolv, hosts string
		lookup              string
		want                string // addresses, or the error
		asked               string // of the server
		took                time.Duration
	}{
		{name: "both families", lookup: "www.example.com", want: "192.0.2.80 2001:db8::80", asked: "udp www.example.com. A, udp www.example.com. AAAA"},
		{name: "search", lookup: "four", want: "192.0.2.4"},
		{name: "search the second", lookup: "far", want: "192.0.2.5"},
		{name: "no search with a dot at the end", lookup: "four.", want: "Name or service not known", asked: "udp four. A, udp four. AAAA"},
		{name: "as it is first, with a dot inside", lookup: "far.sub", want: "192.0.2.5", asked: "udp far.sub. A, udp far.sub.example.com. A, udp far.sub. AAAA, udp far.sub.example.com. AAAA, udp far.sub.sub.example.com. AAAA"},
		{name: "ndots", resolv: usual + "options ndots:2\n", lookup: "far.sub", want: "192.0.2.5", asked: "udp far.sub.example.com. A, udp far.sub.example.com. AAAA, udp far.sub.sub.example.com. AAAA, udp far.sub. AAAA"},
		{name: "IPv6 only", lookup: "six", want: "2001:db8::6"},
		{name: "CNAME", lookup: "alias", want: "192.0.2.4"},
		{name: "NXDOMAIN", lookup: "none.example.com", want: "Name or service not known"},
		{name: "no data", lookup: "example.com", want: "No address associated with hostname"},
		{name: "case", lookup: "WWW.Example.COM", want: "192.0.2.80 2001:db8::80"},
		{name: "literal", lookup: "192.0.2.9", want: "192.0.2.9", asked: "-"},
		{name: "IPv6 literal", lookup: "[2001:db8::9]", want: "2001:db8::9", asked: "-"},
		{name: "empty", lookup: "", want: "Name or service not known", asked: "-"},
		{name: "truncated", lookup: "big.example.com", want: "192.0.2.4"},
		{name: "hosts first", hosts: "# WWW\n192.0.2.81 web www.example.com # mine\nfe80::1 web\n", lookup: "www.example.com", want: "192.0.2.81", asked: "-"},
		{name: "hosts, IPv4 first", hosts: "2001:db8::1 web\n192.0.2.81 web\nbad web\n", lookup: "WEB", want: "192.0.2.81 2001:db8::1", asked: "-"},
		{name: "server failure", lookup: "broken.example.com", want: "Temporary failure in name resolution"},
		{name: "no server", resolv: "search example.com\n", lookup: "www.example.com", want: "Temporary failure in name resolution", asked: "-"},
		{name: "no resolv.conf", resolv: "-", lookup: "www.example.com", want: "Temporary failure in name resolution", asked: "-"},
		{name: "dead server", resolv: "nameserver 192.0.2.99\n", lookup: "www.example.com", want: "Temporary failure in name resolution", asked: "-", took: 6 * time.Second},
		{name: "silent server", resolv: "nameserver 192.0.2.54\n", lookup: "www.example.com", want: "Temporary failure in name resolution", asked: "-", took: 10 * time.Second},
		{name: "options", resolv: "nameserver 192.0.2.54\noptions timeout:1 attempts:3\n", lookup: "www.example.com", want: "Temporary failure in name resolution", asked: "-", took: 3 * time.Second},
		{name: "second server", resolv: "nameserver 192.0.2.54\nnameserver 192.0.2.53\n", lookup: "four.example.com", want: "192.0.2.4", took: 10 * time.Second},
		{name: "short address", lookup: "127.1", want: "127.0.0.1", asked: "-"},
		{name: "octal and hexadecimal address", lookup: "010.0x10", want: "8.0.0.16", asked: "-"},
		{name: "address out of range", lookup: "256.1.1.1", want: "Name or service not known"},
		{name: "closed port", resolv: "nameserver 192.0.2.1\nnameserver 192.0.2.53\n", lookup: "four.example.com", want: "192.0.2.4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := memnet.New(t)
				ns := n.Host(t, memnet.Config{Name: "ns", Addrs: []string{"192.0.2.53/24"}, Programs: map[string]host.Program{"/usr/sbin/named": nameServer}})
				silent := n.Host(t, memnet.Config{Name: "silent", Addrs: []string{"192.0.2.54/24"}})
				silent.SetFilter(func(memnet.Packet) memnet.Verdict { return memnet.Drop })
				h := n.Host(t, memnet.Config{Name: "a", Addrs: []string{"192.0.2.1/24"}, Offset: time.Hour})
				d := ns.Start("named")
				if c.resolv == "" {
					c.resolv = usual
				}
				if c.resolv != "-" {
					h.WriteFile("/etc/resolv.conf", c.resolv)
				}
				h.WriteFile("/etc/hosts", c.hosts)
				h.Do(nil, func(ctx context.Context, p *host.Proc) {
					began := p.Now()
					addrs, err := libc.LookupHost(ctx, p, c.lookup)
					var got []string
					for _, a := range addrs {
						got = append(got, a.String())
					}
					if err != nil {
						got = append(got, err.Error())
					}
					if g := strings.Join(got, " "); g != c.want {
						t.Errorf("got %q, want %q", g, c.want)
					}
					if d := p.Now().Sub(began); d != c.took {
						t.Errorf("took %v, want %v", d, c.took)
					}
				})
				asked := strings.Join(libc.Lines([]byte(d.Stdout.String())), ", ")
				if asked == "" {
					asked = "-"
				}
				if c.asked != "" && asked != c.asked {
					t.Errorf("asked %q, want %q", asked, c.asked)
				}
			})
		})
	}
}

func TestLookupAddrAndQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(t)
		ns := n.Host(t, memnet.Config{Name: "ns", Addrs: []string{"192.0.2.53/24"}, Programs: map[string]host.Program{"/usr/sbin/named": nameServer}})
		h := n.Host(t, memnet.Config{Name: "a", Addrs: []string{"192.0.2.1/24"}})
		ns.Start("named")
		h.WriteFile("/etc/resolv.conf", "nameserver 192.0.2.53\n")
		h.WriteFile("/etc/hosts", "127.0.0.1 localhost\n192.0.2.9 nine n9\n")
		h.Do(nil, func(ctx context.Context, p *host.Proc) {
			for addr, want := range map[string]string{"192.0.2.80": "www.example.com", "192.0.2.9": "nine"} {
				if got, err := libc.LookupAddr(ctx, p, netip.MustParseAddr(addr)); got != want || err != nil {
					t.Errorf("%s: %q, %v", addr, got, err)
				}
			}
			if _, err := libc.LookupAddr(ctx, p, netip.MustParseAddr("192.0.2.77")); !errors.Is(err, libc.ErrNoName) {
				t.Errorf("an address without a name: %v", err)
			}
			answer, err := libc.Query(ctx, p, "example.com", dns.TypeMX)
			if err != nil || len(answer) != 1 || answer[0].(*dns.MX).Mx != "www.example.com." {
				t.Errorf("MX: %v, %v", answer, err)
			}
			if _, err := libc.Query(ctx, p, "www.example.com", dns.TypeMX); !errors.Is(err, libc.ErrNoData) {
				t.Errorf("no MX: %v", err)
			}
		})
	})
}

func TestResolvConf(t *testing.T) {
	on(t, func(h *memnet.Host) {
		h.WriteFile("/etc/resolv.conf", "; comment\nnameserver 192.0.2.1\nnameserver bad\nnameserver 2001:db8::1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n"+
			"domain example.net\nsearch a.example b.example\noptions ndots:3 rotate timeout:2 attempts:5 ndots:-1\nnonsense\n")
	}, func(ctx context.Context, p *host.Proc) {
		c := libc.ReadResolvConf(p)
		if len(c.Servers) != 3 || c.Servers[2].String() != "192.0.2.2" || !slices.Equal(c.Search, []string{"a.example", "b.example"}) ||
			c.Ndots != 3 || c.Timeout != 2*time.Second || c.Attempts != 5 {
			t.Errorf("%+v", c)
		}
	})
}
