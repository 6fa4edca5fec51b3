package mailx

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"enshu/sim/mailx/format"
	"enshu/sim/mailx/mbox"
)

// reply answers a message; all adds its other recipients, and record keeps a
// copy in a folder named after the first one.
func (s *session) reply(ctx context.Context, i int, all, record bool) {
	m := s.msgs[i]
	s.setDot(i)
	s.seen = true
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
		others := &d.to
		if s.isSet("recipients-in-cc") {
			others = &d.cc
		}
		for _, f := range []struct {
			name string
			list *[]string
		}{{"To", others}, {"Cc", &d.cc}} {
			for _, a := range format.SplitAddresses(m.Field(f.name)) {
				if format.AddressOf(a) != s.user.Name || s.isSet("metoo") {
					*f.list = append(*f.list, a)
				}
			}
		}
	}
	if !s.isSet("fullnames") {
		for _, list := range [][]string{d.to, d.cc} {
			for k := range list {
				list[k] = format.AddressOf(list[k])
			}
		}
	}
	if record && len(d.to) > 0 {
		d.record, _, _ = strings.Cut(format.AddressOf(d.to[0]), "@")
	}
	m.Read, m.Touched = true, true
	if s.isSet("quote") {
		d.body = fmt.Sprintf("%s wrote:\n\n", strings.Join(format.SplitAddresses(format.DecodeHeader(m.Field("From"))), ", ")) +
			indent(strings.TrimRight(s.text(m), "\n")+"\n", s.vars["indentprefix"])
	}
	if s.letter(ctx, d, 0) {
		m.Answered = s.isSet("markanswered")
	}
}

// text is the text of a message without its header.
func (s *session) text(m *mbox.Message) string {
	var b bytes.Buffer
	s.body(&b, m, false)
	return strings.TrimPrefix(b.String(), "\n")
}

// letter composes a draft and sends it, after some interrupts already. It
// reports whether it went.
func (s *session) letter(ctx context.Context, d *draft, interrupts int) (sent bool) {
	s.session = s
	defer func() {
		s.session = nil
		if !sent {
			s.failed = exSend
		}
	}()
	if s.tty {
		switch s.compose(ctx, d, true, interrupts) {
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
	interrupts := 0
	if len(d.to) == 0 && s.tty {
		for text := ""; ctx.Err() == nil; {
			line, ok := s.prompt(ctx, "To: "+text)
			if !ok {
				s.interrupted()
				s.warnOfInterrupt()
				interrupts = 1
				break
			}
			text = strings.TrimSpace(text + line)
			d.to = addressWords(text)
			at := slices.IndexFunc(d.to, func(a string) bool { return s.check(a) != "" })
			if at < 0 || s.ended {
				break
			}
			s.complain("%s", s.check(d.to[at]))
			s.hint()
		}
	}
	s.letter(ctx, d, interrupts)
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
		s.seen, m.Touched = true, true
		if how == "resend" || how == "Resend" {
			m.Read = true
			s.program.send(ctx, &draft{to: to, raw: s.resent(m, to, how == "resend")})
			continue
		}
		d := &draft{to: to, from: s.vars["from"], hasSubject: true, subject: "Fwd: " + format.DecodeHeader(m.Field("Subject"))}
		m.Read = true
		d.body = s.original(m, showAll)
		if how == "Forward" {
			d.record, _, _ = strings.Cut(format.AddressOf(to[0]), "@")
		}
		s.letter(ctx, d, 0)
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
