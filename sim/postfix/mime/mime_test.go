package mime

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"enshu/sim/postfix/header"
)

// walk writes what Walk tells, a line for each piece, and the message again.
func walk(text string) (told, again string) {
	var b, out strings.Builder
	Walk([]byte(text), Visitor{
		Field: func(k Kind, f header.Field) {
			fmt.Fprintf(&b, "%s %s\n", []string{"primary", "part", "nested"}[k], f.Name)
			out.Write(bytes.Join(f.Lines, []byte("\n")))
			out.WriteByte('\n')
		},
		Line: func(line []byte) {
			fmt.Fprintf(&b, "line %q\n", line)
			out.Write(line)
		},
		Done: func() bool { return false },
	})
	return b.String(), out.String()
}

func TestWalk(t *testing.T) {
	const text = "Subject: a\nContent-Type: multipart/mixed;\n boundary=\"b 1\"\n\npre\n--b 1\nContent-Type: text/plain\n\none\n" +
		"--b 1\nContent-Type: message/rfc822\n\nSubject: in\nContent-Type: multipart/alternative; boundary=c\n\n--c\n\ntwo\n--c--\n--b 1\nX: no body\n--b 1--\npost: x\n"
	const want = `primary Subject
part Content-Type
line "\n"
line "pre\n"
line "--b 1\n"
part Content-Type
line "\n"
line "one\n"
line "--b 1\n"
part Content-Type
line "\n"
nested Subject
part Content-Type
line "\n"
line "--c\n"
line "\n"
line "two\n"
line "--c--\n"
line "--b 1\n"
part X
line "--b 1--\n"
line "post: x\n"
`
	told, again := walk(text)
	if told != want {
		t.Errorf("told\n%s\nwant\n%s", told, want)
	}
	if again != text {
		t.Errorf("made %q of %q", again, text)
	}
}

func FuzzWalk(f *testing.F) {
	f.Add("A: b\n\nc\n")
	f.Add("Content-Type: multipart/mixed; boundary=x\n\n--x\nB: c\n\n--x--\n")
	f.Add("Content-Type: message/rfc822\n\nContent-Type: message/rfc822\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		_, again := walk(text)
		// What is no header is supplied with an empty line.
		if strings.Trim(strings.ReplaceAll(again, "\n", ""), " ") != strings.Trim(strings.ReplaceAll(text, "\n", ""), " ") && !strings.ContainsAny(text, " \t") {
			t.Errorf("made %q of %q", again, text)
		}
	})
}
