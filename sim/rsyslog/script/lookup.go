package script

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"enshu/sim/rsyslog/message"
)

// LookupTable is a lookup_table(): what lookup() finds. Its contents may be
// replaced while messages are handled.
type LookupTable struct {
	Name, File  string
	ReloadOnHUP bool
	content     atomic.Pointer[lookupContent] // nil when it could not be read
}

// lookupContent is what a file of a lookup table says.
type lookupContent struct {
	noMatch string
	texts   map[string]string // of type string
	entries []lookupEntry     // of types array and sparseArray, in order
	sparse  bool
}

type lookupEntry struct {
	index int64
	value string
}

// Parse replaces the contents of the table by what the text of a file says
// (rsyslog's documentation, "Lookup Tables"). It returns what is wrong, in the
// daemon's words; the table is as it was unless it reports that it was taken.
func (t *LookupTable) Parse(text string) (complaints []string, ok bool) {
	complain := func(format string, args ...any) { complaints = append(complaints, fmt.Sprintf(format, args...)) }
	root, err := message.ReadJSON(strings.NewReader(text))
	if err != nil {
		return []string{"lookup table file '" + t.File + "' json parsing error"}, false
	}
	if v := root.Get("version"); v == nil {
		complain("lookup table named: '%s' doesn't specify version (will use default value: 1)", t.Name)
	} else if v.Int() != 1 {
		complain("lookup table named: '%s' uses unsupported version: %d", t.Name, v.Int())
		return complaints, false
	}
	kind := root.Get("type").Text()
	if kind == "" {
		kind = "string"
	}
	c := &lookupContent{noMatch: root.Get("nomatch").Text(), sparse: kind == "sparseArray"}
	table := root.Get("table")
	switch {
	case kind != "string" && kind != "array" && kind != "sparseArray":
		complain("lookup table named: '%s' uses unupported type: '%s'", t.Name, kind)
		return complaints, false
	case table == nil || !table.IsList:
		complain("lookup table named: '%s' has invalid table definition", t.Name)
		return complaints, false
	}
	for _, field := range []string{"index", "value"} {
		if slices.ContainsFunc(table.Kids, func(n *message.Node) bool { return n.Get(field) == nil }) {
			complain("'%s' lookup table named: '%s' has record(s) without '%s' field", kind, t.Name, field)
			return complaints, false
		}
	}
	if kind == "string" {
		c.texts = map[string]string{}
	}
	for _, n := range table.Kids {
		if c.texts != nil {
			c.texts[n.Get("index").Text()] = n.Get("value").Text()
		} else {
			c.entries = append(c.entries, lookupEntry{n.Get("index").Int(), n.Get("value").Text()})
		}
	}
	slices.SortStableFunc(c.entries, func(a, b lookupEntry) int { return cmp.Compare(a.index, b.index) })
	for i := 1; i < len(c.entries) && !c.sparse; i++ {
		if want, have := c.entries[i-1].index+1, c.entries[i].index; have != want {
			complain("'array' lookup table name: '%s' has non-contiguous members between index '%d' and '%d'", t.Name, want, have)
			return complaints, false
		}
	}
	t.content.Store(c)
	return complaints, true
}

// Stub makes every key yield one value.
func (t *LookupTable) Stub(value string) { t.content.Store(&lookupContent{noMatch: value}) }

// find returns the value of a key. In a sparse array the greatest index that is
// not above the key counts.
func (t *LookupTable) find(key Value) string {
	c := t.content.Load()
	if c == nil {
		return ""
	}
	if c.texts != nil {
		if v, ok := c.texts[key.Text()]; ok {
			return v
		}
		return c.noMatch
	}
	n, _ := key.number()
	i, found := slices.BinarySearchFunc(c.entries, n, func(e lookupEntry, n int64) int { return cmp.Compare(e.index, n) })
	switch {
	case found:
		return c.entries[i].value
	case c.sparse && i > 0:
		return c.entries[i-1].value
	}
	return c.noMatch
}
