package syslog

import (
	"strings"
	"testing"
	"time"
)

var received = time.Date(2026, 11, 22, 1, 2, 3, 456789000, time.UTC)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, raw                 string
		pri                       string
		host, tag, text, at, data string
	}{
		{"RFC 3164", "<34>Oct 11 22:14:15 mymachine su: failed", "auth.crit", "mymachine", "su:", " failed", "2026-10-11T22:14:15+00:00", "-"},
		{"no time", "<13>app[1]: x", "user.notice", "", "app[1]:", " x", "2026-11-22T01:02:03.456789+00:00", "-"},
		{"words", "just some words", "user.notice", "just", "some", " words", "2026-11-22T01:02:03.456789+00:00", "-"},
		{"invalid priority", "<192>a b: c", "24.debug", "", "", "<192>a b: c", "2026-11-22T01:02:03.456789+00:00", "-"},
		{"zone kept", "<13>2024-10-11T22:14:15.5+09:00 web01 app: x", "user.notice", "web01", "app:", " x", "2024-10-11T22:14:15.5+09:00", "-"},
		{"December seen in January of another year", "<13>Jan  1 00:00:01 h a: x", "user.notice", "h", "a:", " x", "2026-01-01T00:00:01+00:00", "-"},
		{"RFC 5424", `<165>1 2003-10-11T22:14:15.003Z m evntslog 111 ID47 [a b="c\]"][d] text`, "local4.notice", "m", "evntslog[111]", "text", "2003-10-11T22:14:15.003Z", `[a b="c\]"][d]`},
		{"JSON has no header", `<13>{"a":1}`, "user.notice", "", "", `{"a":1}`, "2026-11-22T01:02:03.456789+00:00", "-"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := Parse(c.raw, received)
			got := []string{m.Facility.String() + "." + m.Severity.String(), m.Host, m.Tag, m.Text, string(m.Time.AppendRFC3339(nil)), m.Data}
			want := []string{c.pri, c.host, c.tag, c.text, c.at, c.data}
			for i := range want {
				if got[i] != want[i] {
					t.Errorf("got %q, want %q", got[i], want[i])
				}
			}
		})
	}
}

func TestClean(t *testing.T) {
	for _, c := range []struct {
		s         Sanitizer
		raw, want string
	}{
		{Sanitizer{}, "a\tb\n\n", "a#011b#012"},
		{Sanitizer{}, "nul\x00", "nul"},
		{Sanitizer{KeepTabs: true}, "a\tb\x07", "a\tb#007"},
		{Sanitizer{KeepControls: true}, "a\x1bb\x00c", "a\x1bb#000c"},
		{Sanitizer{SpaceControls: true}, "a\nb\x01\n", "a b#001"},
		{Sanitizer{Escape8Bit: true}, "caf\xe9", "caf#351"},
		{Sanitizer{EscapePrefix: '?'}, "\x01", "?001"},
		{Sanitizer{EscapeCStyle: true}, "a\tb\x01", `a\tb\x01`},
		{Sanitizer{EscapeCStyle: true}, "\x00\x1b\x1f", `\0\e\x1F`},
		{Sanitizer{Max: 8}, "a\x01bcdef", "a#001"}, // the room of one escape is kept free
		{Sanitizer{Max: 8}, "abcdefgh", "abcdefgh"},
	} {
		if got := c.s.Clean([]byte(c.raw)); got != c.want {
			t.Errorf("Clean(%q) with %+v = %q, want %q", c.raw, c.s, got, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"<34>Oct 11 22:14:15 m su: x", "<13>1 - - - - - [a b=\"c\"] x", "<>", "<191", "", "2024 Oct 11 22:14:15 w a: x", "<13>2024-10-11T22:14:15.5+09:00 w a: x"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		s := Sanitizer{}.Clean(raw)
		for i := 0; i < len(s); i++ {
			if s[i] < ' ' {
				t.Fatalf("Clean left %q", s)
			}
		}
		for _, m := range []Message{Parse(s, received), ParseLocal(s, received, true)} {
			if !strings.HasSuffix(s, m.Text) || m.PRILength > len(s) {
				t.Fatalf("%q: text %q, PRI of %d", s, m.Text, m.PRILength)
			}
			if m.Facility < 0 || m.Facility > Invalid || m.Severity < 0 || m.Severity > 7 {
				t.Fatalf("%q: %d.%d", s, m.Facility, m.Severity)
			}
			m.Time.AppendRFC3164(nil, false)
			m.Time.AppendRFC3339(nil)
			m.Time.Time()
			_ = ProgramName(m.Tag)
			TagProcID(m.Tag)
		}
	})
}

// frames returns what a Framer makes of a stream that comes in two pieces.
func frames(a, b []byte) (messages []string, faults []FrameFault) {
	f := &Framer{Max: 20}
	take := func(m []byte) { messages = append(messages, string(m)) }
	fault := func(x FrameFault) { faults = append(faults, x) }
	f.Push(a, take, fault)
	f.Push(b, take, fault)
	f.End(take, fault)
	return messages, faults
}

// What imtcp's parameters ask for.
func TestFramerSettings(t *testing.T) {
	long := strings.Repeat("y", 30)
	for _, c := range []struct {
		f      Framer
		stream string
		want   []string
	}{
		{Framer{Max: 20, NoRest: true}, long + "\nnext\n", []string{long[:20], "next"}},
		{Framer{Max: 20, NoRest: true}, "30 " + long + "4 next", []string{long[:20], "next"}},
		{Framer{Max: 20, NoLF: true, Delimiter: '|'}, "a\nb|c|", []string{"a\nb", "c"}},
		{Framer{Max: 20, Delimiter: '|'}, "a\nb|c|", []string{"a", "b", "c"}},
		{Framer{Max: 20, MaxFrame: 10}, "12 next\n", []string{"12next"}},
	} {
		var got []string
		f := c.f
		f.Push([]byte(c.stream), func(m []byte) { got = append(got, string(m)) }, func(FrameFault) {})
		if strings.Join(got, "|") != strings.Join(c.want, "|") {
			t.Errorf("%q with %+v: %q, want %q", c.stream, c.f, got, c.want)
		}
	}
}

func TestFramer(t *testing.T) {
	for _, c := range []struct {
		stream string
		want   []string
		faults []FaultKind
	}{
		{"a\nb\n", []string{"a", "b"}, nil},
		{"no end", []string{"no end"}, nil},
		{"3 abc<x\n2 de", []string{"abc", "<x", "de"}, nil},
		{"3 ab", nil, []FaultKind{IncompleteEnd}},
		{"0 x\n", []string{"x"}, []FaultKind{ZeroCount}},
		{"3xabc", []string{"abc"}, []FaultKind{BadDelimiter}},
		{"25 " + strings.Repeat("y", 25), []string{strings.Repeat("y", 20), "yyyy"}, []FaultKind{Oversize}},
		{strings.Repeat("y", 30) + "\n", []string{strings.Repeat("y", 20), strings.Repeat("y", 9)}, nil},
	} {
		got, faults := frames([]byte(c.stream), nil)
		if strings.Join(got, "|") != strings.Join(c.want, "|") || len(faults) != len(c.faults) {
			t.Errorf("%q: %q %v, want %q %v", c.stream, got, faults, c.want, c.faults)
			continue
		}
		for i, k := range c.faults {
			if faults[i].Kind != k {
				t.Errorf("%q: fault %v, want %v", c.stream, faults[i], k)
			}
		}
	}
}

// However a stream is cut into segments, it holds the same messages.
func FuzzFramer(f *testing.F) {
	f.Add([]byte("36 <13>Oct 11 22:14:15 web01 a: counted<13>x\n4 abcd"), 5)
	f.Add([]byte("0 39 x\n99999999999 y\n"), 3)
	f.Fuzz(func(t *testing.T, stream []byte, cut int) {
		if cut < 0 || cut > len(stream) {
			cut = len(stream) / 2
		}
		whole, _ := frames(stream, nil)
		parts, _ := frames(stream[:cut:cut], stream[cut:])
		if strings.Join(whole, "\x00") != strings.Join(parts, "\x00") {
			t.Fatalf("%q cut at %d: %q and %q", stream, cut, whole, parts)
		}
		for _, m := range whole {
			if len(m) > 20 {
				t.Fatalf("a message of %d octets", len(m))
			}
		}
	})
}

func BenchmarkParse3164(b *testing.B) {
	raw := "<30>Oct 11 22:14:15 web01 httpd[812]: " + strings.Repeat("x", 160)
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		Parse(raw, received)
	}
}
