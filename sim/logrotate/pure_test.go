package logrotate

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gopkg.in/yaml.v3"

	"enshu/sim/host"
	"enshu/sim/memnet"
)

func TestWords(t *testing.T) {
	for _, c := range []struct {
		line string
		want []string
		ok   bool
	}{
		{"a b\tc\n", []string{"a", "b", "c"}, true},
		{`"a b" 'c d'`, []string{"a b", "c d"}, true},
		{`a\ b "q\"q"`, []string{"a b", `q"q`}, true},
		{`""`, []string{""}, true},
		{`"open x`, []string{"open x"}, true},
		{`a\`, nil, false},
		{"", nil, true},
	} {
		got, ok := words(c.line)
		if ok != c.ok || ok && !reflect.DeepEqual(got, c.want) {
			t.Errorf("words(%q) = %q, %v", c.line, got, ok)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"*.log", "a.log", true}, {"*.log", "a.log.1", false}, {"a*b*c", "axxbyyc", true}, {"a*b*c", "axxbyy", false},
		{"?", "a", true}, {"?", "", false}, {"[xy]z", "yz", true}, {"[!xy]z", "yz", false}, {"[a-c]", "b", true},
		{"[]]", "]", true}, {"[a", "[a", true}, {`\*`, "*", true}, {`\*`, "a", false}, {"**a", "bba", true},
		{strings.Repeat("*a", 30), strings.Repeat("a", 29), false},
	} {
		if got := match(c.pattern, c.name); got != c.want {
			t.Errorf("match(%q, %q) = %v", c.pattern, c.name, got)
		}
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		s    string
		n    int64
		rest string
	}{
		{"5", 5, ""}, {"-1", -1, ""}, {"010", 8, ""}, {"0x10", 16, ""}, {"0", 0, ""}, {"2 # two", 2, " # two"},
		{"two", 0, "two"}, {"", 0, ""}, {"09", 0, "9"}, {"99999999999999999999", 1<<63 - 1, ""},
	} {
		if n, rest := cNumber(c.s); n != c.n || rest != c.rest {
			t.Errorf("cNumber(%q) = %d, %q", c.s, n, rest)
		}
	}
}

func TestSuffix(t *testing.T) {
	at := time.Date(2026, 3, 1, 4, 5, 6, 0, time.UTC)
	for _, c := range []struct {
		format, text, pattern, converted string
	}{
		{"-%Y%m%d", "-20260301", "-" + strings.Repeat("[0-9]", 8), "-%Y%m%d"},
		{".%H%M%S", ".040506", "." + strings.Repeat("[0-9]", 6), ".%H%M%S"},
		{"-%V", "-09", "-[0-9][0-9]", "-%V"},
		{"-%s", "-1772337906", "-" + strings.Repeat("[0-9]", 10), "-%s"},
		{"-%B%", "-%B%", "-%B%", "-%%B%%"},
	} {
		text, pattern, converted := suffix(c.format, at)
		if text != c.text || pattern != c.pattern || converted != c.converted {
			t.Errorf("suffix(%q) = %q, %q, %q", c.format, text, pattern, converted)
		}
	}
}

func TestSortByDate(t *testing.T) {
	names := []string{"log-02032026", "log-01042026", "log-31122025", "log-x"}
	sortByDate(names, len("log"), "-%d%m%Y", time.UTC)
	if want := []string{"log-x", "log-31122025", "log-02032026", "log-01042026"}; !reflect.DeepEqual(names, want) {
		t.Errorf("%q", names)
	}
}

func TestSuffixTime(t *testing.T) {
	zone := time.FixedZone("JST", 9*3600)
	at := time.Date(2026, 3, 1, 0, 30, 0, 0, zone)
	if got := (&set{dateYesterday: true}).suffixTime(at).Format("20060102"); got != "20260228" {
		t.Error("dateyesterday:", got)
	}
	if got := (&set{dateHour: true}).suffixTime(at).Format("2006010215"); got != "2026022823" {
		t.Error("datehourago:", got)
	}
}

func TestTooMany(t *testing.T) {
	now := time.Date(2026, 3, 10, 4, 0, 0, 0, time.UTC)
	logs := []old{{"1", now.AddDate(0, 0, -9)}, {"2", now.AddDate(0, 0, -2)}, {"3", now.AddDate(0, 0, -1)}}
	for _, c := range []struct {
		keep, maxAge int
		want         []string
	}{
		{3, 0, []string{"1"}}, {4, 0, nil}, {0, 0, []string{"1", "2", "3"}}, {-1, 0, nil}, {-1, 5, []string{"1"}}, {1, 0, []string{"1", "2", "3"}},
	} {
		if got := tooMany(logs, c.keep, c.maxAge, now); !reflect.DeepEqual(got, c.want) {
			t.Errorf("keep %d, maxage %d: %q", c.keep, c.maxAge, got)
		}
	}
}

func TestBadStateFile(t *testing.T) {
	for text, want := range map[string]string{
		"nothing\n":                           "bad top line in state file f",
		stateTop + "\"/a\" 2026\n":            "bad line 2 in state file f",
		stateTop + "/a b c\n":                 "bad line 2 in state file f",
		stateTop + "\"/a\" 2026-13-1\n":       "bad month 13 for file /a in state file f",
		stateTop + "\"/a\" 1800-1-1\n":        "bad year 1800 for file /a in state file f",
		stateTop + "\"/a\" 2026-1-1-24:0:0\n": "bad hour 24 for file /a in state file f",
	} {
		err := newState(func(string, ...any) {}).parse("f", text, time.Now())
		if err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// A name with quotes comes back as it was.
func TestStateLineAndBack(t *testing.T) {
	now := time.Date(2026, 3, 10, 4, 5, 6, 0, time.UTC)
	e := &entry{name: `/var/log/a "b" c`, last: now}
	s := newState(func(string, ...any) {})
	if err := s.parse("f", stateTop+e.line(), now); err != nil {
		t.Fatal(err)
	}
	if len(s.entries) != 1 || s.entries[0].name != e.name || !s.entries[0].last.Equal(now) {
		t.Errorf("%+v", s.entries)
	}
}

func FuzzConfig(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		var c recording
		if err := yaml.Unmarshal(data, &c); err != nil {
			f.Fatal(err)
		}
		for _, text := range c.Config {
			f.Add(text, stateTop)
		}
	}
	// With -d each generation has its line, as with the real program.
	millions := regexp.MustCompile(`(rotate|start)\s+"?\d{6}`)
	f.Fuzz(func(t *testing.T, config, state string) {
		if millions.MatchString(config) {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			h := memnet.New(t).Host(t, memnet.Config{Name: "server", Programs: map[string]host.Program{"/usr/sbin/logrotate": New(debian)}})
			h.WriteFile("/etc/logrotate.conf", config)
			h.WriteFile("/state", state)
			h.WriteFile("/var/log/app.log", "one\n")
			for _, args := range [][]string{{"-d"}, {"-f"}} {
				r := h.Run(append(append([]string{"logrotate"}, args...), "-s", "/state", "/etc/logrotate.conf")...)
				if r.Status.Signal != 0 || r.Status.Code > 1 {
					t.Errorf("%v: %v\n%s", args, r.Status, r.Stderr)
				}
			}
		})
	})
}

func FuzzSuffix(f *testing.F) {
	f.Add("-%Y%m%d", int64(1773117000))
	f.Add("-%d%m%Y-%s%V%%", int64(0))
	f.Fuzz(func(t *testing.T, format string, sec int64) {
		at := time.Unix(sec%(1<<33), 0).UTC()
		text, pattern, _ := suffix(format, at)
		if at.Year() < 1000 || at.Year() > 9999 || at.Unix() < 1e9 || at.Unix() >= 1e10 {
			return
		}
		if _, ok := parseSuffix(format, text, time.UTC); !ok {
			t.Errorf("%q of %v: %q is not read back", format, at, text)
		}
		if !strings.ContainsAny(format, `*?[\`) && !match(pattern, text) {
			t.Errorf("%q does not match %q", pattern, text)
		}
	})
}
