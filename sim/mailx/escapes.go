package mailx

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/mailx/format"
)

//go:embed escapes.txt
var escapesText string

// escape obeys a line that begins with a tilde (s-nail(1), "COMMAND ESCAPES").
func (m *program) escape(ctx context.Context, d *draft, line string) (stop bool, o outcome) {
	w := m.p.Stdout
	text := strings.TrimLeft(line[1:], " \t")
	verb, arg := byte(0), ""
	if text != "" {
		verb, arg = text[0], strings.TrimSpace(text[1:])
	}
	if verb == 0 || verb == '$' || strings.IndexByte("stcbw|!", verb) >= 0 && arg == "" {
		m.complain("Invalid command escape usage: %s", shellQuote(line))
		return false, 0
	}
	switch verb {
	case '.':
		return true, composeSend
	case 'q':
		return true, composeSave
	case 'x':
		return true, composeQuiet
	case 's':
		d.subject, d.hasSubject = arg, true
	case 't':
		d.to = append(d.to, format.SplitAddresses(arg)...)
	case 'c':
		d.cc = append(d.cc, format.SplitAddresses(arg)...)
	case 'b':
		d.bcc = append(d.bcc, format.SplitAddresses(arg)...)
	case 'h':
		m.askHeaders(ctx, d)
	case 'H':
		m.askSenders(ctx, d)
	case 'p':
		fmt.Fprint(w, "-------\nMessage contains:\n")
		m.head(d, "\n"+d.body)
		m.listAttachments(d)
	case 'r', '<', 'R', 'd':
		m.insert(ctx, d, verb, arg)
	case 'a', 'A', 'i', 'I':
		name := map[byte]string{'a': "sign", 'A': "Sign"}[verb]
		if name == "" {
			name = arg
		}
		text := strings.ReplaceAll(m.value(name), `\n`, "\n")
		if text == "" {
			break
		}
		fmt.Fprintln(w, text)
		d.body += text
		if verb != 'I' {
			d.body += "\n"
		}
	case 'w':
		if err := libc.AppendFile(m.p, libc.Abs(m.p, m.path(arg)), []byte(d.body), 0o600); err != nil {
			m.complain("%s: %s", arg, strerror(err))
			return false, 0
		}
		fmt.Fprintf(w, "%s %d/%d\n", arg, strings.Count(d.body, "\n"), len(d.body))
	case '!':
		m.shell(ctx, arg)
		fmt.Fprint(w, "!\n(continue)\n")
	case '|':
		if out, ok := m.filter(ctx, arg, d.body); ok && out == "" {
			m.complain("No bytes from %s !?", shellQuote(arg))
		} else if ok {
			d.body = out
		}
		fmt.Fprintln(w, "(continue)")
	case 'e', 'v':
		m.editDraft(ctx, d, verb == 'v')
	case '@':
		if arg == "" {
			m.askAttachments(ctx, d)
		}
		for _, name := range m.words(arg) {
			m.attach(d, name)
		}
	case '?':
		fmt.Fprint(w, escapesText)
	case ':', '_':
		if m.session != nil {
			m.session.command(ctx, arg)
		} else {
			(&session{program: m, composing: true}).command(ctx, arg)
		}
	case 'm', 'M', 'f', 'F', 'u', 'U':
		if m.session == nil || m.session.file == "" {
			m.complain("Cannot use ~%c in send mode", verb)
			return false, 0
		}
		m.session.interpolate(d, verb, arg)
	default:
		_, size := utf8.DecodeRuneInString(text)
		m.complain("Unknown command escape: `~%s'", text[:size])
	}
	return false, 0
}

// insert adds the contents of a file, or the output of a command, to the text.
func (m *program) insert(ctx context.Context, d *draft, verb byte, arg string) {
	name, shown := arg, arg
	if verb == 'd' {
		name = m.path(m.vars["DEAD"])
		shown = name
	}
	if name == "" {
		m.complain("Interpolate what file?")
		return
	}
	var data []byte
	if name == "-" {
		data = []byte(m.typed(ctx))
	} else if command, ok := strings.CutPrefix(name, "!"); ok {
		out, _ := m.filter(ctx, strings.TrimSpace(command), "")
		data, shown = []byte(out), "CMD"
	} else {
		var err error
		if data, err = libc.ReadFile(m.p, libc.Abs(m.p, m.path(name))); err != nil {
			m.complain("%s: %s", shown, strerror(err))
			fmt.Fprintf(m.p.Stdout, "%s ERROR 0/0\n", shown)
			return
		}
	}
	if verb == 'R' {
		data = []byte(indent(string(data), m.vars["indentprefix"]))
	}
	d.body += string(data)
	fmt.Fprintf(m.p.Stdout, "%s %d/%d\n", shown, bytes.Count(data, []byte("\n")), len(data))
	if shown == "CMD" {
		fmt.Fprintln(m.p.Stdout, "(continue)")
	}
}

// typed reads lines up to the end of input.
func (m *program) typed(ctx context.Context) string {
	var b strings.Builder
	for ctx.Err() == nil {
		e := m.in.next(ctx)
		if !e.ok {
			break
		}
		b.WriteString(e.line + "\n")
	}
	return b.String()
}

// listAttachments shows what is attached.
func (m *program) listAttachments(d *draft) {
	if len(d.attachments) > 0 {
		fmt.Fprint(m.p.Stdout, "-------\nAttachments:\n")
	}
	for i, a := range d.attachments {
		fmt.Fprintf(m.p.Stdout, "#%d: %s [%s -- unclassified content, incs=utf-8 -> oucs=*sendcharsets*]\n", i+1, path.Base(a), a)
	}
}

// indent puts a prefix before every line.
func indent(text, prefix string) string {
	var b strings.Builder
	for _, line := range strings.SplitAfter(text, "\n") {
		if line != "" {
			b.WriteString(prefix + line)
		}
	}
	return b.String()
}

// filter gives text to a command and returns what it prints.
func (m *program) filter(ctx context.Context, command, text string) (out string, ok bool) {
	var b bytes.Buffer
	child, err := m.p.Start(host.Cmd{Path: m.shellPath(), Args: []string{m.shellPath(), "-c", command}, Stdin: strings.NewReader(text), Stdout: &b, Stderr: m.p.Stderr})
	if err != nil {
		return "", false
	}
	st, err := child.Wait(ctx)
	return b.String(), err == nil && st.Success()
}

// askHeaders asks for the header fields, showing what they are: an empty answer
// keeps that.
func (m *program) askHeaders(ctx context.Context, d *draft) {
	for _, f := range []struct {
		name string
		list *[]string
	}{{"To", &d.to}, {"Cc", &d.cc}, {"Bcc", &d.bcc}} {
		line, ok := m.prompt(ctx, f.name+": "+strings.Join(*f.list, " "))
		if !ok {
			return
		}
		*f.list = append(*f.list, format.SplitAddresses(strings.ReplaceAll(line, " ", ","))...)
	}
	line, ok := m.prompt(ctx, "Subject: "+d.subject)
	if ok {
		d.subject, d.hasSubject = d.subject+line, true
	}
}

// askSenders asks for the header fields about who wrote the message. Several
// authors need a sender.
func (m *program) askSenders(ctx context.Context, d *draft) {
	sender := m.vars["sender"]
	for ctx.Err() == nil {
		for _, f := range []struct {
			name  string
			value *string
		}{{"From", &d.from}, {"Reply-To", &d.replyTo}, {"Sender", &sender}} {
			for ctx.Err() == nil {
				line, ok := m.prompt(ctx, f.name+": "+*f.value)
				if !ok {
					return
				}
				*f.value = strings.TrimSpace(*f.value + line)
				problem := ""
				for _, a := range addressWords(*f.value) {
					if problem = m.check(a); problem != "" {
						m.complain("%s", problem)
						m.hint()
						break
					}
				}
				if problem == "" || m.ended {
					break
				}
			}
		}
		if len(addressWords(d.from)) < 2 || sender != "" || m.ended {
			break
		}
		m.complain("A Sender: is required when there are multiple addresses in From:")
		m.hint()
	}
	if sender != "" {
		m.vars["sender"] = sender
	}
}

// addressWords splits addresses that stand apart by spaces or commas. A name
// with spaces belongs to its address.
func addressWords(text string) []string {
	if !strings.ContainsAny(text, "<(\"") {
		text = strings.Join(strings.Fields(text), ",")
	}
	return format.SplitAddresses(text)
}

// editDraft lets the user edit the message with a program.
func (m *program) editDraft(ctx context.Context, d *draft, visual bool) {
	editor := m.vars["EDITOR"]
	if visual {
		editor = m.vars["VISUAL"]
	}
	var b strings.Builder
	b.WriteString("# Message will be discarded unless file is saved\n# To:, Cc: and Bcc: support a ?single modifier: To?: exa, <m@ple>\n")
	fmt.Fprintf(&b, "To: %s\nSubject: %s\n", strings.Join(d.to, ", "), d.subject)
	if len(d.cc) > 0 {
		fmt.Fprintf(&b, "Cc: %s\n", strings.Join(d.cc, ", "))
	}
	if len(d.bcc) > 0 {
		fmt.Fprintf(&b, "Bcc: %s\n", strings.Join(d.bcc, ", "))
	}
	b.WriteString("\n" + d.body)
	text, changed := m.editText(ctx, editor, b.String())
	if changed {
		for strings.HasPrefix(text, "#") {
			_, text, _ = strings.Cut(text, "\n")
		}
		d.to, d.cc, d.bcc, d.subject, d.body = nil, nil, nil, "", ""
		m.template(d, text)
	}
	fmt.Fprintln(m.p.Stdout, "(continue)")
}

// editText lets an editor change text.
func (m *program) editText(ctx context.Context, editor, text string) (out string, changed bool) {
	file := fmt.Sprintf("/tmp/mail-%s%s", m.random(), m.random())
	if err := libc.WriteFile(m.p, file, []byte(text), 0o600); err != nil {
		m.complain("%s: %s", file, strerror(err))
		return text, false
	}
	defer m.p.Sys.Remove(file)
	m.shell(ctx, editor+" "+file)
	data, err := libc.ReadFile(m.p, file)
	return string(data), err == nil && string(data) != text
}
