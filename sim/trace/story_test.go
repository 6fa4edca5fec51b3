package trace_test

import (
	"slices"
	"testing"
	"time"

	"enshu/sim/trace"
)

func TestStory(t *testing.T) {
	var events []trace.Event
	begin := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	add := func(seconds int, host, program string, pid int, kind trace.Kind, attrs ...string) {
		e := trace.Event{Seq: uint64(len(events)) + 1, At: begin.Add(time.Duration(seconds) * time.Second), Host: host, Program: program, PID: pid, Kind: kind, Attrs: map[string]string{}}
		for i := 0; i < len(attrs); i += 2 {
			if !slices.Contains(trace.Kinds[kind], attrs[i]) {
				t.Fatalf("%s has no attribute %q", kind, attrs[i])
			}
			e.Attrs[attrs[i]] = attrs[i+1]
		}
		events = append(events, e)
	}
	add(0, "client", "logger", 9, trace.MessageLogged, "text", "hello")                                                     // 1
	add(0, "client", "rsyslogd", 5, trace.RuleMatched, "text", "hello", "rule", "f:60")                                     // 2
	add(0, "client", "rsyslogd", 5, trace.ConnectFailed, "to", "192.168.0.10:514", "rule", "f:60")                          // 3
	add(0, "server", "kernel", 0, trace.PacketRefused, "from", "192.168.0.20:40000", "to", "192.168.0.10:514")              // 4
	add(0, "server", "kernel", 0, trace.PacketRefused, "from", "192.168.0.20:40000", "to", "192.168.0.10:25")               // 5
	add(0, "client", "rsyslogd", 5, trace.ConnectFailed, "to", "192.168.0.30:514", "rule", "f:61")                          // 6
	add(60, "client", "rsyslogd", 5, trace.ConnectFailed, "to", "192.168.0.10:514", "rule", "f:60")                         // 7
	add(90, "client", "rsyslogd", 5, trace.MessageSent, "text", "hello", "to", "192.168.0.10:514")                          // 8
	add(90, "server", "rsyslogd", 6, trace.MessageWritten, "text", "hello", "file", "/var/log/messages")                    // 9
	add(100, "client", "logger", 9, trace.MessageLogged, "text", "hello again")                                             // 10
	add(200, "mx", "sendmail", 1, trace.MailSubmitted, "subject", "s", "sender", "root")                                    // 11
	add(200, "mx", "sendmail", 2, trace.MailSubmitted, "subject", "other", "sender", "root")                                // 12
	add(201, "mx", "cleanup", 3, trace.MailAccepted, "id", "A1", "message-id", "<1@mx>", "subject", "s")                    // 13
	add(201, "mx", "smtp", 4, trace.ConnectFailed, "to", "10.0.0.2:25")                                                     // 14
	add(201, "mx", "smtp", 4, trace.MailDeferred, "id", "A1")                                                               // 15
	add(201, "mx", "smtp", 7, trace.ConnectFailed, "to", "10.0.0.9:25")                                                     // 16
	add(300, "mx", "smtp", 4, trace.MailSent, "id", "A1")                                                                   // 17
	add(300, "b", "cleanup", 3, trace.MailAccepted, "id", "B1", "message-id", "<1@mx>", "subject", "s", "from", "10.0.0.1") // 18
	add(300, "b", "local", 8, trace.AliasExpanded, "id", "B1", "from", "x", "to", "y@mx")                                   // 19
	add(300, "b", "local", 8, trace.MailForwarded, "id", "B1", "to-id", "B2")                                               // 20
	add(301, "b", "smtp", 8, trace.MailBounced, "id", "B2", "bounce-id", "B3")                                              // 21
	add(301, "c", "local", 8, trace.MailDelivered, "id", "B2")                                                              // 22: another host's B2
	add(302, "b", "cleanup", 3, trace.MailAccepted, "id", "B3", "message-id", "<2@b>", "subject", "Undelivered")            // 23
	add(303, "mx", "postfix/x", 3, trace.MessageLogged, "text", "A1: removed")                                              // 24
	mail := []uint64{11, 13, 14, 15, 17, 18, 19, 20, 21, 23}
	for _, c := range []struct {
		about string
		seq   uint64
		want  []uint64
	}{
		{about: "hello again", want: []uint64{10}},
		{seq: 9, want: []uint64{1, 2, 3, 4, 8, 9}},
		{about: "hello", want: []uint64{1, 2, 3, 4, 8, 9, 10}},
		{about: "A1", want: mail},
		{about: "<2@b>", want: mail},
		{seq: 21, want: mail},
		{seq: 12, want: []uint64{12}},
		{seq: 22, want: []uint64{22}},
		{seq: 24, want: []uint64{24}},
		{seq: 5, want: []uint64{5}},
		{seq: 99},
		{about: "nothing of the kind"},
	} {
		var told []trace.Event
		if c.seq > 0 {
			told = trace.StoryOf(events, c.seq)
		} else {
			told = trace.StoryAbout(events, c.about)
		}
		var got []uint64
		for _, e := range told {
			got = append(got, e.Seq)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("story of %q %d: %v, want %v", c.about, c.seq, got, c.want)
		}
	}
}
