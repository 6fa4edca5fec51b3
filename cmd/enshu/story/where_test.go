package story

import (
	"regexp"
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

// TestFates holds what is told of each fate to the attributes that its event has.
func TestFates(t *testing.T) {
	full := trace.Attrs{"rule": "/etc/rsyslog.conf:46", "selector": "mail.*", "facility": "authpriv", "severity": "info", "reason": "why not",
		"over": "tcp", "protocol": "tcp", "error": "Connection refused", "to": "192.168.0.10:514"}
	for _, fate := range trace.Fates {
		if _, ok := fates[fate]; !ok {
			t.Errorf("%s is not told", fate)
		}
		var both []string
		for _, lang := range []string{"ja", "en"} {
			var b strings.Builder
			writeFinding(&b, trace.Finding{Fate: fate, Event: trace.Event{Host: "client", Attrs: full}}, place{"server", "/var/log/secure"}, twoHosts, lang)
			if left := regexp.MustCompile(`\{[a-z]+\}`).FindString(b.String()); left != "" {
				t.Errorf("%s: %s: %s is left in %s", fate, lang, left, b.String())
			}
			both = append(both, b.String())
		}
		if both[0] == both[1] {
			t.Errorf("%s: told alike in both languages: %s", fate, both[0])
		}
	}
	for _, c := range []struct {
		f    trace.Finding
		want string
	}{
		{trace.Finding{Fate: trace.Refused, Event: trace.Event{Host: "client", Attrs: full}},
			"→ client could not connect to 192.168.0.10:514 over tcp: Connection refused\n  see: on server: ss -lntp\n"},
		{trace.Finding{Fate: trace.Unselected, Event: trace.Event{Host: "server", Attrs: full}},
			"→ /etc/rsyslog.conf:46 of server would do that, but its selector mail.* does not match authpriv.info.\n  see: on server: cat /etc/rsyslog.conf\n"},
	} {
		var b strings.Builder
		writeFinding(&b, c.f, place{"server", "/var/log/secure"}, twoHosts, "en")
		if b.String() != c.want {
			t.Errorf("%s:\n%swant:\n%s", c.f.Fate, b.String(), c.want)
		}
	}
}
