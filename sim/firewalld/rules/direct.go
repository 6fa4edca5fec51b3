package rules

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"enshu/sim/firewalld/conf"
	"enshu/sim/nft"
)

// directBases are the chains of iptables' tables in the order of the packet
// filter, as iptables-nft hooks them.
var directBases = map[string][]nft.Chain{
	"filter": {
		{Name: "INPUT", Base: &nft.Base{Type: "filter", Hook: nft.Input}},
		{Name: "FORWARD", Base: &nft.Base{Type: "filter", Hook: nft.Forward}},
		{Name: "OUTPUT", Base: &nft.Base{Type: "filter", Hook: nft.Output}},
	},
	"nat": {
		{Name: "PREROUTING", Base: &nft.Base{Type: "nat", Hook: nft.Prerouting, Priority: -100}},
		{Name: "OUTPUT", Base: &nft.Base{Type: "nat", Hook: nft.Output, Priority: -100}},
		{Name: "POSTROUTING", Base: &nft.Base{Type: "nat", Hook: nft.Postrouting, Priority: 100}},
	},
	"mangle": {
		{Name: "PREROUTING", Base: &nft.Base{Type: "filter", Hook: nft.Prerouting, Priority: -150}},
		{Name: "INPUT", Base: &nft.Base{Type: "filter", Hook: nft.Input, Priority: -150}},
		{Name: "FORWARD", Base: &nft.Base{Type: "filter", Hook: nft.Forward, Priority: -150}},
		{Name: "POSTROUTING", Base: &nft.Base{Type: "filter", Hook: nft.Postrouting, Priority: -150}},
	},
	"raw": {
		{Name: "PREROUTING", Base: &nft.Base{Type: "filter", Hook: nft.Prerouting, Priority: -300}},
		{Name: "OUTPUT", Base: &nft.Base{Type: "filter", Hook: nft.Output, Priority: -300}},
	},
}

// iptables is the refusal of iptables-restore, at a line of what it is given.
func iptables(problem string, line int) error {
	return conf.Fail("COMMAND_FAILED", fmt.Sprintf("'/usr/sbin/iptables-restore -w -n' failed: iptables-restore v1.8.9 (nf_tables): %s\n"+
		"Error occurred at line: %d\nTry `iptables-restore -h' or 'iptables-restore --help' for more information.\n", problem, line))
}

// iptables is given "*table", the rule, and "COMMIT".
const ruleLine, commitLine = 2, 3

// directRule is a direct rule that is being translated.
type directRule struct {
	conf.DirectRule
	chains []conf.DirectChain // that it may jump to
	words  []string           // that are left
	proto  string
	rule   nft.Rule
}

// next takes a word.
func (r *directRule) next() string {
	if len(r.words) == 0 {
		return ""
	}
	w := r.words[0]
	r.words = r.words[1:]
	return w
}

// Direct translates the part of iptables' language that is modelled: -p, -s,
// -d, -i, -o, ports, -m state and conntrack, and the targets ACCEPT, DROP,
// REJECT, RETURN, LOG, MARK, MASQUERADE, REDIRECT, DNAT and chains.
func Direct(r conf.DirectRule, chains []conf.DirectChain) (nft.Rule, error) {
	own := slices.Contains(chains, conf.DirectChain{Family: r.Family, Table: r.Table, Name: r.Chain})
	if r.Family == "eb" || directBases[r.Table] == nil ||
		!own && !slices.ContainsFunc(directBases[r.Table], func(c nft.Chain) bool { return c.Name == r.Chain }) {
		return nil, iptables("Chain '"+r.Chain+"' does not exist", commitLine)
	}
	d := &directRule{DirectRule: r, chains: chains, words: r.Args}
	for len(d.words) > 0 {
		not := d.words[0] == "!"
		if not {
			d.next()
		}
		option := d.next()
		if option == "-j" || option == "--jump" || option == "-g" || option == "--goto" {
			end, err := d.target(d.next(), option == "-g" || option == "--goto")
			return append(d.rule, end...), err
		}
		if err := d.match(option, not); err != nil {
			return nil, err
		}
	}
	return d.rule, nil
}

// match translates one match.
func (r *directRule) match(option string, not bool) error {
	value := r.next()
	switch option {
	case "-p", "--protocol":
		n, ok := nft.ProtocolNumber(value)
		if value == "icmpv6" {
			n, ok = nft.ProtoICMPv6, true
		}
		if !ok {
			return iptables("unknown protocol \""+value+"\" specified", ruleLine)
		}
		r.proto = value
		r.rule = append(r.rule, nft.L4Proto{Protos: []uint8{n}})
	case "-m", "--match":
		if !slices.Contains([]string{"tcp", "udp", "sctp", "dccp", "state", "conntrack", "icmp", "icmp6", "comment"}, value) {
			return iptables("Couldn't load match `"+value+"':No such file or directory\n", ruleLine)
		}
	case "--comment":
	case "--state", "--ctstate":
		states := map[string]nft.State{"NEW": nft.New, "ESTABLISHED": nft.Established, "RELATED": nft.Related, "INVALID": nft.Invalid, "UNTRACKED": nft.Untracked}
		var list []nft.State
		for _, s := range strings.Split(value, ",") {
			n, ok := states[s]
			if !ok {
				return iptables("Bad ctstate \""+s+"\"", ruleLine)
			}
			list = append(list, n)
		}
		r.rule = append(r.rule, nft.CTState{States: list})
	case "-s", "--source", "--src", "-d", "--destination", "--dst":
		p, ok := conf.ParseAddress(value)
		if !ok || p.Addr().Is6() != (r.Family == "ipv6") {
			return iptables("host/network `"+value+"' not found", ruleLine)
		}
		r.rule = append(r.rule, addrMatch(strings.HasPrefix(strings.TrimLeft(option, "-"), "d"), not, p))
	case "-i", "--in-interface", "-o", "--out-interface":
		r.rule = append(r.rule, nft.IfName{Out: strings.HasPrefix(strings.TrimLeft(option, "-"), "o"), Not: not, Name: strings.Replace(value, "+", "*", 1)})
	case "--dport", "--destination-port", "--sport", "--source-port":
		p, err := conf.ParsePort(strings.Replace(value, ":", "-", 1) + "/" + r.proto)
		if err != nil {
			return iptables("unknown option \""+option+"\"", ruleLine)
		}
		r.rule = append(r.rule, portMatch(p, strings.HasPrefix(option, "--s")))
	default:
		return iptables("unknown option \""+option+"\"", ruleLine)
	}
	return nil
}

// target translates what is done, with the options behind it.
func (r *directRule) target(name string, jumps bool) (nft.Rule, error) {
	options := map[string]string{}
	for len(r.words) > 0 {
		o := r.next()
		options[o] = r.next()
	}
	switch name {
	case "ACCEPT":
		return nft.Rule{accept}, nil
	case "DROP":
		return nft.Rule{drop}, nil
	case "RETURN":
		return nft.Rule{nft.Verdict{Kind: nft.Return}}, nil
	case "REJECT":
		return nft.Rule{defaultReject(r.Family)}, nil
	case "LOG":
		level := nft.LogWarning
		if i := slices.Index(conf.LogLevels, options["--log-level"]); i >= 0 {
			level = nft.LogLevel(i)
		} else if n, err := strconv.ParseUint(options["--log-level"], 10, 3); err == nil {
			level = nft.LogLevel(n)
		}
		return nft.Rule{nft.Log{Prefix: options["--log-prefix"], Level: level}}, nil
	case "MARK":
		value, _, err := conf.ParseMark(options["--set-mark"] + options["--set-xmark"])
		if err != nil {
			return nil, iptables("MARK: Bad value for \"--set-mark\" option: \""+options["--set-mark"]+"\"", ruleLine)
		}
		return nft.Rule{nft.SetMark{Mark: value}}, nil
	case "MASQUERADE":
		return nft.Rule{nft.Masquerade{}}, nil
	case "REDIRECT":
		n, _ := strconv.ParseUint(options["--to-ports"], 10, 16)
		return nft.Rule{nft.Redirect{Port: uint16(n)}}, nil
	case "DNAT":
		to := options["--to-destination"]
		if a, err := netip.ParseAddr(to); err == nil {
			return nft.Rule{nft.DNAT{Addr: a}}, nil
		}
		if a, err := netip.ParseAddrPort(to); err == nil {
			return nft.Rule{nft.DNAT{Addr: a.Addr(), Port: a.Port()}}, nil
		}
		return nil, iptables("Bad IP address \""+to+"\"\n", ruleLine)
	}
	if !slices.Contains(r.chains, conf.DirectChain{Family: r.Family, Table: r.Table, Name: name}) {
		return nil, iptables("Chain '"+name+"' does not exist", commitLine)
	}
	kind := nft.Jump
	if jumps {
		kind = nft.Goto
	}
	return nft.Rule{nft.Verdict{Kind: kind, Chain: name}}, nil
}

// PassedRule reads a passthrough that appends or inserts a rule.
func PassedRule(p conf.Passthrough) (conf.DirectRule, bool) {
	r := conf.DirectRule{Family: p.Family, Table: "filter"}
	for i := 0; i < len(p.Args); i++ {
		switch a := p.Args[i]; {
		case (a == "-t" || a == "--table") && i+1 < len(p.Args):
			i++
			r.Table = p.Args[i]
		case (a == "-A" || a == "--append" || a == "-I" || a == "--insert") && i+1 < len(p.Args):
			i++
			r.Chain = p.Args[i]
			if a == "-I" || a == "--insert" {
				r.Priority = -1 // before what was appended
			}
		default:
			r.Args = append(r.Args, a)
		}
	}
	return r, r.Chain != ""
}

// compileDirect makes the tables of what is direct, nil when there is nothing.
func (s *State) compileDirect() []*nft.Table {
	list := slices.Clone(s.Direct.Rules)
	slices.SortStableFunc(list, func(a, b conf.DirectRule) int { return a.Priority - b.Priority })
	for _, p := range s.Direct.Passthroughs {
		if r, ok := PassedRule(p); ok {
			list = append(list, r)
		}
	}
	var tables []*nft.Table
	for _, family := range [][2]string{{"ipv4", "ip"}, {"ipv6", "ip6"}} {
		for _, name := range []string{"filter", "nat", "mangle", "raw"} {
			t := &nft.Table{Family: family[1], Name: name}
			rulesOf := func(chain string) (rules []nft.Rule) {
				for _, r := range list {
					if r.Family != family[0] || r.Table != name || r.Chain != chain {
						continue
					}
					if rule, err := Direct(r, s.Direct.Chains); err == nil {
						rules = append(rules, rule)
					}
				}
				return rules
			}
			for _, c := range s.Direct.Chains {
				if c.Family == family[0] && c.Table == name {
					t.Chains = append(t.Chains, &nft.Chain{Name: c.Name, Rules: rulesOf(c.Name)})
				}
			}
			for _, base := range directBases[name] {
				if base.Rules = rulesOf(base.Name); len(base.Rules) > 0 {
					t.Chains = append(t.Chains, &base)
				}
			}
			if len(t.Chains) > 0 {
				tables = append(tables, t)
			}
		}
	}
	return tables
}
