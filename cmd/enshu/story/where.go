package story

import (
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"

	"enshu/sim/lang"
	"enshu/sim/trace"
)

// place is a file of a host that a message is looked for in.
type place struct{ host, file string }

// placeOf reads HOST:FILE.
func placeOf(text string, hosts []Host) (place, error) {
	name, file, ok := strings.Cut(text, ":")
	if !ok || !strings.HasPrefix(file, "/") {
		return place{}, lang.Errorf("%q は HOST:FILE (%s:/var/log/messages など) の形ではありません", "%q is not HOST:FILE, such as %s:/var/log/messages", text, hosts[0].Name)
	}
	if !slices.ContainsFunc(hosts, func(h Host) bool { return h.Name == name }) {
		return place{}, lang.Errorf("このラボにホスト %q はありません", "no host %q in this lab", name)
	}
	return place{name, file}, nil
}

var (
	pathWord   = regexp.MustCompile(`/[\w./@+-]*[\w@+-]`)
	quotedWord = regexp.MustCompile(`["'「“]([^"'」”]+)["'」”]`)
)

// question reads a question that names a file and a host: "why is it not in
// /var/log/secure on server". What stands in quotes is the message; "" is the
// last one.
func question(text string, hosts []Host) (about string, where place, ok bool) {
	where.file = pathWord.FindString(text)
	for _, h := range hosts {
		if regexp.MustCompile(`(^|[^\w.-])` + regexp.QuoteMeta(h.Name) + `($|[^\w.-])`).MatchString(text) {
			where.host = h.Name
		}
	}
	if m := quotedWord.FindStringSubmatch(text); m != nil {
		about = m[1]
	}
	return about, where, where.file != "" && where.host != ""
}

// lastWritten is the text of the last message that somebody wrote: with
// logger(1), if anybody did.
func lastWritten(events []trace.Event) string {
	text, by := "", false
	for _, e := range events {
		if e.Kind == trace.MessageLogged && (e.Program == "logger" || !by) {
			text, by = e.Attrs["text"], by || e.Program == "logger"
		}
	}
	return text
}

// owner returns whose an address or a name is.
func owner(hosts []Host) func(string) string {
	return func(name string) string {
		for _, h := range hosts {
			if h.Name == name || strings.HasPrefix(name, h.Name+".") {
				return h.Name
			}
			for _, a := range h.Addresses {
				if ip, _, _ := strings.Cut(a, "/"); ip == name {
					return h.Name
				}
			}
		}
		return ""
	}
}

// fates are how a finding is told. {host} and {file} are the place; {command} is
// what shows more, on {at}.
var fates = map[trace.Fate]struct {
	sentence
	command string
}{
	trace.NeverLogged: {sentence{"このメッセージはどのホストのプログラムも書いていません。", "No program of any host wrote such a message."}, ""},
	trace.NotTaken: {sentence{"{at} の rsyslogd はこのメッセージを受け取っていません。動いているか、imjournal か imuxsock を読み込んでいるかを確かめます。",
		"rsyslogd of {at} did not take it: is it running, and does it load imjournal or imuxsock?"}, "systemctl status rsyslog systemd-journald"},
	trace.NoForward: {sentence{"{at} には {facility}.{severity} を {host} へ送るルールがありません。", "No rule of {at} sends {facility}.{severity} to {host}."}, "grep -nE '@|omfwd' /etc/rsyslog.conf /etc/rsyslog.d/*"},
	trace.Elsewhere: {sentence{"{at} の {rule} は {host} ではなく {to} へ送っています。", "{rule} of {at} sends it to {to}, which is not {host}."}, "cat {rulefile}"},
	trace.Unselected: {sentence{"{at} の {rule} がそうするはずですが、セレクタ {selector} は {facility}.{severity} に当てはまりません。",
		"{rule} of {at} would do that, but its selector {selector} does not match {facility}.{severity}."}, "cat {rulefile}"},
	trace.Dropped: {sentence{"{at} の {program} がルールに渡す前に捨てました: {reason}", "{program} of {at} threw it away before any rule: {reason}"},
		"{thrower}"},
	trace.Suspended: {sentence{"{at} の {rule} がこのメッセージをあきらめました: {reason}", "{rule} of {at} gave it up: {reason}"}, "journalctl -u rsyslog"},
	trace.Refused:   {sentence{"{at} は {to} に {over} で接続できませんでした: {error}", "{at} could not connect to {to} over {over}: {error}"}, ""},
	trace.Filtered: {sentence{"{at} のファイアウォールが {to}/{protocol} へのパケットを通しませんでした。", "The firewall of {at} did not let the packet to {to}/{protocol} through."},
		"{firewall}"},
	trace.Unheard: {sentence{"{to} へ {over} で送られ、ファイアウォールも通りましたが、{host} では誰も受け取っていません。待ち受けているかを確かめます。",
		"It was sent to {to} over {over} and no firewall was in the way, but nobody on {host} took it: does anything listen there?"}, "ss -lnp"},
	trace.Waiting: {sentence{"{at} の {rule} は当てはまりましたが、その動作はまだ終わっていません。", "{rule} of {at} matched, and has not done its work yet."}, "journalctl -u rsyslog"},
	trace.Discarded: {sentence{"{at} の {rule}（{selector}）がそこで処理を終わらせたので、それより下のルールには届きません。",
		"{rule} ({selector}) of {at} ends the work on it: no rule below has a say."}, "cat {rulefile}"},
	trace.NoRule: {sentence{"{at} に届いていますが、{at} には {file} に書くルールがありません。", "It came to {at}, which has no rule that writes to {file}."},
		"grep {file} /etc/rsyslog.conf /etc/rsyslog.d/*"},
	trace.InFile:      {sentence{"{rule} により {host} の {file} に書かれています。", "It is in {file} on {host}, by {rule}."}, ""},
	trace.RotatedAway: {sentence{"{host} の {file} に書かれましたが、ローテーションで {to} に移りました。", "It was in {file} on {host}, which was rotated to {to} since."}, ""},
}

// writeFinding tells where a message stopped, and what shows it.
func writeFinding(w io.Writer, f trace.Finding, p place, hosts []Host, language string) {
	told := fates[f.Fate]
	at := f.Event.Host
	command := told.command
	switch {
	case f.Fate == trace.Refused && owner(hosts)(hostPart(f.Event.Attrs["to"])) != "":
		command = "ss -lntp" // where nobody listens, which is not where it failed
		at = p.host
	case f.Fate == trace.Unheard:
		at = p.host
	}
	to := f.Event.Attrs["to"]
	if to == "" {
		to, _ = trace.Forward(f.Event.Attrs["action"])
	}
	file, _, _ := strings.Cut(f.Event.Attrs["rule"], ":")
	values := []string{"{program}", f.Event.Program, "{host}", p.host, "{file}", p.file, "{at}", f.Event.Host, "{to}", to, "{rulefile}", file,
		"{firewall}", firewallCommand(f.Event.Attrs["chain"]), "{thrower}", dropCommand(f.Event)}
	for _, name := range []string{"rule", "selector", "facility", "severity", "reason", "over", "protocol", "error"} {
		value := f.Event.Attrs[name]
		if value == "" {
			value = "-"
		}
		values = append(values, "{"+name+"}", value)
	}
	fill := strings.NewReplacer(values...)
	text, see := told.EN, "see: on %s: %s\n"
	if language == "ja" {
		text, see = told.JA, "確認: %s で %s\n"
	}
	fmt.Fprintf(w, "→ %s\n", fill.Replace(text))
	if command != "" {
		fmt.Fprintf(w, "  "+see, at, fill.Replace(command))
	}
}

// dropCommand shows why a daemon threw a message away before its rules.
func dropCommand(e trace.Event) string {
	switch reason := e.Attrs["reason"]; {
	case strings.Contains(reason, "rate limit"):
		return "journalctl -g 'Suppressed|rate-limiting'"
	case e.Program != "systemd-journald":
		return "journalctl -u rsyslog"
	case strings.Contains(reason, "="): // a setting
		return "grep -r '^[^#]' /etc/systemd/journald.conf*"
	}
	return "df -h /run/log/journal /var/log/journal"
}

// firewallCommand shows what refused a packet, by the name of the chain that did:
// firewalld's for a zone have its name in theirs.
func firewallCommand(chain string) string {
	zone, ok := strings.CutPrefix(chain, "filter_IN_")
	if !ok {
		zone, ok = strings.CutPrefix(chain, "filter_FWD_")
	}
	switch {
	case ok && !strings.HasPrefix(zone, "policy_"):
		for _, part := range []string{"_pre", "_log", "_deny", "_allow", "_post"} {
			zone = strings.TrimSuffix(zone, part)
		}
		return "firewall-cmd --zone=" + zone + " --list-all"
	case strings.HasPrefix(chain, "raw_"):
		return "firewall-cmd --query-panic"
	}
	return "firewall-cmd --list-all"
}

func hostPart(to string) string {
	if h, _, err := net.SplitHostPort(to); err == nil {
		return h
	}
	return to
}
