package rsyslog

import "strings"

// templateObject compiles template(...). One that is wrong is a template all the
// same, of what was read of it.
func (c *loader) templateObject(o *object) {
	if !c.readTemplate(o) {
		c.complain("error processing template object")
	}
}

func (c *loader) readTemplate(o *object) bool {
	v := c.params("template", o, templateParams)
	if v == nil {
		c.complain("error processing template config parameters")
		return false
	}
	name := v.text("name")
	t := &template{name: name}
	quoted := 0
	for _, option := range []struct {
		name  string
		quote byte
	}{{"option.sql", 's'}, {"option.stdsql", 'q'}, {"option.json", 'j'}, {"option.jsonf", 0}} {
		if v.on(option.name) {
			t.quote, t.jsonf = option.quote, option.quote == 0
			quoted++
		}
	}
	switch kind := v.text("type"); {
	case kind != "string" && kind != "list" && kind != "subtree" && kind != "plugin":
		c.errorf(codeNone, "invalid template type '%s'", kind)
		return false
	case kind == "list" && len(o.subs) == 0:
		c.errorf(codeNone, "template '%s' of type list has no parameters specified", name)
		return false
	case kind != "list" && !v.has(kind):
		c.errorf(codeNone, "template '%s' of type %s needs %s parameter", name, kind, kind)
		return false
	case quoted > 1:
		c.errorf(codeNone, "template '%s' has multiple incompatible options of sql, stdsql or json specified", name)
		return false
	case kind == "plugin":
		c.errorf(codeNoStrgen, "template '%s': error -%d defining template via plugin (strgen) module", name, codeNoStrgen)
		return false
	case kind == "subtree":
		// Outputs that take text, which all of ours are, write nothing of a subtree.
		if name := v.text("subtree"); !strings.HasPrefix(name, "$!") {
			c.errorf(codeNone, "invalid subtree parameter, variable must start with '$!' but var name is '%s'", name)
			return false
		}
	case kind == "string":
		parsed, complaint := parseTemplateString(name, v.text("string"), false, func(format string, args ...any) { c.errorf(codeNone, format, args...) })
		if complaint != "" {
			c.complain(complaint)
			return false
		}
		t.parts = parsed.parts
	}
	c.conf.templates[name] = t
	for _, sub := range o.subs {
		read := c.constantObject
		if sub.kind == "property" {
			read = c.propertyObject
		}
		p, ok := read(sub)
		if ok || p.name != "" {
			t.parts = append(t.parts, p)
		}
		if !ok {
			break
		}
	}
	return true
}

// constantObject compiles constant(...) of a list template.
func (c *loader) constantObject(o *object) (p part, ok bool) {
	v := c.params("constant", o, constantParams)
	if v == nil {
		c.complain("error processing template parameters")
		return p, false
	}
	p.constant = unescape(v.text("value")) // for the second time; the lexer did it before
	if out, ok := v.get("outname"); ok && v.text("format") == "jsonf" {
		p.constant = `"` + out + `": "` + p.constant + `"`
	}
	return p, true
}

// A choice is a parameter of property() whose value is one of a few words.
type choice struct {
	param string
	name  string // in complaints
	set   func(o *options, s string) bool
}

var choices = []choice{
	{"dateformat", "date format", func(o *options, s string) bool {
		return !strings.HasPrefix(s, "iso-week") && o.parseOption("date-"+s)
	}},
	{"caseconversion", "caseconversion type", func(o *options, s string) bool {
		return s == "upper" && o.parseOption("uppercase") || s == "lower" && o.parseOption("lowercase")
	}},
	{"controlcharacters", "controlcharacter mode", func(o *options, s string) bool { return o.parseOption(s + "-cc") }},
	{"securepath", "securepath mode", func(o *options, s string) bool { return o.parseOption("secpath-" + s) }},
	{"format", "format type", func(o *options, s string) bool {
		return (s == "csv" || strings.HasPrefix(s, "json")) && o.parseOption(s)
	}},
	{"regex.nomatchmode", "format type", func(o *options, s string) (ok bool) { o.noMatch, ok = noMatchModes[s]; return ok }},
	{"datatype", "dataType", func(o *options, s string) (ok bool) { o.dataType, ok = dataTypes[s]; return ok }},
	{"onempty", "onEmpty", func(o *options, s string) (ok bool) { o.onEmpty, ok = onEmptyModes[s]; return ok }},
}

var dataTypes = map[string]dataType{"string": typeString, "number": typeNumber, "bool": typeBool, "auto": typeAuto}

var onEmptyModes = map[string]onEmpty{"keep": emptyKeep, "skip": emptySkip, "null": emptyNull}

// propertyObject compiles property(...) of a list template. A part that has a
// name counts even if it is wrong.
func (c *loader) propertyObject(o *object) (part, bool) {
	var p part
	v := c.params("property", o, propertyParams)
	if v == nil {
		c.complain("error processing template entry config parameters")
		return p, false
	}
	name := v.text("name")
	ref, ok := parseProperty(name)
	if !ok {
		c.complainf("invalid property '%s'", name)
		return part{name: name}, false
	}
	p.ref = ref
	opt := &p.opt
	opt.fromEnd, opt.fixedWidth = v.on("position.relativetoend"), v.on("fixedwidth")
	opt.spaceIfNone, opt.dropLastLF, opt.compressSpace = v.on("spifno1stsp"), v.on("droplastlf"), v.on("compressspace")
	opt.utc = v.on("date.inutc")
	for _, ch := range choices {
		if s, ok := v.get(ch.param); ok && !ch.set(opt, s) {
			c.errorf(codeNone, "invalid %s '%s' for property", ch.name, s)
			return p, false
		}
	}
	kind, typed := v.get("regex.type")
	if typed && kind != "ERE" && kind != "BRE" {
		c.errorf(codeNone, "invalid regex.type '%s' for property", kind)
		return p, false
	}
	if opt.fields = v.has("field.number"); opt.fields {
		opt.field, opt.delimiter = v.number("field.number", 0), string([]byte{byte(v.number("field.delimiter", 9))})
	}
	re, isRegex := v.get("regex.expression")
	if isRegex && opt.fields {
		c.errorf(codeNone, "both field extraction and regex extraction specified - this is not possible, remove one")
		return p, false
	}
	opt.from = v.number("position.from", 0)
	if v.has("position.to") {
		opt.to = v.number("position.to", 0)
	} else if opt.from != 0 && !opt.fromEnd {
		opt.to = endOfText
	}
	if !opt.fromEnd && opt.to < opt.from {
		c.errorf(codeNone, "position.to=%d is lower than postion.from=%d ", opt.to, opt.from)
		return p, false
	}
	if isRegex {
		if !opt.setRegex(kind, re) {
			c.errorf(codeNone, "error compiling regex '%s'", re)
			opt.badRegex, p.name = true, name
			return p, false
		}
		opt.submatch, opt.match = v.number("regex.submatch", 0), v.number("regex.match", 0)
	}
	p.name = jsonFieldName(name)
	if out, ok := v.get("outname"); ok {
		p.name = out
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
	end := 1
	for end < len(text) && text[end] != '"' {
		if text[end] == '\\' {
			end++
		}
		end++
	}
	end = min(end, len(text))
	t, complaint := parseTemplateString(name, text[1:end], true, func(format string, args ...any) { c.errorf(codeNone, format, args...) })
	c.conf.templates[name] = t
	if complaint != "" {
		c.complain(complaint)
		return text
	}
	rest = text[min(end+1, len(text)):]
	if options, ok := strings.CutPrefix(strings.TrimLeft(rest, " \t"), ","); ok {
		rest = ""
		for _, o := range strings.Split(options, ",") {
			switch strings.ToLower(strings.TrimSpace(o)) {
			case "sql":
				t.quote = 's'
			case "stdsql":
				t.quote = 'q'
			case "json":
				t.quote = 'j'
			}
		}
	}
	return rest
}
