package conf

import (
	"slices"
	"strconv"
	"strings"
)

// DirectRule is a rule in the words of iptables(8), given past the zones.
type DirectRule struct {
	Family, Table, Chain string // "ipv4", "filter", "INPUT"
	Priority             int
	Args                 []string
}

func (r DirectRule) Equal(o DirectRule) bool {
	return r.Family == o.Family && r.Table == o.Table && r.Chain == o.Chain && r.Priority == o.Priority && slices.Equal(r.Args, o.Args)
}

// String is the rule as --get-all-rules shows it.
func (r DirectRule) String() string {
	return strings.Join(append([]string{r.Family, r.Table, r.Chain, strconv.Itoa(r.Priority)}, r.Args...), " ")
}

// ParseDirect reads the words behind --add-rule.
func ParseDirect(words []string) (DirectRule, error) {
	if len(words) < 5 {
		return DirectRule{}, Fail("INVALID_COMMAND", "wrong number of arguments\nusage: --direct --add-rule { ipv4 | ipv6 | eb } <table> <chain> <priority> <args>")
	}
	n, err := strconv.Atoi(words[3])
	if err != nil {
		return DirectRule{}, Fail("INVALID_PRIORITY", "wrong priority\nusage: --direct --add-rule { ipv4 | ipv6 | eb } <table> <chain> <priority> <args>")
	}
	r := DirectRule{words[0], words[1], words[2], n, words[4:]}
	switch {
	case !slices.Contains([]string{"ipv4", "ipv6", "eb"}, r.Family):
		return r, Fail("INVALID_IPV", "'"+r.Family+"' not in {'ipv4'|'ipv6'|'eb'}")
	case !slices.Contains([]string{"filter", "nat", "mangle", "raw", "security", "broute"}, r.Table):
		return r, Fail("INVALID_TABLE", "'"+r.Table+"' not in {'filter'|'nat'|'mangle'|'raw'|'security'}")
	}
	return r, nil
}

func ReadDirect(data []byte) ([]DirectRule, error) {
	x := newXMLReader("direct", data)
	var list []DirectRule
	for {
		e, depth, err, ok := x.next()
		if !ok {
			return list, err
		}
		switch {
		case depth == 0 && e.start == "direct":
		case depth == 1 && e.start == "rule":
			if err = needs(e, []string{"ipv", "table", "chain", "priority"}); err == nil {
				args := append([]string{e.attrs.Get("ipv"), e.attrs.Get("table"), e.attrs.Get("chain"), e.attrs.Get("priority")}, strings.Fields(e.text)...)
				var r DirectRule
				r, err = ParseDirect(args)
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

func WriteDirect(list []DirectRule) []byte {
	w := &xmlWriter{}
	w.root("direct")
	for _, r := range list {
		w.open(1, "rule", Attrs{{"ipv", r.Family}, {"table", r.Table}, {"chain", r.Chain}, {"priority", strconv.Itoa(r.Priority)}})
		w.WriteString(">" + escapeXML(strings.Join(r.Args, " ")) + "</rule>\n")
	}
	w.WriteString("</direct>\n")
	return []byte(w.String())
}
