package mailx

import (
	"bytes"
	"strings"
)

// message is one message of a folder, as it stands in the file.
type message struct {
	from   []byte // the From_ line with its end; nil in a Maildir
	header []byte // up to the empty line, which is not part of it
	body   []byte // from the empty line on, with the one that ends the message

	at   int    // its place in the folder
	file string // its file below the folder, in a Maildir

	old, read                             bool // what Status says, and what became of it
	answered, flagged, draft              bool // and X-Status
	wasOld, wasRead                       bool
	wasAnswered, wasFlagged, wasDraft     bool
	deleted, saved, toMbox, hold, touched bool
}

// size returns lines and bytes as the header summary shows them.
func (m *message) size() (lines, bytes_ int) {
	for _, part := range [][]byte{m.from, m.header, m.body} {
		lines += bytes.Count(part, []byte("\n"))
		bytes_ += len(part)
	}
	return lines, bytes_
}

// parseMbox splits an mbox file. Text before the first From_ line is dropped.
func parseMbox(data []byte) []*message {
	var out []*message
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
		m := parseMessage(data[at:end])
		m.at = len(out)
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

// parseMessage reads one message; a From_ line may lead it.
func parseMessage(raw []byte) *message {
	m := &message{}
	if bytes.HasPrefix(raw, []byte("From ")) {
		if end := bytes.IndexByte(raw, '\n'); end >= 0 {
			m.from, raw = raw[:end+1], raw[end+1:]
		} else {
			m.from, raw = raw, nil
		}
	}
	if bytes.HasPrefix(raw, []byte("\n")) {
		m.body = raw
	} else if end := bytes.Index(raw, []byte("\n\n")); end >= 0 {
		m.header, m.body = raw[:end+1], raw[end+1:]
	} else {
		m.header = raw
	}
	status := m.field("Status")
	m.read, m.old = strings.Contains(status, "R"), strings.Contains(status, "O")
	x := m.field("X-Status")
	m.answered, m.flagged, m.draft = strings.Contains(x, "A"), strings.Contains(x, "F"), strings.Contains(x, "T")
	m.wasOld, m.wasRead, m.wasAnswered, m.wasFlagged, m.wasDraft = m.old, m.read, m.answered, m.flagged, m.draft
	return m
}

// headerField is one field: name and value, folding kept.
type headerField struct{ name, value string }

// fields returns the header fields in order.
func (m *message) fields() []headerField {
	var out []headerField
	for _, line := range strings.Split(strings.TrimSuffix(string(m.header), "\n"), "\n") {
		if line == "" {
			continue
		}
		if (line[0] == ' ' || line[0] == '\t') && len(out) > 0 {
			out[len(out)-1].value += "\n" + line
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if ok {
			out = append(out, headerField{strings.TrimRight(name, " \t"), strings.TrimLeft(value, " \t")})
		}
	}
	return out
}

// field returns the first field of a name, unfolded.
func (m *message) field(name string) string {
	for _, f := range m.fields() {
		if strings.EqualFold(f.name, name) {
			return unfold(f.value)
		}
	}
	return ""
}

func unfold(s string) string {
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

// status is the value of the field Status.
func (m *message) status(old bool) string {
	status := ""
	if m.read {
		status += "R"
	}
	if old {
		status += "O"
	}
	return status
}

// xStatus is the value of the field X-Status.
func (m *message) xStatus() string {
	x := ""
	if m.flagged {
		x += "F"
	}
	if m.answered {
		x += "A"
	}
	if m.draft {
		x += "T"
	}
	return x
}

// withStatus returns the message with Status and X-Status as the flags are now;
// a message that was never marked stays without.
func (m *message) withStatus(old bool) []byte {
	status, x := m.status(old || m.old), m.xStatus()
	var b bytes.Buffer
	b.Write(m.from)
	skip := false
	for _, line := range bytes.SplitAfter(m.header, []byte("\n")) {
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
	b.Write(m.body)
	return b.Bytes()
}
