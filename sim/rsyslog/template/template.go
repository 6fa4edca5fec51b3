// Package template makes text from a message as rsyslog's templates tell: strings
// with properties between percent signs, and lists.
package template

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"enshu/sim/rsyslog/message"
	"enshu/sim/wire/syslog"
)

// Template makes the text of an action from a message (rsyslog templates).
type Template struct {
	Name  string
	Parts []Part
	Quote byte // option.sql 's', option.stdsql 'q', option.json 'j': every property is escaped so
	Jsonf bool // option.jsonf: the parts are fields of one JSON object, a line of its own
}

// Part is a constant or a property of a template.
type Part struct {
	Constant string
	Empty    bool // a constant without text
	Ref      message.Property
	Name     string // of a JSON field (outname)
	Opt      Options
}

// caseConversion of a property.
type caseConversion int

const (
	asIs caseConversion = iota
	upper
	lower
)

// Options are those of the property replacer.
type Options struct {
	From, To      int // 1-based; 0 is not given
	FromEnd       bool
	FixedWidth    bool
	Fields        bool
	Field         int // 1-based
	Delimiter     string
	re            *regexp.Regexp
	Submatch      int
	Match         int
	NoMatch       NoMatch
	conversion    caseConversion
	DropLastLF    bool
	SpaceIfNone   bool // sp-if-no-1st-sp
	CompressSpace bool
	controls      byte // 'd'rop, 's'pace, 'e'scape
	path          byte // 'd' secpath-drop, 'r' secpath-replace
	date          string
	UTC           bool
	format        string // json, jsonf, jsonr, jsonfr, csv
	DataType      DataType
	OnEmpty       OnEmpty
	BadRegex      bool // the pattern of a string template could not be compiled
}

// DataType is how a JSON field (format jsonf) shows its value.
type DataType int

const (
	TypeString DataType = iota
	TypeNumber
	TypeBool
	TypeAuto // a number, true or false are not quoted
)

// OnEmpty is what a JSON field does without a value.
type OnEmpty int

const (
	EmptyKeep OnEmpty = iota
	EmptySkip
	EmptyNull
)

// NoMatch is what stands for a property that a regular expression does not match.
type NoMatch int

const (
	noMatchDefault NoMatch = iota
	noMatchBlank
	noMatchField
	noMatchZero
)

// Expand appends what the template makes of a message.
func (t *Template) Expand(b []byte, x *message.Scope) []byte {
	if t.Jsonf {
		return t.expandObject(b, x)
	}
	for i := range t.Parts {
		p := &t.Parts[i]
		if p.Constant != "" || p.Empty {
			b = append(b, p.Constant...)
			continue
		}
		if p.Ref.ID == message.None {
			b = append(b, "**INVALID PROPERTY NAME**"...)
			continue
		}
		if t.Quote == 0 {
			b = p.expand(b, x)
			continue
		}
		s := string(p.expand(nil, x))
		switch t.Quote {
		case 's':
			s = strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s)
		case 'q':
			s = strings.ReplaceAll(s, `'`, `''`)
		case 'j':
			s = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)
		}
		b = append(b, s...)
	}
	return b
}

// expandObject is option.jsonf: an object whose members the parts are.
func (t *Template) expandObject(b []byte, x *message.Scope) []byte {
	b = append(b, '{')
	first := len(b)
	for i := range t.Parts {
		p, before := &t.Parts[i], len(b)
		if before > first {
			b = append(b, ", "...)
		}
		at := len(b)
		if b = append(b, p.Constant...); p.Constant == "" && !p.Empty {
			b = p.expand(b, x)
		}
		if len(b) == at {
			b = b[:before]
		}
	}
	return append(b, "}\n"...)
}

// expand appends one property.
func (p *Part) expand(b []byte, x *message.Scope) []byte {
	o := &p.Opt
	if p.Ref.ID == message.TimeReported || p.Ref.ID == message.TimeGenerated {
		if o.untouched() {
			return p.appendTime(b, x.Message)
		}
		return append(b, o.apply(string(p.appendTime(nil, x.Message)), p)...)
	}
	return append(b, o.apply(x.Get(p.Ref), p)...)
}

// untouched reports whether the value stays as it is.
func (o *Options) untouched() bool {
	return o.From == 0 && o.To == 0 && !o.FromEnd && !o.Fields && o.re == nil && !o.BadRegex && o.conversion == asIs &&
		!o.CompressSpace && o.controls == 0 && o.path == 0 && o.format == "" && !o.DropLastLF && !o.SpaceIfNone
}

func (p *Part) appendTime(b []byte, m *message.Message) []byte {
	o := &p.Opt
	if reported := p.Ref.ID == message.TimeReported; !o.UTC && (o.date == "" || o.date == "rfc3164" || o.date == "rfc3164-buggyday") {
		if reported {
			return m.AppendReported(b, o.date == "rfc3164-buggyday")
		}
		return m.AppendReceived(b, o.date == "rfc3164-buggyday")
	} else if reported {
		return o.appendTime(b, m.Time)
	}
	return o.appendTime(b, syslog.TimeOf(m.Received, 6))
}

// apply does what the options ask for, in rsyslog's order.
func (o *Options) apply(s string, p *Part) string {
	if o.Fields {
		var ok bool
		if s, ok = Field(s, o.Delimiter, o.Field); !ok {
			return "**FIELD NOT FOUND**"
		}
	}
	switch {
	case o.BadRegex:
		return "**NO MATCH** **BAD REGULAR EXPRESSION**"
	case o.re != nil:
		s = o.pickMatch(s)
	case o.From != 0 || o.To != 0:
		s = o.pickRange(s)
	}
	if o.SpaceIfNone {
		// Of a text that is empty only the bare option makes a blank.
		bare := !o.Fields && o.re == nil && o.From == 0 && o.To == 0 && !o.CompressSpace && o.controls == 0
		if s == "" && bare || s != "" && s[0] != ' ' {
			s = " "
		} else {
			s = ""
		}
	}
	switch o.conversion {
	case upper:
		s = Upper(s)
	case lower:
		s = Lower(s)
	}
	if o.CompressSpace {
		for strings.Contains(s, "  ") {
			s = strings.ReplaceAll(s, "  ", " ")
		}
	}
	switch o.controls {
	case 'd':
		s = strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f {
				return -1
			}
			return r
		}, s)
	case 's':
		s = strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f {
				return ' '
			}
			return r
		}, s)
	case 'e':
		var b strings.Builder
		for i := 0; i < len(s); i++ {
			if s[i] < ' ' || s[i] == 0x7f {
				fmt.Fprintf(&b, "#%03d", s[i])
			} else {
				b.WriteByte(s[i])
			}
		}
		s = b.String()
	}
	if o.path != 0 {
		s = o.securePath(s)
	}
	if o.DropLastLF {
		s = strings.TrimSuffix(s, "\n")
	}
	return o.quote(s, p)
}

// quote writes the property as a field of JSON or CSV.
func (o *Options) quote(s string, p *Part) string {
	switch o.format {
	case "json":
		return string(message.AppendJSONEscaped(nil, s))
	case "jsonr":
		return string(appendJSONOnce(nil, s))
	case "jsonf":
		return o.jsonField(p.Name, s, message.AppendJSONEscaped)
	case "jsonfr":
		return o.jsonField(p.Name, s, appendJSONOnce)
	case "csv":
		return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	return s
}

// jsonField writes a member of an object.
func (o *Options) jsonField(name, s string, escape func([]byte, string) []byte) string {
	if s == "" && o.OnEmpty == EmptySkip {
		return ""
	}
	b := append(append([]byte{'"'}, name...), `":`...)
	switch {
	case s == "" && o.OnEmpty == EmptyNull:
		return string(b) + "null"
	case o.DataType == TypeNumber:
		if s == "" {
			s = "0"
		}
		return string(escape(b, s))
	case o.DataType == TypeBool:
		return string(b) + strconv.FormatBool(s != "" && s != "0" && s != "false")
	case o.DataType == TypeAuto && s != "" && strings.Trim(s, "0123456789") == "":
		return string(escape(b, s))
	}
	return string(append(escape(append(b, '"'), s), '"'))
}

// appendJSONOnce escapes what is not an escape of JSON already.
func appendJSONOnce(b []byte, s string) []byte {
	for s != "" {
		i := strings.IndexByte(s, '\\')
		if i < 0 {
			break
		}
		b = message.AppendJSONEscaped(b, s[:i])
		if i+1 < len(s) && strings.IndexByte(`"\/bfnrtu`, s[i+1]) >= 0 {
			b = append(b, s[i:i+2]...)
			i++
		} else {
			b = append(b, `\\`...)
		}
		s = s[i+1:]
	}
	return message.AppendJSONEscaped(b, s)
}

// Upper and toLower change the letters of ASCII, as in the C locale.
func Upper(s string) string { return mapASCII(s, 'a', 'z') }
func Lower(s string) string { return mapASCII(s, 'A', 'Z') }

func mapASCII(s string, from, to byte) string {
	b := []byte(s)
	for i, c := range b {
		if c >= from && c <= to {
			b[i] = c ^ 0x20
		}
	}
	return string(b)
}

// securePath keeps a property from naming another directory.
func (o *Options) securePath(s string) string {
	if o.path == 'd' {
		s = strings.ReplaceAll(s, "/", "")
	} else {
		s = strings.ReplaceAll(s, "/", "_")
	}
	switch s {
	case "":
		return "_"
	case ".":
		return "_"
	case "..":
		return "_."
	}
	return s
}

// Field returns the n-th of the parts that a delimiter divides a text into.
func Field(s, delimiter string, n int) (field string, ok bool) {
	for i := 1; n > 0; i++ {
		head, rest, more := strings.Cut(s, delimiter)
		if i == n {
			return head, true
		}
		if !more {
			break
		}
		s = rest
	}
	return "", false
}

func (o *Options) pickMatch(s string) string {
	whole := s
	for n := 0; ; n++ {
		m := o.re.FindStringSubmatchIndex(s)
		if m == nil {
			break
		}
		if n == o.Match {
			if 2*o.Submatch+1 < len(m) && m[2*o.Submatch] >= 0 {
				return s[m[2*o.Submatch]:m[2*o.Submatch+1]]
			}
			return ""
		}
		if m[1] == 0 {
			n = o.Match - 1 // it matches there as often as one likes
		}
		s = s[m[1]:]
	}
	switch o.NoMatch {
	case noMatchBlank:
		return ""
	case noMatchField:
		return whole
	case noMatchZero:
		return "0"
	}
	return "**NO MATCH**"
}

// pickRange takes the characters from one position to another, whichever of the
// two is the lower. A negative end leaves as many characters out.
func (o *Options) pickRange(s string) string {
	from, to := o.From, o.To
	if to < 0 {
		if to = max(to+len(s), 1); o.FromEnd || to < from {
			return ""
		}
	}
	if o.FromEnd {
		from, to = len(s)-from+1, len(s)-to+1
		if o.To == 0 {
			to = len(s)
		}
	}
	if from > to {
		from, to = to, from
	}
	from = max(from, 1)
	width := to - from + 1
	out := ""
	if from <= len(s) && to >= from {
		out = s[from-1 : min(to, len(s))]
	}
	if o.FixedWidth && out != "" && width > len(out) && width < 1<<16 {
		out += strings.Repeat(" ", width-len(out))
	}
	return out
}

// appendTime writes a time in the form that the options name.
func (o *Options) appendTime(b []byte, t syslog.Time) []byte {
	if o.UTC {
		// The digits of the fraction are taken for microseconds, however many
		// there are; so does the real daemon.
		fraction := t.Fraction
		t = syslog.TimeOf(t.Time().UTC(), 6)
		t.Fraction = fraction
	}
	switch o.date {
	case "", "rfc3164":
		b = t.AppendRFC3164(b, false)
	case "rfc3164-buggyday":
		b = t.AppendRFC3164(b, true)
	case "rfc3339":
		b = t.AppendRFC3339(b)
	case "mysql":
		b = t.Time().AppendFormat(b, "20060102150405")
	case "pgsql":
		b = fmt.Appendf(b, "%04d-%02d-%02d %02d:%02d:%02d", t.Year, t.Month, t.Day, t.Hour, t.Minute, t.Second)
	case "unixtimestamp":
		b = strconv.AppendInt(b, t.Time().Unix(), 10)
	case "subseconds":
		if t.Digits == 0 {
			return append(b, '0')
		}
		b = fmt.Appendf(b, "%0*d", t.Digits, t.Fraction)
	default:
		b = append(b, dateParts(t, o.date)...)
	}
	return b
}

// dateParts are the date options for one part of a time.
func dateParts(t syslog.Time, part string) string {
	at := t.Time()
	switch part {
	case "year":
		return strconv.Itoa(t.Year)
	case "month":
		return fmt.Sprintf("%02d", t.Month)
	case "day":
		return fmt.Sprintf("%02d", t.Day)
	case "hour":
		return fmt.Sprintf("%02d", t.Hour)
	case "minute":
		return fmt.Sprintf("%02d", t.Minute)
	case "second":
		return fmt.Sprintf("%02d", t.Second)
	case "wday":
		return strconv.Itoa(int(at.Weekday()))
	case "wdayname":
		return at.Weekday().String()[:3]
	case "ordinal":
		return fmt.Sprintf("%03d", ordinal(t))
	case "week":
		week, jan1 := (ordinal(t)+5)/7, time.Date(t.Year, 1, 1, 0, 0, 0, 0, time.UTC).Weekday()
		if at.Weekday() < jan1 {
			week++
		}
		return fmt.Sprintf("%02d", week)
	case "iso-week":
		_, w := at.ISOWeek()
		return fmt.Sprintf("%02d", w)
	case "iso-week-year":
		y, _ := at.ISOWeek()
		return strconv.Itoa(y)
	case "tzoffshour":
		return fmt.Sprintf("%02d", t.ZoneHour)
	case "tzoffsmin":
		return fmt.Sprintf("%02d", t.ZoneMinute)
	case "tzoffsdirection":
		if t.Zone == '-' {
			return "-"
		}
		return "+"
	}
	return ""
}

// ordinal is the day of the year as the real daemon counts it: of the time in
// UTC, less the hours of the zone.
func ordinal(t syslog.Time) int {
	at := t.Time().UTC().Add(-time.Duration(t.ZoneHour) * time.Hour)
	return int(at.Sub(time.Date(t.Year, 1, 1, 0, 0, 0, 0, time.UTC))/(24*time.Hour)) + 1
}

// dateOptions are the names after "date-" in a template.
var dateOptions = map[string]bool{
	"rfc3164": true, "rfc3164-buggyday": true, "rfc3339": true, "mysql": true, "pgsql": true, "unixtimestamp": true,
	"subseconds": true, "year": true, "month": true, "day": true, "hour": true, "minute": true, "second": true,
	"wday": true, "wdayname": true, "ordinal": true, "week": true, "iso-week": true, "iso-week-year": true,
	"tzoffshour": true, "tzoffsmin": true, "tzoffsdirection": true,
}

// Builtin are the ones that rsyslog has without a configuration.
var Builtin = map[string]string{
	"RSYSLOG_TraditionalFileFormat":    "%TIMESTAMP% %HOSTNAME% %syslogtag%%msg:::sp-if-no-1st-sp%%msg:::drop-last-lf%\n",
	"RSYSLOG_FileFormat":               "%TIMESTAMP:::date-rfc3339% %HOSTNAME% %syslogtag%%msg:::sp-if-no-1st-sp%%msg:::drop-last-lf%\n",
	"RSYSLOG_SysklogdFileFormat":       "%TIMESTAMP% %HOSTNAME% %syslogtag%%msg:::sp-if-no-1st-sp%%msg%\n",
	"RSYSLOG_ForwardFormat":            "<%PRI%>%TIMESTAMP:::date-rfc3339% %HOSTNAME% %syslogtag:1:32%%msg:::sp-if-no-1st-sp%%msg%",
	"RSYSLOG_TraditionalForwardFormat": "<%PRI%>%TIMESTAMP% %HOSTNAME% %syslogtag:1:32%%msg:::sp-if-no-1st-sp%%msg%",
	"RSYSLOG_SyslogProtocol23Format":   "<%PRI%>1 %TIMESTAMP:::date-rfc3339% %HOSTNAME% %APP-NAME% %PROCID% %MSGID% %STRUCTURED-DATA% %msg%\n",
	"RSYSLOG_SyslogRFC5424Format":      "<%PRI%>1 %TIMESTAMP:::date-rfc3339% %HOSTNAME% %APP-NAME% %PROCID% %MSGID% %STRUCTURED-DATA% %msg%",
	" WallFmt":                         "\r\n\aMessage from syslogd@%HOSTNAME% at %timegenerated% ...\r\n %syslogtag%%msg%\n\r",
	" StdUsrMsgFmt":                    " %syslogtag%%msg%\n\r",
	"RSYSLOG_omudpspoofDfltSourceTpl":  "%fromhost-ip%",
	" StdDBFmt":                        "insert into SystemEvents (Message, Facility, FromHost, Priority, DeviceReportedTime, ReceivedAt, InfoUnitID, SysLogTag) values ('%msg%', %syslogfacility%, '%HOSTNAME%', %syslogpriority%, '%timereported:::date-mysql%', '%timegenerated:::date-mysql%', %iut%, '%syslogtag%')",
	" StdPgSQLFmt":                     "insert into SystemEvents (Message, Facility, FromHost, Priority, DeviceReportedTime, ReceivedAt, InfoUnitID, SysLogTag) values ('%msg%', %syslogfacility%, '%HOSTNAME%', %syslogpriority%, '%timereported:::date-pgsql%', '%timegenerated:::date-pgsql%', %iut%, '%syslogtag%')",
	" StdJSONFmt":                      `{"message":"%msg:::json%","fromhost":"%HOSTNAME:::json%","facility":"%syslogfacility-text%","priority":"%syslogpriority-text%","timereported":"%timereported:::date-rfc3339%","timegenerated":"%timegenerated:::date-rfc3339%"}`,
	"RSYSLOG_DebugFormat": "Debug line with all properties:\nFROMHOST: '%FROMHOST%', fromhost-ip: '%fromhost-ip%', HOSTNAME: '%HOSTNAME%', PRI: %PRI%,\n" +
		"syslogtag '%syslogtag%', programname: '%programname%', APP-NAME: '%APP-NAME%', PROCID: '%PROCID%', MSGID: '%MSGID%',\n" +
		"TIMESTAMP: '%TIMESTAMP%', STRUCTURED-DATA: '%STRUCTURED-DATA%',\nmsg: '%msg%'\nescaped msg: '%msg:::drop-cc%'\ninputname: %inputname% rawmsg: '%rawmsg%'\n$!:%$!%\n$.:%$.%\n$/:%$/%\n\n",
}
