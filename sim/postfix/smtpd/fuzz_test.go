package smtpd

import "testing"

func FuzzPath(f *testing.F) {
	for _, s := range []string{"<a@b>", "<@x,@y:u@z>", "a@b SIZE=1", "<\"a>b\"@c>", "<", "<>", "<a b@c>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { parsePath(s) })
}
