package mail

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	netmail "net/mail"
	"strings"

	"enshu/grader/check"
	"enshu/sim/scenario"
)

// mailboxArgs is a mail that a user must have got.
type mailboxArgs struct {
	Host    scenario.HostName `lab:"host,required"`
	User    scenario.UserName `lab:"user,required" doc:"Whose mailbox; what was read and moved to ~/mbox counts, too."`
	Subject string            `lab:"subject" doc:"The subject of the mail."`
	Holds   string            `lab:"holds" doc:"What must be in its text."`
}

// Check refuses a check without an expectation.
func (a *mailboxArgs) Check(report func(key, ja, en string, args ...any)) {
	if a.Subject == "" && a.Holds == "" {
		report("", "mailbox: 何も求めていません。subject か holds を加えます", "mailbox: the check expects nothing; add subject or holds")
	}
}

func Mailbox() check.Kind {
	return check.Define(check.Kind{
		Name:     "mailbox",
		Doc:      "A mail that the learner sent is in a mailbox, by its subject or a text in it.",
		Unwanted: "mailbox-has-it",
		Labels: map[string]scenario.Text{
			"mailbox-subject": check.Text("題名", "subject"),
			"mailbox-text":    check.Text("本文", "text"),
		},
		Advice: []check.Advice{
			{
				Link:     "mailbox-subject",
				Expected: check.Text("{host} の {user} に題名「{subject}」のメールが届いている", "{user} on {host} has got a mail with the subject “{subject}”"),
				Seen:     check.Text("ありません。届いているメールの題名: {subjects}", "there is none; the subjects of what arrived: {subjects}"),
				Slip:     check.Text("題名は mail -s で指定します。送ったのに届かないときは mailq と maillog を見てください。", "mail -s gives the subject. If it was sent and has not arrived, look at mailq and maillog."),
				Command:  "mail -H -u {user}",
			},
			{
				Link:     "mailbox-text",
				Expected: check.Text("{user} に届いたメールの本文に「{text}」がある", "a mail that {user} has got says “{text}”"),
				Seen:     check.Text("本文にありません。届いているメールの題名: {subjects}", "none does; the subjects of what arrived: {subjects}"),
				Slip:     check.Text("パイプで渡したコマンドの出力が本文になります。先にそのコマンドだけを実行して確かめてください。", "What is piped into mail becomes the text; run that command alone first and see what it prints."),
				Command:  "mail -H -u {user}",
			},
			{
				Link:     "mailbox-has-it",
				Step:     "mailbox-subject",
				Expected: check.Text("{host} の {user} にそのメールが届いていない", "{user} on {host} has not got the mail"),
				Seen:     check.Text("届いています", "it is there"),
				Slip:     check.Text("mail で読んで削除できます。", "Read and delete it with mail."),
				Command:  "mail -H -u {user}",
			},
		},
	}, func(a *mailboxArgs) scenario.Text {
		if a.Subject != "" {
			return check.Text(fmt.Sprintf("%s に題名「%s」のメールが届いている", a.User, a.Subject), fmt.Sprintf("%s has got the mail “%s”", a.User, a.Subject))
		}
		return check.Text(fmt.Sprintf("%s に「%s」を含むメールが届いている", a.User, a.Holds), fmt.Sprintf("%s has got a mail that says “%s”", a.User, a.Holds))
	}, runMailbox)
}

func runMailbox(ctx context.Context, v *check.View, a *mailboxArgs) check.Verdict {
	return v.Settle(ctx, string(a.Host), func() (check.Verdict, error) {
		home := "/home/" + string(a.User)
		if a.User == "root" {
			home = "/root"
		}
		var all []letter
		for _, file := range []string{"/var/spool/mail/" + string(a.User), home + "/mbox"} {
			text, err := v.Read(string(a.Host), file)
			if err != nil {
				return check.Verdict{}, err
			}
			all = append(all, letters(text)...)
		}
		return mailboxVerdict(all, a), nil
	})
}

func mailboxVerdict(all []letter, a *mailboxArgs) check.Verdict {
	got := check.Verdict{Params: check.Params{}.With("host", string(a.Host)).With("user", string(a.User)).With("subject", a.Subject).With("text", a.Holds)}
	got.Params["subjects"] = check.Text("なし", "none")
	var subjects []string
	for _, l := range all {
		subjects = append(subjects, l.subject)
	}
	if len(subjects) > 0 {
		got.Params.With("subjects", check.Clip(strings.Join(subjects, ", ")))
	}
	got.Broken = "mailbox-text"
	if a.Subject != "" {
		got.Broken = "mailbox-subject"
	}
	for _, l := range all {
		switch {
		case a.Subject != "" && l.subject != a.Subject:
		case !strings.Contains(l.text, a.Holds):
			got.Broken = "mailbox-text"
		default:
			got.Broken = ""
			return got
		}
	}
	return got
}

// letter is a mail of a mailbox.
type letter struct{ subject, text string }

// letters takes an mbox apart (RFC 4155): a mail begins at a From_ line that
// stands first or behind an empty one.
func letters(mbox string) []letter {
	var all []letter
	var mail bytes.Buffer
	end := func() {
		if mail.Len() > 0 {
			all = append(all, read(mail.Bytes()))
		}
		mail.Reset()
	}
	empty := true
	for line := range strings.Lines(mbox) {
		if empty && strings.HasPrefix(line, "From ") {
			end()
		} else {
			mail.WriteString(line)
		}
		empty = strings.TrimRight(line, "\r\n") == ""
	}
	end()
	return all
}

// read takes a mail apart; one that is no mail is all text.
func read(raw []byte) letter {
	m, err := netmail.ReadMessage(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		return letter{text: string(raw)}
	}
	body, _ := io.ReadAll(m.Body) // of bytes in memory
	subject := m.Header.Get("Subject")
	if plain, err := new(mime.WordDecoder).DecodeHeader(subject); err == nil {
		subject = plain
	}
	return letter{subject, string(body)}
}
