package libc

import "testing"

func TestColumns(t *testing.T) {
	for _, c := range []struct {
		text string
		want int
	}{
		{"", 0}, {"logger", 6}, {"ログを集める", 12}, {"ﾛｸﾞ", 3}, {"e\u0301t", 2}, {"a\tb\x7f", 2}, {"★✓", 2}, {"한글", 4}, {"📧", 2}, {"（\u200b）", 4},
	} {
		if got := Columns(c.text); got != c.want {
			t.Errorf("%q takes %d columns, not %d", c.text, got, c.want)
		}
	}
}
