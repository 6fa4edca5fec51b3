package command

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/postfix/conf"
	"enshu/sim/postfix/dsn"
	"enshu/sim/postfix/maillog"
)

// What postconf(1) does with master.cf: -M services, -F their fields, -P the
// parameters that they override; with -e it sets, with -X it removes, with -#
// it comments out.

// masterPattern selects entries: "smtp", "smtp/inet", "*/unix/chroot".
type masterPattern struct {
	text  string
	parts []string
	hit   bool
}

func (m *masterPattern) matches(e conf.Service, rest string) bool {
	for i, have := range []string{e.Name, e.Kind, rest} {
		if i >= len(m.parts) {
			break
		}
		want := m.parts[i]
		if i == 2 && rest == "" {
			continue
		}
		if want != "*" && want != have {
			return false
		}
	}
	m.hit = true
	return true
}

func masterCommand(ctx context.Context, p *host.Proc, l *maillog.Logger, dir string, names []string, has map[string]bool) int {
	file := dir + "/master.cf"
	data, err := libc.ReadFile(p, file)
	if err != nil {
		l.Fatal("open %s: %s", file, libc.Strerror(err))
		return 1
	}
	entries, err := conf.EditMaster(file, data)
	if err != nil {
		l.Fatal("%s", err)
		return 1
	}
	main, err := libc.ReadFile(p, dir+"/main.cf")
	var c *conf.Config
	if err == nil {
		c, err = conf.New(dir, dir+"/main.cf", main, nil)
	} else {
		err = fmt.Errorf("open %s/main.cf: %s", dir, libc.Strerror(err))
	}
	if !l.Configured(c, err) {
		return 1
	}
	c.HostDefaults(ctx, p)
	c.Services(entries)
	edit := has["e"] || has["X"] || has["#"]
	for _, n := range names {
		edit = edit || strings.Contains(n, "=")
	}
	if edit {
		return editMaster(p, l, file, string(data), entries, names, has)
	}
	var patterns []*masterPattern
	for _, n := range names {
		patterns = append(patterns, &masterPattern{text: n, parts: strings.SplitN(n, "/", 3)})
	}
	wanted := func(e conf.Service, rest string) bool {
		hit := len(patterns) == 0
		for _, m := range patterns {
			hit = m.matches(e, rest) || hit
		}
		return hit
	}
	for _, m := range patterns {
		if has["F"] && len(m.parts) == 3 && m.parts[2] != "*" && !slices.Contains(conf.MasterFieldNames, m.parts[2]) {
			l.Fatal("invalid service attribute name: \"%s\"", m.parts[2])
			return 1
		}
	}
	show := func(e conf.Service, name, value string) {
		switch {
		case has["h"]:
			fmt.Fprintln(p.Stdout, value)
		case has["H"]:
			fmt.Fprintf(p.Stdout, "%s/%s/%s\n", e.Name, e.Kind, name)
		default:
			fmt.Fprintf(p.Stdout, "%s/%s/%s = %s\n", e.Name, e.Kind, name, value)
		}
	}
	// What -x makes of the value of an -o option.
	expanded := func(e conf.Service, value string) string {
		if !has["x"] {
			return value
		}
		return conf.Expand(value, func(name string) (string, bool) {
			if name == "service_name" {
				return e.Name, true
			}
			for _, o := range e.Overrides {
				if n, v, _ := strings.Cut(o, "="); n == name {
					return v, true
				}
			}
			_, ok := c.Raw(name)
			return c.Get(name), ok
		})
	}
	for _, e := range entries {
		switch {
		case has["F"]:
			for i, name := range conf.MasterFieldNames {
				if wanted(e, name) {
					show(e, name, e.Field(i))
				}
			}
		case has["P"]:
			for _, o := range e.Overrides {
				if name, value, _ := conf.SplitNameValue(o); wanted(e, name) {
					show(e, name, expanded(e, value))
				}
			}
		default:
			if !wanted(e, "") {
				continue
			}
			for _, o := range e.Overrides {
				if name, value, _ := conf.SplitNameValue(o); has["x"] {
					value = expanded(e, value)
					e.SetOverride(name, &value)
				}
			}
			fmt.Fprintln(p.Stdout, e.Format(has["f"]))
		}
	}
	warnUnusedServices(l, c, file, entries)
	for _, m := range patterns {
		if !m.hit {
			l.Warning("unmatched request: \"%s\"", m.text)
		}
	}
	return 0
}

// editMaster changes master.cf.
func editMaster(p *host.Proc, l *maillog.Logger, file, text string, entries []conf.Service, names []string, has map[string]bool) int {
	remove, comment := has["X"], has["#"]
	changed, gone, commented := map[int]bool{}, map[int]bool{}, map[int]bool{}
	for _, n := range names {
		key, value := n, ""
		if !remove && !comment {
			var problem string
			if key, value, problem = conf.SplitNameValue(n); problem != "" {
				l.Fatal("%s: \"%s\"", problem, n)
				return 1
			}
		}
		m := &masterPattern{text: key, parts: strings.SplitN(key, "/", 3)}
		switch {
		case has["M"] && len(m.parts) != 2:
			l.Fatal("-Me, -MX or -M# requires service_name/type")
			return 1
		case has["F"] && len(m.parts) != 3:
			l.Fatal("-Fe requires service_name/type/field_name")
			return 1
		case has["P"] && len(m.parts) != 3:
			l.Fatal("-Pe or -PX requires service_name/type/parameter")
			return 1
		case has["F"] && !slices.Contains(conf.MasterFieldNames, m.parts[2]):
			l.Fatal("invalid service attribute name: \"%s\"", m.parts[2])
			return 1
		case has["P"] && strings.ContainsAny(value, " \t"):
			l.Fatal("-Pe does not accept whitespace in parameter value")
			return 1
		}
		var fresh conf.Service
		if has["M"] && !remove && !comment {
			var err error
			if fresh, err = conf.ParseEntry(value); err != nil {
				if len(strings.Fields(value)) < 8 {
					err = fmt.Errorf("bad field count: \"%s\"", n)
				}
				l.Fatal("%s", err)
				return 1
			}
		}
		for i := range entries {
			e := &entries[i]
			if !m.matches(*e, "") {
				continue
			}
			switch {
			case has["M"] && comment:
				commented[i] = true
			case has["M"] && remove:
				gone[i] = true
			case has["M"]:
				e.Fields, changed[i] = fresh.Fields, true
			case has["F"]:
				at := slices.Index(conf.MasterFieldNames, m.parts[2])
				fields := append(slices.Clone(e.Fields[:at]), value)
				if at+1 < len(conf.MasterFieldNames) {
					fields = append(fields, e.Fields[at+1:]...)
				}
				f, err := conf.ParseEntry(strings.Join(fields, " "))
				if err != nil {
					l.Fatal("invalid %s field \"%s\" in \"%s\"", m.parts[2], value, value)
					return 1
				}
				e.Fields, changed[i] = f.Fields, true
			case remove:
				e.SetOverride(m.parts[2], nil)
				changed[i] = true
			default:
				e.SetOverride(m.parts[2], &value)
				changed[i] = true
			}
		}
		if m.hit {
			continue
		}
		if has["M"] && !remove && !comment {
			fresh.Line = 0
			entries = append(entries, fresh)
			continue
		}
		if !comment {
			l.Warning("unmatched service_name/type: \"%s\"", n)
		}
	}
	var out strings.Builder
	lines := strings.SplitAfter(text, "\n")
	next := 1
	for i, e := range entries {
		if e.Line == 0 { // a new one
			out.WriteString(strings.Join(lines[min(next-1, len(lines)):], ""))
			next = len(lines) + 1
			out.WriteString(e.Format(true) + "\n")
			continue
		}
		out.WriteString(strings.Join(lines[next-1:e.Line-1], ""))
		next = e.Last + 1
		switch {
		case gone[i]:
		case commented[i]:
			for _, line := range lines[e.Line-1 : e.Last] {
				out.WriteString("#" + line)
			}
		case changed[i]:
			out.WriteString(e.Format(true) + "\n")
		default:
			out.WriteString(strings.Join(lines[e.Line-1:e.Last], ""))
		}
	}
	out.WriteString(strings.Join(lines[min(next-1, len(lines)):], ""))
	return replaceFile(p, l, file, out.String())
}

// showTemplates is postconf -t, the templates of bounce(5), and -b, their texts
// with the parameters filled in.
func showTemplates(ctx context.Context, p *host.Proc, names []string, expand bool) int {
	l := &maillog.Logger{Proc: p, Tag: "postfix/bounce", Name: "postfix/bounce", Stderr: p.Stderr} // which it runs
	c, err := conf.Load(ctx, p, nil)
	if !l.Configured(c, err) {
		return 1
	}
	list := dsn.Templates()
	if file := c.Get("bounce_template_file"); len(names) == 0 && file != "" {
		names = []string{file}
	}
	for _, n := range names {
		data, err := libc.ReadFile(p, libc.Abs(p, n))
		if err != nil {
			l.Fatal("open %s: %s", n, libc.Strerror(err))
			return 1
		}
		var problems []string
		list, problems = dsn.ParseTemplates(n, data)
		for _, w := range problems {
			l.Warning("%s", w)
		}
	}
	for i, t := range list {
		if i > 0 {
			fmt.Fprintln(p.Stdout)
		}
		if expand {
			fmt.Fprintf(p.Stdout, "expanded_%s_text = <<EOF\n%sEOF\n", t.Name, c.ExpandTemplate(t.Text))
		} else {
			fmt.Fprint(p.Stdout, t.Format())
		}
	}
	return 0
}
