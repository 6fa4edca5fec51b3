package rsyslog

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/memnet"
	"enshu/sim/rsyslog/config"
	"enshu/sim/rsyslog/logger"
	"enshu/sim/rsyslog/message"
	"enshu/sim/rsyslog/script"
	"enshu/sim/rsyslog/template"
	"enshu/sim/wire/syslog"
)

// probe returns a host and a process on it that reads and writes files only.
func probe(t testing.TB) (*memnet.Host, *host.Proc) {
	h := memnet.New(t).Host(t, memnet.Config{Name: testHost, Addrs: []string{"192.0.2.1/24"}, Programs: map[string]host.Program{"/usr/bin/logger": logger.Program}})
	return h, &host.Proc{Host: h.Host, Path: "/usr/sbin/rsyslogd", Args: []string{"rsyslogd"}, Dir: "/", PID: 99, Sys: h.Sys(), Clock: h.Clock,
		Stdout: &memnet.Output{}, Stderr: &memnet.Output{}}
}

func sample() *message.Message {
	at := time.Date(2026, 11, 22, 1, 2, 3, 4000, time.UTC)
	return &message.Message{Message: syslog.Parse("<38>Oct 11 22:14:15 web01 sshd[12]: Failed password for root from 192.0.2.9", at), Input: "imudp", From: "web01", FromIP: "192.0.2.20", Received: at}
}

// quiet returns a daemon that is not started.
func quiet(p *host.Proc, conf *config.Config) *daemon {
	d := newDaemon(p)
	d.configure(conf, invocation{})
	return d
}

// evaluate evaluates every filter of a list of statements.
func evaluate(x *message.Scope, list []*script.Statement) {
	for _, s := range list {
		switch {
		case s.Kind == script.IfProperty:
			s.Property.Matches(x)
		case s.Cond != nil:
			s.Cond.Eval(x)
			_ = s.Cond.String()
		}
		evaluate(x, s.Then)
		evaluate(x, s.Else)
	}
}

// A configuration of any bytes is read in bounded time, and what was read of it works.
func FuzzConfig(f *testing.F) {
	names, _ := filepath.Glob("testdata/oracle/*.yaml")
	for _, name := range names {
		var c oracleCase
		data, _ := os.ReadFile(name)
		if yaml.Unmarshal(data, &c) == nil {
			f.Add(c.Config["/etc/rsyslog.conf"])
		}
	}
	f.Add(`if re_extract($msg, "(a)(b)?", 0, 2, "x") == field($msg, 32, 2) then set $!a!b = $.c & 3 * -4;`)
	f.Add("include(file=\"/etc/rsyslog.conf\")\n$IncludeConfig /etc/*.conf\n")
	f.Add(`foreach ($.x in $!list) do { action(type="omfile" dynafile="T") } call_indirect $msg;`)
	_, p := probe(f)
	f.Fuzz(func(t *testing.T, text string) {
		if err := libc.WriteFile(p, "/etc/rsyslog.conf", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		conf, _ := config.Load(p, "/etc/rsyslog.conf", func(s syslog.Severity, code int, text string) { complete(code, text) })
		d := quiet(p, conf)
		x := &message.Scope{Message: sample(), Env: &d.env}
		evaluate(x, conf.Main.Rules)
		for _, tpl := range conf.Templates {
			tpl.Expand(nil, x)
		}
	})
}

func FuzzTemplate(f *testing.F) {
	for _, s := range template.Builtin {
		f.Add(s, true)
	}
	f.Add(`%msg:R,ERE,1,FIELD:for (.*) from--end%|%msg:F,32:3%|%msg:2:6:uppercase,drop-cc%\t\065%%`, true)
	_, p := probe(f)
	f.Fuzz(func(t *testing.T, text string, escapes bool) {
		tpl, _, _ := template.Parse("T", text, escapes, func(string, ...any) {})
		x := &message.Scope{Message: sample(), Env: &quiet(p, config.New()).env}
		if n := len(tpl.Expand(nil, x)); n > 1<<20+100*len(text) {
			t.Fatalf("%d bytes of %q", n, text)
		}
	})
}

func FuzzSelector(f *testing.F) {
	for _, s := range []string{"*.info;mail.none", "mail,news.=err", "*.!=debug", "user.;;x.*", "mail.!none;*.*", "1,2.3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { script.ParseSelector(s) })
}

// FuzzLogger runs logger with any words.
func FuzzLogger(f *testing.F) {
	f.Add("-p\x00mail.err\x00--id=3\x00text", "in\n")
	f.Add("--rfc5424=notq,nohost\x00--sd-id\x00a@1\x00--sd-param\x00b=\"c\"\x00-S\x001KiB", "<11>x\n")
	f.Add("--prio-prefix\x00-e\x00--octet-count\x00-n\x00192.0.2.9\x00-P\x00x", "")
	f.Add("--journald", "MESSAGE=x\nA=b\n")
	f.Fuzz(func(t *testing.T, args, input string) {
		h, _ := probe(t)
		words := append([]string{"logger", "--no-act"}, strings.Split(args, "\x00")...)
		st := h.RunCmd(host.Cmd{Args: words, Stdin: strings.NewReader(input)}).Status
		if st.Signal != 0 || st.Code > 1 {
			t.Fatalf("%q: %v", words, st)
		}
	})
}

// An expression of any bytes is read and evaluated, as the value of a variable and
// as the condition of an if.
func FuzzRainerScript(f *testing.F) {
	names, _ := filepath.Glob("testdata/recorded/rs-*.yaml")
	for _, name := range names {
		var c oracleCase
		data, _ := os.ReadFile(name)
		if yaml.Unmarshal(data, &c) != nil {
			continue
		}
		for _, line := range strings.Split(c.Config["/etc/rsyslog.conf"], "\n") {
			if _, e, ok := strings.Cut(line, " = "); ok && strings.HasPrefix(line, "set ") {
				f.Add(strings.TrimSuffix(e, ";"))
			}
		}
	}
	_, p := probe(f)
	f.Fuzz(func(t *testing.T, e string) {
		text := "set $.x = " + e + ";\nif " + e + " then stop\nforeach ($.i in " + e + ") do set $!l = $.i;\n*.* /var/log/x\n"
		if err := libc.WriteFile(p, "/etc/rsyslog.conf", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		conf, _ := config.Load(p, "/etc/rsyslog.conf", func(syslog.Severity, int, string) {})
		d := quiet(p, conf)
		d.worker(context.Background()).exec(conf.Main.Rules, sample(), false, 0)
	})
}

// A file of a lookup table of any bytes is taken or refused.
func FuzzLookupTable(f *testing.F) {
	f.Add(`{"version":1,"nomatch":"n","type":"sparseArray","table":[{"index":10,"value":"ten"},{"index":1,"value":"one"}]}`)
	f.Add(`{"type":"string","table":[{"index":"a","value":"b"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		table := &script.LookupTable{Name: "t"}
		if complaints, ok := table.Parse(text); !ok && len(complaints) == 0 {
			t.Fatalf("%q is refused without a word", text)
		}
	})
}
