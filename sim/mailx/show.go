package mailx

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"enshu/sim/host"
	"enshu/sim/mailx/format"
	"enshu/sim/mailx/mbox"
)

// topFields are those that top shows.
var topFields = map[string]bool{"from": true, "to": true, "cc": true, "subject": true}

// How much of a message to show.
type fullness int

const (
	showShort  fullness = iota // print: the chosen fields
	showAll                    // Print: every field
	showRaw                    // Show: as it stands in the folder
	showTop                    // top: the first lines
	showTopAll                 // Top: those with the chosen fields
	showMIME                   // mimeview: the chosen fields, the text is for others to show
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
		n, _ := m.Size()
		lines += n
		if k > 0 && how < showTop {
			b.WriteByte('\n')
		}
		if how != showTop {
			m.Read, m.Touched = true, true
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

// shows reports whether print shows a header field: one of those to retain, or
// without such any that is not to be ignored.
func (m *program) shows(name string) bool {
	return m.shown[name] || len(m.shown) == 0 && !m.hidden[name]
}

func (s *session) render(w *bytes.Buffer, i int, how fullness) {
	m := s.msgs[i]
	lines, size := m.Size()
	fmt.Fprintf(w, "[-- Message %2d -- %d lines, %d bytes --]:\n", i+1, lines, size)
	unseen := how == showMIME
	if unseen {
		how = showShort
	}
	if how == showShort && len(s.shown) == 0 && len(s.hidden) == 0 {
		how = showAll
	}
	switch how {
	case showRaw:
		w.Write(m.WithStatus(m.WasOld))
		return
	case showTop, showTopAll:
		n := number(s.vars["toplines"])
		var text bytes.Buffer
		if how == showTopAll && len(s.shown) == 0 && len(s.hidden) == 0 {
			text.Write(m.From)
		}
		for _, f := range m.Fields() {
			if name := strings.ToLower(f.Name); how == showTop && topFields[name] || how == showTopAll && s.shows(name) {
				value := mbox.Unfold(f.Value)
				if name == "received" {
					value = strings.Join(strings.Fields(value), " ")
				}
				fmt.Fprintf(&text, "%s: %s\n", f.Name, s.visible(format.DecodeHeader(value)))
			}
		}
		s.body(&text, m, false)
		for k, line := range bytes.SplitAfter(text.Bytes(), []byte("\n")) {
			if k < n {
				w.Write(line)
			}
		}
		return
	}
	if how == showAll && m.From != nil {
		w.Write(m.From)
	}
	for _, f := range m.Fields() {
		name := strings.ToLower(f.Name)
		if how == showAll && (name == "status" || name == "x-status") || how == showShort && !s.shows(name) {
			continue
		}
		value := mbox.Unfold(f.Value)
		if how == showAll && name == "received" {
			value = strings.Join(strings.Fields(value), " ")
		}
		fmt.Fprintf(w, "%s: %s\n", f.Name, s.visible(format.DecodeHeader(value)))
	}
	if how == showAll {
		if status := m.Status(m.Old); status != "" {
			fmt.Fprintf(w, "Status: %s\n", status)
		}
		if x := m.XStatus(); x != "" {
			fmt.Fprintf(w, "X-Status: %s\n", x)
		}
	}
	if unseen {
		w.WriteString("\n" + noHandler)
		return
	}
	s.body(w, m, how == showAll)
}

// noHandler stands for what cannot be shown here.
const noHandler = "[-- No MIME handler installed, or not applicable --]\n"

// body shows the text of a message, part by part when it has several; these
// with their header fields when all are to be seen.
func (s *session) body(w *bytes.Buffer, m *mbox.Message, all bool) {
	kind := m.Field("Content-Type")
	w.WriteByte('\n')
	if !strings.HasPrefix(strings.ToLower(kind), "multipart/") {
		w.WriteString(s.visible(format.ToUTF8(format.Parameter(kind, "charset"), format.DecodeBody(m.Field("Content-Transfer-Encoding"), bytes.TrimPrefix(m.Body, []byte("\n"))))))
		return
	}
	s.parts(w, m, "1", all)
}

func (s *session) parts(w *bytes.Buffer, m *mbox.Message, number string, all bool) {
	for _, p := range m.Parts(number) {
		text := strings.HasPrefix(p.Kind, "text/")
		mark := ""
		if !text && s.isSet("mime-counter-evidence") {
			mark = "+"
		}
		what := []string{mark + p.Kind, p.Encoding, p.Charset}
		if all { // what the header says is seen there
			what = slices.DeleteFunc(what, func(s string) bool {
				return s == p.Encoding && p.Field("Content-Transfer-Encoding") != "" || s != p.Encoding && p.Field("Content-Type") != ""
			})
		}
		fmt.Fprintf(w, "\n[-- %s --]\n", strings.TrimSpace(fmt.Sprintf("#%s %d/%d %s", p.Number, p.Lines, p.Bytes, strings.Join(what, ", "))))
		if all {
			for _, f := range p.Fields() {
				fmt.Fprintf(w, "%s: %s\n", f.Name, s.visible(format.DecodeHeader(mbox.Unfold(f.Value))))
			}
		} else if p.Name != "" {
			fmt.Fprintf(w, "[-- %s --]\n", p.Name)
		}
		w.WriteByte('\n')
		switch {
		case p.Multiple:
		case text:
			w.WriteString(s.visible(format.ToUTF8(p.Charset, p.Text)))
		default:
			w.WriteString(noHandler)
		}
	}
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
		s.msgs[i].Read, s.msgs[i].Touched, s.seen = true, true, true
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
