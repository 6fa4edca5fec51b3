package utillinux

import (
	"fmt"
	"io"
	"strings"
)

func (d *dmesg) jsonRecord(w io.Writer, m message) {
	if d.jsonOpen {
		io.WriteString(w, ",{\n")
	} else {
		io.WriteString(w, "{\n   \"dmesg\": [\n      {\n")
	}
	d.jsonOpen = true
	us := m.at.Microseconds()
	fmt.Fprintf(w, "         \"pri\": %d,\n         \"time\": %5d.%06d,\n         \"msg\": %s\n      }", m.priority, us/1e6, us%1e6, jsonText(m.rest))
}

// jsonText quotes a text for JSON. Of a record of a file it is all that follows
// in the file: dmesg does not end the text there.
func jsonText(s string) string {
	short := map[byte]string{'"': `\"`, '\\': `\\`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`}
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case short[c] != "":
			b.WriteString(short[c])
		case c < ' ':
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func (d *dmesg) closeJSON(w io.Writer) {
	switch {
	case !d.json:
	case d.jsonOpen:
		io.WriteString(w, "\n   ]\n}\n")
	default:
		io.WriteString(w, "{\n   \"dmesg\": []\n}\n")
	}
}
