package rsyslog

import (
	"strings"

	"enshu/sim/trace"
	"enshu/sim/wire/syslog"
)

// maxCalls bounds how deep rulesets call each other.
const maxCalls = 100

// exec runs a list of statements on a message. filtered says that a filter let
// the message through to it. It reports whether the message is done with.
func (w *worker) exec(list []*stmt, m *message, filtered bool, depth int) (stop bool) {
	if depth > maxCalls {
		return true
	}
	for _, s := range list {
		switch s.kind {
		case sAction:
			if m.traced && !filtered {
				w.tell(trace.RuleMatched, s, list, m)
			}
			w.offer(w.d.actions[s.action], m)
		case sStop:
			return true
		case sSelector:
			ok := s.mask.matches(m.Facility, m.Severity)
			if m.traced && (ok || concerns(s, m)) {
				w.verdict(ok, s, m)
			}
			if ok && w.exec(s.then, m, true, depth) {
				return true
			}
		case sProperty:
			ok, complaint := s.property.matches(w.scope(m))
			if complaint != "" {
				w.d.report(syslog.Err, codeNone, complaint)
			}
			if m.traced {
				w.verdict(ok, s, m)
			}
			if ok && w.exec(s.then, m, true, depth) {
				return true
			}
		case sIf:
			ok := s.cond.eval(w.scope(m)).bool()
			if m.traced {
				w.verdict(ok, s, m)
			}
			branch := s.then
			if !ok {
				branch = s.els
			}
			if w.exec(branch, m, true, depth) {
				return true
			}
		case sForeach:
			if w.foreach(s, m, depth) {
				return true
			}
		case sSet:
			x := w.scope(m)
			v := s.cond.eval(x)
			n := v.node.clone()
			if n == nil {
				n = &node{leaf: true, value: v.text(), plain: v.isNum}
			}
			x.assign(s.variable, n)
		case sUnset:
			root := w.scope(m).root(s.variable.tree)
			if len(s.variable.path) == 0 {
				*root = nil
			} else {
				(*root).remove(s.variable.path)
			}
		case sCall:
			if w.exec(s.ruleset.rules, m, filtered, depth+1) {
				return true
			}
		case sCallIndirect:
			if r := w.d.conf.rulesets[s.cond.eval(w.scope(m)).text()]; r != nil {
				if w.exec(r.rules, m, filtered, depth+1) {
					return true
				}
			}
		}
	}
	return false
}

// foreach runs its block for each member of a JSON list or object.
func (w *worker) foreach(s *stmt, m *message, depth int) (stop bool) {
	v := s.cond.eval(w.scope(m))
	if depth > maxCalls {
		return false
	}
	kids := []*node{}
	switch {
	case v.node != nil && v.node.isList:
		kids = v.node.kids
	case v.node != nil && !v.node.leaf:
		for i, name := range v.node.names {
			kids = append(kids, &node{names: []string{"key", "value"}, kids: []*node{{leaf: true, value: name}, v.node.kids[i]}})
		}
	}
	for _, k := range kids {
		w.scope(m).assign(s.variable, k)
		if w.exec(s.then, m, true, depth+1) {
			return true
		}
	}
	return false
}

// concerns reports whether a selector that did not match is about the
// message's facility.
func concerns(s *stmt, m *message) bool {
	return s.mask[m.Facility] != 0 || strings.Contains(s.text, m.Facility.String())
}

func (w *worker) verdict(ok bool, s *stmt, m *message) {
	kind := trace.RuleMissed
	if ok {
		kind = trace.RuleMatched
	}
	w.tell(kind, s, s.then, m)
}

// tell tells the trace of a rule.
func (w *worker) tell(kind trace.Kind, s *stmt, then []*stmt, m *message) {
	action := ""
	for _, t := range then {
		switch t.kind {
		case sAction:
			action = w.d.actions[t.action].text
		case sStop:
			action = "stop"
		}
		if action != "" {
			break
		}
	}
	if s.kind == sAction {
		action = w.d.actions[s.action].text
	}
	w.d.p.Emit(kind, trace.Attrs{"rule": s.pos.String(), "selector": s.text, "action": action, "text": m.Text, "tag": m.Tag,
		"facility": facilityName(m.Facility), "severity": m.Severity.String()})
}
