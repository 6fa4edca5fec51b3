package conf

import (
	"slices"
	"strings"
)

// Helper is a helper of connection tracking: it knows a protocol that opens
// further connections.
type Helper struct {
	Label
	Module string // "nf_conntrack_ftp"
	Family string // "ipv4", "ipv6", "" is both
	Ports  []Port
}

const helperModule = "nf_conntrack_"

// Type is the helper's name in the packet filter.
func (h *Helper) Type() string {
	return strings.ReplaceAll(strings.TrimPrefix(h.Module, helperModule), "_", "-")
}

// Copy returns a copy that shares nothing that changes.
func (h *Helper) Copy() Definition {
	c := *h
	c.Ports = slices.Clone(h.Ports)
	return &c
}

// SetModule sets the module, checked.
func (h *Helper) SetModule(name string) error {
	switch {
	case !strings.HasPrefix(name, helperModule):
		return Fail("INVALID_MODULE", "'"+name+"' does not start with '"+helperModule+"'")
	case name == helperModule:
		return Fail("INVALID_MODULE", "Module name '"+name+"' too short")
	}
	h.Module = name
	return nil
}

// Set sets the family or the module, checked.
func (h *Helper) Set(kind, value string) error {
	if kind == "module" {
		return h.SetModule(value)
	}
	if value != "" && value != "ipv4" && value != "ipv6" {
		return Fail("INVALID_IPV", "invalid argument: "+value+" (choose from '', 'ipv4', 'ipv6')")
	}
	h.Family = value
	return nil
}

// Edit does something to a port of the helper.
func (h *Helper) Edit(kind, value string, do Edit) (has bool, id string, err error) {
	if kind != KindPort {
		return false, "", Fail("INVALID_OPTION", kind)
	}
	return editPort(&h.Ports, value, do)
}

func readHelper(name string, data []byte) (*Helper, error) {
	h := &Helper{Label: Label{Name: name}}
	return h, readSimple("helper", &h.Label, data, func(e xmlEvent) error {
		if err := needs(e, []string{"module"}, "family", "version", "name"); err != nil {
			return err
		}
		h.Version, h.Family = e.attrs.Get("version"), e.attrs.Get("family")
		if h.Family != "" && h.Family != "ipv4" && h.Family != "ipv6" {
			return Fail("INVALID_IPV", "'"+h.Family+"' not in '['ipv4', 'ipv6']'")
		}
		return h.SetModule(e.attrs.Get("module"))
	}, func(e xmlEvent) error {
		if e.start != KindPort {
			return unexpected(e.start)
		}
		if err := needs(e, []string{"port", "protocol"}); err != nil {
			return err
		}
		p, err := filePort(e.attrs.Get("port"), e.attrs.Get("protocol"))
		h.Ports = append(h.Ports, p)
		return err
	})
}

// readSimple reads a file that has texts and empty elements inside its root.
func readSimple(kind Kind, l *Label, data []byte, root, element func(xmlEvent) error) error {
	x := newXMLReader(string(kind), data)
	for {
		e, depth, err, ok := x.next()
		switch {
		case !ok:
			return err
		case depth == 0 && e.start == string(kind):
			err = root(e)
		case depth == 1 && l.readText(e):
		case depth == 1:
			err = element(e)
		default:
			err = unexpected(e.start)
		}
		if err != nil {
			return err
		}
	}
}

// File returns the helper as its file.
func (h *Helper) File() []byte {
	w := &xmlWriter{}
	w.root("helper", [2]string{"version", h.Version}, [2]string{"module", h.Module}, [2]string{"family", h.Family})
	w.texts(h.Label)
	for _, p := range h.Ports {
		w.tag(1, KindPort, [2]string{"port", p.ID()}, [2]string{"protocol", p.Proto})
	}
	w.WriteString("</helper>\n")
	return []byte(w.String())
}
