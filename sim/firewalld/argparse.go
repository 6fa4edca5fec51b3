package firewalld

import (
	"fmt"
	"regexp"
	"strings"
)

// arity is how many arguments an option takes.
type arity int

const (
	flag arity = iota
	one
	text // one, which may be empty
	many // one, and the option may be given again
	rest // all that follows
)

// class says with what an option may be given.
type class int

const (
	modifier     class = iota
	alone              // nothing but --quiet and --verbose beside it
	wide               // about the whole configuration: no zone
	permOnly           // needs --permanent
	zoned              // one of these at a time
	serviceOnly        // needs --permanent and --service
	setOnly            // about --ipset
	directOnly         // needs --direct
	whitelisting       // about who may make changes under lockdown
	unmodelled         // an option that only says so
)

// option is one option of firewall-cmd.
type option struct {
	name  string
	arity arity
	class class
}

// options are those of firewall-cmd in the order in which it tells them.
var options = []option{
	{"quiet", flag, modifier}, {"verbose", flag, modifier}, {"help", flag, modifier},
	{"version", flag, alone}, {"state", flag, alone}, {"reload", flag, alone}, {"complete-reload", flag, alone},
	{"runtime-to-permanent", flag, alone}, {"reset-to-defaults", flag, alone}, {"check-config", flag, alone},
	{"get-ipset-types", flag, alone}, {"get-log-denied", flag, alone}, {"set-log-denied", one, alone},
	{"get-automatic-helpers", flag, alone}, {"set-automatic-helpers", one, alone}, {"panic-on", flag, alone},
	{"panic-off", flag, alone}, {"query-panic", flag, alone}, {"lockdown-on", flag, alone}, {"lockdown-off", flag, alone},
	{"query-lockdown", flag, alone}, {"get-default-zone", flag, alone}, {"set-default-zone", one, alone},
	{"get-zones", flag, wide}, {"get-policies", flag, wide}, {"get-services", flag, wide}, {"get-icmptypes", flag, wide},
	{"get-active-zones", flag, alone}, {"get-active-policies", flag, alone},
	{"get-zone-of-interface", many, wide}, {"get-zone-of-source", many, wide}, {"list-all-zones", flag, wide},
	{"list-all-policies", flag, wide}, {"info-zone", one, wide}, {"info-policy", one, wide}, {"info-service", one, wide},
	{"info-icmptype", one, wide}, {"info-ipset", one, wide}, {"info-helper", one, wide},

	{"new-icmptype", one, permOnly}, {"new-icmptype-from-file", one, permOnly}, {"delete-icmptype", one, permOnly},
	{"load-icmptype-defaults", one, permOnly},
	{"new-service", one, permOnly}, {"new-service-from-file", one, permOnly}, {"delete-service", one, permOnly},
	{"load-service-defaults", one, permOnly}, {"new-zone", one, permOnly}, {"new-zone-from-file", one, permOnly},
	{"delete-zone", one, permOnly}, {"load-zone-defaults", one, permOnly},
	{"new-policy", one, permOnly}, {"new-policy-from-file", one, permOnly}, {"delete-policy", one, permOnly},
	{"load-policy-defaults", one, permOnly},
	{"new-ipset", one, permOnly}, {"new-ipset-from-file", one, permOnly}, {"delete-ipset", one, permOnly},
	{"load-ipset-defaults", one, permOnly},
	{"new-helper", one, permOnly}, {"new-helper-from-file", one, permOnly}, {"delete-helper", one, permOnly},
	{"load-helper-defaults", one, permOnly},
	{"path-zone", one, permOnly}, {"path-service", one, permOnly}, {"path-ipset", one, permOnly},
	{"path-policy", one, permOnly}, {"path-icmptype", one, permOnly}, {"path-helper", one, permOnly},
	{"name", one, modifier},

	{"list-lockdown-whitelist-commands", flag, whitelisting}, {"add-lockdown-whitelist-command", many, whitelisting},
	{"remove-lockdown-whitelist-command", many, whitelisting}, {"query-lockdown-whitelist-command", many, whitelisting},
	{"list-lockdown-whitelist-contexts", flag, whitelisting}, {"add-lockdown-whitelist-context", many, whitelisting},
	{"remove-lockdown-whitelist-context", many, whitelisting}, {"query-lockdown-whitelist-context", many, whitelisting},
	{"list-lockdown-whitelist-uids", flag, whitelisting}, {"add-lockdown-whitelist-uid", many, whitelisting},
	{"remove-lockdown-whitelist-uid", many, whitelisting}, {"query-lockdown-whitelist-uid", many, whitelisting},
	{"list-lockdown-whitelist-users", flag, whitelisting}, {"add-lockdown-whitelist-user", many, whitelisting},
	{"remove-lockdown-whitelist-user", many, whitelisting}, {"query-lockdown-whitelist-user", many, whitelisting},

	{"permanent", flag, modifier}, {"zone", one, modifier}, {"timeout", one, modifier},
	{"policy", one, modifier},

	{"add-interface", many, zoned}, {"remove-interface", many, zoned}, {"query-interface", many, zoned},
	{"change-interface", many, zoned}, {"change-zone", many, zoned}, {"list-interfaces", flag, zoned},
	{"add-source", many, zoned}, {"remove-source", many, zoned}, {"query-source", many, zoned}, {"change-source", many, zoned},
	{"list-sources", flag, zoned}, {"add-forward", flag, zoned}, {"remove-forward", flag, zoned}, {"query-forward", flag, zoned},
	{"add-icmp-block-inversion", flag, zoned}, {"remove-icmp-block-inversion", flag, zoned},
	{"query-icmp-block-inversion", flag, zoned},
	{"add-ingress-zone", many, zoned}, {"remove-ingress-zone", many, zoned}, {"query-ingress-zone", many, zoned},
	{"list-ingress-zones", flag, zoned},
	{"add-egress-zone", many, zoned}, {"remove-egress-zone", many, zoned}, {"query-egress-zone", many, zoned},
	{"list-egress-zones", flag, zoned},
	{"set-priority", one, zoned}, {"get-priority", flag, zoned},

	{"add-rich-rule", many, zoned}, {"remove-rich-rule", many, zoned}, {"query-rich-rule", many, zoned},
	{"list-rich-rules", flag, zoned},
	{"add-service", many, zoned}, {"remove-service", many, zoned}, {"query-service", many, zoned},
	{"list-services", flag, zoned},
	{"add-port", many, zoned}, {"remove-port", many, zoned}, {"query-port", many, zoned}, {"list-ports", flag, zoned},
	{"add-protocol", many, zoned}, {"remove-protocol", many, zoned}, {"query-protocol", many, zoned},
	{"list-protocols", flag, zoned},
	{"add-masquerade", flag, zoned}, {"remove-masquerade", flag, zoned}, {"query-masquerade", flag, zoned},
	{"add-icmp-block", many, zoned}, {"remove-icmp-block", many, zoned}, {"query-icmp-block", many, zoned},
	{"list-icmp-blocks", flag, zoned},
	{"add-forward-port", many, zoned}, {"remove-forward-port", many, zoned}, {"query-forward-port", many, zoned},
	{"list-forward-ports", flag, zoned},
	{"add-source-port", many, zoned}, {"remove-source-port", many, zoned}, {"query-source-port", many, zoned},
	{"list-source-ports", flag, zoned},
	{"list-all", flag, zoned}, {"get-target", flag, zoned}, {"set-target", one, zoned}, {"set-description", one, zoned},
	{"get-description", flag, zoned}, {"set-short", one, zoned}, {"get-short", flag, zoned},

	{"get-ipsets", flag, wide},
	{"ipset", one, modifier}, {"type", one, modifier}, {"option", many, modifier}, {"family", one, modifier},
	{"add-entry", many, setOnly}, {"remove-entry", many, setOnly}, {"query-entry", many, setOnly},
	{"get-entries", flag, setOnly},
	{"add-entries-from-file", many, setOnly}, {"remove-entries-from-file", many, setOnly}, {"icmptype", one, modifier},
	{"service", one, modifier},
	{"get-ports", flag, serviceOnly}, {"get-source-ports", flag, serviceOnly}, {"get-protocols", flag, serviceOnly},
	{"add-module", many, serviceOnly}, {"remove-module", many, serviceOnly}, {"query-module", many, serviceOnly},
	{"get-modules", flag, serviceOnly}, {"add-helper", many, serviceOnly}, {"remove-helper", many, serviceOnly},
	{"query-helper", many, serviceOnly}, {"get-service-helpers", flag, serviceOnly}, {"add-include", many, serviceOnly},
	{"remove-include", many, serviceOnly}, {"query-include", many, serviceOnly}, {"get-includes", flag, serviceOnly},
	{"set-destination", many, serviceOnly}, {"remove-destination", many, serviceOnly}, {"query-destination", many, serviceOnly},
	{"get-destinations", flag, serviceOnly},
	{"add-destination", many, serviceOnly}, {"helper", one, modifier}, {"module", one, modifier}, {"get-family", flag, serviceOnly},
	{"set-family", text, serviceOnly}, {"get-module", flag, serviceOnly}, {"set-module", one, serviceOnly},
	{"get-helpers", flag, wide},

	{"direct", flag, modifier},
	{"passthrough", rest, unmodelled}, {"add-passthrough", rest, directOnly}, {"remove-passthrough", rest, directOnly},
	{"query-passthrough", rest, directOnly}, {"get-passthroughs", rest, directOnly}, {"get-all-passthroughs", flag, directOnly},
	{"add-chain", rest, directOnly}, {"remove-chain", rest, directOnly}, {"query-chain", rest, directOnly},
	{"get-all-chains", flag, directOnly}, {"get-chains", rest, directOnly},
	{"add-rule", rest, directOnly}, {"remove-rule", rest, directOnly}, {"query-rule", rest, directOnly},
	{"get-all-rules", flag, directOnly},
	{"remove-rules", rest, directOnly}, {"get-rules", rest, directOnly},
}

// counted are the options of a fixed number of arguments.
var counted = map[string]int{"add-chain": 3, "remove-chain": 3, "query-chain": 3, "get-chains": 2, "get-rules": 3, "remove-rules": 3,
	"get-passthroughs": 1}

// shortOptions are the options of one letter.
var shortOptions = map[string]string{"-q": "quiet", "-v": "verbose", "-h": "help", "-V": "version"}

// parsed is a command line: for each option that was given its values.
type parsed struct {
	values map[string][]string
	order  []option // that are not modifiers, in the order given
}

func (a *parsed) has(name string) bool { _, ok := a.values[name]; return ok }

func (a *parsed) get(name string) string {
	v := a.values[name]
	if len(v) == 0 {
		return ""
	}
	return v[len(v)-1]
}

var negativeNumber = regexp.MustCompile(`^-\d+$|^-\d*\.\d+$`)

// find looks an option of the command line up, as Python's argparse does: a
// beginning is enough when only one option has it. text is the argument behind
// '='. not option means that it is an operand; nil without an error is unknown.
func find(arg string) (o *option, text string, given, isOption bool, problem string) {
	if len(arg) < 2 || arg[0] != '-' {
		return nil, "", false, false, ""
	}
	if name, ok := shortOptions[arg]; ok {
		return optionNamed(name), "", false, true, ""
	}
	name, value, hasValue := strings.Cut(arg, "=")
	if long, ok := strings.CutPrefix(name, "--"); ok {
		if o := optionNamed(long); o != nil {
			return o, value, hasValue, true, ""
		}
		var hits []*option
		var names []string
		for i := range options {
			if strings.HasPrefix(options[i].name, long) {
				hits = append(hits, &options[i])
				names = append(names, "--"+options[i].name)
			}
		}
		switch {
		case len(hits) == 1:
			return hits[0], value, hasValue, true, ""
		case len(hits) > 1:
			return nil, "", false, true, "ambiguous option: " + arg + " could match " + strings.Join(names, ", ")
		}
	}
	if negativeNumber.MatchString(arg) || strings.Contains(arg, " ") {
		return nil, "", false, false, ""
	}
	return nil, "", false, true, ""
}

func optionNamed(name string) *option {
	for i := range options {
		if options[i].name == name {
			return &options[i]
		}
	}
	return nil
}

// parseArgs reads the command line. problem is what argparse would complain about.
func parseArgs(args []string) (a *parsed, problem string) {
	a = &parsed{values: map[string][]string{}}
	var unknown []string
	for i := 0; i < len(args); i++ {
		if args[i] == "--" {
			unknown = append(unknown, args[i+1:]...)
			break
		}
		o, text, given, isOption, problem := find(args[i])
		switch {
		case problem != "":
			return nil, problem
		case !isOption || o == nil:
			unknown = append(unknown, args[i])
			continue
		}
		label := "--" + o.name
		if strings.HasPrefix(args[i], "-") && !strings.HasPrefix(args[i], "--") {
			label = args[i] + "/" + label
		}
		if o.class == zoned || o.class == serviceOnly {
			if p := a.exclusive(*o); p != "" {
				return nil, "argument " + label + ": not allowed with argument --" + p
			}
		}
		switch {
		case o.arity == flag && given:
			return nil, "argument " + label + ": ignored explicit argument '" + text + "'"
		case o.arity == flag:
			a.values[o.name] = nil
		case o.arity == rest:
			if n := counted[o.name]; n > 0 && len(args)-i-1 < n {
				plural := ""
				if n > 1 {
					plural = "s"
				}
				return nil, fmt.Sprintf("argument %s: expected %d argument%s", label, n, plural)
			}
			a.values[o.name] = args[i+1:]
			i = len(args)
		default:
			if !given {
				if i+1 == len(args) {
					return nil, "argument " + label + ": expected one argument"
				}
				if _, _, _, next, problem := find(args[i+1]); next || args[i+1] == "--" {
					if problem != "" {
						return nil, problem
					}
					return nil, "argument " + label + ": expected one argument"
				}
				i++
				text = args[i]
			}
			a.values[o.name] = append(a.values[o.name], text)
		}
		if o.class != modifier && (o.arity != one || text != "") {
			a.order = append(a.order, *o)
		}
		if o.arity == one && text == "" {
			delete(a.values, o.name) // an empty value counts as none
		}
	}
	if len(unknown) > 0 {
		return nil, "unrecognized arguments: " + strings.Join(unknown, " ")
	}
	return a, ""
}

// exclusive returns an earlier option that does not go with o, "" when there is
// none.
func (a *parsed) exclusive(o option) string {
	for _, e := range a.order {
		if (e.class == zoned || e.class == serviceOnly) && e.name != o.name {
			return e.name
		}
	}
	return ""
}
