package firewalld

import (
	"slices"
	"strings"
)

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func joinPorts(list []Port) string {
	var words []string
	for _, p := range list {
		words = append(words, p.String())
	}
	return strings.Join(words, " ")
}

// sortValues puts the values of a kind in the order in which they are shown.
func sortValues(kind string, list []string) []string {
	list = slices.Clone(list)
	switch kind {
	case kindForwarding, kindInterface:
	case kindRule:
		z := &Zone{}
		for _, v := range list {
			z.Elements = append(z.Elements, Element{kindRule, v})
		}
		list = nil
		for _, r := range z.rules() {
			list = append(list, r.String())
		}
	case kindPort, kindSourcePort:
		z := &Zone{}
		for _, v := range list {
			z.Elements = append(z.Elements, Element{kind, v})
		}
		list = nil
		for _, p := range sortedPorts(z.ports(kind)) {
			list = append(list, p.String())
		}
	case kindSource:
	default:
		slices.Sort(list)
	}
	return list
}

// listText is the answer to --list-….
func listText(kind string, list []string) string {
	list = sortValues(kind, list)
	if kind == kindForwarding || kind == kindRule {
		return strings.Join(list, "\n")
	}
	return strings.Join(list, " ")
}

// zoneText is the answer to --list-all.
func (c *command) zoneText(z *Zone, active bool) string {
	var lines []string
	add := func(name, value string) { lines = append(lines, "  "+name+": "+value) }
	values := func(kind string) string { return strings.Join(sortValues(kind, z.Values(kind)), " ") }
	block := func(kind string) string {
		s := ""
		for _, v := range sortValues(kind, z.Values(kind)) {
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
	add("icmp-block-inversion", yesNo(z.Has(kindInversion, "")))
	add("interfaces", values(kindInterface))
	add("sources", values(kindSource))
	add("services", values(kindService))
	add("ports", strings.Join(z.Values(kindPort), " "))
	add("protocols", values(kindProtocol))
	add("forward", yesNo(z.Has(kindForward, "")))
	add("masquerade", yesNo(z.Has(kindMasquerade, "")))
	add("forward-ports", block(kindForwarding))
	add("source-ports", strings.Join(z.Values(kindSourcePort), " "))
	add("icmp-blocks", values(kindICMPBlock))
	add("rich rules", block(kindRule))
	return strings.Join(lines, "\n")
}

// policyText is the answer to --info-policy for the predefined policy.
func policyText(runtime bool) string {
	title := hostPolicy
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

func (s *Service) destinations() string {
	var list []string
	for _, f := range []string{"ipv4", "ipv6"} {
		if s.Destination[f] != "" {
			list = append(list, f+":"+s.Destination[f])
		}
	}
	return strings.Join(list, " ")
}

// serviceText is the answer to --info-service.
func (c *command) serviceText(s *Service) string {
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
	add("destination", s.destinations())
	add("includes", sorted(s.Includes))
	add("helpers", sorted(s.Helpers))
	return strings.Join(lines, "\n")
}

// ipsetText is the answer to --info-ipset.
func (c *command) ipsetText(s *IPSet) string {
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
