package table

import (
	"fmt"
	"strings"

	"enshu/sim/postfix/conf"
	"enshu/sim/postfix/mailaddr"
)

// Entry is one key of a table.
type Entry struct{ Key, Value string }

// ParseAliases reads an aliases(5) file. problems are the warnings that
// postalias(1) prints.
func ParseAliases(path string, data []byte) (entries []Entry, lines []int, problems []string) {
	for _, l := range conf.Lines(data) {
		if l.Text[0] == ' ' || l.Text[0] == '\t' {
			problems = append(problems, fmt.Sprintf("%s: logical line must not start with whitespace: \"%.30s\"", path, l.Text))
			continue
		}
		tokens := mailaddr.Scan(l.Text)
		colon := -1
		for i, t := range tokens {
			if t.Kind == ':' {
				colon = i
				break
			}
		}
		// In "name::include:/file" the colon of the pair hides in the atom.
		if colon <= 0 || colon == len(tokens)-1 {
			problems = append(problems, fmt.Sprintf("%s, line %d: need name:value pair", path, l.Last))
			continue
		}
		key, _ := mailaddr.JoinTokens(tokens[:colon])
		local := true
		for _, t := range tokens[:colon] {
			local = local && t.Kind != '@'
		}
		if !local {
			problems = append(problems, fmt.Sprintf("%s, line %d: name must be local", path, l.Last))
			continue
		}
		entries = append(entries, Entry{key, mailaddr.FormatTokens(tokens[colon+1:])})
		lines = append(lines, l.First)
	}
	return entries, lines, problems
}

// AliasLine returns the line of an aliases file that defines a name, 0 when none does.
func AliasLine(data []byte, name string) int {
	entries, lines, _ := ParseAliases("", data)
	for i, e := range entries {
		if strings.EqualFold(e.Key, name) {
			return lines[i]
		}
	}
	return 0
}

// ParseMap reads the source of a postmap(1) table. path is the file in
// the warnings; db, when set, is the name in warnings of doubled keys.
func ParseMap(path string, data []byte, db string) (entries []Entry, problems []string) {
	seen := map[string]bool{}
	for _, l := range conf.Lines(data) {
		if l.Text[0] == ' ' || l.Text[0] == '\t' {
			problems = append(problems, fmt.Sprintf("%s: logical line must not start with whitespace: \"%.30s\"", path, l.Text))
			continue
		}
		key, value := l.Text, ""
		if at := strings.IndexAny(l.Text, " \t"); at >= 0 {
			key, value = l.Text[:at], strings.Trim(l.Text[at:], " \t")
		}
		if strings.HasPrefix(l.Text, "\"") {
			_, next := mailaddr.ScanQuoted(l.Text, 1, '"')
			key, value = l.Text[:next], strings.Trim(l.Text[next:], " \t")
		}
		if value == "" {
			problems = append(problems, fmt.Sprintf("%s, line %d: expected format: key whitespace value", path, l.Last))
			continue
		}
		if strings.HasSuffix(key, ":") {
			problems = append(problems, fmt.Sprintf("%s, line %d: record is in \"key: value\" format; is this an alias file?", path, l.Last))
		}
		key = strings.ToLower(key)
		if seen[key] && db != "" {
			problems = append(problems, fmt.Sprintf("%s: duplicate entry: \"%s\"", db, key))
			continue
		}
		seen[key] = true
		entries = append(entries, Entry{key, value})
	}
	return entries, problems
}
