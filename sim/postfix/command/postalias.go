package command

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/postfix/conf"
	"enshu/sim/postfix/maillog"
	"enshu/sim/postfix/table"
)

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
	l := maillog.CommandLog(p, name)
	flags, letters := "Nfinoprsuvw", "+Nc:d:finopq:rsuvw"
	if !alias {
		flags, letters = "bfFhimnNoprsuUvw", "+Nbc:d:fFhimnopq:rsuUvw"
	}
	usage := fmt.Sprintf("usage: %s [-%s] [-c config_dir] [-d key] [-q key] [map_type:]file...", name, flags)
	options, operands, err := libc.Getopt(p.Args[1:], letters, nil)
	if err != nil {
		fmt.Fprintf(p.Stderr, "%s: %s\n", name, err)
		l.Fatal("%s", usage)
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
	c, err := conf.Load(ctx, p, nil)
	if err == nil {
		err = c.Check(conf.Global...)
	}
	if !l.Configured(c, err) {
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
		l.Fatal("%s", usage)
		return 1
	}
	if len(operands) == 0 {
		operands = c.List("alias_database")
	}
	for _, spec := range operands {
		if status := buildMap(p, c, l, spec, alias, o); status != 0 {
			return status
		}
	}
	return 0
}

// buildMap writes the table of one source file.
func buildMap(p *host.Proc, c *conf.Config, l *maillog.Logger, spec string, alias bool, o mapOptions) int {
	kind, path := table.SplitSpec(c, spec)
	var data []byte
	var err error
	if o.incremental {
		data, err = io.ReadAll(p.Stdin)
	} else {
		data, err = libc.ReadFile(p, libc.Abs(p, path))
	}
	if err != nil {
		l.Fatal("open %s: %s", path, libc.Strerror(err))
		return 1
	}
	switch {
	case kind == "hash", kind == "btree":
	case slices.Contains(mapTypes, kind):
		l.Fatal("unsupported dictionary type: %s does not support bulk-mode creation.", kind)
		return 1
	default:
		l.Fatal("unsupported dictionary type: %s. Is the postfix-%s package installed?", kind, kind)
		return 1
	}
	db := path + ".db"
	var entries []table.Entry
	if o.incremental {
		if old, err := libc.ReadFile(p, libc.Abs(p, db)); err == nil {
			entries, _ = table.DecodeDB(old)
		}
	}
	var added []table.Entry
	var problems []string
	source := path
	if o.incremental {
		source = "stdin"
	}
	if alias {
		added, _, problems = table.ParseAliases(source, data)
		if !o.incremental {
			entries = append(entries, table.Entry{Key: "@", Value: "@"})
		}
	} else {
		added, problems = table.ParseMap(source, data, "")
	}
	for _, w := range problems {
		l.Warning("%s", w)
	}
	at := map[string]int{}
	for i, e := range entries {
		at[e.Key] = i
	}
	for _, e := range added {
		if !o.noFold {
			e.Key = strings.ToLower(e.Key)
		}
		i, dup := at[e.Key]
		switch {
		case dup && o.replace:
			entries[i].Value = e.Value
		case dup && o.ignoreDup:
		case dup:
			l.Warning("%s: duplicate entry: \"%s\"", db, e.Key)
		default:
			at[e.Key] = len(entries)
			entries = append(entries, e)
		}
	}
	if err := libc.WriteFile(p, libc.Abs(p, db), table.EncodeDB(entries), 0o644); err != nil {
		l.Fatal("open %s: %s", db, libc.Strerror(err))
		return 1
	}
	return 0
}

// mapQuery answers -q.
func mapQuery(p *host.Proc, c *conf.Config, l *maillog.Logger, o mapOptions, specs []string) int {
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
		kind, name := table.SplitSpec(c, spec)
		if name == "" {
			l.Fatal("open dictionary: expecting \"type:name\" form instead of \"%s\"", spec)
			return 1
		}
		if strings.HasPrefix(name, ".") || !strings.Contains(spec, ":") {
			spec = kind + ":" + libc.Abs(p, name)
		}
		d := table.Open(p, c, spec, table.FlagsLookup)
		for _, w := range d.Problems {
			l.Warning("%s", w)
		}
		if d.Broken != "" {
			l.Fatal("%s", d.Broken)
			return 1
		}
		for _, key := range keys {
			v, ok, err := d.Find(key)
			if o.noFold && key != strings.ToLower(key) && kind != "static" {
				ok = false
			}
			if err != nil {
				l.Fatal("table %s: query error: %s", spec, err)
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

func mapRemove(p *host.Proc, c *conf.Config, l *maillog.Logger, o mapOptions, specs []string) int {
	status := 1
	remove := map[string]bool{strings.ToLower(o.remove): true}
	if o.remove == "-" {
		delete(remove, "-")
		for s := bufio.NewScanner(p.Stdin); s.Scan(); {
			remove[strings.ToLower(s.Text())] = true
		}
	}
	for _, spec := range specs {
		_, name := table.SplitSpec(c, spec)
		db := libc.Abs(p, name+".db")
		data, err := libc.ReadFile(p, db)
		if err != nil {
			l.Fatal("open database %s: %s", name+".db", libc.Strerror(err))
			return 1
		}
		entries, err := table.DecodeDB(data)
		if err != nil {
			l.Fatal("open database %s: %s", name+".db", err)
			return 1
		}
		kept := entries[:0]
		for _, e := range entries {
			if remove[e.Key] {
				status = 0
			} else {
				kept = append(kept, e)
			}
		}
		if status == 0 {
			if err := libc.WriteFile(p, db, table.EncodeDB(kept), 0o644); err != nil {
				l.Fatal("open %s: %s", db, libc.Strerror(err))
				return 1
			}
		}
	}
	return status
}

// colonOf is what the listings of postalias(1) have after a key.
func colonOf(l *maillog.Logger) string {
	if l.Name == "postalias" {
		return ":"
	}
	return ""
}

func mapSequence(p *host.Proc, c *conf.Config, l *maillog.Logger, specs []string) int {
	colon := colonOf(l)
	for _, spec := range specs {
		_, name := table.SplitSpec(c, spec)
		data, err := libc.ReadFile(p, libc.Abs(p, name+".db"))
		if err != nil {
			l.Fatal("open database %s: %s", name+".db", libc.Strerror(err))
			return 1
		}
		entries, err := table.DecodeDB(data)
		if err != nil {
			l.Fatal("open database %s: %s", name+".db", err)
			return 1
		}
		for _, e := range entries {
			fmt.Fprintf(p.Stdout, "%s%s\t%s\n", e.Key, colon, e.Value)
		}
	}
	return 0
}
