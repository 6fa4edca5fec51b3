package pcre

import (
	"errors"
	"strconv"
	"strings"
)

// kind is what a node of an expression does.
type kind int

const (
	always    kind = iota // matches the empty text
	never                 // matches nothing
	oneByte               // a byte of a set
	sequence              // its parts, one after the other
	either                // the first of its parts that leads to a match
	capture               // a part whose text is kept, by its number
	repeat                // a part, least to most times
	atomic                // a part that is not tried in another way once it matched
	look                  // an assertion about what follows or precedes
	condition             // the second part if the first holds, else the third
	sameAs                // the text that a group has
	recursion             // a group, or all, once more
	boundary              // a place, by its letter
	keep                  // \K: the match begins here
)

// node is a part of an expression.
type node struct {
	kind             kind
	set              set
	parts            []*node
	least, most      int // of a repeat; most -1 is any number
	lazy, possessive bool
	number           int    // of a group
	name             string // of a group that is referred to by name
	behind, negative bool   // of a look
	caseless         bool   // of sameAs
	letter           byte   // of a boundary: A z Z ^ $ b B G
	fixed            bool   // cannot be repeated: a boundary
}

// anyTimes is a repeat without a limit.
const anyTimes = -1

// mostTimes is the largest number in braces.
const mostTimes = 65535

type flags struct{ caseless, lines, dotAll, extended, noCapture bool }

// parser reads an expression.
type parser struct {
	text   string
	at     int
	flags  flags
	groups int
	names  map[string]int
	refs   []*node // to be looked at once all groups are known
	quoted bool    // between \Q and \E
}

var (
	errParenthesis = errors.New("missing closing parenthesis")
	errQuantifier  = errors.New("quantifier does not follow a repeatable item")
	errReference   = errors.New("reference to non-existent subpattern")
	errNoLetters   = errors.New(`PCRE2 does not support \F, \L, \l, \N{name}, \U, or \u`)
)

// parse reads a whole expression.
func (p *parser) parse() (*node, error) {
	p.startOptions()
	n, err := p.alternatives()
	if err != nil {
		return nil, err
	}
	if p.at < len(p.text) {
		return nil, errors.New("unmatched closing parenthesis")
	}
	if err := checkLooks(n); err != nil {
		return nil, err
	}
	for _, r := range p.refs {
		if r.name != "" {
			number, ok := p.names[r.name]
			if !ok {
				return nil, errReference
			}
			r.number = number
		}
		if r.number > p.groups || r.number < 0 {
			return nil, errReference
		}
	}
	return n, nil
}

// startOptions passes over what an expression may begin with, such as (*UCP).
func (p *parser) startOptions() {
	known := []string{"UTF8", "UTF", "UCP", "NO_AUTO_POSSESS", "NO_START_OPT", "NO_JIT", "NO_DOTSTAR_ANCHOR", "NOTEMPTY", "LF", "BSR_UNICODE", "BSR_ANYCRLF"}
	for {
		found := false
		for _, k := range known {
			if rest := "(*" + k + ")"; strings.HasPrefix(p.text[p.at:], rest) {
				p.at += len(rest)
				found = true
			}
		}
		if !found {
			return
		}
	}
}

// alternatives reads to the end of a group or of the expression.
func (p *parser) alternatives() (*node, error) {
	before := p.flags
	defer func() { p.flags = before }()
	var list []*node
	for {
		n, err := p.branch()
		if err != nil {
			return nil, err
		}
		list = append(list, n)
		if !p.take("|") {
			break
		}
	}
	if len(list) == 1 {
		return list[0], nil
	}
	return &node{kind: either, parts: list}, nil
}

// branch reads a sequence.
func (p *parser) branch() (*node, error) {
	seq := &node{kind: sequence}
	for p.at < len(p.text) {
		if !p.quoted && (p.text[p.at] == '|' || p.text[p.at] == ')') {
			break
		}
		if p.skip() {
			continue
		}
		n, err := p.atom()
		if err != nil {
			return nil, err
		}
		if n == nil {
			continue // options, \Q, \E
		}
		if n, err = p.quantified(n); err != nil {
			return nil, err
		}
		seq.parts = append(seq.parts, n)
	}
	return seq, nil
}

// take passes over a text if it comes next.
func (p *parser) take(s string) bool {
	if strings.HasPrefix(p.text[p.at:], s) {
		p.at += len(s)
		return true
	}
	return false
}

// skip passes over the blanks and comments of (?x).
func (p *parser) skip() bool {
	if !p.flags.extended || p.quoted {
		return false
	}
	switch p.text[p.at] {
	case ' ', '\t', '\n', '\r', '\v', '\f':
		p.at++
		return true
	case '#':
		if end := strings.IndexByte(p.text[p.at:], '\n'); end >= 0 {
			p.at += end + 1
		} else {
			p.at = len(p.text)
		}
		return true
	}
	return false
}

// comment passes over (?#…).
func (p *parser) comment() bool {
	if p.quoted || !strings.HasPrefix(p.text[p.at:], "(?#") {
		return false
	}
	end := strings.IndexByte(p.text[p.at:], ')')
	p.at += end + 1
	return end >= 0
}

// quantified reads what may stand behind an item.
func (p *parser) quantified(n *node) (*node, error) {
	for p.at < len(p.text) && (p.skip() || p.comment() || p.take(`\E`)) {
		p.quoted = p.quoted && p.text[p.at-1] != 'E'
	}
	least, most, ok, err := p.quantifier()
	if !ok || err != nil {
		return n, err
	}
	if n.fixed {
		return nil, errQuantifier
	}
	r := &node{kind: repeat, parts: []*node{n}, least: least, most: most}
	switch {
	case p.take("?"):
		r.lazy = true
	case p.take("+"):
		r.possessive = true
	}
	return r, nil
}

// quantifier reads * + ? {n} {n,} {n,m}; a brace with anything else in it is text.
func (p *parser) quantifier() (least, most int, ok bool, err error) {
	if p.quoted || p.at == len(p.text) {
		return 0, 0, false, nil
	}
	switch p.text[p.at] {
	case '*':
		p.at++
		return 0, anyTimes, true, nil
	case '+':
		p.at++
		return 1, anyTimes, true, nil
	case '?':
		p.at++
		return 0, 1, true, nil
	case '{':
	default:
		return 0, 0, false, nil
	}
	inside, _, closed := strings.Cut(p.text[p.at+1:], "}")
	low, high, isRange := strings.Cut(inside, ",")
	if !closed || low == "" || !digits(low) || !digits(high) {
		return 0, 0, false, nil
	}
	p.at += len(inside) + 2
	least, errLeast := strconv.Atoi(low)
	most = least
	if isRange {
		most = anyTimes
	}
	var errMost error
	if high != "" {
		most, errMost = strconv.Atoi(high)
	}
	switch {
	case errLeast != nil || errMost != nil || least > mostTimes || most > mostTimes:
		return 0, 0, false, errors.New("number too big in {} quantifier")
	case most != anyTimes && most < least:
		return 0, 0, false, errors.New("numbers out of order in {} quantifier")
	}
	return least, most, true, nil
}

func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// atom reads one item; nil is one that matches nothing by itself.
func (p *parser) atom() (*node, error) {
	c := p.text[p.at]
	if p.quoted {
		if p.take(`\E`) {
			p.quoted = false
			return nil, nil
		}
		p.at++
		return p.literal(c), nil
	}
	switch c {
	case '(':
		return p.group()
	case '[':
		return p.class()
	case '.':
		p.at++
		n := &node{kind: oneByte, set: everything}
		if !p.flags.dotAll {
			n.set.remove('\n')
		}
		return n, nil
	case '^':
		p.at++
		if p.flags.lines {
			return place('^'), nil
		}
		return place('A'), nil
	case '$':
		p.at++
		if p.flags.lines {
			return place('$'), nil
		}
		return place('Z'), nil
	case '\\':
		return p.escape()
	case '*', '+', '?':
		return nil, errQuantifier
	case '{':
		if _, _, ok, err := p.quantifier(); ok || err != nil {
			return nil, errQuantifier
		}
	}
	p.at++
	return p.literal(c), nil
}

func place(letter byte) *node { return &node{kind: boundary, letter: letter, fixed: true} }

func (p *parser) literal(c byte) *node {
	n := &node{kind: oneByte}
	n.set.add(c)
	if p.flags.caseless {
		n.set.fold()
	}
	return n
}
