package mailx

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"strings"
	"unicode/utf8"
)

func ascii(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// encodeHeader writes a header field; text that is not ASCII becomes encoded
// words (RFC 2047) of at most 45 bytes, on lines of their own when one does not do.
func encodeHeader(name, value string) string {
	if ascii(value) {
		return name + ": " + value + "\n"
	}
	var words []string
	for rest := value; rest != ""; {
		n := min(len(rest), 45)
		for n < len(rest) && n > 0 && !utf8.RuneStart(rest[n]) {
			n--
		}
		if n == 0 {
			n = min(len(rest), 45)
		}
		words = append(words, "=?utf-8?B?"+base64.StdEncoding.EncodeToString([]byte(rest[:n]))+"?=")
		rest = rest[n:]
	}
	if len(words) == 1 {
		return name + ": " + words[0] + "\n"
	}
	return name + ": \n " + strings.Join(words, "\n ") + "\n"
}

// decodeHeader turns encoded words into text.
func decodeHeader(s string) string {
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

// needsQP reports whether a body must be encoded: other than ASCII, lines that
// are too long, blanks at line ends, From_ lines, no line feed at the end.
func needsQP(body string) bool {
	if body == "" {
		return false
	}
	if !ascii(body) || !strings.HasSuffix(body, "\n") {
		return true
	}
	for _, line := range strings.Split(strings.TrimSuffix(body, "\n"), "\n") {
		if len(line) > 998 || strings.HasPrefix(line, "From ") || strings.HasSuffix(line, " ") || strings.HasSuffix(line, "\t") || strings.ContainsAny(line, "\x00\r") {
			return true
		}
	}
	return false
}

// encodeQP encodes a body as quoted-printable, as s-nail does it.
func encodeQP(body string) string {
	var out strings.Builder
	lines := strings.SplitAfter(body, "\n")
	for _, line := range lines {
		if line == "" {
			continue
		}
		text, ended := strings.CutSuffix(line, "\n")
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

// decodeBody undoes a content transfer encoding.
func decodeBody(encoding string, body []byte) []byte {
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

// runeWidth is how many columns a character takes on a terminal.
func runeWidth(r rune) int {
	switch {
	case r < 0x20 || r == 0x7f:
		return 0
	case r >= 0x1100 && (r <= 0x115f || r >= 0x2e80 && r <= 0xa4cf || r >= 0xac00 && r <= 0xd7a3 || r >= 0xf900 && r <= 0xfaff ||
		r >= 0xfe30 && r <= 0xfe6f || r >= 0xff00 && r <= 0xff60 || r >= 0xffe0 && r <= 0xffe6 || r >= 0x1f300 && r <= 0x1faff || r >= 0x20000 && r <= 0x3fffd):
		return 2
	}
	return 1
}

// fit cuts or pads text to a number of columns.
func fit(s string, columns int) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		w := runeWidth(r)
		if n+w > columns {
			break
		}
		b.WriteRune(r)
		n += w
	}
	return b.String() + strings.Repeat(" ", columns-n)
}
