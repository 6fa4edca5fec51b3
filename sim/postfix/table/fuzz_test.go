package table

import (
	"reflect"
	"testing"

	"enshu/sim/postfix/mailaddr"
)

func FuzzAliases(f *testing.F) {
	for _, s := range []string{"a: b, c\n", "\"x y\": |cmd\n", "a: :include:/x, \"|y z\" (c)\n", "a:<b>\n  c\n", "(a: b\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, lines, _ := ParseAliases("aliases", data)
		if len(entries) != len(lines) {
			t.Fatal("an entry without a line")
		}
		for _, e := range entries {
			mailaddr.Parse(e.Value)
		}
	})
}

func FuzzDatabase(f *testing.F) {
	f.Add(EncodeDB([]Entry{{"a", "b"}, {"", ""}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := DecodeDB(data)
		if err != nil {
			return
		}
		again, err := DecodeDB(EncodeDB(entries))
		if err != nil || !reflect.DeepEqual(entries, again) {
			t.Fatalf("%q came back as %q, %v", entries, again, err)
		}
	})
}

func FuzzPatterns(f *testing.F) {
	for _, s := range []string{"/^a(b)/i REJECT $1\n", "if /x/\n!/y/ z\nendif\n", "/[/ x\n", "192.0.2.0/24 OK\n!2001:db8::/32 x\n", "endif\nif\n"} {
		f.Add([]byte(s), "Subject: x")
	}
	f.Fuzz(func(t *testing.T, data []byte, key string) {
		find, _ := regexpTable("x", data, len(key) > 3)
		find(key)
		find, _ = cidrTable("x", data)
		find(key)
		ParseMap("x", data, "x.db")
	})
}
