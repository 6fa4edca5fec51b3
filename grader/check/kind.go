package check

import (
	"context"

	"enshu/sim/scenario"
)

// Kind is one kind of check.
type Kind struct {
	Name     string
	Doc      string
	Args     any // a zero struct
	Title    func(args any) scenario.Text
	Run      func(ctx context.Context, v *View, args any) Verdict
	Unwanted string // the link that is broken when what must not be is
	Labels   map[string]scenario.Text
	Advice   []Advice
}

// Define makes a kind of functions that take the arguments by their own type.
func Define[T any](k Kind, title func(*T) scenario.Text, run func(context.Context, *View, *T) Verdict) Kind {
	var zero T
	k.Args = zero
	k.Title = func(a any) scenario.Text { return title(a.(*T)) }
	k.Run = func(ctx context.Context, v *View, a any) Verdict { return run(ctx, v, a.(*T)) }
	return k
}

// AdviceFor returns what is said about a link.
func (k *Kind) AdviceFor(link string) Advice {
	for _, a := range k.Advice {
		if a.Link == link {
			return a
		}
	}
	panic("check: " + k.Name + " has no advice for " + link)
}
