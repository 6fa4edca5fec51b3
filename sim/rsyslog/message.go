package rsyslog

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"enshu/sim/wire/syslog"
)

// message is one message on its way through the rules.
type message struct {
	syslog.Message
	input    string
	from     string // name or address of the sender
	fromIP   string
	fromPort string
	received time.Time // local time
	ruleset  string    // "" is the default one
	tree     *node     // $!
	local    *node     // $.
	traced   bool
	mark     bool   // made by immark
	unparsed bool   // only Raw is set, as it was received
	reported string // Time in the form of RFC 3164, once it was asked for
	taken    string // received likewise
}

// host returns HOSTNAME: the one the message names, else its sender.
func (m *message) host() string {
	if m.Host != "" || m.NoHost {
		return m.Host
	}
	return m.from
}

// reported3164 and received3164 return the times in the form of RFC 3164. As in
// the real daemon the form that is asked for first stays: of date-rfc3164 and
// date-rfc3164-buggyday only the first one that a message meets has an effect.
func (m *message) reported3164(buggyDay bool) string {
	if m.reported == "" {
		m.reported = string(m.Time.AppendRFC3164(nil, buggyDay))
	}
	return m.reported
}

func (m *message) received3164(buggyDay bool) string {
	if m.taken == "" {
		m.taken = string(syslog.TimeOf(m.received, 6).AppendRFC3164(nil, buggyDay))
	}
	return m.taken
}

func (m *message) program() string {
	if m.Version > 0 {
		return syslog.ProgramName(m.AppName)
	}
	return syslog.ProgramName(m.Tag)
}

func (m *message) appName() string {
	if m.Version > 0 {
		return m.AppName
	}
	if name := m.program(); name != "" {
		return name
	}
	return "-"
}

func (m *message) procID() string {
	if m.Version > 0 && m.ProcID != "" || m.AppName != "" {
		return m.ProcID
	}
	return syslog.TagProcID(m.Tag)
}

// pri returns the priority as a number, "invld" when it is not valid.
func (m *message) pri() string {
	if m.Facility == syslog.Invalid {
		return "invld"
	}
	return strconv.Itoa(int(syslog.Make(m.Facility, m.Severity)))
}

func facilityName(f syslog.Facility) string {
	if f == syslog.Invalid {
		return "invld"
	}
	return f.String()
}

// propID is a message property (rsyslog property replacer).
type propID int

const (
	pNone propID = iota
	pMsg
	pTimeReported
	pTimeGenerated
	pHostname
	pSyslogTag
	pRawMsg
	pRawMsgAfterPri
	pInputName
	pFromHost
	pFromHostIP
	pFromHostPort
	pPri
	pPriText
	pIut
	pProgramName
	pFacility
	pFacilityText
	pSeverity
	pSeverityText
	pProtocolVersion
	pStructuredData
	pAppName
	pProcID
	pMsgID
	pParseSuccess
	pUUID
	pJSONMesg
	pMyHostname
	pBOM
	pUptime
	pNow // the time the message was received, in one of the forms of nowForms
	pTree
	pAllJSON // the whole of $!
)

var propNames = map[string]propID{
	"msg": pMsg, "timestamp": pTimeReported, "timereported": pTimeReported, "timegenerated": pTimeGenerated,
	"hostname": pHostname, "source": pHostname, "syslogtag": pSyslogTag, "rawmsg": pRawMsg,
	"rawmsg-after-pri": pRawMsgAfterPri, "inputname": pInputName, "fromhost": pFromHost, "fromhost-ip": pFromHostIP,
	"fromhost-port": pFromHostPort, "pri": pPri, "pri-text": pPriText, "iut": pIut, "programname": pProgramName,
	"syslogfacility": pFacility, "syslogfacility-text": pFacilityText, "syslogseverity": pSeverity,
	"syslogseverity-text": pSeverityText, "syslogpriority": pSeverity, "syslogpriority-text": pSeverityText,
	"protocol-version": pProtocolVersion, "structured-data": pStructuredData, "app-name": pAppName,
	"procid": pProcID, "msgid": pMsgID, "parsesuccess": pParseSuccess, "uuid": pUUID, "jsonmesg": pJSONMesg,
	"$myhostname": pMyHostname, "$bom": pBOM, "$uptime": pUptime,
}

// nowForms are the system properties that are the present time.
var nowForms = map[string]string{
	"$now": "2006-01-02", "$year": "2006", "$month": "01", "$day": "02", "$hour": "15", "$minute": "04",
	"$hhour": "hhour", "$qhour": "qhour", "$wday": "wday", "$now-unixtimestamp": "unix",
}

// property names something of a message: a property, or a node of a tree.
type property struct {
	id   propID
	form string   // of pNow
	utc  bool     // of pNow
	tree byte     // '!', '.' or '/': a variable
	path []string // of a variable
}

// parseProperty reads a name, without the dollar of an expression.
func parseProperty(name string) (property, bool) {
	lower := strings.ToLower(name)
	if id, ok := propNames[lower]; ok {
		return property{id: id}, true
	}
	if form, ok := nowForms[strings.TrimSuffix(lower, "-utc")]; ok {
		return property{id: pNow, form: form, utc: strings.HasSuffix(lower, "-utc")}, true
	}
	switch lower {
	case "$!all-json":
		return property{id: pAllJSON}, true
	case "$!all-json-plain":
		return property{id: pAllJSON, form: "plain"}, true
	}
	variable := strings.TrimPrefix(name, "$")
	if variable != "" && strings.IndexByte("!./", variable[0]) >= 0 {
		ref := property{id: pTree, tree: variable[0]}
		for _, part := range strings.Split(variable[1:], "!") {
			if part != "" {
				ref.path = append(ref.path, part)
			}
		}
		return ref, true
	}
	return property{}, false
}

// env is what properties and functions read besides the message. One thread at
// a time uses it.
type env struct {
	hostname string // as messages show it
	globals  *node  // the tree of $/
	now      func() time.Time
	uptime   func() time.Duration
	getenv   func(name string) string
	rand     *rand.Rand

	previousSuspended bool // previous_action_suspended()
	scriptError       bool // script_error(): whether the last function that tells of errors failed
}

// scope is what an expression or a template is evaluated in.
type scope struct {
	m   *message
	env *env
}

// root returns the tree a variable lives in.
func (x *scope) root(tree byte) **node {
	switch tree {
	case '!':
		return &x.m.tree
	case '.':
		return &x.m.local
	}
	return &x.env.globals
}

// variable returns a node of a tree, nil when there is none.
func (x *scope) variable(ref property) *node {
	n := *x.root(ref.tree)
	for _, name := range ref.path {
		n = n.get(name)
	}
	return n
}

// assign sets a variable.
func (x *scope) assign(ref property, n *node) {
	root := x.root(ref.tree)
	if len(ref.path) == 0 {
		*root = n
		return
	}
	if *root == nil || (*root).leaf {
		*root = &node{}
	}
	(*root).set(ref.path, n)
}

// get returns a property as text.
func (x *scope) get(ref property) string {
	m := x.m
	switch ref.id {
	case pMsg:
		return m.Text
	case pTimeReported:
		return m.reported3164(false)
	case pTimeGenerated:
		return m.received3164(false)
	case pHostname:
		return m.host()
	case pSyslogTag:
		return m.Tag
	case pRawMsg:
		return m.Raw
	case pRawMsgAfterPri:
		// A closing bracket in third to fifth place counts, whatever is before it.
		if i := strings.IndexByte(m.Raw[:min(5, len(m.Raw))], '>'); i >= 2 && m.Raw[0] == '<' {
			return m.Raw[i+1:]
		}
		return m.Raw
	case pInputName:
		return m.input
	case pFromHost:
		return m.from
	case pFromHostIP:
		return m.fromIP
	case pFromHostPort:
		return m.fromPort
	case pPri:
		return m.pri()
	case pPriText:
		return facilityName(m.Facility) + "." + m.Severity.String()
	case pIut:
		return "1"
	case pProgramName:
		return m.program()
	case pFacility:
		if m.Facility == syslog.Invalid {
			return "invld"
		}
		return strconv.Itoa(int(m.Facility))
	case pFacilityText:
		return facilityName(m.Facility)
	case pSeverity:
		return strconv.Itoa(int(m.Severity))
	case pSeverityText:
		return m.Severity.String()
	case pProtocolVersion:
		return strconv.Itoa(m.Version)
	case pStructuredData:
		return m.Data
	case pAppName:
		return m.appName()
	case pProcID:
		return m.procID()
	case pMsgID:
		return m.MsgID
	case pParseSuccess:
		return "FAIL" // only parser modules that are not there say otherwise
	case pUUID:
		return fmt.Sprintf("%016X%016X", x.env.rand.Uint64(), x.env.rand.Uint64())
	case pJSONMesg:
		return x.jsonMessage()
	case pAllJSON:
		if x.m.tree == nil {
			return "{}"
		}
		if ref.form == "plain" {
			return string(x.m.tree.appendPlainJSON(nil))
		}
		return x.m.tree.text()
	case pMyHostname:
		return x.env.hostname
	case pBOM:
		return "\ufeff"
	case pUptime:
		return strconv.Itoa(int(x.env.uptime() / time.Second))
	case pNow:
		return formatNow(m.received, ref)
	case pTree:
		if n := x.variable(ref); n != nil {
			return n.text()
		}
		return ""
	}
	return "**INVALID PROPERTY NAME**"
}

func formatNow(t time.Time, ref property) string {
	if ref.utc {
		t = t.UTC()
	}
	switch ref.form {
	case "hhour":
		return "0" + strconv.Itoa(t.Minute()/30)
	case "qhour":
		return "0" + strconv.Itoa(t.Minute()/15)
	case "wday":
		return strconv.Itoa(int(t.Weekday()))
	case "unix":
		return strconv.FormatInt(t.Unix(), 10)
	}
	return t.Format(ref.form)
}

// jsonMessage is the whole message as JSON.
func (x *scope) jsonMessage() string {
	n := &node{}
	for _, name := range []string{"msg", "rawmsg", "timereported", "hostname", "syslogtag", "inputname", "fromhost", "fromhost-ip",
		"pri", "syslogfacility", "syslogseverity", "timegenerated", "programname", "protocol-version", "structured-data",
		"app-name", "procid", "msgid"} {
		ref, _ := parseProperty(name)
		n.set([]string{name}, &node{leaf: true, value: x.get(ref)})
	}
	return n.text()
}
