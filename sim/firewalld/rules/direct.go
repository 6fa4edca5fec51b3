package rules

import (
	"slices"
	"strings"

	"enshu/sim/firewalld/conf"
	"enshu/sim/nft"
)

// directHooks are the chains of iptables' filter table.
var directHooks = map[string]nft.Hook{"INPUT": nft.Input, "FORWARD": nft.Forward, "OUTPUT": nft.Output}

// Direct translates the part of iptables' language that is modelled: -p, -s,
// -d, -i, -o, --sport, --dport, -m of these, and the targets ACCEPT, DROP and
// REJECT, in the filter table.
func Direct(r conf.DirectRule) (nft.Rule, error) {
	unknown := func(what string) error {
		return conf.Fail("COMMAND_FAILED", "'"+what+"' is not modelled in direct rules")
	}
	if _, ok := directHooks[r.Chain]; !ok || r.Table != "filter" || r.Family == "eb" {
		return nil, unknown(r.Family + " " + r.Table + " " + r.Chain)
	}
	var rule nft.Rule
	proto := ""
	for i := 0; i < len(r.Args); i += 2 {
		if i+1 == len(r.Args) {
			return nil, unknown(r.Args[i])
		}
		option, value := r.Args[i], r.Args[i+1]
		switch option {
		case "-p", "--protocol":
			proto = value
			n, ok := nft.ProtocolNumber(value)
			if !ok {
				return nil, unknown(value)
			}
			rule = append(rule, nft.L4Proto{Protos: []uint8{n}})
		case "-m", "--match":
			if value != "tcp" && value != "udp" && value != "sctp" && value != "dccp" {
				return nil, unknown("-m " + value)
			}
		case "-s", "--source", "-d", "--destination":
			p, ok := conf.ParseAddress(value)
			if !ok || p.Addr().Is6() != (r.Family == "ipv6") {
				return nil, conf.Fail("INVALID_ADDR", value)
			}
			rule = append(rule, addrMatch(option[1] == 'd' || option == "--destination", false, p))
		case "-i", "--in-interface", "-o", "--out-interface":
			rule = append(rule, nft.IfName{Out: option == "-o" || option == "--out-interface", Name: strings.Replace(value, "+", "*", 1)})
		case "--dport", "--destination-port", "--sport", "--source-port":
			p, err := conf.ParsePort(strings.Replace(value, ":", "-", 1) + "/" + proto)
			if err != nil {
				return nil, err
			}
			rule = append(rule, portMatch(p, strings.HasPrefix(option, "--s")))
		case "-j", "--jump":
			end, ok := map[string]nft.Expr{"ACCEPT": nft.Verdict{Kind: nft.Accept}, "DROP": nft.Verdict{Kind: nft.Drop}}[value]
			if value == "REJECT" {
				end, ok = defaultReject(r.Family), true // as iptables does
			}
			if !ok || i+2 != len(r.Args) {
				return nil, unknown("-j " + value)
			}
			return append(rule, end), nil
		default:
			return nil, unknown(option)
		}
	}
	return nil, unknown("a rule without -j")
}

// compileDirect makes the tables of the direct rules, nil when there are none.
func (s *State) compileDirect() []*nft.Table {
	var tables []*nft.Table
	for _, family := range [][2]string{{"ipv4", "ip"}, {"ipv6", "ip6"}} {
		t := &nft.Table{Family: family[1], Name: "filter"}
		rules := slices.Clone(s.Direct)
		slices.SortStableFunc(rules, func(a, b conf.DirectRule) int { return a.Priority - b.Priority })
		for _, name := range []string{"INPUT", "FORWARD", "OUTPUT"} {
			ch := &nft.Chain{Name: name, Base: &nft.Base{Type: "filter", Hook: directHooks[name]}}
			for _, r := range rules {
				if rule, err := Direct(r); err == nil && r.Family == family[0] && r.Chain == name {
					ch.Rules = append(ch.Rules, rule)
				}
			}
			if len(ch.Rules) > 0 {
				t.Chains = append(t.Chains, ch)
			}
		}
		if len(t.Chains) > 0 {
			tables = append(tables, t)
		}
	}
	return tables
}
