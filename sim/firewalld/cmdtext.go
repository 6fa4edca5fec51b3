package firewalld

import (
	"slices"
	"strconv"
	"strings"

	"enshu/sim/firewalld/conf"
)

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func joinPorts(list []conf.Port) string {
	var words []string
	for _, p := range list {
		words = append(words, p.String())
	}
	return strings.Join(words, " ")
}

// listText is the answer to --list-….
func listText(kind string, list []string) string {
	list = conf.Sorted(kind, list)
	if kind == conf.KindForwarding || kind == conf.KindRule {
		return strings.Join(list, "\n")
	}
	return strings.Join(list, " ")
}

// listing is the answer to --list-all: a title and lines "name: value".
type listing struct{ lines []string }

func (l *listing) add(name, value string) { l.lines = append(l.lines, "  "+name+": "+value) }

// title begins the listing of a definition.
func (c *command) title(l *conf.Label, active bool) *listing {
	name := l.Name
	if active {
		name += " (active)"
	}
	t := &listing{lines: []string{name}}
	if c.has("verbose") {
		t.add("summary", l.Short)
		t.add("description", l.Description)
	}
	return t
}

func (l *listing) String() string { return strings.Join(l.lines, "\n") }

// values adds the values of kinds in one line each.
func (l *listing) values(z *conf.Zone, kinds ...string) {
	for _, kind := range kinds {
		l.add(kind+"s", strings.Join(conf.Sorted(kind, z.Values(kind)), " "))
	}
}

// block adds the values of a kind, each in a line of its own.
func (l *listing) block(name, kind string, z *conf.Zone) {
	text := ""
	for _, v := range conf.Sorted(kind, z.Values(kind)) {
		text += "\n\t" + v
	}
	l.add(name, text)
}

// zoneText is the answer to --list-all.
func (c *command) zoneText(z *conf.Zone) string {
	l := c.title(&z.Label, active(z))
	l.add("target", z.Target)
	l.add("icmp-block-inversion", yesNo(z.Has(conf.KindInversion, "")))
	l.values(z, conf.KindInterface, conf.KindSource)
	l.elements(z, func() { l.add("forward", yesNo(z.Has(conf.KindForward, ""))) })
	return l.String()
}

// elements adds what zones and policies both have; forward adds what only zones do.
func (l *listing) elements(z *conf.Zone, forward func()) {
	l.values(z, conf.KindService)
	l.add("ports", strings.Join(z.Values(conf.KindPort), " "))
	l.values(z, conf.KindProtocol)
	forward()
	l.add("masquerade", yesNo(z.Has(conf.KindMasquerade, "")))
	l.block("forward-ports", conf.KindForwarding, z)
	l.add("source-ports", strings.Join(z.Values(conf.KindSourcePort), " "))
	l.values(z, conf.KindICMPBlock)
	l.block("rich rules", conf.KindRule, z)
}

// policyText is the answer to --list-all of a policy.
func (c *command) policyText(p *conf.Policy) string {
	l := c.title(&p.Label, p.Between())
	l.add("priority", strconv.Itoa(p.Priority))
	l.add("target", p.Target)
	l.values(&p.Zone, conf.KindIngress, conf.KindEgress)
	l.elements(&p.Zone, func() {})
	return l.String()
}

// serviceText is the answer to --info-service.
func (c *command) serviceText(s *conf.Service) string {
	l := c.title(&s.Label, false)
	sorted := func(list []string) string { return strings.Join(slices.Sorted(slices.Values(list)), " ") }
	l.add("ports", joinPorts(s.Ports))
	l.add("protocols", strings.Join(s.Protocols, " "))
	l.add("source-ports", joinPorts(s.SourcePorts))
	l.add("modules", strings.Join(s.Modules, " "))
	l.add("destination", s.Destinations())
	l.add("includes", sorted(s.Includes))
	l.add("helpers", sorted(s.Helpers))
	return l.String()
}

// ipsetText is the answer to --info-ipset.
func (c *command) ipsetText(s *conf.IPSet) string {
	var options []string
	for _, o := range s.Options {
		options = append(options, strings.TrimSuffix(o[0]+"="+o[1], "="))
	}
	l := c.title(&s.Label, false)
	l.add("type", s.Type)
	l.add("options", strings.Join(options, " "))
	l.add("entries", strings.Join(s.Entries, " "))
	return l.String()
}

// icmpText is the answer to --info-icmptype.
func (c *command) icmpText(n *conf.ICMPName) string {
	l := c.title(&n.Label, false)
	l.add("destination", strings.Join(n.Families(), " "))
	return l.String()
}

// helperText is the answer to --info-helper.
func (c *command) helperText(h *conf.Helper) string {
	l := c.title(&h.Label, false)
	l.add("family", h.Family)
	l.add("module", h.Module)
	l.add("ports", joinPorts(h.Ports))
	return l.String()
}
