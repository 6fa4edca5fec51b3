package grader

import (
	"enshu/grader/check"
	"enshu/grader/kinds/clocks"
	"enshu/grader/kinds/logs"
	"enshu/grader/kinds/mail"
	"enshu/grader/kinds/system"
	"enshu/sim/scenario"
)

// kinds is the table of all kinds, in the order of the documentation.
func kinds() []check.Kind {
	return []check.Kind{
		mail.Alias(),
		clocks.Clock(),
		system.Command(),
		system.File(),
		system.Firewall(),
		logs.Journal(),
		logs.Kernlog(),
		logs.Log(),
		mail.Mail(),
		clocks.NTP(),
		system.Port(),
		mail.Queue(),
		mail.Mailbox(),
		logs.Rotated(),
		logs.Rule(),
		system.Service(),
		clocks.Timezone(),
	}
}

// Kinds returns the kinds of checks that a lab file may name.
func Kinds() []scenario.Kind {
	var out []scenario.Kind
	for _, k := range kinds() {
		s := scenario.Kind{Name: k.Name, Args: k.Args, Doc: k.Doc}
		for _, a := range k.Advice {
			s.Links = append(s.Links, a.Link)
		}
		out = append(out, s)
	}
	return out
}

// kindOf returns a kind of the table. Labs only hold kinds that are in it.
func kindOf(name string) check.Kind {
	for _, k := range kinds() {
		if k.Name == name {
			return k
		}
	}
	panic("grader: no kind " + name)
}
