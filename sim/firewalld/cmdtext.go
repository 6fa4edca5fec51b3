package firewalld

import (
	"slices"
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

// zoneText is the answer to --list-all.
func (c *command) zoneText(z *conf.Zone, active bool) string {
	var lines []string
	add := func(name, value string) { lines = append(lines, "  "+name+": "+value) }
	values := func(kind string) string { return strings.Join(conf.Sorted(kind, z.Values(kind)), " ") }
	block := func(kind string) string {
		s := ""
		for _, v := range conf.Sorted(kind, z.Values(kind)) {
			s += "\n\t" + v
		}
		return s
	}
	title := z.Name
	if active {
		title += " (active)"
	}
	lines = append(lines, title)
	if c.has("verbose") {
		add("summary", z.Short)
		add("description", z.Description)
	}
	add("target", z.Target)
	add("icmp-block-inversion", yesNo(z.Has(conf.KindInversion, "")))
	add("interfaces", values(conf.KindInterface))
	add("sources", values(conf.KindSource))
	add("services", values(conf.KindService))
	add("ports", strings.Join(z.Values(conf.KindPort), " "))
	add("protocols", values(conf.KindProtocol))
	add("forward", yesNo(z.Has(conf.KindForward, "")))
	add("masquerade", yesNo(z.Has(conf.KindMasquerade, "")))
	add("forward-ports", block(conf.KindForwarding))
	add("source-ports", strings.Join(z.Values(conf.KindSourcePort), " "))
	add("icmp-blocks", values(conf.KindICMPBlock))
	add("rich rules", block(conf.KindRule))
	return strings.Join(lines, "\n")
}

// policyText is the answer to --info-policy for the predefined policy.
func policyText(runtime bool) string {
	title := conf.HostPolicy
	if runtime {
		title += " (active)"
	}
	s := title + "\n  priority: -15000\n  target: CONTINUE\n  ingress-zones: ANY\n  egress-zones: HOST\n  services: \n  ports: \n" +
		"  protocols: \n  masquerade: no\n  forward-ports: \n  source-ports: \n  icmp-blocks: \n  rich rules: "
	for _, t := range []string{"neighbour-advertisement", "neighbour-solicitation", "router-advertisement", "redirect"} {
		s += "\n\trule family=\"ipv6\" icmp-type name=\"" + t + "\" accept"
	}
	return s
}

// serviceText is the answer to --info-service.
func (c *command) serviceText(s *conf.Service) string {
	lines := []string{s.Name}
	add := func(name, value string) { lines = append(lines, "  "+name+": "+value) }
	if c.has("verbose") {
		add("summary", s.Short)
		add("description", s.Description)
	}
	sorted := func(list []string) string { return strings.Join(slices.Sorted(slices.Values(list)), " ") }
	add("ports", joinPorts(s.Ports))
	add("protocols", strings.Join(s.Protocols, " "))
	add("source-ports", joinPorts(s.SourcePorts))
	add("modules", strings.Join(s.Modules, " "))
	add("destination", s.Destinations())
	add("includes", sorted(s.Includes))
	add("helpers", sorted(s.Helpers))
	return strings.Join(lines, "\n")
}

// ipsetText is the answer to --info-ipset.
func (c *command) ipsetText(s *conf.IPSet) string {
	var options []string
	for _, o := range s.Options {
		options = append(options, strings.TrimSuffix(o[0]+"="+o[1], "="))
	}
	text := s.Name
	if c.has("verbose") {
		text += "\n  summary: " + s.Short + "\n  description: " + s.Description
	}
	return text + "\n  type: " + s.Type + "\n  options: " + strings.Join(options, " ") + "\n  entries: " + strings.Join(s.Entries, " ")
}
