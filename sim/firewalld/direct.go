package firewalld

import (
	"slices"
	"strings"

	"enshu/sim/firewalld/conf"
	"enshu/sim/firewalld/rules"
)

// directCall answers --direct. Kind is what is asked: a verb and what it is
// about, as in the option.
func (d *daemon) directCall(q request) (*reply, error) {
	list, quote := &d.perm.direct, pythonList
	if !q.Permanent {
		list = &d.rt.Direct
	}
	verb, what, _ := strings.Cut(q.Kind, "-")
	if verb == "get" {
		return listed(directListing(list, what, q.Args))
	}
	var has bool
	var err error
	switch what {
	case "chain":
		has, err = editChain(list, verb, q.Args, !q.Permanent)
	case "rule":
		if !q.Permanent {
			quote = pythonTuple
		}
		has, err = editRule(list, verb, q.Args, quote)
	case "rules":
		err = removeRules(list, q.Args)
	case "passthrough":
		has, err = editPassthrough(list, verb, q.Args)
	default:
		err = conf.Fail("INVALID_COMMAND", q.Kind)
	}
	switch {
	case err != nil:
		return nil, err
	case verb == "query":
		return &reply{Yes: has}, nil
	case q.Permanent:
		return done(d.saveDirect())
	}
	d.changed("", verb+" direct "+what+" "+strings.Join(q.Args, " "))
	return done(d.apply())
}

// directListing is the answer to --get-… of --direct, one item a line.
func directListing(list *conf.Direct, what string, args []string) []string {
	all := strings.HasPrefix(what, "all-")
	in := func(family, table, chain string) bool {
		return all || slices.Equal(args, []string{family}) || slices.Equal(args, []string{family, table}) || slices.Equal(args, []string{family, table, chain})
	}
	var lines []string
	switch strings.TrimPrefix(what, "all-") {
	case "chains":
		for _, c := range list.Chains {
			switch {
			case all:
				lines = append(lines, c.Family+" "+c.Table+" "+c.Name)
			case in(c.Family, c.Table, ""):
				lines = append(lines, c.Name)
			}
		}
		if !all && len(lines) > 0 {
			lines = []string{strings.Join(lines, " ")}
		}
	case "rules":
		for _, r := range list.Rules {
			switch {
			case all:
				lines = append(lines, r.String())
			case in(r.Family, r.Table, r.Chain):
				lines = append(lines, r.Short())
			}
		}
	case "passthroughs":
		for _, p := range list.Passthroughs {
			switch {
			case all:
				lines = append(lines, p.Family+" "+conf.ShellWords(p.Args))
			case in(p.Family, "", ""):
				lines = append(lines, conf.ShellWords(p.Args))
			}
		}
	}
	return lines
}

// editChain adds, removes or looks for a chain. inForce says that the packet
// filter has it, which keeps a chain that rules need.
func editChain(list *conf.Direct, verb string, args []string, inForce bool) (bool, error) {
	c := conf.DirectChain{Family: args[0], Table: args[1], Name: args[2]}
	if err := c.Check(); err != nil {
		return false, err
	}
	at := slices.Index(list.Chains, c)
	used := slices.ContainsFunc(list.Rules, func(r conf.DirectRule) bool {
		return r.Family == c.Family && r.Table == c.Table && (r.Chain == c.Name || slices.Contains(r.Args, c.Name))
	})
	switch {
	case verb == "query":
	case verb == "add" && at >= 0:
		return false, conf.Fail("ALREADY_ENABLED", "chain '"+c.Name+"' already is in '"+c.Family+":"+c.Table+"'")
	case verb == "add":
		list.Chains = append(list.Chains, c)
	case at < 0:
		return false, conf.Fail("NOT_ENABLED", "chain '"+c.Name+"' is not in '"+c.Family+":"+c.Table+"'")
	case used && inForce:
		return false, conf.Fail("COMMAND_FAILED", "'/usr/sbin/iptables-restore -w -n' failed: iptables-restore v1.8.9 (nf_tables): \n"+
			"line 2: CHAIN_DEL failed (Device or resource busy): chain "+c.Name+"\n")
	default:
		list.Chains = slices.Delete(slices.Clone(list.Chains), at, at+1)
	}
	return at >= 0, nil
}

// editRule adds, removes or looks for a rule; quote writes its arguments in messages.
func editRule(list *conf.Direct, verb string, args []string, quote func([]string) string) (bool, error) {
	r, err := conf.ParseDirect(args)
	if err != nil {
		return false, err
	}
	at := slices.IndexFunc(list.Rules, r.Equal)
	where := "'" + r.Family + ":" + r.Table + ":" + r.Chain + "'"
	switch {
	case verb == "query":
	case verb == "add" && at >= 0:
		return false, conf.Fail("ALREADY_ENABLED", "rule '"+quote(r.Args)+"' already is in "+where)
	case verb == "add":
		if _, err := rules.Direct(r, list.Chains); err != nil {
			return false, err
		}
		list.Rules = append(list.Rules, r)
	case at < 0:
		return false, conf.Fail("NOT_ENABLED", "rule '"+quote(r.Args)+"' is not in "+where)
	default:
		list.Rules = slices.Delete(slices.Clone(list.Rules), at, at+1)
	}
	return at >= 0, nil
}

// removeRules takes all rules of a chain away.
func removeRules(list *conf.Direct, args []string) error {
	if err := conf.CheckDirectTable(args[0], args[1]); err != nil {
		return err
	}
	list.Rules = slices.DeleteFunc(slices.Clone(list.Rules), func(r conf.DirectRule) bool {
		return r.Family == args[0] && r.Table == args[1] && r.Chain == args[2]
	})
	return nil
}

func editPassthrough(list *conf.Direct, verb string, args []string) (bool, error) {
	p := conf.Passthrough{Family: args[0], Args: args[1:]}
	if err := conf.CheckDirectFamily(p.Family); err != nil {
		return false, err
	}
	at := slices.IndexFunc(list.Passthroughs, p.Equal)
	text := "passthrough '" + p.Family + "', '" + pythonList(p.Args) + "'"
	switch {
	case verb == "query":
	case verb == "add" && at >= 0:
		return false, conf.Fail("ALREADY_ENABLED", text)
	case verb == "add":
		if r, ok := rules.PassedRule(p); ok {
			if _, err := rules.Direct(r, list.Chains); err != nil {
				return false, err
			}
		}
		list.Passthroughs = append(list.Passthroughs, p)
	case at < 0:
		return false, conf.Fail("NOT_ENABLED", text)
	default:
		list.Passthroughs = slices.Delete(slices.Clone(list.Passthroughs), at, at+1)
	}
	return at >= 0, nil
}

// pythonList writes words as Python prints a list of them, which is how messages
// show the arguments of iptables.
func pythonList(words []string) string { return "['" + strings.Join(words, "', '") + "']" }

// pythonTuple writes words as Python prints a tuple.
func pythonTuple(words []string) string {
	end := ")"
	if len(words) == 1 {
		end = ",)"
	}
	return "('" + strings.Join(words, "', '") + "'" + end
}
