package conf

import (
	"fmt"
	"strings"
)

// Definition is what has a file of its own: a zone, policy, service, ipset,
// ICMP type or helper.
type Definition interface {
	About() *Label
	File() []byte
	Copy() Definition // that shares nothing that changes
}

// Label is what every definition has beside its subject: its name, which is
// that of its file, and texts for people.
type Label struct{ Name, Version, Short, Description string }

// About returns the label itself.
func (l *Label) About() *Label { return l }

// Text is the place of the short name or the description.
func (l *Label) Text(kind string) *string {
	if kind == "short" {
		return &l.Short
	}
	return &l.Description
}

// readText takes a tag "short" or "description" of a file, and reports false
// when it is another.
func (l *Label) readText(e xmlEvent) bool {
	if e.start != "short" && e.start != "description" {
		return false
	}
	*l.Text(e.start) = words(e.text)
	return true
}

// texts writes the tags that readText reads.
func (w *xmlWriter) texts(l Label) {
	w.text("short", l.Short)
	w.text("description", l.Description)
}

// Kind is a kind of definitions, by its name in options.
type Kind string

// The kinds of definitions.
const (
	Zones     Kind = "zone"
	Policies  Kind = "policy"
	Services  Kind = "service"
	IPSets    Kind = "ipset"
	ICMPNames Kind = "icmptype"
	Helpers   Kind = "helper"
)

// Kinds are the kinds in the order in which their files are read: a definition
// names only such as were read before it.
var Kinds = []Kind{IPSets, ICMPNames, Helpers, Services, Zones, Policies}

// Dir is the directory of the kind's files, below /etc/firewalld.
func (k Kind) Dir() string {
	if k == Policies {
		return "policies"
	}
	return string(k) + "s"
}

// Read reads the file of a definition. What it names is not looked up.
func (k Kind) Read(name string, data []byte) (Definition, error) {
	switch k {
	case Zones:
		return ReadZone(name, data)
	case Policies:
		return ReadPolicy(name, data)
	case Services:
		return ReadService(name, data)
	case IPSets:
		return ReadIPSet(name, data)
	case ICMPNames:
		return readICMPName(name, data)
	}
	return readHelper(name, data)
}

// nameLimits are how long the names of a kind may be: the packet filter makes
// names of chains of them.
var nameLimits = map[Kind]int{Zones: 17, Policies: 18}

// CheckName refuses a name that no definition of the kind can have.
func (k Kind) CheckName(name string) error {
	for _, c := range name {
		ok := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("_-/", c)
		if !ok {
			return Fail("INVALID_NAME", "'"+string(c)+"' is not allowed in '"+name+"'")
		}
	}
	limit := nameLimits[k]
	if limit > 0 && len(name) > limit {
		title := strings.ToUpper(string(k[:1])) + string(k[1:])
		return Fail("INVALID_NAME", fmt.Sprintf("%s '%s': name has %d chars, max is %d", title, name, len(name), limit))
	}
	if limit == 0 && strings.Contains(name, "/") {
		return Fail("INVALID_NAME", "'/' is not allowed in '"+name+"'")
	}
	if strings.HasPrefix(name, "/") || strings.HasSuffix(name, "/") || strings.Count(name, "/") > 1 || strings.Contains(name, "..") {
		return Fail("INVALID_NAME", name)
	}
	return nil
}
