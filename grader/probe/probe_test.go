package probe

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"enshu/sim/scenario"
	"enshu/sim/wire/syslog"
)

func conf(text string) *RsyslogConf {
	c := &RsyslogConf{}
	c.add("/etc/rsyslog.conf", text)
	return c
}

func TestSelects(t *testing.T) {
	for _, tt := range []struct {
		line, priority string
		want           bool
	}{
		{"user.info @@h", "user.info", true},
		{"user.info @@h", "user.debug", false},
		{"user.info @@h", "user.err", true},
		{"user.=info @@h", "user.err", false},
		{"user.=info @@h", "user.info", true},
		{"user.!err @@h", "user.err", false},
		{"*.*;user.!=info @@h", "user.info", false},
		{"*.*;user.!=info @@h", "user.notice", true},
		{"*.info;mail.none;authpriv.none;cron.none\t/var/log/messages", "mail.crit", false},
		{"*.info;mail.none;authpriv.none;cron.none\t/var/log/messages", "user.info", true},
		{"auth,authpriv.* @h", "authpriv.debug", true},
		{"auth,authpriv.* @h", "user.debug", false},
		{"security.warn @h", "auth.warning", true},
		{"mail.* -/var/log/maillog", "mail.debug", true},
		{":msg, contains, \"x\" @@h", "user.info", true},
	} {
		var p scenario.Priority
		if err := p.UnmarshalText([]byte(tt.priority)); err != nil {
			t.Fatal(err)
		}
		if got := (ConfLine{Text: tt.line}).Selects(syslog.Priority(p)); got != tt.want {
			t.Errorf("%q takes %s: %v", tt.line, tt.priority, got)
		}
	}
}

func TestInput(t *testing.T) {
	const ready = "#module(load=\"imtcp\") # needs to be done just once\n#input(type=\"imtcp\" port=\"514\")\n"
	port := scenario.Port{Number: 514, Transport: "tcp"}
	for _, tt := range []struct {
		name, conf        string
		module, statement bool
		commented, other  string
	}{
		{"as delivered", ready, false, false, "/etc/rsyslog.conf:2", ""},
		{"both", strings.ReplaceAll(ready, "#", ""), true, true, "", ""},
		{"module only", strings.Replace(ready, "#", "", 1), true, false, "/etc/rsyslog.conf:2", ""},
		{"other port", "module(load=\"imtcp\")\ninput(type=\"imtcp\" port=\"541\")\n", true, false, "", "541"},
		{"udp instead", "module(load=\"imudp\")\ninput(type=\"imudp\" port=\"514\")\n", false, false, "", ""},
		{"legacy", "$ModLoad imtcp\n$InputTCPServerRun 514\n", true, true, "", ""},
		{"nothing", "*.* /var/log/all\n", false, false, "", ""},
	} {
		in := conf(tt.conf).input(port)
		commented := ""
		if in.commented != nil {
			commented = in.commented.Place()
		}
		if in.module != tt.module || in.statement != tt.statement || commented != tt.commented || in.other != tt.other {
			t.Errorf("%s: %+v, commented %q", tt.name, in, commented)
		}
	}
}

func TestForwards(t *testing.T) {
	c := conf("*.info /var/log/messages\nuser.info @@192.168.0.10:514\n#*.* @@remote-host:514\n*.* action(type=\"omfwd\" target=\"h\")\n# see user@example.com for help\nmail.* -/var/log/maillog\n")
	var got []string
	for _, l := range c.Forwards(false) {
		got = append(got, l.String())
	}
	want := []string{"/etc/rsyslog.conf:2: user.info @@192.168.0.10:514", "/etc/rsyslog.conf:4: *.* action(type=\"omfwd\" target=\"h\")"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if l := c.Forwards(true); len(l) != 1 || l[0].Line != 3 {
		t.Errorf("commented: %v", l)
	}
	if l := c.Writes("/var/log/maillog", false); len(l) != 1 || l[0].Line != 6 {
		t.Errorf("writes: %v", l)
	}
}

func TestParseSS(t *testing.T) {
	// As recorded from iproute2 6.1 with -H -tulnp.
	const out = `udp   UNCONN 0      0            0.0.0.0:514       0.0.0.0:*    users:(("rsyslogd",pid=73,fd=5))
udp   UNCONN 0      0              [::1]:323          [::]:*    users:(("chronyd",pid=60,fd=6))
tcp   LISTEN 0      128          0.0.0.0:22        0.0.0.0:*    users:(("sshd",pid=49,fd=3),("sshd",pid=50,fd=3))
tcp   LISTEN 0      10      127.0.0.1%lo:25        0.0.0.0:*
tcp   LISTEN 0      511                *:80              *:*    users:(("httpd",pid=1,fd=4))
`
	want := []Socket{
		{scenario.Port{Number: 514, Transport: "udp"}, "0.0.0.0", []string{"rsyslogd"}},
		{scenario.Port{Number: 323, Transport: "udp"}, "[::1]", []string{"chronyd"}},
		{scenario.Port{Number: 22, Transport: "tcp"}, "0.0.0.0", []string{"sshd"}},
		{scenario.Port{Number: 25, Transport: "tcp"}, "127.0.0.1%lo", nil},
		{scenario.Port{Number: 80, Transport: "tcp"}, "*", []string{"httpd"}},
	}
	got := parseSS(out)
	if d := cmp.Diff(want, got, cmp.AllowUnexported(Socket{})); d != "" {
		t.Error(d)
	}
	for i, loop := range []bool{false, true, false, true, false} {
		if got[i].Loopback() != loop {
			t.Errorf("%v is loopback: %v", got[i], !loop)
		}
	}
}

func FuzzReaders(f *testing.F) {
	f.Add("user.info @@h:514\n#module(load=\"imtcp\")\ninput(type=\"imtcp\" port=\"514\")\n")
	f.Add("*.!=;a.b.c \xff\x00 @@(")
	f.Add("tcp LISTEN 0 0 [::]:22 [::]:* users:((\"a\",pid=1))")
	f.Fuzz(func(t *testing.T, s string) {
		c := conf(s)
		c.Forwards(true)
		c.Writes("/var/log/messages", false)
		c.input(scenario.Port{Number: 514, Transport: "tcp"})
		for _, l := range c.Lines {
			l.Selects(syslog.Make(syslog.User, syslog.Info))
		}
		parseSS(s)
	})
}
