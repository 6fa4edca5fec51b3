package conf

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"enshu/sim/nft"
)

// Rule is a rule of the rich language (firewalld.richlanguage(5)).
type Rule struct {
	Family      string // "ipv4", "ipv6", "" is both
	Priority    int
	Source      *RuleAddr
	Destination *RuleAddr
	Element     *RuleElement
	Log         *RuleLog
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
	"forward-port": {"port", "protocol", "to-port", "to-addr"}, "source-port": {"port", "protocol"},
}

var (
	ruleActions = []string{"accept", "reject", "drop", "mark"}
	LogLevels   = []string{"emerg", "alert", "crit", "error", "warning", "notice", "info", "debug"}
	ruleAttrs   = []string{"family", "priority", "address", "mac", "invert", "value", "port", "protocol", "to-port",
		"to-addr", "name", "prefix", "level", "type", "set", "ipset"}
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
	add := func(name, value string) { words = append(words, name+`="`+value+`"`) }
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
		words = append(words, e.Kind)
		for _, a := range e.Attrs {
			add(a[0], a[1])
		}
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
	if r.Audit != nil {
		words = append(words, "audit")
		limit(r.Audit.Limit)
	}
	if a := r.Action; a != nil {
		words = append(words, a.Kind)
		if a.Value != "" {
			add(a.attr(), a.Value)
		}
		limit(a.Limit)
	}
	return strings.Join(words, " ")
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

// splitRule cuts the text of a rule into words. Values may be quoted with ' or ".
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
				end := strings.IndexByte(s[i+1:], s[i])
				if end < 0 {
					return nil, Fail("INVALID_RULE", "internal error in _lexer(): No closing quotation")
				}
				text = append(text, s[i+1:i+1+end]...)
				i += 1 + end
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
	for i := 0; i < len(words); {
		w := words[i]
		// The element and the attributes behind it, with "not" and "limit" in between.
		end := i + 1
		for end < len(words) && (words[end].attr || strings.EqualFold(words[end].name, "not") || words[end].name == "limit") {
			end++
		}
		if err := r.part(w.name, words[i+1:end]); err != nil {
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
		return Fail("INVALID_RULE", "'"+w.name+"' outside of rule.")
	}
	return nil
}

func knownElement(name string) bool {
	_, ok := ruleElements[name]
	return ok || slices.Contains(ruleActions, name) || slices.Contains([]string{"rule", "source", "destination", "log", "audit", "limit"}, name)
}

// part reads one element with what belongs to it.
func (r *Rule) part(name string, words []word) error {
	if !knownElement(name) {
		return Fail("INVALID_RULE", "unknown element "+name)
	}
	var values Attrs
	not, limit, inLimit := false, "", false
	for _, w := range words {
		switch {
		case !w.attr && w.name == "limit":
			inLimit = true
		case !w.attr:
			not = true
		case !slices.Contains(ruleAttrs, w.name):
			return Fail("INVALID_RULE", "bad attribute '"+w.name+"'")
		case inLimit && w.name == "value":
			limit, inLimit = w.value, false
		default:
			values = append(values, [2]string{w.name, w.value})
		}
	}
	if inLimit {
		return Fail("INVALID_RULE", "'limit' element: missing value")
	}
	return r.set(name, values, not, limit)
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
				return Fail("INVALID_PRIORITY", "'priority' attribute must be an integer.")
			}
			r.Priority = n
		}
		r.Family = values.Get("family")
		return only("family", "priority")
	case "source", "destination":
		a := &RuleAddr{not || strings.EqualFold(values.Get("invert"), "true") || strings.EqualFold(values.Get("invert"), "yes"),
			values.Get("address"), values.Get("mac"), values.Get("ipset")}
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
		if r.Log != nil {
			return again
		}
		r.Log = &RuleLog{values.Get("prefix"), values.Get("level"), limit}
		return only("prefix", "level")
	case "audit":
		if r.Audit != nil {
			return again
		}
		r.Audit = &RuleLimit{limit}
		return only()
	case "accept", "reject", "drop", "mark":
		if r.Action != nil {
			return Fail("INVALID_RULE", fmt.Sprintf("more than one action. There cannot be both '%s' and '%s' in one rule.", r.Action.Kind, name))
		}
		r.Action = &RuleAction{Kind: name, Limit: limit}
		r.Action.Value = values.Get(r.Action.attr())
		return only(r.Action.attr())
	case "limit":
		return Fail("INVALID_RULE", "'limit' outside of log, audit or action")
	}
	if r.Element != nil {
		return Fail("INVALID_RULE", fmt.Sprintf("more than one element. There cannot be both '%s' and '%s' in one rule.", r.Element.Kind, name))
	}
	r.Element = &RuleElement{Kind: name}
	for _, a := range ruleElements[name] {
		if v := values.Get(a); v != "" {
			r.Element.Attrs = append(r.Element.Attrs, [2]string{a, v})
		}
	}
	return only(ruleElements[name]...)
}

// check is the rule's own consistency, in the order in which firewalld finds fault.
func (r *Rule) check() error {
	invalid := func(text string) error { return Fail("INVALID_RULE", text) }
	if r.Family != "" && r.Family != "ipv4" && r.Family != "ipv6" {
		return Fail("INVALID_FAMILY", r.Family)
	}
	if r.Family == "" && (r.Source != nil && r.Source.Addr != "" || r.Destination != nil && r.Destination.Addr != "" ||
		r.Element != nil && r.Element.Kind == "forward-port") {
		return &Error{Code: "MISSING_FAMILY"}
	}
	if r.Priority < -32768 || r.Priority > 32767 {
		return Fail("INVALID_PRIORITY", "'priority' attribute must be between -32768 and 32767.")
	}
	if r.Element == nil && (r.Log == nil || r.Priority == 0) {
		if r.Action == nil {
			return invalid("no element, no action")
		}
		if r.Source == nil && r.Destination == nil && r.Priority == 0 {
			return invalid("no element, no source, no destination")
		}
	}
	complete := r.Element != nil && slices.Contains([]string{"icmp-block", "forward-port", "masquerade"}, r.Element.Kind)
	if !complete && r.Log == nil && r.Audit == nil && r.Action == nil {
		return invalid("no action, no log, no audit")
	}
	for _, a := range []*RuleAddr{r.Source, r.Destination} {
		if err := r.checkAddr(a); err != nil {
			return err
		}
	}
	if err := r.checkElement(complete); err != nil {
		return err
	}
	if l := r.Log; l != nil {
		if len(l.Prefix) > 127 {
			return Fail("INVALID_LOG_PREFIX", "maximum accepted length of 'prefix' is 127.")
		}
		if l.Level != "" && !slices.Contains(LogLevels, l.Level) {
			return Fail("INVALID_LOG_LEVEL", l.Level)
		}
		if err := checkLimit(l.Limit); err != nil {
			return err
		}
	}
	if r.Audit != nil {
		if r.Action == nil || r.Action.Kind == "mark" {
			return Fail("INVALID_AUDIT_TYPE", "None")
		}
		if err := checkLimit(r.Audit.Limit); err != nil {
			return err
		}
	}
	return r.checkAction()
}

func (r *Rule) checkAddr(a *RuleAddr) error {
	if a == nil {
		return nil
	}
	given := 0
	for _, s := range []string{a.Addr, a.MAC, a.IPSet} {
		if s != "" {
			given++
		}
	}
	switch {
	case a.Addr != "" && a.MAC != "":
		return Fail("INVALID_RULE", "address and mac")
	case a.Addr != "" && a.IPSet != "":
		return Fail("INVALID_RULE", "address and ipset")
	case given > 1:
		return Fail("INVALID_RULE", "mac and ipset")
	case a.Addr != "":
		p, ok := ParseAddress(a.Addr)
		if !ok || p.Addr().Is6() != (r.Family == "ipv6") {
			return Fail("INVALID_ADDR", a.Addr)
		}
	case a.MAC != "":
		if _, ok := ParseMAC(a.MAC); !ok {
			return Fail("INVALID_MAC", a.MAC)
		}
	case a.IPSet == "":
		return Fail("INVALID_RULE", "invalid source")
	}
	return nil
}

func (r *Rule) checkElement(complete bool) error {
	e := r.Element
	if e == nil {
		return nil
	}
	if complete && r.Action != nil {
		return Fail("INVALID_RULE", e.Kind+" and action")
	}
	switch e.Kind {
	case "service":
		if e.Attrs.Get("name") == "" {
			return Fail("INVALID_SERVICE", "")
		}
	case "icmp-block", "icmp-type":
		if e.Attrs.Get("name") == "" {
			return Fail("INVALID_ICMPTYPE", "")
		}
	case "masquerade":
		if r.Source != nil && r.Source.MAC != "" {
			return Fail("INVALID_RULE", "masquerade and mac source")
		}
	case "protocol":
		if _, ok := nft.ProtocolNumber(e.Attrs.Get("value")); !ok {
			return Fail("INVALID_PROTOCOL", e.Attrs.Get("value"))
		}
	case "port", "source-port":
		if _, _, _, ok := PortRange(e.Attrs.Get("port")); !ok {
			return Fail("INVALID_PORT", e.Attrs.Get("port"))
		}
		if _, ok := PortProtocols[e.Attrs.Get("protocol")]; !ok {
			return Fail("INVALID_PROTOCOL", e.Attrs.Get("protocol"))
		}
	case "forward-port":
		_, err := e.ForwardPort()
		return err
	}
	return nil
}

func (e *RuleElement) ForwardPort() (ForwardPort, error) {
	return newForwardPort(e.Attrs.Get("port"), e.Attrs.Get("protocol"), e.Attrs.Get("to-port"), e.Attrs.Get("to-addr"))
}

func (r *Rule) checkAction() error {
	a := r.Action
	if a == nil {
		return nil
	}
	if a.Kind == "reject" && a.Value != "" {
		if r.Family == "" {
			return Fail("INVALID_RULE", "When using reject type you must specify also rule family.")
		}
		if !slices.Contains(rejectTypes[r.Family], a.Value) {
			return Fail("INVALID_RULE", "Wrong reject type "+a.Value+".\nUse one of: "+strings.Join(rejectTypes[r.Family], ", ")+".")
		}
	}
	if a.Kind == "mark" {
		if _, err := strconv.ParseUint(a.Value, 0, 32); err != nil {
			return Fail("INVALID_MARK", a.Value)
		}
	}
	return checkLimit(a.Limit)
}

func checkLimit(l string) error {
	m := LimitText.FindStringSubmatch(l)
	if l != "" && (m == nil || strings.Trim(m[1], "0") == "") {
		return Fail("INVALID_LIMIT", l)
	}
	return nil
}
