// Package mime walks through the structure of a message (RFC 2045, 2046): which
// of its lines are headers, and of what.
package mime

import (
	"bytes"
	"mime"
	"strings"

	"enshu/sim/postfix/header"
)

// Kind says whose header a field stands in.
type Kind int

// The kinds, as header_checks(5) knows them. The MIME fields (Content-…,
// MIME-Version) of all headers are Part.
const (
	Primary Kind = iota // the header of the message
	Part                // the header of a part of a multipart
	Nested              // the header of an attached message
)

// Visitor is told of the pieces of a message, in order.
type Visitor struct {
	Field func(k Kind, f header.Field)
	// A line that is no header, with its line end if it has one.
	Line func(line []byte)
	// Done says that the rest counts for nothing.
	Done func() bool
}

// enclosing bounds how deep multiparts are looked into (mime_nesting_limit).
const enclosing = 100

// Walk visits a message. What it is made of is the message again: nothing is
// left out and nothing added, but for the empty line that may lack below the
// header of the message.
func Walk(text []byte, v Visitor) {
	var boundaries []string
	kind, inHeader := Primary, true
	for !v.Done() && (len(text) > 0 || inHeader) {
		if inHeader {
			fields, rest := header.Split(text)
			if kind != Primary && supplied(text, fields, rest) {
				rest = rest[1:]
			}
			next := Kind(-1) // of a header that follows this one
			for _, f := range fields {
				k := kind
				if name := strings.ToLower(f.Name); name == "mime-version" || strings.HasPrefix(name, "content-") {
					k = Part
				}
				v.Field(k, f)
				if !strings.EqualFold(f.Name, "content-type") {
					continue
				}
				media, params, _ := mime.ParseMediaType(f.Value())
				switch {
				case strings.HasPrefix(media, "multipart/") && params["boundary"] != "" && len(boundaries) < enclosing:
					boundaries = append(boundaries, params["boundary"])
				case media == "message/rfc822" || media == "message/global":
					next = Nested
				}
			}
			text, inHeader = rest, false
			if len(text) > 0 && text[0] == '\n' {
				v.Line(text[:1])
				text = text[1:]
			}
			if next == Nested && len(text) > 0 {
				kind, inHeader = Nested, true
			}
			continue
		}
		line := text
		if end := bytes.IndexByte(text, '\n'); end >= 0 {
			line = text[:end+1]
		}
		text = text[len(line):]
		v.Line(line)
		if left, closed, ok := boundary(line, boundaries); ok {
			boundaries = boundaries[:left]
			kind, inHeader = Part, !closed && len(text) > 0
		}
	}
}

// supplied reports whether the empty line at the start of rest is one that
// header.Split made: the text has none after the fields.
func supplied(text []byte, fields []header.Field, rest []byte) bool {
	if len(rest) == 0 || len(fields) == 0 {
		return len(rest) > len(text)
	}
	return !bytes.HasSuffix(text, append([]byte("\n"), rest...))
}

// boundary reports whether a line ends a part: left boundaries are in force
// after it, and closed says that it ends the multipart too.
func boundary(line []byte, boundaries []string) (left int, closed, ok bool) {
	rest, dashes := bytes.CutPrefix(line, []byte("--"))
	if !dashes {
		return 0, false, false
	}
	for i := len(boundaries) - 1; i >= 0; i-- {
		if after, here := bytes.CutPrefix(rest, []byte(boundaries[i])); here {
			if bytes.HasPrefix(after, []byte("--")) {
				return i, true, true
			}
			return i + 1, false, true
		}
	}
	return 0, false, false
}
