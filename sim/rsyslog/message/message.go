// Package message is one message on its way through rsyslogd, with its properties
// and variables (rsyslog's property replacer, JSON trees).
package message

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"enshu/sim/wire/syslog"
)

// Message is one message on its way through the rules.
type Message struct {
	syslog.Message
	Input    string
	From     string // name or address of the sender
	FromIP   string
	FromPort string
	Received time.Time // local time
	Ruleset  string    // "" is the default one
	Tree     *Node     // $!
	local    *Node     // $.
	Traced   bool
	Mark     bool     // made by immark
	Unparsed bool     // only Raw is set, as it was received
	Kept     bool     // somebody goes on having it when the rules are done with it
	reported form3164 // Time, once it was asked for
	taken    form3164 // Received likewise
}

// form3164 is a time in the form of RFC 3164.
type form3164 struct {
	text [15]byte
	set  bool
}

// Hostname returns HOSTNAME: the one the message names, else its sender.
func (m *Message) Hostname() string {
	if m.Host != "" || m.NoHost {
		return m.Host
	}
	return m.From
}

// AppendReported appends the time that the message tells in the form of RFC 3164. As
// in the real daemon the form that is asked for first stays: of date-rfc3164 and
// date-rfc3164-buggyday only the first one that a message meets has an effect.
func (m *Message) AppendReported(b []byte, buggyDay bool) []byte {
	if f := &m.reported; !f.set {
		m.Time.AppendRFC3164(f.text[:0], buggyDay)
		f.set = true
	}
	return append(b, m.reported.text[:]...)
}

// AppendReceived is AppendReported of the time at which the message was received.
func (m *Message) AppendReceived(b []byte, buggyDay bool) []byte {
	if f := &m.taken; !f.set {
		syslog.TimeOf(m.Received, 6).AppendRFC3164(f.text[:0], buggyDay)
		f.set = true
	}
	return append(b, m.taken.text[:]...)
}

func (m *Message) program() string {
	if m.Version > 0 {
		return syslog.ProgramName(m.AppName)
	}
	return syslog.ProgramName(m.Tag)
}

// App returns the property app-name: that of RFC 5424, else the program of the tag.
func (m *Message) App() string {
	if m.Version > 0 {
		return m.AppName
	}
	if name := m.program(); name != "" {
		return name
	}
	return "-"
}

// Process returns the property procid: that of RFC 5424, else what the tag has in brackets.
func (m *Message) Process() string {
	if m.Version > 0 && m.ProcID != "" || m.AppName != "" {
		return m.ProcID
	}
	return syslog.TagProcID(m.Tag)
}

// pri returns the priority as a number, "invld" when it is not valid.
func (m *Message) pri() string {
	if m.Facility == syslog.Invalid {
		return "invld"
	}
	return strconv.Itoa(int(syslog.Make(m.Facility, m.Severity)))
}

// FacilityName returns the name of a facility, "invld" for the one that is none.
func FacilityName(f syslog.Facility) string {
	if f == syslog.Invalid {
		return "invld"
	}
	return f.String()
}

// PropID is a message property (rsyslog property replacer).
type PropID int

const (
	None PropID = iota
	Msg
	TimeReported
	TimeGenerated
	Hostname
	SyslogTag
	RawMsg
	RawMsgAfterPri
	InputName
	FromHost
	FromHostIP
	FromHostPort
	Pri
	PriText
	Iut
	ProgramName
	Facility
	FacilityText
	Severity
	SeverityText
	ProtocolVersion
	StructuredData
	AppName
	ProcID
	MsgID
	ParseSuccess
	UUID
	JSONMesg
	MyHostname
	BOM
	Uptime
	Now // the time the message was received, in one of the forms of nowForms
	Tree
	AllJSON // the whole of $!
)

var propNames = map[string]PropID{
	"msg": Msg, "timestamp": TimeReported, "timereported": TimeReported, "timegenerated": TimeGenerated,
	"hostname": Hostname, "source": Hostname, "syslogtag": SyslogTag, "rawmsg": RawMsg,
	"rawmsg-after-pri": RawMsgAfterPri, "inputname": InputName, "fromhost": FromHost, "fromhost-ip": FromHostIP,
	"fromhost-port": FromHostPort, "pri": Pri, "pri-text": PriText, "iut": Iut, "programname": ProgramName,
	"syslogfacility": Facility, "syslogfacility-text": FacilityText, "syslogseverity": Severity,
	"syslogseverity-text": SeverityText, "syslogpriority": Severity, "syslogpriority-text": SeverityText,
	"protocol-version": ProtocolVersion, "structured-data": StructuredData, "app-name": AppName,
	"procid": ProcID, "msgid": MsgID, "parsesuccess": ParseSuccess, "uuid": UUID, "jsonmesg": JSONMesg,
	"$myhostname": MyHostname, "$bom": BOM, "$uptime": Uptime,
}

// nowForms are the system properties that are the present time.
var nowForms = map[string]string{
	"$now": "2006-01-02", "$year": "2006", "$month": "01", "$day": "02", "$hour": "15", "$minute": "04",
	"$hhour": "hhour", "$qhour": "qhour", "$wday": "wday", "$now-unixtimestamp": "unix",
}

// Property names something of a message: a property, or a node of a tree.
type Property struct {
	ID   PropID
	form string   // of pNow
	utc  bool     // of pNow
	Tree byte     // '!', '.' or '/': a variable
	Path []string // of a variable
}

// ParseProperty reads a name, without the dollar of an expression.
func ParseProperty(name string) (Property, bool) {
	lower := strings.ToLower(name)
	if id, ok := propNames[lower]; ok {
		return Property{ID: id}, true
	}
	if form, ok := nowForms[strings.TrimSuffix(lower, "-utc")]; ok {
		return Property{ID: Now, form: form, utc: strings.HasSuffix(lower, "-utc")}, true
	}
	switch lower {
	case "$!all-json":
		return Property{ID: AllJSON}, true
	case "$!all-json-plain":
		return Property{ID: AllJSON, form: "plain"}, true
	}
	variable := strings.TrimPrefix(name, "$")
	if variable != "" && strings.IndexByte("!./", variable[0]) >= 0 {
		ref := Property{ID: Tree, Tree: variable[0]}
		for _, part := range strings.Split(variable[1:], "!") {
			if part != "" {
				ref.Path = append(ref.Path, part)
			}
		}
		return ref, true
	}
	return Property{}, false
}

// Env is what properties and functions read besides the message. One thread at
// a time uses it.
type Env struct {
	Hostname string // as messages show it
	Globals  *Node  // the tree of $/
	Now      func() time.Time
	Uptime   func() time.Duration
	Getenv   func(name string) string
	Rand     *rand.Rand

	PreviousSuspended bool // previous_action_suspended()
	ScriptError       bool // script_error(): whether the last function that tells of errors failed
}

// Scope is what an expression or a template is evaluated in.
type Scope struct {
	Message *Message
	Env     *Env
}

// Root returns the tree a variable lives in.
func (x *Scope) Root(tree byte) **Node {
	switch tree {
	case '!':
		return &x.Message.Tree
	case '.':
		return &x.Message.local
	}
	return &x.Env.Globals
}

// Variable returns a node of a tree, nil when there is none.
func (x *Scope) Variable(ref Property) *Node {
	n := *x.Root(ref.Tree)
	for _, name := range ref.Path {
		n = n.Get(name)
	}
	if n != nil && n.Leaf && n.Plain && n.Value == "null" {
		return nil // as with rsyslog's library
	}
	return n
}

// Assign sets a variable.
func (x *Scope) Assign(ref Property, n *Node) {
	root := x.Root(ref.Tree)
	if len(ref.Path) == 0 {
		*root = n
		return
	}
	if *root == nil || (*root).Leaf {
		*root = &Node{}
	}
	(*root).Set(ref.Path, n)
}

// Get returns a property as text.
func (x *Scope) Get(ref Property) string {
	m := x.Message
	switch ref.ID {
	case Msg:
		return m.Text
	case TimeReported:
		return string(m.AppendReported(nil, false))
	case TimeGenerated:
		return string(m.AppendReceived(nil, false))
	case Hostname:
		return m.Hostname()
	case SyslogTag:
		return m.Tag
	case RawMsg:
		return m.Raw
	case RawMsgAfterPri:
		// A closing bracket in third to fifth place counts, whatever is before it.
		if i := strings.IndexByte(m.Raw[:min(5, len(m.Raw))], '>'); i >= 2 && m.Raw[0] == '<' {
			return m.Raw[i+1:]
		}
		return m.Raw
	case InputName:
		return m.Input
	case FromHost:
		return m.From
	case FromHostIP:
		return m.FromIP
	case FromHostPort:
		return m.FromPort
	case Pri:
		return m.pri()
	case PriText:
		return FacilityName(m.Facility) + "." + m.Severity.String()
	case Iut:
		return "1"
	case ProgramName:
		return m.program()
	case Facility:
		if m.Facility == syslog.Invalid {
			return "invld"
		}
		return strconv.Itoa(int(m.Facility))
	case FacilityText:
		return FacilityName(m.Facility)
	case Severity:
		return strconv.Itoa(int(m.Severity))
	case SeverityText:
		return m.Severity.String()
	case ProtocolVersion:
		return strconv.Itoa(m.Version)
	case StructuredData:
		return m.Data
	case AppName:
		return m.App()
	case ProcID:
		return m.Process()
	case MsgID:
		return m.MsgID
	case ParseSuccess:
		return "FAIL" // only parser modules that are not there say otherwise
	case UUID:
		return fmt.Sprintf("%016X%016X", x.Env.Rand.Uint64(), x.Env.Rand.Uint64())
	case JSONMesg:
		return x.jsonMessage()
	case AllJSON:
		if x.Message.Tree == nil {
			return "{}"
		}
		if ref.form == "plain" {
			return string(x.Message.Tree.appendPlainJSON(nil))
		}
		return x.Message.Tree.Text()
	case MyHostname:
		return x.Env.Hostname
	case BOM:
		return "\ufeff"
	case Uptime:
		return strconv.Itoa(int(x.Env.Uptime() / time.Second))
	case Now:
		return formatNow(m.Received, ref)
	case Tree:
		if n := x.Variable(ref); n != nil {
			return n.Text()
		}
		return ""
	}
	return "**INVALID PROPERTY NAME**"
}

func formatNow(t time.Time, ref Property) string {
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
func (x *Scope) jsonMessage() string {
	n := &Node{}
	for _, name := range []string{"msg", "rawmsg", "timereported", "hostname", "syslogtag", "inputname", "fromhost", "fromhost-ip",
		"pri", "syslogfacility", "syslogseverity", "timegenerated", "programname", "protocol-version", "structured-data",
		"app-name", "procid", "msgid"} {
		ref, _ := ParseProperty(name)
		n.Set([]string{name}, &Node{Leaf: true, Value: x.Get(ref)})
	}
	return n.Text()
}
