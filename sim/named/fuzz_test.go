package named

import (
	"io/fs"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

type nowhere struct{}

func (nowhere) local(netip.Addr) bool { return false }
func (nowhere) near(netip.Addr) bool  { return false }

// Whatever is written into named.conf is read or refused with its place.
func FuzzLoad(f *testing.F) {
	f.Add(`options { listen-on port 53 { any; }; allow-query { !192.0.2.1; { 10/8; }; localhost; }; forwarders { 192.0.2.1 port 5353; }; };`)
	f.Add(`acl "a" { none; }; zone "x.example" IN { type forward; forward only; forwarders { }; }; # end`)
	f.Add("/* */ // \n zone \".\" { type hint; file \"named.ca\"; };")
	f.Add("{{{{{{{{{{{{{{{{{{{{{{")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := load("named.conf", func(name string) (string, error) {
			if name != "named.conf" {
				return "", fs.ErrNotExist
			}
			return text, nil
		})
		if err != nil {
			if !strings.HasPrefix(err.Error(), "named.conf:") {
				t.Errorf("an error without its place: %v", err)
			}
			return
		}
		for _, l := range c.listen {
			l.addresses()
		}
		c.query.allows(netip.MustParseAddr("192.0.2.1"), nowhere{})
	})
}

// Whatever is written into a master file, questions about it end.
func FuzzZone(f *testing.F) {
	f.Add("@ 60 SOA ns root 1 1 1 1 1\n@ NS ns\nns A 192.0.2.1\n* CNAME a.b\n", "x.example.")
	f.Add("@ 60 SOA . . 1 1 1 1 1\n@ NS a.\nsub NS a.\n*.sub A 192.0.2.1\n", "a.sub.example.")
	f.Add("@ 60 SOA a a 1 1 1 1 1\n@ NS b.\n$GENERATE 0-999 a TXT $\n", "a.example.")
	f.Add("$INCLUDE /etc/passwd\n$GENERATE 1-3 a$ A 192.0.2.$\n", "a1.example.")
	f.Fuzz(func(t *testing.T, text, name string) {
		for _, origin := range []string{"example.", "."} {
			z, _, err := readZone(origin, "zone", text)
			if err != nil {
				continue
			}
			name := dns.CanonicalName(name)
			if _, ok := dns.IsDomainName(name); !ok || !dns.IsSubDomain(origin, name) {
				continue
			}
			for _, qtype := range []uint16{dns.TypeA, dns.TypeANY, dns.TypeDS} {
				z.answer(name, qtype)
			}
			z.all()
		}
	})
}
