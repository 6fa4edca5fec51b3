package dsn

import (
	"strings"
	"testing"
)

func TestTemplates(t *testing.T) {
	list, problems := ParseTemplates("x", []byte("# comment\nfailure_template = <<END\nSubject: No\nPostmaster-Subject: Copy\n\nSorry, $myhostname.\nEND\nnosuch_template = <<EOF\nx\nEOF\nbroken\n"))
	if got := list[0].Format(); got != "failure_template = <<EOF\nCharset: us-ascii\nFrom: MAILER-DAEMON (Mail Delivery System)\nSubject: No\nPostmaster-Subject: Copy\n\nSorry, $myhostname.\nEOF\n" {
		t.Errorf("the template is\n%s", got)
	}
	if len(problems) != 2 || !strings.Contains(problems[0], "line 10: unknown template name") {
		t.Errorf("problems: %q", problems)
	}
	if list[1].Subject != "Delayed Mail (still being retried)" {
		t.Errorf("the template of delays is %+v", list[1])
	}
}

func FuzzTemplates(f *testing.F) {
	f.Add([]byte("failure_template = <<EOF\nSubject: x\n\ny\nEOF\n"))
	f.Add([]byte("a = <<\n= <<b\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, _ := ParseTemplates("x", data)
		if len(list) != len(Templates()) {
			t.Fatal("a template is gone")
		}
	})
}
