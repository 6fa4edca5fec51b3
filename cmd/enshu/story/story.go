// Package story tells what became of a log message or a mail, in the learner's
// language: a sentence for each kind of event. `enshu why` outside the hosts and
// `why` inside them say the same.
package story

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"enshu/sim/lang"
	"enshu/sim/trace"
)

// Host is one of the lab's.
type Host struct {
	Name      string
	Addresses []string // may have the length of their prefix behind a slash
}

// Tell writes the story that is asked for, in the language "ja" or "en". about is
// a text that log messages have in them, or that mails have as queue id,
// message-id, subject or address; the number of an event; or a question that
// names a file and a host. With where, HOST:FILE, or such a question, it also
// tells why the message is not in that file. It reports whether there is a story,
// and in an error what is wrong with where.
func Tell(w io.Writer, events []trace.Event, hosts []Host, about, where, language string) (bool, error) {
	var at place
	if where != "" {
		var err error
		if at, err = placeOf(where, hosts); err != nil {
			return false, err
		}
	}
	found, asked := find(events, hosts, about)
	if asked != nil {
		about = asked.about
		if where == "" {
			at = asked.place
		}
	}
	if len(found) == 0 {
		none := "No host has had a message or mail with %q yet.\n"
		if language == "ja" {
			none = "%q を含むログも、それに当たるメールも、まだどのホストにもありません。\n"
		}
		fmt.Fprintf(w, none, about)
		return false, nil
	}
	write(w, found, language)
	if at.host != "" {
		writeFinding(w, trace.Whereabouts(found, at.host, at.file, owner(hosts)), at, hosts, language)
	}
	return true, nil
}

// Pending reports whether the story that is asked for may go on by itself at
// once; at is the present.
func Pending(events []trace.Event, hosts []Host, about string, at time.Time) bool {
	found, _ := find(events, hosts, about)
	return trace.Pending(found, at)
}

// asked is what a question is about.
type asked struct {
	about string
	place place
}

// find returns the events about a number or a text, or, where there are none,
// about what a question asks. A number that is no event's is searched for as a
// text.
func find(events []trace.Event, hosts []Host, about string) ([]trace.Event, *asked) {
	if seq, err := strconv.ParseUint(about, 10, 64); err == nil {
		if found := trace.StoryOf(events, seq); found != nil {
			return found, nil
		}
	}
	if found := trace.StoryAbout(events, about); len(found) > 0 {
		return found, nil
	}
	text, p, ok := question(about, hosts)
	if !ok {
		return nil, nil
	}
	if text == "" {
		text = lastWritten(events)
	}
	return trace.StoryAbout(events, text), &asked{text, p}
}

// sentence is how an event is told; {name} stands for an attribute, {program}
// for who did it.
type sentence lang.Text

var sentences = map[trace.Kind]sentence{
	trace.MessageLogged: {"{program} が {facility}.{severity} のメッセージを書いた（{over}）: {text}", "{program} wrote {facility}.{severity} ({over}): {text}"},
	trace.MessageReceived: {"{program} が {facility}.{severity} のメッセージを受け取った（{input}、送り元 {from}）",
		"{program} took it as {facility}.{severity} ({input}, from {from})"},
	trace.RuleMatched:    {"{rule}（{selector}）が当てはまった: {action}", "{rule} ({selector}) matched: {action}"},
	trace.RuleMissed:     {"{rule}（{selector}）は当てはまらなかった: {action}", "{rule} ({selector}) did not match: {action}"},
	trace.MessageSent:    {"{rule} により {to} へ {over} で送った", "sent to {to} over {over} by {rule}"},
	trace.MessageWritten: {"{rule} により {file} に書いた", "written to {file} by {rule}"},
	trace.FileRotated:    {"{from} はローテーションで {to} になった", "{from} was rotated to {to}"},
	trace.MessageDropped: {"{rule}（{to}）では捨てた: {reason}", "given up at {rule} ({to}): {reason}"},
	trace.ConnectFailed:  {"{program} は {to} に {over} で接続できなかった: {error}", "{program} could not connect to {to} over {over}: {error}"},
	trace.PacketRefused: {"ファイアウォールが {from} から {to}/{protocol} へのパケットを{action}した（{chain}）",
		"the firewall {action} a packet from {from} to {to}/{protocol} ({chain})"},

	trace.MailSubmitted: {"{program} が {sender} から {recipients} へのメールを受け付けた（件名: {subject}）", "{program} took a mail from {sender} to {recipients} (subject: {subject})"},
	trace.MailAccepted: {"キューに入った: キュー ID {id}、{sender} から {recipients} へ、件名 {subject}",
		"queued as {id}: from {sender} to {recipients}, subject {subject}"},
	trace.AliasExpanded: {"{id}: {file}:{line} により {from} は {to} になった{stale}", "{id}: {file}:{line} made {from} into {to}{stale}"},
	trace.AliasMissed: {"{id}: {file}:{line} に {from} はあるが、データベースにはない（データベースは {file} より古い: newaliases がまだ）",
		"{id}: {file}:{line} has {from}, the database does not (it is older than {file}: newaliases has not been run)"},
	trace.MailForwarded: {"{id}: {from} あてを {to} へ転送した（新しいキュー ID {to-id}）", "{id}: forwarded from {from} to {to} (queued as {to-id})"},
	trace.MailSent:      {"{id}: {to} あてを {relay} に渡した: {reply}", "{id}: handed to {relay} for {to}: {reply}"},
	trace.MailDelivered: {"{id}: {to} のメールボックス {mailbox} に届いた", "{id}: delivered for {to} into {mailbox}"},
	trace.MailDeferred:  {"{id}: {to} あてを後で送り直す: {reason}", "{id}: put off for {to}: {reason}"},
	trace.MailBounced:   {"{id}: {to} あては届けられない: {reason}", "{id}: cannot be delivered to {to}: {reason}"},
	trace.CommandRun:    {"UID {user} が {program} を実行した（{dir}）: {command}", "uid {user} ran {program} in {dir}: {command}"},
	trace.CommandDone:   {"コマンドが終わった（{status}）: {command}", "a command ended ({status}): {command}"},
	trace.UnitChanged:   {"{unit} が {from} から {to} になった（{result}）", "{unit} went from {from} to {to} ({result})"},
	trace.HostBooted:    {"起動した", "it is up"},
	trace.HostDown:      {"停止した: {reason}", "it is down: {reason}"},

	trace.ConfigLoaded:    {"{program} が {file} を読み込んだ{errors}", "{program} read {file}{errors}"},
	trace.FirewallChanged: {"ファイアウォールのゾーン {zone} が変わった: {change}", "zone {zone} of the firewall changed: {change}"},

	trace.SampleTaken: {"{program} が {source}（stratum {stratum}）の時刻を測った: ずれ {offset} 秒、遅延 {delay} 秒",
		"{program} measured {source} (stratum {stratum}): offset {offset} s, delay {delay} s"},
	trace.SourceSelected: {"{program} が同期元に {source}（stratum {stratum}）を選んだ", "{program} follows {source} (stratum {stratum})"},
	trace.ClockStepped:   {"{program} が時計を {by} 秒動かした（{reason}）", "{program} set the clock by {by} s ({reason})"},
	trace.ClockSlewed:    {"{program} が時計を少しずつ {by} 秒合わせている（{reason}）", "{program} slews the clock by {by} s ({reason})"},
	trace.QueryAnswered:  {"{program} が {from} に答えた（{protocol}）: {question} → {answer}", "{program} answered {from} ({protocol}): {question} → {answer}"},

	trace.Warped:  {"ラボの時刻が {by} 進んだ", "the lab's time went ahead by {by}"},
	trace.Checked: {"課題 {task} を採点した: {outcome}", "task {task} was graded: {outcome}"},

	trace.MailHeld:     {"{id}: 保留された。postsuper -H {id} まで送らない（{reason}）", "{id}: on hold, nothing is sent until postsuper -H {id} ({reason})"},
	trace.MailRemoved:  {"{id}: キューから削除された", "{id}: taken out of the queue"},
	trace.MailUnread:   {"{id}: {file} は使わなかった: {reason}", "{id}: {file} was not obeyed: {reason}"},
	trace.MailRejected: {"{command} で {from} からのメールを拒否した: {reply}", "refused a mail from {from} at {command}: {reply}"},
}

// write tells events one a line, with their number, time and host; the same
// again is counted.
func write(w io.Writer, story []trace.Event, language string) {
	width := 0
	for _, e := range story {
		width = max(width, len(e.Host)+1)
	}
	for i := 0; i < len(story); {
		e := story[i]
		text := tell(e, language)
		n := 1
		for i+n < len(story) && story[i+n].Host == e.Host && tell(story[i+n], language) == text {
			n++
		}
		fmt.Fprintf(w, "%6d %s %-*s %s", e.Seq, e.At.Format("15:04:05.000"), width, e.Host+":", text)
		if n > 1 {
			fmt.Fprintf(w, " (×%d)", n)
		}
		fmt.Fprintln(w)
		i += n
	}
}

// Line tells one event out of its story: the sentence, and the message that it
// is about where the sentence does not say it.
func Line(e trace.Event, language string) string {
	line := tell(e, language)
	if text := e.Attrs["text"]; e.Kind != trace.MessageLogged && text != "" {
		line += fmt.Sprintf(" %q", text)
	}
	return line
}

// tell is the sentence of an event.
func tell(e trace.Event, language string) string {
	s := sentences[e.Kind]
	if e.Kind == trace.MailDeferred && e.Attrs["next"] != "" {
		s = sentence{"{id}: 次に送るのは {next} より後", "{id}: the next attempt is not before {next}"}
	}
	if e.Kind == trace.MailBounced && e.Attrs["bounce-id"] != "" {
		s = sentence{"{id}: {to} あてを差出人に返した（通知のキュー ID {bounce-id}）", "{id}: for {to} returned to its sender (the report is queued as {bounce-id})"}
	}
	if e.Kind == trace.MessageDropped && e.Attrs["rule"] == "" {
		s = sentence{"{program} がルールに渡す前に捨てた: {reason}", "{program} threw it away before any rule: {reason}"}
	}
	if e.Kind == trace.MessageReceived && e.Attrs["input"] == "imjournal" {
		s = sentence{"{program} がジャーナルから {facility}.{severity} のメッセージとして読んだ（imjournal）", "{program} read it from the journal as {facility}.{severity} (imjournal)"}
	}
	text := lang.Text(s).In(language)
	values := []string{"{program}", e.Program}
	for _, name := range trace.Kinds[e.Kind] {
		value := e.Attrs[name]
		if name == "next" {
			value = localTime(value, e.At)
		}
		if e.Kind == trace.PacketRefused && name == "action" {
			value = refusal(value, language)
		} else if name == "action" || e.Kind == trace.MessageDropped && name == "to" {
			value = action(value, language)
		}
		switch {
		case name == "stale":
			value = stale(e, language)
		case name == "errors":
			value = mistakes(value, language)
		case value == "":
			value = "-"
		}
		values = append(values, "{"+name+"}", value)
	}
	return strings.NewReplacer(values...).Replace(text)
}

// refusal is the verb for what a packet filter did, "drop" or "reject".
func refusal(action, language string) string {
	switch {
	case language != "ja" && action == "drop":
		return "dropped"
	case language != "ja":
		return "rejected"
	case action == "drop":
		return "破棄"
	}
	return "拒否"
}

// localTime is a time of RFC 3339 as the column of the times has it, with the day
// where that is not the event's.
func localTime(text string, at time.Time) string {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return text
	}
	t = t.In(at.Location())
	if t.Format(time.DateOnly) == at.Format(time.DateOnly) {
		return t.Format(time.TimeOnly)
	}
	return t.Format(time.DateTime)
}

// stale tells that an alias came from a database that was older than its source.
func stale(e trace.Event, language string) string {
	switch {
	case e.Attrs["stale"] == "":
		return ""
	case language == "ja":
		return "（データベースは " + e.Attrs["file"] + " より古い: newaliases がまだ）"
	}
	return " (the database is older than " + e.Attrs["file"] + ": newaliases has not been run)"
}

// mistakes tells what was wrong with a configuration, a number or in words.
func mistakes(errors, language string) string {
	switch {
	case errors == "" || errors == "0":
		return ""
	case language == "ja":
		return "（誤り: " + errors + "）"
	}
	return " (mistakes: " + errors + ")"
}

// action says what a rule of rsyslog.conf does, where it is in the old form;
// the new one, action(type=…), says it itself.
func action(text, language string) string {
	for _, form := range []struct {
		prefix string
		sentence
	}{
		{"@@", sentence{"%s へ tcp で転送", "forward to %s over tcp"}},
		{"@", sentence{"%s へ udp で転送", "forward to %s over udp"}},
		{":omusrmsg:", sentence{"端末に表示（%s）", "show on the terminals of %s"}},
		{"/", sentence{"/%s に書く", "write to /%s"}},
		{"-/", sentence{"/%s に書く", "write to /%s"}},
	} {
		if rest, ok := strings.CutPrefix(text, form.prefix); ok {
			return fmt.Sprintf(lang.Text(form.sentence).In(language), rest)
		}
	}
	return text
}
