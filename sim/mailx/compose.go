package mailx

import (
	"context"
	"fmt"
	"io"
	"path"
	"strings"

	"enshu/sim/libc"
	"enshu/sim/mailx/format"
	"enshu/sim/mailx/mbox"
)

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
		if m.gone(ctx) {
			return 1
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
		if o := m.compose(ctx, d, false, 0); o != composeSend {
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
	for _, f := range (&mbox.Message{Header: []byte(head)}).Fields() {
		value := mbox.Unfold(f.Value)
		switch strings.ToLower(f.Name) {
		case "to":
			d.to = append(d.to, format.SplitAddresses(value)...)
		case "cc":
			d.cc = append(d.cc, format.SplitAddresses(value)...)
		case "bcc":
			d.bcc = append(d.bcc, format.SplitAddresses(value)...)
		case "subject":
			d.subject, d.hasSubject = value, true
		case "from":
			d.from = value
		case "reply-to":
			d.replyTo = value
		default:
			d.extra = append(d.extra, f.Name+": "+f.Value)
		}
	}
	d.body += rest
}

// head shows the addresses and the subject, and more text after them.
func (m *program) head(d *draft, more string) {
	m.checkAddresses(d)
	io.WriteString(m.p.Stdout, m.envelopeLines(d, ", ")+more)
}

func (m *program) checkAddresses(d *draft) {
	for _, a := range d.to {
		if problem := m.check(a); problem != "" {
			m.complain("%s", problem)
		}
	}
}

// warnOfInterrupt tells after the first ^C that the next one gives up.
func (m *program) warnOfInterrupt() {
	m.tell("", "\n")
	m.complain("(Interrupt -- one more to kill letter)")
	m.hint()
}

// gone reports whether the terminal hung up, or the program is to end.
func (m *program) gone(ctx context.Context) bool { return m.in.gone || ctx.Err() != nil }

// envelopeLines are the addresses and the subject, in the order in which they
// are asked for.
func (m *program) envelopeLines(d *draft, between string) string {
	var b strings.Builder
	line := func(name, value string, set bool) {
		if set {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	line("From", d.from, d.from != "")
	line("Sender", m.vars["sender"], m.vars["sender"] != "")
	line("To", strings.Join(d.to, between), true)
	subject := func() { line("Subject", d.subject, d.subject != "" || d.hasSubject) }
	if m.isSet("bsdcompat") {
		subject()
	}
	line("Cc", strings.Join(d.cc, between), len(d.cc) > 0)
	line("Bcc", strings.Join(d.bcc, between), len(d.bcc) > 0)
	if !m.isSet("bsdcompat") {
		subject()
	}
	return b.String()
}

// prompt asks for a line. ok is false when ^C came instead; the end of the
// input is an empty line, and ended.
func (m *program) prompt(ctx context.Context, text string) (line string, ok bool) {
	fmt.Fprint(m.p.Stdout, text)
	e := m.in.next(ctx)
	m.ended = !e.ok && !e.interrupt
	if m.ended && !m.gone(ctx) {
		fmt.Fprintln(m.p.Stdout, "^D")
	}
	return e.line, !e.interrupt
}

// compose reads a message from the terminal. In a session it does not show what
// was typed with the command. interrupts is how many there were already.
func (m *program) compose(ctx context.Context, d *draft, session bool, interrupts int) outcome {
	w := m.p.Stdout
	between := ", "
	if !m.isSet("fullnames") {
		between = " "
	}
	// again counts an interrupt; the second one kills the letter.
	again := func() bool {
		m.interrupted()
		if interrupts++; interrupts > 1 {
			return false
		}
		m.warnOfInterrupt()
		return true
	}
	ask := func(set string, text string) (string, bool) {
		if !m.isSet(set) || interrupts > 0 {
			return "", true
		}
		line, ok := m.prompt(ctx, text)
		return line, ok || again()
	}
	asked := interrupts == 0 && !d.hasSubject && (m.isSet("asksub") || m.isSet("ask")) && !m.isSet("noask")
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
					fmt.Fprintf(w, "%s: %s\n", f.name, strings.Join(f.list, between))
				}
			}
		}
	} else if !session || d.hasSubject {
		m.checkAddresses(d)
		io.WriteString(w, m.envelopeLines(d, between)+"\n"+d.body)
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
			*f.list = append(*f.list, format.SplitAddresses(line)...)
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
		if (m.isSet("bsdcompat") || m.isSet("askatend")) && !extra() || m.gone(ctx) {
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
	for ctx.Err() == nil {
		fmt.Fprint(m.p.Stdout, "Send this message [yes/no, empty: recompose]? ")
		e := m.in.next(ctx)
		if e.interrupt {
			return composeSave, again()
		}
		if m.gone(ctx) {
			break
		}
		if !e.ok {
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
		case m.gone(ctx):
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
