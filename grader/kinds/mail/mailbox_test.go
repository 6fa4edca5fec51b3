package mail

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const mbox = `From root@server  Mon Nov 23 03:35:10 2026
Subject: =?UTF-8?B?44OG44K544OI?=
To: usera

>From here on it is text.
From there, too.

From userb@server  Mon Nov 23 03:36:00 2026
Subject: Alert x
 continued

disk failure x
`

func TestLetters(t *testing.T) {
	want := []letter{{"テスト", ">From here on it is text.\nFrom there, too.\n\n"}, {"Alert x continued", "disk failure x\n"}}
	if d := cmp.Diff(want, letters(mbox), cmp.AllowUnexported(letter{})); d != "" {
		t.Error(d)
	}
}

func TestMailboxVerdict(t *testing.T) {
	for _, c := range []struct{ subject, holds, broken string }{
		{"テスト", "", ""},
		{"Alert x continued", "disk failure x", ""},
		{"", "disk failure", ""},
		{"テスト", "disk failure", "mailbox-text"},
		{"Alert", "", "mailbox-subject"},
		{"", "nothing of the kind", "mailbox-text"},
	} {
		if got := mailboxVerdict(letters(mbox), &mailboxArgs{Subject: c.subject, Holds: c.holds}); got.Broken != c.broken {
			t.Errorf("subject %q, text %q: %q, want %q", c.subject, c.holds, got.Broken, c.broken)
		}
	}
}
