package trace

import (
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
)

// near is how far from a message or mail, in true time, what the network did
// to it is looked for.
const near = 5 * time.Second

// together is how far apart two records of one moment may be.
const together = 50 * time.Millisecond

// StoryAbout returns the events of the messages and mails that a text names, in
// order, on all hosts: mails by queue id, message-id, subject or address, and, when
// no mail is meant, log messages by a part of their text.
func StoryAbout(events []Event, text string) []Event {
	holds := func(e Event, attrs ...string) bool {
		return slices.ContainsFunc(attrs, func(a string) bool { return strings.Contains(e.Attrs[a], text) })
	}
	var mails, messages []int
	for i, e := range events {
		switch {
		case e.Kind == MailSubmitted || e.Kind == MailAccepted || e.Kind == MailRejected:
			if holds(e, "id", "message-id", "subject", "sender", "recipients", "from", "to") {
				mails = append(mails, i)
			}
		case e.Kind == AliasMissed:
			// smtpd refuses a recipient before there is a mail that it is of.
			if strings.HasPrefix(text, e.Attrs["from"]+"@") {
				mails = append(mails, i)
			}
		case isMessage(e.Kind) && holds(e, "text"):
			messages = append(messages, i)
		}
	}
	if len(mails) > 0 {
		return story(events, mails)
	}
	return story(events, messages)
}

// StoryOf returns the events of the message or mail that the event of a number
// belongs to; an event of neither is its own story.
func StoryOf(events []Event, seq uint64) []Event {
	i := slices.IndexFunc(events, func(e Event) bool { return e.Seq == seq })
	if i < 0 {
		return nil
	}
	return story(events, []int{i})
}

func isMessage(k Kind) bool {
	switch k {
	case MessageLogged, MessageReceived, RuleMatched, RuleMissed, MessageSent, MessageWritten, MessageDropped:
		return true
	}
	return false
}

// story joins to some events all that share a key with them, and so on, and
// what the network did to those.
func story(events []Event, from []int) []Event {
	keys := joints(events)
	having := map[string][]int{}
	for i, ks := range keys {
		for _, k := range ks {
			having[k] = append(having[k], i)
		}
	}
	in := make([]bool, len(events))
	for queue := slices.Clone(from); len(queue) > 0; queue = queue[1:] {
		i := queue[0]
		if in[i] {
			continue
		}
		in[i] = true
		for _, k := range keys[i] {
			queue = append(queue, having[k]...)
			delete(having, k)
		}
	}
	joinNetwork(events, in)
	joinRotated(events, in)
	var told []Event
	for i, e := range events {
		if in[i] {
			told = append(told, e)
		}
	}
	return told
}

// noQueue is the queue id of what smtpd refuses before it has one.
const noQueue = "NOQUEUE"

// joints returns for each event the keys by which it belongs to others: the text
// of a message, the queue ids of a host and the message-id of a mail.
func joints(events []Event) [][]string {
	keys := make([][]string, len(events))
	var submitted []int // not yet accepted
	for i, e := range events {
		add := func(kind, value string) {
			if value != "" {
				keys[i] = append(keys[i], kind+" "+value)
			}
		}
		switch {
		case isMessage(e.Kind):
			add("text", strings.TrimSpace(e.Attrs["text"])) // a receiver has the space behind the tag
			continue
		case strings.HasPrefix(string(e.Kind), "mail-") || e.Kind == AliasExpanded || e.Kind == AliasMissed:
		default:
			continue
		}
		add("message-id", e.Attrs["message-id"])
		for _, a := range []string{"id", "to-id", "bounce-id"} {
			if id := e.Attrs[a]; id != "" && id != noQueue {
				add("queue", e.Host+" "+id)
			}
		}
		// sendmail(1) knows no queue id yet; its mail is the next of that subject.
		switch e.Kind {
		case MailSubmitted:
			submitted = append(submitted, i)
		case MailAccepted:
			at := slices.IndexFunc(submitted, func(j int) bool {
				s := events[j]
				return e.Attrs["from"] == "" && s.Host == e.Host && s.Attrs["subject"] == e.Attrs["subject"]
			})
			if at >= 0 {
				keys[submitted[at]] = append(keys[submitted[at]], "queue "+e.Host+" "+e.Attrs["id"])
				submitted = slices.Delete(submitted, at, at+1)
			}
		}
	}
	return keys
}

// joinNetwork adds the connections that failed for what is in the story, and
// the packets to the same addresses that a filter refused.
func joinNetwork(events []Event, in []bool) {
	var targets []Event // what was sent somewhere, or failed to be
	for i, e := range events {
		if e.Kind == ConnectFailed && !in[i] {
			in[i] = slices.ContainsFunc(around(events, in, e.At), func(s Event) bool { return failedFor(e, s) })
		}
		switch {
		case !in[i]:
		case e.Kind == MessageSent || e.Kind == ConnectFailed:
			targets = append(targets, e)
		case e.Kind == RuleMatched:
			// A packet that is dropped fails nothing until the sender gives up.
			if to, over := Forward(e.Attrs["action"]); over == "tcp" {
				e.Attrs = Attrs{"to": to, "over": over}
				targets = append(targets, e)
			}
		}
	}
	for i, e := range events {
		if e.Kind == PacketRefused {
			in[i] = in[i] || slices.ContainsFunc(targets, func(t Event) bool { return refusedOf(e, t) })
		}
	}
}

var actionParameter = regexp.MustCompile(`(?i)\b(type|target|port|protocol)\s*=\s*"([^"]*)"`)

// Forward reads where the action of a rule sends to, and over what: "@host",
// "@@(o)host:port;template" or action(type="omfwd" …). Both are "" when it sends
// nothing.
func Forward(action string) (to, over string) {
	host, port, over := "", "514", "udp"
	if rest, ok := strings.CutPrefix(action, "@"); ok {
		if rest, ok = strings.CutPrefix(rest, "@"); ok {
			over = "tcp"
		}
		if i := strings.IndexByte(rest, ')'); strings.HasPrefix(rest, "(") && i > 0 {
			rest = rest[i+1:]
		}
		host, _, _ = strings.Cut(rest, ";")
		if h, p, err := net.SplitHostPort(host); err == nil {
			host, port = h, p
		}
	} else {
		omfwd := false
		for _, m := range actionParameter.FindAllStringSubmatch(action, -1) {
			switch strings.ToLower(m[1]) {
			case "type":
				omfwd = m[2] == "omfwd"
			case "target":
				host = m[2]
			case "port":
				port = m[2]
			case "protocol":
				over = strings.ToLower(m[2])
			}
		}
		if !omfwd {
			host = ""
		}
	}
	if host == "" {
		return "", ""
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), port), over
}

// refusedOf reports whether a packet that a filter refused was one of what was
// sent, or of the attempt to connect.
func refusedOf(e, t Event) bool {
	over := t.Attrs["over"]
	if over != "" && over != e.Attrs["protocol"] || !sameAddress(t.Attrs["to"], e.Attrs["to"]) {
		return false
	}
	after := e.At.Sub(t.At)
	if over == "udp" { // it was sent before it was refused, if only just
		return after >= -together && after <= near && (t.Attrs["from"] == "" || t.Attrs["from"] == e.Attrs["from"])
	}
	return after.Abs() <= near // an attempt has failed after its packet was refused
}

// joinRotated adds where the files went that a message was written to.
func joinRotated(events []Event, in []bool) {
	type file struct{ host, name string }
	held := map[file]bool{}
	for i, e := range events {
		switch {
		case e.Kind == MessageWritten && in[i]:
			held[file{e.Host, e.Attrs["file"]}] = true
		case e.Kind == FileRotated && held[file{e.Host, e.Attrs["from"]}]:
			in[i] = true
			delete(held, file{e.Host, e.Attrs["from"]})
			held[file{e.Host, e.Attrs["to"]}] = true
		}
	}
}

// around returns the events of the story near a time.
func around(events []Event, in []bool, at time.Time) []Event {
	var list []Event
	first, _ := slices.BinarySearchFunc(events, at.Add(-near), func(e Event, t time.Time) int { return e.At.Compare(t) })
	for i := first; i < len(events) && !events[i].At.After(at.Add(near)); i++ {
		if in[i] {
			list = append(list, events[i])
		}
	}
	return list
}

// failedFor reports whether a connection failed for the sake of an event near
// it: rsyslog's for the rule that matched, an MTA's for the mail that its process
// then put off.
func failedFor(e, s Event) bool {
	if e.Host != s.Host {
		return false
	}
	switch s.Kind {
	case RuleMatched:
		return e.Attrs["rule"] != "" && e.Attrs["rule"] == s.Attrs["rule"] && !e.At.Before(s.At)
	case MailDeferred, MailBounced, MailSent:
		return e.Attrs["rule"] == "" && e.Program == s.Program && e.PID == s.PID && e.Seq < s.Seq
	}
	return false
}

// sameAddress reports whether "to" of a connection is that of a packet. A name
// may stand for any address.
func sameAddress(to, packet string) bool {
	host, port, err1 := net.SplitHostPort(to)
	ip, pport, err2 := net.SplitHostPort(packet)
	if err1 != nil || err2 != nil || port != pport {
		return false
	}
	_, err := netip.ParseAddr(host)
	return host == ip || err != nil
}
