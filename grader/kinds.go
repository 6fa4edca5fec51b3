package grader

import (
	"context"

	"enshu/sim/scenario"
)

// kind is one kind of check.
type kind struct {
	name     string
	doc      string
	args     any // a zero struct
	title    func(args any) scenario.Text
	run      func(ctx context.Context, v *view, args any) verdict
	unwanted string // the link that is broken when what must not be is
	labels   map[string]scenario.Text
	advice   []Advice
}

// define makes a kind of functions that take the arguments by their own type.
func define[T any](k kind, title func(*T) scenario.Text, run func(context.Context, *view, *T) verdict) kind {
	var zero T
	k.args = zero
	k.title = func(a any) scenario.Text { return title(a.(*T)) }
	k.run = func(ctx context.Context, v *view, a any) verdict { return run(ctx, v, a.(*T)) }
	return k
}

// kinds is the table of all kinds, in the order of the documentation.
func kinds() []kind {
	return []kind{
		aliasKind(),
		clockKind(),
		commandKind(),
		fileKind(),
		firewallKind(),
		journalKind(),
		kernlogKind(),
		logKind(),
		mailKind(),
		ntpKind(),
		portKind(),
		queueKind(),
		rotatedKind(),
		ruleKind(),
		serviceKind(),
		timezoneKind(),
	}
}

// Kinds returns the kinds of checks that a lab file may name.
func Kinds() []scenario.Kind {
	var out []scenario.Kind
	for _, k := range kinds() {
		s := scenario.Kind{Name: k.name, Args: k.args, Doc: k.doc}
		for _, a := range k.advice {
			s.Links = append(s.Links, a.Link)
		}
		out = append(out, s)
	}
	return out
}

// kindOf returns a kind of the table. Labs only hold kinds that are in it.
func kindOf(name string) kind {
	for _, k := range kinds() {
		if k.name == name {
			return k
		}
	}
	panic("grader: no kind " + name)
}

// adviceFor returns what is said about a link.
func (k *kind) adviceFor(link string) Advice {
	for _, a := range k.advice {
		if a.Link == link {
			return a
		}
	}
	panic("grader: " + k.name + " has no advice for " + link)
}
