package postfix

import (
	"fmt"
	"slices"
	"strings"

	"enshu/sim/host"
	"enshu/sim/libc"
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

func (m *masterPattern) matches(e masterEntry, rest string) bool {
	for i, have := range []string{e.name, e.kind, rest} {
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

func masterCommand(p *host.Proc, l *logger, file string, names []string, has map[string]bool) int {
	data, err := libc.ReadFile(p, file)
	if err != nil {
		l.fatal("open %s: %s", file, libc.Strerror(err))
		return 1
	}
	entries, err := parseMasterCf(file, data)
	if err != nil {
		l.fatal("%s", err)
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
	wanted := func(e masterEntry, rest string) bool {
		hit := len(patterns) == 0
		for _, m := range patterns {
			hit = m.matches(e, rest) || hit
		}
		return hit
	}
	show := func(e masterEntry, name, value string) {
		if has["h"] {
			fmt.Fprintln(p.Stdout, value)
		} else {
			fmt.Fprintf(p.Stdout, "%s/%s/%s = %s\n", e.name, e.kind, name, value)
		}
	}
	for _, e := range entries {
		switch {
		case has["F"]:
			for i, name := range masterFieldNames {
				if wanted(e, name) {
					show(e, name, e.field(i))
				}
			}
		case has["P"]:
			for _, o := range e.overrides {
				if name, value, _ := splitNameValue(o); wanted(e, name) {
					show(e, name, value)
				}
			}
		default:
			if wanted(e, "") {
				fmt.Fprintln(p.Stdout, e.format(has["f"]))
			}
		}
	}
	for _, m := range patterns {
		if !m.hit {
			l.warning("unmatched request: \"%s\"", m.text)
		}
	}
	return 0
}

// field returns a column as postconf -F shows it.
func (e masterEntry) field(i int) string {
	if i == 7 {
		return strings.Join(e.fields[7:], " ")
	}
	return e.fields[i]
}

// format writes an entry as postconf(1) does, its options on lines of their own
// when fold is set.
func (e masterEntry) format(fold bool) string {
	f := e.fields
	line := fmt.Sprintf("%-10s %-5s %-7s %-7s %-7s %-7s %-7s %s", f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7])
	for i := 8; i < len(f); i++ {
		sep := " "
		if fold && strings.HasPrefix(f[i], "-") {
			sep = "\n    "
		}
		line += sep + f[i]
	}
	return line
}

// setOverride gives an entry an -o option, "" removes it. It reports whether
// there was one.
func (e *masterEntry) setOverride(name string, value *string) bool {
	found := false
	var kept []string
	for i := 8; i < len(e.fields); i++ {
		if e.fields[i] != "-o" || i+1 == len(e.fields) {
			kept = append(kept, e.fields[i])
			continue
		}
		i++
		n, _, _ := splitNameValue(strings.Trim(e.fields[i], "{}"))
		switch {
		case n != name:
			kept = append(kept, "-o", e.fields[i])
		case value != nil && !found:
			kept = append(kept, "-o", overrideText(name, *value))
		}
		found = found || n == name
	}
	if !found && value != nil {
		kept = append(kept, "-o", overrideText(name, *value))
	}
	e.fields = append(e.fields[:8:8], kept...)
	return found
}

func overrideText(name, value string) string {
	if strings.ContainsAny(value, " \t") {
		return "{ " + name + " = " + value + " }"
	}
	return name + "=" + value
}

// editMaster changes master.cf.
func editMaster(p *host.Proc, l *logger, file, text string, entries []masterEntry, names []string, has map[string]bool) int {
	remove, comment := has["X"], has["#"]
	changed, gone, commented := map[int]bool{}, map[int]bool{}, map[int]bool{}
	for _, n := range names {
		key, value := n, ""
		if !remove && !comment {
			var problem string
			if key, value, problem = splitNameValue(n); problem != "" {
				l.fatal("%s: \"%s\"", problem, n)
				return 1
			}
		}
		m := &masterPattern{text: key, parts: strings.SplitN(key, "/", 3)}
		switch {
		case has["M"] && len(m.parts) != 2, !has["M"] && len(m.parts) != 3:
			l.fatal("-%s option requires service_name/type%s", modeLetter(has), map[bool]string{true: "", false: "/name"}[has["M"]])
			return 1
		case has["F"] && !slices.Contains(masterFieldNames, m.parts[2]):
			l.fatal("invalid service attribute name: \"%s\"", m.parts[2])
			return 1
		case has["F"] && (remove || comment):
			l.fatal("-F does not work with -X or -#")
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
				fresh, err := parseMasterCf(file, []byte(value))
				if err != nil || len(fresh) != 1 {
					l.fatal("%s: bad entry: \"%s\"", file, value)
					return 1
				}
				e.fields, changed[i] = fresh[0].fields, true
			case has["F"]:
				at := slices.Index(masterFieldNames, m.parts[2])
				e.fields, changed[i] = append(e.fields[:at:at], append(strings.Fields(value), e.fields[min(at+1, len(e.fields)):]...)...), true
			case remove:
				changed[i] = e.setOverride(m.parts[2], nil) || changed[i]
			default:
				e.setOverride(m.parts[2], &value)
				changed[i] = true
			}
		}
		if m.hit {
			continue
		}
		if has["M"] && !remove && !comment {
			fresh, err := parseMasterCf(file, []byte(value))
			if err != nil || len(fresh) != 1 {
				l.fatal("%s: bad entry: \"%s\"", file, value)
				return 1
			}
			fresh[0].line = 0
			entries = append(entries, fresh[0])
			continue
		}
		l.warning("unmatched service_name/type: \"%s\"", key)
	}
	var out strings.Builder
	lines := strings.SplitAfter(text, "\n")
	next := 1
	for i, e := range entries {
		if e.line == 0 { // a new one
			out.WriteString(strings.Join(lines[min(next-1, len(lines)):], ""))
			next = len(lines) + 1
			out.WriteString(e.format(true) + "\n")
			continue
		}
		out.WriteString(strings.Join(lines[next-1:e.line-1], ""))
		next = e.last + 1
		switch {
		case gone[i]:
		case commented[i]:
			for _, line := range lines[e.line-1 : e.last] {
				out.WriteString("#" + line)
			}
		case changed[i]:
			out.WriteString(e.format(true) + "\n")
		default:
			out.WriteString(strings.Join(lines[e.line-1:e.last], ""))
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
func showTemplates(p *host.Proc, l *logger, names []string) int {
	for _, n := range names {
		data, err := libc.ReadFile(p, libc.Abs(p, n))
		if err != nil {
			l = &logger{p: p, tag: "postfix/bounce", name: "postfix/bounce", stderr: p.Stderr} // which it runs
			l.fatal("open %s: %s", n, libc.Strerror(err))
			return 1
		}
		p.Stdout.Write(data)
	}
	return 0
}
