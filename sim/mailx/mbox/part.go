package mbox

import (
	"bytes"
	"fmt"
	"strings"

	"enshu/sim/mailx/format"
)

// Part is one part of a multipart message.
type Part struct {
	*Message
	Number         string // "1.2"
	Kind, Charset  string
	Encoding, Name string
	Text           []byte
	Lines, Bytes   int
	Multiple       bool
}

// Parts returns the parts of a message, those of its parts included.
func (m *Message) Parts(number string) (out []Part) {
	for n, raw := range format.Parts(m.Body, format.Parameter(m.Field("Content-Type"), "boundary")) {
		p := Part{Message: ParseMessage(raw), Number: fmt.Sprintf("%s.%d", number, n+1)}
		kind, _, _ := strings.Cut(p.Field("Content-Type"), ";")
		p.Kind = strings.ToLower(strings.TrimSpace(kind))
		if p.Kind == "" {
			p.Kind = "text/plain"
		}
		p.Charset = format.Parameter(p.Field("Content-Type"), "charset")
		if p.Charset == "" {
			p.Charset = "us-ascii"
		}
		p.Encoding = strings.ToLower(p.Field("Content-Transfer-Encoding"))
		if p.Encoding == "" {
			p.Encoding = "7bit"
		}
		p.Name = format.Parameter(p.Field("Content-Disposition"), "filename")
		if p.Name == "" {
			p.Name = format.Parameter(p.Field("Content-Type"), "name")
		}
		p.Lines, p.Bytes = bytes.Count(raw, []byte("\n"))+1, len(raw)
		p.Multiple = strings.HasPrefix(p.Kind, "multipart/")
		p.Text = format.DecodeBody(p.Encoding, bytes.TrimPrefix(p.Body, []byte("\n")))
		out = append(out, p)
		if p.Multiple {
			out = append(out, p.Message.Parts(p.Number)...)
		}
	}
	return out
}
