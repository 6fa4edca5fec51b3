package rsyslog

import (
	"strconv"
	"strings"
)

// parseTemplateString compiles the text of a template. escapes tells whether
// backslashes are still to be resolved, as in $template. The complaint is ""
// unless a property could not be read; the template then ends there.
func parseTemplateString(name, s string, escapes bool) (t *template, complaint string) {
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
			p, rest, complaint := parseReplacer(s[i+1:])
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

// parseReplacer reads "property:from:to:options%" (rsyslog property replacer).
func parseReplacer(s string) (p part, rest, complaint string) {
	end := strings.IndexAny(s, ":%")
	if end < 0 {
		end = len(s)
	}
	name := s[:end]
	s = s[end:]
	ref, ok := parseProperty(name)
	if !ok {
		return p, s, "invalid property '" + name + "'"
	}
	p.ref, p.name = ref, jsonFieldName(name)
	for n := 0; n < 3 && strings.HasPrefix(s, ":"); n++ {
		s = s[1:]
		switch n {
		case 0:
			s, complaint = p.opt.parseFrom(s)
		case 1:
			s = p.opt.parseTo(s)
		case 2:
			end := strings.IndexByte(s, '%')
			if end < 0 {
				end = len(s)
			}
			for _, o := range strings.Split(s[:end], ",") {
				p.opt.parseOption(strings.ToLower(strings.TrimSpace(o)))
			}
			s = s[end:]
		}
		if complaint != "" {
			return p, s, complaint
		}
	}
	if i := strings.IndexByte(s, '%'); i >= 0 {
		return p, s[i+1:], ""
	}
	return p, "", "invalid property '" + name + "': no closing percent sign"
}

// parseFrom reads the first part: a position, F for fields, R for a regular expression.
func (o *options) parseFrom(s string) (rest, complaint string) {
	switch {
	case strings.HasPrefix(s, "F"):
		o.field, o.delimiter = 1, "\t"
		if after, ok := strings.CutPrefix(s, "F,"); ok {
			n, i := digitsAt(after)
			o.delimiter = string([]byte{byte(n)})
			return after[i:], ""
		}
		return s[1:], ""
	case strings.HasPrefix(s, "R"):
		end := strings.Index(s, "--end")
		if end < 0 {
			return "", "regular expression without --end"
		}
		head, re, _ := strings.Cut(s[:end], ":")
		kind := "BRE"
		for i, f := range strings.Split(head, ",") {
			switch i {
			case 1:
				kind = strings.ToUpper(f)
			case 2:
				o.submatch, _ = strconv.Atoi(f)
			case 3:
				switch strings.ToUpper(f) {
				case "DFLT":
				case "BLANK":
					o.noMatch = noMatchBlank
				case "FIELD":
					o.noMatch = noMatchField
				case "ZERO":
					o.noMatch = noMatchZero
				}
			case 4:
				o.match, _ = strconv.Atoi(f)
			}
		}
		if !o.setRegex(kind, re) {
			return "", "error compiling regular expression '" + re + "'"
		}
		return s[end+len("--end"):], ""
	}
	n, i := digitsAt(s)
	o.from = n
	return s[i:], ""
}

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
		o.to = 0
		return s[1:]
	}
	n, i := digitsAt(s)
	if o.field > 0 {
		if i > 0 {
			o.field = max(n, 1)
		}
		return s[i:]
	}
	o.to = n
	return s[i:]
}

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

// parseOption sets one option of the property replacer. One that is not known
// is passed over.
func (o *options) parseOption(s string) {
	if date, ok := strings.CutPrefix(s, "date-"); ok {
		if date == "utc" {
			o.utc = true
		} else if dateOptions[date] {
			o.date = date
		}
		return
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
	}
}

func jsonFieldName(property string) string {
	name := strings.ToLower(property)
	if i := strings.LastIndexByte(name, '!'); i >= 0 {
		name = name[i+1:]
	}
	return strings.TrimPrefix(name, "$")
}

// templateObject compiles template(...).
func (c *loader) templateObject(o *object) {
	v := c.params("template", o, templateParams)
	if v == nil {
		return
	}
	name := v.text("name")
	t := &template{name: name}
	switch kind := v.text("type"); kind {
	case "string":
		s, ok := v.get("string")
		if !ok {
			c.complainf("template '%s' of type string has no string parameter", name)
			return
		}
		parsed, complaint := parseTemplateString(name, s, false)
		if complaint != "" {
			c.complain(complaint)
			c.errorf(codeNone, "error processing string template '%s'", name)
			return
		}
		t = parsed
	case "list":
		for _, sub := range o.subs {
			if sub.kind == "constant" {
				if v := c.params("constant", sub, constantParams); v != nil {
					s := v.text("value")
					if out, ok := v.get("outname"); ok {
						s = `"` + out + `":"` + s + `"`
					}
					t.parts = append(t.parts, part{constant: s})
				}
				continue
			}
			p, ok := c.propertyObject(sub)
			if !ok {
				return
			}
			t.parts = append(t.parts, p)
		}
	case "subtree":
		ref, ok := parseProperty(strings.TrimPrefix(v.text("subtree"), ""))
		if !ok {
			c.complainf("invalid property '%s'", v.text("subtree"))
			return
		}
		t.parts = []part{{ref: ref}}
	case "plugin":
		c.errorf(codeNone, "template '%s': the strgen '%s' is not known", name, v.text("plugin"))
		return
	default:
		c.errorf(codeNone, "template '%s' has invalid type '%s'", name, kind)
		return
	}
	for option, quote := range map[string]byte{"option.sql": 's', "option.stdsql": 'q', "option.json": 'j'} {
		if v.on(option) {
			t.quote = quote
		}
	}
	c.conf.templates[name] = t
}

// propertyObject compiles property(...) of a list template.
func (c *loader) propertyObject(o *object) (part, bool) {
	var p part
	v := c.params("property", o, propertyParams)
	if v == nil {
		return p, false
	}
	name := v.text("name")
	ref, ok := parseProperty(name)
	if !ok {
		c.complainf("invalid property '%s'", name)
		return p, false
	}
	p.ref, p.name = ref, jsonFieldName(name)
	if out, ok := v.get("outname"); ok {
		p.name = out
	}
	opt := &p.opt
	opt.from, opt.to = v.number("position.from", 0), v.number("position.to", 0)
	opt.fromEnd, opt.fixedWidth = v.on("position.relativetoend"), v.on("fixedwidth")
	opt.spaceIfNone, opt.dropLastLF, opt.compressSpace = v.on("spifno1stsp"), v.on("droplastlf"), v.on("compressspace")
	opt.utc = v.on("date.inutc")
	if date, ok := v.get("dateformat"); ok {
		opt.parseOption("date-" + strings.ToLower(strings.TrimPrefix(date, "date-")))
	}
	switch strings.ToLower(v.text("caseconversion")) {
	case "upper":
		opt.conversion = upper
	case "lower":
		opt.conversion = lower
	}
	if s := strings.ToLower(v.text("controlcharacters")); s != "" {
		opt.controls = s[0]
	}
	if s := strings.ToLower(v.text("securepath")); s != "" {
		opt.path = s[0]
	}
	if s := strings.ToLower(v.text("format")); s != "" {
		opt.parseOption(s)
	}
	if s := v.number("field.number", 0); s > 0 {
		opt.field, opt.delimiter = s, string([]byte{byte(v.number("field.delimiter", 9))})
	}
	if re, ok := v.get("regex.expression"); ok {
		kind := v.text("regex.type")
		if kind == "" {
			kind = "ERE"
		}
		if !opt.setRegex(strings.ToUpper(kind), re) {
			c.complainf("error compiling regular expression '%s'", re)
			return p, false
		}
		opt.submatch, opt.match = v.number("regex.submatch", 0), v.number("regex.match", 0)
		switch strings.ToUpper(v.text("regex.nomatchmode")) {
		case "BLANK":
			opt.noMatch = noMatchBlank
		case "FIELD":
			opt.noMatch = noMatchField
		case "ZERO":
			opt.noMatch = noMatchZero
		}
	}
	return p, true
}

// legacyTemplate compiles what follows $template: name,"text"[,options].
func (c *loader) legacyTemplate(line string) (rest string) {
	name, text, ok := strings.Cut(line, ",")
	name = strings.TrimSpace(name)
	if !ok || name == "" {
		c.errorf(codeNone, "template definition '%s' has no name", line)
		return ""
	}
	text = strings.TrimLeft(text, " \t")
	if module, ok := strings.CutPrefix(text, "="); ok {
		c.errorf(codeNone, "the strgen '%s' is not known", strings.TrimSpace(module))
		return ""
	}
	if !strings.HasPrefix(text, `"`) {
		c.errorf(codeNone, "Template '%s' invalid, does not start with '\"'", name)
		return ""
	}
	end := 1
	for end < len(text) && text[end] != '"' {
		if text[end] == '\\' {
			end++
		}
		end++
	}
	end = min(end, len(text))
	t, complaint := parseTemplateString(name, text[1:end], true)
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
