package script

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"enshu/sim/rsyslog/message"
)

// Value is what an expression yields: a number, a text, or a list of texts
// (which only stands at the right of a comparison and in foreach).
type Value struct {
	s     string
	n     int64
	IsNum bool
	list  []string
	Node  *message.Node // a JSON value of a variable
}

func number(n int64) Value { return Value{n: n, IsNum: true} }
func text(s string) Value  { return Value{s: s} }

// fromNode is the value of a variable: a text, or what JSON has besides.
func fromNode(n *message.Node) Value {
	if n == nil || n.Leaf && !n.Plain {
		return text(n.Text())
	}
	return Value{Node: n}
}

func truth(b bool) Value {
	if b {
		return number(1)
	}
	return number(0)
}

// Text returns the value as a text.
func (v Value) Text() string {
	switch {
	case v.IsNum:
		return strconv.FormatInt(v.n, 10)
	case v.Node != nil:
		return v.Node.Text()
	case len(v.list) > 0:
		return v.list[0]
	}
	return v.s
}

// number returns the value as a number, and whether the whole of it was one.
// Of texts only decimal numbers count here.
func (v Value) number() (n int64, whole bool) {
	switch {
	case v.IsNum:
		return v.n, true
	case v.Node != nil:
		return v.Node.Int(), true
	}
	return decimal(v.Text())
}

// constant returns the value of a constant as the configuration is read: of texts
// octal and hexadecimal numbers count, too.
func (v Value) constant() int64 {
	if v.IsNum {
		return v.n
	}
	n, _ := LeadingNumber(v.Text())
	return n
}

// Bool reports whether the value counts as true: as a number it is not 0.
func (v Value) Bool() bool {
	n, _ := v.number()
	return n != 0
}

// Holds reports whether the value lets a message through an if: as in the real
// daemon only the lower eight bits of the number count.
func (v Value) Holds() bool {
	n, _ := v.number()
	return byte(n) != 0
}

// decimal reads a decimal number at the front of s.
func decimal(s string) (n int64, whole bool) {
	digits := strings.TrimPrefix(s, "-")
	i := 0
	for ; i < len(digits) && digits[i] >= '0' && digits[i] <= '9'; i++ {
		n = n*10 + int64(digits[i]-'0')
	}
	if len(digits) < len(s) {
		n = -n
	}
	return n, i == len(digits)
}

// LeadingNumber reads a number at the front of s as rsyslog's es_str2num does:
// decimal, octal after 0, hexadecimal after 0x, where libestr forgets the ten of
// each letter.
func LeadingNumber(s string) (n int64, whole bool) {
	base, i := int64(10), 0
	switch {
	case strings.HasPrefix(s, "-"):
		return decimal(s)
	case len(s) > 2 && s[0] == '0' && s[1] == 'x':
		base, i = 16, 2
	case len(s) > 1 && s[0] == '0':
		base, i = 8, 1
	}
	for ; i < len(s); i++ {
		c, d := s[i]|0x20, base
		if s[i] >= '0' && s[i] <= '9' {
			d = int64(s[i] - '0')
		} else if base == 16 && c >= 'a' && c <= 'f' {
			d = int64(c - 'a')
		}
		if d >= base {
			break
		}
		n = n*base + d
	}
	return n, i == len(s)
}

// parseNumber reads a number token, which stops at the greatest there is.
func parseNumber(s string) int64 {
	n, _ := strconv.ParseInt(s, 0, 64)
	return n
}

// Expr is an expression of RainerScript.
type Expr interface {
	Eval(x *message.Scope) Value
	String() string // as a person would write it, for the trace
}

type constExpr struct{ v Value }

func (e constExpr) Eval(*message.Scope) Value { return e.v }
func (e constExpr) String() string {
	switch {
	case e.v.IsNum:
		return e.v.Text()
	case e.v.list != nil:
		return `["` + strings.Join(e.v.list, `", "`) + `"]`
	}
	return strconv.Quote(e.v.s)
}

type varExpr struct {
	name string
	ref  message.Property
}

func (e *varExpr) Eval(x *message.Scope) Value {
	if e.ref.Tree != 0 {
		return fromNode(x.Variable(e.ref))
	}
	return text(x.Get(e.ref))
}
func (e *varExpr) String() string { return "$" + e.name }

type notExpr struct{ e Expr }

func (e *notExpr) Eval(x *message.Scope) Value { return truth(!e.e.Eval(x).Bool()) }
func (e *notExpr) String() string              { return "not " + e.e.String() }

type binaryExpr struct {
	op    string
	unary bool // of "-": l is no part of it
	l, r  Expr
	do    func(l, r Value) Value
}

func (e *binaryExpr) String() string {
	side := func(s Expr) string {
		if b, ok := s.(*binaryExpr); ok && precedence[b.op] < precedence[e.op] {
			return "(" + s.String() + ")"
		}
		return s.String()
	}
	if e.unary {
		return e.op + side(e.r)
	}
	return side(e.l) + " " + e.op + " " + side(e.r)
}

func (e *binaryExpr) Eval(x *message.Scope) Value {
	switch e.op {
	case "or":
		return truth(e.l.Eval(x).Bool() || e.r.Eval(x).Bool())
	case "and":
		return truth(e.l.Eval(x).Bool() && e.r.Eval(x).Bool())
	}
	return e.do(e.l.Eval(x), e.r.Eval(x))
}

func newBinary(op string, l, r Expr) Expr {
	return &binaryExpr{op: op, l: l, r: r, do: operators[op]}
}

// operators are the binary operators but for and, or.
var operators = map[string]func(l, r Value) Value{
	"==":           equal,
	"!=":           notEqual,
	"<=":           func(l, r Value) Value { return truth(order(l, r) <= 0) },
	">=":           func(l, r Value) Value { return truth(order(l, r) >= 0) },
	"<":            func(l, r Value) Value { return truth(order(l, r) < 0) },
	">":            func(l, r Value) Value { return truth(order(l, r) > 0) },
	"contains":     matching(strings.Contains, false),
	"contains_i":   matching(strings.Contains, true),
	"startswith":   matching(strings.HasPrefix, false),
	"startswith_i": matching(commonPrefix, true),
	"+":            calculate("+"),
	"-":            calculate("-"),
	"*":            calculate("*"),
	"/":            calculate("/"),
	"%":            calculate("%"),
	"&":            func(l, r Value) Value { return text(l.Text() + r.Text()) },
}

func calculate(op string) func(l, r Value) Value {
	return func(l, r Value) Value {
		a, _ := l.number()
		b, _ := r.number()
		return number(arithmetic[op](a, b))
	}
}

// commonPrefix reports whether one text is the beginning of the other, which is
// what startswith_i comes to.
func commonPrefix(s, part string) bool {
	n := min(len(s), len(part))
	return s[:n] == part[:n]
}

// arithmetic are the operators on numbers. What is divided by 0 is 0.
var arithmetic = map[string]func(a, b int64) int64{
	"+": func(a, b int64) int64 { return a + b },
	"-": func(a, b int64) int64 { return a - b },
	"*": func(a, b int64) int64 { return a * b },
	"/": func(a, b int64) int64 {
		if b == 0 {
			return 0
		}
		return a / b
	},
	"%": func(a, b int64) int64 {
		if b == 0 {
			return 0
		}
		return a % b
	},
}

// equal is ==. Which side is what decides how they are compared: a number and a
// text that is one are compared as numbers, a JSON value is the number that it is
// beside a number and a text beside a text. At the right of something that reads
// as a number a JSON value is equal to nothing, as in the real daemon.
func equal(l, r Value) Value {
	if r.list != nil && !l.IsNum {
		return truth(slices.Contains(r.list, l.Text()))
	}
	r = r.firstSorted()
	numeric, difference := compare(l, r)
	return truth(difference == 0 && !(numeric && r.Node != nil))
}

// notEqual is !=. Of texts it yields how far apart they are, with the sides in the
// order in which the real daemon looks at them.
func notEqual(l, r Value) Value {
	if r.list != nil && !l.IsNum && l.Node == nil {
		return truth(!slices.Contains(r.list, l.Text()))
	}
	r = r.firstSorted()
	numeric, difference := compare(l, r)
	if numeric {
		return truth(difference != 0 || r.Node != nil)
	}
	return number(difference)
}

// compare compares two values for equality. It tells whether they were compared as
// numbers, and the difference, which is 0 when they are equal.
func compare(l, r Value) (numeric bool, difference int64) {
	isText := func(v Value) bool { return !v.IsNum && v.Node == nil }
	switch {
	case isText(r) && !l.IsNum: // two texts
	case l.IsNum:
		n, whole := r.number()
		if whole {
			return true, l.n - n
		}
		return false, int64(compareTexts(r.Text(), l.Text()))
	default:
		n, whole := l.number()
		if whole {
			m, _ := r.number()
			return true, n - m
		}
	}
	return false, int64(compareTexts(l.Text(), r.Text()))
}

// firstSorted is the text that a list stands for where no list is understood: the
// first one in order.
func (v Value) firstSorted() Value {
	if v.list == nil {
		return v
	}
	return text(slices.Min(v.list))
}

// order is the difference of two values for <, <=, > and >=: as numbers when both
// read as one, else as texts. As in the real daemon only its lower 32 bits count.
// Of a list the first member counts.
func order(l, r Value) int32 {
	n, okL := l.number()
	m, okR := r.number()
	if okL && okR {
		return int32(n - m)
	}
	return int32(compareTexts(l.Text(), r.Text()))
}

// compareTexts returns the difference of the first octets that differ, or 1 or -1
// when one text is the beginning of the other.
func compareTexts(a, b string) int {
	for i := 0; i < len(a) && i < len(b); i++ {
		if a[i] != b[i] {
			return int(a[i]) - int(b[i])
		}
	}
	return cmp.Compare(len(a), len(b))
}

// matching is a comparison of texts; a list holds when any member does.
func matching(do func(s, part string) bool, fold bool) func(l, r Value) Value {
	return func(l, r Value) Value {
		s := l.Text()
		parts := r.list
		if parts == nil {
			parts = []string{r.Text()}
		}
		if fold {
			s = strings.ToLower(s)
		}
		for _, part := range parts {
			if fold {
				part = strings.ToLower(part)
			}
			if do(s, part) {
				return number(1)
			}
		}
		return number(0)
	}
}
