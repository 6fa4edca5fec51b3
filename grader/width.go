package grader

import "strings"

// wide are the ranges of characters that take two columns of a terminal
// (Unicode Standard Annex #11, classes W and F).
var wide = [...][2]rune{
	{0x1100, 0x115f}, {0x231a, 0x231b}, {0x2329, 0x232a}, {0x23e9, 0x23ec}, {0x23f0, 0x23f0}, {0x23f3, 0x23f3},
	{0x25fd, 0x25fe}, {0x2614, 0x2615}, {0x2648, 0x2653}, {0x267f, 0x267f}, {0x2693, 0x2693}, {0x26a1, 0x26a1},
	{0x2705, 0x2705}, {0x274c, 0x274c}, {0x2e80, 0x303e}, {0x3041, 0x33ff}, {0x3400, 0x4dbf}, {0x4e00, 0x9fff},
	{0xa000, 0xa4cf}, {0xa960, 0xa97f}, {0xac00, 0xd7a3}, {0xf900, 0xfaff}, {0xfe10, 0xfe19}, {0xfe30, 0xfe6f},
	{0xff00, 0xff60}, {0xffe0, 0xffe6}, {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
}

// runeWidth returns how many columns a character takes.
func runeWidth(r rune) int {
	switch {
	case r < 0x20 || r == 0x7f || r >= 0x300 && r < 0x370 || r == 0x200b || r == 0xfeff:
		return 0
	case r < 0x1100:
		return 1
	}
	for _, w := range wide {
		if r >= w[0] && r <= w[1] {
			return 2
		}
	}
	return 1
}

// width returns how many columns a text takes.
func width(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

// noStart are characters that may not begin a line.
const noStart = "、。，．・：；？！ー）」』】〉》〕］｝,.:;?!)]}’”…ぁぃぅぇぉっゃゅょァィゥェォッャュョ"

// wrap breaks a text into lines of at most cols columns: at blanks, and between
// wide characters. A word that is too long stays whole.
func wrap(s string, cols int) []string {
	var out []string
	line, used := "", 0
	for _, piece := range pieces(s) {
		w := width(piece)
		bare := strings.TrimRight(piece, " ")
		if used > 0 && used+width(bare) > cols {
			out = append(out, strings.TrimRight(line, " "))
			line, used = "", 0
		}
		line += piece
		used += w
	}
	return append(out, strings.TrimRight(line, " "))
}

// pieces splits a text into what must stay together: words with the blanks
// behind them, and wide characters with the punctuation behind them.
func pieces(s string) []string {
	var out []string
	rs := []rune(s)
	for i := 0; i < len(rs); {
		j := i + 1
		if runeWidth(rs[i]) < 2 {
			for j < len(rs) && runeWidth(rs[j]) < 2 && rs[j-1] != ' ' {
				j++
			}
		} else if strings.ContainsRune("「『（【〈《", rs[i]) && j < len(rs) {
			j++ // an opening bracket does not end a line
		}
		for j < len(rs) && (rs[j] == ' ' || strings.ContainsRune(noStart, rs[j])) {
			j++
		}
		out = append(out, string(rs[i:j]))
		i = j
	}
	return out
}
