package trace_test

import (
	"net"
	"slices"
	"testing"
	"time"

	"enshu/sim/trace"
)

// TestWhereabouts has a story for each fate: how far a message of client came on
// its way to /var/log/secure of server.
func TestWhereabouts(t *testing.T) {
	const file = "/var/log/secure"
	type attrs = trace.Attrs
	type step struct {
		host string
		kind trace.Kind
		attrs
	}
	logged := step{"client", trace.MessageLogged, attrs{"text": "hi", "facility": "authpriv", "severity": "info"}}
	taken := step{"client", trace.MessageReceived, attrs{"text": "hi", "input": "imjournal"}}
	forward := step{"client", trace.RuleMatched, attrs{"text": "hi", "rule": "a.conf:1", "action": "@@192.168.0.10:514"}}
	sent := step{"client", trace.MessageSent, attrs{"text": "hi", "rule": "a.conf:1", "to": "192.168.0.10:514", "over": "udp"}}
	refused := step{"server", trace.PacketRefused, attrs{"to": "192.168.0.10:514", "protocol": "udp"}}
	failed := step{"client", trace.ConnectFailed, attrs{"rule": "a.conf:1", "to": "192.168.0.10:514", "over": "tcp"}}
	arrived := step{"server", trace.MessageReceived, attrs{"text": " hi", "input": "imudp"}}
	rule := step{"server", trace.RuleMatched, attrs{"text": " hi", "rule": "r:2", "action": "-" + file}}
	written := step{"server", trace.MessageWritten, attrs{"text": " hi", "rule": "r:2", "file": file}}
	other := step{"client", trace.MessageWritten, attrs{"text": "hi", "rule": "r:2", "file": file}}
	stories := map[trace.Fate]struct {
		steps []step
		shown int // the step that shows it
	}{
		trace.NeverLogged: {[]step{arrived}, -1},
		trace.NotTaken:    {[]step{logged}, 0},
		trace.NoForward:   {[]step{logged, taken, other}, 0},
		trace.Elsewhere:   {[]step{logged, taken, {"client", trace.MessageSent, attrs{"text": "hi", "to": "192.168.0.99:514", "over": "udp"}}}, 2},
		trace.Unselected:  {[]step{logged, taken, {"client", trace.RuleMissed, attrs{"text": "hi", "action": "@@(o)server:514;T", "selector": "mail.*"}}, other}, 2},
		trace.Dropped:     {[]step{logged, {"client", trace.MessageDropped, attrs{"text": "hi", "reason": "imuxsock: rate limit"}}}, 1},
		trace.Suspended:   {[]step{logged, taken, forward, {"client", trace.MessageDropped, attrs{"text": "hi", "rule": "a.conf:1", "to": "@@192.168.0.10:514", "reason": "action suspended"}}}, 3},
		trace.Refused:     {[]step{logged, taken, forward, failed}, 3},
		trace.Filtered:    {[]step{logged, taken, forward, sent, refused}, 4},
		trace.Unheard:     {[]step{logged, taken, forward, sent, other}, 3},
		trace.Waiting:     {[]step{logged, taken, forward, other}, 2},
		trace.Discarded:   {[]step{logged, taken, forward, sent, arrived, {"server", trace.RuleMatched, attrs{"text": " hi", "rule": "s.conf:1", "action": "stop"}}}, 5},
		trace.NoRule:      {[]step{logged, taken, forward, sent, arrived, {"server", trace.RuleMatched, attrs{"text": " hi", "action": "/var/log/messages"}}}, 4},
		trace.InFile:      {[]step{logged, taken, forward, sent, arrived, rule, written}, 6},
		trace.RotatedAway: {[]step{logged, written, {"server", trace.FileRotated, attrs{"from": file, "to": file + "-20261122"}}}, 2},
	}
	hostOf := func(name string) string {
		return map[string]string{"192.168.0.10": "server", "server": "server", "192.168.0.20": "client"}[name]
	}
	play := func(steps []step) (events []trace.Event) {
		for i, s := range steps {
			events = append(events, trace.Event{Seq: uint64(i) + 1, At: time.Unix(int64(i), 0), Host: s.host, Kind: s.kind, Attrs: s.attrs})
		}
		return events
	}
	for _, fate := range trace.Fates {
		c, ok := stories[fate]
		if !ok {
			t.Errorf("%s has no story", fate)
			continue
		}
		got := trace.Whereabouts(play(c.steps), "server", file, hostOf)
		if got.Fate != fate || got.Event.Seq != uint64(c.shown+1) {
			t.Errorf("%s: %s, shown by event %d, want %d", fate, got.Fate, got.Event.Seq, c.shown+1)
		}
	}
	// A filter on the way is as good as the host's own.
	routed := step{"router", trace.PacketRefused, attrs{"to": "192.168.0.10:514", "protocol": "udp", "action": "drop"}}
	if got := trace.Whereabouts(play([]step{logged, taken, forward, sent, routed}), "server", file, hostOf); got.Fate != trace.Filtered || got.Event.Host != "router" {
		t.Errorf("dropped on the way: %v", got)
	}
	// What the first host throws away is not sent.
	stopped := play([]step{logged, taken, {"client", trace.RuleMatched, attrs{"text": "hi", "rule": "s.conf:1", "action": "stop"}}})
	if got := trace.Whereabouts(stopped, "server", file, hostOf); got.Fate != trace.Discarded {
		t.Errorf("discarded before it was sent: %v", got)
	}
	// A dropped packet fails nothing: TCP goes on trying. However the rule says it.
	dropped := step{"server", trace.PacketRefused, attrs{"to": "192.168.0.10:10514", "protocol": "tcp", "action": "drop"}}
	for _, action := range []string{"@@192.168.0.10:10514", "@@(z9,o)[192.168.0.10]:10514;T", `action(type="omfwd" Target="192.168.0.10" port="10514" protocol="tcp")`} {
		events := play([]step{logged, taken, {"client", trace.RuleMatched, attrs{"text": "hi", "rule": "a.conf:1", "action": action}}, dropped})
		if got := trace.Whereabouts(trace.StoryAbout(events, "hi"), "server", file, hostOf); got.Fate != trace.Filtered || got.Event.Seq != 4 {
			t.Errorf("%s and a filter that drops: %s, shown by event %d", action, got.Fate, got.Event.Seq)
		}
	}
	// A rule of the receiver that refused it, and one whose disk was full.
	for _, c := range []struct {
		want trace.Fate
		last step
	}{
		{trace.Unselected, step{"server", trace.RuleMissed, attrs{"text": " hi", "action": file, "selector": "mail.*"}}},
		{trace.Suspended, step{"server", trace.MessageDropped, attrs{"text": " hi", "rule": "r:2", "reason": "no space left on device"}}},
	} {
		steps := []step{logged, taken, forward, sent, arrived}
		if c.want == trace.Suspended {
			steps = append(steps, rule)
		}
		got := trace.Whereabouts(play(append(steps, c.last)), "server", file, hostOf)
		if got.Fate != c.want || got.Event.Kind != c.last.kind {
			t.Errorf("on the receiver: %s by a %s, want %s by a %s", got.Fate, got.Event.Kind, c.want, c.last.kind)
		}
	}
}

// A story is awaited while what was logged may still be taken, and for a moment
// after each step; not for ever.
func TestPending(t *testing.T) {
	logged := trace.Event{Seq: 1, At: time.Unix(10, 0), Host: "client", Kind: trace.MessageLogged}
	taken := trace.Event{Seq: 2, At: time.Unix(10, 3e8), Host: "client", Kind: trace.MessageReceived}
	for _, c := range []struct {
		story []trace.Event
		after time.Duration
		want  bool
	}{
		{nil, 0, false},
		{[]trace.Event{logged}, 900 * time.Millisecond, true},
		{[]trace.Event{logged}, 1100 * time.Millisecond, false},
		{[]trace.Event{logged, taken}, 350 * time.Millisecond, true},
		{[]trace.Event{logged, taken}, 500 * time.Millisecond, false},
	} {
		if got := trace.Pending(c.story, logged.At.Add(c.after)); got != c.want {
			t.Errorf("%d events, %v after the first: %v, want %v", len(c.story), c.after, got, c.want)
		}
	}
}

// TestStoryNetwork: packets that a filter refused belong to what was sent over
// the same transport, and rotated files to what was written to them.
func TestStoryNetwork(t *testing.T) {
	begin := time.Unix(0, 0)
	var events []trace.Event
	add := func(ms int, host string, kind trace.Kind, attrs trace.Attrs) {
		events = append(events, trace.Event{Seq: uint64(len(events)) + 1, At: begin.Add(time.Duration(ms) * time.Millisecond), Host: host, Kind: kind, Attrs: attrs})
	}
	from, to := net.JoinHostPort("192.168.0.20", "4000"), net.JoinHostPort("192.168.0.10", "514")
	add(0, "server", trace.PacketRefused, trace.Attrs{"from": from, "to": to, "protocol": "tcp"}) // 1: of an earlier message
	add(900, "server", trace.PacketRefused, trace.Attrs{"from": from, "to": to, "protocol": "udp"})
	add(1000, "client", trace.MessageLogged, trace.Attrs{"text": "hi"})
	add(1000, "client", trace.MessageSent, trace.Attrs{"text": "hi", "to": to, "from": from, "over": "udp"})
	add(1001, "server", trace.PacketRefused, trace.Attrs{"from": from, "to": to, "protocol": "udp"})                                     // 5
	add(1002, "server", trace.PacketRefused, trace.Attrs{"from": net.JoinHostPort("192.168.0.20", "4001"), "to": to, "protocol": "udp"}) // of another program
	add(1003, "client", trace.MessageWritten, trace.Attrs{"text": "hi", "file": "/f"})
	add(1004, "server", trace.FileRotated, trace.Attrs{"from": "/f", "to": "/f.1"})
	add(1005, "client", trace.FileRotated, trace.Attrs{"from": "/f", "to": "/f.1"})
	add(1006, "client", trace.FileRotated, trace.Attrs{"from": "/f.1", "to": "/f.1.gz"})
	add(1007, "client", trace.FileRotated, trace.Attrs{"from": "/f", "to": "/f.1"})
	var got []uint64
	for _, e := range trace.StoryAbout(events, "hi") {
		got = append(got, e.Seq)
	}
	if want := []uint64{3, 4, 5, 7, 9, 10}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
