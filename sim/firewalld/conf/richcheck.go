package conf

import (
	"slices"
	"strconv"
	"strings"

	"enshu/sim/nft"
)

// check is the rule's own consistency, in the order in which firewalld finds fault.
func (r *Rule) check() error {
	invalid := func(text string) error { return Fail("INVALID_RULE", text) }
	if r.Family == "" && (r.Source != nil && r.Source.Addr != "" || r.Destination != nil && (r.Destination.Addr != "" || r.Destination.IPSet != "") ||
		r.Element != nil && r.Element.Kind == "forward-port") {
		return &Error{Code: "MISSING_FAMILY"}
	}
	if r.Priority < -32768 || r.Priority > 32767 {
		return Fail("INVALID_PRIORITY", "'priority' attribute must be between -32768 and 32767.")
	}
	if r.Element == nil && (r.Log == nil && r.NFLog == nil || r.Priority == 0) {
		if r.Action == nil {
			return invalid("no element, no action")
		}
		if r.Source == nil && r.Destination == nil && r.Priority == 0 {
			return invalid("no element, no source, no destination")
		}
	}
	complete := r.Element != nil && slices.Contains([]string{"icmp-block", "forward-port", "masquerade", "tcp-mss-clamp"}, r.Element.Kind)
	if !complete && r.Log == nil && r.NFLog == nil && r.Audit == nil && r.Action == nil {
		return invalid("no action, no log, no audit")
	}
	if err := r.checkAddr(r.Source, "no address, mac and ipset"); err != nil {
		return err
	}
	if d := r.Destination; d != nil && d.MAC != "" && d.Addr == "" && d.IPSet == "" {
		return invalid("no address and ipset")
	}
	if err := r.checkAddr(r.Destination, "no address and ipset"); err != nil {
		return err
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
	if l := r.NFLog; l != nil {
		if err := l.check(); err != nil {
			return err
		}
	}
	if r.Audit != nil {
		switch {
		case r.Action == nil:
			return Fail("INVALID_AUDIT_TYPE", "<class 'NoneType'>")
		case r.Action.Kind == "mark":
			return Fail("INVALID_AUDIT_TYPE", "<class 'firewall.core.rich.Rich_Mark'>")
		}
		if err := checkLimit(r.Audit.Limit); err != nil {
			return err
		}
	}
	return r.checkAction()
}

// checkAddr checks a source or destination; none is the complaint about an empty one.
func (r *Rule) checkAddr(a *RuleAddr, none string) error {
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
		return Fail("INVALID_RULE", none)
	}
	return nil
}

func (l *RuleNFLog) check() error {
	number := func(s string) bool {
		_, err := strconv.ParseUint(s, 10, 16)
		return s == "" || err == nil
	}
	switch {
	case !number(l.Group):
		return Fail("INVALID_NFLOG_GROUP", "nflog 'group' must be an integer between 0 and 65535.")
	case len(l.Prefix) > 127:
		return Fail("INVALID_LOG_PREFIX", "maximum accepted length of 'prefix' is 127.")
	case !number(l.QueueSize):
		return Fail("INVALID_NFLOG_QUEUE", "nflog 'queue-size' must be an integer between 0 and 65535.")
	}
	return checkLimit(l.Limit)
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
			return Fail("INVALID_RULE", "invalid 'service' element")
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
	case "tcp-mss-clamp":
		v := e.Attrs.Get("value")
		if n, err := strconv.ParseUint(v, 10, 32); v != "" && v != "pmtu" && (err != nil || n < minMSS) {
			return Fail("INVALID_RULE", v)
		}
	case "forward-port":
		if e.Attrs.Get("to-port") == "" && e.Attrs.Get("to-addr") == "" {
			return Fail("INVALID_PORT", "")
		}
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
		if a.Value == "" {
			return Fail("INVALID_MARK", "no value set")
		}
		if _, _, err := ParseMark(a.Value); err != nil {
			return err
		}
	}
	return checkLimit(a.Limit)
}

// minMSS is the smallest segment that a host must take (RFC 879).
const minMSS = 536

// ParseMark reads the set of a mark: "VALUE" or "VALUE/MASK". Without a mask it
// is all ones.
func ParseMark(s string) (value, mask uint32, err error) {
	v, m, masked := strings.Cut(s, "/")
	x, verr := strconv.ParseUint(v, 0, 32)
	y, merr := uint64(1<<32-1), error(nil)
	if masked {
		y, merr = strconv.ParseUint(m, 0, 32)
	}
	if verr != nil || merr != nil {
		return 0, 0, Fail("INVALID_MARK", s)
	}
	return uint32(x), uint32(y), nil
}

// shortLimit writes the unit of a limit with one letter.
func shortLimit(l string) string {
	if m := LimitText.FindStringSubmatch(l); m != nil {
		return m[1] + "/" + m[2][:1]
	}
	return l
}

func checkLimit(l string) error {
	m := LimitText.FindStringSubmatch(l)
	if l != "" && (m == nil || strings.Trim(m[1], "0") == "") {
		return Fail("INVALID_LIMIT", l)
	}
	return nil
}
