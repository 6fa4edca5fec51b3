package mailx

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"enshu/sim/host"
	"enshu/sim/libc"
)

// draft is a message that is being written.
type draft struct {
	to, cc, bcc           []string
	subject               string
	hasSubject            bool
	inReplyTo, references string
	from                  string
	extra                 []string // header lines of a -t template
	body                  string
	attachments           []string
}

// sendMode composes and sends one message and returns the exit status.
func (m *program) sendMode(ctx context.Context, to []string) int {
	d := &draft{to: to, cc: m.cc, bcc: m.bcc, subject: m.subject, hasSubject: m.hasSubject, from: m.vars["from"], attachments: m.attachments}
	for _, a := range d.attachments {
		if _, err := m.p.Sys.Stat(libc.Abs(m.p, a)); err != nil {
			fmt.Fprintf(m.p.Stderr, "s-nail: Failed to access attachment %s: %s\n", a, strerror(err))
			return 1
		}
	}
	if m.fromHeader {
		data, _ := io.ReadAll(m.in)
		m.template(d, string(data))
	} else if m.tty {
		switch m.compose(ctx, d) {
		case composeNo:
			return exSend
		case composeSave:
			m.dead(d.body, nil)
			return exSend
		case composeQuiet:
			return exSend
		}
	} else {
		data, _ := io.ReadAll(m.in)
		d.body = string(data)
		if d.body == "" && m.skipEmpty {
			return 0
		}
	}
	return m.send(ctx, d)
}

// template takes the headers of a -t message.
func (m *program) template(d *draft, text string) {
	msg := parseMessage([]byte(text))
	for _, f := range msg.fields() {
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
		default:
			d.extra = append(d.extra, f.name+": "+f.value)
		}
	}
	d.body = strings.TrimPrefix(string(msg.body), "\n")
}

// What compose led to.
const (
	composeSend = iota
	composeNo
	composeSave
	composeQuiet
)

// readLine reads a line of input; ok is false at its end.
func (m *program) readLine() (line string, ok bool) {
	text, err := m.in.ReadString('\n')
	if err != nil && text == "" {
		return "", false
	}
	return strings.TrimSuffix(text, "\n"), true
}

func (m *program) head(d *draft) {
	fmt.Fprintf(m.p.Stdout, "To: %s\n", strings.Join(d.to, ", "))
	if d.subject != "" {
		fmt.Fprintf(m.p.Stdout, "Subject: %s\n", d.subject)
	}
	if len(d.cc) > 0 {
		fmt.Fprintf(m.p.Stdout, "Cc: %s\n", strings.Join(d.cc, ", "))
	}
	if len(d.bcc) > 0 {
		fmt.Fprintf(m.p.Stdout, "Bcc: %s\n", strings.Join(d.bcc, ", "))
	}
}

// compose reads a message from the terminal.
func (m *program) compose(ctx context.Context, d *draft) int {
	w := m.p.Stdout
	if !d.hasSubject {
		fmt.Fprint(w, "Subject: ")
		line, ok := m.readLine()
		if !ok {
			fmt.Fprintln(w)
		}
		d.subject = line
		fmt.Fprintf(w, "To: %s\n", strings.Join(d.to, ", "))
	} else {
		m.head(d)
		fmt.Fprintln(w)
		if d.body != "" {
			io.WriteString(w, d.body)
		}
	}
	for {
		if end := m.input(ctx, d); end != composeSend {
			return end
		}
		fmt.Fprint(w, "-------\n(Preliminary) Envelope contains:\n")
		m.head(d)
		if d.inReplyTo != "" {
			fmt.Fprintf(w, "In-Reply-To: %s\n", d.inReplyTo)
		}
		again := false
		for !again {
			fmt.Fprint(w, "Send this message [yes/no, empty: recompose]? ")
			line, ok := m.readLine()
			switch answer := strings.ToLower(strings.TrimSpace(line)); {
			case answer == "y" || answer == "yes":
				return composeSend
			case answer == "n" || answer == "no":
				fmt.Fprintln(m.p.Stderr, "s-nail: Failed to prepare composed message")
				return composeNo
			case answer == "" || !ok:
				fmt.Fprintln(w, "(continue)")
				again = true
			}
		}
	}
}

// input reads body lines up to the end of input, obeying tilde escapes.
func (m *program) input(ctx context.Context, d *draft) int {
	w := m.p.Stdout
	for {
		line, ok := m.readLine()
		if !ok {
			if m.tty {
				fmt.Fprintln(w, "^D")
			}
			return composeSend
		}
		if line == "." && m.isSet("dot") {
			return composeSend
		}
		if !strings.HasPrefix(line, "~") {
			d.body += line + "\n"
			continue
		}
		if strings.HasPrefix(line, "~~") {
			d.body += line[1:] + "\n"
			continue
		}
		verb, arg, _ := strings.Cut(line[1:], " ")
		arg = strings.TrimSpace(arg)
		switch verb {
		case ".":
			return composeSend
		case "q":
			return composeSave
		case "x":
			return composeQuiet
		case "s":
			d.subject, d.hasSubject = arg, true
		case "t":
			d.to = append(d.to, splitAddresses(arg)...)
		case "c":
			d.cc = append(d.cc, splitAddresses(arg)...)
		case "b":
			d.bcc = append(d.bcc, splitAddresses(arg)...)
		case "p":
			fmt.Fprint(w, "-------\nMessage contains:\n")
			m.head(d)
			fmt.Fprintf(w, "\n%s", d.body)
		case "r", "<":
			data, err := libc.ReadFile(m.p, libc.Abs(m.p, arg))
			if err != nil {
				m.complain("%s: %s", arg, strerror(err))
				continue
			}
			d.body += string(data)
			fmt.Fprintf(w, "%s %d/%d\n", arg, bytes.Count(data, []byte("\n")), len(data))
		default:
			if strings.HasPrefix(verb, "!") {
				m.shell(ctx, strings.TrimPrefix(line, "~!"))
				fmt.Fprintln(w, "!")
				continue
			}
			m.complain("Unknown command escape: `%s'", line)
		}
	}
}

// shell runs a command as the user's shell would.
func (m *program) shell(ctx context.Context, command string) {
	shell := m.p.Getenv("SHELL")
	if shell == "" {
		shell = "/bin/sh"
	}
	m.p.Exec(ctx, shell, "-c", command)
}

// strerror is the error text of s-nail's own table.
func strerror(err error) string {
	if errors.Is(err, syscall.ENOENT) {
		return "No such entry, file or directory"
	}
	return libc.Strerror(err)
}

// addressOf takes the address out of "Name <address>".
func addressOf(s string) string {
	if open := strings.IndexByte(s, '<'); open >= 0 {
		if end := strings.IndexByte(s[open:], '>'); end > 0 {
			return s[open+1 : open+end]
		}
	}
	if open := strings.IndexByte(s, '('); open > 0 {
		s = s[:open]
	}
	return strings.TrimSpace(s)
}

// nameOf takes the display name out of an address, "" when there is none.
func nameOf(s string) string {
	if open := strings.IndexByte(s, '<'); open > 0 {
		return strings.Trim(strings.TrimSpace(s[:open]), "\"")
	}
	if open := strings.IndexByte(s, '('); open >= 0 {
		if end := strings.IndexByte(s[open:], ')'); end > 0 {
			return s[open+1 : open+end]
		}
	}
	return ""
}

// splitAddresses splits a list at commas outside of quotes and brackets.
func splitAddresses(s string) []string {
	var out []string
	depth, quoted, start := 0, false, 0
	for i := 0; i <= len(s); i++ {
		if i == len(s) || s[i] == ',' && depth == 0 && !quoted {
			if item := strings.TrimSpace(s[start:i]); item != "" {
				out = append(out, item)
			}
			start = i + 1
			continue
		}
		switch s[i] {
		case '"':
			quoted = !quoted
		case '<', '(':
			depth++
		case '>', ')':
			depth--
		}
	}
	return out
}

// check says what is wrong with a recipient, "" when nothing.
func (m *program) check(raw string) string {
	a := addressOf(raw)
	quoted := strings.Contains(a, "\"")
	for i := 0; i < len(a) && !quoted; i++ {
		if c := a[i]; c == ' ' || c == ',' || c == ';' || c == '\t' {
			shown := a
			if strings.Contains(a, " ") {
				shown = "'" + a + "'"
			}
			return fmt.Sprintf("%s contains invalid byte '%c'", shown, c)
		}
	}
	if strings.HasPrefix(a, "/") || strings.HasPrefix(a, "./") || strings.HasPrefix(a, "|") || strings.HasPrefix(a, "-") {
		return fmt.Sprintf("%s: *expandaddr* does not allow file target", a)
	}
	if !strings.Contains(a, "@") && !quoted {
		for i := 0; i < len(a); i++ {
			c := a[i]
			if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_-.#:", c) >= 0 || c >= 0x80) {
				return fmt.Sprintf("%s is an invalid alias name", a)
			}
		}
	}
	return ""
}

// expand replaces aliases.
func (m *program) expand(list []string, depth int) []string {
	var out []string
	for _, a := range list {
		if members, ok := m.alias[a]; ok && depth < 25 {
			out = append(out, m.expand(members, depth+1)...)
			continue
		}
		out = append(out, a)
	}
	return out
}

// send checks, encodes and submits a message.
func (m *program) send(ctx context.Context, d *draft) int {
	d.to, d.cc, d.bcc = m.expand(d.to, 0), m.expand(d.cc, 0), m.expand(d.bcc, 0)
	bad := false
	for _, list := range []*[]string{&d.to, &d.cc, &d.bcc} {
		var kept []string
		for _, a := range *list {
			if problem := m.check(a); problem != "" {
				fmt.Fprintf(m.p.Stderr, "s-nail: %s\n", problem)
				bad = true
				continue
			}
			kept = append(kept, a)
		}
		*list = kept
	}
	if bad {
		fmt.Fprintln(m.p.Stderr, "s-nail: No recipients specified")
		m.dead(d.body, nil)
		fmt.Fprintln(m.p.Stderr, "s-nail: ... message not sent")
		return exSend
	}
	if d.body == "" && len(d.attachments) == 0 {
		if d.subject == "" {
			fmt.Fprintln(m.p.Stderr, "s-nail: No message, no subject; hope that's ok")
		} else {
			fmt.Fprintln(m.p.Stderr, "s-nail: Null message body; hope that's ok")
		}
	}
	locale := m.p.Getenv("LC_ALL")
	if locale == "" {
		locale = m.p.Getenv("LC_CTYPE")
	}
	if locale == "" {
		locale = m.p.Getenv("LANG")
	}
	utf := strings.Contains(strings.ToUpper(locale), "UTF")
	if !ascii(d.body) && (!utf || !utf8.ValidString(d.body)) || !ascii(d.subject) && !utf {
		fmt.Fprintln(m.p.Stderr, "s-nail: Cannot find a usable character set to encode message: No such entry, file or directory")
		m.dead(d.body, nil)
		fmt.Fprintln(m.p.Stderr, "s-nail: ... message not sent")
		return exSend
	}
	head, body := m.encode(d)
	mta := m.vars["mta"]
	if mta == "" {
		mta = "/usr/sbin/sendmail"
	}
	args := []string{mta, "-i"}
	if d.from != "" {
		args = append(args, "-f", addressOf(d.from))
	}
	args = append(args, "--")
	for _, list := range [][]string{d.to, d.cc, d.bcc} {
		for _, a := range list {
			args = append(args, addressOf(a))
		}
	}
	if !libc.Exists(m.p, mta) {
		fmt.Fprintf(m.p.Stderr, "s-nail: Cannot start %s: executable not found (adjust *mta* variable)\n", mta)
		m.dead(body, head)
		fmt.Fprintln(m.p.Stderr, "s-nail: ... message not sent")
		return exSend
	}
	child, err := m.p.Start(host.Cmd{Path: mta, Args: append([]string{"sendmail"}, args[1:]...), Stdin: strings.NewReader(string(head) + "\n" + body), Stdout: m.p.Stdout, Stderr: m.p.Stderr})
	ok := false
	if err == nil {
		st, werr := child.Wait(ctx)
		ok = werr == nil && st.Success()
	}
	if !ok {
		m.dead(body, head)
		fmt.Fprintln(m.p.Stderr, "s-nail: ... message not sent")
		return exSend
	}
	return 0
}

// dead appends to dead.letter what could not be sent.
func (m *program) dead(body string, head []byte) {
	file := m.home + "/dead.letter"
	var b bytes.Buffer
	fmt.Fprintf(&b, "From %s %s\n", m.user.Name, libc.LocalTime(m.p).Format(time.ANSIC))
	if head != nil {
		b.Write(head)
		b.WriteByte('\n')
	}
	b.WriteString(body)
	if !strings.HasSuffix(body, "\n") && body != "" {
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	if err := libc.AppendFile(m.p, file, b.Bytes(), 0o600); err != nil {
		return
	}
	fmt.Fprintf(m.p.Stdout, "%s %d/%d\n", file, bytes.Count(b.Bytes(), []byte("\n")), b.Len())
}

// addressLine writes an address header, folded after 70 or so columns.
func addressLine(name string, list []string) string {
	if len(list) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(name + ":")
	col := len(name) + 1
	for i, a := range list {
		word := a
		if !ascii(nameOf(a)) {
			word = strings.TrimSuffix(strings.TrimPrefix(encodeHeader("", nameOf(a)), ": "), "\n") + " <" + addressOf(a) + ">"
		}
		if i < len(list)-1 {
			word += ","
		}
		if i > 0 && col+1+len(word) > 72 {
			b.WriteString("\n ")
			col = 1
		} else {
			b.WriteByte(' ')
			col++
		}
		b.WriteString(word)
		col += len(word)
	}
	b.WriteByte('\n')
	return b.String()
}

// encode writes the header and the body as they go to sendmail(1).
func (m *program) encode(d *draft) (head []byte, body string) {
	var h strings.Builder
	now := libc.LocalTime(m.p)
	fmt.Fprintf(&h, "Date: %s\n", now.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	if d.from != "" {
		h.WriteString("From: " + d.from + "\n")
	}
	h.WriteString(addressLine("To", d.to))
	if d.subject != "" {
		h.WriteString(encodeHeader("Subject", d.subject))
	}
	h.WriteString(addressLine("Cc", d.cc))
	h.WriteString(addressLine("Bcc", d.bcc))
	for _, line := range d.extra {
		h.WriteString(line + "\n")
	}
	if d.from != "" {
		user, domain, _ := strings.Cut(addressOf(d.from), "@")
		fmt.Fprintf(&h, "Message-ID: <%s.%s%%%s@%s>\n", now.UTC().Format("20060102150405"), m.random(), user, domain)
	}
	if d.inReplyTo != "" {
		fmt.Fprintf(&h, "In-Reply-To: %s\n", d.inReplyTo)
	}
	if d.references != "" {
		fmt.Fprintf(&h, "References: %s\n", d.references)
	}
	fmt.Fprintf(&h, "User-Agent: s-nail %s\n", version)
	charset := func(s string) string {
		if ascii(s) {
			return "us-ascii"
		}
		return "utf-8"
	}
	if len(d.attachments) > 0 {
		return m.multipart(&h, d, charset)
	}
	qp := needsQP(d.body)
	body = d.body
	if qp {
		body = encodeQP(d.body)
	}
	if qp || !ascii(d.subject) {
		fmt.Fprintf(&h, "MIME-Version: 1.0\nContent-Type: text/plain; charset=%s\n", charset(d.body))
		if qp {
			h.WriteString("Content-Transfer-Encoding: quoted-printable\n")
		}
	}
	return []byte(h.String()), body
}

// random returns five characters for ids and boundaries.
func (m *program) random() string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
	b := make([]byte, 5)
	for i := range b {
		b[i] = letters[m.p.Rand().IntN(len(letters))]
	}
	return string(b)
}

// multipart writes a message with attachments.
func (m *program) multipart(h *strings.Builder, d *draft, charset func(string) string) ([]byte, string) {
	boundary := "=-=" + m.random() + m.random() + m.random() + m.random() + "=-="
	fmt.Fprintf(h, "MIME-Version: 1.0\nContent-Type: multipart/mixed;\n boundary=\"%s\"\n", boundary)
	var b strings.Builder
	b.WriteString("This is a multi-part message in MIME format.\n\n")
	text := d.body
	fmt.Fprintf(&b, "--%s\nContent-Type: text/plain; charset=%s\n", boundary, charset(text))
	if needsQP(text) {
		b.WriteString("Content-Transfer-Encoding: quoted-printable\n")
		text = encodeQP(text)
	}
	fmt.Fprintf(&b, "Content-Disposition: inline\n\n%s\n", text)
	for _, a := range d.attachments {
		data, _ := libc.ReadFile(m.p, libc.Abs(m.p, a))
		fmt.Fprintf(&b, "--%s\n", boundary)
		name := path.Base(a)
		if utf8.Valid(data) && !bytes.ContainsAny(data, "\x00") {
			text := string(data)
			fmt.Fprintf(&b, "Content-Type: text/plain; charset=%s\n", charset(text))
			if needsQP(text) {
				b.WriteString("Content-Transfer-Encoding: quoted-printable\n")
				text = encodeQP(text)
			}
			fmt.Fprintf(&b, "Content-Disposition: attachment; filename=\"%s\"\n\n%s\n", name, text)
			continue
		}
		fmt.Fprintf(&b, "Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment; filename=\"%s\"\n\n", name)
		enc := base64.StdEncoding.EncodeToString(data)
		for len(enc) > 76 {
			b.WriteString(enc[:76] + "\n")
			enc = enc[76:]
		}
		b.WriteString(enc + "\n\n")
	}
	fmt.Fprintf(&b, "--%s--\n", boundary)
	return []byte(h.String()), b.String()
}
