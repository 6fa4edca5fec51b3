package rsyslog

import (
	"strconv"
	"strings"
)

// parseTemplateString compiles the text of a template. escapes tells whether
// backslashes are still to be resolved, as in $template. The complaint is ""
// unless a property could not be read; the template then ends there. What is
// wrong and does not end it goes to say.
func parseTemplateString(name, s string, escapes bool, say func(format string, args ...any)) (t *template, complaint string) {
	t = &template{name: name}
	var constant strings.Builder
	flush := func() {
		if constant.Len() > 0 {
			t.parts = append(t.parts, part{constant: constant.String()})
			constant.Reset()
		}
	}
	for i := 0; i < len(s); {
		switch {
		case s[i] == '\\' && escapes && i+1 < len(s):
			i++
			switch c := s[i]; {
			case c == 'n':
				constant.WriteByte('\n')
			case c == 'r':
				constant.WriteByte('\r')
			case c >= '0' && c <= '9':
				n := 0
				for j := 0; j < 3 && i < len(s) && s[i] >= '0' && s[i] <= '9'; j++ {
					n = n*10 + int(s[i]-'0')
					i++
				}
				constant.WriteByte(byte(n))
				i--
			default:
				constant.WriteByte(c)
			}
			i++
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == '%':
			constant.WriteByte('%')
			i += 2
		case s[i] == '%':
			flush()
			r := replacer{template: name, text: s[i:], say: say}
			p, rest, complaint := r.parse()
			t.parts = append(t.parts, p)
			if complaint != "" {
				return t, complaint
			}
			i = len(s) - len(rest)
		default:
			constant.WriteByte(s[i])
			i++
		}
	}
	flush()
	return t, ""
}

// replacer reads one property of a template's text.
type replacer struct {
	template string
	text     string // from the percent sign on
	say      func(format string, args ...any)
}

// parse reads "%property:from:to:options:field%" (rsyslog property replacer).
func (r *replacer) parse() (p part, rest, complaint string) {
	s := r.text[1:]
	end := strings.IndexAny(s, ":%")
	if end < 0 {
		end = len(s)
	}
	name := s[:end]
	s = s[end:]
	ref, ok := parseProperty(name)
	if !ok {
		return p, s, "invalid property '" + printable(name) + "'"
	}
	p.ref, p.name = ref, jsonFieldName(name)
	if strings.HasPrefix(s, ":") {
		regex := strings.HasPrefix(s, ":R")
		if s, complaint, ok = r.from(&p.opt, s[1:]); !ok {
			return p, s, complaint
		}
		if !regex && strings.HasPrefix(s, ":") {
			s = p.opt.parseTo(s[1:])
		}
	}
	if strings.HasPrefix(s, ":") {
		s = s[1:]
		end := strings.IndexAny(s, ":%")
		if end < 0 {
			end = len(s)
		}
		if end > 0 {
			for _, o := range strings.Split(s[:end], ",") {
				if o = strings.ToLower(o); !p.opt.parseOption(o) {
					r.say("template error: invalid field option '%s' specified - ignored", o)
				}
			}
		}
		s = s[end:]
	}
	field, after, closed := strings.Cut(s, "%")
	if field = strings.TrimPrefix(field, ":"); field != "" {
		p.name = field
	}
	if !closed {
		return p, "", ""
	}
	return p, after, ""
}

// printable is how the daemon shows text in its complaints: control characters
// are blanks.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' {
			return ' '
		}
		return c
	}, s)
}

// from reads the first part: a position, F for fields, R for a regular
// expression. Of what it cannot read only the closing percent sign is left,
// with which the next property then begins.
func (r *replacer) from(o *options, s string) (rest, complaint string, ok bool) {
	skip := func() string { return s[len(s)-len(strings.TrimLeftFunc(s, func(c rune) bool { return c != '%' })):] }
	switch {
	case strings.HasPrefix(s, "F"):
		o.fields, o.delimiter = true, "\t"
		after, isCode := strings.CutPrefix(s, "F,")
		if !isCode {
			return s[1:], "", true
		}
		n, i := digitsAt(after)
		switch {
		case i == 0:
			r.say("error: invalid character in frompos after \"F,\", property: '%s' - using 9 (HT) as field delimiter", printable(r.text))
			n = 9
		case n > 127:
			r.say("error: non-USASCII delimiter character value %d in template - using 9 (HT) as substitute", n)
			n = 9
		case i < len(after) && after[i] != ':' && after[i] != '%':
			return "", "error: invalid character '" + after[i:i+1] + "' in frompos after \"F,\", property: '" + printable(r.text[1:]) + "' be sure to use DECIMAL character codes!", false
		}
		o.delimiter = string([]byte{byte(n)})
		return after[i:], "", true
	case strings.HasPrefix(s, "R"):
		end := strings.Index(s, "--end")
		if end < 0 {
			s = skip()
			return s, "invalid property '" + printable(strings.TrimPrefix(s, "%")) + "'", false
		}
		head, re, _ := strings.Cut(s[:end], ":")
		kind, fault := "BRE", ""
		for i, f := range strings.Split(head, ",") {
			var err error
			switch i {
			case 0:
				if f != "R" {
					fault = " "
				}
			case 1:
				if kind = f; f != "BRE" && f != "ERE" {
					fault = "error: invalid regular expression type, rest of line %s"
				}
			case 2:
				o.submatch, err = strconv.Atoi(f)
			case 3:
				var known bool
				if o.noMatch, known = noMatchModes[f]; !known {
					fault = "template " + r.template + " error: invalid regular expression type, rest of line %s"
				}
			case 4:
				o.match, err = strconv.Atoi(f)
			}
			if err != nil {
				fault = " "
			}
			if fault == "" {
				continue
			}
			if fault != " " {
				r.say(fault, printable(s[strings.Index(s, f):]))
			}
			r.say("error: invalid character in frompos after \"R\", property: '%s'", printable(r.text))
			s = skip()
			return s, "invalid property '" + printable(strings.TrimPrefix(s, "%")) + "'", false
		}
		o.badRegex = !o.setRegex(kind, re)
		return s[end+len("--end"):], "", true
	}
	n, i := digitsAt(s)
	o.from = n
	return s[i:], "", true
}

// noMatchModes are the names of what stands for a property whose regular
// expression does not match.
var noMatchModes = map[string]noMatch{"DFLT": noMatchDefault, "BLANK": noMatchBlank, "FIELD": noMatchField, "ZERO": noMatchZero}

func (o *options) setRegex(kind, re string) bool {
	if kind != "ERE" {
		re = basicToExtended(re)
	}
	c, ok := compileRegex(re, false)
	o.re = c
	return ok
}

// parseTo reads the second part: a position, or the number of a field.
func (o *options) parseTo(s string) string {
	if strings.HasPrefix(s, "$") {
		o.to = endOfText
		return s[1:]
	}
	n, i := digitsAt(s)
	if !o.fields {
		o.to = n
		return s[i:]
	}
	o.field = n
	if s = s[i:]; strings.HasPrefix(s, ",") {
		n, i = digitsAt(s[1:])
		o.to = n
		s = s[1+i:]
	}
	return s
}

// endOfText is a position behind every text.
const endOfText = 1 << 30

// digitsAt reads a number at the front; one that is too big counts as a big one.
func digitsAt(s string) (n, length int) {
	for length < len(s) && s[length] >= '0' && s[length] <= '9' {
		if n < 1e6 {
			n = n*10 + int(s[length]-'0')
		}
		length++
	}
	return n, length
}

// parseOption sets one option of the property replacer. It reports false for
// one that is not known.
func (o *options) parseOption(s string) bool {
	if date, ok := strings.CutPrefix(s, "date-"); ok {
		switch {
		case date == "utc":
			o.utc = true
		case dateOptions[date]:
			o.date = date
		default:
			return false
		}
		return true
	}
	switch s {
	case "uppercase":
		o.conversion = upper
	case "lowercase":
		o.conversion = lower
	case "drop-last-lf":
		o.dropLastLF = true
	case "sp-if-no-1st-sp":
		o.spaceIfNone = true
	case "compressspace":
		o.compressSpace = true
	case "drop-cc":
		o.controls = 'd'
	case "space-cc":
		o.controls = 's'
	case "escape-cc":
		o.controls = 'e'
	case "secpath-drop":
		o.path = 'd'
	case "secpath-replace":
		o.path = 'r'
	case "pos-end-relative":
		o.fromEnd = true
	case "fixed-width":
		o.fixedWidth = true
	case "json", "jsonf", "jsonr", "jsonfr", "csv":
		o.format = s
	default:
		return false
	}
	return true
}

func jsonFieldName(property string) string {
	if variable := strings.TrimPrefix(property, "$"); variable != "" && strings.IndexByte("!./", variable[0]) >= 0 {
		return variable[1:]
	}
	return strings.TrimPrefix(strings.ToLower(property), "$")
}

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
