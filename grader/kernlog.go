package grader

import (
	"context"
	"fmt"
	"strings"
	"time"

	"enshu/sim/scenario"
)

// kernlogArgs is a packet that must be refused and leave a line in the kernel's log.
type kernlogArgs struct {
	Host scenario.HostName `lab:"host,required" doc:"The host that refuses."`
	From scenario.HostName `lab:"from,required" doc:"The host that tries to connect."`
	Port scenario.Port     `lab:"port,required" doc:"The port that is refused, such as 80/tcp."`
	File scenario.Path     `lab:"file" doc:"A file that rsyslogd must write the line to."`
}

// Check refuses what the check could not try.
func (a *kernlogArgs) Check(report func(key, format string, args ...any)) {
	if a.Port.Transport == "udp" {
		report("port", "port: only tcp can be tried")
	}
	if a.From != "" && a.From == a.Host {
		report("from", "from: a host does not filter what it sends to itself")
	}
}

func kernlogKind() kind {
	return define(kind{
		name:     "kernlog",
		doc:      "A connection is tried that the firewall refuses: the kernel must log it, and rsyslogd write it to a file.",
		unwanted: "kernlog-logged",
		labels: map[string]scenario.Text{
			"kernlog-missing":      text("カーネルログ", "kernel log"),
			"kernlog-file-missing": text("ファイル", "file"),
		},
		advice: []Advice{
			{
				Link:     "kernlog-not-refused",
				Step:     "kernlog-missing",
				Expected: text("{host} が {port} への接続を拒否する", "{host} refuses a connection to {port}"),
				Seen:     text("ファイアウォールで許可されています", "its firewall allows it"),
				Slip:     text("許可した通信は記録されません。firewall-cmd --list-all を確認してください。", "What is allowed is not logged; look at firewall-cmd --list-all."),
				Command:  "firewall-cmd --list-all",
			},
			{
				Link:     "log-denied-off",
				Step:     "kernlog-missing",
				Expected: text("{host} で拒否した通信がカーネルログに残る", "{host} logs what it refuses"),
				Seen:     text("LogDenied は {logdenied} です", "LogDenied is {logdenied}"),
				Slip:     text("firewall-cmd --set-log-denied=all で有効にします。", "Turn it on with firewall-cmd --set-log-denied=all."),
				Command:  "firewall-cmd --get-log-denied",
			},
			{
				Link:     "kernlog-missing",
				Expected: text("{from} から {port} への接続がカーネルログに残る", "the connection from {from} to {port} is in the kernel log"),
				Seen:     text("dmesg に DPT={number} の行がありません", "dmesg has no line with DPT={number}"),
				Slip:     text("firewalld が動いているか、LogDenied が all かを確認してください。", "See whether firewalld runs and LogDenied is all."),
				Command:  "dmesg | tail",
			},
			{
				Link:     "kernlog-file-missing",
				Expected: text("{host} の {file} に拒否の行がある", "{file} on {host} has the line"),
				Seen:     text("カーネルログにはありますが、{file} にはありません", "the kernel log has it, {file} does not"),
				Slip:     text("「kern.*  {file}」の規則を書き、rsyslog を再起動したか確認してください。", "See whether there is a rule “kern.*  {file}” and rsyslog was restarted."),
				Command:  "grep -n '^kern' /etc/rsyslog.conf /etc/rsyslog.d/*.conf",
			},
			{
				Link:     "kernlog-not-restarted",
				Step:     "kernlog-file-missing",
				Expected: text("{host} の rsyslogd が今の設定で動いている", "rsyslogd on {host} runs with its present configuration"),
				Seen:     text("{place} はまだ読み込まれていません", "{place} has not been loaded yet"),
				Slip:     text("設定を変えたら systemctl restart rsyslog が必要です。", "After a change, systemctl restart rsyslog is needed."),
				Command:  "systemctl restart rsyslog",
			},
			{
				Link:     "kernlog-logged",
				Step:     "kernlog-missing",
				Expected: text("{from} から {port} への接続がカーネルログに残らない", "the connection from {from} to {port} is not in the kernel log"),
				Seen:     text("残りました: {line}", "it is: {line}"),
				Slip:     text("firewall-cmd --set-log-denied=off で止めます。", "Turn it off with firewall-cmd --set-log-denied=off."),
				Command:  "dmesg | tail",
			},
		},
	}, func(a *kernlogArgs) scenario.Text {
		if a.File != "" {
			return text(fmt.Sprintf("%s が拒否した %s から %s への接続が %s に残る", a.Host, a.From, a.Port, a.File),
				fmt.Sprintf("a connection from %s to %s that %s refuses is written to %s", a.From, a.Port, a.Host, a.File))
		}
		return text(fmt.Sprintf("%s が拒否した %s から %s への接続がカーネルログに残る", a.Host, a.From, a.Port),
			fmt.Sprintf("a connection from %s to %s that %s refuses is in the kernel log", a.From, a.Port, a.Host))
	}, runKernlog)
}

func runKernlog(ctx context.Context, v *view, a *kernlogArgs) verdict {
	host, from := string(a.Host), string(a.From)
	address := v.addressFor(host, from)
	source := v.addressFor(from, host)
	got := verdict{params: params{}.with("host", host).with("from", from).with("port", a.Port.String()).
		with("number", fmt.Sprint(a.Port.Number)).with("file", string(a.File))}
	count := func() (int, string, error) {
		out, err := v.sh(ctx, host, "dmesg")
		if err != nil {
			return 0, "", err
		}
		n, last := 0, ""
		for _, l := range lines(out.Stdout) {
			if strings.Contains(l, "SRC="+source+" ") && strings.Contains(l, fmt.Sprintf("DPT=%d ", a.Port.Number)) {
				n, last = n+1, l
			}
		}
		return n, last, nil
	}
	before, _, err := count()
	if err != nil {
		got.err = err
		return got
	}
	fileBefore, err := v.countIn(host, string(a.File), source, a.Port)
	if err != nil {
		got.err = err
		return got
	}
	// What comes back does not matter: refused, reset or nothing at all.
	if _, err := v.sh(ctx, from, fmt.Sprintf("timeout 3 bash -c ': < /dev/tcp/%s/%d' 2>/dev/null; :", address, a.Port.Number)); err != nil {
		got.err = err
		return got
	}
	wait := v.within(3 * time.Second)
	logged, err := v.until(ctx, host, wait, func() (bool, error) {
		n, line, err := count()
		if n > before {
			got.lines = []string{clip(line)}
			got.params.with("line", clip(line))
		}
		return n > before, err
	})
	if err != nil {
		got.err = err
		return got
	}
	if !logged {
		got.broken, got.err = v.whyNoKernlog(ctx, host, a.Port, got.params)
		return got
	}
	got.walked = append(got.walked, "kernlog-missing")
	if a.File == "" {
		return got
	}
	written, err := v.until(ctx, host, wait, func() (bool, error) {
		n, err := v.countIn(host, string(a.File), source, a.Port)
		return n > fileBefore, err
	})
	switch {
	case err != nil:
		got.err = err
	case written:
		got.walked = append(got.walked, "kernlog-file-missing")
	default:
		got.broken = "kernlog-file-missing"
		c, err := v.rsyslogConf(ctx, host)
		if err != nil {
			got.err = err
			return got
		}
		for _, l := range c.writes(string(a.File), false) {
			if contains(c.stale, l.file) {
				got.params.with("place", l.place())
				got.broken = "kernlog-not-restarted"
			}
		}
	}
	return got
}

// countIn returns how many lines of a file tell of a refused connection.
func (v *view) countIn(host, file, source string, port scenario.Port) (int, error) {
	if file == "" {
		return 0, nil
	}
	data, err := v.read(host, file)
	n := 0
	for _, l := range lines(data) {
		if strings.Contains(l, "SRC="+source+" ") && strings.Contains(l, fmt.Sprintf("DPT=%d ", port.Number)) {
			n++
		}
	}
	return n, err
}

func (v *view) whyNoKernlog(ctx context.Context, host string, port scenario.Port, p params) (string, error) {
	f, err := v.firewalls(ctx, host)
	if err != nil {
		return "", err
	}
	if f.running && f.runtime.allows(port) {
		return "kernlog-not-refused", nil
	}
	out, err := v.sh(ctx, host, "firewall-cmd --get-log-denied")
	if err != nil {
		return "", err
	}
	if is := strings.TrimSpace(out.Stdout); is == "off" {
		p.with("logdenied", is)
		return "log-denied-off", nil
	}
	return "kernlog-missing", nil
}

// addressFor returns the address by which another host reaches a host.
func (v *view) addressFor(host, other string) string {
	h, o := v.spec.Host(host), v.spec.Host(other)
	for _, a := range h.Networks {
		for _, b := range o.Networks {
			if a.Network == b.Network {
				return a.Address.String()
			}
		}
	}
	if len(h.Networks) > 0 {
		return h.Networks[0].Address.String()
	}
	return "127.0.0.1"
}
