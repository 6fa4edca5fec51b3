package rsyslog

import (
	"encoding/json"
	"io"
	"strconv"
	"strings"
)

// node is a JSON value of the variables: an object, a list or a text.
type node struct {
	leaf   bool
	value  string
	plain  bool // a leaf that is not quoted in JSON: a number, true, false, null
	isList bool
	names  []string // of an object, in the order in which they were set
	kids   []*node
}

// clone returns a copy that shares nothing with n.
func (n *node) clone() *node {
	if n == nil || n.leaf {
		return n // nobody changes a leaf
	}
	c := &node{isList: n.isList, names: append([]string(nil), n.names...), kids: make([]*node, len(n.kids))}
	for i, kid := range n.kids {
		c.kids[i] = kid.clone()
	}
	return c
}

// get returns a member, nil when there is none. Capital letters make no
// difference in names.
func (n *node) get(name string) *node {
	if n == nil || n.leaf {
		return nil
	}
	if n.isList {
		return nil
	}
	for i, have := range n.names {
		if strings.EqualFold(have, name) {
			return n.kids[i]
		}
	}
	return nil
}

// maxNodes bounds an object of the variables.
const maxNodes = 10000

// set puts a value at a path, making the objects on the way.
func (n *node) set(path []string, v *node) {
	for len(path) > 1 {
		kid := n.get(path[0])
		if kid == nil || kid.leaf || kid.isList {
			kid = &node{}
			n.set(path[:1], kid)
		}
		n, path = kid, path[1:]
	}
	for i, have := range n.names {
		if strings.EqualFold(have, path[0]) {
			n.kids[i] = v
			return
		}
	}
	if len(n.names) < maxNodes {
		n.names, n.kids = append(n.names, path[0]), append(n.kids, v)
	}
}

// remove takes a value away.
func (n *node) remove(path []string) {
	for ; n != nil && len(path) > 1; path = path[1:] {
		n = n.get(path[0])
	}
	if n == nil || len(path) == 0 {
		return
	}
	for i, have := range n.names {
		if strings.EqualFold(have, path[0]) {
			n.names = append(n.names[:i:i], n.names[i+1:]...)
			n.kids = append(n.kids[:i:i], n.kids[i+1:]...)
			return
		}
	}
}

// text returns a leaf's text, or JSON as rsyslog's library writes it.
func (n *node) text() string {
	if n == nil {
		return ""
	}
	if n.leaf {
		return n.value
	}
	return string(n.appendJSON(nil))
}

// appendPlainJSON is appendJSON without blanks.
func (n *node) appendPlainJSON(b []byte) []byte {
	if n.leaf {
		return n.appendJSON(b)
	}
	open, end := byte('{'), byte('}')
	if n.isList {
		open, end = '[', ']'
	}
	b = append(b, open)
	for i, k := range n.kids {
		if i > 0 {
			b = append(b, ',')
		}
		if !n.isList {
			b = append(appendJSONEscaped(append(b, '"'), n.names[i]), `":`...)
		}
		b = k.appendPlainJSON(b)
	}
	return append(b, end)
}

func (n *node) appendJSON(b []byte) []byte {
	switch {
	case n.leaf && n.plain:
		return append(b, n.value...)
	case n.leaf:
		b = append(b, '"')
		b = appendJSONEscaped(b, n.value)
		return append(b, '"')
	case n.isList:
		b = append(b, '[')
		for i, k := range n.kids {
			if i > 0 {
				b = append(b, ',')
			}
			b = k.appendJSON(append(b, ' '))
		}
		return append(b, " ]"...)
	case len(n.kids) == 0:
		return append(b, "{ }"...)
	}
	b = append(b, '{')
	for i, k := range n.kids {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, ` "`...)
		b = appendJSONEscaped(b, n.names[i])
		b = append(b, `": `...)
		b = k.appendJSON(b)
	}
	return append(b, " }"...)
}

func appendJSONEscaped(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\' || c == '/':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\r':
			b = append(b, `\r`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c == '\b':
			b = append(b, `\b`...)
		case c == '\f':
			b = append(b, `\f`...)
		case c < ' ':
			b = append(b, `\u00`...)
			b = append(b, "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
		default:
			b = append(b, c)
		}
	}
	return b
}

// readJSONText reads a text that is one value of JSON, as far as that goes.
func readJSONText(r io.Reader) (*node, error) {
	dec := json.NewDecoder(r)
	dec.UseNumber()
	return readJSON(dec, 0)
}

// readJSON reads one value, keeping the order of an object's members.
func readJSON(dec *json.Decoder, depth int) (*node, error) {
	if depth > 100 {
		return nil, io.ErrUnexpectedEOF
	}
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t := tok.(type) {
	case string:
		return &node{leaf: true, value: t}, nil
	case json.Number:
		return &node{leaf: true, value: t.String(), plain: true}, nil
	case bool:
		return &node{leaf: true, value: strconv.FormatBool(t), plain: true}, nil
	case nil:
		return &node{leaf: true, value: "null", plain: true}, nil
	case json.Delim:
		n := &node{isList: t == '['}
		for dec.More() {
			name := ""
			if !n.isList {
				key, err := dec.Token()
				if err != nil {
					return nil, err
				}
				name, _ = key.(string)
			}
			kid, err := readJSON(dec, depth+1)
			if err != nil {
				return nil, err
			}
			if n.isList {
				n.kids = append(n.kids, kid)
			} else {
				n.set([]string{name}, kid)
			}
		}
		_, err := dec.Token()
		return n, err
	}
	return nil, io.ErrUnexpectedEOF
}
