package template

import (
	"slices"
	"strings"

	"enshu/sim/libc/regex"
	"enshu/sim/rsyslog/message"
)

// Parse compiles the text of a template. quoted tells that backslashes are still to
// be resolved and that a quotation mark ends the text, as in $template: rest is what
// follows it. The complaint is "" unless a property could not be read; the template
// then ends there. What is wrong and does not end it goes to say.
func Parse(name, s string, quoted bool, say func(format string, args ...any)) (t *Template, rest, complaint string) {
	t = &Template{Name: name}
	var constant strings.Builder
	flush := func() {
		if constant.Len() > 0 {
			t.Parts = append(t.Parts, Part{Constant: constant.String()})
			constant.Reset()
		}
	}
	for i := 0; i < len(s); {
		switch {
		case s[i] == '"' && quoted:
			flush()
			return t, s[i+1:], ""
		case s[i] == '\\' && quoted && i+1 < len(s):
			i++
			switch c := s[i]; {
			case c == 'n':
				constant.WriteByte('\n')
			case c == 'r':
				constant.WriteByte('\r')
			case c >= '0' && c <= '9':
				n := byte(0)
				for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
					n = n*10 + s[i] - '0'
				}
				constant.WriteByte(n)
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
			t.Parts = append(t.Parts, p)
			if complaint != "" {
				return t, "", complaint
			}
			i = len(s) - len(rest)
		default:
			constant.WriteByte(s[i])
			i++
		}
	}
	flush()
	return t, "", ""
}

// replacer reads one property of a template's text.
type replacer struct {
	template string
	text     string // from the percent sign on
	say      func(format string, args ...any)
}

// parse reads "%property:from:to:options:field%" (rsyslog property replacer).
func (r *replacer) parse() (p Part, rest, complaint string) {
	s := r.text[1:]
	end := strings.IndexAny(s, ":%")
	if end < 0 {
		end = len(s)
	}
	name := s[:end]
	s = s[end:]
	ref, ok := message.ParseProperty(name)
	if !ok {
		return p, s, "invalid property '" + printable(name) + "'"
	}
	p.Ref, p.Name = ref, JSONFieldName(name)
	if strings.HasPrefix(s, ":") {
		regex := strings.HasPrefix(s, ":R")
		if s, complaint, ok = r.from(&p.Opt, s[1:]); !ok {
			return p, s, complaint // what is left of one without a complaint is a constant
		}
		if !regex && strings.HasPrefix(s, ":") {
			s = p.Opt.parseTo(s[1:])
		}
	}
	if strings.HasPrefix(s, ":") {
		s = s[1:]
		end := strings.IndexAny(s, ":%")
		if end < 0 {
			end = len(s)
		}
		if end > 0 {
			for _, o := range strings.Split(strings.TrimSuffix(s[:end], ","), ",") {
				o = strings.ToLower(o)
				if was := p.Opt.format; was != "" && slices.Contains(formats, o) {
					r.say("error: can only specify one option out of (json, jsonf, jsonr, jsonfr, csv) - %s ignored", o)
				} else if !p.Opt.ParseOption(o) {
					r.say("template error: invalid field option '%s' specified - ignored", o)
				}
			}
		}
		s = s[end:]
	}
	if strings.HasPrefix(s, ":") {
		field, _, _ := strings.Cut(s[1:], "%")
		if field != "" {
			p.Name = field
		}
		s = s[1+len(field):]
	}
	return p, s[min(1, len(s)):], "" // this should be the percent sign; whatever it is, it is gone
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

// from reads the first part: a position, F for fields, R for a regular expression.
// Where that is not as it should be, the property ends with the character that was
// wrong, and what follows is again text of the template.
func (r *replacer) from(o *Options, s string) (rest, complaint string, ok bool) {
	switch {
	case strings.HasPrefix(s, "F"):
		return r.field(o, s[1:])
	case strings.HasPrefix(s, "R"):
		return r.regex(o, s)
	}
	n, i := digitsAt(s)
	o.From = n
	return toNext(s[i:]), "", true
}

// field reads what follows the F of F,code,position: the delimiter and from where
// on the field is taken.
func (r *replacer) field(o *Options, s string) (rest, complaint string, ok bool) {
	if s != "" && s[0] != ',' && s[0] != ':' {
		r.say("error: invalid character in frompos after \"F\", property: '%s'", printable(r.text))
		return s, "", true
	}
	o.Fields, o.Delimiter = true, "\t"
	s, isCode := strings.CutPrefix(s, ",")
	if !isCode {
		return s, "", true
	}
	n, i := digitsAt(s)
	switch {
	case i == 0:
		r.say("error: invalid character in frompos after \"F,\", property: '%s' - using 9 (HT) as field delimiter", printable(r.text))
		n = 9
	case n > 127:
		r.say("error: non-USASCII delimiter character value %d in template - using 9 (HT) as substitute", n)
		n = 9
	}
	o.Delimiter = string([]byte{byte(n)})
	switch s = s[i:]; {
	case strings.HasPrefix(s, ","):
		n, i = digitsAt(s[1:])
		o.From = n
		return s[1+i:], "", true
	case i > 0 && s != "" && s[0] != ':':
		return "", "error: invalid character '" + s[:1] + "' in frompos after \"F,\", property: '" + printable(r.text[1:]) + "' be sure to use DECIMAL character codes!", false
	}
	return s, "", true
}

// toNext leaves out what follows a number that is no part of it.
func toNext(s string) string {
	if i := strings.IndexAny(s, ":%"); i >= 0 {
		return s[i:]
	}
	return ""
}

// regex reads R,TYPE,submatch,nomatch,match:pattern--end, of which each part after
// the first may be left out.
func (r *replacer) regex(o *Options, s string) (rest, complaint string, ok bool) {
	kind := "BRE"
	s = s[1:]
	if after, given := strings.CutPrefix(s, ","); given {
		s = after
		if len(s) >= 4 && (s[:3] == "BRE" || s[:3] == "ERE") && (s[3] == ',' || s[3] == ':') {
			kind, s = s[:3], s[3:]
		} else {
			r.say("error: invalid regular expression type, rest of line %s", printable(s))
		}
	}
	if after, given := strings.CutPrefix(s, ","); given {
		n, i := digitsAt(after)
		o.Submatch, s = n, after[i:]
	}
	if after, given := strings.CutPrefix(s, ","); given {
		end := strings.IndexAny(after+",", ",:")
		var known bool
		if o.NoMatch, known = NoMatchModes[after[:end]]; !known && !strings.HasPrefix(after, ",") {
			r.say("template %s error: invalid regular expression type, rest of line %s", r.template, printable(after))
			end = 0
		}
		s = after[end:]
	}
	if after, given := strings.CutPrefix(s, ","); given {
		n, i := digitsAt(after)
		o.Match, s = n, after[i:]
	}
	re, given := strings.CutPrefix(s, ":")
	if !given {
		r.say("error: invalid character in frompos after \"R\", property: '%s'", printable(r.text))
		return s[min(1, len(s)):], "", false
	}
	end := strings.Index(re, "--end")
	if end < 0 {
		return re[min(1, len(re)):], "", false
	}
	o.BadRegex = !o.SetRegex(kind, re[:end])
	return re[end+len("--end"):], "", true
}

// NoMatchModes are the names of what stands for a property whose regular
// expression does not match.
var NoMatchModes = map[string]NoMatch{"DFLT": noMatchDefault, "BLANK": noMatchBlank, "FIELD": noMatchField, "ZERO": noMatchZero}

// SetRegex compiles a pattern of kind BRE or ERE into the options. It reports
// false for one that is wrong.
func (o *Options) SetRegex(kind, re string) bool {
	if kind != "ERE" {
		if strings.Contains(re, "**") { // which the C library takes for wrong in these only
			return false
		}
		re = regex.Extended(re)
	}
	c, err := regex.Compile(re, false)
	o.re = c
	return err == nil
}

// parseTo reads the second part: a position, or the number of a field.
func (o *Options) parseTo(s string) string {
	if strings.HasPrefix(s, "$") {
		o.To = EndOfText
		return s[1:]
	}
	n, i := digitsAt(s)
	if !o.Fields {
		o.To = n
		return toNext(s[i:])
	}
	o.Field = n
	if s = s[i:]; strings.HasPrefix(s, ",") {
		n, i = digitsAt(s[1:])
		o.To = n
		s = s[1+i:]
	}
	return toNext(s)
}

// EndOfText is a position behind every text.
const EndOfText = 1 << 30

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

// formats are the options of which a property has one at most.
var formats = []string{"json", "jsonf", "jsonr", "jsonfr", "csv"}

// ParseOption sets one option of the property replacer. It reports false for
// one that is not known.
func (o *Options) ParseOption(s string) bool {
	if date, ok := strings.CutPrefix(s, "date-"); ok {
		switch {
		case date == "utc":
			o.UTC = true
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
		o.DropLastLF = true
	case "sp-if-no-1st-sp":
		o.SpaceIfNone = true
	case "compressspace":
		o.CompressSpace = true
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
		o.FromEnd = true
	case "fixed-width":
		o.FixedWidth = true
	default:
		if !slices.Contains(formats, s) {
			return false
		}
		o.format = s
	}
	return true
}

// JSONFieldName is how a property is called in JSON when it has no name of its own.
func JSONFieldName(property string) string {
	if variable := strings.TrimPrefix(property, "$"); variable != "" && strings.IndexByte("!./", variable[0]) >= 0 {
		return variable[1:]
	}
	return strings.TrimPrefix(strings.ToLower(property), "$")
}
