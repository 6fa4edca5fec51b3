package script

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"enshu/sim/libc/regex"
	"enshu/sim/rsyslog/message"
	"enshu/sim/rsyslog/template"
	"enshu/sim/wire/syslog"
)

// callExpr is a call of a function.
type callExpr struct {
	name string
	args []Expr
	fn   func(x *message.Scope, args []Expr) Value
	re   *regexp.Regexp     // of re_match and re_extract with a constant pattern
	mask Selector           // of prifilt
	tpl  *template.Template // of exec_template
	look *LookupTable       // of lookup
}

func (e *callExpr) Eval(x *message.Scope) Value {
	switch {
	case e.name == "prifilt":
		return truth(e.mask.Matches(x.Message.Facility, x.Message.Severity))
	case e.re != nil:
		s := e.args[0].Eval(x).Text()
		if strings.HasPrefix(e.name, "re_match") {
			return truth(e.re.MatchString(s))
		}
		return text(reExtract(e.re, s, e.args[2:], x))
	case e.tpl != nil:
		return text(string(e.tpl.Expand(nil, x)))
	case e.look != nil:
		return text(e.look.find(e.args[1].Eval(x)))
	case e.fn == nil:
		return number(0)
	}
	return e.fn(x, e.args)
}

func (e *callExpr) String() string {
	args := make([]string, len(e.args))
	for i, a := range e.args {
		args[i] = a.String()
	}
	return e.name + "(" + strings.Join(args, ", ") + ")"
}

// function is one of RainerScript's functions.
type function struct {
	min, max int // arguments
	do       func(x *message.Scope, args []Expr) Value
}

// functions are RainerScript's, by rsyslog's documentation.
var functions = map[string]function{
	"strlen":  {1, 1, func(x *message.Scope, a []Expr) Value { return number(int64(len(str(x, a[0])))) }},
	"tolower": {1, 1, func(x *message.Scope, a []Expr) Value { return text(template.Lower(str(x, a[0]))) }},
	"cstr":    {1, 1, func(x *message.Scope, a []Expr) Value { return text(str(x, a[0])) }},
	"cnum": {1, 1, func(x *message.Scope, a []Expr) Value {
		if c, ok := a[0].(constExpr); ok {
			return number(c.v.constant())
		}
		n, _ := a[0].Eval(x).number()
		return number(n)
	}},
	"ltrim":  {1, 1, func(x *message.Scope, a []Expr) Value { return text(strings.TrimLeft(str(x, a[0]), " ")) }},
	"rtrim":  {1, 1, func(x *message.Scope, a []Expr) Value { return text(strings.TrimRight(str(x, a[0]), " ")) }},
	"getenv": {1, 1, func(x *message.Scope, a []Expr) Value { return text(x.Env.Getenv(str(x, a[0]))) }},
	"random": {1, 1, func(x *message.Scope, a []Expr) Value {
		n, _ := a[0].Eval(x).number()
		if n <= 0 {
			return number(0)
		}
		return number(x.Env.Rand.Int64N(n))
	}},
	"wrap": {2, 3, func(x *message.Scope, a []Expr) Value {
		s, w := str(x, a[0]), str(x, a[1])
		if len(a) > 2 {
			s = strings.ReplaceAll(s, w, str(x, a[2]))
		}
		return text(w + s + w)
	}},
	"replace": {3, 3, func(x *message.Scope, a []Expr) Value {
		return text(strings.ReplaceAll(str(x, a[0]), str(x, a[1]), str(x, a[2])))
	}},
	"substring": {3, 3, func(x *message.Scope, a []Expr) Value {
		s := str(x, a[0])
		from, _ := a[1].Eval(x).number()
		length, _ := a[2].Eval(x).number()
		from = min(max(from, 0), int64(len(s)))
		if length < 0 {
			length = int64(len(s)) + length
		}
		return text(s[from : from+min(max(length, 0), int64(len(s))-from)])
	}},
	"field":        {3, 3, fieldFunction},
	"re_match":     {2, 2, nil},
	"re_match_i":   {2, 2, nil},
	"re_extract":   {5, 5, nil},
	"re_extract_i": {5, 5, nil},
	"prifilt":      {1, 1, nil},
	"exists": {1, 1, func(x *message.Scope, a []Expr) Value {
		v, ok := a[0].(*varExpr)
		return truth(ok && v.ref.Tree != 0 && x.Variable(v.ref) != nil)
	}},
	"exec_template":             {1, 1, nil},
	"previous_action_suspended": {0, 0, func(x *message.Scope, _ []Expr) Value { return truth(x.Env.PreviousSuspended) }},
	"script_error":              {0, 0, func(x *message.Scope, _ []Expr) Value { return truth(x.Env.ScriptError) }},
	"format_time":               {2, 2, formatTime},
	"parse_time": {1, 1, func(x *message.Scope, a []Expr) Value {
		t, ok := parseTime(str(x, a[0]), x.Env.Now())
		if x.Env.ScriptError = !ok; !ok {
			return number(0)
		}
		return number(t.Unix())
	}},
	"is_time": {1, 2, func(x *message.Scope, a []Expr) Value {
		form := ""
		if len(a) > 1 {
			form = str(x, a[1])
		}
		v := a[0].Eval(x)
		ok := v.IsNum && (form == "" || form == "date-unix")
		if !v.IsNum {
			ok = isTime(v.Text(), form, x.Env.Now())
		}
		x.Env.ScriptError = !ok
		return truth(ok)
	}},
	"num2ipv4": {1, 1, func(x *message.Scope, a []Expr) Value {
		n, ok := a[0].Eval(x).number()
		if !ok || n < 0 || n > 1<<32-1 {
			return text("-1")
		}
		return text(fmt.Sprintf("%d.%d.%d.%d", n>>24, n>>16&255, n>>8&255, n&255))
	}},
	"ipv42num": {1, 1, func(x *message.Scope, a []Expr) Value { return number(ipv4Number(str(x, a[0]))) }},
	"int2hex": {1, 1, func(x *message.Scope, a []Expr) Value {
		n, ok := a[0].Eval(x).number()
		if !ok {
			return text("NAN")
		}
		return text(strconv.FormatUint(uint64(n), 16))
	}},
	"lookup":     {2, 2, nil},
	"parse_json": {2, 2, parseJSON},
	"get_property": {2, 2, func(x *message.Scope, a []Expr) Value {
		v := a[0].Eval(x)
		if v.Node == nil {
			return v
		}
		return fromNode(v.Node.Member(str(x, a[1])))
	}},
}

func str(x *message.Scope, e Expr) string { return e.Eval(x).Text() }

// NewCall makes a call; the complaints are about what is wrong with it, and
// what goes to say is wrong with an argument. A wrong call yields 0.
func NewCall(name string, args []Expr, templates map[string]*template.Template, tables map[string]*LookupTable, say func(text string)) (Expr, []string) {
	e := &callExpr{name: name, args: args}
	f, known := functions[name]
	if !known {
		return e, []string{"function '" + name + "' not found", "Invalid function " + name}
	}
	if len(args) < f.min || len(args) > f.max {
		want := fmt.Sprint(f.min)
		switch {
		case f.min == f.max:
		case len(args) < f.min:
			want = fmt.Sprintf("at least %d", f.min)
		default:
			want = fmt.Sprintf("at most %d", f.max)
		}
		return e, []string{fmt.Sprintf("number of parameters for %s() must be %s but is %d.", name, want, len(args)), "Invalid function " + name}
	}
	e.fn = f.do
	at, shown := 1, "re_match/extract"
	switch {
	case name == "prifilt", name == "exec_template", name == "lookup":
		at, shown = 0, name
	case !strings.HasPrefix(name, "re_"):
		return e, nil
	}
	constant, ok := args[at].(constExpr)
	if !ok || constant.v.IsNum {
		e.fn = nil
		switch name {
		case "lookup":
			return e, []string{"table name (param 1) of lookup() must be a constant string"}
		case "exec_template":
			return e, []string{"exec_template(): param 1 must be a constant string"}
		}
		return e, []string{fmt.Sprintf("param %d of %s() must be a constant string", at+1, shown)}
	}
	switch pattern := constant.v.Text(); {
	case name == "prifilt":
		mask, complaint := ParseSelector(pattern)
		if e.mask = mask; complaint != "" {
			say(complaint)
		}
	case name == "lookup":
		if e.look = tables[pattern]; e.look == nil {
			return e, []string{"lookup table '" + pattern + "' not found (used in function: lookup)"}
		}
	case name == "exec_template":
		if e.tpl = templates[pattern]; e.tpl == nil {
			return e, []string{"exec_template(): template '" + pattern + "' could not be found"}
		}
	default:
		re, err := regex.Compile(pattern, strings.HasSuffix(name, "_i"))
		if err != nil {
			return e, []string{"cannot compile regex '" + pattern + "': " + err.Error()}
		}
		e.re = re
	}
	return e, nil
}

// reExtract is re_extract(text, pattern, match, submatch, otherwise).
func reExtract(re *regexp.Regexp, s string, args []Expr, x *message.Scope) string {
	want, _ := args[0].Eval(x).number()
	sub, _ := args[1].Eval(x).number()
	for n := int64(0); ; n++ {
		m := re.FindStringSubmatchIndex(s)
		if m == nil || want < 0 || sub < 0 || 2*sub+1 >= int64(len(m)) {
			break
		}
		if n == want {
			if m[2*sub] < 0 {
				break
			}
			return s[m[2*sub]:m[2*sub+1]]
		}
		if m[1] == 0 { // it would match there for ever
			n = want - 1
		}
		s = s[m[1]:]
	}
	return str(x, args[2])
}

// fieldFunction is field(text, delimiter, number); the delimiter is a text or
// the number of a character.
func fieldFunction(x *message.Scope, a []Expr) Value {
	d := a[1].Eval(x)
	delimiter := d.Text()
	if d.IsNum {
		delimiter = string([]byte{byte(d.n)})
	}
	n, _ := a[2].Eval(x).number()
	if delimiter == "" {
		return text("")
	}
	if s, ok := template.Field(str(x, a[0]), delimiter, int(min(n, 1<<16))); ok {
		return text(s)
	}
	return text("***FIELD NOT FOUND***")
}

// ipv4Number reads an address with blanks around it; -1 is none. As in the real
// daemon a part may be more than 255.
func ipv4Number(s string) int64 {
	parts := strings.Split(strings.Trim(s, " "), ".")
	if len(parts) != 4 {
		return -1
	}
	n := uint32(0)
	for _, part := range parts {
		if part == "" || strings.Trim(part, "0123456789") != "" {
			return -1
		}
		value, _ := strconv.ParseUint(part, 10, 32)
		n = n<<8 + uint32(value)
	}
	return int64(n)
}

// parseTime reads a time in the form of RFC 3339 or 3164; what follows it does not
// matter.
func parseTime(s string, now time.Time) (time.Time, bool) {
	t, _, ok := syslog.ParseRFC3339(s + " ")
	if !ok {
		t, _, ok = syslog.ParseRFC3164(s+" ", syslog.TimeOf(now, 0))
	}
	return t.Time(), ok
}

// isTime reports whether a text is a time in one form or, when none is named, in any.
func isTime(s, form string, now time.Time) bool {
	_, _, is3339 := syslog.ParseRFC3339(s + " ")
	_, _, is3164 := syslog.ParseRFC3164(s+" ", syslog.TimeOf(now, 0))
	_, isUnix := decimal(s)
	switch form {
	case "":
		return is3339 || is3164 || isUnix
	case "date-rfc3339":
		return is3339
	case "date-rfc3164":
		return is3164
	case "date-unix":
		return isUnix
	}
	return false
}

func formatTime(x *message.Scope, a []Expr) Value {
	n, ok := a[0].Eval(x).number()
	if !ok {
		return text(str(x, a[0]))
	}
	at := time.Unix(n, 0).UTC()
	switch str(x, a[1]) {
	case "date-rfc3164":
		return text(at.Format(time.Stamp))
	case "date-rfc3339":
		return text(at.Format("2006-01-02T15:04:05Z"))
	case "date-unix":
		return text(strconv.FormatInt(n, 10))
	}
	return text(str(x, a[0]))
}

// parseJSON is parse_json(text, "\$!name"): 0 when it was JSON.
func parseJSON(x *message.Scope, a []Expr) Value {
	ref, ok := message.ParseProperty(strings.TrimPrefix(str(x, a[1]), "$"))
	if !ok || ref.Tree == 0 {
		return number(1)
	}
	s := str(x, a[0])
	n, err := message.ReadJSON(strings.NewReader(s))
	if err != nil || n.Leaf && strings.HasSuffix(s, n.Value) && n.Plain { // a number that may go on
		return number(1)
	}
	x.Assign(ref, n)
	return number(0)
}
