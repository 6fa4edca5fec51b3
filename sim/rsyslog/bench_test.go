package rsyslog

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"enshu/sim/clock"
	"enshu/sim/host"
	"enshu/sim/memnet"
	"enshu/sim/rsyslog/config"
	"enshu/sim/rsyslog/logger"
	"enshu/sim/rsyslog/message"
	"enshu/sim/rsyslog/script"
	"enshu/sim/wire/syslog"
)

const benchRules = `global(workDirectory="/var/lib/rsyslog")
module(load="builtin:omfile" Template="RSYSLOG_TraditionalFileFormat")
module(load="imuxsock")
module(load="imudp")
input(type="imudp" port="514")
module(load="imtcp")
input(type="imtcp" port="514")
*.info;mail.none;authpriv.none;cron.none                /var/log/messages
authpriv.*                                              /var/log/secure
mail.*                                                  -/var/log/maillog
cron.*                                                  /var/log/cron
*.emerg                                                 :omusrmsg:*
uucp,news.crit                                          /var/log/spooler
local7.*                                                /var/log/boot.log
`

// ingest measures messages of 200 octets from a socket into /var/log/messages.
func ingest(b *testing.B, network, addr string, pace int) {
	n := memnet.New(b)
	h := n.Host(b, memnet.Config{Name: testHost, Addrs: []string{"192.0.2.1/24", "127.0.0.1/8", "::1/128"},
		Programs: map[string]host.Program{"/usr/sbin/rsyslogd": Rsyslogd}})
	h.MkdirAll("/var/lib/rsyslog", 0o755)
	h.Symlink("../run", "/var/run")
	h.WriteFile("/etc/rsyslog.conf", benchRules)
	d := h.Start("/usr/sbin/rsyslogd", "-n")
	msg := "<30>Oct 11 22:14:15 web01 httpd[812]: "
	msg += strings.Repeat("x", 200-len(msg))
	if network == "tcp4" {
		msg += "\n"
	}
	b.ResetTimer()
	h.Do(nil, func(ctx context.Context, p *host.Proc) {
		c, err := p.Sys.Dial(ctx, network, addr)
		if err != nil {
			b.Error(err)
			return
		}
		defer c.Close()
		for i := 0; i < b.N; i++ {
			if _, err := c.Write([]byte(msg)); err != nil {
				b.Error(err)
				return
			}
			if pace > 0 && i%pace == pace-1 {
				p.Sleep(ctx, 100*time.Microsecond)
			}
		}
		// What still lies in the buffer of a connection when a daemon stops is lost.
		for range 5000 {
			p.Sleep(ctx, time.Millisecond)
			if info, err := p.Sys.Stat("/var/log/messages"); err == nil && info.Size() >= int64(b.N)*197 || network == "udp4" {
				break
			}
		}
	})
	d.Stop()
	b.StopTimer()
	got := strings.Count(h.ReadFile("/var/log/messages"), "httpd")
	b.ReportMetric(float64(got)/b.Elapsed().Seconds(), "msgs/s")
	if got != b.N && network != "udp4" {
		b.Errorf("%d of %d messages arrived", got, b.N)
	}
}

func BenchmarkUnixToFile(b *testing.B) { ingest(b, "unixgram", "/dev/log", 0) }
func BenchmarkTCPToFile(b *testing.B)  { ingest(b, "tcp4", "127.0.0.1:514", 0) }
func BenchmarkUDPToFile(b *testing.B)  { ingest(b, "udp4", "127.0.0.1:514", 64) }

// BenchmarkRules is what a message that no rule takes costs.
func BenchmarkRules(b *testing.B) {
	_, p := probe(b)
	conf := config.New()
	for _, line := range strings.Split(benchRules, "\n") {
		if i := strings.IndexByte(line, ' '); i > 0 && strings.Contains(line[:i], ".") && line[0] != 'g' && line[0] != 'm' || strings.HasPrefix(line, "mail") {
			mask, _ := script.ParseSelector(strings.Fields(line)[0])
			conf.Main.Rules = append(conf.Main.Rules, &script.Statement{Kind: script.IfSelector, Mask: mask})
		}
	}
	w := quiet(p, conf).worker(context.Background())
	m := sample()
	m.Facility, m.Severity = syslog.Local0, syslog.Debug
	for b.Loop() {
		w.exec(conf.Main.Rules, m, false, 0)
	}
}

func BenchmarkTemplate(b *testing.B) {
	_, p := probe(b)
	x := &message.Scope{Message: sample(), Env: &quiet(p, config.New()).env}
	tpl := config.New().Templates["RSYSLOG_TraditionalFileFormat"]
	var buf []byte
	for b.Loop() {
		buf = tpl.Expand(buf[:0], x)
	}
}

// The story of one message: what the trace tells, and that a flood does not
// swell it.
func TestTrace(t *testing.T) {
	h, p := probe(t)
	h.WriteFile("/etc/rsyslog.conf", "# first line\n*.info;authpriv.none /var/log/messages\nauthpriv.* /var/log/secure\nauthpriv.err /var/log/worse\nmail.* /var/log/mail\n:msg, contains, \"Failed\" /var/log/failed\n")
	conf, _ := config.Load(p, "/etc/rsyslog.conf", func(_ syslog.Severity, _ int, text string) { t.Error(text) })
	w := quiet(p, conf).worker(context.Background())
	p.Clock.Timeline().Hold()
	defer p.Clock.Timeline().Release()
	m := sample()
	m.Facility, m.Severity = syslog.Authpriv, syslog.Info
	w.process(m)
	w.flush()
	var got []string
	for _, e := range p.Host.Trace.Since(0) {
		got = append(got, fmt.Sprintf("%s %s%s %s", e.Kind, e.Attrs["rule"], e.Attrs["input"], e.Attrs["action"]+e.Attrs["file"]))
	}
	want := []string{
		"message-received imudp ",
		"rule-missed /etc/rsyslog.conf:2 /var/log/messages",
		"rule-matched /etc/rsyslog.conf:3 /var/log/secure",
		"rule-missed /etc/rsyslog.conf:4 /var/log/worse",
		"rule-matched /etc/rsyslog.conf:6 /var/log/failed",
		"message-written /etc/rsyslog.conf:3 /var/log/secure",
		"message-written /etc/rsyslog.conf:6 /var/log/failed",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for range 5 * traceBurst {
		w.process(sample())
		w.flush()
	}
	if n := p.Host.Trace.Last(); n > 8*(traceBurst+traceRate*60) {
		t.Errorf("%d events of a flood", n)
	}
}

// What $RepeatedMsgReduction, a queue that is full and a killed daemon lose is
// covered by the recordings and by these.
func TestKilledLosesBuffer(t *testing.T) {
	n := memnet.New(t)
	h := n.Host(t, memnet.Config{Name: testHost, Addrs: []string{"192.0.2.1/24"}, Programs: map[string]host.Program{"/usr/sbin/rsyslogd": Rsyslogd, "/usr/bin/logger": logger.Program}})
	h.Symlink("../run", "/var/run")
	h.WriteFile("/etc/rsyslog.conf", "module(load=\"imuxsock\")\nuser.* action(type=\"omfile\" file=\"/var/log/buffered\" flushOnTXEnd=\"off\")\nuser.* /var/log/direct\n")
	for _, kill := range []bool{true, false} {
		h.WriteFile("/var/log/buffered", "")
		h.WriteFile("/var/log/direct", "")
		d := h.Start("/usr/sbin/rsyslogd", "-n")
		h.Run("logger", "-p", "user.info", "hello")
		settle(n.Line, func() bool { return strings.Contains(h.ReadFile("/var/log/direct"), "hello") })
		if kill {
			d.Signal(9)
			d.End()
		} else {
			d.Stop()
		}
		if got := strings.Contains(h.ReadFile("/var/log/buffered"), "hello"); got == kill {
			t.Errorf("killed %v: the buffered line was written: %v", kill, got)
		}
		h.Sys().Remove("/var/run/rsyslogd.pid")
	}
}

// settle lets the lab run until a condition holds or a second has passed.
func settle(line *clock.Timeline, holds func() bool) {
	for i := 0; i < 100 && !holds(); i++ {
		line.Advance(context.Background(), 10*time.Millisecond)
	}
}
