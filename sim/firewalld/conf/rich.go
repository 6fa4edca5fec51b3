package conf

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Rule is a rule of the rich language (firewalld.richlanguage(5)).
type Rule struct {
	Family      string // "ipv4", "ipv6", "" is both
	Priority    int
	Source      *RuleAddr
	Destination *RuleAddr
	Element     *RuleElement
	Log         *RuleLog
	NFLog       *RuleNFLog // instead of Log
	Audit       *RuleLimit
	Action      *RuleAction
}

// RuleAddr is a source or destination.
type RuleAddr struct {
	Not              bool
	Addr, MAC, IPSet string // one of them
}

// RuleElement is what a rule is about: a service, port, protocol …
type RuleElement struct {
	Kind  string // name of the element
	Attrs Attrs
}

// RuleLog is the log part.
type RuleLog struct {
	Prefix, Level string
	Limit         string
}

// RuleNFLog hands packets to a program of the host; numbers are as written, ""
// is not given.
type RuleNFLog struct {
	Group, Prefix, QueueSize string
	Limit                    string
}

// RuleLimit is a part with nothing but a limit, "" being none.
type RuleLimit struct{ Limit string }

// RuleAction is what is done.
type RuleAction struct {
	Kind  string // accept, reject, drop or mark
	Value string // the type of a reject, the set of a mark
	Limit string
}

// Attrs are attributes in their order.
type Attrs [][2]string

func (a Attrs) Get(name string) string {
	for _, p := range a {
		if p[0] == name {
			return p[1]
		}
	}
	return ""
}

// ruleElements are the elements and their attributes, in the order of writing.
var ruleElements = map[string][]string{
	"service": {"name"}, "port": {"port", "protocol"}, "protocol": {"value"}, "masquerade": {},
	"icmp-block": {"name"}, "icmp-type": {"name"},
	"forward-port": {"port", "protocol", "to-port", "to-addr"}, "source-port": {"port", "protocol"}, "tcp-mss-clamp": {"value"},
}

var (
	ruleActions = []string{"accept", "reject", "drop", "mark"}
	LogLevels   = []string{"emerg", "alert", "crit", "error", "warning", "notice", "info", "debug"}
	ruleAttrs   = []string{"family", "priority", "address", "mac", "invert", "value", "port", "protocol", "to-port",
		"to-addr", "name", "prefix", "level", "type", "set", "ipset", "group", "queue-size"}
	rejectTypes = map[string][]string{
		"ipv4": {"icmp-host-prohibited", "host-prohib", "icmp-net-unreachable", "net-unreach", "icmp-host-unreachable", "host-unreach",
			"icmp-port-unreachable", "port-unreach", "icmp-proto-unreachable", "proto-unreach", "icmp-net-prohibited", "net-prohib",
			"tcp-reset", "tcp-rst", "icmp-admin-prohibited", "admin-prohib"},
		"ipv6": {"icmp6-adm-prohibited", "adm-prohibited", "icmp6-no-route", "no-route", "icmp6-addr-unreachable", "addr-unreach",
			"icmp6-port-unreachable", "port-unreach", "tcp-reset"},
	}
	LimitText = regexp.MustCompile(`^([0-9]+)/(s|m|h|d|second|minute|hour|day)$`)
)

// String writes the rule in its normal form.
func (r *Rule) String() string {
	words := []string{"rule"}
	add := func(name, value string) { words = append(words, name+`="`+quoted(value)+`"`) }
	limit := func(l string) {
		if l != "" {
			words = append(words, "limit")
			add("value", l)
		}
	}
	if r.Priority != 0 {
		add("priority", strconv.Itoa(r.Priority))
	}
	if r.Family != "" {
		add("family", r.Family)
	}
	for _, a := range []struct {
		name string
		addr *RuleAddr
	}{{"source", r.Source}, {"destination", r.Destination}} {
		if a.addr != nil {
			words = append(words, a.name)
			if a.addr.Not {
				words = append(words, "NOT")
			}
			k, v := a.addr.value()
			add(k, v)
		}
	}
	if e := r.Element; e != nil {
		words = append(words, e.String())
	}
	if l := r.Log; l != nil {
		words = append(words, "log")
		if l.Prefix != "" {
			add("prefix", l.Prefix)
		}
		if l.Level != "" {
			add("level", l.Level)
		}
		limit(l.Limit)
	}
	if l := r.NFLog; l != nil {
		words = append(words, "nflog")
		for _, a := range l.attrs() {
			if a[1] != "" {
				add(a[0], a[1])
			}
		}
		limit(l.Limit)
	}
	if r.Audit != nil {
		words = append(words, "audit")
		limit(r.Audit.Limit)
	}
	if r.Action != nil {
		words = append(words, r.Action.String())
	}
	return strings.Join(words, " ")
}

// quoted writes a value so that it reads back the same between quotation marks.
func quoted(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' && (i+1 == len(s) || s[i+1] == '\\' || s[i+1] == '"') {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// String writes the element as in a rule.
func (e *RuleElement) String() string {
	words := []string{e.Kind}
	for _, a := range e.Attrs {
		words = append(words, a[0]+`="`+quoted(a[1])+`"`)
	}
	return strings.Join(words, " ")
}

// String writes the action as in a rule. The set of a mark is not quoted.
func (a *RuleAction) String() string {
	text := a.Kind
	switch {
	case a.Value == "":
	case a.Kind == "mark":
		text += " set=" + a.Value
	default:
		text += ` type="` + a.Value + `"`
	}
	if a.Limit != "" {
		text += ` limit value="` + a.Limit + `"`
	}
	return text
}

func (l *RuleNFLog) attrs() Attrs {
	return Attrs{{"group", l.Group}, {"prefix", l.Prefix}, {"queue-size", l.QueueSize}}
}

// attr is the name of the action's attribute.
func (a *RuleAction) attr() string {
	if a.Kind == "mark" {
		return "set"
	}
	return "type"
}

func (a *RuleAddr) value() (name, value string) {
	switch {
	case a.MAC != "":
		return "mac", a.MAC
	case a.IPSet != "":
		return "ipset", a.IPSet
	}
	return "address", a.Addr
}

// word is one word of a rule: an element, or an attribute with its value.
type word struct {
	name, value string
	attr        bool
}

// text is the word as it was, without quotation marks.
func (w word) text() string {
	if w.attr {
		return w.name + "=" + w.value
	}
	return w.name
}

// splitRule cuts the text of a rule into words. Quoting is that of a
// POSIX shell.
func splitRule(s string) ([]word, error) {
	var words []word
	for i := 0; ; {
		for i < len(s) && (s[i] == ' ' || s[i] == '\t' || s[i] == '\n') {
			i++
		}
		if i == len(s) {
			return words, nil
		}
		var text []byte
		eq := -1
		for ; i < len(s) && s[i] != ' ' && s[i] != '\t' && s[i] != '\n'; i++ {
			switch {
			case s[i] == '"' || s[i] == '\'':
				quote := s[i]
				for i++; i < len(s) && s[i] != quote; i++ {
					if quote == '"' && s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\') {
						i++
					}
					text = append(text, s[i])
				}
				if i == len(s) {
					return nil, &Error{Code: "No closing quotation"}
				}
			case s[i] == '\\':
				if i++; i == len(s) {
					return nil, &Error{Code: "No escaped character"}
				}
				text = append(text, s[i])
			case s[i] == '=' && eq < 0:
				eq = len(text)
				text = append(text, '=')
			default:
				text = append(text, s[i])
			}
		}
		if eq < 0 {
			words = append(words, word{name: string(text)})
		} else {
			words = append(words, word{string(text[:eq]), string(text[eq+1:]), true})
		}
	}
}

// ParseRule reads a rule and checks it; what it names (services, ICMP types,
// ipsets) is not looked up.
func ParseRule(s string) (*Rule, error) {
	words, err := splitRule(s)
	if err != nil {
		return nil, err
	}
	r := &Rule{}
	if len(words) > 0 {
		if err := opening(words[0]); err != nil {
			return nil, err
		}
	}
	pending := "" // a limit before the element that it limits
	for i := 0; i < len(words); {
		w := words[i]
		// The element and the attributes behind it, with "not" and "limit" in between.
		end := i + 1
		for end < len(words) && (words[end].attr || strings.EqualFold(words[end].name, "not") || words[end].name == "limit") {
			end++
		}
		if pending, err = r.part(w.name, words[i+1:end], pending); err != nil {
			return nil, err
		}
		i = end
	}
	return r, r.check()
}

// opening refuses a text that does not begin with "rule".
func opening(w word) error {
	switch {
	case w.attr && !slices.Contains(ruleAttrs, w.name):
		return Fail("INVALID_RULE", "bad attribute '"+w.name+"'")
	case w.attr:
		return Fail("INVALID_RULE", "'"+w.name+"' outside of rule. Use 'rule "+w.name+"=...'.")
	case !knownElement(w.name):
		return Fail("INVALID_RULE", "unknown element "+w.name)
	case w.name != "rule":
		return Fail("INVALID_RULE", "'"+w.name+"' outside of rule. Use 'rule ... "+w.name+" ...'.")
	}
	return nil
}

func knownElement(name string) bool {
	_, ok := ruleElements[name]
	return ok || slices.Contains(ruleActions, name) || slices.Contains([]string{"rule", "source", "destination", "log", "nflog", "audit", "limit"}, name)
}

// limitable are the elements that a limit may belong to.
var limitable = []string{"log", "nflog", "audit", "accept", "reject", "drop", "mark"}

// part reads one element with what belongs to it. limit is one that an earlier
// element could not have; what this one cannot have either is returned.
func (r *Rule) part(name string, words []word, limit string) (pending string, err error) {
	if !knownElement(name) {
		return "", Fail("INVALID_RULE", "unknown element "+name)
	}
	var values Attrs
	not, inLimit := false, false
	for _, w := range words {
		switch {
		case !w.attr && w.name == "limit":
			inLimit = true
		case !w.attr:
			not = true
		case !slices.Contains(ruleAttrs, w.name):
			return "", Fail("INVALID_RULE", "bad attribute '"+w.name+"'")
		case inLimit && w.name == "value":
			limit, inLimit = w.value, false
		default:
			values = append(values, [2]string{w.name, w.value})
		}
	}
	if inLimit {
		return "", Fail("INVALID_RULE", "'limit' element: missing value")
	}
	if !slices.Contains(limitable, name) {
		pending, limit = limit, ""
	}
	return pending, r.set(name, values, not, shortLimit(limit))
}

// set stores one element; the same for the language and for the XML form.
func (r *Rule) set(name string, values Attrs, not bool, limit string) error {
	only := func(names ...string) error {
		for _, v := range values {
			if !slices.Contains(names, v[0]) {
				return Fail("INVALID_RULE", fmt.Sprintf("bad attribute '%s' in '%s'", v[0], name))
			}
		}
		return nil
	}
	again := Fail("INVALID_RULE", "more than one '"+name+"' element")
	switch name {
	case "rule":
		if p := values.Get("priority"); p != "" {
			n, err := strconv.Atoi(p)
			if err != nil {
				return Fail("INVALID_PRIORITY", "invalid 'priority' attribute value '"+p+"'.")
			}
			r.Priority = n
		}
		r.Family = values.Get("family")
		if r.Family != "" && r.Family != "ipv4" && r.Family != "ipv6" {
			return Fail("INVALID_RULE", "'family' attribute cannot have '"+r.Family+"' value. Use 'ipv4' or 'ipv6' instead.")
		}
		return only("family", "priority")
	case "source", "destination":
		a := &RuleAddr{not || strings.EqualFold(values.Get("invert"), "true") || strings.EqualFold(values.Get("invert"), "yes"),
			values.Get("address"), strings.ToUpper(values.Get("mac")), values.Get("ipset")}
		at := &r.Source
		if name == "destination" {
			at = &r.Destination
		}
		if *at != nil {
			return again
		}
		*at = a
		return only("address", "mac", "ipset", "invert")
	case "log":
		if r.Log != nil || r.NFLog != nil {
			return Fail("INVALID_RULE", "more than one logging element")
		}
		r.Log = &RuleLog{values.Get("prefix"), values.Get("level"), limit}
		return only("prefix", "level")
	case "nflog":
		if r.Log != nil || r.NFLog != nil {
			return Fail("INVALID_RULE", "more than one logging element")
		}
		r.NFLog = &RuleNFLog{values.Get("group"), values.Get("prefix"), values.Get("queue-size"), limit}
		return only("group", "prefix", "queue-size")
	case "audit":
		if r.Audit != nil {
			return again
		}
		r.Audit = &RuleLimit{limit}
		return only()
	case "accept", "reject", "drop", "mark":
		if r.Action != nil {
			return Fail("INVALID_RULE", fmt.Sprintf("more than one 'action' element. There cannot be both '%s' and '%s' in one rule.", name, r.Action))
		}
		r.Action = &RuleAction{Kind: name, Limit: limit}
		r.Action.Value = values.Get(r.Action.attr())
		return only(r.Action.attr())
	case "limit":
		return Fail("INVALID_RULE", "'limit' outside of log, audit or action")
	}
	if r.Element != nil {
		return Fail("INVALID_RULE", fmt.Sprintf("more than one element. There cannot be both '%s' and '%s' in one rule.", name, r.Element))
	}
	r.Element = &RuleElement{Kind: name}
	for _, a := range ruleElements[name] {
		if v := values.Get(a); v != "" {
			r.Element.Attrs = append(r.Element.Attrs, [2]string{a, v})
		}
	}
	return only(ruleElements[name]...)
}
