package mbox

import (
	"bytes"
	"strings"
	"time"

	"enshu/sim/mailx/format"
)

// Message is one message of a folder, as it stands in the file.
type Message struct {
	From   []byte // the From_ line with its end; nil in a Maildir
	Header []byte // up to the empty line, which is not part of it
	Body   []byte // from the empty line on, with the one that ends the message

	At   int    // its place in the folder
	File string // its file below the folder, in a Maildir

	Old, Read                             bool // what Status says, and what became of it
	Answered, Flagged, Draft              bool // and X-Status
	WasOld, WasRead                       bool
	WasAnswered, WasFlagged, WasDraft     bool
	Deleted, Saved, ToMbox, Hold, Touched bool
}

// Size returns lines and bytes as the header summary shows them.
func (m *Message) Size() (lines, bytes_ int) {
	for _, part := range [][]byte{m.From, m.Header, m.Body} {
		lines += bytes.Count(part, []byte("\n"))
		bytes_ += len(part)
	}
	return lines, bytes_
}

// Parse splits an mbox file. Text before the first From_ line is dropped.
func Parse(data []byte) []*Message {
	var out []*Message
	at := 0
	if !bytes.HasPrefix(data, []byte("From ")) {
		i := bytes.Index(data, []byte("\nFrom "))
		if i < 0 {
			return nil
		}
		at = i + 1
	}
	for at < len(data) {
		end := len(data)
		for from := at; ; {
			i := bytes.Index(data[from:], []byte("\n\nFrom "))
			if i < 0 {
				break
			}
			from += i + 2
			if fromLine(data[from:]) {
				end = from
				break
			}
		}
		m := ParseMessage(data[at:end])
		m.At = len(out)
		out = append(out, m)
		at = end
	}
	return out
}

// fromLine reports whether text begins with "From sender date".
func fromLine(b []byte) bool {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	return bytes.HasPrefix(line, []byte("From ")) && len(bytes.Fields(line)) >= 6
}

// ParseMessage reads one message; a From_ line may lead it.
func ParseMessage(raw []byte) *Message {
	m := &Message{}
	if bytes.HasPrefix(raw, []byte("From ")) {
		if end := bytes.IndexByte(raw, '\n'); end >= 0 {
			m.From, raw = raw[:end+1], raw[end+1:]
		} else {
			m.From, raw = raw, nil
		}
	}
	if bytes.HasPrefix(raw, []byte("\n")) {
		m.Body = raw
	} else if end := bytes.Index(raw, []byte("\n\n")); end >= 0 {
		m.Header, m.Body = raw[:end+1], raw[end+1:]
	} else {
		m.Header = raw
	}
	status := m.Field("Status")
	m.Read, m.Old = strings.Contains(status, "R"), strings.Contains(status, "O")
	x := m.Field("X-Status")
	m.Answered, m.Flagged, m.Draft = strings.Contains(x, "A"), strings.Contains(x, "F"), strings.Contains(x, "T")
	m.WasOld, m.WasRead, m.WasAnswered, m.WasFlagged, m.WasDraft = m.Old, m.Read, m.Answered, m.Flagged, m.Draft
	return m
}

// HeaderField is one field: name and value, folding kept.
type HeaderField struct{ Name, Value string }

// Fields returns the header fields in order.
func (m *Message) Fields() []HeaderField {
	var out []HeaderField
	for _, line := range strings.Split(strings.TrimSuffix(string(m.Header), "\n"), "\n") {
		if line == "" {
			continue
		}
		if (line[0] == ' ' || line[0] == '\t') && len(out) > 0 {
			out[len(out)-1].Value += "\n" + line
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if ok {
			out = append(out, HeaderField{strings.TrimRight(name, " \t"), strings.TrimLeft(value, " \t")})
		}
	}
	return out
}

// Field returns the first field of a name, unfolded.
func (m *Message) Field(name string) string {
	for _, f := range m.Fields() {
		if strings.EqualFold(f.Name, name) {
			return Unfold(f.Value)
		}
	}
	return ""
}

// Unfold joins the lines of a header field.
func Unfold(s string) string {
	var b strings.Builder
	for i, part := range strings.Split(s, "\n") {
		if i > 0 {
			b.WriteByte(' ')
			part = strings.TrimLeft(part, " \t")
		}
		b.WriteString(part)
	}
	return b.String()
}

// Status is the value of the field Status.
func (m *Message) Status(old bool) string {
	status := ""
	if m.Read {
		status += "R"
	}
	if old {
		status += "O"
	}
	return status
}

// XStatus is the value of the field X-Status.
func (m *Message) XStatus() string {
	x := ""
	if m.Flagged {
		x += "F"
	}
	if m.Answered {
		x += "A"
	}
	if m.Draft {
		x += "T"
	}
	return x
}

// WithStatus returns the message with Status and X-Status as the flags are now;
// a message that was never marked stays without.
func (m *Message) WithStatus(old bool) []byte {
	status, x := m.Status(old || m.Old), m.XStatus()
	var b bytes.Buffer
	b.Write(m.From)
	skip := false
	for _, line := range bytes.SplitAfter(m.Header, []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		if line[0] != ' ' && line[0] != '\t' {
			name, _, _ := bytes.Cut(line, []byte(":"))
			skip = bytes.EqualFold(name, []byte("Status")) || bytes.EqualFold(name, []byte("X-Status"))
		}
		if !skip {
			b.Write(line)
		}
	}
	if status != "" {
		b.WriteString("Status: " + status + "\n")
	}
	if x != "" {
		b.WriteString("X-Status: " + x + "\n")
	}
	b.Write(m.Body)
	return b.Bytes()
}

// QuoteFrom marks the lines of a text that a mailbox would take for the
// beginning of a message.
func QuoteFrom(body string) string {
	return strings.ReplaceAll("\n"+body, "\nFrom ", "\n>From ")[1:]
}

// Mark is the letter of the header summary.
func (m *Message) Mark() byte {
	mark := byte(' ')
	switch {
	case m.Read && m.Answered:
		mark = 'A'
	case m.Read:
	case m.Old:
		mark = 'U'
	default:
		mark = 'N'
	}
	if m.Saved {
		mark = '*'
	}
	if m.Hold {
		mark = 'H'
	}
	if m.ToMbox {
		mark = 'M'
	}
	if m.Flagged {
		mark = 'F'
	}
	if m.Draft && m.Read {
		mark = 'T'
	}
	return mark
}

// Date is what the field Date says, 1970 when that is no date.
func (m *Message) Date() time.Time {
	text, _, _ := strings.Cut(m.Field("Date"), "(")
	for _, layout := range []string{"Mon, 2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04:05 -0700"} {
		if at, err := time.Parse(layout, strings.Join(strings.Fields(text), " ")); err == nil {
			return at
		}
	}
	return time.Unix(0, 0)
}

// Matches reports whether one of the named fields holds text.
func (m *Message) Matches(fields, text string) bool {
	short := map[string]string{"f": "from", "t": "to", "c": "cc", "b": "bcc", "s": "subject"}
	for _, name := range strings.Split(fields, ",") {
		if full := short[name]; full != "" {
			name = full
		}
		switch {
		case name == "body" && Contains(string(m.Body), text), name == "text" && Contains(string(m.Header)+string(m.Body), text),
			name == "header" && Contains(string(m.Header), text), Contains(format.DecodeHeader(m.Field(name)), text) && m.Field(name) != "":
			return true
		}
	}
	return false
}

// Contains reports whether a text has a part, in letters of either case.
func Contains(text, part string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(part))
}
