package systemd

import (
	"bytes"
	"strconv"
	"strings"

	"enshu/sim/wire/journal"
	"enshu/sim/wire/syslog"
)

// streamHeader are the first lines that a client writes to
// /run/systemd/journal/stdout before its output (sd_journal_stream_fd(3)).
type streamHeader struct {
	ident, unit                         string
	priority                            syslog.Priority
	prefix                              bool // lines may begin with <N>
	toSyslog, toKernelLog, toTheConsole bool
}

func (h streamHeader) encode() []byte {
	flag := map[bool]string{false: "0", true: "1"}
	return []byte(strings.Join([]string{h.ident, h.unit, strconv.Itoa(int(h.priority)),
		flag[h.prefix], flag[h.toSyslog], flag[h.toKernelLog], flag[h.toTheConsole], ""}, "\n"))
}

// lineMax is the default of LineMax=.
const lineMax = 48 << 10

// streamParser takes the bytes of one stream apart.
type streamParser struct {
	header  streamHeader
	lines   int // of the header that were read
	buf     []byte
	lineMax int
}

// streamLine is one line of output; how it ended is "" for a line feed.
type streamLine struct {
	text     string
	priority syslog.Priority
	end      string
}

// feed adds bytes and returns the lines that are whole. bad is the text of
// journald's warning about a broken header, which ends the stream.
func (s *streamParser) feed(b []byte, eof bool) (lines []streamLine, bad string) {
	s.buf = append(s.buf, b...)
	for {
		i := bytes.IndexAny(s.buf, "\n\x00")
		if s.lines < 7 {
			if i < 0 && len(s.buf) > s.lineMax {
				return lines, "Failed to parse stream header: too long"
			}
			if i < 0 {
				return lines, ""
			}
			text := string(bytes.TrimRight(s.buf[:i], " \t\r"))
			s.buf = s.buf[i+1:]
			if bad := s.headerLine(text); bad != "" {
				return lines, bad
			}
			continue
		}
		switch {
		case i >= 0 && i <= s.lineMax:
			end := ""
			if s.buf[i] == 0 {
				end = "nul"
			}
			lines = s.line(lines, s.buf[:i], end)
			s.buf = s.buf[i+1:]
			continue
		case len(s.buf) >= s.lineMax && (i < 0 || i > s.lineMax):
			lines = s.line(lines, s.buf[:s.lineMax], "line-max")
			s.buf = s.buf[s.lineMax:]
			continue
		case eof && len(s.buf) > 0:
			lines = s.line(lines, s.buf, "eof")
			s.buf = nil
		}
		// What is left is kept apart from the bytes that were handed out.
		s.buf = append([]byte(nil), s.buf...)
		return lines, ""
	}
}

func (s *streamParser) headerLine(text string) (bad string) {
	flag := func(into *bool, what string) string {
		b, ok := parseBool(text)
		if !ok {
			return "Failed to parse " + what + " line: Invalid argument"
		}
		*into = b
		return ""
	}
	s.lines++
	switch s.lines {
	case 1:
		s.header.ident = text
	case 2:
		s.header.unit = text
	case 3:
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > 999 {
			return "Failed to parse log priority line: Invalid argument"
		}
		s.header.priority = syslog.Priority(n)
	case 4:
		return flag(&s.header.prefix, "level prefix")
	case 5:
		return flag(&s.header.toSyslog, "forward to syslog")
	case 6:
		return flag(&s.header.toKernelLog, "copy to kmsg")
	case 7:
		return flag(&s.header.toTheConsole, "copy to console")
	}
	return ""
}

// line adds a line of output, unless it is empty.
func (s *streamParser) line(lines []streamLine, b []byte, end string) []streamLine {
	text, priority := string(b), s.header.priority
	if s.header.prefix {
		// Only <0> to <7>: a program says how grave a line is, not of what facility.
		if len(text) >= 3 && text[0] == '<' && text[2] == '>' && text[1] >= '0' && text[1] <= '7' {
			priority = syslog.Make(priority.Facility(), syslog.Severity(text[1]-'0'))
			text = text[3:]
		}
	}
	text = strings.TrimRight(text, " \t\r\n")
	if text == "" {
		return lines
	}
	return append(lines, streamLine{text, priority, end})
}

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
