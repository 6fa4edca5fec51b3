package mailx

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"enshu/sim/mailx/format"
	"enshu/sim/mailx/mbox"
)

// reply answers a message; all adds its other recipients.
func (s *session) reply(ctx context.Context, i int, all bool) {
	m := s.msgs[i]
	s.setDot(i)
	to := m.Field("Reply-To")
	if to == "" {
		to = m.Field("From")
	}
	d := &draft{to: format.SplitAddresses(to), from: s.vars["from"], hasSubject: true, inReplyTo: m.Field("Message-ID")}
	d.references = strings.TrimSpace(m.Field("References") + " " + d.inReplyTo)
	d.subject = format.DecodeHeader(m.Field("Subject"))
	if !strings.HasPrefix(strings.ToLower(d.subject), "re:") {
		d.subject = "Re: " + d.subject
	}
	if all {
		seen := map[string]bool{s.user.Name: !s.isSet("metoo")}
		for _, a := range d.to {
			seen[format.AddressOf(a)] = true
		}
		for _, field := range []string{"To", "Cc"} {
			for _, a := range format.SplitAddresses(m.Field(field)) {
				if address := format.AddressOf(a); !seen[address] {
					seen[address] = true
					d.cc = append(d.cc, a)
				}
			}
		}
	}
	m.Read, m.Touched = true, true
	if s.isSet("quote") {
		d.body = fmt.Sprintf("%s wrote:\n\n", strings.Join(format.SplitAddresses(format.DecodeHeader(m.Field("From"))), ", ")) +
			indent(strings.TrimRight(s.text(m), "\n")+"\n", s.vars["indentprefix"])
	}
	if s.letter(ctx, d) {
		m.Answered = s.isSet("markanswered")
	}
}

// text is the text of a message without its header.
func (s *session) text(m *mbox.Message) string {
	var b bytes.Buffer
	s.body(&b, m)
	return strings.TrimPrefix(b.String(), "\n")
}

// letter composes a draft and sends it. It reports whether it went.
func (s *session) letter(ctx context.Context, d *draft) bool {
	s.session = s
	defer func() { s.session = nil }()
	if s.tty {
		switch s.compose(ctx, d, true) {
		case composeSave:
			if d.body != "" {
				s.dead(d.body, nil, nil)
			}
			return false
		case composeNo, composeQuiet:
			return false
		}
	} else if s.lines(ctx, d) != composeSend {
		return false
	}
	return s.program.send(ctx, d) == 0
}

// mail writes a new message.
func (s *session) mail(ctx context.Context, arg string) {
	d := &draft{to: s.words(arg), from: s.vars["from"]}
	if len(d.to) == 0 && s.tty {
		line, ok := s.prompt(ctx, "To: ")
		if !ok {
			s.interrupted()
			return
		}
		d.to = format.SplitAddresses(strings.ReplaceAll(strings.TrimSpace(line), " ", ","))
	}
	s.letter(ctx, d)
}

// forward passes messages on: forward in a new one, resend as they are.
func (s *session) forward(ctx context.Context, how, arg string) {
	words := s.words(arg)
	n := len(words)
	if n == 0 {
		s.complain("No recipients specified")
		return
	}
	to := format.SplitAddresses(words[n-1])
	for _, i := range s.chosen(words[:n-1]) {
		m := s.msgs[i]
		s.setDot(i)
		m.Touched = true
		if how == "resend" || how == "Resend" {
			m.Read = true
			s.program.send(ctx, &draft{to: to, raw: s.resent(m, to, how == "resend")})
			continue
		}
		d := &draft{to: to, from: s.vars["from"], hasSubject: true, subject: "Fwd: " + format.DecodeHeader(m.Field("Subject"))}
		d.body = s.original(m, showAll)
		if how == "Forward" {
			d.record, _, _ = strings.Cut(format.AddressOf(to[0]), "@")
		}
		m.Read = true
		s.letter(ctx, d)
	}
}

// resent is a message with the fields that tell that it was sent again.
func (s *session) resent(m *mbox.Message, to []string, mark bool) []byte {
	var b bytes.Buffer
	if mark {
		fmt.Fprintf(&b, "Resent-Date: %s\n", s.date2822())
		if from := s.vars["from"]; from != "" {
			fmt.Fprintf(&b, "Resent-From: %s\n", from)
		}
		fmt.Fprintf(&b, "Resent-To: %s\n", strings.Join(to, ", "))
	}
	for _, f := range m.Fields() {
		if name := strings.ToLower(f.Name); name != "status" && name != "x-status" {
			fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Value)
		}
	}
	b.Write(bytes.TrimSuffix(m.Body, []byte("\n")))
	return b.Bytes()
}

// original is a message as it is put into another.
func (s *session) original(m *mbox.Message, how fullness) string {
	var b strings.Builder
	b.WriteString("-------- Original Message --------\n")
	for _, f := range m.Fields() {
		if how != showAll && !s.shown[strings.ToLower(f.Name)] {
			continue
		}
		value := mbox.Unfold(f.Value)
		if strings.EqualFold(f.Name, "received") {
			value = strings.Join(strings.Fields(value), " ")
		}
		fmt.Fprintf(&b, "%s: %s\n", f.Name, s.visible(format.DecodeHeader(value)))
	}
	return b.String() + "\n" + s.text(m)
}

// interpolate puts messages of the folder into a draft (~m, ~f, ~u).
func (s *session) interpolate(d *draft, verb byte, arg string) {
	for _, i := range s.chosen(s.words(arg)) {
		m := s.msgs[i]
		fmt.Fprintf(s.p.Stdout, "Interpolating: %d\n", i+1)
		how := showShort
		if verb == 'M' || verb == 'F' || verb == 'f' {
			how = showAll
		}
		text := s.original(m, how)
		if verb == 'u' || verb == 'U' {
			text = s.text(m)
		}
		if verb == 'm' || verb == 'M' || verb == 'U' {
			head, rest, _ := strings.Cut(text, "\n")
			if verb == 'U' {
				head, rest = "", text
			} else {
				head += "\n"
			}
			text = head + indent(rest, s.vars["indentprefix"])
		}
		d.body += text
	}
}

// edit lets an editor change messages of the folder.
func (s *session) edit(ctx context.Context, full, arg string) {
	editor := s.vars["EDITOR"]
	if full == "visual" {
		editor = s.vars["VISUAL"]
	}
	for _, i := range s.chosen(s.words(arg)) {
		m := s.msgs[i]
		s.setDot(i)
		m.Read, m.Touched = true, true
		text, changed := s.editText(ctx, editor, string(m.Header)+string(m.Body))
		if changed {
			again := mbox.ParseMessage(append(append([]byte(nil), m.From...), text...))
			m.Header, m.Body = again.Header, again.Body
		}
	}
}
