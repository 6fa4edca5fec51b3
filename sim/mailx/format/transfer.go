package format

import (
	"bytes"
	"encoding/base64"
	"net/url"
	"path"
	"strings"
)

// BinaryKind is the media type of data that is no text.
const BinaryKind = "application/octet-stream"

// kinds are media types by the ending of a file's name (mime.types(5)).
var kinds = map[string]string{"txt": "text/plain", "html": "text/html", "htm": "text/html", "csv": "text/csv", "css": "text/css", "xml": "application/xml",
	"c": "text/x-csrc", "h": "text/x-chdr", "py": "text/x-python", "sh": "application/x-sh", "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg",
	"gif": "image/gif", "gz": "application/gzip", "zip": "application/zip", "tar": "application/x-tar", "pdf": "application/pdf", "json": "application/json",
	"js": "application/javascript", "md": "text/markdown", "ps": "application/postscript", "tex": "text/x-tex", "diff": "text/x-diff", "patch": "text/x-diff"}

// KindOf is the media type of a file by its name, "" when that says nothing.
func KindOf(name string) string { return kinds[strings.TrimPrefix(path.Ext(name), ".")] }

// CharsetOf is what the program calls the characters of a text.
func CharsetOf(s string) string {
	if ASCII(s) {
		return "us-ascii"
	}
	return "utf-8"
}

// EncodeBase64 encodes in lines of 76 characters.
func EncodeBase64(s string) string {
	var b strings.Builder
	enc := base64.StdEncoding.EncodeToString([]byte(s))
	for len(enc) > 76 {
		b.WriteString(enc[:76] + "\n")
		enc = enc[76:]
	}
	return b.String() + enc + "\n"
}

// FileName is the parameter filename (RFC 2231 when it is not ASCII).
func FileName(name string) string {
	if ASCII(name) {
		return `filename="` + name + `"`
	}
	return "filename*=utf-8''" + url.PathEscape(name)
}

// Parameter returns a parameter of a MIME header.
func Parameter(value, name string) string {
	for _, p := range strings.Split(value, ";") {
		k, v, ok := strings.Cut(strings.TrimSpace(p), "=")
		if ok && strings.EqualFold(k, name) {
			return strings.Trim(v, "\"")
		}
	}
	return ""
}

// Parts splits a multipart body.
func Parts(body []byte, boundary string) [][]byte {
	var out [][]byte
	if boundary == "" {
		return nil
	}
	pieces := bytes.Split(append([]byte("\n"), body...), []byte("\n--"+boundary))
	for _, p := range pieces[1:] {
		if bytes.HasPrefix(p, []byte("--")) {
			break
		}
		if end := bytes.IndexByte(p, '\n'); end >= 0 {
			out = append(out, p[end+1:])
		}
	}
	return out
}

// ToUTF8 is a text of some character set. What is not known stays as it is.
func ToUTF8(charset string, text []byte) string {
	switch strings.ToLower(charset) {
	case "iso-8859-1", "latin1", "iso-8859-15", "windows-1252":
		var b strings.Builder
		for _, c := range text { // the first 256 characters of Unicode are Latin-1
			b.WriteRune(rune(c))
		}
		return b.String()
	}
	return string(text)
}
