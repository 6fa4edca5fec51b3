package grader

import (
	"strings"

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

// params are what is put into advice, in both languages.
type params map[string]scenario.Text

// with adds a parameter that is the same in both languages.
func (p params) with(name, value string) params {
	p[name] = scenario.Text{JA: value, EN: value}
	return p
}

func fill(t scenario.Text, p params) scenario.Text {
	return scenario.Text{JA: fillString(t.JA, p, "ja"), EN: fillString(t.EN, p, "en")}
}

func fillString(s string, p params, lang string) string {
	if !strings.Contains(s, "{") {
		return s
	}
	pairs := make([]string, 0, 2*len(p))
	for name, value := range p {
		pairs = append(pairs, "{"+name+"}", value.In(lang))
	}
	return strings.NewReplacer(pairs...).Replace(s)
}

// text is short for a text in both languages.
func text(ja, en string) scenario.Text { return scenario.Text{JA: ja, EN: en} }
