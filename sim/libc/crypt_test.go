package libc

import "testing"

// The vectors of the specification, and one of this project's hosts.
func TestCrypt(t *testing.T) {
	for _, c := range []struct{ key, setting, want string }{
		{"Hello world!", "$6$saltstring", "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"},
		{"Hello world!", "$6$rounds=10000$saltstringsaltstring", "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v."},
		{"This is just a test", "$6$rounds=5000$toolongsaltstring", "$6$rounds=5000$toolongsaltstrin$lQ8jolhgVRVhY4b5pZKaysCLi0QBxGoNeKQzQ3glMhwllF7oGDZxUhx1yxdYcz/e1JSbq3y6JMxxl8audkUEm0"},
		{"the minimum number is still observed", "$6$rounds=10$roundstoolow", "$6$rounds=1000$roundstoolow$kUMsbe306n21p9R.FRkW3IGn.S9NPN0x50YhH1xhLsPuWGsUSklZt58jaTfF4ZEQpyUNGc0dqbpBYYBaHHrsX."},
		{"enshu", "$6$enshuenshu$", "$6$enshuenshu$Sns7dG61cYSvKjc/VDl2v/uOIYtLLgdajFh8ek19mjfFi37vryJB3sNzmUEpQBEdQYMhQRGYgScU7aiwFNtte1"},
	} {
		if got, ok := Crypt(c.key, c.setting); !ok || got != c.want {
			t.Errorf("Crypt(%q, %q)\n got %q\nwant %q", c.key, c.setting, got, c.want)
		}
	}
	for _, other := range []string{"", "$1$abc$", "x", "!", "*", "$6$rounds=x$a$"} {
		if _, ok := Crypt("key", other); ok {
			t.Errorf("%q is no setting", other)
		}
	}
}

func TestShadowMatches(t *testing.T) {
	hash, _ := Crypt("secret", "$6$salt$")
	for _, c := range []struct {
		hash, password string
		want           bool
	}{{hash, "secret", true}, {hash, "Secret", false}, {"!" + hash, "secret", false}, {"*", "", false}, {"!!", "", false}, {"", "", true}} {
		if got := (Shadow{Hash: c.hash}).Matches(c.password); got != c.want {
			t.Errorf("%q with %q: %v", c.hash, c.password, got)
		}
	}
}
