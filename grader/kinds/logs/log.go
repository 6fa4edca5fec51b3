package logs

import (
	"fmt"
	"time"

	"enshu/grader/check"
	"enshu/grader/probe"
	"enshu/sim/scenario"
)

// logArgs is a message that is sent and where it must arrive.
type logArgs struct {
	Send    logSend           `lab:"send,required" doc:"The message: it goes through the learner's own logger."`
	Arrives logArrives        `lab:"arrives,required" doc:"Where its line must be."`
	Over    string            `lab:"over" doc:"The transport between two hosts: tcp or udp."`
	Skew    scenario.Duration `lab:"skew" doc:"How far the stamp of the line may be from the receiver's clock."`
	Outage  bool              `lab:"outage" doc:"rsyslog of the receiver is stopped while the message is sent, and started again."`
}

type logSend struct {
	Host     scenario.HostName `lab:"host,required"`
	User     scenario.UserName `lab:"user" doc:"By default root."`
	Priority scenario.Priority `lab:"priority,required" doc:"Such as user.info."`
	Tag      string            `lab:"tag" doc:"By default enshu."`
	Text     string            `lab:"text" doc:"Put before the token by which the line is found again."`
}

type logArrives struct {
	Host scenario.HostName `lab:"host,required"`
	File scenario.Path     `lab:"file,required"`
}

// Check refuses a transport that is none.
func (a *logArgs) Check(report func(key, ja, en string, args ...any)) {
	if a.Over != "" && a.Over != "tcp" && a.Over != "udp" {
		report("over", "over: %q は tcp か udp ではありません", "over: %q is not tcp or udp", a.Over)
	}
	if a.Over != "" && a.Send.Host == a.Arrives.Host {
		report("over", "over: メッセージはホストから出ません", "over: the message does not leave the host")
	}
	if a.Outage && a.Send.Host == a.Arrives.Host {
		report("outage", "outage: メッセージはホストから出ません", "outage: the message does not leave the host")
	}
	if a.Skew < 0 {
		report("skew", "skew: 時間は正の値にします", "skew: a time span must be positive")
	}
}

// defaultWithin is how long a message may take.
const defaultWithin = 5 * time.Second

// unwantedWithin is how long the check waits for a message that must not come.
const unwantedWithin = time.Second

func Log() check.Kind {
	return check.Define(check.Kind{
		Name:     "log",
		Doc:      "A message is sent through logger and must arrive as a line of a file, here or on another host.",
		Unwanted: "log-arrived",
		Labels: map[string]scenario.Text{
			"logger":          check.Text("logger", "logger"),
			"sender-daemon":   check.Text("送信側の rsyslogd", "sender's rsyslogd"),
			"sender-input":    check.Text("受付", "taken up"),
			"sender-rule":     check.Text("送信側の規則", "sender's rule"),
			"transport":       check.Text("方式", "transport"),
			"address":         check.Text("宛先", "address"),
			"filter":          check.Text("ファイアウォール", "firewall"),
			"listener":        check.Text("待ち受け", "listener"),
			"received":        check.Text("受信", "received"),
			"receiver-daemon": check.Text("受信側の rsyslogd", "receiver's rsyslogd"),
			"receiver-rule":   check.Text("受信側の規則", "receiver's rule"),
			"file":            check.Text("ファイル", "file"),
			"stamp":           check.Text("時刻", "time"),
		},
		Advice: logAdvice(),
	}, func(a *logArgs) scenario.Text {
		ja, en := "", ""
		if a.Over != "" {
			up := map[string]string{"tcp": "TCP", "udp": "UDP"}[a.Over]
			ja, en = up+" で", " over "+up
		}
		if a.Send.Host == a.Arrives.Host {
			return check.Text(fmt.Sprintf("%s の %s が %s に記録される", a.Send.Host, a.Send.Priority, a.Arrives.File),
				fmt.Sprintf("%s of %s is written to %s", a.Send.Priority, a.Send.Host, a.Arrives.File))
		}
		return check.Text(fmt.Sprintf("%s の %s が%s %s の %s に届く", a.Send.Host, a.Send.Priority, ja, a.Arrives.Host, a.Arrives.File),
			fmt.Sprintf("%s of %s arrives%s in %s on %s", a.Send.Priority, a.Send.Host, en, a.Arrives.File, a.Arrives.Host))
	}, runLog)
}

// logAdvice is the table of what is said for each way a message can stop.
func logAdvice() []check.Advice {
	own := []check.Advice{
		{
			Link:     "logger-failed",
			Step:     "logger",
			Expected: check.Text("{sender} で logger がメッセージを渡せる", "logger on {sender} can hand its message over"),
			Seen:     check.Text("logger がエラーになりました: {error}", "logger failed: {error}"),
			Slip:     check.Text("/dev/log を受け持つ systemd-journald が止まっていないか確認してください。", "See whether systemd-journald, which holds /dev/log, has stopped."),
			Command:  "logger -p {priority} test",
			On:       "sender",
		},
		{
			Link:     "rsyslog-not-running",
			Step:     "sender-daemon",
			Expected: check.Text("{host} で rsyslog サービスが動いている", "rsyslog runs on {host}"),
			Seen:     check.Text("動いていません（{state}）", "it does not run ({state})"),
			Slip:     check.Text("systemctl start rsyslog で起動します。失敗するときは journalctl -u rsyslog を見てください。", "Start it with systemctl start rsyslog; if that fails, look at journalctl -u rsyslog."),
			Command:  "systemctl status rsyslog",
		},
		{
			Link:     "firewall-rule-refuses",
			Step:     "filter",
			Expected: check.Text("{host} のファイアウォールが {sender} からの {port} を通す", "the firewall of {host} lets {port} in from {sender}"),
			Seen:     check.Text("ポートは許可されていますが、パケットは {chain} で止められました", "the port is open, but the packet was refused in {chain}"),
			Slip:     check.Text("拒否や破棄をするリッチルール、送信元アドレスを割り当てた別のゾーン、パニックモードがないか確認してください。", "See whether a rich rule rejects or drops, the sender's address is bound to another zone, or panic mode is on."),
			Command:  "firewall-cmd --list-rich-rules; firewall-cmd --get-active-zones; firewall-cmd --query-panic",
		},
		{
			Link:     "rsyslog-not-receiving",
			Step:     "sender-input",
			Expected: check.Text("{host} の rsyslogd がローカルのメッセージを受け取る", "rsyslogd on {host} takes the messages of its own host"),
			Seen:     check.Text("メッセージが届いていません", "the message did not reach it"),
			Slip:     check.Text("imjournal（または imuxsock）を読み込む行を消したりコメントにしたりしていないか確認してください。", "See whether the line that loads imjournal (or imuxsock) was removed or commented out."),
			Command:  "grep -n -e imjournal -e imuxsock /etc/rsyslog.conf",
		},
		{
			Link:     "forward-missing",
			Step:     "sender-rule",
			Expected: check.Text("{sender} の rsyslog に {priority} を {receiver} へ送る規則がある", "rsyslog on {sender} has a rule that sends {priority} to {receiver}"),
			Seen:     check.Text("ほかのホストへ送る規則がありません", "it has no rule that sends anything to another host"),
			Slip:     check.Text("「セレクタ  @@宛先」の形の行を書きます（@ は UDP、@@ は TCP）。", "Write a line “selector  @@address” (@ is UDP, @@ is TCP)."),
			Command:  "grep -n @ /etc/rsyslog.conf /etc/rsyslog.d/*.conf",
			On:       "sender",
		},
		{
			Link:     "forward-commented",
			Step:     "sender-rule",
			Expected: check.Text("{sender} の rsyslog に {priority} を {receiver} へ送る規則がある", "rsyslog on {sender} has a rule that sends {priority} to {receiver}"),
			Seen:     check.Text("{place} の規則はコメントのままです", "the rule at {place} is still a comment"),
			Slip:     check.Text("行頭の # を消し、rsyslog を再起動します。", "Remove the # at its start and restart rsyslog."),
			Command:  "grep -n @ /etc/rsyslog.conf /etc/rsyslog.d/*.conf",
			On:       "sender",
		},
		{
			Link:     "selector-misses",
			Step:     "sender-rule",
			Expected: check.Text("{sender} の転送の規則が {priority} に当てはまる", "the forwarding rule on {sender} matches {priority}"),
			Seen:     check.Text("{place} のセレクタ「{selector}」は当てはまりません", "the selector “{selector}” at {place} does not"),
			Slip:     check.Text("セレクタはファシリティ.プライオリティの順で、書いたプライオリティ以上に当てはまります。", "A selector is facility.priority and takes that priority and graver ones."),
			Command:  "grep -n @ /etc/rsyslog.conf /etc/rsyslog.d/*.conf",
			On:       "sender",
		},
		{
			Link:     "rule-stops",
			Step:     "sender-rule",
			Expected: check.Text("{host} でメッセージが目的の規則まで進む", "the message gets as far as the rule on {host}"),
			Seen:     check.Text("{place} の規則がその前で処理を終えています", "the rule at {place} ends its way before that"),
			Slip:     check.Text("stop（または ~）より後ろの規則は使われません。順序を見直してください。", "Rules behind a stop (or ~) are not used; look at their order."),
			Command:  "grep -n -e stop -e '~' /etc/rsyslog.conf /etc/rsyslog.d/*.conf",
		},
		{
			Link:     "sent-over-udp",
			Step:     "transport",
			Expected: check.Text("{sender} の rsyslogd が TCP で送る", "rsyslogd on {sender} sends over TCP"),
			Seen:     check.Text("{place} の規則は UDP で {to} へ送っています", "the rule at {place} sends to {to} over UDP"),
			Slip:     check.Text("@ 一つは UDP、@@ が TCP です。", "One @ is UDP; TCP is @@."),
			Command:  "grep -n @ /etc/rsyslog.conf /etc/rsyslog.d/*.conf",
			On:       "sender",
		},
		{
			Link:     "sent-over-tcp",
			Step:     "transport",
			Expected: check.Text("{sender} の rsyslogd が UDP で送る", "rsyslogd on {sender} sends over UDP"),
			Seen:     check.Text("{place} の規則は TCP で {to} へ送っています", "the rule at {place} sends to {to} over TCP"),
			Slip:     check.Text("@@ は TCP、@ 一つが UDP です。", "@@ is TCP; UDP is one @."),
			Command:  "grep -n @ /etc/rsyslog.conf /etc/rsyslog.d/*.conf",
			On:       "sender",
		},
		{
			Link:     "name-unresolved",
			Step:     "address",
			Expected: check.Text("{sender} で宛先の名前が IP アドレスになる", "{sender} can resolve the name it sends to"),
			Seen:     check.Text("「{to}」を名前解決できません: {error}", "“{to}” does not resolve: {error}"),
			Slip:     check.Text("/etc/hosts にない名前です。打ち間違いか確認するか、IP アドレスを書いてください。", "The name is not in /etc/hosts; look for a typing mistake or write the address."),
			Command:  "getent hosts {name}",
			On:       "sender",
		},
		{
			Link:     "wrong-address",
			Step:     "address",
			Expected: check.Text("{sender} が {receiver}（{address}）へ送る", "{sender} sends to {receiver} ({address})"),
			Seen:     check.Text("{place} の規則の宛先は {to} です", "the rule at {place} sends to {to}"),
			Slip:     check.Text("IP アドレスの数字を見直してください。", "Look at the digits of the address."),
			Command:  "grep -n @ /etc/rsyslog.conf /etc/rsyslog.d/*.conf",
			On:       "sender",
		},
		{
			Link:     "wrong-port",
			Step:     "address",
			Expected: check.Text("{sender} が {receiver} の待ち受けているポートへ送る", "{sender} sends to the port that {receiver} listens on"),
			Seen:     check.Text("宛先は {to} ですが、待ち受けているのは {listening} です", "it sends to {to}, but {listening} is what listens"),
			Slip:     check.Text("アドレスの後ろの「:ポート」を見直してください。省くと 514 です。", "Look at the “:port” behind the address; without it the port is 514."),
			Command:  "grep -n @ /etc/rsyslog.conf /etc/rsyslog.d/*.conf",
			On:       "sender",
		},
		{
			Link:     "port-not-listening",
			Step:     "listener",
			Expected: check.Text("{host} の rsyslogd が {port} で待ち受けている", "rsyslogd on {host} listens on {port}"),
			Seen:     check.Text("{port} では誰も待ち受けていません", "nobody listens on {port}"),
			Slip:     check.Text("rsyslog の設定を変えたあと再起動したか確認してください。", "See whether rsyslog was restarted after its configuration changed."),
			Command:  "ss -tulnp",
		},
		{
			Link:     "send-suspended",
			Step:     "listener",
			Expected: check.Text("{sender} の rsyslogd が {receiver} に接続できている", "rsyslogd on {sender} is connected to {receiver}"),
			Seen:     check.Text("前の接続に失敗し（{error}）、次の試行を待っています", "its last attempt failed ({error}) and it waits before the next"),
			Slip:     check.Text("今は届く状態です。しばらく待つか、{sender} で systemctl restart rsyslog を実行してください。", "The way is open now: wait a little, or run systemctl restart rsyslog on {sender}."),
			Command:  "systemctl status rsyslog",
			On:       "sender",
		},
		{
			Link:     "not-received",
			Step:     "received",
			Expected: check.Text("{receiver} の rsyslogd がメッセージを受け取る", "rsyslogd on {receiver} takes the message"),
			Seen:     check.Text("{sender} は {to} へ送りましたが、届いていません", "{sender} sent it to {to}, but it did not arrive"),
			Slip:     check.Text("途中のネットワークを tcpdump で確認してください。UDP は失われても再送されません。", "Look at the network in between with tcpdump; UDP does not send again what is lost."),
			Command:  "tcpdump -n -i any port 514",
			On:       "receiver",
		},
		{
			Link:     "lost-in-outage",
			Step:     "received",
			Expected: check.Text("{receiver} の rsyslog が止まっている間のメッセージも、戻ったあとに届く", "what is sent while rsyslog on {receiver} is stopped arrives when it is back"),
			Seen:     check.Text("失われました", "it was lost"),
			Slip:     check.Text("転送の action にキュー（queue.type=\"LinkedList\"）と action.resumeRetryCount=\"-1\" を付けます。", "Give the forwarding action a queue (queue.type=\"LinkedList\") and action.resumeRetryCount=\"-1\"."),
			Command:  "grep -n -i -e queue -e retry /etc/rsyslog.conf /etc/rsyslog.d/*.conf",
			On:       "sender",
		},
		{
			Link:     "receiver-rule-missing",
			Step:     "receiver-rule",
			Expected: check.Text("{host} の rsyslog に {priority} を {file} に書く規則がある", "rsyslog on {host} has a rule that writes {priority} to {file}"),
			Seen:     check.Text("{file} に書く規則がありません", "no rule writes to {file}"),
			Slip:     check.Text("「セレクタ  {file}」の形の行を書き、rsyslog を再起動します。", "Write a line “selector  {file}” and restart rsyslog."),
			Command:  "grep -n {file} /etc/rsyslog.conf /etc/rsyslog.d/*.conf",
		},
		{
			Link:     "receiver-rule-commented",
			Step:     "receiver-rule",
			Expected: check.Text("{host} の rsyslog に {priority} を {file} に書く規則がある", "rsyslog on {host} has a rule that writes {priority} to {file}"),
			Seen:     check.Text("{place} の規則はコメントのままです", "the rule at {place} is still a comment"),
			Slip:     check.Text("行頭の # を消し、rsyslog を再起動します。", "Remove the # at its start and restart rsyslog."),
			Command:  "grep -n {file} /etc/rsyslog.conf /etc/rsyslog.d/*.conf",
		},
		{
			Link:     "receiver-rule-misses",
			Step:     "receiver-rule",
			Expected: check.Text("{host} で {file} に書く規則が {priority} に当てはまる", "the rule on {host} that writes to {file} matches {priority}"),
			Seen:     check.Text("{place} のセレクタ「{selector}」は当てはまりません", "the selector “{selector}” at {place} does not"),
			Slip:     check.Text("none で除いていないか、プライオリティが高すぎないかを確認してください。", "See whether none takes it out, or the priority is too high."),
			Command:  "grep -n {file} /etc/rsyslog.conf /etc/rsyslog.d/*.conf",
		},
		{
			Link:     "file-not-written",
			Step:     "file",
			Expected: check.Text("{host} の {file} にメッセージの行がある", "{file} on {host} has a line with the message"),
			Seen:     check.Text("規則は当てはまりましたが、行がありません{error}", "the rule matched, but there is no line{error}"),
			Slip:     check.Text("空き容量と、ファイルに書き込めるかを確認してください。", "See whether the disk has room and the file can be written."),
			Command:  "ls -l {file}; df {file}",
		},
		{
			Link:     "time-differs",
			Step:     "stamp",
			Expected: check.Text("行の時刻が {host} の時計と {skew} 以内で一致する", "the time of the line is within {skew} of the clock of {host}"),
			Seen:     check.Text("{difference} ずれています: {line}", "it differs by {difference}: {line}"),
			Slip:     check.Text("{sender} の時計がずれています。chronyc tracking と date で確認してください。", "The clock of {sender} is wrong; look at chronyc tracking and date."),
			Command:  "date; chronyc tracking",
			On:       "sender",
		},
		{
			Link:     "log-arrived",
			Step:     "file",
			Expected: check.Text("{sender} の {priority} が {host} の {file} に記録されない", "{priority} of {sender} is not written to {file} on {host}"),
			Seen:     check.Text("記録されました（{place}）: {line}", "it was ({place}): {line}"),
			Slip:     check.Text("セレクタが広すぎます。ファシリティ.none で除くか、= でプライオリティを限ります。", "A selector takes too much: leave a facility out with facility.none, or one priority only with =."),
			Command:  "grep -n {file} /etc/rsyslog.conf /etc/rsyslog.d/*.conf",
		},
	}
	own = append(own, probe.FirewallAdvice("filter")...)
	return append(own, probe.InputAdvice("listener")...)
}
