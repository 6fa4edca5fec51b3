package mailx

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"enshu/sim/libc"
	"enshu/sim/mailx/format"
)

func (m *program) date2822() string {
	return libc.LocalTime(m.p).Format("Mon, 02 Jan 2006 15:04:05 -0700")
}

// encode writes the header and the body as they go to sendmail(1).
func (m *program) encode(d *draft) (head []byte, body string) {
	var h strings.Builder
	fmt.Fprintf(&h, "Date: %s\n", m.date2822())
	from := d.from
	if name := m.vars["hostname"]; from == "" && name != "" {
		from = m.user.Name + "@" + name
	}
	if from != "" {
		h.WriteString(format.AddressLine("From", []string{from}))
	}
	if sender := m.vars["sender"]; sender != "" {
		h.WriteString(format.AddressLine("Sender", []string{sender}))
	}
	h.WriteString(format.AddressLine("To", d.to))
	if d.subject != "" || d.hasSubject {
		h.WriteString(format.EncodeHeader("Subject", format.DecodeHeader(d.subject)))
	}
	h.WriteString(format.AddressLine("Cc", d.cc))
	h.WriteString(m.idLine("Message-ID", from))
	if d.replyTo != "" {
		h.WriteString(format.AddressLine("Reply-To", format.SplitAddresses(d.replyTo)))
	}
	if d.inReplyTo != "" {
		fmt.Fprintf(&h, "In-Reply-To: %s\n", d.inReplyTo)
	}
	if d.references != "" {
		fmt.Fprintf(&h, "References: %s\n", d.references)
	}
	if !m.isSet("stealthmua") {
		fmt.Fprintf(&h, "User-Agent: s-nail %s\n", version)
	}
	for _, line := range d.extra {
		name, value, _ := strings.Cut(line, ":")
		h.WriteString(format.EncodeHeader(name, strings.TrimSpace(value)))
	}
	if len(d.attachments) > 0 {
		return m.multipart(&h, d, from)
	}
	kind := d.kind
	if kind == "" {
		kind = "text/plain"
	}
	text, encoding, kind := m.transfer(d.body, kind)
	if encoding != "" || !format.ASCII(h.String()) || d.kind != "" || strings.Contains(h.String(), "=?") {
		h.WriteString("MIME-Version: 1.0\n")
		writeKind(&h, kind, d.body, encoding)
	}
	return []byte(h.String()), text
}

// idLine is a field with a new id: of the variable hostname, or of the sender.
// Without either there is none.
func (m *program) idLine(field, from string) string {
	if from == "" || m.isSet("stealthmua") {
		return ""
	}
	id := m.random() + "%" + format.AddressOf(from)
	if m.isSet("hostname") {
		name := m.vars["hostname"]
		if name == "" {
			name = m.hostname()
		}
		id = m.random() + m.random()[:3] + "@" + name
	}
	return fmt.Sprintf("%s: <%s.%s>\n", field, libc.LocalTime(m.p).UTC().Format("20060102150405"), id)
}

// writeKind writes the fields of a part about its content.
func writeKind(h *strings.Builder, kind, text, encoding string) {
	if kind == format.BinaryKind {
		fmt.Fprintf(h, "Content-Type: %s\n", kind)
	} else {
		fmt.Fprintf(h, "Content-Type: %s; charset=%s\n", kind, format.CharsetOf(text))
	}
	if encoding != "" {
		fmt.Fprintf(h, "Content-Transfer-Encoding: %s\n", encoding)
	}
}

// transfer encodes a text for the way. Text with NUL bytes is binary data.
func (m *program) transfer(text, kind string) (out, encoding, newKind string) {
	want := m.vars["mime-encoding"]
	if want == "" {
		want = m.vars["encoding"]
	}
	want = strings.ToLower(want)
	if !slices.Contains([]string{"", "8bit", "8b", "quoted-printable", "qp", "base64", "b64"}, want) {
		m.complain("Warning: invalid *mime-encoding*, using Base64: %s", want)
		want = "base64"
	}
	switch {
	case strings.Contains(text, "\x00") || !utf8.ValidString(text):
		return format.EncodeBase64(text), "base64", format.BinaryKind
	case !format.NeedsQP(text):
		return text, "", kind
	case want == "base64", want == "b64":
		return format.EncodeBase64(text), "base64", kind
	case (want == "8bit" || want == "8b") && !format.ASCII(text):
		return text, "8bit", kind
	}
	return format.EncodeQP(text), "quoted-printable", kind
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
func (m *program) multipart(h *strings.Builder, d *draft, from string) ([]byte, string) {
	boundary := "=-=" + m.random() + m.random() + m.random() + m.random() + m.random() + m.random() + m.random() + m.random()[:1] + "=-="
	fmt.Fprintf(h, "MIME-Version: 1.0\nContent-Type: multipart/mixed;\n boundary=\"%s\"\n", boundary)
	var b strings.Builder
	b.WriteString("This is a multi-part message in MIME format.\n\n")
	if d.body != "" {
		text, encoding, kind := m.transfer(d.body, "text/plain")
		fmt.Fprintf(&b, "--%s\n", boundary)
		writeKind(&b, kind, d.body, encoding)
		fmt.Fprintf(&b, "Content-Disposition: inline\n%s\n%s\n", m.idLine("Content-ID", from), text)
	}
	for _, a := range d.attachments {
		data, _ := libc.ReadFile(m.p, libc.Abs(m.p, m.path(a)))
		name := path.Base(a)
		kind := format.KindOf(name)
		known := kind != ""
		if !known {
			kind = "text/plain"
		}
		text, encoding, found := m.transfer(string(data), kind)
		if found == format.BinaryKind && known && kind != "text/plain" {
			found = kind
		}
		fmt.Fprintf(&b, "--%s\n", boundary)
		if encoding == "base64" && !utf8.Valid(data) || bytes.Contains(data, []byte{0}) {
			fmt.Fprintf(&b, "Content-Type: %s\nContent-Transfer-Encoding: base64\n", found)
		} else {
			writeKind(&b, found, string(data), encoding)
		}
		fmt.Fprintf(&b, "Content-Disposition: attachment; %s\n%s\n%s\n", format.FileName(name), m.idLine("Content-ID", from), text)
	}
	fmt.Fprintf(&b, "--%s--\n", boundary)
	return []byte(h.String()), b.String()
}
