package mailx

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"enshu/sim/host"
)

// shownFields are the header fields that print shows at first, as /etc/s-nail.rc
// has it.
func shownFields() map[string]bool {
	return map[string]bool{"date": true, "from": true, "to": true, "cc": true, "subject": true, "message-id": true,
		"mail-followup-to": true, "reply-to": true, "sender": true}
}

// topFields are those that top shows.
var topFields = map[string]bool{"from": true, "to": true, "cc": true, "subject": true}

// How much of a message to show.
type fullness int

const (
	showShort fullness = iota // print: the chosen fields
	showAll                   // Print: every field
	showRaw                   // Show: as it stands in the folder
	showTop                   // top: the first lines
	showTopAll                // Top: those with the chosen fields
)

// print shows messages, by the pager when they do not fit on the screen.
func (s *session) print(ctx context.Context, list []int, how fullness, page bool) {
	var b bytes.Buffer
	lines := 0
	for k, i := range list {
		m := s.msgs[i]
		s.old = s.dot
		s.setDot(i)
		s.seen = true
		n, _ := m.size()
		lines += n
		if k > 0 && how < showTop {
			b.WriteByte('\n')
		}
		if how != showTop {
			m.read, m.touched = true, true
		}
		s.render(&b, i, how)
	}
	if s.tty && (page || s.isSet("crt") && lines > s.screen()) && how < showTop {
		s.page(ctx, b.String())
		return
	}
	s.p.Stdout.Write(b.Bytes())
}

// page shows text by the pager.
func (m *program) page(ctx context.Context, text string) {
	pager := m.vars["PAGER"]
	env := append(append([]string(nil), m.p.Env...), "LESS=RXi")
	child, err := m.p.Start(host.Cmd{Path: m.shellPath(), Args: []string{m.shellPath(), "-c", pager}, Env: env, Stdin: strings.NewReader(text), Stdout: m.p.Stdout, Stderr: m.p.Stderr})
	if err != nil {
		io.WriteString(m.p.Stdout, text)
		return
	}
	child.Wait(ctx)
}

func (s *session) render(w *bytes.Buffer, i int, how fullness) {
	m := s.msgs[i]
	lines, size := m.size()
	fmt.Fprintf(w, "[-- Message %2d -- %d lines, %d bytes --]:\n", i+1, lines, size)
	switch how {
	case showRaw:
		w.Write(m.withStatus(m.wasOld))
		return
	case showTop, showTopAll:
		n := number(s.vars["toplines"])
		var text bytes.Buffer
		for _, f := range m.fields() {
			if name := strings.ToLower(f.name); how == showTop && topFields[name] || how == showTopAll && s.shown[name] {
				fmt.Fprintf(&text, "%s: %s\n", f.name, s.visible(decodeHeader(unfold(f.value))))
			}
		}
		s.body(&text, m)
		for k, line := range bytes.SplitAfter(text.Bytes(), []byte("\n")) {
			if k < n {
				w.Write(line)
			}
		}
		return
	}
	if how == showAll && m.from != nil {
		w.Write(m.from)
	}
	for _, f := range m.fields() {
		name := strings.ToLower(f.name)
		if how == showAll && (name == "status" || name == "x-status") || how == showShort && !s.shown[name] {
			continue
		}
		value := unfold(f.value)
		if how == showAll && name == "received" {
			value = strings.Join(strings.Fields(value), " ")
		}
		fmt.Fprintf(w, "%s: %s\n", f.name, s.visible(decodeHeader(value)))
	}
	if how == showAll {
		if status := m.status(m.old); status != "" {
			fmt.Fprintf(w, "Status: %s\n", status)
		}
		if x := m.xStatus(); x != "" {
			fmt.Fprintf(w, "X-Status: %s\n", x)
		}
	}
	s.body(w, m)
}

// body shows the text of a message, part by part when it has several.
func (s *session) body(w *bytes.Buffer, m *message) {
	kind := m.field("Content-Type")
	w.WriteByte('\n')
	if !strings.HasPrefix(strings.ToLower(kind), "multipart/") {
		w.WriteString(s.visible(toUTF8(parameter(kind, "charset"), decodeBody(m.field("Content-Transfer-Encoding"), bytes.TrimPrefix(m.body, []byte("\n"))))))
		return
	}
	s.parts(w, m, "1")
}

// part is one part of a multipart message.
type part struct {
	*message
	number         string // "1.2"
	kind, charset  string
	encoding, name string
	text           []byte
	lines, bytes   int
	multiple       bool
}

// list returns the parts of a message, those of its parts included.
func (m *message) list(number string) (out []part) {
	for n, raw := range parts(m.body, parameter(m.field("Content-Type"), "boundary")) {
		p := part{message: parseMessage(raw), number: fmt.Sprintf("%s.%d", number, n+1)}
		kind, _, _ := strings.Cut(p.field("Content-Type"), ";")
		p.kind = strings.ToLower(strings.TrimSpace(kind))
		if p.kind == "" {
			p.kind = "text/plain"
		}
		p.charset = parameter(p.field("Content-Type"), "charset")
		if p.charset == "" {
			p.charset = "us-ascii"
		}
		p.encoding = strings.ToLower(p.field("Content-Transfer-Encoding"))
		if p.encoding == "" {
			p.encoding = "7bit"
		}
		p.name = parameter(p.field("Content-Disposition"), "filename")
		if p.name == "" {
			p.name = parameter(p.field("Content-Type"), "name")
		}
		p.lines, p.bytes = bytes.Count(raw, []byte("\n"))+1, len(raw)
		p.multiple = strings.HasPrefix(p.kind, "multipart/")
		p.text = decodeBody(p.encoding, bytes.TrimPrefix(p.body, []byte("\n")))
		out = append(out, p)
		if p.multiple {
			out = append(out, p.message.list(p.number)...)
		}
	}
	return out
}

func (s *session) parts(w *bytes.Buffer, m *message, number string) {
	for _, p := range m.list(number) {
		text := strings.HasPrefix(p.kind, "text/")
		mark := ""
		if !text {
			mark = "+"
		}
		fmt.Fprintf(w, "\n[-- #%s %d/%d %s%s, %s, %s --]\n", p.number, p.lines, p.bytes, mark, p.kind, p.encoding, p.charset)
		if p.name != "" {
			fmt.Fprintf(w, "[-- %s --]\n", p.name)
		}
		w.WriteByte('\n')
		switch {
		case p.multiple:
		case text:
			w.WriteString(s.visible(toUTF8(p.charset, p.text)))
		default:
			w.WriteString("[-- No MIME handler installed, or not applicable --]\n")
		}
	}
}

// parameter returns a parameter of a MIME header.
func parameter(value, name string) string {
	for _, p := range strings.Split(value, ";") {
		k, v, ok := strings.Cut(strings.TrimSpace(p), "=")
		if ok && strings.EqualFold(k, name) {
			return strings.Trim(v, "\"")
		}
	}
	return ""
}

// parts splits a multipart body.
func parts(body []byte, boundary string) [][]byte {
	var out [][]byte
	if boundary == "" {
		return nil
	}
	pieces := bytes.Split(append([]byte("\n"), body...), []byte("\n--"+boundary))
	for _, p := range pieces[1:] {
		if bytes.HasPrefix(p, []byte("--")) {
			break
		}
		if end := bytes.IndexByte(p, '\n'); end >= 0 {
			out = append(out, p[end+1:])
		}
	}
	return out
}

// pipe gives messages to a command.
func (s *session) pipe(ctx context.Context, arg string, how fullness) {
	words := s.words(arg)
	if len(words) == 0 {
		s.complain("pipe: variable *cmd* not set")
		return
	}
	command := words[len(words)-1]
	list := s.chosenFor("pipe", arg, words[:len(words)-1])
	if list == nil {
		return
	}
	shown := command
	if strings.ContainsAny(command, " \t'\"") {
		shown = "'" + command + "'"
	}
	var b bytes.Buffer
	for _, i := range list {
		s.setDot(i)
		s.msgs[i].read, s.msgs[i].touched, s.seen = true, true, true
		s.render(&b, i, how)
	}
	fmt.Fprintf(s.p.Stdout, "Pipe to: %s\n", shown)
	child, err := s.p.Start(host.Cmd{Path: s.shellPath(), Args: []string{s.shellPath(), "-c", command}, Stdin: bytes.NewReader(b.Bytes()), Stdout: s.p.Stdout, Stderr: s.p.Stderr})
	if err != nil {
		s.complain("%s: %s", s.shellPath(), strerror(err))
		return
	}
	child.Wait(ctx)
	size := b.Len()
	for _, line := range bytes.SplitAfter(b.Bytes(), []byte("\n")) {
		if bytes.HasPrefix(line, []byte("[-- Message ")) {
			size -= len(line)
		}
	}
	fmt.Fprintf(s.p.Stdout, "%s %d bytes\n", shown, size)
}

// shellPath is the user's shell.
func (m *program) shellPath() string { return m.vars["SHELL"] }

// shell runs a command as the user's shell would.
func (m *program) shell(ctx context.Context, command string) {
	m.p.Exec(ctx, m.shellPath(), "-c", command)
}

// toUTF8 is a text of some character set. What is not known stays as it is.
func toUTF8(charset string, text []byte) string {
	switch strings.ToLower(charset) {
	case "iso-8859-1", "latin1", "iso-8859-15", "windows-1252":
		var b strings.Builder
		for _, c := range text { // the first 256 characters of Unicode are Latin-1
			b.WriteRune(rune(c))
		}
		return b.String()
	}
	return string(text)
}
