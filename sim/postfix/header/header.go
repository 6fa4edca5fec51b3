// Package header takes the header of a message apart and writes header fields
// (RFC 5322).
package header

import (
	"bytes"
	"strings"
	"time"
)

// Name returns the name of a header line, "" when the line is none
// (RFC 5322; blanks before the colon are forgiven).
func Name(line []byte) string {
	for i, c := range line {
		switch {
		case c == ':':
			return strings.TrimRight(string(line[:i]), " \t")
		case c == ' ' || c == '\t':
			rest := bytes.TrimLeft(line[i:], " \t")
			if i == 0 || !bytes.HasPrefix(rest, []byte(":")) {
				return ""
			}
			return string(line[:i])
		case c < 33 || c > 126:
			return ""
		}
	}
	return ""
}

// Field is one header field: its lines without line ends.
type Field struct {
	Name  string
	Lines [][]byte
}

// Value returns the text after the colon, folding kept as it is.
func (h Field) Value() string {
	all := string(bytes.Join(h.Lines, []byte("\n")))
	_, v, _ := strings.Cut(all, ":")
	return v
}

// Split parts a message into its header fields and the rest, which is nil
// when there is none. A missing empty line between them is supplied.
func Split(text []byte) (fields []Field, body []byte) {
	for len(text) > 0 {
		line, rest := text, []byte(nil)
		if end := bytes.IndexByte(text, '\n'); end >= 0 {
			line, rest = text[:end], text[end+1:]
		} else if Name(line) == "" && !(len(fields) > 0 && len(line) > 0 && (line[0] == ' ' || line[0] == '\t')) {
			break
		}
		if n := len(fields); n > 0 && len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
			fields[n-1].Lines = append(fields[n-1].Lines, line)
			text = rest
			continue
		}
		name := Name(line)
		if name == "" {
			if len(line) == 0 {
				return fields, text
			}
			break
		}
		if at := bytes.IndexByte(line, ':'); at > len(name) {
			line = append([]byte(name), line[at:]...)
		}
		fields = append(fields, Field{name, [][]byte{line}})
		text = rest
	}
	if len(text) > 0 {
		body = append([]byte("\n"), text...)
	}
	return fields, body
}

// AddressFields are the fields whose addresses cleanup(8) rewrites.
var AddressFields = map[string]bool{
	"apparently-to": true, "bcc": true, "cc": true, "disposition-notification-to": true, "errors-to": true, "from": true,
	"mail-followup-to": true, "reply-to": true, "resent-bcc": true, "resent-cc": true, "resent-from": true,
	"resent-reply-to": true, "resent-sender": true, "resent-to": true, "return-receipt-to": true, "sender": true, "to": true,
	"mail-reply-to": true,
}

// SenderFields are those of them that name senders.
var SenderFields = map[string]bool{
	"errors-to": true, "from": true, "reply-to": true, "resent-from": true, "resent-reply-to": true, "resent-sender": true, "sender": true,
}

// Fold joins addresses, one to a line, to lines of less than 70
// characters (cleanup(8)). The lines after the first begin with a tab.
func Fold(name string, addresses []string) []string {
	lines := []string{name + ":"}
	if len(addresses) == 0 {
		return lines
	}
	start := lines[0] + " " + addresses[0]
	if len(addresses) > 1 {
		start += ","
	}
	lines[0] = start
	for i, a := range addresses[1:] {
		if i < len(addresses)-2 {
			a += ","
		}
		last := &lines[len(lines)-1]
		if len(*last)+1+len(a) < 70 {
			*last += " " + a
		} else {
			lines = append(lines, a)
		}
	}
	for i := 1; i < len(lines); i++ {
		lines[i] = "\t" + lines[i]
	}
	return lines
}

// Date formats a time as Postfix writes it in headers.
func Date(t time.Time) string { return t.Format("Mon, _2 Jan 2006 15:04:05 -0700 (MST)") }
