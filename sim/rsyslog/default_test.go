package rsyslog

import (
	"os"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// The file that the package brings says the same as the recorded one: the same
// directives, and the same lines commented out.
func TestDefaultConfigDirectives(t *testing.T) {
	ours, err := os.ReadFile("../distro/files/rsyslog/etc/rsyslog.conf")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("testdata/oracle/rhel9-default-imjournal.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var c oracleCase
	if err := yaml.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	got, want := directiveLines(string(ours)), directiveLines(c.Config["/etc/rsyslog.conf"])
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// directiveLines keeps directives and commented directives, without the remarks
// beside them.
func directiveLines(conf string) string {
	var out []string
	for _, l := range strings.Split(conf, "\n") {
		l = strings.TrimSpace(l)
		switch {
		case l == "", strings.HasPrefix(l, "# "), strings.HasPrefix(l, "####"):
			continue
		}
		comment := strings.HasPrefix(l, "#")
		l = strings.TrimPrefix(l, "#")
		l, _, _ = strings.Cut(l, " #")
		l = strings.Join(strings.Fields(l), " ")
		if comment {
			l = "#" + l
		}
		out = append(out, l)
	}
	return strings.Join(out, "\n")
}
