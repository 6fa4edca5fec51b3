package local

import (
	"testing"

	"enshu/sim/postfix/conf"
	"enshu/sim/postfix/mailaddr"
)

func FuzzForward(f *testing.F) {
	f.Add([]byte("\\usera, userb\n  # not a comment\n# comment\n\"|cat > x\"\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, l := range conf.Lines(joinComments(data)) {
			mailaddr.Parse(l.Text)
		}
	})
}
