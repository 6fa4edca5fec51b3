// Package script is the language of rsyslog.conf(5), old and new: its lexer and
// parser, selectors, property filters, and the expressions and functions of
// RainerScript. It reads text and yields values; what objects and directives mean
// is for a Builder to say.
package script

import (
	"strings"

	"enshu/sim/rsyslog/message"
)

// StatementKind is what a statement of a ruleset does.
type StatementKind int

const (
	DoAction StatementKind = iota
	DoStop
	IfSelector
	IfProperty
	IfExpr
	DoForeach
	DoSet
	DoUnset
	DoCall
	DoCallIndirect
	DoContinue
	DoNothing
)

// Statement is one statement of a ruleset.
type Statement struct {
	Kind       StatementKind
	Pos        Position // where it begins
	Text       string   // a filter as the configuration words it
	Mask       Selector
	Property   *PropertyFilter
	Cond       Expr
	Then, Else []*Statement
	Action     int              // number of the action in the configuration
	Variable   message.Property // of set, unset and foreach
	Name       string           // Ruleset of call
	Ruleset    *Ruleset
}

// Ruleset is a list of rules under a name.
type Ruleset struct {
	Name  string
	Rules []*Statement
}

// Param is one parameter of an object. A value is a string or an array of them.
type Param struct {
	Name  string
	Value string
	Array []string // not nil for an array
	Used  bool
	pos   Position
}

// Object is a configuration object as it is written.
type Object struct {
	Kind   string
	Params []*Param
	Subs   []*Object // property() and constant() of a list template
	Script []*Statement
	Pos    Position
}

// Builder gets what the parser recognises, in the order and at the time at
// which rsyslog's own parser would act on it, on which the texts of errors depend.
type Builder interface {
	Object(o *Object)
	Statement(list []*Statement)
	Selector(t Token, then []*Statement) *Statement
	PropertyFilter(t Token, then []*Statement) *Statement
	LegacyAction(t Token) *Statement
	NewAction(o *Object) *Statement
	Function(name string, args []Expr) Expr
	SelectRuleset(name string)
	BSDBlock(text string)
	IncludeObject(o *Object)
	Complain(text string)
}

// syntaxError ends the parsing; it has been reported.
type syntaxError struct{}

// Parser is a recursive form of rsyslog's grammar. It looks one token ahead
// only where the choice depends on it, as a LALR parser with default
// reductions does.
type Parser struct {
	Lex   *Lexer
	Out   Builder
	ahead Token
	has   bool
	depth int
}

// maxDepth bounds the nesting of blocks and expressions.
const maxDepth = 500

// Parse reads everything. It reports whether the end was reached without a
// syntax error.
func (p *Parser) Parse() (ok bool) {
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
			switch t.Value {
			case "action":
				p.Out.Statement(p.stmt())
			case "property", "constant":
				p.fail()
			default:
				p.take()
				p.object(t)
			}
		case tRuleset:
			p.take()
			p.Out.SelectRuleset(t.Value)
		case tBSD:
			p.take()
			p.Out.BSDBlock(t.Text)
		default:
			p.Out.Statement(p.stmt())
		}
	}
}

func (p *Parser) peek() Token {
	if !p.has {
		p.ahead, p.has = p.Lex.next(), true
	}
	return p.ahead
}

func (p *Parser) take() Token {
	t := p.peek()
	p.has = false
	return t
}

// fail reports the token ahead as a syntax error.
func (p *Parser) fail() {
	p.Out.Complain("syntax error on token '" + p.peek().Text + "'")
	panic(syntaxError{})
}

func (p *Parser) need(k tokenKind, text string) Token {
	t := p.peek()
	if t.kind != k || text != "" && t.Text != text {
		p.fail()
	}
	return p.take()
}

func (p *Parser) isChar(c string) bool {
	t := p.peek()
	return t.kind == tChar && t.Text == c
}

// enter guards the recursion.
func (p *Parser) enter() {
	if p.depth++; p.depth > maxDepth {
		p.Out.Complain("memory exhausted on token '" + p.peek().Text + "'")
		panic(syntaxError{})
	}
}

func (p *Parser) object(t Token) {
	o := &Object{Kind: t.Value, Params: p.params(), Pos: t.Pos}
	switch o.Kind {
	case "template":
		if p.isChar("{") {
			p.take()
			for !p.isChar("}") {
				sub := p.peek()
				if sub.kind != tObject || sub.Value != "property" && sub.Value != "constant" {
					p.fail()
				}
				p.take()
				o.Subs = append(o.Subs, &Object{Kind: sub.Value, Params: p.params(), Pos: sub.Pos})
			}
			p.take()
		}
	case "ruleset":
		p.need(tChar, "{")
		o.Script = p.script()
		p.need(tChar, "}")
	case "include":
		p.Out.IncludeObject(o)
		return
	}
	p.Out.Object(o)
}

// params reads the name/value pairs of an object and its closing parenthesis.
func (p *Parser) params() []*Param {
	var list []*Param
	for p.peek().kind == tName {
		t := p.take()
		v := &Param{Name: t.Text, pos: t.Pos}
		p.need(tChar, "=")
		if p.isChar("[") {
			p.take()
			v.Array = []string{}
			for {
				v.Array = append(v.Array, p.need(tString, "").Value)
				if !p.isChar(",") {
					break
				}
				p.take()
			}
			p.need(tChar, "]")
		} else {
			v.Value = p.need(tString, "").Value
		}
		list = append(list, v)
	}
	p.need(tEndObject, "")
	return list
}

// script reads statements up to a closing brace.
func (p *Parser) script() []*Statement {
	var list []*Statement
	for !p.isChar("}") {
		if t := p.peek(); t.kind == tObject && t.Value == "include" {
			p.take()
			p.object(t)
			continue
		}
		list = append(list, p.stmt()...)
	}
	return list
}

// block reads a statement or a braced list of them.
func (p *Parser) block() []*Statement {
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

func (p *Parser) stmt() []*Statement {
	p.enter()
	defer func() { p.depth-- }()
	t := p.peek()
	switch t.kind {
	case tSelector:
		p.take()
		return []*Statement{p.Out.Selector(t, p.block())}
	case tPropFilter:
		p.take()
		return []*Statement{p.Out.PropertyFilter(t, p.block())}
	case tIf:
		p.take()
		s := &Statement{Kind: IfExpr, Pos: t.Pos}
		s.Cond = p.expr()
		s.Text = "if " + s.Cond.String() + " then"
		p.need(tThen, "")
		s.Then = p.block()
		if p.peek().kind == tElse {
			p.take()
			s.Else = p.block()
		}
		return []*Statement{s}
	case tForeach:
		return p.foreach()
	case tSet, tReset:
		p.take()
		s := &Statement{Kind: DoSet, Pos: t.Pos}
		variable := p.need(tVariable, "")
		p.need(tChar, "=")
		s.Cond = p.expr()
		p.need(tChar, ";")
		p.assigned(s, variable, "set")
		return []*Statement{s}
	case tUnset:
		p.take()
		s := &Statement{Kind: DoUnset, Pos: t.Pos}
		variable := p.need(tVariable, "")
		p.need(tChar, ";")
		p.assigned(s, variable, "unset")
		return []*Statement{s}
	case tObject:
		switch t.Value {
		case "action", "template", "ruleset", "property", "constant", "include":
		default:
			p.Out.Complain("declarative object '" + t.Text + "' not permitted in action block [stmt]")
			p.take()
			p.fail()
		}
	case tLookup:
		// Lookup tables are not modelled; the statement is read and does nothing.
		p.take()
		p.need(tChar, "(")
		p.arguments()
		return []*Statement{{Kind: DoNothing, Pos: t.Pos}}
	}
	return p.actions()
}

func (p *Parser) foreach() []*Statement {
	t := p.take()
	s := &Statement{Kind: DoForeach, Pos: t.Pos}
	p.need(tChar, "(")
	variable := p.need(tVariable, "")
	p.need(tIn, "")
	s.Cond = p.expr()
	p.need(tChar, ")")
	s.Text = "foreach"
	p.need(tDo, "")
	s.Then = p.block()
	p.assigned(s, variable, "foreach")
	return []*Statement{s}
}

// assigned notes the variable that a statement changes; a statement that names
// something else does nothing.
func (p *Parser) assigned(s *Statement, variable Token, statement string) {
	ref, ok := message.ParseProperty(variable.Value)
	if !ok || ref.Tree == 0 {
		p.Out.Complain("invalid variable '" + variable.Value + "' in " + statement + " statement.")
		s.Kind = DoNothing
	}
	s.Variable = ref
}

// actions reads a list of actions joined by &.
func (p *Parser) actions() []*Statement {
	var list []*Statement
	for {
		t := p.peek()
		s := &Statement{Pos: t.Pos}
		switch {
		case t.kind == tAction:
			p.take()
			s = p.Out.LegacyAction(t)
		case t.kind == tObject && t.Value == "action":
			p.take()
			s = p.Out.NewAction(&Object{Kind: "action", Params: p.params(), Pos: t.Pos})
		case t.kind == tStop:
			p.take()
			s.Kind = DoStop
		case t.kind == tContinue:
			p.take()
			s.Kind = DoContinue
		case t.kind == tCall:
			p.take()
			s.Kind, s.Name = DoCall, p.need(tName, "").Value
		case t.kind == tCallIndirect:
			p.take()
			s.Kind, s.Cond = DoCallIndirect, p.expr()
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
func (t Token) operator() string {
	switch t.kind {
	case tOr:
		return "or"
	case tAnd:
		return "and"
	case tCompare:
		return strings.ToLower(t.Value)
	case tChar:
		if t.Text != "=" && precedence[t.Text] > 0 {
			return t.Text
		}
	}
	return ""
}

func (p *Parser) expr() Expr { return p.binary(1) }

func (p *Parser) binary(level int) Expr {
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
		left = newBinary(op, left, p.binary(prec+1))
	}
}

func (p *Parser) unary() Expr {
	p.enter()
	defer func() { p.depth-- }()
	t := p.peek()
	switch {
	case t.kind == tNot:
		p.take()
		return &notExpr{p.binary(6)}
	case t.kind == tChar && t.Text == "-":
		p.take()
		operand := p.unary()
		if c, ok := operand.(constExpr); ok && c.v.IsNum {
			return constExpr{number(-c.v.n)}
		}
		return &binaryExpr{op: "-", unary: true, l: constExpr{number(0)}, r: operand, do: operators["-"]}
	case t.kind == tChar && t.Text == "(":
		p.take()
		e := p.expr()
		p.need(tChar, ")")
		return e
	case t.kind == tChar && t.Text == "[":
		p.take()
		var list []string
		for {
			list = append(list, p.need(tString, "").Value)
			if !p.isChar(",") {
				break
			}
			p.take()
		}
		p.need(tChar, "]")
		return constExpr{Value{list: list}}
	case t.kind == tNumber:
		p.take()
		return constExpr{number(parseNumber(t.Text))}
	case t.kind == tString:
		p.take()
		return constExpr{text(t.Value)}
	case t.kind == tVariable:
		p.take()
		return p.variable(t)
	case t.kind == tFunction:
		p.take()
		p.need(tChar, "(")
		return p.Out.Function(t.Text, p.arguments())
	}
	p.fail()
	return nil
}

func (p *Parser) variable(t Token) Expr {
	ref, ok := message.ParseProperty(t.Value)
	if !ok {
		p.Out.Complain("invalid property '" + t.Value + "'")
		if _, ok := message.ParseProperty("$" + t.Value); ok {
			p.Out.Complain("did you mean '$" + t.Value + "' instead of '" + t.Value + "'?See also: https://www.rsyslog.com/rsyslog-info-1/")
		}
	}
	return &varExpr{name: t.Value, ref: ref}
}

// arguments reads the arguments of a function and its closing parenthesis.
func (p *Parser) arguments() []Expr {
	var args []Expr
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
