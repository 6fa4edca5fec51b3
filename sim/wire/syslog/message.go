package syslog

import (
	"strings"
	"time"
)

// Invalid is the facility of a message whose PRI part could not be read. Its
// severity is Debug.
const Invalid Facility = 24

// Message is one syslog message, taken apart. Absent parts of RFC 5424 are "-".
type Message struct {
	Raw       string // as received, sanitized
	Facility  Facility
	Severity  Severity
	PRILength int    // octets of the PRI part in Raw; 0 when there is none
	Version   int    // 0 for RFC 3164, 1 for RFC 5424
	Time      Time   // as told, or when it was received
	Host      string // "" when the message names none
	NoHost    bool   // the message has the place of a host, and it is empty
	Tag       string // RFC 3164 TAG with its colon; made of APP-NAME and PROCID for RFC 5424
	AppName   string // set for RFC 5424 only
	ProcID    string // likewise
	MsgID     string
	Data      string // STRUCTURED-DATA
	Text      string // MSG, with the blank that follows the tag
}

// Limits of rsyslog's parsers, in octets.
const (
	maxHost = 511
	maxTag  = 511
)

// Sanitizer makes raw octets fit for a log file, as rsyslog's global(parser.*)
// parameters tell.
type Sanitizer struct {
	KeepTrailingLF bool // $DropTrailingLFOnReception off
	KeepControls   bool // $EscapeControlCharactersOnReceive off
	KeepTabs       bool // $EscapeControlCharacterTab off
	Escape8Bit     bool // $Escape8BitCharactersOnReceive on
	SpaceControls  bool // parser.spaceLFOnReceive: a line feed becomes a blank, others stay
	EscapePrefix   byte // 0 is '#'
	EscapeCStyle   bool // parser.escapeControlCharactersCStyle
	Max            int  // octets of the result, when something is escaped; 0 is no limit
}

// Clean drops one trailing NUL and one trailing line feed and escapes control
// characters as #ooo.
func (c Sanitizer) Clean(raw []byte) string { return c.CleanString(string(raw)) }

// CleanString is Clean that copies nothing when there is nothing to escape.
func (c Sanitizer) CleanString(raw string) string {
	if n := len(raw); n > 0 && raw[n-1] == 0 {
		raw = raw[:n-1]
	}
	if n := len(raw); n > 0 && raw[n-1] == '\n' && !c.KeepTrailingLF {
		raw = raw[:n-1]
	}
	dirty := c.dirt(raw)
	if dirty == 0 {
		return raw
	}
	prefix := c.EscapePrefix
	if prefix == 0 {
		prefix = '#'
	}
	var out strings.Builder
	out.Grow(len(raw) + 3*dirty)
	most := len(raw) + 4*dirty // the real daemon keeps three octets for the last escape
	if c.Max > 0 && c.Max < 4*len(raw) {
		most = c.Max - 3
	}
	for i := 0; i < len(raw) && out.Len() < most; i++ {
		switch b := raw[i]; {
		case b >= ' ' && !(b > 0x7f && c.Escape8Bit):
			out.WriteByte(b)
		case b == '\n' && c.SpaceControls:
			out.WriteByte(' ')
		case b == '\t' && c.KeepTabs, b < ' ' && (c.KeepControls || c.SpaceControls) && b != 0:
			out.WriteByte(b)
		case c.EscapeCStyle:
			out.WriteByte('\\')
			if i := strings.IndexByte("\x00\a\b\t\n\v\f\r\x1b", b); i >= 0 {
				out.WriteByte("0abtnvfre"[i])
			} else {
				const digits = "0123456789ABCDEF"
				out.WriteByte('x')
				out.WriteByte(digits[b>>4])
				out.WriteByte(digits[b&15])
			}
		default:
			out.WriteByte(prefix)
			out.WriteByte('0' + b>>6)
			out.WriteByte('0' + b>>3&7)
			out.WriteByte('0' + b&7)
		}
	}
	return out.String()
}

// dirt returns how many octets of a text are to be escaped. Eight at a time are
// passed over that are not: a text without any is the rule.
func (c Sanitizer) dirt(s string) (n int) {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	var high uint64 // marks what an octet above 0x7f has
	if c.Escape8Bit {
		high = tops
	}
	i := 0
	for ; i+8 <= len(s); i += 8 {
		x := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		if (x-' '*ones)&^x&tops|x&high != 0 {
			n += c.count(s[i : i+8])
		}
	}
	return n + c.count(s[i:])
}

func (c Sanitizer) count(s string) (n int) {
	for i := 0; i < len(s); i++ {
		if b := s[i]; b < ' ' || b > 0x7f && c.Escape8Bit {
			n++
		}
	}
	return n
}

// Parse takes a sanitized message apart as rsyslog's parsers pmrfc5424 and
// pmrfc3164 do; now is when it was received, in local time. A message whose PRI
// is invalid is all text.
func Parse(raw string, now time.Time) (m Message) {
	m.Parse(raw, TimeOf(now, 6))
	return m
}

// Parse is the function Parse into m, which has nothing in it yet.
func (m *Message) Parse(raw string, received Time) {
	m.Raw, m.Time, m.MsgID, m.Data = raw, received, "-", "-"
	pri, rest := ParsePRI(raw)
	if pri < 0 {
		m.Facility, m.Severity, m.Text = Invalid, Debug, raw
		if raw == "<" {
			m.PRILength = 1
		}
		return
	}
	m.Facility, m.Severity = pri.Facility(), pri.Severity()
	m.PRILength = len(raw) - len(rest)
	if len(rest) >= 2 && rest[0] == '1' && rest[1] == ' ' {
		m.parse5424(rest[2:])
	} else {
		m.parse3164(rest)
	}
}

// ParsePRI reads the PRI part. Without one the priority is user.notice; a
// negative priority means that it is not valid.
func ParsePRI(s string) (Priority, string) {
	if len(s) == 0 || s[0] != '<' {
		return Make(User, Notice), s
	}
	pri, i := 0, 1
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9' && pri <= 191; i++ {
		pri = pri*10 + int(s[i]-'0')
	}
	if i == len(s) || s[i] != '>' || pri > 191 {
		return -1, s
	}
	return Priority(pri), s[i+1:]
}

func (m *Message) parse5424(s string) {
	m.Version = 1
	switch t, rest, ok := ParseRFC3339(s); {
	case strings.HasPrefix(s, "- "):
		s = s[2:]
	case ok:
		m.Time, s = t, rest
	default:
		m.Text = s
		return
	}
	if m.Host, s = field(s); m.Host == "" {
		m.NoHost = true
	}
	if m.AppName, s = field(s); m.AppName == "" {
		m.AppName = "-"
	}
	m.ProcID, s = field(s)
	m.MsgID, s = field(s)
	var ok bool
	if m.Data, m.Text, ok = structuredData(s); !ok {
		m.Data, m.Text = m.MsgID, s // the real daemon shows what it read last
	}
	m.Tag = m.AppName
	if m.ProcID != "-" {
		m.Tag += "[" + m.ProcID + "]"
	}
}

// field reads up to the next blank.
func field(s string) (value, rest string) {
	value, rest, _ = strings.Cut(s, " ")
	return value, rest
}

// structuredData reads a dash, or up to the first ] that a blank follows, and
// the blank. It reports false when there is neither.
func structuredData(s string) (data, rest string, ok bool) {
	if s != "" && s[0] == '-' {
		return "-", strings.TrimPrefix(s[1:], " "), true
	}
	if s == "" || s[0] != '[' {
		return "", s, false
	}
	for i := 0; i < len(s); {
		switch {
		case len(s)-i < 2:
			if s[i] == ']' {
				return s, "", true
			}
			return s[:i], strings.TrimPrefix(s[i:], " "), true
		case s[i] == '\\' && s[i+1] == ']':
			i += 2
		case s[i] == ']' && s[i+1] == ' ':
			return s[:i+1], s[i+2:], true
		default:
			i++
		}
	}
	return s, "", true
}

func (m *Message) parse3164(s string) {
	now := m.Time
	i := 0
	for i < len(s) && (s[i] == ' ' || s[i] == '\t') {
		i++
	}
	if i < len(s) && (s[i] == '{' || s[i] == '[') {
		m.Text = s
		return
	}
	if t, rest, ok := ParseRFC3339(s); ok {
		m.Time, s = t, rest
	} else if t, rest, ok := ParseRFC3164(s, now); ok {
		m.Time, s = t, rest
	} else if len(s) > 1 && s[0] == ' ' {
		if t, rest, ok := ParseRFC3164(s[1:], now); ok {
			m.Time, s = t, rest
		}
	}
	n := 0
	for n < len(s) && n < maxHost && hostChar(s[n]) {
		n++
	}
	switch {
	case n == len(s):
		m.Host, s = s, ""
	case n > 0 && s[n] == ' ' && alnum(s[n-1]):
		m.Host, s = s[:n], s[n+1:]
	}
	n = 0
	for n < len(s) && n < maxTag-1 && s[n] != ':' && s[n] != ' ' {
		n++
	}
	if n < len(s) && s[n] == ':' {
		n++
	}
	m.Tag, m.Text = s[:n], s[n:]
}

func alnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func hostChar(c byte) bool { return alnum(c) || c == '.' || c == '_' || c == '-' }

// ParseLocal takes a message of the local log socket apart as rsyslog's imuxsock
// does: no host is looked for, the time told counts only when keepTime is set,
// and the tag ends at a blank. The first octet is taken for the '<' of the PRI,
// whatever it is.
func ParseLocal(raw string, now time.Time, keepTime bool) Message {
	m := Message{Raw: raw, Time: TimeOf(now, 6), MsgID: "-", Data: "-"}
	pri, i := 0, min(1, len(raw))
	for ; i < len(raw) && raw[i] >= '0' && raw[i] <= '9'; i++ {
		pri = (pri*10 + int(raw[i]-'0')) & 0xffff
	}
	m.Facility, m.Severity = min(Facility(pri>>3), Invalid), Severity(pri&7)
	i = min(i+1, len(raw))
	m.PRILength = i
	s := raw[i:]
	t, rest, ok := ParseRFC3339(s)
	if !ok {
		t, rest, ok = ParseRFC3164(s, m.Time)
	}
	if ok {
		s = rest
		if keepTime {
			m.Time = t
		}
	}
	n := strings.IndexByte(s, ' ')
	if n < 0 {
		n = len(s)
	}
	n = min(n, maxTag)
	m.Tag, m.Text = s[:n], s[n:]
	return m
}

// ProgramName returns the program's name in a tag: what stands before the
// first '[', ':', '/' or character that is not printable ASCII.
func ProgramName(tag string) string {
	for i := 0; i < len(tag); i++ {
		if c := tag[i]; c <= ' ' || c > '~' || c == '[' || c == ':' || c == '/' {
			if c == ' ' {
				continue
			}
			return tag[:i]
		}
	}
	return tag
}

// TagProcID returns what stands in brackets in a tag, "-" when nothing does.
func TagProcID(tag string) string {
	if _, after, ok := strings.Cut(tag, "["); ok {
		if pid, _, ok := strings.Cut(after, "]"); ok {
			return pid
		}
	}
	return "-"
}
