package conf

import (
	"fmt"
	"slices"
	"strings"
)

// xmlReader goes through the events of a file.
type xmlReader struct {
	kind   string // "zone", "service", "ipset" …
	code   Code   // of a file that is not valid XML
	events []xmlEvent
	broken error // what stands behind the last event
	depth  int
}

func newXMLReader(kind string, data []byte) *xmlReader {
	events, err := scanXML(string(data))
	return &xmlReader{kind: kind, code: Code("INVALID_" + strings.ToUpper(kind)), events: events, broken: err}
}

// next returns the next start tag with the text inside it, and false at the end.
// A tag that is inside another one than the root comes with its depth.
func (x *xmlReader) next() (tag xmlEvent, depth int, err error, ok bool) {
	for len(x.events) > 0 {
		e := x.events[0]
		x.events = x.events[1:]
		switch {
		case e.start != "":
			x.depth++
			var text strings.Builder
			for _, t := range x.events {
				if t.start != "" || t.end != "" {
					break
				}
				text.WriteString(t.text)
			}
			e.text = text.String()
			return e, x.depth - 1, nil, true
		case e.end != "":
			x.depth--
		}
	}
	if x.broken != nil {
		return tag, 0, Fail(x.code, "not a valid "+x.kind+" file: "+x.broken.Error()), false
	}
	return tag, 0, nil, false
}

// needs checks that a tag has the attributes it must have and no other.
func needs(e xmlEvent, must []string, may ...string) error {
	for _, m := range must {
		if !slices.ContainsFunc(e.attrs, func(a [2]string) bool { return a[0] == m && a[1] != "" }) {
			return Fail("PARSE_ERROR", "Missing attribute "+m+" for "+e.start)
		}
	}
	for _, a := range e.attrs {
		if !slices.Contains(must, a[0]) && !slices.Contains(may, a[0]) {
			return Fail("PARSE_ERROR", e.start+": Unexpected attribute "+a[0])
		}
	}
	return nil
}

func unexpected(tag string) error { return Fail("PARSE_ERROR", "Unexpected element "+tag) }

// words cleans the text of a description as firewalld does: lines are joined.
func words(s string) string { return strings.Join(strings.Fields(s), " ") }

// ReadZone reads a zone file.
func ReadZone(name string, data []byte) (*Zone, error) {
	z := &Zone{Label: Label{Name: name}, Target: "default"}
	return z, readRuled("zone", z, data, z.readRoot, z.readElement)
}

// readRuled reads the file of what has elements and rich rules: a zone or a
// policy. root reads its outermost tag, element each that is no rule.
func readRuled(kind string, z *Zone, data []byte, root, element func(xmlEvent) error) error {
	x := newXMLReader(kind, data)
	var rule *Rule
	var part string // of the rule
	broken := false // the rule has an error
	finish := func() {
		// A rule that is wrong is left out.
		if rule != nil && !broken && rule.check() == nil {
			z.Elements = append(z.Elements, Element{KindRule, rule.String()})
		}
		rule, broken = nil, false
	}
	for {
		e, depth, err, ok := x.next()
		if !ok || depth <= 1 {
			finish()
		}
		if !ok {
			return err
		}
		switch {
		case depth == 0 && e.start == kind:
			err = root(e)
		case depth == 0:
			err = unexpected(e.start)
		case depth == 1 && e.start == "rule":
			rule = &Rule{}
			err = rule.set("rule", e.attrs, false, "")
		case depth == 1:
			err = element(e)
		case depth == 2 && rule != nil && knownElement(e.start):
			part = e.start
			broken = rule.set(part, e.attrs, false, "") != nil || broken
		case depth == 3 && rule != nil && e.start == "limit":
			rule.setLimit(part, e.attrs.Get("value"))
		default:
			err = unexpected(e.start)
		}
		if err != nil {
			return err
		}
	}
}

func (r *Rule) setLimit(part, value string) {
	value = shortLimit(value)
	switch {
	case part == "log" && r.Log != nil:
		r.Log.Limit = value
	case part == "nflog" && r.NFLog != nil:
		r.NFLog.Limit = value
	case part == "audit" && r.Audit != nil:
		r.Audit.Limit = value
	case r.Action != nil && part == r.Action.Kind:
		r.Action.Limit = value
	}
}

func (z *Zone) readRoot(e xmlEvent) error {
	if err := needs(e, nil, "version", "name", "target", "immutable"); err != nil {
		return err
	}
	z.Version = e.attrs.Get("version")
	if t := e.attrs.Get("target"); t != "" {
		if !slices.Contains(targets, t) {
			return Fail("INVALID_TARGET", t)
		}
		z.Target = t
	}
	return nil
}

func (z *Zone) readElement(e xmlEvent) error {
	var add Element
	var err error
	if z.readText(e) {
		return needs(e, nil)
	}
	switch e.start {
	case "service", "icmp-block":
		err, add = needs(e, []string{"name"}), Element{e.start, e.attrs.Get("name")}
	case "interface":
		err, add = needs(e, []string{"name"}), Element{e.start, e.attrs.Get("name")}
		if err == nil {
			if CheckInterface(add.Value) != nil {
				err = Fail("INVALID_INTERFACE", "Zone '"+z.Name+"': invalid interface '"+add.Value+"'")
			}
		}
	case "port", "source-port":
		if err = needs(e, []string{"port", "protocol"}); err == nil {
			var p Port
			p, err = filePort(e.attrs.Get("port"), e.attrs.Get("protocol"))
			add = Element{e.start, p.String()}
		}
	case "protocol":
		if err = needs(e, []string{"value"}); err == nil {
			add, err = Element{e.start, e.attrs.Get("value")}.Normal()
		}
	case "forward-port":
		if err = needs(e, []string{"port", "protocol"}, "to-port", "to-addr"); err == nil {
			a := e.attrs
			if a.Get("to-port") == "" && a.Get("to-addr") == "" {
				return Fail("INVALID_FORWARD", fmt.Sprintf("Zone '%s': '('%s', '%s', '', '')' is missing to-port AND to-addr ", z.Name, a.Get("port"), a.Get("protocol")))
			}
			var f ForwardPort
			f, err = newForwardPort(e.attrs.Get("port"), e.attrs.Get("protocol"), e.attrs.Get("to-port"), e.attrs.Get("to-addr"))
			add = Element{e.start, f.String()}
		}
	case "source":
		if err = needs(e, nil, "address", "mac", "ipset", "family"); err == nil {
			value := e.attrs.Get("address") + e.attrs.Get("mac")
			if s := e.attrs.Get("ipset"); s != "" {
				value = "ipset:" + s
			}
			add, err = Element{e.start, value}.Normal()
		}
	case "masquerade", "forward", "icmp-block-inversion":
		err, add = needs(e, nil, "enabled"), Element{e.start, ""}
	default:
		return unexpected(e.start)
	}
	if err == nil && !z.Has(add.Kind, add.Value) {
		z.Elements = append(z.Elements, add)
	}
	return err
}

const xmlHeader = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"

// xmlWriter writes a file with firewalld's indentation.
type xmlWriter struct{ strings.Builder }

// tag writes an empty element; attributes without value are left out.
func (w *xmlWriter) tag(indent int, name string, a ...[2]string) {
	w.open(indent, name, a)
	w.WriteString("/>\n")
}

func (w *xmlWriter) open(indent int, name string, a Attrs) {
	fmt.Fprintf(w, "%s<%s", strings.Repeat("  ", indent), name)
	for _, p := range a {
		if p[1] != "" {
			fmt.Fprintf(w, " %s=\"%s\"", p[0], escapeXML(p[1]))
		}
	}
}

func (w *xmlWriter) root(name string, a ...[2]string) {
	w.WriteString(xmlHeader)
	w.open(0, name, a)
	w.WriteString(">\n")
}

func (w *xmlWriter) text(name, s string) {
	if s != "" {
		fmt.Fprintf(w, "  <%s>%s</%s>\n", name, escapeXML(s), name)
	}
}

// ZoneOrder is the order of the elements in a zone file.
var ZoneOrder = []string{KindService, KindPort, KindProtocol, KindICMPBlock, KindMasquerade, KindForwarding, KindSourcePort,
	KindRule, KindInterface, KindSource, KindInversion, KindForward}

// File returns the zone as its file.
func (z *Zone) File() []byte {
	w := &xmlWriter{}
	target := z.Target
	if target == "default" && !z.ShowTarget {
		target = ""
	}
	w.root("zone", [2]string{"version", z.Version}, [2]string{"target", target})
	w.texts(z.Label)
	for _, kind := range ZoneOrder {
		for _, v := range z.Values(kind) {
			writeElement(w, kind, v)
		}
	}
	w.WriteString("</zone>\n")
	return []byte(w.String())
}

func writeElement(w *xmlWriter, kind, v string) {
	switch kind {
	case KindService, KindICMPBlock, KindInterface, KindIngress, KindEgress:
		w.tag(1, kind, [2]string{"name", v})
	case KindPort, KindSourcePort:
		if p, err := ParsePort(v); err == nil {
			w.tag(1, kind, [2]string{"port", p.ID()}, [2]string{"protocol", p.Proto})
		}
	case KindProtocol:
		w.tag(1, kind, [2]string{"value", v})
	case KindForwarding:
		if f, err := ParseForwardPort(v); err == nil {
			w.tag(1, kind, [2]string{"port", f.ID()}, [2]string{"protocol", f.Proto}, [2]string{"to-port", f.ToPort}, [2]string{"to-addr", f.ToAddr})
		}
	case KindSource:
		name := "address"
		if set, ok := strings.CutPrefix(v, "ipset:"); ok {
			name, v = "ipset", set
		} // a MAC address too is written as an address
		w.tag(1, kind, [2]string{name, v})
	case KindRule:
		if r, err := ParseRule(v); err == nil {
			writeRule(w, r)
		}
	default:
		w.tag(1, kind)
	}
}

func writeRule(w *xmlWriter, r *Rule) {
	a := Attrs{{"family", r.Family}}
	if r.Priority != 0 {
		a = append(a, [2]string{"priority", fmt.Sprint(r.Priority)})
	}
	w.open(1, "rule", a)
	w.WriteString(">\n")
	addr := func(name string, s *RuleAddr) {
		if s == nil {
			return
		}
		k, v := s.value()
		not := ""
		if s.Not {
			not = "True"
		}
		w.tag(2, name, [2]string{k, v}, [2]string{"invert", not})
	}
	// limited writes an element that may have a limit inside.
	limited := func(name, limit string, a ...[2]string) {
		if limit == "" {
			w.tag(2, name, a...)
			return
		}
		w.open(2, name, a)
		w.WriteString(">\n")
		w.tag(3, "limit", [2]string{"value", limit})
		fmt.Fprintf(w, "    </%s>\n", name)
	}
	addr("source", r.Source)
	addr("destination", r.Destination)
	if r.Element != nil {
		w.tag(2, r.Element.Kind, r.Element.Attrs...)
	}
	if l := r.Log; l != nil {
		limited("log", l.Limit, [2]string{"prefix", l.Prefix}, [2]string{"level", l.Level})
	}
	if l := r.NFLog; l != nil {
		limited("nflog", l.Limit, l.attrs()...)
	}
	if r.Audit != nil {
		limited("audit", r.Audit.Limit)
	}
	if a := r.Action; a != nil {
		limited(a.Kind, a.Limit, [2]string{a.attr(), a.Value})
	}
	w.WriteString("  </rule>\n")
}

// ReadService reads a service file.
func ReadService(name string, data []byte) (*Service, error) {
	s := &Service{Label: Label{Name: name}, Destination: map[string]string{}}
	x := newXMLReader("service", data)
	for {
		e, depth, err, ok := x.next()
		if !ok {
			return s, err
		}
		switch {
		case depth == 0 && e.start == "service":
			s.Version = e.attrs.Get("version")
			err = needs(e, nil, "version", "name")
		case depth == 1:
			err = s.readElement(e)
		default:
			err = unexpected(e.start)
		}
		if err != nil {
			return nil, err
		}
	}
}

func (s *Service) readElement(e xmlEvent) error {
	list := map[string]*[]string{"module": &s.Modules, "include": &s.Includes, "helper": &s.Helpers}[e.start]
	attr := map[string]string{"module": "name", "include": "service", "helper": "name"}[e.start]
	if s.readText(e) {
		return nil
	}
	switch e.start {
	case "port", "source-port":
		// A port without a number opens the protocol, as old files have it.
		if e.attrs.Get("port") == "" && e.attrs.Get("protocol") != "" {
			s.Protocols = append(s.Protocols, e.attrs.Get("protocol"))
			return nil
		}
		p, err := filePort(e.attrs.Get("port"), e.attrs.Get("protocol"))
		if err != nil {
			return err
		}
		if e.start == "port" {
			s.Ports = append(s.Ports, p)
		} else {
			s.SourcePorts = append(s.SourcePorts, p)
		}
	case "protocol":
		if err := needs(e, []string{"value"}); err != nil {
			return err
		}
		p, err := Element{KindProtocol, e.attrs.Get("value")}.Normal()
		s.Protocols = append(s.Protocols, p.Value)
		return err
	case "destination":
		for _, a := range e.attrs {
			p, ok := ParseAddress(a[1])
			if a[0] != "ipv4" && a[0] != "ipv6" {
				return Fail("PARSE_ERROR", "destination: Unexpected attribute "+a[0])
			}
			if !ok || p.Addr().Is6() != (a[0] == "ipv6") {
				return Fail("INVALID_ADDR", "'"+a[1]+"' is not valid "+a[0]+" address")
			}
			s.Destination[a[0]] = a[1]
		}
	case "module", "include", "helper":
		if err := needs(e, []string{attr}); err != nil {
			return err
		}
		*list = append(*list, e.attrs.Get(attr))
	default:
		return unexpected(e.start)
	}
	return nil
}

// File returns the service as its file.
func (s *Service) File() []byte {
	w := &xmlWriter{}
	w.root("service", [2]string{"version", s.Version})
	w.texts(s.Label)
	for _, p := range s.Ports {
		w.tag(1, "port", [2]string{"port", p.ID()}, [2]string{"protocol", p.Proto})
	}
	for _, p := range s.Protocols {
		w.tag(1, "protocol", [2]string{"value", p})
	}
	for _, p := range s.SourcePorts {
		w.tag(1, "source-port", [2]string{"port", p.ID()}, [2]string{"protocol", p.Proto})
	}
	for _, m := range s.Modules {
		w.tag(1, "module", [2]string{"name", m})
	}
	if len(s.Destination) > 0 {
		w.tag(1, "destination", [2]string{"ipv4", s.Destination["ipv4"]}, [2]string{"ipv6", s.Destination["ipv6"]})
	}
	for _, i := range s.Includes {
		w.tag(1, "include", [2]string{"service", i})
	}
	for _, h := range s.Helpers {
		w.tag(1, "helper", [2]string{"name", h})
	}
	w.WriteString("</service>\n")
	return []byte(w.String())
}

// ReadIPSet reads an ipset file.
func ReadIPSet(name string, data []byte) (*IPSet, error) {
	s := &IPSet{Label: Label{Name: name}}
	x := newXMLReader("ipset", data)
	for {
		e, depth, err, ok := x.next()
		if !ok {
			return s, err
		}
		switch {
		case depth == 0 && e.start == "ipset":
			s.Type, s.Version = e.attrs.Get("type"), e.attrs.Get("version")
			if err = needs(e, []string{"type"}, "version"); err == nil && !slices.Contains(IPSetTypes, s.Type) {
				err = Fail("INVALID_TYPE", s.Type+" not supported")
			}
		case depth == 1 && s.readText(e):
		case depth == 1 && e.start == "option":
			s.Options = append(s.Options, [2]string{e.attrs.Get("name"), e.attrs.Get("value")})
		case depth == 1 && e.start == "entry":
			v := strings.TrimSpace(e.text)
			err = s.CheckEntry(v)
			s.Entries = append(s.Entries, v)
		default:
			err = unexpected(e.start)
		}
		if err != nil {
			return nil, err
		}
	}
}

// File returns the set as its file.
func (s *IPSet) File() []byte {
	w := &xmlWriter{}
	w.root("ipset", [2]string{"type", s.Type}, [2]string{"version", s.Version})
	w.texts(s.Label)
	for _, o := range s.Options {
		w.tag(1, "option", [2]string{"name", o[0]}, [2]string{"value", o[1]})
	}
	for _, e := range s.Entries {
		w.text("entry", e)
	}
	w.WriteString("</ipset>\n")
	return []byte(w.String())
}
