package message

import (
	"encoding/json"
	"io"
	"strconv"
	"strings"
)

// Node is a JSON value of the variables: an object, a list or a text.
type Node struct {
	Leaf   bool
	Value  string
	Plain  bool // a leaf that is not quoted in JSON: a number, true, false, null
	IsList bool
	Names  []string // of an object, in the order in which they were set
	Kids   []*Node
}

// Clone returns a copy that shares nothing with n.
func (n *Node) Clone() *Node {
	if n == nil || n.Leaf {
		return n // nobody changes a leaf
	}
	c := &Node{IsList: n.IsList, Names: append([]string(nil), n.Names...), Kids: make([]*Node, len(n.Kids))}
	for i, kid := range n.Kids {
		c.Kids[i] = kid.Clone()
	}
	return c
}

// Get returns a member, nil when there is none. Capital letters make no
// difference in names.
func (n *Node) Get(name string) *Node {
	if n == nil || n.Leaf {
		return nil
	}
	if n.IsList {
		return nil
	}
	for i, have := range n.Names {
		if strings.EqualFold(have, name) {
			return n.Kids[i]
		}
	}
	return nil
}

// maxNodes bounds an object of the variables.
const maxNodes = 10000

// Set puts a value at a path, making the objects on the way.
func (n *Node) Set(path []string, v *Node) {
	for len(path) > 1 {
		kid := n.Get(path[0])
		if kid == nil || kid.Leaf || kid.IsList {
			kid = &Node{}
			n.Set(path[:1], kid)
		}
		n, path = kid, path[1:]
	}
	for i, have := range n.Names {
		if strings.EqualFold(have, path[0]) {
			n.Kids[i] = v
			return
		}
	}
	if len(n.Names) < maxNodes {
		n.Names, n.Kids = append(n.Names, path[0]), append(n.Kids, v)
	}
}

// Remove takes a value away.
func (n *Node) Remove(path []string) {
	for ; n != nil && len(path) > 1; path = path[1:] {
		n = n.Get(path[0])
	}
	if n == nil || len(path) == 0 {
		return
	}
	for i, have := range n.Names {
		if strings.EqualFold(have, path[0]) {
			n.Names = append(n.Names[:i:i], n.Names[i+1:]...)
			n.Kids = append(n.Kids[:i:i], n.Kids[i+1:]...)
			return
		}
	}
}

// Member returns a member of an object, or of a list by its number from 0; nil when
// there is none.
func (n *Node) Member(name string) *Node {
	if n == nil || !n.IsList {
		return n.Get(name)
	}
	if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(n.Kids) {
		return n.Kids[i]
	}
	return nil
}

// Int returns the value as a whole number: 1 for true, 0 for what is none.
func (n *Node) Int() int64 {
	switch {
	case n == nil || !n.Leaf:
		return 0
	case n.Plain && n.Value == "true":
		return 1
	}
	if i, err := strconv.ParseInt(n.Value, 10, 64); err == nil {
		return i
	}
	f, _ := strconv.ParseFloat(n.Value, 64)
	return int64(f)
}

// Text returns a leaf's text, or JSON as rsyslog's library writes it.
func (n *Node) Text() string {
	if n == nil {
		return ""
	}
	if n.Leaf {
		return n.Value
	}
	return string(n.AppendJSON(nil))
}

// appendPlainJSON is appendJSON without blanks.
func (n *Node) appendPlainJSON(b []byte) []byte {
	if n.Leaf {
		return n.AppendJSON(b)
	}
	open, end := byte('{'), byte('}')
	if n.IsList {
		open, end = '[', ']'
	}
	b = append(b, open)
	for i, k := range n.Kids {
		if i > 0 {
			b = append(b, ',')
		}
		if !n.IsList {
			b = append(AppendJSONEscaped(append(b, '"'), n.Names[i]), `":`...)
		}
		b = k.appendPlainJSON(b)
	}
	return append(b, end)
}

// AppendJSON appends the value as json-c writes it: with blanks inside the brackets.
func (n *Node) AppendJSON(b []byte) []byte {
	switch {
	case n.Leaf && n.Plain:
		return append(b, n.Value...)
	case n.Leaf:
		b = append(b, '"')
		b = AppendJSONEscaped(b, n.Value)
		return append(b, '"')
	case n.IsList:
		b = append(b, '[')
		for i, k := range n.Kids {
			if i > 0 {
				b = append(b, ',')
			}
			b = k.AppendJSON(append(b, ' '))
		}
		return append(b, " ]"...)
	case len(n.Kids) == 0:
		return append(b, "{ }"...)
	}
	b = append(b, '{')
	for i, k := range n.Kids {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, ` "`...)
		b = AppendJSONEscaped(b, n.Names[i])
		b = append(b, `": `...)
		b = k.AppendJSON(b)
	}
	return append(b, " }"...)
}

// AppendJSONEscaped appends a text as it stands between the quotes of JSON.
func AppendJSONEscaped(b []byte, s string) []byte {
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

// ReadJSON reads a text that is one value of JSON, as far as that goes.
func ReadJSON(r io.Reader) (*Node, error) {
	dec := json.NewDecoder(r)
	dec.UseNumber()
	return readJSON(dec, 0)
}

// readJSON reads one value, keeping the order of an object's members.
func readJSON(dec *json.Decoder, depth int) (*Node, error) {
	if depth > 100 {
		return nil, io.ErrUnexpectedEOF
	}
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t := tok.(type) {
	case string:
		return &Node{Leaf: true, Value: t}, nil
	case json.Number:
		return &Node{Leaf: true, Value: t.String(), Plain: true}, nil
	case bool:
		return &Node{Leaf: true, Value: strconv.FormatBool(t), Plain: true}, nil
	case nil:
		return &Node{Leaf: true, Value: "null", Plain: true}, nil
	case json.Delim:
		n := &Node{IsList: t == '['}
		for dec.More() {
			name := ""
			if !n.IsList {
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
			if n.IsList {
				n.Kids = append(n.Kids, kid)
			} else {
				n.Set([]string{name}, kid)
			}
		}
		_, err := dec.Token()
		return n, err
	}
	return nil, io.ErrUnexpectedEOF
}
