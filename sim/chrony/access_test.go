package chrony_test

import (
	"net/netip"
	"strings"
	"testing"

	"enshu/sim/chrony/clients"
	"enshu/sim/chrony/conf"
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
			p := conf.NewParser(noHost{"/c": e.Conf}, nil, func(string) {})
			if err := p.ReadFile("/c"); err != nil {
				t.Fatalf("%q: %v", e.Conf, err)
			}
			var table clients.Access
			for _, r := range append(p.Conf.Allow, p.Conf.CmdAllow...) {
				if !table.Add(r) {
					t.Fatalf("%q is refused", e.Conf)
				}
			}
			for addr, want := range e.Results {
				if got := table.Allows(netip.MustParseAddr(addr)); got != strings.Contains(want, "allowed") {
					t.Errorf("%q: %s is allowed: %v, want %s", e.Conf, addr, got, want)
				}
			}
		}
	}
}
