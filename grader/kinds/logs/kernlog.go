package logs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"enshu/grader/check"
	"enshu/grader/probe"
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
func (a *kernlogArgs) Check(report func(key, ja, en string, args ...any)) {
	if a.Port.Transport == "udp" {
		report("port", "port: 試せるのは tcp だけです", "port: only tcp can be tried")
	}
	if a.From != "" && a.From == a.Host {
		report("from", "from: ホストは自分自身へ送るものをフィルターしません", "from: a host does not filter what it sends to itself")
	}
}

func Kernlog() check.Kind {
	return check.Define(check.Kind{
		Name:     "kernlog",
		Doc:      "A connection is tried that the firewall refuses: the kernel must log it, and rsyslogd write it to a file.",
		Unwanted: "kernlog-logged",
		Labels: map[string]scenario.Text{
			"kernlog-missing":      check.Text("カーネルログ", "kernel log"),
			"kernlog-file-missing": check.Text("ファイル", "file"),
		},
		Advice: []check.Advice{
			{
				Link:     "kernlog-not-refused",
				Step:     "kernlog-missing",
				Expected: check.Text("{host} が {port} への接続を拒否する", "{host} refuses a connection to {port}"),
				Seen:     check.Text("ファイアウォールで許可されています", "its firewall allows it"),
				Slip:     check.Text("許可した通信は記録されません。firewall-cmd --list-all を確認してください。", "What is allowed is not logged; look at firewall-cmd --list-all."),
				Command:  "firewall-cmd --list-all",
			},
			{
				Link:     "log-denied-off",
				Step:     "kernlog-missing",
				Expected: check.Text("{host} で拒否した通信がカーネルログに残る", "{host} logs what it refuses"),
				Seen:     check.Text("LogDenied は {logdenied} です", "LogDenied is {logdenied}"),
				Slip:     check.Text("firewall-cmd --set-log-denied=all で有効にします。", "Turn it on with firewall-cmd --set-log-denied=all."),
				Command:  "firewall-cmd --get-log-denied",
			},
			{
				Link:     "kernlog-missing",
				Expected: check.Text("{from} から {port} への接続がカーネルログに残る", "the connection from {from} to {port} is in the kernel log"),
				Seen:     check.Text("dmesg に DPT={number} の行がありません", "dmesg has no line with DPT={number}"),
				Slip:     check.Text("firewalld が動いているか、LogDenied が all かを確認してください。", "See whether firewalld runs and LogDenied is all."),
				Command:  "dmesg | tail",
			},
			{
				Link:     "kernlog-file-missing",
				Expected: check.Text("{host} の {file} に拒否の行がある", "{file} on {host} has the line"),
				Seen:     check.Text("カーネルログにはありますが、{file} にはありません", "the kernel log has it, {file} does not"),
				Slip:     check.Text("「kern.*  {file}」の規則を書き、rsyslog を再起動したか確認してください。", "See whether there is a rule “kern.*  {file}” and rsyslog was restarted."),
				Command:  "grep -n '^kern' /etc/rsyslog.conf /etc/rsyslog.d/*.conf",
			},
			{
				Link:     "kernlog-not-restarted",
				Step:     "kernlog-file-missing",
				Expected: check.Text("{host} の rsyslogd が今の設定で動いている", "rsyslogd on {host} runs with its present configuration"),
				Seen:     check.Text("{place} はまだ読み込まれていません", "{place} has not been loaded yet"),
				Slip:     check.Text("設定を変えたら systemctl restart rsyslog が必要です。", "After a change, systemctl restart rsyslog is needed."),
				Command:  "systemctl restart rsyslog",
			},
			{
				Link:     "kernlog-logged",
				Step:     "kernlog-missing",
				Expected: check.Text("{from} から {port} への接続がカーネルログに残らない", "the connection from {from} to {port} is not in the kernel log"),
				Seen:     check.Text("残りました: {line}", "it is: {line}"),
				Slip:     check.Text("firewall-cmd --set-log-denied=off で止めます。", "Turn it off with firewall-cmd --set-log-denied=off."),
				Command:  "dmesg | tail",
			},
		},
	}, func(a *kernlogArgs) scenario.Text {
		if a.File != "" {
			return check.Text(fmt.Sprintf("%s が拒否した %s から %s への接続が %s に残る", a.Host, a.From, a.Port, a.File),
				fmt.Sprintf("a connection from %s to %s that %s refuses is written to %s", a.From, a.Port, a.Host, a.File))
		}
		return check.Text(fmt.Sprintf("%s が拒否した %s から %s への接続がカーネルログに残る", a.Host, a.From, a.Port),
			fmt.Sprintf("a connection from %s to %s that %s refuses is in the kernel log", a.From, a.Port, a.Host))
	}, runKernlog)
}

func runKernlog(ctx context.Context, v *check.View, a *kernlogArgs) check.Verdict {
	host, from := string(a.Host), string(a.From)
	address := v.AddressFor(host, from)
	source := v.AddressFor(from, host)
	got := check.Verdict{Params: check.Params{}.With("host", host).With("from", from).With("port", a.Port.String()).
		With("number", fmt.Sprint(a.Port.Number)).With("file", string(a.File))}
	count := func() (int, string, error) {
		out, err := v.Sh(ctx, host, "dmesg")
		if err != nil {
			return 0, "", err
		}
		n, last := 0, ""
		for _, l := range check.Lines(out.Stdout) {
			if strings.Contains(l, "SRC="+source+" ") && strings.Contains(l, fmt.Sprintf("DPT=%d ", a.Port.Number)) {
				n, last = n+1, l
			}
		}
		return n, last, nil
	}
	before, _, err := count()
	if err != nil {
		got.Err = err
		return got
	}
	fileBefore, err := countIn(v, host, string(a.File), source, a.Port)
	if err != nil {
		got.Err = err
		return got
	}
	// What comes back does not matter: refused, reset or nothing at all.
	if _, err := v.Sh(ctx, from, fmt.Sprintf("timeout 3 bash -c ': < /dev/tcp/%s/%d' 2>/dev/null; :", address, a.Port.Number)); err != nil {
		got.Err = err
		return got
	}
	wait := v.Within(3 * time.Second)
	logged, err := v.Until(ctx, host, wait, func() (bool, error) {
		n, line, err := count()
		if n > before {
			got.Lines = []string{check.Clip(line)}
			got.Params.With("line", check.Clip(line))
		}
		return n > before, err
	})
	if err != nil {
		got.Err = err
		return got
	}
	if !logged {
		got.Broken, got.Err = whyNoKernlog(ctx, v, host, a.Port, got.Params)
		return got
	}
	got.Walked = append(got.Walked, "kernlog-missing")
	if a.File == "" {
		return got
	}
	written, err := v.Until(ctx, host, wait, func() (bool, error) {
		n, err := countIn(v, host, string(a.File), source, a.Port)
		return n > fileBefore, err
	})
	switch {
	case err != nil:
		got.Err = err
	case written:
		got.Walked = append(got.Walked, "kernlog-file-missing")
	default:
		got.Broken = "kernlog-file-missing"
		c, err := probe.Rsyslog(ctx, v, host)
		if err != nil {
			got.Err = err
			return got
		}
		for _, l := range c.Writes(string(a.File), false) {
			if slices.Contains(c.Stale, l.File) {
				got.Params.With("place", l.Place())
				got.Broken = "kernlog-not-restarted"
			}
		}
	}
	return got
}

// countIn returns how many lines of a file tell of a refused connection.
func countIn(v *check.View, host, file, source string, port scenario.Port) (int, error) {
	if file == "" {
		return 0, nil
	}
	data, err := v.Read(host, file)
	n := 0
	for _, l := range check.Lines(data) {
		if strings.Contains(l, "SRC="+source+" ") && strings.Contains(l, fmt.Sprintf("DPT=%d ", port.Number)) {
			n++
		}
	}
	return n, err
}

func whyNoKernlog(ctx context.Context, v *check.View, host string, port scenario.Port, p check.Params) (string, error) {
	f, err := probe.Firewalld(ctx, v, host)
	if err != nil {
		return "", err
	}
	if f.Running && f.Runtime.Allows(port) {
		return "kernlog-not-refused", nil
	}
	out, err := v.Sh(ctx, host, "firewall-cmd --get-log-denied")
	if err != nil {
		return "", err
	}
	if is := strings.TrimSpace(out.Stdout); is == "off" {
		p.With("logdenied", is)
		return "log-denied-off", nil
	}
	return "kernlog-missing", nil
}
