package pcre

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// group reads what begins with a parenthesis.
func (p *parser) group() (*node, error) {
	p.at++
	switch {
	case p.at < len(p.text)-1 && p.text[p.at] == '*' && p.text[p.at+1] >= 'A' && p.text[p.at+1] <= 'Z':
		verb, _, closed := strings.Cut(p.text[p.at+1:], ")")
		if !closed || verb != "FAIL" && verb != "F" {
			return nil, errors.New("(*VERB) not recognized or malformed")
		}
		p.at += len(verb) + 2
		return &node{kind: never, fixed: true}, nil
	case !p.take("?"):
		if p.flags.noCapture {
			return p.inside(&node{kind: sequence})
		}
		return p.captured("")
	case p.at == len(p.text):
		return nil, errParenthesis
	}
	switch {
	case p.take("#"):
		_, rest, closed := strings.Cut(p.text[p.at:], ")")
		if !closed {
			return nil, errors.New("missing ) after (?# comment")
		}
		p.at = len(p.text) - len(rest)
		return nil, nil
	case p.take(":"):
		return p.inside(&node{kind: sequence})
	case p.take("|"):
		return p.sameNumbers()
	case p.take(">"):
		return p.inside(&node{kind: atomic})
	case p.take("="):
		return p.inside(&node{kind: look})
	case p.take("!"):
		return p.inside(&node{kind: look, negative: true})
	case p.take("<="):
		return p.inside(&node{kind: look, behind: true})
	case p.take("<!"):
		return p.inside(&node{kind: look, behind: true, negative: true})
	case p.take("P="):
		name, err := p.name(")")
		return p.refer(&node{kind: sameAs, name: name, caseless: p.flags.caseless}), err
	case p.take("P>"), p.take("&"):
		name, err := p.name(")")
		return p.refer(&node{kind: recursion, name: name}), err
	case p.take("P<"), p.take("<"):
		return p.named(">")
	case p.take("'"):
		return p.named("'")
	case p.take("("):
		return p.conditional()
	case p.take("C"):
		for p.at < len(p.text) && digits(p.text[p.at:p.at+1]) {
			p.at++
		}
		if !p.take(")") {
			return nil, errors.New("closing parenthesis for (?C expected")
		}
		return nil, nil
	case p.take("R)"):
		return &node{kind: recursion}, nil
	case p.text[p.at:] == "P":
		return nil, errParenthesis
	case p.text[p.at] == 'P':
		return nil, errors.New("unrecognized character after (?P")
	}
	if rest := p.text[p.at:]; rest[0] == '+' && (len(rest) == 1 || !digits(rest[1:2])) {
		return nil, errors.New("digit expected after (?+ or (?-")
	}
	if n, ok, err := p.numbered(); ok || err != nil {
		return n, err
	}
	return p.options()
}

// inside reads the rest of a group into its node.
func (p *parser) inside(n *node) (*node, error) {
	part, err := p.alternatives()
	if err != nil {
		return nil, err
	}
	if !p.take(")") {
		return nil, errParenthesis
	}
	n.parts = append(n.parts, part)
	return n, nil
}

// captured reads a group whose text is kept.
func (p *parser) captured(name string) (*node, error) {
	p.groups++
	if name != "" {
		if _, taken := p.names[name]; taken {
			return nil, errors.New("two named subpatterns have the same name (PCRE2_DUPNAMES not set)")
		}
		p.names[name] = p.groups
	}
	return p.inside(&node{kind: capture, number: p.groups})
}

func (p *parser) named(end string) (*node, error) {
	name, err := p.name(end)
	if err != nil {
		return nil, err
	}
	return p.captured(name)
}

// name reads a group's name and what ends it.
func (p *parser) name(end string) (string, error) {
	from := p.at
	for p.at < len(p.text) && wordBytes.has(p.text[p.at]) {
		p.at++
	}
	name := p.text[from:p.at]
	switch {
	case name == "":
		return "", errors.New("subpattern name expected")
	case digits(name[:1]):
		return "", errors.New("subpattern name must start with a non-digit")
	case len(name) > 32:
		return "", errors.New("subpattern name is too long (maximum 32 code units)")
	case !p.take(end):
		return "", errors.New("syntax error in subpattern name (missing terminator?)")
	}
	return name, nil
}

// refer notes a reference, to be looked at when all groups are known.
func (p *parser) refer(n *node) *node {
	p.refs = append(p.refs, n)
	return n
}

// sameNumbers reads (?|…), each alternative of which numbers its groups anew.
func (p *parser) sameNumbers() (*node, error) {
	before, first, most := p.flags, p.groups, p.groups
	defer func() { p.flags = before }()
	n := &node{kind: either}
	for {
		p.groups = first
		part, err := p.branch()
		if err != nil {
			return nil, err
		}
		n.parts = append(n.parts, part)
		most = max(most, p.groups)
		if !p.take("|") {
			break
		}
	}
	p.groups = most
	if !p.take(")") {
		return nil, errParenthesis
	}
	return n, nil
}

// numbered reads the recursion into a group by its number, which may be counted
// from here.
func (p *parser) numbered() (*node, bool, error) {
	word, _, closed := strings.Cut(p.text[p.at:], ")")
	if !closed || word == "" || !digits(strings.TrimLeft(word[:1], "+-")+word[1:]) || strings.Trim(word, "+-") == "" {
		return nil, false, nil
	}
	number, err := p.relative(word)
	if err != nil {
		return nil, false, err
	}
	p.at += len(word) + 1
	return p.refer(&node{kind: recursion, number: number}), true, nil
}

// relative reads the number of a group, which may be counted from here.
func (p *parser) relative(word string) (int, error) {
	n, err := strconv.Atoi(word)
	if err != nil || n > mostTimes {
		return 0, errors.New("subpattern number is too big")
	}
	switch word[0] {
	case '-':
		n += p.groups + 1
	case '+':
		n += p.groups
	default:
		return n, nil
	}
	if n < 1 {
		return 0, errReference
	}
	return n, nil
}

// conditional reads (?(1)yes|no), (?(<name>)…) and conditions that are assertions.
func (p *parser) conditional() (*node, error) {
	n := &node{kind: condition}
	var test *node
	word, _, closed := strings.Cut(p.text[p.at:], ")")
	switch {
	case p.at < len(p.text) && p.text[p.at] == '?':
		p.at--
		var err error
		if test, err = p.group(); err != nil {
			return nil, err
		}
		if test == nil || test.kind != look {
			return nil, errors.New("assertion expected after (?( or (?(?C)")
		}
	case !closed:
		return nil, errors.New("missing closing parenthesis for condition")
	case word != "" && digits(strings.TrimLeft(word[:1], "+-")+word[1:]):
		number, err := p.relative(word)
		if err != nil {
			return nil, err
		}
		test = p.refer(&node{kind: capture, number: number})
		p.at += len(word) + 1
	case word == "DEFINE":
		test = &node{kind: never}
		p.at += len(word) + 1
	default:
		end := ")"
		if p.take("<") {
			end = ">)"
		} else if p.take("'") {
			end = "')"
		}
		name, err := p.name(end)
		if err != nil {
			return nil, err
		}
		test = p.refer(&node{kind: capture, name: name})
	}
	whole, err := p.inside(&node{})
	if err != nil {
		return nil, err
	}
	yes, no := whole.parts[0], &node{kind: always}
	if yes.kind == either {
		if len(yes.parts) > 2 {
			return nil, errors.New("conditional subpattern contains more than two branches")
		}
		yes, no = yes.parts[0], yes.parts[1]
	}
	n.parts = []*node{test, yes, no}
	return n, nil
}

// options reads (?i), which goes on to the end of the group, and (?i:…).
func (p *parser) options() (*node, error) {
	f, on := p.flags, true
	for ; p.at < len(p.text); p.at++ {
		switch p.text[p.at] {
		case '^':
			f = flags{}
		case '-':
			on = false
		case 'i':
			f.caseless = on
		case 'm':
			f.lines = on
		case 's':
			f.dotAll = on
		case 'x':
			f.extended = on
		case 'n':
			f.noCapture = on
		case 'J', 'U':
		case ')':
			p.at++
			p.flags = f
			return nil, nil
		case ':':
			p.at++
			before := p.flags
			p.flags = f
			n, err := p.inside(&node{kind: sequence})
			p.flags = before
			return n, err
		default:
			return nil, errors.New("unrecognized character after (? or (?-")
		}
	}
	return nil, errParenthesis
}

// has reports whether a part, or one in it, is of a kind.
func has(n *node, k kind) bool {
	return n.kind == k || slices.ContainsFunc(n.parts, func(part *node) bool { return has(part, k) })
}

// checkLooks sees to it that what looks behind knows how far, and that no match
// begins in what is not taken.
func checkLooks(n *node) error {
	if n.kind == look && has(n, keep) {
		return errors.New(`\K is not allowed in lookarounds (but see PCRE2_EXTRA_ALLOW_LOOKAROUND_BSK)`)
	}
	if n.kind == look && n.behind {
		for _, part := range branches(n.parts[0]) {
			if _, ok := width(part); !ok {
				return errors.New("lookbehind assertion is not fixed length")
			}
		}
	}
	for _, part := range n.parts {
		if err := checkLooks(part); err != nil {
			return err
		}
	}
	return nil
}

// branches are the alternatives of a part.
func branches(n *node) []*node {
	if n.kind == either {
		return n.parts
	}
	return []*node{n}
}

// width is how many bytes a part takes, if it takes the same number always.
func width(n *node) (bytes int, ok bool) {
	switch n.kind {
	case oneByte:
		return 1, true
	case always, never, look, boundary, keep:
		return 0, true
	case sequence, capture, atomic:
		for _, part := range n.parts {
			w, ok := width(part)
			if !ok {
				return 0, false
			}
			bytes += w
		}
		return bytes, true
	case either:
		for i, part := range n.parts {
			w, ok := width(part)
			if !ok || i > 0 && w != bytes {
				return 0, false
			}
			bytes = w
		}
		return bytes, true
	case repeat:
		w, ok := width(n.parts[0])
		return w * n.least, ok && n.least == n.most
	case condition:
		yes, ok := width(n.parts[1])
		no, ok2 := width(n.parts[2])
		return yes, ok && ok2 && yes == no
	}
	return 0, false
}
