package mailx

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"path"
	"strings"

	"enshu/sim/host"
	"enshu/sim/libc"
)

//go:embed escapes.txt
var escapesText string

// draft is a message that is being written.
type draft struct {
	to, cc, bcc           []string
	subject               string
	hasSubject            bool
	replyTo               string
	inReplyTo, references string
	from                  string
	extra                 []string // other header lines
	kind                  string   // media type of the body; "" is text/plain
	body                  string
	attachments           []string
	raw                   []byte // a whole message that goes as it is (resend)
	record                string // a folder that gets a copy, instead of the variable record
}

// outcome is what composing led to.
type outcome int

const (
	composeSend  outcome = iota
	composeNo            // refused at the question
	composeSave          // given up, the text goes to dead.letter
	composeQuiet         // given up
)

// sendMode composes and sends one message and returns the exit status.
func (m *program) sendMode(ctx context.Context, v *invocation, to []string) int {
	d := &draft{to: to, cc: v.cc, bcc: v.bcc, subject: v.subject, hasSubject: v.hasSubject, from: m.vars["from"], replyTo: m.vars["reply-to"],
		extra: v.extra, kind: v.kind, attachments: v.attachments}
	if d.replyTo == "" {
		d.replyTo = m.vars["replyto"]
	}
	for _, a := range d.attachments {
		if problem := m.attachable(a); problem != "" {
			m.complain("Failed to access attachment %s: %s", a, problem)
			return 1
		}
	}
	if v.quote != "" {
		data, err := libc.ReadFile(m.p, libc.Abs(m.p, m.path(v.quote)))
		if err != nil {
			m.complain("%s: %s", v.quote, strerror(err))
			m.complain("Failed to prepare composed message")
			return exSend
		}
		d.body = string(data)
	}
	status := func(o outcome) int {
		if o == composeSave && d.body != "" {
			m.dead(d.body, nil, nil)
		}
		return exSend
	}
	switch {
	case v.whole != "":
		data, err := libc.ReadFile(m.p, libc.Abs(m.p, m.path(v.whole)))
		if err != nil {
			m.complain("%s: %s", v.whole, strerror(err))
			return exSend
		}
		d.body = string(data)
	case v.template:
		m.template(d, m.in.rest())
	case m.tty:
		m.in.catch(ctx)
		if o := m.compose(ctx, d, false); o != composeSend {
			return status(o)
		}
	case m.commands:
		if o := m.lines(ctx, d); o != composeSend {
			return status(o)
		}
	default:
		d.body += m.in.rest()
	}
	d.body = m.injected("message-inject-head") + d.body + m.injected("message-inject-tail")
	if d.body == "" && (v.skipEmpty || m.isSet("skipemptybody")) {
		return 0
	}
	return m.send(ctx, d)
}

// injected is the text that a variable adds to every message.
func (m *program) injected(name string) string {
	text := strings.ReplaceAll(m.vars[name], `\n`, "\n")
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text
}

// attachable says why a file cannot be attached.
func (m *program) attachable(name string) string {
	file := libc.Abs(m.p, m.path(name))
	info, err := m.p.Sys.Stat(file)
	switch {
	case err != nil:
		return strerror(err)
	case info.IsDir():
		return "Is a directory"
	}
	if _, err := libc.ReadFile(m.p, file); err != nil {
		return strerror(err)
	}
	return ""
}

// template takes the headers of a -t message.
func (m *program) template(d *draft, text string) {
	head, rest := "", text
	for rest != "" {
		line, after, _ := strings.Cut(rest, "\n")
		folded := head != "" && (strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t"))
		name, _, ok := strings.Cut(line, ":")
		switch {
		case line == "":
			rest = after
		case folded || ok && name != "" && !strings.ContainsAny(name, " \t"):
			head, rest = head+line+"\n", after
			continue
		default:
			m.complain("Not a header line, skipping: %s", shellQuote(line))
			if head == "" {
				m.complain("Restoring deleted header lines")
			}
		}
		break
	}
	for _, f := range (&message{header: []byte(head)}).fields() {
		value := unfold(f.value)
		switch strings.ToLower(f.name) {
		case "to":
			d.to = append(d.to, splitAddresses(value)...)
		case "cc":
			d.cc = append(d.cc, splitAddresses(value)...)
		case "bcc":
			d.bcc = append(d.bcc, splitAddresses(value)...)
		case "subject":
			d.subject, d.hasSubject = value, true
		case "from":
			d.from = value
		case "reply-to":
			d.replyTo = value
		default:
			d.extra = append(d.extra, f.name+": "+f.value)
		}
	}
	d.body += rest
}

// head shows the addresses and the subject, and more text after them.
func (m *program) head(d *draft, more string) {
	for _, a := range d.to {
		if problem := m.check(a); problem != "" {
			m.complain("%s", problem)
		}
	}
	var b strings.Builder
	if d.from != "" {
		fmt.Fprintf(&b, "From: %s\n", d.from)
	}
	fmt.Fprintf(&b, "To: %s\n", strings.Join(d.to, ", "))
	if d.subject != "" || d.hasSubject {
		fmt.Fprintf(&b, "Subject: %s\n", d.subject)
	}
	if len(d.cc) > 0 {
		fmt.Fprintf(&b, "Cc: %s\n", strings.Join(d.cc, ", "))
	}
	if len(d.bcc) > 0 {
		fmt.Fprintf(&b, "Bcc: %s\n", strings.Join(d.bcc, ", "))
	}
	io.WriteString(m.p.Stdout, b.String()+more)
}

// prompt asks for a line. ok is false when ^C came instead.
func (m *program) prompt(ctx context.Context, text string) (line string, ok bool) {
	fmt.Fprint(m.p.Stdout, text)
	e := m.in.next(ctx)
	if !e.ok && !e.interrupt {
		fmt.Fprintln(m.p.Stdout, "^D")
	}
	return e.line, !e.interrupt
}

// compose reads a message from the terminal. In a session it does not show what
// was typed with the command.
func (m *program) compose(ctx context.Context, d *draft, session bool) outcome {
	w, interrupts := m.p.Stdout, 0
	// again counts an interrupt; the second one kills the letter.
	again := func() bool {
		m.interrupted()
		if interrupts++; interrupts > 1 {
			return false
		}
		m.tell("", "\n")
		m.complain("(Interrupt -- one more to kill letter)")
		m.hint()
		return true
	}
	ask := func(set string, text string) (string, bool) {
		if !m.isSet(set) || interrupts > 0 {
			return "", true
		}
		line, ok := m.prompt(ctx, text)
		return line, ok || again()
	}
	asked := !d.hasSubject && (m.isSet("asksub") || m.isSet("ask")) && !m.isSet("noask")
	if asked {
		line, ok := m.prompt(ctx, "Subject: ")
		if !ok && !again() {
			return composeSave
		}
		d.subject = line
		if interrupts == 0 && !session {
			for _, f := range []struct {
				name string
				list []string
			}{{"To", d.to}, {"Cc", d.cc}, {"Bcc", d.bcc}} {
				if len(f.list) > 0 {
					fmt.Fprintf(w, "%s: %s\n", f.name, strings.Join(f.list, ", "))
				}
			}
		}
	} else if !session || d.hasSubject {
		m.head(d, "\n"+d.body)
	}
	extra := func() bool {
		for _, f := range []struct {
			set, text string
			list      *[]string
		}{{"askcc", "Cc: ", &d.cc}, {"askbcc", "Bcc: ", &d.bcc}} {
			line, ok := ask(f.set, f.text+strings.Join(*f.list, ", "))
			if !ok {
				return false
			}
			*f.list = append(*f.list, splitAddresses(line)...)
		}
		return true
	}
	if !m.isSet("bsdcompat") && !m.isSet("askatend") && !extra() {
		return composeSave
	}
	for {
		end := m.lines(ctx, d)
		if end == composeSave && m.killed {
			m.killed = false
			if again() {
				continue
			}
			return composeSave
		}
		if end != composeSend {
			return end
		}
		if m.isSet("askattach") {
			m.askAttachments(ctx, d)
		}
		if (m.isSet("bsdcompat") || m.isSet("askatend")) && !extra() {
			return composeSave
		}
		if !m.isSet("asksend") {
			return composeSend
		}
		fmt.Fprint(w, "-------\n(Preliminary) Envelope contains:\n")
		m.head(d, "")
		if d.inReplyTo != "" {
			fmt.Fprintf(w, "In-Reply-To: %s\n", d.inReplyTo)
		}
		o, recompose := m.question(ctx, again)
		if !recompose {
			return o
		}
	}
}

// question asks whether to send. recompose is to go on writing.
func (m *program) question(ctx context.Context, again func() bool) (o outcome, recompose bool) {
	ends := 0
	for ctx.Err() == nil {
		fmt.Fprint(m.p.Stdout, "Send this message [yes/no, empty: recompose]? ")
		e := m.in.next(ctx)
		if e.interrupt {
			return composeSave, again()
		}
		if !e.ok { // the terminal may be gone
			if ends++; ends > 2 {
				return composeSave, false
			}
			fmt.Fprintln(m.p.Stdout, "^D")
			continue
		}
		switch answer := strings.ToLower(strings.TrimSpace(e.line)); answer {
		case "":
			fmt.Fprintln(m.p.Stdout, "(continue)")
			return composeSend, true
		case "0", "no", "n", "off", "false":
			m.complain("Failed to prepare composed message")
			return composeNo, false
		default:
			if answer != "" && (strings.HasPrefix("yes", answer) || answer == "on" || answer == "true" || number(answer) > 0) {
				return composeSend, false
			}
		}
	}
	return composeSave, false
}

// askAttachments asks for the names of files until none is given.
func (m *program) askAttachments(ctx context.Context, d *draft) {
	fmt.Fprintln(m.p.Stdout, "# All file names need to be sh(1)ell-style quoted, everywhere")
	given := d.attachments
	d.attachments = nil
	for n := 1; ctx.Err() == nil; n++ {
		name := ""
		if n <= len(given) {
			name = given[n-1]
		}
		line, ok := m.prompt(ctx, fmt.Sprintf("#%d filename: %s", n, name))
		if line == "" {
			line = name
		}
		if !ok || strings.TrimSpace(line) == "" {
			return
		}
		if !m.attach(d, strings.TrimSpace(line)) {
			n--
		}
	}
}

func (m *program) attach(d *draft, name string) bool {
	if problem := m.attachable(name); problem != "" {
		m.complain("Failed to access attachment %s: %s", name, problem)
		m.hint()
		return false
	}
	d.attachments = append(d.attachments, name)
	fmt.Fprintf(m.p.Stdout, "Added attachment %s (%s)\n", path.Base(name), name)
	return true
}

// lines reads body lines up to the end of input, obeying tilde escapes.
func (m *program) lines(ctx context.Context, d *draft) outcome {
	for ctx.Err() == nil {
		if m.tty {
			m.hint()
		}
		e := m.in.next(ctx)
		switch {
		case e.interrupt:
			m.killed = true
			return composeSave
		case !e.ok:
			if m.tty {
				fmt.Fprintln(m.p.Stdout, "^D")
			}
			return composeSend
		case e.line == "." && m.isSet("dot"):
			return composeSend
		case !strings.HasPrefix(e.line, "~"):
			d.body += e.line + "\n"
		case strings.HasPrefix(e.line, "~~"):
			d.body += e.line[1:] + "\n"
		default:
			if stop, o := m.escape(ctx, d, e.line); stop {
				return o
			}
		}
	}
	return composeSave
}

// escape obeys a line that begins with a tilde (s-nail(1), "COMMAND ESCAPES").
func (m *program) escape(ctx context.Context, d *draft, line string) (stop bool, o outcome) {
	w := m.p.Stdout
	text := strings.TrimLeft(line[1:], " \t")
	verb, arg := byte(0), ""
	if text != "" {
		verb, arg = text[0], strings.TrimSpace(text[1:])
	}
	if verb == 0 || strings.IndexByte("stcbw|!", verb) >= 0 && arg == "" {
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
		d.to = append(d.to, splitAddresses(arg)...)
	case 'c':
		d.cc = append(d.cc, splitAddresses(arg)...)
	case 'b':
		d.bcc = append(d.bcc, splitAddresses(arg)...)
	case 'h':
		m.askHeaders(ctx, d)
	case 'H':
		m.askSenders(ctx, d)
	case 'p':
		fmt.Fprint(w, "-------\nMessage contains:\n")
		m.head(d, "\n"+d.body)
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
			(&session{program: m}).command(ctx, arg)
		}
	case 'm', 'M', 'f', 'F', 'u', 'U':
		if m.session == nil || m.session.file == "" {
			m.complain("Cannot use ~%c in send mode", verb)
			return false, 0
		}
		m.session.interpolate(d, verb, arg)
	default:
		m.complain("Unknown command escape: `%s'", line)
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
	if command, ok := strings.CutPrefix(name, "!"); ok {
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
		line, ok := m.prompt(ctx, f.name+": "+strings.Join(*f.list, ", "))
		if !ok {
			return
		}
		*f.list = append(*f.list, splitAddresses(strings.ReplaceAll(line, " ", ","))...)
	}
	line, ok := m.prompt(ctx, "Subject: "+d.subject)
	if ok {
		d.subject, d.hasSubject = d.subject+line, true
	}
}

// askSenders asks for the header fields about who wrote the message.
func (m *program) askSenders(ctx context.Context, d *draft) {
	sender := m.vars["sender"]
	for _, f := range []struct {
		name  string
		value *string
	}{{"From", &d.from}, {"Reply-To", &d.replyTo}, {"Sender", &sender}} {
		for ctx.Err() == nil {
			line, ok := m.prompt(ctx, f.name+": "+*f.value)
			if !ok {
				return
			}
			*f.value += line
			problem := ""
			for _, a := range splitAddresses(*f.value) {
				if problem = m.check(a); problem != "" {
					m.complain("%s", problem)
					break
				}
			}
			if problem == "" || line == "" {
				break
			}
		}
	}
	if sender != "" {
		m.vars["sender"] = sender
	}
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
