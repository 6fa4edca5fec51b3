package script

import (
	"fmt"
	"strings"

	"enshu/sim/rsyslog/message"
	"enshu/sim/wire/syslog"
)

// Optimize does what can be done with an expression before there is a message, as
// the real daemon does once its whole configuration is read: operations on
// constants, where numbers are read otherwise than later on, and names of
// facilities and severities. What is compared with something that does not exist
// goes to say. Arguments of functions stay as they are.
func Optimize(e Expr, say func(text string)) Expr {
	switch e := e.(type) {
	case *notExpr:
		return &notExpr{Optimize(e.e, say)}
	case *binaryExpr:
		e.l, e.r = Optimize(e.l, say), Optimize(e.r, say)
		l, isConst := e.l.(constExpr)
		r, too := e.r.(constExpr)
		switch {
		case isConst && too && arithmetic[e.op] != nil && !e.unary:
			return constExpr{number(arithmetic[e.op](l.v.constant(), r.v.constant()))}
		case isConst && too && e.op == "&":
			return constExpr{text(l.v.Text() + r.v.Text())}
		}
		if v, ok := e.l.(*varExpr); ok && too && r.v.list == nil {
			name, known := v.known(e.op, r.v, say)
			if !known {
				return e
			}
			named := newBinary("==", v, constExpr{text(name)})
			if e.op == "!=" {
				return &notExpr{named}
			}
			return named
		}
	}
	return e
}

// known looks up the name of what $syslogfacility, $syslogseverity or the text of one is
// compared with: every name of a facility or severity does. A number stands for a
// facility as a priority has it.
func (e *varExpr) known(op string, v Value, say func(text string)) (name string, ok bool) {
	equality := op == "==" || op == "!="
	relation := equality || op == "<" || op == ">" || op == "<=" || op == ">="
	never := func(what string, v any) {
		say(fmt.Sprintf("invalid %s %v, expression will always evaluate to FALSE", what, v))
	}
	switch name := strings.ToLower(e.name); {
	case name == "syslogfacility" && relation && v.IsNum && (v.n < 0 || v.n >= Facilities):
		never("syslogfacility", v.n)
	case name == "syslogseverity" && relation && v.IsNum && (v.n < 0 || v.n > 7):
		never("syslogseverity", v.n)
	case name == "syslogfacility-text" && equality && !v.IsNum:
		n := Code(v.s, FacilityNames)
		if v.s != "" && v.s[0] >= '0' && v.s[0] <= '9' {
			n >>= 3
		}
		if n < 0 || n >= Facilities {
			never("facility", "'"+v.s+"'")
			break
		}
		return message.FacilityName(syslog.Facility(n)), true
	case name == "syslogseverity-text" && equality && !v.IsNum:
		n := Code(v.s, PriorityNames)
		if n < 0 || n > 7 {
			never("syslogseverity", "'"+v.s+"'")
			break
		}
		return syslog.Severity(n).String(), true
	}
	return "", false
}
