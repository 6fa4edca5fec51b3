package mailx

import (
	"fmt"
	"sort"
	"strings"

	"enshu/sim/mailx/format"
)

// obsolete are old names of variables with what is said of them.
var obsolete = map[string]string{
	"replyto":   "please use *reply-to*, not *replyto*",
	"encoding":  "please use *mime-encoding* instead of *encoding*",
	"signature": "please use *on-compose-{leave,splice}* and/or *message-inject-tail*, not *signature*",
}

// booleans are the variables that show as a name alone.
var booleans = map[string]bool{"append": true, "ask": true, "askatend": true, "askattach": true, "askbcc": true, "askcc": true, "asksend": true,
	"asksub": true, "autocollapse": true, "autoprint": true, "bang": true, "bsdcompat": true, "bsdflags": true, "bsdheadline": true, "bsdmsgs": true,
	"debug": true, "disconnected": true, "dot": true, "editheaders": true, "emptybox": true, "emptystart": true, "flipr": true, "fullnames": true,
	"header": true, "history-gabby-persist": true, "hold": true, "ignore": true, "ignoreeof": true, "keep": true, "keepsave": true, "markanswered": true,
	"metoo": true, "outfolder": true, "page": true, "quiet": true, "recipients-in-cc": true, "save": true, "searchheaders": true, "showlast": true,
	"showname": true, "showto": true, "skipemptybody": true}

func (m *program) isSet(name string) bool { _, ok := m.vars[name]; return ok }

// unset removes a variable.
func (m *program) unset(name string) { delete(m.vars, name) }

// set obeys one word of the command set: name, name=value or noname.
func (m *program) set(text string) {
	if text == "ask" || text == "noask" {
		text += "sub"
	}
	name, value, has := strings.Cut(text, "=")
	if rest, ok := strings.CutPrefix(name, "no"); ok && !has && rest != "" {
		m.unset(rest)
		return
	}
	if strings.ContainsAny(name, "#!?*@-") && len(name) == 1 {
		m.complain("Variable is read-only: %s", name)
		return
	}
	if (name == "from" || name == "sender") && has && value != "" && !strings.Contains(format.AddressOf(value), "@") {
		m.complain("*from* / *sender*: invalid  address(es): %s", value)
		m.complain("Assignment of variable aborted: %s", name)
		return
	}
	if why, old := obsolete[name]; old {
		m.complain("Warning: variable superseded or obsoleted: %s", name)
		m.complain("Obsoletion warning: %s", why)
	}
	m.vars[name] = value
}

// defaults are the settings before any resource file.
func (m *program) defaults() {
	for _, name := range []string{"asksub", "header", "save", "sendwait"} {
		m.vars[name] = ""
	}
	for name, value := range map[string]string{"mta": "/usr/sbin/sendmail", "prompt": "? ", "toplines": "5", "escape": "~", "indentprefix": "\t",
		"datefield": "%Y-%m-%d %H:%M", "DEAD": "~/dead.letter", "MBOX": "~/mbox", "PAGER": "more", "SHELL": "/bin/sh", "VISUAL": "vi", "EDITOR": "ed"} {
		if v := m.p.Getenv(name); v != "" {
			value = v
		}
		m.vars[name] = value
	}
}

// path is a file name as a user gives it: ~ is the home.
func (m *program) path(name string) string {
	if name == "~" || strings.HasPrefix(name, "~/") {
		return m.home + name[1:]
	}
	return name
}

// show prints variables as the command set does without an argument.
func (m *program) showVars() {
	var names []string
	for name := range m.vars {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Fprintln(m.p.Stdout, m.varLine(name))
	}
}

func (m *program) varLine(name string) string {
	value := m.vars[name]
	switch {
	case booleans[name]:
		return "set " + name
	case value == "" || strings.ContainsAny(value, " \t'\"\\$`%"):
		return "wysh set " + name + "='" + value + "'"
	}
	return "set " + name + "=" + value
}

// setting obeys a command that changes settings. It reports false for others.
func (m *program) setting(words []string) bool {
	switch verb, args := words[0], words[1:]; verb {
	case "set", "se":
		if len(args) == 0 {
			m.showVars()
		}
		for _, w := range args {
			m.set(w)
		}
	case "unset", "uns":
		for _, w := range args {
			m.unset(w)
		}
	case "alias", "group", "a", "g":
		m.aliasCommand(args)
	case "unalias", "ungroup", "una":
		for _, a := range args {
			delete(m.alias, a)
		}
	case "shortcut", "account", "mlist", "mlsubscribe", "charsetalias", "filetype":
		if len(args) == 0 {
			fmt.Fprintf(m.p.Stdout, "# `%s': no data available\n", words[0])
		}
	case "alternates":
		if len(args) == 0 {
			fmt.Fprintln(m.p.Stdout, "# no alternates registered")
		}
	case "headerpick", "bind", "colour", "mimetype":
		// Read and without effect.
	case "echo":
		fmt.Fprintln(m.p.Stdout, strings.Join(args, " "))
	default:
		return false
	}
	return true
}

func (m *program) aliasCommand(args []string) {
	line := func(name string) {
		fmt.Fprintf(m.p.Stdout, "alias %s %s\n", name, strings.Join(m.alias[name], " "))
	}
	switch len(args) {
	case 0:
		var names []string
		for name := range m.alias {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			line(name)
		}
		if len(names) == 0 {
			fmt.Fprintln(m.p.Stdout, "# `alias': no data available")
		}
	case 1:
		if _, ok := m.alias[args[0]]; !ok {
			m.complain("No such alias: %s", args[0])
			return
		}
		line(args[0])
	default:
		m.alias[args[0]] = append(m.alias[args[0]], args[1:]...)
	}
}

// words splits a line as the shell does: quotes group, $name and ${name} stand
// for variables of the program or of the environment.
func (m *program) words(s string) []string {
	var out []string
	var b strings.Builder
	in, quote := false, byte(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case c == '#' && quote == 0 && !in && !m.allWords:
			return out // a comment
		case c == '$' && quote != '\'' && i+1 < len(s) && strings.IndexByte("?!#*@123456789", s[i+1]) >= 0:
			i, in = i+1, true
			b.WriteString(m.parameter(s[i]))
		case c == '$' && quote != '\'' && strings.HasPrefix(s[i+1:], "{") && strings.Contains(s[i:], "}"):
			name, _, _ := strings.Cut(s[i+2:], "}")
			b.WriteString(m.value(name))
			i, in = i+len(name)+2, true
		case c == '$' && quote != '\'' && i+1 < len(s) && nameByte(s[i+1], true):
			end := i + 1
			for end < len(s) && nameByte(s[end], false) {
				end++
			}
			b.WriteString(m.value(s[i+1 : end]))
			i, in = end-1, true
		case c == '\\' && quote == '"' && i+1 < len(s) && strings.IndexByte("$`\"\\", s[i+1]) >= 0:
			i++
			b.WriteByte(s[i])
		case quote != 0:
			b.WriteByte(c)
		case c == '\'' || c == '"':
			quote, in = c, true
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
			in = true
		case c == ' ' || c == '\t':
			if in {
				out = append(out, b.String())
				b.Reset()
				in = false
			}
		default:
			b.WriteByte(c)
			in = true
		}
	}
	if in {
		out = append(out, b.String())
	}
	return out
}

func nameByte(c byte, first bool) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || !first && (c >= '0' && c <= '9' || c == '-')
}

// value is what $name stands for.
func (m *program) value(name string) string {
	if v, ok := m.vars[name]; ok {
		return v
	}
	return m.p.Getenv(name)
}
