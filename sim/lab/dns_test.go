package lab

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"enshu/sim/host"
	"enshu/sim/memnet"
	"enshu/sim/named"
	"enshu/sim/scenario"
)

func iface(network, address string) []scenario.Interface {
	return []scenario.Interface{{Network: scenario.NetworkName(network), Address: netip.MustParseAddr(address)}}
}

// internet is a lab with pool servers, a mail domain and hosts of all kinds.
func internet() *scenario.Lab {
	addrs := func(list ...string) (out []netip.Addr) {
		for _, a := range list {
			out = append(out, netip.MustParseAddr(a))
		}
		return out
	}
	return &scenario.Lab{
		Networks: []scenario.Network{
			{Name: "net", Subnet: netip.MustParsePrefix("203.0.113.0/24")},
			{Name: "odd", Subnet: netip.MustParsePrefix("172.16.128.0/20")},
			{Name: "six", Subnet: netip.MustParsePrefix("2001:db8:0:5::/64")},
		},
		DNS: &scenario.DNS{Host: "ns", Records: []scenario.DNSRecord{
			{Name: "2.almalinux.pool.ntp.org", Addresses: addrs("203.0.113.11", "203.0.113.12", "203.0.113.13", "203.0.113.14")},
			{Name: "beta.example", MX: []string{"mail.beta.example", "backup.beta.example"}},
			{Name: "mail.beta.example", Addresses: addrs("203.0.113.25")},
			{Name: "www.sub.beta.example", Addresses: addrs("203.0.113.80", "2001:db8:0:5::80")},
		}},
		Hosts: []scenario.Host{
			{Name: "ns", Networks: iface("net", "203.0.113.53")},
			{Name: "mail", Hostname: "mail.beta.example", Networks: iface("net", "203.0.113.25")},
			{Name: "inner", Hostname: "Inner.Lab.Test", Networks: iface("odd", "172.16.130.9")},
			{Name: "plain", Networks: iface("net", "203.0.113.77")},
			{Name: "island"},
		},
	}
}

func TestNameServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(t)
		programs := map[string]host.Program{"/usr/sbin/named": named.Named, "/usr/sbin/named-checkconf": named.CheckConf}
		server := n.Host(t, memnet.Config{Name: "ns", Addrs: []string{"203.0.113.53/24"}, Programs: programs})
		client := n.Host(t, memnet.Config{Name: "client", Addrs: []string{"203.0.113.20/24"}})
		zones := zonesOf(internet())
		server.WriteFile("/etc/named.conf", namedConf(zones))
		for _, z := range zones {
			server.WriteFile("/var/named/"+z.file(), z.text)
		}
		if r := server.Run("named-checkconf", "-z"); r.Status.Code != 0 {
			t.Fatalf("named-checkconf -z: %v\n%s%s", r.Status, r.Stdout, r.Stderr)
		}
		server.Start("named", "-f")
		time.Sleep(time.Second)
		for _, c := range []struct {
			name  string
			kind  uint16
			rcode int
			want  []string // the data of the answers
		}{
			{"2.almalinux.pool.ntp.org.", dns.TypeA, 0, []string{"203.0.113.11", "203.0.113.12", "203.0.113.13", "203.0.113.14"}},
			{"2.almalinux.pool.ntp.org.", dns.TypeAAAA, 0, nil},
			{"beta.example.", dns.TypeMX, 0, []string{"10 mail.beta.example.", "20 backup.beta.example."}},
			{"www.sub.beta.example.", dns.TypeAAAA, 0, []string{"2001:db8:0:5::80"}},
			{"plain.", dns.TypeA, 0, []string{"203.0.113.77"}},
			{"inner.lab.test.", dns.TypeA, 0, []string{"172.16.130.9"}},
			{"nowhere.example.com.", dns.TypeA, dns.RcodeNameError, nil},
			{"nobody.beta.example.", dns.TypeA, dns.RcodeNameError, nil},
			{".", dns.TypeNS, 0, []string{"ns."}},
			{"25.113.0.203.in-addr.arpa.", dns.TypePTR, 0, []string{"mail.beta.example."}},
			{"53.113.0.203.in-addr.arpa.", dns.TypePTR, 0, []string{"ns."}},
			{"11.113.0.203.in-addr.arpa.", dns.TypePTR, dns.RcodeNameError, nil},
			{"9.130.16.172.in-addr.arpa.", dns.TypePTR, 0, []string{"inner.lab.test."}},
		} {
			var answer *dns.Msg
			client.Do(nil, func(_ context.Context, p *host.Proc) {
				conn, err := p.Sys.Dial(t.Context(), "udp4", "203.0.113.53:53")
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				co := &dns.Conn{Conn: conn}
				if err := co.WriteMsg(new(dns.Msg).SetQuestion(c.name, c.kind)); err != nil {
					t.Error(err)
					return
				}
				answer, err = co.ReadMsg()
				if err != nil {
					t.Error(err)
				}
			})
			if answer == nil {
				continue
			}
			var got []string
			for _, rr := range answer.Answer {
				got = append(got, strings.TrimPrefix(rr.String(), rr.Header().String()))
			}
			slices.Sort(got)
			if answer.Rcode != c.rcode || !slices.Equal(got, c.want) || !answer.Authoritative {
				t.Errorf("%s %s: %s %q, want %s %q", c.name, dns.Type(c.kind), dns.RcodeToString[answer.Rcode], got, dns.RcodeToString[c.rcode], c.want)
			}
		}
	})
}

func TestReverseZone(t *testing.T) {
	for subnet, want := range map[string]string{
		"192.168.0.0/24": "0.168.192.in-addr.arpa", "10.0.0.0/8": "10.in-addr.arpa", "172.16.128.0/20": "16.172.in-addr.arpa",
		"192.0.2.64/26": "2.0.192.in-addr.arpa", "2001:db8:0:5::/64": "5.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
	} {
		if got := reverseZone(netip.MustParsePrefix(subnet)); got != want {
			t.Errorf("%s is in %s, want %s", subnet, got, want)
		}
	}
}
