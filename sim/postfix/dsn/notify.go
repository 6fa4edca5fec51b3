package dsn

import (
	"fmt"
	"strconv"
	"strings"
)

// Notify is when the sender wants to hear of a recipient (RFC 3461); 0 is the default.
type Notify int

// The flags of dsnNotify.
const (
	Never Notify = 1 << iota
	Success
	Failure
	Delay
)

// ParseNotify reads the value of NOTIFY= (RFC 3461 section 4.1).
func ParseNotify(s string) (n Notify, ok bool) {
	for _, w := range strings.Split(strings.ToUpper(s), ",") {
		switch w {
		case "NEVER":
			n |= Never
		case "SUCCESS":
			n |= Success
		case "FAILURE":
			n |= Failure
		case "DELAY":
			n |= Delay
		default:
			return 0, false
		}
	}
	return n, n&Never == 0 || n == Never
}

// EncodeXtext encodes a value of a DSN option (RFC 3461 section 4).
func EncodeXtext(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c >= 127 || c == '+' || c == '=' {
			fmt.Fprintf(&b, "+%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// DecodeXtext decodes what EncodeXtext made; false means that it is none.
func DecodeXtext(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '+' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(n))
		i += 2
	}
	return b.String(), true
}

// BadNotify returns the word of a NOTIFY value that means nothing.
func BadNotify(value string) string {
	for _, w := range strings.Split(value, ",") {
		if _, ok := ParseNotify(w); !ok {
			return w
		}
	}
	return value
}
