package command

import (
	"fmt"
	"slices"
	"strings"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/postfix/conf"
	"enshu/sim/postfix/maillog"
)

// What postconf(1) does with master.cf: -M services, -F their fields, -P the
// parameters that they override; with -e it sets, with -X it removes, with -#
// it comments out.

// masterFieldNames are the columns of master.cf.
var masterFieldNames = []string{"service", "type", "private", "unprivileged", "chroot", "wakeup", "process_limit", "command"}

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

func masterCommand(p *host.Proc, l *maillog.Logger, file string, names []string, has map[string]bool) int {
	data, err := libc.ReadFile(p, file)
	if err != nil {
		l.Fatal("open %s: %s", file, libc.Strerror(err))
		return 1
	}
	entries, err := conf.ParseMaster(file, data)
	if err != nil {
		l.Fatal("%s", err)
		return 1
	}
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
	show := func(e conf.Service, name, value string) {
		if has["h"] {
			fmt.Fprintln(p.Stdout, value)
		} else {
			fmt.Fprintf(p.Stdout, "%s/%s/%s = %s\n", e.Name, e.Kind, name, value)
		}
	}
	for _, e := range entries {
		switch {
		case has["F"]:
			for i, name := range masterFieldNames {
				if wanted(e, name) {
					show(e, name, e.Field(i))
				}
			}
		case has["P"]:
			for _, o := range e.Overrides {
				if name, value, _ := conf.SplitNameValue(o); wanted(e, name) {
					show(e, name, value)
				}
			}
		default:
			if wanted(e, "") {
				fmt.Fprintln(p.Stdout, e.Format(has["f"]))
			}
		}
	}
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
		case has["M"] && len(m.parts) != 2, !has["M"] && len(m.parts) != 3:
			l.Fatal("-%s option requires service_name/type%s", modeLetter(has), map[bool]string{true: "", false: "/name"}[has["M"]])
			return 1
		case has["F"] && !slices.Contains(masterFieldNames, m.parts[2]):
			l.Fatal("invalid service attribute name: \"%s\"", m.parts[2])
			return 1
		case has["F"] && (remove || comment):
			l.Fatal("-F does not work with -X or -#")
			return 1
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
				fresh, err := conf.ParseMaster(file, []byte(value))
				if err != nil || len(fresh) != 1 {
					l.Fatal("%s: bad entry: \"%s\"", file, value)
					return 1
				}
				e.Fields, changed[i] = fresh[0].Fields, true
			case has["F"]:
				at := slices.Index(masterFieldNames, m.parts[2])
				e.Fields, changed[i] = append(e.Fields[:at:at], append(strings.Fields(value), e.Fields[min(at+1, len(e.Fields)):]...)...), true
			case remove:
				changed[i] = e.SetOverride(m.parts[2], nil) || changed[i]
			default:
				e.SetOverride(m.parts[2], &value)
				changed[i] = true
			}
		}
		if m.hit {
			continue
		}
		if has["M"] && !remove && !comment {
			fresh, err := conf.ParseMaster(file, []byte(value))
			if err != nil || len(fresh) != 1 {
				l.Fatal("%s: bad entry: \"%s\"", file, value)
				return 1
			}
			fresh[0].Line = 0
			entries = append(entries, fresh[0])
			continue
		}
		l.Warning("unmatched service_name/type: \"%s\"", key)
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

func modeLetter(has map[string]bool) string {
	for _, m := range []string{"M", "F", "P"} {
		if has[m] {
			return m
		}
	}
	return ""
}

// showTemplates is postconf -t, the templates of bounce(5), and -b, the same
// with the parameters filled in. Only files are read: ours are built in.
func showTemplates(p *host.Proc, names []string) int {
	l := &maillog.Logger{Proc: p, Tag: "postfix/bounce", Name: "postfix/bounce", Stderr: p.Stderr} // which it runs
	for _, n := range names {
		data, err := libc.ReadFile(p, libc.Abs(p, n))
		if err != nil {
			l.Fatal("open %s: %s", n, libc.Strerror(err))
			return 1
		}
		p.Stdout.Write(data)
	}
	return 0
}
