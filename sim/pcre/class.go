package pcre

import (
	"errors"
	"strconv"
	"strings"
	"unicode"
)

// set is a set of bytes.
type set [4]uint64

func (s *set) add(c byte)      { s[c>>6] |= 1 << (c & 63) }
func (s *set) remove(c byte)   { s[c>>6] &^= 1 << (c & 63) }
func (s *set) has(c byte) bool { return s[c>>6]&(1<<(c&63)) != 0 }

// in reports whether a text has a byte of the set.
func (s *set) in(text string) bool {
	for i := range len(text) {
		if s.has(text[i]) {
			return true
		}
	}
	return false
}

func (s *set) join(other set) {
	for i := range s {
		s[i] |= other[i]
	}
}

func (s set) inverted() set {
	for i := range s {
		s[i] = ^s[i]
	}
	return s
}

// fold adds the letters of the other case.
func (s *set) fold() {
	for c := byte('a'); c <= 'z'; c++ {
		if upper := c - 'a' + 'A'; s.has(c) || s.has(upper) {
			s.add(c)
			s.add(upper)
		}
	}
}

// setOf has the bytes of which a test holds.
func setOf(test func(c byte) bool) (s set) {
	for c := range 256 {
		if test(byte(c)) {
			s.add(byte(c))
		}
	}
	return s
}

func between(low, high byte) func(byte) bool {
	return func(c byte) bool { return c >= low && c <= high }
}

func among(chars string) func(byte) bool {
	return func(c byte) bool { return strings.IndexByte(chars, c) >= 0 }
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

var (
	everything = set{}.inverted()
	wordBytes  = setOf(func(c byte) bool { return letter(c) || between('0', '9')(c) || c == '_' })
	blanks     = setOf(among("\t\n\v\f\r "))
	wide       = setOf(among("\t \xa0"))
	vertical   = setOf(among("\n\v\f\r\x85"))
)

// posix are the classes that are named between [: and :].
var posix = map[string]set{
	"alpha": setOf(letter), "digit": setOf(between('0', '9')), "upper": setOf(between('A', 'Z')), "lower": setOf(between('a', 'z')),
	"alnum": setOf(func(c byte) bool { return letter(c) || between('0', '9')(c) }), "word": wordBytes, "space": blanks,
	"blank": setOf(among("\t ")), "ascii": setOf(between(0, 127)), "cntrl": setOf(func(c byte) bool { return c < ' ' || c == 127 }),
	"graph": setOf(between('!', '~')), "print": setOf(between(' ', '~')),
	"punct":  setOf(func(c byte) bool { return c > ' ' && c < 127 && !letter(c) && !between('0', '9')(c) }),
	"xdigit": setOf(among("0123456789abcdefABCDEF")),
}

// shorthand are the classes that a letter names, in small; the capital is the rest.
var shorthand = map[byte]set{'d': posix["digit"], 's': blanks, 'w': wordBytes, 'h': wide, 'v': vertical}

// class reads what stands in brackets.
func (p *parser) class() (*node, error) {
	missing := errors.New("missing terminating ] for character class")
	p.at++
	n := &node{kind: oneByte}
	negative := p.take("^")
	quoted := false
	for first := true; ; first = false {
		if p.at == len(p.text) {
			return nil, missing
		}
		if quoted && p.take(`\E`) {
			quoted = false
			continue
		}
		if !quoted && p.take(`\Q`) {
			quoted = true
			continue
		}
		if !quoted && !first && p.take("]") {
			break
		}
		low, more, err := p.member(quoted)
		if err != nil {
			return nil, err
		}
		n.set.join(more)
		// What follows may make a range of it.
		if quoted || p.at+1 >= len(p.text) || p.text[p.at] != '-' || p.text[p.at+1] == ']' {
			continue
		}
		if low < 0 {
			return nil, errors.New("invalid range in character class")
		}
		p.at++
		high, _, err := p.member(false)
		switch {
		case err != nil:
			return nil, err
		case high < 0:
			return nil, errors.New("invalid range in character class")
		case high < low:
			return nil, errors.New("range out of order in character class")
		}
		n.set.join(setOf(between(byte(low), byte(high))))
	}
	if p.flags.caseless {
		n.set.fold()
	}
	if negative {
		n.set = n.set.inverted()
	}
	return n, nil
}

// member reads one member of a class: a byte, or a set with -1 for the byte.
func (p *parser) member(quoted bool) (c int, s set, err error) {
	text := p.text[p.at:]
	if !quoted && text[0] == '[' && len(text) > 1 && strings.IndexByte(":.=", text[1]) >= 0 {
		if name, _, ok := strings.Cut(text[2:], text[1:2]+"]"); ok && !strings.ContainsAny(name, `]\`) {
			if text[1] != ':' {
				return 0, s, errors.New("POSIX collating elements are not supported")
			}
			p.at += len(name) + 4
			word, negative := strings.CutPrefix(name, "^")
			if p.flags.caseless && (word == "upper" || word == "lower") {
				word = "alpha"
			}
			s, ok := posix[word]
			if !ok {
				return 0, s, errors.New("unknown POSIX class name")
			}
			if negative {
				s = s.inverted()
			}
			return -1, s, nil
		}
	}
	if quoted || text[0] != '\\' {
		p.at++
		s.add(text[0])
		return int(text[0]), s, nil
	}
	if len(text) == 1 {
		return 0, s, errors.New(`\ at end of pattern`)
	}
	switch c := text[1]; {
	case c == 'b':
		p.at += 2
		s.add('\b')
		return '\b', s, nil
	case strings.IndexByte("BRX", c) >= 0:
		return 0, s, errors.New("escape sequence is invalid in character class")
	case c == 'N' && !strings.HasPrefix(text[2:], "{"):
		return 0, s, errors.New(`\N is not supported in a class`)
	}
	p.at++
	if s, ok, err := p.namedSet(); ok || err != nil {
		return -1, s, err
	}
	v, err := p.value(true)
	if err == nil {
		s.add(v)
	}
	return int(v), s, err
}

// namedSet reads the letter, behind a backslash, of a set.
func (p *parser) namedSet() (s set, ok bool, err error) {
	c := p.text[p.at]
	if s, ok := shorthand[c|0x20]; ok && letter(c) {
		p.at++
		if c&0x20 == 0 {
			s = s.inverted()
		}
		return s, true, nil
	}
	if c != 'p' && c != 'P' {
		return s, false, nil
	}
	p.at++
	malformed := errors.New(`malformed \P or \p sequence`)
	if p.at == len(p.text) {
		return s, false, malformed
	}
	name := p.text[p.at : p.at+1]
	p.at++
	negative := c == 'P'
	if name == "{" {
		inside, _, closed := strings.Cut(p.text[p.at:], "}")
		if !closed {
			return s, false, malformed
		}
		p.at += len(inside) + 1
		if rest, ok := strings.CutPrefix(inside, "^"); ok {
			inside, negative = rest, !negative
		}
		name = inside
	}
	table := unicode.Categories[name]
	if table == nil {
		table = unicode.Scripts[name]
	}
	switch {
	case table != nil:
		s = setOf(func(c byte) bool { return unicode.Is(table, rune(c)) })
	case name == "Any":
		s = everything
	case name == "L&":
		s = setOf(func(c byte) bool { return unicode.In(rune(c), unicode.Lu, unicode.Ll, unicode.Lt) })
	case name == "Xan":
		s = setOf(func(c byte) bool { return unicode.In(rune(c), unicode.L, unicode.N) })
	case name == "Xwd":
		s = setOf(func(c byte) bool { return c == '_' || unicode.In(rune(c), unicode.L, unicode.N) })
	case name == "Xsp" || name == "Xps":
		s = setOf(func(c byte) bool { return blanks.has(c) || unicode.In(rune(c), unicode.Z) })
	default:
		return s, false, errors.New(`unknown property after \P or \p`)
	}
	if negative {
		s = s.inverted()
	}
	return s, true, nil
}

// escape reads what begins with a backslash, outside of a class.
func (p *parser) escape() (*node, error) {
	p.at++
	if p.at == len(p.text) {
		return nil, errors.New(`\ at end of pattern`)
	}
	c := p.text[p.at]
	switch c {
	case 'A', 'z', 'Z', 'b', 'B', 'G':
		p.at++
		return place(c), nil
	case 'K':
		p.at++
		return &node{kind: keep, fixed: true}, nil
	case 'Q':
		p.at++
		p.quoted = true
		return nil, nil
	case 'E':
		p.at++
		return nil, nil
	case 'C':
		p.at++
		return &node{kind: oneByte, set: everything}, nil
	case 'X':
		p.at++
		return lineEnd(everything), nil
	case 'R':
		p.at++
		return lineEnd(vertical), nil
	case 'N':
		p.at++
		switch {
		case strings.HasPrefix(p.text[p.at:], "{U+"):
			return nil, errors.New(`\N{U+dddd} is supported only in Unicode (UTF) mode`)
		case strings.HasPrefix(p.text[p.at:], "{"):
			at := p.at
			_, _, ok, err := p.quantifier()
			if p.at = at; !ok && err == nil {
				return nil, errNoLetters
			}
		}
		n := &node{kind: oneByte, set: everything}
		n.set.remove('\n')
		return n, nil
	case 'g', 'k':
		p.at++
		return p.reference(c)
	}
	if s, ok, err := p.namedSet(); ok || err != nil {
		return &node{kind: oneByte, set: s}, err
	}
	if c >= '1' && c <= '9' {
		end := p.at
		for end < len(p.text) && digits(p.text[end:end+1]) {
			end++
		}
		n, err := strconv.Atoi(p.text[p.at:end])
		if err == nil && (n < 10 || c >= '8' || n <= p.groups) {
			p.at = end
			return p.refer(&node{kind: sameAs, number: n, caseless: p.flags.caseless}), nil
		}
	}
	v, err := p.value(false)
	return p.literal(v), err
}

// lineEnd is a byte of a set, or a carriage return with its line feed.
func lineEnd(one set) *node {
	var cr, lf set
	cr.add('\r')
	lf.add('\n')
	pair := &node{kind: sequence, parts: []*node{{kind: oneByte, set: cr}, {kind: oneByte, set: lf}}}
	return &node{kind: atomic, parts: []*node{{kind: either, parts: []*node{pair, {kind: oneByte, set: one}}}}}
}

// reference reads \g and \k in all their forms.
func (p *parser) reference(letter byte) (*node, error) {
	same := &node{kind: sameAs, caseless: p.flags.caseless}
	text := p.text[p.at:]
	if letter == 'k' {
		for _, q := range []string{"<>", "''", "{}"} {
			if p.take(q[:1]) {
				name, err := p.name(q[1:])
				same.name = name
				return p.refer(same), err
			}
		}
		return nil, errors.New(`\k is not followed by a braced, angle-bracketed, or quoted name`)
	}
	bad := errors.New(`\g is not followed by a braced, angle-bracketed, or quoted name/number or by a plain number`)
	if text == "" {
		return nil, bad
	}
	end, n := "", same
	switch text[0] {
	case '{':
		end = "}"
	case '<':
		end, n = ">", &node{kind: recursion}
	case '\'':
		end, n = "'", &node{kind: recursion}
	}
	word := text
	if end != "" {
		var closed bool
		if word, _, closed = strings.Cut(text[1:], end); !closed {
			return nil, bad
		}
	} else {
		rest := strings.TrimLeft(strings.TrimLeft(text[:1], "+-")+text[1:], "0123456789")
		word = text[:len(text)-len(rest)]
	}
	plain := strings.TrimLeft(word, "+-")
	if plain == "" {
		return nil, bad
	}
	if !digits(plain) {
		if end == "" {
			return nil, bad
		}
		p.at++
		name, err := p.name(end)
		n.name = name
		return p.refer(n), err
	}
	number, err := p.relative(word)
	if err != nil {
		return nil, err
	}
	p.at += len(word)
	if end != "" {
		p.at += 2
	}
	n.number = number
	return p.refer(n), nil
}

// value reads the character that stands behind a backslash.
func (p *parser) value(inClass bool) (byte, error) {
	c := p.text[p.at]
	p.at++
	if v, ok := map[byte]byte{'a': 7, 'e': 27, 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}[c]; ok {
		return v, nil
	}
	switch {
	case c == 'x':
		return p.hex()
	case c == 'o':
		if !p.take("{") {
			return 0, errors.New(`missing opening brace after \o`)
		}
		return p.braced(8, "non-octal")
	case c == 'c':
		if p.at == len(p.text) {
			return 0, errors.New(`\c at end of pattern`)
		}
		v := p.text[p.at]
		if v < ' ' || v > '~' {
			return 0, errors.New(`\c must be followed by a printable ASCII character`)
		}
		p.at++
		if v >= 'a' && v <= 'z' {
			v -= 'a' - 'A'
		}
		return v ^ 0x40, nil
	case c >= '0' && c <= '7':
		v := int(c - '0')
		for n := 1; n < 3 && p.at < len(p.text) && p.text[p.at] >= '0' && p.text[p.at] <= '7'; n++ {
			v = v*8 + int(p.text[p.at]-'0')
			p.at++
		}
		if v > 255 {
			return 0, errors.New(`octal value is greater than \377 in 8-bit non-UTF-8 mode`)
		}
		return byte(v), nil
	case strings.IndexByte("FLlUu", c) >= 0, c == 'N' && inClass:
		return 0, errNoLetters
	case letter(c):
		return 0, errors.New(`unrecognized character follows \`)
	}
	return c, nil
}

// hex reads what stands behind \x.
func (p *parser) hex() (byte, error) {
	if p.take("{") {
		return p.braced(16, "non-hex")
	}
	v := 0
	for n := 0; n < 2 && p.at < len(p.text); n++ {
		d, err := strconv.ParseUint(p.text[p.at:p.at+1], 16, 8)
		if err != nil {
			break
		}
		v = v*16 + int(d)
		p.at++
	}
	return byte(v), nil
}

// braced reads the digits of a character to the closing brace.
func (p *parser) braced(base int, wrong string) (byte, error) {
	escape := `\x{}`
	if base == 8 {
		escape = `\o{}`
	}
	inside, _, closed := strings.Cut(p.text[p.at:], "}")
	if inside == "" {
		return 0, errors.New(`digits missing in \x{} or \o{} or \N{U+}`)
	}
	v, err := strconv.ParseUint(inside, base, 32)
	var number *strconv.NumError
	if !closed || errors.As(err, &number) && errors.Is(number.Err, strconv.ErrSyntax) {
		return 0, errors.New(wrong + " character in " + escape + " (closing brace missing?)")
	}
	if err != nil || v > 255 {
		return 0, errors.New(`character code point value in \x{} or \o{} is too large`)
	}
	p.at += len(inside) + 1
	return byte(v), nil
}
