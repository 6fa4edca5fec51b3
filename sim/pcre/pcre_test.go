package pcre

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// bytesOf is a text whose characters stand for bytes.
func bytesOf(s string) string {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		b = append(b, byte(r))
	}
	return string(b)
}

// TestMatches holds generated expressions to what the real library makes of them.
func TestMatches(t *testing.T) {
	data, err := os.ReadFile("testdata/matches.json")
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Cases []struct {
			Pattern, Text, Error string
			Caseless             bool
			From, To             int
		}
	}
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Cases) < 500 {
		t.Fatalf("%d cases", len(all.Cases))
	}
	for _, c := range all.Cases {
		re, err := Compile(bytesOf(c.Pattern), c.Caseless)
		if err != nil || c.Error != "" {
			if err == nil || err.Error() != c.Error {
				t.Errorf("%q: error %v, want %q", c.Pattern, err, c.Error)
			}
			continue
		}
		from, to, ok, err := re.Find(bytesOf(c.Text))
		if !ok {
			from, to = -1, -1
		}
		if err != nil || from != c.From || to != c.To && ok {
			t.Errorf("%q in %q: %d-%d %v, want %d-%d", c.Pattern, c.Text, from, to, err, c.From, c.To)
		}
	}
}

// TestLimit: an expression that would take for ever is given up, one whose match
// cannot be is not tried.
func TestLimit(t *testing.T) {
	text := strings.Repeat("x", 5000)
	for expr, want := range map[string]string{`(x+x+)+[yz]*[^x]{2}$`: "match limit exceeded", `(x+x+)+y`: "", `\w+\s\w`: ""} {
		re, err := Compile(expr, false)
		if err != nil {
			t.Fatal(err)
		}
		if expr == `(x+x+)+[yz]*[^x]{2}$` {
			text += "12" + text[:10] // has what is needed, elsewhere
		}
		_, _, ok, err := re.Find(text)
		if ok || err == nil && want != "" || err != nil && err.Error() != want {
			t.Errorf("%s: %v %v, want %q", expr, ok, err, want)
		}
	}
}

// FuzzFind searches for any expression in any text: that ends, and what it finds
// is in the text.
func FuzzFind(f *testing.F) {
	f.Add(`(?<a>\w+)\s\k<a>`, "the the")
	f.Add(`(a|(?R))*?(?(1)b|c)\Z`, "aab")
	f.Add(`[[:alpha:]\x{41}-\o{105}]{2,3}+`, "ABC")
	f.Fuzz(func(t *testing.T, expr, text string) {
		re, err := Compile(expr, false)
		if err != nil || len(text) > 200 {
			return
		}
		from, to, ok, _ := re.Find(text)
		if ok && (from < 0 || from > to || to > len(text)) {
			t.Errorf("%q in %q: %d-%d", expr, text, from, to)
		}
	})
}
