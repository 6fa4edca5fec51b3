package conf

import (
	"maps"
	"slices"
	"strings"
)

// Service is a predefined set of ports.
type Service struct {
	Label
	Ports, SourcePorts          []Port
	Protocols, Modules, Helpers []string
	Includes                    []string
	Destination                 map[string]string // by "ipv4" and "ipv6"
}

// Copy returns a copy that shares nothing that changes.
func (s *Service) Copy() Definition {
	c := *s
	c.Ports, c.SourcePorts = slices.Clone(s.Ports), slices.Clone(s.SourcePorts)
	c.Protocols, c.Modules, c.Helpers = slices.Clone(s.Protocols), slices.Clone(s.Modules), slices.Clone(s.Helpers)
	c.Includes, c.Destination = slices.Clone(s.Includes), maps.Clone(s.Destination)
	return &c
}

// Edit is what is done to a part of a definition.
type Edit int

// What is done to a part: asking whether it is there, putting it in, taking it out.
const (
	Ask Edit = iota
	Put
	Take
)

// Edits are the edits by the calls of firewall-cmd that make them.
var Edits = map[string]Edit{"query-of": Ask, "add-to": Put, "remove-from": Take}

// edit does something to a list, and reports whether it had the value.
func edit[T comparable](list *[]T, value T, do Edit) bool {
	at := slices.Index(*list, value)
	switch {
	case do == Put && at < 0:
		*list = append(*list, value)
	case do == Take && at >= 0:
		*list = slices.Delete(*list, at, at+1)
	}
	return at >= 0
}

// editPort is edit for a port in text.
func editPort(list *[]Port, value string, do Edit) (has bool, id string, err error) {
	p, err := ParsePort(value)
	if err != nil {
		return false, "", err
	}
	return edit(list, p, do), "'" + p.ID() + ":" + p.Proto + "'", nil
}

// Edit does something to a part of a service. It reports whether the service had
// it and how messages name it.
func (s *Service) Edit(kind, value string, do Edit) (has bool, id string, err error) {
	id = "'" + value + "'"
	switch kind {
	case KindPort:
		return editPort(&s.Ports, value, do)
	case KindSourcePort:
		return editPort(&s.SourcePorts, value, do)
	case KindProtocol:
		if _, err := (Element{kind, value}).Normal(); err != nil {
			return false, "", err
		}
		has = edit(&s.Protocols, value, do)
	case "module":
		has = edit(&s.Modules, value, do)
	case "helper":
		has = edit(&s.Helpers, value, do)
	case "include":
		has = edit(&s.Includes, value, do)
	case "destination":
		family, addr, _ := strings.Cut(value, ":")
		p, ok := ParseAddress(addr)
		if family != "ipv4" && family != "ipv6" {
			return false, "", Fail("INVALID_DESTINATION", "Ip version '"+family+"' is not valid")
		}
		if do != Take && (!ok || p.Addr().Is6() != (family == "ipv6")) {
			return false, "", Fail("INVALID_ADDR", addr)
		}
		id, has = "'"+family+"'", s.Destination[family] == addr || do == Take && s.Destination[family] != ""
		switch do {
		case Put:
			if s.Destination == nil {
				s.Destination = map[string]string{}
			}
			s.Destination[family] = addr
		case Take:
			delete(s.Destination, family)
		}
	}
	return has, id, nil
}

// Destinations are the addresses for which the service is, by family.
func (s *Service) Destinations() string {
	var list []string
	for _, f := range []string{"ipv4", "ipv6"} {
		if s.Destination[f] != "" {
			list = append(list, f+":"+s.Destination[f])
		}
	}
	return strings.Join(list, " ")
}
