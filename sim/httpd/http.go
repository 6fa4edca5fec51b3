package httpd

import (
	"bufio"
	"errors"
	"io"
	"path"
	"strconv"
	"strings"
)

// request is an HTTP request without its body (RFC 9112).
type request struct {
	line   string // as it came
	method string
	path   string // decoded and cleaned
	query  string
	proto  string
	header map[string]string // by lower-case name
	size   int               // bytes of line and header
}

// Limits as httpd has them: LimitRequestLine, LimitRequestFieldSize and
// LimitRequestFields.
const (
	maxLine   = 8190
	maxFields = 100
)

// badRequest is a request that is answered with a status at once.
type badRequest int

func (b badRequest) Error() string { return strconv.Itoa(int(b)) }

// readHTTPLine reads a line of at most maxLine bytes, without its end.
func readHTTPLine(r *bufio.Reader, size *int) (string, error) {
	line, err := r.ReadSlice('\n')
	*size += len(line)
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", bufio.ErrBufferFull
	}
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}

// readRequest reads the next request. r must have a buffer of maxLine bytes.
// With a badRequest comes what was read of it.
func readRequest(r *bufio.Reader) (*request, error) {
	q := &request{header: map[string]string{}}
	var err error
	for q.line == "" { // empty lines before a request do not count
		if q.line, err = readHTTPLine(r, &q.size); err != nil {
			if errors.Is(err, bufio.ErrBufferFull) {
				return q, badRequest(414)
			}
			return nil, err
		}
		if q.size > maxLine {
			return q, badRequest(400)
		}
	}
	parts := strings.Split(q.line, " ")
	if len(parts) == 2 {
		parts = append(parts, "HTTP/0.9")
	}
	if len(parts) != 3 || !token(parts[0]) || !strings.HasPrefix(parts[2], "HTTP/") {
		return q, badRequest(400)
	}
	q.method, q.proto = parts[0], parts[2]
	target := parts[1]
	if after, ok := strings.CutPrefix(target, "http://"); ok {
		host, rest, _ := strings.Cut(after, "/")
		q.header["host"], target = host, "/"+rest
	}
	raw, query, _ := strings.Cut(target, "?")
	q.query = query
	decoded, ok := unescape(raw)
	if !ok || raw == "" || raw[0] != '/' && raw != "*" {
		return q, badRequest(400)
	}
	q.path = cleanPath(decoded)
	if q.proto == "HTTP/0.9" {
		return q, nil
	}
	for fields := 0; ; fields++ {
		line, err := readHTTPLine(r, &q.size)
		if errors.Is(err, bufio.ErrBufferFull) {
			return q, badRequest(400)
		}
		if err != nil {
			return nil, io.ErrUnexpectedEOF
		}
		if line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !token(name) || fields >= maxFields {
			return q, badRequest(400)
		}
		name = strings.ToLower(name)
		if old, ok := q.header[name]; ok {
			value = old + ", " + strings.TrimSpace(value)
		}
		q.header[name] = strings.TrimSpace(value)
	}
	if _, ok := q.header["host"]; !ok && q.proto == "HTTP/1.1" {
		return q, badRequest(400)
	}
	return q, nil
}

// bodyLength returns how many bytes of body follow, and false when that is not
// told in a way that is understood.
func (q *request) bodyLength() (int64, bool) {
	if q.header["transfer-encoding"] != "" {
		return 0, false
	}
	v := q.header["content-length"]
	if v == "" {
		return 0, true
	}
	n, err := strconv.ParseInt(v, 10, 64)
	return n, err == nil && n >= 0
}

// stays reports whether the client lets the connection stay open.
func (q *request) stays() bool {
	c := strings.ToLower(q.header["connection"])
	switch q.proto {
	case "HTTP/1.1":
		return !strings.Contains(c, "close")
	case "HTTP/1.0":
		return strings.Contains(c, "keep-alive")
	}
	return false
}

func token(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, s[i]) >= 0 {
			return false
		}
	}
	return s != ""
}

// unescape decodes %XX; a NUL or a slash made so is refused.
func unescape(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil || n == 0 || n == '/' {
			return "", false
		}
		b.WriteByte(byte(n))
		i += 2
	}
	return b.String(), true
}

// cleanPath takes out "." and ".."; a slash at the end stays.
func cleanPath(p string) string {
	clean := path.Clean("/" + p)
	if clean != "/" && strings.HasSuffix(p, "/") {
		clean += "/"
	}
	return clean
}

// statusTexts are the reason phrases.
var statusTexts = map[int]string{200: "OK", 301: "Moved Permanently", 302: "Found", 303: "See Other", 304: "Not Modified",
	307: "Temporary Redirect", 308: "Permanent Redirect", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
	408: "Request Timeout", 414: "Request-URI Too Long", 500: "Internal Server Error", 501: "Not Implemented"}

// explanations are the sentences of the error pages.
var explanations = map[int]string{
	301: "The document has moved <a href=\"%s\">here</a>.", 302: "The document has moved <a href=\"%s\">here</a>.",
	303: "The answer to your request is located <a href=\"%s\">here</a>.",
	307: "The document has moved <a href=\"%s\">here</a>.", 308: "The document has moved <a href=\"%s\">here</a>.",
	400: "Your browser sent a request that this server could not understand.<br />\n",
	403: "You don't have permission to access this resource.",
	404: "The requested URL was not found on this server.",
	405: "The requested method %s is not allowed for this URL.",
	408: "Server timeout waiting for the HTTP request from the client.",
	414: "The requested URL's length exceeds the capacity\nlimit for this server.<br />\n",
	500: "The server encountered an internal error or\nmisconfiguration and was unable to complete\nyour request.",
	501: "%s not supported for current URL.<br />\n",
}

// errorPage is the page that comes with a status; detail is put into its sentence.
func errorPage(status int, detail string) string {
	text := strings.Replace(explanations[status], "%s", detail, 1)
	title := strconv.Itoa(status) + " " + statusTexts[status]
	return "<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\n<html><head>\n<title>" + title + "</title>\n</head><body>\n<h1>" +
		statusTexts[status] + "</h1>\n<p>" + text + "</p>\n</body></html>\n"
}

// mimeTypes are the common ones of /etc/mime.types.
var mimeTypes = map[string]string{"html": "text/html", "htm": "text/html", "txt": "text/plain", "log": "text/plain", "css": "text/css",
	"js": "application/javascript", "json": "application/json", "xml": "application/xml", "png": "image/png", "jpg": "image/jpeg",
	"jpeg": "image/jpeg", "gif": "image/gif", "svg": "image/svg+xml", "ico": "image/vnd.microsoft.icon", "pdf": "application/pdf",
	"gz": "application/x-gzip", "zip": "application/zip", "tar": "application/x-tar"}
