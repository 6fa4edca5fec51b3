package scenario

import (
	"encoding"
	"net/netip"
	"reflect"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"enshu/sim/lang"
)

// decoder walks a YAML tree into structs and keeps every error.
type decoder struct {
	file  string
	known *Known
	errs  Errors
	refs  []reference
}

// errorf notes an error at a node; its texts are those of [lang.Errorf].
func (d *decoder) errorf(n *yaml.Node, ja, en string, args ...any) {
	d.errs = append(d.errs, Error{d.file, Pos{max(n.Line, 1), max(n.Column, 1)}, lang.Errorf(ja, en, args...).Text})
}

// called is a key of the file as errors call it, in any language.
func called(name string) lang.Text { return lang.Both(name, name) }

// field is one field of a struct as its tag describes it.
type field struct {
	index        int
	name         string
	doc          string
	required     bool
	keyed        bool
	isKey, isVal bool
	typ          reflect.Type
}

// fields reads the tags of a struct type.
func fields(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		sf := t.Field(i)
		tag, ok := sf.Tag.Lookup("lab")
		if !ok || tag == "-" {
			continue
		}
		parts := strings.Split(tag, ",")
		f := field{index: i, name: parts[0], doc: sf.Tag.Get("doc"), typ: sf.Type}
		for _, o := range parts[1:] {
			switch o {
			case "required":
				f.required = true
			case "keyed":
				f.keyed = true
			case "key":
				f.isKey = true
			case "value":
				f.isVal = true
			}
		}
		out = append(out, f)
	}
	return out
}

var (
	textType  = reflect.TypeFor[encoding.TextUnmarshaler]()
	checkType = reflect.TypeFor[Check]()
	wordsType = reflect.TypeFor[Text]()
	posType   = reflect.TypeFor[Pos]()
	addrType  = reflect.TypeFor[netip.Addr]()
	netType   = reflect.TypeFor[netip.Prefix]()
)

// value decodes a node. The zero value stays where it could not.
func (d *decoder) value(n *yaml.Node, v reflect.Value, what lang.Text) {
	if n.Kind == yaml.AliasNode {
		d.errorf(n, "別名 (*%s) はラボのファイルでは使えません。値をそのまま書きます", "aliases (*%s) are not part of a lab file; write the value out", n.Value)
		return
	}
	t := v.Type()
	if t.Kind() == reflect.Pointer {
		v.Set(reflect.New(t.Elem()))
		d.value(n, v.Elem(), what)
		return
	}
	switch {
	case t == checkType:
		d.check(n, v.Addr().Interface().(*Check))
		return
	case references[t].known != nil:
		if s, ok := d.scalar(n, what, lang.Both("名前", "a name")); ok {
			if t == reflect.TypeFor[UnitName]() {
				s = strings.TrimSuffix(s, ".service")
			}
			v.SetString(s)
			d.refs = append(d.refs, reference{t, s, n})
		}
		return
	case reflect.PointerTo(t).Implements(textType):
		if s, ok := d.scalar(n, what, lang.Both("単純な値", "a plain value")); ok {
			if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)); err != nil {
				d.errorf(n, "%s: %s", "%s: %s", what, plainError(t, s, err))
			}
		}
		return
	}
	switch t.Kind() {
	case reflect.String:
		if s, ok := d.scalar(n, what, lang.Both("文字列", "a text")); ok {
			v.SetString(s)
		}
	case reflect.Int:
		if s, ok := d.scalar(n, what, lang.Both("整数", "a whole number")); ok {
			i, err := strconv.ParseInt(s, 10, 32)
			if err != nil {
				d.errorf(n, "%s: %q は整数ではありません", "%s: %q is not a whole number", what, clip(s))
				return
			}
			v.SetInt(i)
		}
	case reflect.Bool:
		if s, ok := d.scalar(n, what, lang.Both("true か false", "true or false")); ok {
			if s != "true" && s != "false" {
				d.errorf(n, "%s: %q は true か false ではありません", "%s: %q is not true or false", what, clip(s))
				return
			}
			v.SetBool(s == "true")
		}
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			d.errorf(n, "%s: リストが必要ですが、%sです", "%s: expected a list, found %s", what, kindName(n))
			return
		}
		for i, item := range n.Content {
			e := reflect.New(t.Elem()).Elem()
			d.value(item, e, lang.Errorf("%s の %d 番目", "%s, item %d", what, i+1).Text)
			v.Set(reflect.Append(v, e))
		}
	case reflect.Struct:
		d.object(n, v, what)
		if t == wordsType {
			d.uncut(n, what)
		}
	default:
		panic("scenario: no rule to decode " + t.String())
	}
}

// uncut reports a text for learners that YAML ends early, at a blank and #.
func (d *decoder) uncut(n *yaml.Node, what lang.Text) {
	for _, text := range n.Content {
		if text.Kind == yaml.ScalarNode && text.Style == 0 && text.LineComment != "" {
			d.errorf(text, "%s: 文章が「#」（注釈の始まり）で終わっています。引用符で囲みます", "%s: the text ends at “#”, which begins a comment; put it in quotes", what)
		}
	}
}

// plainError rewords the errors of types that are not ours.
func plainError(t reflect.Type, s string, err error) error {
	switch t {
	case addrType:
		return lang.Errorf("%q は IP アドレスではありません", "%q is not an IP address", clip(s))
	case netType:
		return lang.Errorf("%q はサブネットではありません。192.168.0.0/24 のように書きます", "%q is not a subnet; write it as 192.168.0.0/24", clip(s))
	}
	return err
}

// scalar returns the text of a plain value.
func (d *decoder) scalar(n *yaml.Node, what, want lang.Text) (string, bool) {
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		d.errorf(n, "%s: %sが必要ですが、何もありません", "%s: expected %s, found nothing", what, want)
		return "", false
	case n.Kind == yaml.MappingNode && len(n.Content) > 0 && n.Content[0].Kind == yaml.MappingNode:
		d.errorf(n, "%s: {{…}} を含む文章は引用符で囲みます。YAML は { を連想配列と読みます", "%s: put the text with {{…}} in quotes, YAML reads { as a mapping", what)
		return "", false
	case n.Kind != yaml.ScalarNode:
		d.errorf(n, "%s: %sが必要ですが、%sです", "%s: expected %s, found %s", what, want, kindName(n))
		return "", false
	case strings.ContainsRune(n.Value, 0):
		d.errorf(n, "%s: 文章に値 0 のバイトは使えません", "%s: a text may not hold a zero byte", what)
		return "", false
	}
	return n.Value, true
}

// object decodes a mapping into a struct.
func (d *decoder) object(n *yaml.Node, v reflect.Value, what lang.Text) {
	fs := fields(v.Type())
	if n.Kind != yaml.MappingNode {
		for _, f := range fs {
			if f.isVal {
				d.value(n, v.Field(f.index), what)
				d.finish(n, v, map[string]*yaml.Node{f.name: n})
				return
			}
		}
		d.errorf(n, "%s: 連想配列が必要ですが、%sです", "%s: expected a mapping, found %s", what, kindName(n))
		return
	}
	byName := map[string]field{}
	var names []string
	for _, f := range fs {
		if !f.isKey {
			byName[f.name] = f
			names = append(names, f.name)
		}
	}
	at := map[string]*yaml.Node{}
	for key, val := range d.pairs(n, what) {
		f, ok := byName[key.Value]
		if !ok {
			d.errorf(key, "%[2]s にキー %[1]q はありません%[3]s", "unknown key %q in %s%s", clip(key.Value), what, meant(key.Value, names))
			continue
		}
		at[f.name] = val
		if f.keyed {
			d.keyed(val, v.Field(f.index), called(f.name))
		} else {
			d.value(val, v.Field(f.index), called(f.name))
		}
	}
	for _, f := range fs {
		if f.required && at[f.name] == nil {
			d.errorf(n, "%s: キー %q がありません", "%s: the key %q is missing", what, f.name)
		} else if f.required && empty(at[f.name]) {
			d.errorf(at[f.name], "%s: %q が空です", "%s: %q is empty", what, f.name)
		}
	}
	d.finish(n, v, at)
}

// finish notes positions and asks a struct for its own rules.
func (d *decoder) finish(n *yaml.Node, v reflect.Value, at map[string]*yaml.Node) {
	if p := v.FieldByName("Pos"); p.IsValid() && p.Type() == posType {
		p.Set(reflect.ValueOf(Pos{n.Line, n.Column}))
	}
	if c, ok := v.Addr().Interface().(Checker); ok {
		c.Check(func(key, ja, en string, args ...any) {
			place := n
			if at[key] != nil {
				place = at[key]
			}
			d.errorf(place, ja, en, args...)
		})
	}
}

// keyed decodes a mapping into a slice of structs with a key field.
func (d *decoder) keyed(n *yaml.Node, v reflect.Value, what lang.Text) {
	if n.Kind != yaml.MappingNode {
		if n.Kind == yaml.AliasNode {
			d.value(n, v, what)
			return
		}
		d.errorf(n, "%s: 連想配列が必要ですが、%sです", "%s: expected a mapping, found %s", what, kindName(n))
		return
	}
	elem := v.Type().Elem()
	var key field
	for _, f := range fields(elem) {
		if f.isKey {
			key = f
		}
	}
	for k, val := range d.pairs(n, what) {
		e := reflect.New(elem).Elem()
		d.value(k, e.Field(key.index), what)
		d.object(val, e, lang.Errorf("%s.%s", "%s.%s", what, clip(k.Value)).Text)
		if p := e.FieldByName("Pos"); p.IsValid() && p.Type() == posType {
			p.Set(reflect.ValueOf(Pos{k.Line, k.Column}))
		}
		v.Set(reflect.Append(v, e))
	}
}

// pairs yields the keys and values of a mapping, refusing keys that are not
// plain or that occur twice.
func (d *decoder) pairs(n *yaml.Node, what lang.Text) func(func(k, v *yaml.Node) bool) {
	return func(yield func(k, v *yaml.Node) bool) {
		seen := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := n.Content[i]
			switch {
			case k.Kind != yaml.ScalarNode:
				d.errorf(k, "%s: キーは普通の文字列にします", "%s: a key must be plain text", what)
				continue
			case k.Tag == "!!merge":
				d.errorf(k, "%s: 併合 (<<) はラボのファイルでは使えません", "%s: merging (<<) is not part of a lab file", what)
				continue
			case seen[k.Value] != 0:
				d.errorf(k, "%s: %q が 2 つあります。最初は %d 行目です", "%s: %q is there twice; first in line %d", what, clip(k.Value), seen[k.Value])
				continue
			}
			seen[k.Value] = k.Line
			if !yield(k, n.Content[i+1]) {
				return
			}
		}
	}
}

// check decodes a check: one key that names the kind, beside "within" and "not".
func (d *decoder) check(n *yaml.Node, c *Check) {
	if n.Kind != yaml.MappingNode {
		d.errorf(n, "check: {service: {host: server, unit: rsyslog}} のような連想配列が必要ですが、%sです", "check: expected a mapping such as {service: {host: server, unit: rsyslog}}, found %s", kindName(n))
		return
	}
	c.Pos = Pos{n.Line, n.Column}
	known := []string{"within", "not"}
	for _, k := range d.known.Kinds {
		known = append(known, k.Name)
	}
	for key, val := range d.pairs(n, called("check")) {
		switch kind := d.known.kind(key.Value); {
		case key.Value == "within":
			d.value(val, reflect.ValueOf(&c.Within).Elem(), called("within"))
			if c.Within < 0 {
				d.errorf(val, "within: 時間は正の値にします", "within: a time span must be positive")
			}
		case key.Value == "not":
			d.value(val, reflect.ValueOf(&c.Not).Elem(), called("not"))
		case kind == nil:
			d.errorf(key, "チェック %q はありません%s", "unknown check %q%s", clip(key.Value), meant(key.Value, known))
		case c.Kind != "":
			d.errorf(key, "チェックの種類は 1 つです。%q と %q はリストの別の項目にします", "a check is of one kind; %q and %q are two list items", c.Kind, kind.Name)
		default:
			c.Kind = kind.Name
			args := reflect.New(reflect.TypeOf(kind.Args))
			if empty(val) {
				d.errorf(val, "%s: 何も求めていないので、常に合格してしまいます", "%s: the check expects nothing, it would always pass", kind.Name)
			} else {
				d.value(val, args.Elem(), called(kind.Name))
			}
			c.Args = args.Interface()
		}
	}
	if c.Kind == "" && len(d.errs) == 0 {
		d.errorf(n, "チェックの種類がありません%s", "the check names no kind%s", meant("", known[2:]))
	}
}

func empty(n *yaml.Node) bool {
	switch n.Kind {
	case yaml.ScalarNode:
		return strings.TrimSpace(n.Value) == "" || n.Tag == "!!null"
	case yaml.AliasNode:
		return false
	}
	return len(n.Content) == 0
}

func kindName(n *yaml.Node) lang.Text {
	switch {
	case n.Kind == yaml.MappingNode:
		return lang.Both("連想配列", "a mapping")
	case n.Kind == yaml.SequenceNode:
		return lang.Both("リスト", "a list")
	case n.Tag == "!!null":
		return lang.Both("空", "nothing")
	}
	return lang.Errorf("%q ", "%q", clip(n.Value)).Text
}

// clip shortens what an error quotes.
func clip(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}
