package firewalld

import (
	"slices"
	"strconv"
	"strings"

	"enshu/sim/nft"
)

const directFile = userDir + "/direct.xml"

// directRule is a rule in the words of iptables(8), given past the zones.
type directRule struct {
	Family, Table, Chain string // "ipv4", "filter", "INPUT"
	Priority             int
	Args                 []string
}

func (r directRule) equal(o directRule) bool {
	return r.Family == o.Family && r.Table == o.Table && r.Chain == o.Chain && r.Priority == o.Priority && slices.Equal(r.Args, o.Args)
}

// String is the rule as --get-all-rules shows it.
func (r directRule) String() string {
	return strings.Join(append([]string{r.Family, r.Table, r.Chain, strconv.Itoa(r.Priority)}, r.Args...), " ")
}

// parseDirect reads the words behind --add-rule.
func parseDirect(words []string) (directRule, error) {
	if len(words) < 5 {
		return directRule{}, fail("INVALID_COMMAND", "wrong number of arguments\nusage: --direct --add-rule { ipv4 | ipv6 | eb } <table> <chain> <priority> <args>")
	}
	n, err := strconv.Atoi(words[3])
	if err != nil {
		return directRule{}, fail("INVALID_PRIORITY", "wrong priority\nusage: --direct --add-rule { ipv4 | ipv6 | eb } <table> <chain> <priority> <args>")
	}
	r := directRule{words[0], words[1], words[2], n, words[4:]}
	switch {
	case !slices.Contains([]string{"ipv4", "ipv6", "eb"}, r.Family):
		return r, fail("INVALID_IPV", "'"+r.Family+"' not in {'ipv4'|'ipv6'|'eb'}")
	case !slices.Contains([]string{"filter", "nat", "mangle", "raw", "security", "broute"}, r.Table):
		return r, fail("INVALID_TABLE", "'"+r.Table+"' not in {'filter'|'nat'|'mangle'|'raw'|'security'}")
	}
	return r, nil
}

func readDirect(data []byte) ([]directRule, error) {
	x := newXMLReader("direct", data)
	var list []directRule
	for {
		e, depth, err, ok := x.next()
		if !ok {
			return list, err
		}
		switch {
		case depth == 0 && e.start == "direct":
		case depth == 1 && e.start == "rule":
			if err = needs(e, []string{"ipv", "table", "chain", "priority"}); err == nil {
				args := append([]string{e.attrs.get("ipv"), e.attrs.get("table"), e.attrs.get("chain"), e.attrs.get("priority")}, strings.Fields(e.text)...)
				var r directRule
				r, err = parseDirect(args)
				list = append(list, r)
			}
		default:
			err = unexpected(e.start)
		}
		if err != nil {
			return nil, err
		}
	}
}

func writeDirect(list []directRule) []byte {
	w := &xmlWriter{}
	w.root("direct")
	for _, r := range list {
		w.open(1, "rule", attrs{{"ipv", r.Family}, {"table", r.Table}, {"chain", r.Chain}, {"priority", strconv.Itoa(r.Priority)}})
		w.WriteString(">" + escapeXML(strings.Join(r.Args, " ")) + "</rule>\n")
	}
	w.WriteString("</direct>\n")
	return []byte(w.String())
}

// directHooks are the chains of iptables' filter table.
var directHooks = map[string]nft.Hook{"INPUT": nft.Input, "FORWARD": nft.Forward, "OUTPUT": nft.Output}

// compile translates the part of iptables' language that is modelled: -p, -s,
// -d, -i, -o, --sport, --dport, -m of these, and the targets ACCEPT, DROP and
// REJECT, in the filter table.
func (r directRule) compile() (nft.Rule, error) {
	unknown := func(what string) error {
		return fail("COMMAND_FAILED", "'"+what+"' is not modelled in direct rules")
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
			p, ok := parseAddress(value)
			if !ok || p.Addr().Is6() != (r.Family == "ipv6") {
				return nil, fail("INVALID_ADDR", value)
			}
			rule = append(rule, addrMatch(option[1] == 'd' || option == "--destination", false, p))
		case "-i", "--in-interface", "-o", "--out-interface":
			rule = append(rule, nft.IfName{Out: option == "-o" || option == "--out-interface", Name: strings.Replace(value, "+", "*", 1)})
		case "--dport", "--destination-port", "--sport", "--source-port":
			p, err := ParsePort(strings.Replace(value, ":", "-", 1) + "/" + proto)
			if err != nil {
				return nil, err
			}
			rule = append(rule, p.match(strings.HasPrefix(option, "--s")))
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
