package httpd

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The formats that the documentation of mod_log_config names.
const (
	commonFormat   = `%h %l %u %t "%r" %>s %b`
	combinedFormat = `%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"`
)

// logLevel is a level of LogLevel; lower is graver.
type logLevel int

const (
	levelEmerg logLevel = iota
	levelAlert
	levelCrit
	levelError
	levelWarn
	levelNotice
	levelInfo
	levelDebug
)

var logLevels = map[string]logLevel{"emerg": levelEmerg, "alert": levelAlert, "crit": levelCrit, "error": levelError, "warn": levelWarn,
	"notice": levelNotice, "info": levelInfo, "debug": levelDebug, "trace1": 8, "trace2": 9, "trace3": 10, "trace4": 11, "trace5": 12,
	"trace6": 13, "trace7": 14, "trace8": 15}

var levelNames = [...]string{"emerg", "alert", "crit", "error", "warn", "notice", "info", "debug"}

// entry is what an access log line can tell.
type entry struct {
	req      *request
	status   int
	bytes    int // of the body sent
	total    int // headers too
	received int
	start    time.Time // in the host's zone
	took     time.Duration
	headers  map[string]string // of the response, in lower case
	file     string
	site     *site
	local    string // address and port of this end
	port     string
	remote   string
	rport    string
	pid      int
	keep     int // requests on the connection before this one
}

// clfTime is the time of an access log: [10/Oct/2000:13:55:36 -0700].
const clfTime = "[02/Jan/2006:15:04:05 -0700]"

// format writes an entry by a LogFormat (mod_log_config).
func (e *entry) format(f string) string {
	var b strings.Builder
	for i := 0; i < len(f); i++ {
		if f[i] == '\\' && i+1 < len(f) {
			i++
			switch f[i] {
			case 'n':
				b.WriteByte('\n')
			case 't':
				b.WriteByte('\t')
			default:
				b.WriteByte(f[i])
			}
			continue
		}
		if f[i] != '%' || i+1 == len(f) {
			b.WriteByte(f[i])
			continue
		}
		i++
		for i < len(f) && strings.IndexByte("<>!,0123456789", f[i]) >= 0 {
			i++ // which request of a redirection, and conditions on the status
		}
		arg := ""
		if i < len(f) && f[i] == '{' {
			if end := strings.IndexByte(f[i:], '}'); end > 0 {
				arg, i = f[i+1:i+end], i+end+1
			}
		}
		if i < len(f) {
			b.WriteString(e.item(f[i], arg))
		}
	}
	return b.String()
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// item is one %-directive.
func (e *entry) item(c byte, arg string) string {
	switch c {
	case '%':
		return "%"
	case 'h', 'a':
		return e.remote
	case 'A':
		return e.local
	case 'l', 'u', 'e', 'n', 'o', 'C':
		if c == 'o' {
			return dash(escapeLog(e.headers[strings.ToLower(arg)]))
		}
		return "-"
	case 't':
		switch arg {
		case "":
			return e.start.Format(clfTime)
		case "sec":
			return strconv.FormatInt(e.start.Unix(), 10)
		case "msec":
			return strconv.FormatInt(e.start.UnixMilli(), 10)
		case "usec":
			return strconv.FormatInt(e.start.UnixMicro(), 10)
		}
		return strftime(e.start, arg)
	case 'r':
		return escapeLog(e.req.line)
	case 's':
		return strconv.Itoa(e.status)
	case 'b':
		if e.bytes == 0 {
			return "-"
		}
		return strconv.Itoa(e.bytes)
	case 'B':
		return strconv.Itoa(e.bytes)
	case 'O':
		return strconv.Itoa(e.total)
	case 'I':
		return strconv.Itoa(e.received)
	case 'S':
		return strconv.Itoa(e.total + e.received)
	case 'D':
		return strconv.FormatInt(e.took.Microseconds(), 10)
	case 'T':
		switch arg {
		case "ms":
			return strconv.FormatInt(e.took.Milliseconds(), 10)
		case "us":
			return strconv.FormatInt(e.took.Microseconds(), 10)
		}
		return strconv.Itoa(int(e.took.Seconds()))
	case 'i':
		return dash(escapeLog(e.req.header[strings.ToLower(arg)]))
	case 'm':
		return dash(e.req.method)
	case 'U':
		return dash(escapeLog(e.req.path))
	case 'q':
		if e.req.query == "" {
			return ""
		}
		return "?" + escapeLog(e.req.query)
	case 'H':
		return dash(e.req.proto)
	case 'f':
		return dash(e.file)
	case 'v', 'V':
		return dash(e.site.name)
	case 'p':
		if arg == "remote" {
			return e.rport
		}
		return e.port
	case 'P':
		return strconv.Itoa(e.pid)
	case 'k':
		return strconv.Itoa(e.keep)
	case 'X':
		return "+"
	}
	return ""
}

// escapeLog makes text from a client safe for a log file, as httpd does.
func escapeLog(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c < ' ' || c >= 0x7f:
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// strftime knows the conversions that LogFormat examples use.
func strftime(t time.Time, f string) string {
	layouts := map[byte]string{'Y': "2006", 'm': "01", 'd': "02", 'H': "15", 'M': "04", 'S': "05", 'y': "06", 'b': "Jan", 'B': "January",
		'a': "Mon", 'A': "Monday", 'e': "_2", 'T': "15:04:05", 'D': "01/02/06", 'F': "2006-01-02", 'R': "15:04", 'z': "-0700", 'Z': "MST", 'p': "PM", 'I': "03", 'j': "002"}
	var b strings.Builder
	for i := 0; i < len(f); i++ {
		if f[i] != '%' || i+1 == len(f) {
			b.WriteByte(f[i])
			continue
		}
		i++
		if l, ok := layouts[f[i]]; ok {
			b.WriteString(t.Format(l))
		} else if f[i] == '%' {
			b.WriteByte('%')
		}
	}
	return b.String()
}
