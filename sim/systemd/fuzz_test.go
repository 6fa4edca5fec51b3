package systemd

import (
	"testing"
	"time"
)

func FuzzParseUnitFile(f *testing.F) {
	f.Add([]byte("[Unit]\nDescription=x\n[Service]\nExecStart=/bin/sh -c 'a b' ; -/bin/true $X \\\n # no\n more\n"))
	f.Add([]byte("[Service\nfoo"))
	f.Fuzz(func(t *testing.T, data []byte) {
		settings, _, err := parseUnitFile("x.service", data, sectionsOf("service"))
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

func FuzzTimestamp(f *testing.F) {
	now := time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)
	for _, s := range []string{"2024-03-05 09:31:00.5", "10 min ago", "-1h30min", "@1709631060.5", "Tue 2024-03-05", "yesterday", "1month 2w"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		parseTimestamp(s, now, func(string) (*time.Location, bool) { return nil, false })
		if d, ok := parseSpan(s, time.Second); ok {
			formatSpan(d, time.Microsecond)
			formatAgo(d)
		}
		if c, ok := parseCalendar(s); ok && len(s) < 30 {
			c.next(now)
		}
	})
}

func FuzzDecodeRequest(f *testing.F) {
	f.Add([]byte(`{"Method":"Job","Unit":"x.service","Kind":"start"}`))
	f.Fuzz(func(t *testing.T, b []byte) { decodeRequest(b) })
}

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

func FuzzCatalog(f *testing.F) {
	f.Add([]byte("-- 7d4958e842da4a758f6c1cdc7b36dcc5\nSubject: x\n\nThe @UNIT@\n"))
	f.Fuzz(func(t *testing.T, b []byte) { parseCatalog(catalog{}, string(b)) })
}

func FuzzEnvFile(f *testing.F) {
	f.Add([]byte("A=b\n# no\nC='d e'\n"))
	f.Fuzz(func(t *testing.T, b []byte) { parseEnvFile(b) })
}
