package page_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"enshu/cmd/enshu/page"
	"enshu/sim/libc"
)

func write(t testing.TB, markdown string, s page.Style) string {
	t.Helper()
	var b strings.Builder
	if err := page.Write(&b, markdown, s); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestWrite(t *testing.T) {
	for _, c := range []struct {
		name, markdown, want string
		style                page.Style
	}{
		{"headings and paragraphs", "# One\nsome\nwords\n\n## Two\nmore", "# One\n\nsome words\n\n## Two\n\nmore\n", page.Style{Columns: 80}},
		{"lines are broken", "aaa bbb ccc ddd eee fff ggg", "aaa bbb ccc ddd eee\nfff ggg\n", page.Style{Columns: 20}},
		{"a hard break", "one\\\ntwo", "one\ntwo\n", page.Style{Columns: 80}},
		{"Japanese lines join without a blank", "一つの\n文です。\n`ls` と", "一つの文です。`ls` と\n", page.Style{Columns: 80}},
		{"English beside Japanese keeps it", "これは\nLinux", "これは Linux\n", page.Style{Columns: 80}},
		{"code", "```sh\n# ls   -l\n\nx\n```\nafter", "    # ls   -l\n\n    x\n\nafter\n", page.Style{Columns: 80}},
		{"a list hangs", "- aaa bbb ccc ddd eee fff ggg\n- two\n  1. in\n  2. side\n\nend", "• aaa bbb ccc ddd eee\n  fff ggg\n• two\n  1. in\n  2. side\n\nend\n", page.Style{Columns: 23}},
		{"a loose list", "3. one\n\n   more\n\n4. two", "3. one\n\n   more\n\n4. two\n", page.Style{Columns: 80}},
		{"a quotation", "> one\n>\n> two", "│ one\n│\n│ two\n", page.Style{Columns: 80}},
		{"links", "[here](http://x.test/) <http://y.test>", "here (http://x.test/) http://y.test\n", page.Style{Columns: 80}},
		{"HTML is left out", "a <b>c</b>\n\n<div>\nno\n</div>", "a c\n", page.Style{Columns: 80}},
		{"a table", "| a | 名 |\n|---|---|\n| long | x |\n| `b` | 長い |", "a     名\n────  ────\nlong  x\n`b`   長い\n", page.Style{Columns: 80}},
		{"a bar in a cell", "| a | b |\n|---|---|\n| x \\| y | `z` |", "a      b\n─────  ───\nx | y  `z`\n", page.Style{Columns: 80}},
		{"a table of short and long rows", "| a |\n|---|\n| x | y |\n||", "a\n─\nx\n\n", page.Style{Columns: 80}},
		{"a table that is too wide", "| k | v |\n|---|---|\n| one | aaa bbb ccc ddd eee |", "k    v\n───  ───────────────\none  aaa bbb ccc ddd\n     eee\n", page.Style{Columns: 20}},
		{"colours", "# T\nrun `ls` **now**", "\x1b[1mT\x1b[0m\n\nrun \x1b[36mls\x1b[0m \x1b[1mnow\x1b[0m\n", page.Style{Columns: 80, Color: true}},
		{"a colour goes on in the next line", "**aaa bbb ccc ddd eee fff**", "\x1b[1maaa bbb ccc ddd eee\x1b[0m\n\x1b[1mfff\x1b[0m\n", page.Style{Columns: 20, Color: true}},
		{"no control character reaches the terminal", "a\x1b[2Jb\x01c\u009bd", "a[2Jbcd\n", page.Style{Columns: 80, Color: true}},
	} {
		if got := write(t, c.markdown, c.style); got != c.want {
			t.Errorf("%s:\n%s%q\nwant:\n%s%q", c.name, got, got, c.want, c.want)
		}
	}
}

// Whatever a text says, what reaches the terminal are characters and our colours.
func FuzzWrite(f *testing.F) {
	f.Add("# a\n- b\n  > c `d`\n\n| x | y |\n|---|---|\n| 日本 |", 20, true)
	f.Add("\x1b]0;x\x07<b>*a*\\\n", 0, false)
	f.Fuzz(func(t *testing.T, markdown string, columns int, color bool) {
		if len(markdown) > 4096 {
			return
		}
		out := write(t, markdown, page.Style{Columns: columns, Color: color})
		for _, c := range []string{"\x1b[1m", "\x1b[36m", "\x1b[0m"} {
			out = strings.ReplaceAll(out, c, "")
		}
		for _, r := range out {
			if r != '\n' && r != '\t' && r != utf8.RuneError && libc.RuneColumns(r) == 0 && r < 0xa0 {
				t.Fatalf("%q writes %q", markdown, r)
			}
		}
	})
}

// TestColumns: wide characters do not push what stands behind them.
func TestColumns(t *testing.T) {
	var b strings.Builder
	if err := page.Columns(&b, [][]string{{"ホスト", "時刻", "x"}, {"a", "12:00", "y"}}); err != nil {
		t.Fatal(err)
	}
	if want := "ホスト  時刻   x\na       12:00  y\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}
