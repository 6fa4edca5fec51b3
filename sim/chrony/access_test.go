package chrony

import (
	"net/netip"
	"strings"
	"testing"
)

func TestAccessTables(t *testing.T) {
	for _, name := range []string{"allow-deny-access-table", "cmdallow-access-table"} {
		var c struct {
			Expected []struct {
				Conf    string
				Results map[string]string
			}
		}
		oracle(t, "conf/"+name+".yaml", &c)
		for _, e := range c.Expected {
			p := newParser(noHost{"/c": e.Conf}, nil, func(string) {})
			if err := p.readFile("/c"); err != nil {
				t.Fatalf("%q: %v", e.Conf, err)
			}
			var table accessTable
			for _, r := range append(p.conf.allow, p.conf.cmdAllow...) {
				if !table.add(r) {
					t.Fatalf("%q is refused", e.Conf)
				}
			}
			for addr, want := range e.Results {
				if got := table.allows(netip.MustParseAddr(addr)); got != strings.Contains(want, "allowed") {
					t.Errorf("%q: %s is allowed: %v, want %s", e.Conf, addr, got, want)
				}
			}
		}
	}
}
