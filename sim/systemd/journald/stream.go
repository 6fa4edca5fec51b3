package journald

import (
	"bytes"
	"strconv"
	"strings"

	"enshu/sim/systemd/unitfile"
	"enshu/sim/wire/journal"
	"enshu/sim/wire/syslog"
)

// lineMax is the default of LineMax=.
const lineMax = 48 << 10

// streamParser takes the bytes of one stream apart.
type streamParser struct {
	header  journal.StreamHeader
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
		b, ok := unitfile.ParseBool(text)
		if !ok {
			return "Failed to parse " + what + " line: Invalid argument"
		}
		*into = b
		return ""
	}
	s.lines++
	switch s.lines {
	case 1:
		s.header.Ident = text
	case 2:
		s.header.Unit = text
	case 3:
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > 999 {
			return "Failed to parse log priority line: Invalid argument"
		}
		s.header.Priority = n
	case 4:
		return flag(&s.header.Prefix, "level prefix")
	case 5:
		return flag(&s.header.ToSyslog, "forward to syslog")
	case 6:
		return flag(&s.header.ToKmsg, "copy to kmsg")
	case 7:
		return flag(&s.header.ToConsole, "copy to console")
	}
	return ""
}

// line adds a line of output, unless it is empty.
func (s *streamParser) line(lines []streamLine, b []byte, end string) []streamLine {
	text, priority := string(b), syslog.Priority(s.header.Priority)
	if s.header.Prefix {
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
