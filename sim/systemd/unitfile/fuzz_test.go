package unitfile

import (
	"testing"
)

func FuzzParseUnitFile(f *testing.F) {
	f.Add([]byte("[Unit]\nDescription=x\n[Service]\nExecStart=/bin/sh -c 'a b' ; -/bin/true $X \\\n # no\n more\n"))
	f.Add([]byte("[Service\nfoo"))
	f.Fuzz(func(t *testing.T, data []byte) {
		settings, _, err := Parse("x.service", data, SectionsOf("service"))
		if err != nil {
			return
		}
		c := NewConfig("service")
		for _, s := range settings {
			c.Assign(s, func(text string) (string, string) { return text, "" })
		}
		c.Check("service")
		c.Defaults("x.service")
		for _, list := range c.Service.Exec {
			for _, cmd := range list {
				Expand(cmd.Argv, []string{"X=a b"})
			}
		}
	})
}

func FuzzEnvFile(f *testing.F) {
	f.Add([]byte("A=b\n# no\nC='d e'\n"))
	f.Fuzz(func(t *testing.T, b []byte) { ParseEnv(b) })
}
