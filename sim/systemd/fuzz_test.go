package systemd

import (
	"testing"

	"enshu/sim/systemd/unitfile"
)

func FuzzParseUnitFile(f *testing.F) {
	f.Add([]byte("[Unit]\nDescription=x\n[Service]\nExecStart=/bin/sh -c 'a b' ; -/bin/true $X \\\n # no\n more\n"))
	f.Add([]byte("[Service\nfoo"))
	f.Fuzz(func(t *testing.T, data []byte) {
		settings, _, err := unitfile.Parse("x.service", data, sectionsOf("service"))
		if err != nil {
			return
		}
		c := newConfig("service")
		for _, s := range settings {
			c.assign(s)
		}
		c.check("service")
		c.defaults("x.service")
		for _, list := range c.service.exec {
			for _, cmd := range list {
				expand(cmd.argv, []string{"X=a b"})
			}
		}
	})
}

func FuzzEnvFile(f *testing.F) {
	f.Add([]byte("A=b\n# no\nC='d e'\n"))
	f.Fuzz(func(t *testing.T, b []byte) { parseEnvFile(b) })
}
