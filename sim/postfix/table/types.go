package table

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"enshu/sim/host"
	"enshu/sim/libc/regex"
	"enshu/sim/postfix/conf"
)

// The tables of DATABASE_README(5) that are rules, or made of other tables.

var errFail = errors.New("Application error") //nolint:staticcheck // the text of Postfix

// bracedItems reads the "{a, b}" of unionmap and its kin. An item may stand in
// braces of its own.
func bracedItems(spec, kind, name, form string) (items []string, problem string) {
	if !strings.HasPrefix(name, "{") || !strings.HasSuffix(name, "}") {
		return nil, fmt.Sprintf("bad syntax: \"%s\"; need \"%s:{%s}\"", spec, kind, form)
	}
	for _, item := range conf.SplitBraced(name[1 : len(name)-1]) {
		if strings.HasPrefix(item, "{") && strings.HasSuffix(item, "}") {
			item = strings.Trim(item[1:len(item)-1], " \t")
		}
		items = append(items, item)
	}
	if len(items) == 0 {
		return nil, fmt.Sprintf("bad syntax: \"%s\"; need \"%s:{%s}\"", spec, kind, form)
	}
	return items, ""
}

func parseInline(spec, name string) (entries []Entry, problem string) {
	items, problem := bracedItems(spec, "inline", name, "name=value...")
	if problem != "" {
		return nil, problem
	}
	for _, item := range items {
		key, value, bad := conf.SplitNameValue(item)
		if bad != "" {
			return nil, fmt.Sprintf("%s: \"%s\"; need \"inline:{name=value...}\"", bad, spec)
		}
		entries = append(entries, Entry{strings.ToLower(key), value})
	}
	return entries, ""
}

func memberTables(p *host.Proc, c *conf.Config, spec, kind, name, flags string, read func(string) ([]byte, error)) (tables []*Dict, problem string) {
	items, problem := bracedItems(spec, kind, name, "type:name...")
	if problem != "" {
		return nil, problem
	}
	for _, item := range items {
		d := OpenWith(p, c, item, flags, read)
		if d.Broken != "" {
			return nil, d.Broken
		}
		tables = append(tables, d)
	}
	return tables, ""
}

// unionFinder joins what the tables say of one key.
func unionFinder(tables []*Dict) func(string) (string, bool, error) {
	return func(key string) (string, bool, error) {
		var found []string
		for _, d := range tables {
			v, ok, err := d.Find(key)
			if err != nil {
				return "", false, err
			}
			if ok {
				found = append(found, v)
			}
		}
		return strings.Join(found, ","), len(found) > 0, nil
	}
}

// pipeFinder looks what each table says up in the next.
func pipeFinder(tables []*Dict) func(string) (string, bool, error) {
	return func(key string) (string, bool, error) {
		for _, d := range tables {
			v, ok, err := d.Find(key)
			if err != nil || !ok {
				return "", false, err
			}
			key = v
		}
		return key, true, nil
	}
}

// A tableRule is a line of a table of patterns: a rule, "if" or "endif".
type tableRule struct {
	match  func(key string) []int // the places of the match and its groups, nil for none
	not    bool
	value  string
	jump   int // of an "if": the rule after its endif
	isIf   bool
	ending bool
}

// ruleFinder walks the rules in order; the first that matches counts.
func ruleFinder(rules []tableRule, substitute bool) func(string) (string, bool, error) {
	return func(key string) (string, bool, error) {
		for i := 0; i < len(rules); i++ {
			r := rules[i]
			if r.ending {
				continue
			}
			at := r.match(key)
			hit := (at != nil) != r.not
			switch {
			case r.isIf && !hit:
				i = r.jump - 1
			case r.isIf || !hit:
			case r.not || !substitute:
				return r.value, true, nil
			default:
				return substituteGroups(r.value, key, at), true, nil
			}
		}
		return "", false, nil
	}
}

// closeIfs gives every "if" its jump.
func closeIfs(rules []tableRule) {
	var open []int
	for i := range rules {
		switch {
		case rules[i].isIf:
			rules[i].jump = len(rules)
			open = append(open, i)
		case rules[i].ending && len(open) > 0:
			rules[open[len(open)-1]].jump = i + 1
			open = open[:len(open)-1]
		}
	}
}

// substituteGroups replaces $1, ${1}, $(1) and $$.
func substituteGroups(value, key string, at []int) string {
	group := func(name string) (string, bool) {
		n, err := strconv.Atoi(name)
		if err != nil || n < 0 || 2*n+1 >= len(at) || at[2*n] < 0 {
			return "", false
		}
		return key[at[2*n]:at[2*n+1]], true
	}
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		if value[i] != '$' || i+1 == len(value) {
			b.WriteByte(value[i])
			continue
		}
		switch c := value[i+1]; {
		case c == '$':
			b.WriteByte('$')
			i++
		case c == '{' || c == '(':
			end := conf.Matching(value, i+1)
			if end < 0 {
				b.WriteByte('$')
				continue
			}
			v, _ := group(value[i+2 : end])
			b.WriteString(v)
			i = end
		case c >= '0' && c <= '9':
			j := i + 1
			for j < len(value) && value[j] >= '0' && value[j] <= '9' {
				j++
			}
			v, _ := group(value[i+1 : j])
			b.WriteString(v)
			i = j - 1
		default:
			b.WriteByte('$')
		}
	}
	return b.String()
}

// ruleReader collects the rules of a table whose lines may stand between IF and ENDIF.
type ruleReader struct {
	kind, file string
	depth      int // IFs that are open
	rules      []tableRule
	problems   []string
}

func (t *ruleReader) skip(line int, format string, args ...any) {
	t.problems = append(t.problems, fmt.Sprintf("%s map %s, line %d: ", t.kind, t.file, line)+fmt.Sprintf(format, args...))
}

// head reads what stands before the pattern of a rule; ok is false when no
// pattern follows.
func (t *ruleReader) head(text string, line int) (r tableRule, rest string, ok bool) {
	rest = strings.TrimLeft(text, " \t")
	word, after := rest, ""
	if i := strings.IndexAny(rest, " \t"); i >= 0 {
		word, after = rest[:i], rest[i+1:]
	}
	switch {
	case strings.EqualFold(word, "endif"):
		if t.depth == 0 {
			t.skip(line, "ignoring ENDIF without matching IF")
			return r, "", false
		}
		t.depth--
		t.rules = append(t.rules, tableRule{ending: true})
		return r, "", false
	case strings.EqualFold(word, "if"):
		r.isIf, rest = true, strings.TrimLeft(after, " \t")
	}
	for strings.HasPrefix(rest, "!") {
		r.not, rest = !r.not, strings.TrimLeft(rest[1:], " \t")
	}
	return r, rest, true
}

// regexpTable reads a table of POSIX extended regular expressions (regexp_table(5)).
// fixed forbids $1 in results: what comes of them has rights that no stranger is to choose.
func regexpTable(file string, data []byte, fixed bool) (find func(string) (string, bool, error), problems []string) {
	t := ruleReader{kind: "regexp", file: file}
	for _, l := range conf.Lines(data) {
		skip := func(format string, args ...any) { t.skip(l.Last, format, args...) }
		r, text, ok := t.head(l.Text, l.Last)
		if !ok {
			continue
		}
		if text == "" || conf.IsNameByte(text[0]) || text[0] == '-' {
			skip("ignoring unrecognized request")
			continue
		}
		end := closingDelimiter(text)
		if end < 0 {
			skip("no closing regexp delimiter \"%c\": skipping this rule", text[0])
			continue
		}
		pattern, tail := strings.ReplaceAll(text[1:end], "\\"+text[:1], text[:1]), text[end+1:]
		flags, value, _ := strings.Cut(strings.ReplaceAll(tail, "\t", " "), " ")
		fold, lines, bad := true, false, byte(0)
		for i := 0; i < len(flags); i++ {
			switch flags[i] {
			case 'i':
				fold = !fold
			case 'm':
				lines = !lines
			case 'x':
			default:
				if bad == 0 {
					bad = flags[i]
				}
			}
		}
		if bad != 0 {
			skip("unknown regexp option \"%c\": skipping this rule", bad)
			continue
		}
		prefix := "(?s)"
		if fold {
			prefix = "(?is)"
		}
		if lines {
			prefix = strings.Replace(strings.Replace(prefix, "s", "", 1), "(?", "(?m", 1)
		}
		re, err := regexp.Compile(prefix + pattern)
		if err != nil {
			skip("%v", regex.Error(err))
			continue
		}
		re.Longest()
		r.match, r.value = func(key string) []int { return re.FindStringSubmatchIndex(key) }, strings.TrimSpace(value)
		switch {
		case fixed && !r.isIf && substituteGroups(r.value, "", nil) != strings.ReplaceAll(r.value, "$$", "$"):
			skip("regular expression substitution is not allowed: skipping this rule")
			continue
		case r.isIf:
			if r.value != "" {
				skip("ignoring extra text after IF statement: \"%s\"", r.value)
			}
			t.depth++
		case r.value == "":
			skip("no replacement text: using empty string")
		}
		t.rules = append(t.rules, r)
	}
	if t.depth > 0 {
		t.problems = append(t.problems, fmt.Sprintf("regexp map %s: %d IF(s) without matching ENDIF", file, t.depth))
	}
	closeIfs(t.rules)
	return ruleFinder(t.rules, true), t.problems
}

// closingDelimiter finds the end of a pattern that begins at s[0].
func closingDelimiter(s string) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case s[i] == s[0]:
			return i
		}
	}
	return -1
}

// cidrTable reads a table of networks (cidr_table(5)).
func cidrTable(file string, data []byte) (find func(string) (string, bool, error), problems []string) {
	t := ruleReader{kind: "cidr", file: file}
	for _, l := range conf.Lines(data) {
		skip := func(format string, args ...any) { t.skip(l.Last, format, args...) }
		r, text, ok := t.head(l.Text, l.Last)
		if !ok {
			continue
		}
		text = strings.ReplaceAll(text, "\t", " ")
		pattern, value, _ := strings.Cut(text, " ")
		value = strings.TrimSpace(value)
		if value == "" && !r.isIf {
			skip("no lookup result: skipping this rule")
			continue
		}
		net, problem := parseNetwork(pattern)
		if problem != "" {
			skip("%s: skipping this rule", cidrProblem(pattern, problem))
			continue
		}
		not := r.not
		r.not = false // a rule is about the addresses of its family only
		r.match = func(key string) []int {
			a, err := netip.ParseAddr(key)
			if err != nil || a.Is4() != net.Addr().Is4() || net.Contains(a) == not {
				return nil
			}
			return []int{0, len(key)}
		}
		r.value = value
		if r.isIf {
			t.depth++
		}
		t.rules = append(t.rules, r)
	}
	closeIfs(t.rules)
	return ruleFinder(t.rules, false), t.problems
}

// cidrProblem says what is wrong with a pattern as cidr_match(3) does.
func cidrProblem(pattern, problem string) string {
	addr, mask, hasMask := strings.Cut(strings.NewReplacer("[", "", "]", "").Replace(pattern), "/")
	if _, err := netip.ParseAddr(addr); err != nil {
		return fmt.Sprintf("bad address pattern: \"%s\"", pattern)
	}
	if n, err := strconv.Atoi(mask); hasMask && (err != nil || n > 128 || strings.Contains(addr, ".") && n > 32) {
		return fmt.Sprintf("bad mask length in \"%s\"", pattern)
	}
	return problem
}
