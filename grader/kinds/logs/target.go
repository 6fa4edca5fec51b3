package logs

import (
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"

	"enshu/grader/check"
	"enshu/sim/scenario"
	"enshu/sim/trace"
)

// target is where a forwarding rule sends to.
type target struct {
	host string
	port scenario.Port
	rule string
	err  string // why the last attempt failed
}

func (t target) String() string { return net.JoinHostPort(t.host, strconv.Itoa(int(t.port.Number))) }

var omfwdParam = regexp.MustCompile(`(?i)\b(target|port|protocol)\s*=\s*"([^"]*)"`)

// actionTarget reads a forwarding action: "@@host:port" or omfwd's parameters.
func actionTarget(action string) (t target, ok bool) {
	t.port = scenario.Port{Number: 514, Transport: "udp"}
	if rest, legacy := strings.CutPrefix(action, "@"); legacy {
		if rest, legacy = strings.CutPrefix(rest, "@"); legacy {
			t.port.Transport = "tcp"
		}
		if _, after, options := strings.Cut(rest, ")"); options && strings.HasPrefix(rest, "(") {
			rest = after
		}
		rest, _, _ = strings.Cut(rest, ";")
		t.host = rest
		if host, port, err := net.SplitHostPort(rest); err == nil {
			t.host = host
			fmt.Sscan(port, &t.port.Number)
		}
		t.host = strings.Trim(t.host, "[]")
		return t, t.host != ""
	}
	for _, m := range omfwdParam.FindAllStringSubmatch(action, -1) {
		switch strings.ToLower(m[1]) {
		case "target":
			t.host = m[2]
		case "port":
			fmt.Sscan(m[2], &t.port.Number)
		case "protocol":
			t.port.Transport = strings.ToLower(m[2])
		}
	}
	return t, t.host != ""
}

// eventTarget reads where an event says that something was sent or tried.
func eventTarget(e trace.Event) (t target, ok bool) {
	i := strings.LastIndexByte(e.Attrs["to"], ':')
	if i < 0 {
		return t, false
	}
	t = target{host: strings.Trim(e.Attrs["to"][:i], "[]"), rule: e.Attrs["rule"], err: e.Attrs["error"]}
	t.port.Transport = e.Attrs["over"]
	fmt.Sscan(e.Attrs["to"][i+1:], &t.port.Number)
	return t, true
}

// target returns where the message went or should have gone: of several, what
// is meant for the receiver.
func (w *logWalk) target() (target, bool) {
	var all []target
	sent, failed := w.sends()
	for _, e := range sent {
		if t, ok := eventTarget(e); ok {
			all = append(all, t)
		}
	}
	if failed != nil {
		if t, ok := eventTarget(*failed); ok {
			all = append(all, t)
			w.Evidence = append(w.Evidence, failed.Seq)
		}
	}
	for _, e := range check.Pick(w.v.About(), w.sender, trace.RuleMatched) {
		if t, ok := actionTarget(e.Attrs["action"]); ok && forwarding(e.Attrs["action"]) {
			t.rule = e.Attrs["rule"]
			all = append(all, t)
		}
	}
	for _, t := range all {
		if w.isReceiver(t.host) {
			return t, true
		}
	}
	if len(all) == 0 {
		return target{}, false
	}
	return all[0], true
}
