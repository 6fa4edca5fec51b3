package rsyslog

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"enshu/sim/wire/syslog"
)

// template makes the text of an action from a message (rsyslog templates).
type template struct {
	name  string
	parts []part
	quote byte // option.sql 's', option.stdsql 'q', option.json 'j': every property is escaped so
	jsonf bool // option.jsonf: the parts are fields of one JSON object, a line of its own
}

// part is a constant or a property of a template.
type part struct {
	constant string
	ref      property
	name     string // of a JSON field (outname)
	opt      options
}

// caseConversion of a property.
type caseConversion int

const (
	asIs caseConversion = iota
	upper
	lower
)

// options are those of the property replacer.
type options struct {
	from, to      int // 1-based; 0 is not given
	fromEnd       bool
	fixedWidth    bool
	fields        bool
	field         int // 1-based
	delimiter     string
	re            *regexp.Regexp
	submatch      int
	match         int
	noMatch       noMatch
	conversion    caseConversion
	dropLastLF    bool
	spaceIfNone   bool // sp-if-no-1st-sp
	compressSpace bool
	controls      byte // 'd'rop, 's'pace, 'e'scape
	path          byte // 'd' secpath-drop, 'r' secpath-replace
	date          string
	utc           bool
	format        string // json, jsonf, jsonr, jsonfr, csv
	dataType      dataType
	onEmpty       onEmpty
	badRegex      bool // the pattern of a string template could not be compiled
}

// dataType is how a JSON field (format jsonf) shows its value.
type dataType int

const (
	typeString dataType = iota
	typeNumber
	typeBool
	typeAuto // a number, true or false are not quoted
)

// onEmpty is what a JSON field does without a value.
type onEmpty int

const (
	emptyKeep onEmpty = iota
	emptySkip
	emptyNull
)

type noMatch int

const (
	noMatchDefault noMatch = iota
	noMatchBlank
	noMatchField
	noMatchZero
)

// expand appends what the template makes of a message.
func (t *template) expand(b []byte, x *scope) []byte {
	if t.jsonf {
		return t.expandObject(b, x)
	}
	for i := range t.parts {
		p := &t.parts[i]
		if p.constant != "" {
			b = append(b, p.constant...)
			continue
		}
		if p.ref.id == pNone {
			b = append(b, "**INVALID PROPERTY NAME**"...)
			continue
		}
		if t.quote == 0 {
			b = p.expand(b, x)
			continue
		}
		s := string(p.expand(nil, x))
		switch t.quote {
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
func (t *template) expandObject(b []byte, x *scope) []byte {
	b = append(b, '{')
	first := len(b)
	for i := range t.parts {
		p, before := &t.parts[i], len(b)
		if before > first {
			b = append(b, ", "...)
		}
		at := len(b)
		if b = append(b, p.constant...); p.constant == "" {
			b = p.expand(b, x)
		}
		if len(b) == at {
			b = b[:before]
		}
	}
	return append(b, "}\n"...)
}

// expand appends one property.
func (p *part) expand(b []byte, x *scope) []byte {
	o := &p.opt
	if p.ref.id == pTimeReported || p.ref.id == pTimeGenerated {
		return p.expandTime(b, x.m)
	}
	if o.spaceIfNone {
		if s := x.get(p.ref); s == "" || s[0] != ' ' {
			return append(b, ' ')
		}
		return b
	}
	return append(b, o.apply(x.get(p.ref), p)...)
}

func (p *part) expandTime(b []byte, m *message) []byte {
	o := &p.opt
	if o.from == 0 && o.to == 0 && o.format == "" {
		return p.appendTime(b, m)
	}
	s := string(p.appendTime(nil, m))
	if o.from > 0 || o.to > 0 {
		s = o.pickRange(s)
	}
	return append(b, o.quote(s, p)...)
}

func (p *part) appendTime(b []byte, m *message) []byte {
	o := &p.opt
	if reported := p.ref.id == pTimeReported; !o.utc && (o.date == "" || o.date == "rfc3164" || o.date == "rfc3164-buggyday") {
		if reported {
			return append(b, m.reported3164(o.date == "rfc3164-buggyday")...)
		}
		return append(b, m.received3164(o.date == "rfc3164-buggyday")...)
	} else if reported {
		return o.appendTime(b, m.Time)
	}
	return o.appendTime(b, syslog.TimeOf(m.received, 6))
}

// apply does what the options ask for, in rsyslog's order.
func (o *options) apply(s string, p *part) string {
	if o.fields {
		var ok bool
		if s, ok = pickField(s, o.delimiter, o.field); !ok {
			s = "**FIELD NOT FOUND**"
		}
	}
	if o.badRegex {
		s = "**NO MATCH** **BAD REGULAR EXPRESSION**"
	} else if o.re != nil {
		s = o.pickMatch(s)
	} else if o.from > 0 || o.to > 0 || o.fromEnd {
		s = o.pickRange(s)
	}
	switch o.conversion {
	case upper:
		s = toUpper(s)
	case lower:
		s = toLower(s)
	}
	if o.compressSpace {
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
	if o.dropLastLF {
		s = strings.TrimSuffix(s, "\n")
	}
	return o.quote(s, p)
}

// quote writes the property as a field of JSON or CSV.
func (o *options) quote(s string, p *part) string {
	switch o.format {
	case "json":
		return string(appendJSONEscaped(nil, s))
	case "jsonr":
		return string(appendJSONOnce(nil, s))
	case "jsonf":
		return o.jsonField(p.name, s, appendJSONEscaped)
	case "jsonfr":
		return o.jsonField(p.name, s, appendJSONOnce)
	case "csv":
		return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	return s
}

// jsonField writes a member of an object.
func (o *options) jsonField(name, s string, escape func([]byte, string) []byte) string {
	if s == "" && o.onEmpty == emptySkip {
		return ""
	}
	b := append(append([]byte{'"'}, name...), `":`...)
	switch {
	case s == "" && o.onEmpty == emptyNull:
		return string(b) + "null"
	case o.dataType == typeNumber:
		if s == "" {
			s = "0"
		}
		return string(escape(b, s))
	case o.dataType == typeBool:
		return string(b) + strconv.FormatBool(s != "" && s != "0" && s != "false")
	case o.dataType == typeAuto && s != "" && strings.Trim(s, "0123456789") == "":
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
		b = appendJSONEscaped(b, s[:i])
		if i+1 < len(s) && strings.IndexByte(`"\/bfnrtu`, s[i+1]) >= 0 {
			b = append(b, s[i:i+2]...)
			i++
		} else {
			b = append(b, `\\`...)
		}
		s = s[i+1:]
	}
	return appendJSONEscaped(b, s)
}

// toUpper and toLower change the letters of ASCII, as in the C locale.
func toUpper(s string) string { return mapASCII(s, 'a', 'z') }
func toLower(s string) string { return mapASCII(s, 'A', 'Z') }

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
func (o *options) securePath(s string) string {
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

// pickField returns the n-th of the parts that a delimiter divides a text into.
func pickField(s, delimiter string, n int) (field string, ok bool) {
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

func (o *options) pickMatch(s string) string {
	whole := s
	for n := 0; ; n++ {
		m := o.re.FindStringSubmatchIndex(s)
		if m == nil {
			break
		}
		if n == o.match {
			if 2*o.submatch+1 < len(m) && m[2*o.submatch] >= 0 {
				return s[m[2*o.submatch]:m[2*o.submatch+1]]
			}
			return ""
		}
		if m[1] == 0 {
			break
		}
		s = s[m[1]:]
	}
	switch o.noMatch {
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
// two is the lower.
func (o *options) pickRange(s string) string {
	from, to := o.from, o.to
	if o.fromEnd {
		from, to = len(s)-from+1, len(s)-to+1
		if o.to == 0 {
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
	if o.fixedWidth && width > len(out) && width < 1<<16 {
		out += strings.Repeat(" ", width-len(out))
	}
	return out
}

// appendTime writes a time in the form that the options name.
func (o *options) appendTime(b []byte, t syslog.Time) []byte {
	if o.utc {
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

// builtinTemplates are the ones that rsyslog has without a configuration.
var builtinTemplates = map[string]string{
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
