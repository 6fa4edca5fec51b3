package rsyslog

import (
	"cmp"
	"strconv"
	"strings"
)

// value is what an expression yields: a number, a text, or a list of texts
// (which only stands at the right of a comparison and in foreach).
type value struct {
	s     string
	n     int64
	isNum bool
	list  []string
	node  *node // a JSON value of a variable
}

func number(n int64) value { return value{n: n, isNum: true} }
func text(s string) value  { return value{s: s} }

func truth(b bool) value {
	if b {
		return number(1)
	}
	return number(0)
}

// text returns the value as a text.
func (v value) text() string {
	switch {
	case v.isNum:
		return strconv.FormatInt(v.n, 10)
	case v.node != nil:
		return v.node.text()
	case len(v.list) > 0:
		return v.list[0]
	}
	return v.s
}

// number returns the value as a number, and whether the whole of it was one.
func (v value) number() (int64, bool) {
	if v.isNum {
		return v.n, true
	}
	return leadingNumber(v.text())
}

func (v value) bool() bool {
	n, _ := v.number()
	return n != 0
}

// leadingNumber reads a number at the front of s as rsyslog's es_str2num does:
// decimal, octal after 0, hexadecimal after 0x.
func leadingNumber(s string) (n int64, whole bool) {
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
	n, _ := leadingNumber(strings.ToLower(s))
	return n
}

// expr is an expression of RainerScript.
type expr interface {
	eval(x *scope) value
	String() string // as a person would write it, for the trace
}

type constExpr struct{ v value }

func (e constExpr) eval(*scope) value { return e.v }
func (e constExpr) String() string {
	switch {
	case e.v.isNum:
		return e.v.text()
	case e.v.list != nil:
		return `["` + strings.Join(e.v.list, `", "`) + `"]`
	}
	return strconv.Quote(e.v.s)
}

type varExpr struct {
	name string
	ref  property
}

func (e *varExpr) eval(x *scope) value {
	if e.ref.tree != 0 {
		n := x.variable(e.ref)
		if n == nil {
			return text("")
		}
		return value{node: n}
	}
	return text(x.get(e.ref))
}
func (e *varExpr) String() string { return "$" + e.name }

type notExpr struct{ e expr }

func (e *notExpr) eval(x *scope) value { return truth(!e.e.eval(x).bool()) }
func (e *notExpr) String() string      { return "not " + e.e.String() }

type binaryExpr struct {
	op   string
	l, r expr
	do   func(l, r value) value
}

func (e *binaryExpr) String() string {
	side := func(s expr) string {
		if b, ok := s.(*binaryExpr); ok && precedence[b.op] < precedence[e.op] {
			return "(" + s.String() + ")"
		}
		return s.String()
	}
	return side(e.l) + " " + e.op + " " + side(e.r)
}

func (e *binaryExpr) eval(x *scope) value {
	switch e.op {
	case "or":
		return truth(e.l.eval(x).bool() || e.r.eval(x).bool())
	case "and":
		return truth(e.l.eval(x).bool() && e.r.eval(x).bool())
	}
	return e.do(e.l.eval(x), e.r.eval(x))
}

func newBinary(op string, l, r expr) expr {
	return &binaryExpr{op: op, l: l, r: r, do: operators[op]}
}

// operators are the binary operators but for and, or.
var operators = map[string]func(l, r value) value{
	"==":           func(l, r value) value { return compare(l, r, func(c int) bool { return c == 0 }, false) },
	"!=":           func(l, r value) value { return compare(l, r, func(c int) bool { return c != 0 }, true) },
	"<=":           func(l, r value) value { return order(l, r, func(c int) bool { return c <= 0 }) },
	">=":           func(l, r value) value { return order(l, r, func(c int) bool { return c >= 0 }) },
	"<":            func(l, r value) value { return order(l, r, func(c int) bool { return c < 0 }) },
	">":            func(l, r value) value { return order(l, r, func(c int) bool { return c > 0 }) },
	"contains":     matching(strings.Contains, false),
	"contains_i":   matching(strings.Contains, true),
	"startswith":   matching(strings.HasPrefix, false),
	"startswith_i": matching(strings.HasPrefix, true),
	"&":            func(l, r value) value { return text(l.text() + r.text()) },
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

func arithmetic(do func(a, b int64) int64) func(l, r value) value {
	return func(l, r value) value {
		a, _ := l.number()
		b, _ := r.number()
		return number(do(a, b))
	}
}

// compare orders two values: as numbers when one is a number, or an order is
// asked for, and both can be read as one, else as texts. A list holds when any member does; with all
// set, when every one does.
func compare(l, r value, holds func(int) bool, all bool) value {
	if r.list != nil {
		s := l.text()
		for _, m := range r.list {
			if ok := holds(strings.Compare(s, m)); ok != all {
				return truth(ok)
			}
		}
		return truth(all)
	}
	if l.isNum || r.isNum {
		if c, ok := compareNumbers(l, r); ok {
			return truth(holds(c))
		}
	}
	return truth(holds(strings.Compare(l.text(), r.text())))
}

// order is <, <=, > and >=.
func order(l, r value, holds func(int) bool) value {
	if r.list != nil { // only its first member counts
		r = text(r.text())
	}
	c, ok := compareNumbers(l, r)
	if !ok {
		c = strings.Compare(l.text(), r.text())
	}
	return truth(holds(c))
}

func compareNumbers(l, r value) (c int, ok bool) {
	a, okA := l.number()
	b, okB := r.number()
	return cmp.Compare(a, b), okA && okB
}

// matching is a comparison of texts; a list holds when any member does.
func matching(do func(s, part string) bool, fold bool) func(l, r value) value {
	return func(l, r value) value {
		s := l.text()
		parts := r.list
		if parts == nil {
			parts = []string{r.text()}
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
