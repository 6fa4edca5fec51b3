package conf

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// xmlEvent is a start tag, an end tag or text of an XML document.
type xmlEvent struct {
	start, end string
	attrs      Attrs
	text       string
}

// xmlScanner reads the XML of configuration files and finds the same faults at
// the same places as expat, which firewalld uses: a learner who edits a file by
// hand is told the line and column. Documents are bounded by maxXML.
type xmlScanner struct {
	s      string
	pos    int
	events []xmlEvent
	open   []string
	rooted bool
}

// maxXML is the size beyond which a file is not read.
const maxXML = 1 << 20

// scanXML returns the events of a document, and what is wrong with it behind
// the last one: "mismatched tag: line 3, column 2".
func scanXML(doc string) ([]xmlEvent, error) {
	x := &xmlScanner{s: doc}
	if len(doc) > maxXML {
		return nil, fmt.Errorf("out of memory: line 1, column 0")
	}
	return x.events, x.document()
}

// at is an error at a place of the document.
func (x *xmlScanner) at(pos int, what string) error {
	before := x.s[:min(pos, len(x.s))]
	line := strings.Count(before, "\n") + 1
	column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
	return fmt.Errorf("%s: line %d, column %d", what, line, column)
}

const badToken = "not well-formed (invalid token)"

func (x *xmlScanner) document() error {
	for x.pos < len(x.s) {
		rest := x.s[x.pos:]
		var err error
		switch {
		case strings.HasPrefix(rest, "<!--"):
			err = x.comment()
		case strings.HasPrefix(rest, "<![CDATA["):
			err = x.cdata()
		case strings.HasPrefix(rest, "<?"):
			err = x.instruction()
		case strings.HasPrefix(rest, "<!"):
			err = x.doctype()
		case strings.HasPrefix(rest, "</"):
			err = x.endTag()
		case rest[0] == '<':
			err = x.startTag()
		default:
			err = x.chars()
		}
		if err != nil {
			return err
		}
	}
	if !x.rooted || len(x.open) > 0 {
		return x.at(len(x.s), "no element found")
	}
	return nil
}

func (x *xmlScanner) comment() error {
	end := strings.Index(x.s[x.pos+4:], "--")
	if end < 0 {
		return x.at(x.pos, "unclosed token")
	}
	end += x.pos + 6
	if end >= len(x.s) {
		return x.at(x.pos, "unclosed token")
	}
	if x.s[end] != '>' {
		return x.at(end, badToken)
	}
	x.pos = end + 1
	return nil
}

func (x *xmlScanner) cdata() error {
	if len(x.open) == 0 {
		return x.at(x.pos, badToken)
	}
	end := strings.Index(x.s[x.pos:], "]]>")
	if end < 0 {
		return x.at(len(x.s), "unclosed CDATA section")
	}
	x.events = append(x.events, xmlEvent{text: x.s[x.pos+9 : x.pos+end]})
	x.pos += end + 3
	return nil
}

func (x *xmlScanner) instruction() error {
	end := strings.Index(x.s[x.pos:], "?>")
	if end < 0 {
		return x.at(x.pos, "unclosed token")
	}
	if strings.HasPrefix(x.s[x.pos:], "<?xml ") && x.pos > 0 {
		return x.at(x.pos, "XML or text declaration not at start of entity")
	}
	x.pos += end + 2
	return nil
}

// doctype passes a document type over; entities that it declares stay unknown.
func (x *xmlScanner) doctype() error {
	if !strings.HasPrefix(x.s[x.pos:], "<!DOCTYPE") || x.rooted {
		return x.at(min(x.pos+2, len(x.s)), badToken)
	}
	depth := 0
	for i := x.pos; i < len(x.s); i++ {
		switch x.s[i] {
		case '[', '<':
			depth++
		case ']':
			depth--
		case '>':
			depth--
			if depth <= 0 {
				x.pos = i + 1
				return nil
			}
		}
	}
	return x.at(x.pos, "unclosed token")
}

func nameStart(r rune) bool {
	return r == '_' || r == ':' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= 0x80 && r != utf8.RuneError
}

// name reads a name at the present place; "" when there is none.
func (x *xmlScanner) name() string {
	start := x.pos
	for x.pos < len(x.s) {
		r, n := utf8.DecodeRuneInString(x.s[x.pos:])
		if !nameStart(r) && (x.pos == start || !strings.ContainsRune("-.0123456789", r)) {
			break
		}
		x.pos += n
	}
	return x.s[start:x.pos]
}

func (x *xmlScanner) blanks() bool {
	start := x.pos
	for x.pos < len(x.s) && strings.IndexByte(" \t\r\n", x.s[x.pos]) >= 0 {
		x.pos++
	}
	return x.pos > start
}

func (x *xmlScanner) endTag() error {
	start := x.pos
	x.pos += 2
	named := x.pos
	if len(x.open) == 0 {
		return x.at(start+1, badToken)
	}
	name := x.name()
	x.blanks()
	switch {
	case x.pos >= len(x.s):
		return x.at(start, "unclosed token")
	case name == "" || x.s[x.pos] != '>':
		return x.at(x.pos, badToken)
	case name != x.open[len(x.open)-1]:
		return x.at(named, "mismatched tag")
	}
	x.pos++
	x.open = x.open[:len(x.open)-1]
	x.events = append(x.events, xmlEvent{end: name})
	return nil
}

func (x *xmlScanner) startTag() error {
	start := x.pos
	if x.rooted && len(x.open) == 0 {
		return x.at(start, "junk after document element")
	}
	x.pos++
	e := xmlEvent{start: x.name()}
	if e.start == "" {
		if x.pos >= len(x.s) {
			return x.at(start, "unclosed token")
		}
		return x.at(x.pos, badToken)
	}
	for {
		blank := x.blanks()
		if x.pos >= len(x.s) {
			return x.at(start, "unclosed token")
		}
		empty := strings.HasPrefix(x.s[x.pos:], "/>")
		if empty || x.s[x.pos] == '>' {
			x.pos++
			x.rooted = true
			x.events = append(x.events, e)
			if empty {
				x.pos++
				x.events = append(x.events, xmlEvent{end: e.start})
			} else {
				x.open = append(x.open, e.start)
			}
			return nil
		}
		if x.s[x.pos] == '/' {
			return x.at(x.pos+1, badToken)
		}
		if !blank {
			return x.at(x.pos, badToken)
		}
		if err := x.attribute(start, &e); err != nil {
			return err
		}
	}
}

func (x *xmlScanner) attribute(tag int, e *xmlEvent) error {
	begin := x.pos
	name := x.name()
	if name == "" {
		return x.at(x.pos, badToken)
	}
	x.blanks()
	if x.pos < len(x.s) && x.s[x.pos] == '=' {
		x.pos++
		x.blanks()
	} else if x.pos < len(x.s) {
		return x.at(x.pos, badToken)
	}
	if x.pos >= len(x.s) {
		return x.at(tag, "unclosed token")
	}
	quote := x.s[x.pos]
	if quote != '"' && quote != '\'' {
		return x.at(x.pos, badToken)
	}
	x.pos++
	end := strings.IndexByte(x.s[x.pos:], quote)
	if i := strings.IndexByte(x.s[x.pos:], '<'); i >= 0 && (end < 0 || i < end) {
		return x.at(x.pos+i, badToken)
	}
	if end < 0 {
		return x.at(tag, "unclosed token")
	}
	value, err := x.expand(x.pos, x.pos+end)
	if err != nil {
		return err
	}
	for _, a := range e.attrs {
		if a[0] == name {
			return x.at(begin, "duplicate attribute")
		}
	}
	e.attrs = append(e.attrs, [2]string{name, value})
	x.pos += end + 1
	return nil
}

func (x *xmlScanner) chars() error {
	end := strings.IndexByte(x.s[x.pos:], '<')
	if end < 0 {
		end = len(x.s) - x.pos
	}
	end += x.pos
	if len(x.open) == 0 {
		text := strings.TrimLeft(x.s[x.pos:end], " \t\r\n")
		switch {
		case text == "":
			x.pos = end
			return nil
		case x.rooted:
			return x.at(end-len(text), "junk after document element")
		}
		return x.at(end-len(text), "syntax error")
	}
	if i := strings.Index(x.s[x.pos:end], "]]>"); i >= 0 {
		return x.at(x.pos+i+2, badToken)
	}
	text, err := x.expand(x.pos, end)
	if err != nil {
		return err
	}
	x.events = append(x.events, xmlEvent{text: text})
	x.pos = end
	return nil
}

var xmlEntities = map[string]string{"lt": "<", "gt": ">", "amp": "&", "quot": `"`, "apos": "'"}

// expand replaces the references in a part of the document.
func (x *xmlScanner) expand(from, to int) (string, error) {
	var b strings.Builder
	for i := from; i < to; {
		r, n := utf8.DecodeRuneInString(x.s[i:to])
		if r == utf8.RuneError && n == 1 || r < ' ' && r != '\t' && r != '\n' && r != '\r' {
			return "", x.at(i, badToken)
		}
		if r != '&' {
			b.WriteRune(r)
			i += n
			continue
		}
		end := strings.IndexByte(x.s[i:to], ';')
		ref := ""
		if end > 0 {
			ref = x.s[i+1 : i+end]
		}
		switch {
		case ref == "" || strings.ContainsAny(ref, " \t\r\n&\"'"):
			return "", x.at(i+1, badToken)
		case strings.HasPrefix(ref, "#"):
			digits, base := ref[1:], 10
			if strings.HasPrefix(digits, "x") {
				digits, base = digits[1:], 16
			}
			v, err := strconv.ParseUint(digits, base, 32)
			if err != nil || v == 0 || !utf8.ValidRune(rune(v)) {
				return "", x.at(i, "reference to invalid character number")
			}
			b.WriteRune(rune(v))
		default:
			s, ok := xmlEntities[ref]
			if !ok {
				return "", x.at(i, "undefined entity")
			}
			b.WriteString(s)
		}
		i += end + 1
	}
	return b.String(), nil
}

// escapeXML writes text so that it reads back the same.
func escapeXML(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(s)
}
