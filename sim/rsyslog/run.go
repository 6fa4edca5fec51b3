package rsyslog

import (
	"strings"

	"enshu/sim/rsyslog/config"
	"enshu/sim/rsyslog/message"
	"enshu/sim/rsyslog/script"
	"enshu/sim/trace"
	"enshu/sim/wire/syslog"
)

// maxCalls bounds how deep rulesets call each other.
const maxCalls = 100

// exec runs a list of statements on a message. filtered says that a filter let
// the message through to it. It reports whether the message is done with.
func (w *worker) exec(list []*script.Statement, m *message.Message, filtered bool, depth int) (stop bool) {
	if depth > maxCalls {
		return true
	}
	for _, s := range list {
		switch s.Kind {
		case script.DoAction:
			if m.Traced && !filtered {
				w.tell(trace.RuleMatched, s, list, m)
			}
			w.offer(w.d.actions[s.Action], m)
		case script.DoStop:
			return true
		case script.IfSelector:
			ok := s.Mask.Matches(m.Facility, m.Severity)
			if m.Traced && (ok || concerns(s, m)) {
				w.verdict(ok, s, m)
			}
			if ok && w.exec(s.Then, m, true, depth) {
				return true
			}
		case script.IfProperty:
			ok, complaint := s.Property.Matches(w.scope(m))
			if complaint != "" {
				w.d.Report(syslog.Err, config.CodeNone, complaint)
			}
			if m.Traced {
				w.verdict(ok, s, m)
			}
			if ok && w.exec(s.Then, m, true, depth) {
				return true
			}
		case script.IfExpr:
			ok := s.Cond.Eval(w.scope(m)).Holds()
			if m.Traced {
				w.verdict(ok, s, m)
			}
			branch := s.Then
			if !ok {
				branch = s.Else
			}
			if w.exec(branch, m, true, depth) {
				return true
			}
		case script.DoForeach:
			if w.foreach(s, m, depth) {
				return true
			}
		case script.DoSet:
			x := w.scope(m)
			v := s.Cond.Eval(x)
			n := v.Node.Clone()
			if n == nil {
				n = &message.Node{Leaf: true, Value: v.Text(), Plain: v.IsNum}
			}
			x.Assign(s.Variable, n)
		case script.DoUnset:
			root := w.scope(m).Root(s.Variable.Tree)
			if len(s.Variable.Path) == 0 {
				*root = nil
			} else {
				(*root).Remove(s.Variable.Path)
			}
		case script.DoCall:
			if w.exec(s.Ruleset.Rules, m, filtered, depth+1) {
				return true
			}
		case script.DoCallIndirect:
			if r := w.d.conf.Rulesets[s.Cond.Eval(w.scope(m)).Text()]; r != nil {
				if w.exec(r.Rules, m, filtered, depth+1) {
					return true
				}
			}
		}
	}
	return false
}

// foreach runs its block for each member of a JSON list or object.
func (w *worker) foreach(s *script.Statement, m *message.Message, depth int) (stop bool) {
	v := s.Cond.Eval(w.scope(m))
	if depth > maxCalls {
		return false
	}
	kids := []*message.Node{}
	switch {
	case v.Node != nil && v.Node.IsList:
		kids = v.Node.Kids
	case v.Node != nil && !v.Node.Leaf:
		for i, name := range v.Node.Names {
			kids = append(kids, &message.Node{Names: []string{"key", "value"}, Kids: []*message.Node{{Leaf: true, Value: name}, v.Node.Kids[i]}})
		}
	}
	for _, k := range kids {
		w.scope(m).Assign(s.Variable, k)
		if w.exec(s.Then, m, true, depth+1) {
			return true
		}
	}
	return false
}

// concerns reports whether a selector that did not match is about the
// message's facility.
func concerns(s *script.Statement, m *message.Message) bool {
	return s.Mask[m.Facility] != 0 || strings.Contains(s.Text, m.Facility.String())
}

func (w *worker) verdict(ok bool, s *script.Statement, m *message.Message) {
	kind := trace.RuleMissed
	if ok {
		kind = trace.RuleMatched
	}
	w.tell(kind, s, s.Then, m)
}

// tell tells the trace of a rule.
func (w *worker) tell(kind trace.Kind, s *script.Statement, then []*script.Statement, m *message.Message) {
	action := ""
	for _, t := range then {
		switch t.Kind {
		case script.DoAction:
			action = w.d.actions[t.Action].Text
		case script.DoStop:
			action = "stop"
		}
		if action != "" {
			break
		}
	}
	if s.Kind == script.DoAction {
		action = w.d.actions[s.Action].Text
	}
	w.d.p.Emit(kind, trace.Attrs{"rule": s.Pos.String(), "selector": s.Text, "action": action, "text": m.Text, "tag": m.Tag,
		"facility": message.FacilityName(m.Facility), "severity": m.Severity.String()})
}
