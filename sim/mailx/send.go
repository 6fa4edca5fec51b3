package mailx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"enshu/sim/host"
	"enshu/sim/libc"
	"enshu/sim/mailx/format"
	"enshu/sim/mailx/mbox"
)

// noEntry is s-nail's own text for ENOENT.
const noEntry = "No such entry, file or directory"

// strerror is the error text of s-nail's own table.
func strerror(err error) string {
	if errors.Is(err, syscall.ENOENT) {
		return noEntry
	}
	return libc.Strerror(err)
}

// check says what is wrong with a recipient, "" when nothing.
func (m *program) check(raw string) string {
	a := format.AddressOf(raw)
	quoted := strings.Contains(a, "\"")
	for i := 0; i < len(a) && !quoted; i++ {
		switch c := a[i]; {
		case c == ' ' || c == ',' || c == ';' || c == '\t':
			return fmt.Sprintf("%s contains invalid byte '%c'", shellQuote(a), c)
		case c >= 0x80 && !strings.Contains(a[:i], "@"):
			return fmt.Sprintf("%s contains invalid byte '\\x%02X'", shellQuote(a), c)
		}
	}
	switch {
	case strings.HasPrefix(a, "|"):
		return shellQuote(a) + ": *expandaddr* does not allow command pipe target"
	case strings.HasPrefix(a, "/") || strings.HasPrefix(a, "./") || !strings.Contains(a, "@") && strings.Contains(a, "/"):
		return a + ": *expandaddr* does not allow file target"
	case strings.HasPrefix(a, "@") || strings.HasSuffix(a, "@"):
		return a + " contains invalid '@' sequence"
	}
	if !strings.Contains(a, "@") && strings.Contains(raw, "(") && !strings.Contains(raw, "<") {
		return a + " contains invalid '@' sequence"
	}
	if !strings.Contains(a, "@") && !quoted {
		if a == "" || a[0] == '-' {
			return shellQuote(a) + " is an invalid alias name"
		}
		for i := 0; i < len(a); i++ {
			c := a[i]
			if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_-.#:!", c) >= 0) {
				return shellQuote(a) + " is an invalid alias name"
			}
		}
	}
	return ""
}

// shellQuote is a word as a shell would have to be given it.
func shellQuote(s string) string {
	switch {
	case !format.ASCII(s):
		var b strings.Builder
		for _, r := range s {
			if r < 0x80 {
				b.WriteRune(r)
			} else {
				fmt.Fprintf(&b, `\u%04X`, r)
			}
		}
		return "$'" + b.String() + "'"
	case strings.ContainsAny(s, "\t"):
		return "$'" + strings.ReplaceAll(s, "\t", `\t`) + "'"
	case strings.Contains(s, "'"):
		return "$'" + strings.ReplaceAll(s, "'", `\'`) + "'"
	case strings.ContainsAny(s, " ;|\t&<>()$`\"*"):
		return "'" + s + "'"
	}
	return s
}

// qualified completes an address in angle brackets that has no domain.
func (m *program) qualified(a string) string {
	address := format.AddressOf(a)
	if open := strings.IndexByte(a, '<'); open >= 0 && address != "" && !strings.Contains(address, "@") && strings.HasSuffix(a, ">") {
		return a[:open] + "<" + address + "@" + m.hostname() + ">"
	}
	return a
}

// maxAliasDepth bounds aliases of aliases.
const maxAliasDepth = 25

// expand replaces aliases.
func (m *program) expand(list []string, depth int) []string {
	var out []string
	for _, a := range list {
		members, ok := m.alias[a]
		switch {
		case ok && depth == maxAliasDepth:
			m.complain("alias: stopping recursion at depth %d", depth)
			out = append(out, a)
		case ok:
			out = append(out, m.expand(members, depth+1)...)
		default:
			out = append(out, a)
		}
	}
	return out
}

// recipients expands and checks the addresses of a draft. It returns those of
// the envelope, each once, and whether one was refused.
func (m *program) recipients(d *draft) (envelope []string, bad bool) {
	seen := map[string]bool{}
	for _, list := range []*[]string{&d.to, &d.cc, &d.bcc} {
		var kept []string
		for _, a := range m.expand(*list, 0) {
			if a == "<>" {
				bad = true
				continue
			}
			if a = m.qualified(a); !m.isSet("fullnames") {
				a = format.AddressOf(a)
			}
			if problem := m.check(a); problem != "" {
				m.complain("%s", problem)
				bad = true
				continue
			}
			a, address := format.InASCII(a)
			if !seen[address] {
				seen[address] = true
				envelope = append(envelope, address)
				kept = append(kept, a)
			}
		}
		*list = kept
	}
	return envelope, bad
}

// send checks, encodes and submits a message.
func (m *program) send(ctx context.Context, d *draft) int {
	for _, auto := range []struct {
		name string
		list *[]string
	}{{"autocc", &d.cc}, {"autobcc", &d.bcc}} {
		*auto.list = append(*auto.list, format.SplitAddresses(m.vars[auto.name])...)
	}
	if m.verbose > 0 && len(d.attachments) > 0 {
		m.complain("*mimetypes-load-control*: cannot open or load ~/.mime.types: %s", noEntry)
	}
	if m.verbose > 0 || m.debug {
		m.complain("P(seudo)R(andom)N(umber)G(enerator): *TLS RAND_*")
	}
	if d.body == "" && d.raw == nil {
		if d.subject == "" && !d.hasSubject {
			m.complain("No message, no subject; hope that's ok")
		} else {
			m.complain("Null message body; hope that's ok")
		}
	}
	envelope, bad := m.recipients(d)
	notSent := func(text string, head []byte) int {
		m.dead(text, head, d.bcc)
		m.complain("... message not sent")
		return exSend
	}
	if len(envelope) == 0 {
		m.complain("No recipients specified")
		return notSent(d.body, nil)
	}
	if file := m.vars["signature"]; file != "" {
		if data, err := libc.ReadFile(m.p, libc.Abs(m.p, m.path(file))); err == nil {
			d.body += string(data)
		}
	}
	if charset := strings.ToLower(m.vars["ttycharset"]); charset == "iso-8859-1" || charset == "latin1" {
		d.body = format.ToUTF8(charset, []byte(d.body))
	} else if utf := m.utf8 && charset == "" || charset == "utf-8"; !format.ASCII(d.body) && (!utf || !utf8.ValidString(d.body)) || !format.ASCII(d.subject) && !utf {
		m.complain("Cannot find a usable character set to encode message: %s", noEntry)
		return notSent(d.body, nil)
	}
	head, body := m.encode(d)
	if d.raw != nil {
		top, rest, _ := bytes.Cut(d.raw, []byte("\n\n"))
		head, body = append(top, '\n'), string(rest)
	}
	if !m.keepCopy(d, head, body) {
		return 1
	}
	if !m.submit(ctx, head, body, envelope) {
		return notSent(body, head)
	}
	if bad {
		m.dead(body, head, d.bcc)
		return exSend
	}
	return 0
}

// keepCopy puts a copy of the message into the folder of the variable record.
func (m *program) keepCopy(d *draft, head []byte, body string) bool {
	record := m.vars["record"]
	if d.record != "" {
		record = d.record
	}
	if record == "" {
		return true
	}
	file := m.path(record)
	if rest, ok := strings.CutPrefix(record, "+"); ok && m.vars["folder"] != "" {
		file = m.inFolder(rest)
	}
	if err := libc.AppendFile(m.p, libc.Abs(m.p, file), m.boxed(body, withBcc(head, d.bcc)), 0o600); err != nil {
		m.complain("%s: %s", file, strerror(err))
		m.complain("Failed to save message in %s - message not sent", file)
		m.dead(body, head, d.bcc)
		return false
	}
	return true
}

// submit gives the message to the mail system.
func (m *program) submit(ctx context.Context, head []byte, body string, envelope []string) bool {
	mta := m.vars["mta"]
	args := []string{"sendmail", "-i"}
	if m.verbose > 0 {
		args = append(args, "-v")
	}
	if m.envelope != "" {
		if m.envelopeName != "" {
			args = append(args, "-F", m.envelopeName)
		}
		args = append(args, "-f", m.envelope)
	}
	args = append(args, m.words(m.vars["mta-arguments"])...)
	args = append(append(args, "--"), envelope...)
	if m.debug {
		m.complain(">>> MTA: %s, arguments: %s", mta, strings.Join(args, " "))
		for line := range strings.Lines(string(head) + "\n" + body) {
			m.complain(">>> %s", strings.TrimSuffix(line, "\n"))
		}
		fmt.Fprintln(m.p.Stderr)
		return true
	}
	if !libc.Exists(m.p, mta) {
		m.complain("Cannot start %s: executable not found (adjust *mta* variable)", mta)
		return false
	}
	child, err := m.p.Start(host.Cmd{Path: mta, Args: args, Stdin: strings.NewReader(string(head) + "\n" + body), Stdout: m.p.Stdout, Stderr: m.p.Stderr})
	if err != nil {
		m.complain("Cannot start %s: %s", mta, strerror(err))
		return false
	}
	st, err := child.Wait(ctx)
	return err == nil && st.Success()
}

// boxed is a message as it stands in a mailbox; head is nil for a text alone.
func (m *program) boxed(body string, head []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From %s %s\n", m.user.Name, m.ctime())
	if head != nil {
		b.Write(head)
		b.WriteByte('\n')
	}
	b.WriteString(mbox.QuoteFrom(body))
	if !strings.HasSuffix(body, "\n") && body != "" {
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// withBcc is a header with the field that nobody else sees.
func withBcc(head []byte, bcc []string) []byte {
	if head == nil || len(bcc) == 0 {
		return head
	}
	at := envelopeFields.FindIndex(head)[1]
	return slices.Concat(head[:at], []byte(format.AddressLine("Bcc", bcc)), head[at:])
}

// envelopeFields are the fields before which Bcc: is written.
var envelopeFields = regexp.MustCompile(`^(?:(?:Date|From|Sender|To|Subject|Cc):.*\n(?:[ \t].*\n)*)*`)

// dead keeps in dead.letter what could not be sent, and to whom nobody was to
// know that it went.
func (m *program) dead(body string, head []byte, bcc []string) {
	if body == "" && head == nil || !m.isSet("save") {
		return
	}
	head = withBcc(head, bcc)
	file := m.path(m.vars["DEAD"])
	lines := strings.Count(body, "\n") + 2
	if head == nil { // a text alone is taken for a message without a header
		if body = strings.TrimLeft(body, "\n"); body == "" {
			lines++
		}
	}
	text := m.boxed(body, head)
	if head != nil || !strings.HasSuffix(body, "\n") && body != "" {
		lines = bytes.Count(text, []byte("\n"))
	}
	if err := libc.WriteFile(m.p, file, text, 0o600); err != nil {
		m.complain("%s: %s", file, strerror(err))
		return
	}
	fmt.Fprintf(m.p.Stdout, "%s %d/%d\n", file, lines, len(text))
}
