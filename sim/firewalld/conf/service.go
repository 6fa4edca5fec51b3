package conf

import (
	"slices"
	"strings"
)

// Service is a predefined set of ports.
type Service struct {
	Name, Version, Short, Description string
	Ports, SourcePorts                []Port
	Protocols, Modules, Helpers       []string
	Includes                          []string
	Destination                       map[string]string // by "ipv4" and "ipv6"
}

// Edit adds or removes a part of a service, unless op only asks. It reports
// whether the service had it and how messages name it.
func (s *Service) Edit(kind, value, op string) (has bool, id string, err error) {
	change := func(list *[]string) {
		at := slices.Index(*list, value)
		has, id = at >= 0, value
		switch {
		case op == "add-to-service" && !has:
			*list = append(slices.Clone(*list), value)
		case op == "remove-from-service" && has:
			*list = slices.Delete(slices.Clone(*list), at, at+1)
		}
	}
	switch kind {
	case KindPort, KindSourcePort:
		p, err := ParsePort(value)
		if err != nil {
			return false, "", err
		}
		list := &s.Ports
		if kind == KindSourcePort {
			list = &s.SourcePorts
		}
		at := slices.Index(*list, p)
		has, id = at >= 0, p.ID()+":"+p.Proto
		switch {
		case op == "add-to-service" && !has:
			*list = append(slices.Clone(*list), p)
		case op == "remove-from-service" && has:
			*list = slices.Delete(slices.Clone(*list), at, at+1)
		}
	case KindProtocol:
		if _, err := (Element{kind, value}).Normal(); err != nil {
			return false, "", err
		}
		change(&s.Protocols)
	case "module":
		change(&s.Modules)
	case "helper":
		if _, ok := Helpers[value]; !ok {
			return false, "", Fail("INVALID_HELPER", value)
		}
		change(&s.Helpers)
	case "include":
		change(&s.Includes)
	case "destination":
		family, addr, _ := strings.Cut(value, ":")
		p, ok := ParseAddress(addr)
		if family != "ipv4" && family != "ipv6" {
			return false, "", Fail("INVALID_DESTINATION", "Ip version '"+family+"' is not valid")
		}
		if op != "remove-from-service" && (!ok || p.Addr().Is6() != (family == "ipv6")) {
			return false, "", Fail("INVALID_ADDR", addr)
		}
		id, has = family, s.Destination[family] == addr || op == "remove-from-service" && s.Destination[family] != ""
		dest := map[string]string{}
		for k, v := range s.Destination {
			dest[k] = v
		}
		if op == "add-to-service" {
			dest[family] = addr
		} else if op == "remove-from-service" {
			delete(dest, family)
		}
		s.Destination = dest
	}
	return has, id, nil
}

func (s *Service) Destinations() string {
	var list []string
	for _, f := range []string{"ipv4", "ipv6"} {
		if s.Destination[f] != "" {
			list = append(list, f+":"+s.Destination[f])
		}
	}
	return strings.Join(list, " ")
}
