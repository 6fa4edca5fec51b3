package script

import (
	"cmp"
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
func (v Value) number() (int64, bool) {
	if v.IsNum {
		return v.n, true
	}
	return LeadingNumber(v.Text())
}

// Bool reports whether the value counts as true: as a number it is not 0.
func (v Value) Bool() bool {
	n, _ := v.number()
	return n != 0
}

// LeadingNumber reads a number at the front of s as rsyslog's es_str2num does:
// decimal, octal after 0, hexadecimal after 0x.
func LeadingNumber(s string) (n int64, whole bool) {
	negative := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	base, start := int64(10), 0
	switch {
	case len(s) > 2 && s[0] == '0' && s[1] == 'x':
		base, start = 16, 2
	case len(s) > 1 && s[0] == '0':
		base, start = 8, 1
	}
	i := start
	for ; i < len(s); i++ {
		d := base
		if c := s[i] | 0x20; s[i] >= '0' && s[i] <= '9' {
			d = int64(s[i] - '0')
		} else if s[i] >= 'a' && s[i] <= 'f' {
			d = int64(c-'a') + 10
		} else if c >= 'a' && c <= 'f' {
			d = int64(c - 'a') // libestr forgets the ten of capital letters
		}
		if d >= base {
			break
		}
		n = n*base + d
	}
	if negative {
		n = -n
	}
	return n, i == len(s)
}

func parseNumber(s string) int64 {
	n, _ := LeadingNumber(strings.ToLower(s))
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
		n := x.Variable(e.ref)
		if n == nil {
			return text("")
		}
		return Value{Node: n}
	}
	return text(x.Get(e.ref))
}
func (e *varExpr) String() string { return "$" + e.name }

type notExpr struct{ e Expr }

func (e *notExpr) Eval(x *message.Scope) Value { return truth(!e.e.Eval(x).Bool()) }
func (e *notExpr) String() string              { return "not " + e.e.String() }

type binaryExpr struct {
	op   string
	l, r Expr
	do   func(l, r Value) Value
}

func (e *binaryExpr) String() string {
	side := func(s Expr) string {
		if b, ok := s.(*binaryExpr); ok && precedence[b.op] < precedence[e.op] {
			return "(" + s.String() + ")"
		}
		return s.String()
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
	"==":           func(l, r Value) Value { return compare(l, r, func(c int) bool { return c == 0 }, false) },
	"!=":           func(l, r Value) Value { return compare(l, r, func(c int) bool { return c != 0 }, true) },
	"<=":           func(l, r Value) Value { return order(l, r, func(c int) bool { return c <= 0 }) },
	">=":           func(l, r Value) Value { return order(l, r, func(c int) bool { return c >= 0 }) },
	"<":            func(l, r Value) Value { return order(l, r, func(c int) bool { return c < 0 }) },
	">":            func(l, r Value) Value { return order(l, r, func(c int) bool { return c > 0 }) },
	"contains":     matching(strings.Contains, false),
	"contains_i":   matching(strings.Contains, true),
	"startswith":   matching(strings.HasPrefix, false),
	"startswith_i": matching(strings.HasPrefix, true),
	"&":            func(l, r Value) Value { return text(l.Text() + r.Text()) },
	"+":            arithmetic(func(a, b int64) int64 { return a + b }),
	"-":            arithmetic(func(a, b int64) int64 { return a - b }),
	"*":            arithmetic(func(a, b int64) int64 { return a * b }),
	"/": arithmetic(func(a, b int64) int64 {
		if b == 0 {
			return 0
		}
		return a / b
	}),
	"%": arithmetic(func(a, b int64) int64 {
		if b == 0 {
			return 0
		}
		return a % b
	}),
}

func arithmetic(do func(a, b int64) int64) func(l, r Value) Value {
	return func(l, r Value) Value {
		a, _ := l.number()
		b, _ := r.number()
		return number(do(a, b))
	}
}

// compare orders two values: as numbers when one is a number, or an order is
// asked for, and both can be read as one, else as texts. A list holds when any member does; with all
// set, when every one does.
func compare(l, r Value, holds func(int) bool, all bool) Value {
	if r.list != nil {
		s := l.Text()
		for _, m := range r.list {
			if ok := holds(strings.Compare(s, m)); ok != all {
				return truth(ok)
			}
		}
		return truth(all)
	}
	if l.IsNum || r.IsNum {
		if c, ok := compareNumbers(l, r); ok {
			return truth(holds(c))
		}
	}
	return truth(holds(strings.Compare(l.Text(), r.Text())))
}

// order is <, <=, > and >=.
func order(l, r Value, holds func(int) bool) Value {
	if r.list != nil { // only its first member counts
		r = text(r.Text())
	}
	c, ok := compareNumbers(l, r)
	if !ok {
		c = strings.Compare(l.Text(), r.Text())
	}
	return truth(holds(c))
}

func compareNumbers(l, r Value) (c int, ok bool) {
	a, okA := l.number()
	b, okB := r.number()
	return cmp.Compare(a, b), okA && okB
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
