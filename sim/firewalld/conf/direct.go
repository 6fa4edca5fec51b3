package conf

import (
	"slices"
	"strconv"
	"strings"
)

// Direct is what firewalld.direct(5) has: things in the words of iptables(8),
// given past the zones.
type Direct struct {
	Chains       []DirectChain
	Rules        []DirectRule
	Passthroughs []Passthrough
}

// DirectChain is a chain of the administrator's own.
type DirectChain struct{ Family, Table, Name string }

// DirectRule is a rule of a chain; of less priority comes first.
type DirectRule struct {
	Family, Table, Chain string // "ipv4", "filter", "INPUT"
	Priority             int
	Args                 []string
}

// Passthrough is a command line of iptables.
type Passthrough struct {
	Family string
	Args   []string
}

// Clone returns a copy to which nothing is added when d changes.
func (d *Direct) Clone() Direct {
	return Direct{slices.Clone(d.Chains), slices.Clone(d.Rules), slices.Clone(d.Passthroughs)}
}

// Empty reports whether there is nothing.
func (d *Direct) Empty() bool { return len(d.Chains)+len(d.Rules)+len(d.Passthroughs) == 0 }

// Equal compares all of two rules.
func (r DirectRule) Equal(o DirectRule) bool {
	return r.Family == o.Family && r.Table == o.Table && r.Chain == o.Chain && r.Priority == o.Priority && slices.Equal(r.Args, o.Args)
}

// String is the rule as --get-all-rules shows it.
func (r DirectRule) String() string {
	return r.Family + " " + r.Table + " " + r.Chain + " " + r.Short()
}

// Short is the rule as --get-rules shows it.
func (r DirectRule) Short() string { return strconv.Itoa(r.Priority) + " " + ShellWords(r.Args) }

// Equal compares all of two command lines.
func (p Passthrough) Equal(o Passthrough) bool {
	return p.Family == o.Family && slices.Equal(p.Args, o.Args)
}

// ShellWords writes words as a shell would read them.
func ShellWords(words []string) string {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = w
		if w == "" || strings.Trim(w, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_") != "" {
			list[i] = "'" + strings.ReplaceAll(w, "'", `'"'"'`) + "'"
		}
	}
	return strings.Join(list, " ")
}

// builtinChains are the chains that each table of iptables has.
var builtinChains = map[string][]string{
	"filter": {"INPUT", "OUTPUT", "FORWARD"}, "nat": {"PREROUTING", "POSTROUTING", "OUTPUT", "INPUT"},
	"mangle": {"PREROUTING", "POSTROUTING", "INPUT", "OUTPUT", "FORWARD"}, "raw": {"PREROUTING", "OUTPUT"},
	"security": {"INPUT", "OUTPUT", "FORWARD"},
}

// CheckDirectFamily refuses what is no family of direct rules.
func CheckDirectFamily(family string) error {
	if !slices.Contains([]string{"ipv4", "ipv6", "eb"}, family) {
		return Fail("INVALID_IPV", "invalid argument: "+family+" (choose from 'ipv4', 'ipv6', 'eb')")
	}
	return nil
}

// CheckDirectTable refuses a family or table that does not exist.
func CheckDirectTable(family, table string) error {
	if err := CheckDirectFamily(family); err != nil {
		return err
	}
	tables := []string{"security", "raw", "mangle", "nat", "filter"}
	if family == "eb" {
		tables = []string{"broute", "nat", "filter"}
	}
	if !slices.Contains(tables, table) {
		return Fail("INVALID_TABLE", "'"+table+"' not in 'dict_keys(['"+strings.Join(tables, "', '")+"'])'")
	}
	return nil
}

// Check refuses a chain that cannot be made.
func (c DirectChain) Check() error {
	if err := CheckDirectTable(c.Family, c.Table); err != nil {
		return err
	}
	if slices.Contains(builtinChains[c.Table], c.Name) {
		return Fail("BUILTIN_CHAIN", "chain '"+c.Name+"' is built-in chain")
	}
	return nil
}

// ParseDirect reads the words behind --add-rule; there are at least five, and
// the fourth is a number.
func ParseDirect(words []string) (DirectRule, error) {
	if len(words) < 5 {
		return DirectRule{}, Fail("INVALID_COMMAND", "a direct rule has a family, table, chain, priority and arguments")
	}
	n, err := strconv.Atoi(words[3])
	if err != nil {
		return DirectRule{}, Fail("INVALID_PRIORITY", words[3])
	}
	r := DirectRule{words[0], words[1], words[2], n, words[4:]}
	return r, CheckDirectTable(r.Family, r.Table)
}

// ReadDirect reads direct.xml.
func ReadDirect(data []byte) (Direct, error) {
	x := newXMLReader("direct", data)
	var d Direct
	for {
		e, depth, err, ok := x.next()
		if !ok {
			return d, err
		}
		get := e.attrs.Get
		var args []string
		if depth == 1 {
			var words []word
			if words, err = splitRule(e.text); err == nil {
				for _, w := range words {
					args = append(args, w.text())
				}
			}
		}
		switch {
		case err != nil:
		case depth == 0 && e.start == "direct":
		case depth == 1 && e.start == "chain":
			if err = needs(e, []string{"ipv", "table", "chain"}); err == nil {
				c := DirectChain{get("ipv"), get("table"), get("chain")}
				err = c.Check()
				d.Chains = append(d.Chains, c)
			}
		case depth == 1 && e.start == "rule":
			if err = needs(e, []string{"ipv", "table", "chain", "priority"}); err == nil {
				var r DirectRule
				r, err = ParseDirect(append([]string{get("ipv"), get("table"), get("chain"), get("priority")}, args...))
				d.Rules = append(d.Rules, r)
			}
		case depth == 1 && e.start == "passthrough":
			if err = needs(e, []string{"ipv"}); err == nil {
				err = CheckDirectFamily(get("ipv"))
				d.Passthroughs = append(d.Passthroughs, Passthrough{get("ipv"), args})
			}
		default:
			err = unexpected(e.start)
		}
		if err != nil {
			return Direct{}, err
		}
	}
}

// File returns direct.xml.
func (d *Direct) File() []byte {
	w := &xmlWriter{}
	w.root("direct")
	for _, c := range d.Chains {
		w.tag(1, "chain", Attrs{{"ipv", c.Family}, {"table", c.Table}, {"chain", c.Name}}...)
	}
	for _, r := range d.Rules {
		w.open(1, "rule", Attrs{{"ipv", r.Family}, {"table", r.Table}, {"chain", r.Chain}, {"priority", strconv.Itoa(r.Priority)}})
		w.WriteString(">" + escapeXML(ShellWords(r.Args)) + "</rule>\n")
	}
	for _, p := range d.Passthroughs {
		w.open(1, "passthrough", Attrs{{"ipv", p.Family}})
		w.WriteString(">" + escapeXML(ShellWords(p.Args)) + "</passthrough>\n")
	}
	w.WriteString("</direct>\n")
	return []byte(w.String())
}
