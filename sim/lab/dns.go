package lab

import (
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"

	"enshu/sim/kernel"
	"enshu/sim/scenario"
)

// The name server of a lab is a host with package bind. It is the internet's:
// besides the zones of the lab's names it has the root zone, so that what does
// not exist is answered as such, and the reverse zones of the lab's networks.

// What the host of the name server has installed and starts at boot.
const (
	nameServerPackage = "bind"
	nameServerUnit    = "named.service"
)

// servesNames reports whether the host is the lab's name server.
func (h *Host) servesNames() bool {
	dns := h.lab.Config.Scenario.DNS
	return dns != nil && string(dns.Host) == h.Name()
}

// writeNameServer puts the name server's configuration, its zones and the hole
// in the firewall on its host.
func (h *Host) writeNameServer(m *kernel.Machine) error {
	_, group, err := h.lab.Distro.Owner("", "named")
	if err != nil {
		return err
	}
	zones := zonesOf(h.lab.Config.Scenario)
	files := map[string]string{"/etc/named.conf": namedConf(zones)}
	for _, z := range zones {
		files["/var/named/"+z.file()] = z.text
	}
	for name, text := range files {
		if err := m.WriteFile(name, []byte(text), 0o640, 0, group); err != nil {
			return err
		}
	}
	const public = "firewalld/zones/public.xml"
	p, ok := h.lab.Distro.Find("firewalld")
	if !ok {
		return nil
	}
	tree, err := p.Tree()
	if err != nil {
		return err
	}
	zone, err := fs.ReadFile(tree, "usr/lib/"+public)
	if err != nil {
		return err
	}
	return m.WriteFile("/etc/"+public, []byte(strings.Replace(string(zone), "</zone>", "  <service name=\"dns\"/>\n</zone>", 1)), 0o644, 0, 0)
}

// dnsZone is a zone of the lab's name server.
type dnsZone struct {
	origin string // without the dot at its end; "" is the root
	text   string // the master file
}

// file is the name of the master file.
func (z dnsZone) file() string {
	if z.origin == "" {
		return "root.zone"
	}
	return z.origin + ".zone"
}

// namedConf is the configuration that serves the zones to anybody.
func namedConf(zones []dnsZone) string {
	var b strings.Builder
	b.WriteString(`// The name server of this lab: it has every name that there is.

options {
	listen-on port 53 { any; };
	listen-on-v6 port 53 { any; };
	directory "/var/named";
	allow-query { any; };
	recursion yes;
	allow-recursion { any; };
	pid-file "/run/named/named.pid";
};
`)
	for _, z := range zones {
		origin := z.origin
		if origin == "" {
			origin = "."
		}
		fmt.Fprintf(&b, "\nzone \"%s\" IN {\n\ttype master;\n\tfile \"%s\";\n};\n", origin, z.file())
	}
	return b.String()
}

// dnsName is a name with what the name server says of it, without the dot at its end.
type dnsName struct {
	name      string
	addresses []netip.Addr
	mx        []string
}

// namesOf returns the lab file's records, and the names of the hosts that it
// does not mention.
func namesOf(s *scenario.Lab) []dnsName {
	var names []dnsName
	add := func(name string, addresses []netip.Addr, mx []string) {
		name = strings.ToLower(name)
		if !slices.ContainsFunc(names, func(n dnsName) bool { return n.name == name }) {
			names = append(names, dnsName{name, addresses, mx})
		}
	}
	for _, r := range s.DNS.Records {
		add(r.Name, r.Addresses, r.MX)
	}
	for i := range s.Hosts {
		h := &s.Hosts[i]
		var own []netip.Addr
		for _, n := range h.Networks {
			own = append(own, n.Address)
		}
		if len(own) == 0 {
			continue
		}
		if h.Hostname != "" {
			add(h.Hostname, own, nil)
		}
		add(h.Name, own, nil)
	}
	return names
}

// zonesOf makes the zones of a lab, the root first. A name of two labels is a
// zone, as is what a longer name is in.
func zonesOf(s *scenario.Lab) []dnsZone {
	names := namesOf(s)
	origins := []string{""}
	for _, n := range names {
		zone := n.name
		if strings.Count(zone, ".") != 1 {
			_, zone, _ = strings.Cut(zone, ".")
		}
		if !slices.Contains(origins, zone) {
			origins = append(origins, zone)
		}
	}
	reverse := reverseNames(s, names)
	for _, n := range s.Networks {
		if zone := reverseZone(n.Subnet); !slices.Contains(origins, zone) {
			origins = append(origins, zone)
		}
	}
	slices.Sort(origins)
	server := s.Host(string(s.DNS.Host))
	ns := server.Hostname
	if ns == "" {
		ns = server.Name
	}
	records := map[string]*strings.Builder{}
	for _, o := range origins {
		var b strings.Builder
		dot := o + "."
		b.WriteString("$TTL 300\n")
		fmt.Fprintf(&b, "%s\tIN SOA\t%s. hostmaster.%s. (1 3600 600 604800 300)\n", dot, ns, ns)
		fmt.Fprintf(&b, "%s\tIN NS\t%s.\n", dot, ns)
		records[o] = &b
	}
	in := func(name string) *strings.Builder {
		for {
			if b := records[name]; b != nil {
				return b
			}
			_, name, _ = strings.Cut(name, ".")
		}
	}
	for _, n := range names {
		for _, a := range n.addresses {
			kind := "A"
			if a.Is6() {
				kind = "AAAA"
			}
			fmt.Fprintf(in(n.name), "%s.\tIN %s\t%s\n", n.name, kind, a)
			if n.name == strings.ToLower(ns) && in(n.name) != records[""] { // glue
				fmt.Fprintf(records[""], "%s.\tIN %s\t%s\n", n.name, kind, a)
			}
		}
		for i, mx := range n.mx {
			fmt.Fprintf(in(n.name), "%s.\tIN MX\t%d %s.\n", n.name, 10*(i+1), strings.ToLower(mx))
		}
	}
	for _, r := range reverse {
		fmt.Fprintf(in(r.pointer), "%s.\tIN PTR\t%s.\n", r.pointer, r.name)
	}
	zones := make([]dnsZone, 0, len(origins))
	for _, o := range origins {
		zones = append(zones, dnsZone{o, records[o].String()})
	}
	return zones
}

// pointer is the name that an address has in the reverse tree, and what is found there.
type pointer struct{ pointer, name string }

// reverseNames gives each address its name: that of its host, else the first
// record that has this address only.
func reverseNames(s *scenario.Lab, names []dnsName) []pointer {
	var list []pointer
	seen := map[netip.Addr]bool{}
	add := func(a netip.Addr, name string) {
		if !seen[a] {
			seen[a] = true
			list = append(list, pointer{reverseName(a), strings.ToLower(name)})
		}
	}
	for i := range s.Hosts {
		h := &s.Hosts[i]
		for _, n := range h.Networks {
			if h.Hostname != "" && strings.Contains(h.Hostname, ".") {
				add(n.Address, h.Hostname)
			}
		}
	}
	for _, n := range names {
		if len(n.addresses) == 1 {
			add(n.addresses[0], n.name)
		}
	}
	for i := range s.Hosts {
		for _, n := range s.Hosts[i].Networks {
			add(n.Address, s.Hosts[i].Name)
		}
	}
	return list
}

// reverseName is an address as a name (RFC 1035 section 3.5, RFC 3596 section 2.5).
func reverseName(a netip.Addr) string {
	var labels []string
	for _, b := range a.AsSlice() {
		if a.Is4() {
			labels = append(labels, fmt.Sprint(b))
		} else {
			labels = append(labels, fmt.Sprintf("%x", b>>4), fmt.Sprintf("%x", b&15))
		}
	}
	slices.Reverse(labels)
	return strings.Join(labels, ".") + reverseTree(a)
}

func reverseTree(a netip.Addr) string {
	if a.Is4() {
		return ".in-addr.arpa"
	}
	return ".ip6.arpa"
}

// reverseZone is the smallest zone of the reverse tree that has all of a subnet.
func reverseZone(p netip.Prefix) string {
	bits := 4 // a label
	if p.Addr().Is4() {
		bits = 8
	}
	labels := strings.Split(strings.TrimSuffix(reverseName(p.Addr()), reverseTree(p.Addr())), ".")
	return strings.Join(labels[len(labels)-p.Bits()/bits:], ".") + reverseTree(p.Addr())
}
