package mailaddr

import "testing"

func FuzzAddresses(f *testing.F) {
	for _, s := range []string{"a@b", "User X <u@x> (c), y", "g: a, b;", "\"q \\\" r\"@d", "<@x,@y:u@z>", "a!b!c%d@", "[1.2.3.4]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := Rewriter{Origin: "h.example", Domain: "example", AppendOrigin: true, BangPath: true, Percent: true}
		for _, m := range Parse(s) {
			m.Format()
			r.Rewrite(m.Address)
		}
	})
}
