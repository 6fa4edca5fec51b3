package mail

import (
	"fmt"

	"enshu/grader/check"
	"enshu/grader/probe"
	"enshu/sim/scenario"
)

// mailArgs is a mail that is sent and the mailbox it must arrive in.
type mailArgs struct {
	Send    mailSend            `lab:"send,required" doc:"The mail: it goes through the learner's own mail command."`
	Arrives mailArrives         `lab:"arrives,required" doc:"The mailbox it must be in."`
	Via     []scenario.HostName `lab:"via" doc:"Hosts that it must pass on its way."`
}

type mailSend struct {
	Host    scenario.HostName `lab:"host,required"`
	User    scenario.UserName `lab:"user" doc:"By default root."`
	To      string            `lab:"to,required" doc:"A local name or an address."`
	Subject string            `lab:"subject" doc:"Put before the token by which the mail is found again."`
	Text    string            `lab:"text" doc:"The body."`
}

type mailArrives struct {
	Host    scenario.HostName `lab:"host,required"`
	User    scenario.UserName `lab:"user,required" doc:"Whose mailbox."`
	Mailbox scenario.Path     `lab:"mailbox" doc:"By default /var/spool/mail/USER."`
}

func (a *mailArgs) mailbox() string {
	if a.Arrives.Mailbox != "" {
		return string(a.Arrives.Mailbox)
	}
	return "/var/spool/mail/" + string(a.Arrives.User)
}

func Mail() check.Kind {
	return check.Define(check.Kind{
		Name:     "mail",
		Doc:      "A mail is sent with the host's own mail command and must arrive in a mailbox, here or on another host.",
		Unwanted: "mail-arrived",
		Labels: map[string]scenario.Text{
			"mail-command": check.Text("mail コマンド", "mail command"),
			"postfix":      check.Text("送信側の Postfix", "sender's Postfix"),
			"accepted":     check.Text("受付", "accepted"),
			"alias":        check.Text("別名と転送", "aliases and forwards"),
			"address":      check.Text("宛先", "next hop"),
			"filter":       check.Text("ファイアウォール", "firewall"),
			"listener":     check.Text("待ち受け", "listener"),
			"relay":        check.Text("中継", "relay"),
			"mailbox":      check.Text("メールボックス", "mailbox"),
			"via":          check.Text("経路", "way"),
		},
		Advice: append(probe.FirewallAdvice("filter"), []check.Advice{
			{
				Link:     "mail-command-missing",
				Step:     "mail-command",
				Expected: check.Text("{sender} で mail コマンドが使える", "{sender} has the mail command"),
				Seen:     check.Text("ありません: {error}", "it has not: {error}"),
				Slip:     check.Text("dnf install -y s-nail でインストールします。", "Install it with dnf install -y s-nail."),
				Command:  "which mail",
				On:       "sender",
			},
			{
				Link:     "mail-failed",
				Step:     "mail-command",
				Expected: check.Text("{sender} で mail コマンドがメールを送れる", "mail on {sender} can send"),
				Seen:     check.Text("エラーになりました: {error}", "it failed: {error}"),
				Slip:     check.Text("postfix パッケージ（sendmail コマンド）が入っているか確認してください。", "See whether the package postfix, which has the sendmail command, is installed."),
				Command:  "echo test | mail -s test root",
				On:       "sender",
			},
			{
				Link:     "postfix-not-running",
				Step:     "postfix",
				Expected: check.Text("{host} で postfix サービスが動いている", "postfix runs on {host}"),
				Seen:     check.Text("動いていません（{state}）", "it does not run ({state})"),
				Slip:     check.Text("systemctl start postfix で起動します。それまでメールは maildrop で待ちます。", "Start it with systemctl start postfix; until then mail waits in maildrop."),
				Command:  "systemctl status postfix",
			},
			{
				Link:     "mail-not-accepted",
				Step:     "accepted",
				Expected: check.Text("{host} の Postfix がメールを受け付ける", "Postfix on {host} accepts the mail"),
				Seen:     check.Text("キューに入りませんでした", "it made no queue file of it"),
				Slip:     check.Text("maillog に fatal や warning の行がないか確認してください。", "Look for lines with fatal or warning in maillog."),
				Command:  "tail /var/log/maillog",
			},
			{
				Link:     "mail-rejected",
				Step:     "relay",
				Expected: check.Text("{host} の Postfix がメールを受け取る", "Postfix on {host} takes the mail"),
				Seen:     check.Text("拒否しました: {reason}", "it refused: {reason}"),
				Slip:     check.Text("Relay access denied なら mynetworks に送信元がありません。User unknown なら宛先の綴りか mydestination です。", "“Relay access denied”: mynetworks lacks the sender. “User unknown”: the spelling, or mydestination."),
				Command:  "grep reject: /var/log/maillog",
			},
			{
				Link:     "alias-not-loaded",
				Step:     "alias",
				Expected: check.Text("{host} の別名データベースが /etc/aliases と同じ", "the alias database of {host} is as /etc/aliases"),
				Seen:     check.Text("{name} の別名がまだデータベースにありません", "it has not the present alias of {name}"),
				Slip:     check.Text("/etc/aliases を変えたら newaliases を実行します。", "After a change of /etc/aliases, run newaliases."),
				Command:  "newaliases",
			},
			{
				Link:     "forward-ignored",
				Step:     "alias",
				Expected: check.Text("{host} で {file} による転送が働く", "{file} on {host} forwards the mail"),
				Seen:     check.Text("ファイルはありますが、無視されました（モード {mode}、所有者 {owner}）", "the file is there but was ignored (mode {mode}, owner {owner})"),
				Slip:     check.Text(".forward は本人の所有で、誰でも書き込めるモードではないことが必要です（chmod 600）。", "A .forward must belong to the user and not be writable by everybody (chmod 600)."),
				Command:  "ls -l {file}",
			},
			{
				Link:     "mail-elsewhere",
				Step:     "alias",
				Expected: check.Text("{receiver} の {user} のメールボックスに届く", "it is delivered to the mailbox of {user} on {receiver}"),
				Seen:     check.Text("{host} の {mailbox} に配送されました", "it was delivered to {mailbox} on {host}"),
				Slip:     check.Text("/etc/aliases の行、~/.forward、mydestination を確認してください。", "Look at the line in /etc/aliases, at ~/.forward, and at mydestination."),
				Command:  "grep status=sent /var/log/maillog",
			},
			{
				Link:     "mail-bounced",
				Step:     "address",
				Expected: check.Text("{host} からの配送が成功する", "{host} can deliver it"),
				Seen:     check.Text("差し戻されました: {reason}", "it was returned: {reason}"),
				Slip:     check.Text("宛先のユーザー名とドメイン名の綴りを確認してください。", "Look at the spelling of the user and the domain."),
				Command:  "grep status=bounced /var/log/maillog",
			},
			{
				Link:     "mail-deferred",
				Step:     "address",
				Expected: check.Text("{host} からの配送が成功する", "{host} can deliver it"),
				Seen:     check.Text("保留されています: {reason}", "it is deferred: {reason}"),
				Slip:     check.Text("原因を直してから postqueue -f で再送します。", "Remove the cause, then send again with postqueue -f."),
				Command:  "mailq",
			},
			{
				Link:     "mail-not-listening",
				Step:     "listener",
				Expected: check.Text("{host} の Postfix が {port} でほかのホストから受け取る", "Postfix on {host} takes mail from other hosts on {port}"),
				Seen:     check.Text("ほかのホストからは接続できません（待ち受け: {listening}）", "other hosts cannot connect (it listens on {listening})"),
				Slip:     check.Text("既定の inet_interfaces = localhost を all に変え、postfix を再起動します。", "Change the default inet_interfaces = localhost to all and restart postfix."),
				Command:  "postconf inet_interfaces; ss -tlnp",
			},
			{
				Link:     "mail-lost",
				Step:     "mailbox",
				Expected: check.Text("{receiver} の {mailbox} にメールがある", "the mail is in {mailbox} on {receiver}"),
				Seen:     check.Text("まだ届いていません", "it has not arrived"),
				Slip:     check.Text("mailq と maillog で、いまどこにあるか確認してください。", "See in mailq and maillog where it is now."),
				Command:  "mailq; tail /var/log/maillog",
			},
			{
				Link:     "mail-other-way",
				Step:     "via",
				Expected: check.Text("メールが {via} を通る", "the mail passes {via}"),
				Seen:     check.Text("通ったのは {passed} です", "it passed {passed}"),
				Slip:     check.Text("relayhost と DNS の MX を確認してください。", "Look at relayhost and at the MX in DNS."),
				Command:  "postconf relayhost",
				On:       "sender",
			},
			{
				Link:     "mail-arrived",
				Step:     "mailbox",
				Expected: check.Text("{sender} から {to} へのメールが {receiver} の {user} に届かない", "mail from {sender} to {to} does not reach {user} on {receiver}"),
				Seen:     check.Text("届きました", "it did"),
				Slip:     check.Text("mynetworks と、中継を許す制限（smtpd_relay_restrictions）を確認してください。", "Look at mynetworks and at smtpd_relay_restrictions."),
				Command:  "postconf mynetworks",
				On:       "receiver",
			},
		}...),
	}, func(a *mailArgs) scenario.Text {
		return check.Text(fmt.Sprintf("%s から %s へのメールが %s の %s に届く", a.Send.Host, a.Send.To, a.Arrives.Host, a.Arrives.User),
			fmt.Sprintf("mail from %s to %s reaches %s on %s", a.Send.Host, a.Send.To, a.Arrives.User, a.Arrives.Host))
	}, runMail)
}
