package journald

import (
	"testing"
)

func FuzzStream(f *testing.F) {
	f.Add([]byte("id\nu\n6\n1\n0\n0\n0\n<3>a\nb\x00c"), 3)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		if cut < 0 || cut > len(b) {
			cut = len(b)
		}
		s := streamParser{lineMax: 80}
		if _, bad := s.feed(b[:cut], false); bad == "" {
			s.feed(b[cut:], true)
		}
		parseSyslog(b)
	})
}
