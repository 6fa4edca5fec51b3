package pcre

import "errors"

// Regexp is an expression that can be searched for, by one goroutine at a time or
// by many.
type Regexp struct {
	root    matcher
	groups  []matcher // by their numbers; 0 is all
	first   set       // what a match may begin with
	empty   bool      // a match may be empty, so anything can come first
	at0     bool      // a match is at the beginning or nowhere
	needed  []set     // a match has a byte of each
	results int       // positions of groups
}

// Compile reads an expression; with caseless, letters match in both cases. The
// error says in PCRE's words what is wrong.
func Compile(expr string, caseless bool) (*Regexp, error) {
	p := &parser{text: expr, flags: flags{caseless: caseless}, names: map[string]int{}}
	n, err := p.parse()
	if err != nil {
		return nil, err
	}
	re := &Regexp{groups: make([]matcher, p.groups+1), results: 2 * (p.groups + 1)}
	re.root = re.compile(n)
	re.groups[0] = re.root
	re.first, re.empty = first(n)
	re.needed = needed(n)
	re.at0 = n.kind == sequence && len(n.parts) > 0 && n.parts[0].kind == boundary && n.parts[0].letter == 'A'
	return re, nil
}

// mostSteps bounds what looking at one place takes, as PCRE's match limit does;
// mostInAll a whole search.
const (
	mostSteps = 10_000_000
	mostInAll = 2 * mostSteps
)

var (
	errSteps     = errors.New("match limit exceeded")
	errRecursion = errors.New("nested recursion at the same subject position")
)

// Find returns where the first match in a text is. The error says why the search
// was given up.
func (re *Regexp) Find(text string) (from, to int, ok bool, err error) {
	for i := range re.needed {
		if !re.needed[i].in(text) {
			return 0, 0, false, nil
		}
	}
	m := &matching{text: text, groups: make([]int, re.results)}
	for start := 0; start <= len(text); start++ {
		if !re.empty {
			for start < len(text) && !re.first.has(text[start]) {
				start++
			}
			if start == len(text) {
				break
			}
		}
		for i := range m.groups {
			m.groups[i] = -1
		}
		m.from, m.steps = start, 0
		if re.root(m, start, func(at int) bool { to = at; return true }) {
			return min(m.from, to), to, true, nil
		}
		if m.err != nil || re.at0 {
			break
		}
	}
	return 0, 0, false, m.err
}

// first is what a match of a part may begin with, and whether it may be empty.
func first(n *node) (s set, empty bool) {
	switch n.kind {
	case oneByte:
		return n.set, false
	case never:
		return s, false
	case sequence, capture, atomic:
		for _, part := range n.parts {
			more, empty := first(part)
			s.join(more)
			if !empty {
				return s, false
			}
		}
		return s, true
	case either:
		for _, part := range n.parts {
			more, e := first(part)
			s.join(more)
			empty = empty || e
		}
		return s, empty
	case repeat:
		s, empty = first(n.parts[0])
		return s, empty || n.least == 0
	case always, look, boundary, keep:
		return s, true
	}
	return everything, true
}

// needed are the sets of which every match has a byte.
func needed(n *node) (sets []set) {
	switch n.kind {
	case oneByte:
		return []set{n.set}
	case sequence, capture, atomic:
		for _, part := range n.parts {
			sets = append(sets, needed(part)...)
		}
	case repeat:
		if n.least > 0 {
			return needed(n.parts[0])
		}
	}
	return sets
}
