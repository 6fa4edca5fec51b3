package firewalld

import (
	"strings"
	"testing"
)

func FuzzOptions(f *testing.F) {
	f.Add("--permanent\x00--add-port\x00514/tcp\x00--zone=public")
	f.Add("-q\x00--list\x00--direct\x00--add-rule\x00ipv4")
	f.Fuzz(func(t *testing.T, line string) {
		a, problem := parseArgs(strings.Split(line, "\x00"))
		if (a == nil) != (problem != "") {
			t.Errorf("%q: %v %q", line, a, problem)
		}
	})
}
