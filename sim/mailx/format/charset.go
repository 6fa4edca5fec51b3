package format

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"strings"
	"unicode/utf8"

	"enshu/sim/libc"
)

// ASCII reports whether a text has no other characters.
func ASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// Widths: the first line of a header field has at most firstWidth columns, the
// others lineWidth; an encoded word has at most encodedWidth characters, and an
// ASCII word of more than plainWidth becomes one.
const (
	firstWidth   = 69
	lineWidth    = 76
	encodedWidth = 75
	plainWidth   = 78
)

// EncodeHeader writes a header field. Words that are not ASCII become encoded
// words (RFC 2047), with the blanks between two of them; the line is folded at
// blanks.
func EncodeHeader(name, value string) string {
	var b strings.Builder
	b.WriteString(name + ":")
	column, limit := len(name)+1, firstWidth
	put := func(blanks, word string) {
		if column+len(blanks)+len(word) > limit && word != "" {
			if column == len(name)+1 {
				b.WriteByte(' ')
			}
			b.WriteString("\n ")
			blanks, column, limit = "", 1, lineWidth
		}
		b.WriteString(blanks + word)
		column += len(blanks) + len(word)
	}
	last := false // the word before is an encoded one
	for i, rest := 0, " "+value; rest != ""; i++ {
		n := len(rest) - len(strings.TrimLeft(rest, " "))
		blanks, word := rest[:n], rest[n:]
		if end := strings.IndexByte(word, ' '); end >= 0 {
			word = word[:end]
		}
		rest = rest[n+len(word):]
		if ASCII(word) && len(word) <= plainWidth {
			put(blanks, word)
			last = false
			continue
		}
		if last {
			blanks, word = " ", blanks+word
		}
		for _, w := range encodedWords(word) {
			put(blanks, w)
			blanks = " "
		}
		last = true
	}
	return b.String() + "\n"
}

// encodedWords encodes a text in as few words as it takes, in base64 or, when
// that is shorter, in the encoding Q.
func encodedWords(text string) (words []string) {
	head := "=?" + CharsetOf(text) + "?"
	room := encodedWidth - len(head) - len("B??=")
	for text != "" {
		n, quoted := 0, ""
		bytes := room / 4 * 3
		for n < len(text) {
			_, size := utf8.DecodeRuneInString(text[n:])
			q := quoted + quotedWord(text[n:n+size])
			if len(q) > room && n+size > bytes || !ASCII(text) && n+size > bytes {
				break
			}
			quoted, n = q, n+size
		}
		if enc := base64.StdEncoding.EncodeToString([]byte(text[:n])); len(quoted) < len(enc) && len(quoted) <= room {
			words = append(words, head+"Q?"+quoted+"?=")
		} else {
			words = append(words, head+"B?"+enc+"?=")
		}
		text = text[n:]
	}
	return words
}

// quotedWord is a piece of text in the encoding Q.
func quotedWord(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == ' ':
			b.WriteByte('_')
		case c > ' ' && c < 0x7f && strings.IndexByte("=?_\"(),.:;<>@[]", c) < 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "=%02X", c)
		}
	}
	return b.String()
}

// DecodeHeader turns encoded words into text.
func DecodeHeader(s string) string {
	d := mime.WordDecoder{CharsetReader: func(charset string, r io.Reader) (io.Reader, error) {
		data, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		if utf8.Valid(data) {
			return bytes.NewReader(data), nil
		}
		var b strings.Builder
		for _, c := range data { // the first 256 characters of Unicode are Latin-1
			b.WriteRune(rune(c))
		}
		return strings.NewReader(b.String()), nil
	}}
	if out, err := d.DecodeHeader(s); err == nil {
		return out
	}
	return s
}

// longLine is the length of a line, in bytes, from which a body is encoded.
const longLine = 950

// NeedsQP reports whether a body must be encoded: other than ASCII, lines that
// are too long, From_ lines, control characters, no line feed at the end.
func NeedsQP(body string) bool {
	if body == "" {
		return false
	}
	if !ASCII(body) || !strings.HasSuffix(body, "\n") {
		return true
	}
	for _, line := range strings.Split(strings.TrimSuffix(body, "\n"), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if len(line) >= longLine || strings.HasPrefix(line, "From ") {
			return true
		}
		for i := 0; i < len(line); i++ {
			if c := line[i]; c < ' ' && c != '\t' || c == 0x7f {
				return true
			}
		}
	}
	return false
}

// EncodeQP encodes a body as quoted-printable, as s-nail does it: the end of a
// line that holds a CR is part of the data.
func EncodeQP(body string) string {
	var out strings.Builder
	for _, line := range strings.SplitAfter(body, "\n") {
		if line == "" {
			continue
		}
		text, ended := strings.CutSuffix(line, "\n")
		if ended && strings.Contains(text, "\r") {
			text, ended = line, false
		}
		column := 0
		put := func(s string, last bool) {
			if column+len(s) > 75 && !(last && column+len(s) <= 76 && ended) || column+len(s) > 76 {
				out.WriteString("=\n")
				column = 0
			}
			out.WriteString(s)
			column += len(s)
		}
		for i := 0; i < len(text); i++ {
			c := text[i]
			last := i == len(text)-1
			plain := c == '\t' || c >= ' ' && c < 0x7f && c != '='
			switch {
			case i == 0 && (strings.HasPrefix(text, "From ") || text == "."):
				plain = false
			case last && (c == ' ' || c == '\t'):
				plain = false
			}
			if plain {
				put(string(c), last)
			} else {
				put(fmt.Sprintf("=%02X", c), last)
			}
		}
		if !ended {
			out.WriteString("=")
		}
		out.WriteString("\n")
	}
	return out.String()
}

// DecodeBody undoes a content transfer encoding.
func DecodeBody(encoding string, body []byte) []byte {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "quoted-printable":
		if out, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(body))); err == nil || len(out) > 0 {
			return bytes.ReplaceAll(out, []byte("\r\n"), []byte("\n"))
		}
	case "base64":
		clean := bytes.Join(bytes.Fields(body), nil)
		if out, err := base64.StdEncoding.DecodeString(string(clean)); err == nil {
			return out
		}
	}
	return body
}

// Fit cuts or pads text to a number of columns.
func Fit(s string, columns int) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		w := libc.RuneColumns(r)
		if n+w > columns {
			break
		}
		b.WriteRune(r)
		n += w
	}
	return b.String() + strings.Repeat(" ", columns-n)
}
