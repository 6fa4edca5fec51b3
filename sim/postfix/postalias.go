package postfix

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// parseAliasSource reads an aliases(5) file. problems are the warnings that
// postalias(1) prints.
func parseAliasSource(path string, data []byte) (entries []dbEntry, lines []int, problems []string) {
	for _, l := range logicalLines(data) {
		if l.text[0] == ' ' || l.text[0] == '\t' {
			problems = append(problems, fmt.Sprintf("%s: logical line must not start with whitespace: \"%.30s\"", path, l.text))
			continue
		}
		tokens := scanTokens(l.text)
		colon := -1
		for i, t := range tokens {
			if t.kind == ':' {
				colon = i
				break
			}
		}
		// In "name::include:/file" the colon of the pair hides in the atom.
		if colon <= 0 || colon == len(tokens)-1 {
			problems = append(problems, fmt.Sprintf("%s, line %d: need name:value pair", path, l.last))
			continue
		}
		key, _ := internalTokens(tokens[:colon])
		local := true
		for _, t := range tokens[:colon] {
			local = local && t.kind != '@'
		}
		if !local {
			problems = append(problems, fmt.Sprintf("%s, line %d: name must be local", path, l.last))
			continue
		}
		entries = append(entries, dbEntry{key, externalTokens(tokens[colon+1:])})
		lines = append(lines, l.first)
	}
	return entries, lines, problems
}

// aliasLine returns the line of an aliases file that defines a name, 0 when none does.
func aliasLine(data []byte, name string) int {
	entries, lines, _ := parseAliasSource("", data)
	for i, e := range entries {
		if strings.EqualFold(e.key, name) {
			return lines[i]
		}
	}
	return 0
}

// parseMapSource reads the source of a postmap(1) table. path is the file in
// the warnings; db, when set, is the name in warnings of doubled keys.
func parseMapSource(path string, data []byte, db string) (entries []dbEntry, problems []string) {
	seen := map[string]bool{}
	for _, l := range logicalLines(data) {
		if l.text[0] == ' ' || l.text[0] == '\t' {
			problems = append(problems, fmt.Sprintf("%s: logical line must not start with whitespace: \"%.30s\"", path, l.text))
			continue
		}
		key, value := l.text, ""
		if at := strings.IndexAny(l.text, " \t"); at >= 0 {
			key, value = l.text[:at], strings.Trim(l.text[at:], " \t")
		}
		if strings.HasPrefix(l.text, "\"") {
			_, next := scanQuoted(l.text, 1, '"')
			key, value = l.text[:next], strings.Trim(l.text[next:], " \t")
		}
		if value == "" {
			problems = append(problems, fmt.Sprintf("%s, line %d: expected format: key whitespace value", path, l.last))
			continue
		}
		if strings.HasSuffix(key, ":") {
			problems = append(problems, fmt.Sprintf("%s, line %d: record is in \"key: value\" format; is this an alias file?", path, l.last))
		}
		key = strings.ToLower(key)
		if seen[key] && db != "" {
			problems = append(problems, fmt.Sprintf("%s: duplicate entry: \"%s\"", db, key))
			continue
		}
		seen[key] = true
		entries = append(entries, dbEntry{key, value})
	}
	return entries, problems
}

// Postalias is /usr/sbin/postalias (postalias(1)).
func Postalias(ctx context.Context, p *host.Proc) int { return mapCommand(ctx, p, "postalias", true) }

// Postmap is /usr/sbin/postmap (postmap(1)).
func Postmap(ctx context.Context, p *host.Proc) int { return mapCommand(ctx, p, "postmap", false) }

// mapOptions are the options that postalias and postmap share.
type mapOptions struct {
	incremental, noFold, replace, ignoreDup, sequence bool
	query, remove                                     string
	hasQuery, hasRemove                               bool
}

func mapCommand(ctx context.Context, p *host.Proc, name string, alias bool) int {
	l := commandLog(p, name)
	flags, letters := "Nfinoprsuvw", "+Nc:d:finopq:rsuvw"
	if !alias {
		flags, letters = "bfFhimnNoprsuUvw", "+Nbc:d:fFhimnopq:rsuUvw"
	}
	usage := fmt.Sprintf("usage: %s [-%s] [-c config_dir] [-d key] [-q key] [map_type:]file...", name, flags)
	options, operands, err := libc.Getopt(p.Args[1:], letters, nil)
	if err != nil {
		fmt.Fprintf(p.Stderr, "%s: %s\n", name, err)
		l.fatal("%s", usage)
		return 1
	}
	var o mapOptions
	for _, opt := range options {
		switch opt.Name {
		case "i":
			o.incremental = true
		case "f":
			o.noFold = true
		case "r":
			o.replace = true
		case "w":
			o.ignoreDup = true
		case "s":
			o.sequence = true
		case "q":
			o.query, o.hasQuery = opt.Value, true
		case "d":
			o.remove, o.hasRemove = opt.Value, true
		case "c":
			p.Env = append(p.Env, "MAIL_CONFIG="+opt.Value)
		}
	}
	c, err := loadConfig(ctx, p, nil)
	if err == nil {
		err = c.check(globalParameters...)
	}
	if err != nil {
		l.fatal("%s", err)
		return 1
	}
	switch {
	case o.hasQuery:
		return mapQuery(p, c, l, o, operands)
	case o.hasRemove:
		return mapRemove(p, c, l, o, operands)
	case o.sequence:
		return mapSequence(p, c, l, operands)
	}
	if len(operands) == 0 && !alias {
		l.fatal("%s", usage)
		return 1
	}
	if len(operands) == 0 {
		operands = c.list("alias_database")
	}
	for _, spec := range operands {
		if status := buildMap(p, c, l, spec, alias, o); status != 0 {
			return status
		}
	}
	return 0
}

// buildMap writes the table of one source file.
func buildMap(p *host.Proc, c *Config, l *logger, spec string, alias bool, o mapOptions) int {
	kind, path := splitSpec(c, spec)
	var data []byte
	var err error
	if o.incremental {
		data, err = io.ReadAll(p.Stdin)
	} else {
		data, err = libc.ReadFile(p, libc.Abs(p, path))
	}
	if err != nil {
		l.fatal("open %s: %s", path, libc.Strerror(err))
		return 1
	}
	switch {
	case kind == "hash", kind == "btree":
	case slices.Contains(mapTypes, kind):
		l.fatal("unsupported dictionary type: %s does not support bulk-mode creation.", kind)
		return 1
	default:
		l.fatal("unsupported dictionary type: %s. Is the postfix-%s package installed?", kind, kind)
		return 1
	}
	db := path + ".db"
	var entries []dbEntry
	if o.incremental {
		if old, err := libc.ReadFile(p, libc.Abs(p, db)); err == nil {
			entries, _ = decodeDB(old)
		}
	}
	var added []dbEntry
	var problems []string
	source := path
	if o.incremental {
		source = "stdin"
	}
	if alias {
		added, _, problems = parseAliasSource(source, data)
		if !o.incremental {
			entries = append(entries, dbEntry{"@", "@"})
		}
	} else {
		added, problems = parseMapSource(source, data, "")
	}
	for _, w := range problems {
		l.warning("%s", w)
	}
	at := map[string]int{}
	for i, e := range entries {
		at[e.key] = i
	}
	for _, e := range added {
		if !o.noFold {
			e.key = strings.ToLower(e.key)
		}
		i, dup := at[e.key]
		switch {
		case dup && o.replace:
			entries[i].value = e.value
		case dup && o.ignoreDup:
		case dup:
			l.warning("%s: duplicate entry: \"%s\"", db, e.key)
		default:
			at[e.key] = len(entries)
			entries = append(entries, e)
		}
	}
	if err := libc.WriteFile(p, libc.Abs(p, db), encodeDB(entries), 0o644); err != nil {
		l.fatal("open %s: %s", db, libc.Strerror(err))
		return 1
	}
	return 0
}

// mapQuery answers -q.
func mapQuery(p *host.Proc, c *Config, l *logger, o mapOptions, specs []string) int {
	keys := []string{o.query}
	stdin := o.query == "-"
	if stdin {
		keys = nil
		s := bufio.NewScanner(p.Stdin)
		for s.Scan() {
			keys = append(keys, s.Text())
		}
	}
	status := 1
	for _, spec := range specs {
		kind, name := splitSpec(c, spec)
		if name == "" {
			l.fatal("open dictionary: expecting \"type:name\" form instead of \"%s\"", spec)
			return 1
		}
		if strings.HasPrefix(name, ".") || !strings.Contains(spec, ":") {
			spec = kind + ":" + libc.Abs(p, name)
		}
		d := openDict(p, c, spec, flagsLookup)
		for _, w := range d.problems {
			l.warning("%s", w)
		}
		if d.broken != "" {
			l.fatal("%s", d.broken)
			return 1
		}
		for _, key := range keys {
			v, ok, err := d.find(key)
			if o.noFold && key != strings.ToLower(key) && kind != "static" {
				ok = false
			}
			if err != nil {
				l.fatal("table %s: query error: %s", spec, err)
				return 1
			}
			if !ok {
				continue
			}
			status = 0
			if stdin {
				fmt.Fprintf(p.Stdout, "%s%s\t%s\n", key, colonOf(l), v)
			} else {
				fmt.Fprintf(p.Stdout, "%s\n", v)
				return 0
			}
		}
	}
	return status
}

func mapRemove(p *host.Proc, c *Config, l *logger, o mapOptions, specs []string) int {
	status := 1
	remove := map[string]bool{strings.ToLower(o.remove): true}
	if o.remove == "-" {
		delete(remove, "-")
		for s := bufio.NewScanner(p.Stdin); s.Scan(); {
			remove[strings.ToLower(s.Text())] = true
		}
	}
	for _, spec := range specs {
		_, name := splitSpec(c, spec)
		db := libc.Abs(p, name+".db")
		data, err := libc.ReadFile(p, db)
		if err != nil {
			l.fatal("open database %s: %s", name+".db", libc.Strerror(err))
			return 1
		}
		entries, err := decodeDB(data)
		if err != nil {
			l.fatal("open database %s: %s", name+".db", err)
			return 1
		}
		kept := entries[:0]
		for _, e := range entries {
			if remove[e.key] {
				status = 0
			} else {
				kept = append(kept, e)
			}
		}
		if status == 0 {
			if err := libc.WriteFile(p, db, encodeDB(kept), 0o644); err != nil {
				l.fatal("open %s: %s", db, libc.Strerror(err))
				return 1
			}
		}
	}
	return status
}

// colonOf is what the listings of postalias(1) have after a key.
func colonOf(l *logger) string {
	if l.name == "postalias" {
		return ":"
	}
	return ""
}

func mapSequence(p *host.Proc, c *Config, l *logger, specs []string) int {
	colon := colonOf(l)
	for _, spec := range specs {
		_, name := splitSpec(c, spec)
		data, err := libc.ReadFile(p, libc.Abs(p, name+".db"))
		if err != nil {
			l.fatal("open database %s: %s", name+".db", libc.Strerror(err))
			return 1
		}
		entries, err := decodeDB(data)
		if err != nil {
			l.fatal("open database %s: %s", name+".db", err)
			return 1
		}
		for _, e := range entries {
			fmt.Fprintf(p.Stdout, "%s%s\t%s\n", e.key, colon, e.value)
		}
	}
	return 0
}
