package rsyslog

import (
	"strings"

	"enshu/sim/wire/syslog"
)

// stmtKind is what a statement of a ruleset does.
type stmtKind int

const (
	sAction stmtKind = iota
	sStop
	sSelector
	sProperty
	sIf
	sForeach
	sSet
	sUnset
	sCall
	sCallIndirect
	sContinue
	sNothing
)

// stmt is one statement of a ruleset.
type stmt struct {
	kind      stmtKind
	pos       position // where it begins
	text      string   // a filter as the configuration words it
	mask      priMask
	property  *propFilter
	cond      expr
	then, els []*stmt
	action    int      // number of the action in the configuration
	variable  property // of set, unset and foreach
	name      string   // ruleset of call
	ruleset   *ruleset
}

// ruleset is a list of rules under a name.
type ruleset struct {
	name  string
	rules []*stmt
}

// nv is one parameter of an object. A value is a string or an array of them.
type nv struct {
	name  string
	value string
	array []string // not nil for an array
	used  bool
	pos   position
}

// object is a configuration object as it is written.
type object struct {
	kind   string
	params []*nv
	subs   []*object // property() and constant() of a list template
	script []*stmt
	pos    position
}

// builder gets what the parser recognises, in the order and at the time at
// which rsyslog's own parser would act on it, on which the texts of errors depend.
type builder interface {
	object(o *object)
	statement(list []*stmt)
	selector(t token, then []*stmt) *stmt
	propertyFilter(t token, then []*stmt) *stmt
	legacyAction(t token) *stmt
	newAction(o *object) *stmt
	function(name string, args []expr) expr
	selectRuleset(name string)
	bsdBlock(text string)
	includeObject(o *object)
	complain(text string)
}

// syntaxError ends the parsing; it has been reported.
type syntaxError struct{}

// parser is a recursive form of rsyslog's grammar. It looks one token ahead
// only where the choice depends on it, as a LALR parser with default
// reductions does.
type parser struct {
	lex   *lexer
	out   builder
	ahead token
	has   bool
	depth int
}

// maxDepth bounds the nesting of blocks and expressions.
const maxDepth = 500

// parse reads everything. It reports whether the end was reached without a
// syntax error.
func (p *parser) parse() (ok bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, is := r.(syntaxError); !is {
				panic(r)
			}
			ok = false
		}
	}()
	for {
		switch t := p.peek(); t.kind {
		case tEnd:
			return true
		case tObject:
			switch t.value {
			case "action":
				p.out.statement(p.stmt())
			case "property", "constant":
				p.fail()
			default:
				p.take()
				p.object(t)
			}
		case tRuleset:
			p.take()
			p.out.selectRuleset(t.value)
		case tBSD:
			p.take()
			p.out.bsdBlock(t.text)
		default:
			p.out.statement(p.stmt())
		}
	}
}

func (p *parser) peek() token {
	if !p.has {
		p.ahead, p.has = p.lex.next(), true
	}
	return p.ahead
}

func (p *parser) take() token {
	t := p.peek()
	p.has = false
	return t
}

// fail reports the token ahead as a syntax error.
func (p *parser) fail() {
	p.out.complain("syntax error on token '" + p.peek().text + "'")
	panic(syntaxError{})
}

func (p *parser) need(k tokenKind, text string) token {
	t := p.peek()
	if t.kind != k || text != "" && t.text != text {
		p.fail()
	}
	return p.take()
}

func (p *parser) isChar(c string) bool {
	t := p.peek()
	return t.kind == tChar && t.text == c
}

// enter guards the recursion.
func (p *parser) enter() {
	if p.depth++; p.depth > maxDepth {
		p.out.complain("memory exhausted on token '" + p.peek().text + "'")
		panic(syntaxError{})
	}
}

func (p *parser) object(t token) {
	o := &object{kind: t.value, params: p.params(), pos: t.pos}
	switch o.kind {
	case "template":
		if p.isChar("{") {
			p.take()
			for !p.isChar("}") {
				sub := p.peek()
				if sub.kind != tObject || sub.value != "property" && sub.value != "constant" {
					p.fail()
				}
				p.take()
				o.subs = append(o.subs, &object{kind: sub.value, params: p.params(), pos: sub.pos})
			}
			p.take()
		}
	case "ruleset":
		p.need(tChar, "{")
		o.script = p.script()
		p.need(tChar, "}")
	case "include":
		p.out.includeObject(o)
		return
	}
	p.out.object(o)
}

// params reads the name/value pairs of an object and its closing parenthesis.
func (p *parser) params() []*nv {
	var list []*nv
	for p.peek().kind == tName {
		t := p.take()
		v := &nv{name: t.text, pos: t.pos}
		p.need(tChar, "=")
		if p.isChar("[") {
			p.take()
			v.array = []string{}
			for {
				v.array = append(v.array, p.need(tString, "").value)
				if !p.isChar(",") {
					break
				}
				p.take()
			}
			p.need(tChar, "]")
		} else {
			v.value = p.need(tString, "").value
		}
		list = append(list, v)
	}
	p.need(tEndObject, "")
	return list
}

// script reads statements up to a closing brace.
func (p *parser) script() []*stmt {
	var list []*stmt
	for !p.isChar("}") {
		if t := p.peek(); t.kind == tObject && t.value == "include" {
			p.take()
			p.object(t)
			continue
		}
		list = append(list, p.stmt()...)
	}
	return list
}

// block reads a statement or a braced list of them.
func (p *parser) block() []*stmt {
	if !p.isChar("{") {
		return p.stmt()
	}
	p.take()
	if p.isChar("}") {
		p.fail()
	}
	list := p.script()
	p.take()
	return list
}

func (p *parser) stmt() []*stmt {
	p.enter()
	defer func() { p.depth-- }()
	t := p.peek()
	switch t.kind {
	case tSelector:
		p.take()
		return []*stmt{p.out.selector(t, p.block())}
	case tPropFilter:
		p.take()
		return []*stmt{p.out.propertyFilter(t, p.block())}
	case tIf:
		p.take()
		s := &stmt{kind: sIf, pos: t.pos}
		s.cond = p.expr()
		s.text = "if " + s.cond.String() + " then"
		p.need(tThen, "")
		s.then = p.block()
		if p.peek().kind == tElse {
			p.take()
			s.els = p.block()
		}
		return []*stmt{s}
	case tForeach:
		return p.foreach()
	case tSet, tReset:
		p.take()
		s := &stmt{kind: sSet, pos: t.pos}
		variable := p.need(tVariable, "")
		p.need(tChar, "=")
		s.cond = p.expr()
		p.need(tChar, ";")
		p.assigned(s, variable, "set")
		return []*stmt{s}
	case tUnset:
		p.take()
		s := &stmt{kind: sUnset, pos: t.pos}
		variable := p.need(tVariable, "")
		p.need(tChar, ";")
		p.assigned(s, variable, "unset")
		return []*stmt{s}
	case tLookup:
		// Lookup tables are not modelled; the statement is read and does nothing.
		p.take()
		p.need(tChar, "(")
		p.arguments()
		return []*stmt{{kind: sNothing, pos: t.pos}}
	}
	return p.actions()
}

func (p *parser) foreach() []*stmt {
	t := p.take()
	s := &stmt{kind: sForeach, pos: t.pos}
	p.need(tChar, "(")
	variable := p.need(tVariable, "")
	p.need(tIn, "")
	s.cond = p.expr()
	p.need(tChar, ")")
	s.text = "foreach"
	p.need(tDo, "")
	s.then = p.block()
	p.assigned(s, variable, "foreach")
	return []*stmt{s}
}

// assigned notes the variable that a statement changes; a statement that names
// something else does nothing.
func (p *parser) assigned(s *stmt, variable token, statement string) {
	ref, ok := parseProperty(variable.value)
	if !ok || ref.tree == 0 {
		p.out.complain("invalid variable '" + variable.value + "' in " + statement + " statement.")
		s.kind = sNothing
	}
	s.variable = ref
}

// actions reads a list of actions joined by &.
func (p *parser) actions() []*stmt {
	var list []*stmt
	for {
		t := p.peek()
		s := &stmt{pos: t.pos}
		switch {
		case t.kind == tAction:
			p.take()
			s = p.out.legacyAction(t)
		case t.kind == tObject && t.value == "action":
			p.take()
			s = p.out.newAction(&object{kind: "action", params: p.params(), pos: t.pos})
		case t.kind == tStop:
			p.take()
			s.kind = sStop
		case t.kind == tContinue:
			p.take()
			s.kind = sContinue
		case t.kind == tCall:
			p.take()
			s.kind, s.name = sCall, p.need(tName, "").value
		case t.kind == tCallIndirect:
			p.take()
			s.kind, s.cond = sCallIndirect, p.expr()
			p.need(tChar, ";")
		default:
			p.fail()
		}
		if s != nil {
			list = append(list, s)
		}
		if !p.isChar("&") {
			return list
		}
		p.take()
	}
}

// precedence of the binary operators, as in rsyslog's grammar: and and or have
// the same.
var precedence = map[string]int{
	"or": 1, "and": 1,
	"==": 3, "!=": 3, "<=": 3, ">=": 3, "<": 3, ">": 3, "contains": 3, "contains_i": 3,
	"startswith": 3, "startswith_i": 3,
	"+": 4, "-": 4, "&": 4, "*": 5, "/": 5, "%": 5,
}

// operator returns the binary operator that a token is, "" for none.
func (t token) operator() string {
	switch t.kind {
	case tOr:
		return "or"
	case tAnd:
		return "and"
	case tCompare:
		return strings.ToLower(t.value)
	case tChar:
		if t.text != "=" && precedence[t.text] > 0 {
			return t.text
		}
	}
	return ""
}

func (p *parser) expr() expr { return p.binary(1) }

func (p *parser) binary(level int) expr {
	p.enter()
	defer func() { p.depth-- }()
	left := p.unary()
	for {
		op := p.peek().operator()
		prec := precedence[op]
		if op == "" || prec < level {
			return left
		}
		p.take()
		left = newBinary(op, left, p.names(op, left, p.binary(prec+1)))
	}
}

// names lets every name of a facility or severity do where $syslogfacility-text
// or $syslogseverity-text is compared with one.
func (p *parser) names(op string, l, r expr) expr {
	v, ok := l.(*varExpr)
	c, isConst := r.(constExpr)
	if !ok || !isConst || c.v.isNum || c.v.list != nil || op != "==" && op != "!=" {
		return r
	}
	switch v.ref.id {
	case pFacilityText:
		if n := code(c.v.s, selectorFacilities); n >= 0 && n < facilities {
			return constExpr{text(facilityName(syslog.Facility(n)))}
		}
		p.out.complain("invalid facility '" + c.v.s + "', expression will always evaluate to FALSE")
	case pSeverityText:
		if n := code(c.v.s, selectorPriorities); n >= 0 && n <= 7 {
			return constExpr{text(syslog.Severity(n).String())}
		}
		p.out.complain("invalid severity '" + c.v.s + "', expression will always evaluate to FALSE")
	}
	return r
}

func (p *parser) unary() expr {
	p.enter()
	defer func() { p.depth-- }()
	t := p.peek()
	switch {
	case t.kind == tNot:
		p.take()
		return &notExpr{p.binary(6)}
	case t.kind == tChar && t.text == "-":
		p.take()
		return newBinary("-", constExpr{number(0)}, p.unary())
	case t.kind == tChar && t.text == "(":
		p.take()
		e := p.expr()
		p.need(tChar, ")")
		return e
	case t.kind == tChar && t.text == "[":
		p.take()
		var list []string
		for {
			list = append(list, p.need(tString, "").value)
			if !p.isChar(",") {
				break
			}
			p.take()
		}
		p.need(tChar, "]")
		return constExpr{value{list: list}}
	case t.kind == tNumber:
		p.take()
		return constExpr{number(parseNumber(t.text))}
	case t.kind == tString:
		p.take()
		return constExpr{text(t.value)}
	case t.kind == tVariable:
		p.take()
		return p.variable(t)
	case t.kind == tFunction:
		p.take()
		p.need(tChar, "(")
		return p.out.function(strings.ToLower(t.text), p.arguments())
	}
	p.fail()
	return nil
}

func (p *parser) variable(t token) expr {
	ref, ok := parseProperty(t.value)
	if !ok {
		p.out.complain("invalid property '" + t.value + "'")
		if _, ok := parseProperty("$" + t.value); ok {
			p.out.complain("did you mean '$" + t.value + "' instead of '" + t.value + "'?See also: https://www.rsyslog.com/rsyslog-info-1/")
		}
	}
	return &varExpr{name: t.value, ref: ref}
}

// arguments reads the arguments of a function and its closing parenthesis.
func (p *parser) arguments() []expr {
	var args []expr
	for !p.isChar(")") {
		args = append(args, p.expr())
		if !p.isChar(",") {
			break
		}
		p.take()
	}
	p.need(tChar, ")")
	return args
}
