package script

import (
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// tokenKind is a terminal of the configuration grammar.
type tokenKind int

const (
	tEnd          tokenKind = iota
	tChar                   // a character that stands for itself; text has it
	tIf                     // if
	tThen                   // then
	tElse                   // else
	tForeach                // foreach
	tDo                     // do
	tIn                     // in
	tSet                    // set
	tReset                  // reset
	tUnset                  // unset
	tCall                   // call
	tCallIndirect           // call_indirect
	tStop                   // stop
	tContinue               // continue
	tOr                     // or
	tAnd                    // and
	tNot                    // not
	tCompare                // a comparison; text is its canonical form
	tVariable               // $name; value without the dollar
	tNumber                 // value has it
	tString                 // value is the unescaped text
	tFunction               // a word in an expression
	tName                   // a word in an object or after call
	tObject                 // the name of an object with its parenthesis; value is the name
	tEndObject              // ) of an object
	tSelector               // facility.priority
	tPropFilter             // :property, operation, "value"
	tAction                 // an action line in the old syntax
	tBSD                    // a BSD-style block
	tRuleset                // $Ruleset; value is the name
	tLookup                 // reload_lookup_table
)

// Token is one token; text is what the input said.
type Token struct {
	kind  tokenKind
	Text  string
	Value string
	Pos   Position
}

// Position is where something stands in the configuration.
type Position struct {
	File string
	Line int
}

func (p Position) String() string { return p.File + ":" + strconv.Itoa(p.Line) }

// lexState is a start condition: the same characters are different tokens in
// an object, in an expression, after call, and elsewhere.
type lexState int

const (
	atTop lexState = iota
	inObject
	inExpr
	inCall
)

// lexRule is one pattern. The longest match counts, the first of equals.
type lexRule struct {
	re     *regexp.Regexp
	first  *[256]bool // bytes that a match may begin with
	bol    bool       // only at the beginning of a line
	eol    bool       // a line feed must follow, and counts for the length
	kind   tokenKind  // tEnd: nothing is returned
	next   lexState
	text   string // canonical text, when it is not the matched one
	effect lexEffect
}

type lexEffect int

const (
	plain   lexEffect = iota
	comment           // skips to the end of a C comment
	quoted            // takes the quotes off and resolves escapes
	bare              // drops the dollar of a variable
	legacy            // a $Directive
	trimmed           // leading blanks are not part of it
	opening           // value is the name of the object
	dollar            // a string that is refused because of a $ in it
)

func rule(pattern string, kind tokenKind, next lexState) lexRule {
	pattern = `\A(?i:` + pattern + `)`
	re := regexp.MustCompile(pattern)
	re.Longest()
	return lexRule{re: re, first: firstBytes(pattern), kind: kind, next: next}
}

// firstBytes returns what a match of a pattern may begin with. Characters beyond
// ASCII are told by all of their first bytes.
func firstBytes(pattern string) *[256]bool {
	set := new([256]bool)
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		panic(err) // regexp has taken it
	}
	prog, err := syntax.Compile(parsed)
	if err != nil {
		panic(err)
	}
	seen := make([]bool, len(prog.Inst))
	var from func(pc uint32)
	from = func(pc uint32) {
		if seen[pc] {
			return
		}
		seen[pc] = true
		switch in := &prog.Inst[pc]; in.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			from(in.Out)
			from(in.Arg)
		case syntax.InstCapture, syntax.InstNop, syntax.InstEmptyWidth:
			from(in.Out)
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			for b := range set {
				set[b] = set[b] || b >= utf8.RuneSelf || in.MatchRune(rune(b))
			}
		}
	}
	from(uint32(prog.Start))
	return set
}

func (r lexRule) with(e lexEffect) lexRule { r.effect = e; return r }
func (r lexRule) as(text string) lexRule   { r.text = text; return r }
func (r lexRule) atBOL() lexRule           { r.bol = true; return r }
func (r lexRule) atEOL() lexRule           { r.eol = true; return r }

// lexRules are the patterns of each start condition. They are made when the
// first configuration is read: not every process of ours reads one.
var lexRules = sync.OnceValue(func() [4][]lexRule {
	return [...][]lexRule{
		atTop: {
			rule(`if`, tIf, inExpr),
			rule(`foreach`, tForeach, inExpr),
			rule(`reload_lookup_table`, tLookup, inExpr),
			rule(`else`, tElse, atTop),
			rule(`set`, tSet, inExpr),
			rule(`reset`, tReset, inExpr),
			rule(`unset`, tUnset, inExpr),
			rule(`call`, tCall, inCall),
			rule(`call_indirect`, tCallIndirect, inExpr),
			rule(`stop`, tStop, atTop),
			rule(`continue`, tContinue, atTop),
			rule(`[&{}]`, tChar, atTop),
			rule(`(?:global|template|ruleset|property|constant|input|module|lookup_table|dyn_stats|percentile_stats|include|main_queue|timezone|parser|action)[ \n\t]*\(`, tObject, inObject).with(opening),
			rule(`[ \t]*:\$?[a-z\-]+[ ]*,[ ]*!?[a-z]+[ ]*,[ ]*"(?:\\"|[^"])*"`, tPropFilter, atTop).atBOL().with(trimmed),
			rule(`[ \t]*[*a-z][*a-z]*[0-7]*[.,][,!=;.*a-z0-7]+`, tSelector, atTop).atBOL().with(trimmed),
			rule(`~|\*|-/[^*][^\n]*|/[^*][^\n]*|:[a-z0-9]+:[^\n]*|[|.\-@^?~>][^\n]+|[a-z0-9_][a-z0-9_\-+,;]*`, tAction, atTop),
			rule(`/\*`, tEnd, atTop).with(comment),
			rule(`\$[a-z]+[^\n]*`, tEnd, atTop).atEOL().with(legacy),
			rule(`![^ \t\n]+[ \t]*`, tBSD, atTop).atEOL(),
			rule(`[+-]\*[ \t\n]*#[^\n]*`, tBSD, atTop).atEOL(),
			rule(`[+-]\*[ \t\n]*`, tBSD, atTop).atEOL(),
			rule(`[ \t]*[+-][a-z0-9.:-]+[ \t]*`, tBSD, atTop).atBOL().atEOL(),
			rule(`#[^\n]*\n`, tEnd, atTop),
			rule(`[\n\t ]`, tEnd, atTop),
		},
		inObject: {
			rule(`\)`, tEndObject, atTop),
			rule(`[a-z][a-z0-9_.]*`, tName, inObject),
			rule(`[,\[\]=]`, tChar, inObject),
			rule(`"(?:[^"\\]|\\["'?\\abfnrtv]|\\[0-7][0-7]?[0-7]?)*"`, tString, inObject).with(quoted),
			rule(`/\*`, tEnd, inObject).with(comment),
			rule(`#[^\n]*`, tEnd, inObject).atEOL(),
			rule(`[ \n\t]`, tEnd, inObject),
		},
		inExpr: {
			rule(`then`, tThen, atTop),
			rule(`do`, tDo, atTop),
			rule(`;`, tChar, atTop),
			rule(`or`, tOr, inExpr),
			rule(`and`, tAnd, inExpr),
			rule(`not`, tNot, inExpr),
			rule(`in`, tIn, inExpr),
			rule(`[=,*/%+&\-\[\]()]`, tChar, inExpr),
			rule(`==`, tCompare, inExpr),
			rule(`<=`, tCompare, inExpr),
			rule(`>=`, tCompare, inExpr),
			rule(`!=|<>`, tCompare, inExpr).as("!="),
			rule(`<`, tCompare, inExpr),
			rule(`>`, tCompare, inExpr),
			rule(`contains`, tCompare, inExpr).as("contains"),
			rule(`contains_i`, tCompare, inExpr).as("contains_i"),
			rule(`startswith`, tCompare, inExpr).as("startswith"),
			rule(`startswith_i`, tCompare, inExpr).as("startswith_i"),
			rule(`0[0-7]+|0x[0-9a-f]+|(?:[1-9][0-9]*|0)`, tNumber, inExpr),
			rule(`\$[$!./]?[@a-z_]*[!@a-z0-9\-_.\[\]]*`, tVariable, inExpr).with(bare),
			rule(`'(?:[^'\\]|\\['"\\$bntr]|\\x[0-9a-f][0-9a-f]|\\[0-7][0-7][0-7])*'`, tString, inExpr).with(quoted),
			rule(`"(?:[^"\\$]|\\["'\\$bntr]|\\x[0-9a-f][0-9a-f]|\\[0-7][0-7][0-7])*"`, tString, inExpr).with(quoted),
			rule(`"(?:[^"\\]|\\["'\\$bntr]|\\x[0-9a-f][0-9a-f]|\\[0-7][0-7][0-7])*"`, tEnd, inExpr).with(dollar),
			rule(`/\*`, tEnd, inExpr).with(comment),
			rule(`#[^\n]*`, tEnd, inExpr).atEOL(),
			rule(`[ \t\n]`, tEnd, inExpr),
			rule(`[a-z][a-z0-9_]*`, tFunction, inExpr),
		},
		inCall: {
			rule(`[ \t\n]`, tEnd, inCall),
			rule(`[a-z][a-z0-9._]+`, tName, atTop),
		},
	}
})

// where says what a character that fits nowhere is called in.
var lexPlaces = [...]string{atTop: " ", inObject: " in object definition ", inExpr: " in expression ", inCall: " in 'call' statement"}

// Source is one file that is being read.
type Source struct {
	name    string
	text    string
	at      int
	numbers []int // the number that the file gives each line of text
	line    int   // index into numbers
}

func (s *Source) position() Position {
	return Position{s.name, s.numbers[min(s.line, len(s.numbers)-1)]}
}

// NewSource prepares the contents of a file: lines that end in a backslash are
// joined with the next, whose leading blanks go, and blanks at the end of lines
// are dropped. It keeps the numbers that the lines have in the file.
func NewSource(name, data string) *Source {
	s := &Source{name: name}
	var text strings.Builder
	text.Grow(len(data) + 1)
	number, joined := 0, false
	s.numbers = append(s.numbers, 1)
	for len(data) > 0 {
		line, rest, _ := strings.Cut(data, "\n")
		data = rest
		number++
		if i := strings.IndexByte(line, 0); i >= 0 {
			line = line[:i]
		}
		if joined {
			line = strings.TrimLeft(line, " \t\r\v\f")
		}
		line = strings.TrimRight(line, " \t\r\v\f")
		if line != "" {
			joined = strings.HasSuffix(line, `\`)
			text.WriteString(strings.TrimSuffix(line, `\`))
		}
		if !joined {
			text.WriteByte('\n')
			s.numbers = append(s.numbers, number+1)
		}
	}
	s.text = text.String()
	return s
}

// Lexer turns files into tokens. What it meets on the way and is not a token of
// the grammar goes to its owner: directives, includes, complaints.
type Lexer struct {
	Owner interface {
		Directive(line string)
		Include(pattern string, optional bool) bool
		Complain(text string)
	}
	stack []*Source // the innermost file last
	state lexState
	last  Position // where the newest token ended
	over  bool
}

// Push makes s the file that is read next; what was being read goes on after it.
func (x *Lexer) Push(s *Source) { x.stack = append(x.stack, s) }

// Position returns where the lexer stands.
func (x *Lexer) Position() Position {
	if len(x.stack) > 0 {
		return x.stack[len(x.stack)-1].position()
	}
	return x.last
}

// next returns the next token; tEnd when there are no more.
func (x *Lexer) next() Token {
	for !x.over && len(x.stack) > 0 {
		s := x.stack[len(x.stack)-1]
		if s.at >= len(s.text) {
			x.last = s.position()
			if len(x.stack) == 1 {
				break
			}
			x.stack = x.stack[:len(x.stack)-1]
			continue
		}
		if t, ok := x.scan(s); ok {
			return t
		}
	}
	return Token{kind: tEnd, Pos: x.Position()}
}

// scan takes the longest match off the front.
func (x *Lexer) scan(s *Source) (Token, bool) {
	rest := s.text[s.at:]
	bol := s.at == 0 || s.text[s.at-1] == '\n'
	var best *lexRule
	length, weight := 0, 0
	rules := lexRules()[x.state]
	for i := range rules {
		r := &rules[i]
		if r.bol && !bol || !r.first[rest[0]] {
			continue
		}
		m := r.re.FindStringIndex(rest)
		if m == nil || m[1] == 0 {
			continue
		}
		w := m[1]
		if r.eol {
			if m[1] >= len(rest) || rest[m[1]] != '\n' {
				continue
			}
			w++
		}
		if w > weight {
			best, length, weight = r, m[1], w
		}
	}
	if best == nil {
		s.at++
		x.Owner.Complain("invalid character '" + rest[:1] + "'" + lexPlaces[x.state] + "- is there an invalid escape sequence somewhere?")
		return Token{}, false
	}
	text := rest[:length]
	start := s.position()
	s.at += length
	s.line += strings.Count(text, "\n")
	x.state = best.next
	t := Token{kind: best.kind, Text: text, Value: text, Pos: start}
	if best.text != "" {
		t.Value = best.text
	}
	switch best.effect {
	case comment:
		end := strings.Index(s.text[s.at:], "*/")
		if end < 0 {
			end = len(s.text) - s.at
		} else {
			end += 2
		}
		s.line += strings.Count(s.text[s.at:s.at+end], "\n")
		s.at += end
	case quoted:
		t.Text = text[:len(text)-1] // as it is shown in complaints
		t.Value = Unescape(text[1 : len(text)-1])
	case bare:
		t.Value = text[1:]
	case trimmed:
		t.Value = strings.TrimLeft(text, " \t")
	case opening:
		t.Value = strings.ToLower(strings.TrimRight(strings.TrimSuffix(text, "("), " \n\t"))
	case dollar:
		x.Owner.Complain("$-sign in double quotes must be escaped, problem string is: " + text)
	case legacy:
		return x.legacy(text, start)
	}
	return t, best.kind != tEnd
}

// legacy handles a $Directive. Those that name files or rulesets steer the
// lexer and the parser; all others go to the owner.
func (x *Lexer) legacy(line string, pos Position) (Token, bool) {
	word, arg, given := strings.Cut(strings.Replace(line, "\t", " ", 1), " ")
	switch {
	case strings.EqualFold(word, "$includeconfig"):
		if !given {
			arg = word
		}
		if !x.Owner.Include(strings.TrimLeft(arg, " \t"), false) {
			x.over = true
		}
	case strings.EqualFold(word, "$ruleset"):
		return Token{kind: tRuleset, Text: line, Value: strings.TrimLeft(arg, " \t"), Pos: pos}, true
	default:
		x.Owner.Directive(line)
	}
	return Token{}, false
}

// Unescape resolves the escapes of quoted strings. The lexer lets only valid ones
// through, of which \v is one that libestr does not know.
func Unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch c := s[i]; {
		case c >= '0' && c <= '7' && i+1 < len(s):
			// The real daemon takes what follows the first digit for one, too.
			i++
			n := (c-'0')<<3 + s[i] - '0'
			if i+1 < len(s) && s[i+1] >= '0' && s[i+1] <= '7' {
				i++
				n = n<<3 + s[i] - '0'
			}
			b.WriteByte(n)
		case c == 'x' && i+2 < len(s):
			n, _ := strconv.ParseUint(s[i+1:i+3], 16, 8)
			b.WriteByte(byte(n))
			i += 2
		default:
			if j := strings.IndexByte("abfnrt", c); j >= 0 {
				c = "\a\b\f\n\r\t"[j]
			} else if strings.IndexByte(`"'\$`, c) < 0 {
				c = '?'
			}
			b.WriteByte(c)
		}
	}
	return b.String()
}
