package mailx

import (
	"bytes"
	"context"
	"fmt"
	"strings"
)

// reply answers a message; all adds its other recipients.
func (s *session) reply(ctx context.Context, i int, all bool) {
	m := s.msgs[i]
	s.setDot(i)
	to := m.field("Reply-To")
	if to == "" {
		to = m.field("From")
	}
	d := &draft{to: splitAddresses(to), from: s.vars["from"], hasSubject: true, inReplyTo: m.field("Message-ID")}
	d.references = strings.TrimSpace(m.field("References") + " " + d.inReplyTo)
	d.subject = decodeHeader(m.field("Subject"))
	if !strings.HasPrefix(strings.ToLower(d.subject), "re:") {
		d.subject = "Re: " + d.subject
	}
	if all {
		seen := map[string]bool{s.user.Name: !s.isSet("metoo")}
		for _, a := range d.to {
			seen[addressOf(a)] = true
		}
		for _, field := range []string{"To", "Cc"} {
			for _, a := range splitAddresses(m.field(field)) {
				if address := addressOf(a); !seen[address] {
					seen[address] = true
					d.cc = append(d.cc, a)
				}
			}
		}
	}
	m.read, m.touched = true, true
	if s.isSet("quote") {
		d.body = fmt.Sprintf("%s wrote:\n\n", strings.Join(splitAddresses(decodeHeader(m.field("From"))), ", ")) +
			indent(strings.TrimRight(s.text(m), "\n")+"\n", s.vars["indentprefix"])
	}
	if s.letter(ctx, d) {
		m.answered = s.isSet("markanswered")
	}
}

// text is the text of a message without its header.
func (s *session) text(m *message) string {
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
		d.to = splitAddresses(strings.ReplaceAll(strings.TrimSpace(line), " ", ","))
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
	to := splitAddresses(words[n-1])
	for _, i := range s.chosen(words[:n-1]) {
		m := s.msgs[i]
		s.setDot(i)
		m.touched = true
		if how == "resend" || how == "Resend" {
			m.read = true
			s.program.send(ctx, &draft{to: to, raw: s.resent(m, to, how == "resend")})
			continue
		}
		d := &draft{to: to, from: s.vars["from"], hasSubject: true, subject: "Fwd: " + decodeHeader(m.field("Subject"))}
		d.body = s.original(m, showAll)
		if how == "Forward" {
			d.record, _, _ = strings.Cut(addressOf(to[0]), "@")
		}
		m.read = true
		s.letter(ctx, d)
	}
}

// resent is a message with the fields that tell that it was sent again.
func (s *session) resent(m *message, to []string, mark bool) []byte {
	var b bytes.Buffer
	if mark {
		fmt.Fprintf(&b, "Resent-Date: %s\n", s.date2822())
		if from := s.vars["from"]; from != "" {
			fmt.Fprintf(&b, "Resent-From: %s\n", from)
		}
		fmt.Fprintf(&b, "Resent-To: %s\n", strings.Join(to, ", "))
	}
	for _, f := range m.fields() {
		if name := strings.ToLower(f.name); name != "status" && name != "x-status" {
			fmt.Fprintf(&b, "%s: %s\n", f.name, f.value)
		}
	}
	b.Write(bytes.TrimSuffix(m.body, []byte("\n")))
	return b.Bytes()
}

// original is a message as it is put into another.
func (s *session) original(m *message, how fullness) string {
	var b strings.Builder
	b.WriteString("-------- Original Message --------\n")
	for _, f := range m.fields() {
		if how != showAll && !s.shown[strings.ToLower(f.name)] {
			continue
		}
		value := unfold(f.value)
		if strings.EqualFold(f.name, "received") {
			value = strings.Join(strings.Fields(value), " ")
		}
		fmt.Fprintf(&b, "%s: %s\n", f.name, s.visible(decodeHeader(value)))
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
		m.read, m.touched = true, true
		text, changed := s.editText(ctx, editor, string(m.header)+string(m.body))
		if changed {
			again := parseMessage(append(append([]byte(nil), m.from...), text...))
			m.header, m.body = again.header, again.body
		}
	}
}
