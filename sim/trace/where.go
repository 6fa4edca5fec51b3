package trace

import (
	"net"
	"strings"
	"time"
)

// Fate is how far a message came on its way to a file.
type Fate string

// The fates, in the order of the way. The event of a [Finding] is named behind each.
const (
	NeverLogged Fate = "never-logged" // no program wrote it: no event
	NotTaken    Fate = "not-taken"    // rsyslogd of the first host did not read it: message-logged
	NoForward   Fate = "no-forward"   // no rule sends anything to the host: message-logged
	Elsewhere   Fate = "elsewhere"    // it was sent, but not to the host: what sent it
	Unselected  Fate = "unselected"   // the rule that would have did not match: rule-missed
	Dropped     Fate = "dropped"      // a daemon threw it away before its rules: message-dropped
	Suspended   Fate = "suspended"    // an action was given up: message-dropped
	Refused     Fate = "refused"      // no connection: connect-failed
	Filtered    Fate = "filtered"     // a packet filter was in the way: packet-refused
	Unheard     Fate = "unheard"      // sent, let in, and read by nobody: message-sent
	Waiting     Fate = "waiting"      // the rule matched and its action is still to be done: rule-matched
	Discarded   Fate = "discarded"    // a rule before it ended the work on it: rule-matched
	NoRule      Fate = "no-rule"      // no rule of the host writes to the file: message-received or -logged
	InFile      Fate = "in-file"      // it is there: message-written
	RotatedAway Fate = "rotated-away" // it was, and the file has another name now: file-rotated
)

// Fates is the list of all.
var Fates = []Fate{NeverLogged, NotTaken, NoForward, Elsewhere, Unselected, Dropped, Suspended, Refused, Filtered, Unheard, Waiting, Discarded, NoRule, InFile, RotatedAway}

// Finding says why a message is not in a file, or that it is.
type Finding struct {
	Fate  Fate
	Event Event // that shows it
}

// Whereabouts follows one message of a story to a file of a host: the last that
// a program wrote. hostOf tells whose an address or name is, "" for nobody's.
func Whereabouts(story []Event, host, file string, hostOf func(string) string) Finding {
	w := way{host: host, file: file, hostOf: hostOf}
	for _, e := range story {
		if e.Kind == MessageLogged {
			w.origin = e
		}
	}
	if w.origin.Seq == 0 {
		return Finding{Fate: NeverLogged}
	}
	for _, e := range story {
		if e.Seq >= w.origin.Seq && (!isMessage(e.Kind) || sameText(e, w.origin)) {
			w.events = append(w.events, e)
		}
	}
	if e, ok := w.last(func(e Event) bool { return e.Kind == MessageWritten && e.Host == host && e.Attrs["file"] == file }); ok {
		if r, ok := w.last(func(r Event) bool { return r.Kind == FileRotated && r.Host == host && r.Seq > e.Seq }); ok {
			return Finding{RotatedAway, r}
		}
		return Finding{InFile, e}
	}
	if _, ok := w.last(w.arrived); ok {
		return w.onHost()
	}
	return w.toHost()
}

// way is one message on its way.
type way struct {
	origin     Event
	events     []Event
	host, file string
	hostOf     func(string) string
}

func sameText(a, b Event) bool {
	return strings.TrimSpace(a.Attrs["text"]) == strings.TrimSpace(b.Attrs["text"])
}

func (w way) last(is func(Event) bool) (Event, bool) {
	for i := len(w.events) - 1; i >= 0; i-- {
		if is(w.events[i]) {
			return w.events[i], true
		}
	}
	return Event{}, false
}

// arrived reports whether an event shows the message on the host.
func (w way) arrived(e Event) bool {
	return e.Host == w.host && (e.Kind == MessageReceived || e.Kind == MessageLogged)
}

// writes reports whether an event is about a rule that writes to the file.
func (w way) writes(e Event) bool {
	action := strings.TrimPrefix(e.Attrs["action"], "-")
	return e.Host == w.host && (action == w.file || strings.HasPrefix(action, w.file+";") || strings.Contains(action, `"`+w.file+`"`))
}

// sends reports whether an event is about a transport to the host.
func (w way) sends(e Event) bool { return w.hostOf(w.target(e)) == w.host }

// target is the host part of where an event's action sends to, "" for none.
func (w way) target(e Event) string {
	to := e.Attrs["to"]
	if to == "" {
		to, _ = Forward(e.Attrs["action"])
	} else if strings.HasPrefix(to, "@") {
		to, _ = Forward(to)
	}
	if h, _, err := net.SplitHostPort(to); err == nil {
		return h
	}
	return to
}

// onHost says why a message that is on the host is not in the file.
func (w way) onHost() Finding {
	if e, ok := w.last(func(e Event) bool { return e.Kind == RuleMatched && w.writes(e) }); ok {
		if d, ok := w.last(func(d Event) bool {
			return d.Kind == MessageDropped && d.Host == w.host && d.Attrs["rule"] == e.Attrs["rule"]
		}); ok {
			return Finding{Suspended, d}
		}
		return Finding{Waiting, e}
	}
	if e, ok := w.last(func(e Event) bool { return e.Kind == RuleMissed && w.writes(e) }); ok {
		return Finding{Unselected, e}
	}
	if e, ok := w.last(func(e Event) bool { return e.Kind == MessageReceived && e.Host == w.host }); ok {
		if d, ok := w.dropped(w.host); ok {
			return Finding{Dropped, d}
		}
		if d, ok := w.discarded(w.host); ok {
			return Finding{Discarded, d}
		}
		return Finding{NoRule, e}
	}
	return w.notTaken()
}

func (w way) notTaken() Finding {
	if d, ok := w.dropped(w.origin.Host); ok {
		return Finding{Dropped, d}
	}
	return Finding{NotTaken, w.origin}
}

// dropped returns how a daemon of a host threw the message away before any rule
// had a say: its rate limit, or a full queue.
func (w way) dropped(host string) (Event, bool) {
	return w.last(func(e Event) bool { return e.Kind == MessageDropped && e.Host == host && e.Attrs["rule"] == "" })
}

// discarded returns the rule of a host that ended the work on the message, so that
// those below it had no say.
func (w way) discarded(host string) (Event, bool) {
	return w.last(func(e Event) bool {
		return e.Kind == RuleMatched && e.Host == host && (e.Attrs["action"] == "stop" || e.Attrs["action"] == "~")
	})
}

// Pending reports whether a story may go on by itself at once: nothing has taken
// what was logged yet, or something happened just now. at is the present.
func Pending(story []Event, at time.Time) bool {
	var origin, last Event
	taken := false
	for _, e := range story {
		switch {
		case e.Kind == MessageLogged:
			origin, taken = e, false
		case e.Host == origin.Host && (e.Kind == MessageReceived || e.Kind == MessageDropped):
			taken = true
		}
		last = e
	}
	if last.Seq == 0 {
		return false
	}
	if origin.Seq > 0 && !taken && at.Sub(origin.At) < readersLag {
		return true
	}
	return at.Sub(last.At) < stepLag
}

// How long the next step of a story takes at most: readers of the journal hear
// of an entry four times a second; what follows is quick.
const (
	readersLag = time.Second
	stepLag    = 150 * time.Millisecond
)

// toHost says why a message did not come to the host.
func (w way) toHost() Finding {
	if d, ok := w.dropped(w.host); ok {
		return Finding{Dropped, d}
	}
	// By the host's own filter, or by one on the way to it.
	refused, filtered := w.last(func(e Event) bool { return e.Kind == PacketRefused && (e.Host == w.host || w.sends(e)) })
	if e, ok := w.last(func(e Event) bool { return e.Kind == MessageSent && w.sends(e) }); ok {
		if filtered {
			return Finding{Filtered, refused}
		}
		return Finding{Unheard, e}
	}
	if e, ok := w.last(func(e Event) bool { return e.Kind == ConnectFailed && w.sends(e) }); ok {
		if filtered {
			return Finding{Filtered, refused}
		}
		return Finding{Refused, e}
	}
	discarded, _ := w.discarded(w.origin.Host)
	for _, step := range []struct {
		fate Fate
		is   func(Event) bool
	}{
		{Suspended, func(e Event) bool { return e.Kind == MessageDropped && w.sends(e) }},
		{Filtered, func(e Event) bool { return filtered && e.Seq == refused.Seq }},
		{Waiting, func(e Event) bool { return e.Kind == RuleMatched && w.sends(e) }},
		{Unselected, func(e Event) bool { return e.Kind == RuleMissed && w.sends(e) }},
		{Discarded, func(e Event) bool { return e.Seq == discarded.Seq }},
		{Elsewhere, func(e Event) bool {
			return (e.Kind == MessageSent || e.Kind == ConnectFailed || e.Kind == RuleMatched) && w.target(e) != ""
		}},
	} {
		if e, ok := w.last(step.is); ok {
			return Finding{step.fate, e}
		}
	}
	if _, ok := w.last(func(e Event) bool { return e.Kind == MessageReceived && e.Host == w.origin.Host }); ok {
		return Finding{NoForward, w.origin}
	}
	return w.notTaken()
}
