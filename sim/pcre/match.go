package pcre

import "slices"

// matching is one search.
type matching struct {
	text   string
	from   int   // where the match begins
	groups []int // begin and end of each group, -1 without
	steps  int   // since the search began at from
	total  int
	inside []spot // recursions that are going on
	err    error
}

// spot is a recursion into a group at a place.
type spot struct{ group, at int }

// matcher matches a part at a place and goes on with what comes after it; it
// reports whether all of that matched.
type matcher func(m *matching, at int, next func(at int) bool) bool

// step counts; false is the end of a search that takes too long.
func (m *matching) step() bool {
	m.steps++
	m.total++
	if (m.steps > mostSteps || m.total > mostInAll) && m.err == nil {
		m.err = errSteps
	}
	return m.err == nil
}

// compile makes a matcher of a part.
func (re *Regexp) compile(n *node) matcher {
	switch n.kind {
	case oneByte:
		s := n.set
		return func(m *matching, at int, next func(int) bool) bool {
			return at < len(m.text) && s.has(m.text[at]) && next(at+1)
		}
	case never:
		return func(*matching, int, func(int) bool) bool { return false }
	case sequence:
		return re.sequence(n.parts)
	case either:
		var list []matcher
		for _, part := range n.parts {
			list = append(list, re.compile(part))
		}
		return func(m *matching, at int, next func(int) bool) bool {
			for _, one := range list {
				if m.step() && one(m, at, next) {
					return true
				}
			}
			return false
		}
	case capture:
		return re.capture(n)
	case repeat:
		return re.repeat(n)
	case atomic:
		return once(re.compile(n.parts[0]))
	case look:
		return re.look(n)
	case condition:
		return re.condition(n)
	case sameAs:
		return again(n)
	case recursion:
		return re.recursion(n.number)
	case boundary:
		holds := boundaries[n.letter]
		return func(m *matching, at int, next func(int) bool) bool { return holds(m.text, at) && next(at) }
	case keep:
		return func(m *matching, at int, next func(int) bool) bool {
			before := m.from
			m.from = at
			if next(at) {
				return true
			}
			m.from = before
			return false
		}
	}
	return func(_ *matching, at int, next func(int) bool) bool { return next(at) }
}

// sequence matches parts one after the other; bytes in a row are one step.
func (re *Regexp) sequence(parts []*node) matcher {
	var list []matcher
	for i := 0; i < len(parts); i++ {
		var row []set
		for ; i < len(parts) && parts[i].kind == oneByte; i++ {
			row = append(row, parts[i].set)
		}
		if len(row) > 0 {
			list = append(list, inRow(row))
		}
		if i < len(parts) && parts[i].kind == repeat && i+1 < len(parts) && apart(parts[i], parts[i+1]) {
			parts[i].possessive = !parts[i].lazy
		}
		if i < len(parts) {
			list = append(list, re.compile(parts[i]))
		}
	}
	if len(list) == 0 {
		return func(_ *matching, at int, next func(int) bool) bool { return next(at) }
	}
	all := list[len(list)-1]
	for _, one := range slices.Backward(list[:len(list)-1]) {
		rest := all
		all = func(m *matching, at int, next func(int) bool) bool {
			return one(m, at, func(at int) bool { return rest(m, at, next) })
		}
	}
	return all
}

// apart reports whether none of the bytes that are repeated can be what follows,
// so that fewer of them need not be tried.
func apart(n, next *node) bool {
	s, empty := first(next)
	if n.parts[0].kind != oneByte || empty {
		return false
	}
	for i, bits := range n.parts[0].set {
		if bits&s[i] != 0 {
			return false
		}
	}
	return true
}

func inRow(row []set) matcher {
	return func(m *matching, at int, next func(int) bool) bool {
		if len(m.text)-at < len(row) {
			return false
		}
		for i := range row {
			if !row[i].has(m.text[at+i]) {
				return false
			}
		}
		return next(at + len(row))
	}
}

// capture keeps where a group matched, until something after it does not.
func (re *Regexp) capture(n *node) matcher {
	body, i := re.compile(n.parts[0]), 2*n.number
	all := func(m *matching, at int, next func(int) bool) bool {
		return body(m, at, func(end int) bool {
			from, to := m.groups[i], m.groups[i+1]
			m.groups[i], m.groups[i+1] = at, end
			if next(end) {
				return true
			}
			m.groups[i], m.groups[i+1] = from, to
			return false
		})
	}
	re.groups[n.number] = all
	return all
}

// repeat matches a part several times.
func (re *Regexp) repeat(n *node) matcher {
	if one := n.parts[0]; one.kind == oneByte {
		return run(one.set, n)
	}
	body := re.compile(n.parts[0])
	var loop func(m *matching, at, count int, next func(int) bool) bool
	loop = func(m *matching, at, count int, next func(int) bool) bool {
		more := func() bool {
			return (n.most == anyTimes || count < n.most) && m.step() && body(m, at, func(end int) bool {
				if end == at && count >= n.least {
					return next(end) // once more of nothing would be for ever
				}
				return loop(m, end, count+1, next)
			})
		}
		switch {
		case count < n.least:
			return more()
		case n.lazy:
			return next(at) || more()
		}
		return more() || m.err == nil && next(at)
	}
	all := func(m *matching, at int, next func(int) bool) bool { return loop(m, at, 0, next) }
	if n.possessive {
		return once(all)
	}
	return all
}

// run matches several bytes of a set.
func run(s set, n *node) matcher {
	return func(m *matching, at int, next func(int) bool) bool {
		most := len(m.text) - at
		if n.most != anyTimes {
			most = min(most, n.most)
		}
		if n.lazy {
			for count := 0; ; count++ {
				if count >= n.least && m.step() && next(at+count) {
					return true
				}
				if count == most || m.err != nil || !s.has(m.text[at+count]) {
					return false
				}
			}
		}
		count := 0
		for count < most && s.has(m.text[at+count]) {
			count++
		}
		if n.possessive {
			return count >= n.least && next(at+count)
		}
		for ; count >= n.least; count-- {
			if m.step() && next(at+count) {
				return true
			}
		}
		return false
	}
}

// once takes the first way in which a part matches, and no other.
func once(body matcher) matcher {
	return func(m *matching, at int, next func(int) bool) bool {
		before, end := slices.Clone(m.groups), 0
		if !body(m, at, func(at int) bool { end = at; return true }) {
			return false
		}
		if next(end) {
			return true
		}
		copy(m.groups, before)
		return false
	}
}

// look is an assertion: what matches there is not taken.
func (re *Regexp) look(n *node) matcher {
	holds := re.holds(n)
	return func(m *matching, at int, next func(int) bool) bool {
		before := slices.Clone(m.groups)
		if !holds(m, at) {
			return false
		}
		if next(at) {
			return true
		}
		copy(m.groups, before)
		return false
	}
}

// holds decides about an assertion.
func (re *Regexp) holds(n *node) func(m *matching, at int) bool {
	type way struct {
		matcher
		back int
	}
	var ways []way
	if n.behind {
		for _, part := range branches(n.parts[0]) {
			back, _ := width(part)
			ways = append(ways, way{re.compile(part), back})
		}
	} else {
		ways = append(ways, way{re.compile(n.parts[0]), 0})
	}
	return func(m *matching, at int) bool {
		before, from := slices.Clone(m.groups), m.from
		for _, w := range ways {
			if at < w.back || !m.step() || !w.matcher(m, at-w.back, func(int) bool { return true }) {
				continue
			}
			if n.negative {
				copy(m.groups, before)
				m.from = from
			}
			return !n.negative
		}
		return n.negative && m.err == nil
	}
}

// condition matches one of two parts.
func (re *Regexp) condition(n *node) matcher {
	yes, no := re.compile(n.parts[1]), re.compile(n.parts[2])
	holds := func(*matching, int) bool { return false }
	switch test := n.parts[0]; test.kind {
	case capture:
		holds = func(m *matching, _ int) bool { return m.groups[2*test.number] >= 0 }
	case look:
		holds = re.holds(test)
	}
	return func(m *matching, at int, next func(int) bool) bool {
		if holds(m, at) {
			return yes(m, at, next)
		}
		return no(m, at, next)
	}
}

// again matches the text that a group has.
func again(n *node) matcher {
	return func(m *matching, at int, next func(int) bool) bool {
		from, to := m.groups[2*n.number], m.groups[2*n.number+1]
		if from < 0 || len(m.text)-at < to-from {
			return false
		}
		a, b := m.text[from:to], m.text[at:at+to-from]
		return (a == b || n.caseless && foldASCII(a) == foldASCII(b)) && next(at+len(a))
	}
}

// foldASCII makes the letters of ASCII small, and no others.
func foldASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// recursion matches a group once more; what groups it sets is forgotten.
func (re *Regexp) recursion(number int) matcher {
	return func(m *matching, at int, next func(int) bool) bool {
		here := spot{number, at}
		if slices.Contains(m.inside, here) {
			m.err = errRecursion
		}
		if !m.step() {
			return false
		}
		before := slices.Clone(m.groups)
		m.inside = append(m.inside, here)
		ok := re.groups[number](m, at, func(end int) bool {
			outside := m.inside
			within := slices.Clone(m.groups)
			copy(m.groups, before)
			m.inside = m.inside[:len(m.inside)-1]
			if next(end) {
				return true
			}
			copy(m.groups, within)
			m.inside = outside
			return false
		})
		if !ok {
			m.inside = m.inside[:len(m.inside)-1]
		}
		return ok
	}
}

// boundaries decide about a place in a text.
var boundaries = map[byte]func(text string, at int) bool{
	'A': func(_ string, at int) bool { return at == 0 },
	'G': func(_ string, at int) bool { return at == 0 },
	'z': func(text string, at int) bool { return at == len(text) },
	'Z': func(text string, at int) bool { return at == len(text) || text[at:] == "\n" },
	'^': func(text string, at int) bool { return at == 0 || at < len(text) && text[at-1] == '\n' },
	'$': func(text string, at int) bool { return at == len(text) || text[at] == '\n' },
	'b': atWord,
	'B': func(text string, at int) bool { return !atWord(text, at) },
}

// atWord reports whether a word begins or ends at a place.
func atWord(text string, at int) bool {
	before := at > 0 && wordBytes.has(text[at-1])
	after := at < len(text) && wordBytes.has(text[at])
	return before != after
}
