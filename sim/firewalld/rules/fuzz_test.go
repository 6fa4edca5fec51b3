package rules

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"enshu/sim/firewalld/conf"
)

func FuzzZoneFile(f *testing.F) {
	files, _ := filepath.Glob("../../distro/files/firewalld/usr/lib/firewalld/zones/*.xml")
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`<zone target="DROP"><rule priority="1" family="ipv4"><source address="1.2.3.4" invert="True"/><log><limit value="1/m"/></log><drop/></rule><port port="1-2" protocol="tcp"/><forward-port port="1" protocol="tcp" to-addr="1.2.3.4"/></zone>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		z, err := conf.ReadZone("z", data)
		if err != nil {
			return
		}
		again, err := conf.ReadZone("z", z.File())
		if err != nil {
			t.Fatalf("%q does not read back: %v", z.File(), err)
		}
		var n, m []string
		for _, kind := range conf.ZoneOrder {
			n, m = append(n, z.Values(kind)...), append(m, again.Values(kind)...)
		}
		if !slices.Equal(n, m) {
			t.Errorf("%q\n%q", n, m)
		}
		s := &State{Default: "z", Zones: map[string]*conf.Zone{"z": z}, Applied: []string{"z"}, BeforePolicies: 1, Denied: "all",
			Service: func(name string) *conf.Service {
				return &conf.Service{Label: conf.Label{Name: name}, Includes: []string{name}, Ports: []conf.Port{{Lo: 1, Hi: 2, Proto: "tcp"}}}
			},
			Helper: func(name string) *conf.Helper {
				return &conf.Helper{Label: conf.Label{Name: name}, Module: "nf_conntrack_" + name}
			},
			ICMPType: func(name string) conf.ICMPType { return conf.ICMPTypes[name] },
		}
		if text := s.Compile().String(); !strings.HasPrefix(text, "table inet firewalld {") {
			t.Error(text)
		}
	})
}

func FuzzServiceAndIPSetFile(f *testing.F) {
	f.Add([]byte(`<service version="1"><port port="1" protocol="tcp"/><destination ipv4="1.2.3.4"/><include service="x"/></service>`))
	f.Add([]byte(`<ipset type="hash:net"><option name="family" value="inet6"/><entry>::/1</entry></ipset>`))
	f.Add([]byte(`<direct><rule ipv="ipv4" table="filter" chain="INPUT" priority="0">-p tcp --dport 1 -j DROP</rule></direct>`))
	f.Add([]byte(`<direct><chain ipv="ipv4" table="filter" chain="pc"/><rule ipv="ipv4" table="filter" chain="pc" priority="-1">-m state --state NEW -j LOG --log-prefix 'a b'</rule><passthrough ipv="ipv6">-t nat -I PREROUTING -p tcp --dport 1:2 -j REDIRECT --to-ports 3</passthrough></direct>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := conf.ReadService("s", data); err == nil {
			if _, err := conf.ReadService("s", s.File()); err != nil {
				t.Errorf("%q: %v", s.File(), err)
			}
		}
		if s, err := conf.ReadIPSet("s", data); err == nil {
			compileSet(s)
		}
		if d, err := conf.ReadDirect(data); err == nil {
			(&State{Direct: d}).compileDirect()
			if again, err := conf.ReadDirect(d.File()); err != nil || !reflect.DeepEqual(d, again) {
				t.Errorf("%q reads back as %v, %v", d.File(), again, err)
			}
		}
	})
}
