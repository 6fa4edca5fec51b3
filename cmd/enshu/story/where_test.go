package story

import (
	"fmt"
	"strings"
	"testing"

	"enshu/sim/trace"
)

var twoHosts = []Host{{Name: "server", Addresses: []string{"192.168.0.10/24"}}, {Name: "client", Addresses: []string{"192.168.0.20/24"}}}

func TestQuestion(t *testing.T) {
	for _, c := range []struct {
		text, about string
		where       place
		ok          bool
	}{
		{"why is it not in /var/log/secure on server", "", place{"server", "/var/log/secure"}, true},
		{`why is "test 1" not in /var/log/maillog on client?`, "test 1", place{"client", "/var/log/maillog"}, true},
		{"「認証 テスト」が server の /var/log/secure にないのはなぜですか。", "認証 テスト", place{"server", "/var/log/secure"}, true},
		{"serverの/var/log/secureに届かない", "", place{"server", "/var/log/secure"}, true},
		{"why is it not in /var/log/secure on servers", "", place{"", "/var/log/secure"}, false},
		{"what became of server", "", place{"server", ""}, false},
	} {
		about, where, ok := question(c.text, twoHosts)
		if about != c.about || where != c.where || ok != c.ok {
			t.Errorf("%s: %q %v %v", c.text, about, where, ok)
		}
	}
	for text, want := range map[string]string{
		"server:/var/log/messages": "",
		"other:/var/log/messages":  `no host "other" in this lab`,
		"server":                   `"server" is not HOST:FILE, such as server:/var/log/messages`,
		"server:messages":          `"server:messages" is not HOST:FILE, such as server:/var/log/messages`,
	} {
		if _, err := placeOf(text, twoHosts); err == nil && want != "" || err != nil && err.Error() != want {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// TestLastWritten: "it" is what somebody wrote with logger, whatever daemons said since.
func TestLastWritten(t *testing.T) {
	logged := func(program, text string) trace.Event {
		return trace.Event{Kind: trace.MessageLogged, Program: program, Attrs: trace.Attrs{"text": text}}
	}
	events := []trace.Event{logged("systemd", "a"), logged("logger", "b"), logged("crond", "c")}
	if got := lastWritten(events); got != "b" {
		t.Errorf("%q", got)
	}
	if got := lastWritten(events[:1]); got != "a" {
		t.Errorf("without logger: %q", got)
	}
}

// TestFates holds what is told of each fate, in both languages, to the golden
// file, and nothing of it may be left to fill in.
func TestFates(t *testing.T) {
	logged := trace.Attrs{"facility": "authpriv", "severity": "info", "text": "test 1", "over": "/dev/log"}
	rule := trace.Attrs{"rule": "/etc/rsyslog.d/a.conf:3", "selector": "authpriv.*", "facility": "authpriv", "severity": "info", "action": "@@192.168.0.10:514"}
	missed := trace.Attrs{"rule": "/etc/rsyslog.conf:46", "selector": "mail.*", "facility": "authpriv", "severity": "info", "action": "/var/log/secure"}
	elsewhere := trace.Attrs{"rule": "/etc/rsyslog.d/a.conf:3", "selector": "authpriv.*", "action": `action(type="omfwd" target="192.168.0.99" port="10514" protocol="tcp")`}
	dropped := trace.Attrs{"rule": "/etc/rsyslog.d/a.conf:3", "to": "@@192.168.0.10:514", "reason": "action suspended"}
	sent := trace.Attrs{"rule": "/etc/rsyslog.d/a.conf:3", "to": "192.168.0.99:514", "over": "udp"}
	failed := func(to string) trace.Attrs {
		return trace.Attrs{"rule": "/etc/rsyslog.d/a.conf:3", "to": to, "over": "tcp", "error": "Connection refused"}
	}
	packet := trace.Attrs{"from": "192.168.0.20:40000", "to": "192.168.0.10:514", "protocol": "tcp", "chain": "filter_IN_drop", "action": "drop"}
	told := map[trace.Fate]bool{}
	var b strings.Builder
	for _, c := range []struct {
		fate  trace.Fate
		host  string
		kind  trace.Kind
		attrs trace.Attrs
	}{
		{trace.NeverLogged, "", "", nil},
		{trace.NotTaken, "client", trace.MessageLogged, logged},
		{trace.Dropped, "client", trace.MessageDropped, trace.Attrs{"reason": "imuxsock: rate limit"}},
		{trace.Dropped, "client", trace.MessageDropped, trace.Attrs{"reason": "main queue full, 3 so far"}},
		{trace.NoForward, "client", trace.MessageLogged, logged},
		{trace.Elsewhere, "client", trace.MessageSent, sent},
		{trace.Elsewhere, "client", trace.RuleMatched, elsewhere},
		{trace.Unselected, "server", trace.RuleMissed, missed},
		{trace.Suspended, "client", trace.MessageDropped, dropped},
		{trace.Refused, "client", trace.ConnectFailed, failed("192.168.0.10:514")},
		{trace.Refused, "client", trace.ConnectFailed, failed("203.0.113.9:514")},
		{trace.Filtered, "server", trace.PacketRefused, packet},
		{trace.Filtered, "server", trace.PacketRefused, trace.Attrs{"to": "192.168.0.10:514", "protocol": "udp", "chain": "filter_IN_public_deny"}},
		{trace.Filtered, "server", trace.PacketRefused, trace.Attrs{"to": "192.168.0.10:514", "protocol": "udp", "chain": "raw_PREROUTING"}},
		{trace.Unheard, "client", trace.MessageSent, trace.Attrs{"rule": "/etc/rsyslog.d/a.conf:3", "to": "192.168.0.10:514", "over": "udp"}},
		{trace.Waiting, "client", trace.RuleMatched, rule},
		{trace.Discarded, "server", trace.RuleMatched, trace.Attrs{"rule": "/etc/rsyslog.d/s.conf:1", "selector": ":msg, contains, \"test\"", "action": "stop"}},
		{trace.NoRule, "server", trace.MessageReceived, trace.Attrs{"facility": "authpriv", "severity": "info", "input": "imtcp"}},
		{trace.InFile, "server", trace.MessageWritten, trace.Attrs{"rule": "/etc/rsyslog.conf:46", "file": "/var/log/secure"}},
		{trace.RotatedAway, "server", trace.FileRotated, trace.Attrs{"from": "/var/log/secure", "to": "/var/log/secure-20261122"}},
	} {
		told[c.fate] = true
		fmt.Fprintf(&b, "%s\n", c.fate)
		for _, lang := range []string{"ja", "en"} {
			writeFinding(&b, trace.Finding{Fate: c.fate, Event: trace.Event{Host: c.host, Program: "rsyslogd", Kind: c.kind, Attrs: c.attrs}}, place{"server", "/var/log/secure"}, twoHosts, lang)
		}
	}
	for _, fate := range trace.Fates {
		if !told[fate] {
			t.Errorf("%s is not told", fate)
		}
	}
	golden(t, "fates.txt", b.String())
}
