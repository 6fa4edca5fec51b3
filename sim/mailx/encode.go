package mailx

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"enshu/sim/libc"
)

func (m *program) date2822() string {
	return libc.LocalTime(m.p).Format("Mon, 02 Jan 2006 15:04:05 -0700")
}

// charsetOf is what the program calls the characters of a text.
func charsetOf(s string) string {
	if ascii(s) {
		return "us-ascii"
	}
	return "utf-8"
}

// encode writes the header and the body as they go to sendmail(1).
func (m *program) encode(d *draft) (head []byte, body string) {
	var h strings.Builder
	fmt.Fprintf(&h, "Date: %s\n", m.date2822())
	from := d.from
	name, named := m.vars["hostname"], m.isSet("hostname")
	if from == "" && name != "" {
		from = m.user.Name + "@" + name
	}
	if from != "" {
		h.WriteString(addressLine("From", []string{from}))
	}
	if sender := m.vars["sender"]; sender != "" {
		h.WriteString(addressLine("Sender", []string{sender}))
	}
	h.WriteString(addressLine("To", d.to))
	if d.subject != "" || d.hasSubject {
		h.WriteString(encodeHeader("Subject", decodeHeader(d.subject)))
	}
	h.WriteString(addressLine("Cc", d.cc))
	if from != "" && !m.isSet("stealthmua") {
		id := m.random() + "%" + addressOf(from)
		if named {
			if name == "" {
				name = m.hostname()
			}
			id = m.random() + m.random()[:3] + "@" + name
		}
		fmt.Fprintf(&h, "Message-ID: <%s.%s>\n", libc.LocalTime(m.p).UTC().Format("20060102150405"), id)
	}
	if d.replyTo != "" {
		h.WriteString(addressLine("Reply-To", splitAddresses(d.replyTo)))
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
		h.WriteString(encodeHeader(name, strings.TrimSpace(value)))
	}
	if len(d.attachments) > 0 {
		return m.multipart(&h, d)
	}
	kind := d.kind
	if kind == "" {
		kind = "text/plain"
	}
	text, encoding, kind := m.transfer(d.body, kind)
	if encoding != "" || !ascii(h.String()) || d.kind != "" || strings.Contains(h.String(), "=?") {
		h.WriteString("MIME-Version: 1.0\n")
		writeKind(&h, kind, d.body, encoding)
	}
	return []byte(h.String()), text
}

// writeKind writes the fields of a part about its content.
func writeKind(h *strings.Builder, kind, text, encoding string) {
	if kind == binaryKind {
		fmt.Fprintf(h, "Content-Type: %s\n", kind)
	} else {
		fmt.Fprintf(h, "Content-Type: %s; charset=%s\n", kind, charsetOf(text))
	}
	if encoding != "" {
		fmt.Fprintf(h, "Content-Transfer-Encoding: %s\n", encoding)
	}
}

const binaryKind = "application/octet-stream"

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
		return encodeBase64(text), "base64", binaryKind
	case !needsQP(text):
		return text, "", kind
	case want == "base64", want == "b64":
		return encodeBase64(text), "base64", kind
	case (want == "8bit" || want == "8b") && !ascii(text):
		return text, "8bit", kind
	}
	return encodeQP(text), "quoted-printable", kind
}

// encodeBase64 encodes in lines of 76 characters.
func encodeBase64(s string) string {
	var b strings.Builder
	enc := base64.StdEncoding.EncodeToString([]byte(s))
	for len(enc) > 76 {
		b.WriteString(enc[:76] + "\n")
		enc = enc[76:]
	}
	return b.String() + enc + "\n"
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

// kinds are media types by the ending of a file's name (mime.types(5)).
var kinds = map[string]string{"txt": "text/plain", "html": "text/html", "htm": "text/html", "csv": "text/csv", "css": "text/css", "xml": "application/xml",
	"c": "text/x-csrc", "h": "text/x-chdr", "py": "text/x-python", "sh": "application/x-sh", "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg",
	"gif": "image/gif", "gz": "application/gzip", "zip": "application/zip", "tar": "application/x-tar", "pdf": "application/pdf", "json": "application/json",
	"js": "application/javascript", "md": "text/markdown", "ps": "application/postscript", "tex": "text/x-tex", "diff": "text/x-diff", "patch": "text/x-diff"}

// multipart writes a message with attachments.
func (m *program) multipart(h *strings.Builder, d *draft) ([]byte, string) {
	boundary := "=-=" + m.random() + m.random() + m.random() + m.random() + m.random() + m.random() + m.random() + m.random()[:1] + "=-="
	fmt.Fprintf(h, "MIME-Version: 1.0\nContent-Type: multipart/mixed;\n boundary=\"%s\"\n", boundary)
	var b strings.Builder
	b.WriteString("This is a multi-part message in MIME format.\n\n")
	if d.body != "" {
		text, encoding, kind := m.transfer(d.body, "text/plain")
		fmt.Fprintf(&b, "--%s\n", boundary)
		writeKind(&b, kind, d.body, encoding)
		fmt.Fprintf(&b, "Content-Disposition: inline\n\n%s\n", text)
	}
	for _, a := range d.attachments {
		data, _ := libc.ReadFile(m.p, libc.Abs(m.p, m.path(a)))
		name := path.Base(a)
		kind := kinds[strings.TrimPrefix(path.Ext(name), ".")]
		known := kind != ""
		if !known {
			kind = "text/plain"
		}
		text, encoding, found := m.transfer(string(data), kind)
		if found == binaryKind && known && kind != "text/plain" {
			found = kind
		}
		fmt.Fprintf(&b, "--%s\n", boundary)
		if encoding == "base64" && !utf8.Valid(data) || bytes.Contains(data, []byte{0}) {
			fmt.Fprintf(&b, "Content-Type: %s\nContent-Transfer-Encoding: base64\n", found)
		} else {
			writeKind(&b, found, string(data), encoding)
		}
		fmt.Fprintf(&b, "Content-Disposition: attachment; %s\n\n%s\n", fileName(name), text)
	}
	fmt.Fprintf(&b, "--%s--\n", boundary)
	return []byte(h.String()), b.String()
}

// fileName is the parameter filename (RFC 2231 when it is not ASCII).
func fileName(name string) string {
	if ascii(name) {
		return `filename="` + name + `"`
	}
	return "filename*=utf-8''" + url.PathEscape(name)
}
