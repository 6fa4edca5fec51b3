package check

import (
	"strings"

	"enshu/sim/lang"
	"enshu/sim/scenario"
)

// Advice is what a learner is told when a link is broken. The texts may name
// parameters, {host}, that the kind fills in.
type Advice struct {
	Link string
	// Step is the step of the path that the link belongs to, by its name in the
	// kind's labels; "" when it is called as the link is. Several links may be
	// ways for one step to break.
	Step     string
	Expected scenario.Text
	Seen     scenario.Text
	Slip     scenario.Text // the usual cause, and what to do
	Command  string        // what shows it
	On       string        // the parameter that names the host for Command; "" is host
}

// Params are what is put into advice, in both languages.
type Params map[string]scenario.Text

// With adds a parameter that is the same in both languages.
func (p Params) With(name, value string) Params {
	p[name] = scenario.Text{JA: value, EN: value}
	return p
}

// Fill puts the parameters into a text.
func (p Params) Fill(t scenario.Text) scenario.Text {
	return scenario.Text{JA: p.FillIn("ja", t.JA), EN: p.FillIn("en", t.EN)}
}

// FillIn puts the parameters, as a language has them, into a string.
func (p Params) FillIn(lang, s string) string {
	if !strings.Contains(s, "{") {
		return s
	}
	pairs := make([]string, 0, 2*len(p))
	for name, value := range p {
		pairs = append(pairs, "{"+name+"}", value.In(lang))
	}
	return strings.NewReplacer(pairs...).Replace(s)
}

// Text is short for a text in both languages.
func Text(ja, en string) lang.Text { return lang.Both(ja, en) }
