package config

import (
	"strings"

	"enshu/sim/rsyslog/message"
	"enshu/sim/rsyslog/script"
	"enshu/sim/rsyslog/template"
)

// templateObject compiles template(...). One that is wrong is a template all the
// same, of what was read of it.
func (c *loader) templateObject(o *script.Object) {
	if !c.readTemplate(o) {
		c.Complain("error processing template object")
	}
}

func (c *loader) readTemplate(o *script.Object) bool {
	v := c.take(o, templateParams)
	if v == nil {
		c.Complain("error processing template config parameters")
		return false
	}
	name := v.text("name")
	t := &template.Template{Name: name}
	quoted := 0
	for _, option := range []struct {
		name  string
		quote byte
	}{{"option.sql", 's'}, {"option.stdsql", 'q'}, {"option.json", 'j'}, {"option.jsonf", 0}} {
		if v.on(option.name) {
			t.Quote, t.Jsonf = option.quote, option.quote == 0
			quoted++
		}
	}
	switch kind := v.text("type"); {
	case kind != "string" && kind != "list" && kind != "subtree" && kind != "plugin":
		c.errorf(CodeNone, "invalid template type '%s'", kind)
		return false
	case kind == "list" && len(o.Subs) == 0:
		c.errorf(CodeNone, "template '%s' of type list has no parameters specified", name)
		return false
	case kind != "list" && !v.has(kind):
		c.errorf(CodeNone, "template '%s' of type %s needs %s parameter", name, kind, kind)
		return false
	case quoted > 1:
		c.errorf(CodeNone, "template '%s' has multiple incompatible options of sql, stdsql or json specified", name)
		return false
	case kind == "plugin":
		c.errorf(codeNoStrgen, "template '%s': error -%d defining template via plugin (strgen) module", name, codeNoStrgen)
		return false
	case kind == "subtree":
		// Outputs that take text, which all of ours are, write nothing of a subtree.
		if name := v.text("subtree"); !strings.HasPrefix(name, "$!") {
			c.errorf(CodeNone, "invalid subtree parameter, variable must start with '$!' but var name is '%s'", name)
			return false
		}
	case kind == "string":
		parsed, _, complaint := template.Parse(name, v.text("string"), false, func(format string, args ...any) { c.errorf(CodeNone, format, args...) })
		if complaint != "" {
			c.Complain(complaint)
			return false
		}
		t.Parts = parsed.Parts
	}
	c.conf.Templates[name] = t
	for _, sub := range o.Subs {
		read := c.constantObject
		if sub.Kind == "property" {
			read = c.propertyObject
		}
		p, ok := read(sub)
		if ok {
			c.unused(sub)
		}
		if ok || p.Name != "" {
			t.Parts = append(t.Parts, p)
		}
		if !ok {
			break
		}
	}
	return true
}

// constantObject compiles constant(...) of a list template.
func (c *loader) constantObject(o *script.Object) (p template.Part, ok bool) {
	v := c.take(o, constantParams)
	if v == nil {
		c.Complain("error processing template parameters")
		return p, false
	}
	if f, ok := v.get("format"); ok && f != "jsonf" {
		c.errorf(CodeNone, "invalid format type '%s' for constant", f)
		return p, false
	}
	p.Constant = script.Unescape(v.text("value")) // for the second time; the lexer did it before
	p.Empty = p.Constant == ""
	if out, ok := v.get("outname"); ok && v.text("format") == "jsonf" {
		p.Constant = `"` + out + `": "` + p.Constant + `"`
	}
	return p, true
}

// A choice is a parameter of property() whose value is one of a few words.
type choice struct {
	param string
	name  string // in complaints
	set   func(o *template.Options, s string) bool
}

var choices = []choice{
	{"dateformat", "date format", func(o *template.Options, s string) bool {
		return !strings.HasPrefix(s, "iso-week") && o.ParseOption("date-"+s)
	}},
	{"caseconversion", "caseconversion type", func(o *template.Options, s string) bool {
		return s == "upper" && o.ParseOption("uppercase") || s == "lower" && o.ParseOption("lowercase")
	}},
	{"controlcharacters", "controlcharacter mode", func(o *template.Options, s string) bool { return o.ParseOption(s + "-cc") }},
	{"securepath", "securepath mode", func(o *template.Options, s string) bool { return o.ParseOption("secpath-" + s) }},
	{"format", "format type", func(o *template.Options, s string) bool {
		return (s == "csv" || strings.HasPrefix(s, "json")) && o.ParseOption(s)
	}},
	{"regex.type", "regex.type", func(_ *template.Options, s string) bool { return s == "ERE" || s == "BRE" }},
	{"regex.nomatchmode", "format type", func(o *template.Options, s string) (ok bool) { o.NoMatch, ok = template.NoMatchModes[s]; return ok }},
	{"datatype", "dataType", func(o *template.Options, s string) (ok bool) { o.DataType, ok = dataTypes[s]; return ok }},
	{"onempty", "onEmpty value", func(o *template.Options, s string) (ok bool) { o.OnEmpty, ok = onEmptyModes[s]; return ok }},
}

var dataTypes = map[string]template.DataType{"string": template.TypeString, "number": template.TypeNumber, "bool": template.TypeBool, "auto": template.TypeAuto}

var onEmptyModes = map[string]template.OnEmpty{"keep": template.EmptyKeep, "skip": template.EmptySkip, "null": template.EmptyNull}

// farAway is where a property ends that does not say so.
const farAway = 2000000000

// propertyObject compiles property(...) of a list template. A part that has a
// name counts even if it is wrong.
func (c *loader) propertyObject(o *script.Object) (template.Part, bool) {
	var p template.Part
	v := c.take(o, propertyParams)
	if v == nil {
		c.Complain("error processing template entry config parameters")
		return p, false
	}
	name := v.text("name")
	ref, known := message.ParseProperty(name)
	p.Ref, p.Empty = ref, !known
	opt := &p.Opt
	opt.FromEnd, opt.FixedWidth = v.on("position.relativetoend"), v.on("fixedwidth")
	opt.SpaceIfNone, opt.DropLastLF, opt.CompressSpace = v.on("spifno1stsp"), v.on("droplastlf"), v.on("compressspace")
	opt.UTC = v.on("date.inutc")
	for _, ch := range choices {
		if s, ok := v.get(ch.param); ok && !ch.set(opt, s) {
			c.errorf(CodeNone, "invalid %s '%s' for property", ch.name, s)
			return p, false
		}
	}
	if opt.Fields = v.has("field.number"); opt.Fields {
		opt.Field, opt.Delimiter = v.number("field.number", 0), string([]byte{byte(v.number("field.delimiter", 9))})
	}
	re, isRegex := v.get("regex.expression")
	if isRegex && opt.Fields {
		c.errorf(CodeNone, "both field extraction and regex extraction specified - this is not possible, remove one")
		return p, false
	}
	hasFrom, hasTo := v.has("position.from"), v.has("position.to")
	opt.From, opt.To = v.number("position.from", 0), v.number("position.to", 0)
	switch {
	case opt.FromEnd && !hasFrom && !hasTo:
		opt.From = -1
	case opt.FromEnd && !hasTo:
		opt.To = farAway
	case opt.From != 0 && !hasTo:
		opt.To = template.EndOfText
	}
	if opt.FromEnd && opt.To > opt.From {
		c.errorf(CodeNone, "position.to=%d is higher than postion.from=%d in 'relativeToEnd' mode ", opt.To, opt.From)
		return p, false
	}
	if !opt.FromEnd && opt.To >= 0 && opt.To < opt.From {
		c.errorf(CodeNone, "position.to=%d is lower than postion.from=%d ", opt.To, opt.From)
		return p, false
	}
	if !known {
		c.complainf("invalid property '%s'", name)
		return template.Part{Name: name}, false
	}
	if isRegex {
		if !opt.SetRegex(v.text("regex.type"), re) {
			c.errorf(CodeNone, "error compiling regex '%s'", re)
			opt.BadRegex, p.Name = true, name
			return p, false
		}
		opt.Submatch, opt.Match = v.number("regex.submatch", 0), v.number("regex.match", 0)
	}
	p.Name = template.JSONFieldName(name)
	if out, ok := v.get("outname"); ok {
		p.Name = out
	}
	return p, true
}

// legacyTemplate compiles what follows $template: name,"text"[,options].
func (c *loader) legacyTemplate(line string) (rest string) {
	name, text, ok := strings.Cut(line, ",")
	if !ok || name == "" {
		return ""
	}
	text = strings.TrimLeft(text, " \t")
	if strings.HasPrefix(text, "=") {
		c.errorf(codeNoStrgen, "Template '%s': error -%d defining template via strgen module", name, codeNoStrgen)
		return ""
	}
	if !strings.HasPrefix(text, `"`) {
		return text
	}
	t, rest, complaint := template.Parse(name, text[1:], true, func(format string, args ...any) { c.errorf(CodeNone, format, args...) })
	c.conf.Templates[name] = t
	if complaint != "" {
		c.Complain(complaint)
		return text
	}
	if options, ok := strings.CutPrefix(strings.TrimLeft(rest, " \t"), ","); ok {
		rest = ""
		for _, o := range strings.Split(options, ",") {
			switch strings.ToLower(strings.TrimSpace(o)) {
			case "sql":
				t.Quote = 's'
			case "stdsql":
				t.Quote = 'q'
			case "json":
				t.Quote = 'j'
			}
		}
	}
	return rest
}
