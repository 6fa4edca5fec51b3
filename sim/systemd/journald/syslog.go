package journald

import (
	"strconv"
	"strings"

	"enshu/sim/wire/journal"
	"enshu/sim/wire/syslog"
)

// parseSyslog reads a datagram of /dev/log as journald does (syslog(3)'s
// form, which has no host name).
func parseSyslog(raw []byte) []journal.Field {
	text := string(raw)
	if i := strings.IndexByte(text, 0); i >= 0 {
		text = text[:i]
	}
	stripped := strings.TrimSpace(text)
	changed := len(stripped) != len(raw)
	text = stripped
	priority := syslog.Make(syslog.User, syslog.Info)
	if p, rest, ok := cutPriority(text); ok {
		priority, text = p, rest
	}
	stamp := ""
	if n := stampLength(text); n > 0 {
		stamp, text = text[:n], text[n:]
	} else {
		changed = true
	}
	ident, pid, rest, hasIdent := cutIdentifier(text)
	fields := []journal.Field{
		{Name: "_TRANSPORT", Value: "syslog"},
		{Name: "PRIORITY", Value: strconv.Itoa(int(priority.Severity()))},
	}
	if f := priority.Facility(); f > 0 {
		fields = append(fields, journal.Field{Name: "SYSLOG_FACILITY", Value: strconv.Itoa(int(f))})
	}
	if hasIdent {
		fields = append(fields, journal.Field{Name: "SYSLOG_IDENTIFIER", Value: ident})
	}
	if pid != "" {
		fields = append(fields, journal.Field{Name: "SYSLOG_PID", Value: pid})
	}
	if stamp != "" {
		fields = append(fields, journal.Field{Name: "SYSLOG_TIMESTAMP", Value: stamp})
	}
	fields = append(fields, journal.Field{Name: "MESSAGE", Value: rest})
	if changed {
		fields = append(fields, journal.Field{Name: "SYSLOG_RAW", Value: string(raw)})
	}
	return fields
}

// cutPriority cuts <N>, of one to three digits, from the beginning.
func cutPriority(s string) (syslog.Priority, string, bool) {
	if !strings.HasPrefix(s, "<") {
		return 0, s, false
	}
	end := strings.IndexByte(s, '>')
	if end < 2 || end > 4 {
		return 0, s, false
	}
	n := 0
	for _, c := range []byte(s[1:end]) {
		if c < '0' || c > '9' {
			return 0, s, false
		}
		n = n*10 + int(c-'0')
	}
	return syslog.Priority(n), s[end+1:], true
}

// stampLength is the length of "Mmm dd hh:mm:ss " at the beginning, 0 without.
func stampLength(s string) int {
	const form = "aaa 00 00:00:00 "
	if len(s) < len(form) {
		return 0
	}
	for i := range len(form) {
		c := s[i]
		switch form[i] {
		case 'a':
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
				return 0
			}
		case '0':
			if (c < '0' || c > '9') && !(i == 4 && c == ' ') {
				return 0
			}
		default:
			if c != form[i] {
				return 0
			}
		}
	}
	return len(form)
}

// cutIdentifier cuts "tag[pid]: " from the beginning. A word that no colon and
// blank end is no tag.
func cutIdentifier(s string) (ident, pid, rest string, ok bool) {
	t := strings.TrimLeft(s, " \t\r\n")
	end := strings.IndexAny(t, " \t\r\n")
	if end <= 0 || t[end-1] != ':' {
		return "", "", s, false
	}
	word := t[:end-1]
	rest = t[end+1:]
	if strings.HasSuffix(word, "]") {
		if i := strings.LastIndexByte(word, '['); i >= 0 {
			return word[:i], word[i+1 : len(word)-1], rest, true
		}
	}
	return word, "", rest, true
}
